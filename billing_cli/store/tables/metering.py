"""Tables of metering: settings, events, sessions, timelines and usage records."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from billing_cli.store.tables.columns import BYTE_ORDERED, CLUSTERED, ROWID, col, identity, key


class State(SQLModel, table=True):
    """How far a job has come: ``metered_until`` and ``rewrites``."""

    __tablename__ = "billing_state"
    name: str = key(Text)
    value: int = col()


class SettingsVersion(SQLModel, table=True):
    """The settings that decide money, and since when; the first holds from the beginning."""

    __tablename__ = "billing_settings_versions"
    id: int = identity()
    effective_from: int | None = col(null=True)
    recorded_at: int = col()
    document: str = col(Text)


class User(SQLModel, table=True):
    """A user, by a number that other tables use in place of the name.

    ``tax`` is the id of a rate, or ``none``; empty is the default rate. ``tax_number`` is the
    user's own registration, for documents.
    """

    __tablename__ = "billing_users"
    user_key: int = identity()
    user_id: str = col(BYTE_ORDERED, unique=True)
    name: str | None = col(Text, null=True)
    email: str | None = col(Text, null=True)
    address: str | None = col(Text, null=True)
    language: str | None = col(Text, null=True)
    tax_number: str | None = col(Text, null=True)
    tax: str | None = col(Text, null=True)
    created_at: int | None = col(null=True)


class EventOrigin(SQLModel, table=True):
    """The namespace of event ids: a form, or the source of CloudEvents."""

    __tablename__ = "billing_event_origins"
    origin_key: int = identity()
    origin: str = col(BYTE_ORDERED, unique=True)


class Session(SQLModel, table=True):
    """A compute session, and how far its events are folded into segments.

    ``folded_seq`` is the newest event the timeline knows; ``checkpoint`` lets the next fold go
    on from there (see :mod:`billing_cli.pricing.timelines`).
    """

    __tablename__ = "billing_sessions"
    __table_args__ = (Index("billing_sessions_user", "user_key"),)
    session_key: int = identity()
    session_id: str = col(BYTE_ORDERED, unique=True)
    user_key: int | None = col(BigInteger, ForeignKey("billing_users.user_key"), null=True)
    folded_seq: int = col()
    checkpoint: str | None = col(Text, null=True)


class SessionEvent(SQLModel, table=True):
    """A fact as it came in. Append-only; its identity is (origin, id)."""

    __tablename__ = "billing_session_events"
    __table_args__ = (
        UniqueConstraint("origin_key", "event_id", name="billing_session_events_identity"),
        Index("billing_session_events_session", "session_key", "seq"),
    )
    seq: int = Field(sa_column=Column(ROWID, primary_key=True))
    origin_key: int = col()
    event_id: str = col(BYTE_ORDERED)
    type: str = col(Text)
    session_key: int | None = col(null=True)
    user_key: int | None = col(null=True)
    at_second: int = col()
    at_fraction: str = col(Text)
    state: str | None = col(Text, null=True)
    cpu_millicores: int | None = col(null=True)
    memory_mib: int | None = col(null=True)
    storage_mib: int | None = col(null=True)
    payload: str = col(Text)
    received_at: int = col()


class RejectedLine(SQLModel, table=True):
    """A line that could not be taken, kept whole with the reason."""

    __tablename__ = "billing_rejected_lines"
    __table_args__ = (
        UniqueConstraint("file", "line", "digest"),
        CheckConstraint("kind IN ('event', 'row', 'part')", name="billing_rejected_lines_kind"),
        CheckConstraint(
            "(kind = 'row') = (header IS NOT NULL)", name="billing_rejected_lines_header"
        ),
    )
    id: int = identity()
    file: str = col(BYTE_ORDERED)
    line: int = col()
    reason: str = col(Text)
    raw: bytes = col(LargeBinary)
    digest: str = col(BYTE_ORDERED)
    partial: int = col(SmallInteger)
    rejected_at: int = col()
    kind: str = col(Text)
    header: bytes | None = col(LargeBinary, null=True)


class PendingSession(SQLModel, table=True):
    """A session with events its timeline does not know yet."""

    __tablename__ = "billing_pending_sessions"
    session_key: int = identity(ForeignKey("billing_sessions.session_key"))


class Segment(SQLModel, table=True):
    """A stretch of a timeline with constant state and sizes; an open one ends at ``FOREVER``."""

    __tablename__ = "billing_segments"
    __table_args__ = (
        CheckConstraint("start_second < end_second", name="billing_segments_forward"),
        Index("billing_segments_start", "start_second"),
        Index("billing_segments_end", "end_second"),
        CLUSTERED,
    )
    session_key: int = key(BigInteger, ForeignKey("billing_sessions.session_key"))
    start_second: int = key()
    end_second: int = col()
    cpu_millicores: int = col()
    memory_mib: int = col()
    storage_mib: int = col()
    state: str = col(Text)


class Anomaly(SQLModel, table=True):
    """Events of a session that contradict each other, settled by rule and listed."""

    __tablename__ = "billing_anomalies"
    __table_args__ = (CLUSTERED,)
    session_key: int = key(BigInteger, ForeignKey("billing_sessions.session_key"))
    ordinal: int = key()
    kind: str = col(Text)
    at_second: int = col()
    event_id: str = col(Text)
    detail: str = col(Text)


class Reslice(SQLModel, table=True):
    """A session whose records before ``metered_until`` have to be made again from a moment on."""

    __tablename__ = "billing_reslices"
    session_key: int = identity(ForeignKey("billing_sessions.session_key"))
    from_second: int = col()


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
    start_time: int = key()
    session_key: int = key()
    resource_type: str = key(BYTE_ORDERED)
    user_key: int = col()
    quantity: int = col()
    unit_price: str = col(Text)
    month_seconds: int = col()
    period_start: int = col()
    end_time: int = col()
    created_at: int = col()
    user_id: str = col(Text)
    session_id: str = col(Text)
