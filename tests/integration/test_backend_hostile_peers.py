"""A database that hangs, drips, resets or talks nonsense: a bounded wait, a clear error, and nobody else notices."""

import os
import threading

import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from bounded_wait import in_background, outcome
from faulty_proxy import FaultyProxy
from postgres_server import PostgresServer
from server_process import ServerProcess, wait_until

ROWS = 300_000
FAULTS = ["hang", "drip", "reset", "garbage"]


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer() as server:
        server.run(f"CREATE TABLE t AS SELECT i, repeat('x', 100) AS filling FROM generate_series(1, {ROWS}) g(i)")
        yield server


@pytest.fixture(scope="module")
def server(postgres):
    environment = {"HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    with ServerProcess("--client-attach", environment=environment) as process:
        with flight.connect(process.url) as client:
            attach(client, "well", postgres.port)
            wire.update(client, "CREATE TABLE local AS SELECT 7 AS a")
        yield process


def attach(client, name, port):
    wire.update(client, f"ATTACH 'postgresql://postgres@127.0.0.1:{port}/postgres' AS {name} "
                        "(TYPE adbc, DRIVER 'postgresql', STATEMENT_TIMEOUT '3 s', CONNECT_TIMEOUT '2 s', POOL_WAIT '3 s')")


def check_that_others_are_well(server):
    with flight.connect(server.url) as client:
        assert wire.query(client, "SELECT count(*) AS n FROM well.public.t") == [{"n": ROWS}]
        assert wire.query(client, "SELECT a FROM local") == [{"a": 7}]


def check_recovery(client, proxy, name):
    proxy.mode = "pass"
    wait_until(lambda: outcome(lambda: wire.query(client, f"SELECT count(*) AS n FROM {name}.public.t")) == "well",
               seconds=60, what="the backend's recovery")


@pytest.mark.parametrize("fault", FAULTS)
def test_in_mid_stream(server, postgres, fault):
    name = f"stream_{fault}"
    with FaultyProxy(postgres.port) as proxy, flight.connect(server.url) as client:
        attach(client, name, proxy.port)
        info = client.get_flight_info(wire.statement_query(f"SELECT * FROM {name}.public.t"))
        reader = client.do_get(info.endpoints[0].ticket)
        assert reader.read_chunk().data.num_rows > 0
        proxy.mode = fault
        wait = in_background(lambda: wire.read_to_end(reader))
        check_that_others_are_well(server)
        said = wait()
        # What had arrived before may have been all of it; else the error names the backend.
        assert name in said, said
        check_recovery(client, proxy, name)
        wire.update(client, f"DETACH {name}")


@pytest.mark.parametrize("fault", FAULTS)
def test_before_a_statement(server, postgres, fault):
    name = f"next_{fault}"
    with FaultyProxy(postgres.port) as proxy, flight.connect(server.url) as client:
        attach(client, name, proxy.port)
        assert wire.query(client, f"SELECT count(*) AS n FROM {name}.public.t") == [{"n": ROWS}]
        proxy.mode = fault
        wait = in_background(lambda: wire.query(client, f"SELECT count(*) AS n FROM {name}.public.t WHERE i > 5"))
        check_that_others_are_well(server)
        assert name in wait()
        check_recovery(client, proxy, name)
        wire.update(client, f"DETACH {name}")


@pytest.mark.parametrize("fault", [*FAULTS, "stop"])
def test_in_the_middle_of_a_write(server, postgres, fault):
    name = f"write_{fault}"
    postgres.run(f"CREATE TABLE {name} (i bigint, filling text)")
    with FaultyProxy(postgres.port) as proxy, flight.connect(server.url) as client:
        attach(client, name, proxy.port)
        wait = in_background(lambda: wire.update(
            client, f"INSERT INTO {name}.public.{name} SELECT i, repeat('x', 1000) FROM range(1000000) r(i)"))
        wait_until(lambda: proxy.taken > 20 << 20, seconds=30, what="the rows' way to the database")
        proxy.mode = fault
        check_that_others_are_well(server)
        said = wait()
        assert name in said, said
        check_recovery(client, proxy, name)
        assert postgres.run(f"SELECT count(*) FROM {name}") == "0"
        wire.update(client, f"DETACH {name}")


def test_a_write_that_waits_for_a_lock(server, postgres):
    postgres.run("CREATE TABLE locked (i bigint)")
    holder = threading.Thread(target=lambda: postgres.run("BEGIN; LOCK TABLE locked; SELECT pg_sleep(8); COMMIT"))
    holder.start()
    wait_until(lambda: postgres.run("SELECT count(*) FROM pg_locks WHERE relation = 'locked'::regclass "
                                    "AND mode = 'AccessExclusiveLock' AND granted") == "1", seconds=20, what="the lock")
    with flight.connect(server.url) as client:
        said = outcome(lambda: wire.update(client, "INSERT INTO well.public.locked SELECT i FROM range(10) r(i)"))
        assert "well" in said and "statement_timeout" in said, said
        check_that_others_are_well(server)
        holder.join()
        assert wire.update(client, "INSERT INTO well.public.locked SELECT i FROM range(10) r(i)") == 10
    assert postgres.run("SELECT count(*) FROM locked") == "10"


@pytest.mark.parametrize("fault", FAULTS)
def test_at_attach(server, postgres, fault):
    name = f"attach_{fault}"
    with FaultyProxy(postgres.port) as proxy, flight.connect(server.url) as client:
        proxy.mode = fault
        wait = in_background(lambda: attach(client, name, proxy.port))
        check_that_others_are_well(server)
        assert name in wait()
        assert name not in {row["name"] for row in wire.query(client, "SELECT name FROM hyprstream.backends")}
        proxy.mode = "pass"
        attach(client, name, proxy.port)
        wire.update(client, f"DETACH {name}")


@pytest.mark.parametrize("known", [False, True], ids=["at_attach", "later"])
def test_it_lets_in_and_then_says_nothing(server, postgres, known):
    """What a driver asks of itself when it opens a database or a connection has a bound, too."""
    name = f"greeted_{known}".lower()
    with FaultyProxy(postgres.port) as proxy, flight.connect(server.url) as client:
        if known:
            attach(client, name, proxy.port)
            proxy.mode = "reset"  # the connections that are there end
            wait_until(lambda: proxy.open == 0, seconds=20, what="the end of its connections")
        proxy.mode = "greet"
        call = wire.query if known else lambda *_: attach(client, name, proxy.port)
        wait = in_background(lambda: call(client, f"SELECT count(*) AS n FROM {name}.public.t"))
        check_that_others_are_well(server)
        assert name in wait()
        proxy.mode = "pass"
        if known:
            check_recovery(client, proxy, name)
        else:
            attach(client, name, proxy.port)
        wire.update(client, f"DETACH {name}")


def test_it_does_not_say_its_version_at_attach(server, postgres):
    with FaultyProxy(postgres.port) as proxy, flight.connect(server.url) as client:
        proxy.turn("hang", asked=b"server_version_num")
        wait = in_background(lambda: attach(client, "versionless", proxy.port))
        check_that_others_are_well(server)
        assert "versionless" in wait()
        proxy.mode = "pass"
        attach(client, "versionless", proxy.port)
        wire.update(client, "DETACH versionless")


def test_it_does_not_say_its_version_when_it_is_tried_again(server, postgres):
    """Nobody's statement waits for that, but a DETACH would."""
    def is_given_up():
        outcome(lambda: wire.query(client, "SELECT count(*) AS n FROM again.public.t"))
        return wire.query(client, "SELECT breaker FROM hyprstream.backends WHERE name = 'again'") == [{"breaker": "open"}]

    with FaultyProxy(postgres.port) as proxy, flight.connect(server.url) as client:
        attach(client, "again", proxy.port)
        proxy.mode = "reset"
        wait_until(is_given_up, what="the breaker's opening")
        proxy.turn("hang", asked=b"server_version_num")
        proxy.mode = "pass"
        wait_until(lambda: proxy.has_turned, what="the question for the version")
        wait = in_background(lambda: wire.update(client, "DETACH again"))
        check_that_others_are_well(server)
        assert wait() == "well"


@pytest.mark.parametrize("patience", [1, 6], ids=["less", "more"])
def test_the_first_of_two_hosts_hangs(server, postgres, patience):
    """The URI's own connect_timeout, whether less or more than the backend's, is what the next host is tried after."""
    name = f"hosts_{patience}"
    with FaultyProxy(postgres.port) as proxy, flight.connect(server.url) as client:
        proxy.mode = "hang"
        wait = in_background(lambda: wire.update(
            client, f"ATTACH 'postgresql://postgres@127.0.0.1:{proxy.port},127.0.0.1:{postgres.port}/postgres?connect_timeout={patience}' AS {name} "
                    "(TYPE adbc, DRIVER 'postgresql', STATEMENT_TIMEOUT '3 s', CONNECT_TIMEOUT '2 s')"))
        assert wait() == "well"
        assert wire.query(client, f"SELECT count(*) AS n FROM {name}.public.t") == [{"n": ROWS}]
        wire.update(client, f"DETACH {name}")


def test_detached_while_it_is_connected(server, postgres):
    """Long before the connect_timeout."""
    with FaultyProxy(postgres.port) as proxy, flight.connect(server.url) as client:
        wire.update(client, f"ATTACH 'postgresql://postgres@127.0.0.1:{proxy.port}/postgres' AS left_alone "
                            "(TYPE adbc, DRIVER 'postgresql', CONNECT_TIMEOUT '600 s')")
        proxy.mode = "reset"
        wait_until(lambda: proxy.open == 0, what="the end of its connections")
        proxy.mode = "hang"
        waits = [in_background(lambda: wire.query(client, "SELECT count(*) AS n FROM left_alone.public.t")) for _ in range(3)]
        wait_until(lambda: proxy.open > 0, what="the new connection")
        detached = in_background(lambda: wire.update(client, "DETACH left_alone"))
        check_that_others_are_well(server)
        assert detached() == "well"
        for wait in waits:
            said = wait()
            assert "left_alone" in said and "detached" in said, said


def test_a_server_ends_while_it_attaches_one_that_hangs(postgres):
    environment = {"HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    with FaultyProxy(postgres.port) as proxy, ServerProcess("--client-attach", environment=environment) as process:
        proxy.mode = "hang"
        with flight.connect(process.url) as client:
            wait = in_background(lambda: attach(client, "endless", proxy.port))
            wait_until(lambda: proxy.open > 0, what="the connection")
            assert process.terminate() == 0
            assert wait() != "well"


def test_many_connections_that_were_made_at_one_moment(server, postgres):
    """Through a relay their ports do not tell which is whose; each that hangs is cut off all the same."""
    readers = 6
    with FaultyProxy(postgres.port) as proxy, flight.connect(server.url) as client:
        attach(client, "burst", proxy.port)
        proxy.mode = "hang"  # holds those who connect, so that all of them do
        hung = threading.Barrier(readers + 1)

        def read():
            with flight.connect(server.url) as own:
                info = own.get_flight_info(wire.statement_query("SELECT * FROM burst.public.t"))
                reader = own.do_get(info.endpoints[0].ticket)
                assert reader.read_chunk().data.num_rows > 0
                hung.wait()  # all of them read
                hung.wait()  # and the database hangs
                wire.read_to_end(reader)

        waits = [in_background(read) for _ in range(readers)]
        wait_until(lambda: proxy.open >= readers, seconds=20, what="the connections")
        proxy.mode = "pass"
        hung.wait(30)
        proxy.mode = "hang"
        hung.wait(30)
        check_that_others_are_well(server)
        for wait in waits:
            assert "burst" in wait()
        check_recovery(client, proxy, "burst")
        wire.update(client, "DETACH burst")


def test_another_table_of_that_name_in_mid_query(server, postgres):
    """What is being read stays what it was; the next statement sees the new table, or says that it has changed."""
    postgres.run("CREATE TABLE swapped AS SELECT i, repeat('x', 100) AS filling FROM generate_series(1, 200000) g(i)")
    with flight.connect(server.url) as client:
        info = client.get_flight_info(wire.statement_query("SELECT * FROM well.public.swapped"))
        reader = client.do_get(info.endpoints[0].ticket)
        rows = reader.read_chunk().data.num_rows
        swap = threading.Thread(target=lambda: postgres.run(
            "BEGIN; ALTER TABLE swapped RENAME TO old; CREATE TABLE swapped (i text, other int); COMMIT; DROP TABLE old"))
        swap.start()
        assert rows + len(wire.read_to_end(reader)) == 200_000
        swap.join()
        sql = "SELECT * FROM well.public.swapped"
        said = outcome(lambda: wire.query(client, sql))
        assert said == "well" or "changed" in said, said
        assert wire.query(client, sql) == []
        assert [row["column_name"] for row in wire.query(client, "DESCRIBE well.public.swapped")] == ["i", "other"]
