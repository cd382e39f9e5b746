"""A stock client of a server: the Flight SQL driver of ADBC, as an administrator.

    with ServerProcess(environment={"HYPRSTREAM_USERS": USERS}) as server, runner(server) as run:
        run("CREATE TABLE t (v BIGINT)")
        run("INSERT INTO t VALUES (?)", (1,))   # 1
        run("FROM t")                           # [(1,)]
        refused(lambda: run("FROM nothing"), "nothing")
"""

import concurrent.futures
import contextlib

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager
import pytest

TOKEN = "ada-token"
USERS = f'ada = {{ token = "{TOKEN}", admin = true }}\n'


def connected(server, autocommit=True):
    return flightsql.connect(server.url, autocommit=autocommit,
                             db_kwargs={"adbc.flight.sql.authorization_header": f"Bearer {TOKEN}"})


@contextlib.contextmanager
def runner(server):
    """Runs statements in autocommit; gives the rows of a query, the number of changed rows of another."""
    with connected(server) as connection:
        def execute(sql, parameters=None):
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return cursor.fetchall() if sql.startswith(("SELECT", "FROM")) else cursor.rowcount
        yield execute


def refused(call, *words):
    """The text of the error, which has all of `words`."""
    with pytest.raises(adbc_driver_manager.Error) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)
    return str(caught.value)


def insert_at_once(server, table, writers, rows):
    """Each of `writers` clients inserts (its number, i) into the table for i in range(rows), one by one."""
    def write(writer):
        with runner(server) as run:
            for i in range(rows):
                run(f"INSERT INTO {table} VALUES ({writer}, {i})")

    with concurrent.futures.ThreadPoolExecutor(writers) as pool:
        for done in [pool.submit(write, writer) for writer in range(writers)]:
            done.result()
