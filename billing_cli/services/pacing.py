"""How batches keep their pace.

A batch of metering grows while it makes few records and shrinks when it makes many, so that
neither an idle decade nor a busy hour makes a bad transaction.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

from billing_cli.pricing.slots import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator

_FEW_RECORDS, _MANY_RECORDS = 25_000, 200_000
_LONGEST_SPAN = 64 * 24 * HOUR


def next_span(span: int, records: int) -> int:
    """Return how long the next batch's span should be, after one that made so many records."""
    if records < _FEW_RECORDS:
        return min(span * 2, _LONGEST_SPAN)
    return max(span // 2, HOUR) if records > _MANY_RECORDS else span


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the cyclic garbage collector from looking through batch after batch.

    A batch is many small tuples, and no cycles: the collector finds nothing, and takes a quarter
    of the time for it.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
