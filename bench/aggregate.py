"""`./dev bench aggregate`: the aggregation engine alone, held against DuckDB and a kernel written for the one query."""

import contextlib

from processes import Worker
from runner import Benchmark, Side

KEYS = {"100": 100, "1k": 1_000, "100k": 100_000, "10m": 10_000_000}
DUCKDB_TARGET = {"100": 1.5, "1k": 1.5, "100k": 3.0, "10m": 4.0}
KERNEL_TARGET = 0.7


def side(stack, name, kind, **options):
    worker = stack.enter_context(Worker(kind, **options))
    return Side(name, worker.run, "rows/s", lambda: worker.cpu)


def against(name, label, kind, target, options):
    @contextlib.contextmanager
    def make():
        with contextlib.ExitStack() as stack:
            sides = [side(stack, "hyprstream", "aggregate-view", **options), side(stack, label, kind, **options)]
            yield Benchmark(f"aggregate/{name}", sides, lambda v: v["hyprstream"] / v[label], target)

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
    yield found
