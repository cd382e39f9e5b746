"""Metadata calls, handles, actions and descriptors that no stock client sends: answered or refused in words, soon."""

import pyarrow as pa
import pytest
from exchange import is_healthy, run_sql
from raw_flight import RawConnection, field, flight_data, ipc_messages, varint
from server_process import ServerProcess

TYPE = b"type.googleapis.com/arrow.flight.protocol.sql."
MEGABYTE = b"x" * 1_000_000
SCHEMA = pa.schema([pa.field("i", pa.int32())])
REFUSED = ("INVALID_ARGUMENT", "NOT_FOUND", "UNIMPLEMENTED")
# gRPC and Flight say these of what they cannot read, before any code of ours sees it.
UNREADABLE = (*REFUSED, "INTERNAL", "UNKNOWN")


@pytest.fixture(scope="module")
def server():
    with ServerProcess("--memory-max", "512MiB") as process:
        run_sql(process, "CREATE TABLE kept (i INT PRIMARY KEY)")
        yield process
        assert is_healthy(process)
        # At its worst moment it held no more than docs/configuration.md allows. (What it holds afterwards says little: how
        # much of what was freed the allocator keeps depends on the number of cores.)
        assert process.status_value("VmHWM") < (512 * 5 // 4 + 256) << 10


def any_of(kind, body):
    return field(1, TYPE + kind.encode()) + field(2, body)


def call(server, method, message, codes):
    """The answer, which comes within 20 s, has one of `codes` and is short."""
    with RawConnection(server, seconds=20) as raw:
        stream = raw.start(method)
        raw.send(stream, message)
        raw.end(stream)
        answer = raw.answer(stream)
    assert answer.code in codes, answer
    assert len(answer.text.encode()) <= 4096
    return answer


def command(body):
    return b"\x08\x02" + field(2, body)


PATTERNS = {"1 MB": MEGABYTE, "wildcards": b"%%%%_", "1 MB of wildcards": b"%_" * 500_000, "quotes": b"'\"; DROP TABLE kept; --",
            "NUL": b"ke\0pt", "backslashes": b"\\" * 100_001}


@pytest.mark.parametrize("what", PATTERNS)
@pytest.mark.parametrize("kind, fields", [("CommandGetTables", (1,)), ("CommandGetTables", (2, 3)), ("CommandGetTables", (4,)),
                                          ("CommandGetDbSchemas", (1, 2)), ("CommandGetPrimaryKeys", (1, 2, 3)),
                                          ("CommandGetExportedKeys", (3,)), ("CommandGetImportedKeys", (3,)),
                                          ("CommandGetCrossReference", (1, 2, 3, 4, 5, 6))])
def test_patterns_are_patterns(server, kind, fields, what):
    body = b"".join(field(number, PATTERNS[what]) for number in fields)
    call(server, "DoGet", field(1, any_of(kind, body)), ("OK",))


@pytest.mark.parametrize("kind", ["CommandGetTables", "CommandGetDbSchemas", "CommandGetPrimaryKeys", "CommandStatementQuery"])
def test_text_that_is_no_utf8_is_refused(server, kind):
    call(server, "DoGet", field(1, any_of(kind, field(1, b"\xff\xfe") + field(3, b"\xc3"))), REFUSED)


@pytest.mark.parametrize("types", [b"table", b"NOTHING", b"", b"'\"", MEGABYTE[:100]])
def test_a_million_table_types(server, types):
    answer = call(server, "DoGet", field(1, any_of("CommandGetTables", field(4, types) * (1_000_000 // (len(types) + 2)))),
                  ("OK",))
    assert any(b"kept" in message for message in answer.messages) == (types == b"table")


def test_a_million_ids_of_sql_info(server):
    ids = b"".join(varint(number) for number in range(100_000, 1_100_000))
    call(server, "DoGet", field(1, any_of("CommandGetSqlInfo", field(1, ids))), ("OK",))
    call(server, "DoGet", field(1, any_of("CommandGetSqlInfo", field(1, varint(500) * 1_000_000))), ("OK",))


NESTED = any_of("CommandGetTables", b"")
for _ in range(1000):
    NESTED = field(1, b"type.googleapis.com/google.protobuf.Any") + field(2, NESTED)

COMMANDS = {
    "of another type": field(1, b"type.googleapis.com/x.Y") + field(2, b"abc"), "nested": NESTED, "empty": b"",
    "garbage": b"\xff" * 1000, "corrupt": field(1, TYPE + b"CommandStatementQuery") + field(2, b"\xff" * 100),
    "unknown": any_of("CommandNothing", b""), "without a body": field(1, TYPE + b"CommandStatementIngest"),
    "with a type of 1 MB": field(1, TYPE + MEGABYTE),
}


@pytest.mark.parametrize("what", COMMANDS)
def test_commands_that_are_none(server, what):
    for method in ("GetFlightInfo", "GetSchema", "PollFlightInfo"):
        call(server, method, command(COMMANDS[what]), REFUSED)
    call(server, "DoGet", field(1, COMMANDS[what]), REFUSED)
    call(server, "DoPut", flight_data(command=COMMANDS[what]), UNREADABLE)


def test_descriptors_that_name_nothing(server):
    for method in ("GetFlightInfo", "GetSchema"):
        for parts in (0, 3, 1000, 1_000_000):
            call(server, method, b"\x08\x01" + field(3, b"p") * parts, REFUSED)
        call(server, method, b"\x08\x01" + field(3, MEGABYTE), REFUSED)
        call(server, method, b"", REFUSED)
        call(server, method, b"\x08\x07" + field(3, b"p"), REFUSED)
        call(server, method, b"\x08\x01" + field(3, b"\xff\xfe"), UNREADABLE)
        call(server, method, b"\xff" * 64, UNREADABLE)


HANDLES = {"zeros": bytes(32), "1 MB": MEGABYTE, "no text": b"\xff" * 64, "a path": b"../../etc/passwd"}


@pytest.mark.parametrize("what", HANDLES)
def test_handles_that_nobody_was_given(server, what):
    handle = field(1, HANDLES[what])
    for method, message in (
        ("GetFlightInfo", command(any_of("CommandPreparedStatementQuery", handle))),
        ("GetSchema", command(any_of("CommandPreparedStatementQuery", handle))),
        ("DoPut", flight_data(command=any_of("CommandPreparedStatementUpdate", handle))),
        ("GetFlightInfo", command(any_of("CommandStatementQuery", field(1, b"SELECT 1") + field(2, HANDLES[what])))),
        ("DoPut", flight_data(command=any_of("CommandStatementUpdate", field(1, b"DELETE FROM kept") + field(2, HANDLES[what])))),
        ("DoAction", field(1, b"EndTransaction") + field(2, any_of("ActionEndTransactionRequest", handle + b"\x10\x01"))),
        ("DoAction", field(1, b"ClosePreparedStatement") + field(2, any_of("ActionClosePreparedStatementRequest", handle))),
        ("DoAction", field(1, b"CreatePreparedStatement")
         + field(2, any_of("ActionCreatePreparedStatementRequest", field(1, b"SELECT 1") + field(2, HANDLES[what])))),
        ("DoGet", field(1, any_of("TicketStatementQuery", handle))),
    ):
        assert call(server, method, message, ("NOT_FOUND",)).text.startswith("Unknown ")


@pytest.mark.parametrize("action", ["CreatePreparedStatement", "ClosePreparedStatement", "BeginTransaction", "EndTransaction",
                                    "BeginSavepoint", "EndSavepoint", "CancelQuery", "CancelFlightInfo",
                                    "RenewFlightEndpoint", "SetSessionOptions", "CreatePreparedSubstraitPlan", "nothing",
                                    "x" * 100_000])
def test_actions_with_bodies_that_are_none(server, action):
    for body in (b"\xff" * 100, any_of("CommandGetTables", field(1, b"x")), field(1, TYPE + b"Action") + field(2, b"\xff" * 50)):
        call(server, "DoAction", field(1, action.encode()) + field(2, body), UNREADABLE)


def option(name, value):
    return field(1, field(1, name) + field(2, value))


def test_session_options_that_are_none(server):
    values = (field(1, b"nothing"), field(1, MEGABYTE), b"\x10\x01", b"\x21" + bytes(8), field(5, field(1, b"a") * 100_000), b"")
    for name in (b"schema", b"catalog", b"nothing", b"memory_limit", b"", MEGABYTE, b"TimeZone", b"time_zone"):
        for value in values:
            call(server, "DoAction", field(1, b"SetSessionOptions") + field(2, option(name, value)), ("OK", *REFUSED))
    many = b"".join(option(b"k%d" % number, field(1, b"v")) for number in range(100_000))
    call(server, "DoAction", field(1, b"SetSessionOptions") + field(2, many), ("OK", *REFUSED))


@pytest.mark.parametrize("method", ["DoExchange", "DoPut"])
def test_streams_that_begin_with_garbage(server, method):
    for message in (b"\xff" * 100, b"", flight_data(header=b"\xff" * 100), flight_data(path=["kept"], header=b"\xff" * 100),
                    flight_data(path=["kept"]), flight_data(command=b"\xff\xfe"), flight_data(command=b""),
                    flight_data(command=b"SELECT 1", header=b"\xff" * 10), flight_data(path=["p"] * 1000)):
        call(server, method, message, UNREADABLE)
    assert run_sql(server, "SELECT count(*) AS n FROM kept") == {"n": [0]}


DEEP = {"arrays": b"[" * 100_000 + b"]" * 100_000, "objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "arrays without end": b"[" * 100_000, "1e400": b"1e400"}


@pytest.mark.parametrize("what", DEEP)
def test_documents_that_are_deep_or_have_numbers_that_are_none(server, what):
    deep = DEEP[what]
    for ticket in (b'{"subscribe": %s}', b'{"subscribe": {"view": %s}}', b'{"subscribe": {"view": ["main", %s]}}', b'{"other": %s}', b"%s",
                   b"hyprstream.path:%s", b'hyprstream.path:["kept", %s]'):
        call(server, "DoGet", field(1, ticket % deep), REFUSED)
    schema, batch = ipc_messages(SCHEMA, [pa.record_batch([pa.array([1], pa.int32())], schema=SCHEMA)])
    for metadata in (b'{"subscribe": %s}', b'{"subscribe": {"where": %s}}', b'{"create": %s}', b"%s"):
        for method in ("DoPut", "DoExchange"):
            with RawConnection(server, seconds=20) as raw:
                stream = raw.start(method)
                raw.send(stream, flight_data(path=["kept"], header=schema[0]))
                raw.send(stream, flight_data(metadata=metadata % deep, header=batch[0], body=batch[1]))
                raw.end(stream)
                assert raw.answer(stream).code in REFUSED
    assert run_sql(server, "SELECT count(*) AS n FROM kept") == {"n": [0]}


def test_a_document_of_a_subscription_is_bounded(server):
    run_sql(server, "CREATE TABLE watched (ts TIMESTAMP, k VARCHAR) WITH (time = 'ts')")
    run_sql(server, "CREATE MATERIALIZED VIEW watching AS SELECT k, count(*) AS n FROM watched GROUP BY ALL")
    wanted = b'{"subscribe": {"view": "watching", "where": "k = \'%s\'"}}'
    answer = call(server, "DoGet", field(1, wanted % (b"x" * (1 << 20))), ("INVALID_ARGUMENT",))
    assert "may have 1048576 bytes" in answer.text
    answer = call(server, "DoGet", field(1, b'{"subscribe": %s}' % DEEP["arrays"]), ("INVALID_ARGUMENT",))
    assert "nested 8 deep" in answer.text


@pytest.mark.parametrize("method", ["DoPut", "DoExchange"])
@pytest.mark.parametrize("name", ["arrow.opaque", "arrow.fixed_shape_tensor", "arrow.variable_shape_tensor", "arrow.json", "geoarrow.wkb"])
def test_extension_types_with_deep_metadata(server, name, method):
    """Arrow parses the JSON of such types by recursion."""
    nested = b'{"type_name": "x", "vendor_name": "DuckDB", "shape": %s}' % (b"[" * 1_000_000 + b"]" * 1_000_000)
    for storage in (pa.binary(), pa.list_(pa.float32(), 2)):
        column = pa.field("i", storage, metadata={"ARROW:extension:name": name, "ARROW:extension:metadata": nested})
        for descriptor in ({"path": ["kept"]}, {"command": any_of("CommandStatementIngest", field(2, b"kept"))}):
            message = flight_data(header=ipc_messages(pa.schema([column]))[0][0], **descriptor)
            answer = call(server, method, message, ("OK", "ALREADY_EXISTS", *UNREADABLE))
            if method == "DoPut" and name.startswith("arrow."):
                assert "may have 4096 bytes" in answer.text


def test_criteria_and_handshakes_that_are_none(server):
    for criteria in (field(1, MEGABYTE), field(1, b"\xff\xfe"), field(1, b"'; DROP TABLE kept; --")):
        assert call(server, "ListFlights", criteria, ("OK",)).messages == []
    call(server, "ListFlights", b"\xff" * 100, UNREADABLE)
    for message in (b"\xff" * 100, field(2, MEGABYTE), b""):
        call(server, "Handshake", message, ("OK", "UNAUTHENTICATED", *UNREADABLE))
