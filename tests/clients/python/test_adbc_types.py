"""Every DuckDB type out to Arrow, and back in as a bound parameter, an inserted value and an ingested column."""

import datetime
import decimal
import math
import uuid

import pyarrow as pa
import pytest
from adbc_calls import arrow, ingest, run, rows, value

D = decimal.Decimal
UTC = datetime.timezone.utc
NOON = datetime.datetime(2024, 2, 29, 12, 30, 45, 123456)
ID = "01020304-0506-0708-090a-0b0c0d0e0f10"
WORDS = pa.struct([("a", pa.int32()), ("b", pa.string())])

# name, DuckDB's type, a value in SQL, the Arrow type that clients see, the value in Python
CASES = [
    ("tinyint", "TINYINT", "'-128'", pa.int8(), -128),
    ("utinyint", "UTINYINT", "255", pa.uint8(), 255),
    ("smallint", "SMALLINT", "'-32768'", pa.int16(), -32768),
    ("usmallint", "USMALLINT", "65535", pa.uint16(), 65535),
    ("integer", "INTEGER", "'-2147483648'", pa.int32(), -2147483648),
    ("uinteger", "UINTEGER", "4294967295", pa.uint32(), 4294967295),
    ("bigint", "BIGINT", "'-9223372036854775808'", pa.int64(), -(2**63)),
    ("ubigint", "UBIGINT", "18446744073709551615", pa.uint64(), 2**64 - 1),
    ("hugeint", "HUGEINT", str(10**38 - 1), pa.decimal128(38, 0), D(10**38 - 1)),
    ("negative_hugeint", "HUGEINT", str(1 - 10**38), pa.decimal128(38, 0), D(1 - 10**38)),
    ("uhugeint", "UHUGEINT", str(10**38 - 1), pa.decimal128(38, 0), D(10**38 - 1)),
    ("float", "FLOAT", "1.5", pa.float32(), 1.5),
    ("float_inf", "FLOAT", "'-inf'", pa.float32(), -math.inf),
    ("double", "DOUBLE", "0.1", pa.float64(), 0.1),
    ("double_inf", "DOUBLE", "'inf'", pa.float64(), math.inf),
    ("decimal_4", "DECIMAL(4,1)", "-123.4", pa.decimal128(4, 1), D("-123.4")),
    ("decimal_9", "DECIMAL(9,4)", "12345.6789", pa.decimal128(9, 4), D("12345.6789")),
    ("decimal_18", "DECIMAL(18,2)", "1234567890123456.78", pa.decimal128(18, 2), D("1234567890123456.78")),
    ("decimal_38", "DECIMAL(38,37)", "'0." + "1" * 37 + "'", pa.decimal128(38, 37), D("0." + "1" * 37)),
    ("varchar", "VARCHAR", "'größer 🦆'", pa.string(), "größer 🦆"),
    ("empty", "VARCHAR", "''", pa.string(), ""),
    ("blob", "BLOB", r"'\x00\xFFa'", pa.binary(), b"\x00\xffa"),
    ("boolean", "BOOLEAN", "true", pa.bool_(), True),
    ("date", "DATE", "'1969-07-20'", pa.date32(), datetime.date(1969, 7, 20)),
    ("time", "TIME", "'23:59:59.999999'", pa.time64("us"), datetime.time(23, 59, 59, 999999)),
    ("time_ns", "TIME_NS", "'00:00:01.000002'", pa.time64("ns"), datetime.time(0, 0, 1, 2)),
    ("timetz", "TIMETZ", "'01:02:03+02:30'", pa.string(), "01:02:03+02:30"),
    ("timestamp_s", "TIMESTAMP_S", "'2024-02-29 12:30:45'", pa.timestamp("s"), NOON.replace(microsecond=0)),
    ("timestamp_ms", "TIMESTAMP_MS", "'2024-02-29 12:30:45.123'", pa.timestamp("ms"), NOON.replace(microsecond=123000)),
    ("timestamp", "TIMESTAMP", "'2024-02-29 12:30:45.123456'", pa.timestamp("us"), NOON),
    ("timestamp_1680", "TIMESTAMP", "'1680-01-01'", pa.timestamp("us"), datetime.datetime(1680, 1, 1)),
    ("timestamptz", "TIMESTAMPTZ", "'2024-02-29 13:30:45.123456+01'", pa.timestamp("us", "UTC"),
     NOON.replace(tzinfo=UTC)),
    ("interval", "INTERVAL", "'14 months 3 days 4 seconds'", pa.month_day_nano_interval(),
     pa.MonthDayNano([14, 3, 4_000_000_000])),
    ("uuid", "UUID", f"'{ID}'", pa.string(), ID),
    ("json", "JSON", """'{"a": [1, null]}'""", pa.string(), '{"a": [1, null]}'),
    ("enum", "ENUM('low', 'high')", "'high'", pa.string(), "high"),
    ("bit", "BIT", "'0010110'", pa.string(), "0010110"),
    ("list", "INTEGER[]", "[1, NULL, 3]", pa.list_(pa.int32()), [1, None, 3]),
    ("list_of_lists", "VARCHAR[][]", "[['a'], [], NULL]", pa.list_(pa.list_(pa.string())), [["a"], [], None]),
    ("list_of_bits", "BIT[]", "['01'::BIT]", pa.list_(pa.string()), ["01"]),
    ("list_of_enums", "ENUM('x', 'y')[]", "['y']", pa.list_(pa.string()), ["y"]),
    ("array", "DOUBLE[3]", "[0.5, 1, NULL]", pa.list_(pa.float64(), 3), [0.5, 1.0, None]),
    ("struct", "STRUCT(a INTEGER, b VARCHAR)", "{'a': 7, 'b': NULL}", WORDS, {"a": 7, "b": None}),
    ("struct_of_list", "STRUCT(a STRUCT(u UUID)[])", f"{{'a': [{{'u': '{ID}'}}]}}",
     pa.struct([("a", pa.list_(pa.struct([("u", pa.string())])))]), {"a": [{"u": ID}]}),
    ("map", "MAP(VARCHAR, INTEGER)", "MAP {'a': 1, 'b': NULL}", pa.map_(pa.string(), pa.int32()),
     [("a", 1), ("b", None)]),
]
NAMES = [case[0] for case in CASES]


def same_type(got, wanted):
    """Equal but for the names that Arrow's libraries give to the fields of lists and maps."""
    if pa.types.is_fixed_size_list(wanted):
        return pa.types.is_fixed_size_list(got) and got.list_size == wanted.list_size and same_type(
            got.value_type, wanted.value_type)
    if pa.types.is_list(wanted):
        return pa.types.is_list(got) and same_type(got.value_type, wanted.value_type)
    if pa.types.is_map(wanted):
        return pa.types.is_map(got) and same_type(got.key_type, wanted.key_type) and same_type(
            got.item_type, wanted.item_type)
    if pa.types.is_struct(wanted):
        return pa.types.is_struct(got) and [f.name for f in got] == [f.name for f in wanted] and all(
            same_type(a.type, b.type) for a, b in zip(got, wanted))
    return got == wanted


def check(table, wanted_type, *wanted):
    got = table.schema.field(0).type
    assert same_type(got, wanted_type), got
    assert table.column(0).to_pylist() == list(wanted)
    table.validate(full=True)


@pytest.mark.parametrize("name,duck,literal,type,python", CASES, ids=NAMES)
class TestType:
    def test_out(self, auto, name, duck, literal, type, python):
        check(arrow(auto, f"SELECT {literal}::{duck} AS x UNION ALL SELECT NULL"), type, python, None)

    def test_out_when_empty(self, auto, name, duck, literal, type, python):
        check(arrow(auto, f"SELECT x FROM (SELECT {literal}::{duck} AS x) WHERE x IS NULL"), type)

    def test_out_of_a_transaction(self, connection, name, duck, literal, type, python):
        check(arrow(connection, f"SELECT {literal}::{duck} AS x"), type, python)

    def test_bound(self, auto, name, duck, literal, type, python):
        bound = pa.record_batch({"p": pa.array([python, None], type)})
        check(arrow(auto, f"SELECT ?::{duck} AS x", bound), type, python, None)

    def test_inserted(self, auto, unique, name, duck, literal, type, python):
        run(auto, f"CREATE TABLE {unique} (x {duck})")
        with auto.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {unique} VALUES (?)",
                               pa.record_batch({"p": pa.array([python, None], type)}))
            assert cursor.rowcount == 2
        check(arrow(auto, f"SELECT x FROM {unique}"), type, python, None)
        assert value(auto, f"SELECT count(*) FROM {unique} WHERE x IS NOT DISTINCT FROM {literal}::{duck}") == 1

    def test_ingested(self, auto, unique, name, duck, literal, type, python):
        run(auto, f"CREATE TABLE {unique} (x {duck})")
        assert ingest(auto, unique, pa.table({"x": pa.array([python, None], type)})) == 2
        check(arrow(auto, f"SELECT x FROM {unique}"), type, python, None)
        assert value(auto, f"SELECT count(*) FROM {unique} WHERE x IS NOT DISTINCT FROM {literal}::{duck}") == 1

    def test_schemas_of_table_and_query_agree(self, auto, unique, name, duck, literal, type, python):
        run(auto, f"CREATE TABLE {unique} (x {duck})")
        described = auto.adbc_get_table_schema(unique).field("x").type
        assert described == arrow(auto, f"SELECT * FROM {unique}").schema.field("x").type
        with auto.cursor() as cursor:
            assert cursor.adbc_execute_schema(f"SELECT * FROM {unique}").field("x").type == described


def test_nan(auto):
    table = arrow(auto, "SELECT 'nan'::DOUBLE AS d, 'nan'::FLOAT AS f")
    assert all(math.isnan(x) for x in table.to_pylist()[0].values())
    assert value(auto, "SELECT isnan(?::DOUBLE)", (math.nan,)) is True


def test_null_type(auto):
    table = arrow(auto, "SELECT NULL AS x")
    assert table.schema.field("x").type == pa.null() and table.column("x").to_pylist() == [None]


def test_nanoseconds(auto):
    table = arrow(auto, "SELECT '2024-01-01 00:00:00.123456789'::TIMESTAMP_NS AS t, '00:00:00.000000001'::TIME_NS AS u")
    assert table.schema.types == [pa.timestamp("ns"), pa.time64("ns")]
    assert table.column("t").cast(pa.int64())[0].as_py() % 10**9 == 123456789
    assert table.column("u").cast(pa.int64())[0].as_py() == 1
    back = arrow(auto, "SELECT ?::TIMESTAMP_NS AS t, ?::TIME_NS AS u", table.to_batches()[0])
    assert back.to_batches()[0].equals(table.to_batches()[0])


def test_largest_hugeint(auto):
    """One digit more than decimal128(38) promises, but inside its 16 bytes: every client reads it."""
    assert value(auto, "SELECT 170141183460469231731687303715884105727::HUGEINT") == D(2**127 - 1)
    assert value(auto, "SELECT sum(x) FROM (VALUES (9223372036854775807), (9223372036854775807)) AS t(x)") == D(2**64 - 2)


def test_bignum_as_text(auto):
    """Its bytes are DuckDB's own."""
    assert value(auto, f"SELECT {10**38 - 1}::HUGEINT::BIGNUM") == str(10**38 - 1)


def test_uhugeint_beyond_decimal128_is_an_error_and_not_another_number(auto, unique):
    run(auto, f"CREATE TABLE {unique} (x UHUGEINT)")
    run(auto, f"INSERT INTO {unique} VALUES (340282366920938463463374607431768211455)")
    with pytest.raises(auto.Error, match="UHUGEINT.*VARCHAR"):
        rows(auto, f"SELECT x FROM {unique}")
    assert value(auto, f"SELECT x::VARCHAR FROM {unique}") == str(2**128 - 1)


def test_union(auto, unique):
    table = arrow(auto, "SELECT unnest([1::UNION(n INTEGER, s VARCHAR), 'a'::UNION(n INTEGER, s VARCHAR)]) AS x")
    assert pa.types.is_union(table.schema.field("x").type)
    assert table.column("x").to_pylist() == [1, "a"]
    ingest(auto, unique, table, mode="create")
    assert rows(auto, f"SELECT union_tag(x)::VARCHAR, x.n, x.s FROM {unique}") == [("n", 1, None), ("s", None, "a")]


# Types that Arrow has and DuckDB has not: what becomes of them in a table that is made from the stream.
FOREIGN = [
    ("half", pa.array([1.5, None], pa.float16()), "FLOAT", [1.5, None]),
    ("decimal256", pa.array([D("1.25"), None], pa.decimal256(60, 2)), "DECIMAL(38,2)", [D("1.25"), None]),
    ("decimal32", pa.array([D("1.25"), None], pa.decimal32(5, 2)), "DECIMAL(5,2)", [D("1.25"), None]),
    ("decimal64", pa.array([D("1.25"), None], pa.decimal64(15, 2)), "DECIMAL(15,2)", [D("1.25"), None]),
    ("large_string", pa.array(["a", None], pa.large_string()), "VARCHAR", ["a", None]),
    ("string_view", pa.array(["a", None], pa.string_view()), "VARCHAR", ["a", None]),
    ("large_binary", pa.array([b"a", None], pa.large_binary()), "BLOB", [b"a", None]),
    ("binary_view", pa.array([b"a", None], pa.binary_view()), "BLOB", [b"a", None]),
    ("fixed_binary", pa.array([b"ab", None], pa.binary(2)), "BLOB", [b"ab", None]),
    ("date64", pa.array([datetime.date(2024, 1, 2), None], pa.date64()), "DATE", [datetime.date(2024, 1, 2), None]),
    ("time32_s", pa.array([datetime.time(1, 2, 3), None], pa.time32("s")), "TIME", [datetime.time(1, 2, 3), None]),
    ("time32_ms", pa.array([datetime.time(1, 2, 3, 4000), None], pa.time32("ms")), "TIME",
     [datetime.time(1, 2, 3, 4000), None]),
    ("zoned_s", pa.array([NOON.replace(microsecond=0), None], pa.timestamp("s", "Europe/Berlin")),
     "TIMESTAMP WITH TIME ZONE", [NOON.replace(microsecond=0, tzinfo=UTC), None]),
    ("zoned_ms", pa.array([NOON.replace(microsecond=123000), None], pa.timestamp("ms", "+02:00")),
     "TIMESTAMP WITH TIME ZONE", [NOON.replace(microsecond=123000, tzinfo=UTC), None]),
    ("duration", pa.array([datetime.timedelta(days=1, seconds=2), None], pa.duration("ms")), "INTERVAL",
     [pa.MonthDayNano([0, 0, 86402 * 10**9]), None]),
    ("dictionary", pa.array(["a", None, "b"]).dictionary_encode(), "VARCHAR", ["a", None, "b"]),
    ("dictionary_int8", pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), pa.array([10, 20])),
     "BIGINT", [20, None, 10]),
    ("run_end", pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", None])), "VARCHAR",
     ["a", "a", None]),
    ("list_view", pa.array([[1, 2], None], pa.list_view(pa.int32())), "INTEGER[]", [[1, 2], None]),
    ("large_list", pa.array([[1, 2], None], pa.large_list(pa.int32())), "INTEGER[]", [[1, 2], None]),
    ("uuid", pa.ExtensionArray.from_storage(pa.uuid(), pa.array([uuid.UUID(ID).bytes, None], pa.binary(16))), "UUID",
     [ID, None]),
    ("json", pa.ExtensionArray.from_storage(pa.json_(), pa.array(["[1]", None])), "JSON", ["[1]", None]),
    ("bool8", pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None], pa.int8())), "BOOLEAN", [True, None]),
    ("null", pa.nulls(2), '"NULL"', [None, None]),
]


@pytest.mark.parametrize("name,array,duck,wanted", FOREIGN, ids=[case[0] for case in FOREIGN])
class TestForeignType:
    def test_ingested(self, auto, unique, name, array, duck, wanted):
        assert ingest(auto, unique, pa.table({"x": array}), mode="create") == len(wanted)
        assert [row[0] for row in rows(auto, f"SELECT x FROM {unique}")] == wanted
        assert value(auto, f"SELECT DISTINCT typeof(x) FROM {unique}") == duck
        assert ingest(auto, unique, pa.table({"x": array})) == len(wanted)

    def test_bound(self, auto, name, array, duck, wanted):
        assert [row[0] for row in rows(auto, "SELECT ?", pa.record_batch({"x": array}))] == wanted


def test_dense_unions_are_refused_by_name(auto, unique):
    dense = pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])])
    with pytest.raises(auto.Error, match="Union"):
        ingest(auto, unique, pa.table({"x": dense}), mode="create")


def test_decimal256_that_does_not_fit_is_refused(auto, unique):
    big = pa.table({"x": pa.array([D(10**50)], pa.decimal256(60, 0))})
    with pytest.raises(auto.Error, match="x"):
        ingest(auto, unique, big, mode="create")
    with pytest.raises(auto.Error, match="NOT_FOUND"):
        rows(auto, f"SELECT * FROM {unique}")


# What a parameter's declared type is: JDBC binds by it, and every type must be bindable.
@pytest.mark.parametrize("duck,type", [
    ("INTEGER", pa.int32()), ("HUGEINT", pa.decimal128(38, 0)), ("UUID", pa.string()), ("JSON", pa.string()),
    ("ENUM('a')", pa.string()), ("TIME", pa.time64("us")), ("TIMESTAMP", pa.timestamp("us")), ("BIT", pa.string()),
    ("TIMETZ", pa.string()), ("BLOB", pa.binary()), ("DECIMAL(9,2)", pa.decimal128(9, 2)),
])
def test_declared_parameter_types(auto, unique, duck, type):
    run(auto, f"CREATE TABLE {unique} (x {duck})")
    with auto.cursor() as cursor:
        assert cursor.adbc_prepare(f"INSERT INTO {unique} VALUES (?)").types == [type]


def test_an_unknown_parameter_is_text(auto):
    with auto.cursor() as cursor:
        assert cursor.adbc_prepare("SELECT ?, ? + 1").types == [pa.string(), pa.string()]
