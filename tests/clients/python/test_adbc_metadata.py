"""What the stock Python driver learns about the server: objects, schemas, table types, info, session options."""

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow as pa
import pytest
from adbc_calls import run, value

CATALOG = "memory"


def objects(connection, **filters):
    """{schema: {table: (type, [columns])}} of our catalog."""
    found = connection.adbc_get_objects(**filters).read_all().to_pylist()
    catalogs = [c for c in found if c["catalog_name"] == CATALOG]
    return {
        schema["db_schema_name"]: {
            table["table_name"]: (table["table_type"], [c["column_name"] for c in table["table_columns"] or []])
            for table in schema["db_schema_tables"] or []
        }
        for catalog in catalogs for schema in catalog["catalog_db_schemas"] or []
    }


@pytest.fixture
def shop(auto, unique):
    """A schema with a table, a view and a materialized view."""
    run(auto, f"CREATE SCHEMA {unique}")
    run(auto, f"CREATE TABLE {unique}.orders (id INTEGER PRIMARY KEY, total DECIMAL(9,2) NOT NULL, note VARCHAR)")
    run(auto, f"CREATE VIEW {unique}.big AS SELECT id FROM {unique}.orders WHERE total > 100")
    run(auto, f"CREATE MATERIALIZED VIEW {unique}.sums AS SELECT note, sum(total) AS s FROM {unique}.orders GROUP BY ALL")
    return unique


# ---- adbc_get_objects

def test_depth_catalogs(auto):
    found = auto.adbc_get_objects(depth="catalogs").read_all().to_pylist()
    assert CATALOG in [c["catalog_name"] for c in found]
    assert all(not c["catalog_db_schemas"] for c in found)


def test_depth_schemas(auto, shop):
    found = objects(auto, depth="db_schemas")
    assert shop in found and "main" in found and found[shop] == {}
    assert "__hyprstream" not in found


def test_depth_tables(auto, shop):
    assert objects(auto, depth="tables", db_schema_filter=shop)[shop] == {
        "orders": ("TABLE", []), "big": ("VIEW", []), "sums": ("MATERIALIZED VIEW", [])}


def test_depth_all(auto, shop):
    assert objects(auto, db_schema_filter=shop)[shop] == {
        "orders": ("TABLE", ["id", "total", "note"]), "big": ("VIEW", ["id"]), "sums": ("MATERIALIZED VIEW", ["note", "s"])}


def test_filters(auto, shop):
    assert list(objects(auto, depth="tables", table_name_filter="ord%", db_schema_filter=shop)[shop]) == ["orders"]
    assert list(objects(auto, depth="tables", table_name_filter="b_g", db_schema_filter=shop)[shop]) == ["big"]
    assert objects(auto, depth="tables", table_name_filter="nothing_like_it", db_schema_filter=shop).get(shop, {}) == {}
    assert objects(auto, depth="tables", db_schema_filter=f"no_{shop}") == {}
    assert objects(auto, depth="tables", catalog_filter="elsewhere") == {}
    assert "big" not in objects(auto, depth="tables", db_schema_filter=shop, table_types_filter=["TABLE"])[shop]
    assert list(objects(auto, depth="tables", db_schema_filter=shop, table_types_filter=["VIEW"])[shop]) == ["big"]
    both = objects(auto, depth="tables", db_schema_filter=shop, table_types_filter=["TABLE", "MATERIALIZED VIEW"])[shop]
    assert sorted(both) == ["orders", "sums"]


def test_column_filter(auto, shop):
    assert objects(auto, db_schema_filter=shop, table_name_filter="orders", column_name_filter="tot%")[shop] == {
        "orders": ("TABLE", ["total"])}


ODD = ["o'clock", 'a "quoted" name', "100%_sure", "back\\slash", "größe 🦆", "dot.ted", "semi;colon", " spaces ", "SELECT"]


@pytest.mark.parametrize("name", ODD)
def test_odd_names(auto, unique, name):
    quoted = '"' + name.replace('"', '""') + '"'
    run(auto, f"CREATE SCHEMA {unique}")
    run(auto, f'CREATE TABLE {unique}.{quoted} ({quoted} INTEGER)')
    run(auto, f'CREATE TABLE {unique}.decoy (i VARCHAR)')
    assert objects(auto, db_schema_filter=unique)[unique][name] == ("TABLE", [name])
    pattern = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    assert list(objects(auto, depth="tables", db_schema_filter=unique, table_name_filter=pattern)[unique]) == [name]
    schema = auto.adbc_get_table_schema(name, db_schema_filter=unique)
    assert schema == pa.schema([(name, pa.int32())])


def test_an_odd_table_does_not_hide_the_others(auto, unique):
    run(auto, f"CREATE SCHEMA {unique}")
    run(auto, f"CREATE TABLE {unique}.gone (i INTEGER)")
    run(auto, f"CREATE VIEW {unique}.broken AS SELECT * FROM {unique}.gone")
    run(auto, f"CREATE TABLE {unique}.fine (i INTEGER)")
    run(auto, f"DROP TABLE {unique}.gone")
    found = objects(auto, db_schema_filter=unique)[unique]
    assert found["fine"] == ("TABLE", ["i"]) and "broken" in found


def test_temporary_tables_are_seen_by_their_session(auto, other, unique):
    run(auto, f"CREATE TEMPORARY TABLE {unique} (i INTEGER)")
    assert auto.adbc_get_table_schema(unique).names == ["i"]
    with pytest.raises(other.Error, match="NOT_FOUND"):
        other.adbc_get_table_schema(unique)


def test_keys(auto, shop):
    """The Go driver leaves the constraints of adbc_get_objects empty; SQL has them (docs/flight.md)."""
    assert value(auto, f"""SELECT constraint_column_names FROM duckdb_constraints()
                           WHERE schema_name = '{shop}' AND constraint_type = 'PRIMARY KEY'""") == ["id"]


# ---- schemas, types, info

def test_table_schema(auto, shop):
    schema = auto.adbc_get_table_schema("orders", db_schema_filter=shop)
    assert schema.names == ["id", "total", "note"]
    assert schema.types == [pa.int32(), pa.decimal128(9, 2), pa.string()]
    assert auto.adbc_get_table_schema("sums", db_schema_filter=shop).names == ["note", "s"]
    with pytest.raises(auto.Error, match="NOT_FOUND"):
        auto.adbc_get_table_schema("no_orders", db_schema_filter=shop)


def test_table_types(auto):
    assert sorted(auto.adbc_get_table_types()) == ["MATERIALIZED VIEW", "TABLE", "VIEW"]


def test_info(auto):
    info = auto.adbc_get_info()
    assert info["vendor_name"] == "Hyprstream"
    assert info["vendor_version"] and info["vendor_arrow_version"]


def test_statistics_are_refused_cleanly(auto):
    with pytest.raises(auto.NotSupportedError):
        auto.adbc_get_statistics().read_all()
    with pytest.raises(auto.NotSupportedError):
        auto.adbc_get_statistic_names().read_all()
    assert value(auto, "SELECT 1") == 1


def test_system_tables(auto):
    assert set(objects(auto, depth="tables", db_schema_filter="hyprstream")["hyprstream"]) >= {
        "tables", "views", "queries", "sessions", "settings"}
    assert value(auto, "SELECT count(*) FROM hyprstream.sessions") >= 1


# ---- session options

def test_options_may_be_the_first_call(server):
    with flightsql.connect(server.url, autocommit=True) as connection:
        assert connection.adbc_current_catalog == CATALOG
    with flightsql.connect(server.url, autocommit=True) as connection:
        assert connection.adbc_current_db_schema == "main"


def test_current_schema(auto, other, unique):
    run(auto, f'CREATE SCHEMA "{unique} x"')
    run(auto, f'CREATE TABLE "{unique} x".t AS SELECT 7 AS i')
    auto.adbc_current_db_schema = f"{unique} x"
    assert auto.adbc_current_db_schema == f"{unique} x"
    assert value(auto, "SELECT i FROM t") == 7
    assert other.adbc_current_db_schema == "main"
    with pytest.raises(auto.Error):
        auto.adbc_current_db_schema = f"no_{unique}"
    assert auto.adbc_current_db_schema == f"{unique} x"


def test_current_catalog(auto):
    auto.adbc_current_catalog = CATALOG
    with pytest.raises(auto.Error):
        auto.adbc_current_catalog = "elsewhere"


def test_time_zone(auto, other):
    auto.adbc_connection.set_options(**{"adbc.flight.sql.session.option.time_zone": "Asia/Tokyo"})
    assert value(auto, "SELECT strftime('2024-01-01 00:00:00+00'::TIMESTAMPTZ, '%H')") == "09"
    assert auto.adbc_connection.get_option("adbc.flight.sql.session.option.time_zone") == "Asia/Tokyo"
    assert value(other, "SELECT current_setting('TimeZone')") == "UTC"
    with pytest.raises(auto.Error):
        auto.adbc_connection.set_options(**{"adbc.flight.sql.session.option.time_zone": "Nowhere/Land"})
    with pytest.raises(auto.Error):
        auto.adbc_connection.set_options(**{"adbc.flight.sql.session.option.tyme_zone": "UTC"})


def test_set_and_use_touch_the_session_only(auto, other, unique):
    run(auto, f"CREATE SCHEMA {unique}")
    run(auto, f"USE {unique}")
    run(auto, "SET TimeZone = 'Europe/Berlin'")
    assert auto.adbc_current_db_schema == unique
    for _ in range(3):  # whichever of the session's connections answers
        assert value(auto, "SELECT current_setting('TimeZone')") == "Europe/Berlin"
    assert other.adbc_current_db_schema == "main"


def test_prepare_and_execute_as_sql(auto):
    run(auto, "PREPARE twice AS SELECT 2 * $1::INTEGER")
    assert value(auto, "EXECUTE twice(21)") == 42
    run(auto, "DEALLOCATE twice")
    with pytest.raises(auto.Error):
        value(auto, "EXECUTE twice(21)")
