"""A client of a subscription, as the documents describe one: what it has been told, by message.

    with Subscriber(server.url, view="sales_5m") as subscriber:
        subscriber.read_until(lambda: subscriber.rows() == expected)
"""

import json
import threading
import time

import pyarrow as pa
import pyarrow.flight as fl


class Subscriber:
    """Keeps the view that the messages make. It reads on a thread of its own; a failed call is in `error`."""

    def __init__(self, url, start=True, pause=None, client=None, seconds=120, told=(), **wanted):
        self.wanted = wanted
        self.window = wanted.pop("window", "w")
        self.keys = wanted.pop("keys", None)
        self.told = dict(told)  # by key: the row; what is given was told by an earlier subscription
        self.messages = []  # (ops, metadata)
        self.token = None
        self.error = None
        self.position = 0
        self._state = dict(told)  # of an update that is not complete
        self._own = client is None
        self._client = client or fl.connect(url)
        self._pause = pause  # waited for before each message is taken
        self._changed = threading.Condition()
        ticket = fl.Ticket(json.dumps({"subscribe": wanted}))
        self._reader = self._client.do_get(ticket, fl.FlightCallOptions(timeout=seconds))
        self.schema = self._reader.schema
        self._thread = threading.Thread(target=self._read, daemon=True)
        if start:
            self._thread.start()

    def _read(self):
        try:
            while True:
                if self._pause is not None:
                    self._pause.wait()
                chunk = self._reader.read_chunk()
                with self._changed:
                    self._take(chunk.data, json.loads(chunk.app_metadata.to_pybytes()))
                    self._changed.notify_all()
        except (fl.FlightError, pa.ArrowException, StopIteration) as error:
            with self._changed:
                self.error = error
                self._changed.notify_all()

    def _take(self, batch, metadata):
        rows = batch.to_pylist()
        for row in rows:
            op = row.pop("op")
            if op == "reset":
                self._state.clear()
            elif op == "delete":
                for key in [key for key, known in self._state.items() if known[self.window] == row[self.window]]:
                    del self._state[key]
            else:
                self._state[tuple(row[name] for name in self.keys or [n for n in row if n in ("w", "k")])] = row
        self.messages.append(([op for op in batch.column(0).to_pylist()], metadata))
        if metadata["complete"]:  # only now it is one position of the view
            self.told = dict(self._state)
            self.token = metadata["resume"]
            self.position = int(metadata["position"])

    def rows(self):
        with self._changed:
            return sorted(self.told.values(), key=str)

    def read_until(self, condition, seconds=60):
        """Waits until condition() is true of what was told."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not condition():
                if self.error is not None:
                    raise self.error
                if not self._changed.wait(max(0, deadline - time.monotonic())):
                    raise TimeoutError(f"not told in {seconds} s; told {len(self.told)} rows in {len(self.messages)}")

    def read_until_end(self, seconds=60):
        deadline = time.monotonic() + seconds
        with self._changed:
            while self.error is None:
                if not self._changed.wait(max(0, deadline - time.monotonic())):
                    raise TimeoutError("the subscription goes on")
        return str(self.error)

    def ops(self):
        with self._changed:
            return [op for ops, _ in self.messages for op in ops]

    def close(self):
        """Drops the call: that is how a client unsubscribes."""
        self._reader.cancel()
        if self._thread.is_alive():
            self._thread.join(30)
        if self._own:
            self._client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
