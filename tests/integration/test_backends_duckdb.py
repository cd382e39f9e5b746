"""A DuckDB file behind servers that share it with others, are killed, and find another file in its place."""

import contextlib
import os
import shutil

import adbc_driver_manager
import pytest

from duckdb_file import an_empty_file
from flight_sql_client import USERS, connected, refused, runner
from server_process import ServerProcess, wait_until

USER = {"HYPRSTREAM_USERS": USERS}


@pytest.fixture
def file(tmp_path):
    return an_empty_file(tmp_path / "duck")


def attach(file, options=""):
    return f"ATTACH '{file}' AS duck (TYPE adbc, DRIVER 'duckdb'{options})"


def test_a_file_of_another_process_is_refused_until_it_is_free(file, tmp_path):
    configuration = tmp_path / "late.toml"
    configuration.write_text(f'[backends.duck]\ndriver = "duckdb"\nuri = "{file}"\n')
    with ServerProcess(environment=USER) as owner:
        with runner(owner) as run:
            run(attach(file))
            run("CREATE TABLE duck.main.t (v BIGINT)")
            assert run("INSERT INTO duck.main.t VALUES (1)") == 1
            with ServerProcess(environment=USER) as other, runner(other) as elsewhere:
                refused(lambda: elsewhere(attach(file)), "duck: ", "lock")
                refused(lambda: elsewhere(attach(file, ", \"access_mode\" 'READ_ONLY'")), "lock")
            with ServerProcess("--config", configuration, environment=USER) as late, runner(late) as waiting:
                refused(lambda: waiting("SELECT * FROM duck.main.t"), "duck")
                assert waiting("SELECT state FROM hyprstream.backends") == [("unavailable",)]
                assert run("SELECT * FROM duck.main.t") == [(1,)]
                run("DETACH duck")
                wait_until(lambda: waiting("SELECT state FROM hyprstream.backends") == [("available",)])
                assert waiting("SELECT * FROM duck.main.t") == [(1,)]
                refused(lambda: run(attach(file)), "lock")


def test_metadata_lists_schemas_tables_columns(tmp_path):
    file = an_empty_file(tmp_path / "duck")
    with ServerProcess("--data", file.parent, environment=USER) as owner, runner(owner) as run:
        run("CREATE TABLE planes (tail VARCHAR PRIMARY KEY, seats UTINYINT, built DATE NOT NULL)")
        run("INSERT INTO planes VALUES ('N1', 200, '1999-05-01')")
        run("CREATE VIEW large AS SELECT tail FROM planes WHERE seats > 100")
        run("CREATE SCHEMA \"od d\"")
        run("CREATE TABLE \"od d\".\"T \"\"1\" (\"a b\" BIGINT, \"Select\" VARCHAR)")
    with ServerProcess(environment=USER) as server, runner(server) as run:
        run(attach(file))
        assert run("SELECT driver, target, state FROM hyprstream.backends") == [("duckdb", f"duckdb at {file}", "available")]
        with connected(server) as connection:
            (catalog,) = connection.adbc_get_objects(depth="all", catalog_filter="duck").read_all().to_pylist()
            tables = {(schema["db_schema_name"], table["table_name"]): table
                      for schema in catalog["catalog_db_schemas"] for table in schema["db_schema_tables"]}
            found = connection.adbc_get_table_schema("planes", catalog_filter="duck", db_schema_filter="main")
        assert tables["main", "planes"]["table_type"] == "TABLE" and tables["main", "large"]["table_type"] == "VIEW"
        assert [column["column_name"] for column in tables["od d", 'T "1']["table_columns"]] == ["a b", "Select"]
        assert [(field.name, str(field.type), field.nullable) for field in found] == [
            ("tail", "string", False), ("seats", "uint8", True), ("built", "date32[day]", False)]
        assert run("FROM duck.main.large") == [("N1",)]
        assert run('SELECT count(*) FROM duck."od d"."T ""1"') == [(0,)]
        run("CREATE TABLE duck.main.later AS SELECT 1 AS v")  # a new name is there at once
        assert run("FROM duck.main.later") == [(1,)]
        run("DROP TABLE duck.main.later")
        refused(lambda: run("FROM duck.main.later"), "later", "does not exist")


def test_files_that_are_only_read_are_shared(file):
    with ServerProcess(environment=USER) as one, runner(one) as run:
        run(attach(file))
        run("CREATE TABLE duck.main.t AS SELECT 7 AS v")
        run("DETACH duck")
        run(attach(file, ", \"access_mode\" 'READ_ONLY'"))
        with ServerProcess(environment=USER) as other, runner(other) as elsewhere:
            elsewhere(attach(file, ", \"access_mode\" 'READ_ONLY'"))
            for reader in (run, elsewhere):
                assert reader("SELECT * FROM duck.main.t") == [(7,)]
                refused(lambda: reader("INSERT INTO duck.main.t VALUES (8)"), "read-only")


def test_what_was_committed_survives_the_server_and_nothing_else_does(file):
    server = ServerProcess(environment=USER)
    with runner(server) as run:
        run(attach(file))
        run("CREATE TABLE duck.main.t (v BIGINT PRIMARY KEY)")
        run("INSERT INTO duck.main.t SELECT range FROM range(1000)")
    connection = connected(server, autocommit=False)
    with contextlib.suppress(adbc_driver_manager.Error), connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO duck.main.t VALUES (5000)")
        server.kill()
    server.close()
    with ServerProcess(environment=USER) as server, runner(server) as run:
        run(attach(file))
        assert run("SELECT count(*), max(v) FROM duck.main.t") == [(1000, 999)]
        assert run("INSERT INTO duck.main.t VALUES (5000)") == 1


# The file that is open stays the one that is read; its name leads to another only when it is attached again.
def test_another_file_in_its_place(file, tmp_path):
    other = an_empty_file(tmp_path / "other")
    with ServerProcess(environment=USER) as server, runner(server) as run:
        run(attach(file))
        run("CREATE TABLE duck.main.t AS SELECT 1 AS v")
        run("DETACH duck")
        run(attach(other))
        run("CREATE TABLE duck.main.t AS SELECT 'two' AS v, 2 AS w")
        run("DETACH duck")
        run(attach(file))
        assert run("SELECT * FROM duck.main.t") == [(1,)]
        shutil.copy(other, tmp_path / "copy.duckdb")
        os.replace(tmp_path / "copy.duckdb", file)
        assert run("SELECT * FROM duck.main.t") == [(1,)]
        run("DETACH duck")
        run(attach(file))
        assert run("SELECT * FROM duck.main.t") == [("two", 2)]


@pytest.mark.parametrize("time", ["DATE", "TIMESTAMP", "TIMESTAMPTZ"])
def test_the_greatest_of_infinite_times_is_infinite(file, time):
    """DuckDB takes stored statistics for the answer, which know finite times alone."""
    with ServerProcess(environment=USER) as server, runner(server) as run:
        run(attach(file))
        run(f"CREATE TABLE duck.main.t AS SELECT unnest(['-infinity'::{time}, NULL]) AS past, unnest(['infinity'::{time}, NULL]) AS future")
        run("DETACH duck")
        run(attach(file))
        assert run("SELECT max(past)::VARCHAR FROM duck.main.t") == [("-infinity",)]
        assert run("SELECT min(future)::VARCHAR FROM duck.main.t") == [("infinity",)]
        assert run("SELECT (max(past) FILTER (WHERE future IS NULL))::VARCHAR FROM duck.main.t") == [(None,)]
