"""Clients that leave, and queries that nobody waits for any more: the work stops, and nothing is left behind."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from server_process import ServerProcess, wait_until

# An hour's work and more, unless somebody stops it.
ENDLESS_JOIN = "FROM range(10000000000) a, range(1000) b WHERE a.range % 7 = b.range % 5"
ENDLESS_QUERIES = {
    "before the first chunk": f"SELECT count(*) {ENDLESS_JOIN}",
    "while rows are sent": "SELECT * FROM range(1000000000000)",
    "a sort": f"SELECT a.range, b.range {ENDLESS_JOIN} AND a.range % 100003 = 1 ORDER BY 2, 1 DESC",
    "an aggregate": f"SELECT b.range, sum(a.range), median(a.range % 10) {ENDLESS_JOIN} AND a.range % 1009 = 1 GROUP BY ALL",
    "a window": f"SELECT row_number() OVER (ORDER BY a.range DESC) {ENDLESS_JOIN} AND a.range % 100003 = 1",
    "a recursion": "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
}


@pytest.fixture(scope="module")
def server():
    with ServerProcess("--session-idle-s", "3", "--memory-max", "2GiB") as process:
        yield process


@pytest.fixture
def client(server):
    with flight.connect(server.url) as client:
        yield client


def within(seconds):
    return flight.FlightCallOptions(timeout=seconds)


def state_of(client, text):
    """Of the newest statement that contains `text`, but for this question."""
    rows = wire.query(client, "SELECT state, text FROM hyprstream.queries WHERE text NOT LIKE '%hyprstream.queries%'")
    return next((row["state"] for row in reversed(rows) if text in row["text"]), None)


def expect_stopped(server, client, text):
    wait_until(lambda: state_of(client, text) == "cancelled", what=f"the end of {text}")
    server.wait_until_idle()


@pytest.mark.parametrize("query", ENDLESS_QUERIES)
def test_a_deadline_stops_a_query(server, client, query, unique):
    sql = f"/* {unique} */ {ENDLESS_QUERIES[query]}"
    with flight.connect(server.url) as leaving:
        info = leaving.get_flight_info(wire.statement_query(sql))
        with pytest.raises(flight.FlightError):
            wire.read_to_end(leaving.do_get(info.endpoints[0].ticket, within(0.5)))
        expect_stopped(server, client, ENDLESS_QUERIES[query][:40])


def test_a_deadline_stops_the_filling_of_a_view(server, client, unique):
    wire.update(client, f"CREATE TABLE {unique} AS SELECT range AS k FROM range(20000000)")
    sql = f"CREATE MATERIALIZED VIEW {unique}_v AS SELECT k % 10 AS g, max(md5(md5(md5(k::VARCHAR)))) AS m FROM {unique} GROUP BY g"
    with flight.connect(server.url) as leaving, pytest.raises(flight.FlightError):
        wire.update(leaving, sql, within(0.5))
    expect_stopped(server, client, sql)
    assert wire.query(client, f"SELECT count(*) AS n FROM hyprstream.views WHERE view_name = '{unique}_v'") == [{"n": 0}]
    wire.update(client, f"DROP TABLE {unique}")


def drop_the_call(server, client, info):
    reader = client.do_get(info.endpoints[0].ticket)
    threading.Thread(target=reader.cancel).start()
    wire.read_to_end(reader)


def cancel_over_another_connection(server, client, info):
    reader = client.do_get(info.endpoints[0].ticket)

    def cancel():
        with flight.connect(server.url) as other:
            wait_until(lambda: state_of(other, ENDLESS_JOIN) == "running", what="the query's start")
            assert wire.cancel_info(other, info) in (1, 2)

    with ThreadPoolExecutor(1) as pool:
        cancelling = pool.submit(cancel)
        try:
            wire.read_to_end(reader)
        finally:
            cancelling.result()


@pytest.mark.parametrize("leave", [drop_the_call, cancel_over_another_connection])
def test_a_cancel_stops_a_query(server, client, leave):
    with flight.connect(server.url) as leaving:
        info = leaving.get_flight_info(wire.statement_query(ENDLESS_QUERIES["before the first chunk"]))
        with pytest.raises((flight.FlightError, pa.ArrowCancelled)) as stopped:
            leave(server, leaving, info)
        assert "ancel" in str(stopped.value)
        expect_stopped(server, client, ENDLESS_JOIN)


RUN_AND_WAIT = """
import sys
import pyarrow.flight as flight
sys.path.insert(0, sys.argv[3])
import flight_sql_wire as wire
client = flight.connect(sys.argv[1])
info = client.get_flight_info(wire.statement_query(sys.argv[2]))
client.do_get(info.endpoints[0].ticket).read_all()
"""


def start_python(script, *arguments):
    support = [path for path in sys.path if path.endswith("support")][0]
    return subprocess.Popen([sys.executable, "-c", script, *arguments, support], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("query", ["before the first chunk", "while rows are sent"])
def test_a_killed_client_stops_its_query(server, client, query):
    sql = ENDLESS_QUERIES[query]
    process = start_python(RUN_AND_WAIT, server.url, sql)
    wait_until(lambda: state_of(client, sql) == "running", what="the query's start")
    process.kill()
    process.wait()
    expect_stopped(server, client, sql)


def test_adbc_cancel_stops_a_query(server, client):
    with flightsql.connect(server.url, autocommit=True) as connection, connection.cursor() as cursor:
        def cancel():
            with flight.connect(server.url) as other:
                wait_until(lambda: state_of(other, ENDLESS_JOIN) == "running", what="the query's start")
            cursor.adbc_cancel()

        with ThreadPoolExecutor(1) as pool:
            cancelling = pool.submit(cancel)
            with pytest.raises(Exception, match="(?i)cancel"):
                cursor.execute(ENDLESS_QUERIES["before the first chunk"])
                cursor.fetchall()
            cancelling.result()
        expect_stopped(server, client, ENDLESS_JOIN)
        cursor.execute("SELECT 1")  # the connection goes on
        assert cursor.fetchone() == (1,)


def test_prepared_statements_stop_in_every_execution(server, client):
    sql = f"SELECT count(*) {ENDLESS_JOIN} AND a.range > ?"
    with flight.connect(server.url) as leaving:
        handle = wire.prepare(leaving, sql)
        writer, reader = leaving.do_put(wire.prepared_query(handle), pa.schema([("1", pa.int64())]))
        with writer:
            writer.write_batch(pa.record_batch({"1": [1, 2, 3]}))
            writer.done_writing()
        info = leaving.get_flight_info(wire.prepared_query(handle))
        with pytest.raises(flight.FlightError):
            wire.read_to_end(leaving.do_get(info.endpoints[0].ticket, within(0.5)))
        expect_stopped(server, client, sql)


def test_an_exchange_stops(server, client):
    sql = ENDLESS_QUERIES["before the first chunk"]
    with flight.connect(server.url) as leaving:
        writer, reader = leaving.do_exchange(flight.FlightDescriptor.for_command(sql.encode()), within(0.5))
        writer.done_writing()
        with pytest.raises((flight.FlightError, pa.ArrowException)):
            wire.read_to_end(reader)
            writer.close()  # pyarrow tells the call's end here
        expect_stopped(server, client, sql)


def make_table_and_view(client, table, rows):
    wire.update(client, f"CREATE TABLE {table} (i BIGINT, k BIGINT)")
    wire.update(client, f"CREATE MATERIALIZED VIEW {table}_by_k AS SELECT k, count(*) AS n, sum(i) AS total FROM {table} GROUP BY k")
    wire.update(client, f"INSERT INTO {table} SELECT range, range % 10 FROM range({rows})")


def expect_rows(client, table, rows):
    assert wire.query(client, f"SELECT count(*) AS n FROM {table}") == [{"n": rows}]
    view = wire.query(client, f"SELECT * FROM {table}_by_k ORDER BY k")
    assert view == wire.query(client, f"SELECT k, count(*) AS n, sum(i) AS total FROM {table} GROUP BY k ORDER BY k")


@pytest.mark.parametrize("change", [
    "INSERT INTO {table} SELECT a.range, b.range " + ENDLESS_JOIN,
    "UPDATE {table} SET i = (SELECT count(*) " + ENDLESS_JOIN + ")",
    "DELETE FROM {table} WHERE i IN (SELECT a.range " + ENDLESS_JOIN + ")",
    "CREATE TABLE {table}_copy AS SELECT a.range AS i " + ENDLESS_JOIN,
])
def test_a_change_that_is_left_changes_nothing(server, client, unique, change):
    make_table_and_view(client, unique, 1000)
    sql = change.format(table=unique)
    for call in (lambda c: wire.update(c, sql, within(0.7)),  # as update, and as query
                 lambda c: c.get_flight_info(wire.statement_query(sql), within(0.7))):
        with flight.connect(server.url) as leaving:
            with pytest.raises(flight.FlightError):
                call(leaving)
            expect_stopped(server, client, sql)
            expect_rows(client, unique, 1000)
            wire.update(leaving, f"INSERT INTO {unique} VALUES (1, 1)")  # the session goes on
            wire.update(leaving, f"DELETE FROM {unique} WHERE i = 1 AND k = 1")
            wire.update(leaving, f"INSERT INTO {unique} VALUES (1, 1)")
    assert wire.query(client, f"SELECT count(*) AS n FROM duckdb_tables() WHERE table_name = '{unique}_copy'") == [{"n": 0}]


def test_changes_cancelled_at_any_moment_apply_whole_or_not_at_all(server, client, unique):
    """Cancels that race with the commit itself: the table and its view always agree, and a change is never halved."""
    wire.update(client, f"CREATE TABLE {unique} (i BIGINT, k BIGINT)")
    wire.update(client, f"CREATE MATERIALIZED VIEW {unique}_by_k AS SELECT k, count(*) AS n, sum(i) AS total FROM {unique} GROUP BY k")
    known = 0
    with flight.connect(server.url) as leaving:
        for attempt in range(60):
            try:
                wire.update(leaving, f"INSERT INTO {unique} SELECT range, range % 10 FROM range(10000)", within(0.001 * (attempt + 1)))
                known += 1
            except flight.FlightError:
                pass
    wait_until(lambda: state_of(client, f"INSERT INTO {unique}") != "running", what="the last change's end")
    rows = wire.query(client, f"SELECT count(*) AS n FROM {unique}")[0]["n"]
    assert rows % 10000 == 0 and rows >= known * 10000
    expect_rows(client, unique, rows)


def test_a_view_that_is_left_while_it_is_filled_does_not_exist(server, client, unique):
    wire.update(client, f"CREATE TABLE {unique} AS SELECT range AS i FROM range(6000000)")
    create = f"CREATE MATERIALIZED VIEW {unique}_v AS SELECT i % 97 AS k, count(DISTINCT_ME) AS n FROM {unique} GROUP BY k"
    create = create.replace("count(DISTINCT_ME)", "sum(length(regexp_replace(md5(i::VARCHAR), '[a-f]+', 'x', 'g')))")
    with flight.connect(server.url) as leaving:
        with pytest.raises(flight.FlightError):
            wire.update(leaving, create, within(0.4))
        wait_until(lambda: state_of(client, f"{unique}_v") == "cancelled", what="the end of the backfill")
    server.wait_until_idle()
    assert wire.query(client, f"SELECT * FROM hyprstream.views WHERE view_name = '{unique}_v'") == []
    wire.update(client, f"DELETE FROM {unique} WHERE i >= 1000")
    wire.update(client, create)
    assert wire.query(client, f"SELECT count(*) AS n FROM {unique}_v") == [{"n": 97}]
    wire.update(client, f"DROP MATERIALIZED VIEW {unique}_v")
    wire.update(client, f"DROP TABLE {unique}")


def test_a_call_that_waits_for_its_session_can_leave(server, client, unique):
    wire.update(client, f"CREATE TABLE {unique} (i BIGINT)")
    with flight.connect(server.url) as shared, ThreadPoolExecutor(1) as pool:
        sql = f"INSERT INTO {unique} SELECT count(*) {ENDLESS_JOIN}"
        first = pool.submit(wire.update, shared, sql, within(6))
        wait_until(lambda: state_of(client, sql) == "running", what="the first statement's start")
        with pytest.raises(flight.FlightError):
            wire.update(shared, f"INSERT INTO {unique} VALUES (1)", within(0.3))
        assert state_of(client, sql) == "running"
        with pytest.raises(flight.FlightError):
            first.result()
        expect_stopped(server, client, sql)
        assert wire.query(client, f"SELECT count(*) AS n FROM {unique}") == [{"n": 0}]


def test_closing_a_session_stops_its_statements(server, client, unique):
    wire.update(client, f"CREATE TABLE {unique} (i BIGINT)")
    with flight.connect(server.url) as shared, ThreadPoolExecutor(1) as pool:
        sql = f"INSERT INTO {unique} SELECT a.range {ENDLESS_JOIN}"
        running = pool.submit(wire.update, shared, sql)
        wait_until(lambda: state_of(client, sql) == "running", what="the statement's start")
        wire.close_session(shared)
        with pytest.raises((flight.FlightError, pa.ArrowException), match="session was closed"):
            running.result()
        expect_stopped(server, client, sql)


def test_a_statement_ends_at_its_time_limit(unique):
    with ServerProcess("--statement-timeout-s", "1") as server, flight.connect(server.url) as client:
        wire.update(client, f"CREATE TABLE {unique} (i BIGINT)")
        for call in (lambda: wire.query(client, ENDLESS_QUERIES["before the first chunk"]),
                     lambda: wire.update(client, f"INSERT INTO {unique} SELECT a.range {ENDLESS_JOIN}"),
                     lambda: wire.update(client, f"SELECT 1; SELECT count(*) {ENDLESS_JOIN}")):
            with pytest.raises((flight.FlightError, pa.ArrowException), match="statement_timeout_s"):
                call()
        assert wire.query(client, f"SELECT count(*) AS n FROM {unique}") == [{"n": 0}]
        server.wait_until_idle()


PUT_FOR_EVER = """
import sys
import pyarrow as pa
import pyarrow.flight as flight
sys.path.insert(0, sys.argv[3])
import flight_sql_wire as wire
client = flight.connect(sys.argv[1])
rows = 20000
how, table = sys.argv[2].split(":")
if how == "transaction":
    transaction = wire.begin(client)
    wire.update(client, f"INSERT INTO {table} SELECT 0, 0 FROM range(100)", transaction=transaction)
    print("ready", flush=True)
    input()
descriptor = flight.FlightDescriptor.for_path(table) if how == "put" else wire.statement_ingest(table)
writer, reader = client.do_put(descriptor, pa.schema([("i", pa.int64()), ("k", pa.int64())]))
for batch in range(10**9):
    writer.write_batch(pa.record_batch({"i": pa.array([batch] * rows, pa.int64()), "k": pa.array([batch % 10] * rows, pa.int64())}))
    if how == "put":
        reader.read()
    elif batch == 100:
        print("ready", flush=True)
"""


def test_a_client_killed_while_it_puts_leaves_whole_batches(server, client, unique):
    make_table_and_view(client, unique, 0)
    for _ in range(3):
        before = wire.query(client, f"SELECT count(*) AS n FROM {unique}")[0]["n"]
        process = start_python(PUT_FOR_EVER, server.url, f"put:{unique}")
        wait_until(lambda: wire.query(client, f"SELECT count(*) AS n FROM {unique}")[0]["n"] > before + 100_000,
                   what="some batches", seconds=60)
        process.kill()
        process.wait()
    wait_until(lambda: wire.query(client, "SELECT count(*) AS n FROM hyprstream.sessions")[0]["n"] == 1,
               what="the end of the killed clients' sessions")
    halves = f"SELECT i, count(*) AS n FROM {unique} GROUP BY i HAVING count(*) % 20000 <> 0"
    assert wire.query(client, halves) == []
    expect_rows(client, unique, wire.query(client, f"SELECT count(*) AS n FROM {unique}")[0]["n"])
    server.wait_until_idle()
    wire.update(client, f"DROP MATERIALIZED VIEW {unique}_by_k")
    wire.update(client, f"DROP TABLE {unique}")


@pytest.mark.parametrize("how", ["ingest", "transaction"])
def test_a_client_killed_before_its_commit_leaves_nothing(server, client, unique, how):
    make_table_and_view(client, unique, 1000)
    process = start_python(PUT_FOR_EVER, server.url, f"{how}:{unique}")
    assert process.stdout.readline() == b"ready\n"
    process.kill()
    process.wait()
    wait_until(lambda: not any(row["in_transaction"] for row in wire.query(client, "FROM hyprstream.sessions"))
               and wire.query(client, "SELECT count(*) AS n FROM hyprstream.sessions") == [{"n": 1}],
               what="the end of the killed client's session")
    expect_rows(client, unique, 1000)
    wire.update(client, f"UPDATE {unique} SET k = k + 1")  # nothing holds its rows
    expect_rows(client, unique, 1000)


def test_a_thousand_cancelled_queries_leave_nothing(server, unique):
    def one(number):
        kind = number % 4
        with flight.connect(server.url) as client:
            try:
                if kind == 3:
                    return wire.update(client, f"INSERT INTO {unique} SELECT a.range {ENDLESS_JOIN}", within(0.03))
                sql = ENDLESS_QUERIES["before the first chunk" if kind else "while rows are sent"]
                info = client.get_flight_info(wire.statement_query(sql))
                reader = client.do_get(info.endpoints[0].ticket, within(0.03 if kind < 2 else 10))
                if kind == 2:
                    with flight.connect(server.url) as other:
                        wire.cancel_info(other, info)
                wire.read_to_end(reader)
            except (flight.FlightError, pa.ArrowException):
                return
            pytest.fail("an endless query ended")

    def settle(client):
        sessions = "SELECT count(*) AS n FROM hyprstream.sessions"
        wait_until(lambda: wire.query(client, sessions) == [{"n": 1}], what="the end of all sessions", seconds=60)
        server.wait_until_idle()
        return server.status_value("VmRSS"), server.open_files(), server.status_value("Threads")

    with flight.connect(server.url) as client, ThreadPoolExecutor(8) as pool:
        wire.update(client, f"CREATE TABLE {unique} (i BIGINT)")
        list(pool.map(one, range(400)))  # warms pools of threads, connections and memory up
        _, files, threads = settle(client)
        list(pool.map(one, range(500)))
        memory, _, _ = settle(client)
        list(pool.map(one, range(500)))
        wait_until(lambda: settle(client)[1] <= files + 3 and settle(client)[2] <= threads + 3,
                   what=f"{files} files and {threads} threads as before", seconds=60)
        # Freed memory stays with the process and its arenas fill slowly; what each query leaves would show in both halves.
        grown = settle(client)[0] - memory
        print(f"after the second 500 of 1,000 cancelled queries: {grown} kB more")
        assert grown < 64 * 1024, f"{grown} kB more"
        assert wire.query(client, f"SELECT count(*) AS n FROM {unique}") == [{"n": 0}]
