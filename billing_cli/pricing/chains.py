"""Chains of phases: how a change, an end or a new beginning alters who holds what when."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from billing_cli.pricing.subscriptions import Phase, held_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def cut(phases: Iterable[Phase], at: int) -> list[Phase]:
    """Return what there is of phases before an instant."""
    return [phase._replace(end=min(phase.end, at)) for phase in phases if phase.start < at]


def continued(phases: Sequence[Phase], added: Phase) -> list[Phase]:
    """Return the phases of a subscription with one more after them.

    Where it goes on with the plan of the phase before, the two are one: its terms run on.
    """
    last = phases[-1] if phases else None
    if last is None or last.end != added.start:
        return [*phases, added._replace(first=True)]
    if last.plan_id == added.plan_id:
        return [*phases[:-1], last._replace(end=added.end)]
    return [*phases, added._replace(first=False)]


def outside(phase: Phase, spans: Iterable[tuple[int, int]]) -> list[Phase]:
    """Return what there is of a phase outside of spans ``[start, end)``, in order."""
    parts = [phase]
    for start, end in spans:
        parts = [
            part._replace(start=low, end=high)
            for part in parts
            for low, high in ((part.start, min(part.end, start)), (max(part.start, end), part.end))
            if low < high
        ]
    return parts


def difference(before: Sequence[Phase], after: Sequence[Phase]) -> tuple[int, int] | None:
    """Return ``(start, end)`` of what two lists of a user's phases say differently, or None.

    Two phases say the same where both have the same plan and start, since terms are counted
    from there.
    """
    bounds = sorted({bound for phase in (*before, *after) for bound in (phase.start, phase.end)})
    differing = [
        span for span in pairwise(bounds) if _said(before, span[0]) != _said(after, span[0])
    ]
    return (differing[0][0], differing[-1][1]) if differing else None


def _said(phases: Sequence[Phase], at: int) -> tuple[str, int] | None:
    held = held_at(phases, at)
    return None if held is None else (held.plan_id, held.start)
