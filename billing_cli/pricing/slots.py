"""Slots: the pieces of time into which usage is sliced (DESIGN section 2, "usage record").

A slot is at most one clock hour (UTC), cut wherever a price, a billing period, a calendar month
or the local day changes. Cutting depends on the clock alone, never on when a job ran, so the same
timelines always give the same records.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.terms import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.pricing.timelines import Segment

HOUR = 3_600


class Slot(NamedTuple):
    """``[start, stop)``: nothing that decides money changes inside it."""

    start: int
    stop: int
    period_start: int
    month_seconds: int
    prices: Mapping[str, str]


class Slice(NamedTuple):
    """What one usage record says; ``quantity`` is in base units."""

    start: int
    end: int
    resource: str
    quantity: int
    unit_price: str
    period_start: int
    month_seconds: int


def slots(history: TermsHistory, start: int, stop: int) -> Iterator[Slot]:
    """Yield the slots that overlap ``[start, stop)``, in order.

    The first is whole, even where it begins before ``start``: a record's start is its key, and
    must not depend on where metering was interrupted. The last is cut at ``stop``.
    """
    if start >= stop:
        return
    low = start - start % HOUR
    cuts = sorted(cut for cut in _cuts(history, low, stop) if low < cut < stop)
    edges = [low, *cuts, stop]
    calendar = history.calendar
    for left, right in pairwise(edges):
        if right <= start:
            continue
        month_start, month_end = calendar.month_bounds(left)
        yield Slot(
            left,
            right,
            calendar.containing(left).start,
            month_end - month_start,
            history.at(left).prices,
        )


def _cuts(history: TermsHistory, low: int, stop: int) -> set[int]:
    cuts = set(range(low + HOUR, stop, HOUR))
    cuts.update(history.changes(low, stop))
    midnight = history.calendar.next_day(low)
    while midnight < stop:
        cuts.add(midnight)
        midnight = history.calendar.next_day(midnight)
    # Periods start at a midnight of their own time zone, which a change of zone may set apart.
    cuts.update(period.start for period in history.calendar.between(low, stop))
    return cuts


class Stretch(NamedTuple):
    """``[start, stop)`` in which every record of a resource has one price, month and period."""

    start: int
    stop: int
    month_seconds: int
    prices: Mapping[str, str]
    period_start: int
    period_end: int
    mode: str


def stretches(history: TermsHistory, start: int, stop: int) -> list[Stretch]:
    """Cut ``[start, stop)`` only where prices, the calendar month or the period change."""
    found = []
    # Months are counted anew from each change on: another time zone has other ones.
    for left, right in pairwise([start, *history.changes(start, stop), stop]):
        at = left
        while at < right:
            low, high = history.calendar.month_bounds(at)
            period = history.calendar.containing(at)
            end = min(high, period.end, right)
            found.append(
                Stretch(
                    at,
                    end,
                    high - low,
                    history.at(at).prices,
                    period.start,
                    period.end,
                    history.mode_of(period.start),
                )
            )
            at = end
    return found


def slot_start(history: TermsHistory, instant: int) -> int:
    """Return where the slot begins that an instant lies in."""
    return next(slots(history, instant, instant + 1)).start


def slice_segments(segments: Iterable[Segment], cuts: Iterable[Slot]) -> Iterator[Slice]:
    """Slice timelines in memory, as :mod:`billing_cli.store.usage` does with one statement.

    Both have to be in order of time. For one session's timeline; the store is for millions.
    """
    pieces = list(segments)
    first = 0
    for slot in cuts:
        while first < len(pieces) and pieces[first].end <= slot.start:
            first += 1
        for piece in pieces[first:]:
            if piece.start >= slot.stop:
                break
            start, end = max(piece.start, slot.start), min(piece.end, slot.stop)
            rates = (piece.cpu, piece.memory, piece.storage)
            for resource, rate in zip(RESOURCES, rates, strict=True):
                if rate:
                    yield Slice(
                        start,
                        end,
                        resource,
                        rate * (end - start),
                        slot.prices[resource],
                        slot.period_start,
                        slot.month_seconds,
                    )
