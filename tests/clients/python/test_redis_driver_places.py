"""The Redis driver over what others have written: hashes by a pattern of their keys, and streams."""

import datetime

import adbc_driver_manager
import adbc_driver_manager.dbapi as dbapi
import pyarrow as pa
import pytest
from adbc_calls import arrow, ingest, rows, run
from redis_driver import LIBRARY, connect, named
from valkey_server import ValkeyServer

Code = adbc_driver_manager.AdbcStatusCode


@pytest.fixture(scope="module")
def valkey():
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def redis(valkey, unique):
    with connect(valkey, prefix=unique) as connection:
        yield connection
    valkey.run("FLUSHALL")


def failure(call, *words):
    with pytest.raises(adbc_driver_manager.Error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
    return caught.value


class TestHashes:
    @pytest.fixture
    def users(self, redis, valkey):
        for i in range(3):
            valkey.run("HSET", f"user:{i}", "name", f"n{i}", "age", 20 + i, "other", "x")
        valkey.run("HDEL", "user:2", "age")
        valkey.run("SET", "user:text", "no hash")
        valkey.run("HSET", "users", "name", "another")
        run(redis, "CREATE TABLE users (id BIGINT PRIMARY KEY, name TEXT, age INTEGER) WITH (hashes = 'user:*')")

    def test_are_rows(self, redis, users):
        assert sorted(rows(redis, "SELECT * FROM users")) == [(0, "n0", 20), (1, "n1", 21), (2, "n2", None)]
        assert rows(redis, "SELECT age FROM users WHERE id = 1") == [(21,)]
        assert sorted(rows(redis, "SELECT id, id FROM users WHERE id IN (2, 0, 9)")) == [(0, 0), (2, 2)]
        assert rows(redis, "SELECT name FROM users WHERE id = ?", (2,)) == [("n2",)]
        assert len(rows(redis, "SELECT name FROM users LIMIT 2")) == 2
        assert rows(redis, "SELECT name FROM users LIMIT 0") == []
        assert redis.adbc_get_table_schema("users") == pa.schema([pa.field("id", pa.int64(), False), ("name", pa.string()), ("age", pa.int32())])

    def test_are_found_as_they_come_and_go(self, redis, users, valkey):
        valkey.run("HSET", "user:7", "name", "late")
        assert rows(redis, "SELECT name, age FROM users WHERE id = 7") == [("late", None)]
        valkey.run("DEL", "user:7")
        assert rows(redis, "SELECT name FROM users WHERE id = 7") == []
        assert len(rows(redis, "SELECT id FROM users")) == 3

    def test_without_a_key_and_with_a_tail(self, redis, valkey):
        valkey.run("HSET", "a:ä:z", "v", "1.5")
        valkey.run("HSET", "a::z", "v", "2.5")
        valkey.run("HSET", "a:z", "v", "3.5")  # too short for both ends
        run(redis, "CREATE TABLE tails (k TEXT PRIMARY KEY, v DOUBLE) WITH (hashes = 'a:*:z')")
        run(redis, "CREATE TABLE bare (v DOUBLE) WITH (hashes = 'a:*:z')")
        assert sorted(rows(redis, "SELECT k, v FROM tails")) == [("", 2.5), ("ä", 1.5)]
        assert rows(redis, "SELECT v FROM tails WHERE k = 'ä'") == [(1.5,)]
        assert sorted(rows(redis, "SELECT v FROM bare")) == [(1.5,), (2.5,)]

    def test_many_are_read_once_each(self, redis, valkey):
        with connect(valkey, prefix="many") as other:
            ingest(other, "t", pa.table({"a": range(20_000)}), mode="create")
        run(redis, "CREATE TABLE m (k TEXT PRIMARY KEY, a BIGINT) WITH (hashes = '{many:t}:1:*')")
        table = arrow(redis, "SELECT * FROM m")
        assert table.num_rows == 20_000 and sorted(table["a"].to_pylist()) == list(range(20_000))

    def test_values_are_checked(self, redis, users, valkey):
        valkey.run("HSET", "user:1", "age", "old")
        failure(lambda: rows(redis, "SELECT age FROM users"), "Row 1 of table users, column age", "old")
        valkey.run("HSET", "user:01", "age", "1")
        failure(lambda: rows(redis, "SELECT name FROM users"), "user:01", "TEXT")
        valkey.run("SET", "w:x", "text")
        run(redis, "CREATE TABLE w (k TEXT PRIMARY KEY, v TEXT) WITH (hashes = 'w:*')")
        assert failure(lambda: rows(redis, "SELECT v FROM w WHERE k = 'x'"), "WRONGTYPE").status_code == Code.INVALID_DATA

    @pytest.mark.parametrize("sql", [
        "INSERT INTO users VALUES (9, 'x', 1)", "UPDATE users SET name = 'x' WHERE id = 1", "DELETE FROM users WHERE id = 1", "DELETE FROM users"])
    def test_are_only_read(self, redis, users, sql):
        error = failure(lambda: run(redis, sql), "user:*", "only read")
        assert error.status_code == Code.NOT_IMPLEMENTED
        for mode in ("append", "replace", "create_append"):
            failure(lambda: ingest(redis, "users", pa.table({"id": [9]}), mode=mode), "only read")
        assert len(rows(redis, "SELECT id FROM users")) == 3

    def test_stay_when_the_table_is_dropped(self, redis, users, valkey):
        run(redis, "DROP TABLE users")
        assert valkey.run("HGET", "user:0", "name") == "n0"
        failure(lambda: rows(redis, "SELECT * FROM users"), "Unknown table")

    @pytest.mark.parametrize("sql, text", [
        ("(k TEXT) WITH (hashes = 'user')", "one *"), ("(k TEXT) WITH (hashes = '*')", "one *"), ("(k TEXT) WITH (hashes = 'a*b*')", "one *"),
        ("(k TEXT) WITH (hashes = 'a?*')", "one *"), ("(k DOUBLE PRIMARY KEY) WITH (hashes = 'a*')", "floating-point"),
        ("(k DATE PRIMARY KEY) WITH (hashes = 'a*')", "an integer"), ("(ts TIMESTAMP) WITH (hashes = 'a*', time = 'ts')", "no index by time"),
        ("(k TEXT) WITH (hashes = 'a*', stream = 'b')", "not of both")])
    def test_patterns_are_checked(self, redis, sql, text):
        assert failure(lambda: run(redis, "CREATE TABLE bad " + sql), text).status_code == Code.INVALID_ARGUMENT


class TestStreams:
    @pytest.fixture
    def events(self, redis, valkey):
        for i in range(5):
            valkey.run("XADD", "events", f"{1_700_000_000_000 + 1000 * (i // 2)}-{i}", "kind", f"k{i}", "n", i)
        run(redis, "CREATE TABLE events (id TEXT PRIMARY KEY, ts TIMESTAMP(3), kind TEXT, n BIGINT) WITH (stream = 'events', time = 'ts')")

    def test_are_rows(self, redis, events):
        at = datetime.datetime(2023, 11, 14, 22, 13, 20)
        assert rows(redis, "SELECT * FROM events LIMIT 2") == [("1700000000000-0", at, "k0", 0), ("1700000000000-1", at, "k1", 1)]
        assert rows(redis, "SELECT n FROM events WHERE id = '1700000001000-2'") == [(2,)]
        assert rows(redis, "SELECT n FROM events WHERE id IN ('1700000002000-4', '1700000001000-3', '1', 'x', '1700000001000-9') ORDER BY ts") == [(3,), (4,)]
        assert rows(redis, "SELECT n FROM events WHERE ts >= '2023-11-14 22:13:21' ORDER BY ts DESC") == [(4,), (3,), (2,)]
        assert rows(redis, "SELECT n FROM events WHERE ts > '2023-11-14 22:13:20.5' AND ts < '2023-11-14 22:13:22'") == [(2,), (3,)]
        assert rows(redis, "SELECT n FROM events WHERE ts < '1970-01-01'") == []
        assert rows(redis, "SELECT n FROM events WHERE ts BETWEEN '1969-01-01' AND '9999-01-01' ORDER BY ts DESC LIMIT 1") == [(4,)]
        assert rows(redis, "SELECT n FROM events WHERE ts = ? AND id = '1700000000000-1'", (at,)) == [(1,)]

    def test_are_read_page_by_page_in_both_directions(self, redis, valkey):
        run(redis, "CREATE TABLE long (ts TIMESTAMP(3), n BIGINT) WITH (stream = 'long', time = 'ts')")
        assert ingest(redis, "long", pa.table({"n": range(5000)})) == 5000
        with redis.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.redis.pipeline_rows": 77, "adbc.redis.batch_rows": 500})
            for order, expected in (("", range(5000)), (" ORDER BY ts DESC", range(4999, -1, -1)), (" ORDER BY ts LIMIT 123", range(123))):
                cursor.execute("SELECT n FROM long" + order)
                assert cursor.fetch_arrow_table()["n"].to_pylist() == list(expected)

    def test_are_appended_to(self, redis, events, valkey):
        assert run(redis, "INSERT INTO events (kind, n) VALUES ('new', 5), ('new', NULL)") == 2
        assert valkey.run("XLEN", "events") == "7"
        assert rows(redis, "SELECT n FROM events ORDER BY ts DESC LIMIT 2") == [(None,), (5,)]
        assert run(redis, "INSERT INTO events (id, n) VALUES ('9000000000000-0', 7), ('9000000000000-1', 8)") == 2
        assert rows(redis, "SELECT id, n FROM events ORDER BY ts DESC LIMIT 1") == [("9000000000000-1", 8)]

    @pytest.mark.parametrize("values, text, code", [
        ("(id, n) VALUES ('1-0', 1)", "not greater than 1700000002000-4", Code.INTEGRITY), ("(id, n) VALUES ('soon', 1)", "no id", Code.INVALID_ARGUMENT),
        ("(id, n) VALUES ('9000000000000-2', 1), ('9000000000000-2', 1)", "row 1", Code.INTEGRITY), ("(id) VALUES ('9000000000000-2')", "one value", Code.INTEGRITY),
        ("(id, n) VALUES ('9000000000000-2', 1), (NULL, 2)", "all of them, or none", Code.INTEGRITY),
        ("(ts, n) VALUES ('2024-01-01', 1)", "leave the column out", Code.INVALID_ARGUMENT)])
    def test_entries_that_cannot_be_are_refused(self, redis, events, valkey, values, text, code):
        assert failure(lambda: run(redis, "INSERT INTO events " + values), text).status_code == code
        assert valkey.run("XLEN", "events") == "5"

    def test_entries_are_deleted_by_id(self, redis, events, valkey):
        assert run(redis, "DELETE FROM events WHERE id IN ('1700000000000-0', '1-1', 'x')") == 1
        assert valkey.run("XLEN", "events") == "4"
        assert failure(lambda: run(redis, "DELETE FROM events"), "by their ids").status_code == Code.NOT_IMPLEMENTED
        assert failure(lambda: run(redis, "UPDATE events SET n = 1 WHERE id = '1700000000000-1'"), "UPDATE").status_code == Code.NOT_IMPLEMENTED

    def test_within_transactions(self, redis, events, valkey, unique):
        with dbapi.connect(driver=str(LIBRARY), db_kwargs={"uri": valkey.uri, **named({"prefix": unique})}) as connection:
            run(connection, "INSERT INTO events (id, n) VALUES ('9000000000000-0', 1)")
            assert valkey.run("XLEN", "events") == "5"
            connection.commit()
            assert valkey.run("XLEN", "events") == "6"
            run(connection, "INSERT INTO events (id, n) VALUES ('9000000000000-5', 1)")
            valkey.run("XADD", "events", "9000000000000-9", "n", "7")
            assert failure(connection.commit, "Somebody else").status_code == Code.INVALID_STATE
            rows(connection, "SELECT * FROM events")
            run(connection, "CREATE TABLE u (a INT)")
            valkey.run("XADD", "events", "9000000000000-10", "n", "7")
            assert failure(connection.commit, "Somebody else").status_code == Code.INVALID_STATE

    def test_that_are_not_there_are_empty(self, redis, valkey):
        run(redis, "CREATE TABLE none (id TEXT PRIMARY KEY, a INT) WITH (stream = 'nowhere')")
        assert rows(redis, "SELECT * FROM none") == []
        assert run(redis, "INSERT INTO none VALUES ('5-1', 1)") == 1
        assert rows(redis, "SELECT * FROM none") == [("5-1", 1)]
        run(redis, "DROP TABLE none")
        assert valkey.run("XLEN", "nowhere") == "1"

    def test_values_are_checked(self, redis, events, valkey):
        valkey.run("XADD", "events", "9000000000000-0", "n", "many")
        failure(lambda: rows(redis, "SELECT n FROM events"), "Row 9000000000000-0", "column n", "many")
        valkey.run("XADD", "events", "9000000000000-1", "kind", "a", "kind", "b")
        failure(lambda: rows(redis, "SELECT kind FROM events"), "two fields kind")
        valkey.run("SET", "text", "x")
        run(redis, "CREATE TABLE wrong (a INT) WITH (stream = 'text')")
        assert failure(lambda: rows(redis, "SELECT * FROM wrong"), "WRONGTYPE").status_code == Code.INVALID_DATA

    @pytest.mark.parametrize("sql, text", [
        ("(id BIGINT PRIMARY KEY) WITH (stream = 's')", "a TEXT"), ("(ts TIMESTAMP) WITH (stream = 's', time = 'ts')", "TIMESTAMP(3)"),
        ("(ts TIMESTAMP(3)) WITH (stream = 's', time = 'ts', retention = '1 day')", "retention")])
    def test_declarations_are_checked(self, redis, sql, text):
        assert failure(lambda: run(redis, "CREATE TABLE bad " + sql), text).status_code == Code.INVALID_ARGUMENT
