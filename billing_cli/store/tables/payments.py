"""Tables of what is received and given back: payments, refunds and credit notes."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text
from sqlmodel import SQLModel

from billing_cli.store.tables.columns import BYTE_ORDERED, CLUSTERED, col, identity, key


class ManualLine(SQLModel, table=True):
    """A line that an operator put on a draft; it stays when the draft is refreshed."""

    __tablename__ = "billing_manual_lines"
    __table_args__ = (Index("billing_manual_lines_invoice", "invoice_id"),)
    id: int = identity()
    invoice_id: int = col(BigInteger, ForeignKey("billing_invoices.id"))
    description: str = col(Text)
    amount: int = col()


class Payment(SQLModel, table=True):
    """Money that came in, or should have; ``amount`` in minor units.

    Where it went is in its allocations; what was more than was owed became a credit. ``user_key``
    is empty while an imported payment matches nothing. ``external_id`` is the bank's own name for
    the transaction, or what stands in for it, so that a file read twice is one payment.
    """

    __tablename__ = "billing_payments"
    __table_args__ = (
        CheckConstraint("amount > 0", name="billing_payments_amount"),
        CheckConstraint("refunded >= 0 AND refunded <= amount", name="billing_payments_refunded"),
        CheckConstraint(
            "status IN ('succeeded', 'failed', 'reversed', 'unmatched')",
            name="billing_payments_status",
        ),
        CheckConstraint(
            "status = 'unmatched' OR user_key IS NOT NULL", name="billing_payments_user"
        ),
        Index("billing_payments_by_user", "user_key"),
    )
    id: int = identity()
    user_key: int | None = col(BigInteger, ForeignKey("billing_users.user_key"), null=True)
    user_id: str | None = col(BYTE_ORDERED, null=True)
    invoice_id: int | None = col(BigInteger, ForeignKey("billing_invoices.id"), null=True)
    amount: int = col()
    refunded: int = col()
    currency: str = col(Text)
    status: str = col(Text)
    method: str = col(Text)
    reference: str | None = col(Text, null=True)
    external_id: str | None = col(BYTE_ORDERED, null=True, unique=True)
    stripe_payment_intent_id: str | None = col(BYTE_ORDERED, null=True, unique=True)
    failure_code: str | None = col(Text, null=True)
    reason: str | None = col(Text, null=True)
    received_at: int = col()
    created_at: int = col()
    reversed_at: int | None = col(null=True)


class PaymentAllocation(SQLModel, table=True):
    """How much of a payment an invoice got; ``released_at`` is set when that is undone."""

    __tablename__ = "billing_payment_allocations"
    __table_args__ = (
        CheckConstraint("amount > 0", name="billing_payment_allocations_amount"),
        Index("billing_payment_allocations_invoice", "invoice_id"),
        CLUSTERED,
    )
    payment_id: int = key(BigInteger, ForeignKey("billing_payments.id"))
    invoice_id: int = key(BigInteger, ForeignKey("billing_invoices.id"))
    amount: int = col()
    allocated_at: int = col()
    released_at: int | None = col(null=True)


class CreditNote(SQLModel, table=True):
    """A document that takes back a part of an invoice: ``net + tax = amount``.

    ``applied`` was set against what was still owed, ``credited`` became a credit, ``refunded``
    was given back as money: together they are the amount.
    """

    __tablename__ = "billing_credit_notes"
    __table_args__ = (
        CheckConstraint("amount > 0 AND net + tax = amount", name="billing_credit_notes_amount"),
        CheckConstraint(
            "applied + credited + refunded = amount", name="billing_credit_notes_parts"
        ),
        Index("billing_credit_notes_invoice", "invoice_id"),
    )
    id: int = identity()
    number: str = col(BYTE_ORDERED, unique=True)
    invoice_id: int = col(BigInteger, ForeignKey("billing_invoices.id"))
    user_key: int = col(BigInteger, ForeignKey("billing_users.user_key"))
    user_id: str = col(BYTE_ORDERED)
    currency: str = col(Text)
    net: int = col()
    tax: int = col()
    amount: int = col()
    applied: int = col()
    credited: int = col()
    refunded: int = col()
    line: int | None = col(null=True)
    reason: str = col(Text)
    created_at: int = col()
    voided_at: int | None = col(null=True)


class Refund(SQLModel, table=True):
    """Money of a payment that was given back, and the credit note that says for what."""

    __tablename__ = "billing_refunds"
    __table_args__ = (
        CheckConstraint("amount > 0", name="billing_refunds_amount"),
        Index("billing_refunds_payment", "payment_id"),
    )
    id: int = identity()
    payment_id: int = col(BigInteger, ForeignKey("billing_payments.id"))
    credit_note_id: int | None = col(BigInteger, ForeignKey("billing_credit_notes.id"), null=True)
    amount: int = col()
    reason: str = col(Text)
    refunded_at: int = col()
