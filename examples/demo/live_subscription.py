"""A copy of a view that follows it while flights stream in: what a dashboard or a service would keep."""

import json
import threading
import time

import pyarrow
import pyarrow.flight


class LiveSubscription:
    """Keeps `copy` as the subscription to `view` says, on a thread of its own."""

    def __init__(self, url, view, **wanted):
        self.view = view
        self.copy = {}  # rows by window and key
        self.updates = 0
        self.rows = 0
        self._client = pyarrow.flight.connect(url)
        self._reader = self._client.do_get(pyarrow.flight.Ticket(json.dumps({"subscribe": {"view": view, **wanted}})))
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self):
        try:
            for message in self._reader:
                complete = json.loads(message.app_metadata.to_pybytes())["complete"]
                with self._changed:
                    for row in message.data.to_pylist():
                        self._take(row.pop("op"), row)
                    self.rows += message.data.num_rows
                    self.updates += complete
                    self._changed.notify_all()
        except (pyarrow.flight.FlightError, pyarrow.ArrowException):
            pass  # it was closed, or the server ended

    def _take(self, op, row):
        window, key = list(row.values())[:2]
        if op == "reset":
            self.copy.clear()
        elif op == "delete":
            self.copy = {at: kept for at, kept in self.copy.items() if at[0] != window}
        else:
            self.copy[window, key] = row

    def equals(self, rows, seconds=20):
        """Does the copy come to be these rows of the view?"""
        wanted = {(row[0], row[1]): row for row in rows}
        deadline = time.monotonic() + seconds
        with self._changed:
            while {at: tuple(row.values()) for at, row in self.copy.items()} != wanted:
                if not self._changed.wait(max(0, deadline - time.monotonic())):
                    return False
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._reader.cancel()
        self._thread.join(10)
        self._client.close()
