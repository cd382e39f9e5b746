"""What a team keeps in a database of its own, beside the stream: airlines, airports, planes and the weather.

The server reads them where they are, as the backend `reference`: from a SQLite file, or from PostgreSQL.
"""

import csv
import io
import pathlib
import sqlite3
import subprocess

import pyarrow
import pyarrow.parquet

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
TABLES = ["airlines", "airports", "planes", "weather"]
# Names of types that mean the same to SQLite and to PostgreSQL.
SQL_TYPES = {pyarrow.string(): "TEXT", pyarrow.float64(): "DOUBLE PRECISION", pyarrow.int64(): "BIGINT",
             pyarrow.int32(): "INTEGER", pyarrow.timestamp("us"): "TIMESTAMP"}


class SqliteReference:
    """The tables in a file of the folder."""

    tables = "reference.main"
    people_say = "SQLite"

    def __init__(self, folder):
        self._path = pathlib.Path(folder, "reference.sqlite")
        with sqlite3.connect(self._path) as database:
            for name in TABLES:
                rows = read(name)
                database.execute(create_table(name, rows.schema))
                places = ", ".join("?" * rows.num_columns)
                database.executemany(f"INSERT INTO {name} VALUES ({places})",
                                     ([as_text(value) for value in row.values()] for row in rows.to_pylist()))
        database.close()

    def configuration(self):
        return f'[backends.reference]\ndriver = "sqlite"\nuri = "file:{self._path}"\n'

    def close(self):
        pass


class PostgresReference:
    """The tables in a schema of a running PostgreSQL, which psql reaches by the URI; dropped at the end."""

    SCHEMA = "hyprstream_demo"
    tables = f"reference.{SCHEMA}"
    people_say = "PostgreSQL"

    def __init__(self, uri):
        self._uri = uri
        script = [f"DROP SCHEMA IF EXISTS {self.SCHEMA} CASCADE; CREATE SCHEMA {self.SCHEMA};"]
        for name in TABLES:
            rows = read(name)
            script += [create_table(f"{self.SCHEMA}.{name}", rows.schema) + ";",
                       f"COPY {self.SCHEMA}.{name} FROM stdin (FORMAT csv);", as_csv(rows) + "\\."]
        self._run("\n".join(script) + f"\nANALYZE;\n")

    def configuration(self):
        return f'[backends.reference]\ndriver = "postgresql"\nuri = "{self._uri}"\n'

    def close(self):
        self._run(f"DROP SCHEMA {self.SCHEMA} CASCADE;")

    def _run(self, script):
        done = subprocess.run(["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--set=client_min_messages=warning",
                               self._uri], input=script, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"psql failed: {done.stderr.strip()}")


def read(name):
    return pyarrow.parquet.read_table(DATA / f"{name}.parquet")


def create_table(name, schema):
    return f"CREATE TABLE {name} ({', '.join(f'{field.name} {SQL_TYPES[field.type]}' for field in schema)})"


def as_csv(rows):
    """A missing value is nothing at all, which PostgreSQL takes for NULL."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(row.values() for row in rows.to_pylist())
    return text.getvalue()


def as_text(value):
    """Times as the text that SQLite's own functions write; anything else as it is."""
    return value.isoformat(sep=" ") if hasattr(value, "isoformat") else value
