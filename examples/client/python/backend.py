"""A database behind the server: filled, joined with a window that is kept current, and changed, through the one port.

    python backend.py [grpc://HOST:PORT] [BACKEND.SCHEMA]

The backend is one that the server's configuration file names, `warehouse.main` unless told otherwise: for a SQLite file

    [backends.warehouse]
    driver = "sqlite"
    uri = "file:/path/to/warehouse.sqlite"
"""

import sys

import adbc_driver_flightsql.dbapi
import pyarrow

URL = sys.argv[1] if len(sys.argv) > 1 else "grpc://127.0.0.1:31337"
WAREHOUSE = sys.argv[2] if len(sys.argv) > 2 else "warehouse.main"

CUSTOMERS = pyarrow.table({"id": [1, 2, 3], "name": ["Ada", "Grace", "Edsger"], "region": ["north", "south", "north"]})
CREATE = [
    "CREATE TABLE example_sales (ts TIMESTAMP, customer BIGINT, amount DOUBLE) WITH (time = 'ts')",
    """CREATE MATERIALIZED VIEW example_sales_hour AS
       SELECT time_bucket(INTERVAL '1 hour', ts) AS window_start, customer, sum(amount) AS revenue
       FROM example_sales GROUP BY ALL""",
    """INSERT INTO example_sales VALUES ('2026-03-01 10:05', 1, 20), ('2026-03-01 10:50', 1, 5), ('2026-03-01 10:20', 2, 7),
       ('2026-03-01 11:10', 3, 12)""",
]
REVENUE = f"""
SELECT region, sum(revenue) AS revenue FROM example_sales_hour JOIN {WAREHOUSE}.example_customers ON id = customer
GROUP BY ALL ORDER BY ALL"""


def main():
    backend, schema = WAREHOUSE.split(".")
    with adbc_driver_flightsql.dbapi.connect(URL, autocommit=True) as connection, connection.cursor() as cursor:
        def ask(sql):
            cursor.execute(sql)
            return cursor.fetchall()

        clean_up(cursor)
        rows = cursor.adbc_ingest("example_customers", CUSTOMERS, mode="create", catalog_name=backend, db_schema_name=schema)
        print(f"{rows} rows are in {WAREHOUSE}.example_customers")
        for statement in CREATE:
            cursor.execute(statement)
        print("revenue by region:", ask(REVENUE))
        cursor.execute(f"UPDATE {WAREHOUSE}.example_customers SET region = 'west' WHERE name = 'Edsger'")
        print("after a move:", ask(REVENUE))
        route = ask(f"EXPLAIN SELECT count(*) FROM {WAREHOUSE}.example_customers WHERE region = 'north'")[-1][1]
        print("a count is answered by", route.split()[0])
        clean_up(cursor)


def clean_up(cursor):
    cursor.execute("DROP MATERIALIZED VIEW IF EXISTS example_sales_hour")
    cursor.execute("DROP TABLE IF EXISTS example_sales")
    cursor.execute(f"DROP TABLE IF EXISTS {WAREHOUSE}.example_customers")


main()
