"""Runs of jobs: when each began, for what, and how it ended."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BYTE_ORDERED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema here from the one before."""
    op.create_table(
        "billing_job_runs",
        sa.Column("id", ROWID, autoincrement=False, nullable=False),
        sa.Column("job", BYTE_ORDERED, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("did", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("process", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "result IN ('running', 'done', 'failed', 'interrupted')", name="billing_job_runs_result"
        ),
        sa.CheckConstraint(
            "(result IN ('done', 'failed')) = (duration_ms IS NOT NULL)",
            name="billing_job_runs_ended",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("billing_job_runs_job", "billing_job_runs", ["job", "started_at"], unique=False)
