"""Deliveries: who is told of events, and how far each has been told what."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BYTE_ORDERED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema here from the one before."""
    op.create_table(
        "billing_sinks",
        sa.Column("sink_key", ROWID, autoincrement=False, nullable=False),
        sa.Column("name", BYTE_ORDERED, nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("paused_until", sa.BigInteger(), nullable=True),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("sink_key"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "billing_deliveries",
        sa.Column("sink_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("tried_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'retrying', 'dead', 'delivered', 'skipped', "
            "'dropped')",
            name="billing_deliveries_state",
        ),
        sa.CheckConstraint(
            "(settled_at IS NOT NULL) = (state IN ('delivered', 'skipped', 'dropped'))",
            name="billing_deliveries_settled",
        ),
        sa.CheckConstraint(
            "(due_at IS NOT NULL) = (state IN ('pending', 'sending', 'retrying'))",
            name="billing_deliveries_due",
        ),
        sa.CheckConstraint("attempts >= 0", name="billing_deliveries_attempts"),
        sa.ForeignKeyConstraint(["event_id"], ["billing_outbox.id"]),
        sa.ForeignKeyConstraint(["sink_key"], ["billing_sinks.sink_key"]),
        sa.PrimaryKeyConstraint("sink_key", "event_id"),
        sqlite_with_rowid=False,
    )
    for name, column in (("open", "event_id"), ("due", "due_at"), ("user", "user_key")):
        op.create_index(
            f"billing_deliveries_{name}",
            "billing_deliveries",
            ["sink_key", column],
            unique=False,
            sqlite_where=sa.text("settled_at IS NULL"),
            postgresql_where=sa.text("settled_at IS NULL"),
        )
