r"""The one place that prints: results on stdout, messages and progress on stderr.

Nothing printed can do harm, whatever the data hold (:mod:`billing_cli.harmless`): JSON keeps
every value exactly, with escapes; CSV (RFC 4180, a line feed ending each record) keeps tabs and
line breaks, quoted; in TSV, tables and Markdown a record is one line, with ``\t`` and ``\n``.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, TextIO, TypeAlias, cast

from billing_cli.errors import UnavailableError, UsageError
from billing_cli.harmless import (
    IN_LINE,
    IN_QUOTES,
    data_cell,
    encode_indented,
    json_text,
    table_cell,
    visible,
)
from billing_cli.logs import Level, current
from billing_cli.tables import (
    Column,
    Grid,
    gather,
    heading,
    markdown_table,
    plain_table,
    terminal_table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Row: TypeAlias = Mapping[str, object]

__all__ = [
    "Column",
    "OutputFormat",
    "ReportFormat",
    "Section",
    "csv_line",
    "emit",
    "emit_bytes",
    "emit_object",
    "emit_object_with",
    "emit_text",
    "fail",
    "has_colour",
    "is_terminal",
    "json_array",
    "log_line",
    "message",
    "progress",
    "refuse_terminal",
    "warn",
]


class OutputFormat(StrEnum):
    """How results are printed: for people, or for programs."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    MARKDOWN = "markdown"


class ReportFormat(StrEnum):
    """How reports are written: as everything else is, as a workbook, or for other programs."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    MARKDOWN = "markdown"
    XLSX = "xlsx"
    BEANCOUNT = "beancount"
    HLEDGER = "hledger"
    FOCUS = "focus"


@dataclass(frozen=True, slots=True)
class Section:
    """A table below an object: the rows it holds under ``key``, nothing where there are none."""

    key: str
    columns: Sequence[Column]
    title: str | None = None
    footer: Row | None = None


def emit(  # noqa: PLR0913 - what only tables have is keyword-only and optional
    rows: Iterable[Row],
    columns: Sequence[Column],
    fmt: OutputFormat,
    *,
    empty: str = "nothing to show",
    footer: Row | None = None,
    title: str | None = None,
) -> None:
    """Print ``rows``, each with a value for every column, on stdout.

    The columns decide names and order in each format. Values are text (amounts and quantities
    come formatted), integers, booleans, None, and lists or dictionaries of these, which the
    other formats show as compact JSON; anything else raises TypeError. Data formats stream, and
    without rows are ``[]`` or the header alone. Tables and Markdown gather the rows first, on disk
    where they are many, have ``title`` above and the totals of ``footer`` (the keys it has) below,
    which may be filled while the rows are read, and without rows say ``empty`` on stderr.

    Raises UnavailableError when stdout cannot be written; a reader that has left ends the
    printing quietly.
    """
    if fmt in {OutputFormat.TABLE, OutputFormat.MARKDOWN}:
        grid = gather(rows, columns, footer, title)
        if grid.rows:
            _write(_render(grid, fmt))
        else:
            message(empty)
        return
    _write(_data(rows, [column.key for column in columns], fmt))


def emit_object(obj: Row, fmt: OutputFormat, *, sections: Sequence[Section] = ()) -> None:
    """Print one object on stdout: all of ``obj``, in its own order.

    JSON is the object itself, indented (JSON Lines: on one line); CSV and TSV are a header and
    one row. A table has a line ``Key: value`` each and then a table for each section, whose
    rows ``obj`` holds under the section's key. Values and errors are those of :func:`emit`.
    """
    if fmt is OutputFormat.JSON:
        _write([json_text(dict(obj), encode_indented), "\n"])
        return
    if fmt not in {OutputFormat.TABLE, OutputFormat.MARKDOWN}:
        _write(_data([obj], list(obj), fmt))
        return
    keys = {section.key for section in sections}
    fields = [(heading(key), table_cell(obj[key])) for key in obj if key not in keys]
    parts = [_render_fields(fields, fmt)]
    for section in sections:
        title = heading(section.key) if section.title is None else section.title
        rows = cast("Iterable[Row]", obj[section.key])
        grid = gather(rows, section.columns, section.footer, title)
        if grid.rows:
            parts.append("".join(_render(grid, fmt)))
    _write(["\n".join(parts)])


def emit_object_with(obj: Row, key: str, rows: Iterable[Row]) -> None:
    """Print an object as JSON with ``rows`` under ``key`` at its end, which are streamed."""
    head = json_text(dict(obj), encode_indented).removesuffix("\n}")
    lines = (json_text(dict(row)) for row in rows)
    _write(chain([f'{head},\n  "{key}": '], json_array(lines, "  "), ["}\n"]))


def message(text: str) -> None:
    """Tell the operator ``text``, one line on stderr."""
    if not _taken(Level.INFO, text, None):
        _say("", text, "")


def rehearsed(*, dry_run: bool) -> None:
    """Tell the operator that nothing was kept, where what was done was only tried."""
    if dry_run:
        message("nothing was kept: this was a rehearsal")


def warn(text: str) -> None:
    """Warn the operator of ``text``, one line on stderr."""
    if not _taken(Level.WARNING, text, None):
        _say("warning: ", text, "33")


def fail(text: str, hint: str | None = None) -> None:
    """Say what went wrong on stderr and, on a line of its own, what to do about it.

    ``text`` is one line, or several where there is a list of problems.
    """
    if _taken(Level.ERROR, text, hint):
        return
    first, *more = text.split("\n")
    _say("error: ", first, "1;31")
    for line in more:
        _say("", line, "")
    if hint is not None:
        _say("hint: ", hint, "36")


def log_line(line: str) -> None:
    """Write a line of the log, harmless as it comes, on stderr."""
    _say("", line, "")


def _taken(level: Level, text: str, hint: str | None) -> bool:
    """Log what the operator is told where that is wanted; True where the log is where it goes."""
    log = current()
    if log.takes_messages or (log.keeps_complaints and level > Level.INFO):
        log.write(level, text, {"hint": hint})
    return log.takes_messages


@contextmanager
def progress(total: int | None, description: str) -> Iterator[Callable[[int], None]]:
    """Show a bar, or without a total a count, while the block runs, where stderr is a terminal.

    Gives a function that counts so many of the ``total`` steps as done; None is a total not
    known. The bar is gone afterwards.
    """
    hidden = not is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb"
    if hidden or current().takes_messages:
        yield lambda _steps: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        if total is not None
        else (SpinnerColumn(), TextColumn("{task.completed:,.0f}"), TimeElapsedColumn())
    )
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        *columns,
        console=Console(stderr=True, color_system="auto" if has_colour(sys.stderr) else None),
        transient=True,
        redirect_stdout=False,
    )
    with bar:
        task = bar.add_task(visible(description), total=total)
        yield lambda steps: bar.advance(task, steps)


def _data(rows: Iterable[Row], keys: Sequence[str], fmt: OutputFormat) -> Iterator[str]:
    """Make the pieces of a data format, one for each row, as they are asked for."""
    if fmt is OutputFormat.CSV:
        return _csv(rows, keys)
    if fmt is OutputFormat.TSV:
        return _tsv(rows, keys)
    lines = (json_text({key: row[key] for key in keys}) for row in rows)
    if fmt is OutputFormat.JSONL:
        return (line + "\n" for line in lines)
    return json_array(lines)


def json_array(lines: Iterable[str], margin: str = "") -> Iterator[str]:
    """Make a JSON array of values, one a line, as they are asked for; ``[]`` of none."""
    before = f"[\n{margin}  "
    for line in lines:
        yield before + line
        before = f",\n{margin}  "
    yield "[]\n" if before.startswith("[") else f"\n{margin}]\n"


class _Echo:
    """The file that the CSV writer needs: it hands each record back instead of keeping it."""

    def write(self, text: str) -> str:
        return text


def csv_line() -> Callable[[Iterable[str]], str]:
    """Return what makes a record of CSV of its cells."""
    line: Callable[[Iterable[str]], str] = csv.writer(
        cast("TextIO", _Echo()), lineterminator="\n"
    ).writerow
    return line


def _csv(rows: Iterable[Row], keys: Sequence[str]) -> Iterator[str]:
    record = csv_line()
    yield record(keys)
    for row in rows:
        yield record(data_cell(row[key], IN_QUOTES) for key in keys)


def _tsv(rows: Iterable[Row], keys: Sequence[str]) -> Iterator[str]:
    yield "\t".join(keys) + "\n"
    for row in rows:
        yield "\t".join([data_cell(row[key], IN_LINE) for key in keys]) + "\n"


def _render(grid: Grid, fmt: OutputFormat) -> Iterable[str]:
    if fmt is OutputFormat.MARKDOWN:
        return markdown_table(grid)
    if is_terminal(sys.stdout):
        available = shutil.get_terminal_size().columns
        return [terminal_table(grid, available, colour=has_colour(sys.stdout))]
    return plain_table(grid)


def _render_fields(fields: Sequence[tuple[str, str]], fmt: OutputFormat) -> str:
    if fmt is OutputFormat.MARKDOWN:
        return "".join(markdown_table(Grid([Column("field"), Column("value")], fields)))
    width = max((len(name) for name, _ in fields), default=0) + 2
    return "".join(f"{name + ':':<{width}}{text}\n" for name, text in fields)


def _write(pieces: Iterable[str]) -> None:
    """Write ``pieces`` to stdout as UTF-8, whatever the locale, until the reader has left."""
    stream: TextIO | None = sys.stdout
    if stream is None:
        raise UnavailableError("cannot write the output: standard output is closed")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    for piece in pieces:
        if not _done(stream, stream.write, piece):
            return
    _done(stream, stream.flush)


def emit_bytes(pieces: Iterable[bytes]) -> None:
    """Write bytes to stdout exactly as they are: what came in is handed out as it came."""
    stream: TextIO | None = sys.stdout
    if stream is None:
        raise UnavailableError("cannot write the output: standard output is closed")
    for piece in pieces:
        if not _done(stream, stream.buffer.write, piece):
            return
    _done(stream, stream.flush)


def emit_text(text: str) -> None:
    """Write text to stdout that is harmless already, as it is."""
    _write([text])


def refuse_terminal(option: str) -> None:
    """Raise UsageError where stdout is a terminal, which shows bytes as noise, or worse."""
    if is_terminal(sys.stdout):
        raise UsageError(
            f"{option} would write a file to the terminal", "send it to a file or a program"
        )


def _done(stream: TextIO, action: Callable[..., object], *arguments: object) -> bool:
    """Whether ``action`` reached the reader, who may have left (``| head``)."""
    try:
        action(*arguments)
    except BrokenPipeError:
        _discard(stream)
        return False
    except OSError as error:
        _discard(stream)
        raise UnavailableError(
            f"cannot write the output: {error.strerror or error}",
            "make room or choose another place, and run the command again",
        ) from error
    return True


def _discard(stream: TextIO) -> None:
    """Let what is still buffered go nowhere, or Python complains of it on the way out."""
    with suppress(OSError):  # A stream without a descriptor has nothing to give up.
        descriptor = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def _say(label: str, text: str, style: str) -> None:
    stream: TextIO | None = sys.stderr
    if stream is None:
        return
    if label and has_colour(stream):
        label = f"\x1b[{style}m{label}\x1b[0m"
    with suppress(OSError):  # There is nobody left to tell.
        stream.write(f"{label}{visible(text)}\n")
        stream.flush()


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether ``stream`` is a terminal."""
    return stream is not None and stream.isatty()


def has_colour(stream: TextIO) -> bool:
    """Whether ``stream`` may be styled (https://no-color.org)."""
    environ = os.environ
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
