"""Calls that must end in bounded time, with an error that says whose it is.

    wait = in_background(lambda: wire.query(client, "FROM hung.public.t"))
    assert "hung" in wait()
"""

import threading

import pyarrow as pa
import pyarrow.flight as flight

LONGEST = 40  # seconds; time-outs of a few seconds, twice where a statement is tried again, and a machine that is busy


def outcome(call):
    """The error's text, or `well`."""
    try:
        call()
        return "well"
    except (flight.FlightError, pa.ArrowException, KeyError) as error:
        return str(error)


def in_background(call):
    """Runs the call; what wait() returns is its outcome, or a failure when it takes longer than it may."""
    said = []
    thread = threading.Thread(target=lambda: said.append(outcome(call)), daemon=True)
    thread.start()

    def wait():
        thread.join(LONGEST)
        assert said, "the call does not end"
        return said[0]

    return wait
