"""Checks who includes whom under src/: a lower floor never includes a higher one.

- A room includes itself and rooms of lower floors; rooms of one floor do not include each other.
- The rooms of floor 4 (cache, aggregate, backend, log) know core and below only, not engine.
- A `*_internal.h` is included by its own room only.
- Only engine/ includes DuckDB; no header includes `duckdb.hpp` or `arrow/api.h`.
- drivers/ includes nothing of src/.

Prints one line for each include that breaks a rule; exit status 1 if there is any.
"""

import pathlib
import re
import sys

FLOORS = {
    "base": 0,
    "config": 1,
    "core": 2,
    "engine": 3,
    "cache": 4,
    "aggregate": 4,
    "backend": 4,
    "log": 4,
    "router": 5,
    "ingest": 5,
    "commit": 5,
    "ship": 5,
    "recover": 5,
    "session": 6,
    "flight": 7,
    "http": 7,
    "cli": 7,
    "server": 8,
}
KNOWS_CORE_AND_BELOW = {room for room, floor in FLOORS.items() if floor == 4}
# "ingest" stages batches for the one commit path: reader -> validated batches -> commit.
SAME_FLOOR = {("ingest", "commit")}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def broken_rule(room, is_header, included):
    """Says why a file of `room` may not include `included`, or returns None."""
    if included == "duckdb.hpp" and is_header:
        return "no header includes duckdb.hpp"
    if included == "arrow/api.h" and is_header:
        return "no header includes arrow/api.h"
    if room != "engine" and (included in ("duckdb.h", "duckdb.hpp") or included.startswith("duckdb/")):
        return "only engine/ includes DuckDB"
    other = included.split("/")[0]
    if other not in FLOORS or other == room:
        return None
    if included.endswith("_internal.h"):
        return f"{other}/'s internal headers are its own"
    if FLOORS[other] > FLOORS[room]:
        return f"{other}/ (floor {FLOORS[other]}) is above {room}/ (floor {FLOORS[room]})"
    if FLOORS[other] == FLOORS[room] and (room, other) not in SAME_FLOOR:
        return f"{other}/ and {room}/ are on one floor and know each other only through core/"
    if room in KNOWS_CORE_AND_BELOW and FLOORS[other] > FLOORS["core"]:
        return f"{room}/ knows core/ and below only"
    return None


def check_file(path, room):
    text = path.read_text(errors="replace")
    for match in INCLUDE.finditer(text):
        rule = broken_rule(room, path.suffix == ".h", match.group(2))
        if rule:
            line = text.count("\n", 0, match.start(2)) + 1
            yield f"{path}:{line}: includes {match.group(2)}: {rule}"


def check_drivers(repo):
    for path in sorted((repo / "drivers").rglob("*.[ch]*")):
        for match in INCLUDE.finditer(path.read_text(errors="replace")):
            if match.group(1) == '"' and match.group(2).split("/")[0] in FLOORS:
                yield f"{path}: includes {match.group(2)}: drivers/ includes nothing of src/"


def main():
    repo = pathlib.Path(__file__).resolve().parent.parent
    problems = list(check_drivers(repo))
    for folder in sorted(path for path in (repo / "src").iterdir() if path.is_dir()):
        if folder.name not in FLOORS:
            problems.append(f"{folder}: this room has no floor yet; give it one in tools/floors.py")
            continue
        for path in sorted([*folder.rglob("*.h"), *folder.rglob("*.cc")]):
            problems.extend(check_file(path, folder.name))
    for problem in problems:
        print(problem.replace(f"{repo}/", ""))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
