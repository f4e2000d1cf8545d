"""From base quantities to a line's quantity and amount: exact sums, rounded once.

``Parts`` hold a line's exact quantity: base units by the length of the calendar month they fell
in, since a GB-month is measured against its own month. Where the month does not matter (cpu,
memory) all of it stands under 0.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from billing_cli.pricing.money import exponent, format_ratio, round_ratio
from billing_cli.pricing.quantities import base_per_unit
from billing_cli.pricing.terms import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Parts = dict[int, int]
LineKey = tuple[str, str]
"""An item and its unit price (decimal text): what shares a line on an invoice.

An item is a resource (``cpu``), overage of one (``overage:cpu``), or the fee of a plan by its
interval (``month:pro``).
"""

Totals = dict[LineKey, Parts]

OVERAGE_ITEMS = {resource: f"overage:{resource}" for resource in RESOURCES}
RESOURCE_OF = {item: item for item in RESOURCES} | {
    item: resource for resource, item in OVERAGE_ITEMS.items()
}
"""The resource of each item that has one."""

_ORDER = tuple(RESOURCE_OF)

MONTHLY = frozenset({"storage", OVERAGE_ITEMS["storage"]})
"""Items whose unit depends on the length of the month."""


def month_of(item: str, month_seconds: int) -> int:
    """Return under which month length a record counts in :data:`Parts`."""
    return month_seconds if item in MONTHLY else 0


def add_to(totals: Totals, key: LineKey, month_seconds: int, base: int) -> None:
    """Add base units to the totals of a line."""
    parts = totals.setdefault(key, {})
    month = month_of(key[0], month_seconds)
    parts[month] = parts.get(month, 0) + base


def subtract(left: Parts, right: Mapping[int, int]) -> Parts:
    """Return ``left - right``, without the months that come to nothing."""
    months = left.keys() | right.keys()
    difference = {m: left.get(m, 0) - right.get(m, 0) for m in sorted(months)}
    return {month: base for month, base in difference.items() if base}


def quantity_ratio(resource: str, parts: Mapping[int, int]) -> tuple[int, int]:
    """Return the exact quantity in the shown unit, as numerator and denominator.

    Plain integers: a run rates tens of thousands of lines, and fractions would be most of it.
    """
    numerator, denominator = 0, 1
    for month, base in parts.items():
        unit = base_per_unit(resource, month)
        if denominator == 1:
            numerator, denominator = base + numerator * unit, unit
        else:
            numerator, denominator = numerator * unit + base * denominator, denominator * unit
    return numerator, denominator


def cost(resource: str, parts: Mapping[int, int], unit_price: str) -> Fraction:
    """Return the exact cost in the currency's major unit, unrounded."""
    return Fraction(*quantity_ratio(resource, parts)) * Fraction(unit_price)


def amount_minor(key: LineKey, parts: Mapping[int, int], currency: str) -> int:
    """Return a line's amount: the exact cost, rounded once, half away from zero."""
    return ratio_minor(quantity_ratio(RESOURCE_OF[key[0]], parts), key[1], currency)


def ratio_minor(quantity: tuple[int, int], unit_price: str, currency: str) -> int:
    """Return the amount of an exact quantity (:func:`quantity_ratio`), rounded once."""
    price, scale = _minor_price(unit_price, currency)
    return round_ratio(quantity[0] * price, quantity[1] * scale)


def shown_quantity(resource: str, parts: Mapping[int, int]) -> str:
    """Return the quantity as it is shown, in the unit of :data:`UNITS`."""
    return format_ratio(*quantity_ratio(resource, parts))


def in_line_order(keys: Iterable[LineKey]) -> list[LineKey]:
    """Sort lines: cpu, memory, storage, then their overage, and the cheaper price first."""
    return sorted(keys, key=_place)


@lru_cache(maxsize=4_096)
def _place(key: LineKey) -> tuple[int, Decimal]:
    return _ORDER.index(key[0]), Decimal(key[1])


@lru_cache(maxsize=4_096)
def _minor_price(unit_price: str, currency: str) -> tuple[int, int]:
    return (Decimal(unit_price).scaleb(exponent(currency))).as_integer_ratio()
