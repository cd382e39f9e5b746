// Package goclient runs the Go clients (ADBC's Flight SQL driver and Arrow's flightsql client) against a real server.
package goclient

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-adbc/go/adbc"
	driver "github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

var (
	address string // host:port of the one server that all tests share
	tables  atomic.Int64
)

func TestMain(m *testing.M) {
	os.Exit(withServer(m))
}

func withServer(m *testing.M) int {
	folder, err := os.MkdirTemp("", "hyprstream-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	ready := filepath.Join(folder, "ready")
	server := exec.Command(os.Getenv("HYPRSTREAM_BINARY"), "serve", "--port", "0", "--ready-file", ready)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "HYPRSTREAM_") {
			server.Env = append(server.Env, variable)
		}
	}
	if err := server.Start(); err != nil {
		panic(err)
	}
	defer func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
	}()
	if !eventually(func() bool {
		text, err := os.ReadFile(ready)
		address = strings.TrimSpace(string(text))
		return err == nil && address != ""
	}) {
		panic("the server did not start")
	}
	return m.Run()
}

// eventually is true as soon as the condition holds, false when it did not within 30 s.
func eventually(condition func() bool) bool {
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if condition() {
			return true
		}
		select {
		case <-deadline:
			return false
		case <-tick.C:
		}
	}
}

// tableName is one that no other test uses.
func tableName() string { return fmt.Sprintf("t%d", tables.Add(1)) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func expect[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func expectText(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("got error %v, want one with %q", err, part)
	}
}

// connect opens a database and a connection of its own, closed at the end of the test.
func connect(t *testing.T) adbc.Connection {
	t.Helper()
	database, err := driver.NewDriver(memory.DefaultAllocator).NewDatabase(map[string]string{adbc.OptionKeyURI: "grpc://" + address})
	check(t, err)
	connection, err := database.Open(context.Background())
	check(t, err)
	t.Cleanup(func() {
		_ = connection.Close()
		_ = database.Close()
	})
	return connection
}

func statement(t *testing.T, connection adbc.Connection, sql string) adbc.Statement {
	t.Helper()
	made, err := connection.NewStatement()
	check(t, err)
	check(t, made.SetSqlQuery(sql))
	t.Cleanup(func() { _ = made.Close() })
	return made
}

func update(t *testing.T, connection adbc.Connection, sql string) int64 {
	t.Helper()
	rows, err := statement(t, connection, sql).ExecuteUpdate(context.Background())
	check(t, err)
	return rows
}

// read gives the rows as `1|a|(null)`, a line each.
func read(reader array.RecordReader) (string, error) {
	defer reader.Release()
	text := strings.Builder{}
	for reader.Next() {
		batch := reader.RecordBatch()
		for row := range int(batch.NumRows()) {
			for column := range int(batch.NumCols()) {
				if column > 0 {
					text.WriteByte('|')
				}
				text.WriteString(batch.Column(column).ValueStr(row))
			}
			text.WriteByte('\n')
		}
	}
	return text.String(), reader.Err()
}

func query(ctx context.Context, made adbc.Statement) (string, error) {
	reader, _, err := made.ExecuteQuery(ctx)
	if err != nil {
		return "", err
	}
	return read(reader)
}

func rows(t *testing.T, connection adbc.Connection, sql string) string {
	t.Helper()
	text, err := query(context.Background(), statement(t, connection, sql))
	check(t, err)
	return text
}

func integers(name string, values ...int32) arrow.RecordBatch {
	schema := arrow.NewSchema([]arrow.Field{{Name: name, Type: arrow.PrimitiveTypes.Int32, Nullable: true}}, nil)
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer builder.Release()
	builder.Field(0).(*array.Int32Builder).AppendValues(values, nil)
	return builder.NewRecordBatch()
}
