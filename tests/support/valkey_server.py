"""A real Valkey on a free loopback port, its files in a temporary folder.

    with ValkeyServer(password="s3cret") as valkey:
        valkey.run("SET", "k", "v")
        valkey.uri          # redis://:s3cret@127.0.0.1:41234/0

The program is valkey-server. It ends with the test, also where that dies of a signal, and keeps nothing on disk.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from free_port import start_on_a_free_port
from server_process import wait_until


class ValkeyServer:
    def __init__(self, password="", settings=(), tls_folder=None):
        """`password`: empty trusts whoever connects. `settings`: of valkey.conf, each ("name", "value", ...).

        `tls_folder`: with server.pem, server.key and ca.pem in it the port speaks TLS only.
        """
        self.password = password
        self._settings = settings
        self._tls_folder = tls_folder
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="hyprstream-valkey-"))
        self._process = None
        try:
            start_on_a_free_port(self._start_at)
        except BaseException:
            self.close()
            raise

    def _start_at(self, port):
        self.port = port
        self.restart()

    def _command(self):
        port = ["--port", self.port]
        if self._tls_folder:
            files = pathlib.Path(self._tls_folder)
            port = ["--port", 0, "--tls-port", self.port, "--tls-cert-file", files / "server.pem", "--tls-key-file",
                    files / "server.key", "--tls-ca-cert-file", files / "ca.pem", "--tls-auth-clients", "no"]
        password = ["--requirepass", self.password] if self.password else []
        settings = [word for name, *values in self._settings for word in ("--" + name, *values)]
        return ["setpriv", "--pdeathsig", "KILL", "valkey-server", *map(str, port), "--bind", "127.0.0.1", "--dir",
                str(self._folder), "--save", "", "--appendonly", "no", "--daemonize", "no", *password, *settings]

    def restart(self):
        """After stop(): on the same port, empty. Returns once it accepts connections."""
        self.stop()
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=subprocess.STDOUT)
        wait_until(self._is_ready, seconds=60, what="Valkey's start")

    def _is_ready(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"Valkey ended at its start: {self.log()}")
        return self._cli("PING", check=False).stdout.strip() == "PONG"

    def _cli(self, *words, check=True):
        tls = ["--tls", "--insecure"] if self._tls_folder else []
        environment = {**os.environ, **({"REDISCLI_AUTH": self.password} if self.password else {})}
        done = subprocess.run(["valkey-cli", "-h", "127.0.0.1", "-p", str(self.port), *tls, "--no-auth-warning", "-e", *map(str, words)],
                              capture_output=True, text=True, timeout=60, env=environment)
        if check and done.returncode != 0:
            raise RuntimeError(f"valkey-cli failed: {done.stdout}{done.stderr}")
        return done

    def run(self, *words):
        """One command through valkey-cli, apart from anything of ours; the answer as it prints it, a line an element."""
        return self._cli(*words).stdout.rstrip("\n")

    @property
    def pid(self):
        return self._process.pid

    def freeze(self):
        """It stays connected and answers nothing until thaw()."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    @property
    def _log_path(self):
        return self._folder / "log"

    def log(self):
        return self._log_path.read_text(errors="replace")

    @property
    def uri(self):
        return self.uri_of(0)

    def uri_of(self, database):
        password = f":{self.password}@" if self.password else ""
        return f"{'rediss' if self._tls_folder else 'redis'}://{password}127.0.0.1:{self.port}/{database}"

    def stop(self):
        """Ends every connection and the server; nothing of its data stays."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def close(self):
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()
