"""Texts that a statement gives to a backend's columns of other types: cast as for a local table, but nothing is lost."""

import os
import re

import pytest

from duckdb_file import an_empty_file
from flight_sql_client import USERS, connected, refused, runner
from postgres_server import PostgresServer
from server_process import ServerProcess

TEXTS = {
    "BOOLEAN": (["true", "f", "1", "no"], ["2", "so-so"]),
    "SMALLINT": (["7", " -7 ", "1e3", "1_000", "2.0"], ["1.5", "25e-1", "40000", "x", ""]),
    "BIGINT": (["9223372036854775807", "-1"], ["9223372036854775808", "0.1"]),
    "DOUBLE": (["0.1", "-1e300", "nan", "inf"], ["one", "1e999"]),
    "REAL": (["0.1", "1.5", "nan"], ["1e300"]),
    "DECIMAL(10,2)": (["1.5", "1.500", "1e2", "-12345678.90"], ["1.005", "123456789", "x"]),
    "DATE": (["2024-02-29", "2024-1-2", "2024-01-02 00:00:00", " 2024-01-02 "],
             ["2024-02-30", "2024-01-02 10:00", "2024-01-02 00:00:00+02", "2024-01-02 24:00:00", "300000-01-01 10:00",
              "today"]),
    "TIME": (["10:00", "10:00:00.123456", "23:59:59"],
             ["25:00", "10:00:00.1234567", "2024-01-01 10:00", "10:00:00+02"]),
    "TIMESTAMP": (["2024-01-01", "2024-01-01 10:00", "2024-01-01T10:00:00Z", "2024-01-01 10:00:00.123456",
                   "2024-01-01 10:00:00+00"],
                  ["2024-01-01 25:00", "2024-01-01 10:00:00.1234567", "2024-01-01 10:00:00+02",
                   "2024-01-01 10:00:00 Europe/Berlin", "10:00"]),
    "TIMESTAMPTZ": (["2024-01-01", "2024-07-01 10:00", "2024-01-01T10:00:00Z", "2024-01-01 10:00:00.5+02",
                     "2024-01-01 10:00:00 Asia/Tokyo"],
                    ["2024-13-01", "2024-01-01 10:00:00.1234567+02"]),
    "INTERVAL": (["1 day", "1 year 2 months", "01:02:03.5", "1.5 years", "0.25 days 1.5 hours 2.123 ms 0.123456 s"],
                 ["soon", "0.0000001 seconds", "00:00:00.1234567", "0.1234 ms", "1.5 us", "0.3 years",
                  "0.5 days 0.1234567 seconds"]),
    "UUID": (["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}",
              "a0eebc999c0b4ef8bb6d6bb9bd380a11"], ["a0eebc99"]),
    "BLOB": (["abc", r"\xAA\x00b"], ["ä"]),
}
LITE = {"BOOLEAN", "BIGINT", "DATE", "TIMESTAMP", "BLOB"}  # the others it has not, or has as texts


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    environment = {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    folder = tmp_path_factory.mktemp("texts")
    with PostgresServer(password="pg-hunter2-texts") as postgres, ServerProcess(environment=environment) as process:
        postgres.run("CREATE SCHEMA s")
        with runner(process) as run:
            run(f"ATTACH '{postgres.uri}' AS warehouse (TYPE adbc, DRIVER 'postgresql')")
            run(f"ATTACH 'file:{folder}/lite.db' AS lite (TYPE adbc, DRIVER 'sqlite')")
            run(f"ATTACH '{an_empty_file(folder)}' AS duck (TYPE adbc, DRIVER 'duckdb')")
        yield process


@pytest.fixture
def run(server):
    with runner(server) as execute:
        execute("SET TimeZone = 'Europe/Berlin'")
        yield execute


def of_backends():
    return [(schema, declared) for schema in ["warehouse.s", "duck.main", "lite.main"] for declared in TEXTS
            if schema != "lite.main" or declared in LITE]


@pytest.mark.parametrize("schema,declared", of_backends())
def test_a_text_becomes_what_it_becomes_in_a_local_table(run, schema, declared):
    taken, lost = TEXTS[declared]
    name = re.sub(r"\W", "_", declared).lower()
    table, local = f"{schema}.{name}_texts", f"{name}_texts"
    if schema == "lite.main":
        taken = [text for text in taken if text not in ("nan", "inf")]
    for name in (table, local):
        run(f"CREATE TABLE {name} (n INTEGER, v {declared})")
        for i, text in enumerate(taken):
            assert run(f"INSERT INTO {name} VALUES ({i}, '{text}')") == 1, text
        assert run(f"INSERT INTO {name} VALUES (?, ?)", (100, taken[0])) == 1
        assert run(f"INSERT INTO {name} SELECT 200 + i, CASE WHEN i % 2 = 0 THEN '{taken[-1]}' END FROM range(5000) r(i)") == 5000
        assert run(f"UPDATE {name} SET v = '{taken[1]}' WHERE n IN (100, 200)") == 2
    same = "ORDER BY n, v"
    assert run(f"SELECT n, v::VARCHAR FROM {table} {same}") == run(f"SELECT n, v::VARCHAR FROM {local} {same}")
    rows = run(f"SELECT count(*) FROM {table}")
    for text in lost:
        for statement in (f"INSERT INTO {table} VALUES (1, NULL), (2, '{text}')",
                          f"INSERT INTO {table} SELECT i, CASE WHEN i = 1 THEN '{text}' END FROM range(3) r(i)"):
            refused(lambda: run(statement), "Column v, row 1", text)
        refused(lambda: run(f"UPDATE {table} SET v = '{text}' WHERE n = 1"), "Column v, row 0", text)
    assert run(f"SELECT count(*) FROM {table}") == rows
    for name in (table, local):
        run(f"DROP TABLE {name}")


@pytest.mark.parametrize("schema", ["warehouse.s", "duck.main"])
def test_texts_in_merges_transactions_and_conditions(server, run, schema):
    table = f"{schema}.days"
    run(f"CREATE TABLE {table} (d DATE PRIMARY KEY, moment TIMESTAMPTZ, name VARCHAR)")
    run(f"INSERT INTO {table} VALUES ('2024-01-01', '2024-01-01 10:00', '2024'), ('2024-01-02', NULL, NULL)")
    assert run(f"INSERT INTO {table} VALUES ('2024-01-01', '2024-01-01 11:00', 'x'), ('2024-01-03', '2024-01-03', 'y') "
               "ON CONFLICT (d) DO UPDATE SET moment = excluded.moment") == 2
    assert run(f"MERGE INTO {table} AS t USING (VALUES ('2024-01-02', '2024-07-01 12:00'), ('2024-01-04', 'epoch')) AS s(d, moment) "
               "ON t.d = s.d::DATE WHEN MATCHED THEN UPDATE SET moment = s.moment WHEN NOT MATCHED THEN INSERT (d, moment) VALUES (s.d, s.moment)") == 2
    assert run(f"SELECT d::VARCHAR, moment::VARCHAR, name FROM {table} ORDER BY d") == [
        ("2024-01-01", "2024-01-01 11:00:00+01", "2024"), ("2024-01-02", "2024-07-01 12:00:00+02", None),
        ("2024-01-03", "2024-01-03 00:00:00+01", "y"), ("2024-01-04", "1970-01-01 01:00:00+01", None)]
    assert run(f"SELECT name FROM {table} WHERE d = '2024-01-03' AND moment >= '2024-01-03'") == [("y",)]
    assert run(f"DELETE FROM {table} WHERE moment < '2024-01-01 11:00:01' AND d <> '2024-01-01'") == 1
    refused(lambda: run(f"MERGE INTO {table} AS t USING (VALUES ('2024-01-02', 'noon')) AS s(d, moment) ON t.d = s.d::DATE "
                        "WHEN MATCHED THEN UPDATE SET moment = s.moment"), "Column moment, row 0: noon")
    # Of the table as the open transaction has made it.
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {schema}.fresh (t TIME)")
        cursor.execute(f"INSERT INTO {schema}.fresh VALUES ('10:00')")
        cursor.execute(f"INSERT INTO {schema}.fresh VALUES ('11:00')")
        cursor.execute(f"SELECT t::VARCHAR FROM {schema}.fresh ORDER BY t")
        assert cursor.fetchall() == [("10:00:00",), ("11:00:00",)]
        connection.rollback()
    # Many rows of parameters are one write.
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} (d) VALUES (?)", [("2025-01-01",), ("2025-01-02",)])
        with pytest.raises(Exception, match="Column d, row 1: 2025-02-30"):
            cursor.executemany(f"INSERT INTO {table} (d) VALUES (?)", [("2025-01-03",), ("2025-02-30",)])
    assert run(f"SELECT count(*) FROM {table} WHERE d >= '2025-01-01'") == [(2,)]
    run(f"DROP TABLE {table}")
