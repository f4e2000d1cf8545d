"""Monthly recurring revenue: what plans bring in a month, and how it moved between two moments.

A user's is the fee of the plan held, of a yearly one the twelfth part, each rounded to minor units.
So movements add up: the end is the start and all that was new, came back, grew, shrank and went.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.pricing.money import round_ratio
from billing_cli.pricing.plans import YEAR
from billing_cli.pricing.subscriptions import held_at, plan_of, term_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from billing_cli.pricing.plans import Plan
    from billing_cli.pricing.subscriptions import Phase
    from billing_cli.pricing.terms import TermsHistory

NEW, REACTIVATION, EXPANSION = "new", "reactivation", "expansion"
CONTRACTION, CHURN = "contraction", "churn"
MOVEMENTS: Final = (NEW, REACTIVATION, EXPANSION, CONTRACTION, CHURN)
_MONTHS: Final = 12
_KNOWN_PLANS: Final = 65_536


class Movement(NamedTuple):
    """What became of a user's revenue; ``amount`` in minor units, below zero where it fell."""

    kind: str
    amount: int


def monthly_fee(plan: Plan) -> int:
    """Return what a plan brings in a month, in minor units."""
    return round_ratio(plan.fee, _MONTHS) if plan.interval == YEAR else plan.fee


def meter(history: TermsHistory) -> Callable[[Sequence[Phase], int], int]:
    """Return a function from a user's phases and an instant to the revenue a month then.

    In the mode ``usage`` plans bring nothing.
    """

    @lru_cache(maxsize=_KNOWN_PLANS)
    def fee(plan_id: str, since: int) -> int:
        return monthly_fee(plan_of(history, plan_id, since))

    @lru_cache(maxsize=_KNOWN_PLANS)
    def has_plans(at: int) -> bool:
        return history.mode_of(history.calendar.containing(at).start) != "usage"

    def recurring(phases: Sequence[Phase], at: int) -> int:
        phase = held_at(phases, at)
        if phase is None or not has_plans(at):
            return 0
        return fee(phase.plan_id, max(term_at(history, phase, at)[0], phase.start))

    return recurring


def movement(before: int, after: int, *, ever: bool) -> Movement | None:
    """Return how a user's revenue moved from one moment to the next; None if it did not.

    ``ever`` says whether there was any before the first of the two: who had some once, and had
    none then, comes back.
    """
    if before == after:
        return None
    if not before:
        return Movement(REACTIVATION if ever else NEW, after)
    if not after:
        return Movement(CHURN, -before)
    return Movement(EXPANSION if after > before else CONTRACTION, after - before)


def movements(amounts: Iterable[int], *, ever: bool) -> list[Movement | None]:
    """Return the movement to each amount from the one before it; the first is the start."""
    found: list[Movement | None] = []
    rest = iter(amounts)
    before = next(rest, 0)
    ever = ever or before > 0
    for after in rest:
        found.append(movement(before, after, ever=ever))
        ever = ever or after > 0
        before = after
    return found
