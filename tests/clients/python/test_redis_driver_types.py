"""Types of the Redis driver, exact both ways with boundary values, and what a hash may hold that is no value."""

import decimal

import adbc_driver_manager
import pyarrow as pa
import pytest
from adbc_calls import arrow, rows, run
from redis_driver import connect
from valkey_server import ValkeyServer

MAX = 2**63 - 1
TYPES = {
    "bool": (pa.bool_(), [True, False]),
    "int8": (pa.int8(), [127, -128]),
    "int16": (pa.int16(), [32767, -32768]),
    "int32": (pa.int32(), [2**31 - 1, -(2**31)]),
    "int64": (pa.int64(), [MAX, -MAX - 1]),
    "uint8": (pa.uint8(), [255, 0]),
    "uint16": (pa.uint16(), [65535, 0]),
    "uint32": (pa.uint32(), [2**32 - 1, 0]),
    "uint64": (pa.uint64(), [2**64 - 1, 0]),
    "float32": (pa.float32(), [3.4028234663852886e38, -1.401298464324817e-45, float("inf"), -0.0]),
    "float64": (pa.float64(), [1.7976931348623157e308, 5e-324, float("-inf"), 0.1]),
    "decimal": (pa.decimal128(38, 10), [decimal.Decimal("9999999999999999999999999999.9999999999"), decimal.Decimal("-0.0000000001")]),
    "text": (pa.string(), ["", "\0", "a\r\n$5\r\n", "ž😀"]),
    "bytes": (pa.binary(), [b"", b"\0\xff\r\n", bytes(range(256))]),
    "date": (pa.date32(), [2**31 - 1, -(2**31), 0]),
    **{f"timestamp_{unit}_{zone}": (pa.timestamp(unit, zone), [MAX, -MAX - 1, -1])
       for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "America/New_York")},
}


@pytest.fixture(scope="module")
def valkey():
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def redis(valkey, unique):
    with connect(valkey, prefix=unique) as connection:
        yield connection


@pytest.mark.parametrize("name", TYPES)
def test_ingested_values_come_back(redis, name):
    type, values = TYPES[name]
    column = pa.array(values, pa.int32()).cast(type) if name == "date" else (
        pa.array(values, pa.int64()).cast(type) if name.startswith("timestamp") else pa.array(values, type))
    column = pa.concat_arrays([column, pa.nulls(1, type)])
    with redis.cursor() as cursor:
        cursor.adbc_ingest("t", pa.table({"v": column}), mode="create")
    read = arrow(redis, "SELECT v FROM t")
    assert read.schema.types == [type]
    assert read["v"].combine_chunks().equals(column) if name not in ("float32", "float64") else read["v"].to_pylist() == column.to_pylist()


def test_nan_comes_back(redis):
    with redis.cursor() as cursor:
        cursor.adbc_ingest("t", pa.table({"a": pa.array([float("nan")]), "b": pa.array([float("nan")], pa.float32())}), mode="create")
    ((a, b),) = rows(redis, "SELECT * FROM t")
    assert a != a and b != b


@pytest.mark.parametrize("name", [name for name in TYPES if not name.startswith("float")])
def test_values_are_keys(redis, name):
    type, values = TYPES[name]
    column = pa.array(values, pa.int32()).cast(type) if name == "date" else (
        pa.array(values, pa.int64()).cast(type) if name.startswith("timestamp") else pa.array(values, type))
    with redis.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.redis.ingest.primary_key": "k"})
        cursor.adbc_ingest("t", pa.table({"k": column, "n": pa.array(range(len(column)))}), mode="create")
        for n in range(len(column)):
            cursor.execute("SELECT n FROM t WHERE k = ?", pa.record_batch({"k": column.slice(n, 1)}))
            assert cursor.fetchall() == [(n,)]
        cursor.executemany("DELETE FROM t WHERE k = ?", pa.record_batch({"k": column}))
    assert rows(redis, "SELECT n FROM t") == []


def test_floats_are_no_keys(redis):
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="floating-point numbers make no keys"):
        run(redis, "CREATE TABLE t (k DOUBLE PRIMARY KEY)")


def test_sql_names_of_types(redis):
    run(redis, """CREATE TABLE t (a BOOLEAN, b TINYINT, c SMALLINT, d INTEGER, e BIGINT, f UTINYINT, g USMALLINT, h UINTEGER, i UBIGINT,
                  j REAL, k DOUBLE PRECISION, l DECIMAL(20, 4), m VARCHAR(10), n BLOB, o DATE, p TIMESTAMP_S, q TIMESTAMP(3), r TIMESTAMP,
                  s TIMESTAMP(9), u TIMESTAMP WITH TIME ZONE)""")
    assert redis.adbc_get_table_schema("t").types == [
        pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.float32(),
        pa.float64(), pa.decimal128(20, 4), pa.string(), pa.binary(), pa.date32(), pa.timestamp("s"), pa.timestamp("ms"),
        pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("us", "UTC")]


def test_a_text_that_is_no_value_names_key_and_column(redis, valkey, unique):
    run(redis, "CREATE TABLE t (id TEXT PRIMARY KEY, n INT)")
    run(redis, "INSERT INTO t VALUES ('k1', 5)")
    valkey.run("HSET", f"{{{unique}:t}}:1:k1", "n", "five")
    with pytest.raises(Exception, match="Row k1 of table t, column n: 'five' is no value of type int32"):
        rows(redis, "SELECT * FROM t")
    assert rows(redis, "SELECT id FROM t") == [("k1",)]


def test_a_row_that_is_no_hash_is_an_error(redis, valkey, unique):
    run(redis, "CREATE TABLE t (id TEXT PRIMARY KEY)")
    run(redis, "INSERT INTO t VALUES ('k1')")
    valkey.run("SET", f"{{{unique}:t}}:1:k1", "text")
    with pytest.raises(Exception, match="holds something else"):
        rows(redis, "SELECT * FROM t")


HOSTILE = ["'; DROP TABLE t; --", "a\r\n*1\r\n$8\r\nFLUSHALL\r\n", "\0", "#schema", "1:x", "}:1:", "{adbc:t}:#schema", "*", "[a-z]", "ž", "(", "[", "-", "+"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_keys_are_keys(redis, text):
    run(redis, "CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT)")
    with redis.cursor() as cursor:
        cursor.executemany("INSERT INTO t VALUES (?, ?)", [("other", "o"), (text, text)])
        cursor.execute("SELECT v, k FROM t WHERE k = ?", (text,))
        assert cursor.fetchall() == [(text, text)]
    literal = text.replace("'", "''")
    if "\0" not in text:
        assert rows(redis, f"SELECT v FROM t WHERE k = '{literal}'") == [(text,)]
        assert run(redis, f"DELETE FROM t WHERE k = '{literal}'") == 1
        assert rows(redis, "SELECT k FROM t") == [("other",)]


@pytest.mark.parametrize("name", ["a b", "a:1:#schema", "Ünicode", 'quo"te', "*", "SELECT"])
def test_odd_names_are_names(redis, name):
    quoted = '"' + name.replace('"', '""') + '"'
    run(redis, f"CREATE TABLE {quoted} ({quoted} INT PRIMARY KEY)")
    run(redis, f"INSERT INTO {quoted} VALUES (7)")
    assert rows(redis, f"SELECT {quoted} FROM {quoted} WHERE {quoted} = 7") == [(7,)]
    run(redis, f"DROP TABLE {quoted}")


@pytest.mark.parametrize("name", ["a}:1:x", "{x", "a\r\nb"])
def test_names_that_would_break_out_of_their_keys_are_refused(redis, name):
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="Not a table's name"):
        run(redis, f'CREATE TABLE "{name}" (a INT)')
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="Not a table's name"), redis.cursor() as cursor:
        cursor.adbc_ingest(name, pa.table({"a": [1]}), mode="create")
