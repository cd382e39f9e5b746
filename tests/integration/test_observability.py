"""What operators see: HTTP pages, system tables, logs."""

import json
import pathlib
import re
import resource
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from server_process import ServerProcess, wait_until

DOCS = pathlib.Path(__file__).parents[2] / "docs"


def http_port(server):
    line = wait_until(lambda: next((line for line in server.log().splitlines() if "http" in line and "port" in line), None))
    return int(re.search(r'port"?[=:](\d+)', line)[1])


def get(server, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{http_port(server)}{path}", timeout=20) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')


def parse_metrics(text):
    """Prometheus' text format, strictly: ({name: kind}, {(name, labels): value})."""
    kinds, values, current = {}, {}, None
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            assert current not in kinds, f"{current} comes twice"
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and kind in ("counter", "gauge")
            kinds[name] = kind
        else:
            match = SAMPLE.match(line)
            assert match, f"no sample: {line!r}"
            assert match[1] == current, f"{line} outside its family"
            labels = frozenset((name, value.encode().decode("unicode_escape")) for name, value in LABEL.findall(match[2] or ""))
            assert (match[1], labels) not in values, f"{line} comes twice"
            values[match[1], labels] = float(match[3])
    return kinds, values


@pytest.fixture(scope="module")
def server():
    with ServerProcess("--http-port", "0", "--memory-max", "1GiB", "--session-idle-s", "77") as process:
        with flight.connect(process.url) as client:
            wire.update(client, "CREATE TABLE sales (ts TIMESTAMP, region VARCHAR, amount DOUBLE) WITH (time = 'ts')")
            wire.update(client, "CREATE MATERIALIZED VIEW sales_5m AS SELECT time_bucket(INTERVAL '5 minutes', ts) AS "
                                "window_start, region, count(*) AS orders, sum(amount) AS revenue FROM sales GROUP BY ALL")
            wire.update(client, "INSERT INTO sales SELECT TIMESTAMP '2026-01-01' + INTERVAL (range) MINUTE, "
                                "'r' || range % 2, range FROM range(20)")
            wire.update(client, 'CREATE TABLE "odd ""name\\" (i INTEGER)')
            wire.update(client, 'INSERT INTO "odd ""name\\" VALUES (1)')
        yield process


@pytest.fixture
def client(server):
    with flight.connect(server.url) as client:
        yield client


def test_health_and_unknown_pages(server):
    assert get(server, "/healthz") == (200, "ok\n")
    assert get(server, "/readyz")[0] == 200
    assert get(server, "/nothing")[0] == 404


def test_ready_ends_when_draining_begins(unique):
    endless = "SELECT count(*) FROM range(10000000000) a, range(1000) b WHERE a.range % 7 = b.range % 5"
    with ServerProcess("--http-port", "0", "--drain-ms", "4000") as server, ThreadPoolExecutor(1) as pool:
        with flight.connect(server.url) as client, flight.connect(server.url) as other:
            running = pool.submit(wire.query, client, endless)
            # Half a second: it runs while it is planned, too, and is no work to wait for between that and its fetch.
            wait_until(lambda: any(row["state"] == "running" and row["ms"] > 500 and "a.range % 7" in row["text"]
                                   and "hyprstream" not in row["text"]
                                   for row in wire.query(other, "FROM hyprstream.queries")))
            stopping = pool_of_one().submit(server.terminate)
            wait_until(lambda: get(server, "/readyz")[0] == 503, what="the end of being ready")
            assert get(server, "/healthz")[0] == 200
            assert get(server, "/metrics")[0] == 200
            with pytest.raises((flight.FlightError, pa.ArrowException)):
                wire.query(other, "SELECT 1")
            with pytest.raises((flight.FlightError, pa.ArrowException)):
                running.result()
            assert stopping.result() == 0


def pool_of_one():
    return ThreadPoolExecutor(1)


def test_metrics_are_prometheus_text_and_documented(server, client):
    wire.query(client, "SELECT * FROM sales_5m")
    with pytest.raises((flight.FlightError, pa.ArrowException)):
        wire.query(client, "SELECT * FROM nothing_of_the_kind")
    status, text = get(server, "/metrics")
    assert status == 200
    kinds, values = parse_metrics(text)
    operations = (DOCS / "operations.md").read_text()
    documented = set(re.findall(r"^\| `((?:hyprstream|process)_\w+)` \|", operations, re.MULTILINE))
    assert documented == set(kinds), "docs/operations.md lists every metric, and no other"

    def value(name, **labels):
        return values[name, frozenset(labels.items())]

    assert value("hyprstream_rows_accepted_total", table="sales") == 20
    assert value("hyprstream_rows_accepted_total", table='odd "name\\') == 1
    assert value("hyprstream_view_windows", view="sales_5m") == 4
    assert value("hyprstream_view_groups", view="sales_5m") == 8
    assert value("hyprstream_view_bytes", view="sales_5m") > 0
    assert value("hyprstream_memory_bytes", share="states") == value("hyprstream_view_bytes", view="sales_5m")
    shares = {share: value("hyprstream_memory_bytes_max", share=share) for share in ("engine", "states", "messages", "parameters")}
    assert sum(shares.values()) <= 2**30 and shares["engine"] > shares["states"] > shares["messages"] > shares["parameters"]
    assert value("hyprstream_memory_bytes", share="engine") > 0
    assert value("hyprstream_memory_waiting", share="messages") == 0
    assert value("hyprstream_sessions") >= 2
    assert value("hyprstream_subscriptions") == value("hyprstream_subscription_resets_total") == 0
    assert value("hyprstream_batches_accepted_total") >= 2
    assert value("hyprstream_recent_queries", state="failed") >= 1
    assert value("hyprstream_rpcs_total", method="DoGet", status="OK") >= 1
    assert value("process_resident_memory_bytes") > 10e6
    assert value("hyprstream_uptime_seconds") > 0
    counters = {name for name, kind in kinds.items() if kind == "counter"}
    before = {key: number for key, number in values.items() if key[0] in counters}
    after = parse_metrics(get(server, "/metrics")[1])[1]
    assert all(after[key] >= number for key, number in before.items()), "a counter went back"


def test_tables_views_and_windows(client):
    tables = {row["table_name"]: row for row in wire.query(client, "FROM hyprstream.tables")}
    assert tables["sales"]["time_column"] == "ts"
    assert tables["sales"]["rows_accepted"] == 20
    assert tables["sales"]["views"] == ["sales_5m"]
    views = wire.query(client, "FROM hyprstream.views WHERE view_name = 'sales_5m'")
    assert views[0]["status"] == "ready" and views[0]["problem"] == ""
    assert (views[0]["windows"], views[0]["groups"], views[0]["rows"]) == (4, 8, 20)
    windows = wire.query(client, "SELECT * FROM hyprstream.windows WHERE view_name = 'sales_5m' ORDER BY window_start")
    assert [(row["groups"], row["rows"]) for row in windows] == [(2, 5)] * 4
    assert windows[0]["window_start"].startswith("2026-01-01")
    # They join and filter like any table.
    joined = wire.query(client, "SELECT v.view_name, count(*) AS n FROM hyprstream.views v JOIN hyprstream.windows w "
                                "USING (view_name) GROUP BY ALL")
    assert joined == [{"view_name": "sales_5m", "n": 4}]


def test_watermarks(client, unique):
    wire.update(client, f"CREATE TABLE {unique} (ts TIMESTAMP, n INTEGER) WITH (time = 'ts')")
    wire.update(client, f"CREATE MATERIALIZED VIEW {unique}_v WITH (lateness = '2 minutes') AS "
                        f"SELECT time_bucket(INTERVAL '1 minute', ts) AS w, sum(n) AS s FROM {unique} GROUP BY ALL")
    seen = f"SELECT mark::VARCHAR AS mark, watermark::VARCHAR AS watermark FROM hyprstream.watermarks WHERE view_name = '{unique}_v'"
    assert wire.query(client, seen) == [{"mark": None, "watermark": None}]
    wire.update(client, f"INSERT INTO {unique} VALUES (TIMESTAMP '2026-01-01 00:10:00', 1), (NULL, 1)")
    mark, = wire.query(client, seen)
    assert mark["mark"].startswith("2026-01-01 00:10:00") and mark["watermark"].startswith("2026-01-01 00:08:00")


def test_queries_show_route_time_rows_and_state(server, client, unique):
    def entry(text):
        rows = wire.query(client, "SELECT * FROM hyprstream.queries WHERE text NOT LIKE '%hyprstream.queries%'")
        found = [row for row in rows if row["text"].startswith(text)]
        assert len(found) == 1, f"{len(found)} entries of {text}"
        return found[0]

    wire.query(client, f"SELECT * FROM range(12345) AS {unique}")
    done = entry(f"SELECT * FROM range(12345) AS {unique}")
    assert (done["state"], done["rows"], done["route"], done["error"]) == ("finished", 12345, "local", "")
    assert 0 < done["ms"] < 60_000
    wire.query(client, f"SELECT orders AS {unique} FROM sales_5m")
    assert entry(f"SELECT orders AS {unique}")["route"] == "aggregate"
    wire.update(client, f"CREATE TABLE {unique} AS SELECT * FROM range(7)")
    wire.update(client, f"DELETE FROM {unique} WHERE range < 3")
    assert entry(f"DELETE FROM {unique}")["rows"] == 3
    with pytest.raises((flight.FlightError, pa.ArrowException)):
        wire.query(client, f"SELECT {unique}_wrong")
    failed = entry(f"SELECT {unique}_wrong")
    assert failed["state"] == "failed" and unique in failed["error"]
    info = client.get_flight_info(wire.statement_query(f"SELECT 1 AS {unique}_left"))
    assert entry(f"SELECT 1 AS {unique}_left")["state"] == "planned"
    client.do_get(info.endpoints[0].ticket).read_all()
    assert entry(f"SELECT 1 AS {unique}_left")["state"] == "finished"
    with flightsql.connect(server.url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT 2 AS {unique}_prepared")
        cursor.fetchall()
        assert entry(f"SELECT 2 AS {unique}_prepared")["rows"] == 1
        cursor.adbc_ingest(f"{unique}_in", pa.table({"i": [1, 2, 3]}), mode="create")
    assert (entry(f"ingest into {unique}_in")["rows"], entry(f"ingest into {unique}_in")["state"]) == (3, "finished")
    own = wire.query(client, "SELECT state, ms FROM hyprstream.queries WHERE text LIKE '%state, ms%'")
    assert own[-1]["state"] == "running" and own[-1]["ms"] > 0


def test_sessions_show_who_is_there(server):
    with flight.connect(server.url) as client:
        transaction = wire.begin(client)
        own = wire.query(client, "SELECT * FROM hyprstream.sessions WHERE in_transaction")
        assert len(own) == 1 and own[0]["user_name"] == "" and own[0]["statements"] >= 1
        assert own[0]["peer"].startswith("ipv4:127.0.0.1:") and own[0]["idle_seconds"] == 0
        wire.end(client, transaction)
        assert wire.query(client, f"SELECT in_transaction FROM hyprstream.sessions WHERE id = '{own[0]['id']}'") == [
            {"in_transaction": False}]
        wire.close_session(client)
    with flight.connect(server.url) as client:
        assert wire.query(client, f"SELECT * FROM hyprstream.sessions WHERE id = '{own[0]['id']}'") == []


def test_subscriptions_show_how_far_they_are(server):
    with flight.connect(server.url) as client:
        wire.update(client, "CREATE TABLE watched (k INTEGER)")
        wire.update(client, "CREATE MATERIALIZED VIEW watched_by_k AS SELECT k, count(*) AS n FROM watched GROUP BY ALL")
        reader = client.do_get(flight.Ticket('{"subscribe": {"view": "watched_by_k", "where": "k = 1"}}'))
        reader.read_chunk()
        own = wire.query(client, "SELECT * FROM hyprstream.subscriptions WHERE view_name = 'watched_by_k'")
        assert len(own) == 1 and own[0]["messages"] == own[0]["snapshots"] == own[0]["rows_sent"] == 1
        assert (own[0]["told_on"], own[0]["told_rows"], own[0]["condition"]) == ("update", "windows", "k = 1")
        assert own[0]["lag"] == 0 and own[0]["view_schema"] == "main" and own[0]["user_name"] == ""
        wire.update(client, "INSERT INTO watched VALUES (1), (2)")
        assert reader.read_chunk().data.to_pylist() == [{"op": "upsert", "k": 1, "n": 1}]
        reader.cancel()
        wait_until(lambda: wire.query(client, "FROM hyprstream.subscriptions") == [])
        wire.update(client, "DROP MATERIALIZED VIEW watched_by_k")
        wire.update(client, "DROP TABLE watched")


def test_settings_show_value_and_origin(client):
    settings = {row["name"]: row for row in wire.query(client, "FROM hyprstream.settings")}
    assert (settings["session_idle_s"]["value"], settings["session_idle_s"]["origin"]) == ("77", "flag")
    assert (settings["sessions_max"]["value"], settings["sessions_max"]["origin"]) == ("1000", "default")
    documented = set(re.findall(r"^\| `(\w+)` \| `--", (DOCS / "configuration.md").read_text(), re.MULTILINE))
    assert documented == set(settings)


def system_tables(client):
    rows = wire.query(client, "SELECT view_name AS name FROM duckdb_views() WHERE schema_name = 'hyprstream' ORDER BY name")
    return [row["name"] for row in rows]


def test_every_system_table_is_documented_and_tested(client):
    documented = dict(re.findall(r"^\| `hyprstream\.(\w+)` \| (.*) \|$", (DOCS / "sql.md").read_text(), re.MULTILINE))
    assert sorted(documented) == system_tables(client)
    tests = pathlib.Path(__file__).read_text()
    for table, columns in documented.items():
        described = [row["column_name"] for row in wire.query(client, f"DESCRIBE hyprstream.{table}")]
        named = [name for name in re.findall(r"`(\w+)`", columns) if name in described]
        assert sorted(named) == sorted(described), table
        assert re.search(rf"hyprstream\.{table}\b", tests), f"no test reads {table}"


def test_a_server_without_backends_shows_none(client):
    assert wire.query(client, "SELECT * FROM hyprstream.backends") == []


def test_system_tables_cannot_be_changed(client):
    for table in system_tables(client):
        for sql in (f"DELETE FROM hyprstream.{table}", f"DROP VIEW hyprstream.{table}",
                    f"INSERT INTO hyprstream.{table} SELECT * FROM hyprstream.{table}",
                    f"CREATE OR REPLACE VIEW hyprstream.{table} AS SELECT 1"):
            with pytest.raises((flight.FlightError, pa.ArrowException)):
                wire.update(client, sql)
        assert isinstance(wire.query(client, f"FROM hyprstream.{table}"), list)


HOSTILE_NAMES = ['x\n2026-01-01T00:00:00.000Z error forged user=root', 'x\r\nforged', 'x" status=OK forged="',
                 'x\\', "x\u2028forged", "x\x1b[31mforged", "x\u0085forged"]


def hostile_calls(client):
    for name in HOSTILE_NAMES:
        for call in (lambda: client.get_flight_info(flight.FlightDescriptor.for_path(name)),
                     lambda: list(client.do_action(flight.Action(name, b""))),
                     lambda: wire.query(client, f"SELECT * FROM \"{name.replace(chr(34), chr(34) * 2)}\"")):
            with pytest.raises((flight.FlightError, pa.ArrowException)):
                call()


def test_text_logs_are_one_event_a_line():
    with ServerProcess() as server, flight.connect(server.url) as client:
        wire.query(client, "SELECT * FROM range(321)")
        hostile_calls(client)
        wait_until(lambda: server.log().count("DoAction") == len(HOSTILE_NAMES))
    lines = server.last_log.splitlines()
    assert lines[0].startswith("hyprstream ") and "ready on grpc://" in lines[0]
    event = re.compile(r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warn|error) [a-z]+( [a-z_]+=("(\\.|[^"\\])*"|[^" ]+))*$')
    for line in server.last_log.split("\n")[1:-1]:
        assert event.match(line), line
        assert not any(ord(c) < 32 or ord(c) in (0x7F, 0x85, 0x2028, 0x2029) for c in line), repr(line)
    got = [line for line in lines if "method=DoGet" in line and "rows=321" in line]
    assert len(got) == 1 and re.search(r" request=\w+ .*status=OK ms=[\d.e-]+", got[0])
    assert any(" drain " in line for line in lines) and lines[-1].endswith(" stop")


def test_json_logs_are_one_object_a_line():
    with ServerProcess("--log-format", "json") as server, flight.connect(server.url) as client:
        wire.query(client, "SELECT * FROM range(321)")
        hostile_calls(client)
        wait_until(lambda: server.log().count("DoAction") == len(HOSTILE_NAMES))
    events = [json.loads(line) for line in server.last_log.split("\n")[1:-1]]
    for event in events:
        assert set(event) >= {"time", "level", "event"}
    calls = [event for event in events if event["event"] == "call"]
    assert len({event["request"] for event in calls}) == len(calls)
    got = [event for event in calls if event["method"] == "DoGet" and event["rows"] == 321]
    assert len(got) == 1 and got[0]["status"] == "OK" and got[0]["ms"] > 0 and got[0]["session"]
    failed = [event for event in calls if event["status"] != "OK"]
    assert len(failed) == 3 * len(HOSTILE_NAMES) and all(event["level"] == "warn" and event["error"] for event in failed)


def test_values_are_not_logged():
    with ServerProcess() as server, flightsql.connect(server.url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE logged (k VARCHAR PRIMARY KEY)")
        cursor.execute("INSERT INTO logged VALUES ('s3cret')")
        for sql, parameters in (("SELECT ?::INTEGER", ["s3cret"]), ("SELECT 's3cret'::INTEGER", None),
                                ("INSERT INTO logged VALUES (?)", ["s3cret"]), ("SELECT \"s3cret\" 's3cret' 's3cret'", None)):
            with pytest.raises(flightsql.Error, match="s3cret"):
                cursor.execute(sql, parameters)
                cursor.fetchall()
        cursor.execute("SELECT error FROM hyprstream.queries WHERE error LIKE '%convert%s3cret%'")
        assert len(cursor.fetchall()) >= 2, "the user itself reads the whole text"
        wait_until(lambda: len(re.findall("level=warn| warn call", server.log())) >= 4)
    assert "Could not convert string '\\u2026'" in server.last_log or "Could not convert string '…'" in server.last_log
    assert "s3cret" not in server.last_log


def test_values_that_the_engine_does_not_quote_are_not_logged():
    with ServerProcess() as server, flightsql.connect(server.url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE unquoted AS SELECT 's3cret' AS t, 31337 AS n")
        for sql in ("SELECT strptime(t, '%Y') FROM unquoted", "SELECT make_date(n::BIGINT, 12345, 54321) FROM unquoted",
                    "SELECT list_aggregate([1], 's3cret')", "SELECT nextval('s3cret')",
                    "SELECT (n * 31337)::SMALLINT FROM unquoted", "SELECT make_time(31337, 1, 1.5)"):
            with pytest.raises(flightsql.Error, match="s3cret|31337|982007569"):
                cursor.execute(sql)
                cursor.fetchall()
        wait_until(lambda: len(re.findall("level=warn| warn call", server.log())) >= 6)
    assert "out of range: " in server.last_log
    assert not re.search("s3cret|31337|54321|982007569", server.last_log)


def test_an_engine_that_failed_is_not_ready(tmp_path):
    with ServerProcess("--http-port", "0", "--data", tmp_path / "data") as server, flight.connect(server.url) as client:
        wire.update(client, "CREATE TABLE t AS SELECT range AS i, md5(range::VARCHAR) || md5('x' || range) AS s FROM range(1000000)")
        assert get(server, "/readyz") == (200, "ready\n")
        size = max(file.stat().st_size for file in (tmp_path / "data").iterdir())
        assert size > 20e6  # more than the log of changes takes before it is written into the file
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, size))  # as good as a full disk
        with pytest.raises((flight.FlightError, pa.ArrowException)):
            for _ in range(20):
                wire.update(client, "INSERT INTO t SELECT range, md5('y' || range * random()) || md5('z' || range) FROM range(100000)")
        status, page = wait_until(lambda: (lambda answer: answer if answer[0] == 503 else None)(get(server, "/readyz")))
        assert "engine has failed" in page and "restart" in page
        for _ in range(2):
            with pytest.raises(flight.FlightUnavailableError, match="operator must restart the server"):
                wire.query(client, "SELECT 1")
    events = [line for line in server.last_log.splitlines() if " error engine " in line]
    assert len(events) == 1 and "File too large" in events[0]


def test_levels_choose_what_is_logged():
    for level, expected in (("warn", False), ("off", False), ("info", True)):
        with ServerProcess("--log-level", level) as server, flight.connect(server.url) as client:
            wire.query(client, "SELECT 1")
        assert ("method=DoGet" in server.last_log) == expected
