"""The documents are true: every code block of them does what it says."""

import pytest
from document import ROOT, DocumentRunner, blocks_of, lines_match, must_fail

from server_process import BINARY, ServerProcess

DOCUMENTS = ["README.md", "CONTRIBUTING.md", "docs/sql.md", "docs/flight.md", "docs/command_line.md", "docs/backends.md",
             "examples/client/python/README.md"]
WITH_BLOCKS = {"README.md": {"sh", "sql", "python"}, "docs/sql.md": {"sql"}, "docs/command_line.md": {"sh", "sql"},
               "docs/backends.md": {"sh"}}


@pytest.fixture
def runner(tmp_path):
    with ServerProcess() as server:
        yield DocumentRunner(BINARY, server.address, tmp_path)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_block_does_what_the_document_says(name, runner):
    blocks = blocks_of((ROOT / name).read_text())
    problems = []
    for block in blocks:
        problem = runner.problem(block)
        if problem is not None:
            problems.append(f"{name}:{block.line}: {problem}\n--- the block:\n{block.text}")
    assert not problems, "\n" + "\n".join(problems)
    assert WITH_BLOCKS.get(name, set()) <= {block.language for block in blocks}


SAMPLE = """
```sql
SELECT 1 AS one;
```

```text
one
  1
```

```toml
port = 1
```
```text
not an output
```
```sh
true
```
"""


def test_blocks_are_found_with_their_output():
    found = blocks_of(SAMPLE)
    assert [(block.language, block.line, block.expected) for block in found] == [
        ("sql", 2, "one\n  1\n"), ("sh", 17, None)]


def test_output_is_compared_line_by_line():
    assert lines_match("a  \n1…ms\n", "a\n1234 ms")
    assert not lines_match("a", "a\nb")
    assert not lines_match("a.c", "abc")


def test_a_block_whose_output_differs_is_a_problem(runner):
    def problem(text):
        return runner.problem(blocks_of(text)[0])

    assert problem("```sql\nSELECT 1 AS one;\n```\n```text\none\n  1\n```\n") is None
    assert "printed" in problem("```sql\nSELECT 2 AS one;\n```\n```text\none\n  1\n```\n")
    assert "failed" in problem("```sql\nSELECT nothing;\n```\n")
    assert "must fail" in problem("```sql\nSELECT 1;\n```\n```text\nhyprstream: no\n```\n")
    assert "printed" in problem("```sql\nSELECT nothing;\n```\n```text\nhyprstream: no\n```\n")
    assert "failed" in problem("```sh\nfalse\ntrue\n```\n")


def test_failure_is_told_by_the_last_line():
    assert must_fail(blocks_of("```sql\nx\n```\n```text\none\nhyprstream: bad\n```\n")[0])
    assert not must_fail(blocks_of("```sql\nx\n```\n```text\nhyprstream: bad\nrow\n```\n")[0])
