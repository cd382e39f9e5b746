"""Statements that change something run exactly once, whichever way the stock Python driver sends them."""

import pyarrow as pa
import pytest
from adbc_calls import ingest, rows, run, value


@pytest.fixture(params=[True, False], ids=["autocommit", "transaction"])
def counted(request, server, unique):
    """(connection, insert, count): `count()` is what other clients see after a commit, in a view as well."""
    import adbc_driver_flightsql.dbapi as flightsql

    with flightsql.connect(server.url, autocommit=True) as watcher:
        run(watcher, f"CREATE TABLE {unique} (i INTEGER)")
        run(watcher, f"CREATE MATERIALIZED VIEW v_{unique} AS SELECT count(*) AS n FROM {unique}")
        with flightsql.connect(server.url, autocommit=request.param) as connection:

            def count():
                connection.commit()
                counts = rows(watcher, f"SELECT (SELECT count(*) FROM {unique}), (SELECT n FROM v_{unique})")
                assert counts[0][0] == (counts[0][1] or 0)
                return counts[0][0]

            yield connection, f"INSERT INTO {unique} VALUES (1)", count


def test_execute_without_reading(counted):
    connection, insert, count = counted
    with connection.cursor() as cursor:
        cursor.execute(insert)
    assert count() == 1


def test_execute_and_go_on(counted):
    connection, insert, count = counted
    with connection.cursor() as cursor:
        cursor.execute(insert)
        cursor.execute("SELECT 1")
        cursor.fetchall()
    assert count() == 1


def test_execute_and_fetch(counted):
    connection, insert, count = counted
    with connection.cursor() as cursor:
        cursor.execute(insert)
        assert cursor.rowcount == 1
        assert cursor.fetchall() == []
        assert cursor.fetchall() == []
    assert count() == 1


def test_execute_and_fetch_as_arrow(counted):
    connection, insert, count = counted
    with connection.cursor() as cursor:
        cursor.execute(insert)
        assert cursor.fetch_arrow_table().num_rows == 0
    assert count() == 1


def test_returning(counted):
    connection, insert, count = counted
    with connection.cursor() as cursor:
        cursor.execute(f"{insert} RETURNING i")
        assert cursor.fetchall() == [(1,)]
        cursor.execute(f"{insert} RETURNING i")
    assert count() == 2


def test_writing_cte(counted):
    connection, insert, count = counted
    assert rows(connection, f"WITH n AS ({insert} RETURNING i) SELECT count(*) FROM n") == [(1,)]
    assert count() == 1


def test_prepare_only(counted):
    connection, insert, count = counted
    with connection.cursor() as cursor:
        cursor.adbc_prepare(insert)
        cursor.adbc_execute_schema(insert)
        cursor.adbc_execute_schema(f"{insert} RETURNING i")
    assert count() == 0


def test_prepare_then_execute(counted):
    connection, insert, count = counted
    with connection.cursor() as cursor:
        cursor.adbc_prepare(insert)
        cursor.execute(insert)
    assert count() == 1


def test_the_same_statement_three_times(counted):
    connection, insert, count = counted
    with connection.cursor() as cursor:
        for _ in range(3):
            cursor.execute(insert)
    assert count() == 3


def test_one_row_of_parameters(counted):
    connection, insert, count = counted
    with connection.cursor() as cursor:
        cursor.execute(insert.replace("(1)", "(?)"), (7,))
    assert count() == 1


def test_rows_of_parameters(counted):
    connection, insert, count = counted
    with connection.cursor() as cursor:
        cursor.execute(insert.replace("(1)", "(?)"), pa.record_batch({"i": pa.array([1, 2, 3])}))
        assert cursor.rowcount == 3
        cursor.fetchall()
    assert count() == 3


def test_executemany(counted):
    connection, insert, count = counted
    with connection.cursor() as cursor:
        cursor.executemany(insert.replace("(1)", "(?)"), [(1,), (2,)])
        cursor.executemany(insert, None)
    assert count() == 3


def test_script(counted):
    connection, insert, count = counted
    with connection.cursor() as cursor:
        cursor.executescript(f"{insert}; {insert}; {insert}")
    assert count() == 3


def test_partitions(counted):
    connection, insert, count = counted
    with connection.cursor() as cursor:
        partitions, _ = cursor.adbc_execute_partitions(insert)
        for partition in partitions:
            cursor.adbc_read_partition(partition)
            assert cursor.fetchall() == []
    assert count() == 1


def test_ingest(counted):
    connection, insert, count = counted
    table = insert.split()[2]
    assert ingest(connection, table, pa.table({"i": pa.array([1, 2, 3], pa.int32())})) == 3
    assert count() == 3


def test_failing_statement(counted):
    connection, insert, count = counted
    with pytest.raises(connection.Error):
        run(connection, f"{insert}, ('x')")
    connection.rollback()
    assert count() == 0


def test_ddl(counted):
    connection, insert, count = counted
    run(connection, insert.replace("INSERT INTO ", "CREATE TABLE c_").replace(" VALUES (1)", " AS SELECT 1 AS i"))
    assert value(connection, f"SELECT count(*) FROM c_{insert.split()[2]}") == 1
