"""Transactions through the stock Python driver: DB-API's own mode, autocommit, conflicts, and what belongs to one."""

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow as pa
import pytest
from adbc_calls import ingest, rows, run, value


def test_commit(connection, other, unique):
    run(connection, f"CREATE TABLE {unique} (i INTEGER)")
    assert run(connection, f"INSERT INTO {unique} VALUES (1), (2)") == 2
    assert rows(connection, f"SELECT * FROM {unique}") == [(1,), (2,)]
    with pytest.raises(other.Error, match="NOT_FOUND"):
        rows(other, f"SELECT * FROM {unique}")
    connection.commit()
    assert value(other, f"SELECT count(*) FROM {unique}") == 2


def test_rollback(connection, other, unique):
    run(other, f"CREATE TABLE {unique} (i INTEGER)")
    run(connection, f"INSERT INTO {unique} VALUES (1)")
    run(connection, f"CREATE TABLE n_{unique} (i INTEGER)")
    connection.rollback()
    assert value(connection, f"SELECT count(*) FROM {unique}") == 0
    with pytest.raises(connection.Error, match="NOT_FOUND"):
        rows(connection, f"SELECT * FROM n_{unique}")


def test_closing_rolls_back(server, other, unique):
    run(other, f"CREATE TABLE {unique} (i INTEGER)")
    with flightsql.connect(server.url) as connection:
        run(connection, f"INSERT INTO {unique} VALUES (1)")
    assert value(other, f"SELECT count(*) FROM {unique}") == 0


def test_table_view_rows_and_query_in_one_transaction(connection, other, unique):
    run(connection, f"CREATE TABLE {unique} (ts TIMESTAMP, k INTEGER, v DOUBLE) WITH (time = 'ts')")
    run(connection, f"""CREATE MATERIALIZED VIEW v_{unique} AS SELECT time_bucket(INTERVAL '5 minutes', ts) AS w, k,
                        count(*) AS n, sum(v) AS s FROM {unique} GROUP BY ALL""")
    run(connection, f"INSERT INTO {unique} VALUES ('2024-01-01 00:01', 1, 2.5), ('2024-01-01 00:02', 1, 1.5)")
    assert value(connection, f"SELECT count(*) FROM {unique}") == 2
    connection.commit()
    assert rows(connection, f"SELECT k, n, s FROM v_{unique}") == [(1, 2, 4.0)]
    assert rows(other, f"SELECT k, n, s FROM v_{unique}") == [(1, 2, 4.0)]


def test_view_rolled_back_with_its_table(connection, other, unique):
    run(connection, f"CREATE TABLE {unique} (k INTEGER)")
    run(connection, f"CREATE MATERIALIZED VIEW v_{unique} AS SELECT k, count(*) AS n FROM {unique} GROUP BY ALL")
    connection.rollback()
    for name in (unique, f"v_{unique}"):
        with pytest.raises(other.Error, match="NOT_FOUND"):
            rows(other, f"SELECT * FROM {name}")


def test_rows_of_a_transaction_reach_views_at_its_commit(connection, other, unique):
    run(other, f"CREATE TABLE {unique} (k INTEGER)")
    run(other, f"CREATE MATERIALIZED VIEW v_{unique} AS SELECT k, count(*) AS n FROM {unique} GROUP BY ALL")
    run(connection, f"INSERT INTO {unique} VALUES (1), (1)")
    assert rows(connection, f"SELECT * FROM {unique}") == [(1,), (1,)]
    assert rows(connection, f"SELECT * FROM v_{unique}") == []
    assert rows(other, f"SELECT * FROM v_{unique}") == []
    connection.commit()
    assert rows(other, f"SELECT * FROM v_{unique}") == [(1, 2)]


def test_a_statement_is_used_again_in_the_next_transaction(connection, other, unique):
    """The driver prepares a cursor's statement once and names no transaction when it runs it again."""
    run(other, f"CREATE TABLE {unique} (i INTEGER)")
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {unique} VALUES (1)")
        connection.rollback()
        cursor.execute(f"INSERT INTO {unique} VALUES (1)")
        assert value(other, f"SELECT count(*) FROM {unique}") == 0
        connection.commit()
        assert value(other, f"SELECT count(*) FROM {unique}") == 1
        cursor.execute(f"INSERT INTO {unique} VALUES (1)")
        assert value(other, f"SELECT count(*) FROM {unique}") == 1
        connection.rollback()
    assert value(other, f"SELECT count(*) FROM {unique}") == 1


def test_a_statement_is_used_across_autocommit(server, other, unique):
    run(other, f"CREATE TABLE {unique} (i INTEGER)")
    insert = f"INSERT INTO {unique} VALUES (1)"
    with flightsql.connect(server.url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(insert)
        connection.adbc_connection.set_autocommit(False)
        cursor.execute(insert)
        assert value(other, f"SELECT count(*) FROM {unique}") == 1
        connection.adbc_connection.rollback()
        cursor.execute(insert)
        connection.adbc_connection.set_autocommit(True)  # commits
        cursor.execute(insert)
    assert value(other, f"SELECT count(*) FROM {unique}") == 3


def test_rows_of_a_query_outlive_its_transaction(connection, other, unique):
    run(other, f"CREATE TABLE {unique} AS SELECT * FROM range(500000) t(i)")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT i FROM {unique}")
        connection.commit()
        run(connection, f"DELETE FROM {unique}")
        assert sum(row[0] for row in cursor.fetchall()) == sum(range(500000))
    connection.rollback()


def test_what_follows_a_query_does_not_change_its_rows(connection, unique):
    run(connection, f"CREATE TABLE {unique} AS SELECT 1 AS i")
    for _ in range(20):
        with connection.cursor() as before:
            before.execute(f"SELECT count(*) FROM {unique}")
            run(connection, f"INSERT INTO {unique} VALUES (2)")
            with connection.cursor() as after:
                after.execute(f"SELECT count(*) FROM {unique}")
                assert after.fetchone()[0] == before.fetchone()[0] + 1


def test_a_transaction_keeps_its_snapshot(connection, other, unique):
    run(other, f"CREATE TABLE {unique} AS SELECT 1 AS i")
    assert value(connection, f"SELECT count(*) FROM {unique}") == 1
    run(other, f"INSERT INTO {unique} VALUES (2)")
    assert value(connection, f"SELECT count(*) FROM {unique}") == 1
    connection.commit()
    assert value(connection, f"SELECT count(*) FROM {unique}") == 2


def test_conflicting_updates_are_reported_and_not_lost(server, other, unique):
    run(other, f"CREATE TABLE {unique} AS SELECT 1 AS i, 0 AS v")
    with flightsql.connect(server.url) as first, flightsql.connect(server.url) as second:
        value(second, f"SELECT v FROM {unique}")
        run(first, f"UPDATE {unique} SET v = v + 1")
        with pytest.raises(second.Error, match="[Cc]onflict"):
            run(second, f"UPDATE {unique} SET v = v + 10")
            first.commit()
            second.commit()
        second.rollback()
        first.commit()
        run(second, f"UPDATE {unique} SET v = v + 100")
        second.commit()
    assert value(other, f"SELECT v FROM {unique}") == 101


def test_a_duplicate_key_that_fails_at_commit(server, other, unique):
    run(other, f"CREATE TABLE {unique} (i INTEGER PRIMARY KEY, v INTEGER)")
    run(other, f"CREATE MATERIALIZED VIEW v_{unique} AS SELECT count(*) AS n, sum(v) AS s FROM {unique}")
    with flightsql.connect(server.url) as first, flightsql.connect(server.url) as second:
        run(first, f"INSERT INTO {unique} VALUES (1, 10)")
        run(second, f"INSERT INTO {unique} VALUES (1, 20)")
        first.commit()
        with pytest.raises(second.Error, match="(?i)duplicate|conflict"):
            second.commit()
        assert rows(other, f"SELECT * FROM {unique}") == [(1, 10)]
        assert rows(other, f"SELECT * FROM v_{unique}") == [(1, 10)]
        # The driver has no transaction any more and cannot get one; a new connection does (docs/flight.md).
        with pytest.raises(second.Error, match="missing a valid transaction"):
            run(second, "SELECT 1")
        with pytest.raises(second.Error, match="missing a valid transaction"):
            second.rollback()
    with flightsql.connect(server.url) as third:
        run(third, f"INSERT INTO {unique} VALUES (2, 20)")
        third.commit()
    assert rows(other, f"SELECT * FROM v_{unique}") == [(2, 30)]


def test_an_error_in_a_transaction_can_be_rolled_back(connection, unique):
    run(connection, f"CREATE TABLE {unique} (i INTEGER PRIMARY KEY)")
    connection.commit()
    run(connection, f"INSERT INTO {unique} VALUES (1)")
    with pytest.raises(connection.Error, match="duplicate key"):
        run(connection, f"INSERT INTO {unique} VALUES (1)")
    with pytest.raises(connection.Error, match="ROLLBACK"):
        rows(connection, f"SELECT * FROM {unique}")
    connection.rollback()
    assert value(connection, f"SELECT count(*) FROM {unique}") == 0


def test_a_syntax_error_does_not_end_a_transaction(connection, other, unique):
    run(other, f"CREATE TABLE {unique} (i INTEGER)")
    run(connection, f"INSERT INTO {unique} VALUES (1)")
    with pytest.raises(connection.Error):
        rows(connection, "SELEC 1")
    connection.commit()
    assert value(other, f"SELECT count(*) FROM {unique}") == 1


@pytest.mark.parametrize("sql", ["SELECT * FROM nowhere", "SELECT nothing FROM range(3)", "SELECT 'x'::INTEGER"])
def test_commit_after_an_error_says_that_nothing_was_committed(server, other, unique, sql):
    run(other, f"CREATE TABLE {unique} (i INTEGER)")
    with flightsql.connect(server.url) as connection:
        run(connection, f"INSERT INTO {unique} VALUES (1)")
        with pytest.raises(connection.Error):
            rows(connection, sql)
        with pytest.raises(connection.Error, match="Nothing was committed|aborted"):
            connection.commit()
    assert value(other, f"SELECT count(*) FROM {unique}") == 0


def test_begin_and_commit_as_sql(auto, other, unique):
    run(other, f"CREATE TABLE {unique} (i INTEGER)")
    run(auto, "BEGIN")
    run(auto, f"INSERT INTO {unique} VALUES (1)")
    assert value(auto, f"SELECT count(*) FROM {unique}") == 1
    assert value(other, f"SELECT count(*) FROM {unique}") == 0
    run(auto, "ROLLBACK")
    run(auto, "BEGIN TRANSACTION")
    ingest(auto, unique, pa.table({"i": pa.array([2, 3], pa.int32())}))
    assert value(other, f"SELECT count(*) FROM {unique}") == 0
    run(auto, "COMMIT")
    assert rows(other, f"SELECT * FROM {unique} ORDER BY i") == [(2,), (3,)]
    for sql in ("COMMIT", "ROLLBACK"):
        with pytest.raises(auto.Error, match="No transaction is open"):
            run(auto, sql)


def test_begin_as_sql_inside_a_transaction_of_the_driver(connection):
    with pytest.raises(connection.Error, match="end it with its own calls"):
        run(connection, "BEGIN")
    with pytest.raises(connection.Error, match="end it with its own calls"):
        run(connection, "COMMIT")


def test_ingest_belongs_to_the_transaction(connection, other, unique):
    """Stock clients leave the transaction's id out of an ingest."""
    data = pa.table({"i": pa.array([1, 2], pa.int32())})
    assert ingest(connection, unique, data, mode="create") == 2
    assert value(connection, f"SELECT count(*) FROM {unique}") == 2
    with pytest.raises(other.Error, match="NOT_FOUND"):
        rows(other, f"SELECT * FROM {unique}")
    connection.rollback()
    with pytest.raises(connection.Error, match="NOT_FOUND"):
        rows(connection, f"SELECT * FROM {unique}")
    connection.rollback()
    run(other, f"CREATE TABLE {unique} (i INTEGER)")
    run(connection, f"INSERT INTO {unique} VALUES (0)")
    ingest(connection, unique, data)
    assert value(other, f"SELECT count(*) FROM {unique}") == 0
    connection.commit()
    assert value(other, f"SELECT count(*) FROM {unique}") == 3


def test_metadata_sees_the_transaction(connection, other, unique):
    run(connection, f"CREATE TABLE {unique} (i INTEGER)")
    assert connection.adbc_get_table_schema(unique).names == ["i"]
    with pytest.raises(other.Error, match="NOT_FOUND"):
        other.adbc_get_table_schema(unique)
    connection.rollback()
    with pytest.raises(connection.Error, match="NOT_FOUND"):
        connection.adbc_get_table_schema(unique)
