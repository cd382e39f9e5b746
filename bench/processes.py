"""The processes of a benchmark: the real server, the no-op server, and bench_worker for one side each."""

import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests" / "support"))

from postgres_server import PostgresServer  # noqa: E402
from server_process import ServerProcess, clean_environment  # noqa: E402
from valkey_server import ValkeyServer  # noqa: E402

BUILD = pathlib.Path(os.environ.get("HYPRSTREAM_BUILD", "build/release"))
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class NoopServer:
    """bench_noop_server, answering queries with `rows` rows."""

    def __init__(self, rows):
        self.process = subprocess.Popen([BUILD / "bench" / "bench_noop_server", str(rows)], stdout=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, text=True, env=clean_environment())
        address = self.process.stdout.readline().strip()
        if not address:
            raise RuntimeError(f"the no-op server ended with {self.process.wait()}")
        self.url = f"grpc://{address}"

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)


class Worker:
    """bench_worker of one kind; `run` does one round and returns its value, `facts` is what else that round said."""

    def __init__(self, kind, setup=(), reset=(), **options):
        command = [str(BUILD / "bench" / "bench_worker"), "--kind", kind]
        for name, statements in (("--setup", setup), ("--reset", reset)):
            for statement in statements:
                command += [name, statement]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        self.cpu = 0.0
        self.facts = {}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=clean_environment())
        self._read()

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with {self.process.wait()}: {' '.join(self.process.args)}")
        return line

    def run(self):
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        answer = json.loads(self._read())
        if "error" in answer:
            raise RuntimeError(f"{answer['error']}: {' '.join(self.process.args)}")
        self.cpu += answer["cpu"]
        self.facts = answer["facts"]
        return answer["value"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


__all__ = ["BUILD", "NoopServer", "PostgresServer", "ServerProcess", "ValkeyServer", "Worker", "cpu_seconds"]
