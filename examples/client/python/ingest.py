"""Rows into a table, in two ways: Arrow Flight's DoPut, and ADBC's bulk ingest.

    python ingest.py [grpc://HOST:PORT]
"""

import datetime
import json
import sys

import adbc_driver_flightsql.dbapi
import pyarrow
import pyarrow.flight

URL = sys.argv[1] if len(sys.argv) > 1 else "grpc://127.0.0.1:31337"
TABLE = "example_ingest"


def readings(first, count):
    """A batch of made-up sensor readings, one a second."""
    start = datetime.datetime(2026, 3, 2, 10) + datetime.timedelta(seconds=first)
    return pyarrow.record_batch({
        "ts": pyarrow.array([start + datetime.timedelta(seconds=n) for n in range(count)], pyarrow.timestamp("us")),
        "sensor": pyarrow.array([f"s{n % 3}" for n in range(count)]),
        "value": pyarrow.array([20 + n % 7 for n in range(count)], pyarrow.float64()),
    })


def put(batches):
    """Plain Flight. The first message asks for the table; each batch is accepted whole and acknowledged."""
    with pyarrow.flight.connect(URL) as client:
        descriptor = pyarrow.flight.FlightDescriptor.for_path(TABLE)
        writer, acknowledgements = client.do_put(descriptor, batches[0].schema)
        with writer:
            for number, batch in enumerate(batches):
                if number == 0:
                    writer.write_with_metadata(batch, b'{"create": true}')
                else:
                    writer.write_batch(batch)
                accepted = json.loads(acknowledgements.read().to_pybytes())
                print(f"DoPut: {accepted['rows']} rows accepted, visible at LSN {accepted['lsn']}")


def main():
    with adbc_driver_flightsql.dbapi.connect(URL, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
        put([readings(0, 1000), readings(1000, 1000)])
        more = pyarrow.Table.from_batches([readings(2000, 500)])
        print(f"adbc_ingest: {cursor.adbc_ingest(TABLE, more, mode='append')} rows")
        cursor.execute(f"SELECT count(*) AS readings, max(ts) AS latest FROM {TABLE}")
        print(cursor.fetch_arrow_table().to_pylist())
        cursor.execute(f"DROP TABLE {TABLE}")


main()
