"""Tables for pipes and pages, however many rows they have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabulate import tabulate

from billing_cli import tables
from billing_cli.tables import Column, Rows, gather, markdown_table, plain_table

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = [Column("user_id"), Column("amount", numeric=True)]
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
