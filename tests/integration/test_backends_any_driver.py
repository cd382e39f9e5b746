"""A driver that the server does not know: found by its path, in a process of its own, read as it describes itself.

The driver is SQLite's, of another release than the server's own and of the package index: what the server knows of
SQLite is not used (DIALECT 'generic'). What needs a database that is a server of its own is asked of PostgreSQL's driver,
which is named by its path and so not known either.
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
from flight_sql_client import TOKEN, USERS, connected, refused
from postgres_server import PostgresServer
from server_process import ServerProcess, wait_until

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


def test_flights_own_calls_list_it(server):
    with connected(server) as connection:
        (catalog,) = connection.adbc_get_objects(depth="all", catalog_filter="other").read_all().to_pylist()
        (schema,) = catalog["catalog_db_schemas"]
        tables = {table["table_name"]: table for table in schema["db_schema_tables"]}
        assert {"planes", "heavy", "od d", "numbers"} <= tables.keys() and tables["heavy"]["table_type"] == "VIEW"
        assert [column["column_name"] for column in tables["planes"]["table_columns"]] == ["tail", "seats", "weight", "photo"]
        found = connection.adbc_get_table_schema("od d", catalog_filter="other", db_schema_filter=schema["db_schema_name"])
        assert [field.name for field in found] == ["a b", "Select"]


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


def test_types_and_their_ends(client, database):
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS ends (i INTEGER, r REAL, t TEXT, b BLOB)")
        connection.execute("DELETE FROM ends")
        connection.executemany("INSERT INTO ends VALUES (?, ?, ?, ?)", [
            (-2**63, 5e-324, "", b""), (2**63 - 1, 1.7976931348623157e308, "\u00e4\u20ac\U0001d11e'\"", bytes(range(256))),
            (None, float("inf"), None, None)])
    connection.close()
    assert ask(client, "SELECT * FROM other.main.ends ORDER BY i NULLS LAST") == [
        {"i": -2**63, "r": 5e-324, "t": "", "b": b""},
        {"i": 2**63 - 1, "r": 1.7976931348623157e308, "t": "\u00e4\u20ac\U0001d11e'\"", "b": bytes(range(256))},
        {"i": None, "r": float("inf"), "t": None, "b": None}]
    for where in ("i = 9223372036854775807", "i > 9223372036854775806", "i IN (9223372036854775807, 5)", "t LIKE '%\u20ac%'", "r > 1e308 AND r < 1e309"):
        assert len(ask(client, f"SELECT i FROM other.main.ends WHERE {where}")) == 1, where


WRITES = ["DELETE FROM {0}.planes", "INSERT INTO {0}.planes (tail) VALUES ('N9')", "INSERT INTO {0}.planes SELECT * FROM {0}.planes",
          "UPDATE {0}.planes SET weight = 1", "MERGE INTO {0}.planes t USING (SELECT 'N1' AS tail) s USING (tail) WHEN MATCHED THEN DELETE",
          "CREATE TABLE {0}.made (v BIGINT)", "CREATE TABLE {0}.made AS SELECT 1 AS v", "DROP TABLE {0}.planes"]


@pytest.mark.parametrize("sql", WRITES)
def test_it_is_only_read(client, sql):
    """Nothing is known of how a driver takes rows: by place or by name, whole or in parts, with which of a type's values."""
    said = refusal(wire.update, client, sql.format("other.main"), ADA)
    assert "other" in said and "read" in said, said
    assert ask(client, "SELECT count(*) AS n FROM other.main.planes") == [{"n": 2}]


def test_ingest_is_refused(server, client):
    with connected(server) as connection, connection.cursor() as cursor:
        for mode, table in (("append", "planes"), ("create", "made"), ("create_append", "planes"), ("replace", "planes")):
            refused(lambda mode=mode, table=table: cursor.adbc_ingest(table, pa.table({"tail": ["N9"]}), mode=mode, catalog_name="other",
                                                                      db_schema_name="main"), "other", "read")
    assert ask(client, "SELECT count(*) AS n FROM other.main.planes") == [{"n": 2}]


def test_a_transaction_reads_it_and_writes_elsewhere(server, client):
    wire.update(client, "CREATE TABLE kept (tail VARCHAR)", ADA)
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO kept SELECT tail FROM other.main.planes")
        cursor.execute("SELECT count(*) FROM kept JOIN other.main.planes USING (tail)")
        assert cursor.fetchall() == [(2,)]
        connection.commit()
        cursor.execute("SELECT count(*) FROM other.main.planes")
        assert cursor.fetchall() == [(2,)]
        refused(lambda: cursor.execute("DELETE FROM other.main.planes"), "other", "read")
    assert ask(client, "SELECT count(*) AS n FROM kept") == [{"n": 2}]


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


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer(password=SECRET) as process:
        process.run("CREATE TABLE numbers AS SELECT i, repeat('x', 100) AS filling FROM generate_series(1, 300000) g(i)")
        process.run("CREATE VIEW slow AS SELECT i FROM numbers, pg_sleep(3600)")
        yield process


@pytest.fixture
def warehouse(client, postgres):
    """A backend whose driver is named by its path, its database a server of its own."""
    def attach_it(name, more="", uri=postgres.uri):
        library = pathlib.Path(os.environ["HYPRSTREAM_ADBC_DRIVERS"]) / "libadbc_driver_postgresql.so"
        wire.update(client, f"ATTACH '{uri}' AS {name} (TYPE adbc, DRIVER '{library}', DIALECT 'generic'{more})", ADA)
        names.append(name)
    names = []
    yield attach_it
    for name in names:
        wire.update(client, f"DETACH {name}", ADA)


def backends(client):
    return {row["name"]: row for row in ask(client, "SELECT * FROM hyprstream.backends")}


def running(postgres):
    return int(postgres.run("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%slow%' AND pid <> pg_backend_pid()"))


def test_a_server_behind_a_driver_named_by_its_path(client, warehouse):
    warehouse("behind")
    assert ask(client, "SELECT count(*) AS n, sum(i)::BIGINT AS s FROM behind.public.numbers WHERE i > 10") == [
        {"n": 299990, "s": 300000 * 300001 // 2 - 55}]
    assert {"table_schema": "public", "table_name": "numbers"} in ask(
        client, "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = 'behind'")
    said = refusal(wire.update, client, "DELETE FROM behind.public.numbers", ADA)
    assert "behind" in said and "read" in said


def test_a_cancel_ends_the_statement_there(client, warehouse, postgres):
    warehouse("gone", ", POOL_MAX 2")
    for _ in range(3):
        info = client.get_flight_info(wire.statement_query("SELECT * FROM gone.public.numbers"), ADA)
        reader = client.do_get(info.endpoints[0].ticket, ADA)
        assert reader.read_chunk().data.num_rows > 0
        reader.cancel()
    wait_until(lambda: backends(client)["gone"]["pool_in_use"] == 0, what="a whole pool")
    wait_until(lambda: postgres.run("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%numbers%' "
                                    "AND pid <> pg_backend_pid()").strip() == "0", what="its end there")
    assert ask(client, "SELECT count(*) AS n FROM gone.public.numbers") == [{"n": 300000}]


def test_one_that_takes_too_long_is_ended_there(client, warehouse, postgres):
    warehouse("hasty", ", STATEMENT_TIMEOUT '500 ms'")
    said = refusal(ask, client, "SELECT * FROM backend_query('hasty', 'SELECT i FROM slow')")
    assert "hasty had not answered within its statement_timeout of 500 ms" in said
    wait_until(lambda: running(postgres) == 0, what="its end there")
    assert ask(client, "SELECT count(*) AS n FROM hasty.public.numbers") == [{"n": 300000}]


def test_a_wrong_password_is_refused_and_not_shown(client, warehouse, postgres):
    said = refusal(warehouse, "wrong", "", postgres.uri.replace(SECRET, f"no-{SECRET}"))
    assert "wrong" in said and "password authentication failed" in said
    assert "wrong" not in backends(client)


def test_a_server_that_stops_in_mid_stream_and_comes_back(client, warehouse):
    with PostgresServer(password=SECRET) as moving:
        moving.run("CREATE TABLE numbers AS SELECT i, repeat('x', 1000) AS filling FROM generate_series(1, 300000) g(i)")
        warehouse("moving", uri=moving.uri)
        info = client.get_flight_info(wire.statement_query("SELECT * FROM moving.public.numbers"), ADA)
        reader = client.do_get(info.endpoints[0].ticket, ADA)
        assert reader.read_chunk().data.num_rows > 0
        moving.stop()
        assert "moving" in refusal(wire.read_to_end, reader)
        assert "moving" in refusal(ask, client, "SELECT count(*) AS n FROM moving.public.numbers")
        moving.restart()

        def answers():
            try:
                return ask(client, "SELECT count(*) AS n FROM moving.public.numbers") == [{"n": 300000}]
            except (flight.FlightError, pa.ArrowException):
                return False

        wait_until(answers, seconds=60, what="the backend's recovery")


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
