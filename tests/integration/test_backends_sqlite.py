"""A SQLite file behind the server: named, listed, asked with what it is sure to understand, shared with others, and there after a crash."""

import contextlib
import datetime
import os
import sqlite3

import adbc_driver_manager
import pytest

from flight_sql_client import USERS, connected, refused, runner
from server_process import ServerProcess, wait_until

ENVIRONMENT = {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("lite") / "planes.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE planes (tail TEXT NOT NULL PRIMARY KEY, seats INTEGER, built DATE, weight DOUBLE);"
            "INSERT INTO planes VALUES ('N1', 200, '1999-05-01', 1.5), ('N2', NULL, '2020-01-01', NULL), ('n1', 4, NULL, 0.5);"
            "CREATE VIEW large AS SELECT tail FROM planes WHERE seats > 100;"
            "CREATE TABLE \"we ird\" (\"a b\" INTEGER, \"Select\" TEXT); INSERT INTO \"we ird\" VALUES (1, 'x');")
    return path


@pytest.fixture(scope="module")
def server(file):
    with ServerProcess(environment=ENVIRONMENT) as process:
        with runner(process) as run:
            run(f"ATTACH 'file:{file}' AS lite (TYPE adbc, DRIVER 'sqlite')")
        yield process


@pytest.fixture
def run(server):
    with runner(server) as execute, connected(server) as connection, connection.cursor() as cursor:
        execute.explain = lambda query: str(cursor.execute("EXPLAIN " + query).fetchall())
        yield execute


def test_metadata_lists_schemas_tables_columns(server, run, file):
    assert run("SELECT driver, target, state FROM hyprstream.backends") == [("sqlite", f"sqlite at {file}", "available")]
    with connected(server) as connection:
        (catalog,) = connection.adbc_get_objects(depth="all", catalog_filter="lite").read_all().to_pylist()
        (schema,) = catalog["catalog_db_schemas"]
        tables = {table["table_name"]: table for table in schema["db_schema_tables"]}
        assert schema["db_schema_name"] == "main"
        assert {name: table["table_type"] for name, table in tables.items()} == {"planes": "TABLE", "large": "VIEW", "we ird": "TABLE"}
        assert [column["column_name"] for column in tables["planes"]["table_columns"]] == ["tail", "seats", "built", "weight"]
        found = connection.adbc_get_table_schema("planes", catalog_filter="lite", db_schema_filter="main")
        assert [(field.name, str(field.type), field.nullable) for field in found] == [
            ("tail", "string", False), ("seats", "int64", True), ("built", "date32[day]", True), ("weight", "double", True)]
    assert run('SELECT "a b", "Select" FROM lite.main."we ird"') == [(1, "x")]
    refused(lambda: run("FROM lite.main.plane"), "plane", "does not exist")


def test_a_text_that_is_no_utf8_is_an_error(run, file):
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript("CREATE TABLE bytes (k INTEGER PRIMARY KEY, v TEXT); "
                                 "INSERT INTO bytes VALUES (1, 'é'), (2, CAST(x'ff41' AS TEXT))")
    assert run("SELECT v FROM lite.main.bytes WHERE k = 1") == [("é",)]
    for sql in ("SELECT v FROM lite.main.bytes", "SELECT v FROM lite.main.bytes WHERE k = 2", "SELECT max(k), v FROM lite.main.bytes GROUP BY v",
                "SELECT * FROM backend_query('lite', 'SELECT v FROM bytes')"):
        refused(lambda sql=sql: run(sql), "Column ", "is no valid UTF-8")
    assert run("SELECT * FROM backend_query('lite', 'SELECT hex(v) AS v FROM bytes WHERE k = 2')") == [("FF41",)]


def test_what_changes_there_is_seen(run, file):
    def there(sql):
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.executescript(sql)

    there("CREATE TABLE changing (a INTEGER); INSERT INTO changing VALUES (1)")
    assert run("FROM lite.main.changing") == [(1,)]
    there("DROP TABLE changing")
    refused(lambda: run("FROM lite.main.changing"), "changing")
    there("CREATE TABLE changing (b TEXT, c DATE)")
    assert run("SELECT count(*) FROM lite.main.changing") == [(0,)]
    there("DROP TABLE changing")


def test_joins_and_aggregates_are_answered_there(run):
    query = ("SELECT p.seats > 100 AS many, count(*) AS n, max(p.built) AS built FROM lite.main.planes p "
             "JOIN lite.main.large l ON p.tail = l.tail GROUP BY ALL")
    assert run(query) == [(True, 1, datetime.date(1999, 5, 1))]
    plan = run.explain(query)
    assert "INNER JOIN" in plan and "GROUP BY" in plan and "answered there as a whole: lite: planes, large" in plan, plan
    kept = "SELECT upper(tail) AS name, count(*) AS n FROM lite.main.planes GROUP BY ALL ORDER BY ALL"
    assert run(kept) == [("N1", 2), ("N2", 1)]
    assert "not as a whole: lite: upper of text is not known to mean the same there" in run.explain(kept)


@pytest.mark.parametrize("where, tails, sent", [
    ("seats >= 200", ["N1"], True), ("seats IS NULL", ["N2"], True), ("built < DATE '2000-01-01'", ["N1"], True),
    ("tail = 'n1'", ["n1"], True), ("tail IN ('N1', 'n1', 'x')", ["N1", "n1"], True), ("tail > 'N1'", ["N2", "n1"], True),
    ("weight = 0.5", ["n1"], True), ("tail = NULL", [], False), ("seats % 3 = 1", ["n1"], False)])
def test_conditions_mean_the_same(run, where, tails, sent):
    query = f"SELECT tail FROM lite.main.planes WHERE {where}"
    assert sorted(row[0] for row in run(query)) == tails
    if tails:
        plan = run.explain(query)
        assert ("Conditions sent" in plan or "answered there as a whole" in plan) == sent, plan


def test_keys_of_a_small_side_and_first_rows(run):
    run("CREATE TABLE IF NOT EXISTS flown (tail VARCHAR, hours BIGINT)")
    run("INSERT INTO flown VALUES ('N1', 10), ('N3', 30)")
    assert run("SELECT hours, seats FROM flown LEFT JOIN lite.main.planes USING (tail) ORDER BY hours") == [(10, 200), (30, None)]
    assert run("SELECT tail FROM lite.main.planes ORDER BY seats DESC NULLS LAST LIMIT 1") == [("N1",)]


@pytest.mark.parametrize("isolate", ["false", "true"])
def test_what_is_no_database_is_refused(run, tmp_path, isolate):
    (tmp_path / "text.db").write_text("no database " * 20)
    for path in (tmp_path / "text.db", tmp_path / "nowhere" / "x.db", tmp_path):
        refused(lambda: run(f"ATTACH 'file:{path}' AS none (TYPE adbc, DRIVER 'sqlite', ISOLATE {isolate})"), "none")
    assert run("SELECT count(*) FROM hyprstream.backends WHERE name = 'none'") == [(0,)]


def test_one_that_cannot_be_attached_says_why(tmp_path):
    configuration = tmp_path / "wrong.toml"
    configuration.write_text('[backends.a]\ndriver = "nosuch"\nuri = "x"\n'
                             f'[backends.b]\ndriver = "sqlite"\nuri = "file:{tmp_path}/x.db"\n'
                             '[backends.b.options]\n"adbc.nosuch" = "1"\n'
                             f'[backends.main]\ndriver = "sqlite"\nuri = "file:{tmp_path}/x.db"\n')
    with ServerProcess("--config", configuration, environment=ENVIRONMENT) as server, runner(server) as run:
        told = run("SELECT name, state, last_error FROM hyprstream.backends ORDER BY name")
        assert [(name, state) for name, state, _ in told] == [(name, "unavailable") for name in ("a", "b", "main")]
        assert "Unknown driver" in told[0][2]
        assert "adbc.nosuch" in told[1][2]
        assert "No backend can be called main" in told[2][2]
        run(f"ATTACH 'file:{tmp_path}/x.db' AS a (TYPE adbc, DRIVER 'sqlite')")
        assert run("SELECT state FROM hyprstream.backends WHERE name = 'a'") == [("available",)]


def test_a_configured_file_may_come_later(tmp_path):
    configuration = tmp_path / "late.toml"
    configuration.write_text(f'[backends.late]\ndriver = "sqlite"\nuri = "file:{tmp_path}/later/x.db"\n')
    with ServerProcess("--config", configuration, environment=ENVIRONMENT) as late, runner(late) as run:
        refused(lambda: run("SELECT * FROM late.main.t"), "late")
        assert run("SELECT state FROM hyprstream.backends") == [("unavailable",)]
        (tmp_path / "later").mkdir()
        with contextlib.closing(sqlite3.connect(tmp_path / "later" / "x.db")) as connection:
            connection.executescript("CREATE TABLE t (v INTEGER); INSERT INTO t VALUES (7)")
        wait_until(lambda: run("SELECT state FROM hyprstream.backends") == [("available",)], seconds=60)
        assert run("SELECT * FROM late.main.t") == [(7,)]


def test_what_was_committed_survives_the_server_and_nothing_else_does(tmp_path):
    attach = f"ATTACH 'file:{tmp_path}/kept.db' AS lite (TYPE adbc, DRIVER 'sqlite')"
    server = ServerProcess(environment=ENVIRONMENT)
    with runner(server) as run:
        run(attach)
        run("CREATE TABLE lite.main.t (v BIGINT PRIMARY KEY)")
        run("INSERT INTO lite.main.t SELECT range FROM range(1000)")
    connection = connected(server, autocommit=False)
    with contextlib.suppress(adbc_driver_manager.Error), connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO lite.main.t VALUES (5000)")
        server.kill()
    server.close()
    with ServerProcess(environment=ENVIRONMENT) as server, runner(server) as run:
        run(attach)
        assert run("SELECT count(*), max(v) FROM lite.main.t") == [(1000, 999)]
        assert run("INSERT INTO lite.main.t VALUES (5000)") == 1
