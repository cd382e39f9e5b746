"""Checks what clang-format and clang-tidy cannot: sizes, names, sleeping tests and things that do not belong here.

Takes the files to check as arguments, relative to the working folder. Prints one line for each finding; exit status 1
if there is any.
"""

import pathlib
import re
import sys

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
HEADER_LINES_MAX = 300
CODE = {".cc", ".h", ".py", ".sh", ".java", ".go", ".rs"}

VAGUE_NAME = re.compile(r"(^|[/_])(utils?|helpers?|common|misc)[._/]|(^|/)managers?[._/]")
SLEEP = re.compile(r"sleep_for|sleep_until|time\.sleep\(|Thread\.sleep\(|\busleep\(|^\s*sleep \d", re.MULTILINE)
# Go's modules are named by hosts; only those of its proxy are registries. Cargo's lock files name its public index,
# wherever the crates come from.
REGISTRY_HOST = re.compile(
    r"(?<!rust-lang/)\b(pypi|pythonhosted|crates|npmjs|maven|debian)[a-z.-]*\.(org|io|com)\b|\b(proxy|sum|index)\.golang\.org\b"
)
# What waits on a condition with a deadline lives here and may poll.
MAY_POLL = "tests/support/"
NOT_A_FUNCTION = ("namespace", "class", "struct", "enum", "}", "extern", "union")


def long_functions(lines):
    """Yields (line, length) of functions at the outermost level that are too long."""
    start = None
    for number, line in enumerate(lines):
        if start is None:
            opens = line and not line[0].isspace() and line.rstrip().endswith("{")
            if opens and "(" in " ".join(lines[max(0, number - 6) : number + 1]) and not line.startswith(NOT_A_FUNCTION):
                start = number
        elif line.startswith("}"):
            if number - start + 1 > FUNCTION_LINES_MAX:
                yield start + 1, number - start + 1
            start = None


def check(name):
    if VAGUE_NAME.search(name):
        yield f"{name}: the name says nothing; name it by what it holds"
    path = pathlib.Path(name)
    if path.suffix not in CODE and name != "dev":
        return
    text = path.read_text(errors="replace")
    lines = text.split("\n")
    most = HEADER_LINES_MAX if path.suffix == ".h" else FILE_LINES_MAX
    if len(lines) > most:
        yield f"{name}: {len(lines)} lines, at most {most}"
    if path.suffix in {".cc", ".h"}:
        for line, length in long_functions(lines):
            yield f"{name}:{line}: a function of {length} lines, at most {FUNCTION_LINES_MAX}"
    if "test" in name and not name.startswith(MAY_POLL):
        for match in SLEEP.finditer(text):
            yield f"{name}:{text.count(chr(10), 0, match.end()) + 1}: a test sleeps; wait for a condition instead"


def registry_hosts(name):
    try:
        text = pathlib.Path(name).read_text()
    except (UnicodeDecodeError, OSError):
        return
    for match in REGISTRY_HOST.finditer(text):
        yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}: names a registry host: {match.group(0)}"


def main():
    problems = []
    for name in sys.argv[1:]:
        if pathlib.Path(name).is_file():
            problems.extend(check(name))
            problems.extend(registry_hosts(name))
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
