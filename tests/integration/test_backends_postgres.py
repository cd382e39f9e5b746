"""PostgreSQL behind the server: named by ATTACH or by the configuration file, read and joined through the same port."""

import decimal
import json
import os
import signal
import socket
import threading

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as flightsql
import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from postgres_server import PostgresServer
from server_process import ServerProcess, run_hyprstream, wait_until

PASSWORD = "pg-hunter2-5c1f"  # never to be seen anywhere
ADA_TOKEN = "ada-token-77aa01"  # an admin
BOB_TOKEN = "bob-token-23c9fe"
USERS = f'ada = {{ token = "{ADA_TOKEN}", admin = true }}\nbob = {{ token = "{BOB_TOKEN}" }}\n'


def bearer(token):
    return flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())], timeout=60)


ADA = bearer(ADA_TOKEN)
BOB = bearer(BOB_TOKEN)


def environment():
    return {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}


def refusal(call, *arguments):
    """The text of the error."""
    with pytest.raises((flight.FlightError, pa.ArrowException, KeyError)) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer(password=PASSWORD) as server:
        server.run("CREATE SCHEMA crm; "
                   "CREATE TABLE crm.customers (id int PRIMARY KEY, region text NOT NULL, name text, credit numeric(9,2)); "
                   "INSERT INTO crm.customers VALUES (1, 'north', 'ann', 10.50), (2, 'south', 'bob', NULL), "
                   "(3, 'north', NULL, 7.25); "
                   "CREATE VIEW crm.northern AS SELECT id FROM crm.customers WHERE region = 'north'; "
                   "CREATE TABLE numbers AS SELECT i, repeat('x', 100) AS filling FROM generate_series(1, 2000000) g(i)")
        yield server


@pytest.fixture(scope="module")
def server(postgres):
    with ServerProcess("--log-level", "debug", environment=environment()) as process:
        with flight.connect(process.url) as client:
            attach(client, postgres)
        yield process
    assert PASSWORD not in process.last_log


def attach(client, postgres, name="warehouse", more=""):
    wire.update(client, f"ATTACH '{postgres.uri}' AS {name} (TYPE adbc, DRIVER 'postgresql'{more})", ADA)


@pytest.fixture
def client(server):
    with flight.connect(server.url) as connected:
        yield connected


def backends(client):
    return {row["name"]: row for row in wire.query(client, "SELECT * FROM hyprstream.backends", ADA)}


def running_at(postgres, text):
    """How many statements with this text PostgreSQL runs."""
    return int(postgres.run(f"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%{text}%' "
                            "AND pid <> pg_backend_pid()").strip())


def test_tables_are_read_and_joined_with_live_views(client):
    assert wire.query(client, "SELECT id, name, credit FROM warehouse.crm.customers WHERE region = 'north' ORDER BY id",
                      BOB) == [{"id": 1, "name": "ann", "credit": pytest.approx(10.50)},
                               {"id": 3, "name": None, "credit": pytest.approx(7.25)}]
    assert wire.query(client, "SELECT count(*) AS n FROM warehouse.public.numbers WHERE i BETWEEN 10 AND 19", BOB) == [
        {"n": 10}]
    assert wire.query(client, "SELECT * FROM warehouse.crm.northern ORDER BY ALL", BOB) == [{"id": 1}, {"id": 3}]
    wire.update(client, "CREATE TABLE sales (ts TIMESTAMP, region VARCHAR, amount INT) WITH (time = 'ts')", ADA)
    wire.update(client, "CREATE MATERIALIZED VIEW sales_1h AS SELECT time_bucket(INTERVAL '1 hour', ts) AS w, region, "
                        "sum(amount) AS revenue FROM sales GROUP BY ALL", ADA)
    joined = ("SELECT name, revenue::BIGINT AS revenue FROM sales_1h JOIN warehouse.crm.customers USING (region) "
              "WHERE name IS NOT NULL ORDER BY ALL")
    wire.update(client, "INSERT INTO sales VALUES ('2026-01-01', 'north', 5)", ADA)
    assert wire.query(client, joined, BOB) == [{"name": "ann", "revenue": 5}]
    wire.update(client, "INSERT INTO sales VALUES ('2026-01-01', 'north', 2), ('2026-01-01', 'south', 1)", ADA)
    assert wire.query(client, joined, BOB) == [{"name": "ann", "revenue": 7}, {"name": "bob", "revenue": 1}]


def test_routes_are_told(client):
    def route(sql):
        info = client.get_flight_info(wire.statement_query(sql), BOB)
        wire.read_to_end(client.do_get(info.endpoints[0].ticket, BOB))
        return json.loads(info.app_metadata)

    assert route("SELECT count(*) FROM warehouse.crm.customers") == {
        "route": "backend",
        "reason": "scans at warehouse: crm.customers; answered there as a whole: warehouse: crm.customers"}
    assert route("SELECT id FROM warehouse.crm.customers") == {
        "route": "backend", "reason": "scans at warehouse: crm.customers"}
    assert route("SELECT count(*) FROM warehouse.crm.customers, (SELECT 1 AS one)")["route"] == "backend"
    wire.update(client, "CREATE TABLE IF NOT EXISTS here (region VARCHAR)", ADA)
    told = route("SELECT count(*) FROM here JOIN warehouse.crm.customers USING (region)")
    assert told == {"route": "federated", "reason": "scans at warehouse: crm.customers; here: here"}
    rows = wire.query(client, "EXPLAIN SELECT name FROM warehouse.crm.customers WHERE id = 2", BOB)
    text = json.dumps(rows)
    assert "backend (scans at warehouse: crm.customers)" in text and "id = 2" in text


def test_joins_and_aggregates_are_answered_there(client):
    query = ("SELECT region, count(*) AS customers, sum(credit) AS credit FROM warehouse.crm.customers "
             "JOIN warehouse.crm.northern USING (id) WHERE name LIKE 'a%' GROUP BY region ORDER BY region LIMIT 3")
    assert wire.query(client, query, BOB) == [
        {"region": "north", "customers": 1, "credit": decimal.Decimal("10.50")}]
    told = json.dumps(wire.query(client, "EXPLAIN " + query, BOB))
    assert "INNER JOIN" in told and "GROUP BY 1" in told and "LIKE 'a%'::text" in told and PASSWORD not in told
    assert "answered there as a whole: warehouse: crm.customers, crm.northern" in told
    kept = "SELECT upper(region) AS region, count(*) AS n FROM warehouse.crm.customers GROUP BY ALL ORDER BY ALL"
    assert wire.query(client, kept, BOB) == [{"region": "NORTH", "n": 2}, {"region": "SOUTH", "n": 1}]
    assert "not as a whole: warehouse: upper of text is not known to mean the same there" in json.dumps(
        wire.query(client, "EXPLAIN " + kept, BOB))


def test_metadata_lists_schemas_tables_columns(server, client):
    shown = wire.query(client, "DESCRIBE warehouse.crm.customers", BOB)
    assert [(row["column_name"], row["null"]) for row in shown] == [
        ("id", "NO"), ("region", "NO"), ("name", "YES"), ("credit", "YES")]
    options = {adbc_driver_flightsql.DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {BOB_TOKEN}"}
    with flightsql.connect(server.url, db_kwargs=options) as connection:
        objects = connection.adbc_get_objects(depth="all", catalog_filter="warehouse").read_all().to_pylist()
        assert [found["catalog_name"] for found in objects] == ["warehouse"]
        tables = {(schema["db_schema_name"], table["table_name"]): table
                  for schema in objects[0]["catalog_db_schemas"] for table in schema["db_schema_tables"]}
        assert tables["crm", "customers"]["table_type"] == "TABLE"
        assert tables["crm", "northern"]["table_type"] == "VIEW"
        assert [column["column_name"] for column in tables["crm", "customers"]["table_columns"]] == [
            "id", "region", "name", "credit"]
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM warehouse.crm.customers WHERE id = ?", (2,))
            assert cursor.fetchall() == [(2, "south", "bob", None)]
            cursor.execute("SELECT * FROM backend_query('warehouse', $$SELECT version() AS v$$)")
            assert cursor.fetchall()[0][0].startswith("PostgreSQL")


def test_what_changes_there_is_seen(client, postgres):
    sql = "SELECT * FROM warehouse.public.changing"
    postgres.run("CREATE TABLE changing (a int); INSERT INTO changing VALUES (1)")
    assert wire.query(client, sql, BOB) == [{"a": 1}]  # a new name is looked up at once
    postgres.run("UPDATE changing SET a = 2")
    assert wire.query(client, sql, BOB) == [{"a": 2}]
    handle = wire.prepare(client, sql, BOB)
    postgres.run("DROP TABLE changing")
    assert "changing" in refusal(wire.query, client, sql, BOB)
    with pytest.raises((flight.FlightError, pa.ArrowException), match="changing"):
        info = client.get_flight_info(wire.prepared_query(handle), BOB)
        wire.read_to_end(client.do_get(info.endpoints[0].ticket, BOB))


def test_changes_of_other_kinds_are_refused(client, postgres):
    for sql in ("CREATE VIEW warehouse.crm.v AS SELECT 1 AS i", "CREATE SCHEMA warehouse.other", "DROP SCHEMA warehouse.crm",
                "ALTER TABLE warehouse.crm.customers ADD COLUMN x INT",
                "WITH gone AS (DELETE FROM warehouse.crm.customers RETURNING id) SELECT * FROM gone"):
        assert "Backend warehouse is changed by INSERT, UPDATE, DELETE" in refusal(wire.update, client, sql, ADA), sql
    assert "backend warehouse" in refusal(
        wire.update, client, "CREATE MATERIALIZED VIEW mv AS SELECT count(*) AS n FROM warehouse.crm.customers", ADA)
    assert postgres.run("SELECT count(*) FROM crm.customers").strip() == "3"
    wire.update(client, "CREATE TABLE copied AS SELECT * FROM warehouse.crm.customers", ADA)
    assert wire.query(client, "SELECT count(*) AS n FROM copied", BOB) == [{"n": 3}]


def test_attach_is_an_operators_right(client, postgres):
    sql = f"ATTACH '{postgres.uri}' AS bobs (TYPE adbc, DRIVER 'postgresql')"
    said = refusal(wire.update, client, sql, BOB)
    assert "admin = true" in said and PASSWORD not in said
    assert "admin = true" in refusal(wire.update, client, "DETACH warehouse", BOB)
    assert wire.query(client, "SELECT * FROM hyprstream.backends", BOB) == []
    drivers = {"HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    with ServerProcess("--client-attach", environment=drivers) as open_to_all:
        with flight.connect(open_to_all.url) as anyone:
            wire.update(anyone, sql)
            assert wire.query(anyone, "SELECT count(*) AS n FROM bobs.crm.customers") == [{"n": 3}]
            assert "admin" in refusal(
                wire.update, anyone, "ATTACH 'x' AS other (TYPE adbc, DRIVER '/tmp/libadbc_driver_postgresql.so')")


def test_detach_while_rows_are_read(client, postgres):
    attach(client, postgres, "leaving")
    assert "leaving" in refusal(attach, client, postgres, "leaving")
    info = client.get_flight_info(wire.statement_query("SELECT * FROM leaving.public.numbers"), BOB)
    reader = client.do_get(info.endpoints[0].ticket, BOB)
    assert reader.read_chunk().data.num_rows > 0
    wire.update(client, "DETACH leaving", ADA)
    assert "leaving" in refusal(wire.read_to_end, reader)
    assert "leaving" in refusal(wire.query, client, "SELECT * FROM leaving.public.numbers", BOB)
    wait_until(lambda: running_at(postgres, "numbers") == 0, what="the end of the statement at PostgreSQL")
    assert "leaving" not in backends(client)
    attach(client, postgres, "leaving")
    assert wire.query(client, "SELECT count(*) AS n FROM leaving.crm.customers", BOB) == [{"n": 3}]
    wire.update(client, "DETACH leaving", ADA)


def test_a_client_that_goes_ends_the_statement_there(client, postgres):
    info = client.get_flight_info(
        wire.statement_query("SELECT * FROM backend_query('warehouse', 'SELECT pg_sleep(600)::text, 4711 AS goes_away')"), BOB)
    reader = client.do_get(info.endpoints[0].ticket, BOB)
    wait_until(lambda: running_at(postgres, "goes_away") == 1, what="the statement's start at PostgreSQL")
    reader.cancel()
    wait_until(lambda: running_at(postgres, "goes_away") == 0, what="its end")
    assert wire.query(client, "SELECT count(*) AS n FROM warehouse.crm.customers", BOB) == [{"n": 3}]


def test_a_wrong_password_is_refused_and_not_shown(client, postgres):
    uri = f"postgresql://postgres:wrong-{PASSWORD}@127.0.0.1:{postgres.port}/postgres"
    said = refusal(wire.update, client, f"ATTACH '{uri}' AS wrong (TYPE adbc, DRIVER 'postgresql')", ADA)
    assert "password authentication failed" in said and PASSWORD not in said
    assert "wrong" not in backends(client)


def test_no_secret_is_ever_shown(client, postgres, server, tmp_path):
    secret = f"marker-{PASSWORD}"
    for sql in (
        f"ATTACH 'postgresql://u:{secret}@127.0.0.1:1/d' AS s1 (TYPE adbc, DRIVER 'postgresql')",
        f"ATTACH 'postgresql://127.0.0.1:1/d?password={secret}' AS s2 (TYPE adbc, DRIVER 'postgresql')",
        f"ATTACH 'postgresql://127.0.0.1:1/d' AS s3 (TYPE adbc, DRIVER 'postgresql', PASSWORD '{secret}')",
        f"ATTACH 'postgresql://127.0.0.1:1/d' AS s4 (TYPE adbc, DRIVER 'postgresql', \"adbc.x.secret\" '{secret}')",
        f"ATTACH 'postgresql://127.0.0.1:1/d' AS s5 (TYPE adbc, DRIVER 'postgresql', POOL_MAX '{secret}')",
        f"ATTACH 'postgresql://u:{secret}@h/d' AS s6 (TYPE adbc, DRIVER 'nowhere')",
        f"ATTACH 'postgresql://u:{secret}@h/d' s7 (TYPE adbc)",
        f"ATTACH 'postgresql://u:{secret}@h/d AS s8 (TYPE adbc)",
        f"ATTACH 'postgresql://u:{secret}@h/d' AS s9",
        f"EXPLAIN ATTACH 'postgresql://u:{secret}@h/d' AS s10 (TYPE adbc)",
    ):
        for call in (wire.update, wire.query, wire.prepare):
            try:
                call(client, sql, ADA)
            except (flight.FlightError, pa.ArrowException, KeyError) as error:
                assert PASSWORD not in str(error), sql
    logged = wire.query(client, "SELECT text, error FROM hyprstream.queries", ADA)
    assert any(row["text"].startswith("ATTACH") for row in logged)
    assert PASSWORD not in json.dumps(logged)
    for table in ("backends", "sessions", "settings", "tables"):
        assert PASSWORD not in str(wire.query(client, f"SELECT * FROM hyprstream.{table}", ADA))
    assert PASSWORD not in str(wire.query(client, "SELECT * EXCLUDE (path) FROM duckdb_databases()", ADA))
    assert "127.0.0.1" in backends(client)["warehouse"]["target"]
    assert PASSWORD not in server.log()
    file = tmp_path / "hyprstream.toml"
    file.write_text(f'[backends.w]\ndriver = "postgresql"\nuri = "postgresql://u:{secret}@h/d"\npassword = "{secret}"\n'
                    f'pool_max = 3\n[backends.w.options]\n"adbc.x" = "{secret}"\n')
    status, printed, error = run_hyprstream("config", "--config", file)
    assert status == 0, error
    assert '[backends."w"]' in printed and "pool_max" in printed and PASSWORD not in printed + error


def configured(tmp_path, uri, more=""):
    (tmp_path / "password").write_text(PASSWORD + "\n")
    file = tmp_path / "hyprstream.toml"
    file.write_text(f'[backends.warehouse]\ndriver = "postgresql"\nuri = {{ env = "WAREHOUSE_URI" }}\n{more}')
    return ["--config", file], {**environment(), "WAREHOUSE_URI": uri}


def test_a_configured_backend_may_come_up_later(tmp_path, postgres):
    with PostgresServer(password=PASSWORD) as late:
        late.run("CREATE TABLE t AS SELECT 1 AS one")
        uri = late.uri
        late.stop()
        flags, variables = configured(tmp_path, uri)
        with ServerProcess(*flags, environment=variables) as process:
            with flight.connect(process.url) as client:
                assert backends(client)["warehouse"]["state"] == "unavailable"
                assert "warehouse" in refusal(wire.query, client, "SELECT * FROM warehouse.public.t", BOB)
                wire.update(client, "CREATE TABLE local AS SELECT 2 AS two", ADA)
                assert wire.query(client, "SELECT * FROM local", BOB) == [{"two": 2}]
                listed = wire.query(client, "SHOW ALL TABLES", BOB)
                assert "local" in {row["name"] for row in listed}
                assert "warehouse" not in {row["database"] for row in listed}
                late.restart()
                wait_until(lambda: backends(client)["warehouse"]["state"] == "available", seconds=60,
                           what="the backend's coming up")
                assert wire.query(client, "SELECT * FROM warehouse.public.t", BOB) == [{"one": 1}]
                late.stop()
                assert "warehouse" in refusal(wire.query, client, "SELECT * FROM warehouse.public.t", BOB)
                assert wire.query(client, "SELECT * FROM local", BOB) == [{"two": 2}]
        assert PASSWORD not in process.last_log


def test_bad_configuration_is_named(tmp_path):
    flags, variables = configured(tmp_path, "postgresql://h/d", "pool_maxx = 3\n")
    status, _, error = run_hyprstream("serve", "--port", "0", *flags, environment=variables)
    assert status == 2 and "warehouse" in error and "pool_maxx" in error
    flags, variables = configured(tmp_path, "postgresql://h/d", 'password = { env = "NOT_THERE" }\n')
    status, _, error = run_hyprstream("serve", "--port", "0", *flags, environment=variables)
    assert status == 2 and "NOT_THERE" in error


def test_a_hanging_backend_hangs_nobody_else(server, client):
    """One that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d?connect_timeout=2"
        said = []
        hanging = threading.Thread(target=lambda: said.append(refusal(
            wire.update, flight.connect(server.url),
            f"ATTACH '{uri}' AS silent (TYPE adbc, DRIVER 'postgresql')", bearer(ADA_TOKEN))))
        hanging.start()
        assert wire.query(client, "SELECT count(*) AS n FROM warehouse.crm.customers", BOB) == [{"n": 3}]
        assert wire.query(client, "SELECT 1 AS one", BOB) == [{"one": 1}]
        hanging.join(60)
        assert len(said) == 1 and "silent" in said[0]


def test_one_that_stops_answering_keeps_nobody_else(server, client):
    """Its processes stop where they are: connections stay open, and nothing comes any more."""
    with PostgresServer(password=PASSWORD) as stopped:
        stopped.run("CREATE TABLE t AS SELECT i FROM generate_series(1, 10) g(i)")
        attach(client, stopped, "stopped")
        sql = "SELECT sum(i)::BIGINT AS s FROM stopped.public.t"
        assert wire.query(client, sql, BOB) == [{"s": 55}]
        processes = stopped.pids()
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        answered = []
        try:
            with flight.connect(server.url) as other:
                asking = threading.Thread(target=lambda: answered.extend(wire.query(other, sql, BOB)))
                asking.start()
                assert wire.query(client, "SELECT count(*) AS n FROM warehouse.crm.customers", BOB) == [{"n": 3}]
                assert "oness" in refusal(wire.query, client, "SELECT * FROM oness", BOB)  # it is not asked for names
                wire.update(client, "CREATE TABLE made_meanwhile (i INT)", ADA)
                assert answered == []
                for pid in processes:
                    os.kill(pid, signal.SIGCONT)
                asking.join(60)
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)
        assert answered == [{"s": 55}]
        wire.update(client, "DETACH stopped", ADA)
