"""Flight SQL into pandas and Polars, with parameters.

    python query.py [grpc://HOST:PORT]
"""

import sys

import adbc_driver_flightsql.dbapi
import polars

URL = sys.argv[1] if len(sys.argv) > 1 else "grpc://127.0.0.1:31337"
TABLE = "example_query"


def main():
    with adbc_driver_flightsql.dbapi.connect(URL, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE OR REPLACE TABLE {TABLE} (city VARCHAR, day DATE, visitors INTEGER)")
        cursor.executemany(f"INSERT INTO {TABLE} VALUES (?, ?::DATE, ?)", [
            ("Lisbon", "2026-03-01", 120), ("Lisbon", "2026-03-02", 180), ("Oslo", "2026-03-01", 75)])

        cursor.execute(f"SELECT city, sum(visitors)::BIGINT AS visitors FROM {TABLE} GROUP BY ALL ORDER BY ALL")
        print("pandas", cursor.fetch_df(), sep="\n")

        cursor.execute(f"SELECT * FROM {TABLE} WHERE visitors >= ? ORDER BY ALL", [100])
        print("Polars", polars.from_arrow(cursor.fetch_arrow_table()), sep="\n")

        cursor.execute(f"DROP TABLE {TABLE}")


main()
