"""How far bars and columns reach: whole steps of exact numbers, for whoever draws them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    Amount = int | Fraction | Decimal


def reach(use: Amount, limit: Amount, steps: int) -> int:
    """Return how many of a bar's ``steps`` a use of a limit fills, at most all.

    Cut and not rounded, so that a bar is full only from 100 % on; but something used is never
    shown as nothing. Of a limit of 0 everything that is used is too much.
    """
    if use <= 0:
        return 0
    if limit <= 0:
        return steps
    return min(steps, max(1, int(Fraction(use) * steps / Fraction(limit))))


def heights(values: Sequence[Amount], top: Amount, steps: int) -> list[int]:
    """Return the heights of columns in a chart whose highest value is ``top``, at most ``steps``.

    Nothing, and what is less than nothing, has no height.
    """
    return [reach(value, top, steps) if top > 0 else 0 for value in values]
