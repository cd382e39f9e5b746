"""Flight spoken by hand: bytes that no honest client sends.

    with RawConnection(server) as raw:
        stream = raw.start("DoPut")
        raw.send(stream, flight_data(path=["t"], header=..., body=...))
        raw.end(stream)
        answer = raw.answer(stream)     # answer.code, answer.text, answer.messages

HTTP/2 frames and headers are written without compression and without any check; the server is asked to answer without
its header table, so that its trailers can be read in the clear. `ipc_messages` takes a stream of Arrow's apart.
"""

import dataclasses
import io
import socket
import struct
import urllib.parse

import pyarrow as pa

DATA, HEADERS, RESET, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_BYTES = 16384

CODES = {0: "OK", 1: "CANCELLED", 2: "UNKNOWN", 3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED", 5: "NOT_FOUND",
         6: "ALREADY_EXISTS", 7: "PERMISSION_DENIED", 8: "RESOURCE_EXHAUSTED", 12: "UNIMPLEMENTED", 13: "INTERNAL",
         14: "UNAVAILABLE", 16: "UNAUTHENTICATED"}


@dataclasses.dataclass
class Answer:
    code: str = ""  # of the trailers; "RESET" when the stream was reset, "CLOSED" when the connection was
    text: str = ""
    messages: list = dataclasses.field(default_factory=list)


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, data):
    """A field of a protobuf message that holds bytes, text or a message."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def flight_data(header=None, body=None, path=None, command=None, metadata=None):
    """One FlightData: an IPC message's header and body, a descriptor, application metadata."""
    out = b""
    if path is not None:
        out += field(1, b"\x08\x01" + b"".join(field(3, part.encode()) for part in path))
    if command is not None:
        out += field(1, b"\x08\x02" + field(2, command))
    if header is not None:
        out += field(2, header)
    if metadata is not None:
        out += field(3, metadata)
    if body is not None:
        out += field(1000, body)
    return out


def ipc_messages(schema, batches=(), options=None):
    """[(header, body)] of an Arrow stream: the schema, dictionaries and batches."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    reader = pa.ipc.MessageReader.open_stream(pa.BufferReader(sink.getvalue()))
    return [(m.metadata.to_pybytes(), m.body.to_pybytes() if m.body is not None else b"") for m in reader]


def _literal(name, value):
    def text(data):
        if len(data) < 127:
            return bytes([len(data)]) + data
        return b"\x7f" + varint(len(data) - 127) + data

    name, value = (part if isinstance(part, bytes) else part.encode() for part in (name, value))
    return b"\x00" + text(name) + text(value)


def _after(block, name):
    """The literal value that follows `name` in a header block; None when it is not there."""
    at = block.find(name)
    if at < 0:
        return None
    at += len(name)
    length, shift = block[at] & 127, 0
    at += 1
    if length == 127:
        while True:
            byte = block[at]
            length += (byte & 127) << shift
            shift += 7
            at += 1
            if byte < 128:
                break
    return block[at:at + length]


class RawConnection:
    def __init__(self, server, seconds=60, window=1 << 30):
        """`window`: how much a stream's answer may send before we take any of it."""
        self.socket = socket.create_connection((server.host, server.port), timeout=seconds)
        self._window = window
        self._authority = server.address
        self._next = 1
        self._buffer = b""
        self._answers = {}
        self._partial = {}
        self._ended = set()
        self._send_windows = {0: 65535}
        self._first_window = 65535
        self.closed = False
        self.socket.sendall(PREFACE + self._frame(SETTINGS, 0, 0, struct.pack(">HIHI", 1, 0, 4, window)))
        if window > 65535:
            self.socket.sendall(self._frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", window - 65535)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    @staticmethod
    def _frame(kind, flags, stream, payload):
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    # ---- sending

    def start(self, method, headers=()):
        """Opens a call; returns its stream."""
        stream, self._next = self._next, self._next + 2
        fields = [(":method", "POST"), (":scheme", "http"),
                  (":path", f"/arrow.flight.protocol.FlightService/{method}"), (":authority", self._authority),
                  ("te", "trailers"), ("content-type", "application/grpc"), *headers]
        block = b"".join(_literal(name, value) for name, value in fields)
        pieces = [block[i:i + FRAME_BYTES] for i in range(0, len(block), FRAME_BYTES)]
        for i, piece in enumerate(pieces):
            self.socket.sendall(self._frame(HEADERS if i == 0 else CONTINUATION,
                                            END_HEADERS if i == len(pieces) - 1 else 0, stream, piece))
        self._answers[stream] = Answer()
        self._partial[stream] = b""
        self._send_windows[stream] = self._first_window
        return stream

    def send(self, stream, message, compressed=False):
        """One message. Returns False when the server ended the stream before all of it was sent."""
        return self.send_unframed(stream, struct.pack(">BI", int(compressed), len(message)) + message)

    def send_unframed(self, stream, data):
        """Bytes of a message, which may be less or more than one."""
        data = memoryview(data)
        while len(data) > 0:
            if stream in self._ended or self.closed:
                return False
            size = min(len(data), FRAME_BYTES, self._send_windows[0], self._send_windows[stream])
            if size <= 0:
                self._read_frame()
                continue
            try:
                self.socket.sendall(self._frame(DATA, 0, stream, bytes(data[:size])))
            except (BrokenPipeError, ConnectionResetError):
                self.closed = True
                return False
            for key in (0, stream):
                self._send_windows[key] -= size
            data = data[size:]
        return True

    def end(self, stream):
        if not self.closed and stream not in self._ended:
            self.socket.sendall(self._frame(DATA, END_STREAM, stream, b""))

    def reset(self, stream):
        self.socket.sendall(self._frame(RESET, 0, stream, struct.pack(">I", 8)))

    def send_bytes(self, data):
        self.socket.sendall(data)

    # ---- receiving

    def answer(self, stream):
        """Waits for the end of the stream or of the connection."""
        while stream not in self._ended and not self.closed:
            self._read_frame()
        answer = self._answers[stream]
        if stream not in self._ended:
            answer.code = "CLOSED"
        return answer

    def wait_for_message(self, stream):
        """Waits for the stream's next message or its end; None at the end."""
        answer = self._answers[stream]
        seen = len(answer.messages)
        while len(answer.messages) == seen and stream not in self._ended and not self.closed:
            self._read_frame()
        return answer.messages[seen] if len(answer.messages) > seen else None

    def _read(self, size):
        while len(self._buffer) < size:
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionResetError:
                more = b""
            if not more:
                self.closed = True
                return None
            self._buffer += more
        out, self._buffer = self._buffer[:size], self._buffer[size:]
        return out

    def _read_frame(self):
        head = self._read(9)
        if head is None:
            return
        payload = self._read(int.from_bytes(head[:3], "big"))
        if payload is None:
            return
        kind, flags = head[3], head[4]
        stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        if kind == SETTINGS and not flags & ACK:
            self._take_settings(payload)
        elif kind == PING and not flags & ACK:
            self.socket.sendall(self._frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            self._send_windows[stream] = self._send_windows.get(stream, 0) + int.from_bytes(payload, "big")
        elif kind == DATA and stream in self._answers:
            self._take_data(stream, payload)
        elif kind in (HEADERS, CONTINUATION) and stream in self._answers:
            self._take_headers(stream, payload)
        elif kind == RESET and stream in self._answers:
            self._answers[stream].code = self._answers[stream].code or "RESET"
            self._ended.add(stream)
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self._ended.add(stream)

    def _take_settings(self, payload):
        for at in range(0, len(payload), 6):
            name, value = struct.unpack(">HI", payload[at:at + 6])
            if name == 4:
                change = value - self._first_window
                self._first_window = value
                for stream in self._answers:
                    self._send_windows[stream] += change
        self.socket.sendall(self._frame(SETTINGS, ACK, 0, b""))

    def _take_data(self, stream, payload):
        data = self._partial[stream] + payload
        while len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[1:5], "big"):
            size = int.from_bytes(data[1:5], "big")
            self._answers[stream].messages.append(data[5:5 + size])
            data = data[5 + size:]
        self._partial[stream] = data

    def _take_headers(self, stream, block):
        status = _after(block, b"grpc-status")
        if status is not None:
            answer = self._answers[stream]
            answer.code = CODES.get(int(status), status.decode())
            answer.text = urllib.parse.unquote((_after(block, b"grpc-message") or b"").decode())
