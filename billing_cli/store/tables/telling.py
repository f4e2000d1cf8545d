"""Tables of telling others: who is told, and how far each has been told what."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlmodel import SQLModel

from billing_cli.store.tables.columns import BYTE_ORDERED, CLUSTERED, col, identity, key

_OPEN = text("settled_at IS NULL")


def _open_index(name: str, column: str) -> Index:
    return Index(name, "sink_key", column, sqlite_where=_OPEN, postgresql_where=_OPEN)


class Sink(SQLModel, table=True):
    """Somebody who is told of events, by the name that the config file gives.

    Every event up to ``position`` has been looked at: those that are for this sink have a row of
    their own in ``billing_deliveries``. Nothing is sent before ``paused_until``, and nothing at
    all once the sink has said, at ``stopped_at``, that it wants no more.
    """

    __tablename__ = "billing_sinks"
    sink_key: int = identity()
    name: str = col(BYTE_ORDERED, unique=True)
    first_seen_at: int = col()
    position: int = col()
    paused_until: int | None = col(null=True)
    stopped_at: int | None = col(null=True)
    stop_reason: str | None = col(Text, null=True)


class Delivery(SQLModel, table=True):
    """How far one event has come on its way to one sink.

    ``state`` is ``pending``, ``sending`` (an attempt that has not ended, or whose process has),
    ``retrying``, ``dead``, and once it is settled ``delivered``, ``skipped`` or ``dropped``.
    ``due_at`` is when the next attempt may be made, None where none will be.
    """

    __tablename__ = "billing_deliveries"
    __table_args__ = (
        CheckConstraint(
            "state IN ('pending', 'sending', 'retrying', 'dead', 'delivered', 'skipped', "
            "'dropped')",
            name="billing_deliveries_state",
        ),
        CheckConstraint(
            "(settled_at IS NOT NULL) = (state IN ('delivered', 'skipped', 'dropped'))",
            name="billing_deliveries_settled",
        ),
        CheckConstraint(
            "(due_at IS NOT NULL) = (state IN ('pending', 'sending', 'retrying'))",
            name="billing_deliveries_due",
        ),
        CheckConstraint("attempts >= 0", name="billing_deliveries_attempts"),
        # Of a million deliveries few are open: only those are looked through, in the order of
        # their events, by when they are due, and for a user.
        _open_index("billing_deliveries_open", "event_id"),
        _open_index("billing_deliveries_due", "due_at"),
        _open_index("billing_deliveries_user", "user_key"),
        CLUSTERED,
    )
    sink_key: int = key(BigInteger, ForeignKey("billing_sinks.sink_key"))
    event_id: int = key(BigInteger, ForeignKey("billing_outbox.id"))
    user_key: int | None = col(null=True)
    state: str = col(Text)
    attempts: int = col()
    due_at: int | None = col(null=True)
    tried_at: int | None = col(null=True)
    settled_at: int | None = col(null=True)
    last_error: str | None = col(Text, null=True)
