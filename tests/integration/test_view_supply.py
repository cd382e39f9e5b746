"""Views made of the states of other views while rows keep coming: none missing, none twice, as before a restart."""

import pyarrow.flight as flight

import flight_sql_wire as wire
from server_process import ServerProcess, wait_until
from test_view_family import Changes

FINE = "SELECT time_bucket(INTERVAL '1 minute', ts) AS w, k, count(*) AS n, sum(v) AS s, max(v) AS m FROM t GROUP BY ALL"
COARSE = {
    "hours": "SELECT time_bucket(INTERVAL '1 hour', ts) AS w, count(*) AS n, sum(v) AS s FROM t GROUP BY ALL",
    "keys": "SELECT k, count(*) AS n, max(v) AS m FROM t GROUP BY ALL",
    "few": "SELECT k % 7 AS r, count(*) FILTER (k > 50) AS n, sum(v) AS s FROM t WHERE k <> 3 GROUP BY ALL",
    "all": "SELECT count(*) AS n, sum(v) AS s, max(v) AS m FROM t",
}
# The same of the fine view's groups.
EXPECTED = {
    "hours": "SELECT time_bucket(INTERVAL '1 hour', w) AS w, sum(n)::BIGINT AS n, sum(s) AS s FROM fine GROUP BY ALL",
    "keys": "SELECT k, sum(n)::BIGINT AS n, max(m) AS m FROM fine GROUP BY ALL",
    "few": "SELECT k % 7 AS r, coalesce(sum(n) FILTER (k > 50), 0)::BIGINT AS n, sum(s) AS s FROM fine WHERE k <> 3 GROUP BY ALL",
    "all": "SELECT sum(n)::BIGINT AS n, sum(s) AS s, max(m) AS m FROM fine",
}
ROWS = "SELECT TIMESTAMP '2026-01-01' + INTERVAL (v % 100000) SECOND, v % 101, v FROM range({}, {}) r(v)"


def expect_all_rows(client):
    for name, select in EXPECTED.items():
        difference = f"(FROM \"{name}\" EXCEPT ALL {select}) UNION ALL ({select} EXCEPT ALL FROM \"{name}\")"
        assert wire.query(client, difference) == [], name


def test_views_are_filled_from_states_while_rows_come(tmp_path):
    inserting = ("INSERT INTO t " + ROWS.format("{0} * 100", "({0} + 1) * 100"),)
    with ServerProcess("--data", tmp_path) as server, flight.connect(server.url) as client:
        wire.update(client, "CREATE TABLE t (ts TIMESTAMP, k BIGINT, v BIGINT) WITH (time = 'ts', keep_rows = false)")
        wire.update(client, f"CREATE MATERIALIZED VIEW fine AS {FINE}")
        wire.update(client, "INSERT INTO t " + ROWS.format(0, 1_000_000))
        with Changes(server.url, inserting) as changes:
            for _ in range(4):
                for name, select in COARSE.items():
                    wire.update(client, f'CREATE OR REPLACE MATERIALIZED VIEW "{name}" AS {select}')
                done = changes.done
                wait_until(lambda at=done: changes.done > at or changes.failure)
                expect_all_rows(client)  # each statement reads one prefix of commits
        expect_all_rows(client)
        assert wire.query(client, "SELECT count(*) AS n FROM hyprstream.views WHERE filled_from <> ''") == [{"n": 4}]
        before = wire.query(client, "FROM \"all\"")
    with ServerProcess("--data", tmp_path) as again, flight.connect(again.url) as client:
        assert wire.query(client, "FROM \"all\"") == before
        wire.update(client, "INSERT INTO t " + ROWS.format(0, 1000))
        expect_all_rows(client)
