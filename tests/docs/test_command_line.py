"""docs/command_line.md names every flag of `sql` and `ingest`, and no other."""

import re

import pytest
from document import ROOT

from server_process import run_hyprstream

DOCUMENT = (ROOT / "docs" / "command_line.md").read_text()


def documented(section):
    table = DOCUMENT.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return {flag for row in re.findall(r"^\| (`--.*?) \|", table, re.MULTILINE) for flag in re.findall(r"--[\w-]+", row)}


@pytest.mark.parametrize("command, section", [("sql", "SQL"), ("ingest", "Ingest")])
def test_every_flag_is_documented(command, section):
    status, text, _ = run_hyprstream(command, "--help")
    assert status == 0
    flags = set(re.findall(r"^ .*?(--[\w-]+)", text.split("OPTIONS:")[1], re.MULTILINE)) - {"--help"}
    assert flags == documented("Which server") | documented(section)
