"""Plans, payments and quotas: what a user holds, pays, and may use."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BYTE_ORDERED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema here from the one before."""
    op.create_table(
        "billing_overage_records",
        sa.Column("start_time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("resource_type", BYTE_ORDERED, autoincrement=False, nullable=False),
        sa.Column("kind", BYTE_ORDERED, autoincrement=False, nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit_price", sa.Text(), nullable=False),
        sa.Column("month_seconds", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.BigInteger(), nullable=False),
        sa.Column("end_time", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.CheckConstraint("quantity > 0", name="billing_overage_records_quantity"),
        sa.CheckConstraint("start_time < end_time", name="billing_overage_records_forward"),
        sa.PrimaryKeyConstraint("start_time", "user_key", "resource_type", "kind"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "billing_arrivals",
        sa.Column("user_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_second", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["billing_users.user_key"],
        ),
        sa.PrimaryKeyConstraint("user_key", "at_second"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "billing_outbox",
        sa.Column("id", ROWID, autoincrement=False, nullable=False),
        sa.Column("told_as", BYTE_ORDERED, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=True),
        sa.Column("user_id", BYTE_ORDERED, nullable=True),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["billing_users.user_key"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("told_as"),
    )
    op.create_index("billing_outbox_occurred", "billing_outbox", ["occurred_at"], unique=False)
    op.create_index("billing_outbox_user", "billing_outbox", ["user_key"], unique=False)
    op.create_table(
        "billing_quota_states",
        sa.Column("user_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("resource_type", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("since_second", sa.BigInteger(), nullable=False),
        sa.Column("warned_second", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["billing_users.user_key"],
        ),
        sa.PrimaryKeyConstraint("user_key", "resource_type"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "billing_stale_overage",
        sa.Column("user_key", ROWID, autoincrement=False, nullable=False),
        sa.Column("from_second", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["billing_users.user_key"],
        ),
        sa.PrimaryKeyConstraint("user_key"),
    )
    op.create_table(
        "billing_stale_quotas",
        sa.Column("user_key", ROWID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["billing_users.user_key"],
        ),
        sa.PrimaryKeyConstraint("user_key"),
    )
    op.create_table(
        "billing_subscriptions",
        sa.Column("id", ROWID, autoincrement=False, nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=False),
        sa.Column("user_id", BYTE_ORDERED, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("stripe_subscription_id", BYTE_ORDERED, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("canceled_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["billing_users.user_key"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("stripe_subscription_id"),
    )
    op.create_index(
        "billing_subscriptions_user", "billing_subscriptions", ["user_key"], unique=False
    )
    op.create_table(
        "billing_suspensions",
        sa.Column("id", ROWID, autoincrement=False, nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=False),
        sa.Column("user_id", BYTE_ORDERED, nullable=False),
        sa.Column("origin", BYTE_ORDERED, nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("suspended_at", sa.BigInteger(), nullable=False),
        sa.Column("resumed_at", sa.BigInteger(), nullable=True),
        sa.Column("resume_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "cause IN ('quota', 'overdue', 'manual')", name="billing_suspensions_cause"
        ),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["billing_users.user_key"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("origin"),
    )
    op.create_index("billing_suspensions_user", "billing_suspensions", ["user_key"], unique=False)
    op.create_table(
        "billing_user_limits",
        sa.Column("user_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("resource_type", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("from_second", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("choice", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(choice = 'limit') = (amount IS NOT NULL) AND choice IN ('limit', 'none', 'plan')",
            name="billing_user_limits_choice",
        ),
        sa.CheckConstraint(
            "resource_type IN ('cpu', 'memory', 'storage', 'spend')",
            name="billing_user_limits_resource",
        ),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["billing_users.user_key"],
        ),
        sa.PrimaryKeyConstraint("user_key", "resource_type", "from_second"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "billing_credit_notes",
        sa.Column("id", ROWID, autoincrement=False, nullable=False),
        sa.Column("number", BYTE_ORDERED, nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=False),
        sa.Column("user_id", BYTE_ORDERED, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.Column("credited", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("voided_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("amount > 0 AND net + tax = amount", name="billing_credit_notes_amount"),
        sa.CheckConstraint(
            "applied + credited + refunded = amount", name="billing_credit_notes_parts"
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"],
            ["billing_invoices.id"],
        ),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["billing_users.user_key"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
    )
    op.create_index(
        "billing_credit_notes_invoice", "billing_credit_notes", ["invoice_id"], unique=False
    )
    op.create_table(
        "billing_manual_lines",
        sa.Column("id", ROWID, autoincrement=False, nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invoice_id"],
            ["billing_invoices.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "billing_manual_lines_invoice", "billing_manual_lines", ["invoice_id"], unique=False
    )
    op.create_table(
        "billing_payments",
        sa.Column("id", ROWID, autoincrement=False, nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=True),
        sa.Column("user_id", BYTE_ORDERED, nullable=True),
        sa.Column("invoice_id", sa.BigInteger(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("external_id", BYTE_ORDERED, nullable=True),
        sa.Column("stripe_payment_intent_id", BYTE_ORDERED, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("reversed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "status = 'unmatched' OR user_key IS NOT NULL", name="billing_payments_user"
        ),
        sa.CheckConstraint(
            "status IN ('succeeded', 'failed', 'reversed', 'unmatched')",
            name="billing_payments_status",
        ),
        sa.CheckConstraint("amount > 0", name="billing_payments_amount"),
        sa.CheckConstraint(
            "refunded >= 0 AND refunded <= amount", name="billing_payments_refunded"
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"],
            ["billing_invoices.id"],
        ),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["billing_users.user_key"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("external_id"),
        sa.UniqueConstraint("stripe_payment_intent_id"),
    )
    op.create_index("billing_payments_by_user", "billing_payments", ["user_key"], unique=False)
    op.create_table(
        "billing_subscription_phases",
        sa.Column("subscription_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("start_second", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end_second", sa.BigInteger(), nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=False),
        sa.Column("plan_id", BYTE_ORDERED, nullable=False),
        sa.CheckConstraint("start_second < end_second", name="billing_subscription_phases_forward"),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["billing_subscriptions.id"],
        ),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["billing_users.user_key"],
        ),
        sa.PrimaryKeyConstraint("subscription_id", "start_second"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "billing_subscription_phases_user",
        "billing_subscription_phases",
        ["user_key", "start_second"],
        unique=False,
    )
    op.create_table(
        "billing_payment_allocations",
        sa.Column("payment_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("allocated_at", sa.BigInteger(), nullable=False),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("amount > 0", name="billing_payment_allocations_amount"),
        sa.ForeignKeyConstraint(
            ["invoice_id"],
            ["billing_invoices.id"],
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"],
            ["billing_payments.id"],
        ),
        sa.PrimaryKeyConstraint("payment_id", "invoice_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "billing_payment_allocations_invoice",
        "billing_payment_allocations",
        ["invoice_id"],
        unique=False,
    )
    op.create_table(
        "billing_refunds",
        sa.Column("id", ROWID, autoincrement=False, nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("credit_note_id", sa.BigInteger(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("refunded_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount > 0", name="billing_refunds_amount"),
        sa.ForeignKeyConstraint(
            ["credit_note_id"],
            ["billing_credit_notes.id"],
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"],
            ["billing_payments.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("billing_refunds_payment", "billing_refunds", ["payment_id"], unique=False)
    # Not Alembic's own: SQLite takes a reference only with its column.
    for column, table in (
        ("source_payment", "billing_payments"),
        ("source_note", "billing_credit_notes"),
    ):
        op.execute(
            f"ALTER TABLE billing_credits ADD COLUMN {column} BIGINT REFERENCES {table} (id)"
        )
    op.add_column("billing_credits", sa.Column("voided_at", sa.BigInteger()))
    op.add_column("billing_credits", sa.Column("void_reason", sa.Text()))
    op.add_column("billing_invoice_lines", sa.Column("item", BYTE_ORDERED))
    op.execute("UPDATE billing_invoice_lines SET item = resource_type")
    op.add_column(
        "billing_invoices",
        sa.Column("amount_paid", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.add_column("billing_invoices", sa.Column("overdue_at", sa.BigInteger()))
    op.add_column("billing_invoices", sa.Column("memo", sa.Text()))
    op.add_column("billing_invoices", sa.Column("due_override", sa.BigInteger()))
    for name in ("name", "email", "address", "language", "tax_number", "tax"):
        op.add_column("billing_users", sa.Column(name, sa.Text()))
    op.add_column("billing_users", sa.Column("created_at", sa.BigInteger()))
    op.create_index("billing_sessions_user", "billing_sessions", ["user_key"])
