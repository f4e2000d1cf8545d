"""Quantities and costs of what is metered."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

from billing_cli.errors import NotFoundError
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.money import format_decimal
from billing_cli.pricing.quantities import UNITS
from billing_cli.pricing.rating import Totals, add_to, cost, shown_quantity
from billing_cli.services import terms
from billing_cli.store import overage, sessions, state, usage, users

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from billing_cli.app import App
    from billing_cli.pricing.periods import Calendar
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.unit_of_work import Transaction

    Sum = tuple[str, str, str | None, str, int, int]


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


INCLUDED = "included"
"""The kind of rows whose cost is not charged: usage of users with a plan."""


@dataclass(frozen=True, slots=True)
class Report:
    """The rows, what they cover, and how far metering has come.

    With ``has_kinds`` rows say whether they are ``usage``, ``included`` usage, ``overage`` or
    ``use`` without a plan.
    """

    title: str
    rows: Iterator[dict[str, object]]
    notes: list[str]
    has_kinds: bool


@contextmanager
def report(
    app: App, span: str | tuple[date, date] | None, user: str | None, by: Grouping
) -> Iterator[Report]:
    """Give the usage of a period (default: the running one) or of local dates.

    Raises :class:`NotFoundError` for a user or period that there is not.
    """
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        history = terms.read(tx, app.settings).history
        calendar = history.calendar
        if user is not None:
            users.key_of(tx, user)
        start, stop, title = _bounds(calendar, span, now)
        modes = modes_of(history, start, stop)
        has_kinds = any(mode != "usage" for _, _, mode in modes)
        notes = notes_on(tx, min(stop, now))
        if has_kinds:
            usage.load_modes(tx, modes)
            notes += _kind_notes(tx, stop, by)
        sums = _sums(tx, calendar, (start, stop), user, by, has_kinds=has_kinds)
        yield Report(title, _rows(sums, by), notes, has_kinds)


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


def modes_of(history: TermsHistory, start: int, stop: int) -> list[tuple[int, int, str]]:
    """Return ``(start, end, mode)`` of each period, or none where all have the mode ``usage``."""
    if all(version.terms.mode == "usage" for version in history.versions):
        return []
    return [
        (p.start, p.end, history.mode_of(p.start)) for p in history.calendar.between(start, stop)
    ]


def _sums(  # noqa: PLR0913 - the columns of one query
    tx: Transaction,
    calendar: Calendar,
    span: tuple[int, int],
    user: str | None,
    by: Grouping,
    *,
    has_kinds: bool,
) -> Iterator[Sum]:
    def sums(start: int, stop: int, group: str) -> Iterator[Sum]:
        if has_kinds:
            yield from usage.sums_by_kind(tx, start, stop, group, user=user)
            return
        for grouped, resource, price, month, base in usage.sums(tx, start, stop, group, user=user):
            yield grouped, resource, None, price, month, base

    start, stop = span
    if by is not Grouping.DAY:
        yield from sums(start, stop, COLUMN_OF[by])
        return
    # Local days are worked out here, never by the database.
    while start < stop:
        midnight = min(calendar.next_day(start), stop)
        day = calendar.local_date(start).isoformat()
        for _, resource, kind, price, month, base in sums(start, midnight, "resource_type"):
            yield day, resource, kind, price, month, base
        start = midnight


def _rows(sums: Iterable[Sum], by: Grouping) -> Iterator[dict[str, object]]:
    for (group, resource, kind, price), members in groupby(sums, key=lambda row: row[:4]):
        totals: Totals = {}
        for *_, month, base in members:
            add_to(totals, (resource, price), month, base)
        parts = totals[resource, price]
        yield {
            COLUMN_OF[by]: group,
            "resource_type": resource,
            **({} if kind is None else {"kind": kind}),
            "quantity": shown_quantity(resource, parts),
            "unit": UNITS[resource],
            "unit_price": price,
            "total_cost": format_decimal(cost(resource, parts, price)),
        }


def charged(report: Report, by: Grouping, footer: dict[str, object]) -> Iterator[dict[str, object]]:
    """Yield a report's rows; at their end ``footer`` has the sum of what is charged."""
    total = Decimal("0.00")
    for row in report.rows:
        if row.get("kind") != INCLUDED:
            total += Decimal(str(row["total_cost"]))
        yield row
    footer[COLUMN_OF[by]] = "Charged" if report.has_kinds else "Total"
    footer["total_cost"] = str(total)


def notes_on(tx: Transaction, stop: int) -> list[str]:
    """Return what an operator should know who looks at usage up to an instant."""
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


def _kind_notes(tx: Transaction, stop: int, by: Grouping) -> list[str]:
    notes = [
        "included usage is at list cost; what is charged of it are overage, and use without a plan"
    ]
    if by is Grouping.SESSION:
        notes.append("overage is about no session: see it --by user, resource or day")
    stale = overage.first_stale(tx)
    if stale is not None and stale < stop:
        notes.append("overage is not up to date with plans and events: run billing meter run")
    return notes
