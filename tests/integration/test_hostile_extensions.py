"""Arrow's extension types whose bytes lie: DuckDB trusts them, so the door must not. Through every way in."""

import json

import flight_sql_wire as wire
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from exchange import is_healthy, run_sql
from server_process import ServerProcess


@pytest.fixture(scope="module")
def server():
    with ServerProcess("--memory-max", "1GiB") as process:
        yield process
        assert is_healthy(process)


def field(extension, storage, metadata="", name="n"):
    return pa.field(name, storage, metadata={"ARROW:extension:name": extension, "ARROW:extension:metadata": metadata})


def duckdb(kind, storage=None, name="n"):
    """A field of one of DuckDB's own types."""
    return field("arrow.opaque", storage or pa.binary(), json.dumps({"type_name": kind, "vendor_name": "DuckDB"}), name)


def one(column, value):
    return pa.RecordBatch.from_arrays([value], schema=pa.schema([column]))


def binary(value):
    return pa.array([value], pa.binary())


def by_path(client, table, batch):
    writer, reader = client.do_put(fl.FlightDescriptor.for_path(table), batch.schema)
    writer.write_with_metadata(batch, b'{"create": true}')
    writer.done_writing()
    reader.read()
    writer.close()


def by_ingest(client, table, batch):
    writer, reader = client.do_put(wire.statement_ingest(table), batch.schema)
    writer.write_batch(batch)
    writer.done_writing()
    reader.read()
    writer.close()


def by_parameters(client, _, batch):
    handle = wire.prepare(client, "SELECT ? IS NULL AS n")
    writer, reader = client.do_put(wire.prepared_query(handle), batch.schema)
    writer.write_batch(batch)
    writer.done_writing()
    reader.read()
    writer.close()


def by_exchange(client, table, batch):
    writer, reader = client.do_exchange(fl.FlightDescriptor.for_path(table))
    with writer:
        writer.begin(batch.schema)
        writer.write_with_metadata(batch, b'{"create": true}')
        writer.done_writing()
        for _ in reader:
            pass


WAYS = [by_path, by_ingest, by_parameters, by_exchange]
LIES = {
    "bit": one(duckdb("bit"), binary(b"\x08")),
    "empty bit": one(duckdb("bit"), binary(b"")),
    "bignum": one(duckdb("bignum"), binary(b"")),
    "long bignum": one(duckdb("bignum"), binary(b"\xff\xff\xff\xff")),
    "time": one(duckdb("time_tz", pa.binary(8)), pa.array([b"\x7f" * 8], pa.binary(8))),
    "no storage": one(duckdb("hugeint", pa.null()), pa.nulls(1)),
    "storage of one byte": one(duckdb("uhugeint", pa.int8()), pa.array([1], pa.int8())),
    "list": one(pa.field("n", pa.list_(duckdb("bit", name="item"))), pa.array([[b"\x08"]], pa.list_(duckdb("bit", name="item")))),
    "struct": one(pa.field("n", pa.struct([duckdb("bit")])), pa.array([{"n": b"\x08"}], pa.struct([duckdb("bit")]))),
    "two names": one(
        pa.field("n", pa.int8(), metadata=pa.KeyValueMetadata(
            [("ARROW:extension:name", "arrow.bool8"), ("ARROW:extension:metadata", ""),
             *duckdb("hugeint", pa.int8()).metadata.items()])), pa.array([1], pa.int8())),
    "variant": one(
        field("arrow.parquet.variant", pa.struct([("metadata", pa.binary()), ("value", pa.binary())])),
        pa.array([{"metadata": b"\x01\x00\x00", "value": b"\xff\xff\xff\xff\xff"}],
                 pa.struct([("metadata", pa.binary()), ("value", pa.binary())]))),
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("lie", LIES)
def test_what_lies_is_refused_and_leaves_no_table(server, unique, way, lie):
    with fl.connect(server.url) as client:
        with pytest.raises(pa.ArrowInvalid, match="Column n: "):
            way(client, unique, LIES[lie])
    assert server.process.poll() is None
    assert run_sql(server, f"SELECT count(*) AS n FROM duckdb_tables() WHERE table_name = '{unique}'") == {"n": [0]}


@pytest.mark.parametrize("way", [by_path, by_ingest, by_exchange], ids=lambda way: way.__name__)
def test_what_duckdb_makes_is_taken(server, unique, way):
    batch = pa.RecordBatch.from_arrays(
        [binary(b"\x05\xfd"), binary(b"\x7f\xff\xfe\xfe"), pa.array([b"\xff" * 16], pa.binary(16)), pa.array(["[1]"])],
        schema=pa.schema([duckdb("bit", name="b"), duckdb("bignum", name="g"), duckdb("hugeint", pa.binary(16), "h"),
                          field("arrow.json", pa.string(), name="j")]))
    with fl.connect(server.url) as client:
        way(client, unique, batch)
    assert run_sql(server, f"SELECT b::VARCHAR AS b, (-g)::DOUBLE AS g, h::VARCHAR AS h, typeof(j) AS j FROM {unique}") == {
        "b": ["101"], "g": [1.0], "h": ["-1"], "j": ["JSON"]}


@pytest.mark.parametrize("way", [by_ingest, by_path, by_exchange], ids=lambda way: way.__name__)
def test_a_stream_without_columns_makes_no_table(server, unique, way):
    with fl.connect(server.url) as client:
        with pytest.raises(pa.ArrowInvalid, match="no columns"):
            way(client, unique, pa.RecordBatch.from_arrays([], names=[]))
    assert is_healthy(server)
