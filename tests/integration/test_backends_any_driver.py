"""A driver that the server does not know: found by its path, in a process of its own, read as it describes itself.

The driver is SQLite's, of another release than the server's own and of the package index: what the server knows of
SQLite is not used (DIALECT 'generic').
"""

import importlib.metadata
import os
import pathlib
import signal
import sqlite3

import adbc_driver_sqlite
import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from flight_sql_client import TOKEN, USERS
from server_process import ServerProcess

ADA = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {TOKEN}".encode())], timeout=60)
LIBRARY = adbc_driver_sqlite._driver_path()
SECRET = "any-hunter2-44cc"


def refusal(call, *arguments):
    with pytest.raises((flight.FlightError, pa.ArrowException, KeyError)) as caught:
        call(*arguments)
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "some.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE planes (tail TEXT PRIMARY KEY, seats INTEGER, weight REAL, photo BLOB);"
            "INSERT INTO planes VALUES ('N1', 9223372036854775807, 1.5, x'00FF'), ('N2', -9223372036854775808, NULL, NULL);"
            "CREATE VIEW heavy AS SELECT tail FROM planes WHERE weight > 1;"
            "CREATE TABLE \"od d\" (\"a b\" INTEGER, \"Select\" TEXT); INSERT INTO \"od d\" VALUES (1, 'x');"
            "CREATE TABLE numbers (i INTEGER, filling TEXT);"
            "INSERT INTO numbers WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < 300000) "
            "SELECT i, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' FROM g;")
    connection.close()
    return path


def attach(client, database, name, more=""):
    wire.update(client, f"ATTACH 'file:{database}' AS {name} (TYPE adbc, DRIVER '{LIBRARY}', ENTRYPOINT "
                        f"'AdbcDriverSqliteInit', DIALECT 'generic'{more})", ADA)


@pytest.fixture(scope="module")
def server(database):
    with ServerProcess("--log-level", "debug", environment={"HYPRSTREAM_USERS": USERS}) as process:
        with flight.connect(process.url) as client:
            attach(client, database, "other")
        yield process


@pytest.fixture
def client(server):
    with flight.connect(server.url) as connected:
        yield connected


def ask(client, sql):
    return wire.query(client, sql, ADA)


def test_it_is_another_driver_than_the_servers(server):
    assert importlib.metadata.version("adbc-driver-sqlite") != "1.13.0"
    maps = pathlib.Path(f"/proc/{server.driver_hosts()[0]}/maps").read_text()
    assert LIBRARY in maps and LIBRARY not in pathlib.Path(f"/proc/{server.pid}/maps").read_text()


def test_tables_are_read_as_the_driver_describes_them(client):
    assert ask(client, "SELECT * FROM other.main.planes ORDER BY tail") == [
        {"tail": "N1", "seats": 9223372036854775807, "weight": 1.5, "photo": b"\x00\xff"},
        {"tail": "N2", "seats": -9223372036854775808, "weight": None, "photo": None}]
    assert [(row["column_name"], row["column_type"]) for row in ask(client, "DESCRIBE other.main.planes")] == [
        ("tail", "VARCHAR"), ("seats", "BIGINT"), ("weight", "DOUBLE"), ("photo", "BLOB")]
    assert ask(client, "FROM other.main.heavy") == [{"tail": "N1"}]
    assert ask(client, "SELECT \"a b\" AS a, \"Select\" AS s FROM other.main.\"od d\" WHERE \"a b\" IN (1, 2)") == [
        {"a": 1, "s": "x"}]
    assert ask(client, "SELECT count(*) AS n, sum(i)::BIGINT AS s FROM other.main.numbers WHERE i > 10 AND filling LIKE 'x%'") == [
        {"n": 299990, "s": 300000 * 300001 // 2 - 55}]
    assert "plane does not exist" in refusal(ask, client, "FROM other.main.plane")


def test_what_is_certain_is_sent(client):
    told = str(ask(client, "EXPLAIN SELECT filling FROM other.main.numbers WHERE i >= 7 AND filling = 'x'"))
    assert "i >= 7" in told.replace('"', "")
    assert ask(client, "SELECT i FROM other.main.numbers WHERE i = 7") == [{"i": 7}]


def test_first_rows_are_no_more_than_that(client):
    for where in ("", "WHERE i > 5", "WHERE i > 5 AND filling LIKE 'x%'", "WHERE i IN (1, 2, 3, 4, 5, 6)"):
        assert len(ask(client, f"SELECT i FROM other.main.numbers {where} LIMIT 3")) == 3
    assert ask(client, "SELECT i FROM other.main.numbers WHERE i > 5 ORDER BY i LIMIT 2 OFFSET 1") == [{"i": 7}, {"i": 8}]
    assert "LIMIT" not in str(ask(client, "EXPLAIN SELECT i FROM other.main.numbers LIMIT 3")).replace("STREAMING_LIMIT", "")


def test_a_statement_of_their_own_is_passed_on(client):
    assert ask(client, "SELECT * FROM backend_query('other', 'SELECT count(*) AS n FROM planes')") == [{"n": 2}]
    assert "there to read" in refusal(ask, client, "SELECT * FROM backend_query('other', 'DROP TABLE planes')")


@pytest.mark.parametrize("driver", ["postgresql", "sqlite", "duckdb", "redis"])
def test_a_driver_with_a_dialect_keeps_it(client, tmp_path, driver):
    """What keeps its connections from writing is the dialect's."""
    said = refusal(wire.update, client, f"ATTACH 'file:{tmp_path}/x' AS plain (TYPE adbc, DRIVER '{driver}', DIALECT 'generic')",
                   ADA)
    assert driver in said and "leave DIALECT out" in said


def test_it_is_only_read(client):
    said = refusal(wire.update, client, "DELETE FROM other.main.planes", ADA)
    assert "other" in said and "read" in said


def test_a_driver_that_cannot_cancel_is_cut_off(client, database):
    attach(client, database, "slow", ", STATEMENT_TIMEOUT '500 ms'")
    sql = "WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g) SELECT count(*) FROM g"
    said = refusal(ask, client, f"SELECT * FROM backend_query('slow', 'SELECT * FROM ({sql})')")
    assert "slow had not answered within its statement_timeout of 500 ms" in said
    assert ask(client, "SELECT count(*) AS n FROM slow.main.planes") == [{"n": 2}]
    wire.update(client, "DETACH slow", ADA)


def test_a_driver_that_dies_takes_its_statement_and_nothing_else(server, client):
    endless = "SELECT a.i, a.filling FROM numbers a, numbers b"
    info = client.get_flight_info(wire.statement_query(f"SELECT * FROM backend_query('other', '{endless}')"), ADA)
    reader = client.do_get(info.endpoints[0].ticket, ADA)
    assert reader.read_chunk().data.num_rows > 0
    for host in server.driver_hosts():
        os.kill(host, signal.SIGSEGV)
    assert "other: The process of the driver has ended" in refusal(wire.read_to_end, reader)
    assert ask(client, "SELECT count(*) AS n FROM other.main.planes") == [{"n": 2}]


def test_what_is_no_driver_is_refused(client, database, tmp_path):
    (tmp_path / "lib.so").write_text(SECRET)
    for path in (tmp_path / "lib.so", tmp_path / "nowhere.so"):
        said = refusal(wire.update, client,
                       f"ATTACH 'x://u:{SECRET}@h' AS none (TYPE adbc, DRIVER '{path}', \"some.token\" '{SECRET}')", ADA)
        assert "none" in said
    said = refusal(wire.update, client, f"ATTACH 'file:{database}' AS none (TYPE adbc, DRIVER '{LIBRARY}', "
                                        "ENTRYPOINT 'Nothing', DIALECT 'generic')", ADA)
    assert "none" in said
    assert ask(client, "SELECT count(*) AS n FROM other.main.planes") == [{"n": 2}]
