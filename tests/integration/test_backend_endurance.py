"""Backend queries that fail or are cancelled, over and over, leave nothing behind on either side.

1,000 of each with HYPRSTREAM_LONG=1, fewer otherwise.
"""

import os
import threading

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from postgres_server import PostgresServer
from redis_driver import connect
from server_process import ServerProcess, wait_until
from valkey_server import ValkeyServer

ROUNDS = 1_000 if os.environ.get("HYPRSTREAM_LONG") else 60
POOL_MAX = 4
CLIENTS = 6  # more than there are connections


class Postgres:
    """A table, what fails, what is cancelled, and how many connections the database has from the server."""

    driver = "postgresql"
    table = "b.public.t"
    failing = [
        "SELECT * FROM backend_query('b', 'SELEC')",
        "SELECT * FROM backend_query('b', 'SELECT 1 / (i - 5) AS a FROM t ORDER BY i')",  # after its first rows
        "SELECT * FROM b.public.no_such_table",
        "SELECT i::TINYINT FROM b.public.t",  # here, while rows come
        "SELECT * FROM b.public.dim",  # arrays of two dimensions, which are refused
    ]
    cancelled = ["SELECT * FROM b.public.t", "SELECT * FROM backend_query('b', 'SELECT pg_sleep(60)::text AS s')",
                 "SELECT sum(x.i + y.i) AS s FROM b.public.t x, b.public.t y"]

    def __init__(self):
        self.server = PostgresServer()
        self.server.run("CREATE TABLE t AS SELECT i, repeat('x', 200) AS filling FROM generate_series(1, 100000) g(i); "
                        "CREATE TABLE dim AS SELECT '{{1,2},{3,4}}'::int[] AS a")

    def connections(self):
        return int(self.server.run("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hyprstream'"))

    def busy(self):
        return int(self.server.run("SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND application_name = 'hyprstream'"))


class Valkey:
    driver = "redis"
    table = "b.main.t"
    failing = [
        "SELECT * FROM backend_query('b', 'SELEC')",
        "SELECT * FROM b.main.damaged",  # its last row, while rows come
        "SELECT * FROM b.main.no_such_table",
        "SELECT i::TINYINT FROM b.main.t",  # here, while rows come
        "INSERT INTO b.main.t SELECT i + 99000, 'again' FROM range(2000) r(i)",  # a transaction that has read and held rows
    ]
    cancelled = ["SELECT * FROM b.main.t", "SELECT * FROM b.main.t x JOIN b.main.damaged y USING (i)",
                 "SELECT sum(x.i + y.i) AS s FROM b.main.t x, b.main.t y"]

    def __init__(self):
        self.server = ValkeyServer(password="hunter2")
        with connect(self.server) as redis, redis.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.redis.ingest.primary_key": "i"})
            for table, count in (("t", 100_000), ("damaged", 20_000)):
                rows = pa.table({"i": pa.array(range(1, count + 1), pa.int64()), "filling": ["x" * 200] * count})
                cursor.adbc_ingest(table, rows, mode="create")
        self.server.run("HSET", "{adbc:damaged}:1:9999", "i", "no number")

    def connections(self):
        return self.server.run("CLIENT", "LIST", "TYPE", "normal").count("id=") - 1  # but for who asks

    def busy(self):
        """In a transaction: MULTI, or keys that are watched."""
        clients = self.server.run("CLIENT", "LIST", "TYPE", "normal").splitlines()
        return sum("multi=-1" not in client or "watch=0" not in client for client in clients)


@pytest.fixture(scope="module", params=[Postgres, Valkey], ids=lambda kind: kind.__name__)
def database(request):
    database = request.param()
    with database.server:
        yield database


@pytest.fixture
def server(database, tmp_path):
    environment = {"HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    config = tmp_path / "hyprstream.toml"
    config.write_text(f'[backends.b]\ndriver = "{database.driver}"\nuri = "{database.server.uri}"\npool_max = {POOL_MAX}\n')
    with ServerProcess("--config", config, environment=environment) as process:
        yield process


def in_turns(server, rounds, once):
    """Calls once(client, number) so many times in all, from several clients at once."""
    failures = []

    def work(first):
        with flight.connect(server.url) as client:
            try:
                for number in range(first, rounds, CLIENTS):
                    once(client, number)
            except BaseException as error:  # told by the test's own thread
                failures.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


def check_that_nothing_is_left(server, database, files):
    def row(client):
        return next(row for row in wire.query(client, "SELECT * FROM hyprstream.backends") if row["name"] == "b")

    with flight.connect(server.url) as client:
        wait_until(lambda: row(client)["pool_in_use"] == 0, what="the pool's rest")
        assert row(client)["state"] == "available" and row(client)["breaker"] == "closed"
        wait_until(lambda: database.connections() == row(client)["pool_idle"] <= POOL_MAX, what="as many connections on both sides")
        assert database.busy() == 0
        # Each of its connections can be had, and works.
        in_turns(server, 4 * POOL_MAX, lambda other, _: wire.query(other, f"SELECT count(*) AS n FROM {database.table}"))
        assert wire.query(client, f"SELECT sum(i)::BIGINT AS s FROM {database.table}") == [{"s": 5000050000}]
    wait_until(lambda: server.open_files() <= files + POOL_MAX + 2, what="as many open files as before")


def test_failed_queries_leave_the_pool_whole(server, database):
    def fail(client, number):
        sql = database.failing[number % len(database.failing)]
        with pytest.raises((flight.FlightError, pa.ArrowException, KeyError)):
            (wire.update if sql.startswith("INSERT") else wire.query)(client, sql)

    in_turns(server, 2 * len(database.failing), fail)
    files = server.open_files()
    in_turns(server, ROUNDS, fail)
    check_that_nothing_is_left(server, database, files)


def test_cancelled_queries_leave_the_pool_whole(server, database):
    def cancel(client, number):
        info = client.get_flight_info(wire.statement_query(database.cancelled[number % len(database.cancelled)]))
        reader = client.do_get(info.endpoints[0].ticket)
        if number % len(database.cancelled) == 0:
            reader.read_chunk()
        reader.cancel()

    in_turns(server, 6, cancel)
    files = server.open_files()
    in_turns(server, ROUNDS, cancel)
    check_that_nothing_is_left(server, database, files)
