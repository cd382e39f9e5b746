"""Arrow data that lies: each lie is an error in words or accepted whole, the server lives on, no row is half there."""

import os
import random
import struct

import numpy as np
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from exchange import count_rows, is_healthy, run_sql
from raw_flight import RawConnection, field, flight_data, ipc_messages
from server_process import ServerProcess

SCHEMA = pa.schema([("i", pa.int64()), ("s", pa.string())])
BATCH = pa.record_batch([pa.array([1, 2, 3], pa.int64()), pa.array(["a", "bb", "ccc"])], schema=SCHEMA)


# Flight itself reads the first message, and calls what it cannot read UNKNOWN.
BEFORE_THE_HANDLER = ("INVALID_ARGUMENT", "UNKNOWN")


@pytest.fixture(scope="module")
def server():
    """A server of its own, so that a test can say what the attacks did to it."""
    with ServerProcess("--memory-max", "2GiB") as process:
        yield process
        assert is_healthy(process)


@pytest.fixture
def table(server, unique):
    run_sql(server, f"CREATE TABLE {unique} (i BIGINT, s VARCHAR)")
    return unique


def put(server, table, messages):
    """Sends messages as they are; returns the answer."""
    with RawConnection(server) as raw:
        stream = raw.start("DoPut")
        for number, message in enumerate(messages):
            fields = message if isinstance(message, dict) else {"header": message[0], "body": message[1]}
            if not raw.send(stream, flight_data(path=[table] if number == 0 else None, **fields)):
                break
        raw.end(stream)
        return raw.answer(stream)


def refused(server, table, messages, *words, codes=("INVALID_ARGUMENT",)):
    answer = put(server, table, messages)
    assert answer.code in codes, answer
    assert len(answer.text.encode()) <= 4096
    for word in words:
        assert word in answer.text
    assert server.process.poll() is None
    assert count_rows(server, table) == 0
    return answer


def with_numbers(message, **changes):
    """Replaces 64-bit numbers of the header: with_numbers(m, _3=1 << 60)."""
    header, body = message
    out = bytearray(header)
    for name, new in changes.items():
        old = struct.pack("<q", int(name[1:]))
        for at in range(4, len(header) - 7, 4):
            if header[at:at + 8] == old:
                out[at:at + 8] = struct.pack("<q", new)
    return bytes(out), body


def with_body(message, change):
    header, body = message
    body = bytearray(body)
    change(body)
    return header, bytes(body)


@pytest.mark.parametrize("rows", [1 << 60, (1 << 63) - 1, -1, 1 << 31, 1_000_000_000])
def test_row_counts_that_are_not_there(server, table, rows):
    schema, batch = ipc_messages(SCHEMA, [BATCH])
    refused(server, table, [schema, with_numbers(batch, _3=rows)])


@pytest.mark.parametrize("rows", [1 << 60, 1 << 40, 1 << 32])
def test_rows_of_a_type_that_takes_no_bytes(server, unique, rows):
    run_sql(server, f"CREATE TABLE {unique} (i BIGINT)")
    schema = pa.schema([("i", pa.null())])
    messages = ipc_messages(schema, [pa.record_batch([pa.nulls(12345)], schema=schema)])
    refused(server, unique, [messages[0], with_numbers(messages[1], _12345=rows)], "rows")


@pytest.mark.parametrize("offset", [1 << 30, -5, 0x7FFFFFFF])
def test_string_offsets_out_of_range(server, table, offset):
    schema, batch = ipc_messages(SCHEMA, [BATCH])
    at = batch[1].find(struct.pack("<4i", 0, 1, 3, 6))
    assert at >= 0
    lie = with_body(batch, lambda body: struct.pack_into("<i", body, at + 8, offset))
    refused(server, table, [schema, lie], "not valid Arrow data")


def test_string_views_out_of_range(server, unique):
    run_sql(server, f"CREATE TABLE {unique} (s VARCHAR)")
    schema = pa.schema([("s", pa.string_view())])
    text = "a long string that is no part of the view itself"
    messages = ipc_messages(schema, [pa.record_batch([pa.array([text] * 3, pa.string_view())], schema=schema)])
    at = messages[1][1].find(struct.pack("<i", len(text)) + text[:4].encode())
    assert at >= 0
    for place, value in ((0, 1 << 30), (8, 7), (12, 1 << 30), (12, -8)):
        lie = with_body(messages[1], lambda body: struct.pack_into("<i", body, at + place, value))
        refused(server, unique, [messages[0], lie], "not valid Arrow data")
    assert put(server, unique, messages).code == "OK"


def test_list_offsets_out_of_range(server, unique):
    run_sql(server, f"CREATE TABLE {unique} (l BIGINT[])")
    schema = pa.schema([("l", pa.list_(pa.int64()))])
    messages = ipc_messages(schema, [pa.record_batch([pa.array([[1], [2, 3]], schema.field(0).type)], schema=schema)])
    at = messages[1][1].find(struct.pack("<3i", 0, 1, 3))
    for value in (1 << 30, -1):
        lie = with_body(messages[1], lambda body: struct.pack_into("<i", body, at + 8, value))
        refused(server, unique, [messages[0], lie], "not valid Arrow data")
    assert put(server, unique, messages).code == "OK"


def test_list_views_out_of_range(server, unique):
    run_sql(server, f"CREATE TABLE {unique} (l BIGINT[])")
    schema = pa.schema([("l", pa.list_view(pa.int64()))])
    column = pa.array([[1], [2, 3]], schema.field(0).type)
    messages = ipc_messages(schema, [pa.record_batch([column], schema=schema)])
    at = messages[1][1].find(struct.pack("<2i", 0, 1))
    lie = with_body(messages[1], lambda body: struct.pack_into("<i", body, at + 4, 1 << 30))
    refused(server, unique, [messages[0], lie])


def test_dictionary_indices_out_of_range(server, unique):
    run_sql(server, f"CREATE TABLE {unique} (s VARCHAR)")
    column = pa.array(["x", "y", "x"]).dictionary_encode()
    schema = pa.schema([("s", column.type)])
    messages = ipc_messages(schema, [pa.record_batch([column], schema=schema)])
    at = messages[2][1].find(struct.pack("<3i", 0, 1, 0))
    for index in (2, 1 << 30, -1):
        lie = with_body(messages[2], lambda body: struct.pack_into("<i", body, at, index))
        refused(server, unique, [*messages[:2], lie], "not valid Arrow data")
    refused(server, unique, [messages[0], messages[2]])  # its dictionary never comes
    assert put(server, unique, messages).code == "OK"
    assert run_sql(server, f"SELECT s FROM {unique}") == {"s": ["x", "y", "x"]}


def test_messages_without_header_where_one_is_due(server, unique):
    run_sql(server, f"CREATE TABLE {unique} (a VARCHAR, b VARCHAR)")
    column = pa.array(["x", "y"]).dictionary_encode()
    schema = pa.schema([("a", column.type), ("b", column.type)])
    messages = ipc_messages(schema, [pa.record_batch([column, column], schema=schema)])
    for place in (1, 2, 3):
        for nothing in ({"body": b"rows"}, {}):
            refused(server, unique, [*messages[:place], nothing, *messages[place:]], "neither")
    refused(server, unique, [*messages[:2], {"metadata": b"x"}, *messages[2:]])
    assert put(server, unique, messages).code == "OK"


def test_descriptors_alone_in_mid_stream(server, table):
    """Flight takes one for the end of the stream: what follows would be lost without a word."""
    schema, *batches = ipc_messages(SCHEMA, [BATCH, BATCH])
    with RawConnection(server) as raw:
        stream = raw.start("DoPut")
        raw.send(stream, flight_data(path=[table], header=schema[0]))
        raw.send(stream, flight_data(header=batches[0][0], body=batches[0][1]))
        raw.send(stream, flight_data(path=[table]))
        raw.send(stream, flight_data(header=batches[1][0], body=batches[1][1]))
        raw.end(stream)
        answer = raw.answer(stream)
    assert answer.code == "INVALID_ARGUMENT" and "neither" in answer.text, answer
    with RawConnection(server) as raw:  # beside a header it says nothing new
        stream = raw.start("DoPut")
        raw.send(stream, flight_data(path=[table], header=schema[0]))
        for header, body in batches:
            raw.send(stream, flight_data(path=[table], header=header, body=body))
        raw.end(stream)
        assert raw.answer(stream).code == "OK"


def test_a_dictionary_that_swells(server, unique):
    """A few bytes for each row, a megabyte each in the table."""
    run_sql(server, f"CREATE TABLE {unique} (s VARCHAR)")
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, "i4")), pa.array(["x" * 1_000_000]))
    schema = pa.schema([("s", column.type)])
    before = server.status_value("VmRSS")
    refused(server, unique, ipc_messages(schema, [pa.record_batch([column], schema=schema)]), "bytes")
    assert server.status_value("VmRSS") < before + 300_000


def test_views_that_swell(server, unique):
    run_sql(server, f"CREATE TABLE {unique} (s VARCHAR)")
    text = "x" * 1_000_000
    one = ipc_messages(pa.schema([("s", pa.string_view())]),
                       [pa.record_batch([pa.array([text] * 2, pa.string_view())], names=["s"])])
    assert put(server, unique, one).code == "OK"
    views = pa.array([text], pa.string_view()).buffers()
    column = pa.Array.from_buffers(pa.string_view(), 100_000,
                                   [None, pa.py_buffer(views[1].to_pybytes() * 100_000), views[2]])
    before = server.status_value("VmRSS")
    answer = put(server, unique, ipc_messages(pa.schema([("s", pa.string_view())]),
                                              [pa.record_batch([column], names=["s"])]))
    assert answer.code == "INVALID_ARGUMENT" and "bytes" in answer.text
    assert count_rows(server, unique) == 2
    assert server.status_value("VmRSS") < before + 300_000


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_bodies_that_lie_about_their_size(server, table, codec):
    options = pa.ipc.IpcWriteOptions(compression=codec)
    zeros = pa.record_batch([pa.array([0] * 10_000, pa.int64()), pa.array([""] * 10_000)], schema=SCHEMA)
    schema, batch = ipc_messages(SCHEMA, [zeros], options)
    at = batch[1].find(struct.pack("<q", 80_000))
    assert at >= 0
    for said, words in ((100 << 30, "batch_bytes_max"), ((1 << 63) - 1, "batch_bytes_max"), (79_999, ""), (8, ""),
                        (80_008, ""), (-5, ""), (-1, "")):
        lie = with_body(batch, lambda body: struct.pack_into("<q", body, at, said))
        before = server.status_value("VmRSS")
        refused(server, table, [schema, lie], words)
        assert server.status_value("VmRSS") < before + 50_000
    assert put(server, table, [schema, batch]).code == "OK"


def test_a_compressed_body_that_swells(server, table):
    """400 MB of zeros in a few kB, where 322 MB are the bound."""
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    schema = pa.schema([("i", pa.int64())])
    rows = 50_000_000
    start, batch = ipc_messages(schema, [pa.record_batch([pa.array(np.zeros(rows, "i8"))], schema=schema)], options)
    before = server.status_value("VmRSS")
    refused(server, table, [start, batch], "batch_bytes_max")
    assert server.status_value("VmRSS") < before + 50_000


def test_a_batch_that_declares_100_gb(server, table):
    schema, batch = ipc_messages(SCHEMA, [BATCH])
    body = len(batch[1])
    refused(server, table, [schema, with_numbers(batch, **{f"_{body}": 100 << 30, "_3": (100 << 30) // 8})])
    lengths = with_numbers(batch, _24=100 << 30)
    refused(server, table, [schema, lengths])


@pytest.mark.parametrize("cut", [0.0, 0.3, 0.9])
def test_messages_cut_short(server, table, cut):
    schema, batch = ipc_messages(SCHEMA, [BATCH])
    start = (schema[0][:int(len(schema[0]) * cut)], b"")
    refused(server, table, [start, batch], codes=BEFORE_THE_HANDLER)
    refused(server, table, [schema, (batch[0][:int(len(batch[0]) * cut)], batch[1])])
    refused(server, table, [schema, (batch[0], batch[1][:int(len(batch[1]) * cut)])])


def test_messages_that_do_not_belong_there(server, table):
    schema, batch = ipc_messages(SCHEMA, [BATCH])
    refused(server, table, [batch, batch], codes=BEFORE_THE_HANDLER)
    refused(server, table, [schema, schema, batch])
    refused(server, table, [schema, (b"", b"")])
    refused(server, table, [schema, (b"\xff" * 300, batch[1])])


def test_a_stream_without_a_descriptor_or_a_table(server):
    schema, batch = ipc_messages(SCHEMA, [BATCH])
    for path in ([], [""], ["a", "b", "c"], ["no_such_table"]):
        with RawConnection(server) as raw:
            stream = raw.start("DoPut")
            raw.send(stream, flight_data(header=schema[0], path=path))
            raw.send(stream, flight_data(header=batch[0], body=batch[1]))
            raw.end(stream)
            assert raw.answer(stream).code in ("INVALID_ARGUMENT", "NOT_FOUND")
    with RawConnection(server) as raw:
        stream = raw.start("DoPut")
        raw.send(stream, flight_data(header=schema[0]))
        raw.end(stream)
        answer = raw.answer(stream)
        assert answer.code != "OK" and "escriptor" in answer.text
    with RawConnection(server) as raw:
        stream = raw.start("DoPut")
        raw.send(stream, b"\xff" * 100)
        raw.end(stream)
        assert raw.answer(stream).code not in ("OK", "CLOSED")


def test_invalid_utf8(server, table):
    schema, batch = ipc_messages(SCHEMA, [BATCH])
    at = batch[1].find(b"abbccc")
    lie = with_body(batch, lambda body: body.__setitem__(slice(at, at + 6), b"a\xff\xfecc\xc3"))
    refused(server, table, [schema, lie], "UTF8")


def batch_of(**columns):
    return pa.record_batch(list(columns.values()), names=list(columns))


@pytest.mark.parametrize(
    "batch, words",
    [
        (batch_of(i=pa.array([1]), s=pa.array(["a"]), x=pa.array([1])), ["no column x", "2 columns"]),
        (batch_of(i=pa.array([1]), S2=pa.array(["a"])), ["no column S2"]),
        (batch_of(i=pa.array(["a"]), s=pa.array(["a"])), ["Column i", "int64", "string"]),
        (batch_of(i=pa.array([1]), s=pa.array([[1]])), ["Column s"]),
        (pa.record_batch([pa.array([1]), pa.array([2])], names=["i", "i"]), ["given twice"]),
        (pa.record_batch([pa.array([1]), pa.array([2])], names=["i", "I"]), ["given twice"]),
        (batch_of(i=pa.array([1 << 63], pa.uint64())), ["i"]),
    ],
    ids=["too-many", "misnamed", "text-for-number", "list-for-text", "twice", "twice-in-other-case", "too-large"],
)
def test_columns_that_do_not_fit(server, table, batch, words):
    refused(server, table, ipc_messages(batch.schema, [batch]), *words)


def test_nulls_where_none_may_be(server, unique):
    run_sql(server, f"CREATE TABLE {unique} (i BIGINT NOT NULL)")
    batch = batch_of(i=pa.array([1, None, 3]))
    refused(server, unique, ipc_messages(batch.schema, [batch]), "NOT NULL")


def test_a_schema_that_changes_on_the_way(server, table):
    other = batch_of(i=pa.array([1]))
    refused(server, table, [ipc_messages(SCHEMA)[0], ipc_messages(other.schema, [other])[1]])


def test_zero_rows_dictionaries_and_metadata_are_fine(server, table):
    assert put(server, table, ipc_messages(SCHEMA, [BATCH.slice(0, 0), BATCH, BATCH.slice(0, 0)])).code == "OK"
    assert count_rows(server, table) == 3
    encoded = batch_of(i=pa.array([7, 8]), s=pa.array(["p", "q"]).dictionary_encode())
    assert put(server, table, ipc_messages(encoded.schema, [encoded, encoded])).code == "OK"
    assert count_rows(server, table) == 7
    assert put(server, table, ipc_messages(SCHEMA)).code == "OK"


def test_schemas_of_100000_columns_and_deep_types(server, table):
    wide = pa.schema([(f"c{i}", pa.int8()) for i in range(100_000)])
    refused(server, table, ipc_messages(wide, []) + [{"metadata": b"{}"}], "100000 columns")
    deep = pa.int8()
    for _ in range(60):
        deep = pa.list_(deep)
    with fl.connect(server.url) as client:
        with pytest.raises(pa.ArrowInvalid, match="nest|deep|columns|no column|Column"):
            writer, _ = client.do_put(fl.FlightDescriptor.for_path(table), pa.schema([("i", deep)]))
            writer.write_batch(pa.record_batch([pa.nulls(1, deep)], names=["i"]))
            writer.close()
    assert is_healthy(server)


def test_making_a_table_of_a_hostile_schema(server, unique):
    def create(schema):
        with fl.connect(server.url) as client:
            writer, _ = client.do_put(fl.FlightDescriptor.for_path(unique), schema)
            writer.write_metadata(b'{"create": true}')
            writer.write_batch(pa.record_batch([pa.nulls(0, f.type) for f in schema], schema=schema))
            writer.close()

    for names in (["a", "A"], ["a", "a"], [""], ["x" * 10_000]):
        try:
            create(pa.schema([(name, pa.int8()) for name in names]))
            run_sql(server, f"DROP TABLE {unique}")
        except (pa.ArrowInvalid, pa.ArrowKeyError, fl.FlightError) as error:
            assert len(str(error)) < 4500
        assert is_healthy(server)
    with pytest.raises(pa.ArrowInvalid, match="100000 columns"):
        create(pa.schema([(f"c{i}", pa.int8()) for i in range(100_000)]))
    assert is_healthy(server)


def bind(server, sql, messages):
    """Prepares, then binds messages as they are; returns the answer of DoPut."""
    def any_of(kind, value):
        return field(1, f"type.googleapis.com/arrow.flight.protocol.sql.{kind}".encode()) + field(2, value)

    with RawConnection(server) as raw:
        stream = raw.start("DoAction")
        request = any_of("ActionCreatePreparedStatementRequest", field(1, sql.encode()))
        raw.send(stream, field(1, b"CreatePreparedStatement") + field(2, request))
        raw.end(stream)
        answer = raw.answer(stream)
        assert answer.code == "OK", answer
        handle = answer.messages[0].split(b"ActionCreatePreparedStatementResult", 1)[1]
        at = handle.find(b"\x0a")
        handle = handle[at + 2:at + 2 + handle[at + 1]]
        stream = raw.start("DoPut")
        command = any_of("CommandPreparedStatementQuery", field(1, handle))
        for number, (header, body) in enumerate(messages):
            raw.send(stream, flight_data(header=header, body=body, command=command if number == 0 else None))
        raw.end(stream)
        return raw.answer(stream)


def test_parameters_that_lie(server):
    schema = pa.schema([("1", pa.string())])
    messages = ipc_messages(schema, [pa.record_batch([pa.array(["a", "bb"])], schema=schema)])
    assert bind(server, "SELECT ?::VARCHAR AS x", messages).code == "OK"
    at = messages[1][1].find(struct.pack("<3i", 0, 1, 3))
    lie = with_body(messages[1], lambda body: struct.pack_into("<i", body, at + 4, 1 << 30))
    assert bind(server, "SELECT ?::VARCHAR AS x", [messages[0], lie]).code == "INVALID_ARGUMENT"
    nulls = pa.schema([("1", pa.null())])
    messages = ipc_messages(nulls, [pa.record_batch([pa.nulls(12345)], schema=nulls)])
    answer = bind(server, "SELECT ?::VARCHAR AS x", [messages[0], with_numbers(messages[1], _12345=1 << 60)])
    assert answer.code == "INVALID_ARGUMENT" and "rows" in answer.text
    assert is_healthy(server)


def ingest(server, table, messages, temporary=False, create=False):
    options = field(1, (b"\x08\x01" if create else b"\x08\x02") + b"\x10\x02") + field(2, table.encode()) + (b"\x28\x01" if temporary else b"")
    command = field(1, b"type.googleapis.com/arrow.flight.protocol.sql.CommandStatementIngest") + field(2, options)
    with RawConnection(server) as raw:
        stream = raw.start("DoPut")
        for number, (header, body) in enumerate(messages):
            raw.send(stream, flight_data(header=header, body=body, command=command if number == 0 else None))
        raw.end(stream)
        return raw.answer(stream)


@pytest.mark.parametrize("temporary", [False, True])
def test_ingest_that_lies(server, table, temporary):
    schema, batch = ipc_messages(SCHEMA, [BATCH])
    at = batch[1].find(struct.pack("<4i", 0, 1, 3, 6))
    lie = with_body(batch, lambda body: struct.pack_into("<i", body, at + 8, 1 << 30))
    answer = ingest(server, table, [schema, batch, batch, lie], temporary, create=temporary)
    assert answer.code == "INVALID_ARGUMENT" and "valid Arrow" in answer.text, answer
    assert count_rows(server, table) == 0
    assert is_healthy(server)


def test_ingest_into_a_temporary_table_that_only_the_database_has(server, table):
    answer = ingest(server, table, ipc_messages(SCHEMA, [BATCH]), temporary=True)
    assert answer.code == "NOT_FOUND" and "temporary" in answer.text, answer
    assert count_rows(server, table) == 0


def fuzzed(messages, chance):
    """A copy with a few bytes changed, in headers and bodies alike."""
    out = [[bytearray(header), bytearray(body)] for header, body in messages]
    for _ in range(chance.randint(1, 4)):
        part = chance.choice([part for message in out for part in message if part])
        at = chance.randrange(len(part))
        kind = chance.randrange(3)
        if kind == 0:
            part[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            part[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
        else:
            part[at:at + 8] = chance.randbytes(8)
    if chance.random() < 0.1:
        out.insert(chance.randrange(len(out) + 1), chance.choice(out))
    return [(bytes(header), bytes(body)) for header, body in out]


@pytest.mark.parametrize("codec", [None, "zstd", "lz4"])
def test_flipped_bytes_are_refused_or_accepted_whole(server, unique, codec):
    seed = int(os.environ.get("HYPRSTREAM_SEED", "20261126"))
    print(f"HYPRSTREAM_SEED={seed}")
    chance = random.Random(seed)
    run_sql(server, f"CREATE TABLE {unique} (i BIGINT, s VARCHAR, d VARCHAR, l INTEGER[], b BOOLEAN, "
                    "n DECIMAL(20, 2), t TIMESTAMP, st STRUCT(x INTEGER, y VARCHAR), v VARCHAR)")
    rows = 50
    batch = pa.record_batch(
        [pa.array(range(rows)), pa.array([f"s{i}" if i % 7 else None for i in range(rows)]),
         pa.array(["red", "green"] * (rows // 2)).dictionary_encode(),
         pa.array([[i] * (i % 3) for i in range(rows)], pa.list_(pa.int32())),
         pa.array([i % 2 == 0 for i in range(rows)]), pa.array([i for i in range(rows)], pa.decimal128(20, 2)),
         pa.array(range(rows), pa.timestamp("us")),
         pa.array([{"x": i, "y": str(i)} for i in range(rows)], pa.struct([("x", pa.int32()), ("y", pa.string())])),
         pa.array([f"a text that is too long for a view {i}" for i in range(rows)], pa.string_view())],
        names=["i", "s", "d", "l", "b", "n", "t", "st", "v"])
    messages = ipc_messages(batch.schema, [batch, batch], pa.ipc.IpcWriteOptions(compression=codec))
    accepted = refusals = 0
    expected = 0
    for _ in range(int(os.environ.get("HYPRSTREAM_LONG", "0")) * 2000 or 150):
        answer = put(server, unique, fuzzed(messages, chance))
        assert server.process.poll() is None, f"seed {seed}"
        assert answer.code != "CLOSED", f"seed {seed}"
        assert len(answer.text.encode()) <= 4096
        now = count_rows(server, unique)
        acknowledged = [m for m in answer.messages if b'"lsn"' in m]
        if acknowledged:
            told = int(acknowledged[-1].split(b'"rows":')[1].split(b"}")[0].split(b",")[0])
            assert now - expected == told, (answer, now, expected, seed)
        else:
            assert now == expected, (answer, seed)
        expected = now
        accepted += answer.code == "OK"
        refusals += answer.code != "OK"
    assert accepted + refusals > 0 and refusals > 0
    run_sql(server, f"SELECT count(*) AS n, max(s), max(v), max(d) FROM {unique}")
    assert is_healthy(server)
