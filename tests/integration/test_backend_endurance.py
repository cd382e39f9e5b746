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
from server_process import ServerProcess, wait_until

ROUNDS = 1_000 if os.environ.get("HYPRSTREAM_LONG") else 60
POOL_MAX = 4
CLIENTS = 6  # more than there are connections

FAILING = [
    "SELECT * FROM backend_query('warehouse', 'SELEC')",
    "SELECT * FROM backend_query('warehouse', 'SELECT 1 / (i - 5) AS a FROM t ORDER BY i')",  # after its first rows
    "SELECT * FROM warehouse.public.no_such_table",
    "SELECT i::TINYINT FROM warehouse.public.t",  # here, while rows come
    "SELECT * FROM warehouse.public.dim",  # arrays of two dimensions, which are refused
]


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer() as server:
        server.run("CREATE TABLE t AS SELECT i, repeat('x', 200) AS filling FROM generate_series(1, 100000) g(i); "
                   "CREATE TABLE dim AS SELECT '{{1,2},{3,4}}'::int[] AS a")
        yield server


@pytest.fixture
def server(postgres):
    environment = {"HYPRSTREAM_USERS": "", "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    with ServerProcess("--client-attach", environment=environment) as process:
        with flight.connect(process.url) as client:
            wire.update(client, f"ATTACH '{postgres.uri}' AS warehouse (TYPE adbc, DRIVER 'postgresql', POOL_MAX {POOL_MAX})")
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


def check_that_nothing_is_left(server, postgres, files):
    def row(client):
        return next(row for row in wire.query(client, "SELECT * FROM hyprstream.backends") if row["name"] == "warehouse")

    def connections_there():
        return int(postgres.run("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hyprstream'"))

    with flight.connect(server.url) as client:
        wait_until(lambda: row(client)["pool_in_use"] == 0, what="the pool's rest")
        assert row(client)["state"] == "available" and row(client)["breaker"] == "closed"
        wait_until(lambda: connections_there() == row(client)["pool_idle"] <= POOL_MAX, what="as many connections on both sides")
        assert int(postgres.run("SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' "
                                "AND application_name = 'hyprstream'")) == 0
        # Each of its connections can be had, and works.
        in_turns(server, 4 * POOL_MAX, lambda other, _: wire.query(other, "SELECT count(*) AS n FROM warehouse.public.t"))
        assert wire.query(client, "SELECT sum(i)::BIGINT AS s FROM warehouse.public.t") == [{"s": 5000050000}]
    wait_until(lambda: server.open_files() <= files + POOL_MAX + 2, what="as many open files as before")


def test_failed_queries_leave_the_pool_whole(server, postgres):
    def fail(client, number):
        with pytest.raises((flight.FlightError, pa.ArrowException, KeyError)):
            wire.query(client, FAILING[number % len(FAILING)])

    in_turns(server, 2 * len(FAILING), fail)
    files = server.open_files()
    in_turns(server, ROUNDS, fail)
    check_that_nothing_is_left(server, postgres, files)


def test_cancelled_queries_leave_the_pool_whole(server, postgres):
    def cancel(client, number):
        sql = ("SELECT * FROM warehouse.public.t", "SELECT * FROM backend_query('warehouse', 'SELECT pg_sleep(60)::text AS s')",
               "SELECT sum(a.i + b.i) AS s FROM warehouse.public.t a, warehouse.public.t b")[number % 3]
        info = client.get_flight_info(wire.statement_query(sql))
        reader = client.do_get(info.endpoints[0].ticket)
        if number % 3 == 0:
            reader.read_chunk()
        reader.cancel()

    in_turns(server, 6, cancel)
    files = server.open_files()
    in_turns(server, ROUNDS, cancel)
    check_that_nothing_is_left(server, postgres, files)
