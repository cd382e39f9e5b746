"""SQL that is too large, too deep or oddly named: an answer or a short error, soon, and the server lives on."""

import flight_sql_wire as wire
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from exchange import is_healthy
from server_process import ServerProcess

DEEP = 10_000


@pytest.fixture(scope="module")
def server():
    with ServerProcess("--memory-max", "2GiB", "--sql-bytes-max", "16MiB") as process:
        yield process
        assert is_healthy(process)


@pytest.fixture(scope="module")
def client(server):
    with fl.connect(server.url) as connection:
        yield connection


def words_of(error):
    """What the server said; pyarrow says it twice."""
    return str(error).split(" gRPC client debug context:")[0]


def refusal(ask):
    """The text of the error, which is INVALID_ARGUMENT and short."""
    with pytest.raises(pa.ArrowInvalid) as caught:
        ask()
    text = words_of(caught.value)
    assert 0 < len(text.encode()) <= 4096
    text.encode("utf-8")
    assert "INTERNAL" not in text
    return text


def nested(opening, inner, closing):
    return opening * DEEP + inner + closing * DEEP


TOO_MUCH = {
    "parentheses": "SELECT " + nested("(", "1", ")"),
    "open parentheses": "SELECT " + "(" * DEEP,
    "subqueries": nested("SELECT (", "SELECT 1", ")"),
    "derived tables": nested("SELECT * FROM (", "SELECT 1", ")"),
    "CTEs": nested("WITH a AS (", "SELECT 1", ") SELECT 1"),
    "CASE": "SELECT " + nested("CASE WHEN true THEN ", "1", " END"),
    "CASE left open": "SELECT " + "CASE WHEN true THEN " * DEEP,
    "lists": "SELECT " + nested("[", "1", "]"),
    "structs": "SELECT " + nested("{'a': ", "1", "}"),
    "calls": "SELECT " + nested("abs(", "1", ")"),
    "casts": "SELECT 1" + "::INT" * DEEP,
    "CASTs": "SELECT " + nested("CAST(", "1", " AS INT)"),
    "NOT": "SELECT " + "NOT " * DEEP + "true",
    "minus": "SELECT " + "- " * DEEP + "1",
    "sums": "SELECT 1" + " + 1" * DEEP,
    "concatenations": "SELECT ''" + " || 'x'" * DEEP,
    "names": "SELECT a" + ".b" * DEEP,
    "subscripts": "SELECT x" + "[1]" * DEEP + " FROM (SELECT [1] AS x)",
    "unions": "SELECT 1" + " UNION ALL SELECT 1" * DEEP,
    "types": "SELECT NULL::INT" + "[]" * DEEP,
    "JSON": "SELECT '" + nested("[", "", "]") + "'::JSON::INT[]",
    "JSON to VARIANT": "SELECT '" + nested("[", "", "]") + "'::JSON::VARIANT",
    "columns": "CREATE TABLE wide (" + ", ".join(f"c{i} INT" for i in range(100_000)) + ")",
    "selected columns": "CREATE TABLE wide AS SELECT " + ", ".join(f"{i} AS c{i}" for i in range(20_000)),
    "repeat": "SELECT repeat('x', 1000000000)",
    "lpad": "SELECT lpad('x', 1000000000, 'y')",
    "range": "SELECT range(10000000000)",
    "list_resize": "SELECT list_resize([1], 10000000000)",
    "printf": "SELECT printf('%1000000000d', 1)",
    "format": "SELECT format('{:1000000000}', 1)",
    "no statement": "\u00a0\u3000\u200b\ufeff;;",
    "no text": "",
    "two statements": "SELECT 1; SELECT 2",
}

# What grows step by step, each step within the bounds: memory_max ends it.
GROWING = {
    "string_agg": "SELECT string_agg(repeat('x', 10000000), '') FROM range(1000)",
    "list": "SELECT list(repeat('x', 10000000)) FROM range(1000)",
    "doubling": "WITH RECURSIVE r AS (SELECT 'xxxxxxxx' AS s, 0 AS n UNION ALL SELECT s || s, n + 1 FROM r WHERE n < 60) "
                "SELECT max(length(s)) FROM r",
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_what_is_too_much_is_refused(server, client, what):
    refusal(lambda: wire.query(client, TOO_MUCH[what], fl.FlightCallOptions(timeout=120)))
    assert is_healthy(server)


@pytest.mark.parametrize("what", GROWING)
def test_what_grows_step_by_step_ends_at_memory_max(what):
    with ServerProcess("--memory-max", "1GiB") as server, fl.connect(server.url) as client:
        with pytest.raises((pa.ArrowInvalid, fl.FlightUnavailableError)) as caught:
            wire.query(client, GROWING[what], fl.FlightCallOptions(timeout=120))
        assert 0 < len(words_of(caught.value).encode()) <= 4096
        wire.update(client, "CREATE TABLE t AS SELECT range AS i FROM range(1000000)")
        assert wire.query(client, "SELECT count(*) AS n FROM t") == [{"n": 1_000_000}]


def test_sql_over_the_bound_is_refused_through_every_door():
    with ServerProcess() as server, fl.connect(server.url) as client:
        sql = "SELECT '" + "x" * 10_000_000 + "'"
        for ask in (
            lambda: wire.query(client, sql),
            lambda: client.get_schema(wire.statement_query(sql)),
            lambda: wire.update(client, sql),
            lambda: wire.prepare(client, sql),
            lambda: client.do_exchange(fl.FlightDescriptor.for_command(sql.encode()))[1].read_all(),
        ):
            assert "bytes" in refusal(ask)
        assert is_healthy(server)


def test_large_statements_within_the_bound_are_answered(client):
    values = ", ".join(str(i) for i in range(200_000))
    assert wire.query(client, f"SELECT count(*) AS n FROM range(10) r(i) WHERE i IN ({values})") == [{"n": 10}]
    text = "x" * 10_000_000
    assert wire.query(client, f"SELECT length('{text}') AS n") == [{"n": 10_000_000}]
    assert wire.query(client, f"/* {text} */ SELECT 1 AS n") == [{"n": 1}]


def test_errors_show_no_whole_statement(client):
    for sql in (f"SELECT {'abc' * 100_000}", f"SELECT * FROM {'abc' * 100_000}", f"SELECT '{'abc' * 100_000}'::INT",
                f"SELECT {'abc' * 100_000}(1)", f"CREATE TABLE x (i {'abc' * 100_000})",
                f"SELEC '{'é' * 100_000}'", f"SELECT '{'é' * 100_000}'::DATE", f"SET {'x' * 100_000} = 1",
                f"USE {'x' * 100_000}", f"DROP TABLE {'x' * 100_000}", f"EXECUTE {'x' * 100_000}",
                f"SELECT error('{'é' * 100_000}')"):
        for ask in (wire.query, wire.update, wire.prepare):
            with pytest.raises((pa.ArrowInvalid, pa.ArrowKeyError)) as caught:
                ask(client, sql)
                wire.query(client, sql)
            assert 0 < len(words_of(caught.value).encode()) <= 4096


def test_an_error_in_mid_stream_keeps_its_code_and_is_short(client):
    sql = ("SELECT CASE WHEN i = 900000 THEN error(repeat('é', 100000)) ELSE i::VARCHAR END AS s "
           "FROM range(1000000) r(i)")
    info = client.get_flight_info(wire.statement_query(sql))
    assert "é" in refusal(lambda: wire.read_to_end(client.do_get(info.endpoints[0].ticket)))


@pytest.mark.parametrize("sql", ["SELECT 42 AS x; -- COPY", "\u00a0SELECT\u300042\u00a0AS x", "\ufeffSELECT 42 AS x",
                                 ";;SELECT 42 AS x;;", "SELECT 42 AS x /* ; SELECT 1 */", "-- ;\nSELECT 42 AS x;\u3000"])
def test_what_is_one_statement_to_duckdb_is_one(client, sql):
    assert wire.query(client, sql) == [{"x": 42}]


def test_two_statements_are_two_whatever_is_between_them(client):
    for between in (";", ";\u00a0", ";\u3000", ";\u200b", "; -- x\n", ";;"):
        refusal(lambda: wire.query(client, f"SELECT 1{between}SELECT 2"))


def test_a_script_whose_third_statement_fails_leaves_nothing(client):
    wire.update(client, "CREATE TABLE kept (i INT); CREATE MATERIALIZED VIEW kept_v AS SELECT count(*) AS n FROM kept")
    script = ("INSERT INTO kept VALUES (1); CREATE MATERIALIZED VIEW half_v AS SELECT i, count(*) AS n FROM kept GROUP "
              "BY ALL; INSERT INTO kept VALUES ('no number'); INSERT INTO kept VALUES (3)")
    assert "Statement 3 of 4" in refusal(lambda: wire.update(client, script))
    assert wire.query(client, "SELECT count(*) AS n FROM kept") == [{"n": 0}]
    assert wire.query(client, "SELECT n FROM kept_v") == [{"n": 0}]
    with pytest.raises((pa.ArrowInvalid, pa.ArrowKeyError)):
        wire.query(client, "FROM half_v")
    wire.update(client, "DROP MATERIALIZED VIEW kept_v; DROP TABLE kept")


def test_large_parameters_come_back_whole(client):
    handle = wire.prepare(client, "SELECT length(?) AS n")
    descriptor = wire.prepared_query(handle)
    writer, reader = client.do_put(descriptor, pa.schema([("1", pa.string())]))
    writer.write_batch(pa.record_batch([pa.array(["x" * 12_000_000])], names=["1"]))
    writer.done_writing()
    reader.read()
    writer.close()
    info = client.get_flight_info(descriptor)
    assert wire.read_to_end(client.do_get(info.endpoints[0].ticket)) == [{"n": 12_000_000}]


NAMES = ['a"b', "a.b", "a b", "naïve ☃ 表", "'; DROP TABLE x; --", "a'b", "percent%_\\", "-", "SELECT", "\t", "x" * 10_000]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:20]))
def test_odd_names_are_names_through_every_door(client, name):
    quoted = '"' + name.replace('"', '""') + '"'
    batch = pa.record_batch([pa.array([1, 2])], names=[name])
    descriptors = (wire.statement_ingest(name), fl.FlightDescriptor.for_path(name), fl.FlightDescriptor.for_path("main", name))
    for descriptor in descriptors:
        writer, reader = client.do_put(descriptor, batch.schema)
        writer.write_batch(batch)
        writer.done_writing()
        reader.read()
        writer.close()
    assert wire.query(client, f"SELECT sum({quoted})::INT AS n FROM {quoted}") == [{"n": 9}]
    assert client.get_schema(fl.FlightDescriptor.for_path(name)).schema.names == [name]
    info = client.get_flight_info(fl.FlightDescriptor.for_path(name))
    assert len(wire.read_to_end(client.do_get(info.endpoints[0].ticket))) == 6
    assert name in [flight.descriptor.path[-1].decode() for flight in client.list_flights()]
    view = '"v ' + quoted[1:]
    wire.update(client, f"CREATE MATERIALIZED VIEW {view} AS SELECT {quoted}, count(*) AS n FROM {quoted} GROUP BY ALL")
    assert len(wire.query(client, f"FROM {view} WHERE n = 3")) == 2
    wire.update(client, f"INSERT INTO {quoted} VALUES (1)")
    assert wire.query(client, f"SELECT max(n) AS n FROM {view}") == [{"n": 4}]
    wire.update(client, f"DROP MATERIALIZED VIEW {view}; DROP TABLE {quoted}")
