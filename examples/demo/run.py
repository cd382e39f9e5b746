#!/usr/bin/env python3
"""A year of flights streamed through a Hyprstream server and asked about: what `./dev demo` runs.

Exit status 1 when an answer from the views differs from the same question asked of the raw rows.
"""

import argparse
import contextlib
import datetime
import math
import signal
import socket
import subprocess
import sys
import tempfile
import time

import adbc_driver_flightsql.dbapi
import pyarrow.parquet

from flight_views import CREATE_TABLE, KEYS, OTHERS, TABLE, WINDOWS, view_name, views
from live_panel import LivePanel
from live_subscription import LiveSubscription
from local_server import BINARY, LocalServer, environment
from questions import OF_THE_TABLE, QUESTIONS, differing_groups
from reference_data import DATA, TABLES, PostgresReference, SqliteReference

USUAL_PORT = 31337
PANEL_SECONDS = 0.2


def main():
    options = parse_options()
    for number in (signal.SIGINT, signal.SIGTERM):  # either ends the server with us, also where a shell had it ignored
        signal.signal(number, signal.default_int_handler)
    try:
        with reference_of(options) as reference:
            with LocalServer(free_port(USUAL_PORT) if options.keep else 0, reference.configuration()) as server:
                failed = run(server, reference, options)
                if options.keep:
                    wait_for_end(server)
    except (KeyboardInterrupt, StreamingFailed) as stopped:
        print(f"\nStopped{f': {stopped}' if str(stopped) else ''}", file=sys.stderr)
        return 1
    return 1 if failed else 0


def parse_options():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__.split("\n")[0])
    parser.add_argument("--keep", action="store_true", help="leave the server running until Ctrl-C")
    parser.add_argument("--rate", type=int, default=30_000, help="flights a second; 0: as fast as it goes [30000]")
    parser.add_argument("--postgres", metavar="URI", help="keep airlines, airports, planes and weather in this PostgreSQL, "
                        "in a schema hyprstream_demo, instead of a SQLite file; ./dev starts one when no URI is given")
    return parser.parse_args()


@contextlib.contextmanager
def reference_of(options):
    """The database beside the stream, for as long as the `with` block lasts."""
    with tempfile.TemporaryDirectory(prefix="hyprstream-demo-") as folder:
        reference = PostgresReference(options.postgres) if options.postgres else SqliteReference(folder)
        try:
            yield reference
        finally:
            reference.close()


def run(server, reference, options):
    """The whole demo against a fresh server; returns the number of failed checks."""
    started = time.monotonic()
    print(f"\n  Hyprstream answers at {server.url} (in memory, started in {server.start_seconds:.1f} s)\n")
    with adbc_driver_flightsql.dbapi.connect(server.url, autocommit=True) as connection:
        create(connection)
        print(f"  Behind it {reference.people_say} keeps {', '.join(TABLES)}: schema {reference.tables}\n")
        with LiveSubscription(server.url, view_name("day", "origin"), rows="groups") as live:
            stream(server, connection, options.rate)
            failed = compare_subscription(connection, live)
        with adbc_driver_flightsql.dbapi.connect(server.url, autocommit=True) as plain:
            with plain.cursor() as cursor:
                cursor.execute("SET use_views = false")  # so that its answers come from the raw rows
            failed += ask(connection, plain, reference.tables) + ask_the_table(connection, plain) + compare_views(plain)
    took = time.monotonic() - started
    print(f"\n  {'All checks passed' if failed == 0 else f'{failed} checks FAILED'} in {took:.0f} s.")
    print_connecting(server if options.keep else None)
    return failed


def create(connection):
    names = ", ".join(name for _, _, name in WINDOWS)
    others = " and ".join(name for name, _ in OTHERS)
    print(f"  CREATE TABLE {TABLE}, and {len(views())} materialized views: by {names}, each by {' and by '.join(KEYS)};"
          f" {others}")
    with connection.cursor() as cursor:
        cursor.execute(CREATE_TABLE)
        for name, select in views():
            cursor.execute(f"CREATE MATERIALIZED VIEW {name} AS {select}")


class StreamingFailed(Exception):
    pass


def ingest_command(server, table, file, *more):
    return [BINARY, "ingest", "--url", server.url, "--table", table, "--quiet", *more, str(DATA / file)]


def stream(server, connection, rate):
    """Sends the flights with the real command line, while the panel watches the views."""
    rows = pyarrow.parquet.read_metadata(DATA / "flights.parquet").num_rows
    pace = ["--rate", str(rate)] if rate > 0 else []
    print(f"  hyprstream ingest --table {TABLE} {' '.join(pace + ['examples/data/flights.parquet'])}\n")
    panel = LivePanel(connection, rows, sys.stdout)
    began = time.monotonic()
    ingest = subprocess.Popen(ingest_command(server, TABLE, "flights.parquet", *pace), env=environment(), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        while not ended_within(ingest, PANEL_SECONDS):
            panel.refresh()
        output = ingest.stdout.read().strip()
        if ingest.returncode != 0:
            raise StreamingFailed(output)
    finally:
        ingest.kill()
        ingest.wait()
        ingest.stdout.close()
    panel.refresh()
    print(f"\n  {rows:,} flights in {time.monotonic() - began:.1f} s, every window current after each batch\n")


def ended_within(process, seconds):
    try:
        process.wait(timeout=seconds)
        return True
    except subprocess.TimeoutExpired:
        return False


def compare_subscription(connection, live):
    """The copy that a subscription kept, against its view; returns how many differ."""
    same = live.equals(timed(connection, f"SELECT * FROM {live.view}")[2])
    print(f"  A subscription to {live.view} was sent {live.rows:,} changed rows in {live.updates:,} updates meanwhile;"
          f" its copy {'is the view' if same else 'DIFFERS from the view'}: {len(live.copy):,} rows.\n")
    return 0 if same else 1


def timed(connection, sql):
    """(milliseconds, column names, rows)."""
    with connection.cursor() as cursor:
        began = time.perf_counter()
        cursor.execute(sql)
        rows = cursor.fetchall()
        return (time.perf_counter() - began) * 1000, [column[0] for column in cursor.description], rows


def ask(connection, plain, reference):
    """Puts each question to the views and to the raw rows; returns how many answers differ."""
    differing = 0
    for question in QUESTIONS:
        view_ms, names, answer = timed(connection, question.of_views.replace("{reference}", reference))
        row_ms, _, truth = timed(plain, question.of_rows.replace("{reference}", reference))
        same = answer == truth and len(answer) > 0
        differing += not same
        print(f"  {question.title}")
        print_table(names, answer)
        print(f"    views {view_ms:.1f} ms, raw rows {row_ms:.1f} ms: {'same answer' if same else 'DIFFERENT ANSWERS'}\n")
        if not same:
            print_table(names, truth)
    return differing


def ask_the_table(connection, plain):
    """Questions over the table that the server answers from a view of its own accord; returns how many differ."""
    differing = 0
    for title, sql in OF_THE_TABLE:
        took, names, answer = timed(connection, sql)
        row_ms, _, truth = timed(plain, sql)
        route = timed(connection, "EXPLAIN " + sql)[2][-1][1]
        same = close(answer, truth) and "rolled up" in route
        differing += not same
        print(f"  {title}: asked of the table")
        print_table(names, answer)
        print(f"    {took:.1f} ms by {route}\n    raw rows {row_ms:.1f} ms: {'same answer' if same else 'DIFFERENT'}\n")
    return differing


def close(rows, others):
    """Equal but for the last bits of floating-point numbers."""
    return len(rows) == len(others) and all(
        a == b or (isinstance(a, float) and math.isclose(a, b, rel_tol=1e-9))
        for row, other in zip(rows, others) for a, b in zip(row, other))


def compare_views(connection):
    """Each view against its own SELECT over the raw rows; returns how many differ."""
    began = time.perf_counter()
    differing = 0
    for view, sql in differing_groups():
        groups = timed(connection, sql)[2][0][0]
        if groups != 0:
            print(f"  {view} and its SELECT over the raw rows DIFFER in {groups} groups")
            differing += 1
    if differing == 0:
        print(f"  Each of the {len(views())} views equals its SELECT over the raw rows, group by group"
              f" ({time.perf_counter() - began:.1f} s to check).")
    return differing


def print_table(names, rows):
    cells = [names] + [[text(value) for value in row] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    for number, line in enumerate(cells):
        aligned = (cell.rjust(width) if is_number(rows, column) else cell.ljust(width)
                   for column, (cell, width) in enumerate(zip(line, widths)))
        print(f"    {'  '.join(aligned)}".rstrip())
        if number == 0:
            print("    " + "  ".join("─" * width for width in widths))


def is_number(rows, column):
    return any(isinstance(row[column], (int, float)) for row in rows)


def text(value):
    if isinstance(value, datetime.datetime):
        return f"{value:%a %d %b %Y, %H:%M}" if value.time() != datetime.time() else f"{value:%a %d %b %Y}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value == round(value) and abs(value) >= 100 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_connecting(server):
    if server is None:
        print("\n  ./dev demo --keep    leaves the server running, to ask more:\n")
        return
    at = "" if server.url.endswith(f":{USUAL_PORT}") else f" --url {server.url}"
    print(f"""
  The server stays at {server.url} until Ctrl-C. From another terminal:

    ./dev sql{at} -c "SELECT * FROM flights_day_by_carrier ORDER BY late DESC LIMIT 5"
    ./dev sql{at}            a shell; .tables lists what there is

  or from Python: adbc_driver_flightsql.dbapi.connect("{server.url}"), see examples/client/python.
""", flush=True)


def wait_for_end(server):
    """Until Ctrl-C, or until somebody ends the server itself (./dev does, when it is told to end)."""
    try:
        server.process.wait()
    except KeyboardInterrupt:
        server.stop()
    print("  The server has ended.")


def free_port(wanted):
    """`wanted`, or 0 (any) when something else has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
    return wanted


if __name__ == "__main__":
    sys.exit(main())
