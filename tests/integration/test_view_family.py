"""Views refreshed, replaced, filled in the background and added up over servers, while rows keep coming."""

import threading

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from server_process import ServerProcess, wait_until
from subscriber import Subscriber

VIEW = "SELECT time_bucket(INTERVAL '1 minute', ts) AS w, k, count(*) AS n, sum(v) AS s, max(v) AS m FROM t GROUP BY ALL"
ROWS = "SELECT TIMESTAMP '2026-01-01' + to_milliseconds(i * 37), i % 101, i % 1009 FROM range({}, {}) r(i)"


class Crashing(ServerProcess):
    """One that is killed at the end of its block."""

    def __exit__(self, *_):
        self.kill()
        self.close()


def make(client):
    wire.update(client, "CREATE TABLE t (ts TIMESTAMP, k BIGINT, v BIGINT) WITH (time = 'ts')")


def fill(client, begin, end):
    wire.update(client, "INSERT INTO t " + ROWS.format(begin, end))


def expect_view_equals_its_select(client, view="v", select=VIEW):
    wire.update(client, "SET use_views = false")
    missing = wire.query(client, f"SELECT count(*) AS n FROM (FROM {view} EXCEPT ALL ({select}))")
    left = wire.query(client, f"SELECT count(*) AS n FROM (({select}) EXCEPT ALL FROM {view})")
    assert missing == left == [{"n": 0}]


def status_of(client, view="v"):
    return wire.query(client, f"SELECT status, problem, rows_filled, rows_to_fill FROM hyprstream.views WHERE view_name = '{view}'")[0]


class Changes(threading.Thread):
    """Commits one statement after the other until it is left; they are inserts unless it is given others."""

    def __init__(self, url, statements=("INSERT INTO t " + ROWS.format("{0} * 100", "({0} + 1) * 100"),), first=10**6):
        super().__init__()
        self.url, self.statements, self.done, self.left, self.first = url, statements, 0, threading.Event(), first
        self.failure = None

    def run(self):
        with flight.connect(self.url) as client:
            try:
                while not self.left.is_set():
                    wire.update(client, self.statements[self.done % len(self.statements)].format(self.first + self.done))
                    self.done += 1
            except Exception as error:
                self.failure = error

    def __enter__(self):
        self.start()
        wait_until(lambda: self.done > 2 or self.failure)
        return self

    def __exit__(self, *_):
        self.left.set()
        self.join()
        assert self.failure is None, self.failure


CHANGING = ("INSERT INTO t " + ROWS.format("{0} * 100", "({0} + 1) * 100"), "UPDATE t SET v = v + 1 WHERE v = {0} % 1009 AND k < 3",
            "DELETE FROM t WHERE v = {0} % 977 AND k = 5")


@pytest.mark.parametrize("statements", [CHANGING[:1], CHANGING], ids=["inserts", "changes"])
def test_a_view_is_filled_in_the_background_while_rows_come(tmp_path, statements):
    with ServerProcess("--data", tmp_path) as server, flight.connect(server.url) as client:
        make(client)
        for begin in range(0, 2_000_000, 500_000):
            fill(client, begin, begin + 500_000)
        with Changes(server.url, statements) as changes:
            wire.update(client, f"CREATE MATERIALIZED VIEW v WITH (background = true) AS {VIEW}")
            status = status_of(client)
            assert status["status"] in ("filling", "ready")
            before = changes.done
            wait_until(lambda: status_of(client)["status"] != "filling", seconds=120)
            status = status_of(client)
            assert status["status"] == "ready", status
            assert status["rows_filled"] >= status["rows_to_fill"] * 0.9 > 0
            wait_until(lambda: changes.done > before or changes.failure)
        expect_view_equals_its_select(client)


def test_a_view_that_is_being_filled_says_so(tmp_path):
    with Crashing("--data", tmp_path) as server, flight.connect(server.url) as client:
        make(client)
        fill(client, 0, 3_000_000)
        wire.update(client, f"CREATE MATERIALIZED VIEW v WITH (background = true) AS {VIEW}")
        try:
            wire.query(client, "SELECT * FROM v LIMIT 1")
        except (flight.FlightError, pa.ArrowException) as error:
            assert "cannot be read: it is being filled; hyprstream.views shows how far it is" in str(error)
    # A crash in the middle: the CREATE was committed, so the view is there, filled.
    with ServerProcess("--data", tmp_path) as again, flight.connect(again.url) as client:
        assert status_of(client)["status"] == "ready"
        expect_view_equals_its_select(client)
        # One that is dropped, or replaced, while it is filled is gone without a trace.
        wire.update(client, f"CREATE OR REPLACE MATERIALIZED VIEW v WITH (background = true) AS {VIEW}")
        wire.update(client, "DROP MATERIALIZED VIEW v")
        assert wire.query(client, "FROM hyprstream.views") == []
        wire.update(client, f"CREATE MATERIALIZED VIEW v AS {VIEW}")
        expect_view_equals_its_select(client)


def test_a_row_that_does_not_fit_fails_the_filling_and_no_writer():
    with ServerProcess() as server, flight.connect(server.url) as client:
        wire.update(client, "CREATE TABLE t (s VARCHAR)")
        wire.update(client, "INSERT INTO t SELECT range::VARCHAR FROM range(3000000)")
        select = "SELECT s::BIGINT % 10 AS k, count(*) AS n FROM t GROUP BY ALL"
        wire.update(client, f"CREATE MATERIALIZED VIEW v WITH (background = true) AS {select}")
        was_filling = status_of(client)["status"] == "filling"
        try:
            wire.update(client, "INSERT INTO t VALUES ('no number')")
            taken = True
        except (flight.FlightError, pa.ArrowException) as error:
            taken, refusal = False, str(error)
        wait_until(lambda: status_of(client)["status"] != "filling", seconds=120)
        status = status_of(client)
        if was_filling and taken:
            assert status["status"] == "broken" and "no number" in status["problem"], status
            with pytest.raises((flight.FlightError, pa.ArrowException), match="filling it failed"):
                wire.query(client, "SELECT * FROM v")
            wire.update(client, "DELETE FROM t WHERE s = 'no number'")
            wire.update(client, "REFRESH MATERIALIZED VIEW v")
        else:
            assert "no number" in refusal
        expect_view_equals_its_select(client, select=select)
        wire.update(client, "INSERT INTO t VALUES ('7')")
        expect_view_equals_its_select(client, select=select)


def test_refresh_while_rows_come(tmp_path):
    with Crashing("--data", tmp_path) as server, flight.connect(server.url) as client:
        make(client)
        fill(client, 0, 500_000)
        wire.update(client, f"CREATE MATERIALIZED VIEW v WITH (backfill = false) AS {VIEW}")
        with Changes(server.url) as changes, Subscriber(server.url, view="v") as subscriber:
            wire.update(client, "REFRESH MATERIALIZED VIEW v")
            wire.update(client, "REFRESH MATERIALIZED VIEW v WINDOW '2026-01-01 00:10' TO '2026-01-01 01:00'")
            done = changes.done
            wait_until(lambda: changes.done > done or changes.failure)
            subscriber.read_until(lambda: len(subscriber.told) > 1000)
        expect_view_equals_its_select(client)
    with ServerProcess("--data", tmp_path) as again, flight.connect(again.url) as client:
        expect_view_equals_its_select(client)


def test_a_reader_sees_the_old_view_or_the_new_one():
    with ServerProcess() as server, flight.connect(server.url) as client:
        make(client)
        fill(client, 0, 20_000)
        old, new = "SELECT 'old' AS which, count(*) AS n FROM t GROUP BY ALL", "SELECT 'new' AS which, count(*) AS n FROM t GROUP BY ALL"
        wire.update(client, f"CREATE MATERIALIZED VIEW v AS {old}")
        seen, failures, left = set(), [], threading.Event()

        def read():
            with flight.connect(server.url) as reader:
                while not left.is_set():
                    try:
                        rows = wire.query(reader, "FROM v")
                        assert len(rows) == 1 and rows[0]["n"] >= 20_000, rows
                        seen.add(rows[0]["which"])
                    except Exception as error:
                        failures.append(error)
                        return

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        with Changes(server.url):
            for round_number in range(20):
                wire.update(client, f"CREATE OR REPLACE MATERIALIZED VIEW v AS {new if round_number % 2 == 0 else old}")
        left.set()
        for thread in threads:
            thread.join()
        assert failures == [] and seen == {"old", "new"}


def test_alter_reaches_subscribers_and_waits_for_its_commit(tmp_path):
    with Crashing("--data", tmp_path) as server, flight.connect(server.url) as client:
        make(client)
        wire.update(client, f"CREATE MATERIALIZED VIEW v AS {VIEW}")
        wire.update(client, "INSERT INTO t VALUES ('2026-01-01 10:00:30', 1, 1), ('2026-01-01 10:05:30', 1, 1)")
        with Subscriber(server.url, view="v", on="close") as subscriber:
            subscriber.read_until(lambda: len(subscriber.told) == 1)
            wire.update(client, "ALTER MATERIALIZED VIEW v SET (lateness = '10 minutes')")
            wire.update(client, "INSERT INTO t VALUES ('2026-01-01 10:06:30', 1, 1)")
            wire.update(client, "ALTER MATERIALIZED VIEW v SET (lateness = '0')")
            subscriber.read_until(lambda: len(subscriber.told) == 2)
        transaction = wire.begin(client)
        wire.update(client, "ALTER MATERIALIZED VIEW v SET (retention = '1 minute')", transaction=transaction)
        with flight.connect(server.url) as other:
            assert wire.query(other, "SELECT count(*) AS n FROM v") == [{"n": 3}]
            with pytest.raises((flight.FlightError, pa.ArrowException)):
                wire.update(other, "ALTER MATERIALIZED VIEW v SET (retention = '2 minutes')")
        wire.end(client, transaction)
        assert wire.query(client, "SELECT count(*) AS n FROM v") == [{"n": 2}]
    with ServerProcess("--data", tmp_path) as again, flight.connect(again.url) as client:
        assert wire.query(client, "SELECT retention FROM hyprstream.views") == [{"retention": "00:01:00"}]
        assert wire.query(client, "SELECT count(*) AS n FROM v") == [{"n": 2}]


def states_of(client, view):
    info = client.get_flight_info(wire.statement_query(f"SELECT * FROM states('{view}')"))
    reader = client.do_get(info.endpoints[0].ticket)
    batches = [chunk.data for chunk in reader if chunk.data is not None]
    return pa.Table.from_batches(batches)


def test_two_servers_add_up_to_one(tmp_path):
    select = ("SELECT time_bucket(INTERVAL '10 minutes', ts) AS w, k % 7 AS g, count(*) AS n, sum(v) AS s, avg(v) AS a, min(v) AS low, max(v) AS high, "
              "approx_count_distinct(v) AS d, approx_quantile(v, 0.9) AS q, median(v) AS mid, bit_xor(v) AS x, count(*) FILTER (WHERE v > 500) AS big FROM t GROUP BY ALL")
    with ServerProcess() as one, ServerProcess() as half, Crashing("--data", tmp_path) as sum_of_both:
        for server, halves in ((one, (0, 1)), (half, (0,)), (sum_of_both, (1,))):
            with flight.connect(server.url) as client:
                make(client)
                wire.update(client, f"CREATE MATERIALIZED VIEW v AS {select}")
                for parity in halves:
                    wire.update(client, "INSERT INTO t " + ROWS.format(0, 200_000) + f" WHERE i % 2 = {parity}")
        with flight.connect(half.url) as client:
            states = states_of(client, "v")
        with flight.connect(one.url) as client:
            expected = wire.query(client, "FROM v ORDER BY ALL")
        with flight.connect(sum_of_both.url) as client:
            writer, reader = client.do_put(wire.statement_ingest("arrived"), states.schema)
            writer.write_table(states)
            writer.done_writing()
            reader.read()
            writer.close()
            assert wire.update(client, "INSERT INTO states('v') SELECT * FROM arrived") == len(states)
            assert wire.query(client, "FROM v ORDER BY ALL") == expected
    with ServerProcess("--data", tmp_path) as again, flight.connect(again.url) as client:
        assert wire.query(client, "FROM v ORDER BY ALL") == expected
