"""Tables of Stripe: what is there of ours, what was asked of it, and what it told."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, Text, text
from sqlmodel import SQLModel

from billing_cli.store.tables.columns import BYTE_ORDERED, CLUSTERED, col, identity, key


class StripeState(SQLModel, table=True):
    """What is known of the account: its id and mode, this installation's id, how far we read."""

    __tablename__ = "billing_stripe_state"
    name: str = key(Text)
    value: str = col(Text)


class StripeLink(SQLModel, table=True):
    """An object of ours that Stripe has, too.

    ``kind`` is ``customer`` (of a user key), ``product`` (of a plan), ``price``, ``credit_note``,
    ``refund``, or ``invoice`` (of a number, while the books do not have it).
    ``digest`` tells what was sent of it last, ``detail`` what else matters: the payment
    method of a customer.
    """

    __tablename__ = "billing_stripe_links"
    __table_args__ = (
        Index("billing_stripe_links_object", "kind", "stripe_id", unique=True),
        CLUSTERED,
    )
    kind: str = key(BYTE_ORDERED)
    local_id: str = key(BYTE_ORDERED)
    stripe_id: str = col(BYTE_ORDERED)
    digest: str = col(Text)
    detail: str | None = col(Text, null=True)


class StripeInvoice(SQLModel, table=True):
    """An invoice as Stripe has it; amounts in minor units.

    ``stage`` is how far ours has come: ``created`` without lines, ``filled`` with them, ``odd``
    where they are not what they should be, or ``final``. ``remaining`` is what Stripe would still
    collect, ``collects`` whether it does so by itself. ``problem`` says why it is held up.
    """

    __tablename__ = "billing_stripe_invoices"
    __table_args__ = (
        CheckConstraint(
            "stage IN ('held', 'created', 'filled', 'odd', 'final')",
            name="billing_stripe_invoices_stage",
        ),
        Index("billing_stripe_invoices_open", "status"),
    )
    invoice_id: int = identity(ForeignKey("billing_invoices.id"))
    stripe_id: str | None = col(BYTE_ORDERED, null=True, unique=True)
    stage: str = col(Text)
    status: str = col(Text)
    remaining: int = col()
    collects: int = col(SmallInteger)
    url: str | None = col(Text, null=True)
    problem: str | None = col(Text, null=True)


class StripeRequest(SQLModel, table=True):
    """A write to Stripe, stored before it is sent, so that it can be sent again unchanged.

    ``parameters`` are emptied when the answer is there, and ``result`` is the id it names. A
    request without ``finished_at`` may or may not have reached Stripe.
    """

    __tablename__ = "billing_stripe_requests"
    __table_args__ = (
        Index("billing_stripe_requests_target", "target", "operation", "number"),
        Index(
            "billing_stripe_requests_open",
            "target",
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
        CLUSTERED,
    )
    idempotency_key: str = key(BYTE_ORDERED)
    target: str = col(BYTE_ORDERED)
    operation: str = col(BYTE_ORDERED)
    number: int = col()
    object_id: str = col(BYTE_ORDERED)
    parameters: str = col(Text)
    sent_at: int = col()
    finished_at: int | None = col(null=True)
    result: str | None = col(Text, null=True)
    error: str | None = col(Text, null=True)


class StripeEvent(SQLModel, table=True):
    """An event of Stripe's, once, however often and on whatever way it came.

    ``object_kind`` and ``object_id`` name what to fetch. ``state`` is ``pending``, ``done``,
    ``ignored`` or ``failed``.
    """

    __tablename__ = "billing_stripe_events"
    __table_args__ = (
        CheckConstraint(
            "state IN ('pending', 'done', 'ignored', 'failed')", name="billing_stripe_events_state"
        ),
        Index(
            "billing_stripe_events_waiting",
            "seq",
            sqlite_where=text("state IN ('pending', 'failed')"),
            postgresql_where=text("state IN ('pending', 'failed')"),
        ),
        Index("billing_stripe_events_object", "object_kind", "object_id"),
    )
    seq: int = identity()
    id: str = col(BYTE_ORDERED, unique=True)
    type: str = col(BYTE_ORDERED)
    created: int = col()
    api_version: str | None = col(Text, null=True)
    source: str = col(Text)
    object_kind: str | None = col(BYTE_ORDERED, null=True)
    object_id: str | None = col(BYTE_ORDERED, null=True)
    state: str = col(Text)
    reason: str | None = col(Text, null=True)
    attempts: int = col()
    received_at: int = col()
    worked_at: int | None = col(null=True)
    payload: str = col(Text)


class StripeObject(SQLModel, table=True):
    """Which fetch of an object was applied last: what was fetched before that is stale."""

    __tablename__ = "billing_stripe_objects"
    __table_args__ = (CLUSTERED,)
    kind: str = key(BYTE_ORDERED)
    id: str = key(BYTE_ORDERED)
    ticket: int = col(BigInteger)
    status: str = col(Text)
    fetched_at: int = col()
