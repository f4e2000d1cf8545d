"""What the jobs do that come with the program. Each may run late, twice, or be killed anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.services import enrolment, invoice_life, quotas, records, sessions, terms
from billing_cli.services.config import warn_of
from billing_cli.services.generation import Generation, waiting
from billing_cli.services.job_report import Count, JobReport
from billing_cli.store import invoice_life as invoice_rows
from billing_cli.store import sessions as session_rows
from billing_cli.store import state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.services.job_report import Task
    from billing_cli.services.terms import InForce
    from billing_cli.store.unit_of_work import Transaction

_MINUTE = 60
_HOUR = 3_600


def calculate_usage(task: Task) -> JobReport:
    """Bring usage records up to now, and give new users their plan before."""
    app = task.app
    with app.unit_of_work() as uow:
        in_force = terms.establish(uow, app.settings, task.now)
        report = records.run(uow, in_force.history, task.now, task.now, task.advance)
    counts = [
        Count(report.records, "record"),
        Count(report.sessions, "changed session"),
        Count(report.anomalies, "anomaly", "anomalies"),
    ]
    return JobReport(counts, _warnings(in_force))


def generate_invoices(task: Task) -> JobReport:
    """Make final invoices for every complete period, and mark those that are overdue.

    By its schedule it leaves a period alone until ``invoiceDelayMinutes`` after its end.
    """
    app = task.app
    delay = app.settings.values.jobs.invoice_delay_minutes * _MINUTE if task.planned else 0
    with app.unit_of_work() as uow:
        in_force = terms.establish(uow, app.settings, task.now)
        generation = Generation(
            uow, app.settings, in_force.history, task.now, finalize=True, advance=task.advance
        )
        report = generation.generate(None, None, settled_by=task.now - delay)
        with uow.batch() as tx:
            overdue = invoice_life.all_overdue(tx, task.now)
    counts = [
        Count(len(report.ids), "invoice"),
        Count(len(report.periods), "period"),
        Count(len(overdue), "overdue invoice"),
    ]
    return JobReport(counts, _warnings(in_force))


def check_quotas(task: Task) -> JobReport:
    """Find every quota that was reached, suspend and resume, and mark invoices as overdue.

    New users get their plan before: their limits are the plan's.
    """
    app = task.app
    with app.unit_of_work() as uow:
        in_force = terms.establish(uow, app.settings, task.now)
        enrolled = enrolment.enrol(uow, in_force.history, task.now)
        sessions.refresh(uow, in_force.history, task.advance)
        with uow.batch() as tx:
            overdue = invoice_life.all_overdue(tx, task.now)
        found = quotas.Check(uow, app.settings, in_force.history, task.now, task.advance).run()
    counts = [
        Count(found.crossings, "crossing"),
        Count(found.suspensions, "suspension"),
        Count(found.resumptions, "resumption"),
        Count(len(overdue), "overdue invoice"),
        Count(enrolled, "new subscription"),
    ]
    return JobReport(counts, _warnings(in_force))


def usage_backlog(tx: Transaction, _history: TermsHistory, now: int) -> Sequence[Count]:
    """Count the sessions with events that are not folded, and the hours that are not metered."""
    metered = state.metered_until(tx)
    hours = 0 if metered is None else max(0, now - metered) // _HOUR
    return [Count(session_rows.pending_count(tx), "changed session"), Count(hours, "hour")]


def invoice_backlog(tx: Transaction, history: TermsHistory, now: int) -> Sequence[Count]:
    """Count the complete periods with something unbilled in what is metered, and the drafts."""
    found = waiting(tx, history, history.calendar.containing(now).start)
    return [Count(len(found), "period"), Count(invoice_rows.stale_draft_count(tx, now), "draft")]


def quota_backlog(tx: Transaction, _history: TermsHistory, now: int) -> Sequence[Count]:
    """Count the invoices that are due and not marked, and the hours that are not checked."""
    checked = state.quota_progress(tx).checked_until
    hours = 0 if checked is None else max(0, now - checked) // _HOUR
    return [Count(invoice_rows.past_due_count(tx, now), "past-due invoice"), Count(hours, "hour")]


def _warnings(in_force: InForce) -> list[str]:
    warning = warn_of(in_force)
    return [] if warning is None else [warning]
