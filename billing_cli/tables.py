"""Tables for people: plain text for pipes, rich for terminals, Markdown for pages.

The libraries that draw them are imported when a table is drawn, not before: they cost more
time than most commands take.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from billing_cli.harmless import markdown_text, table_cell, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.table import Table

_GAP: Final = 2
_NARROWEST: Final = 4
_BAR_CELLS: Final = 10
_WHOLE: Final = 100
_LEVEL_STYLES: Final = {"ok": "green", "warning": "yellow", "exceeded": "red"}


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the rows to print, under its name in the data formats.

    ``title`` heads it in tables (default: ``user_id`` becomes ``User id``). A ``numeric`` column
    is aligned to the right. On a terminal too narrow for all, ``wide`` columns are left out,
    the last first. With ``table=False`` it is in the data formats only. A percentage with ``bar``,
    the key of a field that holds a quota's level, is drawn as a bar in its colour on terminals.
    """

    key: str
    title: str | None = None
    numeric: bool = False
    wide: bool = False
    table: bool = True
    bar: str | None = None

    @property
    def heading(self) -> str:
        """The words above the column."""
        return heading(self.key) if self.title is None else self.title


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of harmless texts, a row as long as ``columns``, and a last row of totals.

    ``levels`` are those by which bars are coloured, by row and column.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    footer: Sequence[str] | None = None
    title: str | None = None
    levels: Mapping[tuple[int, int], str] = field(default_factory=dict)


def heading(key: str) -> str:
    """Return the words for a field's name: ``user_id`` becomes ``User id``."""
    return key.replace("_", " ").capitalize()


def gather(
    rows: Iterable[Mapping[str, object]],
    columns: Sequence[Column],
    footer: Mapping[str, object] | None,
    title: str | None,
) -> Grid:
    """Return the table of ``rows``: the columns meant for tables, all values as text."""
    shown = [column for column in columns if column.table]
    bars = [(at, column.bar) for at, column in enumerate(shown) if column.bar is not None]
    found, levels = [], {}
    for number, row in enumerate(rows):
        found.append([table_cell(row[column.key]) for column in shown])
        for at, key in bars:
            if row[shown[at].key] is not None:
                levels[number, at] = str(row[key])
    return Grid(
        columns=shown,
        rows=found,
        footer=None
        if footer is None
        else [table_cell(footer.get(column.key, "")) for column in shown],
        title=None if title is None else visible(title),
        levels=levels,
    )


def drawn_bar(percent: str) -> str:
    """Return a percentage with a bar of ten cells before it, full from 100 on."""
    full = min(_BAR_CELLS, int(Decimal(percent)) * _BAR_CELLS // _WHOLE)
    return f"[{'#' * full}{'-' * (_BAR_CELLS - full)}] {percent:>6}"


def plain_table(grid: Grid) -> str:
    """Return ``grid`` as text that is never wrapped, cut or coloured."""
    from tabulate import SEPARATING_LINE, tabulate

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


def markdown_table(grid: Grid) -> str:
    """Return ``grid`` as a table of GitHub's Markdown, under a heading if it has a title."""
    lines = [] if grid.title is None else [f"### {markdown_text(grid.title)}", ""]
    lines += [
        _markdown_row([column.heading for column in grid.columns]),
        "|" + "|".join(" ---: " if column.numeric else " --- " for column in grid.columns) + "|",
    ]
    lines += map(_markdown_row, grid.rows if grid.footer is None else [*grid.rows, grid.footer])
    return "\n".join(lines) + "\n"


_ANY_HEIGHT = 100


def terminal_table(grid: Grid, available: int, *, colour: bool) -> str:
    """Return ``grid`` for a terminal of ``available`` cells: fitted, and styled with ``colour``."""
    from rich.console import Console
    from rich.text import Text

    drawing = io.StringIO()
    console = Console(
        file=drawing,
        force_terminal=True,
        color_system="auto" if colour else None,
        width=available,
        # Without a height, Rich takes a dumb terminal for one of 80 columns.
        height=_ANY_HEIGHT,
    )
    if grid.title is not None:
        console.print(Text(grid.title, style="bold"), "", sep="\n")
    console.print(_rich_table(grid, available))
    return drawing.getvalue()


def _rich_table(grid: Grid, available: int) -> Table:
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    headings = [column.heading for column in grid.columns]
    rows = [
        [drawn_bar(text) if (number, at) in grid.levels else text for at, text in enumerate(row)]
        for number, row in enumerate(grid.rows)
    ]
    lines = [headings, *rows, grid.footer or headings]
    natural = [max(map(cell_len, cells)) for cells in zip(*lines, strict=True)]
    widths = _fit(natural, grid.columns, available)
    table = Table(
        box=box.SIMPLE,
        padding=(0, _GAP - 1, 0, 0),
        show_edge=False,
        pad_edge=False,
        show_footer=grid.footer is not None,
    )
    for index, width in widths.items():
        # Text, here and below, and never a string: rich would look for markup in it.
        table.add_column(
            Text(headings[index]),
            Text("" if grid.footer is None else grid.footer[index]),
            justify="right" if grid.columns[index].numeric else "left",
            width=width,
            no_wrap=True,
            overflow="ellipsis",
        )
    for number, row in enumerate(rows):
        table.add_row(
            *(
                Text(row[index], _LEVEL_STYLES.get(grid.levels.get((number, index), ""), ""))
                for index in widths
            )
        )
    return table


def _fit(natural: Sequence[int], columns: Sequence[Column], available: int) -> dict[int, int]:
    """Choose the columns that fit into ``available`` cells, by index, and their widths.

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
        candidates = [index for index in widths if columns[index].numeric is numeric]
        while candidates and excess() > 0:
            widest = max(candidates, key=widths.__getitem__)
            if widths[widest] <= _NARROWEST:
                break
            widths[widest] -= 1
    return widths


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(markdown_text, cells))} |"
