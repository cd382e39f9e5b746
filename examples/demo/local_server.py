"""A server of one's own on this machine, started for a program and ended with it."""

import os
import pathlib
import subprocess
import tempfile
import time

BINARY = os.environ.get("HYPRSTREAM_BINARY", "hyprstream")
START_SECONDS_MAX = 30


class LocalServer:
    """Runs `hyprstream serve` until the `with` block is left.

    Port 0 takes a free one; `configuration` is TOML. `url` is where it answers, `start_seconds` how long it took to.
    """

    def __init__(self, port=0, configuration=""):
        self.port = port
        self.configuration = configuration
        self._folder = tempfile.TemporaryDirectory(prefix="hyprstream-demo-")
        self._log = pathlib.Path(self._folder.name, "log")

    def __enter__(self):
        ready_file = pathlib.Path(self._folder.name, "ready")
        config = pathlib.Path(self._folder.name, "hyprstream.toml")
        config.write_text(self.configuration)
        drivers = os.environ.get("HYPRSTREAM_ADBC_DRIVERS")
        started = time.monotonic()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--config", config, "--port", str(self.port), "--ready-file", ready_file,
                 *(["--adbc-drivers", drivers] if drivers else [])],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment(),
                start_new_session=True,  # Ctrl-C is ours to pass on, once we have closed our connections
            )
        try:
            while not ready_file.exists() or not ready_file.read_text().strip():
                if self.process.poll() is not None or time.monotonic() - started > START_SECONDS_MAX:
                    raise RuntimeError(f"the server did not start: {self.log()}")
                time.sleep(0.01)
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - started
        self.url = "grpc://" + ready_file.read_text().strip()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        self._folder.cleanup()

    def log(self):
        return self._log.read_text(errors="replace")[-2000:].strip()


def environment():
    """Ours without the variables that ./dev sets: the server takes HYPRSTREAM_ names for settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HYPRSTREAM_")}
