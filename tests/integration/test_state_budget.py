"""A view whose groups reach the budget of states: commits that would go beyond are refused by its name, everything else is
answered meanwhile, what expires makes room, and after its DROP writes go on.

HYPRSTREAM_LONG=1 goes on to 50 million groups (needs about 5 GiB).
"""

import os
import re
import statistics
import threading
import time

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from server_process import ServerProcess

LONG = bool(os.environ.get("HYPRSTREAM_LONG"))
GROUPS = 50_000_000 if LONG else 1_500_000
STATES_MAX = 3_800 << 20 if LONG else 128 << 20
BATCH = 500_000 if LONG else 100_000
KEYS_OF_A_WINDOW = GROUPS // 40
pytestmark = pytest.mark.timeout(3600 if LONG else 300)
REFUSED = (flight.FlightUnavailableError,)


def available_bytes():
    with open("/proc/meminfo", encoding="ascii") as lines:
        return int(re.search(r"MemAvailable:\s+(\d+)", lines.read())[1]) << 10


@pytest.fixture
def server():
    if LONG and available_bytes() < 6 << 30:
        pytest.skip("50 million groups need about 5 GiB of memory")
    with ServerProcess("--memory-max", STATES_MAX * 5) as process:
        yield process


class Others:
    """What other clients do meanwhile: each call by a client of its own, with its times in seconds."""

    def __init__(self, server, calls):
        self.server, self.done, self.failures = server, threading.Event(), []
        self.times = {name: [] for name in calls}
        self.threads = [threading.Thread(target=self.call, args=item) for item in calls.items()]

    def call(self, name, work):
        with flight.connect(self.server.url) as client:
            while not self.done.wait(0.02):
                start = time.monotonic()
                try:
                    work(client)
                except Exception as error:  # noqa: BLE001: whatever it is, it is told
                    self.failures.append(f"{name}: {error}")
                    return
                self.times[name].append(time.monotonic() - start)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()

    def told(self):
        return "; ".join(f"{name}: {len(times)} times, p50 {1000 * statistics.median(times):.1f} ms, longest "
                         f"{1000 * max(times):.0f} ms" for name, times in self.times.items() if times)


def insert(client, first, count):
    """Keys that were not there before, at times that go on with them: a window an hour."""
    wire.update(client, f"INSERT INTO events SELECT TIMESTAMP '2026-01-01' + INTERVAL (i // {KEYS_OF_A_WINDOW}) HOUR, "
                        f"(hash(i) >> 1)::BIGINT, i % 100 FROM range({first}, {first + count}) r(i)")


def fill_up(client, first=0):
    """The number of rows that were taken, and what the first refusal says."""
    while True:
        try:
            insert(client, first, BATCH)
        except REFUSED as error:
            return first, str(error)
        first += BATCH
        assert first < 4 * GROUPS, "nothing was ever refused"


VIEW = "count(*) AS n, sum(v) AS s, min(v) AS low, max(v) AS high FROM events GROUP BY ALL"
SELECTS = {"one window": f"SELECT k, {VIEW}",
           "windows of an hour": f"SELECT time_bucket(INTERVAL '1 hour', ts) AS w, k, {VIEW}"}


def of_view(client):
    return wire.query(client, "SELECT groups, rows, bytes FROM hyprstream.views WHERE view_name = 'by_key'")[0]


@pytest.mark.parametrize("shape", SELECTS)
def test_everything_else_is_answered_while_a_view_is_full(server, shape):
    with flight.connect(server.url) as client:
        wire.update(client, "CREATE TABLE events (ts TIMESTAMP, k BIGINT, v BIGINT) WITH (time = 'ts', keep_rows = false)")
        wire.update(client, "CREATE TABLE others (k BIGINT, v BIGINT)")
        wire.update(client, "INSERT INTO others SELECT range % 1000, range FROM range(100000)")
        wire.update(client, "CREATE MATERIALIZED VIEW others_by_k AS SELECT k, count(*) AS n FROM others GROUP BY ALL")
        wire.update(client, f"CREATE MATERIALIZED VIEW by_key AS {SELECTS[shape]}")
        calls = {"query of another table": lambda c: wire.query(c, "SELECT count(*) AS n, max(v) AS m FROM others WHERE k < 10"),
                 "read of another view": lambda c: wire.query(c, "SELECT n FROM others_by_k WHERE k = 7"),
                 "look-up in the view": lambda c: wire.query(c, "SELECT n FROM by_key WHERE k = 7"),
                 "write to another table": lambda c: wire.update(c, "INSERT INTO others VALUES (7, 7)")}
        with Others(server, calls) as others:
            start = time.monotonic()
            rows, refusal = fill_up(client)
            seconds = time.monotonic() - start
            for _ in range(5):  # and while it is full
                with pytest.raises(REFUSED):
                    insert(client, rows, BATCH)
        full = of_view(client)
        print(f"{shape}: {full['groups']:,} groups in {full['bytes'] >> 20} MiB ({full['bytes'] / full['groups']:.1f} a group), "
              f"resident {server.status_value('VmRSS') >> 10} MiB, peak {server.status_value('VmHWM') >> 10} MiB, "
              f"{rows / seconds:,.0f} groups a second; {others.told()}")
        assert others.failures == []
        assert all(len(times) > 3 for times in others.times.values()), others.told()
        assert full["rows"] == full["groups"] == rows >= GROUPS  # nothing of what was refused
        assert full["bytes"] <= STATES_MAX
        assert f"by_key, which has {rows} groups" in refusal and "share of memory_max" in refusal
        assert wire.query(client, "SELECT sum(n)::BIGINT AS n FROM by_key") == [{"n": rows}]
        wire.update(client, "DROP MATERIALIZED VIEW by_key")
        insert(client, rows, BATCH)
        assert wire.query(client, "SELECT count(*) AS n FROM others WHERE k = 7 AND v = 7")[0]["n"] > 3


def test_windows_that_expire_make_room(server):
    with flight.connect(server.url) as client:
        wire.update(client, "CREATE TABLE events (ts TIMESTAMP, k BIGINT, v BIGINT) WITH (time = 'ts', keep_rows = false)")
        wire.update(client, "CREATE MATERIALIZED VIEW by_key WITH (retention = '3 hours') AS "
                            f"{SELECTS['windows of an hour']}")
        for first in range(0, 2 * GROUPS, BATCH):  # twice of what it could hold
            insert(client, first, BATCH)
        state = of_view(client)
        assert state["bytes"] < STATES_MAX // 2
        assert state["groups"] <= 5 * KEYS_OF_A_WINDOW


def test_what_expires_with_a_refused_commit_makes_room_for_it(server):
    """All in one window until it is full; a row of a later time takes that window away, and comes in."""
    with flight.connect(server.url) as client:
        wire.update(client, "CREATE TABLE events (ts TIMESTAMP, k BIGINT, v BIGINT) WITH (time = 'ts', keep_rows = false)")
        wire.update(client, "CREATE MATERIALIZED VIEW by_key WITH (retention = '1 day') AS "
                            f"SELECT time_bucket(INTERVAL '30 days', ts) AS w, k, {VIEW}")
        rows, _ = fill_up(client)
        with pytest.raises(REFUSED, match=f"by_key, which has {rows} groups"):
            insert(client, rows, BATCH)
        wire.update(client, "INSERT INTO events SELECT TIMESTAMP '2026-06-01', range, 1 FROM range(1000)")
        assert of_view(client)["groups"] == 1000
        assert wire.query(client, "SELECT expired_rows FROM hyprstream.views") == [{"expired_rows": rows}]
