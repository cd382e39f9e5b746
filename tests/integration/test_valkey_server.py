"""The Valkey that the tests of the Redis driver use, from Python."""

import pytest
from valkey_server import ValkeyServer


def test_runs_commands_and_comes_back_empty():
    with ValkeyServer() as valkey:
        valkey.run("SET", "k", "a b")
        assert valkey.run("GET", "k") == "a b"
        valkey.stop()
        with pytest.raises(RuntimeError, match="refused"):
            valkey.run("PING")
        valkey.restart()
        assert valkey.run("DBSIZE") == "0"


def test_asks_for_a_password():
    with ValkeyServer(password="open-sesame") as valkey:
        assert valkey.run("PING") == "PONG"
        assert "open-sesame" in valkey.uri
        valkey.password = ""
        with pytest.raises(RuntimeError, match="NOAUTH"):
            valkey.run("PING")
