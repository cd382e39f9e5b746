"""The Redis driver from a stock ADBC application: tables, the SQL that it answers, bulk ingest, metadata."""

import datetime
import pathlib

import adbc_driver_manager
import pyarrow as pa
import pytest
from adbc_calls import arrow, rows, run, value
from redis_driver import LIBRARY, connect
from valkey_server import ValkeyServer

NotSupported = adbc_driver_manager.NotSupportedError
Programming = adbc_driver_manager.ProgrammingError


@pytest.fixture(scope="module")
def valkey():
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def redis(valkey, unique):
    """A connection with a prefix of its own."""
    with connect(valkey, prefix=unique) as connection:
        yield connection


def keyed(key, time=None):
    options = {"adbc.redis.ingest.primary_key": key, **({"adbc.redis.ingest.time": time} if time else {})}
    return {"options": options}


def ingest(connection, table, data, mode="append", options=None):
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**(options or {}))
        return cursor.adbc_ingest(table, data, mode=mode)


def sensors(connection, count=10, table="sensors"):
    """`count` rows, one a second from 2026-01-01 on."""
    run(connection, f"CREATE TABLE {table} (id BIGINT PRIMARY KEY, ts TIMESTAMP, v DOUBLE) WITH (time = 'ts')")
    start = datetime.datetime(2026, 1, 1)
    data = pa.table({
        "id": pa.array(range(count), pa.int64()),
        "ts": pa.array([start + datetime.timedelta(seconds=i) for i in range(count)], pa.timestamp("us")),
        "v": pa.array([i / 2 for i in range(count)], pa.float64()),
    })
    assert ingest(connection, table, data) == count


def ids(connection, rest, parameters=None):
    return [row[0] for row in rows(connection, f"SELECT id FROM sensors {rest}", parameters)]


class TestTables:
    def test_are_created_and_dropped(self, redis, valkey, unique):
        run(redis, "CREATE TABLE t (id INT PRIMARY KEY, s TEXT NOT NULL)")
        run(redis, "CREATE TABLE IF NOT EXISTS t (other INT)")
        with pytest.raises(Programming, match="Table t exists already") as caught:
            run(redis, "CREATE TABLE t (id INT)")
        assert caught.value.status_code == adbc_driver_manager.AdbcStatusCode.ALREADY_EXISTS
        assert redis.adbc_get_table_schema("t") == pa.schema([pa.field("id", pa.int32(), False), pa.field("s", pa.string(), False)])
        run(redis, "INSERT INTO t VALUES (1, 'a')")
        run(redis, "DROP TABLE t")
        with pytest.raises(Programming, match="Unknown table: t") as caught:
            run(redis, "SELECT * FROM t")
        assert caught.value.status_code == adbc_driver_manager.AdbcStatusCode.NOT_FOUND
        run(redis, "DROP TABLE IF EXISTS t")
        with pytest.raises(Programming, match="Unknown table"):
            run(redis, "DROP TABLE t")
        assert valkey.run("KEYS", f"*{unique}*") == f"{{{unique}:t}}:#version"

    def test_rows_of_a_dropped_table_do_not_come_back(self, redis):
        for round in range(2):
            run(redis, "CREATE TABLE t (id INT PRIMARY KEY)")
            assert rows(redis, "SELECT * FROM t") == []
            run(redis, f"INSERT INTO t VALUES ({round})")
            run(redis, "DROP TABLE t")

    def test_prefixes_are_apart(self, redis, valkey, unique):
        run(redis, "CREATE TABLE t (id INT PRIMARY KEY)")
        with connect(valkey, prefix=unique + "x") as other, pytest.raises(Programming, match="Unknown table"):
            run(other, "SELECT * FROM t")

    def test_databases_are_apart(self, redis, valkey, unique):
        run(redis, "CREATE TABLE t (id INT PRIMARY KEY)")
        with connect(valkey, prefix=unique, uri=valkey.uri_of(3)) as other, pytest.raises(Programming, match="Unknown table"):
            run(other, "SELECT * FROM t")
        with pytest.raises(Programming, match="no database 99"):
            connect(valkey, db=99)


class TestRows:
    def test_are_found_by_key(self, redis):
        sensors(redis)
        assert rows(redis, "SELECT v, id FROM sensors WHERE id = 3") == [(1.5, 3)]
        assert sorted(ids(redis, "WHERE id IN (3, 5, 3, 77)")) == [3, 5]
        assert ids(redis, "WHERE id = ? AND id IN (3, 5)", (5,)) == [5]
        assert ids(redis, "WHERE id = 3 AND id = 5") == []
        assert ids(redis, "WHERE id = NULL") == []

    def test_are_found_by_time(self, redis):
        sensors(redis)
        assert ids(redis, "WHERE ts BETWEEN '2026-01-01 00:00:03' AND '2026-01-01 00:00:05'") == [3, 4, 5]
        assert ids(redis, "WHERE ts > TIMESTAMP '2026-01-01 00:00:07'") == [8, 9]
        assert ids(redis, "WHERE ts >= '2026-01-01 00:00:07' AND ts < '2026-01-01 00:00:09'") == [7, 8]
        assert ids(redis, "WHERE ts <= DATE '2026-01-01'") == [0]
        assert ids(redis, "WHERE ts = '2026-01-01 00:00:04'") == [4]
        assert ids(redis, "WHERE ts > '2026-01-01 00:00:03.9999999' AND ts < '2026-01-01 00:00:04.0000001'") == [4]
        assert ids(redis, "WHERE ts > '2026-01-02' AND ts < '2026-01-01'") == []
        assert ids(redis, "WHERE id IN (1, 4, 8) AND ts > '2026-01-01 00:00:02' ORDER BY ts DESC") == [8, 4]

    def test_come_in_order_and_up_to_a_limit(self, redis):
        sensors(redis, 2500)
        assert ids(redis, "ORDER BY ts") == list(range(2500))
        assert ids(redis, "ORDER BY ts DESC LIMIT 3") == [2499, 2498, 2497]
        assert ids(redis, "WHERE ts > '2026-01-01 00:20:00' ORDER BY ts LIMIT ?", (1100,)) == list(range(1201, 2301))
        assert ids(redis, "LIMIT 0") == []

    def test_of_one_time_are_all_given(self, redis):
        """Pages go on within a run of equal times that is longer than a page."""
        for unit in ("s", "ns"):
            count = 3500
            data = pa.table({"id": pa.array(range(count)), "ts": pa.array([1_700_000_000_000_000_000 // (10**9 if unit == "s" else 1)] * count,
                                                                         pa.timestamp(unit))})
            ingest(redis, f"t_{unit}", data, mode="create", **keyed("id", "ts"))
            for order in ("", "ORDER BY ts", "ORDER BY ts DESC"):
                assert sorted(row[0] for row in rows(redis, f"SELECT id FROM t_{unit} {order}")) == list(range(count))

    def test_of_nanoseconds_come_in_order_and_are_compared_exactly(self, redis):
        """Scores are doubles, 256 ns apart here."""
        start = 1_700_000_000_000_000_000
        times = [start + (i * 7919) % 5000 for i in range(5000)]
        data = pa.table({"id": pa.array(range(5000)), "ts": pa.array(times, pa.timestamp("ns"))})
        ingest(redis, "t", data, mode="create", **keyed("id", "ts"))
        found = arrow(redis, "SELECT ts FROM t ORDER BY ts")["ts"].cast(pa.int64()).to_pylist()
        assert found == sorted(times)
        assert arrow(redis, "SELECT ts FROM t ORDER BY ts DESC")["ts"].cast(pa.int64()).to_pylist() == found[::-1]
        assert arrow(redis, "SELECT ts FROM t ORDER BY ts LIMIT 1500")["ts"].cast(pa.int64()).to_pylist() == found[:1500]
        bounds = pa.record_batch({"a": pa.array([start + 100], pa.timestamp("ns")), "b": pa.array([start + 103], pa.timestamp("ns"))})
        with redis.cursor() as cursor:
            cursor.execute("SELECT ts FROM t WHERE ts >= ? AND ts < ?", bounds)
            assert sorted(cursor.fetch_arrow_table()["ts"].cast(pa.int64()).to_pylist()) == [start + 100, start + 101, start + 102]

    def test_without_key_and_time_keep_their_order(self, redis):
        data = pa.table({"a": [None, 2, 2], "b": ["x", None, None]})
        ingest(redis, "t", data, mode="create")
        ingest(redis, "t", data)
        assert rows(redis, "SELECT a, b FROM t") == [(None, "x"), (2, None), (2, None)] * 2
        with pytest.raises(NotSupported, match="neither primary key nor time column"):
            run(redis, "SELECT * FROM t WHERE a = 2")

    def test_of_nothing_but_null_are_rows(self, redis):
        ingest(redis, "t", pa.table({"a": pa.array([None, None], pa.int32())}), mode="create")
        assert rows(redis, "SELECT * FROM t") == [(None,), (None,)]

    def test_are_replaced_by_key(self, redis):
        """A duplicate key is an upsert: the row is the new one whole."""
        run(redis, "CREATE TABLE t (id TEXT PRIMARY KEY, a INT, b INT)")
        assert run(redis, "INSERT INTO t VALUES ('x', 1, 1), ('y', 2, 2)") == 2
        run(redis, "INSERT INTO t (id, b) VALUES ('x', 9)")
        assert sorted(rows(redis, "SELECT * FROM t")) == [("x", None, 9), ("y", 2, 2)]

    def test_move_in_time_when_they_are_replaced(self, redis):
        sensors(redis)
        run(redis, "INSERT INTO sensors VALUES (3, '2026-01-02 00:00:00', 1)")
        assert ids(redis, "ORDER BY ts DESC LIMIT 2") == [3, 9]
        assert ids(redis, "WHERE ts = '2026-01-01 00:00:03'") == []

    def test_are_deleted_by_key(self, redis):
        sensors(redis)
        assert run(redis, "DELETE FROM sensors WHERE id IN (1, 2, 55)") == 2
        with redis.cursor() as cursor:
            cursor.executemany("DELETE FROM sensors WHERE id = ?", [(3,), (4,)])
        assert ids(redis, "ORDER BY ts") == [0, 5, 6, 7, 8, 9]
        assert run(redis, "DELETE FROM sensors") == 6
        assert ids(redis, "") == []
        with pytest.raises(NotSupported, match="primary key only"):
            run(redis, "DELETE FROM sensors WHERE v = 1")

    def test_are_bound_many_at_once(self, redis):
        sensors(redis)
        keys = pa.record_batch({"0": pa.array([7, None, 2], pa.int64())})
        with redis.cursor() as cursor:
            cursor.execute("SELECT id FROM sensors WHERE id = ?", keys)
            assert [row[0] for row in cursor.fetchall()] == [7, 2]

    def test_expire_by_retention(self, redis, valkey, unique):
        run(redis, "CREATE TABLE t (id INT PRIMARY KEY, ts TIMESTAMPTZ) WITH (time = 'ts', retention = '1 hour')")
        now = datetime.datetime.now(datetime.timezone.utc)
        data = pa.table({"id": pa.array([1, 2], pa.int32()),
                         "ts": pa.array([now, now - datetime.timedelta(hours=2)], pa.timestamp("us", "UTC"))})
        assert ingest(redis, "t", data) == 2
        assert [row[0] for row in rows(redis, "SELECT id FROM t")] == [1]
        assert 3500 < int(valkey.run("TTL", f"{{{unique}:t}}:1:1")) <= 3600
        assert valkey.run("ZCARD", f"{{{unique}:t}}:#index:1") == "1"

    def test_come_in_batches_of_bounded_size(self, redis):
        sensors(redis, 5000)
        with redis.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.redis.batch_rows": 700})
            cursor.execute("SELECT * FROM sensors")
            sizes = [batch.num_rows for batch in cursor.fetch_record_batch()]
        assert sum(sizes) == 5000 and max(sizes) == 700
        ingest(redis, "wide", pa.table({"s": ["x" * 1_000_000] * 40}), mode="create")
        with redis.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.redis.pipeline_rows": 4})
            cursor.execute("SELECT * FROM wide")
            assert max(batch.num_rows for batch in cursor.fetch_record_batch()) <= 17

    def test_of_two_streams_of_one_connection_are_apart(self, redis):
        sensors(redis, 3000)
        with redis.cursor() as first, redis.cursor() as second:
            for cursor in (first, second):
                cursor.adbc_statement.set_options(**{"adbc.redis.batch_rows": 500})
                cursor.execute("SELECT id FROM sensors ORDER BY ts")
            assert first.fetchmany(1000) == second.fetchmany(1000)
            assert first.fetchall() == second.fetchall()


class TestStatements:
    @pytest.mark.parametrize("sql", [
        "SELECT count(*) FROM sensors", "SELECT * FROM sensors WHERE v = 1", "SELECT * FROM sensors WHERE id > 3",
        "SELECT * FROM sensors ORDER BY v", "SELECT * FROM sensors WHERE ts IN ('2026-01-01')", "UPDATE sensors SET v = 1",
        "SELECT * FROM sensors WHERE id = 1 OR id = 2", "SELECT id AS x FROM sensors"])
    def test_outside_of_the_subset_are_not_implemented(self, redis, sql):
        sensors(redis)
        with pytest.raises(NotSupported) as caught:
            run(redis, sql)
        assert caught.value.status_code == adbc_driver_manager.AdbcStatusCode.NOT_IMPLEMENTED

    def test_name_columns_that_there_are(self, redis):
        sensors(redis)
        with pytest.raises(Programming, match="Unknown column: w .table sensors has id, ts, v"):
            run(redis, "SELECT w FROM sensors")

    def test_have_schemas_before_they_run(self, redis):
        sensors(redis)
        with redis.cursor() as cursor:
            parameters = cursor.adbc_prepare("SELECT v FROM sensors WHERE id = ? AND ts > ? LIMIT ?")
            assert parameters.types == [pa.int64(), pa.timestamp("us"), pa.int64()]
            assert cursor.adbc_execute_schema("SELECT v, id FROM sensors").names == ["v", "id"]
            assert cursor.adbc_prepare("INSERT INTO sensors (v, id) VALUES (?, ?)").types == [pa.float64(), pa.int64()]

    def test_need_their_parameters(self, redis):
        sensors(redis)
        with pytest.raises(Programming, match="takes 1 parameters, 0 are bound"):
            run(redis, "SELECT * FROM sensors WHERE id = ?")

    def test_refuse_null_where_there_must_be_a_value(self, redis):
        sensors(redis)
        for sql, what in (("(NULL, '2026-01-01', 1)", "the primary key"), ("(1, NULL, 1)", "the time column")):
            with pytest.raises(adbc_driver_manager.IntegrityError, match=what):
                run(redis, f"INSERT INTO sensors VALUES {sql}")


class TestIngest:
    data = pa.table({"id": pa.array([1, 2], pa.int64()), "s": ["a", None]})

    def test_modes(self, redis):
        with pytest.raises(Programming, match="Unknown table"):
            ingest(redis, "t", self.data, "append")
        assert ingest(redis, "t", self.data, "create", **keyed("id")) == 2
        with pytest.raises(Programming, match="exists already"):
            ingest(redis, "t", self.data, "create")
        assert ingest(redis, "t", self.data, "append") == 2
        assert sorted(rows(redis, "SELECT * FROM t")) == [(1, "a"), (2, None)]
        assert ingest(redis, "t", pa.table({"other": [1.5]}), "replace") == 1
        assert rows(redis, "SELECT * FROM t") == [(1.5,)]
        assert ingest(redis, "u", self.data, "create_append") == 2
        assert ingest(redis, "u", self.data, "create_append") == 2
        assert len(rows(redis, "SELECT * FROM u")) == 4

    def test_goes_by_name(self, redis):
        ingest(redis, "t", self.data, "create", **keyed("id"))
        ingest(redis, "t", pa.table({"s": ["z"], "id": pa.array([9], pa.int64())}))
        ingest(redis, "t", pa.table({"id": pa.array([10], pa.int64())}))
        assert sorted(rows(redis, "SELECT id, s FROM t"))[2:] == [(9, "z"), (10, None)]
        with pytest.raises(Programming, match="Unknown column: more") as caught:
            ingest(redis, "t", pa.table({"id": [1], "more": [1]}))
        assert caught.value.status_code == adbc_driver_manager.AdbcStatusCode.ALREADY_EXISTS

    def test_loses_nothing_in_silence(self, redis):
        run(redis, "CREATE TABLE t (id INT PRIMARY KEY, small TINYINT, us TIMESTAMP)")
        for column, values in (("small", pa.array([1, 300], pa.int64())), ("us", pa.array([1000, 1001], pa.timestamp("ns")))):
            with pytest.raises(Programming, match=f"Column {column}, row 1: {values[1].cast(pa.int64()).as_py()} cannot be kept exactly"):
                ingest(redis, "t", pa.table({"id": pa.array([1, 2], pa.int32()), column: values}))

    def test_of_a_table_that_fails_leaves_none(self, redis, valkey, unique):
        def batches():
            yield self.data.to_batches()[0]
            raise RuntimeError("the source is gone")
        for mode in ("create", "replace"):
            with pytest.raises(adbc_driver_manager.Error, match="source is gone"):
                ingest(redis, "t", pa.RecordBatchReader.from_batches(self.data.schema, batches()), mode)
            with pytest.raises(Programming, match="Unknown table"):
                run(redis, "SELECT * FROM t")
            assert "#index" not in valkey.run("KEYS", f"*{unique}*")

    def test_takes_other_layouts(self, redis):
        data = pa.table({"d": pa.array(["a", None, "a"]).dictionary_encode(), "l": pa.array(["x", "y", None], pa.large_string()),
                         "v": pa.array(["p", "q" * 50, None], pa.string_view()), "f": pa.array([b"ab", b"cd", None], pa.binary(2))})
        ingest(redis, "t", data, "create")
        read = arrow(redis, "SELECT * FROM t")
        assert read.schema.types == [pa.string(), pa.string(), pa.string(), pa.binary()]
        assert read.to_pydict() == {name: data[name].cast(type).to_pylist() if name != "d" else ["a", None, "a"]
                                    for name, type in zip("dlvf", read.schema.types)}

    def test_of_types_that_cannot_be_kept_is_refused(self, redis):
        with pytest.raises(NotSupported, match="Column l: Values of type list"):
            ingest(redis, "t", pa.table({"l": [[1]]}), "create")

    def test_is_upserted_over_pipelines(self, redis):
        n = 3500
        data = pa.table({"id": pa.array(list(range(n)) * 2), "v": pa.array(list(range(2 * n)))})
        assert ingest(redis, "t", data, "create", **keyed("id")) == 2 * n
        assert sorted(rows(redis, "SELECT id, v FROM t")) == [(i, i + n) for i in range(n)]


class TestReplacing:
    def test_is_seen_whole_by_those_who_read(self, redis, valkey, unique):
        ingest(redis, "t", pa.table({"a": [1] * 5000}), "create")
        with connect(valkey, prefix=unique) as reader, reader.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.redis.batch_rows": 1000})
            cursor.execute("SELECT a FROM t")
            stream = cursor.fetch_record_batch()
            first = stream.read_next_batch()
            ingest(redis, "t", pa.table({"a": [2] * 10}), "replace")
            assert value(reader, "SELECT a FROM t LIMIT 1") == 2
            assert {v for batch in [first, *stream] for v in batch["a"].to_pylist()} == {1}

    def test_without_grace_ends_a_reader_with_a_clear_error(self, redis, valkey, unique):
        ingest(redis, "t", pa.table({"a": [1] * 5000}), "create")
        with connect(valkey, prefix=unique) as reader, reader.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.redis.batch_rows": 1000})
            cursor.execute("SELECT a FROM t")
            stream = cursor.fetch_record_batch()
            stream.read_next_batch()
            ingest(redis, "t", pa.table({"a": [2]}), "replace", {"adbc.redis.replace_grace_ms": "0"})
            with pytest.raises(pa.ArrowException, match="was replaced while it was read: run the query again"):
                stream.read_all()
        assert valkey.run("KEYS", f"*{unique}:t}}:1:*") == ""


class TestMetadata:
    def test_objects(self, redis):
        sensors(redis)
        ingest(redis, "plain", pa.table({"a": [1]}), "create")
        ((catalog,),) = [redis.adbc_get_objects().read_all().to_pylist()]
        (schema,) = catalog["catalog_db_schemas"]
        plain, table = schema["db_schema_tables"]
        assert (plain["table_name"], plain["table_constraints"]) == ("plain", [])
        assert [column["column_name"] for column in table["table_columns"]] == ["id", "ts", "v"]
        assert [column["xdbc_is_nullable"] for column in table["table_columns"]] == ["NO", "NO", "YES"]
        assert table["table_constraints"][0]["constraint_column_names"] == ["id"]
        assert table["table_constraints"][0]["constraint_type"] == "PRIMARY KEY"

    def test_objects_are_filtered(self, redis):
        sensors(redis)

        def tables(**filters):
            found = redis.adbc_get_objects(**filters).read_all().to_pylist()
            return [table["table_name"] for catalog in found for schema in catalog["catalog_db_schemas"] or []
                    for table in schema["db_schema_tables"] or []]

        assert tables(depth="tables", table_name_filter="sen%") == ["sensors"]
        assert tables(depth="tables", table_name_filter="x%") == []
        assert tables(table_types_filter=["view"]) == []
        assert tables(catalog_filter="other") == []
        assert tables(depth="catalogs") == [] and tables(depth="db_schemas") == []

    def test_table_types_and_info(self, redis):
        assert redis.adbc_get_table_types() == ["table"]
        info = redis.adbc_get_info()
        assert info["vendor_name"] == "Valkey" and info["driver_adbc_version"] == 1_001_000
        with pytest.raises(Programming, match="Unknown table"):
            redis.adbc_get_table_schema("nothing")


def test_the_example_of_the_document_runs(valkey, capsys):
    document = (pathlib.Path(__file__).parents[3] / "docs" / "redis_driver.md").read_text()
    example = document.split("```python\n")[1].split("```")[0]
    example = example.replace("redis://:secret@127.0.0.1:6379/0", valkey.uri).replace("build/release/drivers/libadbc_driver_redis.so", str(LIBRARY))
    exec(compile(example, "redis_driver.md", "exec"), {})
    assert "id: int64" in capsys.readouterr().out
