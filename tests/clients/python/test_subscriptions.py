"""Subscriptions with stock pyarrow, beside ADBC: what its readers do with a call that goes on."""

import json

import pyarrow as pa
import pyarrow.flight as flight
import pytest


@pytest.fixture
def view(auto):
    """A view over an empty table `pushed`."""
    with auto.cursor() as cursor:
        cursor.execute("CREATE TABLE pushed (ts TIMESTAMP, k VARCHAR, x DOUBLE) WITH (time = 'ts')")
        cursor.execute("CREATE MATERIALIZED VIEW pushed_1m AS SELECT time_bucket(INTERVAL '1 minute', ts) AS w, k,"
                       " count(*) AS n, sum(x) AS s FROM pushed GROUP BY ALL")
        yield "pushed_1m"
        cursor.execute("DROP MATERIALIZED VIEW pushed_1m")
        cursor.execute("DROP TABLE pushed")


def subscribe(client, **wanted):
    return client.do_get(flight.Ticket(json.dumps({"subscribe": wanted})))


def test_a_reader_is_iterated_over_and_cancelled(server, view, auto):
    with flight.connect(server.url) as client, auto.cursor() as cursor:
        reader = subscribe(client, view=view, snapshot=False)
        assert reader.schema.names == ["op", "w", "k", "n", "s"] and reader.schema.field("op").type == pa.string()
        cursor.execute("INSERT INTO pushed VALUES ('2026-01-01 10:00:00', 'a', 1.5)")
        for message in reader:
            assert message.data.to_pydict()["s"] == [1.5]
            break
        reader.cancel()
        with pytest.raises((flight.FlightError, pa.ArrowException)):
            reader.read_chunk()
        assert client.do_get(flight.Ticket(json.dumps({"subscribe": {"view": view}}))).read_chunk().data.num_rows == 2


def test_rows_of_a_transaction_come_with_its_commit(server, view, connection, other):
    with flight.connect(server.url) as client, connection.cursor() as cursor, other.cursor() as reading:
        reader = subscribe(client, view=view, rows="groups")
        assert reader.read_chunk().data.to_pydict()["op"] == ["reset"]
        for key in "abc":
            cursor.execute(f"INSERT INTO pushed VALUES ('2026-01-01 10:00:00', '{key}', 1)")
        connection.rollback()
        cursor.execute("INSERT INTO pushed VALUES ('2026-01-01 10:00:00', 'd', 1)")
        cursor.execute("INSERT INTO pushed VALUES ('2026-01-01 10:00:00', 'd', 1)")
        connection.commit()
        message = reader.read_chunk()
        assert message.data.to_pydict()["k"] == ["d"] and message.data.to_pydict()["n"] == [2]
        reading.execute(f"SELECT k, n FROM {view}")
        assert reading.fetchall() == [("d", 2)]
        reader.cancel()


def test_a_client_goes_on_over_a_new_connection(server, view, auto):
    with auto.cursor() as cursor:
        with flight.connect(server.url) as client:
            reader = subscribe(client, view=view)
            token = json.loads(reader.read_chunk().app_metadata.to_pybytes())["resume"]
        cursor.execute("INSERT INTO pushed VALUES ('2026-01-01 10:00:00', 'missed', 1)")
        with flight.connect(server.url) as client:
            message = subscribe(client, view=view, resume=token).read_chunk()
            assert message.data.to_pydict()["k"] == ["missed"] and message.data.to_pydict()["op"] == ["upsert"]
            with pytest.raises(pa.ArrowInvalid, match="with another filter"):
                subscribe(client, view=view, resume=token, where="k = 'a'").read_chunk()


def test_ingest_by_adbc_is_pushed(server, view, auto):
    rows = pa.table({"ts": pa.array([1_767_261_600_000_000 + n * 1_000_000 for n in range(120)], pa.timestamp("us")),
                     "k": [f"k{n % 4}" for n in range(120)], "x": [0.5] * 120})
    with flight.connect(server.url) as client, auto.cursor() as cursor:
        reader = subscribe(client, view=view, where="k = 'k1'")
        reader.read_chunk()
        cursor.adbc_ingest("pushed", rows, mode="append")
        assert reader.read_chunk().data.to_pydict()["n"] == [15, 15]
        reader.cancel()
