"""When sessions end: with their client, some time after the last of their connections, and never because of one of many."""

import signal
import socket
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from server_process import ServerProcess, wait_until

ENDLESS = "SELECT count(*) FROM range(10000000000) a, range(1000) b WHERE a.range % 7 = b.range % 5"
CONNECTIONS = 10_000  # ten times sessions_max


@pytest.fixture(scope="module")
def server():
    """Without a grace: a session ends with its connections."""
    with ServerProcess("--session-grace-s", "0", "--log-level", "warn") as process:
        yield process


@pytest.fixture(scope="module")
def patient():
    """With the usual grace."""
    with ServerProcess() as process:
        yield process


@pytest.fixture
def client(server):
    with flight.connect(server.url) as client:
        yield client


def sessions(client, condition="true"):
    return wire.query(client, f"SELECT * FROM hyprstream.sessions WHERE {condition} ORDER BY id")


def with_token(client):
    return flight.FlightCallOptions(headers=[client.authenticate_basic_token("", "")])


CLIENT = textwrap.dedent("""
    import sys
    import pyarrow.flight as flight
    import flight_sql_wire as wire
    url, table, endless = sys.argv[1:]
    one, other = flight.connect(url), flight.connect(url)
    transaction = wire.begin(one)
    wire.update(one, f"UPDATE {table} SET i = 2", transaction=transaction)
    wire.update(other, "BEGIN")
    wire.update(other, f"INSERT INTO {table} VALUES (3)")
    print("in transactions", flush=True)
    wire.query(other, endless)
""")


def test_a_killed_client_leaves_no_transaction_and_no_query(server, client, unique):
    wire.update(client, f"CREATE TABLE {unique} AS SELECT 1 AS i")
    paths = [path for path in sys.path if path]
    killed = subprocess.Popen([sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}\n{CLIENT}", server.url, unique, ENDLESS],
                              stdout=subprocess.PIPE, text=True)
    assert killed.stdout.readline() == "in transactions\n"
    running = "SELECT count(*) AS n FROM hyprstream.queries WHERE state = 'running' AND text LIKE '%a.range % 7%' AND text NOT LIKE '%hyprstream%'"
    wait_until(lambda: wire.query(client, running) == [{"n": 1}], what="the client's query")
    with pytest.raises(Exception, match="(?i)conflict"):
        wire.update(client, f"UPDATE {unique} SET i = 4")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    wait_until(lambda: len(sessions(client)) == 1, what="the end of its sessions")
    wait_until(lambda: wire.query(client, running) == [{"n": 0}], what="the end of its query")
    wire.update(client, f"UPDATE {unique} SET i = i + 10")
    assert wire.query(client, f"FROM {unique}") == [{"i": 11}]


def test_a_session_lives_as_long_as_any_of_its_connections(server, client):
    with flight.connect(server.url) as first:
        options = with_token(first)
        wire.update(first, "SET TimeZone = 'Asia/Tokyo'", options)
        with flight.connect(server.url) as second:
            wire.update(second, "BEGIN", options)
            assert [row["connections"] for row in sessions(client, "in_transaction")] == [2]
            first.close()
            wait_until(lambda: [row["connections"] for row in sessions(client, "in_transaction")] == [1])
            with flight.connect(server.url) as leaving:
                assert wire.query(leaving, "SELECT 1 AS one") == [{"one": 1}]
                assert len(sessions(client)) == 3
            wait_until(lambda: len(sessions(client)) == 2, what="the end of a session whose connections have all ended")
            wire.update(second, "COMMIT", options)
            assert wire.query(second, "SELECT current_setting('TimeZone') AS zone", options) == [{"zone": "Asia/Tokyo"}]
    wait_until(lambda: len(sessions(client)) == 1, what="the end of the session")


@pytest.mark.parametrize("key", ["token", "cookie"])
def test_a_client_that_connects_again_finds_its_transaction(patient, unique, key):
    if key == "token":
        with flight.connect(patient.url) as before:
            options = with_token(before)
            wire.update(before, "BEGIN", options)
    else:
        options = flight.FlightCallOptions(headers=[wire.cookie_of_first_call(patient.url, "BEGIN")])
    with flight.connect(patient.url) as watcher:
        wait_until(lambda: [row["connections"] for row in sessions(watcher, "in_transaction")] == [0], what="the broken connection")
        with flight.connect(patient.url) as again:
            wire.update(again, f"CREATE TABLE {unique} (i INTEGER)", options)
            wire.update(again, "COMMIT", options)
        assert wire.query(watcher, f"SELECT count(*) AS n FROM {unique}") == [{"n": 0}]


def test_ten_thousand_connections_leave_no_session(server, client, unique):
    """A third of them leaves a transaction behind, as a JDBC client does whose autocommit is off."""
    wire.update(client, f"CREATE TABLE {unique} (i INTEGER)")

    def come_and_go(number):
        with flight.connect(server.url) as leaving:
            if number % 3 == 0:
                wire.update(leaving, "BEGIN")
            elif number % 3 == 1:
                list(leaving.do_action("flush"))
            else:
                wire.close_session(leaving)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(CONNECTIONS)))
    wait_until(lambda: len(sessions(client)) == 1, what="the end of the sessions")
    assert wire.query(client, f"SELECT count(*) AS n FROM {unique}") == [{"n": 0}]


def test_at_the_bound_sessions_without_connection_make_room(unique):
    with ServerProcess("--sessions-max", "20") as server, flight.connect(server.url) as client:
        wire.update(client, f"CREATE TABLE {unique} AS SELECT 1 AS i")
        for _ in range(50):  # more than the bound, all within the grace
            with flight.connect(server.url) as leaving:
                wire.update(leaving, "BEGIN")
                wire.update(leaving, f"INSERT INTO {unique} VALUES (2)")
        assert len(sessions(client)) <= 20
        assert wire.query(client, f"FROM {unique}") == [{"i": 1}]


def test_what_reads_or_ends_something_makes_no_session(server, client):
    info = client.get_flight_info(wire.statement_query("SELECT 1 AS one"))
    before = sessions(client)
    with flight.connect(server.url) as late:
        for call in (lambda: wire.end(late, b"0" * 32), lambda: wire.close_prepared(late, b"0" * 32),
                     lambda: late.get_flight_info(wire.prepared_query(b"0" * 32)),
                     lambda: late.get_schema(wire.prepared_query(b"0" * 32))):
            with pytest.raises(Exception, match="Unknown"):
                call()
        assert wire.read_to_end(late.do_get(info.endpoints[0].ticket)) == [{"one": 1}]
        with pytest.raises(Exception, match="Unknown"):
            late.do_get(info.endpoints[0].ticket).read_all()
        assert wire.cancel_info(late, info) == 3
        list(late.do_action("healthcheck"))
        late.list_actions()
        wire.close_session(late)
        assert [row["id"] for row in sessions(client)] == [row["id"] for row in before]


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6"))])
def test_the_server_knows_each_sessions_connection(host):
    """Our name of a connection is gRPC's, whatever the address."""
    with ServerProcess("--host", host) as server:
        with flight.connect(f"grpc://[::1]:{server.port}" if host == "::1" else server.url) as client:
            assert [row["connections"] for row in sessions(client)] == [1]
