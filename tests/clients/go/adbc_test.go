package goclient

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

func TestAdbcQueriesOfEveryShape(t *testing.T) {
	connection := connect(t)
	expect(t, rows(t, connection, "SELECT 42 AS answer, 'x' AS letter, NULL AS nothing"), "42|x|(null)\n")
	expect(t, rows(t, connection, "SELECT 1 WHERE false"), "")
	expect(t, rows(t, connection, "SELECT sum(range) FROM range(1000000)"), "499999500000\n")
	expect(t, rows(t, connection, "SELECT [1, 2] AS l, {'a': 1} AS s"), "[1,2]|{\"a\":1}\n")
	// Larger than one message that the driver takes.
	expect(t, strings.Count(rows(t, connection, "SELECT repeat('x', 100000) FROM range(300)"), "\n"), 300)
}

func TestAdbcChangesRunOnce(t *testing.T) {
	connection, table := connect(t), tableName()
	expect(t, update(t, connection, "CREATE TABLE "+table+" (i INTEGER)"), 0)
	expect(t, update(t, connection, "INSERT INTO "+table+" VALUES (1), (2)"), 2)
	expect(t, rows(t, connection, "SELECT count(*) FROM "+table), "2\n")
	// As a query, read and not read.
	expect(t, rows(t, connection, "INSERT INTO "+table+" VALUES (3)"), "")
	expect(t, rows(t, connection, "SELECT count(*) FROM "+table), "3\n")
	reader, _, err := statement(t, connection, "INSERT INTO "+table+" VALUES (4)").ExecuteQuery(context.Background())
	check(t, err)
	reader.Release()
	expect(t, rows(t, connection, "SELECT count(*) FROM "+table), "4\n")
	// Preparing and asking for a schema insert nothing.
	prepared := statement(t, connection, "INSERT INTO "+table+" VALUES (5)")
	check(t, prepared.Prepare(context.Background()))
	_, err = statement(t, connection, "INSERT INTO "+table+" VALUES (6)").(adbc.StatementExecuteSchema).ExecuteSchema(context.Background())
	check(t, err)
	expect(t, rows(t, connection, "SELECT count(*) FROM "+table), "4\n")
	changed, err := prepared.ExecuteUpdate(context.Background())
	check(t, err)
	expect(t, changed, 1)
	expect(t, rows(t, connection, "SELECT count(*), sum(i)::INTEGER FROM "+table), "5|15\n")
	expect(t, update(t, connection, "DELETE FROM "+table+" WHERE i > 2"), 3)
}

func TestAdbcPreparedStatementsTakeManyRows(t *testing.T) {
	connection, table := connect(t), tableName()
	update(t, connection, "CREATE TABLE "+table+" (i INTEGER)")
	insert := statement(t, connection, "INSERT INTO "+table+" VALUES (?)")
	check(t, insert.Prepare(context.Background()))
	check(t, insert.Bind(context.Background(), integers("0", 1, 2, 3)))
	changed, err := insert.ExecuteUpdate(context.Background())
	check(t, err)
	expect(t, changed, 3)
	selected := statement(t, connection, "SELECT i * 10 FROM "+table+" WHERE i = ?")
	check(t, selected.Prepare(context.Background()))
	schema, err := selected.GetParameterSchema()
	check(t, err)
	expect(t, schema.NumFields(), 1)
	check(t, selected.Bind(context.Background(), integers("0", 3, 1)))
	text, err := query(context.Background(), selected)
	check(t, err)
	expect(t, text, "30\n10\n")
}

func TestAdbcIngest(t *testing.T) {
	connection, table := connect(t), tableName()
	ingest := func(mode string, values ...int32) (int64, error) {
		made, err := connection.NewStatement()
		check(t, err)
		defer made.Close()
		check(t, made.SetOption(adbc.OptionKeyIngestTargetTable, table))
		check(t, made.SetOption(adbc.OptionKeyIngestMode, mode))
		check(t, made.Bind(context.Background(), integers("i", values...)))
		return made.ExecuteUpdate(context.Background())
	}
	_, err := ingest(adbc.OptionValueIngestModeAppend, 1)
	expectText(t, err, table)
	count, err := ingest(adbc.OptionValueIngestModeCreate, 1, 2)
	check(t, err)
	expect(t, count, 2)
	_, err = ingest(adbc.OptionValueIngestModeCreate, 1)
	expectText(t, err, "already exists")
	_, err = ingest(adbc.OptionValueIngestModeAppend, 3)
	check(t, err)
	expect(t, rows(t, connection, "SELECT count(*), sum(i)::INTEGER FROM "+table), "3|6\n")
	_, err = ingest(adbc.OptionValueIngestModeReplace, 9)
	check(t, err)
	expect(t, rows(t, connection, "SELECT i FROM "+table), "9\n")
}

func TestAdbcTransactions(t *testing.T) {
	connection, other, table := connect(t), connect(t), tableName()
	update(t, connection, "CREATE TABLE "+table+" (i INTEGER)")
	check(t, connection.(adbc.PostInitOptions).SetOption(adbc.OptionKeyAutoCommit, adbc.OptionValueDisabled))
	update(t, connection, "INSERT INTO "+table+" VALUES (1)")
	expect(t, rows(t, connection, "SELECT count(*) FROM "+table), "1\n")
	expect(t, rows(t, other, "SELECT count(*) FROM "+table), "0\n")
	check(t, connection.Rollback(context.Background()))
	update(t, connection, "INSERT INTO "+table+" VALUES (2)")
	check(t, connection.Commit(context.Background()))
	check(t, connection.(adbc.PostInitOptions).SetOption(adbc.OptionKeyAutoCommit, adbc.OptionValueEnabled))
	expect(t, rows(t, other, "SELECT i FROM "+table), "2\n")
}

func TestAdbcMetadata(t *testing.T) {
	connection, table := connect(t), tableName()
	update(t, connection, "CREATE TABLE "+table+" (i INTEGER NOT NULL, s VARCHAR)")
	schema, err := connection.GetTableSchema(context.Background(), nil, nil, table)
	check(t, err)
	expect(t, schema.NumFields(), 2)
	expect(t, schema.Field(0).Nullable, false)
	expect(t, schema.Field(1).Type.ID(), arrow.STRING)
	types, err := connection.GetTableTypes(context.Background())
	check(t, err)
	text, err := read(types)
	check(t, err)
	expect(t, text, "MATERIALIZED VIEW\nTABLE\nVIEW\n")
	objects, err := connection.GetObjects(context.Background(), adbc.ObjectDepthAll, nil, nil, &table, nil, nil)
	check(t, err)
	text, err = read(objects)
	check(t, err)
	if !strings.Contains(text, `"table_name":"`+table+`"`) || !strings.Contains(text, `"column_name":"s"`) {
		t.Errorf("GetObjects says %s", text)
	}
	info, err := connection.GetInfo(context.Background(), []adbc.InfoCode{adbc.InfoVendorName})
	check(t, err)
	text, err = read(info)
	check(t, err)
	if !strings.Contains(text, "Hyprstream") {
		t.Errorf("GetInfo says %s", text)
	}
}

// A deadline of the caller stops the work in the server, not only the wait for it.
func TestAdbcDeadlineStopsTheQuery(t *testing.T) {
	connection, mark := connect(t), "deadline "+tableName()
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	_, err := query(ctx, statement(t, connection, "SELECT count(*) /* "+mark+" */ FROM range(1000000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3"))
	if err == nil {
		t.Fatal("an hour's query ended in time")
	}
	state := ""
	if !eventually(func() bool {
		state = rows(t, connection, "SELECT state FROM hyprstream.queries WHERE text LIKE '%"+mark+"%' AND text NOT LIKE '%hyprstream.queries%' AND ms > 100 OR state = 'running' AND text LIKE '%"+mark+"%' AND text NOT LIKE '%hyprstream.queries%'")
		return state == "cancelled\n"
	}) {
		t.Errorf("the query's state is %q", state)
	}
	expect(t, rows(t, connection, "SELECT 1"), "1\n")
}

func TestAdbcErrorsKeepTheirText(t *testing.T) {
	connection := connect(t)
	_, err := query(context.Background(), statement(t, connection, "SELEKT 1"))
	expectText(t, err, "SELEKT")
	_, err = query(context.Background(), statement(t, connection, "SELECT * FROM no_such_table"))
	expectText(t, err, "no_such_table")
	_, err = query(context.Background(), statement(t, connection, "SELECT CASE WHEN range = 2500000 THEN error('row ' || range || ' is bad') ELSE 'good' END FROM range(3000000)"))
	expectText(t, err, "row 2500000 is bad")
	_, err = statement(t, connection, "INSERT INTO no_such_table VALUES (1)").ExecuteUpdate(context.Background())
	expectText(t, err, "no_such_table")
}

// Two readers of one connection, read in turns.
func TestAdbcResultsAreOpenSideBySide(t *testing.T) {
	connection := connect(t)
	readers := [2]array.RecordReader{}
	for i := range readers {
		reader, _, err := statement(t, connection, "SELECT range FROM range(1000000)").ExecuteQuery(context.Background())
		check(t, err)
		defer reader.Release()
		readers[i] = reader
	}
	counts := [2]int64{}
	for more := true; more; {
		more = false
		for i, reader := range readers {
			if reader.Next() {
				counts[i] += reader.RecordBatch().NumRows()
				more = true
			}
		}
	}
	expect(t, counts, [2]int64{1000000, 1000000})
}
