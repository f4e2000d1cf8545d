"""Subscriptions that Stripe bills, as they are there: who holds which plan from when to when.

Stripe has the last word on them. Their fees are Stripe's from their start on, overage stays ours.
When a plan was changed is what the events about the subscription say, all of them together, so
that it does not matter in what order they came.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.errors import ConflictError
from billing_cli.pricing.chains import continued, cut, outside
from billing_cli.pricing.stripe_objects import Subscription, read_subscription
from billing_cli.pricing.subscriptions import Phase, charged_here, plan_of
from billing_cli.pricing.timelines import FOREVER
from billing_cli.services.restating import changed, plans_changed
from billing_cli.services.subscription_action import by_number
from billing_cli.services.subscription_rows import notice
from billing_cli.store import outbox, stripe_events, stripe_links, subscriptions
from billing_cli.store.stripe_links import PRICE, PRODUCT
from billing_cli.store.subscriptions import NewSubscription

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from billing_cli.services.stripe_access import Account
    from billing_cli.store.subscriptions import SubscriptionRow
    from billing_cli.store.unit_of_work import Transaction

SOURCE = "stripe"
# Not paid for even once: nothing is held.
_UNBEGUN = {"incomplete", "incomplete_expired"}


class Step(NamedTuple):
    """From an instant on a plan is held."""

    start: int
    plan_id: str


def apply(tx: Transaction, account: Account, found: Subscription) -> str | None:
    """Bring a subscription up to date here; return why it is none of ours, if it is not.

    Raises :class:`ConflictError` for one to something that is none of our plans.
    """
    if found.status in _UNBEGUN:
        return f"it is {found.status}: nothing was paid"
    row = subscriptions.by_stripe_id(tx, found.id)
    # One that is known ends here, too, when its customer was deleted and is known no more.
    user = (row.user_key, row.user_id) if row else _user(tx, found)
    if user is None:
        return stripe_links.NOT_OURS
    start = found.start or found.created
    steps = list(_steps(tx, account, found, row, start))
    row = row or _adopted(tx, user[0], start, _end(found))
    if row is None:
        new = NewSubscription(*user, SOURCE, account.now, start, FOREVER, steps[0].plan_id)
        # The phase is made below, in one with the others.
        (number,) = subscriptions.add(tx, [new])
        subscriptions.replace_phases(tx, number, [])
        row = by_number(tx, number, account.now).row
    _hold(tx, account, found, row, steps)
    return None


def _user(tx: Transaction, found: Subscription) -> tuple[int, str] | None:
    return None if found.customer is None else stripe_links.user_of(tx, found.customer)


def _adopted(tx: Transaction, user_key: int, start: int, end: int) -> SubscriptionRow | None:
    """Return the subscription of ours that goes over to Stripe: the first one held meanwhile."""
    held = subscriptions.phases_of(tx, [user_key]).get(user_key, [])
    phase = next((phase for phase in held if phase.end > start and phase.start < end), None)
    row = None if phase is None else subscriptions.by_id(tx, phase.subscription_id)
    return row if row is not None and row.stripe_subscription_id is None else None


def _hold(
    tx: Transaction,
    account: Account,
    found: Subscription,
    row: SubscriptionRow,
    steps: Sequence[Step],
) -> None:
    """Give a subscription the phases that Stripe's says, and mark what that makes wrong."""
    key, history = row.user_key, account.history
    before = subscriptions.phases_of(tx, [key]).get(key, [])
    before_here = charged_here(before, subscriptions.charged_by_stripe(tx, [key]))
    own = [phase for phase in before if phase.subscription_id == row.id]
    start = steps[0].start
    chain = cut(own, start)
    end = _end(found)
    by_stripe = subscriptions.charged_by_stripe(tx, [key])
    later = [
        # Of two on Stripe the one that began later counts.
        phase._replace(start=max(phase.start, by_stripe[phase.subscription_id]))
        for phase in before
        if (by_stripe.get(phase.subscription_id, 0), phase.subscription_id) > (start, row.id)
    ]
    for step, following in zip(steps, [*(s.start for s in steps[1:]), end], strict=True):
        until = min(following, end)
        if step.start < until:
            added = Phase(key, row.id, step.start, until, step.plan_id, first=False)
            for part in outside(added, [(phase.start, phase.end) for phase in later]):
                chain = continued(chain, part)
    spared = {row.id, *(phase.subscription_id for phase in later)}
    others = [phase for phase in before if phase.subscription_id not in spared]
    _cut(tx, others, (start, end), by_stripe)
    subscriptions.replace_phases(tx, row.id, chain)
    subscriptions.give_to_stripe(tx, row.id, found.id, start)
    if own and own[-1].end > max((phase.end for phase in chain), default=start):
        _look_again(tx, account, row, end)
    ends = found.canceled_at if end < FOREVER else None
    subscriptions.set_canceled_at(tx, row.id, ends or (end if end < FOREVER else None))
    after = subscriptions.phases_of(tx, [key]).get(key, [])
    plans_changed(tx, history, history, changed(key, before, after), account.now)
    after_here = charged_here(after, subscriptions.charged_by_stripe(tx, [key]))
    plans_changed(tx, history, history, changed(key, before_here, after_here), account.now)
    if before != after or row.stripe_subscription_id != found.id:
        held = next((phase.plan_id for phase in reversed(own)), steps[-1].plan_id)
        _tell(tx, account, row, steps, end, held)


def _end(found: Subscription) -> int:
    return found.ended_at or found.cancel_at or FOREVER


def _cut(
    tx: Transaction, phases: Sequence[Phase], span: tuple[int, int], by_stripe: Container[int]
) -> None:
    """Have the user hold nothing of other subscriptions in a span: one plan is held at a time.

    One of ours is over then. One that Stripe bills goes on afterwards, if it is not over, too.
    """
    start, end = span
    others = {phase.subscription_id for phase in phases if phase.start < end and phase.end > start}
    for other in sorted(others):
        own = [phase for phase in phases if phase.subscription_id == other]
        if other in by_stripe:
            left = [part for phase in own for part in outside(phase, [span])]
        else:
            left = cut(own, start)
        subscriptions.replace_phases(tx, other, left)


def _look_again(tx: Transaction, account: Account, row: SubscriptionRow, end: int) -> None:
    """Have the user's other subscriptions on Stripe looked at: one may go on where this ends."""
    for listed in subscriptions.listed(tx, account.now, users=[row.user_key]):
        other = listed.row.stripe_subscription_id
        if other is None or listed.row.id == row.id:
            continue
        told = stripe_events.listed_as("subscription", other, f"{row.id}/{end}", account.now)
        stripe_events.add(tx, [told])


def _steps(
    tx: Transaction, account: Account, found: Subscription, row: SubscriptionRow | None, start: int
) -> Iterator[Step]:
    """Yield which plan was held from when on, as all events and the present state say."""
    last: str | None = None
    told = list(_told(tx, found.id)) or _known(tx, row, start)
    current = _plan_of(tx, found)
    if current is None and found.ended_at is not None and told:
        # What it was to at last matters no more: it is over.
        current = told[-1][1]
    if current is None:
        raise ConflictError(
            f"the price of subscription {found.id} is that of no plan",
            "billing stripe sync makes the prices of the plans; use one of these",
        )
    if not told:
        told = [(start, current)]
    elif told[-1][1] != current:
        # Nothing orders the events of one second: the present state came last.
        within = [one for one in told if one == (told[-1][0], current)]
        told = [one for one in told if one not in within] + (within or [(account.now, current)])
    for at, plan_id in told:
        if plan_id != last:
            yield Step(start if last is None else max(at, start), plan_id)
            last = plan_id


def _known(tx: Transaction, row: SubscriptionRow | None, start: int) -> list[tuple[int, str]]:
    """Return what is known already of a subscription of which no event tells."""
    if row is None or row.stripe_subscription_id is None:
        return []
    held = subscriptions.phases_of(tx, [row.user_key]).get(row.user_key, [])
    return [
        (max(phase.start, start), phase.plan_id)
        for phase in held
        if phase.subscription_id == row.id and phase.end > start
    ]


def _told(tx: Transaction, stripe_id: str) -> Iterator[tuple[int, str]]:
    """Yield when and to which plan a subscription was changed, as its events say."""
    for event in stripe_events.about(tx, "subscription", stripe_id):
        try:
            said = json.loads(event.payload)["data"]["object"]
            plan = _plan_of(tx, read_subscription(said))
        except (ValueError, KeyError, TypeError):
            # A thin event says nothing of the kind.
            continue
        if plan is not None:
            yield event.created, plan


def _plan_of(tx: Transaction, found: Subscription) -> str | None:
    """Return the plan that a subscription is to: by its price, its product, or what we said."""
    for item in found.items:
        for kind, stripe_id in ((PRICE, item.price), (PRODUCT, item.product)):
            if stripe_id is not None:
                link = stripe_links.by_stripe_ids(tx, kind, [stripe_id]).get(stripe_id)
                if link is not None:
                    return link.local_id.partition("/")[0]
    return None


def _tell(  # noqa: PLR0913, PLR0917 - an event: of what, and what was before
    tx: Transaction,
    account: Account,
    row: SubscriptionRow,
    steps: Sequence[Step],
    end: int,
    held: str,
) -> None:
    """Have others told of what changed; ``held`` is the last plan that was known before."""
    history, now = account.history, account.now
    at, plan_id = steps[-1]
    verb = "changed" if row.stripe_subscription_id else "created"
    if end < FOREVER:
        verb, at = "canceled", end
    plan = plan_of(history, plan_id, steps[-1].start)
    more = {"previous_plan_id": held} if verb == "changed" else {}
    found = notice(history, row, verb, plan, at, now, **more)
    told_as = f"{found.identity}/stripe/{plan_id}/{at}"
    outbox.tell(tx, [found._replace(identity=told_as)], now)
