"""The real server, started on a free loopback port for one test or many.

    with ServerProcess("--memory-max", "1GiB") as server:
        server.url          # grpc://127.0.0.1:41234

What it prints is in `server.log()`, afterwards in `server.last_log`. Leaving the block sends SIGTERM and expects exit
status 0.
"""

import contextlib
import os
import pathlib
import resource
import signal
import subprocess
import tempfile
import time

BINARY = os.environ.get("HYPRSTREAM_BINARY", "build/release/hyprstream")


def clean_environment(extra=None):
    """Ours without what ./dev sets for the tests: the server refuses HYPRSTREAM_ names that it does not know."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HYPRSTREAM_")}
    return {**inherited, **(extra or {})}


def wait_until(condition, seconds=20, what="the condition"):
    """Returns the first true value of condition(); fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {seconds} s")
        time.sleep(0.01)


class ServerProcess:
    def __init__(self, *arguments, environment=None, scheme="grpc", files_max=None, wrapper=(), folder=None,
                 ready_file=None):
        """Starts `hyprstream serve --port 0` with more arguments; returns once it accepts calls.

        `files_max` is its limit of open files, `wrapper` a command that runs it, `folder` where it runs, `ready_file` is
        used instead of one of its own.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="hyprstream-test-")
        self._ready = ready_file or pathlib.Path(self._folder.name, "ready")
        self._log_path = pathlib.Path(self._folder.name, "log")
        self._log_file = self._log_path.open("wb")
        command = [*wrapper, BINARY, "serve", "--port", "0", "--ready-file", str(self._ready), *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdout=self._log_file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env=clean_environment(environment), cwd=folder,
            preexec_fn=files_max and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))),
        )
        try:
            self.address = wait_until(self._read_address, what="the server's start")
        except BaseException:
            self.kill()
            raise
        self.host, _, port = self.address.rpartition(":")
        self.port = int(port)
        self.url = f"{scheme}://{self.address}"

    def _read_address(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended with {self.process.returncode}: {self.log()}")
        return self._ready.read_text().strip() if self._ready.exists() else None

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return self._log_path.read_text(errors="replace")

    def status_value(self, name):
        """A number of /proc/PID/status: VmRSS (kB), Threads, ..."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
        raise KeyError(name)

    def cpu_seconds(self, pid=None):
        fields = pathlib.Path(f"/proc/{pid or self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_until_idle(self, seconds=20, pid=None):
        """Until the process, or the one with that id, used less than a tenth of a core for a third of a second."""
        since, used = time.monotonic(), self.cpu_seconds(pid)

        def idle():
            nonlocal since, used
            now, cpu = time.monotonic(), self.cpu_seconds(pid)
            if cpu - used > (now - since) / 10 + 0.02:
                since, used = now, cpu
            return now - since > 1 / 3

        wait_until(idle, seconds, "an idle server")

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def driver_hosts(self):
        """The ids of the processes of drivers that this server has started."""
        hosts = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):  # a thread's list of children lacks some while it changes
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == self.pid and b"driver-host" in (process / "cmdline").read_bytes():
                    hosts.append(int(process.name))
        return hosts

    def terminate(self, seconds=30):
        """SIGTERM; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def close(self):
        """For a server outside a with block, ended already; returns what it printed."""
        self.kill()
        self.last_log = self.log()
        self._log_file.close()
        self._folder.cleanup()
        return self.last_log

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            status = self.terminate()
        except subprocess.TimeoutExpired:
            self.kill()
            status = "no exit within 30 s"
        finally:
            log = self.close()
        if kind is None and status != 0:
            raise AssertionError(f"the server ended with {status}: {log[-4000:]}")


def run_hyprstream(*arguments, stdin="", seconds=120, environment=None, folder=None):
    """Runs a command of the binary, in `folder`, to its end; returns (exit status, stdout, stderr)."""
    done = subprocess.run(
        [BINARY, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=seconds,
        env=clean_environment(environment), cwd=folder,
    )
    return done.returncode, done.stdout, done.stderr
