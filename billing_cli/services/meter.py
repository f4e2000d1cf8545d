"""What the ``meter`` commands do: events in, timelines and usage records out."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.errors import NotFoundError, UsageError
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.money import format_decimal
from billing_cli.pricing.quantities import UNITS
from billing_cli.pricing.rating import Totals, add_to, cost, in_line_order, shown_quantity
from billing_cli.pricing.slots import slice_segments, slots
from billing_cli.services import events, records, terms
from billing_cli.services import sessions as timelines
from billing_cli.services.config import warn_of
from billing_cli.store import sessions as store
from billing_cli.store import users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from billing_cli.app import App
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.pricing.timelines import Segment
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

    Advance = Callable[[int], None]


def ingest(  # noqa: PLR0913 - the options of the command
    app: App,
    patterns: Sequence[str],
    fmt: str,
    advance: Advance,
    *,
    strict: bool,
    dry_run: bool,
) -> events.IngestReport:
    """Store the events of files, globs or standard input.

    With ``strict`` nothing is kept if anything is rejected, with ``dry_run`` nothing at all.
    """
    # Python has no stream for a descriptor that is closed.
    stdin = sys.stdin.buffer if sys.stdin else None
    if stdin is None and "-" in patterns:
        raise UsageError("standard input is closed", "name the files to take in")
    with app.unit_of_work(rehearse=strict or dry_run) as uow:
        run_ = events.Ingestion(uow, app.clock.now(), fmt, stdin, advance)
        report = events.ingest(run_, patterns, all_or_nothing=strict and not dry_run)
    report.dry_run = dry_run
    return report


def ingest_row(report: events.IngestReport) -> dict[str, object]:
    """Return the summary of an ingestion as it is shown."""
    return {
        "files": report.files,
        "accepted": report.accepted if report.kept else 0,
        "duplicate": report.duplicate,
        "rejected": report.rejected,
    }


class RunResult(NamedTuple):
    """The summary of a run, and what the operator should know about the settings."""

    row: dict[str, object]
    warning: str | None


def run(app: App, until: int | None, advance: Advance, *, dry_run: bool) -> RunResult:
    """Bring usage records up to an instant, at most now."""
    now = app.clock.now()
    if until is not None and until > now:
        raise UsageError(
            f"--until {format_instant(until)} lies in the future",
            "usage is metered up to now at most; --at moves what now is",
        )
    with app.unit_of_work(rehearse=dry_run) as uow:
        in_force = terms.establish(uow, app.settings, now)
        report = records.run(uow, in_force.history, now if until is None else until, now, advance)
    metered = report.metered_until
    row: dict[str, object] = {
        "sessions": report.sessions,
        "anomalies": report.anomalies,
        "records": report.records,
        "metered_until": instant_text(metered),
    }
    return RunResult(row, warn_of(in_force))


@contextmanager
def sessions(app: App, user: str | None, *, active: bool) -> Iterator[Iterator[dict[str, object]]]:
    """Give the sessions that have begun by now, with their timelines up to date."""
    now = app.clock.now()
    with app.unit_of_work() as uow:
        _refresh(uow, app)
        with uow.reading() as tx:
            if user is not None:
                users.key_of(tx, user)
            yield (_session_row(row) for row in store.list_sessions(tx, now, user, active=active))


def show(app: App, session_id: str) -> dict[str, object]:
    """Return a session's timeline up to now, its usage and cost, and its anomalies."""
    now = app.clock.now()
    with app.unit_of_work() as uow:
        history = _refresh(uow, app)
        with uow.reading() as tx:
            key, _, user_id = _require_session(tx, session_id)
            segments = [s for s in store.segments_of(tx, [key]).get(key, []) if s.start < now]
            anomalies = [_anomaly_row(row) for row in store.list_anomalies(tx, session_id, None)]
    elapsed = [segment._replace(end=min(segment.end, now)) for segment in segments]
    usage, total = _usage(history, elapsed)
    return {
        "session_id": session_id,
        "user_id": user_id,
        "state": _state(segments, now),
        "until": format_instant(now),
        "total_cost": total,
        "currency": history.at(now).currency,
        "timeline": [_segment_row(segment) for segment in elapsed],
        "usage": usage,
        "anomalies": anomalies,
    }


@contextmanager
def anomalies(
    app: App, session_id: str | None, user: str | None
) -> Iterator[Iterator[dict[str, object]]]:
    """Give the anomalies of all sessions, of one, or of a user's."""
    with app.unit_of_work() as uow:
        _refresh(uow, app)
        with uow.reading() as tx:
            if user is not None:
                users.key_of(tx, user)
            if session_id is not None:
                _require_session(tx, session_id)
            yield (
                {"session_id": row[0], "user_id": row[1], **_anomaly_row(row)}
                for row in store.list_anomalies(tx, session_id, user)
            )


def _require_session(tx: Transaction, session_id: str) -> tuple[int, int | None, str | None]:
    found = store.find_session(tx, session_id)
    if found is None:
        raise NotFoundError(
            f"there is no session {session_id!r}", "billing meter sessions lists them"
        )
    return found


def _refresh(uow: UnitOfWork, app: App) -> TermsHistory:
    """Fold new events, so that what is shown is what is known; meters nothing."""
    with uow.reading() as tx:
        history = terms.read(tx, app.settings).history
        pending = store.pending_count(tx)
    if pending:
        timelines.refresh(uow, history, lambda _: None)
    return history


def _usage(history: TermsHistory, elapsed: list[Segment]) -> tuple[list[dict[str, object]], str]:
    totals: Totals = {}
    if elapsed:
        for piece in slice_segments(elapsed, slots(history, elapsed[0].start, elapsed[-1].end)):
            add_to(totals, (piece.resource, piece.unit_price), piece.month_seconds, piece.quantity)
    rows: list[dict[str, object]] = []
    total = sum((cost(key[0], parts, key[1]) for key, parts in totals.items()), start=Fraction(0))
    for resource, price in in_line_order(totals):
        parts = totals[resource, price]
        rows.append(
            {
                "resource_type": resource,
                "quantity": shown_quantity(resource, parts),
                "unit": UNITS[resource],
                "unit_price": price,
                "total_cost": format_decimal(cost(resource, parts, price)),
            }
        )
    return rows, format_decimal(total)


def _session_row(row: store.ListedSession) -> dict[str, object]:
    return {
        "session_id": row.session_id,
        "user_id": row.user_id,
        "state": row.state or "ended",
        "start_time": format_instant(row.first_second),
        "end_time": None if row.state else format_instant(row.end_second),
        **_sizes(row.cpu, row.memory, row.storage),
    }


def _segment_row(segment: Segment) -> dict[str, object]:
    return {
        "start_time": format_instant(segment.start),
        "end_time": format_instant(segment.end),
        "state": segment.state,
        **_sizes(segment.cpu, segment.memory, segment.storage),
    }


def _state(segments: list[Segment], now: int) -> str:
    if not segments:
        return "not begun"
    return segments[-1].state if segments[-1].end > now else "ended"


def _anomaly_row(row: tuple[object, ...]) -> dict[str, object]:
    _, _, at, kind, event_id, detail = row
    return {
        "time": format_instant(int(str(at))),
        "kind": kind,
        "event_id": event_id,
        "detail": detail,
    }


def _sizes(cpu: int, memory: int, storage: int) -> dict[str, object]:
    return {
        "cpu_cores": format_decimal(Fraction(cpu, 1_000)),
        "memory_gb": format_decimal(Fraction(memory, 1_024)),
        "storage_gb": format_decimal(Fraction(storage, 1_024)),
    }
