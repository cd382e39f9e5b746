"""Statements, parameters, updates and scripts through the stock Python driver."""

import datetime

import pyarrow as pa
import pytest
from adbc_calls import arrow, rows, run, value


def error(connection, sql, parameters=None):
    """The error of a statement that must fail, at once or while it is read."""
    with pytest.raises(connection.Error) as caught, connection.cursor() as cursor:
        cursor.execute(sql, parameters).fetchall()
    return caught.value


# ---- queries

def test_query(auto):
    with auto.cursor() as cursor:
        cursor.execute("SELECT i, 'n' || i AS name FROM range(3) t(i)")
        assert cursor.rowcount == -1
        assert [column[0] for column in cursor.description] == ["i", "name"]
        assert cursor.fetchone() == (0, "n0")
        assert cursor.fetchmany(5) == [(1, "n1"), (2, "n2")]
        assert cursor.fetchone() is None


def test_empty_result_has_a_schema(auto):
    table = arrow(auto, "SELECT 1 AS a, 'x' AS b WHERE false")
    assert table.num_rows == 0
    assert table.schema == pa.schema([("a", pa.int32()), ("b", pa.string())])


def test_duplicate_and_odd_column_names(auto):
    table = arrow(auto, 'SELECT 1 AS a, 2 AS a, 3 AS " ", 4 AS "größe ""x"""')
    assert [c[0].as_py() for c in table.columns] == [1, 2, 3, 4]
    assert table.schema.names == ["a", "a", " ", 'größe "x"']


def test_comments_and_semicolons(auto):
    assert value(auto, "/* first */ SELECT 42; -- COPY") == 42


def test_two_statements_in_a_query_are_refused(auto):
    assert "One statement per call" in str(error(auto, "SELECT 1; SELECT 2"))


def test_empty_text_is_refused(auto):
    assert "INVALID_ARGUMENT" in str(error(auto, " -- nothing"))


def test_explain_names_the_route(auto):
    text = "\n".join(str(row) for row in rows(auto, "EXPLAIN SELECT 1"))
    assert "route" in text and "local" in text


def test_describe_show_and_summarize(auto, unique):
    run(auto, f"CREATE TABLE {unique} (i INTEGER, s VARCHAR)")
    assert [row[:2] for row in rows(auto, f"DESCRIBE {unique}")] == [("i", "INTEGER"), ("s", "VARCHAR")]
    assert (unique,) in rows(auto, "SHOW TABLES")
    assert [row[0] for row in rows(auto, f"SUMMARIZE {unique}")] == ["i", "s"]


# ---- windows over any table

def test_windows_with_bound_widths(auto, unique):
    run(auto, f"CREATE TABLE {unique} (ts TIMESTAMP, k INTEGER)")
    run(auto, f"INSERT INTO {unique} VALUES ('2026-03-02 10:00:00', 1), ('2026-03-02 10:07:00', 1), (NULL, 1)")
    hour = datetime.datetime(2026, 3, 2, 10)
    hops = f"SELECT window_start, window_end, count(*) FROM hop({unique}, ts, ?, ?) GROUP BY ALL ORDER BY ALL"
    five, ten = (pa.scalar(pa.MonthDayNano([0, 0, n * 60 * 10**9])) for n in (5, 10))
    with auto.cursor() as cursor:
        cursor.execute(hops, pa.record_batch([pa.array([five.as_py()]), pa.array([ten.as_py()])], names=["a", "b"]))
        found = [((row[0] - hour).seconds // 60 % 1440, (row[1] - row[0]).seconds, row[2]) for row in cursor.fetchall()]
    assert found == [(1435, 600, 1), (0, 600, 2), (5, 600, 1)]
    sessions = f"SELECT count(DISTINCT window_start) FROM session({unique}, ts, ?::INTERVAL, k)"
    assert value(auto, sessions, ("7 minutes",)) == 2
    assert value(auto, sessions, ("8 minutes",)) == 1
    assert "is longer than its size" in str(
        error(auto, f"FROM hop({unique}, ts, ?::INTERVAL, ?::INTERVAL)", ("2 hours", "1 hour")))


# ---- parameters

def test_one_row_of_parameters(auto):
    assert rows(auto, "SELECT ?::INTEGER + 1, ?, ?", (41, "x", None)) == [(42, "x", None)]


def test_numbered_parameters(auto):
    assert rows(auto, "SELECT $2 || $1 || $2", ("a", "b")) == [("bab",)]


def test_python_values(auto):
    day = datetime.date(2024, 1, 2)
    moment = datetime.datetime(2024, 1, 2, 3, 4, 5, 6)
    given = (True, 2**40, 1.5, "text", b"\x00\xff", day, moment, None)
    assert rows(auto, "SELECT ?, ?, ?, ?, ?, ?, ?, ?", given) == [given]


def test_null_is_null_and_not_the_text_null(auto, unique):
    run(auto, f"CREATE TABLE {unique} (s VARCHAR, i INTEGER)")
    run(auto, f"INSERT INTO {unique} VALUES (?, ?)", (None, None))
    assert rows(auto, f"SELECT s IS NULL, i IS NULL, ? IS NULL FROM {unique}", (None,)) == [(True, True, True)]


def test_untyped_parameters_take_the_type_of_their_value(auto):
    assert arrow(auto, "SELECT ? AS x", (1,)).schema.field("x").type == pa.int64()
    assert arrow(auto, "SELECT ? AS x", ("1",)).schema.field("x").type == pa.string()
    assert arrow(auto, "SELECT [?] AS x", (1.5,)).column("x").to_pylist() == [[1.5]]


def test_a_query_runs_once_for_each_row_of_parameters(auto):
    bound = pa.record_batch({"n": pa.array([2, 0, 3])})
    assert rows(auto, "SELECT ?::BIGINT AS n, i FROM range(10) t(i) WHERE i < $1", bound) == [
        (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]


def test_no_row_of_parameters_is_not_sent_by_the_driver(auto):
    empty = pa.record_batch({"n": pa.array([], pa.int64())})
    assert "1 parameters but 0" in str(error(auto, "SELECT ?::BIGINT AS n", empty))


def test_executemany(auto, unique):
    run(auto, f"CREATE TABLE {unique} (i INTEGER, s VARCHAR)")
    with auto.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {unique} VALUES (?, ?)", [(1, "a"), (2, None), (None, "c")])
        assert cursor.rowcount == 3
        cursor.executemany(f"INSERT INTO {unique} VALUES (?, ?)", [])
        cursor.executemany(f"UPDATE {unique} SET s = ? WHERE i = ?", [("z", 1), ("y", 7)])
        assert cursor.rowcount == 1
    assert rows(auto, f"SELECT * FROM {unique} ORDER BY ALL") == [(1, "z"), (2, None), (None, "c")]


def test_executemany_without_rows_repeats_none_of_those_before(auto, unique):
    run(auto, f"CREATE TABLE {unique} (i INTEGER)")
    empty = pa.record_batch({"i": pa.array([], pa.int32())})
    with auto.cursor() as cursor:
        insert = f"INSERT INTO {unique} VALUES (?)"
        cursor.executemany(insert, [(1,)])
        for nothing in (pa.Table.from_batches([], empty.schema), pa.Table.from_batches([empty])):
            cursor.executemany(insert, nothing)
            assert cursor.rowcount == 0
        for unsent in (empty, iter([])):  # the driver sends neither rows nor columns
            with pytest.raises(auto.Error, match="1 parameters but 0"):
                cursor.executemany(insert, unsent)
        cursor.execute(insert, pa.record_batch({"i": pa.array([2], pa.int32())}))
        with pytest.raises(auto.Error, match="1 parameters but 0"):
            cursor.executemany(insert, empty)
    assert rows(auto, f"SELECT * FROM {unique} ORDER BY ALL") == [(1,), (2,)]


def test_a_failing_row_of_parameters_leaves_none_behind(auto, unique):
    run(auto, f"CREATE TABLE {unique} (i INTEGER NOT NULL)")
    with auto.cursor() as cursor, pytest.raises(auto.Error, match="NOT NULL"):
        cursor.executemany(f"INSERT INTO {unique} VALUES (?)", [(1,), (2,), (None,)])
    assert value(auto, f"SELECT count(*) FROM {unique}") == 0


def test_many_batches_of_parameters(auto, unique):
    run(auto, f"CREATE TABLE {unique} (i BIGINT)")
    batches = [pa.record_batch({"i": pa.array(range(k, k + 100))}) for k in range(0, 500, 100)]
    with auto.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {unique} VALUES (?)", pa.Table.from_batches(batches))
        assert cursor.rowcount == 500
    assert value(auto, f"SELECT sum(i) FROM {unique}") == sum(range(500))


def test_wrong_number_of_parameters(auto):
    assert "2 parameters but 1" in str(error(auto, "SELECT ?::INTEGER, ?::INTEGER", (1,)))
    assert "1 parameters but 0" in str(error(auto, "SELECT ?::INTEGER"))


def test_a_parameter_that_does_not_convert(auto):
    text = str(error(auto, "SELECT ?::INTEGER + 1", ("abc",)))
    assert "INVALID_ARGUMENT" in text and "abc" in text


def test_parameters_by_name_are_beyond_the_driver(auto):
    """The Go driver under it has no such option (docs/flight.md, "Clients' own limits")."""
    with auto.cursor() as cursor, pytest.raises(auto.NotSupportedError, match="bind_by_name"):
        cursor.execute("SELECT $a", {"a": 1})


def test_prepared_statement_is_used_again_with_other_values(auto):
    with auto.cursor() as cursor:
        cursor.adbc_prepare("SELECT ?::BIGINT * 2")
        for i in range(5):
            assert cursor.execute("SELECT ?::BIGINT * 2", (i,)).fetchall() == [(2 * i,)]


def test_prepared_statement_follows_its_table(auto, unique):
    run(auto, f"CREATE TABLE {unique} (i INTEGER)")
    run(auto, f"INSERT INTO {unique} VALUES (1)")
    query = f"SELECT * FROM {unique}"
    with auto.cursor() as cursor:
        assert cursor.execute(query).fetch_arrow_table().schema.names == ["i"]
        run(auto, f"ALTER TABLE {unique} ADD COLUMN s VARCHAR DEFAULT 'new'")
        assert cursor.execute(query).fetchall() == [(1, "new")]
        run(auto, f"ALTER TABLE {unique} ALTER i TYPE VARCHAR")
        assert cursor.execute(query).fetchall() == [("1", "new")]
        run(auto, f"DROP TABLE {unique}")
        with pytest.raises(auto.Error, match="NOT_FOUND"):
            cursor.execute(query).fetchall()
        run(auto, f"CREATE TABLE {unique} (d DATE)")
        assert cursor.execute(query).fetch_arrow_table().schema == pa.schema([("d", pa.date32())])


def test_prepared_statement_follows_the_session(auto, unique):
    with auto.cursor() as cursor, auto.cursor() as other:
        other.execute(f"CREATE TABLE {unique} (k INTEGER, z TIMESTAMPTZ)")
        other.execute(f"INSERT INTO {unique} VALUES (1, '2024-01-01 00:00:00+00')")
        sql = f"SELECT max(z) AS z, max(k) AS k FROM {unique}"
        cursor.adbc_prepare(sql)
        for setting in ("SET TimeZone = 'America/New_York'", "RESET TimeZone"):
            other.execute(setting)
            for _ in range(2):
                cursor.execute(sql)
                table = cursor.fetch_arrow_table()
                assert table.column("k").to_pylist() == [1]
        assert table.schema.field("z").type.tz == "UTC"
        other.execute(f"CREATE TEMP TABLE {unique} (k VARCHAR, z VARCHAR)")
        other.execute(f"INSERT INTO {unique} VALUES ('own', 'own')")
        cursor.execute(sql)
        assert cursor.fetch_arrow_table().to_pylist() == [{"z": "own", "k": "own"}]
        other.execute(f"DROP TABLE temp.{unique}")
        cursor.execute(sql)
        assert cursor.fetch_arrow_table().column("k").to_pylist() == [1]
        other.execute("BEGIN")
        other.execute(f"CREATE TEMP TABLE {unique} (k VARCHAR, z VARCHAR)")
        with auto.cursor() as within:
            within.adbc_prepare(sql)
            within.execute(sql)
            assert within.fetch_arrow_table().to_pylist() == [{"z": None, "k": None}]
            other.execute("ROLLBACK")
            for _ in range(2):
                within.execute(sql)
                assert within.fetch_arrow_table().column("k").to_pylist() == [1]
        other.execute(f"DROP TABLE {unique}")


def test_prepared_insert_follows_its_table(auto, unique):
    run(auto, f"CREATE TABLE {unique} (i INTEGER)")
    with auto.cursor() as cursor:
        cursor.execute(f"INSERT INTO {unique} VALUES (?)", (1,))
        run(auto, f"ALTER TABLE {unique} ALTER i TYPE VARCHAR")
        cursor.execute(f"INSERT INTO {unique} VALUES (?)", ("two",))
    assert rows(auto, f"SELECT * FROM {unique} ORDER BY i") == [("1",), ("two",)]


# ---- updates and DDL

def test_update_counts(auto, unique):
    assert run(auto, f"CREATE TABLE {unique} (i INTEGER PRIMARY KEY, v INTEGER)") == 0
    assert run(auto, f"INSERT INTO {unique} SELECT i, i FROM range(10) t(i)") == 10
    assert run(auto, f"UPDATE {unique} SET v = 0 WHERE i < 4") == 4
    assert run(auto, f"UPDATE {unique} SET v = ? WHERE i = ?", (5, 77)) == 0
    assert run(auto, f"INSERT INTO {unique} VALUES (1, 9), (11, 9) ON CONFLICT DO UPDATE SET v = excluded.v") == 2
    assert run(auto, f"INSERT INTO {unique} VALUES (1, 9), (12, 9) ON CONFLICT DO NOTHING") == 1
    assert run(auto, f"DELETE FROM {unique} WHERE i > 8") == 3
    assert run(auto, f"MERGE INTO {unique} USING (SELECT 1 AS k) s ON {unique}.i = s.k WHEN MATCHED THEN DELETE") == 1
    assert run(auto, f"TRUNCATE {unique}") == 8
    assert run(auto, f"DROP TABLE {unique}") == 0


def test_returning(auto, unique):
    run(auto, f"CREATE TABLE {unique} (i INTEGER)")
    assert rows(auto, f"INSERT INTO {unique} VALUES (1), (2) RETURNING i * 10 AS x") == [(10,), (20,)]
    assert rows(auto, f"DELETE FROM {unique} WHERE i = ? RETURNING i", (1,)) == [(1,)]
    assert rows(auto, f"WITH d AS (DELETE FROM {unique} RETURNING i) SELECT sum(i) FROM d") == [(2,)]
    assert value(auto, f"SELECT count(*) FROM {unique}") == 0


def test_ddl(auto, unique):
    run(auto, f"CREATE SCHEMA s_{unique}")
    run(auto, f"CREATE TABLE s_{unique}.t (i INTEGER CHECK (i > 0), j INTEGER DEFAULT 7)")
    run(auto, f"CREATE VIEW s_{unique}.v AS SELECT i + j AS k FROM s_{unique}.t")
    run(auto, f"CREATE SEQUENCE s_{unique}.q")
    run(auto, f"CREATE INDEX x_{unique} ON s_{unique}.t (i)")
    run(auto, f"CREATE MACRO s_{unique}.plus(a, b) AS a + b")
    run(auto, f"INSERT INTO s_{unique}.t (i) VALUES (nextval('s_{unique}.q'))")
    assert rows(auto, f"SELECT k, s_{unique}.plus(k, 1) FROM s_{unique}.v") == [(8, 9)]
    assert "CHECK" in str(error(auto, f"INSERT INTO s_{unique}.t VALUES (0, 0)"))
    run(auto, f"DROP INDEX s_{unique}.x_{unique}")
    run(auto, f"ALTER TABLE s_{unique}.t RENAME COLUMN j TO jj")
    run(auto, f"DROP SCHEMA s_{unique} CASCADE")
    assert "NOT_FOUND" in str(error(auto, f"SELECT * FROM s_{unique}.t"))


def test_create_table_as(auto, unique):
    assert run(auto, f"CREATE TABLE {unique} AS SELECT * FROM range(5) t(i)") in (0, 5)
    assert value(auto, f"SELECT count(*) FROM {unique}") == 5


def test_temporary_tables_belong_to_the_session(auto, other, unique):
    run(auto, f"CREATE TEMPORARY TABLE {unique} AS SELECT 5 AS v")
    assert value(auto, f"SELECT v FROM {unique}") == 5
    assert "NOT_FOUND" in str(error(other, f"SELECT v FROM {unique}"))


def test_views_and_odd_identifiers(auto, unique):
    name = f'"{unique} ""größe"" . 🦆"'
    run(auto, f'CREATE TABLE {name} ("a b" INTEGER)')
    run(auto, f"INSERT INTO {name} VALUES (?)", (3,))
    assert value(auto, f'SELECT "a b" FROM {name}') == 3


# ---- executescript

def test_script(auto, unique):
    with auto.cursor() as cursor:
        cursor.executescript(
            f"CREATE TABLE {unique} (i INTEGER); INSERT INTO {unique} VALUES (1), (2); -- and\nDELETE FROM {unique} WHERE i = 1;")
    assert rows(auto, f"SELECT * FROM {unique}") == [(2,)]


def test_script_whose_third_statement_fails_leaves_nothing(auto, unique):
    with auto.cursor() as cursor, pytest.raises(auto.Error, match="(?s)Statement 3 of 3.*none of them was applied"):
        cursor.executescript(f"CREATE TABLE {unique} (i INTEGER); INSERT INTO {unique} VALUES (1); INSERT INTO no_{unique} VALUES (1)")
    assert "NOT_FOUND" in str(error(auto, f"SELECT * FROM {unique}"))


def test_script_commits_what_was_open(connection, other, unique):
    run(connection, f"CREATE TABLE {unique} (i INTEGER)")
    with connection.cursor() as cursor:
        cursor.executescript(f"INSERT INTO {unique} VALUES (1); INSERT INTO {unique} VALUES (2)")
    assert value(other, f"SELECT count(*) FROM {unique}") == 0
    connection.commit()
    assert value(other, f"SELECT count(*) FROM {unique}") == 2


# ---- what must not run anything

def test_prepare_and_schema_run_nothing(auto, unique):
    run(auto, f"CREATE TABLE {unique} (i INTEGER)")
    insert = f"INSERT INTO {unique} VALUES (1)"
    with auto.cursor() as cursor:
        assert len(cursor.adbc_prepare(insert)) == 0
        assert len(cursor.adbc_execute_schema(insert)) == 0
        assert cursor.adbc_execute_schema(f"{insert} RETURNING i").names == ["i"]
        assert cursor.adbc_execute_schema(f"DELETE FROM {unique} RETURNING i, 'x' AS s").names == ["i", "s"]
        cursor.adbc_prepare(f"DROP TABLE {unique}")
        cursor.adbc_prepare(f"CREATE TABLE n_{unique} (i INTEGER)")
    assert value(auto, f"SELECT count(*) FROM {unique}") == 0
    assert "NOT_FOUND" in str(error(auto, f"SELECT * FROM n_{unique}"))


# ---- errors

def test_missing_table_is_not_found_with_a_suggestion(auto, unique):
    run(auto, f"CREATE TABLE sales_{unique}_monthly (i INTEGER)")
    text = str(error(auto, f"SELECT * FROM sales_{unique}_monthli"))
    assert "NOT_FOUND" in text and f"sales_{unique}_monthly" in text
    text = str(error(auto, f"INSERT INTO sales_{unique}_monthli VALUES (1)"))
    assert "NOT_FOUND" in text and f"sales_{unique}_monthly" in text


def test_existing_table_is_already_exists(auto, unique):
    run(auto, f"CREATE TABLE {unique} (i INTEGER)")
    text = str(error(auto, f"CREATE TABLE {unique} (i INTEGER)"))
    assert "ALREADY_EXISTS" in text and unique in text


def test_syntax_error_says_where(auto):
    text = str(error(auto, "SELECT 1\nFROM range(3)\nWHERE WHERE"))
    assert "INVALID_ARGUMENT" in text and "WHERE" in text and "line 3, column 7" in text


def test_unknown_column_names_the_nearest(auto):
    text = str(error(auto, "SELECT rangee FROM range(3)"))
    assert "INVALID_ARGUMENT" in text and "rangee" in text and '"range"' in text


def test_errors_never_echo_a_whole_statement(auto):
    text = str(error(auto, "SELECT no_such_column_of_mine /* " + "secret " * 3000 + "*/ FROM range(3)"))
    assert "no_such_column_of_mine" in text and "secret" not in text and len(text) < 5000


def test_failing_statement_leaves_the_connection_usable(auto):
    error(auto, "SELECT 1/'x'")
    error(auto, "SELEC")
    assert value(auto, "SELECT 1") == 1


@pytest.mark.parametrize("sql", [
    "COPY (SELECT 1) TO '/tmp/x.csv'", "SELECT * FROM read_csv('/etc/passwd')", "ATTACH ':memory:' AS m", "INSTALL httpfs",
    "SET memory_limit = '1TB'", "SELECT * FROM arrow_scan(1, 2, 3)", "PRAGMA database_list", "EXPORT DATABASE '/tmp/x'",
    "CALL enable_logging()", "SELECT * FROM '/etc/passwd'", "LOAD '/tmp/x.so'", "CHECKPOINT",
])
def test_what_clients_may_not_do(auto, sql):
    assert "INVALID_ARGUMENT" in str(error(auto, sql)) or "NOT_FOUND" in str(error(auto, sql))
    with auto.cursor() as cursor, pytest.raises(auto.Error):
        cursor.adbc_prepare(sql)
        cursor.adbc_execute_schema(sql)
    with auto.cursor() as cursor, pytest.raises(auto.Error):
        cursor.executescript(f"SELECT 1; {sql}")
