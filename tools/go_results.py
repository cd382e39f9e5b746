"""Turns what `go test -v` prints (standard input) into JUnit XML (the file named by the argument), and passes it on."""

import re
import sys
import xml.etree.ElementTree as ElementTree

RESULT = re.compile(r"--- (PASS|FAIL|SKIP): (\S+) \((\S+)s\)")


def main():
    suite = ElementTree.Element("testsuite", name="go")
    lines = []
    for line in sys.stdin:
        lines.append(line)
        found = RESULT.match(line)
        if found is None:
            continue
        verdict, name, seconds = found.groups()
        case = ElementTree.SubElement(suite, "testcase", classname="go", name=name, time=seconds)
        if verdict == "FAIL":
            ElementTree.SubElement(case, "failure", message="".join(lines)[-4000:])
            sys.stderr.write("".join(lines))
        elif verdict == "SKIP":
            ElementTree.SubElement(case, "skipped")
        lines = []
    if len(suite) == 0:
        sys.stderr.write("".join(lines))
    ElementTree.ElementTree(suite).write(sys.argv[1])


if __name__ == "__main__":
    main()
