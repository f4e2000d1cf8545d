"""Reports of any size, to stdout or into a file: the same bytes as ``output.py`` prints, faster.

A report's fields say which values came from outside. So a million rows cost one look at those
alone, a block at a time: a block in which all are plain is joined as it is, and any other is
written value by value, each made harmless.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from billing_cli import journals
from billing_cli.errors import UsageError
from billing_cli.gateway.whole_files import PRIVATE, replacing
from billing_cli.harmless import IN_LINE, IN_QUOTES, data_cell, json_text
from billing_cli.output import (
    Column,
    OutputFormat,
    ReportFormat,
    csv_line,
    emit,
    emit_bytes,
    json_array,
    refuse_terminal,
)
from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.report_columns import TITLES
from billing_cli.pricing.reports import Kind, Shown, add_up
from billing_cli.tables import gather, markdown_table, plain_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from billing_cli.pricing.reports import Report, Row

_BLOCK_ROWS: Final = 1_000
_NUMERIC: Final = frozenset({Kind.AMOUNT, Kind.COUNT})
# What no format has to quote, and no spreadsheet, terminal or page takes for anything else.
_PLAIN: Final = re.compile(r"(?:(?:[A-Za-z0-9][A-Za-z0-9 ._:/@-]*)?\0)*")
_HINT: Final = "make room, or name another file with --out; what was there before is as it was"
# What was never owed or paid, or is not any more, is no part of a sum.
_NOT_COUNTED: Final = {
    "kind": frozenset({"included"}),
    "status": frozenset({"draft", "void", "failed", "reversed"}),
}


JOURNALS: Final = {
    ReportFormat.BEANCOUNT: journals.beancount,
    ReportFormat.HLEDGER: journals.hledger,
}
"""The formats that are the whole ledger, whatever report is asked for."""

_BY_SUFFIX: Final = {
    "": ReportFormat.TABLE,
    ".txt": ReportFormat.TABLE,
    ".json": ReportFormat.JSON,
    ".jsonl": ReportFormat.JSONL,
    ".csv": ReportFormat.CSV,
    ".tsv": ReportFormat.TSV,
    ".md": ReportFormat.MARKDOWN,
    ".xlsx": ReportFormat.XLSX,
    ".beancount": ReportFormat.BEANCOUNT,
    ".journal": ReportFormat.HLEDGER,
    ".hledger": ReportFormat.HLEDGER,
}


def choose_format(wanted: ReportFormat | None, out: str | None) -> ReportFormat:
    """Return the format that was asked for, or that the name of the file says; else a table.

    Raises :class:`UsageError` for a name that says another format, and for a workbook that a
    terminal would get.
    """
    chosen = wanted or _by_name(out or "")
    if chosen is ReportFormat.XLSX and out is None:
        refuse_terminal("--format xlsx")
    return chosen


def _by_name(out: str) -> ReportFormat:
    suffix = Path(out).suffix.lower()
    if suffix not in _BY_SUFFIX:
        raise UsageError(
            f"--out: no report is written as {quoted(suffix)}",
            f"let the name end in {', '.join(filter(None, _BY_SUFFIX))}, or choose a --format",
        )
    return _BY_SUFFIX[suffix]


def write(
    report: Report, fmt: ReportFormat, out: str | None, *, empty: str = "nothing to report"
) -> None:
    """Write a report to stdout or into a file, which is replaced when it is complete."""
    if fmt is ReportFormat.XLSX:
        from billing_cli.workbooks import write_workbook

        with _destination(out) as file:
            write_workbook(file, report)
    elif fmt in {ReportFormat.TABLE, ReportFormat.MARKDOWN}:
        _write_table(report, fmt, out, empty)
    else:
        write_text(lines(report, OutputFormat(fmt.value)), out)


def write_text(pieces: Iterable[str], out: str | None) -> None:
    """Write pieces of text as UTF-8 to stdout or into a file."""
    encoded = (piece.encode("utf-8", "backslashreplace") for piece in pieces)
    if out is None:
        emit_bytes(encoded)
        return
    with _destination(out) as file:
        for piece in encoded:
            file.write(piece)


def lines(report: Report, fmt: OutputFormat) -> Iterator[str]:
    """Yield a data format, some hundred rows a piece."""
    names = [field.name for field in report.fields]
    if fmt is OutputFormat.JSONL:
        return ("".join([f"{line}\n" for line in block]) for block in _json(report))
    if fmt is OutputFormat.JSON:
        return json_array(",\n  ".join(block) for block in _json(report))
    if fmt is OutputFormat.TSV:
        return _separated(report, names, "\t", _tsv_line)
    return _separated(report, names, ",", csv_line())


def _write_table(report: Report, fmt: ReportFormat, out: str | None, empty: str) -> None:
    columns = [
        Column(
            field.name,
            title=TITLES.get(field.name),
            numeric=field.kind in _NUMERIC,
            wide=field.shown is Shown.WIDE,
            table=field.shown is not Shown.DATA,
        )
        for field in report.fields
    ]
    totals = _Totals(report)
    if out is None:
        kind = OutputFormat(fmt.value)
        emit(totals, columns, kind, title=report.title, footer=totals.footer, empty=empty)
        return
    grid = gather(totals, columns, totals.footer, report.title)
    draw = markdown_table if fmt is ReportFormat.MARKDOWN else plain_table
    write_text(draw(grid), out)


class _Totals:
    """The rows as dictionaries; when they have been read, ``footer`` holds their sums."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.footer: dict[str, object] = {}

    def __iter__(self) -> Iterator[dict[str, object]]:
        fields = self._report.fields
        names = [field.name for field in fields]
        summed = [at for at in add_up(fields) if fields[at].shown is not Shown.DATA]
        skipped = [(names.index(n), words) for n, words in _NOT_COUNTED.items() if n in names]
        sums: dict[int, Decimal] = {}
        for row in self._report.rows:
            if not any(row[at] in words for at, words in skipped):
                for at in summed:
                    sums[at] = sums.get(at, Decimal(0)) + Decimal(row[at] or 0)
            yield dict(zip(names, row, strict=True))
        self.footer |= {names[at]: format(total, "f") for at, total in sums.items()}
        first = next(at for at, field in enumerate(fields) if field.shown is not Shown.DATA)
        self.footer.setdefault(names[first], "Total")


def _json(report: Report) -> Iterator[list[str]]:
    names = [field.name for field in report.fields]
    template = "{" + ", ".join(f'"{name}": %s' for name in names) + "}"
    for block, plain in _blocks(report):
        if plain:
            yield [
                template
                % tuple(
                    ["null" if v is None else f'"{v}"' if v.__class__ is str else v for v in row]
                )
                for row in block
            ]
        else:
            yield [json_text(dict(zip(names, row, strict=True))) for row in block]


def _separated(
    report: Report, names: Sequence[str], separator: str, careful: Callable[[list[str]], str]
) -> Iterator[str]:
    unsafe = IN_LINE if separator == "\t" else IN_QUOTES
    outside = [field.kind is Kind.TEXT for field in report.fields]
    yield separator.join(names) + "\n"
    for block, plain in _blocks(report):
        rows: Iterable[str]
        if plain:
            rows = [
                separator.join(
                    ["" if v is None else v if v.__class__ is str else str(v) for v in row]
                )
                for row in block
            ]
            yield "\n".join(chain(rows, ("",)))
        else:
            yield "".join(
                careful(
                    [
                        data_cell(v, unsafe) if is_outside else "" if v is None else str(v)
                        for v, is_outside in zip(row, outside, strict=True)
                    ]
                )
                for row in block
            )


def _tsv_line(cells: list[str]) -> str:
    return "\t".join(cells) + "\n"


def _blocks(report: Report) -> Iterator[tuple[list[Row], bool]]:
    """Yield rows by the thousand, and whether all that came from outside is plain."""
    outside = [at for at, field in enumerate(report.fields) if field.kind is Kind.TEXT]
    rows = iter(report.rows)
    while block := list(islice(rows, _BLOCK_ROWS)):
        texts = [row[at] or "" for row in block for at in outside]
        joined = "\0".join([*texts, ""])  # type: ignore[list-item]
        # A text that holds a NUL would pass for two.
        plain = joined.count("\0") == len(texts) and _PLAIN.fullmatch(joined) is not None
        yield block, plain


@contextmanager
def _destination(out: str | None) -> Iterator[BinaryIO]:
    """Give a file to write: what it holds is on stdout, or at its place, when the block ends."""
    if out is not None:
        with replacing(Path(out), _HINT, PRIVATE) as file:
            yield file
        return
    with tempfile.TemporaryFile() as scratch:
        yield cast("BinaryIO", scratch)
        scratch.seek(0)
        emit_bytes(iter(lambda: scratch.read(1 << 16), b""))
