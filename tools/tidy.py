"""Runs clang-tidy and clang's thread-safety analysis, in one parse, over every file of a compile database.

A file that was clean is not looked at again until it, a header of ours that it reaches, its flags, .clang-tidy or the
tools change: the hash of all these is remembered as an empty file in a cache folder.

usage: tidy.py BUILD_FOLDER CACHE_FOLDER [name part...]
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

REPO = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
ROOTS = (REPO / "src", REPO / "tests", REPO)
FLAGS = ["-Wno-everything", "-Wthread-safety", "-Wno-error", "-Wno-unknown-warning-option"]


def reachable(path, seen):
    """Adds to `seen` the file and every header of this repository that it includes, directly or not."""
    if path in seen:
        return
    content = path.read_bytes()
    seen[path] = content
    for name in INCLUDE.findall(content):
        for root in (path.parent, *ROOTS):
            header = root / name.decode()
            if header.is_file():
                reachable(header, seen)
                break


def tools_hash():
    parts = [subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout]
    for path in (REPO / ".clang-tidy", pathlib.Path(__file__), pathlib.Path("/etc/hyprstream-root")):
        parts.append(path.read_bytes() if path.exists() else b"")
    return hashlib.sha256(b"\0".join(parts)).digest()


def key_of(entry, tools):
    seen = {}
    reachable(pathlib.Path(entry["file"]), seen)
    digest = hashlib.sha256(tools)
    digest.update(entry["command"].replace(str(REPO), "").encode())
    for path in sorted(seen):
        digest.update(str(path.relative_to(REPO)).encode() + b"\0" + seen[path])
    return digest.hexdigest()


def tidy(entry, build):
    command = ["clang-tidy", "--quiet", "-p", build, *[f"--extra-arg={flag}" for flag in FLAGS], entry["file"]]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout.replace(f"{REPO}/", "") + (done.stderr if done.returncode else "")


def main():
    build, cache, parts = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    cache.mkdir(parents=True, exist_ok=True)
    tools = tools_hash()
    entries = json.loads((pathlib.Path(build) / "compile_commands.json").read_text())
    ours = [e for e in entries if pathlib.Path(e["file"]).is_relative_to(REPO) and pathlib.Path(e["file"]).exists()]
    if parts:
        ours = [e for e in ours if any(part in e["file"] for part in parts)]
    keys = {e["file"]: key_of(e, tools) for e in ours}
    todo = [e for e in ours if not (cache / keys[e["file"]]).exists()]
    print(f"clang-tidy: {len(todo)} of {len(ours)} files changed", file=sys.stderr)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for entry, (status, output) in zip(todo, pool.map(lambda e: tidy(e, build), todo)):
            if status == 0:
                (cache / keys[entry["file"]]).touch()
            else:
                failed += 1
                print(output.strip())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
