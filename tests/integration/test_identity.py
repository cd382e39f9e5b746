"""Who may call, and that nobody reaches what is another user's."""

import base64
import ctypes
import ctypes.util
import json
import socket
import subprocess
import time
import urllib.request

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from server_process import ServerProcess, run_hyprstream, wait_until

ADA_TOKEN = "ada-token-5f2c7b"  # an admin
BOB_TOKEN = "bob-token-91d0aa"
BOB_PASSWORD = "correct horse battery"
CYD_PASSWORD = "cyd: has a colon"


def crypt(password):
    library = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    return library.crypt(password.encode(), b"$6$rounds=1000$hyprstream").decode()


BOB_HASH = crypt(BOB_PASSWORD)
USERS = f"""
ada = {{ token = "{ADA_TOKEN}", admin = true }}
bob = {{ token = "{BOB_TOKEN}", password_hash = "{BOB_HASH}" }}
"""


def headers(authorization, *more, timeout=60):
    pairs = [] if authorization is None else [(b"authorization", authorization.encode())]
    return flight.FlightCallOptions(headers=[*pairs, *more], timeout=timeout)


def bearer(token, *more):
    return headers(f"Bearer {token}", *more)


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


ADA = bearer(ADA_TOKEN)
BOB = bearer(BOB_TOKEN)


@pytest.fixture(scope="module")
def guarded():
    with ServerProcess("--log-level", "debug", "--http-port", "0", environment={"HYPRSTREAM_USERS": USERS}) as server:
        with flight.connect(server.url) as client:
            wire.update(client, "CREATE TABLE things (i BIGINT)", ADA)
        yield server


@pytest.fixture
def client(guarded):
    with flight.connect(guarded.url) as client:
        yield client


def put(client, options, descriptor):
    writer, reader = client.do_put(descriptor, pa.schema([("i", pa.int64())]), options)
    with writer:
        writer.write_batch(pa.record_batch({"i": pa.array([1], pa.int64())}))
        writer.done_writing()
        while reader.read() is not None:
            pass


def exchange(client, options):
    writer, reader = client.do_exchange(flight.FlightDescriptor.for_command(b"SELECT 1"), options)
    with writer:
        writer.done_writing()
        reader.read_all()


THINGS = flight.FlightDescriptor.for_path("things")
EVERY_RPC = {
    "ListFlights": lambda client, options: list(client.list_flights(b"", options)),
    "GetFlightInfo, a path": lambda client, options: client.get_flight_info(THINGS, options),
    "GetFlightInfo, a query": lambda client, options: wire.query(client, "SELECT 1", options),
    "GetSchema": lambda client, options: client.get_schema(THINGS, options),
    "DoGet": lambda client, options: client.do_get(flight.Ticket(b"x"), options).read_all(),
    "DoPut, a path": lambda client, options: put(client, options, THINGS),
    "DoPut, an update": lambda client, options: wire.update(client, "DELETE FROM things", options),
    "DoPut, an ingest": lambda client, options: put(client, options, wire.statement_ingest("things")),
    "DoExchange": exchange,
    "ListActions": lambda client, options: client.list_actions(options),
    "DoAction, ours": lambda client, options: list(client.do_action("healthcheck", options)),
    "DoAction, flush": lambda client, options: list(client.do_action("flush", options)),
    "DoAction, prepare": lambda client, options: wire.prepare(client, "SELECT 1", options),
    "DoAction, begin": lambda client, options: wire.begin(client, options),
    "DoAction, session options": lambda client, options: list(
        client.do_action(flight.Action("GetSessionOptions", b""), options)
    ),
    "DoAction, close session": lambda client, options: wire.close_session(client, options),
}
WRONG_CREDENTIALS = {
    "none": headers(None),
    "an unknown token": bearer("ada-token-5f2c7c"),
    "a forged session token": bearer("0123456789abcdef0123456789abcdef"),
    "an empty token": headers("Bearer "),
    "a token with a blank more": headers(f"Bearer x {ADA_TOKEN}"),
    "a wrong password": headers(basic("bob", "wrong")),
    "another user's password": headers(basic("ada", BOB_PASSWORD)),
    "an unknown user": headers(basic("eve", BOB_PASSWORD)),
    "a user without password": headers(basic("ada", "")),
    "the hash as password": headers(basic("bob", BOB_HASH)),
    "no name": headers(basic("", "")),
    "no base64": headers("Basic !!!"),
    "another scheme": headers("Digest whatever"),
    "a long one": bearer("x" * 5000),
    "a forged old token": headers(None, (b"auth-token-bin", b"0123456789abcdef0123456789abcdef")),
    "only a cookie": headers(None, (b"cookie", b"arrow_flight_session_id=0123456789abcdef0123456789abcdef")),
}


def refused(call):
    """What a call is told that must be refused; pyarrow shows some calls' status as an OSError."""
    with pytest.raises((flight.FlightUnauthenticatedError, OSError), match="(?i)unauthenticated") as error:
        call()
    return str(error.value)


@pytest.mark.parametrize("credentials", WRONG_CREDENTIALS)
def test_wrong_credentials_are_refused_on_every_rpc(client, credentials):
    for name, call in EVERY_RPC.items():
        told = refused(lambda call=call: call(client, WRONG_CREDENTIALS[credentials]))
        assert "bob" not in told and "ada" not in told, name
    assert wire.query(client, "SELECT count(*) AS n FROM things", ADA) == [{"n": 0}]


@pytest.mark.parametrize("rpc", [name for name in EVERY_RPC if name != "DoGet"])
def test_right_credentials_pass_on_every_rpc(client, rpc):
    EVERY_RPC[rpc](client, BOB)
    wire.update(client, "DELETE FROM things", ADA)


def test_handshakes(client):
    pair = client.authenticate_basic_token("bob", BOB_PASSWORD)
    assert pair[1].startswith(b"Bearer ")
    assert BOB_TOKEN.encode() not in pair[1]
    options = flight.FlightCallOptions(headers=[pair])
    assert wire.query(client, "SELECT 1 AS one", options) == [{"one": 1}]
    for name, password in (("bob", "wrong"), ("eve", BOB_PASSWORD), ("ada", ""), ("", "")):
        with pytest.raises(flight.FlightUnauthenticatedError):
            client.authenticate_basic_token(name, password)
    # A token that is almost the issued one.
    forged = pair[1][:-1] + (b"0" if pair[1][-1:] != b"0" else b"1")
    with pytest.raises(flight.FlightUnauthenticatedError):
        wire.query(client, "SELECT 1", flight.FlightCallOptions(headers=[(b"authorization", forged)]))


def test_the_handshake_of_old(guarded):
    class Login(flight.ClientAuthHandler):
        def __init__(self, name, password):
            super().__init__()
            self.login, self.token = flight.BasicAuth(name, password), b""

        def authenticate(self, outgoing, incoming):
            outgoing.write(self.login.serialize())
            self.token = incoming.read()

        def get_token(self):
            return self.token

    with flight.connect(guarded.url) as client:
        client.authenticate(Login("bob", BOB_PASSWORD))
        assert wire.query(client, "SELECT 1 AS one") == [{"one": 1}]
    with flight.connect(guarded.url) as client:
        with pytest.raises(flight.FlightUnauthenticatedError):
            client.authenticate(Login("bob", "wrong"))
        with pytest.raises(flight.FlightUnauthenticatedError):
            wire.query(client, "SELECT 1")


def test_a_token_that_nobody_uses_expires():
    with ServerProcess("--token-idle-s", "2", environment={"HYPRSTREAM_USERS": USERS}) as server:
        with flight.connect(server.url) as client:
            used, unused = (flight.FlightCallOptions(headers=[client.authenticate_basic_token("bob", BOB_PASSWORD)])
                            for _ in range(2))
            assert wire.query(client, "SELECT 1 AS one", unused) == [{"one": 1}]
            since = time.monotonic()

            def two_seconds_of_use():
                list(client.do_action("version", used))
                return time.monotonic() - since > 2.1

            wait_until(two_seconds_of_use)
            refused(lambda: wire.query(client, "SELECT 1", unused))
            assert wire.query(client, "SELECT 1 AS one", used) == [{"one": 1}]


def test_adbc_logs_in_both_ways(guarded):
    for options in ({"username": "bob", "password": BOB_PASSWORD},
                    {"adbc.flight.sql.authorization_header": f"Bearer {ADA_TOKEN}"}):
        with flightsql.connect(guarded.url, db_kwargs=options) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 42")
            assert cursor.fetchone() == (42,)
    for options in ({"username": "bob", "password": "wrong"},
                    {"adbc.flight.sql.authorization_header": "Bearer wrong"}, {}):
        with pytest.raises(flightsql.Error, match="(?i)unauthenticated"):
            with flightsql.connect(guarded.url, db_kwargs=options) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT 42")


def test_secrets_come_from_files_and_hashes(tmp_path):
    (tmp_path / "token").write_text(ADA_TOKEN + "\n")
    (tmp_path / "hash").write_text(crypt(CYD_PASSWORD) + "\nsecond line\n")
    config = tmp_path / "server.toml"
    config.write_text('[users.ada]\ntoken_file = "token"\nadmin = true\n[users.cyd]\npassword_hash_file = "hash"\n')
    with ServerProcess("--config", config) as server, flight.connect(server.url) as client:
        assert wire.query(client, "SELECT 1 AS one", ADA) == [{"one": 1}]
        assert wire.query(client, "SELECT 1 AS one", headers(basic("cyd", CYD_PASSWORD))) == [{"one": 1}]
        with pytest.raises(flight.FlightUnauthenticatedError):
            wire.query(client, "SELECT 1", headers(basic("cyd", "second line")))


def test_another_users_ticket_is_refused(client):
    info = client.get_flight_info(wire.statement_query("SELECT 7 AS seven"), ADA)
    with pytest.raises(Exception, match="Unknown ticket"):
        client.do_get(info.endpoints[0].ticket, BOB).read_all()
    with pytest.raises(Exception, match="Unknown ticket"):
        wire.cancel_info(client, info, BOB)
    assert client.do_get(info.endpoints[0].ticket, ADA).read_all().to_pylist() == [{"seven": 7}]
    with pytest.raises(Exception, match="Unknown ticket"):  # once
        client.do_get(info.endpoints[0].ticket, ADA).read_all()


def test_a_ticket_is_read_from_another_session_of_its_user(guarded, client):
    info = client.get_flight_info(wire.statement_query("SELECT 7 AS seven"), ADA)
    with flight.connect(guarded.url) as other:
        assert other.do_get(info.endpoints[0].ticket, ADA).read_all().to_pylist() == [{"seven": 7}]


def test_transactions_belong_to_their_session(guarded, client):
    transaction = wire.begin(client, ADA)
    wire.update(client, "INSERT INTO things VALUES (1)", ADA, transaction)
    with flight.connect(guarded.url) as other:
        for options in (BOB, ADA):  # another user, and another session of the same
            for call in (lambda o=options: wire.query(other, "SELECT * FROM things", o, transaction),
                         lambda o=options: wire.update(other, "DELETE FROM things", o, transaction),
                         lambda o=options: wire.prepare(other, "SELECT 1", o, transaction),
                         lambda o=options: put(other, o, wire.statement_ingest("things", transaction)),
                         lambda o=options: wire.end(other, transaction, True, o)):
                with pytest.raises(Exception, match="Unknown transaction"):
                    call()
    with pytest.raises(Exception, match="Unknown transaction"):  # the same connection
        wire.end(client, transaction, True, BOB)
    with pytest.raises(Exception, match="Unknown transaction"):
        wire.end(client, b"0" * 32, True, ADA)
    wire.end(client, transaction, False, ADA)
    assert wire.query(client, "SELECT count(*) AS n FROM things", ADA) == [{"n": 0}]


def test_prepared_statements_belong_to_their_session(guarded, client):
    handle = wire.prepare(client, "SELECT 9 AS nine", ADA)
    with flight.connect(guarded.url) as other:
        for options in (BOB, ADA):
            for call in (lambda o=options: other.get_flight_info(wire.prepared_query(handle), o),
                         lambda o=options: put(other, o, wire.prepared_query(handle)),
                         lambda o=options: wire.close_prepared(other, handle, o)):
                with pytest.raises(Exception, match="Unknown prepared statement"):
                    call()
    with pytest.raises(Exception, match="Unknown prepared statement"):
        client.get_flight_info(wire.prepared_query(handle), BOB)
    info = client.get_flight_info(wire.prepared_query(handle), ADA)
    assert client.do_get(info.endpoints[0].ticket, ADA).read_all().to_pylist() == [{"nine": 9}]


def test_a_cookie_opens_nothing_for_another_user(guarded):
    cookie = wire.cookie_of_first_call(guarded.url, "SET TimeZone = 'Asia/Tokyo'", ADA)
    ask = "SELECT current_setting('TimeZone') AS zone"
    with flight.connect(guarded.url) as client:
        assert wire.query(client, ask, bearer(ADA_TOKEN, cookie)) == [{"zone": "Asia/Tokyo"}]
        assert wire.query(client, ask, bearer(BOB_TOKEN, cookie)) == [{"zone": "UTC"}]
        wire.close_session(client, bearer(BOB_TOKEN, cookie))
        assert wire.query(client, ask, bearer(ADA_TOKEN, cookie)) == [{"zone": "Asia/Tokyo"}]
        with pytest.raises(flight.FlightUnauthenticatedError):
            wire.query(client, ask, headers(None, cookie))


def test_session_options_are_not_shared(guarded):
    with flightsql.connect(guarded.url, db_kwargs={"username": "bob", "password": BOB_PASSWORD}) as mine, \
         flightsql.connect(guarded.url, db_kwargs={"username": "bob", "password": BOB_PASSWORD}) as other:
        with mine.cursor() as cursor, other.cursor() as elsewhere:
            cursor.execute("SET TimeZone = 'Asia/Tokyo'")
            cursor.execute("SELECT current_setting('TimeZone')")
            elsewhere.execute("SELECT current_setting('TimeZone')")
            assert (cursor.fetchone(), elsewhere.fetchone()) == (("Asia/Tokyo",), ("UTC",))


def test_only_an_admin_sees_what_others_do(client):
    wire.query(client, "SELECT 'adas secret'", ADA)
    wire.query(client, "SELECT 'bobs secret'", BOB)
    for table in ("queries", "sessions"):
        users = f"SELECT DISTINCT user_name AS who FROM hyprstream.{table} ORDER BY who"
        assert wire.query(client, users, BOB) == [{"who": "bob"}]
        assert wire.query(client, users, ADA) == [{"who": "ada"}, {"who": "bob"}]
    for hidden in ("SELECT * FROM hyprstream_system('queries') WHERE user_name <> 'bob'",
                   "FROM hyprstream.queries WHERE text LIKE '%adas secret%'AND user_name <> 'bob'"):
        try:
            assert wire.query(client, hidden, BOB) == []
        except (flight.FlightError, pa.ArrowInvalid) as refused:
            assert "not allowed" in str(refused)
    # A view or a macro of an admin's shows its reader, not its maker.
    wire.update(client, "CREATE VIEW who AS SELECT DISTINCT user_name AS who FROM hyprstream.queries", ADA)
    assert wire.query(client, "SELECT * FROM who", BOB) == [{"who": "bob"}]
    wire.update(client, "DROP VIEW who", ADA)


@pytest.mark.parametrize("sql", [
    "CHECKPOINT", "FORCE CHECKPOINT", "SELECT * FROM force_checkpoint()", "CALL force_checkpoint()", "PRAGMA version",
    "SET memory_limit = '1GB'", "SET GLOBAL threads = 1", "ATTACH ':memory:' AS x", "INSTALL httpfs", "LOAD httpfs",
    "DELETE FROM hyprstream.queries", "DROP VIEW hyprstream.queries", "CREATE TABLE hyprstream.mine (i INTEGER)",
])
def test_operator_statements_of_the_engine_are_for_nobody(client, sql):
    for options in (ADA, BOB):
        with pytest.raises(Exception, match="(?i)allow|not |cannot|unknown|can only"):
            wire.update(client, sql, options)
    assert wire.query(client, "SELECT 1 AS one", BOB) == [{"one": 1}]


def certificate(folder, name):
    key, chain = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", chain, "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True)
    return chain, key


def test_tls(tmp_path):
    chain, key = certificate(tmp_path, "right")
    wrong, _ = certificate(tmp_path, "wrong")
    quick = flight.FlightCallOptions(timeout=10)
    with ServerProcess("--tls-cert", chain, "--tls-key", key, scheme="grpc+tls") as server:
        assert "grpc+tls://" in server.log()
        with flight.connect(server.url, tls_root_certs=chain.read_bytes()) as client:
            assert wire.query(client, "SELECT connections FROM hyprstream.sessions") == [{"connections": 1}]
        with flightsql.connect(server.url, db_kwargs={
                "adbc.flight.sql.client_option.tls_root_certs": chain.read_text()}) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 42")
                assert cursor.fetchone() == (42,)
        # A client that trusts another certificate, one that trusts the public ones, one that speaks no TLS.
        for url, roots in ((server.url, wrong.read_bytes()), (server.url, None), (f"grpc://{server.address}", None)):
            with flight.connect(url, **({"tls_root_certs": roots} if roots else {})) as client:
                with pytest.raises(flight.FlightError):
                    wire.query(client, "SELECT 1", quick)
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 500, b""):
            with socket.create_connection((server.host, server.port), timeout=10) as raw:
                raw.sendall(noise)
        with flight.connect(server.url, tls_root_certs=chain.read_bytes()) as client:
            assert wire.query(client, "SELECT 1 AS one") == [{"one": 1}]


def test_tls_files_are_checked_at_the_start(tmp_path):
    chain, key = certificate(tmp_path, "right")
    for arguments in (["--tls-cert", chain], ["--tls-key", key], ["--tls-cert", tmp_path / "no", "--tls-key", key],
                      ["--tls-cert", chain, "--tls-key", tmp_path]):
        status, _, error = run_hyprstream("serve", "--port", "0", *arguments)
        assert status == 2 and len(error.strip().splitlines()) == 1, error
        assert "PRIVATE" not in error


def test_an_open_address_needs_users():
    for host in ("0.0.0.0", "::"):
        status, _, error = run_hyprstream("serve", "--port", "0", "--host", host)
        assert status == 2 and "insecure" in error and "users" in error and len(error.strip().splitlines()) == 1, error
    with ServerProcess("--host", "0.0.0.0", "--insecure") as server:
        with flight.connect(f"grpc://127.0.0.1:{server.port}") as client:
            assert wire.query(client, "SELECT 1 AS one") == [{"one": 1}]
    with ServerProcess("--host", "0.0.0.0", environment={"HYPRSTREAM_USERS": USERS}) as server:
        with flight.connect(f"grpc://127.0.0.1:{server.port}") as client:
            assert wire.query(client, "SELECT 1 AS one", BOB) == [{"one": 1}]


def test_secrets_are_never_shown(tmp_path):
    """Everything that the server prints, logs and answers, while it is told secrets all the time."""
    environment = {"HYPRSTREAM_USERS": USERS}
    seen = []
    with ServerProcess("--log-level", "debug", "--log-format", "json", "--http-port", "0",
                       environment=environment) as server, flight.connect(server.url) as client:
        issued = client.authenticate_basic_token("bob", BOB_PASSWORD)[1].decode().removeprefix("Bearer ")
        wrong = [basic("bob", "wrong-pass-word"), "Bearer wrong-bearer-token", basic("ada", "wrong-pass-word")]
        for credentials in (*wrong, basic("bob", BOB_PASSWORD), f"Bearer {issued}", f"Bearer {ADA_TOKEN}"):
            for call in EVERY_RPC.values():
                try:
                    call(client, headers(credentials))
                except Exception as error:
                    seen.append(str(error))
        with pytest.raises(flight.FlightError):
            client.authenticate_basic_token("bob", "wrong-pass-word")
        for table in ("tables", "views", "windows", "queries", "sessions", "settings"):
            seen.append(str(wire.query(client, f"SELECT * FROM hyprstream.{table}", ADA)))
        port = next(line for line in server.log().splitlines() if '"event":"http"' in line)
        with urllib.request.urlopen(f"http://127.0.0.1:{json.loads(port)['port']}/metrics", timeout=20) as page:
            seen.append(page.read().decode())
        status, out, error = run_hyprstream("config", environment=environment)
        assert status == 0 and "***" in out
        seen += [out, error]
    seen.append(server.last_log)
    secrets = [ADA_TOKEN, BOB_TOKEN, BOB_PASSWORD, BOB_HASH, issued, "wrong-pass-word", "wrong-bearer-token"]
    secrets += [text.removeprefix("Basic ") for text in (*wrong, basic("bob", BOB_PASSWORD)) if "Basic" in text]
    for secret in secrets:
        for text in seen:
            assert secret not in text, f"{secret} in {text[:2000]}"
