"""Results through the stock Python driver: large, several at once, in parts, cancelled, abandoned, failing half way."""

import threading
import time

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow as pa
import pyarrow.flight
import pytest
from adbc_calls import arrow, rows, run, value
from server_process import wait_until

ENDLESS = "SELECT count(*) FROM range(100000000000) a(x), range(1000) b(y) WHERE (x * 7 + y) % 13 = 20 AND '{}' <> ''"


def running(connection, text):
    """Statements of other sessions that run now and contain `text`."""
    return value(connection, f"""SELECT count(*) FROM hyprstream.queries
                                 WHERE state = 'running' AND contains(text, '{text}') AND NOT contains(text, 'hyprstream.queries')""")


# ---- size

def test_batches_stay_below_the_clients_16_mib(auto):
    table = arrow(auto, "SELECT i, repeat('x', 1000) AS s FROM range(100000) t(i)")
    assert table.num_rows == 100000 and table.nbytes > 6 * 16 << 20
    assert all(batch.nbytes < 16 << 20 for batch in table.to_batches())


def test_cells_of_several_megabytes(auto, unique):
    run(auto, f"CREATE TABLE {unique} (i INTEGER, s VARCHAR, b BLOB)")
    for i in range(5):
        run(auto, f"INSERT INTO {unique} VALUES (?, ?, ?)", (i, chr(97 + i) * 3_000_000, b"\x00" * 4_000_000))
    got = rows(auto, f"SELECT i, s, b FROM {unique} ORDER BY i")
    assert [(i, s[0], len(s), len(b)) for i, s, b in got] == [(i, chr(97 + i), 3_000_000, 4_000_000) for i in range(5)]


def test_a_cell_beyond_a_message_is_an_error_that_says_so(auto, unique):
    run(auto, f"CREATE TABLE {unique} (s VARCHAR)")
    run(auto, f"INSERT INTO {unique} VALUES (?)", ("x" * 10_000_000,))
    with pytest.raises(auto.Error, match="Row 0 of the result takes 2.* bytes"):
        rows(auto, f"SELECT s || s AS s FROM {unique}")
    assert value(auto, "SELECT 1") == 1


def test_a_million_rows(auto):
    table = arrow(auto, "SELECT i, i % 7 AS k, i / 2 AS d FROM range(1000000) t(i)")
    assert table.num_rows == 1000000
    assert pa.compute.sum(table.column("i")).as_py() == sum(range(1000000))


def test_rows_come_in_order(auto):
    table = arrow(auto, "SELECT i FROM range(1000000) t(i) ORDER BY (i * 7919) % 1000003")
    values = table.column("i").to_pylist()
    assert [(i * 7919) % 1000003 for i in values] == sorted((i * 7919) % 1000003 for i in values)


def test_a_hundred_columns(auto):
    table = arrow(auto, "SELECT " + ", ".join(f"{i} AS c{i}" for i in range(500)))
    assert table.num_columns == 500


# ---- several at once

@pytest.mark.parametrize("autocommit", [True, False])
def test_two_results_open_on_one_connection(server, autocommit):
    with flightsql.connect(server.url, autocommit=autocommit) as connection:
        with connection.cursor() as a, connection.cursor() as b:
            a.execute("SELECT i FROM range(500000) t(i)")
            b.execute("SELECT -i FROM range(500000) t(i)")
            left, right = a.fetch_record_batch(), b.fetch_record_batch()
            total = 0
            for x, y in zip(left, right):
                total += sum(x.column(0).to_pylist()) + sum(y.column(0).to_pylist())
            total += sum(sum(batch.column(0).to_pylist()) for batch in [*left, *right])
        assert total == 0


def test_a_statement_beside_an_open_result(auto, unique):
    run(auto, f"CREATE TABLE {unique} AS SELECT * FROM range(300000) t(i)")
    with auto.cursor() as cursor:
        cursor.execute(f"SELECT i FROM {unique}")
        first = cursor.fetchone()
        run(auto, f"INSERT INTO {unique} VALUES (-1)")
        assert value(auto, f"SELECT count(*) FROM {unique}") == 300001
        assert len(cursor.fetchall()) == 299999 and first == (0,)


def test_closing_with_open_results(server):
    with flightsql.connect(server.url, autocommit=True) as connection:
        for _ in range(5):
            connection.cursor().execute("SELECT i, repeat('x', 100) FROM range(10000000) t(i)").fetchone()
    with flightsql.connect(server.url, autocommit=True) as connection:
        assert wait_until(lambda: running(connection, "range(10000000)") == 0, what="the abandoned queries' end")


def test_executing_again_drops_the_first_result(auto):
    with auto.cursor() as cursor:
        cursor.execute("SELECT i FROM range(10000000) t(i)")
        assert cursor.execute("SELECT 1").fetchall() == [(1,)]


def test_many_threads_on_one_database(server):
    errors = []

    def work(n):
        try:
            with flightsql.connect(server.url, autocommit=True) as connection:
                for i in range(10):
                    assert value(connection, "SELECT ?::INTEGER + ?::INTEGER", (n, i)) == n + i
        except BaseException as error:  # noqa: BLE001 - handed to the test's thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


# ---- partitions

@pytest.mark.parametrize("autocommit", [True, False])
def test_partitions_are_read_by_another_connection(server, other, autocommit):
    with flightsql.connect(server.url, autocommit=autocommit) as connection, connection.cursor() as cursor:
        partitions, schema = cursor.adbc_execute_partitions("SELECT i, 'x' AS s FROM range(1000) t(i)")
        assert schema == pa.schema([("i", pa.int64()), ("s", pa.string())])
        with other.cursor() as reader:
            total = 0
            for partition in partitions:
                reader.adbc_read_partition(partition)
                total += reader.fetch_arrow_table().num_rows
            assert total == 1000
            with pytest.raises(other.Error, match="NOT_FOUND.*fetched already"):
                reader.adbc_read_partition(partitions[0])


# ---- FlightInfo

def test_flight_info_equals_the_stream(server, unique):
    """Schema, route and count, seen without the driver."""
    with flightsql.connect(server.url, autocommit=True) as connection:
        run(connection, f"CREATE TABLE {unique} (i INTEGER NOT NULL, e ENUM('a'), u UUID, d DECIMAL(9,2), l INTEGER[])")
        run(connection, f"INSERT INTO {unique} VALUES (1, 'a', uuid(), 1.5, [1])")
    with pyarrow.flight.connect(server.url) as client:
        for descriptor in (pyarrow.flight.FlightDescriptor.for_path(unique), pyarrow.flight.FlightDescriptor.for_path("main", unique)):
            info = client.get_flight_info(descriptor)
            reader = client.do_get(info.endpoints[0].ticket)
            assert info.schema.equals(reader.schema, check_metadata=True)
            assert b'"route":"local"' in info.app_metadata.replace(b" ", b"")
            assert reader.read_all().num_rows == 1


# ---- failing half way

def test_an_error_in_mid_stream_arrives_with_its_text(auto):
    with auto.cursor() as cursor:
        with pytest.raises(auto.Error, match="(?s)INVALID_ARGUMENT.*Could not convert string 'x' to INT32"):
            cursor.execute("SELECT CASE WHEN i < 900000 THEN '1' ELSE 'x' END::INTEGER FROM range(1000000) t(i)")
            cursor.fetchall()
    assert value(auto, "SELECT 1") == 1


def test_error_function_text(auto):
    with pytest.raises(auto.Error, match="my own words: größe"):
        rows(auto, "SELECT CASE WHEN i = 500000 THEN error('my own words: größe') END FROM range(1000000) t(i)")


# ---- cancel

@pytest.mark.parametrize("autocommit", [True, False])
def test_cancel_stops_the_work(server, other, autocommit):
    with flightsql.connect(server.url, autocommit=autocommit) as connection, connection.cursor() as cursor:
        mark = f"mark_{autocommit}"
        failed = []

        def work():
            try:
                cursor.execute(ENDLESS.format(mark)).fetchall()
            except connection.Error as error:
                failed.append(str(error))

        thread = threading.Thread(target=work)
        thread.start()
        wait_until(lambda: running(other, mark) == 1, what="the query's start")
        began = time.monotonic()
        cursor.adbc_cancel()
        thread.join(timeout=30)
        assert not thread.is_alive() and failed and "ancel" in failed[0]
        wait_until(lambda: running(other, mark) == 0, seconds=10, what="the query's end on the server")
        assert time.monotonic() - began < 10
        connection.rollback()
        assert value(connection, "SELECT 1") == 1


def test_a_time_out_of_the_client_stops_the_work(server, other):
    options = {"adbc.flight.sql.rpc.timeout_seconds.fetch": "0.5", "adbc.flight.sql.rpc.timeout_seconds.query": "0.5"}
    with flightsql.connect(server.url, conn_kwargs=options, autocommit=True) as connection:
        with pytest.raises(connection.Error, match="(?i)deadline|timeout"):
            rows(connection, ENDLESS.format("mark_deadline"))
        wait_until(lambda: running(other, "mark_deadline") == 0, what="the query's end on the server")


def test_an_abandoned_query_stops(server, other):
    with flightsql.connect(server.url, autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT x, y FROM range(100000000000) a(x), range(1000) b(y) WHERE 'mark_gone' <> ''")
        cursor.fetchone()
        assert running(other, "mark_gone") == 1
        cursor.close()
        wait_until(lambda: running(other, "mark_gone") == 0, what="the query's end on the server")
        assert value(connection, "SELECT 1") == 1
