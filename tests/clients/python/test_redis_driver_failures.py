"""The Redis driver where things go wrong: passwords, servers that go or hang, cancels, clusters."""

import socket
import threading

import adbc_driver_manager
import adbc_driver_manager.dbapi as dbapi
import pyarrow as pa
import pytest
from adbc_calls import rows, run
from certificates import certify
from redis_driver import LIBRARY, connect, read_on
from server_process import wait_until
from valkey_server import ValkeyServer

Code = adbc_driver_manager.AdbcStatusCode
MARKER = "m4rker-of-the-password"


@pytest.fixture(scope="module")
def valkey():
    with ValkeyServer(password=MARKER, settings=[("enable-debug-command", "yes")]) as server:
        yield server


@pytest.fixture
def redis(valkey, unique):
    with connect(valkey, prefix=unique) as connection:
        yield connection


def failure(call):
    """The error of a call, which shows nothing of the password."""
    with pytest.raises(adbc_driver_manager.Error) as caught:
        call()
    assert MARKER not in str(caught.value)
    return caught.value


def big_table(connection, rows=20_000):
    with connection.cursor() as cursor:
        cursor.adbc_ingest("t", pa.table({"a": pa.array(range(rows)), "s": ["x" * 100] * rows}), mode="create")


def open_stream(cursor, batch_rows=1000):
    cursor.adbc_statement.set_options(**{"adbc.redis.batch_rows": batch_rows})
    cursor.execute("SELECT * FROM t")
    stream = cursor.fetch_record_batch()
    stream.read_next_batch()
    return stream


class TestSigningIn:
    @pytest.mark.parametrize("uri, options", [
        ("redis://127.0.0.1:{port}", {}), ("redis://:wrong@127.0.0.1:{port}", {}), ("redis://nobody:" + MARKER + "@127.0.0.1:{port}", {}),
        ("redis://127.0.0.1:{port}", {"password": "wrong"})])
    def test_needs_the_password(self, valkey, uri, options):
        error = failure(lambda: connect(valkey, uri=uri.format(port=valkey.port), **options))
        assert error.status_code == Code.UNAUTHENTICATED

    def test_takes_the_password_as_an_option(self, valkey):
        with connect(valkey, uri=f"redis://:wrong@127.0.0.1:{valkey.port}", password=MARKER, username="default") as connection:
            assert connection.adbc_get_table_types() == ["table"]

    def test_with_a_password_where_there_is_none(self):
        with ValkeyServer() as open_server:
            error = failure(lambda: connect(open_server, password=MARKER))
            assert error.status_code == Code.UNAUTHENTICATED

    def test_without_permission(self, valkey, redis, unique):
        valkey.run("ACL", "SETUSER", unique, "on", ">" + MARKER, "~*", "+@read", "+select")
        with connect(valkey, username=unique, prefix=unique) as reader:
            assert failure(lambda: run(reader, "CREATE TABLE t (a INT)")).status_code == Code.UNAUTHORIZED

    def test_shows_no_secret(self, valkey):
        with adbc_driver_manager.AdbcDatabase(driver=str(LIBRARY), uri=valkey.uri, password=MARKER) as database:
            for name in ("uri", "password"):
                assert failure(lambda name=name: database.get_option(name)).status_code == Code.NOT_FOUND
        for uri in (f"redis://:{MARKER}@127.0.0.1:{valkey.port}/x", f"redis://:{MARKER}@127.0.0.1:1", f"nonsense:{MARKER}"):
            failure(lambda uri=uri: connect(valkey, uri=uri))


class TestServer:
    def test_behind_a_unix_socket(self, tmp_path):
        path = tmp_path / "socket"
        with ValkeyServer(password=MARKER, settings=[("unixsocket", str(path))]):
            with connect(None, uri=f"unix://:{MARKER}@{path}") as connection:
                big_table(connection, 10)
                assert len(rows(connection, "SELECT * FROM t")) == 10

    def test_that_is_not_there(self, valkey):
        error = failure(lambda: connect(valkey, uri="redis://127.0.0.1:1"))
        assert error.status_code == Code.IO and "127.0.0.1:1" in str(error)

    def test_that_stops_in_mid_stream(self):
        with ValkeyServer() as server, connect(server) as connection, connection.cursor() as cursor:
            big_table(connection)
            stream = open_stream(cursor)
            server.stop()
            with pytest.raises((OSError, pa.ArrowException), match="Connection to 127.0.0.1"):
                read_on(stream)
            assert failure(lambda: rows(connection, "SELECT * FROM t")).status_code == Code.IO
            server.restart()
            assert failure(lambda: rows(connection, "SELECT * FROM t")).status_code == Code.NOT_FOUND
            big_table(connection, 10)
            assert len(rows(connection, "SELECT * FROM t")) == 10

    def test_that_hangs(self):
        with ValkeyServer() as server, connect(server, timeout_ms=200) as connection:
            server.freeze()
            assert failure(lambda: rows(connection, "SELECT * FROM t")).status_code == Code.TIMEOUT
            server.thaw()
            assert failure(lambda: rows(connection, "SELECT * FROM t")).status_code == Code.NOT_FOUND

    def test_that_hangs_in_mid_stream_and_comes_back(self):
        with ValkeyServer() as server, connect(server, timeout_ms=200) as connection, connection.cursor() as cursor:
            big_table(connection)
            stream = open_stream(cursor)
            server.freeze()
            with pytest.raises((OSError, pa.ArrowException), match="sent nothing"):
                read_on(stream)
            server.thaw()
            # A stream that has failed has no more rows, whatever the server could give.
            for _ in range(3):
                with pytest.raises((OSError, pa.ArrowException), match="sent nothing"):
                    stream.read_next_batch()
            assert len(rows(connection, "SELECT * FROM t")) == 20_000

    def test_that_is_part_of_a_cluster(self):
        with ValkeyServer(settings=[("cluster-enabled", "yes")]) as server, connect(server) as connection:
            error = failure(lambda: rows(connection, "SELECT * FROM t"))
            assert error.status_code == Code.NOT_IMPLEMENTED and "cluster" in str(error)

    def test_that_speaks_tls(self, tmp_path):
        with ValkeyServer(tls_folder=certify(tmp_path)) as server:
            assert "TLS with" in str(failure(lambda: connect(server)))
            with connect(server, tls__ca_file=tmp_path / "ca.pem") as connection:
                big_table(connection)
                assert len(rows(connection, "SELECT * FROM t")) == 20_000
            wrong_name = server.uri.replace("127.0.0.1", "localhost")
            assert "TLS with" in str(failure(lambda: connect(server, uri=wrong_name, tls__ca_file=tmp_path / "ca.pem")))
            with connect(server, uri=wrong_name, tls__verify="false") as connection:
                assert connection.adbc_get_table_types() == ["table"]


class Impostor:
    """Answers each command with what `answer` makes of its words, in a thread; None hangs up."""

    def __init__(self, answer):
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, client.makefile("rb") as stream:
                while line := stream.readline():
                    words = [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]
                    reply = b"+OK\r\n" if words[0] == b"SELECT" else self._answer(words)
                    if reply is None:
                        break
                    client.sendall(reply)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(20)


SCHEMA = b'{"format":1,"version":1,"columns":[{"name":"a","type":"l"}]}'


class TestServersThatSendGarbage:
    @pytest.mark.parametrize("reply", [
        b"HTTP/1.1 400 Bad Request\r\n\r\n", b":1\r\n", b"*1\r\n*1\r\n:1\r\n", b"$4\r\nnull\r\n", b"*-1\r\n", b"$2147483648\r\n",
        b"*2147483647\r\n", b"-\r\n", b"\0\0\0\0", b"$3\r\nab", None])
    def test_instead_of_a_description(self, reply):
        with Impostor(lambda words: reply) as impostor, connect(None, uri=impostor.uri, timeout_ms=300) as connection:
            for call in (lambda: rows(connection, "SELECT * FROM t"), lambda: run(connection, "CREATE TABLE t (a INT)")):
                failure(call)

    @pytest.mark.parametrize("reply", [b":1\r\n", b"*0\r\n", b"*3\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n", b"$1\r\na\r\n", b"*-1\r\n", None])
    @pytest.mark.parametrize("command", [b"ZRANGE", b"HMGET"])
    def test_instead_of_rows(self, command, reply):
        def answer(words):
            if words[0] == command:
                return reply
            return {b"GET": b"$%d\r\n%s\r\n" % (len(SCHEMA), SCHEMA), b"ZRANGE": b"*1\r\n$1\r\nk\r\n"}.get(words[0], b":1\r\n")

        with Impostor(answer) as impostor, connect(None, uri=impostor.uri, timeout_ms=300) as connection:
            try:
                assert rows(connection, "SELECT * FROM t") == []
            except adbc_driver_manager.Error as error:
                assert error.status_code in (Code.INVALID_DATA, Code.IO, Code.TIMEOUT)


class TestCancelling:
    def test_a_stream_and_going_on(self, redis):
        big_table(redis)
        with redis.cursor() as cursor:
            stream = open_stream(cursor)
            cursor.adbc_cancel()
            with pytest.raises((OSError, pa.ArrowException), match="cancelled"):
                read_on(stream)
        assert len(rows(redis, "SELECT a FROM t")) == 20_000

    def test_keeps_its_code_in_the_stream(self, redis):
        big_table(redis)
        with redis.cursor() as cursor:
            cursor.execute("SELECT * FROM t")
            cursor.adbc_cancel()
            assert failure(cursor.fetchall).status_code == Code.CANCELLED

    def test_of_a_connection_ends_its_statements(self, redis):
        big_table(redis)
        with redis.cursor() as cursor:
            stream = open_stream(cursor)
            redis.adbc_cancel()
            with pytest.raises((OSError, pa.ArrowException), match="cancelled"):
                read_on(stream)

    def test_what_waits_for_the_server(self):
        with ValkeyServer() as server, connect(server) as connection, connection.cursor() as cursor:
            big_table(connection)
            stream = open_stream(cursor)
            server.freeze()
            failures = []

            def read():
                try:
                    read_on(stream)
                except (OSError, pa.ArrowException) as error:
                    failures.append(str(error))

            reader = threading.Thread(target=read)
            reader.start()
            cursor.adbc_cancel()
            reader.join(20)
            assert not reader.is_alive() and "cancelled" in failures[0]
            server.thaw()
            assert len(rows(connection, "SELECT a FROM t LIMIT 5")) == 5

    def test_leaves_no_connection_behind(self, valkey, unique):
        def connections():
            return valkey.run("CLIENT", "LIST", "TYPE", "normal").count("id=")

        before = connections()
        for _ in range(50):
            with connect(valkey, prefix=unique) as connection, connection.cursor() as cursor:
                cursor.adbc_ingest("t", pa.table({"a": range(3000)}), mode="replace")
                stream = open_stream(cursor, 100)
                cursor.adbc_cancel()
                with pytest.raises((OSError, pa.ArrowException)):
                    read_on(stream)
        wait_until(lambda: connections() == before, what="the end of the connections")


class TestAnIngest:
    """Its pipelines are answered while the next ones are made: every answer counts all the same."""

    @pytest.mark.parametrize("bad", [1, 2500, 4999])
    def test_that_the_server_refuses_in_part_is_an_error(self, redis, valkey, unique, bad):
        run(redis, "CREATE TABLE t (id BIGINT PRIMARY KEY)")
        valkey.run("SET", f"{{{unique}:t}}:1:{bad}", "no hash")
        with redis.cursor() as cursor:
            error = failure(lambda: cursor.adbc_ingest("t", pa.table({"id": range(5000)}), mode="append"))
        assert error.status_code == Code.INVALID_DATA
        valkey.run("DEL", f"{{{unique}:t}}:1:{bad}")
        assert len(rows(redis, "SELECT id FROM t WHERE id IN (0, 1)")) >= 1  # the connection is in step

    @pytest.mark.parametrize("at", [0, 1, 5])
    def test_whose_connection_is_killed_is_an_error(self, redis, valkey, at):
        schema = pa.schema([("id", pa.int64())])

        def batches():
            for i in range(6):
                yield pa.record_batch([pa.array(range(i * 1000, i * 1000 + 1000), pa.int64())], schema=schema)
                if i == at:
                    valkey.run("CLIENT", "KILL", "TYPE", "normal")

        run(redis, "CREATE TABLE t (id BIGINT PRIMARY KEY)")
        with redis.cursor() as cursor:
            error = failure(lambda: cursor.adbc_ingest("t", pa.RecordBatchReader.from_batches(schema, batches()), mode="append"))
        assert error.status_code == Code.IO
        assert len(rows(redis, "SELECT id FROM t")) <= 6000


class TestOptions:
    @pytest.mark.parametrize("options, text", [
        ({"adbc.redis.colour": "red"}, "Unknown option: adbc.redis.colour"), ({"timeout_ms": "soon"}, "takes a number from 1"),
        ({"prefix": "a:b"}, "letters, digits"), ({"tls": "maybe"}, "true or false")])
    def test_are_checked(self, valkey, options, text):
        assert text in str(failure(lambda: connect(valkey, **options)))

    def test_of_statements_are_read_back(self, redis):
        with redis.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.redis.batch_rows": 77})
            assert cursor.adbc_statement.get_option_int("adbc.redis.batch_rows") == 77
            assert failure(lambda: cursor.adbc_statement.set_options(**{"adbc.ingest.temporary": "true"})).status_code == Code.NOT_IMPLEMENTED

    def test_a_uri_is_needed(self):
        with pytest.raises(adbc_driver_manager.Error, match="Option uri is missing"):
            dbapi.connect(driver=str(LIBRARY), autocommit=True)


def test_threads_share_a_connection(redis):
    """Each with statements of its own, as ADBC allows."""
    big_table(redis, 5000)
    found = []

    def read():
        with redis.cursor() as cursor:
            for _ in range(5):
                cursor.adbc_statement.set_options(**{"adbc.redis.batch_rows": 500})
                cursor.execute("SELECT a FROM t")
                found.append([row[0] for row in cursor.fetchall()])

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [list(range(5000))] * 20


def test_functions_that_the_driver_lacks_say_so(redis):
    with redis.cursor() as cursor:
        for call in (cursor.adbc_statement.execute_partitions, lambda: cursor.adbc_statement.set_substrait_plan(b"x")):
            assert failure(call).status_code == Code.NOT_IMPLEMENTED
    assert failure(lambda: redis.adbc_get_statistics()).status_code == Code.NOT_IMPLEMENTED
