"""Aggregates by window, kept current by the server: orders of the last hour, and of the past 7 days.

    python windows.py [grpc://HOST:PORT]
"""

import datetime
import random
import sys

import adbc_driver_flightsql.dbapi
import pyarrow

URL = sys.argv[1] if len(sys.argv) > 1 else "grpc://127.0.0.1:31337"

CREATE = [
    "CREATE TABLE example_orders (ts TIMESTAMP, region VARCHAR, amount DOUBLE) WITH (time = 'ts')",
    """CREATE MATERIALIZED VIEW example_orders_5m AS
       SELECT time_bucket(INTERVAL '5 minutes', ts) AS window_start, region, count(*) AS orders, sum(amount) AS revenue
       FROM example_orders GROUP BY ALL""",
    """CREATE MATERIALIZED VIEW example_orders_day AS
       SELECT time_bucket(INTERVAL '1 day', ts) AS window_start, region, count(*) AS orders, sum(amount) AS revenue
       FROM example_orders GROUP BY ALL""",
]
DROP = [
    "DROP MATERIALIZED VIEW IF EXISTS example_orders_5m",
    "DROP MATERIALIZED VIEW IF EXISTS example_orders_day",
    "DROP TABLE IF EXISTS example_orders",
]
LAST_HOUR = """
SELECT window_start, sum(orders)::BIGINT AS orders, round(sum(revenue), 2) AS revenue FROM example_orders_5m
WHERE window_start >= now()::TIMESTAMP - INTERVAL '1 hour' GROUP BY ALL ORDER BY ALL"""
PAST_7_DAYS = """
SELECT region, sum(orders)::BIGINT AS orders, round(sum(revenue), 2) AS revenue FROM example_orders_day
WHERE window_start >= now()::TIMESTAMP - INTERVAL '7 days' GROUP BY ALL ORDER BY ALL"""


def orders(count):
    """Orders of the past ten days, one in ten of them from the last hour."""
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    ages = [random.uniform(0, 3600 if n % 10 == 0 else 864000) for n in range(count)]
    return pyarrow.table({
        "ts": pyarrow.array([now - datetime.timedelta(seconds=age) for age in ages], pyarrow.timestamp("us")),
        "region": [random.choice(["north", "south"]) for _ in ages],
        "amount": [round(random.uniform(5, 100), 2) for _ in ages],
    })


def main():
    with adbc_driver_flightsql.dbapi.connect(URL, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in DROP + CREATE:
            cursor.execute(statement)
        cursor.adbc_ingest("example_orders", orders(20_000), mode="append")
        for title, sql in (("The last hour, by 5 minutes", LAST_HOUR), ("The past 7 days, by region", PAST_7_DAYS)):
            cursor.execute(sql)
            print(title, cursor.fetch_df().to_string(index=False), sep="\n")
        for statement in DROP:
            cursor.execute(statement)


main()
