"""Spend: what a user's billing period has accrued, second by second (DESIGN section 6).

Usage and overage at their prices, exact and unrounded, without fees and before credits. It
starts anew with every period.
"""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.money import to_minor
from billing_cli.pricing.overage import steps as charged_steps
from billing_cli.pricing.quantities import base_per_unit
from billing_cli.pricing.quotas import uses_of
from billing_cli.pricing.slots import stretches
from billing_cli.pricing.terms import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_cli.pricing.quotas import Step
    from billing_cli.pricing.slots import Stretch
    from billing_cli.pricing.subscriptions import Phase
    from billing_cli.pricing.terms import TermsHistory

    Limits = tuple[int | None, ...]


class Accrual(NamedTuple):
    """``[start, stop)`` with a constant rate; ``base`` is what the period has spent before it.

    In minor units, and minor units a second.
    """

    start: int
    stop: int
    base: Fraction
    rate: Fraction
    period_start: int


def accruals(
    history: TermsHistory, steps: Iterable[Step], phases: Sequence[Phase], low: int, stop: int
) -> list[Accrual]:
    """Return what is spent from the start of the period of ``low`` up to ``stop``.

    ``steps`` say how the user's use changes from that start on, or from before; ``phases`` are
    all that overlap its periods.
    """
    begin = history.calendar.containing(low).start
    cuts = stretches(history, begin, stop)
    charged = _charged(history, phases, cuts)
    uses = uses_of(steps, begin)
    starts = [start for start, _, _ in charged]
    use_starts = [at for at, _ in uses]
    found: list[Accrual] = []
    for cut in cuts:
        edges = {cut.start, *_within(use_starts, cut)}
        edges |= {at for start, end, _ in charged for at in (start, end) if _inside(at, cut)}
        for left, right in pairwise([*sorted(edges), cut.stop]):
            place = bisect_right(starts, left) - 1
            limits = charged[place][2] if place >= 0 and left < charged[place][1] else None
            use = uses[bisect_right(use_starts, left) - 1][1]
            rate = _rate(history, use, limits, cut)
            last = found[-1] if found else None
            base = Fraction(0)
            if last and last.period_start == cut.period_start:
                base = last.base + last.rate * (last.stop - last.start)
            found.append(Accrual(left, right, base, rate, cut.period_start))
    return found


def spent_at(pieces: Sequence[Accrual], at: int) -> Fraction:
    """Return what the period of an instant has spent before it."""
    piece = pieces[bisect_right(pieces, at, key=lambda piece: piece.start) - 1]
    return piece.base + piece.rate * (at - piece.start)


def _charged(
    history: TermsHistory, phases: Sequence[Phase], cuts: Sequence[Stretch]
) -> list[tuple[int, int, Limits]]:
    """Return ``(start, end, limits above which use is charged)``, in order of time."""
    nothing_included: Limits = (0, 0, 0)
    found: list[tuple[int, int, Limits]] = [
        (step.start, step.end, step.limits)
        for step in charged_steps(history, phases, cuts[0].start, cuts[-1].stop)
    ]
    for cut in cuts:
        holds = any(p.start < cut.period_end and p.end > cut.period_start for p in phases)
        if cut.mode == "usage" or (cut.mode == "hybrid" and not holds):
            found.append((cut.start, cut.stop, nothing_included))
    return sorted(found, key=lambda step: step[0])


def _rate(
    history: TermsHistory, use: tuple[int, ...], limits: Limits | None, cut: Stretch
) -> Fraction:
    """Return what one second costs, in minor units."""
    rate = Fraction(0)
    if limits is None:
        return rate
    for resource, amount, limit in zip(RESOURCES, use, limits, strict=True):
        if limit is not None and amount > limit:
            unit = base_per_unit(resource, cut.month_seconds)
            rate += Fraction(amount - limit, unit) * Fraction(cut.prices[resource])
    return rate * to_minor(1, history.at(cut.start).currency)


def _within(starts: Sequence[int], cut: Stretch) -> Sequence[int]:
    return starts[bisect_right(starts, cut.start) : bisect_right(starts, cut.stop - 1)]


def _inside(at: int, cut: Stretch) -> bool:
    return cut.start < at < cut.stop
