"""The terms of subscriptions: when they begin and end, and what a part of one costs."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.stripe_server.state import Object


def term_end(anchor: int, start: int, recurring: dict[str, object], *, terms: int = 1) -> int:
    """The end of the term that begins at `start`: the day of month of the anchor, where there is.

    Times are in seconds, and days those of UTC, as Stripe counts them. With -1 `terms`, where the
    term begins that ends at `start`.
    """
    count = int(str(recurring["interval_count"])) * terms
    interval = recurring["interval"]
    begun = datetime.fromtimestamp(start, UTC)
    if interval in ("day", "week"):
        days = count * (7 if interval == "week" else 1)
        return int((begun + timedelta(days=days)).timestamp())
    anchored = datetime.fromtimestamp(anchor, UTC)
    months = begun.month - 1 + count * (12 if interval == "year" else 1)
    year, month = begun.year + months // 12, months % 12 + 1
    day = min(anchored.day, monthrange(year, month)[1])
    return int(anchored.replace(year=year, month=month, day=day).timestamp())


def prorated(amount: int, seconds: int, whole: int) -> int:
    """The part of an amount that so many seconds of a term are, to the nearest minor unit."""
    share = Fraction(abs(amount) * seconds, whole)
    rounded = int(share + Fraction(1, 2))
    return rounded if amount >= 0 else -rounded


def amount_of(item: Object) -> int:
    """What one term of a subscription's item costs."""
    price = item["price"]
    return int(Fraction(price["unit_amount_decimal"]) * item["quantity"] + Fraction(1, 2))
