"""Fixtures of the Python clients: connections of the stock drivers, with no special setting."""

import adbc_driver_flightsql.dbapi as flightsql
import pytest


@pytest.fixture
def auto(server):
    """A connection in autocommit mode."""
    with flightsql.connect(server.url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def connection(server):
    """A connection as DB-API makes it: a transaction is open from the start."""
    with flightsql.connect(server.url) as connection:
        yield connection


@pytest.fixture
def other(server):
    """Another client: what it sees was committed."""
    with flightsql.connect(server.url, autocommit=True) as connection:
        yield connection
