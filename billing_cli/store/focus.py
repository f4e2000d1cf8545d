"""Charges of invoices and credit notes, for FOCUS."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from billing_cli.pricing.focus import Document, Invoice, Line, Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_cli.store.reports import Span
    from billing_cli.store.unit_of_work import Transaction


_DOCUMENT = "i.user_id, u.name, i.currency, i.period_start, i.period_end"


def invoices(tx: Transaction, only: str, span: Span) -> Iterator[Invoice]:
    """Yield the invoices of a span, by period and in byte order of the users."""
    condition, parameters = _of("i.sent_at", span)
    found = tx.stream(
        f"SELECT i.id, i.invoice_number, {_DOCUMENT}, i.tax, i.tax_name, i.credits, l.kind, "
        "l.description, l.item, l.quantity, l.unit_price, l.unit_start, l.unit_end, l.amount "
        "FROM billing_invoices i JOIN billing_users u ON u.user_key = i.user_key "
        "LEFT JOIN billing_invoice_lines l ON l.invoice_id = i.id "
        f"WHERE i.status NOT IN ('draft', 'void') AND {condition} "
        f"AND {only.format('i.user_key')} "
        "ORDER BY i.period_start, i.period_end, i.user_id, i.id, l.position",
        *parameters,
    )
    for head, group in groupby(found, key=lambda row: row[:10]):
        lines = [Line(*row[10:]) for row in group if row[10] is not None]
        yield Invoice(Document(*head[1:7]), lines, *head[7:])


def notes(tx: Transaction, only: str, span: Span) -> Iterator[Note]:
    """Yield the credit notes of a span, in the order they were made."""
    condition, parameters = _of("n.created_at", span)
    for number, *document, invoice, reason, net, tax in tx.stream(
        f"SELECT n.number, {_DOCUMENT}, i.invoice_number, n.reason, n.net, n.tax "
        "FROM billing_credit_notes n JOIN billing_invoices i ON i.id = n.invoice_id "
        "JOIN billing_users u ON u.user_key = i.user_key "
        f"WHERE n.voided_at IS NULL AND {condition} AND {only.format('n.user_key')} ORDER BY n.id",
        *parameters,
    ):
        yield Note(Document._make((number, *document, invoice)), reason, net, tax)


def _of(column: str, span: Span) -> tuple[str, list[object]]:
    condition = f"{column} >= ? AND {column} < ?"
    if span.period is None:
        return condition, [span.start, span.stop]
    return f"{condition} AND i.period = ?", [span.start, span.stop, span.period]
