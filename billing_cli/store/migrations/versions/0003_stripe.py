"""Stripe: what is there of ours, what was asked of it, and what it told."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BYTE_ORDERED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema here from the one before."""
    op.create_table(
        "billing_stripe_events",
        sa.Column("seq", ROWID, autoincrement=False, nullable=False),
        sa.Column("id", BYTE_ORDERED, nullable=False),
        sa.Column("type", BYTE_ORDERED, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("api_version", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("object_kind", BYTE_ORDERED, nullable=True),
        sa.Column("object_id", BYTE_ORDERED, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("worked_at", sa.BigInteger(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('pending', 'done', 'ignored', 'failed')", name="billing_stripe_events_state"
        ),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    op.create_index(
        "billing_stripe_events_object",
        "billing_stripe_events",
        ["object_kind", "object_id"],
        unique=False,
    )
    op.create_index(
        "billing_stripe_events_waiting",
        "billing_stripe_events",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("state IN ('pending', 'failed')"),
        postgresql_where=sa.text("state IN ('pending', 'failed')"),
    )
    op.create_table(
        "billing_stripe_links",
        sa.Column("kind", BYTE_ORDERED, autoincrement=False, nullable=False),
        sa.Column("local_id", BYTE_ORDERED, autoincrement=False, nullable=False),
        sa.Column("stripe_id", BYTE_ORDERED, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "local_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "billing_stripe_links_object", "billing_stripe_links", ["kind", "stripe_id"], unique=True
    )
    op.create_table(
        "billing_stripe_objects",
        sa.Column("kind", BYTE_ORDERED, autoincrement=False, nullable=False),
        sa.Column("id", BYTE_ORDERED, autoincrement=False, nullable=False),
        sa.Column("ticket", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("fetched_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "billing_stripe_requests",
        sa.Column("idempotency_key", BYTE_ORDERED, autoincrement=False, nullable=False),
        sa.Column("target", BYTE_ORDERED, nullable=False),
        sa.Column("operation", BYTE_ORDERED, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("object_id", BYTE_ORDERED, nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("idempotency_key"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "billing_stripe_requests_open",
        "billing_stripe_requests",
        ["target"],
        unique=False,
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index(
        "billing_stripe_requests_target",
        "billing_stripe_requests",
        ["target", "operation", "number"],
        unique=False,
    )
    op.create_table(
        "billing_stripe_state",
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "billing_stripe_invoices",
        sa.Column("invoice_id", ROWID, autoincrement=False, nullable=False),
        sa.Column("stripe_id", BYTE_ORDERED, nullable=True),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("collects", sa.SmallInteger(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "stage IN ('held', 'created', 'filled', 'odd', 'final')",
            name="billing_stripe_invoices_stage",
        ),
        sa.ForeignKeyConstraint(["invoice_id"], ["billing_invoices.id"]),
        sa.PrimaryKeyConstraint("invoice_id"),
        sa.UniqueConstraint("stripe_id"),
    )
    op.create_index(
        "billing_stripe_invoices_open", "billing_stripe_invoices", ["status"], unique=False
    )
    op.add_column("billing_payments", sa.Column("failure_code", sa.Text(), nullable=True))
    op.add_column("billing_subscriptions", sa.Column("stripe_from", sa.BigInteger(), nullable=True))
