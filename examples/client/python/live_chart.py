"""A chart of a window that fills while data streams in. Without a display it writes live_chart.png at the end.

    python live_chart.py [grpc://HOST:PORT] [--png FILE]
"""

import argparse
import datetime
import math

import adbc_driver_flightsql.dbapi
import matplotlib
import matplotlib.pyplot as pyplot
import pyarrow

BATCHES = 60
BATCH_MINUTES = 10
DROP = ["DROP MATERIALIZED VIEW IF EXISTS example_load_30m", "DROP TABLE IF EXISTS example_load"]
CREATE = [
    "CREATE TABLE example_load (ts TIMESTAMP, watts DOUBLE) WITH (time = 'ts')",
    """CREATE MATERIALIZED VIEW example_load_30m AS
       SELECT time_bucket(INTERVAL '30 minutes', ts) AS window_start, avg(watts) AS mean, max(watts) AS peak
       FROM example_load GROUP BY ALL""",
]


def batch(number):
    """Ten minutes of a made-up meter, a reading a second."""
    start = datetime.datetime(2026, 3, 2) + datetime.timedelta(minutes=number * BATCH_MINUTES)
    times = [start + datetime.timedelta(seconds=second) for second in range(BATCH_MINUTES * 60)]
    watts = [500 + 300 * math.sin(time.timestamp() / 7000) + time.second for time in times]
    return pyarrow.table({"ts": pyarrow.array(times, pyarrow.timestamp("us")), "watts": watts})


def draw(axes, cursor):
    cursor.execute("SELECT * FROM example_load_30m ORDER BY window_start")
    windows = cursor.fetch_df()
    axes.clear()
    axes.step(windows["window_start"], windows["mean"], where="post", label="mean")
    axes.step(windows["window_start"], windows["peak"], where="post", label="peak")
    axes.set_title("Load by 30 minutes")
    axes.set_ylabel("watts")
    axes.legend(loc="upper right")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url", nargs="?", default="grpc://127.0.0.1:31337")
    parser.add_argument("--png", default="live_chart.png")
    options = parser.parse_args()
    interactive = matplotlib.get_backend().lower() != "agg"
    figure, axes = pyplot.subplots(figsize=(9, 4))
    with adbc_driver_flightsql.dbapi.connect(options.url, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in DROP + CREATE:
            cursor.execute(statement)
        for number in range(BATCHES):
            cursor.adbc_ingest("example_load", batch(number), mode="append")
            if interactive:
                draw(axes, cursor)
                pyplot.pause(0.05)
        draw(axes, cursor)
        figure.autofmt_xdate()
        for statement in DROP:
            cursor.execute(statement)
    if interactive:
        pyplot.show()
    else:
        figure.savefig(options.png)
        print(f"wrote {options.png}")


main()
