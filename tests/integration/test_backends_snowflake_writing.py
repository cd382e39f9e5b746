"""Tables behind Snowflake's driver changed through the server's port, against an emulator.

The emulator is DuckDB beneath, and differs from Snowflake where it matters to writes: it checks primary keys, keeps
microseconds only (what is finer is rounded), and a CREATE TABLE is part of its transaction. That Snowflake commits such
a statement by itself is seen here in the statements that are sent, not in what they do.
"""

import decimal
import os
import pathlib
import re
import signal
import time

import adbc_driver_manager
import adbc_driver_manager.dbapi as dbapi
import pyarrow as pa
import pytest

from faulty_proxy import FaultyProxy
from flight_sql_client import USERS, connected, insert_at_once, refused, runner
from server_process import ServerProcess, wait_until
from snowflake_server import PASSWORD, USER, SnowflakeServer

DRIVERS = os.environ["HYPRSTREAM_ADBC_DRIVERS"]
DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "backends.md"

# The ends of each type, as far as its column holds them, and values that it does not hold.
VALUES = {
    "BOOLEAN": ["true", "false"], "TINYINT": ["-128", "127"], "SMALLINT": ["-32768", "32767"],
    "INTEGER": ["-2147483648", "2147483647"], "BIGINT": ["-9223372036854775808", "9223372036854775807"],
    "UTINYINT": ["0", "255"], "USMALLINT": ["0", "65535"], "UINTEGER": ["0", "4294967295"],
    "UBIGINT": ["0", "18446744073709551615"],
    "FLOAT": ["'3.4028235e38'", "'-1.1754944e-38'", "'0.1'", "'inf'", "'nan'"],
    "DOUBLE": ["'1.7976931348623157e308'", "'5e-324'", "'0.1'", "'-inf'", "'nan'"],
    "DECIMAL(18,3)": ["999999999999999.999", "-999999999999999.999", "0.001"],
    "DECIMAL(38,38)": ["'0.99999999999999999999999999999999999999'", "'-0.00000000000000000000000000000000000001'"],
    "VARCHAR": ["''", "'äöü €𝄞'", "'a''b\\c\\'", "'?, :1, $$'", "repeat('x', 100000)"],
    "ENUM('a', 'b')": ["'a'", "'b'"], "JSON": ["'{\"a\": [1, null]}'"], "BLOB": ["''", "'\\x00\\xFF'"],
    "UUID": ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    "DATE": ["'0001-01-01'", "'1969-12-31'", "'2024-02-29'", "'9999-12-31'"],
    "TIME": ["'00:00:00'", "'23:59:59.999999'"],
    "TIMESTAMP": ["'1677-09-22 00:00:00'", "'1969-12-31 23:59:59.999999'", "'2262-04-11 23:47:16.854775'"],
    "TIMESTAMP_S": ["'1677-09-22 00:00:00'", "'2262-04-11 23:47:16'"],
    "TIMESTAMP_MS": ["'1677-09-22 00:00:00'", "'2262-04-11 23:47:16.854'"],
    "TIMESTAMP_NS": ["'1677-09-22 00:00:00'", "'1969-12-31 23:59:59.999999'", "'2262-04-11 23:47:16.854775'"],
    "TIMESTAMPTZ": ["'1677-09-22 00:00:00+00'", "'2024-03-31 02:30:00+01'", "'2262-04-11 23:47:16.854775+00'"],
}
REFUSED = {
    "VARCHAR": ["chr(0)"], "DATE": ["'0044-03-15 (BC)'", "'10000-01-01'", "'infinity'"],
    "TIMESTAMP": ["'1677-09-20 00:00:00'", "'2262-04-12 00:00:00'", "'infinity'"], "TIMESTAMP_NS": ["'infinity'"],
    "TIMESTAMPTZ": ["'9999-12-31 00:00:00+00'", "'-infinity'"], "TIME": ["'24:00:00'"],
}


def documented():
    """The document's type of Snowflake, or `refused`, for each declared type."""
    lines = iter(DOCUMENT.read_text().splitlines())
    next(line for line in lines if line.startswith("| declared | Snowflake"))
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        declared, cell, _ = (cell.strip() for cell in line.strip("|").split("|"))
        for type_name in re.findall("`([^`]+)`", declared):
            yield pytest.param(type_name, cell.strip("`"), id=type_name)


@pytest.fixture(scope="module")
def snowflake():
    with SnowflakeServer() as process:
        yield process


@pytest.fixture(scope="module")
def there(snowflake):
    """Runs a statement at the emulator by the driver itself, without us."""
    options = {**snowflake.options, "username": USER, "password": PASSWORD,
               "adbc.snowflake.sql.client_option.request_timeout": "5s"}
    with dbapi.connect(driver=f"{DRIVERS}/libadbc_driver_snowflake.so", db_kwargs=options, autocommit=True) as connection:
        def execute(sql):
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall()
        yield execute


@pytest.fixture(scope="module")
def server(snowflake):
    with ServerProcess(environment={"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": DRIVERS}) as process:
        with connected(process) as connection, connection.cursor() as cursor:
            cursor.execute(snowflake.attach("snow", ", STATEMENT_TIMEOUT '20 s'"))
        yield process
    assert PASSWORD not in process.last_log


@pytest.fixture
def run(server):
    with runner(server) as execute:
        yield execute


def test_a_table_lives_from_create_to_drop(run, there):
    table = "snow.public.lives"
    run(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name VARCHAR NOT NULL, d DATE, amount DOUBLE, \"od d\" BOOLEAN)")
    refused(lambda: run(f"CREATE TABLE {table} (id INTEGER)"), "already exists")
    run(f"CREATE TABLE IF NOT EXISTS {table} (id INTEGER)")
    assert run(f"INSERT INTO {table} VALUES (1, 'ann', DATE '2013-01-02', 0.5, true), (2, 'it''s \\ bob', NULL, 1, NULL)") == 2
    assert run(f"INSERT INTO {table} (name, id) SELECT 'n' || i, i FROM range(10, 20) t(i)") == 10
    assert run(f"SELECT id::INTEGER, name, d::VARCHAR, amount, \"od d\" FROM {table} WHERE id < 11 ORDER BY id") == [
        (1, "ann", "2013-01-02", 0.5, True), (2, "it's \\ bob", None, 1.0, None), (10, "n10", None, None, None)]
    # Names are Snowflake's own, of those that it takes without quotes.
    assert there("SELECT name, amount FROM lives WHERE \"od d\"") == [("ann", 0.5)]
    assert run(f"UPDATE {table} SET name = upper(name), amount = id WHERE id <= 2") == 2
    assert run(f"DELETE FROM {table} WHERE id >= 15") == 5
    assert run(f"UPDATE {table} AS t SET amount = x.v FROM (VALUES (1, 7.5), (2, 8.5)) AS x(id, v) WHERE t.id = x.id") == 2
    assert run(f"SELECT name, amount FROM {table} WHERE id <= 2 ORDER BY id") == [("ANN", 7.5), ("IT'S \\ BOB", 8.5)]
    assert run(f"INSERT INTO {table} VALUES (1, 'again', NULL, 1, NULL), (99, 'new', NULL, 2, NULL) "
               "ON CONFLICT (id) DO UPDATE SET name = excluded.name") == 2
    assert run(f"INSERT INTO {table} (id, name) VALUES (1, 'never') ON CONFLICT (id) DO NOTHING") == 0
    assert run(f"INSERT INTO {table} (id, name) VALUES (98, 'first'), (98, 'second'), (1, 'no') ON CONFLICT DO NOTHING") == 1
    assert run(f"SELECT id::INTEGER, name, amount FROM {table} WHERE id IN (1, 98, 99) ORDER BY id") == [
        (1, "again", 7.5), (98, "first", None), (99, "new", 2.0)]
    run(f"CREATE TABLE {table}_2 AS SELECT id, name FROM {table} WHERE id < 12")
    assert run(f"SELECT count(*) FROM {table}_2") == [(4,)]
    for name in (table, f"{table}_2"):
        run(f"DROP TABLE {name}")
    run(f"DROP TABLE IF EXISTS {table}")
    refused(lambda: run(f"SELECT * FROM {table}"), "lives")
    assert there("SELECT count(*) FROM information_schema.tables WHERE table_name LIKE 'LIVES%'")[0][0] == 0


def test_ingest_modes(server, run):
    rows = pa.table({"b": pa.array(["x", None]), "a": pa.array([1, 2], pa.int64())})
    with connected(server) as connection, connection.cursor() as cursor:
        def ingest(mode, data=rows):
            return cursor.adbc_ingest("ingested", data, mode=mode, catalog_name="snow", db_schema_name="public")

        refused(lambda: ingest("append"), "ingested")
        assert ingest("create") == 2
        refused(lambda: ingest("create"), "already exists")
        assert ingest("append", rows.select(["a", "b"])) == 2
        assert ingest("create_append") == 2
        refused(lambda: ingest("append", pa.table({"a": pa.array([1.5])})), "Column A", "double", "cast")
        refused(lambda: ingest("append", pa.table({"a": pa.array([decimal.Decimal("1.0"), decimal.Decimal("1.5")])})), "Column A, row 1", "1.5")
        assert run("SELECT a::INTEGER AS a, b, count(*) FROM snow.public.ingested GROUP BY ALL ORDER BY a") == [(1, "x", 3), (2, None, 3)]
        refused(lambda: ingest("replace"), "snow", "DROP TABLE", "COMMIT first")
        assert run("SELECT count(*) FROM snow.public.ingested") == [(6,)]
    run("DROP TABLE snow.public.ingested")


def test_many_rows_go_in_statements_of_a_bounded_size_and_one_transaction(snowflake, run):
    run("CREATE TABLE snow.public.many (i BIGINT, t VARCHAR)")
    before = len(snowflake.statements)
    assert run("INSERT INTO snow.public.many SELECT i, repeat('x', 10) FROM range(2500) t(i)") == 2500
    sent = [line for line in snowflake.statements[before:].splitlines() if line.startswith(("BEGIN", "COMMIT", "INSERT INTO \"PUBLIC\""))]
    assert [line.split()[0].rstrip(";") for line in sent] == ["BEGIN", "INSERT", "INSERT", "INSERT", "COMMIT"], [s[:80] for s in sent]
    assert run("SELECT count(*), sum(i)::BIGINT FROM snow.public.many") == [(2500, 2499 * 1250)]
    before = len(snowflake.statements)
    assert run("INSERT INTO snow.public.many SELECT i, repeat('y', 100000) FROM range(6) t(i)") == 6
    sent = [line for line in snowflake.statements[before:].splitlines() if line.startswith("INSERT INTO \"PUBLIC\"")]
    assert len(sent) == 3 and all(len(line) < 300_000 for line in sent)
    # A row that no statement takes: nothing of the write is kept.
    refused(lambda: run("INSERT INTO snow.public.many SELECT i, repeat('z', i * 450000) FROM range(1, 4) t(i)"), "Column T, row 1", "MANY")
    refused(lambda: run("INSERT INTO snow.public.many SELECT i * 0.5, '' FROM range(1500, 3500) t(i)"), "Column I, row 1")
    refused(lambda: run("INSERT INTO snow.public.many SELECT CASE WHEN i = 1800 THEN 0.5 ELSE i END, '' FROM range(2000) t(i)"),
            "Column I, row 1800", "0.5")
    assert run("SELECT count(*) FROM snow.public.many") == [(2506,)]
    run("DROP TABLE snow.public.many")


def test_what_a_column_cannot_hold_is_refused_with_its_place(run, there):
    there("CREATE TABLE exact (i NUMBER(3,0), n NUMBER(10,2), d DATE, ti TIME, ts TIMESTAMP_NTZ, tz TIMESTAMP_TZ, v VARCHAR(3), "
          "f FLOAT, va VARIANT, must INT NOT NULL DEFAULT 7)")
    table = "snow.public.exact"
    for column, value, said in (
            ("i", "1.5", "1.5"), ("i", "1000", "1000"), ("i", "18446744073709551615::UBIGINT", "18446744073709551615"),
            ("n", "0.001", "0.001"), ("n", "123456789.25", "123456789.25"), ("d", "DATE '10000-01-01'", "DATE"),
            ("d", "DATE '0044-03-15 (BC)'", "DATE"), ("d", "'infinity'::DATE", "DATE"), ("ts", "'infinity'::TIMESTAMP", "TIMESTAMP_NTZ"),
            ("ts", "TIMESTAMP '9999-12-31'", "9999-12-31"), ("ts", "TIMESTAMP '1500-01-01'", "1500"), ("v", "'four'", "four"),
            ("v", "'\u00e4\u00f6\u00fc\u00df'", "\u00e4"), ("v", "chr(0)", "NUL"), ("ti", "TIME '24:00:00'", "86400000000000"), ("must", "NULL::INTEGER", "NOT NULL")):
        refused(lambda column=column, value=value: run(f"INSERT INTO {table} ({column}) SELECT {value}"), f"Column {column.upper()}, row 0", said)
    for column, value, said in (("va", "'{}'", "VARIANT"), ("tz", "TIMESTAMP '2020-01-01'", "TIMESTAMP_TZ"), ("ts", "1", "TIMESTAMP_NTZ"),
                                ("d", "INTERVAL 1 DAY", "DATE"), ("nothing", "1", "nothing")):
        refused(lambda column=column, value=value: run(f"INSERT INTO {table} ({column}) SELECT {value}"), said)
    assert run(f"SELECT count(*) FROM {table}") == [(0,)]
    assert run(f"INSERT INTO {table} (i, n, v, f) VALUES (999, -99999999.99, '\u00e4\u00f6\u20ac', 'nan'), (-999, 0.01, '', '-inf')") == 2
    assert there("SELECT i, CAST(n AS VARCHAR), v, CAST(f AS VARCHAR), must FROM exact ORDER BY i DESC") == [
        (999, "-99999999.99", "\u00e4\u00f6\u20ac", "nan", 7), (-999, "0.01", "", "-inf", 7)]
    run(f"DROP TABLE {table}")


@pytest.mark.parametrize("declared, native", list(documented()))
def test_columns_of_new_tables(run, there, declared, native):
    table = "snow.public.made"
    run(f"DROP TABLE IF EXISTS {table}")
    if native == "refused":
        refused(lambda: run(f"CREATE TABLE {table} (v {declared})"), "olumn v")
        return
    run(f"CREATE TABLE {table} (v {declared})")
    assert [row[:2] for row in there("DESCRIBE TABLE made")] == [("V", native)]
    values = VALUES[declared]
    rows = ", ".join(f"(CAST({value} AS {declared}))" for value in ["NULL", *values])
    assert run(f"INSERT INTO {table} VALUES {rows}") == len(values) + 1
    nulls = 0 if declared.startswith("TIMESTAMP") else 1  # the emulator gives 1970-01-01 for it
    assert run(f"SELECT count(*) FROM {table} WHERE v IS NULL") == [(nulls,)]
    assert there("SELECT count(*) FROM made WHERE v IS NULL") == [(1,)]
    for value in values:
        same = f"v::VARCHAR = CAST({value} AS {declared})::VARCHAR"
        read = "v" if declared == "TIMESTAMP_S" else f"v::{declared}"  # to which nanoseconds are not cast
        assert run(f"SELECT count(*) FROM (SELECT {read} AS v FROM {table}) WHERE {same}") == [(1,)], value
    for value in REFUSED.get(declared, []):
        refused(lambda value=value: run(f"INSERT INTO {table} VALUES (CAST({value} AS {declared}))"), "Column V, row 0")
    assert run(f"SELECT count(*) FROM {table}") == [(len(values) + 1,)]


def test_the_document_has_a_table():
    assert len(list(documented())) > 25


def test_nanoseconds_are_sent_as_they_are(snowflake, run):
    """The emulator keeps microseconds; what it is given has all digits."""
    run("CREATE TABLE snow.public.fine (ts TIMESTAMP_NS)")
    before = len(snowflake.statements)
    run("INSERT INTO snow.public.fine VALUES ('1969-12-31 23:59:59.999999999'::TIMESTAMP_NS)")
    assert "TO_TIMESTAMP_NTZ(column1, 'YYYY-MM-DD HH24:MI:SS.FF9') FROM VALUES ('1969-12-31 23:59:59.999999999');" in snowflake.statements[before:]
    run("DROP TABLE snow.public.fine")


def test_a_transaction_is_whole_and_sees_its_own_rows(server, run):
    table = "snow.public.held"
    run(f"CREATE TABLE {table} (id BIGINT PRIMARY KEY, v VARCHAR)")
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} VALUES (1, 'a'), (2, 'b')")
        cursor.execute(f"UPDATE {table} SET v = v || '!' WHERE id = 2")
        cursor.execute(f"INSERT INTO {table} SELECT id + 10, v FROM {table}")
        cursor.execute(f"SELECT x.id::INTEGER, y.v FROM {table} x JOIN {table} y ON x.id = y.id ORDER BY ALL")
        assert cursor.fetchall() == [(1, "a"), (2, "b!"), (11, "a"), (12, "b!")]
        assert run(f"SELECT count(*) FROM {table}") == [(0,)]
        connection.rollback()
        cursor.execute(f"INSERT INTO {table} VALUES (3, 'c')")
        connection.commit()
        assert run(f"SELECT id::INTEGER, v FROM {table}") == [(3, "c")]
        # After an error nothing can be committed.
        cursor.execute(f"INSERT INTO {table} VALUES (4, 'd')")
        refused(lambda: cursor.execute(f"INSERT INTO {table} VALUES (5, chr(0))"), "NUL")
        refused(connection.commit, "aborted")
    assert run(f"SELECT id::INTEGER FROM {table}") == [(3,)]
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        # One backend, or local tables.
        cursor.execute(f"INSERT INTO {table} VALUES (6, 'f')")
        refused(lambda: cursor.execute("CREATE TABLE here (v BIGINT)"), "snow")
        connection.rollback()
    assert run(f"SELECT id::INTEGER FROM {table}") == [(3,)]
    run(f"DROP TABLE {table}")


def test_what_snowflake_commits_by_itself_is_kept_apart(server, run, there, snowflake):
    run("DROP TABLE IF EXISTS snow.public.made")
    run("CREATE TABLE snow.public.apart (v BIGINT)")
    run("CREATE TABLE snow.public.beside (v BIGINT)")
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        def refuses(*statements, words):
            for statement in statements[:-1]:
                cursor.execute(statement)
            refused(lambda: cursor.execute(statements[-1]), "snow", "COMMIT first", *words)
            connection.rollback()

        insert = "INSERT INTO snow.public.apart VALUES (1)"
        refuses(insert, "CREATE TABLE snow.public.late (v BIGINT)", words=["CREATE TABLE"])
        refuses(insert, "DROP TABLE snow.public.apart", words=["DROP TABLE"])
        refuses("CREATE TABLE snow.public.early (v BIGINT)", "CREATE TABLE snow.public.late (v BIGINT)", words=["CREATE TABLE"])
        cursor.execute("DROP TABLE snow.public.apart")
        refused(lambda: cursor.execute(insert), "apart")
        connection.rollback()
        refuses("DROP TABLE snow.public.apart", "INSERT INTO snow.public.beside VALUES (1)", words=["DROP TABLE"])
        # Rolled back, a new table is dropped, and one that was dropped is there.
        assert there("SELECT table_name FROM information_schema.tables WHERE table_schema = 'PUBLIC' ORDER BY 1") == [("APART",), ("BESIDE",)]
        assert run("SELECT count(*) FROM snow.public.apart") == [(0,)]
        cursor.execute("CREATE TABLE snow.public.early (v BIGINT)")
        cursor.execute("INSERT INTO snow.public.early VALUES (1)")
        cursor.execute(insert)
        connection.commit()
        assert run("SELECT e.v::INTEGER FROM snow.public.early e JOIN snow.public.apart a USING (v)") == [(1,)]
        before = len(snowflake.statements)
        cursor.execute("DROP TABLE snow.public.early")
        assert "DROP" not in snowflake.statements[before:]
        connection.commit()
        assert "COMMIT;\nINFO" in snowflake.statements[before:].split("DROP TABLE")[0]
    # The rows of a CREATE TABLE AS that fail leave no table.
    refused(lambda: run("CREATE TABLE snow.public.failed AS SELECT chr(CASE WHEN i = 1500 THEN 0 ELSE 65 END) AS c FROM range(2000) t(i)"),
            "Column C, row 1500", "NUL")
    refused(lambda: run("SELECT * FROM snow.public.failed"), "failed")
    refused(lambda: run("CREATE TABLE snow.public.failed AS SELECT [1] AS c"), "Column c", "cast it")
    refused(lambda: run("CREATE TABLE snow.nowhere.failed (c BIGINT)"), "nowhere")
    assert there("SELECT table_name FROM information_schema.tables WHERE table_schema = 'PUBLIC' ORDER BY 1") == [("APART",), ("BESIDE",)]
    for table in ("apart", "beside"):
        run(f"DROP TABLE snow.public.{table}")


def test_merge(run):
    table = "snow.public.merged"
    run(f"CREATE TABLE {table} (id BIGINT PRIMARY KEY, v VARCHAR, n INTEGER)")
    run(f"INSERT INTO {table} VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', NULL)")
    run("CREATE TABLE news AS FROM (VALUES (1, 'A', 10), (2, 'B', NULL), (3, 'gone', 0), (7, 'new', 7), (8, 'skipped', -1)) t(id, v, n)")
    merge = (f"MERGE INTO {table} t USING news s ON t.id = s.id WHEN MATCHED AND s.v = 'gone' THEN DELETE "
             "WHEN MATCHED AND s.n IS NULL THEN UPDATE SET v = s.v || t.v, n = NULL "
             "WHEN MATCHED THEN UPDATE SET n = t.n + s.n WHEN NOT MATCHED AND s.n < 0 THEN DO NOTHING "
             "WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)")
    assert run(merge) == 4
    assert run(f"SELECT id::INTEGER, v, n::INTEGER FROM {table} ORDER BY id") == [
        (1, "a", 11), (2, "Bb", None), (4, "d", None), (7, "new", None)]
    before = run(f"SELECT * FROM {table} ORDER BY id")
    for whens in ("WHEN MATCHED THEN UPDATE SET n = 1", "WHEN MATCHED THEN DELETE"):
        refused(lambda whens=whens: run(f"MERGE INTO {table} t USING (VALUES (1, 1), (1, 2)) s(id, k) ON t.id = s.id {whens}"),
                "each row is found once")
    refused(lambda: run(f"MERGE INTO {table} t USING news s ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = s.n + 0.5"), "Column N, row 0", "10.5")
    refused(lambda: run(f"INSERT INTO {table} (id, v) VALUES (1, 'x'), (1, 'y') ON CONFLICT (id) DO UPDATE SET v = excluded.v"), "Row 1", "MERGED")
    assert run(f"SELECT * FROM {table} ORDER BY id") == before
    run(f"DROP TABLE {table}")


def test_rows_are_told_apart_by_a_primary_key_alone(run, there):
    there("CREATE TABLE keyless (v INT)")
    there("CREATE TABLE times (t TIMESTAMP_NTZ PRIMARY KEY, v INT)")
    there("CREATE TABLE two (a VARCHAR, b INT, d DATE, c VARCHAR, PRIMARY KEY (a, b, d))")
    there("CREATE VIEW seen AS SELECT * FROM two")
    there("INSERT INTO keyless VALUES (1), (1)")
    for sql in ("DELETE FROM snow.public.keyless", "UPDATE snow.public.keyless SET v = 2",
                "INSERT INTO snow.public.keyless VALUES (1) ON CONFLICT DO NOTHING"):
        refused(lambda sql=sql: run(sql), "KEYLESS", "primary key")
    refused(lambda: run("UPDATE snow.public.times SET v = 2"), "TIMES", "TIMESTAMP_NTZ")
    refused(lambda: run("INSERT INTO snow.public.seen (a) VALUES ('x')"), "SEEN", "VIEW")
    run("INSERT INTO snow.public.two VALUES ('1,', 1, '2020-01-01', 'x'), ('1', 1, '2020-01-01', 'y'), ('', 11, '2020-01-01', 'z')")
    assert run("UPDATE snow.public.two SET c = c || '2' WHERE a <> '1'") == 2
    assert run("DELETE FROM snow.public.two WHERE a = ''") == 1
    assert run("SELECT a, c FROM snow.public.two ORDER BY a") == [("1", "y"), ("1,", "x2")]
    refused(lambda: run("UPDATE snow.public.two SET b = 5"), "primary key", "insert the row under its new key")
    refused(lambda: run("INSERT INTO snow.public.two VALUES ('1', 1, '2020-01-01', 'q') ON CONFLICT (a) DO NOTHING"), "unique", "a")
    assert run("INSERT INTO snow.public.two VALUES ('1', 1, '2020-01-01', 'q') ON CONFLICT (a, b, d) DO UPDATE SET c = excluded.c") == 1
    assert run("SELECT c FROM snow.public.two WHERE a = '1'") == [("q",)]
    there("DROP VIEW seen")
    for table in ("keyless", "times", "two"):
        run(f"DROP TABLE snow.public.{table}")


def test_concurrent_writers(server, run):
    run("CREATE TABLE snow.public.at_once (writer BIGINT, i BIGINT)")
    insert_at_once(server, "snow.public.at_once", writers=4, rows=10)
    assert run("SELECT count(*), count(DISTINCT (writer, i)) FROM snow.public.at_once") == [(40, 40)]
    run("DROP TABLE snow.public.at_once")


# ---- the traps of the driver, each by its name


def test_trap_bound_rows_are_a_request_each(server, run, snowflake):
    run("CREATE TABLE snow.public.bound (i BIGINT, t VARCHAR)")
    before = len(snowflake.statements)
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO snow.public.bound VALUES (?, ?)", [(i, f"t{i}") for i in range(300)])
    assert snowflake.statements[before:].count('INSERT INTO "PUBLIC"."BOUND"') == 1
    assert run("SELECT count(*), sum(i)::BIGINT, max(t) FROM snow.public.bound") == [(300, 299 * 150, "t99")]
    run("DROP TABLE snow.public.bound")


def test_trap_a_transaction_of_the_driver_is_begun_twice(server, run, snowflake):
    run("CREATE TABLE snow.public.once (v BIGINT)")
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        before = len(snowflake.statements)
        cursor.execute("INSERT INTO snow.public.once VALUES (1)")
        cursor.execute("INSERT INTO snow.public.once VALUES (2)")
        connection.commit()
        sent = snowflake.statements[before:]
    assert [sent.count(word) for word in ("\nBEGIN;", "\nCOMMIT;", "ALTER SESSION")] == [1, 1, 0]
    assert sorted(run("SELECT v::INTEGER FROM snow.public.once")) == [(1,), (2,)]
    run("DROP TABLE snow.public.once")


def test_trap_an_ingest_that_fails_leaves_an_empty_table(server, there):
    with connected(server) as connection, connection.cursor() as cursor:
        rows = pa.table({"t": ["fine"] * 1500 + ["not\0fine"]})
        refused(lambda: cursor.adbc_ingest("emptied", rows, mode="create", catalog_name="snow", db_schema_name="public"),
                "Column T, row 1500", "NUL")
    assert there("SELECT count(*) FROM information_schema.tables WHERE table_name = 'EMPTIED'")[0][0] == 0


def test_trap_an_error_of_the_http_server_is_repeated_for_a_minute(run, snowflake):
    """The emulator's own failure, HTTP 500, at a key that is there: an error within the time that a statement has."""
    run(snowflake.attach("brief", ", STATEMENT_TIMEOUT '3 s'"))
    run("CREATE TABLE brief.public.keyed (v BIGINT PRIMARY KEY)")
    run("INSERT INTO brief.public.keyed VALUES (1)")
    began = time.monotonic()
    refused(lambda: run("INSERT INTO brief.public.keyed VALUES (2), (1)"), "brief")
    assert time.monotonic() - began < 12
    assert run("SELECT v::INTEGER FROM brief.public.keyed") == [(1,)]
    run("DROP TABLE brief.public.keyed")
    run("DETACH brief")


def test_what_ends_a_write_ends_its_transaction(server, run, snowflake):
    """The driver's process, or the emulator, dies between a write and its commit."""
    run("CREATE TABLE snow.public.ends (v BIGINT)")
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO snow.public.ends VALUES (1)")
        for host in server.driver_hosts():
            os.kill(host, signal.SIGSEGV)
        refused(connection.commit, "snow")
    assert run("INSERT INTO snow.public.ends VALUES (2)") == 1
    run("DROP TABLE snow.public.ends")
    with SnowflakeServer() as first:
        run(first.attach("moving", ", STATEMENT_TIMEOUT '4 s', CONNECT_TIMEOUT '4 s'"))
        run("CREATE TABLE moving.public.ends (v BIGINT)")
        with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO moving.public.ends VALUES (1)")
            first.kill()
            began = time.monotonic()
            refused(connection.commit, "moving", "not known whether it was carried out")
            assert time.monotonic() - began < 20
        with SnowflakeServer(first.port):
            def answers():
                try:
                    run("CREATE TABLE IF NOT EXISTS moving.public.ends (v BIGINT)")
                    return run("INSERT INTO moving.public.ends VALUES (2)") == 1
                except adbc_driver_manager.Error:
                    return False

            wait_until(answers, seconds=60, what="the backend's recovery")
            assert run("SELECT v::INTEGER FROM moving.public.ends") == [(2,)]
            run("DETACH moving")


def test_a_write_that_takes_too_long_is_ended(server, run, snowflake):
    with FaultyProxy(snowflake.port) as proxy:
        run(snowflake.attach("behind", ", STATEMENT_TIMEOUT '2 s', CONNECT_TIMEOUT '2 s'").replace(f"'{snowflake.port}'", f"'{proxy.port}'"))
        run("CREATE TABLE behind.public.waits (v BIGINT)")
        with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO behind.public.waits VALUES (1)")
            proxy.mode = "hang"
            began = time.monotonic()
            refused(lambda: cursor.execute("INSERT INTO behind.public.waits VALUES (2)"), "behind had not answered within its statement_timeout of 2000 ms")
            assert time.monotonic() - began < 15
        proxy.mode = "pass"

        def answers():
            try:
                return run("SELECT count(*) FROM behind.public.waits") == [(0,)]
            except adbc_driver_manager.Error:
                return False

        wait_until(answers, seconds=60, what="the backend's recovery")
        run("DROP TABLE behind.public.waits")
        run("DETACH behind")


def test_a_commit_whose_answer_is_lost_is_none_that_was_refused(server, run, snowflake):
    """The driver gives an error of the way there a state of its own, 08006."""
    run("CREATE TABLE snow.public.lost (v BIGINT)")
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO snow.public.lost VALUES (1)")
        with snowflake.losing_answers_to_commit():
            refused(connection.commit, "snow", "not known whether it was carried out")
    assert run("SELECT v::INTEGER FROM snow.public.lost") == [(1,)]
    run("DROP TABLE snow.public.lost")
