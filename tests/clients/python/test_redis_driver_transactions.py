"""Transactions of the Redis driver (MULTI, EXEC, WATCH), and what becomes of rows whose key is there."""

import datetime

import adbc_driver_manager
import adbc_driver_manager.dbapi as dbapi
import pyarrow as pa
import pytest
from adbc_calls import rows, run
from redis_driver import LIBRARY, connect, named
from valkey_server import ValkeyServer

Code = adbc_driver_manager.AdbcStatusCode


@pytest.fixture(scope="module")
def valkey():
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def other(valkey, unique):
    """Somebody else, in autocommit mode."""
    with connect(valkey, prefix=unique) as connection:
        yield connection


@pytest.fixture
def redis(valkey, unique):
    """In a transaction, as dbapi begins."""
    with dbapi.connect(driver=str(LIBRARY), db_kwargs={"uri": valkey.uri, **named({"prefix": unique})}) as connection:
        yield connection


@pytest.fixture
def table(other):
    run(other, "CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT)")
    run(other, "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    return "t"


def failure(call):
    with pytest.raises(adbc_driver_manager.Error) as caught:
        call()
    return caught.value


def ingest(connection, data, table="t", mode="append", **options):
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{f"adbc.redis.ingest.{name}": value for name, value in options.items()})
        return cursor.adbc_ingest(table, data, mode=mode)


def some(*ids, v="new"):
    return pa.table({"id": pa.array(ids, pa.int64()), "v": pa.array([v] * len(ids))})


ALL = "SELECT id, v FROM t"


class TestTransactions:
    def test_is_seen_as_a_whole_after_its_commit(self, redis, other, table):
        assert run(redis, "INSERT INTO t VALUES (3, 'c')") == 1
        assert run(redis, "UPDATE t SET v = 'B' WHERE id = 2") == 1
        assert run(redis, "DELETE FROM t WHERE id IN (1, 99)") == 1
        assert rows(other, ALL) == [(1, "a"), (2, "b")]
        redis.commit()
        assert rows(other, ALL) == [(2, "B"), (3, "c")]

    def test_leaves_nothing_when_it_is_rolled_back(self, redis, other, table, valkey, unique):
        before = sorted(valkey.run("KEYS", f"*{unique}*").splitlines())
        run(redis, "INSERT INTO t VALUES (3, 'c')")
        run(redis, "DROP TABLE t")
        ingest(redis, some(*range(5000)), "fresh", mode="create")
        redis.rollback()
        assert rows(other, ALL) == [(1, "a"), (2, "b")]
        assert sorted(set(valkey.run("KEYS", f"*{unique}*").splitlines())) == sorted([*before, f"{{{unique}:fresh}}:#version", f"{{{unique}:fresh}}:#counter"])

    def test_ends_with_its_connection(self, valkey, unique, other, table):
        with dbapi.connect(driver=str(LIBRARY), db_kwargs={"uri": valkey.uri, **named({"prefix": unique})}) as connection:
            run(connection, "INSERT INTO t VALUES (3, 'c')")
            ingest(connection, some(*range(2000)), "fresh", mode="create")
        assert rows(other, ALL) == [(1, "a"), (2, "b")]
        assert "fresh}:1:" not in valkey.run("KEYS", f"*{unique}*")

    def test_makes_and_replaces_and_drops_tables(self, redis, other, table):
        run(redis, "CREATE TABLE n (id INT PRIMARY KEY)")
        run(redis, "INSERT INTO n VALUES (1), (2)")
        ingest(redis, some(7), mode="replace")
        assert failure(lambda: rows(other, "SELECT * FROM n")).status_code == Code.NOT_FOUND
        assert rows(other, ALL) == [(1, "a"), (2, "b")]
        redis.commit()
        assert rows(other, "SELECT * FROM n") == [(1,), (2,)]
        assert rows(other, ALL) == [(7, "new")]
        run(redis, "DROP TABLE n")
        run(redis, "DELETE FROM t")
        redis.commit()
        assert failure(lambda: rows(other, "SELECT * FROM n")).status_code == Code.NOT_FOUND
        assert rows(other, ALL) == []

    def test_does_not_read_what_it_has_changed(self, redis, table):
        assert rows(redis, ALL) == [(1, "a"), (2, "b")]
        run(redis, "INSERT INTO t VALUES (3, 'c')")
        error = failure(lambda: rows(redis, ALL))
        assert error.status_code == Code.NOT_IMPLEMENTED and "commit before you read" in str(error)
        redis.commit()
        assert len(rows(redis, ALL)) == 3

    def test_turning_autocommit_on_commits(self, redis, other, table):
        run(redis, "INSERT INTO t VALUES (3, 'c')")
        redis.adbc_connection.set_autocommit(True)
        assert len(rows(other, ALL)) == 3
        for call in (redis.adbc_connection.commit, redis.adbc_connection.rollback):
            assert failure(call).status_code == Code.INVALID_STATE

    def test_nothing_is_committed_after_a_statement_that_failed(self, redis, other, table):
        run(redis, "INSERT INTO t VALUES (3, 'c')")
        data = pa.table({"id": pa.array([*range(10, 5000), None], pa.int64())})
        assert "row 4990" in str(failure(lambda: ingest(redis, data)))
        assert "has failed" in str(failure(lambda: run(redis, "INSERT INTO t VALUES (4, 'd')")))
        assert failure(redis.commit).status_code == Code.INVALID_STATE
        assert len(rows(other, ALL)) == 2
        run(redis, "INSERT INTO t VALUES (5, 'e')")
        redis.commit()
        assert len(rows(other, ALL)) == 3

    def test_has_a_size(self, valkey, unique, other, table):
        options = named({"prefix": unique, "transaction_bytes_max": 100_000})
        with dbapi.connect(driver=str(LIBRARY), db_kwargs={"uri": valkey.uri, **options}) as connection:
            error = failure(lambda: ingest(connection, some(*range(10, 5000))))
            assert error.status_code == Code.INVALID_STATE and "transaction_bytes_max" in str(error)
        assert len(rows(other, ALL)) == 2


class TestSomebodyElse:
    """What a transaction has read must be so when it is committed."""

    @pytest.mark.parametrize("theirs, conflicts", [
        ("UPDATE t SET v = 'theirs' WHERE id = 2", True), ("DELETE FROM t WHERE id = 1", True), ("DROP TABLE t", True),
        ("DELETE FROM t", True), ("INSERT INTO t VALUES (9, 'theirs')", True), ("CREATE TABLE elsewhere (id INT)", False)])
    def test_changes_a_table_that_was_read(self, redis, other, table, theirs, conflicts):
        rows(redis, ALL)
        run(other, theirs)
        run(redis, "CREATE TABLE ours (id INT)")
        if not conflicts:
            return redis.commit()
        error = failure(redis.commit)
        assert error.status_code == Code.INVALID_STATE and "Somebody else" in str(error)
        assert failure(lambda: rows(other, "SELECT * FROM ours")).status_code == Code.NOT_FOUND

    def test_writes_the_same_key(self, redis, other, table):
        ingest(redis, some(5), on_conflict="error")
        run(other, "INSERT INTO t VALUES (5, 'theirs')")
        assert failure(redis.commit).status_code == Code.INVALID_STATE
        assert (5, "theirs") in rows(other, ALL)
        ingest(redis, some(6), on_conflict="error")
        run(other, "INSERT INTO t VALUES (7, 'theirs')")
        redis.commit()  # another key
        assert len(rows(other, ALL)) == 5

    def test_makes_the_table(self, redis, other):
        run(redis, "CREATE TABLE n (id INT)")
        run(other, "CREATE TABLE n (other TEXT)")
        assert failure(redis.commit).status_code == Code.INVALID_STATE
        assert rows(other, "SELECT other FROM n") == []

    def test_kills_the_connection(self, redis, other, table, valkey):
        run(redis, "INSERT INTO t VALUES (3, 'c')")
        valkey.run("CLIENT", "KILL", "TYPE", "normal")
        error = failure(redis.commit)
        assert error.status_code == Code.IO
        assert failure(lambda: rows(other, ALL)).status_code == Code.IO  # it was killed as well, and is made anew
        assert rows(other, ALL) == [(1, "a"), (2, "b")]
        run(redis, "INSERT INTO t VALUES (4, 'd')")
        redis.commit()

    def test_made_a_row_something_else(self, redis, other, table, valkey, unique):
        """EXEC rolls nothing back, and the error says so."""
        valkey.run("SET", f"{{{unique}:t}}:1:3", "no hash")
        run(redis, "INSERT INTO t VALUES (3, 'c'), (4, 'd')")
        error = failure(redis.commit)
        assert "others were carried out" in str(error)
        valkey.run("DEL", f"{{{unique}:t}}:1:3")
        assert (4, "d") in rows(other, ALL)


class TestKeysThatAreThere:
    @pytest.fixture(params=["transaction", "autocommit"])
    def writer(self, request, redis, other):
        if request.param == "autocommit":
            redis.adbc_connection.set_autocommit(True)
        in_transaction = request.param == "transaction"
        redis.finish = redis.commit if in_transaction else lambda: None
        redis.undo = redis.rollback if in_transaction else lambda: None
        return redis

    def test_are_replaced(self, writer, other, table):
        assert ingest(writer, some(2, 3)) == 2
        writer.finish()
        assert rows(other, ALL) == [(1, "a"), (2, "new"), (3, "new")]

    def test_are_an_error(self, writer, other, table):
        error = failure(lambda: ingest(writer, some(3, 2), on_conflict="error"))
        assert error.status_code == Code.INTEGRITY and "Column id, row 1: 2" in str(error)
        writer.undo()
        assert "row 1" in str(failure(lambda: ingest(writer, some(5, 5), on_conflict="error")))
        assert rows(other, ALL) == [(1, "a"), (2, "b")]

    def test_are_kept(self, writer, other, table):
        assert ingest(writer, some(2, 3, 3), on_conflict="nothing") == 1
        writer.finish()
        assert rows(other, ALL) == [(1, "a"), (2, "b"), (3, "new")]

    def test_are_merged(self, writer, other):
        run(other, "CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT, n INT)")
        run(other, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)")
        assert ingest(writer, some(2, 3), on_conflict="update") == 2
        writer.finish()
        assert rows(other, "SELECT * FROM t") == [(1, "a", 1), (2, "new", 2), (3, "new", None)]
        data = pa.table({"id": [1, 2], "v": pa.array([None, "x"]), "n": pa.array([7, None], pa.int32())})
        assert ingest(writer, data, on_conflict="update", updated='["N"]') == 2
        writer.finish()
        assert rows(other, "SELECT * FROM t") == [(1, "a", 7), (2, "new", None), (3, "new", None)]
        assert "second time" in str(failure(lambda: ingest(writer, some(8, 8), on_conflict="update")))

    @pytest.mark.parametrize("options", [{"on_conflict": "ignore"}, {"updated": "v"}, {"updated": "[1]"}])
    def test_options_are_checked(self, other, table, options):
        assert failure(lambda: ingest(other, some(1), **options)).status_code == Code.INVALID_ARGUMENT

    def test_within_one_transaction(self, redis, other, table):
        ingest(redis, some(5), on_conflict="error")
        run(redis, "DELETE FROM t WHERE id = 1")
        ingest(redis, some(1), on_conflict="error")
        redis.commit()
        assert rows(other, ALL) == [(1, "new"), (2, "b"), (5, "new")]
        ingest(redis, some(6), on_conflict="error")
        assert failure(lambda: ingest(redis, some(6), on_conflict="error")).status_code == Code.INTEGRITY


class TestUpdate:
    def test_of_bound_rows(self, other, table):
        with other.cursor() as cursor:
            cursor.executemany("UPDATE t SET v = ? WHERE id = ?", [("x", 1), ("y", 2), ("z", 3)])
        assert rows(other, ALL) == [(1, "x"), (2, "y")]
        assert run(other, "UPDATE t SET v = NULL WHERE id IN (1, 2, 3)") == 2
        assert rows(other, ALL) == [(1, None), (2, None)]

    def test_of_the_time_moves_the_row(self, other, valkey, unique):
        run(other, "CREATE TABLE m (id INT PRIMARY KEY, ts TIMESTAMP, v INT) WITH (time = 'ts', retention = '18000 days')")
        run(other, "INSERT INTO m VALUES (1, '2024-01-01', 1), (2, '2024-01-02', 2)")
        before = int(valkey.run("PEXPIRETIME", f"{{{unique}:m}}:1:1"))
        assert run(other, "UPDATE m SET ts = '2024-01-03' WHERE id = 1") == 1
        assert rows(other, "SELECT id FROM m WHERE ts > '2024-01-02' ORDER BY ts") == [(1,)]
        assert int(valkey.run("PEXPIRETIME", f"{{{unique}:m}}:1:1")) - before == datetime.timedelta(days=2) / datetime.timedelta(milliseconds=1)
        assert failure(lambda: run(other, "UPDATE m SET ts = NULL WHERE id = 1")).status_code == Code.INTEGRITY

    @pytest.mark.parametrize("sql, code", [
        ("UPDATE t SET id = 3 WHERE id = 1", Code.NOT_IMPLEMENTED), ("UPDATE t SET v = 'x'", Code.NOT_IMPLEMENTED),
        ("UPDATE t SET v = 'x' WHERE v = 'a'", Code.NOT_IMPLEMENTED), ("UPDATE t SET v = v WHERE id = 1", Code.NOT_IMPLEMENTED),
        ("UPDATE t SET v = 1 WHERE id = 1", Code.INVALID_ARGUMENT), ("UPDATE t SET w = 'x' WHERE id = 1", Code.NOT_FOUND),
        ("UPDATE t SET v = 'x', v = 'y' WHERE id = 1", Code.INVALID_ARGUMENT), ("UPDATE u SET v = 'x' WHERE id = 1", Code.NOT_FOUND)])
    def test_refuses_the_rest(self, other, table, sql, code):
        assert failure(lambda: run(other, sql)).status_code == code
        assert rows(other, ALL) == [(1, "a"), (2, "b")]
