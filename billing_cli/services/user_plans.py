"""Plans as something that is said about a user: a first one, or another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.pricing.plans import FREE
from billing_cli.services.subscription_action import (
    Action,
    Wanted,
    begin,
    find,
    require_plan,
    require_plans,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.pricing.subscriptions import Phase
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.unit_of_work import Transaction


def require_choice(history: TermsHistory, plan_id: str, at: int) -> None:
    """Raise what there is to be said against a plan from an instant on, whoever is to have it."""
    require_plans(history, at)
    require_plan(history, plan_id, at)


def plan_of_new(history: TermsHistory, at: int) -> str | None:
    """Return the plan of a new user of whom nothing is said: ``free`` where plans mean anything."""
    period = history.calendar.containing(at)
    offered = FREE in history.at(at).plans and FREE in history.latest.plans
    return FREE if offered and history.mode_of(period.start) != "usage" else None


def has_for_good(phases: Sequence[Phase], plan_id: str, now: int) -> bool:
    """Tell whether a user holds a plan in the end, now or once a change that was asked for is."""
    return bool(phases) and phases[-1].end > now and phases[-1].plan_id == plan_id


def require_possible(
    tx: Transaction, history: TermsHistory, user_id: str, phases: Sequence[Phase], now: int
) -> None:
    """Raise ConflictError for a user of some phases who cannot be given another plan now."""
    if phases and phases[-1].end > now:
        Action(tx, history, now, find(tx, Wanted(None, user_id), now)).require_lasting()


def give(  # noqa: PLR0913, PLR0917 - who is to have what, and when
    tx: Transaction,
    history: TermsHistory,
    user_key: int,
    user_id: str,
    phases: Sequence[Phase],
    plan_id: str,
    now: int,
) -> None:
    """Have a user of some phases hold a plan: from now on, or for less money with the next term.

    Raises what :func:`require_choice` and :func:`require_possible` do.
    """
    if not phases or phases[-1].end <= now:
        begin(tx, history, user_key, user_id, plan_id, now, now)
        return
    Action(tx, history, now, find(tx, Wanted(None, user_id), now)).change_plan(plan_id)
