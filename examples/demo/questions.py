"""Questions that a person would ask about the flights, each put to the views and to the raw rows.

What stands for {reference} is the schema of the backend that has the tables of reference_data.
"""

import dataclasses

from flight_views import views


@dataclasses.dataclass
class Question:
    title: str
    of_views: str  # the SQL that a dashboard would send
    of_rows: str  # the same answer computed from every raw row: what the demo checks against


BUSIEST = Question(
    "When were the busiest 5 minutes of the year?",
    """
SELECT window_start, sum(flights)::BIGINT AS flights, sum(late)::BIGINT AS late
FROM flights_5m_by_origin GROUP BY ALL
ORDER BY flights DESC, window_start LIMIT 3""",
    """
SELECT time_bucket(INTERVAL '5 minutes', ts) AS window_start, count(*) AS flights,
       count(*) FILTER (WHERE dep_delay >= 15) AS late
FROM flights GROUP BY ALL
ORDER BY flights DESC, window_start LIMIT 3""",
)

LAST_WEEK = "(SELECT max(window_start) FROM flights_hour_by_origin) - INTERVAL '7 days'"

WORST_HOUR = Question(
    "What was each airport's worst hour in the last week (10 departures or more)?",
    f"""
SELECT name AS airport, window_start, departed, round(mean_delay, 1) AS mean_delay, worst_delay
FROM flights_hour_by_origin JOIN {{reference}}.airports ON faa = origin
WHERE window_start > {LAST_WEEK} AND departed >= 10
QUALIFY row_number() OVER (PARTITION BY origin ORDER BY flights_hour_by_origin.mean_delay DESC, window_start) = 1
ORDER BY airport""",
    """
WITH hours AS (
  SELECT origin, date_trunc('hour', ts) AS window_start, count(dep_delay) AS departed,
         avg(dep_delay) AS mean_delay, max(dep_delay) AS worst_delay
  FROM flights
  WHERE date_trunc('hour', ts) > (SELECT date_trunc('hour', max(ts)) FROM flights) - INTERVAL '7 days'
  GROUP BY ALL)
SELECT name AS airport, window_start, departed, round(mean_delay, 1) AS mean_delay, worst_delay
FROM hours JOIN {reference}.airports ON faa = origin WHERE departed >= 10
QUALIFY row_number() OVER (PARTITION BY origin ORDER BY hours.mean_delay DESC, window_start) = 1
ORDER BY airport""",
)

WEEK_BY_CARRIER = Question(
    "How did the carriers do in the week before Christmas?",
    """
SELECT name, flights, round(mean_delay, 1) AS mean_delay, round(100 * late / departed, 1) AS late_percent
FROM flights_week_by_carrier JOIN {reference}.airlines USING (carrier)
WHERE window_start = TIMESTAMP '2013-12-16'
ORDER BY flights DESC LIMIT 8""",
    """
SELECT any_value(name) AS name, count(*) AS flights, round(avg(dep_delay), 1) AS mean_delay,
       round(100 * count(*) FILTER (WHERE dep_delay >= 15) / count(dep_delay), 1) AS late_percent
FROM flights JOIN {reference}.airlines USING (carrier)
WHERE ts >= TIMESTAMP '2013-12-16' AND ts < TIMESTAMP '2013-12-23'
GROUP BY carrier
ORDER BY flights DESC LIMIT 8""",
)

WORST_DAY = Question(
    "Which days had the most hours of delay, all airports together?",
    """
SELECT window_start, sum(flights)::BIGINT AS flights, (sum(flights) - sum(departed))::BIGINT AS never_left,
       round(sum(delay_minutes) / 60) AS hours_of_delay
FROM flights_day_by_origin GROUP BY ALL
ORDER BY hours_of_delay DESC LIMIT 3""",
    """
SELECT time_bucket(INTERVAL '1 day', ts) AS window_start, count(*) AS flights,
       count(*) - count(dep_delay) AS never_left, round(sum(dep_delay) / 60) AS hours_of_delay
FROM flights GROUP BY ALL
ORDER BY hours_of_delay DESC LIMIT 3""",
)

WEATHER = Question(
    "How much later do flights leave when there is little to see?",
    """
SELECT CASE WHEN visib < 1 THEN 'under 1 mile' WHEN visib < 5 THEN '1 to 5 miles' ELSE '5 miles or more' END AS visibility,
       sum(flights)::BIGINT AS flights, round(sum(delay_minutes) / sum(departed), 1) AS mean_delay,
       round(100 * sum(late) / sum(departed), 1) AS late_percent
FROM flights_hour_by_origin AS delays JOIN {reference}.weather AS w ON w.origin = delays.origin AND w.ts = window_start
GROUP BY ALL ORDER BY mean_delay DESC""",
    """
SELECT CASE WHEN visib < 1 THEN 'under 1 mile' WHEN visib < 5 THEN '1 to 5 miles' ELSE '5 miles or more' END AS visibility,
       count(*) AS flights, round(avg(dep_delay), 1) AS mean_delay,
       round(100 * count(*) FILTER (WHERE dep_delay >= 15) / count(dep_delay), 1) AS late_percent
FROM flights JOIN {reference}.weather AS w ON w.origin = flights.origin AND w.ts = date_trunc('hour', flights.ts)
GROUP BY ALL ORDER BY mean_delay DESC""",
)

PLANES = Question(
    "Whose planes flew the most miles?",
    """
SELECT manufacturer, count(*) AS planes, sum(flights)::BIGINT AS flights, sum(miles)::BIGINT AS miles,
       round(sum(delay_minutes) / sum(departed), 1) AS mean_delay
FROM flights_of_plane JOIN {reference}.planes USING (tailnum)
GROUP BY ALL ORDER BY miles DESC LIMIT 5""",
    """
SELECT manufacturer, count(DISTINCT tailnum) AS planes, count(*) AS flights, sum(distance)::BIGINT AS miles,
       round(avg(dep_delay), 1) AS mean_delay
FROM flights JOIN {reference}.planes USING (tailnum)
GROUP BY ALL ORDER BY miles DESC LIMIT 5""",
)

RUSH = Question(
    "Which two hours of the year were the busiest, by overlapping windows?",
    """
SELECT window_start, window_end, sum(flights)::BIGINT AS flights FROM flights_rush GROUP BY ALL
ORDER BY flights DESC, window_start LIMIT 3""",
    """
SELECT window_start, window_end, count(*) AS flights
FROM hop(flights, ts, INTERVAL '15 minutes', INTERVAL '2 hours') GROUP BY ALL
ORDER BY flights DESC, window_start LIMIT 3""",
)

QUARTERS = Question(
    "How late were flights in each quarter, merged from the months of all carriers?",
    """
SELECT date_trunc('quarter', month) AS quarter, combine(flights) AS flights, round(combine(mean_delay), 2) AS mean_delay,
       round(combine(spread), 1) AS spread
FROM flights_month GROUP BY ALL ORDER BY quarter""",
    """
SELECT date_trunc('quarter', ts) AS quarter, count(*) AS flights, round(avg(dep_delay), 2) AS mean_delay,
       round(stddev_samp(dep_delay), 1) AS spread
FROM flights GROUP BY ALL ORDER BY quarter""",
)

MODEL = Question(
    "What does arrival delay owe to departure delay and distance? Models of single days, merged",
    """
SELECT carrier, fit.n AS flights, round(fit.weights[1], 3) AS per_minute, round(1000 * fit.weights[2], 2) AS per_1000_miles,
       round(fit.bias, 2) AS bias, round(fit.r2, 3) AS r2
FROM (SELECT carrier, combine(fit) AS fit FROM flights_fit GROUP BY ALL) ORDER BY flights DESC LIMIT 5""",
    """
SELECT carrier, fit.n AS flights, round(fit.weights[1], 3) AS per_minute, round(1000 * fit.weights[2], 2) AS per_1000_miles,
       round(fit.bias, 2) AS bias, round(fit.r2, 3) AS r2
FROM (SELECT carrier, linear_fit(arr_delay, [dep_delay, distance]) AS fit FROM flights GROUP BY ALL)
ORDER BY flights DESC LIMIT 5""",
)

# Asked of the table, the first of them ends within a window; the server finds the view that answers each.
OF_THE_TABLE = [
    ("Flights of each airport since Christmas Eve, 17:42",
     "SELECT origin, count(*) AS flights, avg(dep_delay) AS mean_delay FROM flights "
     "WHERE ts >= '2013-12-24 17:42:00' GROUP BY ALL ORDER BY ALL"),
    ("The worst delay of each weekday",
     "SELECT dayname(ts) AS weekday, max(dep_delay) AS worst_delay FROM flights GROUP BY ALL ORDER BY ALL"),
]

QUESTIONS = [BUSIEST, WORST_HOUR, WEEK_BY_CARRIER, WORST_DAY, WEATHER, PLANES, RUSH, QUARTERS, MODEL]


def differing_groups():
    """For each view, SQL that counts groups that are in the view or in its SELECT over the raw rows, but not in both."""
    for view, select in views():
        # The last bits of a deviation or a model depend on the order of the rows.
        columns = "*"
        if " AS spread" in select:
            columns = "* REPLACE (round(spread, 6) AS spread)"
        elif " AS fit" in select:
            columns = "day, carrier, fit.n, round(fit.r2, 6)"
        kept, truth = f"(SELECT {columns} FROM {view})", f"(SELECT {columns} FROM ({select}))"
        yield view, f"SELECT count(*) FROM (({kept} EXCEPT ALL {truth}) UNION ALL ({truth} EXCEPT ALL {kept}))"
