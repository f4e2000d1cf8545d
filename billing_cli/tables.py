"""Tables for people: plain text for pipes, rich for terminals, Markdown for pages.

The libraries that draw them are imported when a table is drawn, not before: they cost more
time than most commands take.
"""

from __future__ import annotations

import io
import json
import tempfile
import weakref
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from billing_cli.harmless import markdown_text, table_cell, visible
from billing_cli.lines import cut, folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TextIO

    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

_BLOCK_ROWS: Final = 1_000
_GAP: Final = 2
_NARROWEST: Final = 4
_SHORTEST: Final = 8
_USUAL_WIDTH: Final = 80
_INDENT: Final = 2
_BAR_CELLS: Final = 10
_WHOLE: Final = 100
_LEVEL_STYLES: Final = {"ok": "green", "warning": "yellow", "exceeded": "red"}


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the rows to print, under its name in the data formats.

    ``title`` heads it in tables (default: ``user_id`` becomes ``User id``). A ``numeric`` column
    is aligned to the right. On a terminal too narrow for all, ``wide`` columns are left out of
    the table, the last first. With ``table=False`` it is in the data formats only. A percentage
    with ``bar``, the key of a field that holds a quota's level, is drawn as a bar in its colour on
    terminals.
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


class Rows:
    """Rows of texts that can be read again and again: where they are many, from the disk."""

    def __init__(self) -> None:
        self._last: list[Sequence[str]] = []
        self._before: TextIO | None = None
        self._count = 0

    def append(self, row: Sequence[str]) -> None:
        """Add a row at the end."""
        if len(self._last) == _BLOCK_ROWS:
            if self._before is None:
                self._before = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed with the rows
                weakref.finalize(self, self._before.close)
            self._before.write(json.dumps(self._last) + "\n")
            self._last = []
        self._last.append(row)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Sequence[str]]:
        if self._before is not None:
            self._before.seek(0)
            for block in self._before:
                yield from json.loads(block)
        yield from self._last


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of harmless texts, and a last row of totals.

    A row has a text for each of ``columns``, and after these the levels that colour its bars:
    ``bars`` has the index of each bar's column, and of its level in the row.
    """

    columns: Sequence[Column]
    rows: Rows | Sequence[Sequence[str]]
    footer: Sequence[str] | None = None
    title: str | None = None
    bars: Mapping[int, int] = field(default_factory=dict)


def heading(key: str) -> str:
    """Return the words for a field's name: ``user_id`` becomes ``User id``."""
    return key.replace("_", " ").capitalize()


def gather(
    rows: Iterable[Mapping[str, object]],
    columns: Sequence[Column],
    footer: Mapping[str, object] | None = None,
    title: str | None = None,
) -> Grid:
    """Return the table of ``rows``: the columns meant for tables, all values as text.

    ``footer`` is read after the rows, and may be filled while they are; empty, it is none.
    """
    shown = [column for column in columns if column.table]
    barred = [(at, column.bar) for at, column in enumerate(shown) if column.bar is not None]
    found = Rows()
    for row in rows:
        cells = [table_cell(row[column.key]) for column in shown]
        found.append(
            cells + ["" if row[shown[at].key] is None else str(row[key]) for at, key in barred]
        )
    return Grid(
        columns=shown,
        rows=found,
        footer=[table_cell(footer.get(column.key, "")) for column in shown] if footer else None,
        title=None if title is None else visible(title),
        bars={at: len(shown) + number for number, (at, _) in enumerate(barred)},
    )


def drawn_bar(percent: str) -> str:
    """Return a percentage with a bar of ten cells before it, full from 100 on."""
    full = min(_BAR_CELLS, int(Decimal(percent)) * _BAR_CELLS // _WHOLE)
    return f"[{'#' * full}{'-' * (_BAR_CELLS - full)}] {percent:>6}"


def plain_table(grid: Grid) -> Iterator[str]:
    """Yield ``grid`` as text that is never wrapped, cut or coloured, some rows a piece."""
    if grid.title is not None:
        yield f"{grid.title}\n\n"
    widest = _widest(grid)
    rows = iter(grid.rows)
    head, rule, first = _drawn(grid.columns, widest, list(islice(rows, _BLOCK_ROWS)))
    yield from (head, rule, first)
    while block := list(islice(rows, _BLOCK_ROWS)):
        yield _drawn(grid.columns, widest, block)[2]
    if grid.footer is not None:
        yield rule + _drawn(grid.columns, widest, [grid.footer])[2]


def _widest(grid: Grid) -> list[str]:
    """Return for each column a text as wide as its widest one, headings aside."""
    from wcwidth import wcswidth

    widths = [0] * len(grid.columns)
    for row in chain(grid.rows, [grid.footer or ()]):
        for at, text in enumerate(row[: len(widths)]):
            width = len(text) if text.isascii() else wcswidth(text)
            widths[at] = max(widths[at], width)
    return ["x" * width for width in widths]


def _drawn(
    columns: Sequence[Column], widest: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[str, str, str]:
    """Return the heading, the rule below it and some rows, as wide as all rows together need."""
    from tabulate import tabulate

    table = tabulate(
        [widest, *(row[: len(columns)] for row in rows)],
        headers=[column.heading for column in columns],
        colalign=["right" if column.numeric else "left" for column in columns],
        disable_numparse=True,
    )
    head, rule, _, *lines = [f"{line.rstrip(' ')}\n" for line in table.split("\n")]
    return head, rule, "".join(lines)


def markdown_table(grid: Grid) -> Iterator[str]:
    """Yield ``grid`` as a table of GitHub's Markdown, under a heading if it has a title."""
    if grid.title is not None:
        yield f"### {markdown_text(grid.title)}\n\n"
    yield _markdown_row([column.heading for column in grid.columns])
    rules = [" ---: " if column.numeric else " --- " for column in grid.columns]
    yield f"|{'|'.join(rules)}|\n"
    for row in grid.rows:
        yield _markdown_row(row[: len(grid.columns)])
    if grid.footer is not None:
        yield _markdown_row(grid.footer)


_ANY_HEIGHT = 100


def terminal_table(grid: Grid, available: int, *, colour: bool) -> str:
    """Return ``grid`` for a terminal of ``available`` cells: fitted, and styled with ``colour``.

    Where a table would have to cut a number, or make texts that differ look the same, there is a
    block for each row instead, with a line for each column that is not ``wide``.
    """
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
    for piece in _drawn_for(grid, available):
        console.print(piece)
    return drawing.getvalue()


def _drawn_for(grid: Grid, available: int) -> Iterator[RenderableType]:
    """Yield what ``grid`` is drawn as: one table, or the lines of blocks."""
    rows = [
        [
            drawn_bar(text) if at in grid.bars and row[grid.bars[at]] else text
            for at, text in enumerate(row)
        ]
        for row in grid.rows
    ]
    widths = _fit(grid, rows, available)
    if widths is None:
        yield from _blocks(grid, rows, available)
    else:
        yield _rich_table(grid, rows, widths)


def _rich_table(grid: Grid, rows: Sequence[Sequence[str]], widths: Mapping[int, int]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

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
            Text(grid.columns[index].heading),
            Text("" if grid.footer is None else grid.footer[index]),
            justify="right" if grid.columns[index].numeric else "left",
            width=width,
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in rows:
        styles = _bar_styles(grid, row)
        table.add_row(*(Text(row[at], styles.get(at, "")) for at in widths))
    return table


def _bar_styles(grid: Grid, row: Sequence[str]) -> dict[int, str]:
    """Return the colour of each bar of a row by the index of its column."""
    return {at: _LEVEL_STYLES.get(row[level], "") for at, level in grid.bars.items()}


def _fit(grid: Grid, rows: Sequence[Sequence[str]], available: int) -> dict[int, int] | None:
    """Choose the columns that fit into ``available`` cells, by index, and their widths.

    Wide columns go first, from the right; then the widest text gives way, and the headings of
    numbers come last. None where that is not enough: numbers say something else when cut, and on
    a narrow terminal nobody could tell one shortened text from another.
    """
    from rich.cells import cell_len

    columns = grid.columns
    texts = [*rows, grid.footer or [""] * len(columns)]
    cells = [[row[at] for row in texts] for at in range(len(columns))]
    widest = [max(map(cell_len, column)) for column in cells]
    natural = [
        max(cell_len(column.heading), most) for column, most in zip(columns, widest, strict=True)
    ]
    widths = {index: min(width, available) for index, width in enumerate(natural)}

    def excess() -> int:
        return sum(widths.values()) + _GAP * (len(widths) - 1) - available

    for index in reversed(range(len(columns))):
        if columns[index].wide and excess() > 0 and len(widths) > 1:
            del widths[index]
    shortest = _SHORTEST if available < _USUAL_WIDTH else _NARROWEST
    for numeric in (False, True):
        least = [max(_NARROWEST, most) if numeric else shortest for most in widest]
        while excess() > 0:
            can_give = [
                at for at in widths if columns[at].numeric is numeric and widths[at] > least[at]
            ]
            if not can_give:
                break
            widths[max(can_give, key=widths.__getitem__)] -= 1
    if excess() > 0 or any(widths[at] < widest[at] for at in widths if columns[at].numeric):
        return None
    if available < _USUAL_WIDTH and _is_ambiguous(columns, cells, widths):
        return None
    return widths


def _is_ambiguous(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], widths: Mapping[int, int]
) -> bool:
    """Tell whether headings, or texts of a column, that differ look the same when cut."""
    headings = {cut(columns[at].heading, width) for at, width in widths.items()}
    different = {at: set(cells[at]) for at in widths}
    return len(headings) < len(widths) or any(
        len({cut(text, widths[at]) for text in texts}) < len(texts)
        for at, texts in different.items()
    )


def _blocks(grid: Grid, rows: Sequence[Sequence[str]], width: int) -> Iterator[Text]:
    """Yield the lines of a block for each row, and of one for the totals below a rule."""
    from rich.text import Text

    columns = grid.columns
    shown = [at for at, column in enumerate(columns) if not column.wide] or range(len(columns))
    names = {at: f"{columns[at].heading}:" for at in shown}
    place = max(map(len, names.values())) + 1
    for number, row in enumerate(rows):
        if number:
            yield Text()
        styles = _bar_styles(grid, row)
        for at, name in names.items():
            yield from _labelled(name, Text(row[at], styles.get(at, "")), place, width)
    if grid.footer is not None:
        yield Text("─" * width)
        for at, name in names.items():
            if columns[at].numeric and grid.footer[at]:
                yield from _labelled(name, Text(grid.footer[at]), place, width)
            else:
                yield from map(Text, folded(grid.footer[at], width))


def _labelled(name: str, value: Text, place: int, width: int) -> Iterator[Text]:
    """Yield a value beside its name or, where there is no room, below it."""
    from rich.text import Text

    if place + value.cell_len <= width:
        yield Text.assemble((name.ljust(place), "bold"), value)
        return
    yield from (Text(line, "bold") for line in folded(name, width))
    for line in folded(value.plain, width - _INDENT):
        yield Text.assemble(" " * _INDENT, (line, value.style))


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(markdown_text, cells))} |\n"
