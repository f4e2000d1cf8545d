"""Numbers for Prometheus, in its text format, for the node exporter's textfile collector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from billing_cli import __version__
from billing_cli.errors import UsageError
from billing_cli.gateway.whole_files import replacing
from billing_cli.pricing.money import format_minor
from billing_cli.services import jobs
from billing_cli.store import invoice_life, outbox, payments, sessions, state
from billing_cli.store import jobs as runs
from billing_cli.store import metrics as store
from billing_cli.store.schema import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from billing_cli.app import App
    from billing_cli.services.jobs import Standing
    from billing_cli.settings.model import ConfigValues
    from billing_cli.store.jobs import Run
    from billing_cli.store.unit_of_work import Transaction

# Read by the exporter, which is somebody else.
_MODE: Final = 0o644
_MS: Final = 1_000
_COUNTER: Final = "counter"
_STATUSES: Final = ("draft", "sent", "paid", "overdue", "void")

Labels = dict[str, str]
Sample = tuple[Labels, str]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: its name, kind and meaning, and a value, written out, for each set of labels."""

    name: str
    kind: str
    help: str
    samples: Sequence[Sample]

    def lines(self) -> Iterator[str]:
        """Yield the lines of the text format."""
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.samples:
            inner = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            yield f"{self.name}{{{inner}}} {value}" if inner else f"{self.name} {value}"


def _gauge(name: str, meaning: str, samples: Sequence[Sample]) -> Family:
    """Make a metric that can go up and down."""
    return Family(name, "gauge", meaning, samples)


def text(app: App) -> str:
    """Return all metrics as of now."""
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        families = [
            _gauge(
                "billing_info",
                "The program and the schema; always 1.",
                [({"version": __version__, "schema": HEAD}, "1")],
            ),
            *_of_jobs(jobs.standings(tx, app.settings, now), app.settings.values),
            *_of_money(tx, now),
            *_of_usage(tx, now),
            *_of_users(tx, now),
        ]
    return "".join(f"{line}\n" for family in families if family.samples for line in family.lines())


def write(content: str, file: Path) -> None:
    """Put metrics into a file in one step: a reader sees the old ones or the new ones."""
    if file.suffix != ".prom":
        raise UsageError(
            f"--textfile {file} does not end in .prom", "the textfile collector reads no others"
        )
    with replacing(file, "name a file in a folder that is there and can be written", _MODE) as new:
        new.write(content.encode())


def _of_jobs(found: Sequence[Standing], values: ConfigValues) -> list[Family]:
    configured = [one for one in found if one.configured]

    def moments(field: str) -> list[Sample]:
        found = [(one.job.name, getattr(one, field)) for one in configured]
        return [({"job": name}, str(moment)) for name, moment in found if moment is not None]

    return [
        *_of_runs({one.job.name: one.last for one in configured if one.last is not None}),
        _gauge(
            "billing_job_last_success_timestamp_seconds",
            "When the last run began that succeeded.",
            moments("succeeded_at"),
        ),
        _gauge(
            "billing_job_next_due_timestamp_seconds",
            "When the job is to run next; in the past where it is due.",
            moments("due_at"),
        ),
        _gauge(
            "billing_job_late_seconds",
            "How late the job is; 0 while it is less late than jobs.lateAfterMinutes.",
            [({"job": one.job.name}, str(one.late_seconds(values))) for one in configured],
        ),
    ]


def _of_runs(last: Mapping[str, Run]) -> list[Family]:
    failures = {runs.FAILED, runs.INTERRUPTED}
    return [
        _gauge(
            "billing_job_last_run_timestamp_seconds",
            "When the last run began.",
            [({"job": name}, str(run.started_at)) for name, run in last.items()],
        ),
        _gauge(
            "billing_job_last_duration_seconds",
            "How long the last run took; none while it lasts, or when it was interrupted.",
            [
                ({"job": name}, f"{run.duration_ms // _MS}.{run.duration_ms % _MS:03}")
                for name, run in last.items()
                if run.duration_ms is not None
            ],
        ),
        _gauge(
            "billing_job_last_failed",
            "1 if the last run failed or was interrupted, else 0.",
            [({"job": name}, str(int(run.result in failures))) for name, run in last.items()],
        ),
    ]


def _of_money(tx: Transaction, now: int) -> list[Family]:
    return [
        *_of_invoices(tx, now),
        *_of_payments(tx),
        _gauge(
            "billing_credits_remaining_amount",
            "What is left of credits that have not expired.",
            [
                ({"currency": currency}, format_minor(amount, currency))
                for currency, amount in store.credits_remaining(tx, now)
            ],
        ),
    ]


def _of_invoices(tx: Transaction, now: int) -> list[Family]:
    sums = store.invoice_sums(tx)
    counts = {status: sum(s.number for s in sums if s.status == status) for status in _STATUSES}
    owed = {s.status: s for s in sums if s.status in {"sent", "overdue"}}
    return [
        _gauge(
            "billing_invoices",
            "Invoices, by state.",
            [({"status": status}, str(count)) for status, count in counts.items()],
        ),
        _gauge(
            "billing_invoices_amount",
            "The totals of invoices, by state.",
            [
                ({"status": s.status, "currency": s.currency}, format_minor(s.total, s.currency))
                for s in sums
            ],
        ),
        _gauge(
            "billing_invoices_due_amount",
            "What is still to be paid of invoices that are sent or overdue.",
            [
                ({"status": s.status, "currency": s.currency}, format_minor(s.owed, s.currency))
                for s in owed.values()
            ],
        ),
        _gauge(
            "billing_invoices_past_due",
            "Invoices that are past their due moment and not marked as overdue yet.",
            [({}, str(invoice_life.past_due_count(tx, now)))],
        ),
    ]


def _of_payments(tx: Transaction) -> list[Family]:
    sums = store.payment_sums(tx)
    received = [s for s in sums if s.status != payments.FAILED]
    currencies = sorted({s.currency for s in sums})
    counts = {
        status: sum(s.number for s in sums if s.status == status) for status in payments.STATUSES
    }

    def totals(found: Sequence[store.PaymentSum], field: str) -> list[Sample]:
        return [
            (
                {"currency": currency},
                format_minor(
                    sum(getattr(s, field) for s in found if s.currency == currency), currency
                ),
            )
            for currency in currencies
        ]

    return [
        _gauge(
            "billing_payments",
            "Payments, by state.",
            [({"status": status}, str(count)) for status, count in counts.items()],
        ),
        Family(
            "billing_payments_received_amount_total",
            _COUNTER,
            "Money that has come in, what went back included.",
            totals(received, "amount"),
        ),
        Family(
            "billing_payments_refunded_amount_total",
            _COUNTER,
            "Money that was given back.",
            totals(received, "refunded"),
        ),
        Family(
            "billing_payments_reversed_amount_total",
            _COUNTER,
            "Money that was taken back by who had paid it.",
            totals([s for s in received if s.status == payments.REVERSED], "amount"),
        ),
    ]


def _of_usage(tx: Transaction, now: int) -> list[Family]:
    metered = state.metered_until(tx)
    checked = state.quota_progress(tx).checked_until
    received = store.newest_event(tx)
    lag = None if metered is None else max(0, now - metered)
    return [
        _gauge(
            "billing_usage_metered_until_timestamp_seconds",
            "Up to when usage records are complete.",
            _moment(metered),
        ),
        _gauge(
            "billing_usage_metering_lag_seconds",
            "How long ago that was.",
            _moment(lag),
        ),
        _gauge(
            "billing_quotas_checked_until_timestamp_seconds",
            "Up to when quotas are checked.",
            _moment(checked),
        ),
        _gauge(
            "billing_events_last_received_timestamp_seconds",
            "When the newest event came in.",
            _moment(received),
        ),
        _gauge(
            "billing_events_rejected",
            "Rejected lines that nobody has retried or dropped.",
            [({}, str(store.rejected_lines(tx)))],
        ),
        _gauge(
            "billing_sessions_pending",
            "Sessions with events that no job has looked at yet.",
            [({}, str(sessions.pending_count(tx)))],
        ),
        _gauge(
            "billing_sessions_open",
            "Sessions that run or exist, by state.",
            [({"state": name}, str(count)) for name, count in store.sessions_at(tx, now)],
        ),
    ]


def _of_users(tx: Transaction, now: int) -> list[Family]:
    return [
        _gauge("billing_users", "Users.", [({}, str(store.users(tx)))]),
        _gauge(
            "billing_users_suspended",
            "Users who are suspended.",
            [({}, str(store.suspended_users(tx, now)))],
        ),
        Family(
            "billing_outbox_events_total",
            _COUNTER,
            "Events that were emitted.",
            [({}, str(outbox.newest(tx)))],
        ),
    ]


def _moment(instant: int | None) -> list[Sample]:
    """Return the sample of a number of seconds, none where it is not known."""
    return [] if instant is None else [({}, str(instant))]


def _escaped(value: str) -> str:
    """Return a label's value as the format wants it."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
