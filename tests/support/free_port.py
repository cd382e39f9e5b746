"""Free loopback ports for servers that tests start."""

import socket

ATTEMPTS = 5


def free_port():
    """One that nobody listens on at this moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start_on_a_free_port(start):
    """Calls start(port) until it does not raise RuntimeError: somebody else may take the port before the server does."""
    for attempt in range(ATTEMPTS):
        try:
            return start(free_port())
        except RuntimeError:
            if attempt + 1 == ATTEMPTS:
                raise
