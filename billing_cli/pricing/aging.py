"""How old what is owed is: days past due by the local calendar, in four classes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from billing_cli.pricing.periods import Calendar

CLASSES: Final = ("not_due", "days_0_30", "days_31_60", "days_61_90", "days_over_90")
_BOUNDS: Final = (30, 60, 90)


class Cutoffs(NamedTuple):
    """What was due after ``at`` is not due yet; the others are where the classes begin.

    Due at or after ``days_30`` is at most 30 days late, at or after ``days_60`` at most 60, and
    so on; due before ``days_90`` is later still.
    """

    at: int
    days_30: int
    days_60: int
    days_90: int


def cutoffs(calendar: Calendar, at: int) -> Cutoffs:
    """Return the instants that divide due moments into :data:`CLASSES`, as of an instant.

    Days are counted by local dates: what was due at noon 30 days ago is 30 days late all day.
    """
    today = calendar.local_date(at)
    starts = (
        calendar.date_range(day, day)[0]
        for day in (today - timedelta(days=days) for days in _BOUNDS)
    )
    return Cutoffs(at, *starts)


def class_of(due: int, bounds: Cutoffs) -> str:
    """Return the class of what was, or will be, due at an instant."""
    if due > bounds.at:
        return CLASSES[0]
    for name, start in zip(CLASSES[1:], bounds[1:], strict=False):
        if due >= start:
            return name
    return CLASSES[-1]


def days_overdue(calendar: Calendar, due: int, at: int) -> int:
    """Return how many local dates ago an instant was; 0 for what is not due yet."""
    return max(0, (calendar.local_date(at) - calendar.local_date(due)).days)
