"""Vectors while data flows: centroids of topics by hour, kept current by a view, how far they drift, and a search.

    python vectors.py [grpc://HOST:PORT]
"""

import datetime
import sys

import adbc_driver_flightsql.dbapi
import numpy
import pyarrow

URL = sys.argv[1] if len(sys.argv) > 1 else "grpc://127.0.0.1:31337"
DIMENSIONS = 64

CREATE = [
    f"CREATE TABLE example_documents (ts TIMESTAMP, topic VARCHAR, embedding FLOAT[{DIMENSIONS}]) WITH (time = 'ts')",
    """CREATE MATERIALIZED VIEW example_centroids AS
       SELECT time_bucket(INTERVAL '1 hour', ts) AS hour, topic, count(*) AS documents, vec_avg(embedding) AS centroid,
              vec_stddev(embedding) AS spread
       FROM example_documents GROUP BY ALL""",
]
DROP = ["DROP MATERIALIZED VIEW IF EXISTS example_centroids", "DROP TABLE IF EXISTS example_documents"]

DRIFT = """
SELECT topic, max(moved) AS drift FROM (
  SELECT topic, array_distance(centroid, lag(centroid) OVER (PARTITION BY topic ORDER BY hour)) AS moved FROM example_centroids)
GROUP BY topic ORDER BY topic"""
# The hours' states merged: the centroid of all documents, not an average of averages.
CENTROIDS = "SELECT topic, combine(centroid) AS centroid FROM example_centroids GROUP BY topic ORDER BY topic"
NEAREST = f"""
SELECT topic FROM ({CENTROIDS})
ORDER BY array_cosine_similarity(centroid, ?::DOUBLE[{DIMENSIONS}]) DESC LIMIT 1"""


def documents(topic, center, drift, hours=4, count=500):
    """Documents around a center that moves by `drift` every hour."""
    random = numpy.random.default_rng(5)
    hour = numpy.repeat(numpy.arange(hours), count)
    vectors = center + numpy.outer(hour, drift) + random.standard_normal((hours * count, DIMENSIONS)) / 100
    start = datetime.datetime(2025, 1, 1)
    return pyarrow.table({
        "ts": pyarrow.array([start + datetime.timedelta(hours=int(n)) for n in hour], pyarrow.timestamp("us")),
        "topic": [topic] * len(hour),
        "embedding": pyarrow.FixedSizeListArray.from_arrays(vectors.astype(numpy.float32).reshape(-1), DIMENSIONS),
    })


def main():
    axis = numpy.eye(DIMENSIONS)
    with adbc_driver_flightsql.dbapi.connect(URL, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in DROP + CREATE:
            cursor.execute(statement)
        cursor.adbc_ingest("example_documents", documents("calm", axis[0], 0 * axis[1]), mode="append")
        cursor.adbc_ingest("example_documents", documents("moving", axis[1], axis[2] / 2), mode="append")
        cursor.execute(DRIFT)
        for topic, drift in cursor.fetchall():
            print(f"{topic}: its centroid moves by up to {drift:.1f} an hour")
        cursor.execute(CENTROIDS)
        column = cursor.fetch_arrow_table()["centroid"].combine_chunks()
        centroids = column.flatten().to_numpy(zero_copy_only=True).reshape(len(column), DIMENSIONS)  # Arrow's own memory
        print(f"centroids: {centroids.shape[0]} x {centroids.shape[1]}, of length {numpy.linalg.norm(centroids, axis=1).round(2)}")
        cursor.execute(NEAREST, parameters=[(axis[1] + axis[2]).tolist()])
        print(f"nearest to the query: {cursor.fetchone()[0]}")
        for statement in DROP:
            cursor.execute(statement)


main()
