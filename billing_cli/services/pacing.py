"""How much time one batch of metering covers.

A batch grows while it makes few records and shrinks when it makes many, so that neither an idle
decade nor a busy hour makes a bad transaction.
"""

from __future__ import annotations

from billing_cli.pricing.slots import HOUR

_FEW_RECORDS, _MANY_RECORDS = 25_000, 200_000
_LONGEST_SPAN = 64 * 24 * HOUR


def next_span(span: int, records: int) -> int:
    """Return how long the next batch's span should be, after one that made so many records."""
    if records < _FEW_RECORDS:
        return min(span * 2, _LONGEST_SPAN)
    return max(span // 2, HOUR) if records > _MANY_RECORDS else span
