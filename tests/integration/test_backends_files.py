"""A DuckDB file and a Valkey behind the server, read and joined through the same port as everything else."""

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from redis_driver import connect
from server_process import ServerProcess
from valkey_server import ValkeyServer

PASSWORD = "valkey-hunter2-91ab"  # never to be seen anywhere
TOKENS = {"ada": "ada-token-55dd02", "bob": "bob-token-88ee03"}
USERS = f'ada = {{ token = "{TOKENS["ada"]}", admin = true }}\nbob = {{ token = "{TOKENS["bob"]}" }}\n'
ADA, BOB = (flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())], timeout=60)
            for token in TOKENS.values())


def refusal(call, *arguments):
    """The text of the error."""
    with pytest.raises((flight.FlightError, pa.ArrowException, KeyError)) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.fixture(scope="module")
def old_file(tmp_path_factory):
    """The file of a server that has ended: a DuckDB database like any other."""
    folder = tmp_path_factory.mktemp("old")
    with ServerProcess("--data", folder) as server, flight.connect(server.url) as client:
        wire.update(client, "CREATE TABLE planes (tail VARCHAR PRIMARY KEY, seats UTINYINT, built DATE)")
        wire.update(client, "INSERT INTO planes VALUES ('N1', 200, '1999-05-01'), ('N2', NULL, '2020-01-01')")
    return folder / "tables.duckdb"


@pytest.fixture(scope="module")
def valkey():
    with ValkeyServer(password=PASSWORD) as server, connect(server) as redis, redis.cursor() as cursor:
        cursor.execute("CREATE TABLE positions (tail TEXT PRIMARY KEY, ts TIMESTAMP NOT NULL, feet INTEGER) WITH (time = 'ts')")
        cursor.execute("INSERT INTO positions VALUES ('N1', '2024-01-01 00:00:01', 100), ('N2', '2024-01-01 00:00:02', 200), "
                       "('N3', '2024-01-01 00:00:03', 300)")
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess("--data", tmp_path_factory.mktemp("own"), "--log-level", "debug",
                       environment={"HYPRSTREAM_USERS": USERS}) as process:
        process.own_file = process.process.args[process.process.args.index("--data") + 1] + "/tables.duckdb"
        yield process
    assert PASSWORD not in process.last_log


@pytest.fixture(scope="module")
def client(server, old_file, valkey):
    with flight.connect(server.url) as connected:
        wire.update(connected, f"ATTACH '{old_file}' AS old (TYPE adbc, DRIVER 'duckdb')", ADA)
        wire.update(connected, f"ATTACH '{valkey.uri}' AS hot (TYPE adbc, DRIVER 'redis')", ADA)
        yield connected


def test_they_are_joined_with_each_other_and_with_local_tables(client):
    wire.update(client, "CREATE TABLE flown (tail VARCHAR, hours BIGINT)", BOB)
    wire.update(client, "INSERT INTO flown VALUES ('N1', 10), ('N3', 30)", BOB)
    assert wire.query(client, "SELECT f.hours, p.feet, o.seats FROM flown f JOIN hot.main.positions p USING (tail) "
                              "LEFT JOIN old.main.planes o USING (tail) ORDER BY f.hours", BOB) == [
        {"hours": 10, "feet": 100, "seats": 200}, {"hours": 30, "feet": 300, "seats": None}]


@pytest.mark.parametrize("where, tails", [
    ("tail = 'N2'", ["N2"]), ("tail IN ('N1', 'N3', 'N9')", ["N1", "N3"]), ("tail > 'N1'", ["N2", "N3"]),
    ("ts >= TIMESTAMP '2024-01-01 00:00:02'", ["N2", "N3"]), ("ts < TIMESTAMP '2024-01-01 00:00:02' AND feet = 100", ["N1"]),
    ("ts IS NULL", []), ("tail = NULL", []), ("feet % 200 = 100", ["N1", "N3"])])
def test_what_is_not_sent_is_done_here(client, where, tails):
    rows = wire.query(client, f"SELECT tail FROM hot.main.positions WHERE {where} ORDER BY tail", BOB)
    assert [row["tail"] for row in rows] == tails


def test_the_first_rows_are_the_first_rows(client):
    assert wire.query(client, "SELECT feet FROM hot.main.positions ORDER BY ts DESC LIMIT 1", BOB) == [{"feet": 300}]
    assert wire.query(client, "SELECT count(*) AS n FROM hot.main.positions", BOB) == [{"n": 3}]
    assert wire.query(client, "SELECT tail FROM old.main.planes WHERE built < DATE '2000-01-01' LIMIT 5", BOB) == [
        {"tail": "N1"}]


def test_a_query_of_a_file_alone_is_answered_there(client):
    query = "SELECT upper(tail) AS name, max(seats) AS most FROM old.main.planes GROUP BY 1 ORDER BY 1"
    assert wire.query(client, query, BOB) == [{"name": "N1", "most": 200}, {"name": "N2", "most": None}]
    plan = str(wire.query(client, "EXPLAIN " + query, BOB))
    assert "GROUP BY 1" in plan and 'upper(q.c0)' in plan and "main.planes" in plan


def test_a_statement_is_passed_on_to_read(client):
    query = "SELECT * FROM backend_query('old', $$SELECT count(*) AS n, max(built) AS latest FROM planes$$)"
    assert str(wire.query(client, query, BOB)[0]["latest"]) == "2020-01-01"
    dropped = "SELECT * FROM backend_query('old', $$DROP TABLE planes$$)"
    assert "one SELECT here" in refusal(wire.query, client, dropped, BOB)


def test_they_are_listed_without_a_secret(client, old_file):
    listed = {row["name"]: row for row in wire.query(client, "SELECT * FROM hyprstream.backends", ADA)}
    assert listed["old"]["target"] == f"duckdb at {old_file}"
    assert listed["hot"]["state"] == "available" and PASSWORD not in str(listed)


def test_a_duckdb_file_is_open_once(client, server, old_file):
    again = f"ATTACH '{old_file}' AS again (TYPE adbc, DRIVER 'duckdb')"
    assert "is open already, as old" in refusal(wire.update, client, again, ADA)
    own = f"ATTACH '{server.own_file}' AS own (TYPE adbc, DRIVER 'duckdb')"
    assert "the server's own database" in refusal(wire.update, client, own, ADA)
    assert "admin = true" in refusal(wire.update, client, again, BOB)


def test_a_detached_file_may_be_attached_again(client, old_file):
    wire.update(client, "DETACH old", ADA)
    wire.update(client, f"ATTACH '{old_file}' AS old (TYPE adbc, DRIVER 'duckdb')", ADA)
    assert wire.query(client, "SELECT count(*) AS n FROM old.main.planes", BOB) == [{"n": 2}]
