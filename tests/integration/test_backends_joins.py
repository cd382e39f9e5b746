"""Joins of local rows with a backend's larger table: the keys of the smaller side go there as conditions."""

import os
import random
import re

import pytest

from flight_sql_client import USERS, connected, runner
from postgres_server import PostgresServer
from server_process import ServerProcess

SEED = int(os.environ.get("HYPRSTREAM_SEED", "7"))
QUERIES = 600 if os.environ.get("HYPRSTREAM_LONG") else 60
# Columns of the backend's table as PostgreSQL computes them of a number, and as they are here.
KEYS = {
    "whole": ("i * 3", "i::BIGINT * 3"),
    "small": ("(i % 700)::int", "(i % 700)::INTEGER"),
    "real": ("i * 0.5::float8", "i * 0.5::DOUBLE"),
    "exact": ("(i * 1.25)::numeric(12,2)", "(i * 1.25)::DECIMAL(12, 2)"),
    "name": ("'n' || i", "'n' || i"),
    "day": ("date '2020-01-01' + i::int", "DATE '2020-01-01' + i::INTEGER"),
    "moment": ("timestamp '2020-01-01' + i * interval '1 min'", "TIMESTAMP '2020-01-01' + i * INTERVAL 1 MINUTE"),
    "instant": ("timestamptz '2020-01-01 00:00+00' + i * interval '1 hour'",
                "TIMESTAMPTZ '2020-01-01 00:00+00' + i * INTERVAL 1 HOUR"),
    "id": ("md5(i::text)::uuid", "md5(i::VARCHAR)::UUID"),
    "yes": ("i % 2 = 0", "i % 2 = 0"),
}


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer(settings=["log_statement=all"]) as server:
        columns = ", ".join(f"CASE WHEN i % 97 = 0 THEN nullif({there}, {there}) ELSE {there} END AS {name}" for name, (there, _) in KEYS.items())
        server.run(f"CREATE TABLE big AS SELECT i AS n, {columns} FROM generate_series(1, 20000) i; "
                   "UPDATE big SET real = 'nan' WHERE n = 5; UPDATE big SET name = 'Ä' WHERE n = 6; ANALYZE big")
        yield server


@pytest.fixture(scope="module")
def server(postgres):
    environment = {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    with ServerProcess(environment=environment) as process:
        with runner(process) as run:
            run(f"ATTACH '{postgres.uri}' AS warehouse (TYPE adbc, DRIVER 'postgresql')")
        yield process


@pytest.fixture
def run(server):
    with runner(server) as execute:
        yield execute


def make_small(run, numbers):
    """A local table with the keys of these rows of the backend's, and a row of NULLs."""
    columns = ", ".join(f"{here} AS {name}" for name, (_, here) in KEYS.items())
    rows = ", ".join(f"({number})" for number in numbers)
    run(f"CREATE OR REPLACE TABLE small AS SELECT i AS n, {columns} FROM (VALUES {rows}, (NULL)) AS t(i)")


def sent(postgres, before):
    """What scans of the table have sent since then."""
    return re.findall(r'COPY \((SELECT .*"big".*)\) TO STDOUT', postgres.log()[before:])


@pytest.mark.parametrize("key", [key for key in KEYS if key not in ("yes", "id")])  # DuckDB makes none of UUIDs
def test_keys_are_sent(run, postgres, key):
    make_small(run, [17, 400, 1311, 19_999])
    run(f"SELECT count(*) FROM warehouse.public.big WHERE {key} IS NULL")  # the catalog is known from here on
    before = len(postgres.log())
    rows = run(f"SELECT count(DISTINCT b.{key}) FROM small s JOIN warehouse.public.big b ON b.{key} = s.{key}")
    assert rows == [(4,)]
    scans = sent(postgres, before)
    assert len(scans) == 1 and f'"{key}" IN (' in scans[0], scans


def test_explain_says_so(server):
    with connected(server) as connection, connection.cursor() as cursor, runner(server) as run:
        make_small(run, [1])
        cursor.execute("EXPLAIN SELECT count(*) FROM small s JOIN warehouse.public.big b ON b.whole = s.whole")
        assert "Keys of the join sent" in str(cursor.fetchall())
        cursor.execute("SET use_pushdown = false")
        cursor.execute("EXPLAIN SELECT count(*) FROM small s JOIN warehouse.public.big b ON b.whole = s.whole")
        assert "Keys of the join sent" not in str(cursor.fetchall())


def test_too_many_keys_are_not_sent(run, postgres):
    make_small(run, range(1, 6001, 3))
    before = len(postgres.log())
    assert run("SELECT count(*) FROM small s JOIN warehouse.public.big b ON b.name = s.name") == [(1979,)]
    assert " IN (" not in sent(postgres, before)[0]


def test_groups_are_chosen_there(run, postgres):
    make_small(run, [17, 400])
    before = len(postgres.log())
    rows = run("SELECT b.small, b.rows FROM small s JOIN (SELECT small, count(*) AS rows FROM warehouse.public.big GROUP BY small) b "
               "ON b.small = s.small ORDER BY 1")
    assert rows == [(17, 29), (400, 29)]
    assert re.search("count.* IN \\(", sent(postgres, before)[0])


def random_join(random_, key):
    kind = random_.choice(["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"])
    sides = ["small s", "warehouse.public.big b"]
    random_.shuffle(sides)
    first = sides[0][-1]
    on = f"s.{key} = b.{key}"
    if random_.random() < 0.3:
        other = random_.choice(list(KEYS))
        on += f" AND s.{other} {random_.choice(['=', '=', '<=', 'IS NOT DISTINCT FROM'])} b.{other}"
    where = random_.choice(["", "", f" WHERE {first}.n % 5 < 3", f" WHERE {first}.small > 100", f" WHERE {first}.{key} IS NOT NULL"])
    columns = f"{first}.n" if "SEMI" in kind or "ANTI" in kind else "s.n, b.n"
    return f"SELECT {columns} FROM {sides[0]} {kind} {sides[1]} ON {on}{where}"


def test_random_joins_are_what_they_are_without(server, run):
    random_ = random.Random(SEED)
    print(f"HYPRSTREAM_SEED={SEED}")
    with connected(server) as connection, connection.cursor() as plain:
        plain.execute("SET use_pushdown = false")
        for number in range(QUERIES):
            if number % 10 == 0:
                count = random_.choice([1, 2, 49, 300, 999, 1001, 1500])
                start = random_.randrange(1, 20_000)
                make_small(run, random_.sample(range(-50, 20_500), count) if random_.random() < 0.7 else
                           range(start, start + count))
            query = random_join(random_, random_.choice(list(KEYS)))
            counted = f"SELECT count(*), sum(hash(t))::VARCHAR FROM ({query}) t"
            plain.execute(counted)
            assert run(counted) == plain.fetchall(), (SEED, number, query)
