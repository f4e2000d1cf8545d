"""The table of what jobs have done."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, Text
from sqlmodel import SQLModel

from billing_cli.store.tables.columns import BYTE_ORDERED, col, identity


class JobRun(SQLModel, table=True):
    """A run of a job: when it began, for which firing of its schedule, and how it ended.

    ``due_at`` is None for a run by hand. ``counts`` is a JSON object of what was done, from nouns
    to numbers; ``did`` says the same in words. ``process`` is the host and the process.
    """

    __tablename__ = "billing_job_runs"
    __table_args__ = (
        CheckConstraint(
            "result IN ('running', 'done', 'failed', 'interrupted')", name="billing_job_runs_result"
        ),
        CheckConstraint(
            "(result IN ('done', 'failed')) = (duration_ms IS NOT NULL)",
            name="billing_job_runs_ended",
        ),
        Index("billing_job_runs_job", "job", "started_at"),
    )
    id: int = identity()
    job: str = col(BYTE_ORDERED)
    started_at: int = col()
    due_at: int | None = col(null=True)
    duration_ms: int | None = col(null=True)
    result: str = col(Text)
    did: str = col(Text)
    counts: str = col(Text)
    error: str | None = col(Text, null=True)
    process: str = col(Text)
