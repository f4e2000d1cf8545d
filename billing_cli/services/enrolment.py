"""Enrolment: whom an event introduces gets the plan of new users (DESIGN section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.pricing.plans import FREE
from billing_cli.pricing.subscriptions import Phase, held_at, plan_of
from billing_cli.pricing.timelines import FOREVER
from billing_cli.services.restating import changed, plans_changed
from billing_cli.services.subscription_rows import notice
from billing_cli.services.user_plans import plan_of_new
from billing_cli.store import arrivals, outbox, subscriptions
from billing_cli.store.subscriptions import NewSubscription, SubscriptionRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.arrivals import Arrival
    from billing_cli.store.outbox import Notice
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

EVENT = "event"
_BATCH_USERS = 2_000


def enrol(uow: UnitOfWork, history: TermsHistory, now: int) -> int:
    """Give users who came into being the plan ``free``; return how many got it.

    That is from then on until their next phase, in the modes that have plans, unless they hold
    one then. Each batch commits by itself; without new users this is one look at a table.
    """
    enrolled = 0
    with uow.reading() as tx:
        waiting = arrivals.are_waiting(tx, now)
    while waiting:
        with uow.batch() as tx:
            found = arrivals.next_of_users(tx, now, _BATCH_USERS)
            enrolled += _enrol(tx, history, found, now)
            arrivals.forget(tx, found)
            waiting = bool(found)
    return enrolled


def _enrol(tx: Transaction, history: TermsHistory, found: Sequence[Arrival], now: int) -> int:
    before = subscriptions.phases_of(tx, sorted({arrival.user_key for arrival in found}))
    by_event = subscriptions.from_source(tx, EVENT, before)
    held = {key: list(phases) for key, phases in before.items()}
    new: list[NewSubscription] = []
    earlier: dict[int, tuple[Phase, int]] = {}
    for arrival in found:
        phases = held.setdefault(arrival.user_key, [])
        if plan_of_new(history, arrival.at) is None or held_at(phases, arrival.at) is not None:
            continue
        following = next((phase for phase in phases if phase.start > arrival.at), None)
        end = FOREVER if following is None else following.start
        phases.insert(0, Phase(arrival.user_key, 0, arrival.at, end, FREE, first=True))
        phases.sort()
        if following is not None and following.first and following.subscription_id in by_event:
            # An arrival that was seen to before this earlier one: it would have had no effect.
            earlier[following.subscription_id] = following, arrival.at
        else:
            new.append(
                NewSubscription(
                    arrival.user_key, arrival.user_id, EVENT, now, arrival.at, end, FREE
                )
            )
    subscriptions.begin_earlier(tx, earlier.values())
    rows = subscriptions.add(tx, new)
    touched = {one.user_key for one in new} | {phase.user_key for phase, _ in earlier.values()}
    _mark(tx, history, before, touched, now)
    outbox.append(tx, _notices(history, new, rows, now), now)
    return len(new)


def _mark(
    tx: Transaction,
    history: TermsHistory,
    before: Mapping[int, list[Phase]],
    users: Iterable[int],
    now: int,
) -> None:
    keys = sorted(users)
    after = subscriptions.phases_of(tx, keys) if keys else {}
    changes = [change for key in keys for change in changed(key, before.get(key, []), after[key])]
    plans_changed(tx, history, history, changes, now)


def _notices(
    history: TermsHistory, new: Sequence[NewSubscription], numbers: Sequence[int], now: int
) -> Iterator[Notice]:
    for one, number in zip(new, numbers, strict=True):
        row = SubscriptionRow(number, one.user_key, one.user_id, EVENT, None, now, None)
        plan = plan_of(history, FREE, one.start)
        yield notice(history, row, "created", plan, one.start, now)
