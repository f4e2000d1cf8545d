"""Tables of invoicing: invoices, their lines and numbers, and credits."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, Text, text
from sqlmodel import SQLModel

from billing_cli.store.tables.columns import BYTE_ORDERED, CLUSTERED, col, identity, key


class Restatement(SQLModel, table=True):
    """A user's period whose records changed after it was metered: a hint to compare again."""

    __tablename__ = "billing_restatements"
    __table_args__ = (CLUSTERED,)
    user_key: int = key(BigInteger, ForeignKey("billing_users.user_key"))
    period_start: int = key()


class ClosedPeriod(SQLModel, table=True):
    """A period whose finalizing run has passed: what comes later goes on a later invoice."""

    __tablename__ = "billing_closed_periods"
    period_start: int = identity()
    period_end: int = col()
    closed_at: int = col()


class Invoice(SQLModel, table=True):
    """An invoice; ``subtotal + tax - credits = total``, in minor units.

    ``amount_paid`` is what payments and credit notes have settled of the total. ``due_override``
    is the due date that an operator gave a draft, ``overdue_at`` the due moment once it passed.
    ``superseded_by`` on a void invoice names the one that billed its usage again.
    """

    __tablename__ = "billing_invoices"
    __table_args__ = (
        CheckConstraint("subtotal + tax - credits = total", name="billing_invoices_total"),
        CheckConstraint("credits >= 0", name="billing_invoices_credits"),
        CheckConstraint(
            "status IN ('draft', 'sent', 'paid', 'overdue', 'void')", name="billing_invoices_status"
        ),
        CheckConstraint(
            "status IN ('draft', 'void') OR invoice_number IS NOT NULL",
            name="billing_invoices_numbered",
        ),
        CheckConstraint("period_start < period_end", name="billing_invoices_forward"),
        Index("billing_invoices_period", "period_start", "user_key"),
    )
    id: int = identity()
    user_key: int = col(BigInteger, ForeignKey("billing_users.user_key"))
    user_id: str = col(BYTE_ORDERED)
    invoice_number: str | None = col(BYTE_ORDERED, null=True, unique=True)
    kind: str = col(Text)
    period: str = col(Text)
    period_start: int = col()
    period_end: int = col()
    currency: str = col(Text)
    subtotal: int = col()
    tax: int = col()
    credits: int = col()
    total: int = col()
    tax_id: str | None = col(Text, null=True)
    tax_name: str | None = col(Text, null=True)
    tax_percent: str | None = col(Text, null=True)
    status: str = col(Text)
    created_at: int = col()
    sent_at: int | None = col(null=True)
    due_date: int | None = col(null=True)
    paid_at: int | None = col(null=True)
    voided_at: int | None = col(null=True)
    void_reason: str | None = col(Text, null=True)
    written_off: int = col(SmallInteger)
    superseded_by: int | None = col(BigInteger, ForeignKey("billing_invoices.id"), null=True)
    amount_paid: int = col()
    overdue_at: int | None = col(null=True)
    memo: str | None = col(Text, null=True)
    due_override: int | None = col(null=True)


class InvoiceLine(SQLModel, table=True):
    """A line; frozen with its invoice.

    ``unit_*`` name what the line is about: the regular period that starts at ``unit_start``, or
    with ``unit_invoice`` the custom range that this invoice claimed. ``item`` says what it bills
    (see :mod:`billing_cli.pricing.rating`) and ``parts`` how much exactly, as JSON pairs of
    seconds and base units, so that a correction can subtract it.
    """

    __tablename__ = "billing_invoice_lines"
    __table_args__ = (
        Index("billing_invoice_lines_unit", "user_key", "unit_start"),
        CLUSTERED,
    )
    invoice_id: int = key(BigInteger, ForeignKey("billing_invoices.id"))
    position: int = key()
    user_key: int = col()
    kind: str = col(Text)
    description: str = col(Text)
    item: str | None = col(BYTE_ORDERED, null=True)
    resource_type: str | None = col(Text, null=True)
    quantity: str | None = col(Text, null=True)
    unit_price: str | None = col(Text, null=True)
    parts: str | None = col(Text, null=True)
    unit_start: int = col()
    unit_end: int = col()
    unit_invoice: int | None = col(null=True)
    amount: int = col()


class Claim(SQLModel, table=True):
    """A range of a user's time that a custom invoice took from the regular ones."""

    __tablename__ = "billing_claims"
    __table_args__ = (
        CheckConstraint("start_second < end_second", name="billing_claims_forward"),
        Index("billing_claims_invoice", "invoice_id"),
        CLUSTERED,
    )
    user_key: int = key(BigInteger, ForeignKey("billing_users.user_key"))
    start_second: int = key()
    invoice_id: int = key(BigInteger, ForeignKey("billing_invoices.id"))
    end_second: int = col()


class Counter(SQLModel, table=True):
    """The last number given out in a gap-free series, such as ``INV-2025``."""

    __tablename__ = "billing_counters"
    name: str = key(Text)
    value: int = col()


def _granting(source: str) -> Index:
    """Return the index by which is found what payments or notes granted: most granted nothing."""
    known = text(f"source_{source} IS NOT NULL")
    return Index(
        f"billing_credits_{source}",
        f"source_{source}",
        sqlite_where=known,
        postgresql_where=known,
    )


class Credit(SQLModel, table=True):
    """A grant: ``amount = used + remaining + expired + voided``, always."""

    __tablename__ = "billing_credits"
    __table_args__ = (
        CheckConstraint("amount > 0", name="billing_credits_amount"),
        CheckConstraint("voided >= 0 AND voided <= amount", name="billing_credits_voided"),
        Index("billing_credits_user", "user_key"),
        Index("billing_credits_source", "source_invoice"),
        _granting("payment"),
        _granting("note"),
    )
    id: int = identity()
    user_key: int = col(BigInteger, ForeignKey("billing_users.user_key"))
    user_id: str = col(BYTE_ORDERED)
    amount: int = col()
    voided: int = col()
    currency: str = col(Text)
    reason: str = col(Text)
    created_at: int = col()
    expires_at: int | None = col(null=True)
    source_invoice: int | None = col(BigInteger, ForeignKey("billing_invoices.id"), null=True)
    source_payment: int | None = col(BigInteger, ForeignKey("billing_payments.id"), null=True)
    source_note: int | None = col(BigInteger, ForeignKey("billing_credit_notes.id"), null=True)
    voided_at: int | None = col(null=True)
    void_reason: str | None = col(Text, null=True)


class CreditUse(SQLModel, table=True):
    """How much of a grant an invoice used; ``reversed_at`` is set when that invoice is voided."""

    __tablename__ = "billing_credit_uses"
    __table_args__ = (
        CheckConstraint("amount > 0", name="billing_credit_uses_amount"),
        Index("billing_credit_uses_invoice", "invoice_id"),
        CLUSTERED,
    )
    credit_id: int = key(BigInteger, ForeignKey("billing_credits.id"))
    invoice_id: int = key(BigInteger, ForeignKey("billing_invoices.id"))
    amount: int = col()
    used_at: int = col()
    reversed_at: int | None = col(null=True)
