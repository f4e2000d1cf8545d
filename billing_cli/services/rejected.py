"""Lines that were rejected: listing, exporting, trying again and dropping them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_cli.errors import InvalidDataError, NotFoundError
from billing_cli.gateway.event_rows import export_row
from billing_cli.pricing.events import Event, Rejected
from billing_cli.pricing.instants import format_instant
from billing_cli.services.events import CONTRADICTS, event_of
from billing_cli.store import rejected
from billing_cli.store.events import EventWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.app import App
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

_SHOWN_BYTES = 200


@dataclass(slots=True)
class RetryReport:
    """What came of lines that were rejected before."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0


@contextmanager
def rows(app: App) -> Iterator[Iterator[dict[str, object]]]:
    """Give the rejected lines, by file and line; long and binary ones are shown in part."""
    with app.unit_of_work() as uow, uow.reading() as tx:
        yield (
            {
                "id": row.id,
                "file": row.file,
                "line": row.line,
                "reason": row.reason,
                "rejected_at": format_instant(row.rejected_at),
                "content": _excerpt(row.raw),
            }
            for row in rejected.stream(tx)
        )


@contextmanager
def originals(app: App) -> Iterator[Iterator[bytes]]:
    """Give the rejected lines as they came in, a line each; CSV rows as JSON, with their header."""
    with app.unit_of_work() as uow, uow.reading() as tx:
        yield (_original(row) + b"\n" for row in rejected.stream(tx))


def _original(row: rejected.RejectedRow) -> bytes:
    raw = row.raw.rstrip(b"\r\n")
    return raw if row.header is None else export_row(row.header, raw, complete=not row.partial)


def retry(app: App, ids: Sequence[int] | None, *, dry_run: bool) -> RetryReport:
    """Try rejected lines again, all or those with some ids; those taken are kept no longer."""
    report, writer, after = RetryReport(), EventWriter(), 0
    now = app.clock.now()
    with app.unit_of_work(rehearse=dry_run) as uow:
        wanted = _require_known(uow, ids)
        while True:
            with uow.batch() as tx:
                page = rejected.page(tx, after, 1_000)
                if not page:
                    return report
                after = page[-1].id
                chosen = [row for row in page if wanted is None or row.id in wanted]
                _retry_batch(tx, writer, chosen, now, report)


def _retry_batch(
    tx: Transaction,
    writer: EventWriter,
    page: Sequence[rejected.RejectedRow],
    now: int,
    report: RetryReport,
) -> None:
    events: list[Event] = []
    ids: list[int] = []
    reasons: list[tuple[int, str]] = []
    for row in page:
        # What breaks off has not changed, and by itself would give another reason.
        if row.partial or row.kind == rejected.PART:
            report.rejected += 1
            continue
        try:
            raw = row.raw if row.header is None else row.raw + b"\n"
            events.append(event_of(raw, row.header))
            ids.append(row.id)
        except Rejected as error:
            reasons.append((row.id, str(error)))
    new, conflicts = writer.store(tx, events, now)
    reasons += [(ids[position], CONTRADICTS) for position in sorted(conflicts)]
    taken = [number for position, number in enumerate(ids) if position not in conflicts]
    rejected.delete(tx, taken)
    rejected.set_reason(tx, reasons)
    report.accepted += new
    report.duplicate += len(taken) - new
    report.rejected += len(reasons)


def retry_row(report: RetryReport) -> dict[str, object]:
    """Return the report as it is shown."""
    return {
        "accepted": report.accepted,
        "duplicate": report.duplicate,
        "rejected": report.rejected,
    }


def require_clean(report: RetryReport) -> None:
    """Raise :class:`InvalidDataError` when lines are still rejected."""
    if report.rejected:
        raise InvalidDataError(
            f"{report.rejected:,} lines are still rejected",
            "billing meter rejected list says why; export, mend and ingest them",
        )


def drop(app: App, ids: Sequence[int] | None, *, dry_run: bool) -> int:
    """Delete rejected lines, all or those with some ids; return how many."""
    with app.unit_of_work(rehearse=dry_run) as uow:
        _require_known(uow, ids)
        with uow.batch() as tx:
            return rejected.delete_all(tx) if ids is None else rejected.delete(tx, ids)


def _require_known(uow: UnitOfWork, ids: Sequence[int] | None) -> set[int] | None:
    if ids is None:
        return None
    with uow.reading() as tx:
        unknown = sorted(set(ids) - rejected.known_ids(tx, ids))
    if unknown:
        raise NotFoundError(
            f"there is no rejected line {unknown[0]}", "billing meter rejected list shows the ids"
        )
    return set(ids)


def _excerpt(raw: bytes) -> str:
    text = raw[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return text if len(raw) <= _SHOWN_BYTES else f"{text}… ({len(raw):,} bytes)"
