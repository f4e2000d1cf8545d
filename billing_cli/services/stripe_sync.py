"""Bringing both sides together: what is ours goes out, what is Stripe's comes in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from billing_cli.errors import IncompleteError
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.periods import local_midnight
from billing_cli.services import (
    stripe_customers,
    stripe_events,
    stripe_inbox,
    stripe_invoices,
    stripe_notes,
    stripe_plans,
    terms,
)
from billing_cli.services.job_report import Count, JobReport
from billing_cli.services.stripe_access import opened
from billing_cli.services.stripe_run import FAILED, Change, Run
from billing_cli.store import stripe_events as events
from billing_cli.store import stripe_invoices as invoices
from billing_cli.store import stripe_links as links
from billing_cli.store import stripe_requests as requests
from billing_cli.store import stripe_state as state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from billing_cli.app import App
    from billing_cli.services.stripe_access import Account, Confirm

CUSTOMERS, PLANS, SUBSCRIPTIONS = "customers", "plans", "subscriptions"
INVOICES, PAYMENTS, EVENTS = "invoices", "payments", "events"
PARTS = (CUSTOMERS, PLANS, SUBSCRIPTIONS, INVOICES, PAYMENTS, EVENTS)


@dataclass(slots=True)
class Outcome:
    """How a sync ended: how many changes were made, and what could not be done."""

    changes: int = 0
    failures: list[Change] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Options:
    """What of a sync is wanted: ``only`` is one of :data:`PARTS`, ``since`` an instant."""

    only: str | None = None
    since: int = 0
    dry_run: bool = False


@dataclass(slots=True)
class Listener:
    """Who is told what happens: each change, and how far a step has come."""

    change: Callable[[Change], None]
    advance: Callable[[int], None] = lambda _: None


def run(app: App, options: Options, listener: Listener, confirm: Confirm) -> Outcome:
    """Bring both sides together; in a rehearsal only say what would be done.

    What fails for one customer, invoice or event stops no other. Raises
    :class:`~billing_cli.errors.UnavailableError` when Stripe does not answer any more: what was
    done is kept, and the next run goes on.
    """
    outcome = Outcome()

    def report(change: Change) -> None:
        if change.outcome == FAILED:
            outcome.failures.append(change)
        else:
            outcome.changes += 1
        listener.change(change)

    with opened(app, confirm, rehearse=options.dry_run) as account:
        sync = Run(account, report, listener.advance, options.dry_run, options.since)
        for part, step in _STEPS:
            if options.only in {None, part}:
                step(sync)
        if not options.dry_run and options.only is None:
            with account.uow.batch() as tx:
                # Whatever is wanted still was sent again in this run.
                requests.close_others(tx, sorted(sync.sender.unknown), account.now)
                state.put(tx, state.LAST_SYNC, format_instant(account.now))
    return outcome


def run_job(app: App) -> JobReport:
    """Bring both sides together as a job: a live key has to have been confirmed before."""
    outcome = run(app, Options(), Listener(lambda _: None), lambda _: False)
    problem = None
    if outcome.failures:
        first = outcome.failures[0]
        more = f", and {len(outcome.failures) - 1} more" if len(outcome.failures) > 1 else ""
        problem = f"{first.kind} {first.name}: {first.detail}{more}"
    return JobReport([Count(outcome.changes, "change")], problem=problem)


def instant_of(app: App, since: date | int) -> int:
    """Return the instant from which on a sync goes: the one given, or a local date's beginning."""
    if isinstance(since, int):
        return since
    with app.unit_of_work() as uow:
        history = terms.establish(uow, app.settings, app.clock.now()).history
    return local_midnight(since, history.calendar.zone_at(app.clock.now()))


def size(app: App, options: Options) -> int | None:
    """Return how many users and invoices a sync goes through, None where it cannot be told."""
    with app.unit_of_work() as uow, uow.reading() as tx:
        count = 0
        if options.only in {None, CUSTOMERS}:
            count += links.count_users(tx)
        if options.only in {None, INVOICES}:
            count += invoices.count_unsent(tx, options.since)
        return count or None


def require_whole(outcome: Outcome) -> None:
    """Raise :class:`IncompleteError` where something could not be done."""
    if outcome.failures:
        count = len(outcome.failures)
        raise IncompleteError(
            f"{count} {'change' if count == 1 else 'changes'} could not be made",
            "the list says why; the next sync tries again",
        )


def _settle(sync: Run) -> None:
    """Tell Stripe of money before anything else: it must collect nothing that is paid."""
    stripe_notes.send_refunds(sync)
    stripe_notes.send_notes(sync)
    stripe_invoices.settle(sync)


def _send(sync: Run) -> None:
    stripe_invoices.send(sync)
    if not sync.dry:
        # An invoice that is new there may have notes, or may be paid in part.
        _settle(sync)


def _take_in(sync: Run) -> None:
    if sync.dry:
        _foresee(sync)
        return
    account = sync.account
    stripe_events.poll(account, sync.since)
    _work(sync, account)


def _work(sync: Run, account: Account) -> None:
    worked = stripe_inbox.work(account, sync.advance)
    if worked.done:
        sync.tell(Change("event", "work off", "here", None, f"{worked.done} events"))
    for failure in worked.failures:
        change = Change(failure.kind, "bring up to date", "here", None, failure.id)
        sync.tell(change, failure.reason)


def _foresee(sync: Run) -> None:
    """Say which objects would be brought up to date here; nothing is kept."""
    with sync.account.uow.reading() as tx:
        waiting = events.waiting(tx, stripe_inbox.MOST_ATTEMPTS, 1_000)
    found = [(one.kind, one.id) for one in waiting]
    found += stripe_events.coming(sync.account, sync.since)
    for kind, object_id in dict.fromkeys(found):
        sync.tell(Change(kind, "bring up to date", "here", None, object_id))


# In this order. Customers and plans first: what comes in is known by them. Then what comes in,
# and what is settled here, before new invoices go out; and what came of these at the end.
_STEPS: tuple[tuple[str, Callable[[Run], None]], ...] = (
    (CUSTOMERS, stripe_customers.sync),
    (PLANS, stripe_plans.sync),
    (EVENTS, _take_in),
    (SUBSCRIPTIONS, stripe_plans.follow_prices),
    (PAYMENTS, _settle),
    (INVOICES, _send),
    (EVENTS, lambda sync: None if sync.dry else _take_in(sync)),
)


def row_of(change: Change) -> Mapping[str, object]:
    """Return a change as it is shown."""
    return {
        "side": change.side,
        "kind": change.kind,
        "action": change.action,
        "user_id": change.user_id,
        "name": change.name,
        "amount": change.amount,
        "outcome": change.outcome,
        "detail": change.detail,
    }
