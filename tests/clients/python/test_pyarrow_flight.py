"""Plain Flight through pyarrow: put, get, list, exchange, actions; writers and readers beside each other."""

import json
import threading

import pyarrow as pa
import pyarrow.flight as flight
import pytest
from server_process import ServerProcess

FAILURE = (flight.FlightError, pa.ArrowException)
PATH = flight.FlightDescriptor.for_path
SCHEMA = pa.schema([("k", pa.int32()), ("v", pa.string())])


def batch(*keys):
    return pa.record_batch([pa.array(keys, pa.int32()), pa.array([f"v{k}" for k in keys])], schema=SCHEMA)


@pytest.fixture
def client(server):
    with flight.connect(server.url) as client:
        yield client


def query(client, sql):
    """One SQL text, answered in one round trip."""
    writer, reader = client.do_exchange(flight.FlightDescriptor.for_command(sql))
    with writer:
        writer.done_writing()
        return reader.read_all()


def only(client, sql):
    return query(client, sql).column(0)[0].as_py()


def put(client, path, batches, create=False, options=None):
    """Sends the batches in lock step; returns the acknowledgements."""
    acks = []
    writer, reader = client.do_put(PATH(*path), batches[0].schema, options)
    with writer:
        for i, each in enumerate(batches):
            if create and i == 0:
                writer.write_with_metadata(each, b'{"create": true}')
            else:
                writer.write_batch(each)
            ack = reader.read()
            if ack is None:  # refused; closing says why
                break
            acks.append(json.loads(ack.to_pybytes()))
        writer.done_writing()
    return acks


# ---- DoPut

def test_put_acknowledges_each_batch_with_rows_and_lsn(client, unique):
    acks = put(client, [unique], [batch(1, 2), batch(3), batch(4, 5, 6)], create=True)
    assert [ack["rows"] for ack in acks] == [2, 3, 6]
    lsns = [int(ack["lsn"]) for ack in acks]
    assert lsns == sorted(set(lsns)) and lsns[0] > 0


def test_acknowledged_rows_are_visible(server, client, unique):
    with flight.connect(server.url) as reader_client:
        writer, acks = client.do_put(PATH(unique), SCHEMA)
        with writer:
            writer.write_with_metadata(batch(0), b'{"create": true}')
            acks.read()
            for n in range(2, 12):
                writer.write_batch(batch(n))
                acks.read()
                assert only(reader_client, f"SELECT count(*) FROM {unique}") == n
            writer.done_writing()


def test_put_with_schema(client, unique):
    with pytest.raises(FAILURE, match=unique):
        put(client, [unique, "t"], [batch(1)], create=True)
    client_run(client, f"CREATE SCHEMA {unique}")
    assert put(client, [unique, "t"], [batch(1)], create=True)[0]["rows"] == 1
    assert only(client, f"SELECT count(*) FROM {unique}.t") == 1


def client_run(client, sql):
    query(client, sql)


def test_put_to_a_missing_table_suggests_one(client, unique):
    put(client, [f"orders_{unique}"], [batch(1)], create=True)
    with pytest.raises(FAILURE, match=f"(?s)order_{unique}.*orders_{unique}"):
        put(client, [f"order_{unique}"], [batch(1)])


def test_create_leaves_an_existing_table(client, unique):
    put(client, [unique], [batch(1)], create=True)
    put(client, [unique], [batch(2)], create=True)
    assert only(client, f"SELECT count(*) FROM {unique}") == 2


@pytest.mark.parametrize("metadata,words", [(b"{", "JSON"), (b'{"creat": true}', "creat"), (b'{"create": 1}', "true or false")])
def test_bad_put_options(client, unique, metadata, words):
    writer, reader = client.do_put(PATH(unique), SCHEMA)
    with pytest.raises(FAILURE, match=words), writer:
        writer.write_with_metadata(batch(1), metadata)
        reader.read()
        writer.done_writing()


@pytest.mark.parametrize("path", [[], ["a", "b", "c"], [""], ["main", ""]])
def test_bad_paths(client, path):
    with pytest.raises(FAILURE):
        put(client, path, [batch(1)], create=True)


def test_a_batch_is_accepted_whole_or_not_at_all(client, unique):
    client_run(client, f"CREATE TABLE {unique} (k INTEGER NOT NULL, v VARCHAR)")
    bad = pa.record_batch([pa.array([7, None], pa.int32()), pa.array(["x", "y"])], schema=SCHEMA)
    writer, reader = client.do_put(PATH(unique), SCHEMA)
    with pytest.raises(FAILURE, match="NOT NULL"), writer:
        writer.write_batch(batch(1, 2))
        assert json.loads(reader.read().to_pybytes())["rows"] == 2
        writer.write_batch(bad)
        while reader.read() is not None:
            pass
        writer.done_writing()
    assert only(client, f"SELECT list(k ORDER BY k) FROM {unique}") == [1, 2]


def test_columns_go_by_name(client, unique):
    client_run(client, f"CREATE TABLE {unique} (a INTEGER, k INTEGER, v VARCHAR DEFAULT 'none')")
    put(client, [unique], [pa.record_batch({"k": pa.array([1], pa.int32()), "a": pa.array([2], pa.int32())})])
    assert query(client, f"SELECT * FROM {unique}").to_pylist() == [{"a": 2, "k": 1, "v": "none"}]


def test_empty_batches_and_streams(client, unique):
    assert put(client, [unique], [batch(), batch(1), batch()], create=True)[-1]["rows"] == 1
    writer, _ = client.do_put(PATH(unique), SCHEMA)
    writer.close()
    assert only(client, f"SELECT count(*) FROM {unique}") == 1


def test_dictionary_batches(client, unique):
    batches = [pa.record_batch({"s": pa.array([f"w{i}", "same", None]).dictionary_encode()}) for i in range(4)]
    options = flight.FlightCallOptions(write_options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=False))
    put(client, [unique], batches, create=True, options=options)
    assert only(client, f"SELECT count(DISTINCT s) FROM {unique}") == 5


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_bodies(client, unique, codec):
    options = flight.FlightCallOptions(write_options=pa.ipc.IpcWriteOptions(compression=codec))
    data = pa.record_batch({"i": pa.array(range(50000), pa.int64()), "s": ["text"] * 50000})
    put(client, [unique], [data, data], create=True, options=options)
    assert only(client, f"SELECT sum(i) FROM {unique}") == 2 * sum(range(50000))


# ---- GetFlightInfo, GetSchema, DoGet, ListFlights

def test_get(client, unique):
    put(client, [unique], [batch(1, 2, 3)], create=True)
    for path in ([unique], ["main", unique]):
        info = client.get_flight_info(PATH(*path))
        assert info.schema == SCHEMA and client.get_schema(PATH(*path)).schema == SCHEMA
        assert json.loads(info.app_metadata)["route"] == "local"
        (endpoint,) = info.endpoints
        assert endpoint.locations == []
        assert client.do_get(endpoint.ticket).read_all() == pa.Table.from_batches([batch(1, 2, 3)])


def test_get_a_view_names_its_route(client, unique):
    put(client, [unique], [batch(1, 1)], create=True)
    client_run(client, f"CREATE MATERIALIZED VIEW v_{unique} AS SELECT k, count(*) AS n FROM {unique} GROUP BY ALL")
    info = client.get_flight_info(PATH(f"v_{unique}"))
    assert json.loads(info.app_metadata)["route"] == "aggregate"
    assert client.do_get(info.endpoints[0].ticket).read_all().to_pylist() == [{"k": 1, "n": 2}]


def test_get_a_missing_table(client, unique):
    for call in (client.get_flight_info, client.get_schema):
        with pytest.raises(FAILURE, match=f"no_{unique}"):
            call(PATH(f"no_{unique}"))


def test_a_ticket_is_read_once(client, unique):
    put(client, [unique], [batch(1)], create=True)
    ticket = client.get_flight_info(PATH(unique)).endpoints[0].ticket
    client.do_get(ticket).read_all()
    with pytest.raises(FAILURE, match="fetched already"):
        client.do_get(ticket).read_all()
    with pytest.raises(FAILURE):
        client.do_get(flight.Ticket(b"made up")).read_all()


def test_list_flights(client, unique):
    for name in (f"{unique}_a", f"{unique}_b"):
        put(client, [name], [batch(1)], create=True)
    names = lambda criteria: [info.descriptor.path[-1].decode() for info in client.list_flights(criteria)]  # noqa: E731
    assert names(f"{unique}_".encode()) == [f"{unique}_a", f"{unique}_b"]
    assert names(f"main.{unique}_a".encode()) == [f"{unique}_a"]
    assert f"{unique}_a" in names(b"") and names(b"nothing like it") == []
    (info,) = client.list_flights(f"{unique}_a".encode())
    assert info.schema == SCHEMA
    for _ in range(2):
        assert client.do_get(info.endpoints[0].ticket).read_all().num_rows == 1


# ---- DoExchange

def test_exchange_of_sql(client):
    writer, reader = client.do_exchange(flight.FlightDescriptor.for_command("SELECT 42 AS x"))
    with writer:
        writer.done_writing()
        chunks = []
        while True:
            try:
                chunks.append(reader.read_chunk())
            except StopIteration:
                break
    assert json.loads(chunks[0].app_metadata.to_pybytes())["route"] == "local"
    assert [c.data.to_pylist() for c in chunks if c.data is not None] == [[{"x": 42}]]


def test_exchange_error(client):
    with pytest.raises(FAILURE, match="SELEC"):
        query(client, "SELEC")
    assert only(client, "SELECT 1") == 1


def test_exchange_of_batches(client, unique):
    client_run(client, f"CREATE TABLE {unique} (k INTEGER, v VARCHAR)")
    writer, reader = client.do_exchange(PATH(unique))
    with writer:
        writer.begin(SCHEMA)
        for n in (1, 2):
            writer.write_batch(batch(n))
            assert json.loads(reader.read_chunk().app_metadata.to_pybytes())["rows"] == n
        writer.done_writing()
    assert only(client, f"SELECT count(*) FROM {unique}") == 2


# ---- actions

def test_actions(client):
    names = {action.type for action in client.list_actions()}
    assert {"healthcheck", "flush", "version", "CancelFlightInfo", "CreatePreparedStatement"} <= names
    for name in ("healthcheck", "flush", "version"):
        assert list(client.do_action(flight.Action(name, b"")))
    with pytest.raises(FAILURE, match="nonsense"):
        list(client.do_action(flight.Action("nonsense", b"")))


# ---- identity

@pytest.fixture(scope="module")
def guarded():
    users = "alice = { token = \"alice-secret-token\", password_hash = \"%s\" }" % PASSWORD_HASH
    with ServerProcess(environment={"HYPRSTREAM_USERS": users}) as process:
        yield process


# `openssl passwd -6 -salt saltsalt wonderland`
PASSWORD_HASH = "$6$saltsalt$pqxtaP8VN9msji06dnBCbUbaSGTOXyo9jZDqZxik1rPexoqRIW4UKuiD0ZHZchCSd7S4/HoRU8bcFbnz2ihUr."


def test_bearer(guarded):
    with flight.connect(guarded.url) as client:
        for headers in ([], [(b"authorization", b"Bearer wrong")]):
            with pytest.raises(flight.FlightUnauthenticatedError):
                list(client.list_flights(options=flight.FlightCallOptions(headers=headers)))
        good = flight.FlightCallOptions(headers=[(b"authorization", b"Bearer alice-secret-token")])
        assert list(client.do_action(flight.Action("healthcheck", b""), good))


def test_basic(guarded):
    with flight.connect(guarded.url) as client:
        with pytest.raises(flight.FlightUnauthenticatedError):
            client.authenticate_basic_token("alice", "wrong")
        header = client.authenticate_basic_token("alice", "wonderland")
        assert header[0] == b"authorization" and header[1].startswith(b"Bearer ")
        options = flight.FlightCallOptions(headers=[header])
        assert list(client.do_action(flight.Action("version", b""), options))


# ---- many at once

def in_threads(*works):
    errors = []

    def guarded_work(work):
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test's thread
            errors.append(error)

    threads = [threading.Thread(target=guarded_work, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


@pytest.mark.parametrize("tables", [1, 4])
def test_writers_with_readers_beside(server, unique, tables):
    names = [f"{unique}_{i}" for i in range(tables)]
    with flight.connect(server.url) as client:
        for name in names:
            client_run(client, f"CREATE TABLE {name} (k INTEGER, v VARCHAR)")
            client_run(client, f"CREATE MATERIALIZED VIEW v_{name} AS SELECT count(*) AS n FROM {name}")
    left = [4]

    def write(n):
        with flight.connect(server.url) as client:
            put(client, [names[n % tables]], [batch(*range(100))] * 20)
        left[0] -= 1

    def read():
        with flight.connect(server.url) as client:
            while left[0] > 0:
                for name in names:
                    assert only(client, f"SELECT (SELECT count(*) FROM {name}) - coalesce((SELECT n FROM v_{name}), 0)") == 0
                    assert only(client, f"SELECT count(*) % 100 FROM {name}") == 0

    in_threads(*[lambda n=n: write(n) for n in range(4)], read)
    with flight.connect(server.url) as client:
        assert sum(only(client, f"SELECT n FROM v_{name}") for name in names) == 4 * 20 * 100


def test_a_reader_that_stalls_holds_little(server, client):
    ticket_of = lambda sql: client.do_exchange(flight.FlightDescriptor.for_command(sql))  # noqa: E731
    client_run(client, "SELECT 1")
    before = server.status_value("VmRSS")
    open_streams = []
    for _ in range(10):
        writer, reader = ticket_of("SELECT i, repeat('x', 1000) AS s FROM range(10000000) t(i)")
        writer.done_writing()
        reader.read_chunk()
        open_streams.append((writer, reader))
    with flight.connect(server.url) as beside:
        assert only(beside, "SELECT 1") == 1
    grown = server.status_value("VmRSS") - before
    for writer, reader in open_streams:
        reader.cancel()
        try:
            writer.close()
        except FAILURE:
            pass
    assert grown < 600_000, f"{grown} kB for ten stalled readers of 10 GB each"


def test_a_writer_that_does_not_wait_is_slowed_down_and_not_failed(server, client, unique):
    data = pa.record_batch({"i": pa.array(range(65536), pa.int64()), "s": ["some text that takes room"] * 65536})
    client_run(client, f"CREATE TABLE {unique} (i BIGINT, s VARCHAR)")
    writer, reader = client.do_put(PATH(unique), data.schema)
    with writer:
        for _ in range(100):
            writer.write_batch(data)
        writer.done_writing()
        last = None
        for _ in range(100):
            last = json.loads(reader.read().to_pybytes())
    assert last["rows"] == 100 * 65536
    assert only(client, f"SELECT count(*) FROM {unique}") == 100 * 65536
