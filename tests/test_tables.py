"""Tables for pipes and pages, however many rows they have, and for terminals of any width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from tabulate import tabulate

from billing_cli import tables
from billing_cli.tables import Column, Rows, gather, markdown_table, plain_table, terminal_table

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = [Column("user_id"), Column("amount", numeric=True)]
INVOICES = [
    Column("id", numeric=True),
    Column("invoice_number"),
    Column("user_id"),
    Column("tax", numeric=True, wide=True),
    Column("total", numeric=True),
]
NAMES = st.text(alphabet="aé日本\u0301-", max_size=6)


def in_blocks_of(rows: int, data: list[dict[str, object]], draw: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_BLOCK_ROWS", rows)
        grid = gather(data, COLUMNS, {"amount": "12345.00"})
        return "".join({"plain": plain_table, "markdown": markdown_table}[draw](grid))


@pytest.mark.parametrize("draw", ["plain", "markdown"])
@given(names=st.lists(NAMES, min_size=1, max_size=9), block=st.integers(1, 4))
def test_a_long_table_is_drawn_as_a_short_one(draw: str, names: list[str], block: int) -> None:
    data: list[dict[str, object]] = [{"user_id": n, "amount": len(n)} for n in names]
    assert in_blocks_of(block, data, draw) == in_blocks_of(100, data, draw)


def test_a_plain_table_is_as_wide_as_its_widest_row() -> None:
    data: list[dict[str, object]] = [{"user_id": "ab", "amount": n} for n in range(2_500)]
    data.append({"user_id": "日本" * 9, "amount": "-1.50"})
    whole = tabulate(
        [[row["user_id"], str(row["amount"])] for row in data],
        headers=["User id", "Amount"],
        colalign=["left", "right"],
        disable_numparse=True,
    )
    drawn = "".join(plain_table(gather(data, COLUMNS)))
    assert drawn.splitlines() == [line.rstrip() for line in whole.splitlines()]


def test_rows_are_there_again_and_again() -> None:
    rows = Rows()
    given_rows = [[str(number), "\u2028é"] for number in range(2_000)]
    for row in given_rows:
        rows.append(row)
    assert len(rows) == len(given_rows)
    assert list(rows) == list(rows) == given_rows


def test_the_footer_is_read_after_the_rows() -> None:
    footer: dict[str, object] = {}

    def rows() -> Iterator[dict[str, object]]:
        yield {"user_id": "ann", "amount": "1.00"}
        footer["amount"] = "1.00"

    assert gather(rows(), COLUMNS, footer).footer == ["", "1.00"]
    assert gather(rows(), COLUMNS, {}).footer is None


def invoices(*totals: str) -> list[dict[str, object]]:
    return [
        {
            "id": number,
            "invoice_number": f"INV-2025-{number:06}",
            "user_id": f"user-{number:03}",
            "tax": "0.00",
            "total": total,
        }
        for number, total in enumerate(totals, 1)
    ]


def on_terminal(data: list[dict[str, object]], width: int, **footer: object) -> str:
    grid = gather(data, INVOICES, footer)
    return terminal_table(grid, width, colour=False)


def test_rows_are_blocks_where_a_table_would_not_tell_them_apart() -> None:
    assert on_terminal(invoices("648.96", "1.00"), 40) == (
        "Id  Invoice number   User id    Total\n"
        "─────────────────────────────────────\n"
        " 1  INV-2025-000001  user-001  648.96\n"
        " 2  INV-2025-000002  user-002    1.00\n"
    )
    assert on_terminal(invoices("648.96", "1.00"), 32, user_id="Total", total="649.96") == (
        "Id:             1\n"
        "Invoice number: INV-2025-000001\n"
        "User id:        user-001\n"
        "Total:          648.96\n"
        "\n"
        "Id:             2\n"
        "Invoice number: INV-2025-000002\n"
        "User id:        user-002\n"
        "Total:          1.00\n"
        "────────────────────────────────\n"
        "Total\n"
        "Total:          649.96\n"
    )


def test_what_has_no_room_beside_its_name_stands_below() -> None:
    assert on_terminal(invoices("1234567890.00"), 20) == (
        "Id:             1\n"
        "Invoice number:\n"
        "  INV-2025-000001\n"
        "User id:\n"
        "  user-001\n"
        "Total:\n"
        "  1234567890.00\n"
    )
    data: list[dict[str, object]] = [{"user_id": "漢字 and three words", "amount": "-12.00"}]
    assert terminal_table(gather(data, COLUMNS), 12, colour=False) == (
        "User id:\n  漢字 and\n  three\n  words\nAmount:\n  -12.00\n"
    )


def test_one_row_that_is_hardly_to_be_read_is_a_block_too() -> None:
    assert "INV-2025-000001" in on_terminal(invoices("12345.00"), 28)


def test_headings_that_differ_never_look_the_same() -> None:
    columns = [Column("projected_net", numeric=True), Column("projected_tax", numeric=True)]
    data: list[dict[str, object]] = [{"projected_net": "1.00", "projected_tax": "0.19"}]
    shown = terminal_table(gather(data, columns), 20, colour=False)
    assert shown == "Projected net: 1.00\nProjected tax: 0.19\n"


def test_bars_keep_their_colour_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    columns = [Column("user_id"), Column("percent", numeric=True, bar="level")]
    data: list[dict[str, object]] = [{"user_id": "ann", "percent": "112.50", "level": "exceeded"}]
    shown = terminal_table(gather(data, columns), 16, colour=True)
    assert "\x1b[31m[##########]\x1b[0m" in shown
    assert "\x1b[31m112.50\x1b[0m" in shown


@given(
    totals=st.lists(st.integers(0, 10**12), min_size=1, max_size=4),
    width=st.integers(18, 100),
)
@example(totals=[10**12], width=90)
def test_no_terminal_is_too_narrow_for_an_amount(totals: list[int], width: int) -> None:
    amounts = [f"{total}.00" for total in totals]
    shown = on_terminal(invoices(*amounts), width, total=f"{sum(totals)}.00")
    assert max(map(cell_len, shown.splitlines())) <= width
    words = shown.split()
    assert all(words.count(amount) >= amounts.count(amount) for amount in amounts)
    assert f"{sum(totals)}.00" in words
