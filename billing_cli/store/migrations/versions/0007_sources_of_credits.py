"""Sources of credits: what a payment or a credit note granted is found without reading all."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here from the one before."""
    for name in ("payment", "note"):
        known = sa.text(f"source_{name} IS NOT NULL")
        op.create_index(
            f"billing_credits_{name}",
            "billing_credits",
            [f"source_{name}"],
            unique=False,
            sqlite_where=known,
            postgresql_where=known,
        )
