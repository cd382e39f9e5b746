"""Tables of another Hyprstream changed through the server: what the shared tests of writing leave out.

Shared with the other databases are test_backends_writing.py and test_backends_new_tables.py.
"""

import contextlib
import ctypes
import ctypes.util
import os
import re
import signal
import threading
import time

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow as pa
import pytest

from faulty_proxy import FaultyProxy
from flight_sql_client import USERS, connected, insert_at_once, refused, runner
from free_port import free_port
from server_process import ServerProcess, wait_until

SECRET = "cold-hunter2-writes"  # the token of the server behind; never to be seen anywhere


def users(token=SECRET):
    return {"HYPRSTREAM_USERS": f'front = {{ token = "{token}", admin = true }}\n'}


def front_environment():
    return {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}


def attach(run, port, name, more="", token=SECRET):
    run(f"ATTACH 'grpc://127.0.0.1:{port}' AS {name} (TYPE adbc, DRIVER 'flightsql', DIALECT 'hyprstream', "
        f"\"adbc.flight.sql.authorization_header\" 'Bearer {token}'{more})")


@pytest.fixture(scope="module")
def cold():
    with ServerProcess(environment=users()) as process:
        yield process


@pytest.fixture(scope="module")
def server(cold):
    with ServerProcess("--log-level", "debug", environment=front_environment()) as process:
        with runner(process) as run:
            attach(run, cold.port, "cold")
        yield process
    assert SECRET not in process.last_log


@pytest.fixture
def run(server):
    with runner(server) as execute:
        yield execute


@contextlib.contextmanager
def directly(process, token=SECRET):
    """Runs statements at the server behind itself."""
    with flightsql.connect(process.url, autocommit=True,
                           db_kwargs={"adbc.flight.sql.authorization_header": f"Bearer {token}"}) as connection:
        def execute(sql):
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if sql.startswith(("SELECT", "FROM")) else cursor.rowcount
        yield execute


@pytest.fixture
def there(cold):
    with directly(cold) as execute:
        yield execute


def told(call, *words):
    text = refused(call, *words)
    assert SECRET not in text
    return text


def append(cursor, table, rows, backend="cold", mode="append"):
    return cursor.adbc_ingest(table, rows, mode=mode, catalog_name=backend, db_schema_name="main")


def batches(count, rows=10_000, before=lambda i: None):
    """A reader of `count` batches of numbers that calls `before` for each."""
    def made():
        for i in range(count):
            before(i)
            yield pa.record_batch({"v": pa.array(range(i * rows, (i + 1) * rows), pa.int64())})
    return pa.RecordBatchReader.from_batches(pa.schema({"v": pa.int64()}), made())


# --- types and values


# What a column takes, by its type: the ends of each.
WRITTEN = {
    "bo BOOLEAN": ["true", "false"], "ti TINYINT": ["-128", "127"], "si SMALLINT": ["-32768", "32767"],
    "it INTEGER": ["-2147483648", "2147483647"], "bi BIGINT": ["-9223372036854775808", "9223372036854775807"],
    "ut UTINYINT": ["0", "255"], "us USMALLINT": ["0", "65535"], "ui UINTEGER": ["0", "4294967295"],
    "ub UBIGINT": ["0", "18446744073709551615"],
    "hu HUGEINT": ["-99999999999999999999999999999999999999", "99999999999999999999999999999999999999"],
    "fl FLOAT": ["'nan'", "'-infinity'", "3.4028235e38", "1.4e-45"],
    "db DOUBLE": ["'nan'", "'infinity'", "1.7976931348623157e308", "5e-324", "-0.0"],
    "de DECIMAL(38,10)": ["-9999999999999999999999999999.9999999999", "0.0000000001"],
    "vc VARCHAR": ["''", "'ä𝄞''\"\\'", "repeat('x', 70000)", "'nul' || chr(0) || '!'"],
    "bl BLOB": ["''", "'\\x00\\xFF'::BLOB"],
    "da DATE": ["'0001-01-01'", "'9999-12-31'", "'infinity'", "'-infinity'", "'0044-03-15 (BC)'"],
    "tm TIME": ["'00:00:00'", "'23:59:59.999999'"], "tn TIME_NS": ["'23:59:59.999999999'"],
    "ts TIMESTAMP": ["'0001-01-01'", "'9999-12-31 23:59:59.999999'", "'infinity'", "'-infinity'"],
    "t0 TIMESTAMP_S": ["'1969-12-31 23:59:59'"], "t3 TIMESTAMP_MS": ["'1969-12-31 23:59:59.999'"],
    "t9 TIMESTAMP_NS": ["'1677-09-22'", "'2262-04-11 23:47:16.854775806'"],
    "tz TIMESTAMPTZ": ["'2024-03-31 02:30:00+01'", "'infinity'"],
    "iv INTERVAL": ["INTERVAL '-5 years 3 days 1 microsecond'", "INTERVAL '0 seconds'"],
    "uu UUID": ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    "js JSON": ["'{\"a\": [1, null]}'"], "en ENUM('a', 'B', 'ö')": ["'ö'", "'a'"],
    "li INTEGER[]": ["[1, NULL]", "[]"], "lt VARCHAR[]": ["['', NULL, 'ä,{}\"']"],
}


@pytest.mark.parametrize("column", WRITTEN)
def test_every_value_is_there_as_it_is_here(run, there, column):
    """Written from a table of the server's own, in one statement; what the server behind has is compared there."""
    name, _, declared = column.partition(" ")
    values = ["NULL", *WRITTEN[column]]
    rows = ", ".join(f"({i}, CAST({value} AS {declared}))" for i, value in enumerate(values))
    run(f"CREATE OR REPLACE TABLE mine (n INTEGER, {column})")
    run(f"INSERT INTO mine VALUES {rows}")
    there(f"CREATE TABLE typed_{name} (n INTEGER, {column})")
    there(f"CREATE TABLE expected_{name} (n INTEGER, {column})")
    there(f"INSERT INTO expected_{name} VALUES {rows}")
    assert run(f"INSERT INTO cold.main.typed_{name} SELECT * FROM mine") == len(values)
    text = f"SELECT n, {name}::VARCHAR FROM {{}}_{name} ORDER BY n"

    def same():
        differing = "SELECT count(*) FROM (FROM {1}_{0} EXCEPT ALL FROM {2}_{0})"
        return (there(text.format("typed")) == there(text.format("expected"))
                and there(differing.format(name, "typed", "expected")) == [(0,)]
                and there(differing.format(name, "expected", "typed")) == [(0,)])

    assert same()
    # And through the stage, of which rows are changed.
    there(f"UPDATE typed_{name} SET {name} = NULL")
    assert run(f"UPDATE cold.main.typed_{name} AS t SET {name} = m.{name} FROM mine m WHERE m.n = t.n") == len(values)
    assert same()
    # As this server reads it, it is what it was.
    assert run(f"SELECT count(*) FROM mine m JOIN cold.main.typed_{name} t ON m.n = t.n WHERE m.{name}::VARCHAR "
               f"IS DISTINCT FROM t.{name}::VARCHAR") == [(0,)]


@pytest.mark.parametrize("declared, values, words", [
    ("BIGINT", "(1::UBIGINT), (18446744073709551615)", ("row 1", "18446744073709551615")),
    ("INTEGER", "(1), (1.5)", ("row 1", "1.5")),
    ("TINYINT", "(1), (128)", ("row 1", "128")),
    ("FLOAT", "(1::DOUBLE), (1e300)", ("row 1", "1e+300")),
    ("DECIMAL(10,2)", "(1.2300), (1.2399)", ("row 1", "1.2399")),
    ("TIMESTAMP", "(TIMESTAMP_NS '1970-01-01'), (TIMESTAMP_NS '1970-01-01 00:00:00.000000001')",
     ("row 1", "00:00:00.000000001")),
    ("TIMESTAMP_MS", "(TIMESTAMP '1970-01-01'), (TIMESTAMP '1970-01-01 00:00:00.000001')", ("row 1", "00:00:00.000001")),
    ("TIMESTAMP_NS", "(TIMESTAMP '1970-01-01'), (TIMESTAMP '9999-12-31')", ("row 1", "9999-12-31")),
    ("ENUM('a', 'b')", "('a'), ('c')", ("row 1", "c")),
    ("JSON", "('1'), ('{')", ("row 1", "{")),
    ("UUID", "('ffffffff-ffff-ffff-ffff-ffffffffffff'), ('x')", ("x",)),
    ("TIME", "(TIME '23:59:59.999999'), (TIME '24:00:00')", ("row 1",)),
    ("DATE", "(TIMESTAMP '2024-01-01')", ("timestamp", "cast them")),
])
def test_a_value_that_would_be_changed_is_refused_with_its_place(run, there, declared, values, words):
    table = "narrow_" + declared.partition("(")[0]
    there(f"CREATE TABLE {table} (v {declared})")
    told(lambda: run(f"INSERT INTO cold.main.{table} FROM (VALUES {values})"), "olumn v", *words)
    assert there(f"SELECT count(*) FROM {table}") == [(0,)]
    there(f"DROP TABLE {table}")


@pytest.mark.parametrize("declared", ["STRUCT(a INTEGER)", "MAP(VARCHAR, INTEGER)", "INTEGER[2]", "INTEGER[][]", "UHUGEINT",
                                      "TIMETZ", "BIT"])
def test_types_that_are_only_read(run, there, declared):
    table = "seen_" + re.sub(r"\W", "_", declared)
    there(f"CREATE TABLE {table} (n INTEGER, v {declared})")
    told(lambda: run(f"INSERT INTO cold.main.{table} VALUES (1, NULL)"), "olumn v", "cannot be written")
    assert run(f"INSERT INTO cold.main.{table} (n) VALUES (1)") == 1
    assert there(f"SELECT n, v IS NULL FROM {table}") == [(1, True)]
    there(f"DROP TABLE {table}")


# --- what a server behind makes of what it is given


def test_its_windows_follow_what_is_written(run, there):
    run("CREATE TABLE cold.main.events (ts TIMESTAMP NOT NULL, k VARCHAR, v BIGINT) WITH (time = 'ts', retention = '1000 days')")
    there("CREATE MATERIALIZED VIEW daily AS SELECT time_bucket(INTERVAL 1 DAY, ts) AS day, k, sum(v) AS v, count(*) AS n "
          "FROM events GROUP BY ALL")
    assert run("INSERT INTO cold.main.events SELECT TIMESTAMP '2026-01-01' + INTERVAL 1 HOUR * i, 'k' || i % 2, i "
               "FROM range(48) t(i)") == 48
    seen = "SELECT k, sum(v)::BIGINT, sum(n)::BIGINT FROM {}daily GROUP BY k ORDER BY k"
    assert there(seen.format("")) == run(seen.format("cold.main.")) == [("k0", 552, 24), ("k1", 576, 24)]
    assert run("UPDATE cold.main.events SET v = 0 WHERE k = 'k0'") == 24
    assert run("DELETE FROM cold.main.events WHERE ts < TIMESTAMP '2026-01-01 02:00:00'") == 2
    assert there(seen.format("")) == [("k0", 0, 23), ("k1", 575, 23)]
    told(lambda: run("INSERT INTO cold.main.daily SELECT * FROM cold.main.daily"), "daily is no table but a view")
    told(lambda: run("DELETE FROM cold.main.daily"), "daily is no table but a view")
    there("DROP MATERIALIZED VIEW daily")
    run("DROP TABLE cold.main.events")


def test_options_that_the_server_behind_does_not_know_are_its_refusal(run, there):
    told(lambda: run("CREATE TABLE cold.main.odd (v BIGINT) WITH (tyme = 'v')"), "tyme")
    assert there("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'odd'") == [(0,)]


def test_constraints_and_defaults_are_the_server_behinds(run, there):
    there("CREATE TABLE strict (id BIGINT PRIMARY KEY, v VARCHAR NOT NULL DEFAULT 'none', w INTEGER CHECK (w < 10), "
          "x BIGINT GENERATED ALWAYS AS (id * 2))")
    assert run("INSERT INTO cold.main.strict (id, w) VALUES (1, 5)") == 1
    for values in ("(1, 'again', 1)", "(2, NULL, 1)", "(2, 'large', 10)"):
        told(lambda values=values: run(f"INSERT INTO cold.main.strict (id, v, w) VALUES (7, 'before', 1), {values}"))
    told(lambda: run("INSERT INTO cold.main.strict (id, x) VALUES (2, 4)"), "x")
    assert there("FROM strict") == [(1, "none", 5, 2)]
    there("DROP TABLE strict")


def test_the_servers_own_tables_are_not_written(run):
    for sql in ("INSERT INTO cold.hyprstream.settings SELECT * FROM cold.hyprstream.settings",
                "DELETE FROM cold.hyprstream.settings", "DROP TABLE cold.hyprstream.settings"):
        told(lambda sql=sql: run(sql), "cold")


# --- traps of the driver, each by its name


def test_an_ingest_that_has_lost_its_transaction_writes_nothing(run, server, cold, there):
    """The driver names no transaction in an ingest: on a connection that it has made anew, the rows would be committed."""
    there("CREATE TABLE lost (v BIGINT)")
    with FaultyProxy(cold.port) as proxy:
        attach(run, proxy.port, "severed")
        with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO severed.main.lost SELECT * FROM range(1000)")
            proxy.mode = "reset"
            wait_until(lambda: proxy.open == 0, what="the end of its connections")
            proxy.mode = "pass"
            told(lambda: append(cursor, "lost", batches(3), backend="severed"), "severed")
            told(connection.commit)
        assert there("SELECT count(*) FROM lost") == [(0,)]
        wait_until(lambda: recovers(run, "INSERT INTO severed.main.lost VALUES (1)"), what="the backend's recovery")
        run("DETACH severed")
    assert there("FROM lost") == [(1,)]
    there("DROP TABLE lost")


def test_an_ingest_that_needs_a_transaction_is_refused_without_one(cold, there):
    there("CREATE TABLE needs (v BIGINT)")
    header = "adbc.flight.sql.rpc.call_header.hyprstream-transaction"
    rows = pa.table({"v": [1, 2]})
    for value, autocommit, words in (("required", True, "belongs to a transaction"), ("maybe", False, "'required' or not there")):
        with flightsql.connect(cold.url, autocommit=autocommit, db_kwargs={
                "adbc.flight.sql.authorization_header": f"Bearer {SECRET}", header: value}) as connection:
            with connection.cursor() as cursor:
                told(lambda cursor=cursor: cursor.adbc_ingest("needs", rows, mode="append"), words)
    with flightsql.connect(cold.url, autocommit=False, db_kwargs={
            "adbc.flight.sql.authorization_header": f"Bearer {SECRET}", header: "required"}) as connection:
        with connection.cursor() as cursor:
            assert cursor.adbc_ingest("needs", rows, mode="append") == 2
        assert there("SELECT count(*) FROM needs") == [(0,)]
        connection.commit()
    assert there("SELECT count(*) FROM needs") == [(2,)]
    there("DROP TABLE needs")


def test_an_ingest_without_rows_is_none_and_no_error(run, server, there):
    """The driver sends nothing for it and fails: `Stream finished before first message sent`."""
    run("CREATE TABLE cold.main.none AS SELECT 1 AS v, 'x' AS w LIMIT 0")
    assert run("INSERT INTO cold.main.none SELECT 1, 'x' WHERE false") == 0
    assert run("INSERT INTO cold.main.none (w) SELECT 'x' WHERE false") == 0
    assert run("DELETE FROM cold.main.none") == 0
    assert run("UPDATE cold.main.none SET v = 1") == 0
    with connected(server) as connection, connection.cursor() as cursor:
        # Of a stock client as well: it has one batch of no rows here.
        empty = pa.record_batch({"v": pa.array([], pa.int32())})
        assert append(cursor, "none", empty) == 0
        assert append(cursor, "fresh", empty, mode="create") == 0
    assert there("SELECT count(*) FROM none") == there("SELECT count(*) FROM fresh") == [(0,)]
    for table in ("none", "fresh"):
        run(f"DROP TABLE cold.main.{table}")


def test_batches_above_the_message_limit_are_cut_and_a_row_above_it_is_refused(run, server, there):
    """The driver sends a batch as it is: one over 16 MiB is refused on its way."""
    there("CREATE TABLE wide (n BIGINT, s VARCHAR)")
    # Batches have up to 2,048 rows: 50 MB here.
    assert run("INSERT INTO cold.main.wide SELECT i, repeat('s', 25000) FROM range(2000) t(i)") == 2000
    assert run("UPDATE cold.main.wide SET s = s || 'x'") == 2000
    assert there("SELECT count(*), sum(length(s))::BIGINT FROM wide") == [(2000, 2000 * 25001)]
    # What a client sends in one batch that is as large as a client's may be.
    large = pa.record_batch({"n": pa.array(range(15)), "s": pa.array(["s" * (1 << 20)] * 15)})
    with connected(server) as connection, connection.cursor() as cursor:
        assert append(cursor, "wide", large) == 15
    told(lambda: run("INSERT INTO cold.main.wide SELECT 7, repeat('z', 20 * 1024 * 1024)"), "cold")
    assert there("SELECT count(*) FROM wide") == [(2015,)]
    there("DROP TABLE wide")


def test_a_source_that_fails_in_the_middle_leaves_nothing(run, there):
    """The driver ends its call without a word to the server where the rows end with an error."""
    there("CREATE TABLE half (v BIGINT)")
    told(lambda: run("INSERT INTO cold.main.half SELECT CASE WHEN i = 2999999 THEN error('at its end') ELSE i END "
                     "FROM range(3000000) t(i)"), "at its end")
    told(lambda: run("INSERT INTO cold.main.half SELECT CASE WHEN i = 2999999 THEN 0.5 ELSE i END FROM range(3000000) t(i)"),
         "Column v, row 2999999", "0.5")
    assert there("SELECT count(*) FROM half") == [(0,)]
    assert run("INSERT INTO cold.main.half VALUES (1)") == 1
    there("DROP TABLE half")


# --- transactions


def test_a_client_that_goes_leaves_nothing_of_its_transaction(server, run, there):
    there("CREATE TABLE dropped (id BIGINT PRIMARY KEY, v VARCHAR)")
    run("INSERT INTO cold.main.dropped VALUES (1, 'a')")
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE cold.main.dropped SET v = 'b'")
        cursor.execute("INSERT INTO cold.main.dropped VALUES (2, 'b')")
        append(cursor, "dropped", pa.table({"id": [3], "v": ["c"]}))
        cursor.execute("SELECT count(*) FROM cold.main.dropped")
        assert cursor.fetchall() == [(3,)]
    assert there("FROM dropped") == [(1, "a")]
    # Nobody holds its rows.
    wait_until(lambda: recovers(run, "UPDATE cold.main.dropped SET v = 'd' WHERE id = 1"), what="the end of the transaction there")
    assert there("FROM dropped") == [(1, "d")]
    there("DROP TABLE dropped")


def recovers(run, sql):
    try:
        run(sql)
    except Exception:  # noqa: BLE001
        return False
    return True


def test_of_two_that_change_a_row_the_second_is_refused(server, run, there):
    there("CREATE TABLE contended (id BIGINT PRIMARY KEY, n BIGINT)")
    run("INSERT INTO cold.main.contended VALUES (1, 0)")
    with connected(server, autocommit=False) as first, connected(server, autocommit=False) as second:
        for connection in (first, second):
            with connection.cursor() as cursor:
                cursor.execute("SELECT n FROM cold.main.contended")
                assert cursor.fetchall() == [(0,)]
        with first.cursor() as cursor:
            cursor.execute("UPDATE cold.main.contended SET n = n + 1")
        with second.cursor() as cursor:
            def change_and_commit():
                cursor.execute("UPDATE cold.main.contended SET n = n + 1")
                first.commit()
                second.commit()
            told(change_and_commit, "onflict")
        with contextlib.suppress(Exception):
            first.commit()
        second.rollback()
    assert there("SELECT n FROM contended") == [(1,)]
    there("DROP TABLE contended")


def test_after_a_commit_that_failed_the_next_transaction_is_one(server, run, there):
    """The driver has no transaction any more then, and cannot get one: its connection must not be used again."""
    there("CREATE TABLE twice (id BIGINT PRIMARY KEY)")
    with connected(server, autocommit=False) as first, connected(server, autocommit=False) as second:
        for connection in (first, second):
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO cold.main.twice VALUES (1)")
        first.commit()
        said = told(second.commit, "cold")
        assert "not known" not in said, said
    assert run("INSERT INTO cold.main.twice VALUES (2)") == 1
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO cold.main.twice VALUES (3)")
        connection.rollback()
    assert there("FROM twice ORDER BY id") == [(1,), (2,)]
    there("DROP TABLE twice")


def test_many_writers_at_once(server, run, there):
    there("CREATE TABLE many (w BIGINT, i BIGINT)")
    insert_at_once(server, "cold.main.many", writers=6, rows=10)
    assert there("SELECT count(DISTINCT (w, i)), count(*) FROM many") == [(60, 60)]
    there("DROP TABLE many")


def test_many_rows_of_parameters_are_one_write(server, run, there):
    there("CREATE TABLE bound (id BIGINT PRIMARY KEY, v VARCHAR)")
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO cold.main.bound VALUES (?, ?)", [(i, f"v{i}") for i in range(500)])
        told(lambda: cursor.executemany("INSERT INTO cold.main.bound VALUES (?, ?)", [(1000, "new"), (1, "old")]))
    assert there("SELECT count(*) FROM bound") == [(500,)]
    assert run("UPDATE cold.main.bound SET v = ? WHERE id = ?", ("w", 7)) == 1
    assert there("SELECT v FROM bound WHERE id = 7") == [("w",)]
    there("DROP TABLE bound")


# --- what goes wrong in the middle


def running_at(there, text):
    return there(f"SELECT count(*) FROM hyprstream.queries WHERE state = 'running' AND text LIKE '%{text}%' "
                 "AND text NOT LIKE '%hyprstream.queries%'")[0][0]


def test_a_cancel_in_the_middle_of_a_write_leaves_nothing(server, run, there):
    there("CREATE TABLE cancelled (v BIGINT)")
    with connected(server) as connection, connection.cursor() as cursor:
        failed = []

        def write():
            try:
                cursor.execute("INSERT INTO cold.main.cancelled SELECT * FROM range(100000000000)")
            except Exception as error:  # noqa: BLE001
                failed.append(str(error))

        writer = threading.Thread(target=write)
        writer.start()
        wait_until(lambda: running_at(there, "ingest into%cancelled") == 1, what="the write's start there")
        cursor.adbc_cancel()
        writer.join(30)
        assert not writer.is_alive() and failed and SECRET not in failed[0]
    wait_until(lambda: running_at(there, "ingest into%cancelled") == 0, what="its end there")
    assert there("SELECT count(*) FROM cancelled") == [(0,)]
    assert run("INSERT INTO cold.main.cancelled VALUES (1)") == 1
    there("DROP TABLE cancelled")


@pytest.mark.parametrize("fault", ["hang", "stop", "drip", "reset", "garbage"])
def test_faults_in_the_middle_of_a_write_cost_a_bounded_wait_and_leave_nothing(server, cold, run, there, fault):
    name = f"faulty_{fault}"
    there(f"CREATE TABLE {name} (v BIGINT)")
    with FaultyProxy(cold.port) as proxy, connected(server) as connection, connection.cursor() as cursor:
        attach(run, proxy.port, name, ", STATEMENT_TIMEOUT '2 s', CONNECT_TIMEOUT '2 s'")

        def misbehave(batch):
            if batch == 200:
                proxy.mode = fault

        began = time.monotonic()
        words = ["had not answered within its statement_timeout of 2000 ms"] if fault in ("hang", "stop", "drip") else []
        told(lambda: append(cursor, name, batches(2_000, before=misbehave), backend=name), name, *words)
        assert time.monotonic() - began < 60
        assert run("SELECT count(*) FROM cold.main." + name) == [(0,)]
        proxy.mode = "pass"
        wait_until(lambda: recovers(run, f"INSERT INTO {name}.main.{name} VALUES (1)"), seconds=60, what="recovery")
        run(f"DETACH {name}")
    assert there(f"FROM {name}") == [(1,)]
    there(f"DROP TABLE {name}")


@pytest.mark.parametrize("fault", ["hang", "reset"])
def test_a_commit_whose_answer_is_lost_is_said_to_be_unknown(server, cold, run, there, fault):
    name = f"unsure_{fault}"
    there(f"CREATE TABLE {name} (v BIGINT)")
    with FaultyProxy(cold.port) as proxy:
        attach(run, proxy.port, name, ", STATEMENT_TIMEOUT '2 s', CONNECT_TIMEOUT '2 s'")
        with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {name}.main.{name} VALUES (1)")
            proxy.mode = fault
            told(connection.commit, name, "not known whether it was carried out")
        proxy.mode = "pass"
        # The proxy has passed the COMMIT on where it hangs; once, and never again.
        if fault == "hang":
            wait_until(lambda: there(f"SELECT count(*) FROM {name}") == [(1,)], what="the COMMIT there")
        wait_until(lambda: recovers(run, f"INSERT INTO {name}.main.{name} VALUES (2)"), seconds=60, what="recovery")
        assert there(f"FROM {name} ORDER BY v") in ([(1,), (2,)], [(2,)])
        run(f"DETACH {name}")
    there(f"DROP TABLE {name}")


def test_failed_and_cancelled_writes_leave_connections_and_sessions_whole(server, run, there):
    there("CREATE TABLE often (id BIGINT PRIMARY KEY)")
    run("INSERT INTO cold.main.often VALUES (1)")
    sessions = there("SELECT count(*) FROM hyprstream.sessions")[0][0]
    for i in range(100):
        told(lambda i=i: run(f"INSERT INTO cold.main.often VALUES ({i + 10}), (1)"), "cold")
    for _ in range(20):
        with connected(server) as connection, connection.cursor() as cursor:
            timer = threading.Timer(0.05, cursor.adbc_cancel)
            timer.start()
            told(lambda: cursor.execute("INSERT INTO cold.main.often SELECT * FROM range(2, 100000000000)"))
            timer.join()
    assert there("FROM often") == [(1,)]
    # A cancelled call ends at the server after it has ended at its client.
    wait_until(lambda: run("SELECT pool_in_use FROM hyprstream.backends WHERE name = 'cold'") == [(0,)], what="a whole pool")
    wait_until(lambda: there("SELECT count(*) FROM hyprstream.sessions")[0][0] <= sessions + 2, what="the end of their sessions")
    there("DROP TABLE often")


def kill_the_drivers(server):
    for host in server.driver_hosts():
        os.kill(host, signal.SIGKILL)


def test_a_driver_that_is_killed_in_the_middle_of_an_ingest_leaves_nothing(server, run, there):
    there("CREATE TABLE killed (v BIGINT)")
    with connected(server) as connection, connection.cursor() as cursor:
        def kill(batch):
            if batch == 200:
                kill_the_drivers(server)

        told(lambda: append(cursor, "killed", batches(2_000, before=kill)), "process of the driver has ended")
    assert there("SELECT count(*) FROM killed") == [(0,)]
    assert run("INSERT INTO cold.main.killed VALUES (2)") == 1
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO cold.main.killed VALUES (3)")
        kill_the_drivers(server)
        told(connection.commit, "process of the driver has ended")
    assert there("FROM killed") == [(2,)]
    there("DROP TABLE killed")


def test_rows_that_a_killed_driver_had_changed_are_free_after_the_sessions_grace(server, run):
    with ServerProcess("--session-grace-s", 1, environment=users()) as brief, directly(brief) as there:
        there("CREATE TABLE held (id BIGINT PRIMARY KEY, v VARCHAR)")
        there("INSERT INTO held VALUES (1, 'a')")
        attach(run, brief.port, "brief")
        with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE brief.main.held SET v = 'b'")
            kill_the_drivers(server)
            told(connection.commit)
        wait_until(lambda: recovers(run, "UPDATE brief.main.held SET v = 'c'"), seconds=60, what="the end of the grace")
        assert there("FROM held") == [(1, "c")]
        run("DETACH brief")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_stops_and_starts_again_in_the_middle_of_a_write(server, run, tmp_path, stop):
    port = free_port()

    def start():
        return ServerProcess("--port", port, "--data", tmp_path / "data", environment=users())

    first = start()
    with directly(first) as there:
        there("CREATE TABLE kept (v BIGINT)")
        attach(run, port, "moving", ", STATEMENT_TIMEOUT '10 s'")
        assert run("INSERT INTO moving.main.kept VALUES (0)") == 1
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO moving.main.kept SELECT * FROM range(1000)")
        first.process.send_signal(stop)
        first.process.wait(timeout=30)
        first.close()
        with start() as second, directly(second) as there:
            told(connection.commit, "moving")
            assert there("FROM kept") == [(0,)]
    second = start()
    try:
        wait_until(lambda: recovers(run, "FROM moving.main.kept"), seconds=60, what="the backend's recovery")

        def end(batch):
            if batch == 200:
                second.process.send_signal(stop)

        with connected(server) as connection, connection.cursor() as cursor:
            told(lambda: append(cursor, "kept", batches(100_000, before=end), backend="moving"), "moving")
    finally:
        second.process.wait(timeout=30)
        second.close()
    told(lambda: run("INSERT INTO moving.main.kept VALUES (7)"), "moving")
    with start() as third, directly(third) as there:
        assert there("FROM kept") == [(0,)]
        wait_until(lambda: recovers(run, "INSERT INTO moving.main.kept VALUES (1)"), seconds=60, what="the backend's recovery")
        assert there("FROM kept ORDER BY v") == [(0,), (1,)]
        run("DETACH moving")


def test_a_write_with_a_token_that_is_no_longer_right(server, run):
    port = free_port()
    with ServerProcess("--port", port, environment=users()) as first, directly(first) as there:
        there("CREATE TABLE guarded (v BIGINT)")
        attach(run, port, "guarded")
        assert run("INSERT INTO guarded.main.guarded VALUES (1)") == 1
    with ServerProcess("--port", port, environment=users("another-token")) as second, directly(second, "another-token") as there:
        there("CREATE TABLE guarded (v BIGINT)")
        for sql in ("INSERT INTO guarded.main.guarded VALUES (1)", "DROP TABLE guarded.main.guarded",
                    "CREATE TABLE guarded.main.other (v BIGINT)", "DELETE FROM guarded.main.guarded"):
            told(lambda sql=sql: run(sql), "guarded")
        assert there("SELECT count(*) FROM guarded") == [(0,)]
    run("DETACH guarded")


def crypt(password):
    library = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    return library.crypt(password.encode(), b"$6$rounds=1000$hyprstream").decode()


def test_a_user_and_a_password_write_as_well(run):
    """Each connection has a token of its own then."""
    environment = {"HYPRSTREAM_USERS": f'front = {{ password_hash = "{crypt(SECRET)}", admin = true }}\n'}
    with ServerProcess(environment=environment) as named:
        run(f"ATTACH 'grpc://127.0.0.1:{named.port}' AS named (TYPE adbc, DRIVER 'flightsql', DIALECT 'hyprstream', "
            f"USER 'front', PASSWORD '{SECRET}')")
        run("CREATE TABLE named.main.t AS SELECT range AS v FROM range(10)")
        assert run("UPDATE named.main.t SET v = v + 1 WHERE v >= 5") == 5
        assert run("SELECT sum(v)::BIGINT FROM named.main.t") == [(50,)]
        run("DETACH named")
