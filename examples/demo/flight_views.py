"""What the demo keeps current: one table of flights, ten views over it (five window sizes by two keys), one of windows
that overlap, one of calendar months, one of running totals, and one of models that are fitted while data flows."""

TABLE = "flights"

CREATE_TABLE = """
CREATE TABLE flights (
  ts TIMESTAMP, carrier VARCHAR, flight INTEGER, tailnum VARCHAR, origin VARCHAR, dest VARCHAR,
  dep_delay DOUBLE, arr_delay DOUBLE, air_time INTEGER, distance INTEGER
) WITH (time = 'ts')
"""

# Name in the views' names, width in SQL, name for people.
WINDOWS = [
    ("5m", "INTERVAL '5 minutes'", "5 min"),
    ("30m", "INTERVAL '30 minutes'", "30 min"),
    ("hour", "INTERVAL '1 hour'", "hour"),
    ("day", "INTERVAL '1 day'", "day"),
    ("week", "INTERVAL '7 days'", "week"),
]
KEYS = ["carrier", "origin"]


def view_name(window, key):
    return f"flights_{window}_by_{key}"


def definition(width, key):
    """The view's SELECT. Run over the raw rows it is the view's own check.

    A flight without a departure delay never left. Sums and counts rather than means are what can be added up over
    several windows.
    """
    return f"""
SELECT time_bucket({width}, ts) AS window_start, {key},
       count(*) AS flights, count(dep_delay) AS departed,
       sum(dep_delay) AS delay_minutes, avg(dep_delay) AS mean_delay, max(dep_delay) AS worst_delay,
       count(*) FILTER (WHERE dep_delay >= 15) AS late
FROM flights GROUP BY ALL"""


# Windows that overlap, windows of the calendar, all of history, and a model for each carrier and day.
OTHERS = [
    ("flights_rush", """
SELECT window_start, window_end, origin, count(*) AS flights, sum(dep_delay) AS delay_minutes
FROM hop(flights, ts, INTERVAL '15 minutes', INTERVAL '2 hours') GROUP BY ALL"""),
    ("flights_month", """
SELECT date_trunc('month', ts) AS month, carrier, count(*) AS flights, count(dep_delay) AS departed,
       avg(dep_delay) AS mean_delay, stddev_samp(dep_delay) AS spread
FROM flights GROUP BY ALL"""),
    ("flights_of_plane", """
SELECT tailnum, count(*) AS flights, count(dep_delay) AS departed, sum(dep_delay) AS delay_minutes,
       sum(distance) AS miles
FROM flights GROUP BY ALL"""),
    ("flights_fit", """
SELECT time_bucket(INTERVAL '1 day', ts) AS day, carrier, linear_fit(arr_delay, [dep_delay, distance]) AS fit
FROM flights GROUP BY ALL"""),
]


def views():
    """(name, definition) of every view."""
    return [(view_name(window, key), definition(width, key))
            for window, width, _ in WINDOWS for key in KEYS] + OTHERS
