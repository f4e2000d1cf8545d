"""A limit to how long talking to another machine may take in all.

The time-outs of sockets bound each wait, not their sum: who sends a byte a second is never late.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_AGAIN_SECONDS: Final = 0.1


class Deadline:
    """Tells whether the time was up."""

    def __init__(self) -> None:
        """Begin with time left."""
        self.passed = False

    def check(self) -> None:
        """Raise TimeoutError if the time was up."""
        if self.passed:
            raise TimeoutError


@contextmanager
def deadline(seconds: float, find: Callable[[], socket.socket | None]) -> Iterator[Deadline]:
    """Break the connection that ``find`` finds off when the time is up.

    Whoever waits for it gets an ``OSError`` then, as when the other side leaves.
    """
    limit, done = Deadline(), threading.Event()

    def watch() -> None:
        if done.wait(seconds):
            return
        limit.passed = True
        # Again and again: what is just being connected has no socket to be found yet.
        while not done.is_set():
            found = find()
            if found is not None:
                with suppress(OSError):
                    found.shutdown(socket.SHUT_RDWR)
            done.wait(_AGAIN_SECONDS)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield limit
    finally:
        done.set()
