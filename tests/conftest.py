"""Fixtures that every Python test may use."""

import itertools
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))

from server_process import ServerProcess  # noqa: E402

_names = itertools.count()


@pytest.fixture(scope="session")
def server():
    """One server in memory for all tests that need nothing special; tests share it, so they use names of their own."""
    with ServerProcess() as process:
        yield process


@pytest.fixture
def unique():
    """A table name that no other test uses."""
    return f"t{next(_names)}"
