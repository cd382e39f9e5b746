"""`./dev bench backends`: what backends cost over their drivers used directly, against a real PostgreSQL and Valkey.

Both sides of a pair must come to the same: what they read is compared by their workers' fingerprints, what they wrote by
asking the database. A round whose sides differ ends the run.
"""

import contextlib
import dataclasses
import functools
import os
import pathlib
import re
import subprocess
import time

from processes import BUILD, NoopServer, PostgresServer, ServerProcess, ValkeyServer, Worker, cpu_seconds
from runner import Benchmark, Side

DRIVERS = pathlib.Path(os.environ.get("HYPRSTREAM_ADBC_DRIVERS", "drivers"))
FIRST_ID = 100_000_000_000  # bench_rows.h
# The rows of bench_rows.cc, as near as matters.
ROWS = """SELECT {id} AS id, timestamp '2013-01-01' + i * interval '1 ms' AS ts, (i * 7919 % 10000)::int AS key,
    (i * 31 % 1000003) / 100.0::float8 AS amount, i::int8 AS quantity FROM generate_series(0::int8, {rows} - 1) g(i)"""
COLUMNS = "ts timestamp, key int, amount float8, quantity int8"
UPSERT = """INSERT INTO {target} (id, ts, key, amount, quantity) SELECT id, ts, key, amount, quantity FROM {source}
    ON CONFLICT (id) DO UPDATE SET ts = excluded.ts, key = excluded.key, amount = excluded.amount,
    quantity = excluded.quantity"""
# What two tables of the same rows have in common.
SUMS = """SELECT count(*), sum(extract(epoch FROM ts)), sum(key::int8), sum(amount::numeric), sum(quantity::numeric)
    FROM {table}"""
# A log that is never written out during a round, and a table that stays in memory.
SETTINGS = ["shared_buffers=512MB", "max_wal_size=8GB", "checkpoint_timeout=1h"]


@dataclasses.dataclass
class Sizes:
    read_rows: int = 5_000_000
    write_rows: int = 1_000_000
    upsert_rows: int = 1_000_000
    point_rows: int = 100_000
    point_iterations: int = 500
    clients: int = 64
    connections: int = 8
    clients_seconds: float = 5.0
    sleep_seconds: float = 0.02
    redis_rows: int = 300_000


SMOKE = Sizes(read_rows=20_000, write_rows=5_000, upsert_rows=2_000, point_rows=1_000, point_iterations=3, clients=8,
              connections=2, clients_seconds=0.3, redis_rows=3_000)


class BackendBenchmarks:
    """The set. `server` has `postgres` attached as `warehouse`."""

    def __init__(self, server, noop, postgres, valkey, sizes):
        self.server, self.noop, self.postgres, self.valkey, self.sizes = server, noop, postgres, valkey, sizes

    def makers(self):
        """By name: a context manager over the benchmark, whose workers and connections end with it."""
        parts = (self.read, self.ingest, self.upsert, self.point, self.clients, self.redis_write, self.redis_scan)

        @contextlib.contextmanager
        def opened(part):
            with contextlib.ExitStack() as stack:
                yield part(stack)

        return {part.__name__: functools.partial(opened, part) for part in parts}

    # ---- sides

    def postgres_cpu(self):
        """Of all its processes, those that have ended as well."""
        server, *serving = self.postgres.pids()
        return children_cpu_seconds(server) + sum(map(cpu_seconds_if_there, [server, *serving]))

    def ours(self, stack, kind, unit="rows/s", **options):
        """Through the server."""
        worker = stack.enter_context(Worker(kind, url=self.server.url, **options))
        return worker, Side("hyprstream", worker.run, unit,
                            lambda: worker.cpu + cpu_seconds(self.server.pid) + self.postgres_cpu())

    def direct(self, stack, kind, unit="rows/s", **options):
        """The same driver without it."""
        worker = stack.enter_context(Worker(kind, url=self.postgres.uri,
                                            driver=DRIVERS / "libadbc_driver_postgresql.so", **options))
        return worker, Side("driver", worker.run, unit, lambda: worker.cpu + self.postgres_cpu())

    def written(self, side, table, reset):
        """A side that writes `table` of PostgreSQL: made anew before, and its rows' sums are kept afterwards."""
        run = side.run

        def write():
            self.postgres.run(reset)
            value = run()
            side.sums = self.postgres.run(SUMS.format(table=table))
            return value

        side.run = write
        return side

    # ---- PostgreSQL

    def read(self, stack):
        """SELECT of all rows of a table of four columns, to the last row at the client."""
        self.postgres.run(f"DROP TABLE IF EXISTS bench_read; CREATE TABLE bench_read AS SELECT ts, key, amount, quantity FROM "
                          f"({ROWS.format(id='i', rows=self.sizes.read_rows)}) r; VACUUM ANALYZE bench_read")
        columns = "SELECT ts, key, amount, quantity FROM "
        ours, our_side = self.ours(stack, "export", rows=self.sizes.read_rows, sql=columns + "warehouse.public.bench_read")
        direct, direct_side = self.direct(stack, "adbc-read", rows=self.sizes.read_rows, sql=columns + "public.bench_read")
        return Benchmark("backends/read", [our_side, direct_side],
                         of_equals(lambda: [ours.facts, direct.facts], lambda v: v["hyprstream"] / v["driver"]), 0.85)

    def ingest(self, stack):
        """One ingest of 64 Ki-row batches, until it is committed."""
        reset = f"DROP TABLE IF EXISTS {{table}}; CREATE TABLE {{table}} ({COLUMNS}); CHECKPOINT"
        put = {"rows": self.sizes.write_rows, "batch_rows": 65536}
        _, ours = self.ours(stack, "ingest", table="bench_ingest_ours", catalog="warehouse", **put)
        _, direct = self.direct(stack, "adbc-ingest", table="bench_ingest_direct", **put)
        sides = [self.written(ours, "bench_ingest_ours", reset.format(table="bench_ingest_ours")),
                 self.written(direct, "bench_ingest_direct", reset.format(table="bench_ingest_direct"))]
        return Benchmark("backends/ingest", sides, of_equals(lambda: [side.sums for side in sides],
                                                             lambda v: v["hyprstream"] / v["driver"]), 0.85)

    def upsert(self, stack):
        """Rows of a table of the server, half of whose keys are there already."""
        rows = self.sizes.upsert_rows
        there = ROWS.format(id=f"{FIRST_ID} + 2 * i", rows=rows // 2)
        self.postgres.run(f"DROP TABLE IF EXISTS bench_there; CREATE TABLE bench_there AS {there}")
        reset = (f"DROP TABLE IF EXISTS {{table}}; CREATE TABLE {{table}} (id int8 PRIMARY KEY, {COLUMNS}); "
                 "INSERT INTO {table} SELECT * FROM bench_there; VACUUM ANALYZE {table}; CHECKPOINT")
        put = {"rows": rows, "batch_rows": 65536, "numbered": "true"}
        source = "bench_upsert_source"
        with Worker("ingest", url=self.server.url, table=source, **put, reset=[
                f"DROP TABLE IF EXISTS {source}",
                f"CREATE TABLE {source} (id BIGINT, ts TIMESTAMP, key INTEGER, amount DOUBLE, quantity BIGINT)"]) as load:
            load.run()
        target = "warehouse.public.bench_upsert_ours"
        _, ours = self.ours(stack, "update", rows=rows, sql=UPSERT.format(target=target, source=source))
        _, direct = self.direct(stack, "adbc-upsert", table="bench_staged",
                                sql=UPSERT.format(target="bench_upsert_direct", source="bench_staged"), **put)
        direct.name = "staged by hand"
        sides = [self.written(ours, "bench_upsert_ours", reset.format(table="bench_upsert_ours")),
                 self.written(direct, "bench_upsert_direct", reset.format(table="bench_upsert_direct"))]
        return Benchmark("backends/upsert", sides, of_equals(lambda: [side.sums for side in sides],
                                                             lambda v: v["hyprstream"] / v["staged by hand"]), 0.8)

    def point(self, stack):
        """A prepared query by primary key. Allowed: the driver's time and 1.3 times the round trips to the no-op server."""
        rows = self.sizes.point_rows
        self.postgres.run("DROP TABLE IF EXISTS bench_point; CREATE TABLE bench_point (id int8 PRIMARY KEY, "
                          f"{COLUMNS}); INSERT INTO bench_point {ROWS.format(id='i', rows=rows)}; VACUUM ANALYZE bench_point")
        work = {"rows": rows, "iterations": self.sizes.point_iterations}
        columns = "SELECT ts, key, amount, quantity FROM "
        ours, our_side = self.ours(stack, "point", "s", sql=columns + "warehouse.public.bench_point WHERE id = ?", **work)
        direct, direct_side = self.direct(stack, "adbc-point", "s", sql=columns + "bench_point WHERE id = $1", **work)
        noop = stack.enter_context(Worker("point", url=self.noop.url, sql=columns + "bench_point WHERE id = ?", **work))
        sides = [our_side, direct_side,
                 Side("no-op server", noop.run, "s", lambda: noop.cpu + cpu_seconds(self.noop.pid))]
        return Benchmark("backends/point", sides, of_equals(
            lambda: [ours.facts, direct.facts],
            lambda v: (v["driver"] + 1.3 * v["no-op server"]) / v["hyprstream"]), 1.0)

    def clients(self, stack):
        """Many clients at once on a pool of few connections, each query of which sleeps in the database."""
        self.postgres.run("CREATE OR REPLACE VIEW bench_slow AS SELECT 1::int AS one FROM "
                          f"pg_sleep({self.sizes.sleep_seconds})")
        attach(self.server, self.postgres, "narrow", f", pool_max {self.sizes.connections}, pool_wait '60 s'")
        work = {"seconds": self.sizes.clients_seconds}
        ours, our_side = self.ours(stack, "clients", "queries/s", clients=self.sizes.clients,
                                   sql="SELECT one FROM narrow.public.bench_slow", **work)
        direct, direct_side = self.direct(stack, "adbc-clients", "queries/s", connections=self.sizes.connections,
                                          sql="SELECT one FROM bench_slow", **work)
        fewest, most = [], []

        def ratio(values):
            fewest.append(int(ours.facts["client_min"]))
            most.append(int(ours.facts["client_max"]))
            if fewest[-1] == 0:
                raise RuntimeError("a client got no answer at all")
            return values["hyprstream"] / values["driver"]

        return Benchmark("backends/clients", [our_side, direct_side], ratio, 0.9, lambda: (
            f"{self.sizes.clients} clients of ours, {self.sizes.connections} of the driver's on as many connections; queries of a "
            f"client in a round, fewest and most: {', '.join(f'{a} to {b}' for a, b in zip(fewest, most, strict=True))}"))

    # ---- Redis and Valkey: the driver of ours, without the server

    def redis_driver(self, stack, kind, **options):
        worker = stack.enter_context(Worker(kind, url=self.valkey.uri,
                                            driver=(BUILD / "drivers" / "libadbc_driver_redis.so").resolve(), **options))
        return worker, Side("driver", worker.run, "rows/s", lambda: worker.cpu + cpu_seconds(self.valkey.pid))

    def redis_table(self):
        """Statements that make the table anew."""
        return ["DROP TABLE IF EXISTS bench", "CREATE TABLE bench (id BIGINT PRIMARY KEY, ts TIMESTAMP, key INTEGER, amount "
                                              "DOUBLE, quantity BIGINT) WITH (time = 'ts')"]

    def redis_key_prefix(self):
        """Of the rows of the table's newest version."""
        [index] = [key for key in self.valkey.run("KEYS", "{adbc:bench}:#index:*").split() if key]
        return "{adbc:bench}:" + index.rpartition(":")[2] + ":"

    def redis_write(self, stack):
        """Bulk ingest, to the rate of the server's own benchmark for HSET of as many bytes, without an index by time."""
        rows = self.sizes.redis_rows
        _, side = self.redis_driver(stack, "adbc-ingest", table="bench", rows=rows, batch_rows=65536, numbered="true",
                                    reset=self.redis_table())
        ingest = side.run

        def write():
            self.valkey.run("FLUSHALL", "SYNC")
            value = ingest()
            side.bytes = self.bytes_of_a_row(self.redis_key_prefix() + str(FIRST_ID + rows // 2))
            return value

        side.run = write
        one = Side("HSET", lambda: self.hset_rate(one, 1))
        fifty = Side("HSET, 50 clients", lambda: self.hset_rate(fifty, 50))

        def ratio(values):
            if not 0.9 <= one.bytes / side.bytes <= 1.1:
                raise RuntimeError(f"a row of the driver's has {side.bytes} bytes, one of the benchmark's {one.bytes}")
            return values["driver"] / values["HSET"]

        return Benchmark("backends/redis_write", [side, one, fifty], ratio, 0.7)

    def hset_rate(self, side, clients):
        """Rows a second of valkey-benchmark, which sends pipelines of as many rows as the driver."""
        rows = self.sizes.redis_rows
        self.valkey.run("FLUSHALL", "SYNC")
        prefix = "{adbc:bench}:1:"
        command = ["valkey-benchmark", "-h", "127.0.0.1", "-p", self.valkey.port, "-c", clients, "-P", 1000 // clients,
                   "-n", rows, "-r", rows, "--sequential", "--csv", "HSET", prefix + "__rand_int__", "id", FIRST_ID, "ts",
                   1356998400000000, "key", 5000, "amount", 5242.88, "quantity", 8796093022208]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, check=True)
        if int(self.valkey.run("DBSIZE")) != rows:
            raise RuntimeError(f"valkey-benchmark wrote {self.valkey.run('DBSIZE')} rows")
        side.bytes = self.bytes_of_a_row(prefix + f"{rows // 2:012d}")
        [rate] = re.findall(r'^"HSET[^"]*","([0-9.]+)"', done.stdout, re.MULTILINE)
        return float(rate)

    def bytes_of_a_row(self, key):
        """Of its key, names and values."""
        fields = self.valkey.run("HGETALL", key).split("\n")
        if len(fields) < 10:
            raise RuntimeError(f"no row {key}")
        return len(key) + sum(map(len, fields))

    def redis_scan(self, stack):
        """The middle half of a table, by its time; to HGETALL of the same rows, whose keys are known."""
        rows = self.sizes.redis_rows
        self.valkey.run("FLUSHALL", "SYNC")
        load, _ = self.redis_driver(stack, "adbc-ingest", table="bench", rows=rows, batch_rows=65536, numbered="true",
                                    reset=self.redis_table())
        load.run()
        first, count = rows // 4, rows // 2
        start, end = (time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(1356998400 + ms // 1000)) + f".{ms % 1000:03d}"
                      for ms in (first, first + count - 1))
        worker, side = self.redis_driver(stack, "adbc-read", rows=count, sql=f"SELECT id, ts, key, amount, quantity FROM "
                                         f"bench WHERE ts BETWEEN '{start}' AND '{end}'")
        plain = stack.enter_context(Worker("redis-read", url=f"127.0.0.1:{self.valkey.port}", rows=count, first_row=first,
                                           table=self.redis_key_prefix()))
        sides = [side, Side("HGETALL", plain.run, "rows/s", lambda: plain.cpu + cpu_seconds(self.valkey.pid))]
        return Benchmark("backends/redis_scan", sides, of_equals(lambda: [worker.facts, plain.facts],
                                                                 lambda v: v["driver"] / v["HGETALL"]), 0.7)


def of_equals(results, ratio):
    """The ratio of a round, whose sides must have come to the same."""
    def checked(values):
        first, *others = results()
        for other in others:
            if other != first:
                raise RuntimeError(f"the sides differ: {first} and {other}")
        return ratio(values)

    return checked


def children_cpu_seconds(pid):
    """User and system time of a process's children that have ended."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_if_there(pid):
    try:
        return cpu_seconds(pid)
    except FileNotFoundError:  # it has ended since it was listed
        return 0.0


def attach(server, postgres, name, options=""):
    statement = f"ATTACH '{postgres.uri}' AS {name} (TYPE adbc, DRIVER 'postgresql'{options})"
    with Worker("export", url=server.url, sql="SELECT 1 AS one", rows=1, setup=[statement]):
        pass


@contextlib.contextmanager
def makers(options):
    """What bench/run.py measures for the name `backends`."""
    sizes = SMOKE if options.smoke else Sizes()
    if options.quick:
        sizes.clients_seconds = min(sizes.clients_seconds, 1.0)
    environment = {"HYPRSTREAM_ADBC_DRIVERS": str(DRIVERS)}
    with (PostgresServer(settings=SETTINGS) as postgres, ValkeyServer() as valkey, NoopServer(1) as noop,
          ServerProcess("--client-attach", environment=environment) as server):
        attach(server, postgres, "warehouse")
        yield BackendBenchmarks(server, noop, postgres, valkey, sizes).makers()
