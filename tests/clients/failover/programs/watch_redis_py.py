"""Counts, from outside, what redis-py does beneath the application: closed sockets, log lines."""

import logging
import sys
import traceback

from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.connection import AbstractConnection

LINE_LENGTH = 200
CALLERS = 8
closes = []
logged = []


def reason(error):
    """Why a socket is given up: the error at hand, else who asked for it."""
    error = error or sys.exc_info()[1]
    if error:
        return f"{type(error).__name__}: {error}"[:LINE_LENGTH]
    callers = traceback.extract_stack(limit=CALLERS)[:-2]
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(callers))


def watch_sync():
    """Every live socket that a synchronous connection gives up is noted, with the error."""
    inner = AbstractConnection.disconnect

    def disconnect(self, *args, **kwargs):
        if self._sock is not None:
            closes.append(reason(kwargs.get("error")))
        return inner(self, *args, **kwargs)

    AbstractConnection.disconnect = disconnect


def watch_async():
    """The same for asyncio."""
    inner = AsyncConnection.disconnect

    async def disconnect(self, *args, **kwargs):
        if self.is_connected:
            closes.append(reason(kwargs.get("error")))
        return await inner(self, *args, **kwargs)

    AsyncConnection.disconnect = disconnect


class Collector(logging.Handler):
    """Keeps warnings and worse."""

    def emit(self, record):
        """One line."""
        logged.append(f"{record.name}: {record.getMessage()}"[:LINE_LENGTH])


def watch():
    """All of it, from now on."""
    watch_sync()
    watch_async()
    logging.getLogger().addHandler(Collector(logging.WARNING))


def seen():
    """For the result."""
    return {"closes": len(closes), "closed_for": closes[:5], "logged": logged[:20]}
