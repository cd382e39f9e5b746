package goclient

import (
	"context"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func flightClient(t *testing.T) *flightsql.Client {
	t.Helper()
	client, err := flightsql.NewClient(address, nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func fetch(client *flightsql.Client, info *flight.FlightInfo, err error) (string, error) {
	if err != nil {
		return "", err
	}
	reader, err := client.DoGet(context.Background(), info.Endpoint[0].Ticket)
	if err != nil {
		return "", err
	}
	return read(reader)
}

func TestFlightSqlStatementsAndUpdates(t *testing.T) {
	client, table, ctx := flightClient(t), tableName(), context.Background()
	_, err := client.ExecuteUpdate(ctx, "CREATE TABLE "+table+" (i INTEGER)")
	check(t, err)
	changed, err := client.ExecuteUpdate(ctx, "INSERT INTO "+table+" VALUES (1), (2)")
	check(t, err)
	expect(t, changed, 2)
	info, err := client.Execute(ctx, "INSERT INTO "+table+" VALUES (3)")
	check(t, err)
	expect(t, len(info.Endpoint), 1)
	expect(t, info.TotalRecords, 1)
	info, err = client.Execute(ctx, "SELECT count(*) FROM "+table)
	text, err := fetch(client, info, err)
	check(t, err)
	expect(t, text, "3\n")
}

func TestFlightSqlPreparedAndTransactions(t *testing.T) {
	client, table, ctx := flightClient(t), tableName(), context.Background()
	_, err := client.ExecuteUpdate(ctx, "CREATE TABLE "+table+" (i INTEGER)")
	check(t, err)
	transaction, err := client.BeginTransaction(ctx)
	check(t, err)
	prepared, err := transaction.Prepare(ctx, "INSERT INTO "+table+" VALUES (?)")
	check(t, err)
	prepared.SetParameters(integers("1", 1, 2))
	changed, err := prepared.ExecuteUpdate(ctx)
	check(t, err)
	expect(t, changed, 2)
	check(t, prepared.Close(ctx))
	check(t, transaction.Rollback(ctx))
	info, err := client.Execute(ctx, "SELECT count(*) FROM "+table)
	text, err := fetch(client, info, err)
	check(t, err)
	expect(t, text, "0\n")
	_, err = transaction.ExecuteUpdate(ctx, "INSERT INTO "+table+" VALUES (1)")
	if err == nil {
		t.Error("an ended transaction took a statement")
	}
}

func TestFlightSqlMetadata(t *testing.T) {
	client, table, ctx := flightClient(t), tableName(), context.Background()
	_, err := client.ExecuteUpdate(ctx, "CREATE TABLE "+table+" (i INTEGER PRIMARY KEY)")
	check(t, err)
	info, err := client.GetTables(ctx, &flightsql.GetTablesOpts{TableNameFilterPattern: &table})
	text, err := fetch(client, info, err)
	check(t, err)
	if !strings.Contains(text, table+"|TABLE") {
		t.Errorf("GetTables says %s", text)
	}
	info, err = client.GetPrimaryKeys(ctx, flightsql.TableRef{Table: table})
	text, err = fetch(client, info, err)
	check(t, err)
	if !strings.Contains(text, "|i|1|") {
		t.Errorf("GetPrimaryKeys says %s", text)
	}
	info, err = client.GetSqlInfo(ctx, []flightsql.SqlInfo{flightsql.SqlInfoFlightSqlServerName, 9999})
	text, err = fetch(client, info, err)
	check(t, err)
	expect(t, strings.Count(text, "\n"), 1)
}
