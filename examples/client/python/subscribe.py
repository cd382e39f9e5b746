"""A copy of a materialized view that follows it: the view first, then whatever changes in it.

    python subscribe.py [grpc://HOST:PORT]
"""

import datetime
import json
import sys

import adbc_driver_flightsql.dbapi
import pyarrow.flight

URL = sys.argv[1] if len(sys.argv) > 1 else "grpc://127.0.0.1:31337"
DROP = ["DROP MATERIALIZED VIEW IF EXISTS example_live_1m", "DROP TABLE IF EXISTS example_live"]
CREATE = [
    "CREATE TABLE example_live (ts TIMESTAMP, region VARCHAR, amount DOUBLE) WITH (time = 'ts')",
    """CREATE MATERIALIZED VIEW example_live_1m AS
       SELECT time_bucket(INTERVAL '1 minute', ts) AS window_start, region, count(*) AS orders, sum(amount) AS revenue
       FROM example_live GROUP BY ALL""",
]


def follow(view, token=None, **wanted):
    """Yields the copy after each update, and the token to go on from. Give the last token to go on after a break."""
    copy = {}
    ticket = pyarrow.flight.Ticket(json.dumps({"subscribe": {"view": view, "resume": token, **wanted}}))
    for message in pyarrow.flight.connect(URL).do_get(ticket):
        for row in message.data.to_pylist():
            match row.pop("op"):
                case "reset": copy.clear()
                case "delete": copy = {key: kept for key, kept in copy.items() if key[0] != row["window_start"]}
                case _: copy[row["window_start"], row["region"]] = row
        metadata = json.loads(message.app_metadata.to_pybytes())
        if metadata["complete"]:
            yield copy, metadata["resume"]


def main():
    with adbc_driver_flightsql.dbapi.connect(URL, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in DROP + CREATE:
            cursor.execute(statement)
        updates = follow("example_live_1m", rows="groups", where="region = 'north'")
        print("at first:", len(next(updates)[0]), "rows")
        for second in range(5):
            start = datetime.datetime(2026, 3, 2, 10) + datetime.timedelta(seconds=second * 30)
            cursor.execute(f"INSERT INTO example_live VALUES ('{start}', 'north', 10), ('{start}', 'south', 99)")
            copy, token = next(updates)
            for row in sorted(copy.values(), key=lambda row: row["window_start"])[-1:]:
                print(f"{row['window_start']:%H:%M} {row['region']}: {row['orders']} orders, {row['revenue']:.2f}")
        updates.close()
        for statement in DROP:
            cursor.execute(statement)


main()
