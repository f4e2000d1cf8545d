"""How a subscription is shown: everything follows from its phases and the moment of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.subscriptions import plan_of, term_at
from billing_cli.pricing.timelines import FOREVER
from billing_cli.store.outbox import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.pricing.plans import Plan
    from billing_cli.pricing.subscriptions import Phase
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.subscriptions import Listed, SubscriptionRow

ACTIVE, CANCELED, SUSPENDED, SCHEDULED = "active", "canceled", "suspended", "scheduled"
STATUSES = (ACTIVE, CANCELED, SUSPENDED, SCHEDULED)


def status_of(found: Listed, at: int) -> str:
    """Return the status at a moment; between an end and a new beginning it is ``canceled``."""
    if any(phase.start <= at < phase.end for phase in found.phases):
        return SUSPENDED if found.suspended else ACTIVE
    begins = found.phases and found.phases[0].start > at
    return SCHEDULED if begins else CANCELED


def row_of(history: TermsHistory, found: Listed, at: int) -> dict[str, object]:
    """Return a subscription as it is at a moment: amounts as decimal text, times in RFC 3339.

    One that has not begun shows its first phase and term, one that has ended its last.
    """
    row, phase = found.row, _shown_phase(found.phases, at)
    values: dict[str, object] = {
        "id": row.id,
        "user_id": row.user_id,
        "plan_id": None,
        "plan_name": None,
        "price": None,
        "interval": None,
        "status": status_of(found, at),
        "current_period_start": None,
        "current_period_end": None,
        "next_plan_id": None,
        "ends_at": None,
        "canceled_at": instant_text(row.canceled_at),
        "created_at": format_instant(row.created_at),
        "source": row.source,
        "stripe_subscription_id": row.stripe_subscription_id,
    }
    if phase is None:
        return values
    term_start, term_end = term_at(history, phase, min(max(at, phase.start), phase.end - 1))
    plan = plan_of(history, phase.plan_id, max(term_start, phase.start))
    coming = next((p for p in found.phases if p.start >= phase.end), None)
    return values | {
        "plan_id": phase.plan_id,
        "plan_name": plan.name,
        "price": _price(history, plan, phase.start),
        "interval": plan.interval,
        "current_period_start": format_instant(term_start),
        "current_period_end": format_instant(term_end),
        "next_plan_id": coming and coming.plan_id,
        "ends_at": _open_end(_end_of_run(found.phases, phase)),
    }


def with_phases(history: TermsHistory, found: Listed, at: int) -> dict[str, object]:
    """Return a subscription as :func:`row_of` does, with all its phases."""
    return {
        **row_of(history, found, at),
        "phases": [_phase_of(history, phase, at) for phase in found.phases],
    }


def notice(  # noqa: PLR0913, PLR0917 - what an event says
    history: TermsHistory,
    row: SubscriptionRow,
    verb: str,
    plan: Plan,
    at: int,
    now: int,
    **more: object,
) -> Notice:
    """Return the event that tells of something done to a subscription, from an instant on.

    Its identity is unique for a verb that is done only once to a subscription.
    """
    data = {
        "subscription_id": row.id,
        "user_id": row.user_id,
        "plan_id": plan.id,
        "plan_name": plan.name,
        "price": _price(history, plan, at),
        "currency": history.at(at).currency,
        "interval": plan.interval,
        "effective_at": format_instant(at),
        **more,
    }
    kind = f"billing.subscription.{verb}"
    return Notice(kind, f"subscription/{row.id}/{verb}", row.user_key, row.user_id, now, data)


def _shown_phase(phases: Sequence[Phase], at: int) -> Phase | None:
    begun = [phase for phase in phases if phase.start <= at]
    return begun[-1] if begun else next(iter(phases), None)


def _end_of_run(phases: Sequence[Phase], phase: Phase) -> int:
    """Return where the phases end that follow one another from one on without a gap."""
    end = phase.end
    for following in phases:
        if following.start == end:
            end = following.end
    return end


def _phase_of(history: TermsHistory, phase: Phase, at: int) -> dict[str, object]:
    plan = plan_of(history, phase.plan_id, max(phase.start, min(at, phase.end - 1)))
    begun = "current" if at < phase.end else "past"
    return {
        "plan_id": phase.plan_id,
        "plan_name": plan.name,
        "price": _price(history, plan, phase.start),
        "interval": plan.interval,
        "start": format_instant(phase.start),
        "end": _open_end(phase.end),
        "when": begun if phase.start <= at else "coming",
    }


def _open_end(end: int) -> str | None:
    return None if end >= FOREVER else format_instant(end)


def _price(history: TermsHistory, plan: Plan, at: int) -> str:
    return format_minor(plan.fee, history.at(at).currency)
