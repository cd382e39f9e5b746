"""A TCP relay that can be told to misbehave, between the server and a real database.

    with FaultyProxy(postgres.port) as proxy:
        proxy.port
        proxy.mode = "drip"    # from now on, also for connections that are open

Modes: `pass`; `hang` (takes bytes, gives none), `stop` (takes none either), `drip` (one byte a second to the client), `reset` (both ends cut hard,
new connections too), `garbage` (random bytes to the client instead of the database's), `greet` (as `hang`, from PostgreSQL's first
word that it is ready on: the client is let in, and asks in vain). turn() sets the mode at a certain point of what is said.
"""

import os
import select
import socket
import struct
import threading
import time

_READ = 65536
_READY = b"Z\x00\x00\x00\x05I"


class FaultyProxy:
    def __init__(self, target_port):
        self.mode = "pass"
        self.taken = 0  # bytes, of clients
        self._given = 0  # bytes, to clients
        self._turn = None
        self._target = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ended = threading.Event()
        self._relays = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def turn(self, mode, given=None, taken=None, asked=None):
        """Into the mode when so many more bytes were `given` to clients or `taken` from them, or one has `asked` this word,
        which the database still gets. In place of a turn that has not come."""
        self._turn = (mode, None if given is None else self._given + given, None if taken is None else self.taken + taken, asked)

    @property
    def has_turned(self):
        return self._turn is None

    def _look_for_turn(self, asked=b""):
        turn = self._turn
        if turn is None:
            return
        mode, given, taken, word = turn
        if (given is not None and self._given >= given) or (taken is not None and self.taken >= taken) or (word is not None and word in asked):
            self.mode = mode
            self._turn = None

    def _accept(self):
        while not self._ended.is_set():
            if not select.select([self._listener], [], [], 0.05)[0]:
                continue
            client, _ = self._listener.accept()
            relay = threading.Thread(target=self._relay, args=(client,))
            relay.start()
            self._relays.append(relay)

    def _relay(self, client):
        database = socket.create_connection(("127.0.0.1", self._target))
        last_drip = 0.0
        held = b""  # bytes of the database's that drip
        greeted = False
        try:
            while not self._ended.is_set():
                if self.mode == "reset":
                    for end in (client, database):  # RST instead of FIN
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                if held and self.mode == "pass":
                    client.sendall(held)
                    held = b""
                if held and self.mode == "drip" and time.monotonic() - last_drip >= 1:
                    client.sendall(held[:1])
                    held, last_drip = held[1:], time.monotonic()
                hangs = self.mode == "hang" or (self.mode == "greet" and greeted)
                sources = [client] if held or hangs else [] if self.mode == "stop" else [client, database]
                for source in select.select(sources, [], [], 0.02)[0]:
                    data = source.recv(_READ)
                    if not data:
                        return
                    if source is client:
                        self.taken += len(data)
                        self._look_for_turn(asked=data)
                        database.sendall(data)
                    elif self.mode == "garbage":
                        client.sendall(os.urandom(len(data)))
                    elif self.mode == "drip":
                        held = data
                    else:
                        greeted = greeted or data.endswith(_READY)
                        self._given += len(data)
                        client.sendall(data)
                        self._look_for_turn()
        except OSError:
            pass  # either end has gone
        finally:
            client.close()
            database.close()

    @property
    def open(self):
        """How many connections it relays."""
        return sum(relay.is_alive() for relay in self._relays)

    def close(self):
        self._ended.set()
        self._acceptor.join()
        for relay in self._relays:
            relay.join()
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
