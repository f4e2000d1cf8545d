"""Tables of accounts: subscriptions, overage, limits, suspensions, and the events that tell."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text
from sqlmodel import SQLModel

from billing_cli.store.tables.columns import BYTE_ORDERED, CLUSTERED, col, identity, key


class UserLimit(SQLModel, table=True):
    """A limit of a user's own, from a moment on.

    ``choice`` is ``limit`` (``amount`` in millicores, MiB or minor units), ``none`` for no limit,
    or ``plan`` for what the plan says.
    """

    __tablename__ = "billing_user_limits"
    __table_args__ = (
        CheckConstraint(
            "resource_type IN ('cpu', 'memory', 'storage', 'spend')",
            name="billing_user_limits_resource",
        ),
        CheckConstraint(
            "(choice = 'limit') = (amount IS NOT NULL) AND choice IN ('limit', 'none', 'plan')",
            name="billing_user_limits_choice",
        ),
        CLUSTERED,
    )
    user_key: int = key(BigInteger, ForeignKey("billing_users.user_key"))
    resource_type: str = key(Text)
    from_second: int = key()
    choice: str = col(Text)
    amount: int | None = col(null=True)
    set_at: int = col()


class Subscription(SQLModel, table=True):
    """A user's subscription; which plan it holds when is in its phases.

    What the plugin's table called ``plan_id``, ``status`` and ``current_period_*`` follows from
    the phases and the moment of asking, and is worked out on reading. ``canceled_at`` is when
    somebody asked for the end, ``source`` who began it: ``operator``, ``event`` or ``stripe``. From
    ``stripe_from`` on it is Stripe that charges its fee.
    """

    __tablename__ = "billing_subscriptions"
    __table_args__ = (Index("billing_subscriptions_user", "user_key"),)
    id: int = identity()
    user_key: int = col(BigInteger, ForeignKey("billing_users.user_key"))
    user_id: str = col(BYTE_ORDERED)
    source: str = col(Text)
    stripe_subscription_id: str | None = col(BYTE_ORDERED, null=True, unique=True)
    created_at: int = col()
    canceled_at: int | None = col(null=True)
    stripe_from: int | None = col(null=True)


class SubscriptionPhase(SQLModel, table=True):
    """A stretch of time for which a subscription holds one plan; an open one ends at FOREVER."""

    __tablename__ = "billing_subscription_phases"
    __table_args__ = (
        CheckConstraint("start_second < end_second", name="billing_subscription_phases_forward"),
        Index("billing_subscription_phases_user", "user_key", "start_second"),
        CLUSTERED,
    )
    subscription_id: int = key(BigInteger, ForeignKey("billing_subscriptions.id"))
    start_second: int = key()
    end_second: int = col()
    user_key: int = col(BigInteger, ForeignKey("billing_users.user_key"))
    plan_id: str = col(BYTE_ORDERED)


class Arrival(SQLModel, table=True):
    """A ``user.created`` event that has not led to a plan, or to none, yet."""

    __tablename__ = "billing_arrivals"
    __table_args__ = (CLUSTERED,)
    user_key: int = key(BigInteger, ForeignKey("billing_users.user_key"))
    at_second: int = key()


class OverageRecord(SQLModel, table=True):
    """What a user of a plan is charged for in one slot: one resource, at most one clock hour.

    ``kind`` is ``overage``, what was used above the plan's limit at each moment, or ``use``, all
    that was used while the user held no plan. ``quantity`` is in base units.
    """

    __tablename__ = "billing_overage_records"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="billing_overage_records_quantity"),
        CheckConstraint("start_time < end_time", name="billing_overage_records_forward"),
        CLUSTERED,
    )
    start_time: int = key()
    user_key: int = key()
    resource_type: str = key(BYTE_ORDERED)
    kind: str = key(BYTE_ORDERED)
    quantity: int = col()
    unit_price: str = col(Text)
    month_seconds: int = col()
    period_start: int = col()
    end_time: int = col()
    created_at: int = col()
    user_id: str = col(Text)


class StaleOverage(SQLModel, table=True):
    """A user whose overage records before ``metered_until`` are to be made again from a moment."""

    __tablename__ = "billing_stale_overage"
    user_key: int = identity(ForeignKey("billing_users.user_key"))
    from_second: int = col()


class QuotaState(SQLModel, table=True):
    """A user who is at or over a limit, as of the last check, and since when without a break."""

    __tablename__ = "billing_quota_states"
    __table_args__ = (CLUSTERED,)
    user_key: int = key(BigInteger, ForeignKey("billing_users.user_key"))
    resource_type: str = key(Text)
    level: str = col(Text)
    since_second: int = col()
    warned_second: int = col()


class StaleQuota(SQLModel, table=True):
    """A user whose past, as far as quotas were checked, has changed since."""

    __tablename__ = "billing_stale_quotas"
    user_key: int = identity(ForeignKey("billing_users.user_key"))


class Suspension(SQLModel, table=True):
    """A stretch of time for which a user is suspended.

    ``cause`` is ``quota``, ``overdue`` or ``manual``; ``origin`` names what led to it, such as
    the moment from which a limit was exceeded, so that one cause suspends only once.
    """

    __tablename__ = "billing_suspensions"
    __table_args__ = (
        CheckConstraint(
            "cause IN ('quota', 'overdue', 'manual')", name="billing_suspensions_cause"
        ),
        Index("billing_suspensions_user", "user_key"),
    )
    id: int = identity()
    user_key: int = col(BigInteger, ForeignKey("billing_users.user_key"))
    user_id: str = col(BYTE_ORDERED)
    origin: str = col(BYTE_ORDERED, unique=True)
    cause: str = col(Text)
    resource_type: str | None = col(Text, null=True)
    reason: str = col(Text)
    suspended_at: int = col()
    resumed_at: int | None = col(null=True)
    resume_reason: str | None = col(Text, null=True)


class OutboxEvent(SQLModel, table=True):
    """An event to tell others, written in the transaction that made it true.

    ``told_as`` is unique: what it stands for is told once. ``queued_at`` moves when it is to be
    told again.
    """

    __tablename__ = "billing_outbox"
    __table_args__ = (
        Index("billing_outbox_user", "user_key"),
        Index("billing_outbox_occurred", "occurred_at"),
    )
    id: int = identity()
    told_as: str = col(BYTE_ORDERED, unique=True)
    type: str = col(Text)
    user_key: int | None = col(BigInteger, ForeignKey("billing_users.user_key"), null=True)
    user_id: str | None = col(BYTE_ORDERED, null=True)
    occurred_at: int = col()
    recorded_at: int = col()
    queued_at: int = col()
    data: str = col(Text)
