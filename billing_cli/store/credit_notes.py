"""Credit notes: what was taken back of invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.store.names import can_be_stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_cli.store.unit_of_work import Transaction


class NoteRow(NamedTuple):
    """A row of ``billing_credit_notes``; amounts in minor units."""

    id: int
    number: str
    invoice_id: int
    user_key: int
    user_id: str
    currency: str
    net: int
    tax: int
    amount: int
    applied: int
    credited: int
    refunded: int
    line: int | None
    reason: str
    created_at: int
    voided_at: int | None = None


def next_id(tx: Transaction) -> int:
    """Return the id for a new credit note."""
    value: int = tx.value("SELECT COALESCE(MAX(id), 0) + 1 FROM billing_credit_notes")
    return value


def insert(tx: Transaction, note: NoteRow) -> None:
    """Add a credit note."""
    tx.insert("billing_credit_notes", NoteRow._fields, [note])


def of_invoice(tx: Transaction, invoice_id: int) -> list[NoteRow]:
    """Return the credit notes of an invoice, void ones too, in the order they were made."""
    return list(_rows(tx, "WHERE invoice_id = ? ", invoice_id))


def find(tx: Transaction, number: str) -> NoteRow | None:
    """Find a credit note by its number."""
    if not can_be_stored(number):
        return None
    return next(_rows(tx, "WHERE number = ? ", number), None)


def void_all(tx: Transaction, invoice_id: int, at: int) -> None:
    """Void the credit notes of an invoice."""
    tx.execute(
        "UPDATE billing_credit_notes SET voided_at = ? WHERE invoice_id = ? AND voided_at IS NULL",
        at,
        invoice_id,
    )


def _rows(tx: Transaction, condition: str, *parameters: object) -> Iterator[NoteRow]:
    return (
        NoteRow(*row)
        for row in tx.rows(
            f"SELECT {', '.join(NoteRow._fields)} FROM billing_credit_notes {condition}ORDER BY id",
            *parameters,
        )
    )
