"""The benchmarks run: smallest sizes, one round. What is checked is the form of the answer, never a time."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
RUN = ROOT / "bench" / "run.py"
COLUMNS = {"name", "ratio", "target", "met", "rounds", "low", "high"}


def run_bench(*arguments):
    return subprocess.run([sys.executable, RUN, *map(str, arguments)], capture_output=True, text=True, timeout=240,
                          cwd=ROOT, env=dict(os.environ))


SETS = {
    "serve": ["put_64k", "put_64k_one_insert", "put_1k", "put_view", "adbc_ingest_per_batch", "adbc_ingest_stream", "export",
              "point", "adbc_point", "clients"],
    "aggregate": ["duckdb_100", "kernel_100", "duckdb_1k", "kernel_1k", "duckdb_100k", "kernel_100k", "duckdb_10m",
                  "kernel_10m", "text_10k", "hop_100", "late_5", "ten_views", "ten_views_text", "hll", "quantile",
                  "session", "session_late_5", "bytes_100", "bytes_1k", "bytes_100k", "bytes_10m", "put_kernel_10k",
                  "put_duckdb_10k", "put_kernel_1m", "put_duckdb_1m", "put_1k_batches", "top_10_p50", "top_10_p99",
                  "look_up", "export_groups"],
    "backends": ["read", "ingest", "upsert", "point", "clients", "redis_write", "redis_scan"],
}


@pytest.mark.parametrize("name", SETS)
def test_every_benchmark_of_the_set_runs_and_reports_its_ratio(tmp_path, name):
    file = tmp_path / "ratios.json"
    table = tmp_path / "ratios.md"
    done = run_bench(name, "--smoke", "--json", file, "--markdown", table)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(file.read_text())
    assert [row["name"] for row in rows] == [f"{name}/{part}" for part in SETS[name]]
    for row in rows:
        assert set(row) == COLUMNS
        assert row["rounds"] == 1
        assert 0 < row["low"] <= row["ratio"] <= row["high"]
        assert row["met"] == (None if row["target"] is None else row["ratio"] >= row["target"])
        assert row["name"] in done.stdout
    lines = table.read_text().splitlines()[2:]
    assert [line.split("|")[1].strip(" `") for line in lines] == SETS[name]


def test_sides_of_backends_that_come_to_something_else_end_the_run():
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        from backends import of_equals
    finally:
        sys.path.pop(0)
    found = ["3 rows", "3 rows"]
    ratio = of_equals(lambda: found, lambda values: values["ours"] / values["theirs"])
    assert ratio({"ours": 1.0, "theirs": 2.0}) == 0.5
    found[1] = "4 rows"
    with pytest.raises(RuntimeError, match="3 rows and 4 rows"):
        ratio({"ours": 1.0, "theirs": 2.0})


@pytest.mark.parametrize("name", ["nonsense", "serve/nonsense"])
def test_an_unknown_benchmark_is_refused_with_what_there_is(name):
    done = run_bench(name, "--smoke")
    assert done.returncode == 2
    assert f"unknown benchmark: {name}" in done.stderr
    assert "serve" in done.stderr.replace(name, "")
