"""A real PostgreSQL on a free loopback port, its data in a temporary folder.

    with PostgresServer(password="s3cret") as postgres:
        postgres.run("CREATE TABLE t (i int)")
        postgres.uri        # postgresql://postgres:s3cret@127.0.0.1:41234/postgres

As a program it prints the URI of one and keeps it until standard input ends.

The programs are those of the newest version under /usr/lib/postgresql, the server's those of the folder
HYPRSTREAM_POSTGRES where that is set, to test with another version; as root it runs as the user `postgres`, which
its package makes. It ends with the test, also where that dies of a signal.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.parse

from free_port import start_on_a_free_port
from server_process import wait_until


def programs():
    """The folder of the newest version's programs."""
    versions = [path for path in pathlib.Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    if not versions:
        raise RuntimeError("No PostgreSQL under /usr/lib/postgresql: run this in the test root")
    return max(versions, key=lambda path: int(path.parent.name))


class PostgresServer:
    user = "postgres"  # a superuser

    def __init__(self, password="", settings=(), tls_folder=None):
        """`password`: empty trusts whoever connects. `settings`: of postgresql.conf, each `name=value`.
        `tls_folder`: with server.pem and server.key in it, connections over TCP speak TLS only."""
        self.password = password
        self._tls_folder = tls_folder
        self._settings = settings
        self._programs = pathlib.Path(os.environ.get("HYPRSTREAM_POSTGRES") or programs())
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="hyprstream-postgres-"))
        self._process = None
        try:
            self._initialize()
            start_on_a_free_port(self._start_at)
        except BaseException:
            self.close()
            raise

    def _as_server_user(self, *command):
        user = ("--reuid=postgres", "--regid=postgres", "--clear-groups") if os.getuid() == 0 else ()
        return ["setpriv", "--pdeathsig", "QUIT", *user, *map(str, command)]

    def _initialize(self):
        authentication = ["--auth", "trust"]
        if self.password:
            secret = self._folder / "password"
            secret.write_text(self.password + "\n")
            authentication = ["--auth", "scram-sha-256", "--pwfile", secret]
        if os.getuid() == 0:
            for path in (self._folder, *self._folder.iterdir()):
                shutil.chown(path, "postgres", "postgres")
        done = subprocess.run(
            self._as_server_user(self._programs / "initdb", "--pgdata", self._folder / "data", "--username", self.user,
                                 "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", *authentication),
            capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed: {done.stdout}{done.stderr}")
        if self._tls_folder:
            self._require_tls(pathlib.Path(self._tls_folder))

    def _require_tls(self, files):
        data = self._folder / "data"
        for name in ("server.pem", "server.key"):
            shutil.copy(files / name, data / name)
            if os.getuid() == 0:
                shutil.chown(data / name, "postgres", "postgres")
            (data / name).chmod(0o600)
        rules = data / "pg_hba.conf"
        rules.write_text(re.sub("^host ", "hostssl ", rules.read_text(), flags=re.MULTILINE))
        self._settings = [*self._settings, "ssl=on", "ssl_cert_file=server.pem", "ssl_key_file=server.key"]

    def _start_at(self, port):
        self.port = port
        self.restart()

    def restart(self):
        """After stop(): on the same port, over the same data. Returns once it accepts connections."""
        self.stop()
        settings = ["listen_addresses=127.0.0.1", "fsync=off", "autovacuum=off", *self._settings]
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._as_server_user(self._programs / "postgres", "-D", self._folder / "data", "-k", self._folder,
                                     "-p", self.port, *(word for setting in settings for word in ("-c", setting))),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        wait_until(self._is_ready, seconds=60, what="PostgreSQL's start")

    def _is_ready(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended at its start: {self.log()}")
        try:  # the last line of this file says what state it is in
            words = (self._folder / "data" / "postmaster.pid").read_text().split()
        except FileNotFoundError:
            return False
        return bool(words) and words[0] == str(self._process.pid) and words[-1] == "ready"

    @property
    def _log_path(self):
        return self._folder / "log"

    def log(self):
        return self._log_path.read_text(errors="replace")

    @property
    def uri(self):
        return self.uri_of("postgres")

    def uri_of(self, database):
        password = f":{urllib.parse.quote(self.password, safe='')}" if self.password else ""
        return f"postgresql://{self.user}{password}@127.0.0.1:{self.port}/{database}"

    def run(self, sql, database="postgres"):
        """Runs statements through psql, apart from anything of ours; rows as text, columns separated by '|'."""
        done = subprocess.run(
            [programs() / "psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1",
             self.uri_of(database)], input=sql, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"psql failed: {done.stderr}")
        return done.stdout.rstrip("\n")

    def stop(self):
        """Ends every connection and the server; its data stays."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait()
        self._process = None

    def pids(self):
        """Of the server and of those that serve its connections now."""
        server = self._process.pid
        children = pathlib.Path(f"/proc/{server}/task/{server}/children").read_text().split()
        return [server, *map(int, children)]

    def close(self):
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()


if __name__ == "__main__":
    with PostgresServer() as served:
        print(served.uri, flush=True)
        sys.stdin.read()
