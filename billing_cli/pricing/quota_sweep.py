"""One user's quotas over a stretch of time: from timelines, plans and limits to what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.quotas import (
    LIMIT,
    QUOTAS,
    SPEND,
    Followed,
    follow,
    limit_steps,
    plan_spans,
    spend_moments,
    stock_moments,
    uses_of,
)
from billing_cli.pricing.spending import accruals, spent_at
from billing_cli.pricing.terms import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from billing_cli.pricing.quotas import Amount, Override, PlanSpan, Standing, Step
    from billing_cli.pricing.spans import Span
    from billing_cli.pricing.subscriptions import Phase
    from billing_cli.pricing.terms import TermsHistory


BEGINNING = 0
"""From when on a past is followed as a whole: nothing ran before 1970."""


class Rules(NamedTuple):
    """By what to judge: ``planned`` is the time in whose billing mode plans have an effect."""

    history: TermsHistory
    planned: Sequence[Span]
    threshold: int


class Account(NamedTuple):
    """What is known of a user from ``low`` on.

    ``steps`` say how its use changes, beginning with what it is at ``low``; ``overrides`` and
    ``phases`` are all there are. Spend can be told only if ``low`` is the start of a billing
    period, or the beginning.
    """

    low: int
    steps: Sequence[Step]
    overrides: Sequence[Override]
    phases: Sequence[Phase]


class Balance(NamedTuple):
    """How much of a limit is used at a moment."""

    use: Amount
    limit: int


def sweep(
    rules: Rules, account: Account, standings: Mapping[str, Standing], after: int | None, until: int
) -> dict[str, Followed]:
    """Follow each limit of a user through ``(after, until]``; ``after`` None is the beginning.

    ``standings`` are those at ``after``. What was never limited is left out.
    """
    spans = _spans(rules, account.phases, account.low)
    uses = uses_of(account.steps, account.low)
    found = {}
    for index, resource in enumerate(RESOURCES):
        steps = limit_steps(resource, account.overrides, spans, account.low, until)
        if any(step.limit is not None for step in steps) or resource in standings:
            amounts = [(at, use[index]) for at, use in uses]
            moments = stock_moments(amounts, steps, rules.threshold)
            found[resource] = follow(moments, standings.get(resource), after)
    if _knows_spend(rules, account):
        low = _first_of(account)
        pieces = accruals(rules.history, account.steps, account.phases, low, until + 1)
        low = pieces[0].start
        steps = limit_steps(SPEND, account.overrides, spans, low, until)
        moments = spend_moments(pieces, steps, rules.threshold)
        found[SPEND] = follow(moments, standings.get(SPEND), after)
    return found


def balances(rules: Rules, account: Account, at: int) -> dict[str, Balance]:
    """Return what a user uses of each limit in force at an instant, by resource."""
    spans = _spans(rules, account.phases, at)
    found: dict[str, Balance] = {}
    for index, resource in enumerate(QUOTAS):
        steps = limit_steps(resource, account.overrides, spans, at, at)
        limit = steps[0].limit
        if limit is None:
            continue
        if resource == SPEND:
            pieces = accruals(rules.history, account.steps, account.phases, at, at + 1)
            found[resource] = Balance(spent_at(pieces, at), limit)
        else:
            changes = (step[1 + index] for step in account.steps if step.at <= at)
            found[resource] = Balance(sum(changes), limit)
    return found


def _spans(rules: Rules, phases: Sequence[Phase], low: int) -> list[PlanSpan]:
    planned = ((max(start, low), stop) for start, stop in rules.planned if stop > low)
    return plan_spans(rules.history, phases, planned) if phases else []


def _knows_spend(rules: Rules, account: Account) -> bool:
    """Tell whether spend was ever limited, and all that led to it is known."""
    if not any(o.resource == SPEND and o.choice == LIMIT for o in account.overrides):
        return False
    low = account.low
    return low == BEGINNING or rules.history.calendar.containing(low).start == low


def _first_of(account: Account) -> int:
    """Return from when on to follow spend: from the beginning nobody waits for 1970 to pass."""
    if account.low != BEGINNING:
        return account.low
    firsts = [step.at for step in account.steps]
    firsts += [o.since for o in account.overrides if o.resource == SPEND]
    return min(firsts)
