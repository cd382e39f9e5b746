"""Flight SQL's commands and actions as bytes, for tests that must send what no stock client would."""

import pyarrow.flight as flight

_PREFIX = b"type.googleapis.com/arrow.flight.protocol.sql."


def _varint(number):
    out = bytearray()
    while True:
        byte = number & 0x7F
        number >>= 7
        out.append(byte | (0x80 if number else 0))
        if not number:
            return bytes(out)


def _text(number, value):
    """A field of type bytes, string or message; nothing for None."""
    if value is None:
        return b""
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _number(number, value):
    return _varint(number << 3) + _varint(value)


def _any(name, body):
    return _text(1, _PREFIX + name) + _text(2, body)


def _fields(data):
    """{field number: last value} of a message; enough to read the answers."""
    fields, at = {}, 0

    def varint():
        nonlocal at
        shift = value = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 2:
            length = varint()
            fields[key >> 3] = data[at : at + length]
            at += length
        elif key & 7 == 0:
            fields[key >> 3] = varint()
        else:
            raise ValueError(f"unexpected wire type {key & 7}")
    return fields


def _unpacked(result):
    return _fields(_fields(result.body.to_pybytes())[2])


def statement_query(sql, transaction=None):
    body = _text(1, sql) + _text(2, transaction)
    return flight.FlightDescriptor.for_command(_any(b"CommandStatementQuery", body))


def statement_update(sql, transaction=None):
    body = _text(1, sql) + _text(2, transaction)
    return flight.FlightDescriptor.for_command(_any(b"CommandStatementUpdate", body))


def statement_ingest(table, transaction=None):
    """Creates the table, or appends to it."""
    options = _number(1, 1) + _number(2, 2)
    body = _text(1, options) + _text(2, table) + _text(6, transaction)
    return flight.FlightDescriptor.for_command(_any(b"CommandStatementIngest", body))


def keys(kind, *tables):
    """The ticket of CommandGetPrimaryKeys, ...: `kind` is PrimaryKeys, ImportedKeys, ExportedKeys or CrossReference; each
    table is (catalog or None, schema or None, name)."""
    fields = [part for table in tables for part in table]
    body = b"".join(_text(i + 1, part) for i, part in enumerate(fields))
    return flight.Ticket(_any(b"CommandGet" + kind.encode(), body))


def prepared_query(handle):
    return flight.FlightDescriptor.for_command(_any(b"CommandPreparedStatementQuery", _text(1, handle)))


def prepare(client, sql, options=None, transaction=None):
    """The handle."""
    body = _any(b"ActionCreatePreparedStatementRequest", _text(1, sql) + _text(2, transaction))
    results = list(client.do_action(flight.Action("CreatePreparedStatement", body), options))
    return _unpacked(results[0])[1]


def close_prepared(client, handle, options=None):
    body = _any(b"ActionClosePreparedStatementRequest", _text(1, handle))
    return list(client.do_action(flight.Action("ClosePreparedStatement", body), options))


def begin(client, options=None):
    """The transaction's id."""
    results = list(client.do_action(flight.Action("BeginTransaction", _any(b"ActionBeginTransactionRequest", b"")), options))
    return _unpacked(results[0])[1]


def end(client, transaction, commit=True, options=None):
    body = _any(b"ActionEndTransactionRequest", _text(1, transaction) + _number(2, 1 if commit else 2))
    return list(client.do_action(flight.Action("EndTransaction", body), options))


def cancel_info(client, info, options=None):
    """1: cancelled, 2: being cancelled, 3: there was nothing to cancel."""
    results = list(client.do_action(flight.Action("CancelFlightInfo", _text(1, info.serialize())), options))
    return _fields(results[0].body.to_pybytes()).get(1, 0)


def close_session(client, options=None):
    return list(client.do_action(flight.Action("CloseSession", b""), options))


def update(client, sql, options=None, transaction=None):
    """Runs an update and returns the number of changed rows."""
    import pyarrow as pa

    writer, reader = client.do_put(statement_update(sql, transaction), pa.schema([]), options)
    writer.done_writing()
    answer = reader.read()
    writer.close()
    return _fields(answer.to_pybytes()).get(1, 0)


def read_to_end(reader):
    """The rows as a list of dicts. pyarrow's read_all() turns a cancelled call into a SIGINT of its own process."""
    return [row for chunk in reader if chunk.data is not None for row in chunk.data.to_pylist()]


def query(client, sql, options=None, transaction=None):
    """The rows as a list of dicts."""
    info = client.get_flight_info(statement_query(sql, transaction), options)
    return read_to_end(client.do_get(info.endpoints[0].ticket, options))


def cookie_of_first_call(url, sql, options=None):
    """The header with the cookie that a new connection is given for its first call, an update."""
    cookies = []

    class Catch(flight.ClientMiddleware):
        def received_headers(self, received):
            cookies.extend(received.get("set-cookie", []))

    class CatchFactory(flight.ClientMiddlewareFactory):
        def start_call(self, info):
            return Catch()

    with flight.connect(url, middleware=[CatchFactory()]) as client:
        update(client, sql, options)
    return b"cookie", cookies[0].split(";")[0].encode()
