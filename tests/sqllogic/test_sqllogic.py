"""Every *.test file of this folder; see sqllogic.py for the format."""

import pathlib

import pytest

import sqllogic

FILES = sorted(pathlib.Path(__file__).parent.glob("*.test"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file(path):
    problems = []
    with sqllogic.Runner() as runner:
        for record in sqllogic.parse(path):
            problem = runner.run(record)
            if problem is not None:
                problems.append(f"{path.name}:{record.line}: {record.sql}\n{problem}")
    assert not problems, "\n\n".join(problems)
