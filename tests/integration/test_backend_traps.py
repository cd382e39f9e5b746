"""The losses and traps of databases and their ADBC drivers, each by its name, through the port of the server.

A driver by itself gives or takes a wrong value in silence in most of these. Here each one is either right or an error
that says which column, which row and what value.
"""

import datetime
import decimal
import math
import os

import pyarrow as pa
import pytest

from duckdb_file import an_empty_file
from flight_sql_client import TOKEN, USERS, connected, insert_at_once, refused, runner
from free_port import free_port
from postgres_server import PostgresServer
from server_process import ServerProcess, wait_until

UINT64_MAX = 2**64 - 1
NANOS = pa.timestamp("ns")
MICROS = pa.timestamp("us")


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer(password="pg-hunter2-traps") as server:
        yield server


@pytest.fixture(scope="module")
def server(postgres, tmp_path_factory):
    environment = {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    with ServerProcess(environment=environment) as process:
        file = tmp_path_factory.mktemp("lite") / "lite.db"
        with runner(process) as run:
            run(f"ATTACH '{postgres.uri}' AS warehouse (TYPE adbc, DRIVER 'postgresql')")
            run(f"ATTACH 'file:{file}' AS lite (TYPE adbc, DRIVER 'sqlite')")
            run(f"ATTACH '{an_empty_file(tmp_path_factory.mktemp('duck'))}' AS duck (TYPE adbc, DRIVER 'duckdb')")
        yield process


@pytest.fixture
def run(server):
    with runner(server) as execute:
        yield execute


@pytest.fixture
def ingest(server):
    """Appends `values` to the column `v` of a table, or makes it of them; gives the number of rows."""
    with connected(server) as connection, connection.cursor() as cursor:
        def append(table, values, mode="append"):
            catalog, schema, name = table.split(".")
            return cursor.adbc_ingest(name, pa.table({"v": values}), mode=mode, catalog_name=catalog,
                                      db_schema_name=schema)
        yield append


@pytest.fixture
def column(postgres, run, ingest):
    """Appends values to a new PostgreSQL column of a type; gives its texts as psql has them."""
    def append(type_name, values):
        postgres.run(f"DROP TABLE IF EXISTS loss; CREATE TABLE loss (v {type_name})")
        try:
            ingest("warehouse.public.loss", values)
        finally:
            texts = postgres.run("SELECT coalesce(v::text, 'NULL') FROM loss")
            append.rows = texts.splitlines()
        return append.rows
    return append


def lost(column, type_name, values, *words):
    """They are refused as a whole."""
    refused(lambda: column(type_name, values), "Column v", *words)
    assert column.rows == []


# --- PostgreSQL, what its driver's COPY loses in silence


def test_uint64_above_int64_max_is_no_negative_number(column, run, ingest, postgres):
    values = pa.array([1, UINT64_MAX], pa.uint64())
    lost(column, "int8", values, "row 1", str(UINT64_MAX))
    assert column("numeric(20,0)", values) == ["1", str(UINT64_MAX)]
    assert ingest("warehouse.public.made", values, mode="create") == 2
    assert postgres.run("SELECT v FROM made ORDER BY v DESC LIMIT 1") == str(UINT64_MAX)
    assert run("SELECT max(v)::VARCHAR FROM warehouse.public.made") == [(str(UINT64_MAX),)]
    run("DROP TABLE warehouse.public.made")


def test_uint64_above_int64_max_as_a_parameter(server, postgres):
    postgres.run("CREATE TABLE bound (v int8)")
    with connected(server) as connection, connection.cursor() as cursor:
        parameters = pa.record_batch({"v": pa.array([UINT64_MAX], pa.uint64())})
        refused(lambda: cursor.executemany("INSERT INTO warehouse.public.bound VALUES (?)", parameters), str(UINT64_MAX))
    assert postgres.run("SELECT count(*) FROM bound") == "0"


@pytest.mark.parametrize("type_name, values, shown", [
    ("timestamp", pa.array([0, 1], NANOS), "00:00:00.000000001"),
    ("timestamp", pa.array([0, -1], NANOS), "1969-12-31 23:59:59.999999999"),
    ("timestamptz", pa.array([0, -1], pa.timestamp("ns", "UTC")), "1969-12-31 23:59:59.999999999"),
    ("time", pa.array([0, 1], pa.time64("ns")), "00:00:00.000000001"),
])
def test_nanoseconds_are_not_cut_to_microseconds(column, type_name, values, shown):
    lost(column, type_name, values, "row 1", shown)


def test_nanoseconds_that_are_whole_microseconds_go_in(column):
    assert column("timestamp", pa.array([-1000], NANOS)) == ["1969-12-31 23:59:59.999999"]
    assert column("time", pa.array([1000], pa.time64("ns"))) == ["00:00:00.000001"]


def test_nanoseconds_of_durations_are_not_cut(column):
    lost(column, "interval", pa.array([0, 1], pa.duration("ns")))


@pytest.mark.parametrize("type_name, values, shown", [
    ("float8", pa.array([7, 2**53 + 1]), "row 1"),
    ("int8", pa.array([1.0, 1.5]), "row 1"),
    ("timestamp", pa.array([7]), "int64"),
    ("int8", pa.array([1_000_000], MICROS), "timestamp"),
    ("int4", pa.array([20000], pa.date32()), "date32"),
    ("int4", pa.array([1.0, 1.5], pa.float32()), "row 1"),
])
def test_append_does_not_take_bytes_of_the_same_width_for_another_type(column, type_name, values, shown):
    lost(column, type_name, values, shown)


def test_append_casts_what_has_the_same_value(column):
    assert column("float8", pa.array([7])) == ["7"]
    assert column("int8", pa.array([4.0])) == ["4"]
    assert column("int4", pa.array([3.0], pa.float32())) == ["3"]


def test_decimals_are_not_rounded_to_the_scale_of_the_column(column):
    values = pa.array([decimal.Decimal("1.2300"), decimal.Decimal("1.2399")], pa.decimal128(20, 4))
    lost(column, "numeric(10,2)", values, "row 1", "1.2399")
    assert column("numeric(10,2)", values.slice(0, 1)) == ["1.23"]


def test_a_cast_to_a_narrower_float_is_no_infinity(column):
    lost(column, "float4", pa.array([1.0, 1e300]), "row 1", "1e+300")
    assert column("float4", pa.array([math.inf, math.nan])) == ["Infinity", "NaN"]


@pytest.mark.parametrize("type_name, values, texts", [
    ("int8", pa.array([-5], pa.int32()), ["-5"]),
    ("int4", pa.array([2**31 - 1]), [str(2**31 - 1)]),
    ("int2", pa.array([-(2**15)], pa.int32()), [str(-(2**15))]),
    ("float4", pa.array([0.5]), ["0.5"]),
    ("int8", pa.array([decimal.Decimal("12.00")], pa.decimal128(20, 2)), ["12"]),
    ("uuid", pa.array(["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]), ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    ("jsonb", pa.array(['{"a": 1}']), ['{"a": 1}']),
    ("numeric(9,2)", pa.array([7], pa.int8()), ["7.00"]),
    ("date", pa.array([86_400_000], pa.date64()), ["1970-01-02"]),
])
def test_what_copy_refuses_is_cast_where_the_value_stays(column, type_name, values, texts):
    assert column(type_name, values) == texts


def test_what_no_column_holds_is_refused(column):
    lost(column, "text", pa.array([{"a": 1}]), "struct")
    refused(lambda: column("bool", pa.array([1], pa.int8())), "int8")


@pytest.mark.parametrize("values, word", [
    (pa.array(["a", "x\0y"]), "NUL"),
    (pa.Array.from_buffers(pa.string(), 2, pa.array([b"a", b"\xff"]).buffers()), "UTF"),
])
def test_text_that_postgres_cannot_hold(column, values, word):
    refused(lambda: column("text", values), word)
    assert column.rows == []


@pytest.mark.parametrize("values", [pa.array(["a", None]).dictionary_encode(), pa.array(["a", None], pa.large_string()),
                                    pa.array(["a", None], pa.string_view())])
def test_other_forms_of_text_are_text(column, values):
    assert column("text", values) == ["a", "NULL"]


def test_columns_go_by_name(server, postgres):
    postgres.run("CREATE TABLE named (a int, b int, c int DEFAULT 9)")
    with connected(server) as connection, connection.cursor() as cursor:
        rows = pa.table({"b": pa.array([2]), "a": pa.array([1])})
        cursor.adbc_ingest("named", rows, mode="append", catalog_name="warehouse", db_schema_name="public")
    assert postgres.run("SELECT a, b, c FROM named") == "1|2|9"


# --- PostgreSQL, what its driver loses when it reads


def test_infinite_times_are_infinite(run, postgres):
    postgres.run("CREATE TABLE infinite (ts timestamp, tz timestamptz, d date);"
                 "INSERT INTO infinite VALUES ('infinity', '-infinity', 'infinity'), ('-infinity', 'infinity', '-infinity')")
    assert run("SELECT ts::VARCHAR, tz::VARCHAR, d::VARCHAR FROM warehouse.public.infinite") == [
        ("infinity", "-infinity", "infinity"), ("-infinity", "infinity", "-infinity")]
    assert run("SELECT isinf(ts), isinf(tz), isinf(d) FROM warehouse.public.infinite") == [(True,) * 3] * 2


def test_arrays_of_several_dimensions_are_not_flattened(run, postgres):
    postgres.run("CREATE TABLE nested (v int[]); INSERT INTO nested VALUES ('{1,2}'), ('{{1,2},{3,4}}')")
    refused(lambda: run("SELECT v FROM warehouse.public.nested"), "v", "dimension")


def test_oids_above_2_31_are_positive(run, postgres):
    postgres.run("CREATE TABLE oids (v oid); INSERT INTO oids VALUES (4294967295)")
    assert run("SELECT v FROM warehouse.public.oids") == [(4294967295,)]


def test_a_type_that_was_made_later_is_known(run, postgres):
    assert run("SELECT * FROM backend_query('warehouse', 'SELECT 1 AS one')") == [(1,)]
    postgres.run("CREATE TYPE later AS ENUM ('soon', 'now'); CREATE TABLE lately (v later); INSERT INTO lately VALUES ('now')")
    assert run("SELECT v FROM warehouse.public.lately") == [("now",)]
    refused(lambda: run("SELECT * FROM backend_query('warehouse', 'SELECT v FROM lately')"), "v")


def test_composite_values_are_texts(run, postgres):
    postgres.run("CREATE TYPE pair AS (a int, b int); CREATE TABLE pairs (v pair); INSERT INTO pairs VALUES ('(1,2)')")
    assert run("SELECT v FROM warehouse.public.pairs") == [("(1,2)",)]


def test_numbers_that_arrive_as_text_are_numbers(run, postgres):
    postgres.run("CREATE TABLE money_of (id bigint, v numeric(20,4)); INSERT INTO money_of VALUES (9007199254740993, 1.2399), (9223372036854775807, 2)")
    assert run("SELECT v FROM warehouse.public.money_of ORDER BY v") == [(decimal.Decimal("1.2399"),), (decimal.Decimal("2.0000"),)]
    assert run("SELECT sum(id)::VARCHAR, sum(v)::VARCHAR, typeof(sum(id)), typeof(sum(v)) FROM warehouse.public.money_of") == [
        ("9232379236109516800", "3.2399", "HUGEINT", "DECIMAL(38,4)")]
    assert run("SELECT * FROM backend_query('warehouse', 'SELECT sum(id), avg(v) FROM money_of')") == [
        ("9232379236109516800", "1.6199500000000000")]  # they have no scale: texts, with all digits


def test_not_null_is_not_lost(server, run, postgres):
    postgres.run("CREATE TABLE strict (k int PRIMARY KEY, a text NOT NULL, b text)")
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.execute("DESCRIBE warehouse.public.strict")
        assert [(row[0], row[2]) for row in cursor.fetchall()] == [("k", "NO"), ("a", "NO"), ("b", "YES")]
        schema = connection.adbc_get_table_schema("strict", catalog_filter="warehouse", db_schema_filter="public")
        assert [(field.name, field.nullable) for field in schema] == [("k", False), ("a", False), ("b", True)]


# --- PostgreSQL, traps


def test_commit_after_an_error_is_an_error(server, run, postgres):
    postgres.run("CREATE TABLE committed (v int PRIMARY KEY)")
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO warehouse.public.committed VALUES (1)")
        refused(lambda: cursor.execute("INSERT INTO warehouse.public.committed VALUES (1)"))
        refused(connection.commit)
    assert postgres.run("SELECT count(*) FROM committed") == "0"


def test_an_error_in_mid_stream_has_its_sqlstate(run):
    refused(lambda: run("SELECT * FROM backend_query('warehouse', "
                        "$$SELECT 1 / (i - 200000) AS v FROM generate_series(1, 300000) i$$)"), "22012")


def test_two_streams_at_once(server, postgres):
    postgres.run("CREATE TABLE streamed AS SELECT i::bigint AS v FROM generate_series(1, 400000) i")
    with connected(server) as connection, connection.cursor() as one, connection.cursor() as two:
        one.execute("SELECT v FROM warehouse.public.streamed")
        first = one.fetch_record_batch()
        first_rows = first.read_next_batch().num_rows
        two.execute("SELECT count(*), sum(v)::BIGINT FROM warehouse.public.streamed")
        assert two.fetchall() == [(400_000, 400_000 * 400_001 // 2)]
        assert first_rows + sum(batch.num_rows for batch in first) == 400_000


def test_the_first_rows_do_not_wait_for_sixteen_megabytes(server, postgres):
    """Batches of the driver's own size, which may be all that a slow query gives in an hour."""
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM backend_query('warehouse', "
                       "$$SELECT i::bigint, repeat('x', 1000) AS pad FROM generate_series(1, 50000) i$$)")
        batch = cursor.fetch_record_batch().read_next_batch()
        assert 0 < batch.nbytes < 8 << 20


def test_a_connection_that_died_is_not_used_again(run, postgres):
    assert run("SELECT * FROM backend_query('warehouse', 'SELECT 1 AS v')") == [(1,)]
    postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
    postgres.run("CREATE TABLE IF NOT EXISTS alive AS SELECT 1 AS v")
    assert run("SELECT v FROM warehouse.public.alive") == [(1,)]


def test_parameters_are_question_marks_too(run, postgres):
    postgres.run("CREATE TABLE asked AS SELECT i FROM generate_series(1, 10) i")
    assert run("SELECT count(*) FROM warehouse.public.asked WHERE i > ?", (7,)) == [(3,)]


def test_several_statements_are_not_passed_on_in_one(run, postgres):
    refused(lambda: run("SELECT * FROM backend_query('warehouse', 'SELECT 1; SELECT 2')"))
    refused(lambda: run("SELECT * FROM backend_query('warehouse', 'SELECT 1; CREATE TABLE smuggled (v int)')"))
    assert postgres.run("SELECT count(*) FROM pg_class WHERE relname = 'smuggled'") == "0"


def test_a_cancelled_stream_costs_the_next_statement_nothing(server, run, postgres):
    """Released without a cancel, the driver drains the rest within the next statement."""
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM backend_query('warehouse', "
                       "$$SELECT generate_series(1, 100000000) AS i, repeat('x', 200) AS pad$$)")
        cursor.fetch_record_batch().read_next_batch()
        cursor.adbc_cancel()
    assert run("SELECT * FROM backend_query('warehouse', 'SELECT 1 AS v')") == [(1,)]
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%100000000%' AND pid <> pg_backend_pid()"
    wait_until(lambda: postgres.run(running) == "0", seconds=30, what="the end of the statement")


# --- SQLite


def test_sqlite_booleans_times_and_dates_have_their_types(run):
    run("CREATE TABLE lite.main.kinds (b BOOLEAN, d DATE, ts TIMESTAMP)")
    run("INSERT INTO lite.main.kinds VALUES (true, DATE '2013-01-02', TIMESTAMP '2013-01-02 03:04:05.000006')")
    assert run("SELECT * FROM lite.main.kinds") == [
        (True, datetime.date(2013, 1, 2), datetime.datetime(2013, 1, 2, 3, 4, 5, 6))]
    run("DROP TABLE lite.main.kinds")


def test_sqlite_drops_no_zone_of_a_time(run, ingest):
    run("CREATE TABLE lite.main.zoned (v TIMESTAMP)")
    refused(lambda: ingest("lite.main.zoned", pa.array([0], pa.timestamp("us", "Europe/Berlin"))), "v")
    refused(lambda: ingest("lite.main.zoned_new", pa.array([0], pa.timestamp("us", "UTC")), mode="create"), "v")
    assert run("SELECT count(*) FROM lite.main.zoned") == [(0,)]
    run("DROP TABLE lite.main.zoned")


def test_sqlite_puts_no_fraction_into_an_integer_column(run, ingest):
    run("CREATE TABLE lite.main.whole (v BIGINT)")
    refused(lambda: ingest("lite.main.whole", pa.array([1.0, 1.5])), "Column v, row 1", "1.5")
    assert run("SELECT count(*) FROM lite.main.whole") == [(0,)]
    run("DROP TABLE lite.main.whole")


def test_sqlite_columns_are_not_typed_by_their_first_rows(run):
    run("CREATE TABLE lite.main.late (v DOUBLE)")
    run("INSERT INTO lite.main.late SELECT i FROM range(3000) t(i)")
    run("INSERT INTO lite.main.late VALUES (0.5)")
    assert run("SELECT count(*), sum(v) FROM lite.main.late") == [(3001, 2999 * 3000 / 2 + 0.5)]
    run("DROP TABLE lite.main.late")


def test_sqlite_makes_no_null_of_nan(run, ingest):
    run("CREATE TABLE lite.main.real (v DOUBLE)")
    refused(lambda: ingest("lite.main.real", pa.array([0.5, math.nan])), "Column v, row 1")
    assert run("SELECT count(*) FROM lite.main.real") == [(0,)]
    run("DROP TABLE lite.main.real")


@pytest.mark.parametrize("values", [
    pa.array([1], pa.decimal128(9, 2)), pa.array([1], pa.time64("us")), pa.array([[1]]), pa.array([{"a": 1}])])
def test_sqlite_refuses_types_that_it_has_not(ingest, values):
    refused(lambda: ingest("lite.main.never", values, mode="create"), "v")


def test_sqlite_days_in_milliseconds_are_days(run, ingest):
    """Its driver takes no date64."""
    assert ingest("lite.main.days", pa.array([86_400_000, None], pa.date64()), mode="create") == 2
    assert run("SELECT v FROM lite.main.days ORDER BY v NULLS LAST") == [(datetime.date(1970, 1, 2),), (None,)]
    run("DROP TABLE lite.main.days")


@pytest.mark.parametrize("backend", ["lite.main", "duck.main", "warehouse.public"])
def test_a_key_that_is_there_is_the_callers_error(server, run, ingest, backend):
    """Drivers say of it what they say of their own faults: INTERNAL in an ingest of SQLite's and DuckDB's."""
    run(f"CREATE TABLE {backend}.keyed (v BIGINT PRIMARY KEY)")
    assert ingest(f"{backend}.keyed", pa.array([1, 2])) == 2
    for write in (lambda: ingest(f"{backend}.keyed", pa.array([3, 1])), lambda: run(f"INSERT INTO {backend}.keyed VALUES (4), (2)")):
        said = refused(write, backend.partition(".")[0])
        assert "INTERNAL" not in said and "nternal" not in said, said
        assert "unique" in said.lower() or "duplicate key" in said.lower(), said
    assert run(f"SELECT v FROM {backend}.keyed ORDER BY v") == [(1,), (2,)]
    assert run("SELECT count(*) FROM hyprstream.backends WHERE breaker <> 'closed'") == [(0,)]
    run(f"DROP TABLE {backend}.keyed")


def test_sqlite_uint64_above_int64_max(run, ingest):
    run("CREATE TABLE lite.main.big (v UBIGINT)")
    refused(lambda: ingest("lite.main.big", pa.array([1, 2**63], pa.uint64())), "Column v, row 1", str(2**63))
    assert ingest("lite.main.big", pa.array([2**63 - 1], pa.uint64())) == 1
    run("DROP TABLE lite.main.big")


def test_sqlite_writers_wait_for_each_other(server, run):
    """The driver's second writer fails at once."""
    run("CREATE TABLE lite.main.shared (w BIGINT, i BIGINT)")
    insert_at_once(server, "lite.main.shared", writers=4, rows=20)
    assert run("SELECT count(*) FROM lite.main.shared") == [(80,)]
    run("DROP TABLE lite.main.shared")


def test_sqlite_many_bound_rows_are_one_write(server, run):
    """67 rows a second, each committed, where the driver is left to itself."""
    run("CREATE TABLE lite.main.bound (id BIGINT PRIMARY KEY, v VARCHAR)")
    with connected(server) as connection, connection.cursor() as cursor:
        upsert = "INSERT INTO lite.main.bound VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET v = excluded.v"
        cursor.executemany(upsert, [(i % 700, f"v{i}") for i in range(700)])
        refused(lambda: cursor.executemany("INSERT INTO lite.main.bound VALUES (?, ?)", [(1000, "new"), (1, "old")]))
    assert run("SELECT count(*) FROM lite.main.bound") == [(700,)]
    run("DROP TABLE lite.main.bound")


def test_sqlite_an_error_aborts_the_transaction_here_as_everywhere(server, run):
    """SQLite itself would commit what went before it."""
    run("CREATE TABLE lite.main.half (v BIGINT PRIMARY KEY)")
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO lite.main.half VALUES (1)")
        refused(lambda: cursor.execute("INSERT INTO lite.main.half VALUES (1)"))
        refused(connection.commit)
    assert run("SELECT count(*) FROM lite.main.half") == [(0,)]
    run("DROP TABLE lite.main.half")


def test_sqlite_unknown_columns_are_named(run, server):
    run("CREATE TABLE lite.main.known (v BIGINT)")
    with connected(server) as connection, connection.cursor() as cursor:
        rows = pa.table({"w": pa.array([1])})
        refused(lambda: cursor.adbc_ingest("known", rows, mode="append", catalog_name="lite", db_schema_name="main"), "w")
    run("DROP TABLE lite.main.known")


# --- DuckDB


def test_duckdb_columns_go_by_name(run, server):
    """The driver appends by place: columns of one type would be swapped in silence."""
    run("CREATE TABLE duck.main.named (a BIGINT, b BIGINT, c BIGINT)")
    with connected(server) as connection, connection.cursor() as cursor:
        def append(rows):
            return cursor.adbc_ingest("named", rows, mode="append", catalog_name="duck", db_schema_name="main")

        assert append(pa.table({"b": pa.array([2]), "a": pa.array([1])})) == 1
        assert append(pa.table({"c": pa.array([3]), "b": pa.array([2]), "a": pa.array([1])})) == 1
        refused(lambda: append(pa.table({"d": pa.array([4])})), "d")
    assert run("SELECT a, b, c FROM duck.main.named ORDER BY c") == [(1, 2, 3), (1, 2, None)]
    run("DROP TABLE duck.main.named")


def test_duckdb_puts_no_fraction_into_an_integer_column(run, ingest):
    run("CREATE TABLE duck.main.whole (v INTEGER)")
    refused(lambda: ingest("duck.main.whole", pa.array([1.0, 1.5])), "Column v, row 1", "1.5")
    assert run("SELECT count(*) FROM duck.main.whole") == [(0,)]
    run("DROP TABLE duck.main.whole")


def test_duckdb_takes_many_bound_rows(run, server):
    """The driver binds one."""
    run("CREATE TABLE duck.main.bound (v BIGINT PRIMARY KEY)")
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO duck.main.bound VALUES (?)", [(i,) for i in range(500)])
        refused(lambda: cursor.executemany("INSERT INTO duck.main.bound VALUES (?)", [(1000,), (1,)]))
    assert run("SELECT count(*) FROM duck.main.bound") == [(500,)]
    run("DROP TABLE duck.main.bound")


def test_duckdb_statement_that_cannot_be_bound_is_an_error(run):
    """The driver says so when it is given the text, and executes nothing without an error afterwards."""
    for _ in range(2):
        refused(lambda: run("SELECT * FROM backend_query('duck', 'SELECT no_such_column FROM duckdb_tables()')"), "no_such_column")
    assert run("SELECT * FROM backend_query('duck', 'SELECT 1 AS v')") == [(1,)]


def test_duckdb_commit_after_an_error_is_an_error(run, server):
    run("CREATE TABLE duck.main.half (v BIGINT PRIMARY KEY)")
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO duck.main.half VALUES (1)")
        refused(lambda: cursor.execute("INSERT INTO duck.main.half VALUES (1)"))
        refused(connection.commit)
    assert run("SELECT count(*) FROM duck.main.half") == [(0,)]
    run("DROP TABLE duck.main.half")


def test_duckdb_file_is_open_once(run, tmp_path):
    """Of one that a process has open twice a committed table was lost."""
    file = an_empty_file(tmp_path / "once")
    (tmp_path / "link").symlink_to(file)
    run(f"ATTACH '{file}' AS once (TYPE adbc, DRIVER 'duckdb')")
    for path in (file, tmp_path / "link", f"{file.parent}/./{file.name}"):
        refused(lambda path=path: run(f"ATTACH '{path}' AS twice (TYPE adbc, DRIVER 'duckdb')"), "once")
    run("DETACH once")


# --- Flight SQL: its driver, in a process of its own


@pytest.fixture
def cold(run):
    """Another server, attached."""
    with ServerProcess(environment={"HYPRSTREAM_USERS": USERS}) as process:
        run(f"ATTACH '{process.url}' AS cold (TYPE adbc, DRIVER 'flightsql', DIALECT 'hyprstream', "
            f"\"adbc.flight.sql.authorization_header\" 'Bearer {TOKEN}')")
        yield process
        run("DETACH cold")


def test_flight_sql_peer_that_is_not_there_is_no_backend(run):
    """The driver opens and connects in silence."""
    refused(lambda: run(f"ATTACH 'grpc://127.0.0.1:{free_port()}' AS nobody (TYPE adbc, DRIVER 'flightsql')"), "nobody")
    assert run("SELECT count(*) FROM hyprstream.backends WHERE name = 'nobody'") == [(0,)]


def test_flight_sql_messages_of_more_than_16_mib(run, cold):
    """At which the driver stops by itself: batches are smaller, and a row that cannot be is told by the server there."""
    with runner(cold) as there:
        there("CREATE TABLE wide AS SELECT i, repeat('x', 10 << 20) AS v FROM range(4) r(i)")
        there("CREATE TABLE wider AS SELECT repeat('x', 24 << 20) AS v")
    assert run("SELECT count(*), sum(length(v))::BIGINT FROM (SELECT v FROM cold.main.wide WHERE i >= 0 LIMIT 4)") == [(4, 40 << 20)]
    refused(lambda: run("SELECT length(v) FROM (SELECT v FROM cold.main.wider LIMIT 1)"), "cold: ", "bytes")


# --- The driver manager, and the engine


@pytest.mark.parametrize("driver", ["libadbc_driver_postgresql.so", "./driver.so", "../../etc/passwd", "adbc_driver_postgresql"])
def test_drivers_are_not_looked_for_on_search_paths(run, driver):
    refused(lambda: run(f"ATTACH 'postgresql://127.0.0.1/x' AS searched (TYPE adbc, DRIVER '{driver}')"), "driver")


def test_a_malformed_attach_does_not_repeat_its_password(run):
    text = refused(lambda: run("ATTACH 'postgresql://u:hunter2-typo@h/db' AS w (TYPE adbc, DRIVER 'postgresql', oops oops)"))
    assert "hunter2" not in text
    text = refused(lambda: run("ATTACH 'postgresql://u:hunter2-typo@h/db' AS AS w"))
    assert "hunter2" not in text
