"""A command of the binary on a terminal of its own, driven as a person would.

    with Terminal("sql", "--url", server.url) as shell:
        shell.expect("hyprstream> ")
        shell.type("SELECT 42;\\n")
        shell.expect("42")
"""

import os
import pty
import select
import signal
import subprocess
import termios
import time

from server_process import BINARY, clean_environment

CTRL_C = "\x03"
CTRL_D = "\x04"
TAB = "\t"
UP = "\x1b[A"


class Terminal:
    def __init__(self, *arguments, environment=None):
        self._end, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [BINARY, *map(str, arguments)], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env=clean_environment({"TERM": "xterm", **(environment or {})}), preexec_fn=self._take_terminal,
        )
        os.close(theirs)
        self.screen = ""  # all that was shown
        self._seen = 0  # of it, by expect()

    @staticmethod
    def _take_terminal():
        import fcntl

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def type(self, text):
        os.write(self._end, text.encode())

    def press(self, key, seconds=30):
        """Types a key for the line editor, once it reads keys: before that the terminal itself would take it."""
        deadline = time.monotonic() + seconds
        while termios.tcgetattr(self._end)[3] & termios.ICANON:
            self._read(0.01)
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"nobody edits a line; the screen: {self.screen!r}")
        self.type(key)

    def _read(self, seconds):
        if not select.select([self._end], [], [], seconds)[0]:
            return False
        try:
            some = os.read(self._end, 65536)
        except OSError:  # the other end was closed
            return False
        self.screen += some.decode(errors="replace")
        return bool(some)

    def expect(self, text, seconds=30):
        """Waits until `text` is shown after what was expected before; returns what came before it."""
        deadline = time.monotonic() + seconds
        while (at := self.screen.find(text, self._seen)) < 0:
            left = deadline - time.monotonic()
            if left <= 0 or (not self._read(left) and self.process.poll() is not None):
                raise AssertionError(f"{text!r} was not shown; the screen: {self.screen!r}")
        before = self.screen[self._seen : at]
        self._seen = at + len(text)
        return before

    def wait(self, seconds=30):
        """Waits for the end; returns the exit status."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.wait(timeout=1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._end)
