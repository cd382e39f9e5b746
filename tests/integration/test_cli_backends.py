"""`hyprstream backends check` as a process, against real databases."""

import os
import sqlite3

from free_port import free_port
from postgres_server import PostgresServer
from server_process import run_hyprstream

PASSWORD = "check-hunter2-77d0"  # never to be seen anywhere


def check(config, *arguments):
    """The exit code, stdout and stderr; the secrets are in neither."""
    result = run_hyprstream("backends", "check", "--config", config, *arguments,
                            environment={"HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"],
                                         "WAREHOUSE_PASSWORD": PASSWORD})
    assert PASSWORD not in result[1] + result[2]
    return result


def sqlite_file(path, *statements):
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    return path


def configuration(tmp_path, *backends):
    config = tmp_path / "h.toml"
    config.write_text("\n".join(backends))
    return config


def sqlite_backend(name, path):
    return f"[backends.{name}]\ndriver = 'sqlite'\nuri = 'file:{path}'\n"


def test_types_of_a_postgres_are_shown_without_a_server(tmp_path):
    with PostgresServer(password=PASSWORD) as postgres:
        postgres.run("CREATE SCHEMA crm; CREATE TABLE crm.customers (id int PRIMARY KEY, credit numeric(9,2), tags jsonb); "
                     "INSERT INTO crm.customers VALUES (1, 10.50, '{}'); "
                     "CREATE VIEW crm.rich AS SELECT id AS rich FROM crm.customers WHERE credit > 10")
        address = postgres.uri.rsplit("@", 1)[1]
        config = configuration(
            tmp_path, "[backends.warehouse]\ndriver = 'postgresql'\nuser = 'postgres'\npassword = { env = 'WAREHOUSE_PASSWORD' }",
            f"uri = 'postgresql://{address}'\n")
        status, out, error = check(config)
        assert (status, error) == (0, ""), error
        lines = [line.strip() for line in out.splitlines()]
        assert lines[0] == f"warehouse: postgresql at {address}"
        assert "statements can be cancelled" in lines[1] and "known before they run" in lines[1]
        columns = {line.split()[0]: line.split() for line in lines[2:]}
        assert columns["id"][1:] == ["integer", "int32", "never", "NULL"]
        assert columns["credit"][1:] == ["numeric(9,2)", "decimal128(9,", "2)"]
        assert columns["tags"][1:] == ["jsonb", "string", "conditions", "are", "evaluated", "here"]
        assert "crm.rich (a view, not read)" in lines
        postgres.stop()
        status, out, error = check(config)
        assert (status, out) == (1, "") and error.count("\n") == 1
        assert error.startswith(f"hyprstream: backend warehouse (postgresql at {address}): ")


def test_a_table_that_cannot_be_read_is_said_and_the_others_are_shown(tmp_path):
    config = configuration(
        tmp_path,
        sqlite_backend("shop", sqlite_file(tmp_path / "shop.db", "CREATE TABLE good (a INTEGER, b TEXT)",
                                           "CREATE TABLE bad (a INTEGER)", "INSERT INTO bad VALUES ('text')")),
        sqlite_backend("empty", sqlite_file(tmp_path / "empty.db")))
    status, out, error = check(config)
    assert status == 1 and error == "hyprstream: backend shop: 1 of its tables cannot be read\n"
    assert "main.bad: cannot be read: " in out and "declared type integer" in out
    assert "main.good\n    a  integer  int64" in out
    assert "statements can be cancelled" in out
    assert "empty: sqlite" in out and "no tables" in out
    assert check(config, "empty")[0] == 0


def test_a_backend_that_is_down_does_not_hide_the_next(tmp_path):
    config = configuration(tmp_path,
                           f"[backends.down]\ndriver = 'postgresql'\nuri = 'postgresql://127.0.0.1:{free_port()}/x'\n",
                           sqlite_backend("shop", sqlite_file(tmp_path / "shop.db", "CREATE TABLE t (a INTEGER)")))
    status, out, error = check(config)
    assert status == 1 and error.startswith("hyprstream: backend down (postgresql at 127.0.0.1:") and error.count("\n") == 1
    assert "main.t" in out


def test_what_is_not_looked_at_is_counted(tmp_path):
    tables = [f"CREATE TABLE t{i} (a INTEGER)" for i in range(5)]
    config = configuration(tmp_path, sqlite_backend("shop", sqlite_file(tmp_path / "shop.db", *tables)))
    status, out, _ = check(config, "--tables", 2)
    assert status == 0 and "main.t1" in out and "main.t2" not in out and "and 3 more (--tables)" in out


def test_what_the_configuration_has_not_is_refused(tmp_path):
    config = configuration(tmp_path, sqlite_backend("shop", tmp_path / "shop.db"))
    status, out, error = check(config, "shpo")
    assert (status, out) == (2, "") and "no [backends.shpo] (did you mean shop?)" in error
    status, out, error = check(configuration(tmp_path, ""))
    assert (status, out) == (2, "") and "names no backend" in error
