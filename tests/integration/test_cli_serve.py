"""`hyprstream serve` as a process: how it starts, refuses to start, and stops."""

import pathlib
import signal
import socket
import subprocess
import time

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from certificates import certify
from server_process import BINARY, ServerProcess, clean_environment, run_hyprstream, wait_until

ENDLESS = "SELECT count(*) FROM range(100000000000) a WHERE hash(a.range) = 1"


def refused(*arguments, environment=None):
    """The one line that says why `serve` does not start."""
    status, out, error = run_hyprstream("serve", *arguments, seconds=30, environment=environment)
    assert status == 2, out + error
    assert out == "" and error.startswith("hyprstream: ") and error.count("\n") == 1, error
    return error


def sql(server, statement):
    status, out, error = run_hyprstream("sql", "--url", server.url, "--format", "csv", "-c", statement)
    assert status == 0, error
    return out


def test_the_start_is_one_line(tmp_path):
    began = time.monotonic()
    process = subprocess.Popen(
        [BINARY, "serve", "--port", "0", "--log-level", "off", "--ready-file", tmp_path / "ready"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(),
    )
    try:
        line = process.stdout.readline()
        print(f"start-up took {time.monotonic() - began:.3f} s")
        address = wait_until(lambda: (tmp_path / "ready").exists() and (tmp_path / "ready").read_text(), what="the ready file")
        version = run_hyprstream("version")[1].split()[1]
        assert line == f"hyprstream {version} ready on grpc://{address.strip()} (in memory)\n"
        flight.connect(f"grpc://{address.strip()}").wait_for_available(5)
    finally:
        process.send_signal(signal.SIGTERM)
        out, error = process.communicate(timeout=30)
    assert (process.returncode, out, error) == (0, "", "")
    assert not (tmp_path / "ready").exists()


def test_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"{port}" in refused("--port", port)


def test_a_second_server_on_one_port():
    with ServerProcess() as server:
        assert f"{server.port}" in refused("--port", server.port)


def test_folders_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in refused("--port", 0, "--data", tmp_path / "file")
    assert "/proc/nowhere" in refused("--port", 0, "--data", "/proc/nowhere")
    assert "/nowhere" in refused("--port", 0, "--ready-file", "/nowhere/ready")


def test_a_second_server_on_one_data_folder(tmp_path):
    with ServerProcess("--data", tmp_path):
        error = refused("--port", 0, "--data", tmp_path)
        assert str(tmp_path) in error and "another" in error


def test_settings_that_are_wrong(tmp_path):
    config = tmp_path / "h.toml"
    config.write_text("\nmemory_mx = '1GiB'\n")
    assert "line 2: unknown setting 'memory_mx' (did you mean memory_max?)" in refused("--config", config)
    config.write_text("memory_max = 'much'\n")
    assert f"memory_max (file {config}, line 1): 'much' is not a size" in refused("--config", config)
    assert "Unknown flag --prot (did you mean --port?)" in refused("--prot", 1)
    assert "HYPRSTREAM_PROT (did you mean HYPRSTREAM_PORT?)" in refused(environment={"HYPRSTREAM_PROT": "1"})
    assert "port (flag --port): 70000 is out of range" in refused("--port", 70000)
    assert "/nowhere.toml" in refused("--config", "/nowhere.toml")


def test_tls_files_that_are_missing_or_wrong(tmp_path):
    (tmp_path / "no.pem").write_text("no PEM")
    assert "give tls_key too" in refused("--port", 0, "--tls-cert", "/nowhere/c.pem")
    assert "/nowhere/c.pem" in refused("--port", 0, "--tls-cert", "/nowhere/c.pem", "--tls-key", "/nowhere/k.pem")
    assert "is not in PEM format" in refused("--port", 0, "--tls-cert", tmp_path / "no.pem", "--tls-key", tmp_path / "no.pem")


def test_tls_files_that_do_not_belong_together(tmp_path):
    certify(tmp_path)
    subprocess.run("openssl req -x509 -newkey rsa:1024 -nodes -days 2 -subj /CN=weak -keyout weak.key -out weak.pem".split(),
                   cwd=tmp_path, check=True, capture_output=True)
    subprocess.run("openssl rsa -aes128 -passout pass:p -in server.key -out locked.key".split(), cwd=tmp_path, check=True,
                   capture_output=True)
    for cert, key, words in [
        ("server.pem", "ca.key", ("server.pem of tls_cert", "ca.key of tls_key", "is not that of")),
        ("server.pem", "server.pem", ("server.pem of tls_key holds no private key",)),
        ("server.key", "server.key", ("server.key of tls_cert holds no certificate",)),
        ("server.pem", "locked.key", ("locked.key of tls_key holds no private key that needs no password",)),
        ("weak.pem", "weak.key", ("weak.pem of tls_cert cannot be used", "too small")),
    ]:
        error = refused("--port", 0, "--tls-cert", tmp_path / cert, "--tls-key", tmp_path / key)
        assert all(word in error for word in words), error
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "server.key").read_bytes() + (tmp_path / "server.pem").read_bytes())
    with ServerProcess("--tls-cert", both, "--tls-key", both, scheme="grpc+tls") as server:
        answer = run_hyprstream("sql", "--url", server.url, "--tls-roots", tmp_path / "ca.pem", "-c", "SELECT 42 AS x")
        assert answer[0] == 0 and "42" in answer[1], answer


def test_no_folder_is_taken_for_something_else(tmp_path):
    config = tmp_path / "h.toml"
    config.write_text('data = "~/hd"\n')
    assert f"data (file {config}, line 1): '~/hd' begins with ~, which only a shell replaces" in refused("--config", config)
    (tmp_path / "a?b").mkdir()
    error = run_hyprstream("serve", "--port", 0, "--data", "d", folder=tmp_path / "a?b")[2]
    assert f"'{tmp_path}/a?b/d' holds a question mark" in error and error.count("\n") == 1
    assert not (tmp_path / "a?b" / "d").exists()
    for data in ("./~/hd", "file:hd"):
        with ServerProcess("--data", data, folder=tmp_path, environment={"HOME": str(tmp_path / "home")}) as server:
            sql(server, "CREATE TABLE t (a BIGINT)")
        assert (tmp_path / data / "tables.duckdb").exists()
    assert not (tmp_path / "home").exists()


def test_a_ready_file_is_never_that_of_an_ended_server(tmp_path):
    ready = tmp_path / "ready"
    file = tmp_path / "file"
    file.write_text("")
    ready.write_text("127.0.0.1:1\n")  # of one that was killed
    refused("--port", 0, "--ready-file", ready, "--data", file)
    assert not ready.exists()
    with ServerProcess(ready_file=ready) as server:
        refused("--port", server.port, "--ready-file", ready)
        assert ready.read_text() == server.address + "\n"
        other = subprocess.Popen([BINARY, "serve", "--port", "0", "--log-level", "off", "--ready-file", ready],
                                 stdout=subprocess.PIPE, text=True, env=clean_environment())
        announcement = other.stdout.readline()
        server.terminate()
        assert f"grpc://{ready.read_text().strip()} (" in announcement
    other.send_signal(signal.SIGTERM)
    other.communicate(timeout=30)
    assert other.returncode == 0 and not ready.exists()


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_addresses_of_ipv6(host):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with ServerProcess("--host", host, "--http-host", host, "--http-port", 0) as server:
        assert server.address == f"[::1]:{server.port}"
        assert f"ready on grpc://[::1]:{server.port} (" in server.log()
        assert sql(server, "SELECT 42 AS x") == "x\n42\n"


def test_the_environment_does_not_take_the_users_away(tmp_path):
    config = tmp_path / "h.toml"
    config.write_text("[users.alice]\ntoken = 'abc'\n")
    assert "HYPRSTREAM_USERS names no user; unset it" in refused(
        "--port", 0, "--config", config, environment={"HYPRSTREAM_USERS": ""})


def test_an_open_address_needs_users_or_insecure():
    assert "--insecure" in refused("--port", 0, "--host", "0.0.0.0")
    with ServerProcess("--host", "0.0.0.0", "--insecure") as server:
        assert server.address.startswith("0.0.0.0:")
    with ServerProcess("--host", "0.0.0.0", environment={"HYPRSTREAM_USERS": "a = { token = 'secret' }"}):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_busy_server_drains(number):
    with ServerProcess("--drain-ms", 300) as server:
        sql(server, "CREATE TABLE t (a BIGINT)")
        schema = pa.schema([("a", pa.int64())])
        client = flight.connect(server.url)
        writer, reader = client.do_put(flight.FlightDescriptor.for_path("t"), schema)
        writer.write_batch(pa.record_batch([[1]], schema=schema))
        assert b'"rows":1' in reader.read().to_pybytes()
        query = subprocess.Popen([BINARY, "sql", "--url", server.url, "-c", ENDLESS], stderr=subprocess.PIPE, text=True,
                                 env=clean_environment())
        wait_until(lambda: "1" in sql(
            server, "SELECT count(*) AS n FROM hyprstream.queries WHERE state = 'running' AND text LIKE '%100000000000%' "
            "AND text NOT LIKE '%hyprstream.queries%'"), what="the query's start")
        server.process.send_signal(number)
        assert server.process.wait(timeout=20) == 0, server.log()
        assert query.wait(timeout=20) == 1 and query.stderr.read().count("\n") == 1


def test_short_work_is_finished_before_the_end(tmp_path):
    with ServerProcess("--data", tmp_path) as server, flight.connect(server.url) as client:
        # Under way for as long as its rows are not read, however slow the machine: a statement that only computes may
        # take longer than drain_ms on a busy one.
        info = client.get_flight_info(wire.statement_query("SELECT range AS a FROM range(5000000)"))
        reader = client.do_get(info.endpoints[0].ticket)
        rows = reader.read_chunk().data.num_rows
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "shutting down" in run_hyprstream("sql", "--url", server.url, "-c", "SELECT 1")[2],
                   what="the drain's start")
        rows += sum(chunk.data.num_rows for chunk in reader)
        assert rows == 5000000
        assert server.process.wait(timeout=30) == 0, server.log()


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_a_restart_keeps_tables_and_views(tmp_path, end):
    data = tmp_path / "not" / "yet" / "there"
    server = ServerProcess("--data", data)
    sql(server, "CREATE TABLE t (ts TIMESTAMP, a INTEGER) WITH (time = 'ts')")
    sql(server, "CREATE MATERIALIZED VIEW v AS SELECT time_bucket(INTERVAL '1 hour', ts) AS w, sum(a) AS s FROM t GROUP BY ALL")
    sql(server, "INSERT INTO t VALUES ('2013-01-01 05:10:00', 1), ('2013-01-01 05:50:00', 2)")
    getattr(server, end)()
    with ServerProcess("--data", data) as again:
        assert f"(data {data})" in again.log()
        assert sql(again, "SELECT * FROM t ORDER BY a") == "ts,a\n2013-01-01 05:10:00,1\n2013-01-01 05:50:00,2\n"
        assert sql(again, "SELECT * FROM v") == "w,s\n2013-01-01 05:00:00,3\n"
        sql(again, "INSERT INTO t VALUES ('2013-01-01 05:59:00', 4)")
        assert sql(again, "SELECT s FROM v") == "s\n7\n"
