"""What other settings do to those who hold plans, and what may not be done to them."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.errors import ConflictError
from billing_cli.pricing.subscriptions import term_at
from billing_cli.pricing.timelines import FOREVER
from billing_cli.services.restating import Change, fees_changed
from billing_cli.store import quotas, subscriptions, users

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from billing_cli.pricing.subscriptions import Phase
    from billing_cli.pricing.terms import Terms, TermsHistory
    from billing_cli.store.unit_of_work import Transaction

_NAMED = 3


class Reached(NamedTuple):
    """The holders of a plan that changes: how many, the first of them, and when it reaches them."""

    plan_id: str
    holders: int
    names: list[str]
    first: int
    last: int


def refuse_vanishing(tx: Transaction, in_force: Terms, wanted: Terms, effective: int) -> None:
    """Raise ConflictError where somebody holds, or is to hold, what goes or changes its nature.

    That is a plan, the interval that a plan is paid by, and a tax that is set for a user.
    """
    by_plan: dict[str, list[str]] = {}
    for user_id, phase in subscriptions.phases_from(tx, effective):
        if phase.plan_id not in wanted.plans or _interval_differs(in_force, wanted, phase.plan_id):
            by_plan.setdefault(phase.plan_id, []).append(user_id)
    for plan_id, names in sorted(by_plan.items()):
        held = f"{_people(names)} the plan {plan_id!r} now or later"
        if plan_id in wanted.plans:
            raise ConflictError(
                f"{held}: its interval cannot change",
                "define another plan, and change the subscriptions to it",
            )
        raise ConflictError(
            f"{held}: it cannot go",
            "keep it, or change or cancel those subscriptions first: billing subscription list "
            f"--plan {plan_id}",
        )
    by_tax: dict[str, list[str]] = {}
    for user_id, tax in users.with_own_tax(tx):
        if tax in in_force.taxes and tax not in wanted.taxes:
            by_tax.setdefault(tax, []).append(user_id)
    for tax, names in sorted(by_tax.items()):
        raise ConflictError(
            f"{_people(names)} the tax {tax!r} set: it cannot go",
            "keep it, or give them another: billing user edit --tax",
        )


def _interval_differs(in_force: Terms, wanted: Terms, plan_id: str) -> bool:
    known = in_force.plans.get(plan_id)
    return known is not None and known.interval != wanted.plans[plan_id].interval


def _people(names: Iterable[str]) -> str:
    unique = list(dict.fromkeys(names))
    verb = "has" if len(unique) == 1 else "have"
    return f"{named(unique[:_NAMED], len(unique))} {verb}"


def named(first: Iterable[str], count: int) -> str:
    """Return the first of so many names, and how many more there are."""
    names = [repr(name) for name in first]
    more = count - len(names)
    if more:
        return f"{', '.join(names)} and {more} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def follow(
    tx: Transaction, old: TermsHistory, new: TermsHistory, effective: int, now: int
) -> list[Reached]:
    """Mark what new settings make wrong for the holders of plans; return whom they reach.

    Nothing before the instant changes, and usage after it is metered again. What remains are
    fees that were billed in advance of it, and quotas that were checked beyond it.
    """
    quotas.mark_everyone(tx, effective)
    changed = {
        plan_id
        for plan_id, plan in new.at(effective).plans.items()
        if old.at(effective).plans.get(plan_id, plan) != plan
    }
    found: dict[str, Reached] = {}
    changes = []
    for (user_id, user_key), group in groupby(
        subscriptions.phases_from(tx, effective), key=lambda pair: (pair[0], pair[1].user_key)
    ):
        phases = [phase for _, phase in group]
        changes.append(Change(user_key, phases, phases, effective, FOREVER))
        for plan_id, at in _reached_at(new, phases, effective, changed):
            found[plan_id] = _with(found.get(plan_id), plan_id, user_id, at)
    fees_changed(tx, old, new, changes, now)
    return [found[plan_id] for plan_id in sorted(found)]


def _reached_at(
    history: TermsHistory, phases: Iterable[Phase], effective: int, changed: set[str]
) -> Iterator[tuple[str, int]]:
    """Yield each changed plan of a user with the moment at which the change reaches the user."""
    seen: set[str] = set()
    for phase in phases:
        if phase.plan_id not in changed or phase.plan_id in seen:
            continue
        at = phase.start
        if at < effective:
            start, end = term_at(history, phase, effective)
            at = effective if start == effective else end
        if at < phase.end:
            seen.add(phase.plan_id)
            yield phase.plan_id, at


def _with(found: Reached | None, plan_id: str, user_id: str, at: int) -> Reached:
    if found is None:
        return Reached(plan_id, 1, [user_id], at, at)
    return Reached(
        plan_id,
        found.holders + 1,
        [*found.names, user_id] if len(found.names) < _NAMED else found.names,
        min(found.first, at),
        max(found.last, at),
    )
