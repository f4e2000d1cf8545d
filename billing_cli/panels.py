"""The dashboard drawn as lines of styled text, for a screen of any size.

Nothing here knows a terminal or prints. Texts from outside are made harmless first.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

from billing_cli.charts import Chart, Size, columns
from billing_cli.harmless import table_cell
from billing_cli.lines import (
    Line,
    cut,
    cut_line,
    folded,
    least_width_of,
    side_by_side,
    width_of,
    wrapped,
)
from billing_cli.pricing.money import exponent
from billing_cli.user_lines import STYLES, as_many_users, money

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Row = Mapping[str, object]

_LOW: Final = 30
_LOWEST: Final = 18
_CHART_ROWS: Final = 6
_LOW_CHART_ROWS: Final = 3
_FEWEST_USERS: Final = 2
_FEWEST_MONTHS: Final = 6
_LOW_ATTENTION: Final = 4
_NAME_CELLS: Final = 20
_GAP: Final = 3


@dataclass(frozen=True, slots=True)
class Canvas:
    """How much room there is, and with which characters to draw.

    ``height`` None is any; with ``strict`` it is never exceeded, or some users are shown in any
    case. Without ``unicode`` bars and charts are ASCII.
    """

    width: int
    height: int | None
    unicode: bool
    strict: bool = False

    def is_below(self, height: int) -> bool:
        """Tell whether there are fewer lines than so many."""
        return self.height is not None and self.height < height


@dataclass(frozen=True, slots=True)
class Contents:
    """What there is to see: the summary, the users at hand, and how many there are besides."""

    summary: Row
    users: Sequence[Row]
    left: int = 0


def draw(contents: Contents, canvas: Canvas) -> list[Line]:
    """Return the lines of the dashboard, with as many users as fit."""
    lines = summary_lines(contents.summary, canvas)
    lines += _users(contents, canvas, len(lines))
    most = canvas.height if canvas.strict else None
    return [cut_line(line, canvas.width) for line in lines[:most]]


def summary_lines(summary: Row, canvas: Canvas) -> list[Line]:
    """Return everything but the users."""
    lines = [*_title(summary, canvas.width), [], *_attention(summary, canvas), []]
    lines += [*_totals(summary, canvas), []]
    if not (canvas.strict and canvas.is_below(_LOWEST)):
        rows = _LOW_CHART_ROWS if canvas.is_below(_LOW) else _CHART_ROWS
        lines += [*_charts(summary, canvas, rows), []]
    return lines


def _title(summary: Row, width: int) -> list[Line]:
    moment = str(summary["as_of"]).replace("T", " ").removesuffix("Z")
    line: Line = [
        ("billing", "bold"),
        (f"  {moment} UTC", ""),
        (f"  period {summary['period']}", "bold"),
        (f", {summary['start_date']} to {summary['end_date']}", "dim"),
        (f"  {summary['billing_mode']}, {summary['currency']}", ""),
    ]
    short = [*line[:3], line[4]]
    for one in (line, short):
        if width_of(one) <= width:
            return [one]
    return wrapped([[(text.lstrip(), style)] for text, style in short], width, "  ")


def _attention(summary: Row, canvas: Canvas) -> list[Line]:
    items = cast("Sequence[Row]", summary["attention"])
    if not items:
        return [[("Nothing needs attention.", "green")]]
    most = _LOW_ATTENTION if canvas.is_below(_LOW) and len(items) > _LOW_ATTENTION else len(items)
    lines = [line for item in items[:most] for line in _item(item, canvas)]
    if most < len(items):
        lines.append([(f"  and {len(items) - most} more: billing dashboard -o json", "dim")])
    return lines


def _item(item: Row, canvas: Canvas) -> list[Line]:
    """Return what needs attention: what, who, and as far as there is room, what to do."""
    critical = item["severity"] == "critical"
    marks = ("▲ ", "• ") if canvas.unicode else ("! ", "* ")
    style = "bold red" if critical else "yellow"
    mark, text = marks[not critical], table_cell(item["text"])
    line: Line = [(mark, style), (text, style)]
    if width_of(line) > canvas.width:
        first, *others = folded(text, canvas.width - len(mark))
        return [[(mark, style), (first, style)], *([("  ", ""), (rest, style)] for rest in others)]
    names = [cut(table_cell(name), _NAME_CELLS) for name in cast("Sequence[object]", item["users"])]
    hint = table_cell(item["command"])
    room = canvas.width - width_of(line) - _GAP - len(hint)
    more = int(str(item["count"])) > len(names)
    for number in range(len(names), 0, -1):
        who = f": {', '.join(names[:number])}" + (", …" if more or number < len(names) else "")
        if width_of([(who, "")]) <= room or (number == 1 and room < 0):
            line.append((who, ""))
            break
    gap = canvas.width - width_of(line) - len(hint)
    return [[*line, (" " * gap, ""), (hint, "dim")] if gap >= _GAP else line]


def _totals(summary: Row, canvas: Canvas) -> list[Line]:
    """Return how many there are of what, and what they come to."""
    found = cast("Row", summary["totals"])
    users = _count(found["users"])
    if found["users"] != found["all_users"]:
        users += f" of {_count(found['all_users'])}"
    counts = [
        (users, "user" if found["all_users"] == 1 else "users"),
        (
            _count(found["running_sessions"]),
            "session running" if found["running_sessions"] == 1 else "sessions running",
        ),
    ]
    first: list[Line] = [[(number, "bold"), (f" {noun}", "")] for number, noun in counts]
    first += [
        [(_count(found[name]), STYLES[name]), (f" {name}", STYLES[name])]
        for name in ("suspended", "overdue", "exceeded", "warning")
        if found[name]
    ]
    sums = (
        ("cost so far", "cost"),
        ("projected", "projected_cost"),
        ("owed", "amount_due"),
        ("credits", "credit_balance"),
    )
    second: list[Line] = [[(f"{label} ", ""), (money(found[key]), "bold")] for label, key in sums]
    between = " · " if canvas.unicode else ", "
    return [*wrapped(first, canvas.width, between), *wrapped(second, canvas.width, between)]


def _charts(summary: Row, canvas: Canvas, rows: int) -> list[Line]:
    half = (canvas.width - _GAP) // 2
    months, days = (cast("Sequence[Row]", summary[name]) for name in ("months", "days"))
    # Before the first month in which there was anything there is nothing to see.
    while len(months) > _FEWEST_MONTHS and not (
        _dec(months[0]["billed"]) or _dec(months[0]["collected"])
    ):
        months = months[1:]
    revenue = (
        ("Revenue by month", "billed", "collected"),
        [(str(one["month"]), (_dec(one["billed"]), _dec(one["collected"]))) for one in months],
    )
    usage = (
        ("Usage by day", "at list price"),
        [(str(one["date"]), (_dec(one["cost"]),)) for one in days],
    )

    digits = exponent(str(summary["currency"]))

    def drawn(width: int) -> list[Chart]:
        return [
            columns(titles, groups, Size(width, rows), digits, unicode=canvas.unicode)
            for titles, groups in (revenue, usage)
        ]

    left, right = drawn(half)
    if any(least_width_of(line) > half for part in (*left, *right) for line in part):
        # One below the other leaves room for amounts of more digits.
        return [line for chart in drawn(canvas.width) for part in chart for line in part]
    return [
        line
        for parts in zip(left, right, strict=True)
        for line in side_by_side(*parts, half + _GAP)
    ]


def _users(contents: Contents, canvas: Canvas, used: int) -> list[Line]:
    """Return the users, as many as there is room for, and how many are left."""
    rows, left = contents.users, contents.left
    if not rows:
        return [[("no users", "dim")]]
    # Besides the users there are the headings, and how many are left.
    room = None if canvas.height is None else canvas.height - used - 2
    lines, shown = as_many_users(
        rows,
        canvas.width,
        room,
        least=0 if canvas.strict else _FEWEST_USERS,
        unicode=canvas.unicode,
    )
    left += len(rows) - shown
    if left:
        noun = "user" if left == 1 else "users"
        lines.append([(f"and {left:,} more {noun}: --limit, --status, --plan, --user", "dim")])
    return lines


def _dec(value: object) -> Decimal:
    return Decimal(str(value))


def _count(value: object) -> str:
    return f"{int(str(value)):,}"
