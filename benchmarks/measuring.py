"""Taking times and peaks of memory."""

from __future__ import annotations

import gc
import multiprocessing
import platform
import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure beside what it is held against.

    ``seconds`` and ``floor_seconds`` are medians of ``repeats`` runs, done in turns. The figure
    is their ratio, or ``items`` a second where there is no floor; ``bar`` is the most that the
    ratio may be, or the fewest items a second.
    """

    name: str
    database: str
    items: int
    unit: str
    seconds: float
    repeats: int
    bar: float | None
    floor_seconds: float | None = None
    floor: str | None = None
    notes: dict[str, object] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """How many times the floor's time it takes."""
        return None if self.floor_seconds is None else self.seconds / self.floor_seconds

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds

    @property
    def holds(self) -> bool:
        """Whether the bar is met, or there is none."""
        if self.bar is None:
            return True
        return self.rate >= self.bar if self.ratio is None else self.ratio <= self.bar


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return how many seconds ``work`` took, and what it returned."""
    gc.collect()
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def median(seconds: list[float]) -> float:
    """Return the median of some times."""
    return statistics.median(seconds)


def isolated(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``work`` in a new process, which has no memory of what was done before."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work, *args, **kwargs).result()


def peak_mib() -> float:
    """Return the most memory that this process has held so far."""
    # The kernel's own count of this program; getrusage would begin with that of the parent.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if platform.system() == "Darwin" else 2**10)
