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


def test_every_benchmark_of_the_set_runs_and_reports_its_ratio(tmp_path):
    file = tmp_path / "ratios.json"
    table = tmp_path / "ratios.md"
    done = run_bench("serve", "--smoke", "--json", file, "--markdown", table)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(file.read_text())
    assert [row["name"] for row in rows] == [
        "serve/put_64k", "serve/put_64k_one_insert", "serve/put_1k", "serve/put_view", "serve/adbc_ingest_per_batch",
        "serve/adbc_ingest_stream", "serve/export", "serve/point", "serve/adbc_point", "serve/clients"]
    for row in rows:
        assert set(row) == COLUMNS
        assert row["rounds"] == 1
        assert 0 < row["low"] <= row["ratio"] <= row["high"]
        assert row["met"] == (None if row["target"] is None else row["ratio"] >= row["target"])
        assert row["name"] in done.stdout
    lines = table.read_text().splitlines()[2:]
    assert [line.split("|")[1].strip(" `") for line in lines] == [row["name"].removeprefix("serve/") for row in rows]


@pytest.mark.parametrize("name", ["nonsense", "serve/nonsense"])
def test_an_unknown_benchmark_is_refused_with_what_there_is(name):
    done = run_bench(name, "--smoke")
    assert done.returncode == 2
    assert f"unknown benchmark: {name}" in done.stderr
    assert "serve" in done.stderr.replace(name, "")
