"""How everyone stands at a moment: a few queries for all users, never one for each.

Everything is as of an instant: what came later is left out, and what was undone later still holds.
``only`` is a condition on users (:func:`among`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.quotas import QUOTAS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.store.unit_of_work import Transaction

    Rates = tuple[int, int, int]

_RATES = ("cpu_millicores", "memory_mib", "storage_mib")
# The plus keeps SQLite from the index by start, under which lies all of history.
_OF_USERS = (
    "FROM billing_segments g CROSS JOIN billing_sessions s "
    "WHERE g.end_second > ? AND +g.start_second {} ? AND s.session_key = g.session_key "
    "AND s.user_key IS NOT NULL"
)
# Sent by then and, as far as that was known then, neither paid nor void.
_MAY_BE_OWED = (
    "i.sent_at <= ? AND (i.voided_at IS NULL OR i.voided_at > ?) "
    "AND (i.status IN ('sent', 'overdue', 'void') OR i.paid_at > ?)"
)
_SETTLED = (
    "COALESCE((SELECT SUM(a.amount) FROM billing_payment_allocations a WHERE a.invoice_id = i.id "
    "AND a.allocated_at <= ? AND (a.released_at IS NULL OR a.released_at > ?)), 0) + "
    "COALESCE((SELECT SUM(n.applied) FROM billing_credit_notes n WHERE n.invoice_id = i.id "
    "AND n.created_at <= ? AND (n.voided_at IS NULL OR n.voided_at > ?)), 0)"
)


class Only(NamedTuple):
    """A condition on a column of user keys, and its parameters: some users, or everyone."""

    condition: str
    parameters: tuple[object, ...]

    def of(self, column: str) -> str:
        """Return the condition for a column."""
        return self.condition.format(column)


class Owed(NamedTuple):
    """What a user owes; ``overdue`` of it is past its due date, the oldest since ``since``."""

    owed: int
    overdue: int
    since: int | None


class LastInvoice(NamedTuple):
    """A user's last invoice, as it was at the moment."""

    id: int
    invoice_number: str | None
    status: str
    total: int
    currency: str


def among(tx: Transaction, keys: Sequence[int] | None) -> Only:
    """Return the condition for some users, or for everyone."""
    if keys is None:
        return Only("", ())
    subquery, parameter = tx.numbers(keys)
    return Only(f" AND {{}} IN {subquery}", (parameter,))


def users(tx: Transaction, only: Only, at: int) -> Iterator[tuple[int, str]]:
    """Yield key and id of everyone there was, in byte order of the ids."""
    return (
        (key, name)
        for key, name in tx.stream(
            "SELECT u.user_key, u.user_id FROM billing_users u WHERE "
            f"(u.created_at IS NULL OR u.created_at <= ?){only.of('u.user_key')} "
            "ORDER BY u.user_id",
            at,
            *only.parameters,
        )
    )


def uses(tx: Transaction, only: Only, at: int) -> dict[int, tuple[Rates, int]]:
    """Return what each user uses of cpu, memory and storage, and in how many sessions."""
    sums = ", ".join(f"CAST(SUM(g.{column}) AS BIGINT)" for column in _RATES)
    return {
        key: ((cpu, memory, storage), running)
        for key, cpu, memory, storage, running in tx.stream(
            f"SELECT s.user_key, {sums}, SUM(CASE WHEN g.state = 'running' THEN 1 ELSE 0 END) "
            f"{_OF_USERS.format('<=')}{only.of('s.user_key')} GROUP BY s.user_key",
            at,
            at,
            *only.parameters,
        )
    }


def accrued(tx: Transaction, only: Only, start: int, stop: int) -> dict[int, Rates]:
    """Return what each user's sessions have used in ``[start, stop)``, in base units."""
    end = "CASE WHEN g.end_second < ? THEN g.end_second ELSE CAST(? AS BIGINT) END"
    begin = "CASE WHEN g.start_second > ? THEN g.start_second ELSE CAST(? AS BIGINT) END"
    sums = ", ".join(f"CAST(SUM(g.{column} * ({end} - {begin})) AS BIGINT)" for column in _RATES)
    return {
        key: (cpu, memory, storage)
        for key, cpu, memory, storage in tx.stream(
            f"SELECT s.user_key, {sums} {_OF_USERS.format('<')}{only.of('s.user_key')} "
            "GROUP BY s.user_key",
            *(stop, stop, start, start) * len(_RATES),
            start,
            stop,
            *only.parameters,
        )
    }


def own_limits(
    tx: Transaction, only: Only, at: int
) -> dict[int, dict[str, tuple[str, int | None]]]:
    """Return what users' own limits are, as choice and amount by resource."""
    found: dict[int, dict[str, tuple[str, int | None]]] = {}
    for key, resource, choice, amount in tx.stream(
        "SELECT l.user_key, l.resource_type, l.choice, l.amount FROM billing_user_limits l "
        f"WHERE l.from_second <= ?{only.of('l.user_key')} "
        "ORDER BY l.user_key, l.resource_type, l.from_second",
        at,
        *only.parameters,
    ):
        if resource in QUOTAS:
            found.setdefault(key, {})[resource] = (choice, amount)
    return found


def suspensions(tx: Transaction, only: Only, at: int) -> dict[int, int]:
    """Return since when each suspended user is suspended."""
    return dict(
        tx.rows(
            "SELECT s.user_key, MIN(s.suspended_at) FROM billing_suspensions s "
            "WHERE s.suspended_at <= ? AND (s.resumed_at IS NULL OR s.resumed_at > ?)"
            f"{only.of('s.user_key')} GROUP BY s.user_key",
            at,
            at,
            *only.parameters,
        )
    )


def owed(tx: Transaction, only: Only, at: int) -> dict[int, Owed]:
    """Return what each user owes, in minor units."""
    late = "x.due_date <= ? AND x.due > 0"
    return {
        key: Owed(due, overdue, since)
        for key, due, overdue, since in tx.stream(
            "SELECT x.user_key, CAST(SUM(x.due) AS BIGINT), "
            f"CAST(SUM(CASE WHEN {late} THEN x.due ELSE 0 END) AS BIGINT), "
            f"MIN(CASE WHEN {late} THEN x.due_date END) FROM "
            f"(SELECT i.user_key, i.due_date, i.total - ({_SETTLED}) AS due "
            f"FROM billing_invoices i WHERE {_MAY_BE_OWED}{only.of('i.user_key')}) x "
            "WHERE x.due > 0 GROUP BY x.user_key",
            *[at] * 9,
            *only.parameters,
        )
    }


def credits(tx: Transaction, only: Only, at: int) -> dict[int, int]:
    """Return what is left of each user's credits that have not expired, in minor units."""
    used = (
        "COALESCE((SELECT SUM(u.amount) FROM billing_credit_uses u WHERE u.credit_id = c.id "
        "AND u.used_at <= ? AND (u.reversed_at IS NULL OR u.reversed_at > ?)), 0)"
    )
    return dict(
        tx.rows(
            "SELECT c.user_key, CAST(SUM(c.amount "
            f"- CASE WHEN c.voided_at > ? THEN 0 ELSE c.voided END - {used}) AS BIGINT) "
            "FROM billing_credits c WHERE c.created_at <= ? "
            f"AND (c.expires_at IS NULL OR c.expires_at > ?){only.of('c.user_key')} "
            "GROUP BY c.user_key",
            *[at] * 5,
            *only.parameters,
        )
    )


def last_invoices(tx: Transaction, only: Only, at: int) -> dict[int, LastInvoice]:
    """Return each user's last invoice that was sent, or else the last draft."""
    last = "COALESCE(MAX(CASE WHEN i.sent_at <= ? THEN i.id END), MAX(i.id))"
    found = {}
    for key, number, name, sent, voided, paid, due_date, total, currency, due in tx.stream(
        "SELECT i.user_key, i.id, i.invoice_number, i.sent_at, i.voided_at, "
        "CASE WHEN i.status = 'paid' AND i.paid_at <= ? THEN 1 ELSE 0 END, i.due_date, i.total, "
        f"i.currency, i.total - ({_SETTLED}) FROM billing_invoices i "
        f"JOIN (SELECT {last} AS id FROM billing_invoices i WHERE i.created_at <= ?"
        f"{only.of('i.user_key')} GROUP BY i.user_key) l ON l.id = i.id",
        *[at] * 7,
        *only.parameters,
    ):
        if voided is not None and voided <= at:
            status = "void"
        elif sent is None or sent > at:
            status = "draft"
        elif paid or due <= 0:
            status = "paid"
        else:
            status = "overdue" if due_date is not None and due_date <= at else "sent"
        found[key] = LastInvoice(
            number, None if status == "draft" else name, status, total, currency
        )
    return found
