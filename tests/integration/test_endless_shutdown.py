"""A statement that would never end does not keep the server from ending, and what it knows is saved."""

import contextlib
import os
import sqlite3
import subprocess

from flight_sql_client import TOKEN, USERS, runner
from server_process import BINARY, ServerProcess, clean_environment, wait_until

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x > 0) SELECT count(*) AS n FROM c"


def test_a_statement_without_an_end_does_not_keep_the_server(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "file.db")) as file:
        file.execute("CREATE TABLE t (a INT)")
    environment = {"HYPRSTREAM_USERS": USERS, "HYPRSTREAM_ADBC_DRIVERS": os.environ["HYPRSTREAM_ADBC_DRIVERS"]}
    data = tmp_path / "data"
    server = ServerProcess("--drain-ms", 100, "--data", data, environment=environment)
    query = None
    try:
        with runner(server) as run:
            run("CREATE TABLE live (ts TIMESTAMP, v BIGINT) WITH (time = 'ts', keep_rows = false)")
            run("CREATE MATERIALIZED VIEW sums AS SELECT time_bucket(INTERVAL '1 hour', ts) AS w, sum(v) AS s FROM live GROUP BY w")
            run("INSERT INTO live VALUES ('2026-01-01 00:30:00', 40), ('2026-01-01 00:31:00', 2)")
            run(f"ATTACH '{tmp_path / 'file.db'}' AS slow (TYPE adbc, DRIVER 'sqlite')")
            text = f"SELECT * FROM backend_query('slow', '{ENDLESS}')"
            (tmp_path / "token").write_text(TOKEN)
            query = subprocess.Popen([BINARY, "sql", "--url", server.url, "--token-file", tmp_path / "token", "-c", text],
                                     stderr=subprocess.DEVNULL, env=clean_environment())
            wait_until(lambda: run("SELECT pool_in_use FROM hyprstream.backends") == [(1,)], what="the statement's start")
        assert server.terminate(seconds=100) == 0, server.log()
    finally:
        if query is not None:
            query.kill()
            query.wait()
        server.close()
    with ServerProcess("--data", data, environment=environment) as again, runner(again) as run:
        assert run("SELECT s::BIGINT FROM sums") == [(42,)]
