"""`./dev bench aggregate`: the aggregation engine, held against DuckDB and a kernel written for the one query; alone, and
fed over Flight."""

import contextlib

from processes import NoopServer, ServerProcess, Worker, cpu_seconds
from runner import Benchmark, Side

KEYS = {"100": 100, "1k": 1_000, "100k": 100_000, "10m": 10_000_000}
DUCKDB_TARGET = {"100": 1.5, "1k": 1.5, "100k": 3.0, "10m": 4.0}
KERNEL_TARGET = 0.7
PUT_KEYS = {"10k": 10_000, "1m": 1_000_000}
PUT_DUCKDB_TARGET = {"10k": 4.0, "1m": 2.5}
SELECT = """SELECT time_bucket(INTERVAL '5 minutes', ts) AS window_start, key, count(*) AS n, sum(amount) AS total,
    min(amount) AS low, max(amount) AS high FROM {table} GROUP BY ALL"""
COLUMNS = "(ts TIMESTAMP, key INTEGER, amount DOUBLE, quantity BIGINT)"
STATES = ["DROP MATERIALIZED VIEW IF EXISTS bench_states_view", "DROP TABLE IF EXISTS bench_states",
          f"CREATE TABLE bench_states {COLUMNS} WITH (time = 'ts', keep_rows = false)",
          "CREATE MATERIALIZED VIEW bench_states_view AS " + SELECT.format(table="bench_states")]
ASK = "SELECT count(*), sum(n), sum(total), min(low), max(high) FROM (" + SELECT.format(table="bench_put") + ")"


def side(stack, name, kind, server=None, **options):
    if server is not None:
        options["url"] = server.url
    worker = stack.enter_context(Worker(kind, **options))
    return Side(name, worker.run, "rows/s", lambda: worker.cpu + (cpu_seconds(server.pid) if server else 0.0))


def against(name, label, kind, target, options):
    @contextlib.contextmanager
    def make():
        with contextlib.ExitStack() as stack:
            sides = [side(stack, "hyprstream", "aggregate-view", **options), side(stack, label, kind, **options)]
            yield Benchmark(f"aggregate/{name}", sides, lambda v: v["hyprstream"] / v[label], target)

    return make


def put(name, target, rows, keys, against_kernel):
    """DoPut into states only, one client and one server on two cores."""
    @contextlib.contextmanager
    def make():
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(ServerProcess())
            noop = stack.enter_context(NoopServer(1))
            work = {"rows": rows, "batch_rows": 65536, "keys": keys}
            sides = [side(stack, "hyprstream", "put", server, table="bench_states", reset=STATES, **work)]
            if against_kernel:
                sides.append(side(stack, "kernel", "put", noop, table=f"bench_kernel_{keys}", **work))
            else:
                sides.append(side(stack, "duckdb", "duckdb-insert-all", table="bench_put", sql=ASK,
                                  reset=["DROP TABLE IF EXISTS bench_put", f"CREATE TABLE bench_put {COLUMNS}"], **work))
            other = sides[1].name
            yield Benchmark(f"aggregate/{name}", sides, lambda v: v["hyprstream"] / v[other], target)

    return make


def put_small(rows):
    """1,000-row batches to 64 Ki-row batches."""
    @contextlib.contextmanager
    def make():
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(ServerProcess())
            work = {"rows": rows, "keys": 10_000, "table": "bench_states", "reset": STATES}
            sides = [side(stack, "batches of 1,000", "put", server, batch_rows=1000, **work),
                     side(stack, "batches of 65,536", "put", server, batch_rows=65536, **work)]
            yield Benchmark("aggregate/put_1k_batches", sides,
                            lambda v: v["batches of 1,000"] / v["batches of 65,536"], 0.5)

    return make


@contextlib.contextmanager
def makers(options):
    """What bench/run.py measures for the name `aggregate`."""
    rows = 100_000 if options.smoke else 10_000_000
    found = {}
    for label, keys in KEYS.items():
        work = {"rows": rows, "batch_rows": 65536, "keys": keys}
        found[f"duckdb_{label}"] = against(f"duckdb_{label}", "duckdb", "aggregate-group-by", DUCKDB_TARGET[label], work)
        found[f"kernel_{label}"] = against(f"kernel_{label}", "kernel", "aggregate-kernel", KERNEL_TARGET, work)
    for label, keys in PUT_KEYS.items():
        found[f"put_kernel_{label}"] = put(f"put_kernel_{label}", 0.85, rows, keys, against_kernel=True)
        found[f"put_duckdb_{label}"] = put(f"put_duckdb_{label}", PUT_DUCKDB_TARGET[label], rows, keys,
                                           against_kernel=False)
    found["put_1k_batches"] = put_small(rows // 2)
    yield found
