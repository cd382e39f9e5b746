"""SQL that reaches for what no client may touch, through every door: refused in words, nothing read, nothing changed."""

import itertools
import os
import pathlib

import flight_sql_wire as wire
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from exchange import is_healthy, run_sql
from server_process import ServerProcess

MARKER = "words-of-a-file-that-no-client-reads"
_numbers = itertools.count()

# What stands behind FROM. {f}: a file of the data folder, {d}: that folder.
READERS = [
    "read_text('{f}')", "read_blob('{f}')", "read_csv('{f}')", "read_csv_auto('{f}')", "sniff_csv('{f}')",
    "read_json('{f}')", "read_json_objects('{f}')", "read_ndjson('{f}')", "parquet_scan('{f}')",
    "read_parquet(['{f}'])", "parquet_metadata('{f}')", "parquet_schema('{f}')", "glob('{d}/*')", "'{f}'", '"{f}"',
    "'{d}/*.csv'", "read_text(['{f}', '{f}'])", "read_text('file://{f}')", "read_csv('https://127.0.0.1:1/x.csv')",
    "read_text('{d}/hyprstream.duckdb')", "read_blob('/proc/self/environ')", "read_duckdb('{d}/hyprstream.duckdb')",
    "arrow_scan(0, 0, 0)", "arrow_scan_dumb(1::UBIGINT, 2::UBIGINT, 3::UBIGINT)",
    "duckdb_settings()", "duckdb_secrets()", "duckdb_logs()", "duckdb_extensions()", "duckdb_temporary_files()",
    "duckdb_prepared_statements()", "duckdb_memory()", "duckdb_variables()", "pragma_database_size()",
    "pragma_storage_info('base')", "(SELECT path FROM duckdb_databases())", "duckdb_settings", "which_secret('x', 's3')",
    "checkpoint()", "force_checkpoint()", "enable_logging()", "sql_auto_complete('FROM ''/')",
    "hyprstream_input()", "hyprstream_input('main', 'base')", "hyprstream_system('nothing')",
    "view_scan('main', 'nothing')", "view_scan('__hyprstream', 'views')", "__hyprstream.views", "__HYPRSTREAM.Views",
    '"__hyprstream"."views"', "query('FROM __hyprstream.views')", "query_table('__hyprstream.views')",
    "query('FROM read_text(''{f}'')')", "query_table(['{f}'])", "query_table('{f}')",
    "json_execute_serialized_sql(json_serialize_sql('SELECT 42'))",
    "json_execute_serialized_sql(json_serialize_sql('FROM read_text(''{f}'')'))",
    "(SHOW memory_limit)", "(SHOW temp_directory)",
    "query('FROM hyprstream_system(''tables'')')", "query('FROM query(''SELECT hyprstream_present(1)'')')",
    "query('SELECT ''' || current_setting('temp_directory') || ''' AS t')", "range(len(current_setting('temp_directory')))",
    "query('SELECT ''' || json_serialize_sql('SELECT 1') || ''' AS t')", "range(sleep_ms(1))",
    "sql_auto_complete('SELECT ' || repeat('(', 20000))", "query('SELECT 1' || repeat(' UNION ALL SELECT 1', 20000))",
    "query_table(list_transform(range(20000), lambda x: 'base'))",
]

# Whole statements; the last must be refused, or one before it.
STATEMENTS = [[sql] for sql in [
    "COPY base TO '{d}/out.csv'", "COPY base FROM '{f}'", "COPY (FROM read_text('{f}')) TO '{d}/out.csv'",
    "COPY base TO '{d}/hyprstream.duckdb.wal' (FORMAT csv)", "EXPORT DATABASE '{d}/out'", "IMPORT DATABASE '{d}/out'",
    "COPY FROM DATABASE hyprstream TO other", "ATTACH '{d}/x.db' AS x", "ATTACH ':memory:' AS x", "ATTACH ':memory:'",
    "ATTACH '{f}' AS x (TYPE sqlite)", "DETACH hyprstream", "INSTALL httpfs", "FORCE INSTALL httpfs", "LOAD httpfs",
    "LOAD '{f}'", "UPDATE EXTENSIONS", "SET memory_limit = '1TB'", "SET GLOBAL memory_limit = '1TB'",
    "SET threads = 64", "SET GLOBAL threads = 64", "SET SESSION threads = 64", "RESET memory_limit",
    "RESET GLOBAL threads", "SET enable_external_access = true", "SET lock_configuration = false",
    "SET allowed_configs = []", "SET GLOBAL TimeZone = 'UTC'", "SET VARIABLE x = 1", "SET temp_directory = '{d}'",
    "SET home_directory = '{d}'", "SET file_search_path = '{d}'", "SET max_expression_depth = 1000000",
    "SET schema = '__hyprstream'", "USE __hyprstream", "SET search_path = 'main,__hyprstream'",
    "PRAGMA memory_limit = '1TB'", "PRAGMA threads = 8", "PRAGMA database_size", "PRAGMA enable_profiling",
    "PRAGMA storage_info('base')", "PRAGMA enable_external_access", "PRAGMA disable_checkpoint_on_shutdown",
    "PRAGMA import_database('{d}')", "CALL enable_logging()", "CALL force_checkpoint()", "CALL checkpoint()",
    "CALL disable_logging()", "CALL pragma_database_size()", "CALL read_text('{f}')", "CHECKPOINT",
    "FORCE CHECKPOINT", "VACUUM", "ANALYZE", "CREATE SECRET s (TYPE s3)", "CREATE PERSISTENT SECRET s (TYPE s3)",
    "DROP SECRET s", "SHOW memory_limit", "SELECT current_setting('temp_directory')",
    "SELECT current_setting('temp_' || 'directory') || ''", "SELECT getenv('HOME')",
    "SELECT write_log('x')", "SELECT json_serialize_sql('SELECT 1')", "SELECT sleep_ms(1)", "SELECT setseed(0.5)",
    "DELETE FROM __hyprstream.views", "UPDATE __hyprstream.views SET view_name = 'x'",
    "INSERT INTO __hyprstream.views SELECT * FROM __hyprstream.views", "TRUNCATE __hyprstream.views",
    "MERGE INTO __hyprstream.views v USING (SELECT 1 AS i) x ON true WHEN MATCHED THEN DELETE",
    "DROP TABLE __hyprstream.views", "ALTER TABLE __hyprstream.views ADD COLUMN x INT",
    "ALTER TABLE __hyprstream.views RENAME TO x", "DROP SCHEMA __hyprstream CASCADE",
    "CREATE OR REPLACE SCHEMA __hyprstream", "CREATE TABLE __hyprstream.mine (i INT)",
    "CREATE TABLE __hyprstream.mine AS SELECT 1 AS i", "CREATE VIEW __hyprstream.mine AS SELECT 1 AS i",
    "CREATE MACRO __hyprstream.mine() AS 1", "CREATE SEQUENCE __hyprstream.mine",
    "CREATE TYPE __hyprstream.mine AS ENUM ('a')", "CREATE INDEX ix ON __hyprstream.views (view_name)",
    "COMMENT ON TABLE __hyprstream.views IS 'x'",
    "CREATE MATERIALIZED VIEW __hyprstream.mine AS SELECT i, count(*) AS n FROM base GROUP BY ALL",
    "CREATE MATERIALIZED VIEW hyprstream.mine AS SELECT i, count(*) AS n FROM base GROUP BY ALL",
    "CREATE OR REPLACE MATERIALIZED VIEW hyprstream.tables AS SELECT i, count(*) AS n FROM base GROUP BY ALL",
    "CREATE TABLE hyprstream.mine (i INT)", "CREATE VIEW hyprstream.mine AS SELECT 1 AS i",
    "CREATE OR REPLACE VIEW hyprstream.tables AS SELECT 1 AS i", "DROP VIEW hyprstream.tables",
    "ALTER VIEW hyprstream.tables RENAME TO mine", "DROP SCHEMA hyprstream CASCADE",
    "CREATE OR REPLACE SCHEMA hyprstream", "CREATE MACRO hyprstream.mine() AS 1", "CREATE SEQUENCE hyprstream.mine",
    "INSERT INTO hyprstream.tables SELECT * FROM hyprstream.tables", "DROP MATERIALIZED VIEW __hyprstream.views",
    "CREATE TRIGGER g AFTER INSERT ON base FOR EACH ROW DELETE FROM base",
    "EXPLAIN ANALYZE INSERT INTO base VALUES (1, 'x')", "EXPLAIN COPY base TO '{d}/out.csv'",
    "PREPARE {n} AS COPY base TO '{d}/out.csv'", "PREPARE {n} AS SET threads = 8",
    "CREATE TYPE {n} AS ENUM (SELECT content FROM read_text('{f}'))",
    "CREATE SCHEMA system", "CREATE SCHEMA IF NOT EXISTS temp", "CREATE SCHEMA tables", "CREATE SCHEMA hyprstream.mine",
    "CREATE SCHEMA __hyprstream.mine", "CREATE MACRO tumble(x) AS TABLE SELECT x",
]]

# Ways to hide a read of a file.
FILE = "(SELECT content FROM read_text('{f}'))"
HIDDEN = [
    ["SELECT " + FILE], ["SELECT 1 WHERE EXISTS (FROM read_text('{f}'))"], ["SELECT * FROM base ORDER BY " + FILE],
    ["SELECT * FROM base LIMIT (SELECT size FROM read_text('{f}'))"], ["SELECT count(*) FILTER (s = " + FILE + ") FROM base"],
    ["SELECT sum(i) OVER (PARTITION BY " + FILE + ") FROM base"], ["SELECT list_transform([1], lambda x: " + FILE + ")"],
    ["WITH x AS (FROM read_text('{f}')) SELECT * FROM x"],
    ["WITH x AS MATERIALIZED (FROM read_text('{f}')) SELECT count(*) FROM x"],
    ["WITH RECURSIVE x AS (SELECT '' AS s UNION ALL SELECT content FROM read_text('{f}')) SELECT * FROM x"],
    ["SELECT * FROM base, LATERAL (FROM read_text('{f}'))"], ["FROM base UNION ALL SELECT 1, content FROM read_text('{f}')"],
    ["CREATE VIEW {n} AS FROM read_text('{f}')", "FROM {n}"], ["CREATE TEMP VIEW {n} AS FROM read_text('{f}')", "FROM {n}"],
    ["CREATE VIEW {n} AS FROM '{f}'", "FROM {n}"], ["CREATE VIEW {n} AS FROM query('FROM read_text(''{f}'')')", "FROM {n}"],
    ["CREATE MACRO {n}() AS " + FILE, "SELECT {n}()"], ["CREATE TEMP MACRO {n}() AS " + FILE, "SELECT {n}()"],
    ["CREATE MACRO {n}() AS TABLE FROM read_text('{f}')", "FROM {n}()"],
    ["CREATE MACRO {n}(x) AS TABLE FROM read_text(x)", "FROM {n}('{f}')"],
    ["CREATE MACRO {n}(x) AS TABLE FROM query(x)", "FROM {n}('FROM read_text(''{f}'')')"],
    ["CREATE MACRO {n}(x) AS TABLE FROM query_table(x)", "FROM {n}('{f}')"],
    ["CREATE MACRO {n}() AS current_setting('temp_directory')", "SELECT upper({n}())"],
    ["CREATE MACRO {n}() AS TABLE FROM read_text('{f}')", "CREATE VIEW {n}_v AS FROM {n}()", "FROM {n}_v"],
    ["CREATE MACRO {n}() AS " + FILE, "CREATE TABLE {n}_t (i INT, s VARCHAR DEFAULT {n}())", "INSERT INTO {n}_t (i) VALUES (1)"],
    ["CREATE MACRO {n}() AS " + FILE, "CREATE TABLE {n}_t (i INT, CHECK ({n}() <> ''))", "INSERT INTO {n}_t VALUES (1)"],
    ["CREATE MACRO {n}() AS " + FILE, "CREATE TABLE {n}_t (i INT, s VARCHAR AS ({n}()))", "FROM {n}_t"],
    ["CREATE MACRO {n}() AS " + FILE, "CREATE INDEX {n}_i ON base (({n}()))"],
    ["CREATE MACRO {n}() AS " + FILE, "INSERT INTO base SELECT 1, {n}()"],
    ["CREATE MACRO {n}() AS " + FILE, "UPDATE base SET s = {n}()"],
    ["CREATE MACRO {n}() AS " + FILE, "CREATE MATERIALIZED VIEW {n}_m AS SELECT {n}() AS k, count(*) AS c FROM base GROUP BY ALL"],
    ["CREATE TABLE {n} (i INT, s VARCHAR DEFAULT " + FILE + ")", "INSERT INTO {n} (i) VALUES (1)"],
    ["CREATE TABLE {n} (i INT, s VARCHAR DEFAULT current_setting('temp_directory'))", "INSERT INTO {n} (i) VALUES (1)"],
    ["CREATE TABLE {n} (i INT, CHECK (" + FILE + " <> ''))", "INSERT INTO {n} VALUES (1)"],
    ["CREATE TABLE {n} (i INT, s VARCHAR AS (current_setting('temp_directory')))", "FROM {n}"],
    ["CREATE TABLE {n} AS FROM read_text('{f}')"], ["CREATE TEMP TABLE {n} AS FROM read_text('{f}')"],
    ["ALTER TABLE base ADD COLUMN x VARCHAR DEFAULT " + FILE], ["ALTER TABLE base ALTER s SET DEFAULT current_setting('temp_directory')"],
    ["ALTER TABLE base ALTER s TYPE VARCHAR USING current_setting('temp_directory')"],
    ["CREATE INDEX {n} ON base ((current_setting('temp_directory')))"],
    ["CREATE MATERIALIZED VIEW {n} AS SELECT content, count(*) AS c FROM read_text('{f}') GROUP BY ALL"],
    ["CREATE MATERIALIZED VIEW {n} AS SELECT " + FILE + " AS k, count(*) AS c FROM base GROUP BY ALL"],
    ["CREATE MATERIALIZED VIEW {n} AS SELECT i, count(*) AS c FROM base WHERE s = current_setting('temp_directory') GROUP BY ALL"],
    ["CREATE MATERIALIZED VIEW {n} AS SELECT i, count(*) AS c FROM '{f}' GROUP BY ALL"],
    ["CREATE MATERIALIZED VIEW {n} AS SELECT view_name, count(*) AS c FROM __hyprstream.views GROUP BY ALL"],
    ["PREPARE {n} AS FROM read_text('{f}')", "EXECUTE {n}"], ["PREPARE {n} AS FROM read_text(?)", "EXECUTE {n}('{f}')"],
    ["PREPARE {n} AS FROM query(?)", "EXECUTE {n}('FROM read_text(''{f}'')')"],
    ["PREPARE {n} AS SELECT current_setting(?)", "EXECUTE {n}('temp_directory')"],
    ["INSERT INTO base SELECT 1, content FROM read_text('{f}')"], ["UPDATE base SET s = " + FILE],
    ["DELETE FROM base WHERE s = " + FILE], ["INSERT INTO base VALUES (1, 'x') RETURNING " + FILE],
    ["MERGE INTO base USING (FROM read_text('{f}')) x ON s = content WHEN MATCHED THEN DELETE"],
    ["WITH x AS (INSERT INTO base SELECT 1, content FROM read_text('{f}') RETURNING s) FROM x"],
    ["EXPLAIN FROM read_text('{f}')"], ["EXPLAIN ANALYZE FROM read_text('{f}')"], ["SUMMARIZE FROM read_text('{f}')"],
    ["SUMMARIZE '{f}'"], ["PIVOT (FROM read_text('{f}')) ON size USING count(*)"],
    ["UNPIVOT (FROM read_text('{f}')) ON content INTO NAME a VALUE b"],
    ["FROM json_execute_serialized_sql('{\"error\": false}')"],
]

ATTACKS = [[f"SELECT * FROM {reader}"] for reader in READERS] + STATEMENTS + HIDDEN


@pytest.fixture(scope="module")
def fortress(tmp_path_factory):
    """A server whose data folder holds a file that only the server's user may read; yields (server, file)."""
    folder = tmp_path_factory.mktemp("fortress")
    file = folder / "secret.csv"
    file.write_text(f"a,b\n1,{MARKER}\n")
    with ServerProcess("--data", folder) as process:
        run_sql(process, "CREATE TABLE base (i BIGINT, s VARCHAR)")
        run_sql(process, "INSERT INTO base VALUES (1, 'one')")
        run_sql(process, "CREATE MATERIALIZED VIEW sums AS SELECT s, count(*) AS n FROM base GROUP BY ALL")
        before = contents(folder)
        yield process, file
        assert is_healthy(process)
        assert run_sql(process, "SELECT i, s FROM base") == {"i": [1], "s": ["one"]}
        assert run_sql(process, "SELECT s, n FROM sums") == {"s": ["one"], "n": [1]}
        assert contents(folder) == before
        assert file.read_text() == f"a,b\n1,{MARKER}\n"


def contents(folder):
    """Files, but those that DuckDB makes and removes as it works."""
    return {os.path.relpath(path, folder) for path in pathlib.Path(folder).rglob("*")
            if path.is_file() and "tmp" not in path.name and not path.name.endswith(".wal")}


@pytest.fixture(scope="module")
def client(fortress):
    with fl.connect(fortress[0].url) as connection:
        yield connection


def through_exchange(client, sql):
    writer, reader = client.do_exchange(fl.FlightDescriptor.for_command(sql))
    with writer:
        writer.done_writing()
        return wire.read_to_end(reader)


def through_prepared(client, sql):
    handle = wire.prepare(client, sql)
    info = client.get_flight_info(wire.prepared_query(handle))
    return wire.read_to_end(client.do_get(info.endpoints[0].ticket))


DOORS = {
    "query": wire.query,
    "schema": lambda client, sql: client.get_schema(wire.statement_query(sql)),
    "update": wire.update,
    "script": lambda client, sql: wire.update(client, f"CREATE TABLE half (i INT); {sql}"),
    "prepare": through_prepared,
    "exchange": through_exchange,
}

# Names that are no table's are NOT_FOUND, as any other; a SELECT that no view can maintain is UNIMPLEMENTED.
REFUSALS = (pa.ArrowInvalid, pa.ArrowKeyError, pa.ArrowNotImplementedError)


def check_refusal(error):
    text = str(error)
    assert 0 < len(text.encode()) <= 4096
    assert MARKER not in text
    assert "INTERNAL" not in text


def is_refused(door, client, sql):
    """Was it refused in words? True or what it answered."""
    try:
        return door(client, sql)
    except REFUSALS as error:
        check_refusal(error)
        return True


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack[-1][:60])
def test_what_no_client_may_touch_is_refused_through_every_door(fortress, client, attack):
    for door in DOORS:
        names = {"{f}": str(fortress[1]), "{d}": str(fortress[1].parent), "{n}": f"n{next(_numbers)}"}
        for number, sql in enumerate(attack):
            for name, value in names.items():
                sql = sql.replace(name, value)
            last = number == len(attack) - 1
            if door == "schema" and ("MATERIALIZED VIEW" in sql or sql.startswith("DETACH")):
                assert client.get_schema(wire.statement_query(sql)).schema == pa.schema([])  # looks at nothing
                break
            answer = is_refused(DOORS[door] if last else wire.update, client, sql)
            if answer is True:
                break
            assert not last, f"{door}: {answer}"
    assert through_exchange(client, "SELECT 42 AS x") == [{"x": 42}]


def test_ctes_that_double_are_not_written_out(client):
    steps = [f"a{i} AS NOT MATERIALIZED (FROM a{i - 1} UNION ALL FROM a{i - 1})" for i in range(1, 41)]
    doubling = ", ".join(["WITH a0 AS NOT MATERIALIZED (SELECT 1 AS i)", *steps])
    assert wire.query(client, f"{doubling} SELECT count(*) AS n FROM a16") == [{"n": 2 ** 16}]
    assert wire.query(client, f"EXPLAIN {doubling} SELECT count(*) FROM a40")


def test_scripts_that_were_refused_left_nothing(client):
    assert wire.query(client, "SELECT count(*) AS n FROM duckdb_tables() WHERE table_name = 'half'") == [{"n": 0}]


@pytest.mark.parametrize("sql, name", [
    ("SELECT * FROM read_text(?)", "{f}"), ("SELECT * FROM read_csv(?)", "{f}"), ("FROM glob(?)", "{d}/*"),
    ("FROM query(?)", "FROM read_text('{f}')"), ("FROM query_table(?)", "{f}"), ("FROM query_table(?)", "__hyprstream.views"),
    ("SELECT current_setting(?)", "temp_directory"), ("FROM hyprstream_system(?)", "nothing"),
    ("FROM view_scan('__hyprstream', ?)", "views"), ("FROM json_execute_serialized_sql(?::JSON)", "{}"),
])
def test_bound_parameters_open_no_file(fortress, client, sql, name):
    name = name.replace("{f}", str(fortress[1])).replace("{d}", str(fortress[1].parent))
    with pytest.raises(REFUSALS) as caught:
        handle = wire.prepare(client, sql)
        descriptor = wire.prepared_query(handle)
        writer, reader = client.do_put(descriptor, pa.schema([("1", pa.string())]))
        writer.write_batch(pa.record_batch([pa.array([name])], names=["1"]))
        writer.done_writing()
        reader.read()
        writer.close()
        info = client.get_flight_info(descriptor)
        wire.read_to_end(client.do_get(info.endpoints[0].ticket))
    check_refusal(caught.value)


@pytest.mark.parametrize("path", [["__hyprstream", "views"], ["__HYPRSTREAM", "mine"], ["hyprstream", "tables"],
                                  ["hyprstream", "mine"]])
@pytest.mark.parametrize("metadata", [None, b'{"create": true}'])
def test_no_rows_are_put_into_the_servers_own_schemas(client, path, metadata):
    schema = pa.schema([("schema_name", pa.string())])
    batch = pa.record_batch([pa.array(["x"])], schema=schema)
    with pytest.raises(REFUSALS):
        writer, reader = client.do_put(fl.FlightDescriptor.for_path(*path), schema)
        if metadata is None:
            writer.write_batch(batch)
        else:
            writer.write_with_metadata(batch, metadata)
        writer.done_writing()
        reader.read()
        writer.close()


@pytest.mark.parametrize("call", ["get_flight_info", "get_schema"])
@pytest.mark.parametrize("path", [["__hyprstream", "views"], ["{f}"], ["main", "{f}"], ["read_text('{f}')"]])
def test_paths_name_tables_only(fortress, client, call, path):
    path = [part.replace("{f}", str(fortress[1])) for part in path]
    with pytest.raises(REFUSALS) as caught:
        info = getattr(client, call)(fl.FlightDescriptor.for_path(*path))
        wire.read_to_end(client.do_get(info.endpoints[0].ticket))
    check_refusal(caught.value)


def test_paths_name_lasting_tables(fortress, client):
    wire.update(client, "CREATE TABLE namesake AS SELECT 1 AS lasting; CREATE TEMPORARY TABLE namesake AS SELECT 2 AS brief")
    for path in (["namesake"], ["main", "namesake"]):
        descriptor = fl.FlightDescriptor.for_path(*path)
        assert client.get_schema(descriptor).schema.names == ["lasting"]
        info = client.get_flight_info(descriptor)
        assert wire.read_to_end(client.do_get(info.endpoints[0].ticket)) == [{"lasting": 1}]
    listed = next(info for info in client.list_flights() if info.descriptor.path[-1] == b"namesake")
    assert listed.schema.names == ["lasting"]
    assert wire.read_to_end(client.do_get(listed.endpoints[0].ticket)) == [{"lasting": 1}]
    wire.update(client, "DROP TABLE temp.namesake; DROP TABLE main.namesake")


@pytest.mark.parametrize("table", ["__hyprstream.views", "{f}", "base; DROP TABLE base", 'x"; DROP TABLE base; --'])
def test_ingest_takes_the_name_as_a_name(fortress, client, table):
    """A strange name is a table of that name in main, and nothing else."""
    table = table.replace("{f}", str(fortress[1]))
    batch = pa.record_batch([pa.array([1])], names=["i"])
    writer, reader = client.do_put(wire.statement_ingest(table), batch.schema)
    writer.write_batch(batch)
    writer.done_writing()
    reader.read()
    writer.close()
    quoted = '"' + table.replace('"', '""') + '"'
    assert wire.query(client, f"SELECT count(*) AS n FROM main.{quoted}") == [{"n": 1}]
    assert wire.query(client, "SELECT count(*) AS n FROM base") == [{"n": 1}]
    wire.update(client, f"DROP TABLE main.{quoted}")


@pytest.mark.parametrize("ticket", [b"", b"x", b"FROM base", b"\x00" * 100, b"base", b"main.base", b"\xff" * 64,
                                    b"x" * 1_000_000])
def test_tickets_are_no_sql_and_no_names(client, ticket):
    with pytest.raises(REFUSALS) as caught:
        client.do_get(fl.Ticket(ticket)).read_all()
    check_refusal(caught.value)
