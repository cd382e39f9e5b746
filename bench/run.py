"""./dev bench: runs one set of benchmarks, or all, and prints their ratios. See docs/performance.md."""

import argparse
import contextlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import aggregate  # noqa: E402
import backends  # noqa: E402
import serve  # noqa: E402
from runner import run_benchmarks  # noqa: E402

SETS = {"serve": serve.makers, "aggregate": aggregate.makers, "backends": backends.makers}


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench", description="Benchmarks as ratios from one interleaved run.")
    parser.add_argument("name", nargs="?", help=f"a set ({', '.join(SETS)}), or one of its benchmarks (serve/export); "
                                                "all when left out")
    parser.add_argument("--json", metavar="FILE", help="also write the ratios as a list")
    parser.add_argument("--markdown", metavar="FILE", help="also write the table of docs/performance.md")
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count (default 7)")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes for those that run for a time")
    parser.add_argument("--smoke", action="store_true", help="smallest sizes, one round: does it run at all?")
    options = parser.parse_args(arguments)
    if options.smoke:
        options.rounds = 1
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    options.set, _, options.part = (options.name or "").partition("/")
    if options.set and options.set not in SETS:
        parser.error(f"unknown benchmark: {options.name} (sets: {', '.join(SETS)})")
    return options


def main(arguments):
    options = parse(arguments)
    with contextlib.ExitStack() as stack:
        makers = {}
        for name in [options.set] if options.set else SETS:
            for part, maker in stack.enter_context(SETS[name](options)).items():
                makers[f"{name}/{part}"] = maker
        if options.part:
            if options.name not in makers:
                print(f"./dev bench: unknown benchmark: {options.name} ({', '.join(makers)})", file=sys.stderr)
                return 2
            makers = {options.name: makers[options.name]}
        run_benchmarks(makers.values(), options.rounds, options.json, options.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
