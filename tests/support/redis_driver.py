"""Our ADBC driver for Redis and Valkey, through Python's own driver manager."""

import os
import pathlib

import adbc_driver_manager.dbapi as dbapi

LIBRARY = pathlib.Path(os.environ.get("HYPRSTREAM_BUILD", "build/release")).resolve() / "drivers" / "libadbc_driver_redis.so"


def connect(valkey, **options):
    """A connection in autocommit mode, which is the only one. Options as named() takes them."""
    uri = options.pop("uri", None) or valkey.uri
    return dbapi.connect(driver=str(LIBRARY), db_kwargs={"uri": uri, **named(options)}, autocommit=True)


def named(options):
    """prefix="p" is the option adbc.redis.prefix, tls__verify="false" adbc.redis.tls.verify; names of ADBC itself stay."""
    plain = {"username", "password"}
    return {name if name in plain or name.startswith("adbc.") else f"adbc.redis.{name.replace('__', '.')}": str(value)
            for name, value in options.items()}


def read_on(stream):
    """Reads to the end. Not by read_all(), which makes an interrupt of the test from a cancelled call."""
    try:
        while True:
            stream.read_next_batch()
    except StopIteration:
        pass
