"""Every kind of database, with PostgreSQL's driver within the server mostly in test_backend_hostile_peers.py, hangs, drips, resets or
talks nonsense: a bounded wait, an error that names it, and neither another backend nor a local query notices.

`near` is PostgreSQL's driver within the server, `apart` in a process of its own, `path` one that is named by its path, `hot` Valkey, `cold` another
Hyprstream, `snow` Snowflake's emulator.
"""

import contextlib
import os
import pathlib
import sqlite3
import threading

import adbc_driver_manager.dbapi as dbapi
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from bounded_wait import in_background, outcome
from certificates import certify
from duckdb_file import an_empty_file
from faulty_proxy import FaultyProxy
from flight_sql_client import TOKEN, USERS
from postgres_server import PostgresServer
from redis_driver import connect
from server_process import ServerProcess, wait_until
from snowflake_server import PASSWORD, USER, SnowflakeServer
from valkey_server import ValkeyServer

ADA = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {TOKEN}".encode())])
DRIVERS = pathlib.Path(os.environ["HYPRSTREAM_ADBC_DRIVERS"])
ROWS = 20_000
FILLING = 1_000  # bytes a row: twenty megabytes in all
BOUNDS = "STATEMENT_TIMEOUT '2 s', CONNECT_TIMEOUT '2 s', POOL_WAIT '3 s'"
FAULTS = pytest.mark.parametrize("fault", ["hang", "drip", "reset", "garbage"])
KINDS = pytest.mark.parametrize("kind", ["apart", "path", "hot", "cold", "snow"])
WRITTEN = pytest.mark.parametrize("kind", ["apart", "hot", "cold", "snow"])
BEGUN = pytest.mark.parametrize("kind", ["near", "apart", "hot", "cold", "snow"])
POSTGRES = ("near", "apart", "path")
SCHEMAS = {"near": "public", "apart": "public", "path": "public", "hot": "main", "cold": "main", "snow": "public"}


class Databases:
    """Each started when it is first asked for; `attach(kind, port)` is the statement's words behind ATTACH's name."""

    def __init__(self):
        self._started = {}

    def __getitem__(self, kind):
        kind = "apart" if kind in POSTGRES else kind
        if kind not in self._started:
            self._started[kind] = getattr(self, f"_start_{kind}")()
        return self._started[kind]

    def close(self):
        for database in self._started.values():
            database.__exit__(None, None, None)

    @staticmethod
    def _start_apart():
        postgres = PostgresServer().__enter__()
        postgres.run(f"CREATE TABLE t AS SELECT i, repeat('x', {FILLING}) AS filling FROM generate_series(1, {ROWS}) g(i)")
        postgres.run("CREATE TABLE few AS SELECT i FROM generate_series(1, 3) g(i); CREATE TABLE w (i bigint, filling text)")
        return postgres

    @staticmethod
    def _start_hot():
        return ValkeyServer().__enter__()  # filled by the server, through `well_hot`

    @staticmethod
    def _start_cold():
        cold = ServerProcess().__enter__()
        with flight.connect(cold.url) as client:
            wire.update(client, f"CREATE TABLE t AS SELECT i + 1 AS i, repeat('x', {FILLING}) AS filling FROM range({ROWS}) r(i)")
            wire.update(client, "CREATE TABLE few AS SELECT i + 1 AS i FROM range(3) r(i)")
            wire.update(client, "CREATE TABLE w (i BIGINT, filling VARCHAR)")
        return cold

    @classmethod
    def _start_snow(cls):
        snowflake = SnowflakeServer().__enter__()
        with cls._snow(snowflake) as connection:
            for sql in (f"CREATE TABLE DB1.PUBLIC.T AS SELECT SEQ4() + 1 AS I, REPEAT('x', {FILLING}) AS FILLING "
                        f"FROM TABLE(GENERATOR(ROWCOUNT => {ROWS}))", "CREATE TABLE DB1.PUBLIC.FEW AS SELECT SEQ4() + 1 AS I FROM TABLE(GENERATOR(ROWCOUNT => 3))",
                        "CREATE TABLE DB1.PUBLIC.W (I NUMBER(19,0), FILLING VARCHAR)"):
                with connection.cursor() as cursor:
                    cursor.execute(sql)
        return snowflake

    def run(self, kind, *statements):
        """There, and not through the server."""
        if kind in POSTGRES:
            self[kind].run("; ".join(statements))
        elif kind == "cold":
            with flight.connect(self[kind].url) as client:
                for sql in statements:
                    wire.update(client, sql)
        else:
            with connect(self[kind]) if kind == "hot" else self._snow(self[kind]) as connection, connection.cursor() as cursor:
                for sql in statements:
                    cursor.execute(sql)

    @staticmethod
    def _snow(snowflake):
        options = {**snowflake.options, "username": USER, "password": PASSWORD}
        return dbapi.connect(driver=f"{DRIVERS}/libadbc_driver_snowflake.so", db_kwargs=options, autocommit=True)

    def attach(self, kind, name, port):
        if kind == "snow":
            return self[kind].attach(name, f", {BOUNDS}").replace(f"'{self[kind].port}'", f"'{port}'")
        uri, more = {
            "near": (f"postgresql://postgres@127.0.0.1:{port}/postgres", "DRIVER 'postgresql'"),
            "apart": (f"postgresql://postgres@127.0.0.1:{port}/postgres", "DRIVER 'postgresql', ISOLATE true"),
            "path": (f"postgresql://postgres@127.0.0.1:{port}/postgres",
                     f"DRIVER '{DRIVERS}/libadbc_driver_postgresql.so', DIALECT 'generic'"),
            "hot": (f"redis://127.0.0.1:{port}/0", "DRIVER 'redis'"),
            "cold": (f"grpc://127.0.0.1:{port}", "DRIVER 'flightsql', DIALECT 'hyprstream'")}[kind]
        return f"ATTACH '{uri}' AS {name} (TYPE adbc, {more}, {BOUNDS})"


@pytest.fixture(scope="module")
def databases():
    started = Databases()
    yield started
    started.close()


@pytest.fixture(scope="module")
def server(databases):
    with ServerProcess(environment={"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": str(DRIVERS)}) as process:
        with flight.connect(process.url) as client:
            update(client, "CREATE TABLE local AS SELECT 7 AS a")
        yield process


@pytest.fixture(scope="module")
def well(server, databases):
    """Attaches a database of the kind without anything between, once; nobody else's fault is to be seen there."""
    attached = []

    def check(kind):
        with flight.connect(server.url) as client:
            if kind not in attached:
                update(client, databases.attach(kind, f"well_{kind}", databases[kind].port))
                if kind == "hot":
                    update(client, f"CREATE TABLE well_hot.main.t AS SELECT i + 1 AS i, repeat('x', {FILLING}) AS filling FROM range({ROWS}) r(i)")
                    update(client, "CREATE TABLE well_hot.main.few AS SELECT i + 1 AS i FROM range(3) r(i)")
                    update(client, "CREATE TABLE well_hot.main.w (i BIGINT, filling VARCHAR)")
                attached.append(kind)
            assert count(client, f"well_{kind}", kind) == 3
            assert query(client, "SELECT a FROM local") == [{"a": 7}]

    return check


def update(client, sql):
    return wire.update(client, sql, ADA)


def query(client, sql):
    return [{name.lower(): value for name, value in row.items()} for row in wire.query(client, sql, ADA)]


def count(client, name, kind, table="few", where=""):
    return query(client, f"SELECT count(*) AS n FROM {name}.{SCHEMAS[kind]}.{table} {where}")[0]["n"]


@pytest.fixture
def client(server):
    with flight.connect(server.url) as connected:
        yield connected


@pytest.fixture
def behind(client, databases, well):
    """Attaches a database of the kind behind a proxy, and has it well again at the end."""
    attached = []

    def attach(kind, name):
        well(kind)
        proxy = FaultyProxy(databases[kind].port)
        attached.append((kind, name, proxy))
        return proxy

    yield attach
    for kind, name, proxy in attached:
        proxy.mode = "pass"
        try:
            wait_until(lambda kind=kind, name=name: outcome(lambda: count(client, name, kind)) == "well", seconds=60, what="the backend's recovery")
        finally:
            said = outcome(lambda name=name: update(client, f"DETACH {name}"))
            proxy.close()
        assert said == "well", said


@KINDS
@FAULTS
def test_in_mid_stream(client, databases, well, behind, kind, fault):
    name = f"stream_{kind}_{fault}"
    proxy = behind(kind, name)
    update(client, databases.attach(kind, name, proxy.port))
    proxy.turn(fault, given=2 << 20)
    wait = in_background(lambda: query(client, f"SELECT * FROM {name}.{SCHEMAS[kind]}.t"))
    wait_until(lambda: proxy.has_turned, what="the middle of the stream")
    well(kind)
    said = wait()
    assert name in said, said


@KINDS
@FAULTS
def test_before_a_statement(client, databases, well, behind, kind, fault):
    name = f"next_{kind}_{fault}"
    proxy = behind(kind, name)
    update(client, databases.attach(kind, name, proxy.port))
    assert count(client, name, kind) == 3
    proxy.mode = fault
    wait = in_background(lambda: count(client, name, kind, where="WHERE i > 1"))
    well(kind)
    said = wait()
    assert name in said, said


@KINDS
@FAULTS
def test_at_attach(client, databases, well, behind, kind, fault):
    name = f"attach_{kind}_{fault}"
    proxy = behind(kind, name)
    proxy.mode = fault
    wait = in_background(lambda: update(client, databases.attach(kind, name, proxy.port)))
    well(kind)
    said = wait()
    assert name in said, said
    assert name not in {row["name"] for row in query(client, "SELECT name FROM hyprstream.backends")}
    proxy.mode = "pass"
    update(client, databases.attach(kind, name, proxy.port))


@WRITTEN
@FAULTS
def test_in_the_middle_of_a_write(client, databases, well, behind, kind, fault):
    name = f"write_{kind}_{fault}"
    proxy = behind(kind, name)
    update(client, databases.attach(kind, name, proxy.port))
    proxy.turn(fault, taken=2 << 20)
    wait = in_background(lambda: update(client, f"INSERT INTO {name}.{SCHEMAS[kind]}.w SELECT i, repeat('x', 1000) FROM range(50000) r(i)"))
    wait_until(lambda: proxy.has_turned, what="the middle of the write")
    well(kind)
    said = wait()
    assert name in said, said
    proxy.mode = "pass"
    wait_until(lambda: outcome(lambda: count(client, name, kind)) == "well", seconds=60, what="the backend's recovery")
    assert count(client, name, kind, "w") == 0


@BEGUN
@FAULTS
def test_at_the_commit(client, databases, well, behind, kind, fault):
    """Nobody waits long, and nobody is told that it was kept, or was not, where that is not known."""
    name = f"commit_{kind}_{fault}"
    proxy = behind(kind, name)
    update(client, databases.attach(kind, name, proxy.port))
    before = count(client, f"well_{kind}", kind, "w")
    transaction = wire.begin(client, ADA)
    wire.update(client, f"INSERT INTO {name}.{SCHEMAS[kind]}.w VALUES (4711, 'x')", ADA, transaction)
    proxy.mode = fault
    wait = in_background(lambda: wire.end(client, transaction, options=ADA))
    well(kind)
    said = wait()
    assert name in said, said
    proxy.mode = "pass"
    wait_until(lambda: outcome(lambda: count(client, name, kind)) == "well", seconds=60, what="the backend's recovery")
    kept = count(client, f"well_{kind}", kind, "w") - before
    assert kept == 0 or "not known whether it was carried out" in said, said


@BEGUN
@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_while_a_table_is_made(client, databases, well, behind, kind, fault):
    """What is to be taken back there is not waited for either."""
    name = f"made_{kind}_{fault}"
    proxy = behind(kind, name)
    update(client, databases.attach(kind, name, proxy.port))
    proxy.turn(fault, taken=2 << 20)
    wait = in_background(lambda: update(
        client, f"CREATE TABLE {name}.{SCHEMAS[kind]}.{name} AS SELECT i, repeat('x', 1000) AS filling FROM range(50000) r(i)"))
    wait_until(lambda: proxy.has_turned, what="the middle of the write")
    well(kind)
    said = wait()
    assert name in said, said


@KINDS
def test_another_table_of_that_name_in_mid_query(client, databases, well, behind, kind):
    """What is being read stays what it was, or ends with an error; of the statements behind it the first sees the new
    table or is refused, the second sees it."""
    name = f"swap_{kind}"
    proxy = behind(kind, name)
    if kind == "hot":
        update(client, f"CREATE TABLE well_hot.main.{name} AS FROM well_hot.main.t")
    else:
        databases.run(kind, f"CREATE TABLE {name} AS SELECT * FROM t")
    update(client, databases.attach(kind, name, proxy.port))
    rows = []
    proxy.turn("stop", given=2 << 20)
    wait = in_background(lambda: rows.extend(query(client, f"SELECT * FROM {name}.{SCHEMAS[kind]}.{name}")))
    wait_until(lambda: proxy.has_turned, what="the middle of the stream")
    swapping = threading.Thread(target=lambda: databases.run(
        kind, f"DROP TABLE {name}", f"CREATE TABLE {name} (i {'TEXT' if kind == 'hot' else 'VARCHAR'}, other INTEGER)"))
    swapping.start()
    swapping.join(0.5)  # it may wait for the reader
    proxy.mode = "pass"
    said = wait()
    swapping.join(30)
    assert said == "well" or name in said, said
    if said == "well":
        assert len(rows) == ROWS and all(row["filling"] == "x" * FILLING for row in rows)
    again = f"SELECT * FROM {name}.{SCHEMAS[kind]}.{name}"
    said = outcome(lambda: query(client, again))
    assert said == "well" or name in said, said
    assert query(client, again) == []
    assert [row["column_name"].lower() for row in query(client, f"DESCRIBE {name}.{SCHEMAS[kind]}.{name}")] == ["i", "other"]


@KINDS
def test_detached_while_it_is_connected(client, databases, well, behind, kind):
    name = f"left_{kind}"
    well(kind)
    with FaultyProxy(databases[kind].port) as proxy:
        update(client, databases.attach(kind, name, proxy.port))
        proxy.mode = "reset"
        wait_until(lambda: proxy.open == 0, what="the end of its connections")
        proxy.mode = "hang"
        wait = in_background(lambda: count(client, name, kind))
        wait_until(lambda: proxy.open > 0, what="the new connection")
        detached = in_background(lambda: update(client, f"DETACH {name}"))
        well(kind)
        assert detached() == "well"
        assert name in wait()


def test_another_table_of_that_name_in_a_file_that_is_read(client, tmp_path):
    """SQLite's by another process, in its own way of not waiting for readers; DuckDB's by another session, since nobody
    else can have the file open."""
    wal = tmp_path / "wal.db"
    with contextlib.closing(sqlite3.connect(wal, isolation_level=None)) as there:
        there.execute("PRAGMA journal_mode = WAL")
        update(client, f"ATTACH 'file:{wal}' AS swap_lite (TYPE adbc, DRIVER 'sqlite')")
        update(client, f"ATTACH '{an_empty_file(tmp_path / 'duck')}' AS swap_duck (TYPE adbc, DRIVER 'duckdb')")
        for name, run in (("swap_lite", there.execute), ("swap_duck", lambda sql: update(client, sql.replace("TABLE s", "TABLE swap_duck.main.s")))):
            update(client, f"CREATE TABLE {name}.main.s AS SELECT i, repeat('x', 1000) AS filling FROM range(200000) r(i)")
            info = client.get_flight_info(wire.statement_query(f"SELECT * FROM {name}.main.s"), ADA)
            reader = client.do_get(info.endpoints[0].ticket, ADA)
            rows = reader.read_chunk().data.num_rows
            run("DROP TABLE s")
            run("CREATE TABLE s (i VARCHAR, other INTEGER)")
            assert rows + len(wire.read_to_end(reader)) == 200_000
            said = outcome(lambda name=name: query(client, f"SELECT * FROM {name}.main.s"))
            assert said == "well" or name in said, said
            assert query(client, f"SELECT * FROM {name}.main.s") == []
            assert [row["column_name"] for row in query(client, f"DESCRIBE {name}.main.s")] == ["i", "other"]
            update(client, f"DETACH {name}")


@pytest.mark.parametrize("fault", ["hang", "drip", "reset", "garbage"])
def test_in_the_middle_of_a_tls_handshake(client, tmp_path, fault):
    folder = certify(tmp_path)
    authority = f"\"adbc.redis.tls.ca_file\" '{folder / 'ca.pem'}'"
    with ValkeyServer(tls_folder=folder) as valkey, FaultyProxy(valkey.port) as proxy:
        attach = f"ATTACH 'rediss://127.0.0.1:{proxy.port}/0' AS safe (TYPE adbc, DRIVER 'redis', {authority}, {BOUNDS})"
        proxy.mode = fault
        wait = in_background(lambda: update(client, attach))
        assert query(client, "SELECT a FROM local") == [{"a": 7}]
        said = wait()
        assert "safe" in said, said
        proxy.mode = "pass"
        update(client, attach)
        update(client, "DETACH safe")
