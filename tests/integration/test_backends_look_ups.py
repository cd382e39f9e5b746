"""Rows of a backend by their keys, and other queries that are nothing but its rows: by another way than the rest, and alike."""

import os
import pathlib

import adbc_driver_manager.dbapi
import pytest

from flight_sql_client import USERS, connected, refused, runner
from postgres_server import PostgresServer
from server_process import ServerProcess, wait_until

COLUMNS = {
    "b boolean": ["true", "false"],
    "i2 smallint": ["-32768", "32767"],
    "i4 integer": ["-2147483648", "2147483647"],
    "i8 bigint": ["-9223372036854775808", "9223372036854775807"],
    "f4 real": ["'NaN'", "'-Infinity'", "1e-45", "3.4028235e38"],
    "f8 double precision": ["'NaN'", "'Infinity'", "-0.0", "1.7976931348623157e308"],
    "d numeric(38,9)": ["-99999999999999999999999999999.999999999", "0.000000001", "0"],
    "t text": ["''", "'é \U0001F600'", "repeat('x', 100000)"],
    "c varchar(10)": ["'a  '"],
    "bin bytea": ["'\\x00ff'", "''"],
    "da date": ["'0001-01-01'", "'9999-12-31'", "'infinity'", "'-infinity'"],
    "ti time": ["'00:00'", "'24:00'", "'23:59:59.999999'"],
    "ts timestamp": ["'0001-01-01'", "'9999-12-31 23:59:59.999999'", "'infinity'", "'-infinity'"],
    "tz timestamptz": ["'2024-03-31 02:30:00+01'", "'infinity'"],
    "u uuid": ["'00000000-0000-0000-0000-000000000001'"],
    "j jsonb": ["'{\"a\": [1, null]}'"],
    "l integer[]": ["'{1,NULL,3}'", "'{}'"],
    "iv interval": ["'1 month 2 days 00:00:03.000004'"],
}


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer(settings=["log_statement=all"]) as server:
        names = [column.split()[0] for column in COLUMNS]
        rows = max(map(len, COLUMNS.values())) + 1  # the last one is NULL
        values = []
        for row in range(rows):
            items = [of[row] if row < len(of) else "NULL" for of in COLUMNS.values()]
            values.append(f"({row}, 'k{row}', " + ", ".join(items) + ")")
        server.run(f"CREATE TABLE t (k int, s text, {', '.join(COLUMNS)}, PRIMARY KEY (k, s)); "
                   f"INSERT INTO t (k, s, {', '.join(names)}) VALUES {', '.join(values)}; "
                   "CREATE TABLE nan (k int PRIMARY KEY, d numeric(9, 2)); INSERT INTO nan VALUES (1, 1.5), (2, 'NaN'); "
                   "CREATE TABLE changing (k int PRIMARY KEY, v int); INSERT INTO changing VALUES (1, 10), (2, 20); "
                   "CREATE TABLE octets (k bytea PRIMARY KEY, v int); INSERT INTO octets VALUES ('\\x01', 1), ('\\x02', 2); "
                   "CREATE TABLE parent (k int PRIMARY KEY, v int); CREATE TABLE child () INHERITS (parent); "
                   "INSERT INTO parent VALUES (1, 1); INSERT INTO child VALUES (1, 2), (1, 3); "
                   "CREATE TABLE parted (k int PRIMARY KEY, v int) PARTITION BY RANGE (k); "
                   "CREATE TABLE part PARTITION OF parted DEFAULT; INSERT INTO parted VALUES (1, 1), (2, 2)")
        yield server


@pytest.fixture(scope="module")
def server(postgres):
    environment = {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    with ServerProcess(environment=environment) as process:
        with runner(process) as run:
            run(f"ATTACH '{postgres.uri}' AS pg (TYPE adbc, DRIVER 'postgresql', statement_timeout '2 s')")
        yield process


@pytest.fixture
def run(server):
    with runner(server) as execute:
        yield execute


def rows_of(cursor, sql, parameters=None):
    """Its rows as sorted texts: a NaN equals none, and Python has no infinite times."""
    cursor.execute(sql, parameters)
    table = cursor.fetch_arrow_table().combine_chunks()
    assert all(column.num_chunks <= 1 for column in table.columns)
    columns = [column.chunk(0) if column.num_chunks else [] for column in table.columns]
    return sorted("|".join(column.slice(row, 1).to_string(element_size_limit=1_000_000) for column in columns)
                  for row in range(table.num_rows))


def test_rows_by_key_are_those_of_a_scan(server):
    keys = [(row, f"k{row}") for row in range(max(map(len, COLUMNS.values())) + 1)]
    with connected(server) as connection, connection.cursor() as cursor:
        for column in COLUMNS:
            name = column.split()[0]
            select = f"SELECT k, s, {name} FROM pg.public.t"
            cursor.execute("SET use_pushdown = false")
            whole = rows_of(cursor, select)
            assert len(whole) == len(keys)
            cursor.execute("SET use_pushdown = true")
            assert rows_of(cursor, select) == whole, name
            assert rows_of(cursor, select + " WHERE k >= 0") == whole, name
            by_literals = [rows_of(cursor, f"{select} WHERE k = {k} AND s = '{s}'") for k, s in keys]
            assert sorted(sum(by_literals, [])) == whole, name
            by_parameters = [rows_of(cursor, f"{select} WHERE k = ? AND s = ?", key) for key in keys]
            assert by_parameters == by_literals, name
        assert rows_of(cursor, "SELECT k FROM pg.public.t WHERE k = 1 AND s = 'k2'") == []
        assert rows_of(cursor, "SELECT k FROM pg.public.t WHERE k = NULL AND s = 'k2'") == []


def test_a_row_by_its_key_is_asked_for_once(postgres, run):
    def statements():
        return [line for line in postgres.log().splitlines() if 'FROM "public"."changing"' in line]

    run("SELECT v FROM pg.public.changing")
    before = len(statements())
    assert run("SELECT v FROM pg.public.changing WHERE k = 2") == [(20,)]
    wait_until(lambda: len(statements()) > before, seconds=10, what="the statement in the log")
    sent = statements()[before:]
    assert len(sent) == 1 and "COPY" not in sent[0], sent
    # Another column's value says nothing of how many rows there are.
    assert run("SELECT k FROM pg.public.changing WHERE v = 20") == [(2,)]
    wait_until(lambda: len(statements()) > before + 1, seconds=10, what="the statement in the log")
    assert "COPY" in statements()[-1]


def test_rows_that_may_be_many_are_copied(postgres, run):
    """A key that the database is not asked for names no row, nor does a parent's of what lies in its children."""
    def sent(table):
        wait_until(lambda: f'FROM "public"."{table}"' in postgres.log(), seconds=10, what="the statement in the log")
        return [line for line in postgres.log().splitlines() if f'FROM "public"."{table}"' in line]

    assert run("SELECT v FROM pg.public.octets WHERE k = '\\x01'::BLOB") == [(1,)]
    assert all("COPY" in line for line in sent("octets")), sent("octets")
    assert sorted(run("SELECT v FROM pg.public.parent WHERE k = 1")) == [(1,), (2,), (3,)]
    assert all("COPY" in line for line in sent("parent")), sent("parent")
    assert run("SELECT v FROM pg.public.parted WHERE k = 1") == [(1,)]
    assert not any("COPY" in line for line in sent("parted")), sent("parted")


def test_a_value_that_would_change_is_refused_by_key_as_well(run):
    assert [float(row[0]) for row in run("SELECT d FROM pg.public.nan WHERE k = 1")] == [1.5]
    refused(lambda: run("SELECT d FROM pg.public.nan WHERE k = 2"), "nan (read it as text")
    refused(lambda: run("SELECT d FROM pg.public.nan"), "nan (read it as text")


def test_a_transaction_sees_by_key_what_it_has_written(server):
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE pg.public.changing SET v = 11 WHERE k = 1")
        cursor.execute("SELECT v FROM pg.public.changing WHERE k = 1")
        assert cursor.fetchall() == [(11,)]
        connection.rollback()
        cursor.execute("SELECT v FROM pg.public.changing WHERE k = 1")
        assert cursor.fetchall() == [(10,)]
        connection.rollback()


def test_a_look_up_that_waits_is_ended_by_its_time(postgres, run):
    library = pathlib.Path(os.environ["HYPRSTREAM_ADBC_DRIVERS"]) / "libadbc_driver_postgresql.so"
    with (adbc_driver_manager.dbapi.connect(driver=str(library), db_kwargs={"uri": postgres.uri}, autocommit=False) as holder,
          holder.cursor() as cursor):
        cursor.execute("LOCK TABLE changing IN ACCESS EXCLUSIVE MODE")
        refused(lambda: run("SELECT v FROM pg.public.changing WHERE k = 1"), "statement_timeout")
        holder.rollback()
    assert run("SELECT v FROM pg.public.changing WHERE k = 1") == [(10,)]


def test_other_columns_than_remembered_are_an_error_or_the_new_ones(postgres, run):
    assert run("SELECT * FROM pg.public.changing WHERE k = 1") == [(1, 10)]
    postgres.run("ALTER TABLE changing ALTER COLUMN v TYPE text USING 'v' || v")
    try:
        with pytest.raises(Exception) as caught:
            run("SELECT v FROM pg.public.changing WHERE k = 1")
        assert "try again" in str(caught.value) or "run the statement again" in str(caught.value), caught.value
        assert run("SELECT v FROM pg.public.changing WHERE k = 1") == [("v10",)]
    finally:
        postgres.run("ALTER TABLE changing ALTER COLUMN v TYPE int USING substr(v, 2)::int")
