"""The code blocks of a Markdown document, run against a real server in order.

- `sql`: the block is given to `hyprstream sql` as one script, so its statements share a session.
- `sh`, `bash`: a shell script, stopped at its first failure. It sees the repository's files by the same names, in a
  folder of its own. `./dev` is a stand-in that uses the binary at hand, see dev_stand_in.sh.
- `python`: a program of its own.

A `text` block right after one of these is what it prints; ` … ` stands for anything within a line. When its last line
begins with `hyprstream: ` the block must fail, and that line is its error. Without a `text` block it must succeed. The
documents' address 127.0.0.1:31337 stands for the server of the test.
"""

import dataclasses
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
STAND_IN = pathlib.Path(__file__).with_name("dev_stand_in.sh")
DOCUMENTED_ADDRESS = "127.0.0.1:31337"
BLOCK_SECONDS_MAX = 240
RUNNABLE = {"sql", "sh", "bash", "python"}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass
class Block:
    language: str
    text: str
    line: int
    expected: str | None = None  # None: it only has to succeed


def blocks_of(markdown):
    """The runnable blocks, each with what the document says it prints."""
    blocks, end_of_last = [], None
    for fence in FENCE.finditer(markdown):
        language, text = fence.groups()
        follows = end_of_last is not None and not markdown[end_of_last : fence.start()].strip()
        end_of_last = None
        if language in RUNNABLE:
            blocks.append(Block(language, text, markdown.count("\n", 0, fence.start()) + 1))
            end_of_last = fence.end()
        elif language == "text" and follows:
            blocks[-1].expected = text
    return blocks


def must_fail(block):
    lines = (block.expected or "").strip().splitlines()
    return bool(lines) and lines[-1].startswith("hyprstream: ")


def lines_match(expected, printed):
    expected, printed = (text.rstrip().splitlines() for text in (expected, printed))
    if len(expected) != len(printed):
        return False
    for wanted, line in zip(expected, printed):
        pattern = ".*".join(re.escape(part) for part in wanted.rstrip().split("…"))
        if not re.fullmatch(pattern, line.rstrip()):
            return False
    return True


class DocumentRunner:
    """Runs blocks against one server, with `folder` as a stand-in for a fresh clone."""

    def __init__(self, binary, address, folder):
        self._address = address
        self._folder = folder
        self._binary = pathlib.Path(binary).resolve()
        for entry in ROOT.iterdir():
            if entry.name not in ("dev", "build", ".git"):
                (folder / entry.name).symlink_to(entry)
        (folder / "dev").symlink_to(STAND_IN)
        inherited = {name: value for name, value in os.environ.items()
                     if not name.startswith("HYPRSTREAM_") or name == "HYPRSTREAM_ADBC_DRIVERS"}
        self._environment = {
            **inherited,
            "PATH": f"{self._binary.parent}:{pathlib.Path(sys.executable).parent}:{inherited['PATH']}",
            "HYPRSTREAM_URL": f"grpc://{address}",
            "MPLBACKEND": "Agg",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, block):
        """(exit status, what it printed)."""
        text = block.text.replace(DOCUMENTED_ADDRESS, self._address)
        command = {
            "sql": [self._binary, "sql", "-f", "-"],
            "python": [sys.executable, "-"],
        }.get(block.language, ["bash", "-euo", "pipefail", "-s"])
        done = subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              cwd=self._folder, env=self._environment, timeout=BLOCK_SECONDS_MAX)
        return done.returncode, done.stdout.replace(self._address, DOCUMENTED_ADDRESS)

    def problem(self, block):
        """What is wrong with the block, as text; None when it does what the document says."""
        status, printed = self.run(block)
        if must_fail(block) and status == 0:
            return "it must fail, but did not"
        if not must_fail(block) and status != 0:
            return f"it failed with status {status}:\n{printed}"
        if block.expected is not None and not lines_match(block.expected, printed):
            return f"it printed\n{printed}"
        return None
