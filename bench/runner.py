"""Ratios from one interleaved run: A/B/A/B, a ratio for each round, their median and spread.

A benchmark is a list of sides, each of which does the same work another way, and a function from one round's values
to a ratio. Ratios are written so that more is better: rates as ours to theirs, times as the time allowed to the time
taken. Since the sides of a round run within seconds of each other, what else the machine does falls on all of them.
"""

import dataclasses
import json
import statistics
import time
from collections.abc import Callable


@dataclasses.dataclass
class Side:
    """One way to do the work. `run` does one round and returns its value in `unit`."""

    name: str
    run: Callable[[], float]
    unit: str = "rows/s"
    cpu: Callable[[], float] = lambda: 0.0  # seconds of processor time that its processes have used so far


@dataclasses.dataclass
class Benchmark:
    name: str
    sides: list[Side]
    ratio: Callable[[dict[str, float]], float]  # of one round's values by side
    target: float | None = None  # None: reported only
    note: Callable[[], str] = lambda: ""  # a line about the whole run, asked for at its end


@dataclasses.dataclass
class Measured:
    benchmark: Benchmark
    ratios: list[float]
    values: dict[str, list[float]]
    cpu: dict[str, list[float]]
    note: str

    def row(self):
        target = self.benchmark.target
        ratio = statistics.median(self.ratios)
        return {
            "name": self.benchmark.name,
            "ratio": round(ratio, 4),
            "target": target,
            "met": None if target is None else ratio >= target,
            "rounds": len(self.ratios),
            "low": round(min(self.ratios), 4),
            "high": round(max(self.ratios), 4),
        }


def measure(benchmark, rounds):
    """One round that does not count, then `rounds` that do; every other round runs the sides in reverse."""
    values = {side.name: [] for side in benchmark.sides}
    cpu = {side.name: [] for side in benchmark.sides}
    ratios = []
    for number in range(-1, rounds):
        current = {}
        for side in benchmark.sides if number % 2 else reversed(benchmark.sides):
            before = side.cpu()
            current[side.name] = side.run()
            if number >= 0:
                values[side.name].append(current[side.name])
                cpu[side.name].append(side.cpu() - before)
        if number >= 0:
            ratios.append(benchmark.ratio(current))
    return Measured(benchmark, ratios, values, cpu, benchmark.note())


def quantity(value, unit):
    """1234567 rows/s -> 1.23 M rows/s; 0.000123 s -> 123 us."""
    if unit == "s":
        return f"{value * 1e6:.0f} us" if value < 0.01 else f"{value * 1e3:.1f} ms"
    return f"{value / 1e6:.2f} M {unit}" if value >= 1e5 else f"{value:.1f} {unit}"


HEADER = f"{'benchmark':<30} {'ratio':>6} {'low':>6} {'high':>6} {'target':>6}  met  rounds"


def print_measured(measured):
    """A line of the table, and beneath it what each side did: median value and processor time of a round."""
    row = measured.row()
    target, met = (f"{row['target']:.2f}", "yes" if row["met"] else "no") if row["target"] is not None else ("-", "-")
    print(f"{row['name']:<30} {row['ratio']:>6.2f} {row['low']:>6.2f} {row['high']:>6.2f} {target:>6}  "
          f"{met:<4} {row['rounds']}")
    for side in measured.benchmark.sides:
        value = quantity(statistics.median(measured.values[side.name]), side.unit)
        print(f"    {side.name:<26} {value:>16}   {statistics.median(measured.cpu[side.name]):.2f} s CPU")
    if measured.note:
        print(f"    {measured.note}")


def markdown_row(measured):
    """A line of docs/performance.md: the first side is ours."""
    row, sides = measured.row(), measured.benchmark.sides
    target = "-" if row["target"] is None else f"{row['target']:.2f}"
    met = {None: "-", True: "yes", False: "no"}[row["met"]]
    values = [quantity(statistics.median(measured.values[side.name]), side.unit) for side in sides]
    others = "; ".join(f"{side.name} {value}" for side, value in list(zip(sides, values, strict=True))[1:])
    return (f"| `{row['name'].rpartition('/')[2]}` | {row['ratio']:.2f} | {row['low']:.2f} | {row['high']:.2f} | {target} | "
            f"{met} | {values[0]} | {others} |")


MARKDOWN_HEADER = ("| benchmark | ratio | low | high | target | met | ours | the other sides |\n"
                   "|---|---|---|---|---|---|---|---|")


def run_benchmarks(makers, rounds, json_path=None, markdown_path=None):
    """Makes, measures and prints one benchmark after the other; returns their rows and writes them as a list of
    {"name", "ratio", "target", "met", "rounds", "low", "high"}, or as the table of docs/performance.md. Each maker is a
    context manager over a Benchmark."""
    print(HEADER, flush=True)
    rows = []
    table = [MARKDOWN_HEADER]
    started = time.monotonic()
    for maker in makers:
        with maker() as benchmark:
            measured = measure(benchmark, rounds)
        print_measured(measured)
        rows.append(measured.row())
        table.append(markdown_row(measured))
        if markdown_path:
            with open(markdown_path, "w") as file:
                print(*table, sep="\n", file=file)
        if json_path:  # after each, so that an interrupted run leaves what it has
            with open(json_path, "w") as file:
                json.dump(rows, file, indent=2)
    missed = [row["name"] for row in rows if row["met"] is False]
    print(f"{len(rows)} benchmarks in {time.monotonic() - started:.0f} s; "
          f"{'all targets met' if not missed else 'missed: ' + ', '.join(missed)}", flush=True)
    return rows
