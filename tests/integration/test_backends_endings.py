"""Statements that end before their end, at every database that the server can be asked to hold: cancelled, out of time,
left by their client, or cut off because the database stops. Nothing runs on there, nothing was written, and the backend
works on.

`apart` and `lite_apart` have their drivers in processes of their own.
"""

import contextlib
import os
import signal
import sqlite3
import threading
import time

import adbc_driver_manager
import pytest

from duckdb_file import an_empty_file
from flight_sql_client import USERS, connected, refused, runner
from postgres_server import PostgresServer
from server_process import ServerProcess, wait_until

ALL = {"warehouse": "public", "apart": "public", "lite": "main", "lite_apart": "main", "duck": "main"}
BACKENDS = pytest.mark.parametrize("backend", ALL)
# What gives no row for longer than any test waits.
SILENT = {"warehouse": "SELECT pg_sleep(600)::text AS v, 4711 AS silent", "apart": "SELECT pg_sleep(600)::text AS v, 4711 AS silent",
          "lite": "SELECT count(*) AS v FROM big a, big b, big c", "lite_apart": "SELECT count(*) AS v FROM big a, big b, big c",
          "duck": "SELECT count(*) AS v FROM big a, big b, big c WHERE a.i + b.i <> c.i"}


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer(password="pg-hunter2-endings") as server:
        yield server


@pytest.fixture(scope="module")
def attach(postgres, tmp_path_factory):
    """The statement that attaches each of them."""
    folder = tmp_path_factory.mktemp("files")
    duck = an_empty_file(tmp_path_factory.mktemp("duck"))
    return {"warehouse": f"ATTACH '{postgres.uri}' AS warehouse (TYPE adbc, DRIVER 'postgresql'{{}})",
            "apart": f"ATTACH '{postgres.uri}' AS apart (TYPE adbc, DRIVER 'postgresql', ISOLATE true{{}})",
            "lite": f"ATTACH 'file:{folder}/lite.db' AS lite (TYPE adbc, DRIVER 'sqlite'{{}})",
            "lite_apart": f"ATTACH 'file:{folder}/apart.db' AS lite_apart (TYPE adbc, DRIVER 'sqlite', ISOLATE true{{}})",
            "duck": f"ATTACH '{duck}' AS duck (TYPE adbc, DRIVER 'duckdb'{{}})"}


@pytest.fixture(scope="module")
def server(attach, postgres):
    environment = {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    with ServerProcess(environment=environment) as process:
        with runner(process) as run:
            for backend, statement in attach.items():
                run(statement.format(""))
                if backend != "apart":  # which has the tables of warehouse
                    run(f"CREATE TABLE {backend}.{ALL[backend]}.big AS SELECT i, repeat('x', 200) AS filling FROM range(100000) r(i)")
        yield process


@pytest.fixture
def run(server):
    with runner(server) as execute:
        yield execute


@pytest.fixture
def check(server, run, postgres):
    """That nothing of a backend's statement is left on either side, and that the next one works."""
    def is_well(backend):
        wait_until(lambda: run(f"SELECT pool_in_use FROM hyprstream.backends WHERE name = '{backend}'") == [(0,)], seconds=30,
                   what="the pool's rest")
        busy = "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND application_name = 'hyprstream'"
        wait_until(lambda: postgres.run(busy) == "0", seconds=30, what="the end of the statement at PostgreSQL")
        server.wait_until_idle(30)
        for host in server.driver_hosts():
            with contextlib.suppress(FileNotFoundError):  # it has ended meanwhile
                server.wait_until_idle(30, host)
        assert run(f"SELECT count(*), sum(i)::BIGINT FROM {backend}.{ALL[backend]}.big") == [(100_000, 4_999_950_000)]
        assert run(f"SELECT state, breaker FROM hyprstream.backends WHERE name = '{backend}'") == [("available", "closed")]
    return is_well


def passed_on(backend, sql):
    return f"SELECT * FROM backend_query('{backend}', $${sql}$$)"


def crossed(backend):
    """More rows than anybody reads, which come at once."""
    return passed_on(backend, "SELECT a.i, a.filling FROM big a, big b")


@BACKENDS
def test_a_cancelled_stream_ends_there(server, check, backend):
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.execute(crossed(backend))
        stream = cursor.fetch_record_batch()
        assert stream.read_next_batch().num_rows > 0
        cursor.adbc_cancel()
        with pytest.raises(Exception, match="(?i)cancel"):
            for _ in stream:
                pass
    check(backend)


@BACKENDS
def test_a_client_that_leaves_its_stream_ends_it_there(server, check, backend):
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.execute(crossed(backend))
        assert cursor.fetch_record_batch().read_next_batch().num_rows > 0
    check(backend)


@BACKENDS
def test_a_statement_without_a_row_is_cancelled_there(server, run, check, backend):
    said = []
    with connected(server) as connection, connection.cursor() as cursor:
        def ask():
            try:
                cursor.execute(passed_on(backend, SILENT[backend]))
                said.append(cursor.fetchall())
            except adbc_driver_manager.Error as error:
                said.append(str(error))

        asking = threading.Thread(target=ask)
        asking.start()
        wait_until(lambda: run(f"SELECT pool_in_use FROM hyprstream.backends WHERE name = '{backend}'") == [(1,)], what="the statement's start")
        cursor.adbc_cancel()
        asking.join(30)
    assert len(said) == 1 and "ancel" in said[0], said
    check(backend)


@BACKENDS
def test_a_cancelled_write_writes_nothing(server, run, check, backend):
    table = f"{backend}.{ALL[backend]}.cancelled_{backend}"
    run(f"CREATE TABLE {table} (v BIGINT)")
    said = []
    with connected(server) as connection, connection.cursor() as cursor:
        def write():
            try:
                cursor.execute(f"INSERT INTO {table} SELECT i FROM range(100000000000) r(i)")
                said.append("written")
            except adbc_driver_manager.Error as error:
                said.append(str(error))

        writing = threading.Thread(target=write)
        writing.start()
        wait_until(lambda: run(f"SELECT pool_in_use FROM hyprstream.backends WHERE name = '{backend}'") == [(1,)], what="the write's start")
        cursor.adbc_cancel()
        writing.join(30)
    assert len(said) == 1 and "ancel" in said[0], said
    check(backend)
    assert run(f"SELECT count(*) FROM {table}") == [(0,)]
    assert run(f"INSERT INTO {table} VALUES (1)") == 1
    run(f"DROP TABLE {table}")


@pytest.fixture
def hurried(run, attach):
    """Attached anew with little time for a statement."""
    hurried_ones = []

    def again(backend):
        run(f"DETACH {backend}")
        hurried_ones.append(backend)
        run(attach[backend].format(", STATEMENT_TIMEOUT '500 ms'"))

    yield again
    for backend in hurried_ones:
        run(f"DETACH DATABASE IF EXISTS {backend}")
        run(attach[backend].format(""))


@BACKENDS
def test_a_statement_without_a_row_has_its_time(run, check, hurried, backend):
    hurried(backend)
    began = time.monotonic()
    refused(lambda: run(passed_on(backend, SILENT[backend])), f"{backend} had not answered within its statement_timeout of 500 ms")
    assert time.monotonic() - began < 20
    check(backend)


def test_a_write_that_waits_for_sqlites_lock_has_its_time(run, check, attach):
    """Somebody else writes: SQLite's own wait of five seconds, then an error, and nothing is written."""
    path = attach["lite"].partition("file:")[2].partition("'")[0]
    holder = sqlite3.connect(path, isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        refused(lambda: run("INSERT INTO lite.main.big VALUES (-1, 'x')"), "lite", "lock")
        assert time.monotonic() - began < 30
        assert run("SELECT count(*) FROM lite.main.big WHERE i < 0") == [(0,)]
        holder.execute("ROLLBACK")
    finally:
        holder.close()
    assert run("INSERT INTO lite.main.big VALUES (-1, 'x')") == 1
    assert run("DELETE FROM lite.main.big WHERE i < 0") == 1
    check("lite")


@pytest.mark.parametrize("backend", ["warehouse", "apart"])
def test_postgres_stopped_in_mid_stream_and_started_again(server, run, check, postgres, backend):
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.execute(crossed(backend))
        stream = cursor.fetch_record_batch()
        stream.read_next_batch()
        postgres.stop()
        with pytest.raises(Exception, match=f"{backend}: "):
            for _ in stream:
                pass
        refused(lambda: run(f"SELECT count(*) FROM {backend}.public.big"), backend)
        refused(lambda: run(f"INSERT INTO {backend}.public.big VALUES (-1, 'x')"), backend)
    assert run("SELECT count(*) FROM lite.main.big") == [(100_000,)]  # the others are well
    postgres.restart()
    works_again(run, backend)
    check(backend)
    works_again(run, "apart" if backend == "warehouse" else "warehouse")


@pytest.mark.parametrize("backend", ["warehouse", "apart"])
def test_postgres_stopped_in_the_middle_of_a_transaction(server, run, check, postgres, backend):
    run(f"CREATE TABLE {backend}.public.open_{backend} (v BIGINT)")
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {backend}.public.open_{backend} VALUES (1)")
        postgres.stop()
        refused(connection.commit, backend)
    postgres.restart()
    works_again(run, backend)
    assert run(f"SELECT count(*) FROM {backend}.public.open_{backend}") == [(0,)]
    run(f"DROP TABLE {backend}.public.open_{backend}")
    works_again(run, "apart" if backend == "warehouse" else "warehouse")


def test_sqlites_driver_killed_in_mid_stream(server, run, check):
    """A file has no server that stops: what may end is the process of its driver."""
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.execute(crossed("lite_apart"))
        stream = cursor.fetch_record_batch()
        stream.read_next_batch()
        for host in server.driver_hosts():
            os.kill(host, signal.SIGKILL)
        with pytest.raises(Exception, match="lite_apart: The process of the driver has ended"):
            for _ in stream:
                pass
    assert run("SELECT count(*) FROM lite_apart.main.big") == [(100_000,)]
    check("lite_apart")


@pytest.mark.parametrize("backend", ["lite", "duck"])
def test_a_file_detached_in_mid_stream_and_attached_again(server, run, check, attach, backend):
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.execute(crossed(backend))
        stream = cursor.fetch_record_batch()
        stream.read_next_batch()
        run(f"DETACH {backend}")
        with pytest.raises(Exception, match=backend):
            for _ in stream:
                pass
    run(attach[backend].format(""))
    check(backend)


def works_again(run, backend):
    def answers():
        try:
            return run(f"SELECT count(*) FROM {backend}.public.big") == [(100_000,)]
        except adbc_driver_manager.Error:
            return False
    wait_until(answers, seconds=60, what="the answer of the database that is back")
