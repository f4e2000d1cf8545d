"""Charts of columns, drawn as lines of styled text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.lines import cut_line, least_width_of, width_of, wrapped
from billing_cli.pricing.bars import heights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from billing_cli.lines import Line

    Group = tuple[str, tuple[Decimal, ...]]

_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
_ASCII: Final = " .#"
_COLOURS: Final = ("cyan", "green")
_WIDEST: Final = 4


class Size(NamedTuple):
    """How many cells wide a chart is at most, and how many lines its columns are high."""

    width: int
    rows: int


class Chart(NamedTuple):
    """A chart in lines: its title, its columns with the labels below, and figures."""

    head: list[Line]
    body: list[Line]
    figures: list[Line]


def columns(
    titles: Sequence[str], groups: Sequence[Group], size: Size, digits: int, *, unicode: bool
) -> Chart:
    """Return a chart: a title, lines of columns, labels, and the last values in figures.

    ``titles`` are that of the chart and of each value in a group; ``groups`` have a label each
    and as many values, which stand side by side in that order. What does not fit is left out
    from the left. Title and figures are never cut: they take more lines, and those that hold a
    figure wider than the chart are as wide as it is. Figures have so many ``digits`` after the
    point.
    """
    width, rows = size
    title, *names = titles
    count = len(names)
    gap = int(count > 1)
    groups = groups[-max(1, width // (count + gap)) :]
    wide = max(1, min(_WIDEST, (width // max(1, len(groups)) - gap) // count))
    values = [value for _, some in groups for value in some]
    top = max(values, default=0)
    body = _drawn(heights(values, top, rows * _steps(unicode=unicode)), rows, count, wide, unicode)
    body.append([(_axis([name for name, _ in groups], count * wide + gap), "dim")])
    return Chart(
        head=_title(title, f"up to {top:,.{digits}f}", width),
        body=[cut_line(line, width) for line in body],
        figures=_figures(names, groups, width, digits),
    )


def _title(title: str, scale: str, width: int) -> list[Line]:
    line: Line = [(title, "bold"), (f"  {scale}", "dim")]
    return [line] if width_of(line) <= width else [[(title, "bold")], [(scale, "dim")]]


def _figures(names: Sequence[str], groups: Sequence[Group], width: int, digits: int) -> list[Line]:
    """Return the last group's values in figures, with their names, and its label if it fits."""
    label, last = groups[-1] if groups else ("", ())
    pieces: list[Line] = []
    for place, (name, value) in enumerate(zip(names, last, strict=False)):
        said: Line = [(f"{name} ", _COLOURS[place]), (f"{value:,.{digits}f}  ", "bold")]
        pieces += [said] if least_width_of(said) <= width else [[one] for one in said]
    lines = wrapped(pieces, width, "")
    if lines and width_of(lines[-1]) + len(label) <= width:
        lines[-1].append((label, "dim"))
    return lines


def _steps(*, unicode: bool) -> int:
    """Return how many heights a line of text can show, besides nothing."""
    return len(_EIGHTHS if unicode else _ASCII) - 1


def _drawn(
    tall: Sequence[int],
    rows: int,
    count: int,
    wide: int,
    unicode: bool,  # noqa: FBT001 - as drawn
) -> list[Line]:
    glyphs, steps = (_EIGHTHS if unicode else _ASCII), _steps(unicode=unicode)
    lines: list[Line] = []
    for row in reversed(range(rows)):
        line: Line = []
        for place, height in enumerate(tall):
            glyph = glyphs[max(0, min(steps, height - row * steps))]
            line.append((glyph * wide, _COLOURS[place % count]))
            if count > 1 and place % count == count - 1:
                line.append((" ", ""))
        lines.append(line)
    return lines


def _axis(labels: Sequence[str], each: int) -> str:
    """Return the labels below: the ends of all where there is room, or the first and the last."""
    short = [label[-2:] for label in labels]
    if each > len("00"):
        return "".join(f"{label:<{each}}" for label in short).rstrip()
    if not labels:
        return ""
    first, last = labels[0][-5:], labels[-1][-5:]
    room = each * len(labels) - len(first) - len(last)
    return f"{first}{' ' * room}{last}" if room > 0 else first
