"""What a credit note takes back: net and tax, in minor units (DESIGN section 5).

A note never takes back more than is left of its invoice, and the notes that take back all of it
take back exactly its net and its tax.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.money import round_half_up, round_ratio

if TYPE_CHECKING:
    from decimal import Decimal


class Parts(NamedTuple):
    """A net amount and the tax on it."""

    net: int
    tax: int

    @property
    def total(self) -> int:
        """Net and tax together."""
        return self.net + self.tax


def of_net(net: Fraction | int, percent: Decimal | None) -> Parts:
    """Return the parts of a note for a net amount: each is rounded, and the total is their sum."""
    rounded = round_half_up(net)
    tax = Fraction(0) if percent is None else Fraction(percent) * rounded / 100
    return Parts(rounded, round_half_up(tax))


def of_line(line: int, percent: Decimal | None, left: Parts) -> Parts:
    """Return the parts of a note for a line, out of what is ``left`` of its invoice.

    The invoice's tax was rounded once for all lines. So the last line takes what tax is left,
    and none takes more.
    """
    parts = of_net(line, percent)
    if parts.net == left.net:
        return left
    return Parts(parts.net, min(parts.tax, left.tax))


def of_total(total: int, left: Parts) -> Parts:
    """Return the parts of a note for an amount with tax, out of what is ``left``.

    The amount holds as much tax, in proportion, as what is left does.
    """
    tax = round_ratio(total * left.tax, left.total)
    return Parts(total - tax, tax)
