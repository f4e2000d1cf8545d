"""A limit to how long talking to another machine may take in all.

The time-outs of sockets bound each wait, not their sum: who sends a byte a second is never late.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Deadline:
    """Tells whether the time was up."""

    def __init__(self) -> None:
        """Begin with time left."""
        self.passed = False


@contextmanager
def deadline(seconds: float, find: Callable[[], socket.socket | None]) -> Iterator[Deadline]:
    """Break the connection that ``find`` finds off when the time is up.

    Whoever waits for it gets an ``OSError`` then, as when the other side leaves.
    """
    limit = Deadline()

    def break_off() -> None:
        limit.passed = True
        found = find()
        if found is not None:
            with suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, break_off)
    timer.daemon = True
    timer.start()
    try:
        yield limit
    finally:
        timer.cancel()
