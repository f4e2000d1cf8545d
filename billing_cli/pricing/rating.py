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

from billing_cli.pricing.money import exponent, format_decimal, round_half_up
from billing_cli.pricing.quantities import UNITS, exact_quantity
from billing_cli.pricing.terms import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Parts = dict[int, int]
LineKey = tuple[str, str]
"""A resource and its unit price (decimal text): what shares a line on an invoice."""

Totals = dict[LineKey, Parts]

MONTHLY = frozenset({"storage"})
"""Resources whose unit depends on the length of the month."""


def month_of(resource: str, month_seconds: int) -> int:
    """Return under which month length a record counts in :data:`Parts`."""
    return month_seconds if resource in MONTHLY else 0


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


def quantity(resource: str, parts: Mapping[int, int]) -> Fraction:
    """Return the exact quantity in the shown unit."""
    return sum(
        (exact_quantity(resource, base, month) for month, base in parts.items()), Fraction(0)
    )


def cost(resource: str, parts: Mapping[int, int], unit_price: str) -> Fraction:
    """Return the exact cost in the currency's major unit, unrounded."""
    return quantity(resource, parts) * _price(unit_price)


def amount_minor(key: LineKey, parts: Mapping[int, int], currency: str) -> int:
    """Return a line's amount: the exact cost, rounded once, half away from zero."""
    return round_half_up(cost(key[0], parts, key[1]) * 10 ** exponent(currency))


def shown_quantity(resource: str, parts: Mapping[int, int]) -> str:
    """Return the quantity as it is shown, in the unit of :data:`UNITS`."""
    return format_decimal(quantity(resource, parts))


def in_line_order(keys: Iterable[LineKey]) -> list[LineKey]:
    """Sort lines: cpu, memory, storage, and the cheaper price first."""
    return sorted(keys, key=lambda key: (RESOURCES.index(key[0]), Decimal(key[1])))


@lru_cache(maxsize=4_096)
def _price(unit_price: str) -> Fraction:
    return Fraction(unit_price)


__all__ = [
    "MONTHLY",
    "UNITS",
    "LineKey",
    "Parts",
    "Totals",
    "add_to",
    "amount_minor",
    "cost",
    "in_line_order",
    "month_of",
    "quantity",
    "shown_quantity",
    "subtract",
]
