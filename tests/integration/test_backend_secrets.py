"""Secrets of backends are planted wherever a secret can stand, and looked for in whatever the server says."""

import os
import re
import signal
import urllib.request

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as flightsql
import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from free_port import free_port
from postgres_server import PostgresServer
from server_process import ServerProcess, run_hyprstream, wait_until

MARK = "zq7Xmarker"  # begins every secret
PASSWORD = f"{MARK}-pass/word&1"  # of the real PostgreSQL; some of its letters are percent-encoded in an URI
ENCODED = f"{MARK}-pass%2Fword%261"
TOKEN = f"{MARK}-token-of-ada"
ADA = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {TOKEN}".encode())], timeout=60)


class Heard:
    """All that was said so far."""

    def __init__(self):
        self.texts = []

    def add(self, what, text):
        self.texts.append((what, str(text)))

    def error_of(self, what, call, *arguments):
        try:
            self.add(what, call(*arguments))
        except (flight.FlightError, pa.ArrowException, KeyError, adbc_driver_flightsql.dbapi.Error) as error:
            self.add(f"{what}, refused", error)

    def check(self):
        assert len(self.texts) > 50
        for what, text in self.texts:
            assert MARK not in text and "7Xmarker" not in text, f"{what}: {text}"


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer(password=PASSWORD) as server:
        server.run("CREATE TABLE t AS SELECT i FROM generate_series(1, 10) g(i)")
        yield server


def configuration(folder, postgres):
    """A backend with its secret in each of the places that the file knows; the first two can connect."""
    address = f"127.0.0.1:{postgres.port}/postgres"
    (folder / "secret").write_text(PASSWORD + "\n")
    (folder / "h.toml").write_text(f"""
[users.ada]
token = "{TOKEN}"
admin = true

[backends.by_uri]
driver = "postgresql"
uri = "postgresql://postgres:{ENCODED}@{address}"

[backends.by_file]
driver = "postgresql"
uri = "postgresql://{address}"
user = "postgres"
password = {{ file = "secret" }}

[backends.by_environment]
driver = "postgresql"
uri = {{ env = "MARKED_URI" }}

[backends.by_parameter]
driver = "postgresql"
uri = "postgresql://postgres@{address}?password={MARK}-parameter"

[backends.by_words]
driver = "postgresql"
uri = "host=127.0.0.1 port={postgres.port} user=postgres password={MARK}-words"

[backends.by_option]
driver = "postgresql"
uri = "postgresql://{address}"
[backends.by_option.options]
"adbc.postgresql.unknown" = "{MARK}-option"

[backends.by_path]
driver = "sqlite"
uri = "file:/nowhere/x.db?key={MARK}-sqlite"
""")
    return ["--config", folder / "h.toml"], {
        "MARKED_URI": f"postgresql://postgres:{MARK}-environment@{address}",
        "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}


BACKENDS = ["by_uri", "by_file", "by_environment", "by_parameter", "by_words", "by_option", "by_path"]


def attachments(port):
    """ATTACHes with a secret, right and wrong in many ways."""
    end = "(TYPE adbc, DRIVER 'postgresql'"
    for uri in (f"postgresql://u:{MARK}-a@127.0.0.1:{port}/d", f"postgresql://127.0.0.1:{port}/d?password={MARK}-b",
                f"postgresql://{MARK}-c@127.0.0.1:{port}/d", f"host=127.0.0.1 port={port} password={MARK}-d",
                f"host=127.0.0.1 port={port} password={MARK}''-e", f"postgresql://u:{MARK}-f@[::1]:{port}/d",
                f"postgresql://u:{MARK}-g@ho st/d", f"{MARK}-h", f"postgresql://u:%zz{MARK}-i@127.0.0.1:{port}/d"):
        yield f"ATTACH '{uri}' AS a1 {end})"
        yield f"ATTACH '{uri}' AS a2 {end}, NO_SUCH_OPTION 1)"
        yield f"ATTACH '{uri}' AS a3 {end}"
        yield f"ATTACH '{uri}' a4 {end})"
        yield f"ATTACH '{uri} AS a5 {end})"
        yield f"ATTACH '{uri}' AS a6 (TYPE adbc, DRIVER '/nowhere/lib.so')"
        yield f"EXPLAIN ATTACH '{uri}' AS a7 {end})"
        yield f"PREPARE p AS ATTACH '{uri}' AS a8 {end})"
        yield f"SELECT 1; ATTACH '{uri}' AS a9 {end}); SELEC"
    for option in (f"PASSWORD '{MARK}-j'", f"\"adbc.x.secret\" '{MARK}-k'", f"POOL_MAX '{MARK}-l'", f"USER '{MARK}-m'",
                   f"STATEMENT_TIMEOUT '{MARK}-n'", f"\"uri\" 'postgresql://u:{MARK}-o@127.0.0.1:{port}/d'"):
        yield f"ATTACH 'postgresql://127.0.0.1:{port}/d' AS a10 {end}, {option})"
    # Go's drivers put what they were given into their errors.
    for number, (uri, option) in enumerate([
            (f"grpc://u:{MARK}-q@127.0.0.1:{port}", ""), (f"grpc://127.0.0.1:{port}?token={MARK}-r", ""),
            (f"grpc://127.0.0.1:{port}", f", USER 'u', PASSWORD '{MARK}-s'"), (f"{MARK}-t://127.0.0.1:{port}", ""),
            (f"grpc://127.0.0.1:{port}", f", \"adbc.flight.sql.authorization_header\" 'Bearer {MARK}-u'"),
            (f"grpc://127.0.0.1:{port}", f", \"adbc.flight.sql.rpc.call_header.x\" '{MARK}-v'"),
            (f"grpc://127.0.0.1:{port}", f", \"adbc.flight.sql.client_option.tls_root_certs\" '{MARK}-w'"),
            (f"grpc://127.0.0.1:{port}", f", \"adbc.flight.sql.unknown\" '{MARK}-x'"),
            (f"grpc://u:%zz{MARK}-y@127.0.0.1:{port}", "")]):
        yield f"ATTACH '{uri}' AS f{number} (TYPE adbc, DRIVER 'flightsql', CONNECT_TIMEOUT '2 s'{option})"
    for number, (uri, option) in enumerate([
            (f"u:{MARK}-z@127.0.0.1:{port}/d?account=a&protocol=http", ""), (f"u:{MARK}-aa@ho st/%zz", ""),
            ("", f", PASSWORD '{MARK}-ab'"), ("", f", \"adbc.snowflake.sql.client_option.jwt_private_key\" '{MARK}-ac'"),
            ("", f", \"adbc.snowflake.sql.client_option.auth_token\" '{MARK}-ad'")]):
        yield (f"ATTACH '{uri}' AS s{number} (TYPE adbc, DRIVER 'snowflake', USER 'u', \"adbc.snowflake.sql.account\" 'a', "
               f"\"adbc.snowflake.sql.uri.protocol\" 'http', \"adbc.snowflake.sql.uri.host\" '127.0.0.1', "
               f"\"adbc.snowflake.sql.uri.port\" '{port}', CONNECT_TIMEOUT '2 s'{option})")
    yield f"CREATE SECRET s (TYPE postgres, PASSWORD '{MARK}-p')"


def test_no_secret_is_ever_said(postgres, tmp_path):
    heard = Heard()
    flags, variables = configuration(tmp_path, postgres)
    heard.add("config", run_hyprstream("config", *flags, environment=variables))
    heard.add("backends check", run_hyprstream("backends", "check", *flags, environment=variables))
    with ServerProcess("--http-port", "0", "--log-level", "debug", *flags, environment=variables) as server:
        with flight.connect(server.url) as client:
            listen_to_statements(client, heard, free_port())
            listen_to_backends(client, heard)
            listen_to_tables(client, heard)
            postgres.stop()  # and once more where nothing answers
            listen_to_backends(client, heard)
            postgres.restart()
            listen_to_tables(client, heard)
        listen_to_metadata(server, heard)
        listen_to_pages(server, heard)
        shell = run_hyprstream("sql", "--url", server.url, "--token-file", token_file(tmp_path), "-c",
                               f"ATTACH 'postgresql://u:{MARK}@127.0.0.1:1/d' AS w (TYPE adbc, DRIVER 'postgresql')")
        heard.add("the shell", shell)
    heard.add("the log", server.last_log)
    heard.check()
    assert "by_file" in server.last_log  # it does speak of them


def listen_to_statements(client, heard, port):
    for sql in attachments(port):
        for call in (wire.update, wire.query, wire.prepare):
            heard.error_of(re.sub(MARK, "***", sql), call, client, sql, ADA)


def listen_to_backends(client, heard):
    for name in BACKENDS:
        for sql in (f"SELECT * FROM {name}.public.t", f"SELECT * FROM {name}.public.no_such_table", f"DESCRIBE {name}.public.t",
                    f"EXPLAIN SELECT * FROM {name}.public.t WHERE i = 1", f"INSERT INTO {name}.public.t VALUES (1)",
                    f"SELECT * FROM backend_query('{name}', 'SELEC')", f"SELECT * FROM backend_query('{name}', 'SELECT 1 AS a')"):
            heard.error_of(sql, wire.query, client, sql, ADA)
    heard.error_of("an unknown one", wire.query, client, "SELECT * FROM by_urj.public.t", ADA)


def listen_to_tables(client, heard):
    names = wire.query(client, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'hyprstream'", ADA)
    for sql in ([f"SELECT * FROM hyprstream.{row['table_name']}" for row in names]
                + [f"SELECT * FROM {function}()" for function in (
                    "duckdb_databases", "duckdb_settings", "duckdb_secrets", "duckdb_tables", "duckdb_views",
                    "duckdb_schemas", "duckdb_columns", "duckdb_functions", "duckdb_logs", "duckdb_variables")]
                + ["SHOW DATABASES", "SHOW ALL TABLES", "SHOW SCHEMAS", "PRAGMA database_list"]):
        heard.error_of(sql, wire.query, client, sql, ADA)


def listen_to_metadata(server, heard):
    options = {adbc_driver_flightsql.DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {TOKEN}"}
    with flightsql.connect(server.url, db_kwargs=options, autocommit=True) as connection:
        heard.add("GetObjects", connection.adbc_get_objects(depth="all").read_all().to_pylist())
        heard.add("GetInfo", connection.adbc_get_info())
        heard.add("table types", connection.adbc_get_table_types())


def listen_to_pages(server, heard):
    line = wait_until(lambda: next((line for line in server.log().splitlines() if "http" in line and "port" in line), None))
    port = re.search(r"port=(\d+)", line).group(1)
    for path in ("/healthz", "/readyz", "/metrics"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as page:
            heard.add(path, page.read().decode())


def token_file(folder):
    (folder / "token").write_text(TOKEN + "\n")
    return folder / "token"


def test_a_crash_writes_no_memory_to_a_file(postgres, tmp_path):
    """A core file would have every password in it."""
    flags, variables = configuration(tmp_path, postgres)
    unlimited = ["bash", "-c", 'ulimit -c "$(ulimit -H -c)"; exec "$@"', "bash"]
    server = ServerProcess(*flags, environment=variables, wrapper=unlimited)
    try:
        with flight.connect(server.url) as client:
            assert wire.query(client, "SELECT min(i) AS n FROM by_uri.public.t", ADA) == [{"n": 1}]
        os.kill(server.pid, signal.SIGABRT)
        ended = os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
        assert (ended.si_code, ended.si_status) == (os.CLD_KILLED, signal.SIGABRT)  # not CLD_DUMPED
    finally:
        log = server.close()
    assert MARK not in log
