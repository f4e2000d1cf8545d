"""Reports as workbooks (.xlsx), written row by row with flat memory.

A number is a number only where a spreadsheet holds it exactly, with 15 digits; a longer one, and
everything else, is text, and no text is ever a formula, a link or a date.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count, islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from billing_cli.errors import NotInstalledError
from billing_cli.harmless import IN_QUOTES, visible
from billing_cli.pricing.report_columns import TITLES
from billing_cli.pricing.reports import Kind
from billing_cli.tables import heading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

    from billing_cli.pricing.reports import Field, Report, Value

# What a sheet and a cell hold, and what of a number is exact in one.
_SHEET_ROWS: Final = 1_048_576 - 1
_CELL_CHARACTERS: Final = 32_767
_EXACT_DIGITS: Final = 15
_SHEET_NAME: Final = 28
_WIDTHS: Final = {Kind.TEXT: 22, Kind.WORD: 14, Kind.AMOUNT: 14, Kind.INSTANT: 22, Kind.COUNT: 10}
# Always the same, so that the same report is the same file.
_CREATED: Final = datetime(2000, 1, 1, tzinfo=UTC)


def write_workbook(file: BinaryIO, report: Report) -> None:
    """Write a report into a file that can be sought: a sheet, or more where one is full.

    Raises :class:`NotInstalledError` where the library is not installed.
    """
    try:
        import xlsxwriter
        from xlsxwriter.exceptions import FileCreateError
    except ModuleNotFoundError as error:
        raise NotInstalledError(
            "workbooks need the library XlsxWriter, which is not installed",
            "install it with: pip install 'billing-cli[xlsx]', or choose another --format",
        ) from error
    # The library leaves its drafts behind unless it comes to the end.
    with tempfile.TemporaryDirectory(prefix="billing-xlsx-") as folder:
        book = xlsxwriter.Workbook(file, {"constant_memory": True, "tmpdir": folder})
        _add_sheets(book, report)
        try:
            book.close()
        except FileCreateError as error:
            # The library wraps what the system said.
            raise OSError(*error.args) from error


def _add_sheets(book: Workbook, report: Report) -> None:
    book.use_zip64()
    book.set_properties({"title": report.title, "created": _CREATED})
    formats = _Formats(book)
    rows = iter(report.rows)
    name = "".join(c for c in report.title if c.isalnum() or c in " -")[:_SHEET_NAME]
    for number in count(1):
        first = next(rows, None)
        if first is None and number > 1:
            break
        sheet = book.add_worksheet(name if number == 1 else f"{name[: _SHEET_NAME - 4]} {number}")
        _head(sheet, report.fields, formats.bold)
        if first is not None:
            _fill(sheet, report.fields, _first_and(first, rows), formats)


def exact_number(text: str) -> Decimal | None:
    """Return a decimal that a spreadsheet holds exactly, or None."""
    digits = text.lstrip("-").replace(".", "").lstrip("0")
    return Decimal(text) if len(digits) <= _EXACT_DIGITS else None


class _Formats:
    """Number formats by the decimals they show."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self._known: dict[int, Format] = {}
        self.bold = book.add_format({"bold": True})

    def __call__(self, text: str) -> Format:
        decimals = len(text.partition(".")[2])
        if decimals not in self._known:
            shown = f"0.{'0' * decimals}" if decimals else "0"
            self._known[decimals] = self._book.add_format({"num_format": shown})
        return self._known[decimals]


def _head(sheet: Worksheet, fields: Sequence[Field], bold: Format) -> None:
    for at, field in enumerate(fields):
        sheet.set_column(at, at, _WIDTHS[field.kind])
    sheet.freeze_panes(1, 0)
    for at, field in enumerate(fields):
        sheet.write_string(0, at, TITLES.get(field.name) or heading(field.name), bold)


def _first_and(
    first: tuple[Value, ...], rows: Iterator[tuple[Value, ...]]
) -> Iterator[tuple[Value, ...]]:
    yield first
    yield from islice(rows, _SHEET_ROWS - 1)


def _fill(
    sheet: Worksheet, fields: Sequence[Field], rows: Iterator[tuple[Value, ...]], formats: _Formats
) -> None:
    kinds = [field.kind for field in fields]
    for number, row in enumerate(rows, 1):
        for at, (value, kind) in enumerate(zip(row, kinds, strict=True)):
            if value is None:
                continue
            text = str(value)
            exact = exact_number(text) if kind in {Kind.AMOUNT, Kind.COUNT} else None
            if exact is not None:
                # The library takes any number; a decimal is written digit by digit.
                sheet.write_number(number, at, cast("Any", exact), formats(text))
            else:
                sheet.write_string(number, at, visible(text, IN_QUOTES)[:_CELL_CHARACTERS])
