"""SQL behaviour in the sqllogictest format, run over Flight SQL.

    statement ok                     the statement runs
    statement count 3                ... and says that it changed 3 rows
    statement error                  it is refused; after `----` a line that the message holds
    query [rowsort] [eventually]     its rows, columns separated by tabs, after `----`; within 20 s where it says so
    query same                       the query after `----` has the same rows in any order; without one, the same query
                                     where no view answers it (SET use_views = false)
    views on                         queries on tables may be answered from views from here on; otherwise they never
                                     are, so that they tell what views should have
    query route                      what answers it and why, as EXPLAIN names it, holds the line after `----`
    session NAME                     what follows runs in a session of that name
    restart                          ends the server in order and starts it on the same data
    crash                            the same, but it is killed

A record ends at an empty line; `#` begins a comment line. NULL is NULL, a float is written as %.12g, an empty text as
(empty). Every file has a server of its own, with a data folder.
"""

import dataclasses
import datetime
import pathlib
import tempfile

import adbc_driver_flightsql.dbapi

from server_process import ServerProcess, wait_until


@dataclasses.dataclass
class Record:
    line: int
    kind: str
    words: list
    sql: str
    expected: list


def parse(path):
    """The records of a file, in order."""
    records = []
    block = []
    for number, line in enumerate([*path.read_text().splitlines(), ""], start=1):
        if line.strip() and not (line.startswith("#") and not block):
            block.append((number, line))
        elif block and not line.strip():
            records.append(_record(block))
            block = []
    return records


def _record(block):
    number, head = block[0]
    lines = [line for _, line in block[1:]]
    split = lines.index("----") if "----" in lines else len(lines)
    kind, *words = head.split()
    if kind not in ("statement", "query", "session", "views", "restart", "crash"):
        raise ValueError(f"line {number}: unknown record {kind}")
    return Record(number, kind, words, "\n".join(lines[:split]), lines[split + 1:])


def as_text(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if value == "":
        return "(empty)"
    return str(value)


class Runner:
    """Runs the records of one file."""

    def __init__(self):
        self._uses_views = False
        self._folder = tempfile.TemporaryDirectory(prefix="hyprstream-sqllogic-")
        self._data = pathlib.Path(self._folder.name, "data")
        self._start()

    def _start(self):
        self._server = ServerProcess("--data", self._data)
        self._sessions = {}
        self._session = "main"

    def _stop(self):
        for connection in self._sessions.values():
            connection.close()
        self._sessions = {}
        self._server.__exit__(None, None, None)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._stop()
        self._folder.cleanup()

    def _cursor(self):
        if self._session not in self._sessions:
            self._sessions[self._session] = adbc_driver_flightsql.dbapi.connect(self._server.url, autocommit=True)
            with self._sessions[self._session].cursor() as cursor:
                cursor.execute(f"SET use_views = {self._uses_views}")
        return self._sessions[self._session].cursor()

    def run(self, record):
        """None, or what is wrong."""
        if record.kind == "session":
            self._session = record.words[0]
        elif record.kind == "views":
            self._uses_views = True
            self._sessions = {}
        elif record.kind == "restart":
            self._stop()
            self._start()
        elif record.kind == "crash":
            self._server.kill()
            self._server.close()
            self._sessions = {}
            self._start()
        elif record.kind == "statement":
            return self._statement(record)
        elif "eventually" in record.words:
            return self._query_until(record)
        else:
            return self._query(record)
        return None

    def _query_until(self, record):
        problem = None

        def holds():
            nonlocal problem
            problem = self._query(record)
            return problem is None

        try:
            wait_until(holds)
        except TimeoutError:
            return problem
        return None

    def _statement(self, record):
        wanted = record.words[0]
        try:
            with self._cursor() as cursor:
                cursor.execute(record.sql)
                count = cursor.rowcount
                if cursor.description:
                    cursor.fetch_arrow_table()  # a query fails while its rows are computed
        except Exception as error:  # whatever class the driver gives it
            if wanted != "error":
                return f"failed: {error}"
            missing = [line for line in record.expected if line not in str(error)]
            return f"failed with: {error}\nwhich lacks: {missing}" if missing else None
        if wanted == "error":
            return "was accepted"
        if wanted == "count" and count != int(record.words[1]):
            return f"changed {count} rows, not {record.words[1]}"
        return None

    def _plain_rows(self, sql):
        with self._cursor() as cursor:
            cursor.execute("SET use_views = false")
            try:
                return self._rows(sql)
            finally:
                cursor.execute("SET use_views = true")

    def _expected(self, record):
        if "same" not in record.words:
            return record.expected
        return self._rows("\n".join(record.expected)) if record.expected else self._plain_rows(record.sql)

    def _route(self, record):
        with self._cursor() as cursor:
            cursor.execute("EXPLAIN " + record.sql)
            route = cursor.fetchall()[-1][1]
        return None if record.expected[0] in route else f"is answered by {route}"

    def _rows(self, sql):
        with self._cursor() as cursor:
            cursor.execute(sql)
            table = cursor.fetch_arrow_table()
        return ["\t".join(as_text(value) for value in row) for row in zip(*(c.to_pylist() for c in table.columns))]

    def _query(self, record):
        try:
            if "route" in record.words:
                return self._route(record)
            rows = self._rows(record.sql)
            expected = self._expected(record)
        except Exception as error:
            return f"failed: {error}"
        if "rowsort" in record.words or "same" in record.words:
            rows, expected = sorted(rows), sorted(expected)
        if rows == expected:
            return None
        return "gave\n" + "\n".join(rows) + "\ninstead of\n" + "\n".join(expected)
