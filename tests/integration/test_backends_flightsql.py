"""Another Hyprstream behind the server, over Flight SQL: the driver is Go's, and so in a process of its own."""

import json
import os
import pathlib
import signal
import socket
import threading
import time

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from faulty_proxy import FaultyProxy
from flight_sql_client import TOKEN, USERS, connected
from server_process import ServerProcess, wait_until

SECRET = "cold-hunter2-77be"  # the token of the server behind; never to be seen anywhere
COLD_USERS = f'front = {{ token = "{SECRET}", admin = true }}\n'
ADA, COLD = (flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())], timeout=60)
             for token in (TOKEN, SECRET))
ROWS = 300_000
MORE_THAN_BUFFERS = "SELECT * FROM backend_query('{}', $$SELECT i, repeat('x', 1000) AS s FROM range(3000000) t(i)$$)"

# Every type with values at its ends; `n` is the row's number.
TYPES = {
    "bo BOOLEAN": ["true", "false"], "ti TINYINT": ["-128", "127"], "si SMALLINT": ["-32768", "32767"],
    "it INTEGER": ["-2147483648", "2147483647"], "bi BIGINT": ["-9223372036854775808", "9223372036854775807"],
    "ut UTINYINT": ["0", "255"], "us USMALLINT": ["0", "65535"], "ui UINTEGER": ["0", "4294967295"],
    "ub UBIGINT": ["0", "18446744073709551615"],
    "hu HUGEINT": ["-99999999999999999999999999999999999999", "99999999999999999999999999999999999999"],
    "fl FLOAT": ["'nan'", "'-infinity'", "3.4028235e38", "1.4e-45"],
    "db DOUBLE": ["'nan'", "'infinity'", "1.7976931348623157e308", "5e-324", "-0.0"],
    "de DECIMAL(38,10)": ["-9999999999999999999999999999.9999999999", "0.0000000001"],
    "vc VARCHAR": ["''", "'ä𝄞''\"\\'", "repeat('x', 70000)"], "bl BLOB": ["''", "'\\x00\\xFF'::BLOB"],
    "da DATE": ["'0001-01-01'", "'9999-12-31'", "'infinity'", "'-infinity'", "'0044-03-15 (BC)'"],
    "tm TIME": ["'00:00:00'", "'23:59:59.999999'"], "tn TIME_NS": ["'23:59:59.999999999'"],
    "ts TIMESTAMP": ["'0001-01-01'", "'9999-12-31 23:59:59.999999'", "'infinity'"],
    "t0 TIMESTAMP_S": ["'1969-12-31 23:59:59'"], "t3 TIMESTAMP_MS": ["'1969-12-31 23:59:59.999'"],
    "t9 TIMESTAMP_NS": ["'1677-09-22'", "'2262-04-11 23:47:16.854775806'"],
    "tz TIMESTAMPTZ": ["'2024-03-31 02:30:00+01'", "'infinity'"],
    "iv INTERVAL": ["INTERVAL '-5 years 3 days 1 microsecond'"],
    "uu UUID": ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    "js JSON": ["'{\"a\": [1, null]}'"], "en ENUM('a', 'B', 'ö')": ["'ö'", "'a'"],
    "li INTEGER[]": ["[1, NULL]", "[]"], "ar DOUBLE[3]": ["[1, NULL, 3]"],
    "st STRUCT(a INTEGER, b VARCHAR)": ["{'a': 1, 'b': NULL}"], "ma MAP(VARCHAR, INTEGER)": ["MAP {'k': 1}"],
    "tt TIMETZ": ["'12:00:00+05'"], "bt BIT": ["'0101'"], "uv UHUGEINT": ["99999999999999999999999999999999999999"],
}


def front_environment():
    return {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}


def refusal(call, *arguments):
    """The text of the error, which has no secret."""
    with pytest.raises((flight.FlightError, pa.ArrowException, KeyError)) as caught:
        call(*arguments)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def attach(client, port, name, more=", DIALECT 'hyprstream'", secret=SECRET):
    wire.update(client, f"ATTACH 'grpc://127.0.0.1:{port}' AS {name} (TYPE adbc, DRIVER 'flightsql', "
                        f"\"adbc.flight.sql.authorization_header\" 'Bearer {secret}'{more})", ADA)


def fill(cold):
    with flight.connect(cold.url) as client:
        for sql in ("CREATE TABLE planes (tail VARCHAR PRIMARY KEY, seats UTINYINT, built DATE, kind ENUM('prop', 'jet'))",
                    "INSERT INTO planes VALUES ('N1', 200, '1999-05-01', 'jet'), ('N2', NULL, '2020-01-01', 'prop'), "
                    "('n1', 4, NULL, NULL)",
                    "CREATE VIEW jets AS SELECT tail FROM planes WHERE kind = 'jet'",
                    "CREATE SCHEMA \"od d\"", "CREATE TABLE \"od d\".\"T \"\"1\" (\"a b\" BIGINT, \"Select\" VARCHAR)",
                    "INSERT INTO \"od d\".\"T \"\"1\" VALUES (1, 'x'), (-9223372036854775808, NULL), (NULL, 'y')",
                    f"CREATE TABLE numbers AS SELECT i, repeat('x', 100) AS filling FROM range({ROWS}) t(i)",
                    f"CREATE TABLE types (n INTEGER NOT NULL, {', '.join(TYPES)})"):
            wire.update(client, sql, COLD)
        for row in range(max(map(len, TYPES.values())) + 1):
            values = ", ".join(texts[row] if row < len(texts) else "NULL" for texts in TYPES.values())
            wire.update(client, f"INSERT INTO types VALUES ({row}, {values})", COLD)


@pytest.fixture(scope="module")
def cold():
    with ServerProcess("--log-level", "debug", environment={"HYPRSTREAM_USERS": COLD_USERS}) as process:
        fill(process)
        yield process


@pytest.fixture(scope="module")
def server(cold):
    with ServerProcess("--log-level", "debug", environment=front_environment()) as process:
        with flight.connect(process.url) as client:
            attach(client, cold.port, "cold")
            attach(client, cold.port, "plain", more="")
        yield process
    assert SECRET not in process.last_log


@pytest.fixture
def client(server):
    with flight.connect(server.url) as connected_client:
        yield connected_client


def ask(client, sql):
    return wire.query(client, sql, ADA)


def backends(client):
    return {row["name"]: row for row in ask(client, "SELECT * FROM hyprstream.backends")}


def explained(client, sql):
    return json.dumps(ask(client, "EXPLAIN " + sql))


def test_tables_are_read_and_joined(client):
    assert ask(client, "SELECT tail, seats, built::VARCHAR AS built, kind FROM cold.main.planes ORDER BY tail") == [
        {"tail": "N1", "seats": 200, "built": "1999-05-01", "kind": "jet"},
        {"tail": "N2", "seats": None, "built": "2020-01-01", "kind": "prop"},
        {"tail": "n1", "seats": 4, "built": None, "kind": None}]
    wire.update(client, "CREATE TABLE flown (tail VARCHAR, hours BIGINT)", ADA)
    wire.update(client, "INSERT INTO flown VALUES ('N1', 10), ('N3', 30)", ADA)
    for backend in ("cold", "plain"):
        assert ask(client, f"SELECT hours, seats FROM flown LEFT JOIN {backend}.main.planes USING (tail) ORDER BY hours") == [
            {"hours": 10, "seats": 200}, {"hours": 30, "seats": None}]
        assert ask(client, f"SELECT * FROM {backend}.main.jets") == [{"tail": "N1"}]
        assert ask(client, f"SELECT count(*) AS n, sum(i)::BIGINT AS s FROM {backend}.main.numbers") == [
            {"n": ROWS, "s": ROWS * (ROWS - 1) // 2}]


def test_the_driver_is_never_in_the_server(server, client):
    assert len(server.driver_hosts()) == 2
    assert "libadbc_driver_flightsql" not in pathlib.Path(f"/proc/{server.pid}/maps").read_text()
    listed = backends(client)
    assert listed["cold"]["state"] == listed["plain"]["state"] == "available"
    assert listed["cold"]["driver_version"] and SECRET not in str(listed)


def test_metadata_lists_schemas_tables_columns(server, client):
    assert [(row["column_name"], row["column_type"], row["null"]) for row in ask(client, "DESCRIBE cold.main.planes")] == [
        ("tail", "VARCHAR", "NO"), ("seats", "UTINYINT", "YES"), ("built", "DATE", "YES"), ("kind", "VARCHAR", "YES")]
    with connected(server) as connection:
        for backend in ("cold", "plain"):
            objects = connection.adbc_get_objects(depth="all", catalog_filter=backend).read_all().to_pylist()
            tables = {(schema["db_schema_name"], table["table_name"]): table
                      for schema in objects[0]["catalog_db_schemas"] for table in schema["db_schema_tables"]}
            assert tables["main", "planes"]["table_type"] == "TABLE"
            assert tables["main", "jets"]["table_type"] == "VIEW"
            assert [column["column_name"] for column in tables["od d", 'T "1']["table_columns"]] == ["a b", "Select"]


def test_names_are_quoted(client):
    for backend in ("cold", "plain"):
        assert ask(client, f"SELECT \"a b\" AS a, \"Select\" AS s FROM {backend}.\"od d\".\"T \"\"1\" ORDER BY ALL") == [
            {"a": -9223372036854775808, "s": None}, {"a": 1, "s": "x"}, {"a": None, "s": "y"}]
        assert ask(client, f"SELECT \"Select\" AS s FROM {backend}.\"od d\".\"T \"\"1\" WHERE \"a b\" = 1") == [{"s": "x"}]
        assert "plane does not exist" in refusal(ask, client, f"FROM {backend}.main.plane")


@pytest.mark.parametrize("backend", ["cold", "plain"])
@pytest.mark.parametrize("statement, said", [
    ("/* /* */ SELECT 1 */ DELETE FROM planes WHERE tail = 'N1' RETURNING tail", "comment"),
    ("-- x\rDELETE FROM planes WHERE tail IN (\nSELECT 'N2') RETURNING tail", "comment"),
    ("SELECT * FROM (DELETE FROM planes WHERE tail = 'N1' RETURNING tail)", "word delete"),
    ("SELECT 1 AS a UNION ALL (WITH d AS (DELETE FROM planes RETURNING 1) SELECT * FROM d)", "word delete"),
    ("SHOW DELETE FROM planes", "word delete"), ("DESCRIBE DELETE FROM planes", "word delete"),
    ("SELECT 1 -- x\rUNION SELECT 2", "carriage return"), ("SELECT 1 /*! + 1 */", "comment that is run")])
def test_a_statement_that_is_passed_on_only_reads(client, backend, statement, said):
    assert said in refusal(ask, client, f"SELECT * FROM backend_query('{backend}', $${statement}$$)")
    assert ask(client, "SELECT count(*) AS n FROM cold.main.planes") == [{"n": 3}]


@pytest.mark.parametrize("backend", ["cold", "plain"])
def test_a_statement_that_reads_is_passed_on(client, backend):
    for statement, rows in (("SELECT 'delete, no' AS s", [{"s": "delete, no"}]),
                            ("SELECT tail\r\nFROM planes -- all of them\nORDER BY tail", [{"tail": "N1"}, {"tail": "N2"}, {"tail": "n1"}]),
                            ("SELECT 'a\rb, update' AS \"into\"", [{"into": "a\rb, update"}])):
        assert ask(client, f"SELECT * FROM backend_query('{backend}', $${statement}$$)") == rows


def bits(column):
    """A NaN equals itself, and 0.0 is not -0.0."""
    array = column.combine_chunks()
    wide = {pa.float32(): pa.int32(), pa.float64(): pa.int64()}.get(array.type)
    return array.view(wide) if wide else array


@pytest.mark.parametrize("backend", ["cold", "plain"])
def test_every_value_arrives_as_it_is(server, cold, backend):
    """As a client of the server behind sees it, types included."""
    def whole(at, token, table):
        with flight.connect(at.url) as client:
            options = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())], timeout=60)
            info = client.get_flight_info(wire.statement_query(f"FROM {table} ORDER BY n"), options)
            return client.do_get(info.endpoints[0].ticket, options).read_all()

    there, here = whole(cold, SECRET, "types"), whole(server, TOKEN, f"{backend}.main.types")
    assert here.schema.names == there.schema.names and there.num_rows == 6
    for name in there.schema.names:
        assert here.schema.field(name).type == there.schema.field(name).type, name
        assert bits(here[name]).equals(bits(there[name])), name


def test_what_does_not_fit_is_an_error(client, cold):
    with flight.connect(cold.url) as direct:
        wire.update(direct, "CREATE TABLE wide (n INTEGER, h HUGEINT)", COLD)
        wire.update(direct, "INSERT INTO wide VALUES (1, 1), (2, 100000000000000000000000000000000000000)", COLD)
    assert "column h has a number of more than 38 digits" in refusal(ask, client, "FROM cold.main.wide").lower()
    assert ask(client, "SELECT n FROM cold.main.wide ORDER BY n") == [{"n": 1}, {"n": 2}]


def test_queries_go_to_another_hyprstream_as_a_whole(client):
    sql = ("SELECT p.kind, count(*) AS n, max(seats) AS seats FROM cold.main.planes p JOIN cold.main.jets j USING (tail) "
           "WHERE p.tail LIKE 'N%' GROUP BY p.kind ORDER BY p.kind LIMIT 5")
    assert ask(client, sql) == [{"kind": "jet", "n": 1, "seats": 200}]
    told = explained(client, sql)
    assert "answered there as a whole: cold: planes, jets" in told
    assert "INNER JOIN" in told and SECRET not in told
    assert "answered there as a whole" not in explained(client, sql.replace("cold.", "plain."))
    assert ask(client, sql.replace("cold.", "plain.")) == ask(client, sql)


@pytest.mark.parametrize("where, tails", [
    ("tail = 'n1'", ["n1"]), ("kind = 'jet'", ["N1"]), ("kind > 'jet'", ["N2"]), ("seats >= 200", ["N1"]),
    ("seats IS NULL", ["N2"]), ("built < DATE '2000-01-01'", ["N1"]), ("seats IN (4, 200, NULL)", ["N1", "n1"]),
    ("tail = NULL", []), ("seats % 2 = 1", [])])
def test_conditions_mean_the_same(client, where, tails):
    for backend in ("cold", "plain"):
        rows = ask(client, f"SELECT tail FROM {backend}.main.planes WHERE {where} ORDER BY tail")
        assert [row["tail"] for row in rows] == tails, backend


def test_what_is_sent_is_shown(client):
    assert "i = 7" in explained(client, "SELECT filling FROM cold.main.numbers WHERE i = 7")
    told = explained(client, "SELECT i FROM plain.main.numbers WHERE i = 7 AND filling = 'x' LIMIT 3")
    assert "\\\"i\\\" = 7" in told or "i = 7" in told


def test_a_statement_of_their_own_is_passed_on(client):
    for backend in ("cold", "plain"):
        assert ask(client, f"SELECT * FROM backend_query('{backend}', 'SELECT tail FROM planes ORDER BY 1 LIMIT 1')") == [
            {"tail": "N1"}]
        for refused in ("DROP TABLE planes", "WITH a AS (SELECT 1) DELETE FROM planes", "SELECT 1; DELETE FROM planes",
                        "EXPLAIN ANALYZE DELETE FROM planes"):
            said = refusal(ask, client, f"SELECT * FROM backend_query('{backend}', $${refused}$$)")
            assert "here" in said
        assert "nothing" in refusal(ask, client, f"SELECT * FROM backend_query('{backend}', 'SELECT nothing')")
    assert ask(client, "SELECT count(*) AS n FROM cold.main.planes") == [{"n": 3}]


def test_without_the_dialect_it_is_only_read(client):
    for sql in ("INSERT INTO plain.main.planes (tail) VALUES ('N9')", "DELETE FROM plain.main.planes",
                "UPDATE plain.main.planes SET seats = 1", "CREATE TABLE plain.main.t AS SELECT 1 AS one",
                "DROP TABLE plain.main.planes"):
        said = refusal(wire.update, client, sql, ADA)
        assert "plain" in said and "read" in said, said
    assert ask(client, "SELECT count(*) AS n FROM cold.main.planes") == [{"n": 3}]


def running_at(cold, text):
    with flight.connect(cold.url) as direct:
        return len([row for row in wire.query(direct, "SELECT text, state FROM hyprstream.queries", COLD)
                    if text in row["text"] and row["state"] == "running" and "hyprstream.queries" not in row["text"]])


def test_a_client_that_goes_ends_the_statement_there(client, cold):
    sql = "SELECT * FROM backend_query('cold', 'SELECT count(*) AS goes_away FROM range(1000000000000)')"
    info = client.get_flight_info(wire.statement_query(sql), ADA)
    reader = client.do_get(info.endpoints[0].ticket, ADA)
    wait_until(lambda: running_at(cold, "goes_away") >= 1, what="the statement's start there")
    reader.cancel()
    wait_until(lambda: running_at(cold, "goes_away") == 0, what="its end")
    assert ask(client, "SELECT count(*) AS n FROM cold.main.planes") == [{"n": 3}]


def test_a_statement_that_takes_too_long_is_ended(client, cold):
    attach(client, cold.port, "hasty", ", DIALECT 'hyprstream', STATEMENT_TIMEOUT '500 ms'")
    said = refusal(ask, client, "SELECT * FROM backend_query('hasty', 'SELECT count(*) AS hasty FROM range(1000000000000)')")
    assert "hasty had not answered within its statement_timeout of 500 ms" in said
    wait_until(lambda: running_at(cold, "AS hasty") == 0, what="its end there")
    assert ask(client, "SELECT count(*) AS n FROM hasty.main.planes") == [{"n": 3}]
    wire.update(client, "DETACH hasty", ADA)


def test_a_wrong_token_is_refused_and_not_shown(client, cold):
    # Now and then the server is faster than the driver, which then tells the end of its stream instead of the refusal.
    for _ in range(20):
        said = refusal(attach, client, cold.port, "wrong", ", DIALECT 'hyprstream'", f"wrong-{SECRET}")
        assert "Wrong user name, password or token" in said and f"wrong-{SECRET}" not in said
        said = refusal(attach, client, cold.port, "wrong", "", f"wrong-{SECRET}")
        assert "password or token" in said or "the password or the token" in said
        assert f"wrong-{SECRET}" not in said
    said = refusal(wire.update, client, f"ATTACH 'grpc://127.0.0.1:{cold.port}' AS wrong (TYPE adbc, DRIVER 'flightsql', "
                                        f"USER 'front', PASSWORD 'no-{SECRET}')", ADA)
    assert "wrong" in said
    assert "wrong" not in backends(client)


def test_first_rows_are_no_more_than_that(client):
    for backend in ("cold", "plain"):
        for where in ("", "WHERE i > 5", "WHERE i > 5 AND filling LIKE 'x%'"):
            assert len(ask(client, f"SELECT i FROM {backend}.main.numbers {where} LIMIT 3")) == 3
        assert ask(client, f"SELECT i FROM {backend}.main.numbers ORDER BY i DESC LIMIT 1") == [{"i": ROWS - 1}]


def test_what_is_no_hyprstream_or_not_there_is_refused(client):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert "silent" in refusal(attach, client, silent.getsockname()[1], "silent", ", CONNECT_TIMEOUT '1 s'")
        assert time.monotonic() - began < 40
    said = refusal(attach, client, 1, "nowhere")
    assert "nowhere" in said
    assert "flightsql" in refusal(
        wire.update, client, "ATTACH 'x' AS y (TYPE adbc, DRIVER 'sqlite', DIALECT 'hyprstream')", ADA)
    assert "dialect" in refusal(attach, client, 1, "nowhere", ", DIALECT 'klingon'")


def test_a_driver_that_dies_takes_its_statement_and_nothing_else(server, client):
    info = client.get_flight_info(wire.statement_query(MORE_THAN_BUFFERS.format("cold")), ADA)
    reader = client.do_get(info.endpoints[0].ticket, ADA)
    assert reader.read_chunk().data.num_rows > 0
    for host in server.driver_hosts():
        os.kill(host, signal.SIGKILL)
    assert "process of the driver has ended" in refusal(wire.read_to_end, reader)
    for backend in ("cold", "plain"):
        assert ask(client, f"SELECT count(*) AS n FROM {backend}.main.planes") == [{"n": 3}]
    assert backends(client)["cold"]["pool_in_use"] == 0


def test_a_server_that_stops_in_mid_stream_is_an_error_and_is_used_again(client):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    first = ServerProcess("--port", port, environment={"HYPRSTREAM_USERS": COLD_USERS})
    try:
        fill(first)
        attach(client, port, "moving")
        info = client.get_flight_info(wire.statement_query(MORE_THAN_BUFFERS.format("moving")), ADA)
        reader = client.do_get(info.endpoints[0].ticket, ADA)
        assert reader.read_chunk().data.num_rows > 0
    finally:
        first.close()
    assert "moving" in refusal(wire.read_to_end, reader)
    assert "moving" in refusal(ask, client, "SELECT count(*) AS n FROM moving.main.planes")
    assert ask(client, "SELECT count(*) AS n FROM cold.main.planes") == [{"n": 3}]
    with ServerProcess("--port", port, environment={"HYPRSTREAM_USERS": COLD_USERS}) as second:
        fill(second)
        wait_until(lambda: recovers(client, "moving"), seconds=60, what="the backend's recovery")
        wire.update(client, "DETACH moving", ADA)


def recovers(client, name):
    try:
        return ask(client, f"SELECT count(*) AS n FROM {name}.main.planes") == [{"n": 3}]
    except (flight.FlightError, pa.ArrowException):
        return False


@pytest.mark.parametrize("fault", ["hang", "drip", "reset", "garbage"])
def test_faults_in_mid_stream_cost_a_bounded_wait(client, cold, fault):
    name = f"faulty_{fault}"
    with FaultyProxy(cold.port) as proxy:
        attach(client, proxy.port, name, ", DIALECT 'hyprstream', STATEMENT_TIMEOUT '2 s', CONNECT_TIMEOUT '2 s'")
        info = client.get_flight_info(wire.statement_query(MORE_THAN_BUFFERS.format(name)), ADA)
        reader = client.do_get(info.endpoints[0].ticket, ADA)
        assert reader.read_chunk().data.num_rows > 0
        proxy.mode = fault
        began = time.monotonic()
        assert name in refusal(wire.read_to_end, reader)
        assert time.monotonic() - began < 40
        assert ask(client, "SELECT count(*) AS n FROM cold.main.planes") == [{"n": 3}]
        proxy.mode = "pass"
        wait_until(lambda: recovers(client, name), seconds=60, what="the backend's recovery")
        wire.update(client, f"DETACH {name}", ADA)


def test_a_configured_server_may_come_up_later(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "token").write_text(f"Bearer {SECRET}\n")
    file = tmp_path / "hyprstream.toml"
    file.write_text(f'[backends.cold]\ndriver = "flightsql"\ndialect = "hyprstream"\nuri = "grpc://127.0.0.1:{port}"\n'
                    f'[backends.cold.options]\n"adbc.flight.sql.authorization_header" = {{ file = "token" }}\n')
    with ServerProcess("--config", file, environment=front_environment()) as process, flight.connect(process.url) as client:
        assert backends(client)["cold"]["state"] == "unavailable"
        assert "cold" in refusal(ask, client, "FROM cold.main.planes")
        with ServerProcess("--port", port, environment={"HYPRSTREAM_USERS": COLD_USERS}) as cold:
            fill(cold)
            wait_until(lambda: backends(client)["cold"]["state"] == "available", seconds=60, what="its coming up")
            assert ask(client, "SELECT count(*) AS n FROM cold.main.planes") == [{"n": 3}]


def test_many_statements_share_the_connections(server):
    failed = []

    def work(number):
        try:
            with flight.connect(server.url) as mine:
                for _ in range(5):
                    assert ask(mine, f"SELECT count(*) AS n FROM cold.main.numbers WHERE i >= {number}") == [
                        {"n": ROWS - number}]
        except (flight.FlightError, pa.ArrowException, AssertionError) as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
