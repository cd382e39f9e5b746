"""Power cuts and full disks: what was acknowledged is there, and a view equals its SELECT."""

import os
import pathlib
import random
import threading

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from server_process import ServerProcess, run_hyprstream, wait_until

ROWS = 500  # of one batch
SCHEMA = pa.schema([("writer", pa.int64()), ("batch", pa.int64()), ("v", pa.int64())])
VIEW = "SELECT writer, batch % 7 AS k, count(*) AS n, sum(v) AS total, min(batch) AS low, max(batch) AS high FROM t GROUP BY ALL"


def make(client):
    wire.update(client, "CREATE TABLE t (writer BIGINT, batch BIGINT, v BIGINT)")
    wire.update(client, f"CREATE MATERIALIZED VIEW t_by_k AS {VIEW}")


def expect_view_equals_its_select(client):
    wire.update(client, "SET use_views = false")
    view = wire.query(client, "SELECT * FROM t_by_k ORDER BY ALL")
    assert view == wire.query(client, f"SELECT * FROM ({VIEW}) ORDER BY ALL")


def rows_of(writer, batch):
    return pa.record_batch([pa.array([writer] * ROWS), pa.array([batch] * ROWS), pa.array(range(ROWS))], schema=SCHEMA)


class Writer(threading.Thread):
    """Puts, ingests or inserts batches one after the other until the server is gone; `acknowledged` counts them."""

    def __init__(self, url, number):
        super().__init__()
        self.url, self.number, self.acknowledged = url, number, 0
        self.door = (self.put, self.ingest, self.insert)[number % 3]

    def run(self):
        with flight.connect(self.url) as client:
            try:
                self.door(client)
            except (flight.FlightError, pa.ArrowException, OSError):
                pass

    def put(self, client):
        writer, reader = client.do_put(flight.FlightDescriptor.for_path("t"), SCHEMA)
        while True:
            writer.write_batch(rows_of(self.number, self.acknowledged))
            if reader.read() is None:
                return
            self.acknowledged += 1

    def ingest(self, client):
        while True:
            writer, reader = client.do_put(wire.statement_ingest("t"), SCHEMA)
            writer.write_batch(rows_of(self.number, self.acknowledged))
            writer.done_writing()
            if reader.read() is None:
                return
            writer.close()
            self.acknowledged += 1

    def insert(self, client):
        while True:
            wire.update(client, f"INSERT INTO t SELECT {self.number}, {self.acknowledged}, range FROM range({ROWS})")
            self.acknowledged += 1


def test_kill_while_writing(tmp_path):
    first = {writer: 0 for writer in range(3)}
    for round_number in range(3):
        server = ServerProcess("--data", tmp_path)
        try:
            with flight.connect(server.url) as client:
                if round_number == 0:
                    make(client)
                wire.update(client, "DELETE FROM t")
                writers = [Writer(server.url, number) for number in first]
                for writer in writers:
                    writer.start()
                wait_until(lambda: all(writer.acknowledged >= 5 + 3 * round_number for writer in writers), seconds=60)
        finally:
            server.kill()
        for writer in writers:
            writer.join()
        with ServerProcess("--data", tmp_path) as again, flight.connect(again.url) as client:
            for writer in writers:
                counts = wire.query(client, f"SELECT batch, count(*) AS n, count(DISTINCT v) AS vs FROM t "
                                            f"WHERE writer = {writer.number} GROUP BY batch ORDER BY batch")
                found = [(row["batch"], row["n"], row["vs"]) for row in counts]
                # Every acknowledged batch once and whole; the one in flight whole or not at all.
                assert found[: writer.acknowledged] == [(batch, ROWS, ROWS) for batch in range(writer.acknowledged)]
                assert found[writer.acknowledged :] in ([], [(writer.acknowledged, ROWS, ROWS)])
            expect_view_equals_its_select(client)
            wire.update(client, "INSERT INTO t VALUES (9, 9, 9)")
            expect_view_equals_its_select(client)


def test_kill_while_definitions_change(tmp_path):
    """A CREATE or DROP that was answered holds; views and options never point to what is not there."""
    seed = int(os.environ.get("HYPRSTREAM_SEED", "1"))
    print(f"HYPRSTREAM_SEED={seed}")
    chance = random.Random(seed)
    for _ in range(3):
        server, done = ServerProcess("--data", tmp_path), threading.Event()
        answered = {}

        def change():
            with flight.connect(server.url) as client:
                try:
                    for number in range(10**6):
                        name = f"d{number % 5}"
                        wire.update(client, f"DROP MATERIALIZED VIEW IF EXISTS {name}_v")
                        wire.update(client, f"DROP TABLE IF EXISTS {name}")
                        wire.update(client, f"CREATE TABLE {name} (i BIGINT) WITH (keep_rows = true)")
                        wire.update(client, f"CREATE MATERIALIZED VIEW {name}_v AS SELECT i % 3 AS k, count(*) AS n FROM {name} GROUP BY k")
                        wire.update(client, f"INSERT INTO {name} SELECT range FROM range(100)")
                        answered[name] = number
                except (flight.FlightError, pa.ArrowException, OSError):
                    done.set()

        thread = threading.Thread(target=change)
        thread.start()
        enough = chance.randrange(5, 12)
        wait_until(lambda: max(answered.values(), default=0) >= enough, seconds=60)
        server.kill()
        thread.join()
        with ServerProcess("--data", tmp_path) as again, flight.connect(again.url) as client:
            last = max(answered, key=answered.get)
            wire.update(client, "SET use_views = false")
            assert wire.query(client, "SELECT * FROM hyprstream.views WHERE status <> 'ready'") == []
            for row in wire.query(client, "FROM hyprstream.views"):
                base = row["view_name"].removesuffix("_v")
                assert wire.query(client, f"SELECT * FROM {row['view_name']} ORDER BY k") == wire.query(
                    client, f"SELECT i % 3 AS k, count(*) AS n FROM {base} GROUP BY k ORDER BY k")
            assert wire.query(client, f"SELECT sum(n)::BIGINT AS n FROM {last}_v") == [{"n": 100}]


def limited(kilobytes):
    """Writes beyond that size of one file fail, as on a full disk (EFBIG in the place of ENOSPC)."""
    return ["bash", "-c", f'trap "" XFSZ; ulimit -f {kilobytes}; exec "$@"', "bash"]


@pytest.mark.parametrize("room_kb", [2_000, 6_000])
def test_a_full_disk_refuses_writes_and_spoils_nothing(tmp_path, room_kb):
    with ServerProcess("--data", tmp_path) as server, flight.connect(server.url) as client:
        make(client)
    accepted, refusal = 0, None
    server = ServerProcess("--data", tmp_path, wrapper=limited(room_kb))
    try:
        with flight.connect(server.url) as client:
            for batch in range(400):
                try:
                    wire.update(client, f"INSERT INTO t SELECT 1, {batch}, (hash(range + {batch} * 100000) % 1000000007)::BIGINT FROM range(10000)")
                    accepted += 1
                except (flight.FlightError, pa.ArrowException, OSError) as error:
                    refusal = str(error)
                    break
            assert refusal is not None, "the disk never filled up"
            print(f"{accepted} batches, then: {refusal[:300]}")
            if server.process.poll() is None:
                try:  # while it lives it answers, and half a batch is never seen
                    count = wire.query(client, "SELECT count(*) AS n FROM t")[0]["n"]
                    assert count == accepted * 10000
                    expect_view_equals_its_select(client)
                except (flight.FlightError, pa.ArrowException) as error:
                    assert "restart" in str(error) or "disk" in str(error) or "write" in str(error), error
    finally:
        if server.process.poll() is None:
            server.terminate()
        log = server.close()
    assert "file" in refusal.lower() or "disk" in refusal.lower() or "write" in refusal.lower(), refusal
    # With room again everything that was acknowledged is there, once.
    with ServerProcess("--data", tmp_path) as again, flight.connect(again.url) as client:
        rows = wire.query(client, "SELECT batch, count(*) AS n FROM t GROUP BY batch ORDER BY batch")
        found = [(row["batch"], row["n"]) for row in rows]
        assert found[:accepted] == [(batch, 10000) for batch in range(accepted)], log[-2000:]
        assert found[accepted:] in ([], [(accepted, 10000)])
        expect_view_equals_its_select(client)
        wire.update(client, "INSERT INTO t VALUES (9, 9, 9)")
        expect_view_equals_its_select(client)


def test_a_sequence_gives_no_number_twice(tmp_path):
    with ServerProcess("--data", tmp_path) as server, flight.connect(server.url) as client:
        wire.update(client, "CREATE SEQUENCE ids")
    server = ServerProcess("--data", tmp_path)
    with flight.connect(server.url) as client:
        given = [wire.query(client, "SELECT nextval('ids') AS id")[0]["id"] for _ in range(3)]
        server.kill()
    server.close()
    with ServerProcess("--data", tmp_path) as again, flight.connect(again.url) as client:
        assert given == [1, 2, 3] and wire.query(client, "SELECT nextval('ids') AS id") == [{"id": 4}]


def test_a_full_spill_folder_fails_the_query_alone(tmp_path):
    with ServerProcess("--memory-max", "256MiB", "--temp-directory", tmp_path / "spill", "--temp-max", "1MiB") as server:
        with flight.connect(server.url) as client:
            with pytest.raises((flight.FlightError, pa.ArrowException), match="(?i)memory|temp"):
                wire.query(client, "SELECT md5(range::VARCHAR) AS k FROM range(8000000) ORDER BY k LIMIT 1 OFFSET 7999999")
            assert wire.query(client, "SELECT 1 AS one") == [{"one": 1}]


def test_a_folder_that_cannot_be_written_or_read(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "tables.duckdb").write_bytes(b"no database at all" * 1000)
    for folder in ("file", "broken", "file/below"):
        status, _, error = run_hyprstream("serve", "--port", "0", "--data", tmp_path / folder)
        assert status == 2 and len(error.strip().splitlines()) == 1, error
        assert folder in error


def test_two_servers_cannot_share_a_folder(tmp_path):
    with ServerProcess("--data", tmp_path) as server, flight.connect(server.url) as client:
        status, _, error = run_hyprstream("serve", "--port", "0", "--data", tmp_path)
        assert status == 2 and len(error.strip().splitlines()) == 1, error
        assert wire.query(client, "SELECT 1 AS one") == [{"one": 1}]
    assert pathlib.Path(tmp_path, "tables.duckdb").exists()
