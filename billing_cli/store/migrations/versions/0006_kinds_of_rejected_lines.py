"""Rejected lines: whether each is the text of an event, a CSV row, or a part of either."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# How the reasons began for what was no text of an event. The headers of CSV rows were not kept.
PARTS = (
    "a CSV row ",
    "it is longer than ",
    "its gzip data ",
    "something that is not gzip ",
    "the array that starts ",
    "the element that starts here ",
    "the header has ",
    "the last line is not complete",
    "the row is not ",
    "there is no header",
    "two columns of the header ",
)


def upgrade() -> None:
    """Bring the schema here from the one before."""
    op.add_column("billing_rejected_lines", sa.Column("kind", sa.Text(), nullable=True))
    op.add_column("billing_rejected_lines", sa.Column("header", sa.LargeBinary(), nullable=True))
    begins = " OR ".join(f"reason LIKE '{start}%'" for start in PARTS)
    op.execute(
        "UPDATE billing_rejected_lines SET kind = "
        f"CASE WHEN partial = 1 OR {begins} THEN 'part' ELSE 'event' END"
    )
    with op.batch_alter_table("billing_rejected_lines") as batch:
        batch.alter_column("kind", nullable=False)
        batch.create_check_constraint(
            "billing_rejected_lines_kind", "kind IN ('event', 'row', 'part')"
        )
        batch.create_check_constraint(
            "billing_rejected_lines_header", "(kind = 'row') = (header IS NOT NULL)"
        )
