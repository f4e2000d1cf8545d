"""The report of usage: added up, or record by record."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, Final

from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.money import format_ratio
from billing_cli.pricing.quantities import UNITS
from billing_cli.pricing.rating import Totals, add_to, month_of, quantity_ratio
from billing_cli.pricing.report_columns import columns_of
from billing_cli.pricing.reports import Report
from billing_cli.services.usage import modes_of, notes_on
from billing_cli.store import report_moments, report_usage, usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from billing_cli.pricing.reports import Row
    from billing_cli.services.report_scope import Scope

_COLUMNS: Final = {
    "user": "user_id",
    "session": "session_id",
    "resource": "resource_type",
    "period": "period_start",
}
# Sessions have few sizes, and their hours are full ones.
_KNOWN: Final = 65_536


def report(scope: Scope, group: str) -> Report:
    """Report the usage of the span: sums by something, or each record."""
    first = report_moments.first_record(scope.tx)
    start = scope.stop if first is None else max(scope.start, first)
    modes = modes_of(scope.history, start, scope.stop)
    has_kinds = any(mode != "usage" for _, _, mode in modes)
    notes = notes_on(scope.tx, min(scope.stop, scope.now))
    if has_kinds:
        usage.load_modes(scope.tx, modes)
    fields = columns_of("usage", group)
    if group == "record":
        return Report(
            "Usage records", fields, _records(scope, start, has_kinds=has_kinds), tuple(notes)
        )
    rows = _sums(scope, _found(scope, start, group, has_kinds=has_kinds), group)
    return Report("Usage", fields, rows, tuple(notes))


def _found(scope: Scope, start: int, group: str, *, has_kinds: bool) -> Iterator[Any]:
    """Yield ``(group, resource, kind, price, month seconds, base units)``."""

    def sums(start: int, stop: int, column: str) -> Iterator[Any]:
        only = scope.only.format("user_key")
        if has_kinds:
            yield from usage.sums_by_kind(scope.tx, start, stop, column, only=only)
            return
        for grouped, resource, *rest in usage.sums(scope.tx, start, stop, column, only=only):
            yield grouped, resource, "usage", *rest

    if group != "day":
        yield from sums(start, scope.stop, _COLUMNS[group])
        return
    calendar = scope.history.calendar
    while start < scope.stop:
        midnight = min(calendar.next_day(start), scope.stop)
        day = calendar.local_date(start).isoformat()
        for _, *rest in sums(start, midnight, "resource_type"):
            yield day, *rest
        start = midnight


def _sums(scope: Scope, found: Iterable[Any], group: str) -> Iterator[Row]:
    calendar = scope.history.calendar
    for (about, resource, kind, price), members in groupby(found, key=lambda row: row[:4]):
        totals: Totals = {}
        for *_, month, base in members:
            add_to(totals, (resource, price), month, base)
        quantity = quantity_ratio(resource, totals[resource, price])
        name = calendar.containing(about).name if group == "period" else about
        yield (
            *((name,) if group == "resource" else (name, resource)),
            kind,
            format_ratio(*quantity),
            UNITS[resource],
            price,
            _cost(quantity, price),
            scope.currency,
        )


def _records(scope: Scope, start: int, *, has_kinds: bool) -> Iterator[Row]:
    tx, only, stop = scope.tx, scope.only, scope.stop
    found = report_usage.session_records(tx, only, start, stop, has_kinds=has_kinds)
    if has_kinds:
        found = chain(found, report_usage.overage_records(tx, only, start, stop))
    currency = scope.currency
    shown, written = lru_cache(_KNOWN)(_shown), lru_cache(_KNOWN)(format_instant)
    for begin, end, user, session, resource, kind, base, month, price in found:
        quantity, unit, cost = shown(resource, base, month_of(resource, month), price)
        yield (
            written(begin),
            written(end),
            user,
            session,
            resource,
            kind,
            quantity,
            unit,
            price,
            cost,
            currency,
        )


def _shown(resource: str, base: int, month: int, price: str) -> tuple[str, str, str]:
    """Return a record's quantity, its unit, and its cost, as they are shown."""
    quantity = quantity_ratio(resource, {month: base})
    return format_ratio(*quantity), UNITS[resource], _cost(quantity, price)


def _cost(quantity: tuple[int, int], price: str) -> str:
    """Return an exact cost as it is shown: not rounded to the minor unit."""
    amount, scale = _ratio(price)
    return format_ratio(quantity[0] * amount, quantity[1] * scale)


@lru_cache(maxsize=4_096)
def _ratio(price: str) -> tuple[int, int]:
    return Decimal(price).as_integer_ratio()
