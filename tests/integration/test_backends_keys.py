"""Keys of backends' tables in Flight SQL's metadata, and REFRESH BACKEND."""

import os
import sqlite3

import pyarrow.flight as flight
import pytest

from flight_sql_client import TOKEN, USERS, connected, refused, runner
from flight_sql_wire import keys
from postgres_server import PostgresServer
from server_process import ServerProcess
from valkey_server import ValkeyServer

ADMIN = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {TOKEN}".encode())])
CASCADE, RESTRICT, SET_NULL, NO_ACTION, SET_DEFAULT = range(5)

TABLES = [
    "CREATE TABLE shops (city {text}, number INTEGER, name {text} UNIQUE, PRIMARY KEY (number, city))",
    "CREATE TABLE staff (id INTEGER PRIMARY KEY, city {text}, shop INTEGER, boss INTEGER REFERENCES staff, "
    "FOREIGN KEY (shop, city) REFERENCES shops (number, city) {rules})",
]


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer(password="pg-hunter2-keys") as server:
        server.run("CREATE SCHEMA s; CREATE SCHEMA other")
        for table in TABLES:
            server.run("SET search_path = s; " + table.format(text="text", rules="ON UPDATE CASCADE ON DELETE SET NULL"))
        server.run("CREATE TABLE other.visits (staff INTEGER CONSTRAINT visitor REFERENCES s.staff ON DELETE RESTRICT, "
                   "shop text REFERENCES s.shops (name) ON DELETE SET DEFAULT)")
        server.run("CREATE TABLE other.parts (id INTEGER PRIMARY KEY) PARTITION BY RANGE (id); "
                   "CREATE TABLE other.parts_1 PARTITION OF other.parts FOR VALUES FROM (0) TO (10); "
                   "CREATE TABLE other.uses (part INTEGER REFERENCES other.parts)")
        yield server


@pytest.fixture(scope="module")
def server(postgres, tmp_path_factory):
    environment = {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    folder = tmp_path_factory.mktemp("keys")
    lite = sqlite3.connect(folder / "lite.db")
    for table in TABLES:
        lite.execute(table.replace("shops (number", "SHOPS (Number").format(
            text="TEXT", rules="ON UPDATE CASCADE ON DELETE SET NULL"))
    lite.close()
    with ServerProcess("--data", folder, environment={"HYPRSTREAM_USERS": USERS}) as process, runner(process) as run:
        for table in TABLES:
            run(table.format(text="VARCHAR", rules="").replace("REFERENCES staff", "REFERENCES staff (id)"))
    with (ValkeyServer(password="redis-hunter2-keys") as valkey,
          ServerProcess(environment=environment) as process, runner(process) as run):
        run(f"ATTACH '{postgres.uri}' AS warehouse (TYPE adbc, DRIVER 'postgresql', METADATA_TTL '1 h')")
        run(f"ATTACH '{postgres.uri}' AS apart (TYPE adbc, DRIVER 'postgresql', ISOLATE true)")
        run(f"ATTACH 'file:{folder}/lite.db' AS lite (TYPE adbc, DRIVER 'sqlite', METADATA_TTL '1 h')")
        run(f"ATTACH '{folder}/tables.duckdb' AS duck (TYPE adbc, DRIVER 'duckdb', METADATA_TTL '1 h')")
        run(f"ATTACH '{valkey.uri}' AS store (TYPE adbc, DRIVER 'redis')")
        run("CREATE TABLE store.main.sessions (token VARCHAR PRIMARY KEY, name VARCHAR)")
        run("CREATE TABLE here (a INTEGER, b INTEGER, PRIMARY KEY (b, a))")
        yield process


@pytest.fixture
def run(server):
    with runner(server) as execute:
        yield execute


@pytest.fixture
def ask(server):
    with flight.connect(server.url) as client:
        def rows(kind, *tables):
            return [tuple(row.values()) for row in client.do_get(keys(kind, *tables), ADMIN).read_all().to_pylist()]
        yield rows


# Schema, and what the database calls its keys.
NAMES = {
    "warehouse": ("s", "shops_pkey", "staff_pkey", "staff_boss_fkey", "staff_shop_city_fkey"),
    "apart": ("s", "shops_pkey", "staff_pkey", "staff_boss_fkey", "staff_shop_city_fkey"),
    "lite": ("main", None, None, None, None),
    "duck": ("main", "shops_number_city_pkey", "staff_id_pkey", "staff_boss_id_fkey", "staff_shop_city_number_city_fkey"),
}


@pytest.mark.parametrize("backend", NAMES)
def test_keys_of_a_backends_tables(ask, backend):
    schema, shops_key, staff_key, boss_key, shop_key = NAMES[backend]
    rules = (NO_ACTION, NO_ACTION) if backend == "duck" else (CASCADE, SET_NULL)
    shops, staff = (backend, schema, "shops"), (backend, schema, "staff")
    assert ask("PrimaryKeys", shops) == [(*shops, "number", 1, shops_key), (*shops, "city", 2, shops_key)]
    assert ask("PrimaryKeys", (backend.upper(), None, "STAFF")) == [(*staff, "id", 1, staff_key)]
    to_shops = [(*shops, "number", *staff, "shop", 1, shop_key, shops_key, *rules),
                (*shops, "city", *staff, "city", 2, shop_key, shops_key, *rules)]
    to_boss = [(*staff, "id", *staff, "boss", 1, boss_key, staff_key, NO_ACTION, NO_ACTION)]
    assert ask("ImportedKeys", staff) == to_shops + to_boss
    assert ask("CrossReference", shops, staff) == to_shops
    assert ask("CrossReference", staff, shops) == []
    exported = [row for row in ask("ExportedKeys", shops) if row[6] == "staff"]
    assert exported == to_shops
    assert ask("ImportedKeys", shops) == []


def test_postgres_keys_lead_to_other_schemas_and_partitions(ask):
    staff, visits = ("warehouse", "s", "staff"), ("warehouse", "other", "visits")
    assert ask("CrossReference", staff, visits) == [
        (*staff, "id", *visits, "staff", 1, "visitor", "staff_pkey", NO_ACTION, RESTRICT)]
    assert ask("CrossReference", (None, None, "shops"), ("warehouse", None, "visits")) == [
        ("warehouse", "s", "shops", "name", *visits, "shop", 1, "visits_shop_fkey", "shops_name_key", NO_ACTION, SET_DEFAULT)]
    parts, uses = ("warehouse", "other", "parts"), ("warehouse", "other", "uses")
    assert ask("ImportedKeys", uses) == [
        (*parts, "id", *uses, "part", 1, "uses_part_fkey", "parts_pkey", NO_ACTION, NO_ACTION)]
    assert ask("PrimaryKeys", ("warehouse", None, "parts_1")) == [("warehouse", "other", "parts_1", "id", 1, "parts_1_pkey")]


def test_redis_says_its_primary_keys(ask):
    assert ask("PrimaryKeys", ("store", "main", "sessions")) == [("store", "main", "sessions", "token", 1, None)]
    assert ask("ImportedKeys", ("store", "main", "sessions")) == []


def test_without_a_catalog_all_are_asked(ask):
    assert [row[0] for row in ask("PrimaryKeys", (None, None, "staff"))] == ["apart", "duck", "lite", "warehouse"]
    assert [row[3:5] for row in ask("PrimaryKeys", (None, None, "here"))] == [("b", 1), ("a", 2)]
    assert ask("PrimaryKeys", ("nowhere", None, "staff")) == []


def test_a_backend_that_is_down_hides_no_others(run, ask):
    with PostgresServer(password="pg-hunter2-down") as gone:
        run(f"ATTACH '{gone.uri}' AS gone (TYPE adbc, DRIVER 'postgresql')")
    assert len(ask("PrimaryKeys", (None, None, "staff"))) == 4
    with pytest.raises(flight.FlightError, match="gone"):
        ask("PrimaryKeys", ("gone", None, "staff"))
    run("DETACH gone")


def test_duckdb_is_not_told_of_keys_that_may_be_broken(run):
    """TRAP: its optimizer takes a key of its catalog for true, and joins away what it says."""
    assert run("SELECT count(*) FROM duckdb_constraints() WHERE database_name IN ('lite', 'warehouse', 'duck') "
               "AND constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY', 'UNIQUE')") == [(0,)]


def test_a_refreshed_catalog_has_what_was_changed_there(postgres, run, ask):
    """METADATA_TTL is an hour."""
    postgres.run("CREATE TABLE s.changing (id INTEGER)")
    run("REFRESH BACKEND warehouse")
    assert run("SELECT * FROM warehouse.s.changing") == []
    listed = "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'warehouse' AND table_name = 'fresh'"
    columns = "SELECT column_name FROM duckdb_columns() WHERE database_name = 'warehouse' AND table_name = 'changing'"
    assert run(listed) == [(0,)] and ask("PrimaryKeys", ("warehouse", "s", "changing")) == []
    postgres.run("CREATE TABLE s.fresh (id INTEGER); ALTER TABLE s.changing ADD COLUMN name text, ADD PRIMARY KEY (id); "
                 "CREATE SCHEMA later")
    assert run(listed) == [(0,)] and run(columns) == [("id",)]
    assert ask("PrimaryKeys", ("warehouse", "s", "changing")) == []
    assert run("REFRESH BACKEND Warehouse") <= 0
    assert run(listed) == [(1,)] and run(columns) == [("id",), ("name",)]
    assert [row[3] for row in ask("PrimaryKeys", ("warehouse", "s", "changing"))] == ["id"]
    assert run("SELECT count(*) FROM duckdb_schemas() WHERE database_name = 'warehouse' AND schema_name = 'later'") == [(1,)]


def test_what_refresh_refuses(server, run):
    refused(lambda: run("REFRESH BACKEND warehous"), "Unknown backend: warehous (did you mean warehouse?)")
    refused(lambda: run("REFRESH BACKEND warehouse.s"), "REFRESH BACKEND name")
    with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
        refused(lambda: cursor.execute("REFRESH BACKEND warehouse"), "not part of a transaction")


def test_keys_of_a_table_that_is_made_here(run, ask):
    run("CREATE TABLE lite.main.fresh (id INTEGER PRIMARY KEY)")
    assert [row[3] for row in ask("PrimaryKeys", ("lite", "main", "fresh"))] == ["id"]
    run("DROP TABLE lite.main.fresh")
    assert ask("PrimaryKeys", ("lite", "main", "fresh")) == []
