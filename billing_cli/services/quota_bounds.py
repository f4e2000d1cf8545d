"""The lowest limits that plans may have in a window: by them most users are passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from billing_cli.pricing.plans import YEAR
from billing_cli.pricing.quotas import planned_spans
from billing_cli.pricing.subscriptions import plan_of
from billing_cli.pricing.terms import RESOURCES
from billing_cli.store.quota_selection import PlanBound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_cli.pricing.plans import Plan
    from billing_cli.pricing.terms import TermsHistory

# No term is longer.
_LONGEST_TERM: Final = 366 * 86_400


def plan_bounds(history: TermsHistory, last: int | None, now: int) -> list[PlanBound]:
    """Return what limits each plan may set in ``[last, now]``; ``last`` None is the beginning.

    The version of a plan that holds is that of the term's start, which may lie before the
    window. Without a billing mode in which plans have an effect there are none.
    """
    low = 0 if last is None else last
    planned = planned_spans(history, low, now + 1)
    if not planned:
        return []
    partly = planned != [(low, now + 1)]
    ids = dict.fromkeys(plan for v in history.versions for plan in v.terms.plans)
    return [_bound(history, plan_id, low, now, partly=partly) for plan_id in ids]


def _bound(history: TermsHistory, plan_id: str, low: int, now: int, *, partly: bool) -> PlanBound:
    versions = list(_versions(history, plan_id, history.calendar.containing(low).start, now))
    if any(plan.interval == YEAR for plan in versions):
        versions = list(_versions(history, plan_id, low - _LONGEST_TERM, now))
    cpu, memory, storage = (
        min(
            (limit for plan in versions if (limit := plan.limits[resource]) is not None),
            default=None,
        )
        for resource in RESOURCES
    )
    moves = partly or any(plan.limits != versions[0].limits for plan in versions)
    return PlanBound(plan_id, cpu, memory, storage, moves)


def _versions(history: TermsHistory, plan_id: str, start: int, now: int) -> Iterator[Plan]:
    for at in (start, *history.changes(start, now + 1)):
        yield plan_of(history, plan_id, at)
