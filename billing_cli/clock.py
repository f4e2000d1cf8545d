"""The only place that asks what time it is."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Tells the present instant, or the one that ``--at`` put in its place."""

    at: int | None = None

    def now(self) -> int:
        """Return the present instant in whole epoch seconds (UTC)."""
        return int(time.time()) if self.at is None else self.at

    @staticmethod
    def monotonic() -> float:
        """Return a steadily growing number of seconds, for measuring how long work takes."""
        return time.monotonic()

    @staticmethod
    def real_ms() -> int:
        """Return the real present in epoch milliseconds, whatever ``--at`` says: for log lines."""
        return time.time_ns() // 1_000_000
