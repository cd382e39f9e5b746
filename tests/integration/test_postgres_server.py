"""The PostgreSQL that the tests of backends use, from Python."""

import pytest
from postgres_server import PostgresServer


def test_runs_statements_and_keeps_its_data_over_a_restart():
    with PostgresServer() as postgres:
        postgres.run("CREATE TABLE t (i int, s text); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
        postgres.stop()
        with pytest.raises(RuntimeError, match="refused"):
            postgres.run("SELECT 1")
        postgres.restart()
        assert postgres.run("SELECT i, s FROM t ORDER BY i") == "1|a\n2|b"


def test_asks_for_a_password():
    with PostgresServer(password="open-sesame") as postgres:
        assert postgres.run("SELECT DISTINCT auth_method FROM pg_hba_file_rules") == "scram-sha-256"
