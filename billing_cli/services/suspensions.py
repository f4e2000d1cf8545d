"""Suspending users and letting them go on (DESIGN section 6).

Each cause suspends once, by its origin: a limit exceeded since a moment, an invoice overdue since
one, or an operator. An account is suspended while any of its suspensions lasts; it goes on, and
an event tells so, when the last has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.notices import RESUMED, SUSPENDED
from billing_cli.store import suspensions as store
from billing_cli.store import users
from billing_cli.store.outbox import Notice, tell
from billing_cli.store.suspensions import MANUAL, OVERDUE, SETTLED, Suspension

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.app import App
    from billing_cli.store.unit_of_work import Transaction

    Ending = tuple[Suspension, int, str]


def add(tx: Transaction, found: Sequence[Suspension]) -> None:
    """Store suspensions, numbered anew; who calls it tells of them (:func:`notice_of`)."""
    first = store.next_id(tx)
    store.add(tx, (row._replace(id=number) for number, row in enumerate(found, first)))


def end(tx: Transaction, ends: Sequence[Ending], now: int) -> None:
    """End suspensions, and tell of the users who are not suspended any more."""
    store.end(tx, ((row.id, at, why) for row, at, why in ends))
    tell(tx, notices_of_ends(tx, [(row.user_key, at) for row, at, _ in ends]), now)


def notices_of_ends(tx: Transaction, ends: Sequence[tuple[int, int]]) -> list[Notice]:
    """Return what is to be told of ``(user_key, instant)`` at which suspensions have ended."""
    known = store.of_users(tx, sorted({user for user, _ in ends}))
    return [
        _resumed(at, [row for row in known[user] if row.resumed_at == at])
        for user, at in dict.fromkeys(ends)
        if not any(
            row.suspended_at <= at and (row.resumed_at is None or row.resumed_at > at)
            for row in known[user]
        )
    ]


def suspend_overdue(tx: Transaction, grace: int, now: int) -> int:
    """Suspend who has an invoice that is overdue for ``grace`` seconds; return how many are new.

    Invoices have to be marked as overdue before.
    """
    rows, notices = [], []
    for invoice in store.overdue_since(tx, now - grace):
        origin = f"overdue/{invoice.id}/{invoice.overdue_at}"
        moment = invoice.overdue_at + grace
        if invoice.settled:
            # Owed again only since it was settled: no more is known than that it is so now.
            origin, moment = f"{origin}/{invoice.settled}", now
        since = format_instant(invoice.overdue_at)
        row = Suspension(
            0,
            invoice.user_key,
            invoice.user_id,
            origin,
            OVERDUE,
            None,
            f"invoice {invoice.invoice_number} is overdue since {since}",
            moment,
        )
        rows.append(row)
        notices.append(
            notice_of(
                row,
                invoice_id=invoice.id,
                invoice_number=invoice.invoice_number,
                overdue_since=since,
            )
        )
    add(tx, rows)
    tell(tx, notices, now)
    return len(rows)


def settle_overdue(tx: Transaction, user_keys: Sequence[int] | None, now: int) -> int:
    """End the suspensions for overdue invoices of users who have none any more.

    To be called with the users whose invoices were paid, credited or voided, in the same
    transaction and after the invoices are written; None is everyone. Returns how many
    suspensions end.
    """
    found = store.open_of(tx, OVERDUE, user_keys)
    if not found:
        return 0
    owing = store.who_owes(tx, sorted({row.user_key for row in found}), now)
    ends = [(row, max(now, row.suspended_at), SETTLED) for row in found]
    settled = [one for one in ends if one[0].user_key not in owing]
    end(tx, settled, now)
    return len(settled)


def suspend(app: App, user_id: str, reason: str) -> dict[str, object]:
    """Suspend a user by hand, until it is resumed by hand."""
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.batch() as tx:
        user_key = users.key_of(tx, user_id)
        known = store.open_of(tx, MANUAL, [user_key])
        if known:
            raise ConflictError(
                f"{user_id!r} is suspended by hand since {format_instant(known[0].suspended_at)}",
                "billing quota resume ends it",
            )
        number = store.next_id(tx)
        row = Suspension(number, user_key, user_id, f"manual/{number}", MANUAL, None, reason, now)
        add(tx, [row])
        tell(tx, [notice_of(row)], now)
    return _shown(row)


def resume(app: App, user_id: str, reason: str) -> list[dict[str, object]]:
    """End every suspension of a user by hand; none of their causes leads to another."""
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.batch() as tx:
        user_key = users.key_of(tx, user_id)
        known = store.of_users(tx, [user_key]).get(user_key, [])
        lasting = [row for row in known if row.resumed_at is None]
        if not lasting:
            raise ConflictError(f"{user_id!r} is not suspended", "billing quota show lists who is")
        ends = [(row, max(now, row.suspended_at), reason) for row in lasting]
        end(tx, ends, now)
    return [_shown(row._replace(resumed_at=at, resume_reason=why)) for row, at, why in ends]


def _shown(row: Suspension) -> dict[str, object]:
    return {
        "user_id": row.user_id,
        "cause": row.cause,
        "resource_type": row.resource_type,
        "reason": row.reason,
        "suspended_at": format_instant(row.suspended_at),
        "resumed_at": instant_text(row.resumed_at),
        "resume_reason": row.resume_reason,
    }


def notice_of(row: Suspension, **details: object) -> Notice:
    """Return what is to be told of a suspension."""
    data = {
        "user_id": row.user_id,
        "cause": row.cause,
        "resource_type": row.resource_type,
        "reason": row.reason,
        "suspended_at": format_instant(row.suspended_at),
        **details,
    }
    return Notice(
        SUSPENDED, f"suspended/{row.origin}", row.user_key, row.user_id, row.suspended_at, data
    )


def _resumed(at: int, ended: Sequence[Suspension]) -> Notice:
    row = ended[-1]
    data = {
        "user_id": row.user_id,
        "cause": row.cause,
        "resource_type": row.resource_type,
        "reason": row.resume_reason,
        "suspended_at": format_instant(row.suspended_at),
        "resumed_at": format_instant(at),
    }
    return Notice(RESUMED, f"resumed/{row.user_key}/{at}", row.user_key, row.user_id, at, data)
