"""What happens to invoices once they are final."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.store.invoice_rows import COLUMNS, InvoiceRow

if TYPE_CHECKING:
    from billing_cli.store.unit_of_work import Transaction


def mark_overdue(tx: Transaction, now: int) -> list[InvoiceRow]:
    """Mark each sent invoice whose due moment has come as overdue since then; return them."""
    rows = [
        InvoiceRow(*row)
        for row in tx.rows(
            f"SELECT {', '.join(COLUMNS)} FROM billing_invoices "
            "WHERE status = 'sent' AND due_date <= ? ORDER BY due_date, id",
            now,
        )
    ]
    if rows:
        tx.execute(
            "UPDATE billing_invoices SET status = 'overdue', overdue_at = due_date "
            "WHERE status = 'sent' AND due_date <= ?",
            now,
        )
    return [row._replace(status="overdue", overdue_at=row.due_date) for row in rows]


def past_due_count(tx: Transaction, now: int) -> int:
    """Return how many sent invoices are past their due moment and not marked as overdue."""
    count: int = tx.value(
        "SELECT COUNT(*) FROM billing_invoices WHERE status = 'sent' AND due_date <= ?", now
    )
    return count


def stale_draft_count(tx: Transaction, now: int) -> int:
    """Return how many drafts are of periods that have ended."""
    count: int = tx.value(
        "SELECT COUNT(*) FROM billing_invoices WHERE status = 'draft' AND period_end <= ?", now
    )
    return count
