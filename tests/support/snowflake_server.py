"""A stand-in for Snowflake: `fakesnow`, which speaks its HTTP protocol over DuckDB, on a free loopback port
(snowflake_emulator.py, which checks the password and ends statements that are aborted).

    with SnowflakeServer() as snowflake:
        snowflake.options      # of the ADBC driver, the database DB1 among them
        snowflake.attach("snow")

It is an emulator: a passing test says that our part and the driver's fit together, not what Snowflake itself does.
"""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

from free_port import free_port
from server_process import wait_until

USER = "fake"
PASSWORD = "snow-hunter2-90ad"


class SnowflakeServer:
    def __init__(self, port=None):
        self.port = port or free_port()
        self._log = tempfile.TemporaryFile()
        self._folder = tempfile.TemporaryDirectory()
        self._losing = pathlib.Path(self._folder.name) / "losing"
        self.process = subprocess.Popen(
            [sys.executable, pathlib.Path(__file__).parent / "snowflake_emulator.py", str(self.port), self._losing],
            stdout=self._log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env={**os.environ, "FAKESNOW_DEBUG": "snowflake"})
        wait_until(self._answers, seconds=60, what="the emulator's start")

    @property
    def statements(self):
        """The text of those that have come, one after the other."""
        self._log.flush()
        return pathlib.Path(f"/proc/self/fd/{self._log.fileno()}").read_text(errors="replace")

    def _answers(self):
        if self.process.poll() is not None:
            self._log.seek(0)
            raise RuntimeError(f"fakesnow ended: {self._log.read().decode(errors='replace')[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    @property
    def options(self):
        return {"adbc.snowflake.sql.account": "fakesnow", "adbc.snowflake.sql.db": "DB1",
                "adbc.snowflake.sql.schema": "PUBLIC", "adbc.snowflake.sql.uri.protocol": "http",
                "adbc.snowflake.sql.uri.host": "127.0.0.1", "adbc.snowflake.sql.uri.port": str(self.port)}

    def attach(self, name, more="", password=PASSWORD):
        """The statement that attaches it."""
        options = "".join(f", \"{key}\" '{value}'" for key, value in self.options.items())
        return f"ATTACH '' AS {name} (TYPE adbc, DRIVER 'snowflake', USER '{USER}', PASSWORD '{password}'{options}{more})"

    @contextlib.contextmanager
    def losing_answers_to_commit(self):
        self._losing.touch()
        try:
            yield
        finally:
            self._losing.unlink()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.kill()
        self._log.close()
        self._folder.cleanup()
