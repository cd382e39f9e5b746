"""Values of every type, both ways: what a database holds is read as it is, and what is written is held there as it is.

Each database is asked itself, apart from the server: psql, SQLite's own library, the Redis driver in this process; a
DuckDB file by a statement that is passed on. What cannot be held or read is an error that says where it is.
"""

import os
import re
import sqlite3

import pytest

from duckdb_file import an_empty_file
from flight_sql_client import USERS, connected, refused, runner
from postgres_server import PostgresServer
from redis_driver import connect
from server_process import ServerProcess
from valkey_server import ValkeyServer

BIG_TEXT = "repeat('x', 70000)"

# By the type that a column is declared with there: the type here, and values, each as both SQLs have it or as (here, there).
POSTGRES = {
    "boolean": ("BOOLEAN", ["true", "false"]),
    "int2": ("SMALLINT", ["-32768", "32767"]),
    "int4": ("INTEGER", ["-2147483648", "2147483647"]),
    "int8": ("BIGINT", ["-9223372036854775808", "9223372036854775807"]),
    "float4": ("FLOAT", ["'NaN'", "'Infinity'", "'-Infinity'", "'-0.0'", "3.4028235e38", "1.4e-45"]),
    "float8": ("DOUBLE", ["'NaN'", "'Infinity'", "'-Infinity'", "'-0.0'", "1.7976931348623157e308", "5e-324"]),
    "numeric(38,10)": ("DECIMAL(38,10)", ["'-9999999999999999999999999999.9999999999'", "0.0000000001", "0"]),
    "numeric(38,0)": ("DECIMAL(38,0)", ["'99999999999999999999999999999999999999'", "'-99999999999999999999999999999999999999'"]),
    "numeric": ("VARCHAR", ["'1.50'", "'NaN'", "'123456789012345678901234567890123456789012345.6'"]),
    "text": ("VARCHAR", ["''", "'ä𝄞'' \"'", BIG_TEXT]),
    "varchar(5)": ("VARCHAR", ["'abcde'", "'ä𝄞ü'"]),
    "bytea": ("BLOB", [("''::BLOB", "''"), ("'\\x00\\xFF'::BLOB", "'\\x00ff'")]),
    "date": ("DATE", ["'0001-01-01'", "'9999-12-31'", ("'4713-01-01 (BC)'", "'4713-01-01 BC'"), "'5874897-12-31'"]),
    "time": ("TIME", ["'00:00:00'", "'23:59:59.999999'", "'24:00:00'"]),
    "timestamp": ("TIMESTAMP", ["'0001-01-01'", "'9999-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.999999'", "'294246-12-31 23:59:59.999999'"]),
    "timestamptz": ("TIMESTAMPTZ", ["'0001-01-01 00:00:00+00'", "'9999-12-31 23:59:59.999999+00'", "'2024-03-31 02:30:00+01'"]),
    "interval": ("INTERVAL", ["'-5 years 3 days 1 microsecond'", "'0 seconds'", "'178956970 years 7 months'", "'2147483647 days'"]),
    "uuid": ("UUID", ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"]),
    "json": ("JSON", ["'{\"a\":  [1, null]}'"]),
    "jsonb": ("JSON", ["'{\"a\": [1, null]}'"]),
    "mood": ("VARCHAR", ["'sad'", "'ö'"]),
    "inet": ("VARCHAR", ["'10.0.0.1/8'"]),
    "int4[]": ("INTEGER[]", [("[1, NULL, -2147483648]", "'{1,NULL,-2147483648}'"), ("[]", "'{}'")]),
    "text[]": ("VARCHAR[]", [("['', NULL, 'ä,{}\"']", "ARRAY['', NULL, 'ä,{}\"']")]),
}
SQLITE = {
    "BOOLEAN": ("BOOLEAN", [("true", "1"), ("false", "0")]),
    "INTEGER": ("BIGINT", ["-9223372036854775808", "9223372036854775807", "0"]),
    "REAL": ("DOUBLE", [("'inf'::DOUBLE", "9e999"), ("'-inf'::DOUBLE", "-9e999"), "1.7976931348623157e308", "5e-324", "0.1"]),
    "TEXT": ("VARCHAR", ["''", "'ä𝄞'' \"'", ("repeat('x', 70000)", "printf('%.*c', 70000, 'x')")]),
    "BLOB": ("BLOB", [("''::BLOB", "x''"), ("'\\x00\\xFF'::BLOB", "x'00FF'")]),
    "DATE": ("DATE", ["'0001-01-01'", "'9999-12-31'"]),
    "TIMESTAMP": ("TIMESTAMP", [("'0001-01-01'", "'0001-01-01 00:00:00.000000'"), "'9999-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.999999'"]),
}
DUCKDB = {
    "BOOLEAN": ["true", "false"], "TINYINT": ["-128", "127"], "SMALLINT": ["-32768", "32767"],
    "INTEGER": ["-2147483648", "2147483647"], "BIGINT": ["-9223372036854775808", "9223372036854775807"],
    "UTINYINT": ["0", "255"], "USMALLINT": ["0", "65535"], "UINTEGER": ["0", "4294967295"], "UBIGINT": ["0", "18446744073709551615"],
    "HUGEINT": ["-99999999999999999999999999999999999999", "99999999999999999999999999999999999999"],
    "FLOAT": ["'nan'", "'inf'", "'-inf'", "-0.0", "3.4028235e38", "1.4e-45"],
    "DOUBLE": ["'nan'", "'inf'", "'-inf'", "-0.0", "1.7976931348623157e308", "5e-324"],
    "DECIMAL(38,10)": ["-9999999999999999999999999999.9999999999", "0.0000000001"],
    "VARCHAR": ["''", "'ä𝄞'' \"'", BIG_TEXT, "'nul' || chr(0) || '!'"], "BLOB": ["''", "'\\x00\\xFF'"],
    "DATE": ["'0001-01-01'", "'9999-12-31'", "'infinity'", "'-infinity'", "'5877642-06-25 (BC)'", "'5881580-07-10'"],
    "TIME": ["'00:00:00'", "'23:59:59.999999'", "'24:00:00'"], "TIME_NS": ["'00:00:00.000000001'", "'23:59:59.999999999'"],
    "TIMESTAMP": ["'0001-01-01'", "'294247-01-10 04:00:54.775806'", "'infinity'", "'-infinity'"],
    "TIMESTAMP_S": ["'1969-12-31 23:59:59'", "'9999-12-31 23:59:59'"], "TIMESTAMP_MS": ["'1969-12-31 23:59:59.999'", "'9999-12-31 23:59:59.999'"],
    "TIMESTAMP_NS": ["'1677-09-22'", "'2262-04-11 23:47:16.854775806'"], "TIMESTAMPTZ": ["'2024-03-31 02:30:00+01'", "'infinity'"],
    "INTERVAL": ["'-5 years 3 days 1 microsecond'", "'0 seconds'"], "JSON": ["'{\"a\":  [1, null]}'"], "ENUM('a', 'B', 'ö')": ["'ö'", "'a'"],
    "UUID": ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    "INTEGER[]": ["[1, NULL, -2147483648]", "[]"], "VARCHAR[]": ["['', NULL, 'ä,{}\"']"],
}
NO_LITERALS = [("'nan'", None), ("'inf'", None), ("'-inf'", None), ("'-0.0'", None)]  # of the Redis driver's SQL
REDIS = {
    "BOOLEAN": ("BOOLEAN", ["true", "false"]),
    "TINYINT": ("TINYINT", ["-128", "127"]), "SMALLINT": ("SMALLINT", ["-32768", "32767"]),
    "INTEGER": ("INTEGER", ["-2147483648", "2147483647"]), "BIGINT": ("BIGINT", ["-9223372036854775808", "9223372036854775807"]),
    "UTINYINT": ("UTINYINT", ["0", "255"]), "USMALLINT": ("USMALLINT", ["0", "65535"]), "UINTEGER": ("UINTEGER", ["0", "4294967295"]),
    "UBIGINT": ("UBIGINT", ["0", "18446744073709551615"]),
    "REAL": ("FLOAT", [*NO_LITERALS, "3.4028235e38", "1.4e-45"]),
    "DOUBLE": ("DOUBLE", [*NO_LITERALS, "1.7976931348623157e308", "5e-324"]),
    "DECIMAL(38,10)": ("DECIMAL(38,10)", ["-9999999999999999999999999999.9999999999", "0.0000000001"]),
    "TEXT": ("VARCHAR", ["''", "'ä𝄞'' \"'", ("repeat('x', 70000)", None)]),
    "BLOB": ("BLOB", [("''::BLOB", None), ("'\\x00\\xFF'::BLOB", None)]),
    "DATE": ("DATE", ["'0001-01-01'", "'9999-12-31'"]),
    "TIMESTAMP(0)": ("TIMESTAMP_S", ["'0001-01-01 00:00:00'", "'9999-12-31 23:59:59'"]),
    "TIMESTAMP(3)": ("TIMESTAMP_MS", ["'0001-01-01 00:00:00.000'", "'9999-12-31 23:59:59.999'"]),
    "TIMESTAMP": ("TIMESTAMP", ["'0001-01-01 00:00:00.000000'", "'9999-12-31 23:59:59.999999'"]),
    "TIMESTAMP(9)": ("TIMESTAMP_NS", ["'1677-09-22 00:00:00.000000000'", "'2262-04-11 23:47:16.854775806'"]),
    "TIMESTAMP WITH TIME ZONE": ("TIMESTAMPTZ", [("'2024-03-31 02:30:00+01'", "'2024-03-31 01:30:00Z'")]),
}


# Values of which a column would change the second, and how the error shows it.
NARROW = [
    ("warehouse", "int8", "(1::UBIGINT), (18446744073709551615)", "18446744073709551615"),
    ("warehouse", "int4", "(1), (2147483648)", "2147483648"),
    ("warehouse", "int2", "(1), (-32769)", "-32769"),
    ("warehouse", "int4", "(1), (1.5)", "1.5"),
    ("warehouse", "float4", "(1::DOUBLE), (1e300)", "1e+300"),
    ("warehouse", "float8", "(1), (9007199254740993)", "9007199254740993"),
    ("warehouse", "numeric(4,2)", "(1.23), (1.239)", "1.239"),
    ("warehouse", "numeric(4,2)", "(1.00), (100.00)", "100.00"),
    ("warehouse", "text", "('a'), ('x' || chr(0) || 'y')", "NUL"),
    ("warehouse", "varchar(2)", "('ab'), ('abc')", "abc"),
    ("warehouse", "timestamp", "(TIMESTAMP_NS '1970-01-01'), (TIMESTAMP_NS '1969-12-31 23:59:59.999999999')", "23:59:59.999999999"),
    ("warehouse", "timestamp", "(TIMESTAMP '1970-01-01'), (TIMESTAMP 'infinity')", ""),
    ("warehouse", "date", "(DATE '1970-01-01'), (DATE 'infinity')", ""),
    ("warehouse", "uuid", "('ffffffff-ffff-ffff-ffff-ffffffffffff'), ('x')", "x"),
    ("warehouse", "jsonb", "('1'), ('{')", "{"),
    ("warehouse", "mood", "('sad'), ('so-so')", "so-so"),
    ("lite", "INTEGER", "(1::UBIGINT), (9223372036854775808)", "9223372036854775808"),
    ("lite", "INTEGER", "(1), (1.5)", "1.5"),
    ("lite", "REAL", "(1::DOUBLE), ('nan')", "nan"),
    ("lite", "REAL", "(1), (9007199254740993)", "9007199254740993"),
    ("lite", "TEXT", "('a'), ('x' || chr(0) || 'y')", ""),
    ("lite", "DATE", "(DATE '9999-12-31'), (DATE '10000-01-01')", "10000-01-01"),
    ("lite", "TIMESTAMP", "(TIMESTAMP '0001-01-01'), (TIMESTAMP '0044-03-15 (BC) 00:00:00')", ""),
    ("lite", "TIMESTAMP", "(TIMESTAMP_NS '1970-01-01'), (TIMESTAMP_NS '1969-12-31 23:59:59.999999999')", "23:59:59.999999999"),
    ("hot", "TEXT", "('a'), ('x' || chr(0) || 'y')", "NUL"),
    ("duck", "BIGINT", "(1::UBIGINT), (18446744073709551615)", "18446744073709551615"),
    ("duck", "TINYINT", "(1), (128)", "128"),
    ("duck", "UBIGINT", "(1), (-1)", "-1"),
    ("duck", "INTEGER", "(1), (1.5)", "1.5"),
    ("duck", "FLOAT", "(1::DOUBLE), (1e300)", "1e+300"),
    ("duck", "DECIMAL(4,2)", "(1.23), (1.239)", "1.239"),
    ("duck", "TIMESTAMP", "(TIMESTAMP_NS '1970-01-01'), (TIMESTAMP_NS '1969-12-31 23:59:59.999999999')", "23:59:59.999999999"),
    ("duck", "TIMESTAMP_NS", "(TIMESTAMP '1970-01-01'), (TIMESTAMP '9999-12-31')", "9999-12-31"),
    ("duck", "ENUM('a', 'b')", "('a'), ('c')", "c"),
    ("duck", "JSON", "('1'), ('{')", "{"),
]

# Values that are there and have no place in what the column is read as.
UNREADABLE = [
    ("warehouse", "numeric(5,2)", "'NaN'"), ("warehouse", "timestamp", "'294276-12-31 23:59:59'"),
    ("warehouse", "int4[]", "'{{1,2},{3,4}}'"), ("warehouse", "int4[]", "'[3:4]={1,2}'"),
    ("warehouse", "interval", "'infinity'"), ("warehouse", "interval", "'100000000 hours'"),
    ("lite", "INTEGER", "1.5"), ("lite", "INTEGER", "'one'"), ("lite", "TEXT", "x'00'"), ("lite", "BLOB", "'a'"),
    ("lite", "REAL", "'a'"), ("lite", "NUMERIC", "9007199254740993"), ("lite", "BOOLEAN", "2"), ("lite", "DATE", "'2023-02-29'"),
    ("lite", "TIMESTAMP", "'2013-01-01 00:00:00.1234567'"), ("lite", "TIMESTAMP", "'2013-01-01 00:00:00+01'"),
    ("duck", "HUGEINT", "170141183460469231731687303715884105727"), ("duck", "UHUGEINT", "340282366920938463463374607431768211455"),
    ("duck", "INTERVAL", "-INTERVAL '2562048 hours'"),
]


def name_of(declared):
    return re.sub(r"\W+", "_", declared).lower().strip("_") + ("_list" if "[]" in declared else "")


class Postgres:
    schema = "warehouse.public"
    types = POSTGRES

    def __init__(self, folder):
        self.server = PostgresServer(password="pg-hunter2-types", settings=["timezone=UTC"])
        self.run = self.server.run
        self.run("CREATE TYPE mood AS ENUM ('sad', 'ö')")
        self.attach = f"ATTACH '{self.server.uri}' AS warehouse (TYPE adbc, DRIVER 'postgresql')"

    def make(self, table, columns):
        self.run(f"CREATE TABLE {table} ({columns})")

    def insert(self, table, rows):
        for row in rows:  # each by itself: a VALUES of several would give them one type before the column's
            self.run(f"INSERT INTO {table} VALUES {row}")

    def rows(self, table, run):
        return self.run(f"SELECT n, v::text FROM {table} ORDER BY n")

    def close(self):
        self.server.close()


class Sqlite:
    schema = "lite.main"
    types = SQLITE

    def __init__(self, folder):
        self.path = folder / "types.db"
        self.attach = f"ATTACH 'file:{self.path}' AS lite (TYPE adbc, DRIVER 'sqlite')"

    def run(self, sql):
        connection = sqlite3.connect(self.path, timeout=10)
        try:
            with connection:
                return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def make(self, table, columns):
        self.run(f"CREATE TABLE {table} ({columns})")

    def insert(self, table, rows):
        self.run(f"INSERT INTO {table} VALUES " + ", ".join(rows))

    def rows(self, table, run):
        return self.run(f"SELECT n, typeof(v), hex(v), v FROM {table} ORDER BY n")

    def close(self):
        pass


class DuckDb:
    """Its tables are made before it is attached, by a server whose own file it is: nobody else opens it meanwhile."""

    schema = "duck.main"
    types = {declared: (declared, values) for declared, values in DUCKDB.items()}

    def __init__(self, folder):
        file = an_empty_file(folder)
        self.attach = f"ATTACH '{file}' AS duck (TYPE adbc, DRIVER 'duckdb')"
        with ServerProcess("--data", folder, environment={"HYPRSTREAM_USERS": USERS}) as owner, runner(owner) as run:
            for declared, values in DUCKDB.items():
                rows = ", ".join(f"({n}, CAST({value} AS {declared}))" for n, value in enumerate(["NULL", *values]))
                for kind in ("seen", "typed"):
                    run(f"CREATE TABLE {name_of(declared)}_{kind} (n INTEGER PRIMARY KEY, v {declared})")
                run(f"INSERT INTO {name_of(declared)}_seen VALUES {rows}")
            for number, (backend, declared, *_) in enumerate(NARROW):
                if backend == "duck":
                    run(f"CREATE TABLE narrow_{number} (v {declared})")
            for number, (backend, declared, value) in enumerate(UNREADABLE):
                if backend == "duck":
                    run(f"CREATE TABLE unreadable_{number} (v {declared}, ok INTEGER)")
                    run(f"INSERT INTO unreadable_{number} VALUES (NULL, 1), ({value}, 2)")

    def make(self, table, columns):
        pass

    def insert(self, table, rows):
        pass

    def rows(self, table, run):
        return run(f"SELECT * FROM backend_query('duck', 'SELECT n, v::VARCHAR FROM {table} ORDER BY n')")

    def close(self):
        pass


class Redis:
    schema = "hot.main"
    types = REDIS

    def __init__(self, folder):
        self.server = ValkeyServer(password="valkey-hunter2-types")
        self.attach = f"ATTACH '{self.server.uri}' AS hot (TYPE adbc, DRIVER 'redis')"

    def run(self, statement):
        with connect(self.server) as redis, redis.cursor() as cursor:
            cursor.execute(statement)

    def make(self, table, columns):
        self.run(f"CREATE TABLE {table} ({columns})")

    def insert(self, table, rows):
        self.run(f"INSERT INTO {table} VALUES " + ", ".join(rows))

    def rows(self, table, run):
        keys = sorted(key for key in self.server.run("KEYS", f"*{table}}}*").split("\n") if re.search(r":\d+:\d+$", key))
        return [(key.rpartition(":")[2], self.server.run("HGETALL", key)) for key in keys]

    def close(self):
        self.server.close()


DATABASES = {"warehouse": Postgres, "lite": Sqlite, "duck": DuckDb, "hot": Redis}


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    made = {name: kind(tmp_path_factory.mktemp(name)) for name, kind in DATABASES.items()}
    try:
        yield made
    finally:
        for database in made.values():
            database.close()


@pytest.fixture(scope="module")
def server(databases):
    environment = {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    with ServerProcess(environment=environment) as process:
        with runner(process) as run:
            for database in databases.values():
                run(database.attach)
        yield process


@pytest.fixture
def run(server):
    with runner(server) as execute:
        execute("SET TimeZone = 'UTC'")
        yield execute


def here_and_there(values):
    pairs = [value if isinstance(value, tuple) else (value, value) for value in ["NULL", *values]]
    return list(enumerate(pairs))


@pytest.mark.parametrize("backend, declared", [(name, declared) for name, kind in DATABASES.items() for declared in kind.types])
def test_every_value_is_there_as_it_is_here(run, databases, backend, declared):
    database = databases[backend]
    here, values = database.types[declared]
    rows, table = here_and_there(values), name_of(declared)
    seen, typed = f"{table}_seen", f"{table}_typed"
    for name in (seen, typed):
        database.make(name, f"n INTEGER PRIMARY KEY, v {declared}")
    database.insert(seen, [f"({n}, {there})" for n, (_, there) in rows if there is not None])
    run(f"CREATE OR REPLACE TABLE mine (n INTEGER, v {here})")
    run("INSERT INTO mine VALUES " + ", ".join(f"({n}, CAST({value} AS {here}))" for n, (value, _) in rows))

    def same_here(name, count):
        other = f"{database.schema}.{name}"
        assert run(f"SELECT count(*) FROM {other}") == [(count,)]
        assert run(f"SELECT m.n, m.v::VARCHAR, t.v::VARCHAR FROM mine m JOIN {other} t ON m.n = t.n "
                   "WHERE m.v::VARCHAR IS DISTINCT FROM t.v::VARCHAR") == []

    known = [n for n, (_, there) in rows if there is not None]
    same_here(seen, len(known))
    assert run(f"INSERT INTO {database.schema}.{typed} SELECT * FROM mine") == len(rows)
    same_here(typed, len(rows))
    if len(known) == len(rows):
        assert database.rows(typed, run) == database.rows(seen, run)
    # And through the stage, of which rows are changed.
    assert run(f"UPDATE {database.schema}.{typed} SET v = NULL") == len(rows)
    assert run(f"UPDATE {database.schema}.{typed} AS t SET v = m.v FROM mine m WHERE m.n = t.n") == len(rows)
    same_here(typed, len(rows))
    if len(known) == len(rows):
        assert database.rows(typed, run) == database.rows(seen, run)


@pytest.mark.parametrize("number", range(len(NARROW)), ids=lambda number: f"{NARROW[number][0]}-{NARROW[number][1]}-{number}")
def test_a_value_that_would_be_changed_is_refused_with_its_place(run, databases, number):
    backend, declared, values, shown = NARROW[number]
    databases[backend].make(f"narrow_{number}", f"v {declared}")
    table = f"{databases[backend].schema}.narrow_{number}"
    refused(lambda: run(f"INSERT INTO {table} FROM (VALUES {values}) t(v)"), "olumn v", "row 1", shown)
    assert run(f"SELECT count(*) FROM {table}") == [(0,)]


@pytest.mark.parametrize("number", range(len(UNREADABLE)), ids=lambda number: f"{UNREADABLE[number][0]}-{UNREADABLE[number][1]}-{number}")
def test_a_value_that_cannot_be_read_is_an_error_that_names_its_column(run, databases, number):
    backend, declared, value = UNREADABLE[number]
    name = f"unreadable_{number}"
    databases[backend].make(name, f"v {declared}, ok INTEGER")
    databases[backend].insert(name, ["(NULL, 1)", f"({value}, 2)"])
    said = refused(lambda: run(f"SELECT v FROM {databases[backend].schema}.{name}"), backend)
    assert re.search(r"[Cc]olumn v\b", said), said
    assert run(f"SELECT ok FROM {databases[backend].schema}.{name} ORDER BY ok") == [(1,), (2,)]
