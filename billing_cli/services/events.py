"""Taking events in: every good line exactly once, every bad one kept with its reason."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.errors import InvalidDataError, NotFoundError, UsageError
from billing_cli.gateway.event_files import (
    STDIN,
    BadLine,
    FileProblem,
    Line,
    ProblemKind,
    expand_inputs,
    read_lines,
)
from billing_cli.gateway.event_rows import read_exported, read_row
from billing_cli.pricing.events import Event, Rejected, parse_event
from billing_cli.services.mending import Earlier
from billing_cli.services.pacing import collector_paused
from billing_cli.store import rejected
from billing_cli.store.events import EventWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from billing_cli.store.unit_of_work import UnitOfWork

_BATCH_EVENTS = 50_000
# Bad lines may be long, or very many; a batch holds no more of them than this.
_BATCH_BAD_BYTES = 32 * 2**20
_REJECTION_BYTES = 600  # of memory for a bad line, however short

_UNFINISHED = (
    "the last line is not complete; if the file is still being written, ingest it again later"
)
CONTRADICTS = "another event with this id but other content is stored already"


class Complaint(NamedTuple):
    """Something to tell the operator about a line, or (line 0) about a whole file."""

    file: str
    line: int
    reason: str


@dataclass(slots=True)
class IngestReport:
    """What came of the input. ``complaints`` holds the first few of what was wrong."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    complaints: list[Complaint] = field(default_factory=list)
    notes: list[Complaint] = field(default_factory=list)
    missing: int = 0
    unread: int = 0
    """Rejections of whole files, of which nothing is kept; ``missing`` is among them."""
    files: int = 0
    kept: bool = True
    dry_run: bool = False

    def complain(self, file: str, line: int, reason: str) -> None:
        """Count a rejection, and remember it if it is among the first."""
        self.rejected += 1
        if len(self.complaints) < _SHOWN_COMPLAINTS:
            self.complaints.append(Complaint(file, line, reason))


_SHOWN_COMPLAINTS = 10


@dataclass(slots=True)
class _Batch:
    file: str
    events: list[Event] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bad: list[rejected.NewRejection] = field(default_factory=list)
    bad_bytes: int = 0

    def look_again(self, line: Line) -> None:
        """Take a line that is no event in one of the three forms for an exported row, if it is."""
        try:
            event = event_of(line.raw)
        except Rejected as error:
            self.reject_line(line, str(error))
        else:
            self.events.append(event)
            self.lines.append(line.number)

    def reject_line(self, line: Line | BadLine, reason: str) -> None:
        """Reject what is no event; the end of a file that breaks off may still become one."""
        if not line.complete:
            reason = f"{_UNFINISHED} ({reason})"
        kind, header = rejected.PART, None
        if isinstance(line, Line):
            kind = rejected.EVENT if line.complete else rejected.PART
        elif line.header is not None:
            kind, header = rejected.ROW, line.header
        self._reject(line.number, reason, line.raw, int(not line.complete), kind, header)

    def reject_file(self, problem: FileProblem) -> None:
        """Reject what was read of the line at which a file stopped being readable."""
        partial = problem.kind is not ProblemKind.HEADER
        self._reject(problem.number, problem.reason, problem.raw, int(partial), rejected.PART)

    def reject_event(self, position: int, reason: str) -> None:
        """Reject an event that was good by itself."""
        self._reject(
            self.lines[position],
            reason,
            self.events[position].payload.encode(),
            0,
            rejected.EVENT,
        )

    def _reject(  # noqa: PLR0913, PLR0917 - the columns of a kept line
        self,
        line: int,
        reason: str,
        raw: bytes,
        partial: int,
        kind: str,
        header: bytes | None = None,
    ) -> None:
        digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
        self.bad.append(
            rejected.NewRejection(self.file, line, reason, raw, digest, partial, kind, header)
        )
        self.bad_bytes += len(raw) + _REJECTION_BYTES


@dataclass(slots=True)
class Ingestion:
    """One run of ``meter ingest``. ``advance`` hears of every so many lines read."""

    uow: UnitOfWork
    now: int
    fmt: str
    stdin: BinaryIO | None
    advance: Callable[[int], None] = lambda _: None
    report: IngestReport = field(default_factory=IngestReport)
    _writer: EventWriter = field(default_factory=EventWriter)

    def run(self, patterns: Sequence[str]) -> IngestReport:
        """Take in files, globs of files, or standard input (``-``)."""
        with collector_paused():
            for name in expand_inputs(patterns):
                source = self.stdin if name == STDIN else Path(name)
                if source is None:
                    raise UsageError("standard input is closed", "name the files to take in")
                # A file's name need not be text; a name for it that can be stored has to be.
                shown = name.encode(errors="backslashreplace").decode()
                self._file("standard input" if name == STDIN else shown, source)
                self.report.files += 1
        return self.report

    def _file(self, name: str, source: Path | BinaryIO) -> None:
        batch = _Batch(name)
        with self.uow.reading() as tx:
            earlier = Earlier(tx, name)
        any_earlier = bool(earlier)
        for found in read_lines(source, self.fmt):
            if any_earlier:
                earlier.take_up(found)
            if isinstance(found, Line):
                try:
                    batch.events.append(parse_event(found.raw))
                    batch.lines.append(found.number)
                except Rejected:
                    batch.look_again(found)
            elif isinstance(found, BadLine):
                batch.reject_line(found, found.reason)
            else:
                self._problem(batch, found)
            if len(batch.events) >= _BATCH_EVENTS or batch.bad_bytes > _BATCH_BAD_BYTES:
                self._store(batch, earlier)
                batch = _Batch(name)
        self._store(batch, earlier)

    def _problem(self, batch: _Batch, problem: FileProblem) -> None:
        if problem.kind is ProblemKind.EMPTY:
            self.report.notes.append(Complaint(batch.file, 0, "there are no events in it"))
        elif problem.number and problem.raw:
            batch.reject_file(problem)
        else:
            self.report.unread += 1
            self.report.missing += problem.kind is ProblemKind.MISSING
            self.report.complain(batch.file, problem.number, problem.reason)

    def _store(self, batch: _Batch, earlier: Earlier) -> None:
        if not batch.events and not batch.bad:
            return
        with self.uow.batch() as tx:
            new, conflicts = self._writer.store(tx, batch.events, self.now)
            for position in sorted(conflicts):
                batch.reject_event(position, CONTRADICTS)
            if earlier:
                earlier.forget(tx, {bad.line for bad in batch.bad})
            rejected.add(tx, batch.bad, self.now)
        self.report.accepted += new
        self.report.duplicate += len(batch.events) - new - len(conflicts)
        for bad in sorted(batch.bad, key=lambda bad: bad.line):
            self.report.complain(bad.file, bad.line, bad.reason)
        self.advance(len(batch.events) + len(batch.bad))


def event_of(text: bytes, header: bytes | None = None) -> Event:
    """Return the event of a text or, with a ``header``, of a CSV row; raise Rejected if it is none.

    A text may also be a CSV row with its header, as ``rejected export`` writes it.
    """
    row = read_exported(text) if header is None else read_row(header, text)
    if isinstance(row, BadLine):
        raise Rejected(row.reason)
    return parse_event(row.raw if row else text)


def ingest(ingestion: Ingestion, patterns: Sequence[str], *, all_or_nothing: bool) -> IngestReport:
    """Run an ingestion; one that takes all or nothing has to be a rehearsal until it knows."""
    report = ingestion.run(patterns)
    if all_or_nothing:
        report.kept = not report.rejected
        if report.kept:
            ingestion.uow.keep()
    return report


def require_clean(report: IngestReport) -> None:
    """Raise what the exit code of ``meter ingest`` follows from, if anything was wrong."""
    if not report.rejected:
        return
    if report.missing == report.rejected and not (report.accepted or report.duplicate):
        raise NotFoundError("no such file", "check the names")
    if report.dry_run:
        raise InvalidDataError(
            f"{report.rejected:,} rejected; nothing was kept: this was a rehearsal",
            "mend the input, or leave --dry-run out to take the good lines",
        )
    if not report.kept:
        raise InvalidDataError(
            f"nothing was taken: {report.rejected:,} rejected and --strict takes all or nothing",
            "mend the input, or leave --strict out to take the good lines",
        )
    rest = "everything else was taken" if report.accepted or report.duplicate else "nothing taken"
    hint = "billing meter rejected list shows them; mend and ingest again, or retry or drop them"
    if report.unread == report.rejected:
        hint = "mend what is named above, and ingest it again"
    raise InvalidDataError(f"{report.rejected:,} rejected; {rest}", hint)
