"""Files of DuckDB for tests, made by what has the same release of it as the server: a server that has ended."""

import pathlib

from server_process import ServerProcess


def an_empty_file(folder: pathlib.Path) -> pathlib.Path:
    """The path of a database without a table of anybody's."""
    with ServerProcess("--data", folder):
        pass
    return folder / "tables.duckdb"
