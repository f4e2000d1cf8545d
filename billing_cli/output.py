r"""The one place that prints: results on stdout, messages and progress on stderr.

Names of users and sessions come from outside and may hold anything, so each format makes text
harmless in its own way:

- JSON keeps every value exactly; what could steer a terminal is written as ``\uXXXX``.
- CSV (RFC 4180, a line feed ending each record) keeps tabs and line breaks, quoted.
- TSV, tables and Markdown show those as ``\t``, ``\n`` and ``\r``: a record is one line.
- Outside JSON, other control characters, ANSI escapes, bidirectional controls, line separators
  and lone surrogates are shown as ``\x1b`` or ``\u202e``. A backslash stays a backslash.
- A CSV or TSV cell that a spreadsheet would run as a formula gets a leading apostrophe, unless
  it is a plain number.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TextIO, TypeAlias, cast

from billing_cli.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Row: TypeAlias = Mapping[str, object]

# C1 and DEL, bidirectional controls, line separators, the byte order mark, lone surrogates.
_STEERING: Final = (
    "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
)
_IN_LINE: Final = re.compile(f"[\x00-\x1f{_STEERING}]")
_IN_CSV: Final = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f{_STEERING}]|\r(?!\n)")
_IN_JSON: Final = re.compile(f"[{_STEERING}]")
_SHORT: Final = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}

_FORMULA: Final = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")  # noqa: RUF001 - the full-width forms
_PLAIN_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_MARKDOWN: Final = re.compile(r"[\\`*_{}\[\]|~$#!]")
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_ENCODE_COMPACT: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode
_ENCODE_INDENTED: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2).encode

_GAP: Final = 2
_NARROWEST: Final = 4


class OutputFormat(StrEnum):
    """How results are printed: for people, or for programs."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    MARKDOWN = "markdown"


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the rows to print, under its name in the data formats.

    ``title`` heads it in tables (default: ``user_id`` becomes ``User id``). A ``numeric`` column
    is aligned to the right. On a terminal too narrow for all, ``wide`` columns are left out,
    the last first. With ``table=False`` it is in the data formats only.
    """

    key: str
    title: str | None = None
    numeric: bool = False
    wide: bool = False
    table: bool = True

    @property
    def heading(self) -> str:
        """The words above the column."""
        return _heading(self.key) if self.title is None else self.title


@dataclass(frozen=True, slots=True)
class Section:
    """A table below an object: the rows it holds under ``key``, nothing where there are none."""

    key: str
    columns: Sequence[Column]
    title: str | None = None
    footer: Row | None = None


@dataclass(frozen=True, slots=True)
class _Grid:
    """A table of texts, each made visible: what its three renderings start from."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    footer: Sequence[str] | None
    title: str | None


def emit(
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
    come formatted), integers, booleans, None, and lists or mappings of these, which are compact
    JSON outside JSON; anything else raises TypeError. Data formats stream and are never empty
    of structure: ``[]``, or the header alone. Tables and Markdown gather the rows first, have
    the ``title`` above and the totals of ``footer`` below (the keys it has), and say ``empty``
    on stderr when there are none.

    Raises UnavailableError when stdout cannot be written; a reader that has left ends the
    printing quietly.
    """
    if fmt in {OutputFormat.TABLE, OutputFormat.MARKDOWN}:
        grid = _gather(rows, columns, footer, title)
        if grid.rows:
            _write([_render(grid, fmt)])
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
        _write([_json(obj, _ENCODE_INDENTED), "\n"])
        return
    if fmt not in {OutputFormat.TABLE, OutputFormat.MARKDOWN}:
        _write(_data([obj], list(obj), fmt))
        return
    keys = {section.key for section in sections}
    fields = [(_heading(key), _shown(obj[key])) for key in obj if key not in keys]
    parts = [_render_fields(fields, fmt)]
    for section in sections:
        title = _heading(section.key) if section.title is None else section.title
        rows = cast("Iterable[Row]", obj[section.key])
        grid = _gather(rows, section.columns, section.footer, title)
        if grid.rows:
            parts.append(_render(grid, fmt))
    _write(["\n".join(parts)])


def message(text: str) -> None:
    """Tell the operator ``text``, one line on stderr."""
    _say("", text, "")


def warn(text: str) -> None:
    """Warn the operator of ``text``, one line on stderr."""
    _say("warning: ", text, "33")


def fail(text: str, hint: str | None = None) -> None:
    """Say what went wrong on stderr and, on a line of its own, what to do about it."""
    _say("error: ", text, "1;31")
    if hint is not None:
        _say("hint: ", hint, "36")


@contextmanager
def progress(total: int | None, description: str) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr while the block runs, where stderr is a terminal.

    Gives a function that counts so many of the ``total`` steps as done; None is a total not
    known. The bar is gone afterwards.
    """
    if not _is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
        yield lambda _steps: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, color_system="auto" if _has_colour(sys.stderr) else None),
        transient=True,
        redirect_stdout=False,
    )
    with bar:
        task = bar.add_task(_visible(description, _IN_LINE), total=total)
        yield lambda steps: bar.advance(task, steps)


def _data(rows: Iterable[Row], keys: Sequence[str], fmt: OutputFormat) -> Iterator[str]:
    """The pieces of a data format, one for each row, made as they are asked for."""
    if fmt is OutputFormat.CSV:
        return _csv(rows, keys)
    if fmt is OutputFormat.TSV:
        return _tsv(rows, keys)
    lines = (_json({key: row[key] for key in keys}, _ENCODE) for row in rows)
    if fmt is OutputFormat.JSONL:
        return (line + "\n" for line in lines)
    return _json_array(lines)


def _json_array(lines: Iterable[str]) -> Iterator[str]:
    before = "[\n  "
    for line in lines:
        yield before + line
        before = ",\n  "
    yield "[]\n" if before.startswith("[") else "\n]\n"


class _Echo:
    """The file that the CSV writer needs: it hands each record back instead of keeping it."""

    def write(self, text: str) -> str:
        return text


def _csv(rows: Iterable[Row], keys: Sequence[str]) -> Iterator[str]:
    record: Callable[[Iterable[str]], str] = csv.writer(
        cast("TextIO", _Echo()), lineterminator="\n"
    ).writerow
    yield record(keys)
    for row in rows:
        yield record(_cell(row[key], _IN_CSV) for key in keys)


def _tsv(rows: Iterable[Row], keys: Sequence[str]) -> Iterator[str]:
    yield "\t".join(keys) + "\n"
    for row in rows:
        yield "\t".join([_cell(row[key], _IN_LINE) for key in keys]) + "\n"


def _cell(value: object, unsafe: re.Pattern[str]) -> str:
    """``value`` as a cell of CSV or TSV, which a spreadsheet takes for text or a number."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = _visible(_text(value), unsafe)
    return f"'{text}" if _FORMULA.match(text) and not _PLAIN_NUMBER.fullmatch(text) else text


def _shown(value: object) -> str:
    """``value`` as a cell of a table: one line, never blank for what is missing."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _visible(_text(value), _IN_LINE)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple, dict)):
        return _json(value, _ENCODE_COMPACT)
    kind = type(value).__name__
    raise TypeError(f"a {kind} cannot be printed: format it first")


def _json(value: object, encode: Callable[[object], str]) -> str:
    # What the pattern finds is always inside a string, where an escape means the same.
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", encode(value))


def _visible(text: str, unsafe: re.Pattern[str]) -> str:
    return unsafe.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")  # noqa: PLR2004


def _heading(key: str) -> str:
    return key.replace("_", " ").capitalize()


def _gather(
    rows: Iterable[Row], columns: Sequence[Column], footer: Row | None, title: str | None
) -> _Grid:
    shown = [column for column in columns if column.table]
    return _Grid(
        columns=shown,
        rows=[[_shown(row[column.key]) for column in shown] for row in rows],
        footer=footer and [_shown(footer.get(column.key, "")) for column in shown],
        title=title and _visible(title, _IN_LINE),
    )


def _render(grid: _Grid, fmt: OutputFormat) -> str:
    if fmt is OutputFormat.MARKDOWN:
        return _render_markdown(grid)
    return _render_rich(grid) if _is_terminal(sys.stdout) else _render_plain(grid)


def _render_plain(grid: _Grid) -> str:
    from tabulate import SEPARATING_LINE, tabulate  # noqa: PLC0415 - only piped tables need it

    rows = [list(row) for row in grid.rows]
    if grid.footer is not None:
        rows += [[SEPARATING_LINE], list(grid.footer)]
    table = tabulate(
        rows,
        headers=[column.heading for column in grid.columns],
        colalign=["right" if column.numeric else "left" for column in grid.columns],
        disable_numparse=True,
    )
    lines = [] if grid.title is None else [grid.title, ""]
    lines += [line.rstrip(" ") for line in table.split("\n")]
    return "\n".join(lines) + "\n"


def _render_markdown(grid: _Grid) -> str:
    lines = [] if grid.title is None else [f"### {_markdown(grid.title)}", ""]
    lines += [
        _markdown_row([column.heading for column in grid.columns]),
        "|" + "|".join(" ---: " if column.numeric else " --- " for column in grid.columns) + "|",
    ]
    lines += map(_markdown_row, grid.rows if grid.footer is None else [*grid.rows, grid.footer])
    return "\n".join(lines) + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_markdown, cells))} |"


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", text).translate(_ENTITIES)


def _render_fields(fields: Sequence[tuple[str, str]], fmt: OutputFormat) -> str:
    if fmt is OutputFormat.MARKDOWN:
        return _render_markdown(_Grid([Column("field"), Column("value")], fields, None, None))
    width = max((len(heading) for heading, _ in fields), default=0) + 2
    return "".join(f"{heading + ':':<{width}}{text}\n" for heading, text in fields)


def _render_rich(grid: _Grid) -> str:
    from rich import box  # noqa: PLC0415 - only a terminal needs it
    from rich.cells import cell_len  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    headings = [column.heading for column in grid.columns]
    everything = [headings, *grid.rows, grid.footer or headings]
    available = shutil.get_terminal_size().columns
    natural = [max(map(cell_len, cells)) for cells in zip(*everything, strict=True)]
    widths = _fit(natural, grid.columns, available)
    table = Table(
        box=box.SIMPLE,
        show_edge=False,
        pad_edge=False,
        show_footer=grid.footer is not None,
    )
    for index, width in widths.items():
        table.add_column(
            Text(headings[index]),
            Text(grid.footer[index]) if grid.footer is not None else "",
            justify="right" if grid.columns[index].numeric else "left",
            width=width,
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in grid.rows:
        # Text, and never a string: rich would look for markup in it.
        table.add_row(*(Text(row[index]) for index in widths))
    console = Console(
        file=io.StringIO(),
        force_terminal=True,
        color_system="auto" if _has_colour(sys.stdout) else None,
        width=available,
    )
    if grid.title is not None:
        console.print(Text(grid.title, style="bold"), "", sep="\n")
    console.print(table)
    return cast("io.StringIO", console.file).getvalue()


def _fit(natural: Sequence[int], columns: Sequence[Column], available: int) -> dict[int, int]:
    """The columns that a terminal of ``available`` cells shows, by index, and their widths.

    Wide columns go first, from the right; then the widest text gives way, and numbers, which
    say something else when cut, come last.
    """
    widths = {index: min(width, available) for index, width in enumerate(natural)}

    def excess() -> int:
        return sum(widths.values()) + _GAP * (len(widths) - 1) - available

    for index in reversed(range(len(columns))):
        if columns[index].wide and excess() > 0 and len(widths) > 1:
            del widths[index]
    for numeric in (False, True):
        while excess() > 0:
            candidates = [index for index in widths if columns[index].numeric is numeric]
            widest = max(candidates, key=widths.__getitem__, default=None)
            if widest is None or widths[widest] <= _NARROWEST:
                break
            widths[widest] -= 1
    return widths


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


def _done(stream: TextIO, action: Callable[..., object], *arguments: str) -> bool:
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
    if label and _has_colour(stream):
        label = f"\x1b[{style}m{label}\x1b[0m"
    with suppress(OSError):  # There is nobody left to tell.
        stream.write(f"{label}{_visible(text, _IN_LINE)}\n")
        stream.flush()


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _has_colour(stream: TextIO) -> bool:
    """Whether ``stream`` may be styled (https://no-color.org)."""
    environ = os.environ
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
