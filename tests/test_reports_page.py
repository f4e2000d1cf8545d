"""docs/reports.md knows every report, grouping, column and account, and nothing besides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from billing_cli.output import ReportFormat
from billing_cli.pricing import focus, ledger
from billing_cli.pricing.report_columns import GROUPS, columns_of

FILE: Final = Path(__file__).parent.parent / "docs" / "reports.md"
PAGE: Final = "\n" + FILE.read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """The cells of the table rows below a heading."""
    body = re.split(r"^#+ ", PAGE.partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line.strip("|").split("|") for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def names(cell: str) -> list[str]:
    """What stands in backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def test_every_report_is_there_with_what_its_rows_can_be_about() -> None:
    rows = table("# Reports and exports")
    assert {names(row[0])[0]: tuple(names(row[2])) for row in rows} == GROUPS


@pytest.mark.parametrize("report", GROUPS)
def test_every_column_of_a_report_is_explained(report: str) -> None:
    documented = {name for row in table(f"## {report}") for name in names(row[0])}
    columns = {field.name for group in GROUPS[report] for field in columns_of(report, group)}
    assert documented == columns


def test_the_chart_of_accounts_is_complete() -> None:
    rows = table("### Chart of accounts")
    assert {names(row[0])[0]: row[1] for row in rows} == ledger.CHART


def test_every_column_of_focus_is_explained() -> None:
    documented = [name for row in table("### Columns of FOCUS") for name in names(row[0])]
    assert sorted(documented) == sorted(field.name for field in focus.COLUMNS)


def test_every_format_is_named() -> None:
    section = PAGE.partition("\n## Formats\n")[2].partition("\n- ")[0]
    assert set(names(section)) >= set(ReportFormat)
