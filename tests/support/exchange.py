"""SQL over DoExchange, each time with a client of its own: the shortest way to ask a server something."""

import pyarrow as pa
import pyarrow.flight as fl


def run_sql(server, sql, seconds=60):
    """Runs one statement; returns its rows as {column: values}."""
    with fl.connect(server.url) as client:
        options = fl.FlightCallOptions(timeout=seconds)
        writer, reader = client.do_exchange(fl.FlightDescriptor.for_command(sql), options)
        with writer:
            writer.done_writing()
            rows = {}
            for chunk in reader:
                if chunk.data is not None:
                    for name, values in chunk.data.to_pydict().items():
                        rows.setdefault(name, []).extend(values)
            return rows


def count_rows(server, table):
    return run_sql(server, f"SELECT count(*) AS n FROM {table}")["n"][0]


def is_healthy(server):
    """Does a new client get an answer to a query?"""
    try:
        return run_sql(server, "SELECT 42 AS x", seconds=20) == {"x": [42]}
    except fl.FlightUnavailableError:
        return False
    except pa.ArrowInvalid as error:  # gRPC's threads are still busy with calls that were dropped
        if "Server Threadpool Exhausted" in str(error):
            return False
        raise
