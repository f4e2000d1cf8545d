"""The schema, as SQLModel tables. Queries are SQL in the files beside this one.

Amounts are minor units, quantities base units (millicore-seconds, MiB-seconds) and times epoch
seconds, all in 64-bit integers, the one exact number both databases share. Prices and shown
quantities are decimal text. What the plugin's tables called ``id``, ``unit`` and ``total_cost``
on a usage record follows from the rest and is worked out on reading.

Importing this module is slow (SQLModel, pydantic): only migrations and checks of the schema do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

# Byte order on both databases: SQLite's own default, and what PostgreSQL calls "C".
BYTE_ORDERED = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite numbers rows by itself only for a key declared exactly INTEGER.
ROWID = BigInteger().with_variant(Integer(), "sqlite")
CLUSTERED = {"sqlite_with_rowid": False}


def _key(kind: type[TypeEngine[Any]] | TypeEngine[Any] = BigInteger, *parts: Any) -> Any:
    return Field(sa_column=Column(kind, *parts, primary_key=True, autoincrement=False))


def _id(*parts: Any) -> Any:
    return Field(sa_column=Column(ROWID, *parts, primary_key=True, autoincrement=False))


def _col(
    kind: type[TypeEngine[Any]] | TypeEngine[Any] = BigInteger,
    *parts: Any,
    null: bool = False,
    **more: Any,
) -> Any:
    return Field(sa_column=Column(kind, *parts, nullable=null, **more))


class State(SQLModel, table=True):
    """How far a job has come: ``metered_until`` and ``rewrites``."""

    __tablename__ = "billing_state"
    name: str = _key(Text)
    value: int = _col()


class SettingsVersion(SQLModel, table=True):
    """The settings that decide money, and since when; the first holds from the beginning."""

    __tablename__ = "billing_settings_versions"
    id: int = _id()
    effective_from: int | None = _col(null=True)
    recorded_at: int = _col()
    document: str = _col(Text)


class User(SQLModel, table=True):
    """A user, by a number that other tables use in place of the name."""

    __tablename__ = "billing_users"
    user_key: int = _id()
    user_id: str = _col(BYTE_ORDERED, unique=True)


class EventOrigin(SQLModel, table=True):
    """The namespace of event ids: a form, or the source of CloudEvents."""

    __tablename__ = "billing_event_origins"
    origin_key: int = _id()
    origin: str = _col(BYTE_ORDERED, unique=True)


class Session(SQLModel, table=True):
    """A compute session, and how far its events are folded into segments.

    ``folded_seq`` is the newest event the timeline knows; ``checkpoint`` lets the next fold go
    on from there (see :mod:`billing_cli.pricing.timelines`).
    """

    __tablename__ = "billing_sessions"
    session_key: int = _id()
    session_id: str = _col(BYTE_ORDERED, unique=True)
    user_key: int | None = _col(BigInteger, ForeignKey("billing_users.user_key"), null=True)
    folded_seq: int = _col()
    checkpoint: str | None = _col(Text, null=True)


class SessionEvent(SQLModel, table=True):
    """A fact as it came in. Append-only; its identity is (origin, id)."""

    __tablename__ = "billing_session_events"
    __table_args__ = (
        UniqueConstraint("origin_key", "event_id", name="billing_session_events_identity"),
        Index("billing_session_events_session", "session_key", "seq"),
    )
    seq: int = Field(sa_column=Column(ROWID, primary_key=True))
    origin_key: int = _col()
    event_id: str = _col(BYTE_ORDERED)
    type: str = _col(Text)
    session_key: int | None = _col(null=True)
    user_key: int | None = _col(null=True)
    at_second: int = _col()
    at_fraction: str = _col(Text)
    state: str | None = _col(Text, null=True)
    cpu_millicores: int | None = _col(null=True)
    memory_mib: int | None = _col(null=True)
    storage_mib: int | None = _col(null=True)
    payload: str = _col(Text)
    received_at: int = _col()


class RejectedLine(SQLModel, table=True):
    """A line that could not be taken, kept whole with the reason."""

    __tablename__ = "billing_rejected_lines"
    __table_args__ = (UniqueConstraint("file", "line", "digest"),)
    id: int = _id()
    file: str = _col(BYTE_ORDERED)
    line: int = _col()
    reason: str = _col(Text)
    raw: bytes = _col(LargeBinary)
    digest: str = _col(BYTE_ORDERED)
    partial: int = _col(SmallInteger)
    rejected_at: int = _col()


class PendingSession(SQLModel, table=True):
    """A session with events its timeline does not know yet."""

    __tablename__ = "billing_pending_sessions"
    session_key: int = _id(ForeignKey("billing_sessions.session_key"))


class Segment(SQLModel, table=True):
    """A stretch of a timeline with constant state and sizes; an open one ends at ``FOREVER``."""

    __tablename__ = "billing_segments"
    __table_args__ = (
        CheckConstraint("start_second < end_second", name="billing_segments_forward"),
        Index("billing_segments_start", "start_second"),
        Index("billing_segments_end", "end_second"),
        CLUSTERED,
    )
    session_key: int = _key(BigInteger, ForeignKey("billing_sessions.session_key"))
    start_second: int = _key()
    end_second: int = _col()
    cpu_millicores: int = _col()
    memory_mib: int = _col()
    storage_mib: int = _col()
    state: str = _col(Text)


class Anomaly(SQLModel, table=True):
    """Events of a session that contradict each other, settled by rule and listed."""

    __tablename__ = "billing_anomalies"
    __table_args__ = (CLUSTERED,)
    session_key: int = _key(BigInteger, ForeignKey("billing_sessions.session_key"))
    ordinal: int = _key()
    kind: str = _col(Text)
    at_second: int = _col()
    event_id: str = _col(Text)
    detail: str = _col(Text)


class Reslice(SQLModel, table=True):
    """A session whose records before ``metered_until`` have to be made again from a moment on."""

    __tablename__ = "billing_reslices"
    session_key: int = _id(ForeignKey("billing_sessions.session_key"))
    from_second: int = _col()


class UsageRecord(SQLModel, table=True):
    """One session, one resource, at most one clock hour; never spans a change of anything.

    No other index than the key: every one would multiply the cost of metering. The columns that
    sums need come first: SQLite reads a row only as far as it has to.
    """

    __tablename__ = "billing_usage_records"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="billing_usage_records_quantity"),
        CheckConstraint("start_time < end_time", name="billing_usage_records_forward"),
        CLUSTERED,
    )
    start_time: int = _key()
    session_key: int = _key()
    resource_type: str = _key(BYTE_ORDERED)
    user_key: int = _col()
    quantity: int = _col()
    unit_price: str = _col(Text)
    month_seconds: int = _col()
    period_start: int = _col()
    end_time: int = _col()
    created_at: int = _col()
    user_id: str = _col(Text)
    session_id: str = _col(Text)


class Restatement(SQLModel, table=True):
    """A user's period whose records changed after it was metered: a hint to compare again."""

    __tablename__ = "billing_restatements"
    __table_args__ = (CLUSTERED,)
    user_key: int = _key(BigInteger, ForeignKey("billing_users.user_key"))
    period_start: int = _key()


class ClosedPeriod(SQLModel, table=True):
    """A period whose finalizing run has passed: what comes later goes on a later invoice."""

    __tablename__ = "billing_closed_periods"
    period_start: int = _id()
    period_end: int = _col()
    closed_at: int = _col()


class Invoice(SQLModel, table=True):
    """An invoice; ``subtotal + tax - credits = total``, in minor units.

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
    id: int = _id()
    user_key: int = _col(BigInteger, ForeignKey("billing_users.user_key"))
    user_id: str = _col(BYTE_ORDERED)
    invoice_number: str | None = _col(BYTE_ORDERED, null=True, unique=True)
    kind: str = _col(Text)
    period: str = _col(Text)
    period_start: int = _col()
    period_end: int = _col()
    currency: str = _col(Text)
    subtotal: int = _col()
    tax: int = _col()
    credits: int = _col()
    total: int = _col()
    tax_id: str | None = _col(Text, null=True)
    tax_name: str | None = _col(Text, null=True)
    tax_percent: str | None = _col(Text, null=True)
    status: str = _col(Text)
    created_at: int = _col()
    sent_at: int | None = _col(null=True)
    due_date: int | None = _col(null=True)
    paid_at: int | None = _col(null=True)
    voided_at: int | None = _col(null=True)
    void_reason: str | None = _col(Text, null=True)
    written_off: int = _col(SmallInteger)
    superseded_by: int | None = _col(BigInteger, ForeignKey("billing_invoices.id"), null=True)


class InvoiceLine(SQLModel, table=True):
    """A line; frozen with its invoice.

    ``unit_*`` name what the line is about: the regular period that starts at ``unit_start``, or
    with ``unit_invoice`` the custom range that this invoice claimed. ``parts`` is the exact base
    quantity as JSON pairs of month seconds and base units, so that a correction can subtract it.
    """

    __tablename__ = "billing_invoice_lines"
    __table_args__ = (
        Index("billing_invoice_lines_unit", "user_key", "unit_start"),
        CLUSTERED,
    )
    invoice_id: int = _key(BigInteger, ForeignKey("billing_invoices.id"))
    position: int = _key()
    user_key: int = _col()
    kind: str = _col(Text)
    description: str = _col(Text)
    resource_type: str | None = _col(Text, null=True)
    quantity: str | None = _col(Text, null=True)
    unit_price: str | None = _col(Text, null=True)
    parts: str | None = _col(Text, null=True)
    unit_start: int = _col()
    unit_end: int = _col()
    unit_invoice: int | None = _col(null=True)
    amount: int = _col()


class Claim(SQLModel, table=True):
    """A range of a user's time that a custom invoice took from the regular ones."""

    __tablename__ = "billing_claims"
    __table_args__ = (
        CheckConstraint("start_second < end_second", name="billing_claims_forward"),
        Index("billing_claims_invoice", "invoice_id"),
        CLUSTERED,
    )
    user_key: int = _key(BigInteger, ForeignKey("billing_users.user_key"))
    start_second: int = _key()
    invoice_id: int = _key(BigInteger, ForeignKey("billing_invoices.id"))
    end_second: int = _col()


class Counter(SQLModel, table=True):
    """The last number given out in a gap-free series, such as ``INV-2025``."""

    __tablename__ = "billing_counters"
    name: str = _key(Text)
    value: int = _col()


class Credit(SQLModel, table=True):
    """A grant: ``amount = used + remaining + expired + voided``, always."""

    __tablename__ = "billing_credits"
    __table_args__ = (
        CheckConstraint("amount > 0", name="billing_credits_amount"),
        CheckConstraint("voided >= 0 AND voided <= amount", name="billing_credits_voided"),
        Index("billing_credits_user", "user_key"),
        Index("billing_credits_source", "source_invoice"),
    )
    id: int = _id()
    user_key: int = _col(BigInteger, ForeignKey("billing_users.user_key"))
    user_id: str = _col(BYTE_ORDERED)
    amount: int = _col()
    voided: int = _col()
    currency: str = _col(Text)
    reason: str = _col(Text)
    created_at: int = _col()
    expires_at: int | None = _col(null=True)
    source_invoice: int | None = _col(BigInteger, ForeignKey("billing_invoices.id"), null=True)


class CreditUse(SQLModel, table=True):
    """How much of a grant an invoice used; ``reversed_at`` is set when that invoice is voided."""

    __tablename__ = "billing_credit_uses"
    __table_args__ = (
        CheckConstraint("amount > 0", name="billing_credit_uses_amount"),
        Index("billing_credit_uses_invoice", "invoice_id"),
        CLUSTERED,
    )
    credit_id: int = _key(BigInteger, ForeignKey("billing_credits.id"))
    invoice_id: int = _key(BigInteger, ForeignKey("billing_invoices.id"))
    amount: int = _col()
    used_at: int = _col()
    reversed_at: int | None = _col(null=True)


METADATA = SQLModel.metadata
