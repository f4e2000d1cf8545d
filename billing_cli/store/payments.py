"""Payments: what came in, which invoices got it, and what was given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.store.names import id_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.store.unit_of_work import Transaction

SUCCEEDED, FAILED, REVERSED, UNMATCHED = "succeeded", "failed", "reversed", "unmatched"
STATUSES = (SUCCEEDED, FAILED, REVERSED, UNMATCHED)


class PaymentRow(NamedTuple):
    """A row of ``billing_payments``; amounts in minor units."""

    id: int
    user_key: int | None
    user_id: str | None
    invoice_id: int | None
    amount: int
    refunded: int
    currency: str
    status: str
    method: str
    reference: str | None
    external_id: str | None
    reason: str | None
    received_at: int
    created_at: int
    reversed_at: int | None = None
    stripe_payment_intent_id: str | None = None
    failure_code: str | None = None


class Listed(NamedTuple):
    """A payment, and where it went: the invoice it was for, to invoices, and to credits."""

    payment: PaymentRow
    invoice_number: str | None
    allocated: int
    credited: int


class Allocation(NamedTuple):
    """What an invoice got of a payment.

    ``noted`` is how much of it was given back by credit notes that are not void.
    """

    payment_id: int
    invoice_id: int
    invoice_number: str | None
    amount: int
    allocated_at: int
    released_at: int | None
    noted: int

    @property
    def held(self) -> int:
        """How much of the payment's money the invoice still has."""
        return 0 if self.released_at is not None else self.amount - self.noted


class RefundRow(NamedTuple):
    """A row of ``billing_refunds``, with the number of its credit note."""

    id: int
    payment_id: int
    credit_note_id: int | None
    credit_note: str | None
    amount: int
    reason: str
    refunded_at: int


class Selection(NamedTuple):
    """Which payments to list; None is any."""

    user_key: int | None = None
    status: str | None = None
    invoice_id: int | None = None


_ALL = ", ".join(f"p.{name}" for name in PaymentRow._fields)
_CREDITED = (
    "CAST(COALESCE((SELECT SUM(c.amount - c.voided) FROM billing_credits c "
    "WHERE c.source_payment = p.id), 0) AS BIGINT)"
)
_ALLOCATED = (
    "CAST(COALESCE((SELECT SUM(a.amount) FROM billing_payment_allocations a "
    "WHERE a.payment_id = p.id AND a.released_at IS NULL), 0) AS BIGINT)"
)
_ALLOCATIONS = (
    "SELECT a.payment_id, a.invoice_id, i.invoice_number, a.amount, a.allocated_at, "
    "a.released_at, CAST(COALESCE((SELECT SUM(r.amount) FROM billing_refunds r "
    "JOIN billing_credit_notes n ON n.id = r.credit_note_id AND n.voided_at IS NULL "
    "WHERE r.payment_id = a.payment_id AND n.invoice_id = a.invoice_id), 0) AS BIGINT) "
    "FROM billing_payment_allocations a JOIN billing_invoices i ON i.id = a.invoice_id "
)


def next_id(tx: Transaction) -> int:
    """Return the id for a new payment."""
    value: int = tx.value("SELECT COALESCE(MAX(id), 0) + 1 FROM billing_payments")
    return value


def insert(tx: Transaction, payment: PaymentRow) -> None:
    """Add a payment."""
    tx.insert("billing_payments", PaymentRow._fields, [payment])


def rewrite(tx: Transaction, payment: PaymentRow) -> None:
    """Write all columns of a payment."""
    names = PaymentRow._fields[1:]
    tx.execute(
        f"UPDATE billing_payments SET {', '.join(f'{name} = ?' for name in names)} WHERE id = ?",
        *payment[1:],
        payment.id,
    )


def find(tx: Transaction, payment_id: int) -> PaymentRow | None:
    """Find a payment by its id."""
    if id_named(payment_id) is None:
        return None
    row = tx.row(f"SELECT {_ALL} FROM billing_payments p WHERE p.id = ?", payment_id)
    return None if row is None else PaymentRow(*row)


def by_intent(tx: Transaction, intent: str) -> PaymentRow | None:
    """Find a payment by its payment intent at Stripe."""
    row = tx.row(
        f"SELECT {_ALL} FROM billing_payments p WHERE p.stripe_payment_intent_id = ?", intent
    )
    return None if row is None else PaymentRow(*row)


def by_external_ids(tx: Transaction, ids: Sequence[str]) -> dict[str, PaymentRow]:
    """Return the payments that are there already, by the bank's name for them."""
    subquery, parameter = tx.texts(ids)
    found = (
        PaymentRow(*row)
        for row in tx.rows(
            f"SELECT {_ALL} FROM billing_payments p WHERE p.external_id IN {subquery}", parameter
        )
    )
    return {row.external_id: row for row in found if row.external_id is not None}


def listed(tx: Transaction, selection: Selection) -> Iterator[Listed]:
    """Yield the payments of a selection, in the order in which they were recorded."""
    conditions, parameters = ["1 = 1"], list[object]()
    if selection.user_key is not None:
        conditions.append("p.user_key = ?")
        parameters.append(selection.user_key)
    if selection.status is not None:
        conditions.append("p.status = ?")
        parameters.append(selection.status)
    if selection.invoice_id is not None:
        conditions.append(
            "(p.invoice_id = ? OR EXISTS (SELECT 1 FROM billing_payment_allocations a "
            "WHERE a.payment_id = p.id AND a.invoice_id = ?))"
        )
        parameters += [selection.invoice_id] * 2
    return (
        Listed(PaymentRow(*row[:-3]), *row[-3:])
        for row in tx.stream(
            f"SELECT {_ALL}, i.invoice_number, {_ALLOCATED}, {_CREDITED} FROM billing_payments p "
            "LEFT JOIN billing_invoices i ON i.id = p.invoice_id "
            f"WHERE {' AND '.join(conditions)} ORDER BY p.id",
            *parameters,
        )
    )


def read(tx: Transaction, payment_id: int) -> Listed:
    """Return a payment that is there, and where it went."""
    row = tx.row(
        f"SELECT {_ALL}, i.invoice_number, {_ALLOCATED}, {_CREDITED} FROM billing_payments p "
        "LEFT JOIN billing_invoices i ON i.id = p.invoice_id WHERE p.id = ?",
        payment_id,
    )
    if row is None:
        raise LookupError(payment_id)
    return Listed(PaymentRow(*row[:-3]), *row[-3:])


def allocate(tx: Transaction, payment_id: int, shares: Iterable[tuple[int, int]], at: int) -> None:
    """Record ``(invoice id, amount)`` of a payment."""
    tx.insert(
        "billing_payment_allocations",
        ("payment_id", "invoice_id", "amount", "allocated_at"),
        ((payment_id, invoice, amount, at) for invoice, amount in shares),
    )


def allocations_of(tx: Transaction, payment_id: int) -> list[Allocation]:
    """Return what invoices got of a payment, released ones too, in the order they got it."""
    return [
        Allocation(*row)
        for row in tx.rows(
            f"{_ALLOCATIONS}WHERE a.payment_id = ? ORDER BY a.allocated_at, a.invoice_id",
            payment_id,
        )
    ]


def allocations_to(tx: Transaction, invoice_id: int) -> list[Allocation]:
    """Return what an invoice got of payments, released ones too, in the order it got it."""
    return [
        Allocation(*row)
        for row in tx.rows(
            f"{_ALLOCATIONS}WHERE a.invoice_id = ? ORDER BY a.allocated_at, a.payment_id",
            invoice_id,
        )
    ]


def release(tx: Transaction, allocation: Allocation, amount: int, at: int) -> None:
    """Take an amount of an allocation back; nothing stays of one that is taken back whole."""
    if amount == allocation.amount:
        tx.execute(
            "UPDATE billing_payment_allocations SET released_at = ? "
            "WHERE payment_id = ? AND invoice_id = ?",
            at,
            allocation.payment_id,
            allocation.invoice_id,
        )
    else:
        tx.execute(
            "UPDATE billing_payment_allocations SET amount = amount - ? "
            "WHERE payment_id = ? AND invoice_id = ?",
            amount,
            allocation.payment_id,
            allocation.invoice_id,
        )


def refund(tx: Transaction, given: RefundRow) -> None:
    """Record money given back."""
    tx.insert(
        "billing_refunds",
        ("id", "payment_id", "credit_note_id", "amount", "reason", "refunded_at"),
        [
            (
                given.id,
                given.payment_id,
                given.credit_note_id,
                given.amount,
                given.reason,
                given.refunded_at,
            )
        ],
    )
    tx.execute(
        "UPDATE billing_payments SET refunded = refunded + ? WHERE id = ?",
        given.amount,
        given.payment_id,
    )


def next_refund_id(tx: Transaction) -> int:
    """Return the id for a new refund."""
    value: int = tx.value("SELECT COALESCE(MAX(id), 0) + 1 FROM billing_refunds")
    return value


def refunds_of(tx: Transaction, payment_id: int) -> list[RefundRow]:
    """Return what was given back of a payment, in that order."""
    return [
        RefundRow(*row)
        for row in tx.rows(
            "SELECT r.id, r.payment_id, r.credit_note_id, n.number, r.amount, r.reason, "
            "r.refunded_at FROM billing_refunds r "
            "LEFT JOIN billing_credit_notes n ON n.id = r.credit_note_id "
            "WHERE r.payment_id = ? ORDER BY r.id",
            payment_id,
        )
    ]


def open_invoices(tx: Transaction, user_key: int) -> list[int]:
    """Return the ids of a user's invoices on which something is owed, the oldest due first.

    What Stripe collects by itself has no due date: it is due when it is sent.
    """
    return [
        row[0]
        for row in tx.rows(
            "SELECT id FROM billing_invoices WHERE user_key = ? "
            "AND status IN ('sent', 'overdue') ORDER BY COALESCE(due_date, sent_at), sent_at, id",
            user_key,
        )
    ]


def series(tx: Transaction) -> list[str]:
    """Return the beginnings of the invoice numbers given out so far, such as ``INV-2025``."""
    return [row[0] for row in tx.rows("SELECT name FROM billing_counters ORDER BY name")]
