"""The table of docs/backends.md that says what the columns of a new table become, with the ends of each type."""

import os
import pathlib
import re

import pytest

from duckdb_file import an_empty_file
from flight_sql_client import USERS, refused, runner
from postgres_server import PostgresServer
from server_process import ServerProcess

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "backends.md"

# Values that every column of the type holds, and those that only some do.
VALUES = {
    "BOOLEAN": ["true", "false"],
    "TINYINT": ["-128", "127"], "SMALLINT": ["-32768", "32767"], "INTEGER": ["-2147483648", "2147483647"],
    "BIGINT": ["-9223372036854775808", "9223372036854775807"],
    "UTINYINT": ["0", "255"], "USMALLINT": ["0", "65535"], "UINTEGER": ["0", "4294967295"],
    "UBIGINT": ["0", "9223372036854775807"],
    "FLOAT": ["'3.4028235e38'", "'-1.1754944e-38'", "'0.1'", "'inf'"],
    "DOUBLE": ["'1.7976931348623157e308'", "'2.2250738585072014e-308'", "'0.1'", "'-inf'"],
    "DECIMAL(18,3)": ["999999999999999.999", "-999999999999999.999", "0.001"],
    "VARCHAR": ["''", "'äöü €𝄞'", "'a''b\\c'", "repeat('x', 100000)"], "ENUM('a', 'b')": ["'a'", "'b'"],
    "JSON": ["'{\"a\": [1, null]}'"], "BLOB": ["''", "'\\x00\\xFF'"],
    "UUID": ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    "DATE": ["'0001-01-01'", "'1969-12-31'", "'2024-02-29'", "'9999-12-31'"],
    "TIME": ["'00:00:00'", "'23:59:59.999999'"],
    "TIMESTAMP": ["'0001-01-01 00:00:00'", "'1969-12-31 23:59:59.999999'", "'9999-12-31 23:59:59.999999'"],
    "TIMESTAMP_S": ["'0001-01-01 00:00:00'", "'9999-12-31 23:59:59'"],
    "TIMESTAMP_MS": ["'0001-01-01 00:00:00'", "'9999-12-31 23:59:59.999'"],
    "TIMESTAMP_NS": ["'1677-09-22 00:00:00'", "'1969-12-31 23:59:59.999999'", "'2262-04-11 23:47:16.854775'"],
    "TIMESTAMPTZ": ["'0001-01-01 00:00:00+00'", "'2024-03-31 02:30:00+01'", "'9999-12-31 23:59:59.999999+00'"],
    "INTERVAL": ["'1 year 2 days 03:04:05.000006'", "'-1 month'", "'0 seconds'"],
    "BOOLEAN[]": ["[true, NULL]", "[]"], "SMALLINT[]": ["[-32768, NULL]"], "INTEGER[]": ["[1, NULL]", "[]"],
    "BIGINT[]": ["[9223372036854775807]"], "FLOAT[]": ["['inf'::FLOAT, 0.5]"], "DOUBLE[]": ["[0.1, NULL]"],
    "DATE[]": ["['2024-02-29'::DATE, NULL]"],
    "VARCHAR[]": ["['', NULL, 'ä,{}\"']"],
}
ONLY_SOME = {
    "UBIGINT": ["18446744073709551615"], "FLOAT": ["'nan'"], "DOUBLE": ["'nan'"],
    "DATE": ["'-4712-01-01'", "'10000-01-01'"], "TIMESTAMP": ["'0044-03-15 (BC) 12:00:00'", "'10000-01-01 00:00:00'"],
    "TIMESTAMP_NS": ["'1970-01-01 00:00:00.000000001'"],
}


def documented():
    """For each database and declared type what the document has: a type of the database, or `refused`."""
    lines = iter(DOCUMENT.read_text().splitlines())
    header = next(line for line in lines if line.startswith("| declared | PostgreSQL"))
    databases = [cell.strip() for cell in header.strip("|").split("|")][1:]
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        declared, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        for type_name in re.findall("`([^`]+)`", declared):
            for names, cell in zip(databases, cells, strict=True):
                native = re.match("`([^`]+)`", cell)
                for database in names.split(", "):
                    yield pytest.param(database, type_name, native[1] if native else cell, id=f"{database}-{type_name}")


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def run(postgres, tmp_path_factory):
    environment = {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    with ServerProcess() as cold, ServerProcess(environment=environment) as server, runner(server) as execute:
        execute(f"ATTACH '{postgres.uri}' AS warehouse (TYPE adbc, DRIVER 'postgresql')")
        execute(f"ATTACH 'file:{tmp_path_factory.mktemp('lite') / 'lite.db'}' AS lite (TYPE adbc, DRIVER 'sqlite')")
        execute(f"ATTACH '{an_empty_file(tmp_path_factory.mktemp('duck'))}' AS duck (TYPE adbc, DRIVER 'duckdb')")
        execute(f"ATTACH '{cold.url}' AS cold (TYPE adbc, DRIVER 'flightsql', DIALECT 'hyprstream')")
        yield execute


@pytest.fixture
def database(run, postgres):
    """By its name in the document: where its table is, and what says the type of the table's column."""
    of_sqlite = "SELECT * FROM backend_query('lite', $$SELECT type FROM pragma_table_info('made')$$)"
    of_duckdb = "SELECT * FROM backend_query('{}', $$SELECT data_type FROM duckdb_columns() WHERE table_name = 'made'$$)"
    of_postgres = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'made'::regclass AND attnum = 1"
    yield {"PostgreSQL": ("warehouse.public.made", lambda: postgres.run(of_postgres)),
           "SQLite": ("lite.main.made", lambda: run(of_sqlite)[0][0]),
           "DuckDB": ("duck.main.made", lambda: run(of_duckdb.format("duck"))[0][0]),
           "Hyprstream": ("cold.main.made", lambda: run(of_duckdb.format("cold"))[0][0])}
    for table in ("warehouse.public.made", "lite.main.made", "duck.main.made", "cold.main.made"):
        run(f"DROP TABLE IF EXISTS {table}")


@pytest.mark.parametrize("name, declared, native", list(documented()))
def test_columns_of_new_tables(run, database, name, declared, native):
    table, type_of_column = database[name]
    if native == "refused":
        refused(lambda: run(f"CREATE TABLE {table} (v {declared})"), "olumn v")
        return
    run(f"CREATE TABLE {table} (v {declared})")
    assert type_of_column() == native
    values = VALUES[declared]
    rows = ", ".join(f"(CAST({value} AS {declared}))" for value in ["NULL", *values])
    assert run(f"INSERT INTO {table} VALUES {rows}") == len(values) + 1
    assert run(f"SELECT count(*) FROM {table} WHERE v IS NULL") == [(1,)]
    for value in values:
        same = f"v::VARCHAR = CAST({value} AS {declared})::VARCHAR"
        assert run(f"SELECT count(*) FROM (SELECT v::{declared} AS v FROM {table}) WHERE {same}") == [(1,)], value
    for value in ONLY_SOME.get(declared, []):
        written = f"INSERT INTO {table} VALUES (CAST({value} AS {declared}))"
        try:
            run(written)
        except Exception as refusal:  # noqa: BLE001
            assert "Column v, row 0" in str(refusal), refusal
            assert run(f"SELECT count(*) FROM {table}") == [(len(values) + 1,)]
        else:
            same = f"v::VARCHAR = CAST({value} AS {declared})::VARCHAR"
            assert run(f"SELECT count(*) FROM (SELECT v::{declared} AS v FROM {table}) WHERE {same}") == [(1,)], value
            run(f"DELETE FROM {table} WHERE {same}")


def test_the_document_has_a_table():
    assert len(list(documented())) > 120
