"""A PostgreSQL that speaks TLS only, with what its driver is told of certificates."""

import os

import pytest

from certificates import certify
from flight_sql_client import USERS, connected, refused, runner
from postgres_server import PostgresServer
from server_process import ServerProcess, wait_until

PASSWORD = "pg-hunter2-tls"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return certify(tmp_path_factory.mktemp("right"))


@pytest.fixture(scope="module")
def postgres(certificates):
    with PostgresServer(password=PASSWORD, tls_folder=certificates) as server:
        server.run("CREATE TABLE t AS SELECT i FROM generate_series(1, 100000) i")
        yield server


@pytest.fixture(scope="module")
def server():
    environment = {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    with ServerProcess("--log-level", "debug", environment=environment) as process:
        yield process
    assert PASSWORD not in process.last_log


@pytest.fixture
def run(server):
    with runner(server) as execute:
        yield execute


@pytest.fixture
def attach(run, postgres, certificates):
    """Attaches it as `warehouse` with these parameters of libpq."""
    def statement(parameters, host="127.0.0.1", isolate="false"):
        uri = postgres.uri.replace("127.0.0.1", host) + "?" + parameters
        return run(f"ATTACH '{uri}' AS warehouse (TYPE adbc, DRIVER 'postgresql', ISOLATE {isolate})")

    yield statement
    run("DETACH DATABASE IF EXISTS warehouse")


@pytest.mark.parametrize("isolate", ["false", "true"])
def test_the_certificate_is_verified(attach, run, postgres, certificates, isolate):
    attach(f"sslmode=verify-full&sslrootcert={certificates / 'ca.pem'}", isolate=isolate)
    assert run("SELECT count(*), sum(i)::BIGINT FROM warehouse.public.t") == [(100_000, 100_000 * 100_001 // 2)]
    assert run("SELECT * FROM backend_query('warehouse', 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')") == [(True,)]


def test_tables_are_written(attach, run, postgres, certificates):
    attach(f"sslmode=verify-full&sslrootcert={certificates / 'ca.pem'}")
    run("CREATE TABLE warehouse.public.written (v BIGINT)")
    assert run("INSERT INTO warehouse.public.written SELECT i FROM range(100000) r(i)") == 100_000
    assert postgres.run("SELECT count(*) FROM written") == "100000"


def test_another_authority_is_not_trusted(attach, tmp_path):
    certify(tmp_path)
    text = refused(lambda: attach(f"sslmode=verify-full&sslrootcert={tmp_path / 'ca.pem'}"), "certificate verify failed")
    assert PASSWORD not in text


def test_a_certificate_of_another_name_is_not_trusted(attach, certificates):
    roots = certificates / "ca.pem"
    text = refused(lambda: attach(f"sslmode=verify-full&sslrootcert={roots}", host="localhost"), "does not match host name")
    assert PASSWORD not in text
    attach(f"sslmode=verify-ca&sslrootcert={roots}", host="localhost")


def test_the_server_may_insist_on_it(attach):
    text = refused(lambda: attach("sslmode=disable"), "no encryption")
    assert PASSWORD not in text


def test_a_statement_is_cancelled(attach, server, postgres, certificates):
    attach(f"sslmode=verify-full&sslrootcert={certificates / 'ca.pem'}")
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM backend_query('warehouse', "
                       "$$SELECT generate_series(1, 100000000) AS i, repeat('x', 200) AS pad$$)")
        cursor.fetch_record_batch().read_next_batch()
        cursor.adbc_cancel()
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%100000000%' AND pid <> pg_backend_pid()"
    wait_until(lambda: postgres.run(running) == "0", seconds=30, what="the end of the statement")


def test_the_server_is_stopped_in_mid_stream_and_started_again(attach, run, server, postgres, certificates):
    attach(f"sslmode=verify-full&sslrootcert={certificates / 'ca.pem'}")
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM backend_query('warehouse', "
                       "$$SELECT generate_series(1, 100000000) AS i, repeat('x', 200) AS pad$$)")
        stream = cursor.fetch_record_batch()
        stream.read_next_batch()
        postgres.stop()
        with pytest.raises(Exception, match="warehouse"):
            for _ in stream:
                pass
    postgres.restart()
    def answers():
        try:
            return run("SELECT count(*) FROM warehouse.public.t") == [(100_000,)]
        except Exception:  # noqa: BLE001
            return False
    wait_until(answers, seconds=30, what="the answer of the database that is back")
