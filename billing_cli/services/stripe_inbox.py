"""What Stripe tells: each object that an event is about is fetched, and brought up to date here.

An event only says where to look. Events about the same object are worked off by fetching it once,
and a fetch that was begun before another that has been applied is fetched again: an old state
never takes the place of a newer one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.errors import BillingError, NotConfiguredError, UnavailableError
from billing_cli.gateway.stripe_errors import StripeRefusalError, StripeSilenceError
from billing_cli.services import (
    stripe_customers,
    stripe_fetching,
    stripe_mirror,
    stripe_payments,
    stripe_subscriptions,
)
from billing_cli.services.stripe_payments import Owner
from billing_cli.store import stripe_events, stripe_links
from billing_cli.store import stripe_state as state
from billing_cli.store.stripe_events import DONE, FAILED, IGNORED, Waiting
from billing_cli.store.stripe_state import Seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing_cli.services.stripe_access import Account
    from billing_cli.services.stripe_fetching import Found
    from billing_cli.store.unit_of_work import Transaction

_BATCH_EVENTS = 200
# A failed event is tried again by itself so often; then somebody has to look.
MOST_ATTEMPTS = 5
_MOST_FETCHES = 5


class Failure(NamedTuple):
    """Events of an object that could not be worked off, and why."""

    kind: str
    id: str
    reason: str


@dataclass(slots=True)
class Worked:
    """How many events were worked off, to what effect."""

    done: int = 0
    ignored: int = 0
    failures: list[Failure] = field(default_factory=list)


def work(account: Account, advance: Callable[[int], None] = lambda _: None) -> Worked:
    """Work off all events that wait, the longest first; one that fails stops no other.

    Raises :class:`UnavailableError` when Stripe does not answer: what is left waits.
    """
    worked = Worked()
    tried: set[tuple[str, str]] = set()
    while True:
        with account.uow.reading() as tx:
            found = stripe_events.waiting(tx, MOST_ATTEMPTS, _BATCH_EVENTS)
        fresh = [one for one in found if (one.kind, one.id) not in tried]
        if not fresh:
            return worked
        for one in fresh:
            if not _one(account, one, worked):
                tried.add((one.kind, one.id))
            advance(len(one.events))


def refresh(account: Account, kind: str, object_id: str) -> None:
    """Bring one object up to date here, as an event about it would."""
    _apply(account, Waiting(kind, object_id, ()))


def _one(account: Account, waiting: Waiting, worked: Worked) -> bool:
    """Work off the events of one object; tell whether nothing of them waits any more."""
    try:
        reason = _apply(account, waiting)
    except (NotConfiguredError, UnavailableError):
        raise
    except StripeSilenceError as error:
        raise UnavailableError(
            str(error), "run it again later: what is left is worked off then"
        ) from error
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others go on
        is_told = isinstance(error, BillingError | StripeRefusalError | ValueError)
        reason = str(error) if is_told else f"{type(error).__name__}: {error}"
        with account.uow.batch() as tx:
            stripe_events.finish(tx, waiting.events, FAILED, reason, account.now)
        worked.failures.append(Failure(waiting.kind, waiting.id, reason))
        return False
    if reason is None:
        worked.done += len(waiting.events)
    else:
        worked.ignored += len(waiting.events)
    return True


def _apply(account: Account, waiting: Waiting) -> str | None:
    """Fetch an object and apply it, until no newer fetch was applied before; return why not."""
    for _ in range(_MOST_FETCHES):
        with account.uow.batch() as tx:
            (ticket,) = state.take_tickets(tx, 1)
        found = stripe_fetching.fetch(account, waiting.kind, waiting.id)
        with account.uow.batch() as tx:
            seen = Seen(waiting.kind, waiting.id, ticket, found.status)
            if not state.is_newest(tx, seen, account.now):
                continue
            reason = _effect(tx, account, found, ticket)
            if waiting.events:
                outcome = DONE if reason is None else IGNORED
                stripe_events.finish(tx, waiting.events, outcome, reason, account.now)
        if found.then is not None:
            found.then()
        return reason
    raise UnavailableError(
        f"{waiting.kind} {waiting.id} is being brought up to date by another process",
        "run it again",
    )


def _effect(tx: Transaction, account: Account, found: Found, ticket: int) -> str | None:
    """Keep what was found; return why it is none of ours, if it is not."""
    if found.customer is not None:
        return stripe_customers.seen(tx, found.customer, found.method)
    if found.subscription is not None:
        return stripe_subscriptions.apply(tx, account, found.subscription)
    if found.money is not None and not found.invoices:
        return _bare_payment(tx, account, found)
    if found.deleted_invoice is not None:
        return stripe_mirror.begin_again(tx, account, found.deleted_invoice, ticket)
    reasons = [stripe_mirror.apply(tx, account, one, ticket) for one in found.invoices]
    if found.invoices and all(reason is not None for reason in reasons):
        return reasons[0]
    return found.reason


def _bare_payment(tx: Transaction, account: Account, found: Found) -> str | None:
    """Keep a payment that no invoice names, of a customer who is one of our users."""
    if found.money is None:
        raise LookupError(found.status)
    customer = found.money.intent.customer
    user = None if customer is None else stripe_links.user_of(tx, customer)
    if user is None:
        return stripe_links.NOT_OURS
    stripe_payments.apply(tx, account, found.money, Owner(user, None))
    return None
