"""The one memory bound under load: what each share does when it is full, and that the process stays near the sum."""

import re
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import flight_sql_wire as wire
from server_process import ServerProcess, wait_until

MEMORY_MAX = 512 << 20
# What no share counts: the program itself, freed memory that malloc keeps, and the message that each call is reading
# (docs/configuration.md, "Memory").
SLACK = 300 << 20


@pytest.fixture
def server(tmp_path):
    with ServerProcess("--memory-max", MEMORY_MAX, "--http-port", "0", "--data", tmp_path / "data") as process:
        yield process


def memory(server, name, share):
    port = re.search(r'port"?[=:](\d+)', next(line for line in server.log().splitlines() if " http " in line))[1]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as page:
        return float(re.search(rf'^{name}{{share="{share}"}} (\S+)$', page.read().decode(), re.MULTILINE)[1])


class Watching:
    """The highest resident memory and share of messages while the block runs."""

    def __init__(self, server):
        self.server, self.resident, self.messages, self.waiting = server, 0, 0, 0
        self.done = threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.done.wait(0.05):
            self.resident = max(self.resident, self.server.status_value("VmRSS") * 1024)
            self.messages = max(self.messages, memory(self.server, "hyprstream_memory_bytes", "messages"))
            self.waiting = max(self.waiting, memory(self.server, "hyprstream_memory_waiting", "messages"))

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        print(f"resident at most {self.resident >> 20} MiB of {MEMORY_MAX >> 20}, messages {int(self.messages) >> 20} MiB, "
              f"{int(self.waiting)} waited")


def big_batch(megabytes):
    rows = megabytes << 17
    return pa.record_batch({"i": pa.array(range(rows), pa.int64())})


@pytest.mark.parametrize("door", ["put", "ingest"])
def test_many_writers_with_big_batches_wait_instead_of_failing(server, door):
    batch, batches, writers = big_batch(16), 6, 8
    with flight.connect(server.url) as client:
        wire.update(client, "CREATE TABLE t (i BIGINT)")

    def write(_):
        with flight.connect(server.url) as client:
            descriptor = flight.FlightDescriptor.for_path("t") if door == "put" else wire.statement_ingest("t")
            writer, reader = client.do_put(descriptor, batch.schema)
            acknowledged = 0

            def read():
                nonlocal acknowledged
                while reader.read() is not None:
                    acknowledged += 1

            reading = threading.Thread(target=read)
            reading.start()
            for _ in range(batches):
                writer.write_batch(batch)
            writer.done_writing()
            reading.join()
            writer.close()
            return acknowledged

    with Watching(server) as seen, ThreadPoolExecutor(writers) as pool:
        acknowledged = list(pool.map(write, range(writers)))
    assert acknowledged == [batches if door == "put" else 1] * writers
    with flight.connect(server.url) as client:
        assert wire.query(client, "SELECT count(*) AS n FROM t") == [{"n": batch.num_rows * batches * writers}]
    assert seen.messages <= memory(server, "hyprstream_memory_bytes_max", "messages")
    assert seen.messages > 0
    assert memory(server, "hyprstream_memory_bytes", "messages") == 0
    assert seen.resident < MEMORY_MAX + SLACK


def test_a_batch_that_never_fits_is_refused(server):
    with flight.connect(server.url) as client:
        wire.update(client, "CREATE TABLE t (i BIGINT)")
        writer, reader = client.do_put(flight.FlightDescriptor.for_path("t"), pa.schema([("i", pa.int64())]))
        with pytest.raises((flight.FlightError, pa.ArrowException)):
            writer.write_batch(big_batch(120))
            writer.done_writing()
            while reader.read() is not None:
                pass
            writer.close()
        assert wire.query(client, "SELECT count(*) AS n FROM t") == [{"n": 0}]


def test_readers_that_stall_hold_little_and_stop_nobody(server):
    sql = "SELECT range AS a, range * 2 AS b, md5(range::VARCHAR) AS c FROM range(20000000)"
    used = memory(server, "hyprstream_memory_bytes", "engine")
    with flight.connect(server.url) as client, Watching(server) as seen:
        start = server.status_value("VmRSS") * 1024
        readers = []
        for _ in range(24):
            info = client.get_flight_info(wire.statement_query(sql))
            readers.append(client.do_get(info.endpoints[0].ticket))
            readers[-1].read_chunk()
        for _ in range(5):  # those who read again get on, in small batches
            for reader in readers:
                assert reader.read_chunk().data.num_rows > 0
        with flight.connect(server.url) as other:
            assert wire.query(other, "SELECT count(*) AS n FROM (SELECT range FROM range(1000000))") == [{"n": 1000000}]
            info = other.get_flight_info(wire.statement_query("SELECT range FROM range(3000000)"))
            assert sum(chunk.data.num_rows for chunk in other.do_get(info.endpoints[0].ticket)) == 3000000
        for reader in readers:
            reader.cancel()
        del readers, reader
    assert seen.resident < start + MEMORY_MAX // 2
    wait_until(lambda: memory(server, "hyprstream_memory_bytes", "engine") < used + (4 << 20), what="their memory's return")


def test_a_result_inside_a_transaction_counts_and_spills(server):
    bound = memory(server, "hyprstream_memory_bytes_max", "engine")
    with flight.connect(server.url) as client, Watching(server) as seen:
        transaction = wire.begin(client)
        sql = "SELECT range AS a, md5(range::VARCHAR) AS c FROM range(8000000)"
        info = client.get_flight_info(wire.statement_query(sql, transaction))
        assert bound / 4 < memory(server, "hyprstream_memory_bytes", "engine") <= bound
        assert sum(chunk.data.num_rows for chunk in client.do_get(info.endpoints[0].ticket)) == 8000000
        wire.end(client, transaction)
    assert seen.resident < MEMORY_MAX + SLACK
    wait_until(lambda: memory(server, "hyprstream_memory_bytes", "engine") < bound / 8, what="the result's end")


def test_a_view_over_a_table_larger_than_memory(server):
    with flight.connect(server.url) as client:
        wire.update(client, "CREATE TABLE big (a BIGINT, b BIGINT, c VARCHAR)")
        for step in range(4):
            wire.update(client, f"INSERT INTO big SELECT range, range % 1000, md5(range::VARCHAR) "
                        f"FROM range({step} * 3000000, {step + 1} * 3000000)")
        with Watching(server) as seen:
            wire.update(client, "CREATE MATERIALIZED VIEW big_by_b AS "
                        "SELECT b, count(*) AS n, min(a) AS low, max(c) AS high FROM big GROUP BY b")
        assert seen.resident < MEMORY_MAX + SLACK
        assert wire.query(client, "SELECT count(*) AS groups, sum(n)::BIGINT AS n FROM big_by_b") == [
            {"groups": 1000, "n": 12000000}]
        with pytest.raises((flight.FlightError, pa.ArrowException), match="share of memory_max"):
            wire.update(client, "CREATE MATERIALIZED VIEW too_fine AS SELECT a, count(*) AS n, max(c) AS c FROM big GROUP BY a")
        assert wire.query(client, "SELECT view_name FROM hyprstream.views") == [{"view_name": "big_by_b"}]


def test_what_a_statement_gathered_is_given_back(server):
    """A plan that its session keeps must not keep what its operators gathered, also where a LIMIT ends it early."""
    groups = "SELECT range AS k, count(*) AS n, max(md5(range::VARCHAR)) AS m FROM range(1000000) GROUP BY k"
    sqls = [f"SELECT count(*) AS n FROM ({groups})", f"SELECT * FROM ({groups}) LIMIT 1",
            f"SELECT k FROM ({groups}) ORDER BY m LIMIT 1 OFFSET 500000",
            f"SELECT sum(a.n) AS n FROM ({groups}) a JOIN ({groups}) b USING (k)",
            f"SELECT * FROM range(1000000) a JOIN ({groups}) b ON a.range = b.k LIMIT 1",
            f"WITH c AS MATERIALIZED ({groups}) SELECT * FROM c UNION ALL SELECT * FROM c LIMIT 1",
            f"SELECT k, row_number() OVER (ORDER BY m) AS r FROM ({groups}) LIMIT 1",
            f"SELECT DISTINCT m FROM ({groups}) LIMIT 1"]
    with flight.connect(server.url) as client:
        wire.query(client, "SELECT 1")
        used = memory(server, "hyprstream_memory_bytes", "engine")
        for sql in sqls:
            wire.query(client, sql)
            held = memory(server, "hyprstream_memory_bytes", "engine") - used
            assert held < 8 << 20, sql


def test_big_aggregates_spill_or_are_refused(server):
    sqls = ["SELECT count(*) FROM (SELECT md5(range::VARCHAR) AS k, count(*) FROM range(4000000) GROUP BY k)",
            "SELECT md5(range::VARCHAR) AS k FROM range(4000000) ORDER BY k LIMIT 1 OFFSET 3999999",
            "SELECT count(*) FROM range(3000000) a JOIN (SELECT range + 1 AS range, md5(range::VARCHAR) AS p FROM "
            "range(3000000)) b USING (range) WHERE p > ''"]

    def ask(sql):
        with flight.connect(server.url) as client:
            try:
                return wire.query(client, sql)
            except (flight.FlightError, pa.ArrowException) as error:
                assert "ask the operator to raise memory_max" in str(error) and "SET " not in str(error), error

    with Watching(server) as seen, ThreadPoolExecutor(3) as pool:
        list(pool.map(ask, sqls))
    assert seen.resident < MEMORY_MAX + SLACK


def test_states_of_views_are_bounded():
    with ServerProcess("--memory-max", "256MiB", "--http-port", "0") as server, flight.connect(server.url) as client:
        wire.update(client, "CREATE TABLE t (k BIGINT, v BIGINT)")
        wire.update(client, "CREATE MATERIALIZED VIEW t_by_k AS SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k")
        bound = memory(server, "hyprstream_memory_bytes_max", "states")
        with pytest.raises((flight.FlightError, pa.ArrowException), match="memory_max.*|share of memory_max"):
            for step in range(100):
                wire.update(client, f"INSERT INTO t SELECT range + {step} * 100000, 1 FROM range(100000)")
        rows = wire.query(client, "SELECT count(*) AS n FROM t")[0]["n"]
        assert rows >= 100000 and rows % 100000 == 0
        assert wire.query(client, "SELECT count(*) AS n FROM t_by_k") == [{"n": rows}]
        assert 0 < memory(server, "hyprstream_memory_bytes", "states") <= bound
        with pytest.raises((flight.FlightError, pa.ArrowException), match="share of memory_max"):
            wire.update(client, "CREATE MATERIALIZED VIEW again AS SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k")
        assert wire.query(client, "SELECT view_name FROM hyprstream.views") == [{"view_name": "t_by_k"}]
        wire.update(client, "DELETE FROM t WHERE k >= 1000")  # what takes nothing in is never refused
        wire.update(client, "INSERT INTO t VALUES (1, 1)")
        assert wire.query(client, "SELECT n FROM t_by_k WHERE k = 1") == [{"n": 2}]


def test_bound_parameters_have_a_share_of_their_own():
    with ServerProcess("--memory-max", "256MiB", "--http-port", "0") as server, flight.connect(server.url) as client:
        bound = int(memory(server, "hyprstream_memory_bytes_max", "parameters"))
        values = pa.record_batch({"1": ["x" * 1000] * (bound // 1000 // 3)})

        def bind(batch):
            handle = wire.prepare(client, "SELECT length(?::VARCHAR) AS n")
            writer, reader = client.do_put(wire.prepared_query(handle), batch.schema)
            writer.write_batch(batch)
            writer.done_writing()
            reader.read()
            writer.close()
            return handle

        handles = [bind(values), bind(values)]
        with pytest.raises((flight.FlightError, pa.ArrowException), match="bound parameters"):
            bind(values)
        info = client.get_flight_info(wire.prepared_query(bind(pa.record_batch({"1": ["abc"]}))))  # small ones pass
        assert client.do_get(info.endpoints[0].ticket).read_all().to_pylist() == [{"n": 3}]
        assert memory(server, "hyprstream_memory_bytes", "messages") == 0
        for handle in handles:
            wire.close_prepared(client, handle)
        wait_until(lambda: memory(server, "hyprstream_memory_bytes", "parameters") == 0)
        bind(values)


def test_small_batches_of_parameters_count_too():
    with ServerProcess("--memory-max", "256MiB", "--http-port", "0") as server, flight.connect(server.url) as client:
        bound = int(memory(server, "hyprstream_memory_bytes_max", "parameters"))

        def bind(batch, count):
            handle = wire.prepare(client, "SELECT length(?::VARCHAR) AS n")
            writer, reader = client.do_put(wire.prepared_query(handle), batch.schema)
            for _ in range(count):
                writer.write_batch(batch)
            writer.done_writing()
            reader.read()
            writer.close()
            return handle

        values = pa.record_batch({"1": ["x" * 1000] * 40})
        handle = bind(values, bound // 40_000 // 2)
        assert memory(server, "hyprstream_memory_bytes", "parameters") > bound * 0.4
        with pytest.raises((flight.FlightError, pa.ArrowException), match="bound parameters"):
            bind(values, bound // 40_000)
        wire.close_prepared(client, handle)
        wait_until(lambda: memory(server, "hyprstream_memory_bytes", "parameters") == 0)
        handle = bind(values.slice(0, 0), 1000)  # batches without rows are told, not kept
        assert memory(server, "hyprstream_memory_bytes", "parameters") == 0
        assert client.do_get(client.get_flight_info(wire.prepared_query(handle)).endpoints[0].ticket).read_all().num_rows == 0
