"""Checks that a sound database passes: integrity, references, and totals that must agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from billing_cli.store.payment_audit import PAYMENTS, Agreement

if TYPE_CHECKING:
    from billing_cli.store.unit_of_work import Transaction

_LIMIT = 20
_NUMBERED: Final = (
    ("billing_invoices", "invoice_number"),
    ("billing_credit_notes", "number"),
)


_AGREEMENTS = (
    Agreement(
        name="invoice totals",
        text="invoice {0} does not add up",
        sql="SELECT id FROM billing_invoices WHERE subtotal + tax - credits <> total "
        "OR (status <> 'void' AND total < 0)",
    ),
    Agreement(
        name="invoice lines",
        text="the lines of invoice {0} do not add up to its subtotal",
        sql="SELECT i.id FROM billing_invoices i "
        "LEFT JOIN billing_invoice_lines l ON l.invoice_id = i.id "
        "GROUP BY i.id, i.subtotal HAVING i.subtotal <> COALESCE(SUM(l.amount), 0)",
    ),
    Agreement(
        name="invoice credits",
        text="invoice {0} does not use the credits it says",
        sql="SELECT i.id FROM billing_invoices i "
        "LEFT JOIN billing_credit_uses u ON u.invoice_id = i.id "
        "AND (u.reversed_at IS NULL OR i.status = 'void') "
        "GROUP BY i.id, i.credits HAVING i.credits <> COALESCE(SUM(u.amount), 0)",
    ),
    Agreement(
        name="credits",
        text="credit {0} is used beyond its amount",
        sql="SELECT c.id FROM billing_credits c "
        "LEFT JOIN billing_credit_uses u ON u.credit_id = c.id AND u.reversed_at IS NULL "
        "GROUP BY c.id, c.amount, c.voided HAVING COALESCE(SUM(u.amount), 0) + c.voided > c.amount",
    ),
    Agreement(
        name="credit uses",
        text="a credit is used by invoice {0}, which is not final",
        sql="SELECT DISTINCT u.invoice_id FROM billing_credit_uses u "
        "JOIN billing_invoices i ON i.id = u.invoice_id "
        "WHERE u.reversed_at IS NULL AND i.status IN ('draft', 'void')",
    ),
    *PAYMENTS,
    Agreement(
        name="usage records",
        text="a record of session {0} is longer than an hour, or of another user",
        sql="SELECT s.session_id FROM billing_usage_records r "
        "JOIN billing_sessions s ON s.session_key = r.session_key "
        "WHERE r.end_time - r.start_time > 3600 OR r.user_key <> COALESCE(s.user_key, -1)",
    ),
    Agreement(
        name="segments",
        text="segments of session {0} overlap",
        sql="SELECT s.session_id FROM billing_segments a "
        "JOIN billing_segments b ON b.session_key = a.session_key "
        "AND b.start_second > a.start_second AND b.start_second < a.end_second "
        "JOIN billing_sessions s ON s.session_key = a.session_key",
    ),
)


def run(tx: Transaction) -> list[tuple[str, list[str]]]:
    """Return each check's name and what it found."""
    found = [] if tx.is_postgres else _sqlite(tx)
    found.append(("invoice numbers", _number_gaps(tx)))
    found += [
        (one.name, [one.text.format(row[0]) for row in tx.rows(f"{one.sql} LIMIT {_LIMIT}")])
        for one in _AGREEMENTS
    ]
    return found


def _sqlite(tx: Transaction) -> list[tuple[str, list[str]]]:
    integrity = [str(row[0]) for row in tx.rows(f"PRAGMA integrity_check({_LIMIT})")]
    broken = [
        f"{row[0]} row {row[1]} refers to nothing" for row in tx.rows("PRAGMA foreign_key_check")
    ]
    return [
        ("integrity", [] if integrity == ["ok"] else integrity),
        ("foreign keys", broken[:_LIMIT]),
    ]


def _number_gaps(tx: Transaction) -> list[str]:
    """Find series that have another count of numbers than the last one says."""
    problems = []
    for series, last in tx.rows("SELECT name, value FROM billing_counters ORDER BY name"):
        # Credit notes have a series of their own, unless invoices begin with CN, too.
        count = sum(
            tx.value(
                f"SELECT COUNT(*) FROM {table} WHERE SUBSTR({column}, 1, ?) = ?",
                len(series) + 1,
                f"{series}-",
            )
            for table, column in _NUMBERED
        )
        if count != last:
            problems.append(f"series {series} has {count} numbers, its last is {last}")
    return problems
