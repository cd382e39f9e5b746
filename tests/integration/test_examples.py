"""The examples for Python run against an empty server, and again, and leave nothing behind."""

import os
import pathlib
import subprocess
import sys

import adbc_driver_flightsql.dbapi
import pytest

from server_process import ServerProcess

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "examples" / "client" / "python"
PRINTS = {
    "ingest.py": ["DoPut: 2000 rows accepted", "adbc_ingest: 500 rows", "'readings': 2500"],
    "query.py": ["pandas", "Lisbon       300", "Polars", "180"],
    "windows.py": ["The last hour", "The past 7 days", "north", "south"],
    "subscribe.py": ["at first: 0 rows", "10:00 north: 2 orders, 20.00", "10:02 north: 1 orders, 10.00"],
    "weights.py": ["a: weights [ 2.  -0.5], bias 7.000, r2 1.000, n 1000", "b: weights [0.25 1.5 ], bias -3.000",
                   "b: worst error 0.000000, temperatures as usual"],
    "vectors.py": ["calm: its centroid moves by up to 0.0 an hour", "moving: its centroid moves by up to 0.5 an hour",
                   "centroids: 2 x 64, of length [1.   1.25]", "nearest to the query: moving"],
    "live_chart.py": ["wrote live_chart.png"],
    "backend.py": ["3 rows are in warehouse.main.example_customers", "revenue by region: [('north', 37.0), ('south', 7.0)]",
                   "after a move: [('north', 25.0), ('south', 7.0), ('west', 12.0)]", "a count is answered by backend"],
}


def test_every_example_is_tested():
    assert {path.name for path in FOLDER.glob("*.py")} == set(PRINTS)


@pytest.mark.parametrize("name", PRINTS)
def test_example(name, tmp_path):
    config = tmp_path / "hyprstream.toml"
    config.write_text(f"[backends.warehouse]\ndriver = 'sqlite'\nuri = 'file:{tmp_path}/warehouse.sqlite'\n")
    drivers = {"HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    with ServerProcess("--config", config, environment=drivers) as server:
        for _ in range(2):
            done = subprocess.run([sys.executable, str(FOLDER / name), server.url], cwd=tmp_path, text=True, timeout=120,
                                  capture_output=True, env={**os.environ, "MPLBACKEND": "Agg"})
            assert done.returncode == 0, done.stderr
            for part in PRINTS[name]:
                assert part in done.stdout
        with adbc_driver_flightsql.dbapi.connect(server.url, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'example%'")
            assert cursor.fetchall() == []
    if name == "live_chart.py":
        assert (tmp_path / "live_chart.png").read_bytes().startswith(b"\x89PNG")
