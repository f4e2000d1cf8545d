"""How the jobs stand, and what they have done, as it is shown."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from billing_cli.errors import IncompleteError
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.services import jobs, terms
from billing_cli.store import jobs as store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.app import App
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.services.jobs import Outcome, Standing
    from billing_cli.settings.model import ConfigValues
    from billing_cli.store.jobs import Run
    from billing_cli.store.unit_of_work import Transaction

NEVER: Final = "never run"
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_MS: Final = 1_000
_SHOWN_UNITS: Final = 2


@dataclass
class Status:
    """A row for each job, and those of which something is to be said."""

    rows: list[dict[str, object]] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def require_healthy(self) -> None:
        """Raise :class:`IncompleteError` when a job is late, or its last run failed."""
        found = []
        if self.late:
            found.append(f"late: {', '.join(self.late)}")
        if self.failed:
            found.append(f"failed: {', '.join(self.failed)}")
        if found:
            raise IncompleteError(
                "; ".join(found),
                "billing job history shows the runs; billing job run --due runs what is due",
            )


def status(app: App) -> Status:
    """Return how each job stands now."""
    now = app.clock.now()
    values = app.settings.values
    with app.unit_of_work() as uow, uow.reading() as tx:
        history = terms.read(tx, app.settings).history
        found = jobs.standings(tx, app.settings, now)
        backlogs = [_backlog(tx, one, history) for one in found]
    # What never ended is either at work, and then holds the lock, or gone.
    at_work = any(one.last is not None and one.last.result == store.RUNNING for one in found)
    if at_work:
        with store.lock(app.engine) as free:
            at_work = not free
    shown = Status()
    for one, backlog in zip(found, backlogs, strict=True):
        result = _result(one, enabled=values.enabled, at_work=at_work)
        late = one.late_seconds(values)
        if late:
            shown.late.append(f"{one.job.name} ({in_words(late)})")
        if one.configured and result in {store.FAILED, store.INTERRUPTED}:
            shown.failed.append(one.job.name)
        shown.rows.append(_row(one, values, result, backlog, late))
    return shown


def _backlog(tx: Transaction, standing: Standing, history: TermsHistory) -> dict[str, str | int]:
    if not standing.configured:
        return {}
    counts = standing.job.backlog(tx, history, standing.now)
    return {count.noun: count.number for count in counts} | {
        "": ", ".join(count.text for count in counts if count.number) or "none"
    }


def _result(standing: Standing, *, enabled: bool, at_work: bool) -> str:
    if not standing.configured:
        return jobs.NOT_CONFIGURED if enabled else "switched off"
    if standing.last is None:
        return NEVER
    result = standing.last.result
    return store.INTERRUPTED if result == store.RUNNING and not at_work else result


def _row(
    standing: Standing,
    values: ConfigValues,
    result: str,
    backlog: dict[str, str | int],
    late: int,
) -> dict[str, object]:
    last = standing.last
    duration = None if last is None else last.duration_ms
    return {
        "job": standing.job.name,
        "schedule": standing.job.schedule_text(values),
        "last_run": None if last is None else format_instant(last.started_at),
        "result": result,
        "did": None if last is None else last.did or None,
        "duration": None if duration is None else shown_duration(duration),
        "duration_ms": duration,
        "last_success": instant_text(standing.succeeded_at),
        "next_due": instant_text(standing.due_at),
        "backlog": backlog.get(""),
        "backlog_counts": {noun: number for noun, number in backlog.items() if noun},
        "late": in_words(late) if late else None,
        "late_seconds": late,
        "error": None if last is None else last.error,
    }


def history(app: App, names: Sequence[str], limit: int) -> list[dict[str, object]]:
    """Return the newest runs of some jobs by now, the newest first."""
    with app.unit_of_work() as uow, uow.reading() as tx:
        found = store.listed(tx, names, app.clock.now(), limit)
    return [_run_row(run) for run in found]


def _run_row(run: Run) -> dict[str, object]:
    return {
        "run": run.id,
        "job": run.job,
        "started_at": format_instant(run.started_at),
        "due_at": instant_text(run.due_at),
        "result": run.result,
        "did": run.did or None,
        "duration": None if run.duration_ms is None else shown_duration(run.duration_ms),
        "duration_ms": run.duration_ms,
        "counts": json.loads(run.counts),
        "error": run.error,
        "process": run.process,
    }


def outcome_rows(outcomes: Sequence[Outcome]) -> Iterator[dict[str, object]]:
    """Yield a row for each job that was run, or would be."""
    for one in outcomes:
        yield {
            "job": one.job,
            "result": one.result,
            "did": None if one.duration_ms is None else one.report.did,
            "duration": None if one.duration_ms is None else shown_duration(one.duration_ms),
            "duration_ms": one.duration_ms,
            "due_at": instant_text(one.due_at),
            "counts": {count.noun: count.number for count in one.report.counts},
            "error": one.error,
        }


def in_words(seconds: int) -> str:
    """Return a duration by its two greatest units, such as "2 h 15 min"."""
    words: list[str] = []
    for size, unit in _UNITS:
        number, seconds = divmod(seconds, size)
        if number or words:
            words.append(f"{number} {unit}" if number else "")
        if len(words) == _SHOWN_UNITS:
            break
    return " ".join(filter(None, words)) or "0 s"


def shown_duration(duration_ms: int) -> str:
    """Return how long something took: to a tenth of a second below a minute."""
    seconds = duration_ms // _MS
    if not seconds:
        return f"{duration_ms} ms"
    if seconds < _UNITS[-2][0]:
        return f"{seconds}.{duration_ms % _MS // 100} s"
    return in_words(seconds)
