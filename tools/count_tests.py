"""Sums the JUnit XML files under a results folder into one line: `N passed, N failed, N skipped`.

Exit status 1 when anything failed. A CTest entry that failed without a failed case in any XML of its folder (a crash),
and a runner named in `failed_runners` whose folder shows no failure, count as one failure each.
"""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def count_cases(path):
    """Returns (passed, failed, skipped) of one GoogleTest or pytest file."""
    passed = failed = skipped = 0
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))
    except ElementTree.ParseError:
        return 0, 1, 0
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            # GoogleTest lists the cases that a filter left out as "notrun" with result "suppressed": not ours to count.
            skipped += case.get("result") != "suppressed"
        else:
            passed += 1
    return passed, failed, skipped


def crashed_binaries(folder, failed_in_xml):
    """The number of CTest entries that failed beyond what their own XML files say."""
    report = folder / "ctest.junit"
    if not report.exists():
        return 0
    failed = 0
    for case in ElementTree.parse(report).iter("testcase"):
        if case.get("status") == "fail" and not failed_in_xml.get("test_" + case.get("name", "")):
            failed += 1
            print(f"crashed or timed out: {folder.name} {case.get('name')}")
    return failed


def main():
    results = pathlib.Path(sys.argv[1])
    totals = [0, 0, 0]
    failing_folders = set()
    for folder in sorted(path for path in results.iterdir() if path.is_dir()):
        failed_in_xml = {}
        for path in sorted(folder.glob("*.xml")):
            counts = count_cases(path)
            failed_in_xml[path.stem] = counts[1]
            totals = [total + count for total, count in zip(totals, counts)]
        crashed = crashed_binaries(folder, failed_in_xml)
        totals[1] += crashed
        if crashed or any(failed_in_xml.values()):
            failing_folders.add(folder.name)
    runners = results / "failed_runners"
    for name in runners.read_text().split() if runners.exists() else []:
        if name not in failing_folders:
            print(f"failed without a failed test: {name}")
            totals[1] += 1
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
