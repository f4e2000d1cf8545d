"""Suspensions of users: who is suspended, since when, for what, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_cli.store.unit_of_work import Transaction

QUOTA, OVERDUE, MANUAL = "quota", "overdue", "manual"
SETTLED = "nothing is overdue any more"
"""Why a suspension for an overdue invoice ends, unless somebody ends it by hand."""

# The suspensions for an invoice, by their origins; in byte order 0 comes right after the slash.
_ITS_OWN = (
    "s.user_key = i.user_key AND s.cause = 'overdue' "
    "AND s.origin >= 'overdue/' || i.id || '/' AND s.origin < 'overdue/' || i.id || '0'"
)

# Owed past its due date; one that no job has marked yet is overdue all the same.
_OVERDUE = (
    "(i.status = 'overdue' OR (i.status = 'sent' AND i.due_date <= ? AND i.total > i.amount_paid))"
)


class Suspension(NamedTuple):
    """A row of ``billing_suspensions`` (:class:`.tables.accounts.Suspension`)."""

    id: int
    user_key: int
    user_id: str
    origin: str
    cause: str
    resource_type: str | None
    reason: str
    suspended_at: int
    resumed_at: int | None = None
    resume_reason: str | None = None


class OverdueInvoice(NamedTuple):
    """An invoice that has been owed past its due date, since ``overdue_at``.

    ``settled`` counts how often a suspension for it has ended because nothing was owed.
    """

    id: int
    invoice_number: str
    user_key: int
    user_id: str
    overdue_at: int
    settled: int


_COLUMNS = ", ".join(f"s.{name}" for name in Suspension._fields)


def next_id(tx: Transaction) -> int:
    """Return the number of the next suspension."""
    value: int = tx.value("SELECT COALESCE(MAX(id), 0) + 1 FROM billing_suspensions")
    return value


def add(tx: Transaction, rows: Iterable[Suspension]) -> None:
    """Store suspensions."""
    tx.insert("billing_suspensions", Suspension._fields, rows)


def end(tx: Transaction, ends: Iterable[tuple[int, int, str]]) -> None:
    """Record ``(id, instant, why)`` of suspensions that have ended."""
    tx.execute_many(
        "UPDATE billing_suspensions SET resumed_at = ?, resume_reason = ? WHERE id = ?",
        [(at, why, number) for number, at, why in ends],
    )


def of_users(tx: Transaction, users: Sequence[int]) -> dict[int, list[Suspension]]:
    """Return all suspensions of users, the oldest first."""
    subquery, parameter = tx.numbers(users)
    found: dict[int, list[Suspension]] = {}
    for row in tx.rows(
        f"SELECT {_COLUMNS} FROM billing_suspensions s WHERE s.user_key IN {subquery} "
        "ORDER BY s.suspended_at, s.id",
        parameter,
    ):
        found.setdefault(row[1], []).append(Suspension(*row))
    return found


def open_of(tx: Transaction, cause: str, users: Sequence[int] | None = None) -> list[Suspension]:
    """Return the suspensions for a cause that have not ended, of all users or of some."""
    condition, parameters = "", [cause]
    if users is not None:
        subquery, parameter = tx.numbers(users)
        condition = f"AND s.user_key IN {subquery} "
        parameters.append(parameter)  # type: ignore[arg-type]  # whatever the driver wants
    return [
        Suspension(*row)
        for row in tx.rows(
            f"SELECT {_COLUMNS} FROM billing_suspensions s WHERE s.cause = ? "
            f"AND s.resumed_at IS NULL {condition}ORDER BY s.id",
            *parameters,
        )
    ]


def overdue_since(tx: Transaction, until: int) -> list[OverdueInvoice]:
    """Return the invoices that are overdue since an instant or before, and led to nothing yet.

    One that was settled, and is owed again because a payment bounced, can lead to another.
    """
    return [
        OverdueInvoice(*row)
        for row in tx.rows(
            "SELECT i.id, i.invoice_number, i.user_key, i.user_id, "
            "COALESCE(i.overdue_at, i.due_date), (SELECT COUNT(*) FROM billing_suspensions s "
            f"WHERE {_ITS_OWN}) FROM billing_invoices i "
            f"WHERE {_OVERDUE} AND COALESCE(i.overdue_at, i.due_date) <= ? "
            f"AND NOT EXISTS (SELECT 1 FROM billing_suspensions s WHERE {_ITS_OWN} "
            "AND (s.resumed_at IS NULL OR s.resume_reason <> ?)) ORDER BY i.id",
            until,
            until,
            SETTLED,
        )
    ]


def who_owes(tx: Transaction, users: Sequence[int], now: int) -> set[int]:
    """Return those of some users of whom an invoice is overdue."""
    subquery, parameter = tx.numbers(users)
    return {
        row[0]
        for row in tx.rows(
            "SELECT DISTINCT i.user_key FROM billing_invoices i "
            f"WHERE i.user_key IN {subquery} AND {_OVERDUE}",
            parameter,
            now,
        )
    }
