"""The jobs that keep everything up to date: which there are, which are due, and running them.

A job is due when its schedule has fired since its last success; however often that was, it runs
once, and catches up on all that was missed. One that never ran is due at once. Whoever runs jobs
holds a lock, so that two do not work side by side; that is for the eye, and against waste: every
job may run at the same time as any other. Each run is recorded before it begins and when it ends,
so one that was killed is seen to be so by the next.
"""

from __future__ import annotations

import json
import os
import socket
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.errors import BillingError, IncompleteError, NotConfiguredError, UsageError
from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.schedules import Cron
from billing_cli.services import job_work, terms
from billing_cli.services.job_report import Count, JobReport, Task
from billing_cli.store import jobs as store

if TYPE_CHECKING:
    from billing_cli.app import App
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.settings import Settings
    from billing_cli.settings.model import ConfigValues
    from billing_cli.store.jobs import Run
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

ALL: Final = "all"
NOT_CONFIGURED: Final = "not configured"
_MINUTE: Final = 60
_MS: Final = 1_000

Work = Callable[[Task], JobReport]
Backlog = Callable[["Transaction", "TermsHistory", int], Sequence[Count]]


@dataclass(frozen=True, slots=True)
class Job:
    """A job: its cron schedule (None: after each billing period), and what it does.

    One that is not ``configured`` is neither due nor late. ``backlog`` counts what waits for it.
    """

    name: str
    schedule: Callable[[ConfigValues], str] | None
    work: Work
    configured: Callable[[ConfigValues], bool] = lambda _: True
    backlog: Backlog = lambda *_: ()

    def schedule_text(self, values: ConfigValues) -> str:
        """Return when the job runs, as it is shown."""
        if self.schedule is not None:
            return self.schedule(values)
        return f"{values.jobs.invoice_delay_minutes} min after each period"

    def next_after(
        self, instant: int, values: ConfigValues, history: TermsHistory, now: int
    ) -> int | None:
        """Return the first instant after one at which the schedule fires, None for never."""
        if self.schedule is not None:
            zone = history.calendar.zone_at(now)
            return Cron.parse(self.schedule(values)).next_after(instant, zone)
        delay = values.jobs.invoice_delay_minutes * _MINUTE
        return history.calendar.containing(instant - delay).end + delay


def of_module(name: str) -> Work:
    """Make the work of a job that is ``run_job(app)`` in a module of the services."""
    # Imported when it is to work: it may need libraries that only those have who use it.
    return lambda task: import_module(f"billing_cli.services.{name}").run_job(task.app)


# In the order in which they run: what one finds is there for those after it.
JOBS: Final = (
    Job(
        "calculate-usage",
        lambda values: values.usage_calculation_interval,
        job_work.calculate_usage,
        backlog=job_work.usage_backlog,
    ),
    Job(
        "generate-invoices",
        None,
        job_work.generate_invoices,
        backlog=job_work.invoice_backlog,
    ),
    Job(
        "check-quotas",
        lambda values: values.jobs.check_quotas,
        job_work.check_quotas,
        backlog=job_work.quota_backlog,
    ),
    Job(
        "sync-stripe",
        lambda values: values.jobs.sync_stripe,
        of_module("stripe_sync"),
        configured=lambda values: values.stripe_enabled and values.stripe_secret_key is not None,
    ),
    Job(
        "deliver",
        lambda values: values.jobs.deliver,
        of_module("deliveries"),
        configured=lambda values: bool(values.notifications.sinks),
    ),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands at an instant.

    ``last`` is its newest run, ``succeeded_at`` when the last one began that succeeded.
    ``due_at`` is the first firing of its schedule that no success has followed.
    """

    job: Job
    configured: bool
    last: Run | None
    succeeded_at: int | None
    due_at: int | None
    now: int

    @property
    def is_due(self) -> bool:
        """Whether the job should run."""
        return self.due_at is not None and self.due_at <= self.now

    def late_seconds(self, values: ConfigValues) -> int:
        """Return how long the job is overdue, 0 while that is not long enough to be late."""
        overdue = 0 if self.due_at is None else self.now - self.due_at
        return overdue if overdue > values.jobs.late_after_minutes * _MINUTE else 0


def standings(tx: Transaction, settings: Settings, now: int) -> list[Standing]:
    """Return how each job stands at an instant, in the order in which they run."""
    values = settings.values
    history = terms.read(tx, settings).history
    begun = store.in_use_since(tx)
    found = []
    for job in JOBS:
        success = store.last_of(tx, job.name, now, store.DONE)
        due_at = None
        configured = values.enabled and job.configured(values)
        if configured and success is not None:
            due_at = job.next_after(success.started_at, values, history, now)
        elif configured:
            # It is due now, and late since it would have run, had anyone looked.
            since = now if begun is None else job.next_after(begun, values, history, now)
            due_at = now if since is None else min(since, now)
        found.append(
            Standing(
                job,
                configured,
                store.last_of(tx, job.name, now),
                None if success is None else success.started_at,
                due_at,
                now,
            )
        )
    return found


class Outcome(NamedTuple):
    """How a job has run, or why it has not; ``trace`` is that of a bug."""

    job: str
    result: str
    report: JobReport = JobReport()
    due_at: int | None = None
    duration_ms: int | None = None
    error: str | None = None
    trace: str | None = None


@dataclass
class Runs:
    """What came of a request to run jobs; ``notes`` are for the operator."""

    outcomes: list[Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """What the jobs warn of, each thing once."""
        return list(dict.fromkeys(text for one in self.outcomes for text in one.report.warnings))

    @property
    def traces(self) -> list[str]:
        """The lines of the traces of bugs."""
        return [line for one in self.outcomes if one.trace for line in one.trace.splitlines()]

    def require_success(self) -> None:
        """Raise :class:`IncompleteError` if a job failed."""
        failed = [one for one in self.outcomes if one.result == store.FAILED]
        if failed:
            raise IncompleteError(
                "; ".join(f"{one.job} failed: {one.error}" for one in failed),
                "the next billing job run --due tries again",
            )


def chosen(names: Sequence[str]) -> list[str]:
    """Return the names of jobs that are meant; UsageError for one that there is not."""
    known = [job.name for job in JOBS]
    for name in names:
        if name not in {ALL, *known}:
            raise UsageError(
                f"there is no job {quoted(name)}", f"use one of: {', '.join([*known, ALL])}"
            )
    return known if ALL in names else [name for name in known if name in names]


def run(app: App, names: Sequence[str] | None, advance: Callable[[int], None]) -> Runs:
    """Run some jobs now, or with None those that are due, in their fixed order.

    A job that fails does not keep the next ones from running. Raises
    :class:`NotConfiguredError` if the only job that was named is not configured.
    """
    with app.unit_of_work() as uow:
        found = _to_run(uow, app, names)
        if not found:
            return Runs(notes=[_nothing_due(uow, app)])
        with store.lock(app.engine) as held:
            if not held:
                return Runs(notes=[_busy(uow)])
            _abandon(uow, app)
            planned = names is None
            if planned:
                # Whoever held the lock a moment ago may have done what was due.
                found = _to_run(uow, app, names)
                if not found:
                    return Runs(notes=[_nothing_due(uow, app)])
            return Runs(
                [_perform(uow, one, Task(app, app.clock.now(), planned, advance)) for one in found]
            )


def pending(app: App, names: Sequence[str] | None) -> Runs:
    """Return what :func:`run` would run, and run nothing."""
    with app.unit_of_work() as uow:
        found = _to_run(uow, app, names)
        if not found:
            return Runs(notes=[_nothing_due(uow, app)])
    return Runs(
        [
            Outcome(
                one.job.name,
                "due" if one.configured else NOT_CONFIGURED,
                due_at=one.due_at if names is None else None,
            )
            for one in found
        ]
    )


def _to_run(uow: UnitOfWork, app: App, names: Sequence[str] | None) -> list[Standing]:
    with uow.reading() as tx:
        found = standings(tx, app.settings, app.clock.now())
    if names is None:
        return [one for one in found if one.is_due]
    wanted = [one for one in found if one.job.name in names]
    if len(wanted) == 1 and not wanted[0].configured:
        raise NotConfiguredError(
            f"the job {wanted[0].job.name} is not configured",
            "docs/jobs.md says what each job needs",
        )
    return wanted


def _nothing_due(uow: UnitOfWork, app: App) -> str:
    with uow.reading() as tx:
        found = standings(tx, app.settings, app.clock.now())
    coming = [one for one in found if one.due_at is not None]
    if not coming:
        return "no job is due"
    first = min(coming, key=lambda one: one.due_at or 0)
    return f"no job is due: the next is {first.job.name} at {format_instant(first.due_at or 0)}"


def _busy(uow: UnitOfWork) -> str:
    with uow.reading() as tx:
        working = store.running(tx)
    who = ""
    if working is not None:
        since = format_instant(working.started_at)
        who = f": {working.process} runs {working.job} since {since}"
    return f"another process is running jobs{who}. Nothing was done"


def _abandon(uow: UnitOfWork, app: App) -> None:
    """Mark the run of a process that is gone as interrupted."""
    with uow.reading() as tx:
        left = store.running(tx)
    if left is None:
        return
    with uow.batch() as tx:
        found = store.abandon(tx)
    for gone in found:
        app.log.warning("an earlier run was interrupted", job=gone.job, run=gone.id)


def _perform(uow: UnitOfWork, standing: Standing, task: Task) -> Outcome:
    """Run a job, on connections of its own, and record how it went."""
    app, job = task.app, standing.job
    if not standing.configured:
        return Outcome(job.name, NOT_CONFIGURED)
    due_at = standing.due_at if task.planned else None
    process = f"{socket.gethostname()}:{os.getpid()}"
    with uow.batch() as tx:
        number = store.begin(tx, job.name, task.now, due_at, process)
    with app.log.told(job=job.name, run=number):
        app.log.debug("begins", due_at=instant_text(due_at))
        outcome = _attempt(job, task)._replace(due_at=due_at)
        ended = store.Run(
            number,
            job.name,
            task.now,
            due_at,
            outcome.duration_ms,
            outcome.result,
            outcome.report.did,
            json.dumps(_counted(outcome.report)),
            outcome.error,
            process,
        )
        with uow.batch() as tx:
            store.finish(tx, ended)
        _log(app, outcome)
    return outcome


def _attempt(job: Job, task: Task) -> Outcome:
    clock = task.app.clock
    start = clock.monotonic()
    report, error, trace = JobReport(), None, None
    try:
        report = job.work(task)
        error = report.problem
    except BillingError as failure:
        error = " ".join(failure.message.split())
    except Exception as failure:  # noqa: BLE001 - a bug in one job must not stop the others
        error = f"a bug, please report it: {type(failure).__name__}: {failure}"
        trace = traceback.format_exc()
    return Outcome(
        job.name,
        store.DONE if error is None else store.FAILED,
        report,
        duration_ms=int((clock.monotonic() - start) * _MS),
        error=error,
        trace=trace,
    )


def _counted(report: JobReport) -> dict[str, int]:
    return {count.noun: count.number for count in report.counts}


def _log(app: App, outcome: Outcome) -> None:
    write = app.log.info if outcome.error is None else app.log.error
    counts = {noun.replace(" ", "_"): number for noun, number in _counted(outcome.report).items()}
    write(
        outcome.result,
        error=outcome.error,
        duration_ms=outcome.duration_ms,
        **counts,
        traceback=outcome.trace,
    )
