"""What is known of the account of Stripe, and the order in which its objects were fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.store import invoices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.store.unit_of_work import Transaction

ACCOUNT, MODE, INSTALLATION = "account", "mode", "installation"
LIVE_CONFIRMED, EVENTS_READ, LAST_SYNC = "live-confirmed", "events-read", "last-sync"
BACKFILL, EVENTS_SINCE, EVENTS_NOTED = "backfill", "events-since", "events-noted"

_SENT_LIVE = (
    "billing_stripe_invoices WHERE stripe_id IS NOT NULL AND EXISTS "
    "(SELECT 1 FROM billing_stripe_state WHERE name = 'mode' AND value = 'live')"
)
_TICKETS = "stripe-fetch"


class Seen(NamedTuple):
    """A fetched object: ``ticket`` was taken before it was fetched."""

    kind: str
    id: str
    ticket: int
    status: str


def get(tx: Transaction, name: str) -> str | None:
    """Return what is known under a name."""
    value: str | None = tx.value("SELECT value FROM billing_stripe_state WHERE name = ?", name)
    return value


def put(tx: Transaction, name: str, value: str) -> None:
    """Keep something under a name."""
    tx.execute(
        "INSERT INTO billing_stripe_state (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        name,
        value,
    )


def forget(tx: Transaction, name: str) -> None:
    """Know nothing under a name."""
    tx.execute("DELETE FROM billing_stripe_state WHERE name = ?", name)


def take_tickets(tx: Transaction, count: int) -> range:
    """Return so many growing numbers, to be taken before objects are fetched."""
    value = int(get(tx, _TICKETS) or 0)
    put(tx, _TICKETS, str(value + count))
    return range(value + 1, value + 1 + count)


def is_newest(tx: Transaction, seen: Seen, now: int) -> bool:
    """Tell whether nothing fetched later was applied, and remember this as the newest."""
    known = tx.value(
        "SELECT ticket FROM billing_stripe_objects WHERE kind = ? AND id = ?", seen.kind, seen.id
    )
    if known is not None and known > seen.ticket:
        return False
    tx.execute(
        "INSERT INTO billing_stripe_objects (kind, id, ticket, status, fetched_at) "
        "VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET "
        "ticket = excluded.ticket, status = excluded.status, fetched_at = excluded.fetched_at",
        *seen,
        now,
    )
    return True


def is_used(tx: Transaction) -> bool:
    """Tell whether something of the account is in the books: payments, invoices, subscriptions.

    Of a live account that is also what was sent to it: somebody may pay that there.
    """
    return any(
        tx.value(f"SELECT 1 FROM {source} LIMIT 1") is not None
        for source in (
            "billing_payments WHERE stripe_payment_intent_id IS NOT NULL",
            f"billing_invoices WHERE kind = '{invoices.STRIPE}'",
            "billing_subscriptions WHERE stripe_subscription_id IS NOT NULL",
            _SENT_LIVE,
        )
    )


def forget_all(tx: Transaction) -> None:
    """Forget an account of which nothing is in the books."""
    for table in ("links", "invoices", "requests", "events", "objects", "state"):
        tx.execute(f"DELETE FROM billing_stripe_{table}")


def statuses(tx: Transaction, kind: str, ids: Sequence[str]) -> dict[str, str]:
    """Return the status in which objects of a kind were fetched last, by id."""
    subquery, parameter = tx.texts(ids)
    return dict(
        tx.rows(
            f"SELECT id, status FROM billing_stripe_objects WHERE kind = ? AND id IN {subquery}",
            kind,
            parameter,
        )
    )
