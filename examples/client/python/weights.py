"""Weights and biases while data flows: a model of each sensor's output by load and temperature, kept current by a view.

    python weights.py [grpc://HOST:PORT]
"""

import datetime
import random
import sys

import adbc_driver_flightsql.dbapi
import numpy
import pyarrow

URL = sys.argv[1] if len(sys.argv) > 1 else "grpc://127.0.0.1:31337"

CREATE = [
    "CREATE TABLE example_runs (ts TIMESTAMP, sensor VARCHAR, load DOUBLE, degrees DOUBLE, output DOUBLE) WITH (time = 'ts')",
    """CREATE MATERIALIZED VIEW example_models AS
       SELECT time_bucket(INTERVAL '1 hour', ts) AS hour, sensor, linear_fit(output, [load, degrees]) AS fit,
              standard_scaler(degrees) AS scaler
       FROM example_runs GROUP BY ALL""",
]
DROP = ["DROP MATERIALIZED VIEW IF EXISTS example_models", "DROP TABLE IF EXISTS example_runs"]

# The states of all hours merged: the model of all rows, not an average of models.
MODELS = """
SELECT sensor, combine(fit) AS fit FROM example_models GROUP BY sensor ORDER BY sensor"""
# Normalised and scored in one query.
SCORES = """
WITH models AS (SELECT sensor, combine(fit) AS fit, combine(scaler) AS scaler FROM example_models GROUP BY sensor)
SELECT r.sensor, max(abs(r.output - apply_weights(m.fit, [r.load, r.degrees]))) AS worst,
       max(abs(zscore(r.degrees, m.scaler))) < 5 AS usual
FROM example_runs r JOIN models m USING (sensor) GROUP BY ALL ORDER BY ALL"""


def runs(sensor, weights, bias, count=1000):
    """Rows whose output is what these weights make of load and temperature."""
    start = datetime.datetime(2025, 1, 1)
    features = [(random.uniform(0, 100), random.gauss(20, 5)) for _ in range(count)]
    return pyarrow.table({
        "ts": pyarrow.array([start + datetime.timedelta(seconds=10 * n) for n in range(count)], pyarrow.timestamp("us")),
        "sensor": [sensor] * count,
        "load": [load for load, _ in features],
        "degrees": [degrees for _, degrees in features],
        "output": [float(numpy.dot(weights, row)) + bias for row in features],
    })


def main():
    with adbc_driver_flightsql.dbapi.connect(URL, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in DROP + CREATE:
            cursor.execute(statement)
        for sensor, weights, bias in (("a", [2.0, -0.5], 7.0), ("b", [0.25, 1.5], -3.0)):
            cursor.adbc_ingest("example_runs", runs(sensor, weights, bias), mode="append")
        cursor.execute(MODELS)
        for sensor, fit in cursor.fetchall():
            print(f"{sensor}: weights {numpy.round(fit['weights'], 3)}, bias {fit['bias']:.3f}, r2 {fit['r2']:.3f}, n {fit['n']}")
        cursor.execute(SCORES)
        for sensor, worst, usual in cursor.fetchall():
            print(f"{sensor}: worst error {worst:.6f}, temperatures {'as usual' if usual else 'far off'}")
        for statement in DROP:
            cursor.execute(statement)


main()
