"""Writing reports: the bytes of ``output.py``, harmless, and a file as a whole or not at all."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
import tempfile
from contextlib import nullcontext
from typing import TYPE_CHECKING

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_cli import exports, workbooks
from billing_cli.errors import NotInstalledError, UnavailableError, UsageError
from billing_cli.exports import lines, write
from billing_cli.output import Column, OutputFormat, ReportFormat, emit
from billing_cli.pricing.reports import Report, amount, instant, money, number, text, word

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from billing_cli.pricing.reports import Row

FIELDS = (number("id"), text("name"), word("kind"), money("cost"), instant("at"), text("note"))
HOSTILE = (
    "=1+1",
    "+a",
    "-a",
    "@SUM(A1)",
    "\t=x",
    "a,b",
    'a"b',
    "line\nbreak",
    "carriage\rreturn",
    "nul\0nul",
    "\x1b[31mred",
    "\u202eevil",
    "é 𝒳",
    " padded ",
    "",
    "-5",
    "\uff1dfull",
)
outside = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=8), st.from_regex(r"[a-z0-9-]{1,9}"))
rows_of = st.lists(
    st.tuples(
        st.none() | st.integers(-5, 10**9),
        st.none() | outside,
        st.sampled_from([None, "usage"]),
        st.sampled_from(["1.40", "-0.05", "12", None]),
        st.sampled_from([None, "2025-01-01T00:00:00Z"]),
        st.none() | outside,
    ),
    max_size=6,
)


def report(rows: Iterable[Row]) -> Report:
    return Report("A report", FIELDS, rows)


@settings(max_examples=30)
@given(rows=rows_of)
def test_every_format_is_what_other_commands_print(rows: list[Row]) -> None:
    names = [field.name for field in FIELDS]
    for fmt in (OutputFormat.CSV, OutputFormat.TSV, OutputFormat.JSON, OutputFormat.JSONL):
        expected, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        try:
            emit(
                [dict(zip(names, row, strict=True)) for row in rows], list(map(Column, names)), fmt
            )
            sys.stdout.flush()
            printed = sys.stdout.buffer.getvalue().decode()
        finally:
            sys.stdout = expected
        assert "".join(lines(report(rows), fmt)) == printed


def test_a_workbook_has_numbers_where_they_are_exact_and_never_a_formula(tmp_path: Path) -> None:
    fields = (text("name"), amount("cost"), number("id"), word("kind"))
    rows: list[Row] = [
        (name, cost, 7, None)
        for name, cost in zip(
            HOSTILE,
            ["1.40", "-0.05", "0", "123456789012345", "1234567890123.456", "0.1234567890123456"]
            + ["1.000"] * len(HOSTILE),
            strict=False,
        )
    ]
    file = tmp_path / "a.xlsx"
    write(Report("Names: of [all]", fields, rows), ReportFormat.XLSX, str(file))
    first = file.read_bytes()
    write(Report("Names: of [all]", fields, rows), ReportFormat.XLSX, str(file))
    assert file.read_bytes() == first
    sheet = openpyxl.load_workbook(file).active
    assert sheet is not None
    assert [cell.value for cell in sheet[1]] == ["Name", "Cost", "Id", "Kind"]
    found = [row[1] for row in sheet.iter_rows(min_row=2)]
    assert [(cell.value, cell.data_type) for cell in found[:7]] == [
        (1.4, "n"),
        (-0.05, "n"),
        (0, "n"),
        (123456789012345, "n"),
        ("1234567890123.456", "s"),
        ("0.1234567890123456", "s"),
        (1, "n"),
    ]
    assert [cell.number_format for cell in found[:3]] == ["0.00", "0.00", "0"]
    for (name, *_), row in zip(rows, sheet.iter_rows(min_row=2), strict=True):
        assert row[0].data_type in {"s", "n"} if name else True
        assert row[0].hyperlink is None
        if name and str(name).isprintable():
            assert row[0].value == name


def test_a_full_sheet_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbooks, "_SHEET_ROWS", 3)
    for many, sheets in ((0, 1), (3, 1), (4, 2), (7, 3)):
        file = tmp_path / f"{many}.xlsx"
        rows: list[Row] = [(f"n{at}",) for at in range(many)]
        write(Report("T" * 40, (text("name"),), rows), ReportFormat.XLSX, str(file))
        book = openpyxl.load_workbook(file)
        assert len(book.sheetnames) == sheets
        found = [cell.value for sheet in book for (cell,) in sheet.iter_rows(min_row=2)]
        assert found == [f"n{at}" for at in range(many)]


def test_a_workbook_has_the_headings_of_tables(tmp_path: Path) -> None:
    fields = (money("mrr"), money("days_0_30"), text("user_id"))
    file = tmp_path / "a.xlsx"
    write(Report("Aging", fields, []), ReportFormat.XLSX, str(file))
    sheet = openpyxl.load_workbook(file).active
    assert sheet is not None
    assert [cell.value for cell in sheet[1]] == ["MRR", "0-30 days", "User id"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("x"), None])
def test_a_workbook_leaves_no_drafts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException | None
) -> None:
    def rows() -> Iterable[Row]:
        yield (1, "a", None, None, None, None)
        if error is not None:
            raise error

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    file = tmp_path / "a.xlsx"
    with nullcontext() if error is None else pytest.raises(type(error)):
        write(report(rows()), ReportFormat.XLSX, str(file))
    assert list(tmp_path.iterdir()) == ([file] if error is None else [])


def test_without_the_extra_a_workbook_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(NotInstalledError, match="need the library XlsxWriter") as caught:
        write(report([]), ReportFormat.XLSX, str(tmp_path / "a.xlsx"))
    assert caught.value.exit_code == 8
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    file, link = tmp_path / "a.csv", tmp_path / "link.csv"

    def failing() -> Iterable[Row]:
        yield (1, "a", None, None, None, None)
        raise OSError(28, "No space left on device")

    with pytest.raises(UnavailableError, match=r"a\.csv cannot be written: No space"):
        write(report(failing()), ReportFormat.CSV, str(file))
    assert list(tmp_path.iterdir()) == []
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    with pytest.raises(UnavailableError, match=r"link\.csv cannot be written: No space"):
        write(report(failing()), ReportFormat.CSV, str(link))
    assert file.read_text() == "old"
    write(report([]), ReportFormat.CSV, str(link))
    assert file.read_text() == "id,name,kind,cost,at,note\n"
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "link.csv"]
    write(report([]), ReportFormat.CSV, str(tmp_path / "new.csv"))
    assert stat.S_IMODE((tmp_path / "new.csv").stat().st_mode) == 0o600


def test_a_device_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write(report([]), ReportFormat.CSV, str(pipe))
    assert os.read(reader, 100).startswith(b"id,name")
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(UnavailableError, match="cannot be written: No space left on device"):
        write(report([(1, "a" * 99_999, None, None, None, None)]), ReportFormat.CSV, "/dev/full")


def test_the_name_of_the_file_says_the_format() -> None:
    for name, fmt in (("a.XLSX", ReportFormat.XLSX), ("a.journal", ReportFormat.HLEDGER)):
        assert exports.choose_format(None, name) is fmt
    assert exports.choose_format(ReportFormat.JSON, "a.csv") is ReportFormat.JSON
    for name in ("a.txt", "a", "/dev/stdout", ".hidden", "."):
        assert exports.choose_format(None, name) is ReportFormat.TABLE
    for name in ("a.pdf", "report.2025-01", "a.csv.gz"):
        assert exports.choose_format(ReportFormat.TABLE, name) is ReportFormat.TABLE
        with pytest.raises(UsageError, match=r"no report is written as '\.") as caught:
            exports.choose_format(None, name)
        assert str(caught.value.hint).startswith("let the name end in .txt, .json, .jsonl, ")


def test_no_workbook_goes_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    with pytest.raises(UsageError, match="--format xlsx would write a file to the terminal"):
        exports.choose_format(ReportFormat.XLSX, None)
    assert exports.choose_format(ReportFormat.XLSX, "a") is ReportFormat.XLSX


def test_totals_leave_out_what_does_not_count(tmp_path: Path) -> None:
    fields = (number("id"), word("status"), money("total"))
    rows: list[Row] = [(1, "paid", "1.10"), (2, "void", "5.00"), (3, "sent", "-0.10")]
    for suffix in ("txt", "md"):
        file = tmp_path / f"a.{suffix}"
        write(Report("Invoices", fields, rows), exports.choose_format(None, file.name), str(file))
        assert "1.00" in file.read_text().splitlines()[-1]
    assert json.loads("".join(lines(Report("x", fields, rows), OutputFormat.JSON)))[1]["id"] == 2
