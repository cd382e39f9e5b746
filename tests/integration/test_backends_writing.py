"""Tables of backends changed through the server's port: SQL, ingest and transactions of stock clients."""

import os
import signal

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from duckdb_file import an_empty_file
from flight_sql_client import USERS, connected, insert_at_once, refused, runner
from postgres_server import PostgresServer
from server_process import ServerProcess


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer(password="pg-hunter2-writing") as server:
        server.run("CREATE SCHEMA s")
        yield server


@pytest.fixture(scope="module")
def duckdb_file(tmp_path_factory):
    return an_empty_file(tmp_path_factory.mktemp("duck"))


@pytest.fixture(scope="module")
def cold():
    """Another Hyprstream."""
    with ServerProcess(environment={"HYPRSTREAM_USERS": 'front = { token = "cold-hunter2-writing", admin = true }'}) as process:
        yield process


@pytest.fixture(scope="module")
def server(postgres, duckdb_file, cold, tmp_path_factory):
    environment = {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    with ServerProcess(environment=environment) as process:
        file = tmp_path_factory.mktemp("lite") / "lite.db"
        with connected(process) as connection, connection.cursor() as cursor:
            cursor.execute(f"ATTACH '{postgres.uri}' AS warehouse (TYPE adbc, DRIVER 'postgresql')")
            cursor.execute(f"ATTACH '{postgres.uri}' AS apart (TYPE adbc, DRIVER 'postgresql', ISOLATE true)")
            cursor.execute(f"ATTACH 'file:{file}' AS lite (TYPE adbc, DRIVER 'sqlite')")
            cursor.execute(f"ATTACH 'file:{file}2' AS lite_apart (TYPE adbc, DRIVER 'sqlite', ISOLATE true)")
            cursor.execute(f"ATTACH '{duckdb_file}' AS duck (TYPE adbc, DRIVER 'duckdb')")
            cursor.execute(f"ATTACH '{cold.url}' AS cold (TYPE adbc, DRIVER 'flightsql', DIALECT 'hyprstream', "
                           "\"adbc.flight.sql.authorization_header\" 'Bearer cold-hunter2-writing')")
        yield process


@pytest.fixture
def run(server):
    with runner(server) as execute:
        yield execute


BACKENDS = pytest.mark.parametrize("schema", ["warehouse.s", "apart.s", "lite.main", "lite_apart.main", "duck.main", "cold.main"])
POSTGRES = pytest.mark.parametrize("schema", ["warehouse.s", "apart.s"])  # its driver in the server, and in a process of its own


@BACKENDS
def test_a_table_lives_from_create_to_drop(run, schema):
    table = f"{schema}.lives"
    run(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name VARCHAR NOT NULL, d DATE, amount DOUBLE)")
    refused(lambda: run(f"CREATE TABLE {table} (id INTEGER)"), "already exists")
    run(f"CREATE TABLE IF NOT EXISTS {table} (id INTEGER)")
    assert run(f"INSERT INTO {table} VALUES (1, 'ann', DATE '2013-01-02', 0.5), (2, 'bob', NULL, 1)") == 2
    assert run(f"INSERT INTO {table} (name, id) SELECT 'n' || i, i FROM range(10, 20) t(i)") == 10
    assert run(f"SELECT id, name, d::VARCHAR, amount FROM {table} WHERE id < 11 ORDER BY id") == [
        (1, "ann", "2013-01-02", 0.5), (2, "bob", None, 1.0), (10, "n10", None, None)]
    assert run(f"UPDATE {table} SET name = upper(name), amount = id WHERE id <= 2") == 2
    assert run(f"DELETE FROM {table} WHERE id >= 15") == 5
    assert run(f"UPDATE {table} AS t SET amount = x.v FROM (VALUES (1, 7.5), (2, 8.5)) AS x(id, v) WHERE t.id = x.id") == 2
    assert run(f"SELECT name, amount FROM {table} WHERE id <= 2 ORDER BY id") == [("ANN", 7.5), ("BOB", 8.5)]
    assert run(f"INSERT INTO {table} VALUES (1, 'again', NULL, 1), (99, 'new', NULL, 2) "
               "ON CONFLICT (id) DO UPDATE SET name = excluded.name") == 2
    assert run(f"INSERT INTO {table} (id, name) VALUES (1, 'never') ON CONFLICT (id) DO NOTHING") == 0
    assert run(f"SELECT name, amount FROM {table} WHERE id IN (1, 99) ORDER BY id") == [("again", 7.5), ("new", 2.0)]
    run(f"CREATE TABLE {table}_2 AS SELECT id, name FROM {table} WHERE id < 12")
    assert run(f"SELECT count(*) FROM {table}_2") == [(4,)]
    for name in (table, f"{table}_2"):
        run(f"DROP TABLE {name}")
    run(f"DROP TABLE IF EXISTS {table}")
    refused(lambda: run(f"SELECT * FROM {table}"), "lives")


@BACKENDS
def test_what_a_column_cannot_hold_is_refused_with_its_place(run, schema):
    table = f"{schema}.exact"
    run(f"CREATE TABLE {table} (i BIGINT, d DATE)")
    refused(lambda: run(f"INSERT INTO {table} (i) VALUES (1), (1.5)"), "Column i, row 1", "1.5")
    refused(lambda: run(f"INSERT INTO {table} (i) SELECT 18446744073709551615::UBIGINT"), "18446744073709551615")
    assert run(f"INSERT INTO {table} (i) VALUES (1), (1.5::BIGINT)") == 2
    refused(lambda: run(f"INSERT INTO {table} VALUES (1)"), "1 columns for its 2")
    refused(lambda: run(f"INSERT INTO {table} (i) VALUES (1) RETURNING i"), "RETURNING")
    assert run(f"SELECT i FROM {table} ORDER BY i") == [(1,), (2,)]
    run(f"DROP TABLE {table}")


@BACKENDS
def test_ingest_modes(server, schema):
    catalog, db_schema = schema.split(".")
    rows = pa.table({"b": pa.array(["x", None]), "a": pa.array([1, 2], pa.int64())})
    with connected(server) as connection, connection.cursor() as cursor:
        def ingest(mode, data=rows):
            return cursor.adbc_ingest("ingested", data, mode=mode, catalog_name=catalog, db_schema_name=db_schema)

        refused(lambda: ingest("append"), "ingested")
        assert ingest("create") == 2
        refused(lambda: ingest("create"), "already exists")
        assert ingest("append", rows.select(["a", "b"])) == 2
        assert ingest("create_append") == 2
        refused(lambda: ingest("append", pa.table({"a": pa.array([1, 1.5])})), "Column a, row 1", "1.5")
        cursor.execute(f"SELECT a, b, count(*) FROM {schema}.ingested GROUP BY ALL ORDER BY a")
        assert cursor.fetchall() == [(1, "x", 3), (2, None, 3)]
        assert ingest("replace", pa.table({"c": pa.array(range(200_000))})) == 200_000
        cursor.execute(f"SELECT count(*), sum(c)::BIGINT FROM {schema}.ingested")
        assert cursor.fetchall() == [(200_000, 199_999 * 100_000)]
        cursor.execute(f"DROP TABLE {schema}.ingested")


@BACKENDS
def test_a_transaction_is_whole_and_sees_its_own_rows(server, run, schema):
    table = f"{schema}.held"
    run(f"CREATE TABLE {table} (id BIGINT PRIMARY KEY, v VARCHAR)")
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} VALUES (1, 'a'), (2, 'b')")
        cursor.execute(f"UPDATE {table} SET v = v || '!' WHERE id = 2")
        cursor.execute(f"INSERT INTO {table} SELECT id + 10, v FROM {table}")
        cursor.execute(f"SELECT x.id, y.v FROM {table} x JOIN {table} y ON x.id = y.id ORDER BY ALL")
        assert cursor.fetchall() == [(1, "a"), (2, "b!"), (11, "a"), (12, "b!")]
        if not schema.startswith("lite"):
            assert run(f"SELECT count(*) FROM {table}") == [(0,)]
        connection.rollback()
        cursor.execute(f"INSERT INTO {table} VALUES (3, 'c')")
        connection.commit()
        assert run(f"SELECT * FROM {table}") == [(3, "c")]
        # After an error nothing can be committed.
        cursor.execute(f"INSERT INTO {table} VALUES (4, 'd')")
        refused(lambda: cursor.execute(f"INSERT INTO {table} VALUES (3, 'twice')"))
        refused(connection.commit, "aborted")
    assert run(f"SELECT id FROM {table}") == [(3,)]
    run(f"DROP TABLE {table}")


def test_a_transaction_writes_local_tables_or_one_backend(server, run):
    for table in ("warehouse.s.one", "lite.main.one", "one"):
        run(f"CREATE TABLE {table} (v BIGINT)")
    for first, second in (("one", "warehouse.s.one"), ("warehouse.s.one", "one"), ("lite.main.one", "warehouse.s.one")):
        with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {first} VALUES (1)")
            refused(lambda: cursor.execute(f"INSERT INTO {second} VALUES (1)"), "local tables or one backend")
            connection.rollback()
    refused(lambda: run("WITH x AS (INSERT INTO one VALUES (1) RETURNING v) INSERT INTO warehouse.s.one SELECT v FROM x"))
    for table in ("warehouse.s.one", "lite.main.one", "one"):
        assert run(f"SELECT count(*) FROM {table}") == [(0,)]
    for refusal in ("CREATE VIEW warehouse.s.v AS SELECT 1", "ALTER TABLE warehouse.s.one ADD COLUMN w INT",
                    "CREATE SCHEMA warehouse.other", "EXPLAIN INSERT INTO warehouse.s.one VALUES (1)",
                    "CREATE INDEX i ON warehouse.s.one (v)"):
        refused(lambda: run(refusal), "warehouse")


def test_a_transaction_that_refreshes_a_view_writes_no_backend(server, run):
    run("CREATE TABLE warehouse.s.besides (v BIGINT)")
    run("CREATE TABLE seen (ts TIMESTAMP, v BIGINT)")
    run("CREATE MATERIALIZED VIEW daily AS SELECT time_bucket(INTERVAL 1 DAY, ts) AS day, count(*) AS n FROM seen GROUP BY ALL")
    for first, second in (("REFRESH MATERIALIZED VIEW daily", "INSERT INTO warehouse.s.besides VALUES (1)"),
                          ("INSERT INTO warehouse.s.besides VALUES (1)", "REFRESH MATERIALIZED VIEW daily")):
        with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
            cursor.execute(first)
            refused(lambda: cursor.execute(second), "local tables or one backend")
            connection.rollback()
    assert run("SELECT count(*) FROM warehouse.s.besides") == [(0,)]
    run("DROP MATERIALIZED VIEW daily")
    run("DROP TABLE seen")


@POSTGRES
def test_many_rows_of_parameters_are_one_write(server, run, postgres, schema):
    run(f"CREATE TABLE {schema}.bound (id BIGINT PRIMARY KEY, v VARCHAR)")
    with connected(server) as connection, connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {schema}.bound VALUES (?, ?)", [(i, f"v{i}") for i in range(500)])
        assert postgres.run("SELECT count(*), count(DISTINCT xmin::text) FROM s.bound").strip() == "500|1"
        refused(lambda: cursor.executemany(f"INSERT INTO {schema}.bound VALUES (?, ?)", [(1000, "new"), (1, "old")]))
    assert run(f"SELECT count(*) FROM {schema}.bound") == [(500,)]
    assert run(f"UPDATE {schema}.bound SET v = ? WHERE id = ?", ("w", 7)) == 1
    assert run(f"SELECT v FROM {schema}.bound WHERE id = 7") == [("w",)]
    run(f"DROP TABLE {schema}.bound")


@POSTGRES
def test_concurrent_writers(server, run, schema):
    run(f"CREATE TABLE {schema}.many (w BIGINT, i BIGINT)")
    insert_at_once(server, f"{schema}.many", writers=6, rows=10)
    assert run(f"SELECT count(DISTINCT (w, i)), count(*) FROM {schema}.many") == [(60, 60)]
    run(f"DROP TABLE {schema}.many")


@POSTGRES
def test_the_database_killed_in_the_middle_of_a_transaction(server, run, postgres, schema):
    run(f"CREATE TABLE {schema}.killed (v BIGINT)")
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {schema}.killed VALUES (1)")
        postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                     "WHERE state = 'idle in transaction' AND pid <> pg_backend_pid()")
        refused(connection.commit)
    assert run(f"SELECT count(*) FROM {schema}.killed") == [(0,)]
    assert run(f"INSERT INTO {schema}.killed VALUES (2)") == 1
    run(f"DROP TABLE {schema}.killed")


def test_a_driver_that_dies_in_the_middle_of_a_transaction_or_an_ingest(server, run, postgres):
    run("CREATE TABLE apart.s.died (v BIGINT)")

    def kill_the_drivers():
        for host in server.driver_hosts():
            os.kill(host, signal.SIGKILL)

    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO apart.s.died VALUES (1)")
        kill_the_drivers()
        refused(connection.commit, "apart", "process of the driver has ended")

    def rows():
        for i in range(1_000):
            if i == 100:
                kill_the_drivers()
            yield pa.record_batch({"v": pa.array(range(10_000))})

    endless = pa.RecordBatchReader.from_batches(pa.schema({"v": pa.int64()}), rows())
    with connected(server) as connection, connection.cursor() as cursor:
        refused(lambda: cursor.adbc_ingest("died", endless, mode="append", catalog_name="apart", db_schema_name="s"),
                "apart", "process of the driver has ended")
    assert postgres.run("SELECT count(*) FROM s.died").strip() == "0"
    assert run("INSERT INTO apart.s.died VALUES (2)") == 1
    assert postgres.run("SELECT v FROM s.died").strip() == "2"
    run("DROP TABLE apart.s.died")


@BACKENDS
def test_merge(run, schema):
    table = f"{schema}.merged"
    run(f"CREATE TABLE {table} (id BIGINT PRIMARY KEY, v VARCHAR, n INTEGER)")
    run(f"INSERT INTO {table} VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', NULL)")
    run("CREATE OR REPLACE TABLE news AS FROM (VALUES (1, 'A', 10), (2, 'B', NULL), (3, 'gone', 0), (7, 'new', 7), (8, 'skipped', -1)) t(id, v, n)")
    merge = (f"MERGE INTO {table} t USING news s ON t.id = s.id WHEN MATCHED AND s.v = 'gone' THEN DELETE "
             "WHEN MATCHED AND s.n IS NULL THEN UPDATE SET v = s.v || t.v, n = NULL "
             "WHEN MATCHED THEN UPDATE SET n = t.n + s.n WHEN NOT MATCHED AND s.n < 0 THEN DO NOTHING "
             "WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)")
    assert run(merge) == 4
    assert run(f"SELECT id, v, n FROM {table} ORDER BY id") == [
        (1, "a", 11), (2, "Bb", None), (4, "d", None), (7, "new", None)]
    # With other forms of a source, and the target's rows by position.
    assert run(f"MERGE INTO {table} USING (SELECT 4 AS id, 'D' AS w UNION ALL SELECT 9, 'ix') s USING (id) "
               "WHEN MATCHED THEN UPDATE SET v = w WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.w, 9)") == 2
    assert run(f"WITH s AS (SELECT 9 AS id) MERGE INTO {table} t USING s ON t.id = s.id WHEN MATCHED THEN DELETE") == 1
    assert run(f"SELECT id, v, n FROM {table} WHERE id IN (4, 9)") == [(4, "D", None)]
    # An expression is computed for the rows of its action alone.
    assert run(f"MERGE INTO {table} t USING news s ON t.id = s.id WHEN MATCHED AND s.n = 10 THEN UPDATE SET n = s.n "
               "WHEN NOT MATCHED AND s.v = 'none' THEN INSERT (id, n) VALUES (s.id, s.v::INTEGER)") == 1
    before = run(f"SELECT * FROM {table} ORDER BY id")
    for sql, words in (
            ("WHEN MATCHED THEN UPDATE SET n = s.n + 0.5", ("Column n, row 0", "10.5")),
            ("WHEN NOT MATCHED THEN INSERT (id, n) VALUES (s.id, 1.5), (2)", ()),
            ("WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id)", ("values", "columns")),
            ("WHEN NOT MATCHED BY SOURCE THEN DELETE", ("BY SOURCE",)),
            ("WHEN MATCHED THEN UPDATE", ("UPDATE",)), ("WHEN NOT MATCHED THEN INSERT *", ("INSERT",)),
            ("WHEN MATCHED THEN DELETE RETURNING *", ("RETURNING",))):
        refused(lambda sql=sql: run(f"MERGE INTO {table} t USING news s ON t.id = s.id {sql}"), *words)
    # A row is changed once, whichever of the WHENs it is for.
    for whens in ("WHEN MATCHED THEN UPDATE SET n = 1", "WHEN MATCHED THEN DELETE",
                  "WHEN MATCHED AND k = 1 THEN UPDATE SET n = 1 WHEN MATCHED THEN UPDATE SET n = 2",
                  "WHEN MATCHED AND k = 1 THEN UPDATE SET n = 1 WHEN MATCHED THEN DELETE"):
        refused(lambda whens=whens: run(f"MERGE INTO {table} t USING (VALUES (1, 1), (1, 2)) s(id, k) ON t.id = s.id {whens}"),
                "each row is found once")
    # Where nothing matched there is no row of the target.
    for value in ("t.v", "upper(t.v)", "w"):
        refused(lambda value=value: run(f"MERGE INTO {table} t USING (SELECT 70 AS id) s ON t.id = s.id "
                                        f"WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, {value})"))
    assert run(f"SELECT * FROM {table} ORDER BY id") == before
    # Names of the server's own mean nothing there, and a condition is evaluated once.
    assert run(f"MERGE INTO {table} t USING (SELECT 1 AS id, NULL::INTEGER AS hyprstream_action, 5 AS choice, 6 AS number) s ON t.id = s.id "
               "WHEN MATCHED AND random() < 2 THEN UPDATE SET n = s.choice + s.number") == 1
    assert run(f"SELECT n FROM {table} WHERE id = 1") == [(11,)]
    assert run(f"MERGE INTO {table} t USING (SELECT ? AS id, ? AS w) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = w "
               "WHEN NOT MATCHED THEN INSERT (id, v, n) VALUES (s.id, s.w, NULL)", (77, "bound")) == 1
    assert run(f"SELECT v, n FROM {table} WHERE id = 77") == [("bound", None)]
    run(f"DROP TABLE {table}")
