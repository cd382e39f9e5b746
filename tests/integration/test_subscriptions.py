"""Subscriptions to materialized views: every change arrives, once, also for the slow, the late and the returning."""

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.flight as fl
import pytest

import flight_sql_wire as wire
from exchange import run_sql
from server_process import ServerProcess, wait_until
from subscriber import Subscriber

VIEW = "SELECT time_bucket(INTERVAL '1 minute', ts) AS w, k, count(*) AS n, sum(x) AS s FROM {table} GROUP BY ALL"


@pytest.fixture(scope="module")
def server():
    with ServerProcess("--log-level", "warn") as process:
        yield process


@pytest.fixture
def view(server, request):
    """An empty view of this test, with its table: t_NAME(ts, k, x) and v_NAME(w, k, n, s)."""
    return make_view(server, request.node.name.replace("[", "_").replace("]", ""))


def make_view(server, name, table_options="time = 'ts'", view_options="", select=VIEW):
    table, view = f"t_{name}", f"v_{name}"
    run_sql(server, f"CREATE TABLE {table} (ts TIMESTAMP, k VARCHAR, x BIGINT) WITH ({table_options})")
    with_options = f"WITH ({view_options})" if view_options else ""
    run_sql(server, f"CREATE MATERIALIZED VIEW {view} {with_options} AS {select.format(table=table)}")
    return view


def table_of(view):
    return "t_" + view.removeprefix("v_")


def insert(server, view, rows):
    values = ", ".join(f"('2026-01-01 {time}', '{key}', {x})" for time, key, x in rows)
    run_sql(server, f"INSERT INTO {table_of(view)} VALUES {values}")


def rows_of(server, view, where="true"):
    answer = run_sql(server, f"SELECT * FROM {view} WHERE {where}")
    names = list(answer)
    return sorted((dict(zip(names, row)) for row in zip(*answer.values())), key=str)


def caught_up(server, subscriber, view, where="true", seconds=60):
    expected = rows_of(server, view, where)
    subscriber.read_until(lambda: sorted(subscriber.told.values(), key=str) == expected, seconds)


def test_every_update_arrives(server, view):
    insert(server, view, [("10:00:01", "a", 1)])
    with Subscriber(server.url, view=view) as subscriber:
        caught_up(server, subscriber, view)
        assert subscriber.messages[0][0] == ["reset", "upsert"] and subscriber.messages[0][1]["snapshot"]
        assert [field.name for field in subscriber.schema] == ["op", "w", "k", "n", "s"]
        for minute in range(5):
            insert(server, view, [(f"10:0{minute}:02", key, minute) for key in "abc"])
            caught_up(server, subscriber, view)
        assert set(subscriber.ops()) <= {"reset", "upsert"}
        run_sql(server, f"DELETE FROM {table_of(view)} WHERE k = 'b'")
        caught_up(server, subscriber, view)
        assert "delete" in subscriber.ops()


def test_doexchange_on_a_path_is_the_same(server, view):
    insert(server, view, [("10:00:01", "a", 1)])
    with fl.connect(server.url) as client:
        writer, reader = client.do_exchange(fl.FlightDescriptor.for_path(view))
        writer.write_metadata(json.dumps({"subscribe": {"rows": "groups"}}).encode())
        first = reader.read_chunk()
        assert first.data.column(0).to_pylist() == ["reset", "upsert"]
        insert(server, view, [("10:00:02", "b", 2)])
        second = reader.read_chunk()
        assert second.data.to_pylist()[0]["k"] == "b" and second.data.num_rows == 1
        metadata = json.loads(second.app_metadata.to_pybytes())
        assert metadata["complete"] and not metadata["snapshot"] and metadata["resume"]
        reader.cancel()


def test_groups_that_did_not_change_are_left_out(server, view):
    insert(server, view, [("10:00:01", f"k{n}", 1) for n in range(100)])
    with Subscriber(server.url, view=view, rows="groups") as groups, Subscriber(server.url, view=view) as windows:
        caught_up(server, groups, view)
        caught_up(server, windows, view)
        insert(server, view, [("10:00:01", "k7", 1), ("10:00:01", "k8", 1)])
        caught_up(server, groups, view)
        caught_up(server, windows, view)
        assert len(groups.messages[-1][0]) == 2 and len(windows.messages[-1][0]) == 100


def test_a_filter_picks_keys(server, view):
    with Subscriber(server.url, view=view, where="k IN ('a', 'b') AND w >= '2026-01-01 10:01:00'") as subscriber:
        insert(server, view, [(f"10:0{minute}:00", key, 1) for minute in range(3) for key in "abc"])
        caught_up(server, subscriber, view, "k <> 'c' AND w > '2026-01-01 10:00:00'")
        assert len(subscriber.rows()) == 4


def test_windows_are_told_when_they_close(server):
    view = make_view(server, "close", view_options="lateness = '1 minute'")
    with Subscriber(server.url, view=view, on="close") as subscriber:
        insert(server, view, [("10:00:01", "a", 1)])
        insert(server, view, [("10:00:02", "a", 1), ("10:01:00", "a", 1)])
        insert(server, view, [("10:02:00", "a", 1)])
        caught_up(server, subscriber, view, "window_closed('v_close', w)")
        assert subscriber.ops() == ["reset", "upsert"]
        insert(server, view, [("10:00:03", "b", 1)])
        caught_up(server, subscriber, view, "window_closed('v_close', w)")
        assert subscriber.ops()[2:] == ["correction", "correction"]
        assert [row["n"] for row in subscriber.rows()] == [2, 1]


def test_late_updates_are_corrections_and_expired_windows_are_deleted(server):
    view = make_view(server, "late", view_options="retention = '10 minutes'")
    with Subscriber(server.url, view=view) as subscriber:
        insert(server, view, [("10:05:00", "a", 1)])
        caught_up(server, subscriber, view)
        insert(server, view, [("10:00:00", "a", 1)])
        caught_up(server, subscriber, view)
        assert subscriber.messages[-1][0] == ["correction"]
        insert(server, view, [("10:12:00", "a", 1)])
        caught_up(server, subscriber, view)
        assert subscriber.messages[-1][0] == ["delete", "upsert"]
        assert len(subscriber.rows()) == 2


def test_a_period_gathers_changes(server, view):
    with Subscriber(server.url, view=view, on="300 ms") as subscriber:
        for n in range(60):
            insert(server, view, [("10:00:00", f"k{n % 7}", n)])
        caught_up(server, subscriber, view)
        assert len(subscriber.messages) < 40


def test_a_slow_reader_gets_the_latest_state(server, view):
    """Nothing is queued for who does not read: what is remembered stays, and each group is sent once."""
    may_read = threading.Event()
    with Subscriber(server.url, view=view, rows="groups", pause=may_read) as subscriber:
        with fl.connect(server.url) as client:
            def status():
                return wire.query(client, f"FROM hyprstream.subscriptions WHERE view_name = '{view}'")[0]

            insert(server, view, [("10:00:00", f"k{n}", 1) for n in range(50)])
            wait_until(lambda: status()["messages"] >= 1 and status()["lag"] == 0)
            bytes_after = []
            for n in range(200):
                insert(server, view, [("10:00:00", f"k{n % 50}", 1)])
                if n in (99, 199):
                    bytes_after.append(status()["change_bytes"])
            assert bytes_after[0] == bytes_after[1] < 20_000
        may_read.set()
        caught_up(server, subscriber, view)


def test_what_is_not_taken_is_bounded(server):
    """A reader that never reads: large windows change, and the server neither grows nor waits."""
    view = make_view(server, "stuck")
    run_sql(server, f"INSERT INTO {table_of(view)} SELECT TIMESTAMP '2026-01-01 10:00:00', 'key number ' || range, 1 "
                    "FROM range(200000)")
    stuck = [Subscriber(server.url, view=view, start=False) for _ in range(8)]
    try:
        for _ in range(20):
            insert(server, view, [("10:00:00", "key number 1", 1)])
        peak = server.status_value("VmHWM")
        for _ in range(60):
            insert(server, view, [("10:00:00", "key number 1", 1)])
        assert server.status_value("VmHWM") - peak < 200_000  # kB; one copy of the rows is about 10 MB
        with fl.connect(server.url) as client:
            held = wire.query(client, f"SELECT max(bytes) AS b FROM hyprstream.subscriptions WHERE view_name = '{view}'")
            assert held[0]["b"] < 16 << 20
    finally:
        for subscriber in stuck:
            subscriber.close()


def feed(server, view, stop, seed, changes=False):
    """Random rows until stop, over a few windows and keys, and now and then rows changed and deleted; how many batches."""
    chosen = random.Random(seed)
    batches = 0
    with fl.connect(server.url) as client:
        schema = pa.schema([("ts", pa.timestamp("us")), ("k", pa.string()), ("x", pa.int64())])
        writer, acks = client.do_put(fl.FlightDescriptor.for_path(table_of(view)), schema)
        with writer:
            while not stop.is_set():
                start = 1_767_261_600_000_000 + batches * 2_000_000
                count = chosen.randint(1, 20)
                writer.write_batch(pa.record_batch([
                    pa.array([start + chosen.randint(-200, 60) * 1_000_000 for _ in range(count)], pa.timestamp("us")),
                    pa.array([f"k{chosen.randint(0, 30)}" for _ in range(count)]),
                    pa.array([chosen.randint(-5, 5) for _ in range(count)], pa.int64())], schema=schema))
                acks.read()
                batches += 1
                key = f"k{chosen.randint(0, 30)}"
                if changes and batches % 10 == 0:
                    run_sql(server, f"DELETE FROM {table_of(view)} WHERE k = '{key}' AND x < 0")
                if changes and batches % 15 == 0:
                    run_sql(server, f"UPDATE {table_of(view)} SET k = 'k1' WHERE k = '{key}' AND x = 1")
    return batches


@pytest.mark.parametrize("rows", ["windows", "groups"])
def test_resuming_loses_nothing(server, rows):
    """A client that is killed again and again, and goes on with its last token, ends with the view."""
    view = make_view(server, f"resume_{rows}")
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        fed = pool.submit(feed, server, view, stop, 7, changes=True)
        told, token, snapshots = {}, None, 0
        for _ in range(12):
            subscriber = Subscriber(server.url, view=view, rows=rows, resume=token, told=told)
            subscriber.read_until(lambda: len(subscriber.messages) >= 3)
            subscriber.close()
            snapshots += sum(metadata["snapshot"] for _, metadata in subscriber.messages)
            told, token = subscriber.told, subscriber.token
        stop.set()
        assert fed.result() > 20
    with Subscriber(server.url, view=view, rows=rows, resume=token, told=told) as last:
        insert(server, view, [("23:00:00", "last", 1)])
        caught_up(server, last, view)
    assert snapshots <= 1


def test_a_token_of_a_server_that_is_gone_gets_the_whole_view():
    with ServerProcess() as first:
        view = make_view(first, "restart")
        with Subscriber(first.url, view=view) as subscriber:
            insert(first, view, [("10:00:00", "a", 1)])
            caught_up(first, subscriber, view)
            token = subscriber.token
    with ServerProcess() as second:
        view = make_view(second, "restart")
        insert(second, view, [("10:00:00", "b", 1)])
        with Subscriber(second.url, view=view, resume=token) as subscriber:
            caught_up(second, subscriber, view)
            assert subscriber.ops() == ["reset", "upsert"] and subscriber.messages[0][1]["snapshot"]


@pytest.mark.parametrize("orderly", [True, False])
def test_a_token_from_before_a_restart_gets_the_whole_view(tmp_path, orderly):
    """Not an error: what changed meanwhile is in the state that is sent."""
    first = ServerProcess("--data", str(tmp_path / "data"), "--log-level", "warn")
    try:
        view = make_view(first, "again")
        with Subscriber(first.url, view=view) as subscriber:
            insert(first, view, [("10:00:00", "a", 1), ("10:05:00", "a", 1)])
            caught_up(first, subscriber, view)
            token, told = subscriber.token, subscriber.told
        insert(first, view, [("10:05:30", "b", 1)])
        if orderly:
            first.terminate()
    finally:
        first.close()
    with ServerProcess("--data", str(tmp_path / "data"), "--log-level", "warn") as second:
        with Subscriber(second.url, view=view, resume=token, told=told) as subscriber:
            caught_up(second, subscriber, view)
            assert subscriber.ops()[0] == "reset" and subscriber.messages[0][1]["snapshot"]
            assert len(subscriber.rows()) == 3
            insert(second, view, [("10:06:00", "c", 1)])
            caught_up(second, subscriber, view)
            assert subscriber.ops()[-1] == "upsert"


SESSIONS = (
    "SELECT window_start AS s, window_end AS w, k, count(*) AS n "
    "FROM session({table}, ts, INTERVAL '1 minute', k) WHERE_GROUP BY ALL"
)


@pytest.mark.parametrize("where", ["", "WHERE x > 0 "])
def test_sessions_that_grow_and_join(server, where):
    """A client that resumes now and then ends with the view, whatever joined and went meanwhile."""
    name = "sessions" + ("_where" if where else "")
    view = make_view(server, name, view_options="retention = '20 minutes'", select=SESSIONS.replace("WHERE_", where))
    numbers = random.Random(5)
    told, token = {}, None
    for part in range(4):
        with Subscriber(server.url, view=view, resume=token, told=told) as subscriber:
            for _ in range(12):
                minutes = [part * 6 + numbers.random() * 8 for _ in range(6)]
                times = [f"10:{int(minute):02}:{int(minute % 1 * 60):02}" for minute in minutes]
                insert(server, view, [(time, f"k{numbers.randrange(3)}", numbers.randrange(3)) for time in times])
            caught_up(server, subscriber, view)
            assert subscriber.ops().count("reset") == (1 if part == 0 else 0)
            told, token = subscriber.told, subscriber.token
        insert(server, view, [(f"10:{part * 6 + 7:02}:30", "k0", 1)])


def test_a_hundred_subscribers(server):
    """With the default configuration, on a few connections, while rows come: each ends with its part of the view."""
    view = make_view(server, "hundred")
    stop = threading.Event()
    clients = [fl.connect(server.url) for _ in range(4)]
    wanted = [{}, {"rows": "groups"}, {"where": "k = 'k3'"}, {"on": "200 ms"}, {"on": "close"}]
    where = ["true", "true", "k = 'k3'", "true", f"window_closed('{view}', w)"]
    subscribers = []
    try:
        for n in range(100):
            subscribers.append(Subscriber(server.url, client=clients[n % 4], view=view, **wanted[n % 5]))
        with ThreadPoolExecutor(2) as pool:
            fed = [pool.submit(feed, server, view, stop, seed) for seed in (1, 2)]
            for subscriber in subscribers:
                subscriber.read_until(lambda s=subscriber: len(s.messages) >= 5, 120)
            stop.set()
            assert all(feeding.result() > 5 for feeding in fed)
        insert(server, view, [("23:00:00", "k3", 1)])
        for n, subscriber in enumerate(subscribers):
            caught_up(server, subscriber, view, where[n % 5], 120)
        with fl.connect(server.url) as client:
            rows = wire.query(client, f"FROM hyprstream.subscriptions WHERE view_name = '{view}'")
            assert len(rows) == 100 and all(row["lag"] == 0 for row in rows)
    finally:
        stop.set()
        for subscriber in subscribers:
            subscriber.close()
    with fl.connect(server.url) as client:
        wait_until(lambda: wire.query(client, f"FROM hyprstream.subscriptions WHERE view_name = '{view}'") == [])


def test_more_than_may_be_are_refused():
    with ServerProcess("--subscriptions-max", "2") as server:
        view = make_view(server, "few")
        with Subscriber(server.url, view=view), Subscriber(server.url, view=view) as second:
            with pytest.raises(fl.FlightUnavailableError, match="2 subscriptions \\(subscriptions_max\\)"):
                Subscriber(server.url, view=view)
            second.close()
            with fl.connect(server.url) as client:
                wait_until(lambda: len(wire.query(client, "FROM hyprstream.subscriptions")) == 1)
            Subscriber(server.url, view=view).close()


def test_a_view_that_goes_ends_its_subscriptions(server):
    view = make_view(server, "gone")
    with Subscriber(server.url, view=view) as dropped:
        run_sql(server, f"CREATE OR REPLACE MATERIALIZED VIEW {view} AS {VIEW.format(table=table_of(view))}")
        assert f"Materialized view {view} was replaced by another; subscribe again" in dropped.read_until_end()
    with Subscriber(server.url, view=view) as dropped:
        run_sql(server, f"DROP MATERIALIZED VIEW {view}")
        assert f"Materialized view {view} was dropped" in dropped.read_until_end()


def test_a_server_that_drains_says_so():
    with ServerProcess() as server:
        view = make_view(server, "drain")
        subscriber = Subscriber(server.url, view=view)
        caught_up(server, subscriber, view)
    assert "The server is shutting down; subscribe again with the last resume token" in subscriber.read_until_end()


@pytest.mark.parametrize("wanted, says", [
    ({"view": "nothing_here"}, "Unknown materialized view: nothing_here"),
    ({"view": "t_wrong"}, "t_wrong is a table; subscriptions are to materialized views"),
    ({}, "must name a materialized view"),
    ({"view": "v_wrong", "onn": "x"}, "Unknown key in \"subscribe\": onn \\(known: view, on, rows, where, resume"),
    ({"view": "v_wrong", "on": "monthly"}, "\"on\" of a subscription must be \"update\", \"close\" or a period"),
    ({"view": "v_wrong", "rows": "some"}, "\"rows\" of a subscription must be \"windows\" or \"groups\", not \"some\""),
    ({"view": "v_wrong", "where": "n > 5"}, "The filter of a subscription names n, which is no key of v_wrong \\(w, k\\)"),
    ({"view": "v_wrong", "where": "k IN (SELECT k FROM t_wrong)"}, "The condition holds a subquery"),
    ({"view": "v_wrong", "where": "k ="}, "The condition cannot be read"),
    ({"view": "v_wrong", "where": "k + 1 + w"}, "Binder Error|No function matches|Could not convert"),
    ({"view": "v_wrong", "where": "read_text(k) IS NULL"}, "read_text"),
    ({"view": "v_wrong", "resume": "abc"}, "This resume token is none of a subscription's"),
    ({"view": "v_wrong", "snapshot": 1}, "\"snapshot\" of a subscription must be true or false"),
])
def test_wrong_requests_say_what_to_do(server, wanted, says):
    run_sql(server, "CREATE TABLE IF NOT EXISTS t_wrong (ts TIMESTAMP, k VARCHAR, x BIGINT)")
    run_sql(server, f"CREATE MATERIALIZED VIEW IF NOT EXISTS v_wrong AS {VIEW.format(table='t_wrong')}")
    with fl.connect(server.url) as client, pytest.raises((fl.FlightError, pa.ArrowException), match=says):
        client.do_get(fl.Ticket(json.dumps({"subscribe": wanted}))).read_chunk()


def test_views_over_sessions_are_not_told(server):
    run_sql(server, "CREATE TABLE t_clicks (ts TIMESTAMP, k VARCHAR) WITH (time = 'ts')")
    run_sql(server, "CREATE MATERIALIZED VIEW v_visits AS SELECT window_start, k, count(*) AS n "
                    "FROM session(t_clicks, ts, INTERVAL '1 hour', k) GROUP BY ALL")
    run_sql(server, "CREATE MATERIALIZED VIEW v_visitors AS SELECT k, combine(n) AS n FROM v_visits GROUP BY ALL")
    with fl.connect(server.url) as client, pytest.raises((fl.FlightError, pa.ArrowException), match="subscribe to v_visits"):
        client.do_get(fl.Ticket(json.dumps({"subscribe": {"view": "v_visitors"}}))).read_chunk()


def test_closing_needs_windows_over_event_time(server):
    view = make_view(server, "never", select="SELECT k, count(*) AS n FROM {table} GROUP BY ALL")
    with fl.connect(server.url) as client, pytest.raises(pa.ArrowInvalid, match="never close: it has no window"):
        client.do_get(fl.Ticket(json.dumps({"subscribe": {"view": view, "on": "close"}}))).read_chunk()
