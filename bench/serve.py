"""`./dev bench serve`: rows in and out over Flight, held against DuckDB in process and a server that does nothing."""

import contextlib
import dataclasses
import functools
import threading
import time

import adbc_driver_flightsql.dbapi
import numpy
import pyarrow
from processes import NoopServer, ServerProcess, Worker, cpu_seconds
from runner import Benchmark, Side

TABLE = "bench_put"
COLUMNS = "(ts TIMESTAMP, key INTEGER, amount DOUBLE, quantity BIGINT)"
VIEWED = "bench_put_viewed"
VIEW = """CREATE MATERIALIZED VIEW bench_view AS
    SELECT time_bucket(INTERVAL '5 minutes', ts) AS window_start, key, count(*) AS n, sum(amount) AS total,
           min(amount) AS low, max(amount) AS high
    FROM bench_put_viewed GROUP BY ALL"""
GENERATED = """SELECT TIMESTAMP '2013-01-01' + to_milliseconds(i) AS ts, (i * 7919 % 10000)::INTEGER AS key,
    (i * 31 % 1000003) / 100.0::DOUBLE AS amount, i::BIGINT AS quantity FROM range({rows}) r(i)"""
AGGREGATE = """SELECT key, count(*) AS n, sum(amount) AS total, min(quantity) AS low, max(quantity) AS high
    FROM bench_scan WHERE amount > 100 GROUP BY key ORDER BY total DESC LIMIT 10"""
POINT = "SELECT ts, key, amount, quantity FROM bench_point WHERE id = ?"


@dataclasses.dataclass
class Sizes:
    put_rows: int = 160 * 65536
    small_batch_rows: int = 5_000_000
    adbc_rows: int = 64 * 65536
    export_rows: int = 5_000_000
    point_rows: int = 1_000_000
    point_iterations: int = 1000
    scan_rows: int = 2_500_000
    query_seconds_min: float = 0.021  # of a client's query; more rows are taken where they cost less
    clients: int = 32
    clients_seconds: float = 4.0  # of each side of a round
    soak_seconds: float = 60.0


SMOKE = Sizes(put_rows=100_000, small_batch_rows=10_000, adbc_rows=100_000, export_rows=10_000, point_rows=1000,
              point_iterations=5, scan_rows=10_000,
              query_seconds_min=0, clients=4, clients_seconds=0.1, soak_seconds=0.1)


def fresh(table):
    return [f"DROP TABLE IF EXISTS {table}", f"CREATE TABLE {table} {COLUMNS}"]


def table_from(name, rows):
    return [f"DROP TABLE IF EXISTS {name}", f"CREATE TABLE {name} AS " + GENERATED.format(rows=rows)]


def point_table(rows):
    return ["DROP TABLE IF EXISTS bench_point",
            "CREATE TABLE bench_point (id BIGINT PRIMARY KEY, ts TIMESTAMP, key INTEGER, amount DOUBLE, quantity BIGINT)",
            "INSERT INTO bench_point SELECT i, g.* FROM (" + GENERATED.format(rows=rows) + ") g, LATERAL (SELECT "
            "g.quantity AS i)"]


class ServeBenchmarks:
    """The set, over one real and one no-op server."""

    def __init__(self, server, noop, sizes):
        self.server, self.noop, self.sizes = server, noop, sizes

    def makers(self):
        """By name: a context manager over the benchmark, whose workers and connections end with it."""
        parts = (self.put_64k, self.put_64k_one_insert, self.put_1k, self.put_view, self.adbc_ingest_per_batch,
                 self.adbc_ingest_stream, self.export, self.point, self.adbc_point, self.clients)

        @contextlib.contextmanager
        def opened(part):
            with contextlib.ExitStack() as stack:
                yield part(stack)

        return {part.__name__: functools.partial(opened, part) for part in parts}

    # ---- sides

    def side(self, stack, name, kind, server=None, unit="rows/s", **options):
        """A C++ worker, against a server or (server=None) with DuckDB in process."""
        if server is not None:
            options["url"] = server.url
        worker = stack.enter_context(Worker(kind, **options))
        return Side(name, worker.run, unit, lambda: worker.cpu + (cpu_seconds(server.pid) if server else 0.0))

    def put_sides(self, stack, rows, batch_rows, *extra):
        put = {"table": TABLE, "rows": rows, "batch_rows": batch_rows, "reset": fresh(TABLE)}
        sides = {
            "hyprstream": lambda: self.side(stack, "hyprstream", "put", self.server, **put),
            "no-op server": lambda: self.side(stack, "no-op server", "put", self.noop, **put),
            "duckdb": lambda: self.side(stack, "duckdb", "duckdb-insert", **put),
            "duckdb, one INSERT": lambda: self.side(stack, "duckdb, one INSERT", "duckdb-insert-all", **put),
        }
        return [sides[name]() for name in ("hyprstream", "no-op server", *extra)]

    # ---- rows in

    def put_64k(self, stack):
        """Each batch visible when it is acknowledged, on both sides."""
        return Benchmark("serve/put_64k", self.put_sides(stack, self.sizes.put_rows, 65536, "duckdb"),
                         lambda v: v["hyprstream"] / v["duckdb"], 0.8)

    def put_64k_one_insert(self, stack):
        """The harder reading of the same target: DuckDB may take all batches as one statement."""
        return Benchmark("serve/put_64k_one_insert",
                         self.put_sides(stack, self.sizes.put_rows, 65536, "duckdb, one INSERT"),
                         lambda v: v["hyprstream"] / v["duckdb, one INSERT"], 0.8)

    def put_1k(self, stack):
        """1,000-row batches to 64 Ki-row batches, both into Hyprstream."""
        put = {"table": TABLE, "rows": self.sizes.small_batch_rows, "reset": fresh(TABLE)}
        sides = [self.side(stack, "batches of 1,000", "put", self.server, batch_rows=1000, **put),
                 self.side(stack, "batches of 65,536", "put", self.server, batch_rows=65536, **put),
                 self.side(stack, "no-op, batches of 1,000", "put", self.noop, batch_rows=1000, **put)]
        return Benchmark("serve/put_1k", sides, lambda v: v["batches of 1,000"] / v["batches of 65,536"], 0.6)

    def put_view(self, stack):
        """A 5-minute view (count, sum, min, max by key) on the table, to the same table without. Reported only."""
        put = {"table": VIEWED, "rows": self.sizes.put_rows, "batch_rows": 65536}
        drop = "DROP MATERIALIZED VIEW IF EXISTS bench_view"
        sides = [self.side(stack, "with a view", "put", self.server, reset=[drop, *fresh(VIEWED), VIEW], **put),
                 self.side(stack, "without", "put", self.server, reset=[drop, *fresh(VIEWED)], **put)]
        return Benchmark("serve/put_view", sides, lambda v: v["with a view"] / v["without"])

    def adbc(self, stack, name, server, work, unit="rows/s"):
        """A side in this process, with ADBC's Python driver."""
        connection = stack.enter_context(adbc_driver_flightsql.dbapi.connect(server.url, autocommit=True))
        return Side(name, lambda: work(connection), unit, lambda: time.process_time() + cpu_seconds(server.pid))

    def adbc_ingest(self, stack, name, target, duckdb_kind, ingest):
        """Held against the lower of what the same client reaches on the no-op server and what DuckDB reaches with as
        many transactions."""
        batches = make_batches(self.sizes.adbc_rows, 65536)

        def work(connection):
            run_all(connection, fresh(TABLE))
            with connection.cursor() as cursor:
                start = time.perf_counter()
                ingest(cursor, batches)
                return self.sizes.adbc_rows / (time.perf_counter() - start)

        put = {"table": TABLE, "rows": self.sizes.adbc_rows, "batch_rows": 65536, "reset": fresh(TABLE)}
        sides = [self.adbc(stack, "hyprstream", self.server, work),
                 self.adbc(stack, "no-op server", self.noop, work),
                 self.side(stack, "duckdb", duckdb_kind, **put)]
        return Benchmark(name, sides, lambda v: v["hyprstream"] / min(v["no-op server"], v["duckdb"]), target)

    def adbc_ingest_per_batch(self, stack):
        def ingest(cursor, batches):
            for batch in batches:
                cursor.adbc_ingest(TABLE, batch, mode="append")

        return self.adbc_ingest(stack, "serve/adbc_ingest_per_batch", 0.85, "duckdb-insert", ingest)

    def adbc_ingest_stream(self, stack):
        def ingest(cursor, batches):
            cursor.adbc_ingest(TABLE, pyarrow.RecordBatchReader.from_batches(batches[0].schema, batches), mode="append")

        return self.adbc_ingest(stack, "serve/adbc_ingest_stream", 0.8, "duckdb-insert-all", ingest)

    # ---- rows out

    def export(self, stack):
        options = {"rows": self.sizes.export_rows, "setup": table_from("bench_export", self.sizes.export_rows),
                   "sql": "SELECT * FROM bench_export"}
        sides = [self.side(stack, "hyprstream", "export", self.server, **options),
                 self.side(stack, "no-op server", "export", self.noop, **options),
                 self.side(stack, "duckdb", "duckdb-export", **options)]
        return Benchmark("serve/export", sides, lambda v: v["hyprstream"] / min(v["no-op server"], v["duckdb"]),
                         0.85)

    def point(self, stack):
        """Bind, info, get of a prepared statement. Allowed: DuckDB's time in process and 1.2 times the round trips."""
        options = {"rows": self.sizes.point_rows, "iterations": self.sizes.point_iterations,
                   "setup": point_table(self.sizes.point_rows), "sql": POINT}
        sides = [self.side(stack, "hyprstream", "point", self.server, "s", **options),
                 self.side(stack, "no-op server", "point", self.noop, "s", **options),
                 self.side(stack, "duckdb", "duckdb-point", None, "s", **options)]
        return Benchmark("serve/point", sides,
                         lambda v: (v["duckdb"] + 1.2 * v["no-op server"]) / v["hyprstream"], 1.0)

    def adbc_point(self, stack):
        """The same statement through Python ADBC. Allowed: 1.3 times the same client's time on the no-op server."""
        def work(connection):
            seconds = []
            with connection.cursor() as cursor:
                for i in range(self.sizes.point_iterations):
                    start = time.perf_counter()
                    cursor.execute(POINT, (i * 7919 % self.sizes.point_rows,))
                    rows = cursor.fetchall()
                    seconds.append(time.perf_counter() - start)
                    if len(rows) != 1:
                        raise RuntimeError(f"expected one row, got {len(rows)}")
            return sorted(seconds)[len(seconds) // 2]

        with adbc_driver_flightsql.dbapi.connect(self.server.url, autocommit=True) as connection:
            run_all(connection, point_table(self.sizes.point_rows))
        sides = [self.adbc(stack, "hyprstream", self.server, work, "s"),
                 self.adbc(stack, "no-op server", self.noop, work, "s")]
        return Benchmark("serve/adbc_point", sides, lambda v: 1.3 * v["no-op server"] / v["hyprstream"], 1.0)

    def clients(self, stack):
        """Many clients at once, each with a connection of its own; before it, a minute of them alone, with the server's
        memory meanwhile."""
        rows, cost = self.costly_scan()
        options = {"clients": self.sizes.clients, "setup": table_from("bench_scan", rows), "sql": AGGREGATE}
        with Worker("clients", url=self.server.url, seconds=self.sizes.soak_seconds, **options) as soak:
            with resident_of(self.server, self.sizes.soak_seconds / 6) as resident:
                soak.run()
        options["seconds"] = self.sizes.clients_seconds
        sides = [self.side(stack, "hyprstream", "clients", self.server, "queries/s", **options),
                 self.side(stack, "duckdb", "duckdb-clients", None, "queries/s", **options)]
        return Benchmark("serve/clients", sides, lambda v: v["hyprstream"] / v["duckdb"], 0.85, lambda: (
            f"one query over {rows / 1e6:.2f} M rows alone takes DuckDB {cost * 1000:.1f} ms; the server's memory in "
            f"{self.sizes.soak_seconds:.0f} s of them, MiB: {' '.join(f'{mib:.0f}' for mib in resident)}; after all "
            f"rounds {resident_mib(self.server):.0f}"))

    def costly_scan(self):
        """As many rows as it takes for one query, alone in process, to cost query_seconds_min; and what it costs."""
        rows = self.sizes.scan_rows
        while True:
            with Worker("duckdb-clients", clients=1, seconds=self.sizes.clients_seconds / 4, sql=AGGREGATE,
                        setup=table_from("bench_scan", rows)) as alone:
                alone.run()
                cost = 1 / alone.run()
            if cost >= self.sizes.query_seconds_min:
                return rows, cost
            rows = int(rows * 1.3)


def resident_mib(server):
    return server.status_value("VmRSS") / 1024


@contextlib.contextmanager
def resident_of(server, interval):
    """The server's resident memory at the start, after every `interval` seconds and at the end, as a list that grows."""
    samples = [resident_mib(server)]
    ended = threading.Event()

    def sample():
        while not ended.wait(interval):
            samples.append(resident_mib(server))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()
        samples.append(resident_mib(server))


def run_all(connection, statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.executescript(statement)


def make_batches(rows, batch_rows):
    """The rows of bench_rows.cc, as near as matters."""
    batches = []
    for first in range(0, rows, batch_rows):
        row = numpy.arange(first, min(first + batch_rows, rows), dtype=numpy.int64)
        mixed = row.astype(numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
        batches.append(pyarrow.record_batch({
            "ts": pyarrow.array(1_356_998_400_000_000 + row * 1000, pyarrow.timestamp("us")),
            "key": pyarrow.array((mixed >> numpy.uint64(40)) % numpy.uint64(10_000), pyarrow.int32()),
            "amount": pyarrow.array((mixed >> numpy.uint64(44)).astype(numpy.float64) / 100.0),
            "quantity": pyarrow.array((mixed >> numpy.uint64(20)).astype(numpy.int64)),
        }))
    return batches


@contextlib.contextmanager
def makers(options):
    """What bench/run.py measures for the name `serve`."""
    sizes = SMOKE if options.smoke else Sizes()
    if options.quick:
        sizes.clients_seconds = min(sizes.clients_seconds, 1.0)
        sizes.soak_seconds = min(sizes.soak_seconds, 6.0)
    with ServerProcess() as server, NoopServer(sizes.export_rows) as noop:
        try:
            yield ServeBenchmarks(server, noop, sizes).makers()
        except RuntimeError as error:
            if server.process.poll() is None:
                raise
            raise RuntimeError(f"the server ended with {server.process.returncode}: {server.log()[-2000:]}") from error
