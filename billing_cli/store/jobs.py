"""What jobs have done, and the lock that only one runner of jobs can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.store.presence import only_process

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Engine

    from billing_cli.store.unit_of_work import Transaction

RUNNING: Final = "running"
DONE: Final = "done"
FAILED: Final = "failed"
INTERRUPTED: Final = "interrupted"
_LOCK_SUFFIX: Final = "-jobs"
_LOCK_NUMBER: Final = 0x62696C6A
# Who only looks whether the lock is held holds it for a moment; a run that meets it waits.
_TRIES: Final = 10
_DAY: Final = 86_400
_KEPT_DAYS: Final = 400


class Run(NamedTuple):
    """A row of ``billing_job_runs``; times in seconds, the duration in milliseconds."""

    id: int
    job: str
    started_at: int
    due_at: int | None
    duration_ms: int | None
    result: str
    did: str
    counts: str
    error: str | None
    process: str


_COLUMNS: Final = ", ".join(Run._fields)
# A run that has not ended is the newest; where a server lost its lock, among the newest.
_RECENT: Final = "id > (SELECT MAX(id) - 100 FROM billing_job_runs)"


def begin(tx: Transaction, job: str, started_at: int, due_at: int | None, process: str) -> int:
    """Record that a job has begun, and return the number of its run."""
    number: int = tx.value("SELECT COALESCE(MAX(id), 0) + 1 FROM billing_job_runs")
    row = Run(number, job, started_at, due_at, None, RUNNING, "", "{}", None, process)
    tx.insert("billing_job_runs", Run._fields, [row])
    return number


def finish(tx: Transaction, run: Run) -> None:
    """Record how a run has ended, and forget the runs of its job that are long past.

    What is forgotten lies more than 400 days back, and before the job's last success.
    """
    tx.execute(
        "UPDATE billing_job_runs SET duration_ms = ?, result = ?, did = ?, counts = ?, error = ? "
        "WHERE id = ?",
        run.duration_ms,
        run.result,
        run.did,
        run.counts,
        run.error,
        run.id,
    )
    tx.execute(
        "DELETE FROM billing_job_runs WHERE job = ? AND started_at < ? AND id < "
        "(SELECT MAX(r.id) FROM billing_job_runs r WHERE r.job = ? AND r.result = ?)",
        run.job,
        run.started_at - _KEPT_DAYS * _DAY,
        run.job,
        DONE,
    )


def abandon(tx: Transaction) -> list[Run]:
    """Mark runs that never ended as interrupted, and return them.

    To be called by who holds the lock: whoever began them is not there any more.
    """
    found = [
        Run(*row)
        for row in tx.rows(
            f"SELECT {_COLUMNS} FROM billing_job_runs WHERE {_RECENT} AND result = ? ORDER BY id",
            RUNNING,
        )
    ]
    if found:
        tx.execute(
            f"UPDATE billing_job_runs SET result = ? WHERE {_RECENT} AND result = ?",
            INTERRUPTED,
            RUNNING,
        )
    return found


def running(tx: Transaction) -> Run | None:
    """Return the newest run that has not ended; whether it lasts, only the lock can tell."""
    row = tx.row(
        f"SELECT {_COLUMNS} FROM billing_job_runs WHERE {_RECENT} AND result = ? "
        "ORDER BY id DESC LIMIT 1",
        RUNNING,
    )
    return None if row is None else Run(*row)


def last_of(tx: Transaction, job: str, until: int, result: str | None = None) -> Run | None:
    """Return a job's newest run that began by an instant, with any result or with one."""
    condition, parameters = ("", ()) if result is None else ("AND result = ? ", (result,))
    row = tx.row(
        f"SELECT {_COLUMNS} FROM billing_job_runs WHERE job = ? AND started_at <= ? {condition}"
        "ORDER BY started_at DESC, id DESC LIMIT 1",
        job,
        until,
        *parameters,
    )
    return None if row is None else Run(*row)


def listed(tx: Transaction, jobs: Sequence[str], until: int, limit: int) -> list[Run]:
    """Return the newest runs that began by an instant, of some jobs, the newest first."""
    subquery, parameter = tx.texts(jobs)
    return [
        Run(*row)
        for row in tx.rows(
            f"SELECT {_COLUMNS} FROM billing_job_runs WHERE started_at <= ? AND job IN {subquery} "
            "ORDER BY started_at DESC, id DESC LIMIT ?",
            until,
            parameter,
            limit,
        )
    ]


def in_use_since(tx: Transaction) -> int | None:
    """Return when settings were first recorded or an event first came in, None for never."""
    moments = [
        tx.value("SELECT MIN(recorded_at) FROM billing_settings_versions"),
        # Numbers are given out in the order of arrival.
        tx.value(
            "SELECT received_at FROM billing_session_events "
            "WHERE seq = (SELECT MIN(seq) FROM billing_session_events)"
        ),
    ]
    return min((moment for moment in moments if moment is not None), default=None)


def lock(engine: Engine) -> AbstractContextManager[bool]:
    """Try to hold the lock of this database's jobs for a block; gives whether it is held."""
    return only_process(engine, _LOCK_SUFFIX, _LOCK_NUMBER, _TRIES)
