"""Sums over everything, for whoever watches from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from billing_cli.store.unit_of_work import Transaction


class InvoiceSum(NamedTuple):
    """The invoices of a state and currency; amounts in minor units."""

    status: str
    currency: str
    number: int
    total: int
    owed: int


class PaymentSum(NamedTuple):
    """The payments of a state and currency; amounts in minor units."""

    status: str
    currency: str
    number: int
    amount: int
    refunded: int


def invoice_sums(tx: Transaction) -> list[InvoiceSum]:
    """Return the invoices by state and currency."""
    return [
        InvoiceSum(*row)
        for row in tx.rows(
            "SELECT status, currency, COUNT(*), CAST(SUM(total) AS BIGINT), "
            "CAST(SUM(CASE WHEN status IN ('sent', 'overdue') THEN total - amount_paid ELSE 0 END) "
            "AS BIGINT) FROM billing_invoices GROUP BY status, currency ORDER BY status, currency"
        )
    ]


def payment_sums(tx: Transaction) -> list[PaymentSum]:
    """Return the payments by state and currency."""
    return [
        PaymentSum(*row)
        for row in tx.rows(
            "SELECT status, currency, COUNT(*), CAST(SUM(amount) AS BIGINT), "
            "CAST(SUM(refunded) AS BIGINT) FROM billing_payments "
            "GROUP BY status, currency ORDER BY status, currency"
        )
    ]


def credits_remaining(tx: Transaction, now: int) -> list[tuple[str, int]]:
    """Return what is left of credits that have not expired, by currency, in minor units."""
    return [
        (currency, amount)
        for currency, amount in tx.rows(
            "SELECT c.currency, CAST(SUM(c.amount - c.voided - COALESCE("
            "(SELECT SUM(u.amount) FROM billing_credit_uses u "
            "WHERE u.credit_id = c.id AND u.reversed_at IS NULL), 0)) AS BIGINT) "
            "FROM billing_credits c WHERE c.expires_at IS NULL OR c.expires_at > ? "
            "GROUP BY c.currency ORDER BY c.currency",
            now,
        )
    ]


def sessions_at(tx: Transaction, now: int) -> list[tuple[str, int]]:
    """Return how many sessions are in each state at an instant."""
    return [
        (state, count)
        for state, count in tx.rows(
            "SELECT state, COUNT(*) FROM billing_segments "
            "WHERE start_second <= ? AND end_second > ? GROUP BY state ORDER BY state",
            now,
            now,
        )
    ]


def suspended_users(tx: Transaction, now: int) -> int:
    """Return how many users are suspended at an instant."""
    count: int = tx.value(
        "SELECT COUNT(DISTINCT user_key) FROM billing_suspensions "
        "WHERE suspended_at <= ? AND (resumed_at IS NULL OR resumed_at > ?)",
        now,
        now,
    )
    return count


def users(tx: Transaction) -> int:
    """Return how many users there are."""
    count: int = tx.value("SELECT COUNT(*) FROM billing_users")
    return count


def rejected_lines(tx: Transaction) -> int:
    """Return how many lines are kept that were rejected."""
    count: int = tx.value("SELECT COUNT(*) FROM billing_rejected_lines")
    return count


def newest_event(tx: Transaction) -> int | None:
    """Return when the newest event that came in was received, None where there is none."""
    # Numbers are given out in the order of arrival.
    received: int | None = tx.value(
        "SELECT received_at FROM billing_session_events "
        "WHERE seq = (SELECT MAX(seq) FROM billing_session_events)"
    )
    return received
