"""Lines of styled text: measured in cells, cut, and put into columns.

A line is a list of pieces ``(text, style)``. Whatever comes from outside has to be made harmless
before it becomes a piece; nothing here looks for markup.
"""

from __future__ import annotations

import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Line = list[tuple[str, str]]

_GAP = 2
_NARROWEST = 8


def width_of(line: Line) -> int:
    """Return how many cells of a terminal a line takes."""
    from rich.cells import cell_len

    return sum(cell_len(text) for text, _ in line)


def least_width_of(line: Line) -> int:
    """Return how many cells a line needs, which are fewer where it ends in spaces."""
    from rich.cells import cell_len

    return cell_len("".join(text for text, _ in line).rstrip())


def cut(text: str, width: int) -> str:
    """Return text that takes at most so many cells, with a mark where something is missing."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    if not text.strip() or width <= 1:
        return set_cell_size(text, max(0, width))
    return f"{set_cell_size(text, width - 1).rstrip()}…"


def cut_line(line: Line, width: int) -> Line:
    """Return a line that takes at most so many cells."""
    found: Line = []
    for text, style in line:
        room = width - width_of(found)
        if room <= 0:
            break
        found.append((cut(text, room), style))
    return found


def wrapped(pieces: Sequence[Line], width: int, between: str) -> list[Line]:
    """Return pieces one after the other with something between, on as many lines as needed.

    Spaces at the end of a piece need no room.
    """
    lines: list[Line] = []
    for piece in pieces:
        if lines and width_of(lines[-1]) + len(between) + least_width_of(piece) <= width:
            lines[-1] += [(between, "dim"), *piece]
        else:
            lines.append([*piece])
    return lines


def folded(text: str, width: int) -> list[str]:
    """Return text on as many lines as needed, each of at most so many cells: nothing is cut off."""
    from rich.cells import chop_cells

    width = max(1, width)
    # What counts letters makes lines too wide where one letter takes two cells.
    return [part for line in textwrap.wrap(text, width) for part in chop_cells(line, width)]


def side_by_side(left: Sequence[Line], right: Sequence[Line], at: int) -> list[Line]:
    """Return two blocks beside each other, the right one from a column on."""
    return [
        [*one, (" " * max(1, at - width_of(one)), ""), *other]
        for one, other in zip_longest(left, right, fillvalue=[("", "")])
    ]


def aligned(
    headings: Sequence[str], table: Sequence[Sequence[Line]], width: int, numbers: range
) -> list[Line] | None:
    """Return the lines of a table, the headings first; None where there is no room for all numbers.

    ``numbers`` are the columns aligned to the right. Where the table is wider than ``width``, the
    first two columns and the last give way; amounts, which say something else when cut, never.
    """
    widths = [
        max([len(heading), *(width_of(row[at]) for row in table)])
        for at, heading in enumerate(headings)
    ]
    excess = sum(widths) + _GAP * (len(widths) - 1) - width
    for at in (0, 1, len(widths) - 1):
        if excess > 0 and at not in numbers:
            taken = min(excess, max(0, widths[at] - max(len(headings[at]), _NARROWEST)))
            widths[at] -= taken
            excess -= taken
    if sum(widths[: numbers.stop]) + _GAP * (numbers.stop - 1) > width:
        return None
    head: Sequence[Line] = [[(heading, "bold")] for heading in headings]
    return [_row(cells, widths, width, numbers) for cells in (head, *table)]


def _row(cells: Sequence[Line], widths: Sequence[int], width: int, numbers: range) -> Line:
    line: Line = []
    for at, cell in enumerate(cells):
        fitted = cut_line(cell, widths[at])
        gap = (" " * (widths[at] - width_of(fitted)), "")
        line += [gap, *fitted] if at in numbers else [*fitted, gap]
        line.append((" " * _GAP, ""))
    return cut_line(line[:-1], width)
