"""Snowflake's driver behind the server, against an emulator: what of it fits together. The driver is Go's, and so never
in the server's process.

What the emulator itself lacks is not tested: NULL in a TIMESTAMP comes from it as 1970-01-01, times keep microseconds
only, it takes no Parquet and refuses a second call of one connection.
"""

import decimal
import os
import pathlib
import signal
import threading
import time

import adbc_driver_manager.dbapi as dbapi
import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from flight_sql_client import TOKEN, USERS, connected
from server_process import ServerProcess, wait_until
from snowflake_server import PASSWORD, USER, SnowflakeServer

ADA = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {TOKEN}".encode())], timeout=90)
DRIVERS = os.environ["HYPRSTREAM_ADBC_DRIVERS"]

# Far more rows than anybody waits for.
ENDLESS = "SELECT count(*) AS n FROM " + ", ".join(
    f"(SELECT SEQ4() AS {name} FROM TABLE(GENERATOR(ROWCOUNT => 1000000))) AS t{name}" for name in "xyz") + " WHERE x + y + z < 0"


def refusal(call, *arguments):
    """The text of the error, which has no secret."""
    with pytest.raises((flight.FlightError, pa.ArrowException, KeyError)) as caught:
        call(*arguments)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def fill(snowflake):
    """By the driver itself, without us."""
    options = {**snowflake.options, "username": USER, "password": PASSWORD,
               "adbc.snowflake.sql.client_option.request_timeout": "20s"}
    with dbapi.connect(driver=f"{DRIVERS}/libadbc_driver_snowflake.so", db_kwargs=options, autocommit=True) as connection:
        for sql in ("CREATE SCHEMA IF NOT EXISTS DB1.crm",
                    "CREATE TABLE DB1.PUBLIC.planes (tail VARCHAR NOT NULL, seats INT, price NUMBER(20,4), built DATE, "
                    "jet BOOLEAN, weight FLOAT)",
                    "INSERT INTO DB1.PUBLIC.planes VALUES ('N1', 200, 1234567890123456.7891, '1999-05-01', true, 1.5), "
                    "('N2', NULL, NULL, NULL, NULL, NULL), ('n1', 4, -0.0001, '2020-01-01', false, -2.25)",
                    "CREATE TABLE DB1.crm.\"od d\" (\"a b\" INT, \"Select\" VARCHAR)",
                    "INSERT INTO DB1.crm.\"od d\" VALUES (1, 'x')",
                    "CREATE TABLE DB1.PUBLIC.times (ts TIMESTAMP_NTZ, bi BINARY, va VARIANT)",
                    "INSERT INTO DB1.PUBLIC.times SELECT '2020-01-02 03:04:05.123456', TO_BINARY('00FF', 'HEX'), "
                    "PARSE_JSON('{\"a\": 1}')",
                    "CREATE TABLE DB1.PUBLIC.far (id INT, ts TIMESTAMP_NTZ)",
                    "INSERT INTO DB1.PUBLIC.far VALUES (1, '9999-12-31 23:59:59'), (2, '0001-01-01 00:00:00'), "
                    "(3, '2024-01-01 00:00:00'), (4, '1677-09-22 00:00:00'), (5, '2262-04-11 23:47:16')",
                    "CREATE TABLE DB1.PUBLIC.zoned (id INT, ts TIMESTAMP_TZ)",
                    "INSERT INTO DB1.PUBLIC.zoned VALUES (1, '2024-01-01 00:00:00+00:00'), (2, '2024-01-02 00:00:00+00:00')",
                    "CREATE TABLE DB1.PUBLIC.small (d NUMBER(38,20))",
                    "INSERT INTO DB1.PUBLIC.small VALUES (0.00000000123456789012), (0.00000000123456789013)",
                    f"CREATE VIEW DB1.PUBLIC.endless AS {ENDLESS}",
                    "CREATE VIEW DB1.PUBLIC.jets AS SELECT tail FROM DB1.PUBLIC.planes WHERE jet"):
            with connection.cursor() as cursor:
                cursor.execute(sql)


@pytest.fixture(scope="module")
def snowflake():
    with SnowflakeServer() as process:
        fill(process)
        yield process


@pytest.fixture(scope="module")
def server(snowflake):
    with ServerProcess("--log-level", "debug",
                       environment={"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": DRIVERS}) as process:
        with flight.connect(process.url) as client:
            wire.update(client, snowflake.attach("snow"), ADA)
        yield process
    assert PASSWORD not in process.last_log


@pytest.fixture
def client(server):
    with flight.connect(server.url) as connected:
        yield connected


def ask(client, sql):
    """Columns are called as Snowflake spells them, in capitals."""
    return [{name.lower(): value for name, value in row.items()} for row in wire.query(client, sql, ADA)]


def backends(client):
    return {row["name"]: row for row in ask(client, "SELECT * FROM hyprstream.backends")}


def test_tables_are_read_and_joined(client):
    assert ask(client, "SELECT tail, seats::INT AS seats, price, built::VARCHAR AS built, jet, weight "
                       "FROM snow.public.planes ORDER BY tail") == [
        {"tail": "N1", "seats": 200, "price": decimal.Decimal("1234567890123456.7891"), "built": "1999-05-01", "jet": True,
         "weight": 1.5},
        {"tail": "N2", "seats": None, "price": None, "built": None, "jet": None, "weight": None},
        {"tail": "n1", "seats": 4, "price": decimal.Decimal("-0.0001"), "built": "2020-01-01", "jet": False,
         "weight": -2.25}]
    wire.update(client, "CREATE TABLE flown (tail VARCHAR, hours BIGINT)", ADA)
    wire.update(client, "INSERT INTO flown VALUES ('N1', 10), ('N3', 30)", ADA)
    assert ask(client, "SELECT hours, seats::INT AS seats FROM flown LEFT JOIN snow.\"PUBLIC\".\"PLANES\" USING (tail) "
                       "ORDER BY hours") == [{"hours": 10, "seats": 200}, {"hours": 30, "seats": None}]
    assert ask(client, "SELECT count(*) AS n FROM snow.public.jets") == [{"n": 1}]
    assert ask(client, "SELECT \"a b\"::INT AS a, \"Select\" AS s FROM snow.crm.\"od d\"") == [{"a": 1, "s": "x"}]


def test_flights_own_calls_list_it(server):
    with connected(server) as connection:
        (catalog,) = connection.adbc_get_objects(depth="all", catalog_filter="snow").read_all().to_pylist()
        schemas = {schema["db_schema_name"]: schema["db_schema_tables"] for schema in catalog["catalog_db_schemas"]}
        public = {table["table_name"]: table for table in schemas["PUBLIC"]}
        assert (public["PLANES"]["table_type"], public["JETS"]["table_type"]) == ("TABLE", "VIEW")
        assert [column["column_name"] for column in public["PLANES"]["table_columns"]] == [
            "TAIL", "SEATS", "PRICE", "BUILT", "JET", "WEIGHT"]
        assert [table["table_name"] for table in schemas["CRM"]] == ["od d"]
        found = connection.adbc_get_table_schema("PLANES", catalog_filter="snow", db_schema_filter="PUBLIC")
        assert [(field.name, str(field.type), field.nullable) for field in found][:3] == [
            ("TAIL", "string", False), ("SEATS", "decimal128(38, 0)", True), ("PRICE", "decimal128(20, 4)", True)]


def test_types_are_what_the_document_says(client):
    assert [(row["column_name"], row["column_type"], row["null"]) for row in ask(client, "DESCRIBE snow.public.planes")] == [
        ("TAIL", "VARCHAR", "NO"), ("SEATS", "DECIMAL(38,0)", "YES"), ("PRICE", "DECIMAL(20,4)", "YES"),
        ("BUILT", "DATE", "YES"), ("JET", "BOOLEAN", "YES"), ("WEIGHT", "DOUBLE", "YES")]
    assert [(row["column_name"], row["column_type"]) for row in ask(client, "DESCRIBE snow.public.times")] == [
        ("TS", "TIMESTAMP_NS"), ("BI", "BLOB"), ("VA", "VARCHAR")]
    assert ask(client, "SELECT ts::VARCHAR AS ts, hex(bi) AS bi, json_extract(va, '$.a')::INT AS a FROM snow.public.times") == [
        {"ts": "2020-01-02 03:04:05.123456", "bi": "00FF", "a": 1}]


def test_the_driver_is_never_in_the_server(server, client):
    assert "libadbc_driver_snowflake" not in pathlib.Path(f"/proc/{server.pid}/maps").read_text()
    listed = backends(client)["snow"]
    assert listed["state"] == "available" and PASSWORD not in str(listed)


def test_types_that_the_catalog_does_not_say_are_those_of_one_row(snowflake, client):
    assert [row["column_type"] for row in ask(client, "DESCRIBE snow.public.zoned")] == ["DECIMAL(38,0)", "TIMESTAMPTZ_NS"]
    asked = [line for line in snowflake.statements.splitlines() if "ZONED" in line and line.startswith("SELECT \"")]
    assert asked and all(line.endswith(" LIMIT 1;") for line in asked), asked


def test_a_time_that_does_not_fit_is_an_error(client):
    assert ask(client, "SELECT ts::VARCHAR AS ts FROM snow.public.far WHERE id >= 3 ORDER BY id") == [
        {"ts": "2024-01-01 00:00:00"}, {"ts": "1677-09-22 00:00:00"}, {"ts": "2262-04-11 23:47:16"}]
    for row in (1, 2):
        said = refusal(ask, client, f"SELECT ts FROM snow.public.far WHERE id = {row}")
        assert "snow" in said and "overflow" in said, said
        assert "overflow" in refusal(ask, client, f"SELECT * FROM backend_query('snow', 'SELECT ts FROM far WHERE id = {row}')")


@pytest.mark.parametrize("precision", ["nanoseconds", "microseconds"])
def test_no_other_precision_is_taken(snowflake, client, precision):
    option = "adbc.snowflake.sql.client_option.max_timestamp_precision"
    said = refusal(wire.update, client, snowflake.attach("rough", f", \"{option}\" '{precision}'"), ADA)
    assert option in said and "leave it out" in said
    wire.update(client, snowflake.attach("exact", f", \"{option}\" 'nanoseconds_error_on_overflow'"), ADA)
    wire.update(client, "DETACH exact", ADA)


def test_no_lower_precision_of_numbers_is_taken(snowflake, client):
    """Without it the driver makes floats of numbers with a fraction."""
    option = "adbc.snowflake.sql.client_option.use_high_precision"
    said = refusal(wire.update, client, snowflake.attach("rough", f", \"{option}\" 'false'"), ADA)
    assert option in said and "leave it out" in said
    wire.update(client, snowflake.attach("exact", f", \"{option}\" 'true'"), ADA)
    wire.update(client, "DETACH exact", ADA)


def test_a_name_is_a_name(client):
    for name in ("zz\\' UNION SELECT $$injected$$, $$TEXT$$, $$YES$$, $$1$$, $$0$$ --", "plain\\", "it's"):
        assert "does not exist" in refusal(ask, client, f'SELECT * FROM snow.public."{name}"')


def test_small_decimals_are_compared_exactly(client):
    for where, found in (("d < 0.00000000123456789013", "12"), ("d = 0.00000000123456789013", "13"),
                         ("d > 0.00000000123456789012", "13")):
        assert ask(client, f"SELECT d FROM snow.public.small WHERE {where}") == [
            {"d": decimal.Decimal(f"0.000000001234567890{found}")}]
    told = str(ask(client, "EXPLAIN SELECT d FROM snow.public.small WHERE d < 0.00000000123456789013"))
    assert "0.00000000123456789013" in told and "E-" not in told, told


@pytest.mark.parametrize("where, tails", [
    ("seats = 200", ["N1"]), ("seats > 3", ["N1", "n1"]), ("price < 0", ["n1"]), ("price = 1234567890123456.7891", ["N1"]),
    ("built >= DATE '2000-01-01'", ["n1"]), ("jet", ["N1"]), ("tail = 'n1'", ["n1"]), ("weight = 1.5", ["N1"]),
    ("seats IS NULL", ["N2"]), ("seats IN (4, 200, 7)", ["N1", "n1"])])
def test_conditions_mean_the_same(client, where, tails):
    rows = ask(client, f"SELECT tail FROM snow.public.planes WHERE {where} ORDER BY tail")
    assert [row["tail"] for row in rows] == tails


def test_first_rows_are_no_more_than_that(client):
    assert len(ask(client, "SELECT tail FROM snow.public.planes LIMIT 2")) == 2
    assert ask(client, "SELECT tail FROM snow.public.planes WHERE seats > 3 AND tail LIKE 'n%' LIMIT 2") == [{"tail": "n1"}]


def test_a_statement_of_their_own_is_passed_on(client):
    assert ask(client, "SELECT n::INT AS n FROM backend_query('snow', 'SELECT count(*) AS \"n\" FROM planes')") == [{"n": 3}]
    assert "there to read" in refusal(ask, client, "SELECT * FROM backend_query('snow', 'DROP TABLE planes')")
    assert "SQLSTATE" in refusal(ask, client, "SELECT * FROM backend_query('snow', 'SELECT * FROM nothing')")


def test_a_driver_that_dies_takes_its_statement_and_nothing_else(server, client):
    for host in server.driver_hosts():
        os.kill(host, signal.SIGSEGV)
    assert ask(client, "SELECT count(*) AS n FROM snow.public.planes") == [{"n": 3}]


def aborts(snowflake):
    return snowflake.statements.count("/queries/v1/abort-request")



def is_whole(client, backend="snow"):
    """Its pool: nothing is in use but what asks."""
    return backends(client)[backend]["pool_in_use"] == 0


def test_a_client_that_goes_ends_the_statement_there(snowflake, client):
    before = aborts(snowflake)
    for round_number in range(3):
        info = client.get_flight_info(wire.statement_query("SELECT n FROM snow.public.endless"), ADA)
        reader = client.do_get(info.endpoints[0].ticket, ADA)
        wait_until(lambda: snowflake.statements.count('FROM "PUBLIC"."ENDLESS"') > round_number, what="its start there")
        began = time.monotonic()
        reader.cancel()
        wait_until(lambda: aborts(snowflake) > before + round_number, seconds=10, what="its end there")
        assert time.monotonic() - began < 10
        assert ask(client, "SELECT count(*) AS n FROM snow.public.planes") == [{"n": 3}]
    wait_until(lambda: is_whole(client), what="a whole pool")


def test_a_statement_that_takes_too_long_is_ended(snowflake, client):
    wire.update(client, snowflake.attach("hasty", ", STATEMENT_TIMEOUT '1 s', POOL_MAX 2"), ADA)
    before = aborts(snowflake)
    for _ in range(3):
        began = time.monotonic()
        assert "hasty had not answered within its statement_timeout of 1000 ms" in refusal(ask, client, "SELECT n FROM hasty.public.endless")
        assert time.monotonic() - began < 10
    wait_until(lambda: aborts(snowflake) >= before + 3, what="the end of the statements there")
    wait_until(lambda: is_whole(client, "hasty"), what="a whole pool")
    assert ask(client, "SELECT count(*) AS n FROM hasty.public.planes") == [{"n": 3}]
    wire.update(client, "DETACH hasty", ADA)


def test_a_wrong_password_is_refused_and_not_shown(snowflake, client):
    """The check is ours, put before the emulator; the error is Snowflake's."""
    said = refusal(wire.update, client, snowflake.attach("wrong", password=f"no-{PASSWORD}-either"), ADA)
    assert "wrong" in said and "Incorrect username or password" in said and "either" not in said, said
    assert "wrong" not in backends(client)


def test_an_emulator_that_stops_answering_and_comes_back(client):
    with SnowflakeServer() as first:
        fill(first)
        wire.update(client, first.attach("moving", ", STATEMENT_TIMEOUT '2 s', CONNECT_TIMEOUT '2 s'"), ADA)
        assert ask(client, "SELECT count(*) AS n FROM moving.public.planes") == [{"n": 3}]
        first.process.send_signal(signal.SIGSTOP)
        said = []
        asking = threading.Thread(target=lambda: said.append(
            refusal(ask, client, "SELECT count(*) AS n FROM moving.public.planes")))
        asking.start()
        asking.join(60)
        assert len(said) == 1 and "moving" in said[0]
        first.kill()
        assert "moving" in refusal(ask, client, "SELECT count(*) AS n FROM moving.public.planes")
        with SnowflakeServer(first.port) as second:
            fill(second)

            def answers():
                try:
                    return ask(client, "SELECT count(*) AS n FROM moving.public.planes") == [{"n": 3}]
                except (flight.FlightError, pa.ArrowException):
                    return False

            wait_until(answers, seconds=90, what="the backend's recovery")
            wire.update(client, "DETACH moving", ADA)


def test_nobody_there_is_refused(client):
    with SnowflakeServer() as gone:
        statement = gone.attach("gone", ", CONNECT_TIMEOUT '2 s'")
    assert "gone" in refusal(wire.update, client, statement, ADA)
    assert "gone" not in backends(client)
