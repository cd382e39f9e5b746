"""The demo as `./dev demo` runs it, without its pauses."""

import os
import pathlib
import signal
import subprocess
import sys

import adbc_driver_flightsql.dbapi
import pytest

from postgres_server import PostgresServer
from server_process import BINARY, wait_until

DEMO = pathlib.Path(__file__).resolve().parents[2] / "examples" / "demo"


def start_demo(tmp_path, *arguments):
    output = tmp_path / "output"
    environment = {"HYPRSTREAM_BINARY": str(pathlib.Path(BINARY).resolve()), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path),
                   "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    with output.open("wb") as file:
        process = subprocess.Popen([sys.executable, str(DEMO / "run.py"), "--rate", "0", *arguments], stdout=file,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment)
    return process, output


def test_demo_streams_a_year_and_checks_its_answers(tmp_path):
    process, output = start_demo(tmp_path)
    assert process.wait(timeout=200) == 0, output.read_text()
    text = output.read_text()
    assert "336,776 flights" in text
    assert text.count("same answer") == 11
    assert text.count("by aggregate (rolled up from materialized view") == 2
    assert "changed rows in" in text and "its copy is the view: 1,09" in text
    assert "Each of the 14 views equals its SELECT over the raw rows" in text
    assert "All checks passed" in text
    assert "SQLite keeps airlines, airports, planes, weather: schema reference.main" in text
    assert "Newark Liberty Intl" in text and "BOEING" in text and "under 1 mile" in text


def test_demo_joins_with_tables_of_a_postgres(tmp_path):
    with PostgresServer() as postgres:
        process, output = start_demo(tmp_path, "--postgres", postgres.uri)
        assert process.wait(timeout=200) == 0, output.read_text()
        text = output.read_text()
        assert text.count("same answer") == 11 and "All checks passed" in text
        assert "PostgreSQL keeps airlines, airports, planes, weather: schema reference.hyprstream_demo" in text
        assert postgres.run("SELECT count(*) FROM pg_namespace WHERE nspname = 'hyprstream_demo'") == "0"


def test_demo_keeps_serving_until_it_is_interrupted(tmp_path):
    process, output = start_demo(tmp_path, "--keep")
    try:
        wait_until(lambda: process.poll() is not None or "until Ctrl-C" in output.read_text(), seconds=200)
        url = next(word for word in output.read_text().split() if word.startswith("grpc://"))
        with adbc_driver_flightsql.dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT sum(flights)::BIGINT FROM flights_week_by_carrier")
            assert cursor.fetchone() == (336_776,)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0, output.read_text()
    finally:
        process.kill()
        process.wait()
    assert "The server has ended" in output.read_text()


@pytest.fixture
def demo_modules(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMO))
    import questions
    import run

    return run, questions


def test_demo_counts_an_answer_that_differs(server, demo_modules, monkeypatch, capsys):
    run, questions = demo_modules
    monkeypatch.setattr(run, "QUESTIONS", [questions.Question("Same?", "SELECT 1 AS n", "SELECT 1 AS n"),
                                           questions.Question("Other?", "SELECT 1 AS n", "SELECT 2 AS n"),
                                           questions.Question("None?", "SELECT 1 AS n LIMIT 0", "SELECT 1 AS n LIMIT 0")])
    with adbc_driver_flightsql.dbapi.connect(server.url, autocommit=True) as connection:
        assert run.ask(connection, connection, "reference.main") == 2
    assert "DIFFERENT ANSWERS" in capsys.readouterr().out
