"""Quantities and costs of what is metered."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

from billing_cli.errors import NotFoundError
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.money import format_decimal
from billing_cli.pricing.quantities import UNITS
from billing_cli.pricing.rating import Totals, add_to, cost, shown_quantity
from billing_cli.services import terms
from billing_cli.store import sessions, state, usage, users

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from billing_cli.app import App
    from billing_cli.pricing.periods import Calendar
    from billing_cli.store.unit_of_work import Transaction

    Sum = tuple[str, str, str, int, int]


class Grouping(StrEnum):
    """What a row of ``billing usage`` is about, besides a resource and its price."""

    USER = "user"
    RESOURCE = "resource"
    DAY = "day"
    SESSION = "session"


COLUMN_OF = {
    Grouping.USER: "user_id",
    Grouping.RESOURCE: "resource_type",
    Grouping.DAY: "date",
    Grouping.SESSION: "session_id",
}


@dataclass(frozen=True, slots=True)
class Report:
    """The rows, what they cover, and how far metering has come."""

    title: str
    rows: Iterator[dict[str, object]]
    notes: list[str]


@contextmanager
def report(
    app: App, span: str | tuple[date, date] | None, user: str | None, by: Grouping
) -> Iterator[Report]:
    """Give the usage of a period (default: the running one) or of local dates.

    Raises :class:`NotFoundError` for a user or period that there is not.
    """
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        calendar = terms.read(tx, app.settings).history.calendar
        if user is not None:
            users.key_of(tx, user)
        start, stop, title = _bounds(calendar, span, now)
        sums = _sums(tx, calendar, start, stop, user, by)
        yield Report(title, _rows(sums, by), _notes(tx, min(stop, now)))


def _bounds(
    calendar: Calendar, span: str | tuple[date, date] | None, now: int
) -> tuple[int, int, str]:
    if isinstance(span, tuple):
        start, stop = calendar.date_range(*span)
        return start, stop, f"Usage from {span[0]} to {span[1]}"
    try:
        period = calendar.containing(now) if span is None else calendar.named(span)
    except ValueError as error:
        raise NotFoundError(str(error)) from error
    return period.start, period.end, f"Usage of {period.name}"


def _sums(  # noqa: PLR0913, PLR0917 - the columns of one query
    tx: Transaction, calendar: Calendar, start: int, stop: int, user: str | None, by: Grouping
) -> Iterator[Sum]:
    if by is not Grouping.DAY:
        yield from usage.sums(tx, start, stop, COLUMN_OF[by], user=user)
        return
    # Local days are worked out here, never by the database.
    while start < stop:
        midnight = min(calendar.next_day(start), stop)
        day = calendar.local_date(start).isoformat()
        for _, *rest in usage.sums(tx, start, midnight, "resource_type", user=user):
            yield (day, *rest)  # type: ignore[misc]
        start = midnight


def _rows(sums: Iterable[Sum], by: Grouping) -> Iterator[dict[str, object]]:
    for (group, resource, price), members in groupby(sums, key=lambda row: row[:3]):
        totals: Totals = {}
        for _, _, _, month, base in members:
            add_to(totals, (resource, price), month, base)
        parts = totals[resource, price]
        yield {
            COLUMN_OF[by]: group,
            "resource_type": resource,
            "quantity": shown_quantity(resource, parts),
            "unit": UNITS[resource],
            "unit_price": price,
            "total_cost": format_decimal(cost(resource, parts, price)),
        }


def _notes(tx: Transaction, stop: int) -> list[str]:
    notes = []
    metered = state.metered_until(tx)
    if metered is None:
        notes.append("nothing is metered yet: run billing meter run")
    elif metered < stop:
        notes.append(
            f"metered until {format_instant(metered)}: billing meter run brings it up to date"
        )
    if metered is not None and sessions.pending_count(tx):
        notes.append("there are events that are not metered yet: run billing meter run")
    return notes
