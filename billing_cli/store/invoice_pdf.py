"""What documents say of invoices and credit notes: everything about some of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.store.credit_notes import NoteRow
from billing_cli.store.invoice_rows import LineRow
from billing_cli.store.users import UserRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.store.invoices import Selection
    from billing_cli.store.unit_of_work import Transaction


class PaidRow(NamedTuple):
    """What an invoice has of a payment, in minor units."""

    invoice_id: int
    amount: int
    method: str
    reference: str | None
    received_at: int


def final_ids(tx: Transaction, selection: Selection) -> list[int]:
    """Return the ids of a selection's invoices that are neither drafts nor void.

    They are in the order of the list: by period, then in byte order of the users.
    """
    conditions, parameters = ["status IN ('sent', 'paid', 'overdue')"], list[object]()
    if selection.period is not None:
        conditions.append("period = ?")
        parameters.append(selection.period)
    if selection.users is not None:
        subquery, parameter = tx.texts(selection.users)
        conditions.append(f"user_id IN {subquery}")
        parameters.append(parameter)
    return [
        row[0]
        for row in tx.rows(
            f"SELECT id FROM billing_invoices WHERE {' AND '.join(conditions)} "
            "ORDER BY period_start, period_end, user_id, id",
            *parameters,
        )
    ]


def lines(tx: Transaction, invoice_ids: Sequence[int]) -> list[LineRow]:
    """Return the lines of invoices, those of each in their order."""
    subquery, parameter = tx.numbers(invoice_ids)
    return [
        LineRow(*row)
        for row in tx.rows(
            f"SELECT {', '.join(LineRow._fields)} FROM billing_invoice_lines "
            f"WHERE invoice_id IN {subquery} ORDER BY invoice_id, position",
            parameter,
        )
    ]


def payments(tx: Transaction, invoice_ids: Sequence[int]) -> list[PaidRow]:
    """Return what invoices have of payments, in the order in which the money came in."""
    subquery, parameter = tx.numbers(invoice_ids)
    return [
        PaidRow(*row)
        for row in tx.rows(
            "SELECT a.invoice_id, a.amount, p.method, p.reference, p.received_at "
            "FROM billing_payment_allocations a JOIN billing_payments p ON p.id = a.payment_id "
            f"WHERE a.released_at IS NULL AND a.invoice_id IN {subquery} "
            "ORDER BY a.invoice_id, p.received_at, p.id",
            parameter,
        )
    ]


def notes(tx: Transaction, invoice_ids: Sequence[int]) -> list[NoteRow]:
    """Return the credit notes of invoices that are not void, in the order they were made."""
    subquery, parameter = tx.numbers(invoice_ids)
    return [
        NoteRow(*row)
        for row in tx.rows(
            f"SELECT {', '.join(NoteRow._fields)} FROM billing_credit_notes "
            f"WHERE voided_at IS NULL AND invoice_id IN {subquery} ORDER BY id",
            parameter,
        )
    ]


def users(tx: Transaction, user_keys: Sequence[int]) -> dict[int, UserRow]:
    """Return users by their keys."""
    subquery, parameter = tx.numbers(user_keys)
    return {
        row[0]: UserRow(*row)
        for row in tx.rows(
            f"SELECT {', '.join(UserRow._fields)} FROM billing_users WHERE user_key IN {subquery}",
            parameter,
        )
    }
