"""Turns what `cargo test` prints (standard input) into JUnit XML (the file named by the argument), and passes it on."""

import re
import sys
import xml.etree.ElementTree as ElementTree

RESULT = re.compile(r"test (\S+) \.\.\. (ok|FAILED|ignored)")


def main():
    suite = ElementTree.Element("testsuite", name="rust")
    text = sys.stdin.read()
    for name, verdict in RESULT.findall(text):
        case = ElementTree.SubElement(suite, "testcase", classname="rust", name=name)
        if verdict == "FAILED":
            output = text.partition(f"---- {name} stdout ----")[2].partition("\n\n")[0]
            ElementTree.SubElement(case, "failure", message=output[-4000:])
        elif verdict == "ignored":
            ElementTree.SubElement(case, "skipped")
    if len(suite) == 0 or suite.find("testcase/failure") is not None:
        sys.stderr.write(text)
    ElementTree.ElementTree(suite).write(sys.argv[1])


if __name__ == "__main__":
    main()
