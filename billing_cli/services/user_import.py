"""Importing users: new ones are added, others changed, bad rows told with their lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.errors import BillingError, InvalidDataError, NotFoundError, UsageError
from billing_cli.gateway.event_bytes import ProblemKind
from billing_cli.gateway.event_lines import BadLine, FileProblem
from billing_cli.gateway.user_files import FORMATS, UserLine, format_of, read_users
from billing_cli.pricing.excerpts import quoted
from billing_cli.services import terms
from billing_cli.services.user_changes import (
    SETTABLE,
    Change,
    Place,
    Unreadable,
    read_change,
    reason_of,
    require_possible,
    store_changes,
    why_not_new,
)
from billing_cli.store import users as store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from billing_cli.app import App
    from billing_cli.gateway.user_files import Found
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

__all__ = ["FORMATS", "import_file", "require_clean", "row_of"]

_BATCH_USERS: Final = 1_000
_SHOWN_COMPLAINTS: Final = 100
_ID: Final = "user_id"
_ALIASES: Final = {"id": _ID, "user": _ID}
# What `user list` shows and nobody sets here: its output can be edited and read again.
_PASSED_OVER: Final = {"suspended_since", "created_at"}


class Complaint(NamedTuple):
    """What is wrong with a line, or (line 0) with the whole file."""

    line: int
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What came of a file. ``complaints`` holds the first of what was wrong."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    missing: bool = False
    complaints: list[Complaint] = field(default_factory=list)

    def complain(self, line: int, reason: str) -> None:
        """Count a rejection, and remember it if it is among the first."""
        self.rejected += 1
        if len(self.complaints) < _SHOWN_COMPLAINTS:
            self.complaints.append(Complaint(line, reason))


def import_file(
    app: App, name: str, fmt: str | None, advance: Callable[[int], None], *, dry_run: bool
) -> ImportReport:
    """Take in the users of a file; ``fmt`` None goes by its extension."""
    fmt = fmt or format_of(name)
    if fmt is None:
        raise UsageError(
            f"the name {name!r} does not tell the format", "say --format csv, json or jsonl"
        )
    now = app.clock.now()
    with app.unit_of_work(rehearse=dry_run) as uow:
        place = Place(terms.establish(uow, app.settings, now).history, now)
        importing = _Importing(uow, place, advance)
        importing.run(read_users(Path(name), fmt, _column_of))
    return importing.report


def _column_of(name: str) -> str | None:
    column = name.strip().lower().replace("-", "_")
    column = _ALIASES.get(column, column)
    if column in _PASSED_OVER:
        return None
    if column != _ID and column not in SETTABLE:
        raise ValueError(f"there is no column {quoted(name)}: use {', '.join((_ID, *SETTABLE))}")
    return column


class _Importing:
    """One run. Each user may be in one row only, or the second time would not be as the first."""

    def __init__(self, uow: UnitOfWork, place: Place, advance: Callable[[int], None]) -> None:
        self.report = ImportReport()
        self._uow = uow
        self._place = place
        self._advance = advance
        self._lines: dict[str, int] = {}

    def run(self, found: Iterator[Found]) -> None:
        """Store what is found in batches, each with its good rows."""
        while batch := list(islice(found, _BATCH_USERS)):
            changes = list(self._changes(batch))
            if changes:
                with self._uow.batch() as tx:
                    self._store(tx, changes)
            # Those of unknown users come second; to be read, they go by line.
            self.report.complaints.sort()
            self._advance(len(batch))

    def _changes(self, batch: Iterable[Found]) -> Iterator[tuple[int, Change]]:
        for found in batch:
            if isinstance(found, (BadLine, FileProblem)):
                self.report.complain(found.number, found.reason)
                kind = found.kind if isinstance(found, FileProblem) else None
                self.report.missing |= kind is ProblemKind.MISSING
                continue
            try:
                yield found.number, self._change(found)
            except (Unreadable, BillingError) as error:
                self.report.complain(found.number, reason_of(error))

    def _change(self, line: UserLine) -> Change:
        values = {column: _text(column, value) for column, value in line.values.items()}
        user_id = values.pop(_ID, "")
        if not user_id:
            raise Unreadable(_ID, "it is missing")
        change = read_change(self._place, user_id, values)
        before = self._lines.setdefault(user_id, line.number)
        if before != line.number:
            raise Unreadable(_ID, f"{quoted(user_id)} is in line {before} already")
        return change

    def _store(self, tx: Transaction, changes: Sequence[tuple[int, Change]]) -> None:
        known = store.by_ids(tx, [change.user_id for _, change in changes])
        good = []
        for line, change in changes:
            reason = self._objection(tx, change, is_known=change.user_id in known)
            if reason is None:
                good.append(change)
            else:
                self.report.complain(line, reason)
        stored = store_changes(tx, self._place, good)
        self.report.added += len(stored.added)
        self.report.updated += len(stored.updated)
        self.report.unchanged += len(good) - len(stored.added) - len(stored.updated)

    def _objection(self, tx: Transaction, change: Change, *, is_known: bool) -> str | None:
        if not is_known:
            return why_not_new(change)
        try:
            require_possible(tx, self._place, change)
        except BillingError as error:
            return error.message
        return None


def _text(column: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Unreadable(column, "it is neither text nor a number")


def row_of(report: ImportReport) -> dict[str, object]:
    """Return the report as it is shown."""
    return {
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "rejected": report.rejected,
    }


def require_clean(report: ImportReport) -> None:
    """Raise what the exit code follows from, if anything was wrong."""
    if report.missing:
        raise NotFoundError("no such file", "check the name")
    if report.rejected:
        taken = report.added + report.updated + report.unchanged
        rest = "everything else was taken" if taken else "nothing was taken"
        raise InvalidDataError(
            f"{report.rejected:,} rejected; {rest}",
            "mend what is named above, and import the file again",
        )
