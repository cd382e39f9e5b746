"""What a hostile network does to the port: floods, silence, resets, headers, garbage, no file descriptors left."""

import gzip
import socket
import struct
import zlib

import pyarrow as pa
import pyarrow.flight as fl
import pytest
from exchange import count_rows, is_healthy, run_sql
from raw_flight import RawConnection, field, flight_data, ipc_messages
from server_process import ServerProcess, wait_until

HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


def connect(server):
    connection = socket.create_connection((server.host, server.port), timeout=20)
    try:
        connection.sendall(HELLO)
    except OSError:
        pass  # refused already
    return connection


def is_closed(connection):
    try:
        while data := connection.recv(4096):
            if data[3:4] == b"\x07":
                return True
        return True
    except ConnectionResetError:
        return True


def is_open(connection):
    """It answers our settings with its own."""
    try:
        return connection.recv(9)[3:4] == b"\x04"
    except OSError:
        return False


def test_connections_beyond_the_bound_are_closed_and_leave_room_again():
    with ServerProcess("--connections-max", 20) as server:
        assert is_healthy(server)
        held = []
        while len(held) < 20:
            connection = connect(server)
            if is_open(connection):
                held.append(connection)
        for _ in range(200):
            with connect(server) as beyond:
                assert not is_open(beyond)
        assert not is_healthy(server)
        for connection in held:
            connection.close()
        assert wait_until(lambda: is_healthy(server), what="room for a connection")


def test_a_flood_of_connections_costs_no_more_than_the_bound():
    with ServerProcess("--connections-max", 50) as server:
        assert is_healthy(server)
        files = server.open_files()
        flood = [connect(server) for _ in range(1000)]
        assert server.open_files() <= files + 2 * 50 + 10
        for connection in flood:
            connection.close()
        assert wait_until(lambda: is_healthy(server), what="room for a connection")
        wait_until(lambda: server.open_files() <= files + 10, what="closed files")


def test_a_server_with_few_file_descriptors_survives_and_recovers():
    with ServerProcess(files_max=100) as server:
        assert is_healthy(server)
        flood = [connect(server) for _ in range(500)]
        assert server.process.poll() is None
        for connection in flood:
            connection.close()
        assert wait_until(lambda: is_healthy(server), what="room for a connection")


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600),
        bytes(range(256)) * 1000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff\xff\xff\x04\x00\x00\x00\x00\x00" + b"x" * 100000,
        HELLO + b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        HELLO + b"\x00\x00\x05\x01\x04\x00\x00\x00\x00\xff\xff\xff\xff\xff",
        b"",
    ],
    ids=["http1", "tls", "garbage", "frame-of-16MB", "window-of-0", "bad-headers", "nothing"],
)
def test_bytes_that_are_no_flight_end_their_connection_only(server, data):
    connection = socket.create_connection((server.host, server.port), timeout=20)
    try:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        assert is_closed(connection)
    except OSError:
        pass  # closed while we were still sending
    finally:
        connection.close()
    assert is_healthy(server)


def test_a_connection_that_says_nothing_is_closed():
    with ServerProcess() as server:
        silent = [socket.create_connection((server.host, server.port), timeout=30) for _ in range(20)]
        half = [socket.create_connection((server.host, server.port), timeout=30) for _ in range(20)]
        for connection in half:
            connection.sendall(HELLO[:10])
        assert is_healthy(server)
        for connection in silent + half:
            assert is_closed(connection)
            connection.close()


def test_headers_beyond_the_bound_are_refused_and_4_kib_pass(server):
    with RawConnection(server) as raw:
        stream = raw.start("ListActions", headers=[("x-long", "a" * 4096)])
        raw.send(stream, b"")
        raw.end(stream)
        assert raw.answer(stream).code == "OK"
    for headers in [[("x-long", "a" * 200_000)], [(f"x-{i}", "b" * 100) for i in range(5000)]]:
        with RawConnection(server) as raw:
            stream = raw.start("ListActions", headers=headers)
            raw.send(stream, b"")
            raw.end(stream)
            answer = raw.answer(stream)
            assert answer.code == "INVALID_ARGUMENT"
            assert "headers" in answer.text
    assert is_healthy(server)


def reset_streams(server, method):
    """5,000 calls, each reset as soon as it is made."""
    for _ in range(5):
        with RawConnection(server) as raw:
            for _ in range(1000):
                try:
                    raw.reset(raw.start(method))
                except OSError:
                    break  # the server has had enough of this connection
    assert wait_until(lambda: is_healthy(server), what="a healthy server")


def test_thousands_of_stream_resets_leave_nothing_behind():
    with ServerProcess() as server:
        assert is_healthy(server)
        threads = server.status_value("Threads")
        reset_streams(server, "DoPut")
        memory = server.status_value("VmRSS")
        reset_streams(server, "GetFlightInfo")
        wait_until(lambda: server.status_value("Threads") <= threads + 20, what="ended threads")
        assert server.status_value("VmRSS") < memory + 100_000


def test_a_hundred_stalled_readers_hold_little_memory():
    with ServerProcess() as server:
        assert is_healthy(server)
        run_sql(server, "CREATE TABLE wide AS SELECT range AS i, repeat('x', 1000) AS s FROM range(200000)")
        with fl.connect(server.url) as client:
            info = next(client.list_flights(b"wide"))  # its ticket may be read any number of times
        before = server.status_value("VmRSS")
        stalled = []
        for _ in range(100):
            raw = RawConnection(server, window=65535)
            stream = raw.start("DoGet")
            ticket = info.endpoints[0].ticket.ticket
            raw.send(stream, field(1, ticket))
            raw.end(stream)
            stalled.append((raw, stream))
        for raw, stream in stalled:
            assert raw.wait_for_message(stream) is not None  # every one of them has begun
        assert is_healthy(server)
        held = server.status_value("VmRSS") - before
        assert held < 100 * 20_000, f"{held} kB"
        for raw, _ in stalled:
            raw.close()
        assert is_healthy(server)


def test_a_message_over_the_bound_is_refused_and_nothing_of_it_is_kept():
    with ServerProcess("--message-bytes-max", "4MiB") as server:
        run_sql(server, "CREATE TABLE t (s VARCHAR)")
        schema = pa.schema([("s", pa.string())])
        large = pa.record_batch([pa.array(["x" * 8_000_000])], schema=schema)
        with RawConnection(server) as raw:
            stream = raw.start("DoPut")
            for i, (header, body) in enumerate(ipc_messages(schema, [large])):
                raw.send(stream, flight_data(header=header, body=body, path=["t"] if i == 0 else None))
            raw.end(stream)
            assert raw.answer(stream).code not in ("OK", "CLOSED")
        assert count_rows(server, "t") == 0


@pytest.mark.parametrize("encoding, compress", [("gzip", gzip.compress), ("deflate", zlib.compress)],
                         ids=["gzip", "deflate"])
@pytest.mark.parametrize("method", ["DoPut", "GetFlightInfo", "DoAction"])
def test_messages_that_grpc_would_inflate_are_refused_before_it_does(server, method, encoding, compress):
    """gRPC has no bound for what a message swells to: 200 MB of zeros in 200 kB."""
    before = server.status_value("VmRSS")
    with RawConnection(server) as raw:
        stream = raw.start(method, headers=[("grpc-encoding", encoding)])
        raw.send(stream, compress(bytes(200_000_000), 1), compressed=True)
        raw.end(stream)
        answer = raw.answer(stream)
    assert (answer.code, answer.text) == ("UNIMPLEMENTED", f"Compression algorithm '{encoding}' is disabled.")
    assert server.status_value("VmRSS") < before + 50_000
    assert is_healthy(server)


def test_a_compressed_message_whose_encoding_nobody_named_is_refused(server):
    for headers in [], [("grpc-encoding", "identity")], [("grpc-encoding", "snappy")]:
        with RawConnection(server) as raw:
            stream = raw.start("GetFlightInfo", headers=headers)
            raw.send(stream, gzip.compress(bytes(1_000_000)), compressed=True)
            raw.end(stream)
            answer = raw.answer(stream)
        assert answer.code not in ("OK", "CLOSED"), answer
    assert is_healthy(server)


def test_a_client_that_asks_grpc_to_compress_is_told_that_this_is_off(server):
    with fl.connect(server.url, generic_options=[("grpc.default_compression_algorithm", 2)]) as client:
        with pytest.raises(pa.ArrowNotImplementedError, match="Compression algorithm 'gzip' is disabled"):
            client.get_schema(fl.FlightDescriptor.for_path("x" * 10_000))


def test_messages_that_never_end_cost_no_more_than_the_share_for_messages():
    with ServerProcess("--memory-max", "1GiB") as server:
        assert is_healthy(server)
        before = server.status_value("VmRSS")
        raws = []
        for _ in range(2):
            raw = RawConnection(server)
            stream = raw.start("DoPut")
            raw.send_unframed(stream, b"\x00\xff\xff\xff\xf0")
            for _ in range(300):
                if not raw.send_unframed(stream, bytes(1_000_000)):
                    break
            assert raw.answer(stream).code in ("RESET", "CLOSED", "RESOURCE_EXHAUSTED")
            raws.append(raw)
        assert server.status_value("VmRSS") < before + 400_000
        for raw in raws:
            raw.close()
        assert wait_until(lambda: is_healthy(server), what="a healthy server")
