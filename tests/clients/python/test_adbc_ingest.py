"""adbc_ingest: every mode, what is taken and what is refused, and that nothing is taken by halves."""

import decimal

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow as pa
import pytest
from adbc_calls import arrow, ingest, rows, run, value

PAIR = pa.table({"i": pa.array([1, 2], pa.int32()), "s": ["a", None]})


def refused(connection, table, data, match, mode="append", **options):
    """The ingest fails with this text and leaves the table's rows as they were."""
    before = value(connection, f"SELECT count(*) FROM {table}")
    with pytest.raises(connection.Error, match=match) as caught:
        ingest(connection, table, data, mode, **options)
    assert value(connection, f"SELECT count(*) FROM {table}") == before
    return str(caught.value)


# ---- modes

def test_create(auto, unique):
    assert ingest(auto, unique, PAIR, "create") == 2
    assert arrow(auto, f"SELECT * FROM {unique}").equals(PAIR)
    assert "ALREADY_EXISTS" in refused(auto, unique, PAIR, unique, "create")


def test_append(auto, unique):
    with pytest.raises(auto.Error, match="NOT_FOUND"):
        ingest(auto, unique, PAIR, "append")
    run(auto, f"CREATE TABLE {unique} (i INTEGER, s VARCHAR)")
    assert ingest(auto, unique, PAIR, "append") == 2
    assert ingest(auto, unique, PAIR, "append") == 2
    assert value(auto, f"SELECT count(*) FROM {unique}") == 4


def test_append_to_a_missing_table_suggests_one(auto, unique):
    run(auto, f"CREATE TABLE orders_{unique} (i INTEGER)")
    with pytest.raises(auto.Error, match=f"(?s)NOT_FOUND.*orders_{unique}"):
        ingest(auto, f"order_{unique}", PAIR)


def test_replace(auto, unique):
    assert ingest(auto, unique, PAIR, "replace") == 2
    assert ingest(auto, unique, pa.table({"d": [1.5]}), "replace") == 1
    assert rows(auto, f"SELECT * FROM {unique}") == [(1.5,)]


def test_create_append(auto, unique):
    assert ingest(auto, unique, PAIR, "create_append") == 2
    assert ingest(auto, unique, PAIR, "create_append") == 2
    assert value(auto, f"SELECT count(*) FROM {unique}") == 4


def test_a_create_that_fails_makes_no_table(auto, unique):
    bad = pa.RecordBatchReader.from_batches(PAIR.schema, failing_batches(PAIR))
    with pytest.raises(Exception):
        ingest(auto, unique, bad, "create")
    with pytest.raises(auto.Error, match="NOT_FOUND"):
        rows(auto, f"SELECT * FROM {unique}")


def failing_batches(table):
    yield from table.to_batches()
    raise RuntimeError("the client's own source broke")


def test_a_replace_that_fails_keeps_the_old_table(auto, unique):
    ingest(auto, unique, PAIR, "create")
    with pytest.raises(Exception):
        ingest(auto, unique, pa.RecordBatchReader.from_batches(PAIR.schema, failing_batches(PAIR)), "replace")
    assert value(auto, f"SELECT count(*) FROM {unique}") == 2


def test_temporary(auto, other, unique):
    assert ingest(auto, unique, PAIR, "create", temporary=True) == 2
    assert ingest(auto, unique, PAIR, "append", temporary=True) == 2
    assert value(auto, f"SELECT count(*) FROM {unique}") == 4
    with pytest.raises(other.Error, match="NOT_FOUND"):
        rows(other, f"SELECT * FROM {unique}")
    with pytest.raises(auto.Error, match="ALREADY_EXISTS"):
        ingest(auto, unique, PAIR, "create", temporary=True)
    assert ingest(auto, unique, PAIR, "replace", temporary=True) == 2
    assert value(auto, f"SELECT count(*) FROM {unique}") == 2


def test_schema(auto, unique):
    run(auto, f"CREATE SCHEMA s_{unique}")
    assert ingest(auto, "t", PAIR, "create", db_schema_name=f"s_{unique}") == 2
    assert ingest(auto, "t", PAIR, "append", db_schema_name=f"s_{unique}") == 2
    assert value(auto, f"SELECT count(*) FROM s_{unique}.t") == 4
    with pytest.raises(auto.Error, match=f"no_{unique}"):
        ingest(auto, "t", PAIR, "create", db_schema_name=f"no_{unique}")


def test_the_current_schema(server, auto, unique):
    run(auto, f"CREATE SCHEMA s_{unique}")
    run(auto, f"USE s_{unique}")
    ingest(auto, "t", PAIR, "create")
    assert value(auto, f"SELECT count(*) FROM s_{unique}.t") == 2


def test_catalog(auto, unique):
    catalog = value(auto, "SELECT current_database()")
    assert ingest(auto, unique, PAIR, "create", catalog_name=catalog) == 2
    refused(auto, unique, PAIR, "Unknown catalog: elsewhere", catalog_name="elsewhere")


def test_odd_names(auto, unique):
    name = f'{unique} "größe" .%_\\ 🦆'
    assert ingest(auto, name, pa.table({'a "b".c': [1], "SELECT": ["x"]}), "create") == 1
    assert ingest(auto, name, pa.table({'a "b".c': [2], "SELECT": ["y"]}), "append") == 1
    quoted = '"' + name.replace('"', '""') + '"'
    assert rows(auto, f'SELECT "a ""b"".c", "SELECT" FROM {quoted} ORDER BY 1') == [(1, "x"), (2, "y")]


# ---- batches

def test_several_batches(auto, unique):
    batches = [pa.record_batch({"i": pa.array(range(k, k + 1000), pa.int64())}) for k in range(0, 50000, 1000)]
    assert ingest(auto, unique, pa.RecordBatchReader.from_batches(batches[0].schema, batches), "create") == 50000
    assert rows(auto, f"SELECT count(*), sum(i) FROM {unique}") == [(50000, sum(range(50000)))]


def test_no_batch_sends_nothing(auto, unique):
    """The driver opens no stream without a batch (docs/flight.md, "Clients' own limits")."""
    reader = pa.RecordBatchReader.from_batches(PAIR.schema, [])
    with pytest.raises(auto.Error, match="Stream finished before first message sent"):
        ingest(auto, unique, reader, "create")
    with pytest.raises(auto.Error, match="NOT_FOUND"):
        rows(auto, f"SELECT * FROM {unique}")


def test_a_batch_without_rows_makes_the_table(auto, unique):
    empty = PAIR.schema.empty_table().to_batches() or [pa.RecordBatch.from_pylist([], PAIR.schema)]
    assert ingest(auto, unique, pa.RecordBatchReader.from_batches(PAIR.schema, empty), "create") == 0
    assert arrow(auto, f"SELECT * FROM {unique}").schema == PAIR.schema


def test_batches_with_and_without_rows(auto, unique):
    full, empty = PAIR.to_batches()[0], pa.RecordBatch.from_pylist([], PAIR.schema)
    reader = pa.RecordBatchReader.from_batches(PAIR.schema, [empty, full, empty, full])
    assert ingest(auto, unique, reader, "create") == 4


def test_a_batch_over_16_mib(server, auto, unique):
    """The driver neither splits it nor sends it unless told to; the server takes it."""
    data = pa.table({"s": ["x" * 1000] * 40_000}).combine_chunks()
    assert data.nbytes > 2 * 16 << 20
    with pytest.raises(auto.Error, match="trying to send message larger than max"):
        ingest(auto, unique, data, "create")
    options = {"adbc.flight.sql.client_option.with_max_msg_size": str(64 << 20)}
    with flightsql.connect(server.url, db_kwargs=options, autocommit=True) as roomy:
        assert ingest(roomy, unique, data, "create") == 40_000
    assert value(auto, f"SELECT sum(length(s)) FROM {unique}") == 40_000_000


def test_sliced_batches(auto, unique):
    data = pa.table({"i": pa.array(range(100), pa.int64()), "s": [str(i) for i in range(100)],
                     "b": [i % 3 == 0 for i in range(100)], "l": [[i, i + 1] for i in range(100)]})
    assert ingest(auto, unique, data.slice(13, 7), "create") == 7
    assert arrow(auto, f"SELECT * FROM {unique} ORDER BY i").to_pylist() == data.slice(13, 7).to_pylist()


# ---- columns

def test_columns_go_by_name(auto, unique):
    run(auto, f"CREATE TABLE {unique} (a INTEGER, b INTEGER, c VARCHAR DEFAULT 'none')")
    ingest(auto, unique, pa.table({"B": pa.array([20], pa.int32()), "a": pa.array([10], pa.int32())}))
    ingest(auto, unique, pa.table({"c": ["x"], "b": pa.array([2], pa.int32()), "a": pa.array([1], pa.int32())}))
    assert rows(auto, f"SELECT * FROM {unique} ORDER BY a") == [(1, 2, "x"), (10, 20, "none")]


def test_unknown_column(auto, unique):
    run(auto, f"CREATE TABLE {unique} (amount INTEGER)")
    refused(auto, unique, pa.table({"amuont": pa.array([1], pa.int32())}), "no column amuont.*did you mean amount")


def test_column_twice(auto, unique):
    run(auto, f"CREATE TABLE {unique} (a INTEGER)")
    twice = pa.Table.from_arrays([pa.array([1], pa.int32())] * 2, names=["a", "A"])
    refused(auto, unique, twice, "twice")


def test_text_is_not_parsed_into_numbers(auto, unique):
    run(auto, f"CREATE TABLE {unique} (a INTEGER)")
    refused(auto, unique, pa.table({"a": ["1"]}), "Column a .*int32.*string")


def test_dictionaries(auto, unique):
    run(auto, f"CREATE TABLE {unique} (s VARCHAR, e ENUM('x', 'y'), n BIGINT)")
    data = pa.table({"s": pa.array(["a", None, "a"]).dictionary_encode(), "e": pa.array(["y", "x", None]).dictionary_encode(),
                     "n": pa.array([7, 7, None]).dictionary_encode()})
    assert ingest(auto, unique, data) == 3
    assert rows(auto, f"SELECT s, e::VARCHAR, n FROM {unique}") == [("a", "y", 7), (None, "x", 7), ("a", None, None)]


def test_dictionary_that_grows(auto, unique):
    batches = [pa.record_batch({"s": pa.array([f"w{k}", "same"]).dictionary_encode()}) for k in range(5)]
    assert ingest(auto, unique, pa.RecordBatchReader.from_batches(batches[0].schema, batches), "create") == 10
    assert value(auto, f"SELECT count(DISTINCT s) FROM {unique}") == 6


def test_an_unknown_enum_value_is_refused(auto, unique):
    run(auto, f"CREATE TABLE {unique} (e ENUM('x', 'y'))")
    refused(auto, unique, pa.table({"e": ["x", "z"]}), "z")


def test_nested(auto, unique):
    data = pa.table({"l": [[{"a": 1, "b": ["x"]}], [], None], "m": pa.array([[("k", [1.5])], [], None], pa.map_(
        pa.string(), pa.list_(pa.float64()))), "s": [{"p": {"q": "r"}}, {"p": None}, None]})
    assert ingest(auto, unique, data, "create") == 3
    assert arrow(auto, f"SELECT * FROM {unique}").to_pylist() == data.to_pylist()


# ---- exactness

def test_decimals_do_not_go_through_double(auto, unique):
    exact = [decimal.Decimal("0." + "1234567890" * 3 + "12345678"), decimal.Decimal("-0." + "0" * 37 + "1"), None]
    data = pa.table({"d": pa.array(exact, pa.decimal128(38, 38))})
    ingest(auto, unique, data, "create")
    assert arrow(auto, f"SELECT d FROM {unique}").equals(data)
    assert value(auto, f"SELECT typeof(d) FROM {unique} LIMIT 1") == "DECIMAL(38,38)"


def test_widening(auto, unique):
    run(auto, f"CREATE TABLE {unique} (a BIGINT, b DOUBLE, c DECIMAL(18,4), d TIMESTAMP, e HUGEINT)")
    ingest(auto, unique, pa.table({
        "a": pa.array([1], pa.int8()), "b": pa.array([2], pa.int32()), "c": pa.array([decimal.Decimal("3.5")], pa.decimal128(4, 1)),
        "d": pa.array([0], pa.date32()), "e": pa.array([2**64 - 1], pa.uint64())}))
    assert rows(auto, f"SELECT a, b, c::VARCHAR, d::VARCHAR, e FROM {unique}") == [
        (1, 2.0, "3.5000", "1970-01-01 00:00:00", 2**64 - 1)]


@pytest.mark.parametrize("duck,array", [
    ("TINYINT", pa.array([1, 2, 300], pa.int32())), ("INTEGER", pa.array([1, 2**31], pa.int64())),
    ("UINTEGER", pa.array([1, -1], pa.int32())), ("BIGINT", pa.array([1, 2**63], pa.uint64())),
    ("DECIMAL(4,1)", pa.array([decimal.Decimal("1.0"), decimal.Decimal("12345.6")], pa.decimal128(10, 1))),
    ("INTEGER", pa.array([1.0, 1e12])), ("FLOAT", pa.array([1.0, 1e300])),
])
def test_what_does_not_fit_is_refused_whole(auto, unique, duck, array):
    run(auto, f"CREATE TABLE {unique} (a {duck})")
    refused(auto, unique, pa.table({"a": array}), "(?i)range|fit|cast|convert")


def test_null_into_not_null_is_refused_whole(auto, unique):
    run(auto, f"CREATE TABLE {unique} (i INTEGER NOT NULL, s VARCHAR)")
    batches = [pa.record_batch({"i": pa.array([k, k + 1], pa.int32())}) for k in range(20)]
    batches.append(pa.record_batch({"i": pa.array([1, None], pa.int32())}))
    refused(auto, unique, pa.RecordBatchReader.from_batches(batches[0].schema, batches), "NOT NULL")
    refused(auto, unique, pa.table({"s": ["no i"]}), "NOT NULL")


def test_constraints_hold(auto, unique):
    run(auto, f"CREATE TABLE {unique} (i INTEGER PRIMARY KEY CHECK (i < 10))")
    ingest(auto, unique, pa.table({"i": pa.array([1, 2], pa.int32())}))
    refused(auto, unique, pa.table({"i": pa.array([3, 1], pa.int32())}), "(?i)duplicate key")
    refused(auto, unique, pa.table({"i": pa.array([4, 4], pa.int32())}), "(?i)duplicate|PRIMARY KEY")
    refused(auto, unique, pa.table({"i": pa.array([5, 11], pa.int32())}), "CHECK")


def test_views_follow_an_ingest(auto, unique):
    run(auto, f"CREATE TABLE {unique} (k VARCHAR, v BIGINT)")
    run(auto, f"CREATE MATERIALIZED VIEW v_{unique} AS SELECT k, sum(v) AS s, count(*) AS n FROM {unique} GROUP BY ALL")
    ingest(auto, unique, pa.table({"k": ["a", "b", None], "v": [1, 2, 3]}))
    ingest(auto, unique, pa.table({"v": [10], "k": pa.array(["a"]).dictionary_encode()}))
    assert rows(auto, f"SELECT * FROM v_{unique} ORDER BY k NULLS LAST") == [("a", 11, 2), ("b", 2, 1), (None, 3, 1)]


def test_a_view_cannot_be_ingested_into(auto, unique):
    run(auto, f"CREATE TABLE {unique} (k VARCHAR)")
    run(auto, f"CREATE VIEW v_{unique} AS SELECT * FROM {unique}")
    run(auto, f"CREATE MATERIALIZED VIEW m_{unique} AS SELECT k, count(*) AS n FROM {unique} GROUP BY ALL")
    refused(auto, f"v_{unique}", pa.table({"k": ["a"]}), "(?i)view")
    refused(auto, f"m_{unique}", pa.table({"k": ["a"]}), "(?i)view")
