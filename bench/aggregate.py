"""`./dev bench aggregate`: the aggregation engine, held against DuckDB and a kernel written for the one query; alone, and
fed and asked over Flight."""

import contextlib

from processes import NoopServer, ServerProcess, Worker, cpu_seconds
from runner import Benchmark, Side

KEYS = {"100": 100, "1k": 1_000, "100k": 100_000, "10m": 10_000_000}
DUCKDB_TARGET = {"100": 1.5, "1k": 1.5, "100k": 3.0, "10m": 4.0}
KERNEL_TARGET = 0.7
PUT_KEYS = {"10k": 10_000, "1m": 1_000_000}
PUT_DUCKDB_TARGET = {"10k": 4.0, "1m": 2.5}
BYTES_TARGET = 64
SELECT = """SELECT time_bucket(INTERVAL '5 minutes', ts) AS window_start, key, count(*) AS n, sum(amount) AS total,
    min(amount) AS low, max(amount) AS high FROM {table} GROUP BY ALL"""
COLUMNS = "(ts TIMESTAMP, key INTEGER, amount DOUBLE, quantity BIGINT)"
STATES = ["DROP MATERIALIZED VIEW IF EXISTS bench_states_view", "DROP TABLE IF EXISTS bench_states",
          f"CREATE TABLE bench_states {COLUMNS} WITH (time = 'ts', keep_rows = false)",
          "CREATE MATERIALIZED VIEW bench_states_view AS " + SELECT.format(table="bench_states")]
ASK = "SELECT count(*), sum(n), sum(total), min(low), max(high) FROM (" + SELECT.format(table="bench_put") + ")"
TOP = """SELECT key, total FROM bench_states_view WHERE window_start = (SELECT max(window_start) FROM bench_states_view)
    ORDER BY total DESC LIMIT 10"""
# A window of as many groups as there are rows; and its rows as a table.
GROUPS = ["DROP MATERIALIZED VIEW IF EXISTS bench_groups_view", "DROP TABLE IF EXISTS bench_groups",
          "DROP TABLE IF EXISTS bench_groups_table",
          "CREATE TABLE bench_groups (ts TIMESTAMP, key BIGINT, amount DOUBLE, quantity BIGINT) WITH (time = 'ts', "
          "keep_rows = false)",
          "CREATE MATERIALIZED VIEW bench_groups_view AS " + SELECT.format(table="bench_groups"),
          "INSERT INTO bench_groups SELECT TIMESTAMP '2013-01-01', i, i / 7.0, i FROM range({rows}) r(i)",
          "CREATE TABLE bench_groups_table AS SELECT * FROM bench_groups_view"]
LOOK_UP = """SELECT n, total, low, high FROM bench_groups_view
    WHERE window_start = TIMESTAMP '2013-01-01' AND key = ?"""


def side(stack, name, kind, server=None, unit="rows/s", **options):
    if server is not None:
        options["url"] = server.url
    worker = stack.enter_context(Worker(kind, **options))
    return Side(name, worker.run, unit, lambda: worker.cpu + (cpu_seconds(server.pid) if server else 0.0))


class AggregateBenchmarks:
    """The set, for `rows` rows."""

    def __init__(self, rows, smoke):
        self.rows = rows
        self.smoke = smoke
        self.found = {}

    def add(self, name, sides, ratio, target):
        """`sides`: of a stack, makes the sides; `ratio`: of one round's values by side."""
        @contextlib.contextmanager
        def make():
            with contextlib.ExitStack() as stack:
                yield Benchmark(f"aggregate/{name}", sides(stack), ratio, target)

        self.found[name] = make

    def work(self, keys, **options):
        return {"rows": self.rows, "batch_rows": 65536, "keys": keys, **options}

    # ---- in process, on one core

    def against(self, name, label, kind, target, work):
        def sides(stack):
            return [side(stack, "hyprstream", "aggregate-view", **work), side(stack, label, kind, **work)]

        self.add(name, sides, lambda v: v["hyprstream"] / v[label], target)

    def allowed(self, name, factor, ours, base):
        """Our own work held against other work of ours: 1.0 when it takes `factor` times as long."""
        def sides(stack):
            return [side(stack, label, "aggregate-view", **work) for label, work in (ours, base)]

        self.add(name, sides, lambda v: factor * v[ours[0]] / v[base[0]], 1.0)

    def engine(self):
        for label, keys in KEYS.items():
            self.against(f"duckdb_{label}", "duckdb", "aggregate-group-by", DUCKDB_TARGET[label], self.work(keys))
            self.against(f"kernel_{label}", "kernel", "aggregate-kernel", KERNEL_TARGET, self.work(keys))
        self.against("text_10k", "duckdb", "aggregate-group-by", 2.0, self.work(10_000, text_keys="true"))
        in_order = ("in order", self.work(1_000))
        self.allowed("hop_100", 1.2, ("hopping", self.work(1_000, view="hop")), ("tumbling", in_order[1]))
        self.allowed("late_5", 1.25, ("5 % late", self.work(1_000, late=0.05)), in_order)
        self.allowed("ten_views", 3, ("ten", self.work(10_000, view="ten")), ("one", self.work(10_000)))
        self.allowed("ten_views_text", 3, ("ten", self.work(10_000, view="ten", text_keys="true")),
                     ("one", self.work(10_000, text_keys="true")))
        count = ("count", self.work(1_000, view="count"))
        self.allowed("hll", 2, ("with distinct", self.work(1_000, view="hll")), count)
        self.allowed("quantile", 1.6, ("with quantile", self.work(1_000, view="quantile")), count)
        for label, late in (("session", 0), ("session_late_5", 0.05)):
            self.against(label, "duckdb", "aggregate-group-by", 5.0, self.work(1_000, view="session", late=late))
        for label, keys in KEYS.items():
            self.bytes(label, keys)

    def bytes(self, label, keys):
        def sides(stack):
            return [side(stack, "a group", "aggregate-bytes", unit="bytes", **self.work(keys))]

        self.add(f"bytes_{label}", sides, lambda v: BYTES_TARGET / v["a group"], 1.0)

    # ---- over Flight, one client and one server on two cores

    def put(self):
        for label, keys in PUT_KEYS.items():
            def kernel(stack, keys=keys):
                server, noop = stack.enter_context(ServerProcess()), stack.enter_context(NoopServer(1))
                return [side(stack, "hyprstream", "put", server, table="bench_states", reset=STATES, **self.work(keys)),
                        side(stack, "kernel", "put", noop, table=f"bench_kernel_{keys}", **self.work(keys))]

            def duckdb(stack, keys=keys):
                server = stack.enter_context(ServerProcess())
                fresh = ["DROP TABLE IF EXISTS bench_put", f"CREATE TABLE bench_put {COLUMNS}"]
                return [side(stack, "hyprstream", "put", server, table="bench_states", reset=STATES, **self.work(keys)),
                        side(stack, "duckdb", "duckdb-insert-all", table="bench_put", sql=ASK, reset=fresh,
                             **self.work(keys))]

            self.add(f"put_kernel_{label}", kernel, lambda v: v["hyprstream"] / v["kernel"], 0.85)
            self.add(f"put_duckdb_{label}", duckdb, lambda v: v["hyprstream"] / v["duckdb"], PUT_DUCKDB_TARGET[label])

        def small(stack):
            server = stack.enter_context(ServerProcess())
            work = {"rows": self.rows // 2, "keys": 10_000, "table": "bench_states", "reset": STATES}
            return [side(stack, "batches of 1,000", "put", server, batch_rows=1000, **work),
                    side(stack, "batches of 65,536", "put", server, batch_rows=65536, **work)]

        self.add("put_1k_batches", small, lambda v: v["batches of 1,000"] / v["batches of 65,536"], 0.5)

    def ask(self):
        """The newest window's top 10 keys during ingest; a no-op query during ingest that nobody folds."""
        seconds = 0.1 if self.smoke else 4.0
        for percentile, factor in ((50, 1.5), (99, 2.0)):
            def sides(stack, percentile=percentile):
                server, noop = stack.enter_context(ServerProcess()), stack.enter_context(NoopServer(1))
                work = self.work(10_000, seconds=seconds, percentile=percentile)
                return [side(stack, "hyprstream", "ask-while-put", server, "s", table="bench_states", reset=STATES,
                             sql=TOP, **work),
                        side(stack, "no-op server", "ask-while-put", noop, "s", table="bench_put",
                             sql="SELECT * FROM bench_point", **work)]

            self.add(f"top_10_p{percentile}", sides,
                     lambda v, factor=factor: factor * v["no-op server"] / v["hyprstream"], 1.0)

    def read(self):
        rows = self.rows // 10
        setup = [statement.format(rows=rows) for statement in GROUPS]

        def look_up(stack):
            server, noop = stack.enter_context(ServerProcess()), stack.enter_context(NoopServer(1))
            work = {"rows": rows, "iterations": 5 if self.smoke else 1000}
            return [side(stack, "hyprstream", "point", server, "s", setup=setup, sql=LOOK_UP, **work),
                    side(stack, "no-op server", "point", noop, "s", sql="SELECT * FROM bench_point", **work)]

        def export(stack):
            server = stack.enter_context(ServerProcess())
            return [side(stack, "view", "export", server, rows=rows, setup=setup, sql="FROM bench_groups_view"),
                    side(stack, "table", "export", server, rows=rows, sql="FROM bench_groups_table")]

        self.add("look_up", look_up, lambda v: 1.3 * v["no-op server"] / v["hyprstream"], 1.0)
        self.add("export_groups", export, lambda v: v["view"] / v["table"], 0.7)


@contextlib.contextmanager
def makers(options):
    """What bench/run.py measures for the name `aggregate`."""
    benchmarks = AggregateBenchmarks(100_000 if options.smoke else 10_000_000, options.smoke)
    benchmarks.engine()
    benchmarks.put()
    benchmarks.ask()
    benchmarks.read()
    yield benchmarks.found
