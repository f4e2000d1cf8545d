"""What an invoice says: lines, tax, totals (DESIGN sections 4 and 5).

Everything a user is billed for belongs to a :class:`Unit`: a regular period, or the range that a
custom invoice took out of the regular ones. What is right for a unit and what was billed for it
are both sums, so the next invoice always carries their difference, and all of a unit's lines
together are what one invoice would have said had everything been known at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.money import format_ratio, round_half_up
from billing_cli.pricing.rating import (
    RESOURCE_OF,
    in_line_order,
    quantity_ratio,
    ratio_minor,
    subtract,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from billing_cli.pricing.rating import LineKey, Parts, Totals
    from billing_cli.pricing.terms import Tax

USAGE, OVERAGE, PLAN, MANUAL = "usage", "overage", "plan", "manual"
CORRECTION, CARRIED = "correction", "carried"
_RESOURCE_NAMES = {"cpu": "CPU", "memory": "Memory", "storage": "Storage"}
_NAMES = {
    item: _RESOURCE_NAMES[resource] if item == resource else f"{_RESOURCE_NAMES[resource]} overage"
    for item, resource in RESOURCE_OF.items()
}


class Unit(NamedTuple):
    """What a line is about. ``invoice`` is the custom invoice that claimed the range, or None."""

    start: int
    end: int
    invoice: int | None
    name: str


@dataclass(slots=True)
class Billed:
    """What invoices already say about a unit, by line key: exact parts and minor units.

    ``held`` is what void ones say: usage held back, or written off.
    """

    parts: dict[LineKey, Parts] = field(default_factory=dict)
    amounts: dict[LineKey, int] = field(default_factory=dict)
    held: Billed | None = None

    def hold(self, key: LineKey, parts: Mapping[int, int], amount: int) -> None:
        """Count one more line of a void invoice."""
        if self.held is None:
            self.held = Billed()
        self.held.add(key, parts, amount)

    def settled(self, key: LineKey, right: int) -> tuple[Parts, int]:
        """Return what of a line that ought to be ``right`` is not to be billed any more.

        What is held back counts as far as there is anything for it to hold: usage that shrinks
        while it is held was never billed, so nothing of it is handed back.
        """
        parts, amount = self.parts.get(key, {}), self.amounts.get(key, 0)
        if self.held is None or key not in self.held.amounts:
            return parts, amount
        held = self.held.amounts[key]
        if right - amount < held:
            return parts, max(right, amount)
        whole = Billed({key: dict(parts)}, {key: amount})
        whole.add(key, self.held.parts[key], held)
        return whole.parts[key], whole.amounts[key]

    def add(self, key: LineKey, parts: Mapping[int, int], amount: int) -> None:
        """Count one more line."""
        known = self.parts.get(key, {})
        self.parts[key] = {
            m: known.get(m, 0) + parts.get(m, 0) for m in known.keys() | parts.keys()
        }
        self.amounts[key] = self.amounts.get(key, 0) + amount


class Line(NamedTuple):
    """One line; ``amount`` in minor units, ``quantity`` as shown, ``parts`` exact.

    ``item`` is what the line bills (:data:`billing_cli.pricing.rating.LineKey`), None for lines
    that are not about something metered or held.
    """

    kind: str
    description: str
    unit: Unit
    amount: int
    item: str | None = None
    resource: str | None = None
    quantity: str | None = None
    unit_price: str | None = None
    parts: Parts | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """An invoice before credits: ``subtotal`` is the sum of the lines."""

    lines: tuple[Line, ...]
    subtotal: int
    tax: int
    carried: int
    """What a negative invoice grants as credit; the balancing line stands for it."""


def unit_lines(
    unit: Unit, right: Totals, billed: Billed | None, currency: str, *, correction: bool
) -> list[Line]:
    """Return the lines that bring what was billed for a unit to what is right for it.

    A correction of nothing is no line; first-hand usage that rounds to nothing is one, so that
    the invoice shows it.
    """
    lines = []
    keys = set(right)
    if billed is not None:
        keys |= {key for key in billed.parts if key[0] in RESOURCE_OF}
    for key in in_line_order(keys):
        item, price = key
        name, resource = _NAMES[item], RESOURCE_OF[item]
        parts = right.get(key, {})
        quantity = quantity_ratio(resource, parts)
        amount = ratio_minor(quantity, price, currency)
        if billed is not None:
            settled_parts, settled = billed.settled(key, amount)
            amount -= settled
            parts = subtract(parts, settled_parts)
            quantity = quantity_ratio(resource, parts)
        if not amount and (correction or not parts):
            continue
        kind = USAGE if item == resource else OVERAGE
        lines.append(
            Line(
                kind=CORRECTION if correction else kind,
                description=f"{name}, correction for {unit.name}" if correction else name,
                unit=unit,
                amount=amount,
                item=item,
                resource=resource,
                quantity=format_ratio(*quantity),
                unit_price=price,
                parts=parts,
            )
        )
    return lines


def content(lines: Sequence[Line], tax: Tax | None, unit: Unit) -> Content | None:
    """Add tax, and balance what is negative; None when no line says anything.

    The balancing line of a negative invoice bears no tax: it hands back what lines and tax
    together come to, so that the total is zero and the credit is what the user is owed.
    """
    if not any(line.amount for line in lines):
        return None
    net = sum(line.amount for line in lines)
    tax_amount = 0 if tax is None else round_half_up(Fraction(tax.percent) * net / 100)
    carried = max(0, -(net + tax_amount))
    if carried:
        lines = [*lines, Line(CARRIED, "Carried to credit", unit, carried)]
    return Content(tuple(lines), net + carried, tax_amount, carried)
