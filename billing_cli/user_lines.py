"""Users on the dashboard: bars of what they use, amounts, and their last invoices."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from billing_cli.harmless import table_cell
from billing_cli.lines import Line, aligned, cut, cut_line, width_of, wrapped
from billing_cli.pricing.bars import reach
from billing_cli.tables import Column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Row = Mapping[str, object]
    Resource = tuple[str, str, str, str, str]

WIDE: Final = 150
"""From how many cells on a user fits on one line."""

STYLES: Final = {
    "suspended": "bold red",
    "overdue": "red",
    "exceeded": "magenta",
    "warning": "yellow",
    "active": "green",
    "ok": "green",
    "draft": "dim",
    "sent": "cyan",
    "paid": "green",
    "void": "dim",
}
# Each resource's name in the rows, a short and a long one, what holds its use, and the unit.
_RESOURCES: Final = (
    ("cpu", "cpu", "CPU", "cpu_cores", "cores"),
    ("memory", "mem", "Memory", "memory_gb", "GB"),
    ("storage", "disk", "Disk", "storage_gb", "GB"),
)
_SPEND: Final = ("spend", "spend", "Spend", "spend", "")
_WORDS: Final = ("User", "Plan", "Status")
_NUMBERS: Final = ("Cost", "Projected", "Owed", "Credits")
_PERCENT_CELLS: Final = 5
_MOST_PERCENT: Final = 999
_LAST_CELLS: Final = 24
_FEWEST_CELLS: Final = 4


def bar(row: Row, resource: str, cells: int, *, unicode: bool) -> Line:
    """Return a bar of what is used of a limit and the percentage; without a limit, the use."""
    level = row[f"{resource}_level"]
    if level is None:
        return [(_use(row, resource), "dim")]
    percent = row[f"{resource}_percent"]
    if percent is None:
        # Of a limit of 0 there is no percentage: it is kept, or it is not.
        full, shown = (cells if level == "exceeded" else 0), "of 0"
    else:
        share = Decimal(str(percent))
        full = reach(share, 100, cells)
        shown = f"{int(share)}%" if share <= _MOST_PERCENT else f">{_MOST_PERCENT}"
    drawn, rest = (
        ("█" * full, "░" * (cells - full)) if unicode else ("#" * full, "-" * (cells - full))
    )
    style = STYLES[str(level)]
    return [(drawn, style), (rest, "dim"), (f"{shown:>{_PERCENT_CELLS}}", style)]


def _use(row: Row, resource: str) -> str:
    """Return what is used, with one decimal, which is enough beside bars."""
    if resource == _SPEND[0]:
        return "-"
    _, _, _, key, unit = next(one for one in _RESOURCES if one[0] == resource)
    return f"{Decimal(str(row[key])):,.1f} {unit}"


def last_invoice(row: Row) -> Line:
    """Return a user's last invoice, its state first."""
    if row["last_invoice"] is None:
        return [("no invoice", "dim")]
    status = str(row["last_invoice_status"])
    return [(status, STYLES[status]), (f" {table_cell(row['last_invoice'])}", "")]


def money(value: object) -> str:
    """Return an amount with its thousands set apart."""
    return f"{Decimal(str(value)):,}"


def as_many_users(
    rows: Sequence[Row], width: int, room: int | None, least: int, *, unicode: bool
) -> tuple[list[Line], int]:
    """Return as many users as fit into so many lines below the headings, and how many they are.

    ``room`` None is room for all; ``least`` are shown in any case. A user takes one line, or two
    where it is too narrow, or more where there is no room for all amounts beside each other.
    """
    for draw, each in ((_one_line, 1), (_two_lines, 2)):
        some = rows if room is None else rows[: max(room // each, least)]
        lines = draw(some, width, unicode=unicode)
        if lines is not None:
            return lines, len(some)
    found: list[Line] = []
    resources = _resources(rows)
    for number, row in enumerate(rows):
        block = _block(row, resources, width, unicode=unicode)
        # Here nothing stands above the users.
        if room is not None and number >= least and len(found) + len(block) > room + 1:
            return found, number
        found += block
    return found, len(rows)


def _one_line(rows: Sequence[Row], width: int, *, unicode: bool) -> list[Line] | None:
    """Return a line for each user after one of headings, for wide screens; None for others."""
    if width < WIDE:
        return None
    resources = _resources(rows)
    cells = 10 if width >= WIDE + len(resources) * 6 else 6
    headings = [*_WORDS, *(long for _, _, long, _, _ in resources), *_NUMBERS, "Last invoice"]
    table = [
        [
            *_identity(row),
            *(bar(row, one[0], cells, unicode=unicode) for one in resources),
            *_amounts(row),
            last_invoice(row),
        ]
        for row in rows
    ]
    first = len(_WORDS) + len(resources)
    return aligned(headings, table, width, range(first, first + len(_NUMBERS)))


def _two_lines(rows: Sequence[Row], width: int, *, unicode: bool) -> list[Line] | None:
    """Return two lines for each user after one of headings: amounts, then bars.

    None where there is no room for the amounts.
    """
    resources = _resources(rows)
    labels = sum(len(short) + 3 for _, short, _, _, _ in resources)
    room = width - labels - len(resources) * _PERCENT_CELLS - _LAST_CELLS
    cells = max(_FEWEST_CELLS, min(12, room // len(resources)))
    firsts = aligned(
        [*_WORDS, *_NUMBERS],
        [[*_identity(row), *_amounts(row)] for row in rows],
        width,
        range(len(_WORDS), len(_WORDS) + len(_NUMBERS)),
    )
    if firsts is None:
        return None
    lines = [firsts[0]]
    for first, row in zip(firsts[1:], rows, strict=True):
        second: Line = []
        for name, short, *_ in resources:
            drawn = cut_line(bar(row, name, cells, unicode=unicode), cells + _PERCENT_CELLS)
            gap = " " * (cells + _PERCENT_CELLS - width_of(drawn))
            second += [(f"  {short} ", "dim"), *drawn, (gap, "")]
        second += [("  ", ""), *last_invoice(row)]
        lines += [first, cut_line(second, width)]
    return lines


def _block(row: Row, resources: Sequence[Resource], width: int, *, unicode: bool) -> list[Line]:
    """Return a user on as many lines as needed, where nothing but the name is cut."""
    [(name, style)], *others = _identity(row)
    lines = wrapped([[(cut(name, width), style)], *others], width, "  ")
    amounts: list[Line] = [
        [(f"{label} ", "dim"), *amount]
        for label, amount in zip(_NUMBERS, _amounts(row), strict=True)
    ]
    bars: list[Line] = [
        [(f"{short} ", "dim"), *bar(row, resource, _FEWEST_CELLS, unicode=unicode)]
        for resource, short, *_ in resources
    ]
    for pieces in (amounts, [*bars, last_invoice(row)]):
        lines += [[("  ", ""), *line] for line in wrapped(pieces, width - len("  "), "  ")]
    return lines


def plain_users(rows: Sequence[Row]) -> tuple[list[Row], list[Column]]:
    """Return users for a table of plain text, and its columns."""
    resources = _resources(rows)
    columns = [
        Column("user_id", "User"),
        Column("plan"),
        Column("status"),
        *(Column(name, long) for name, _, long, _, _ in resources),
        Column("cost", numeric=True),
        Column("projected_cost", "Projected", numeric=True),
        Column("amount_due", "Owed", numeric=True),
        Column("credit_balance", "Credits", numeric=True),
        Column("last_invoice"),
        Column("last_invoice_status", "State"),
    ]
    found: list[Row] = []
    for row in rows:
        bars = {
            name: "".join(text for text, _ in bar(row, name, 5, unicode=False))
            for name, *_ in resources
        }
        found.append({**row, **bars})
    return found, columns


def _resources(rows: Sequence[Row]) -> Sequence[Resource]:
    """Return what has a bar; spending only where somebody's is limited."""
    has_spend = any(row["spend_level"] is not None for row in rows)
    return (*_RESOURCES, _SPEND) if has_spend else _RESOURCES


def _identity(row: Row) -> list[Line]:
    status = str(row["status"])
    return [
        [(table_cell(row["user_id"]), "bold")],
        [(table_cell(row["plan"]), "")],
        [(status, STYLES[status])],
    ]


def _amounts(row: Row) -> list[Line]:
    return [
        [(money(row["cost"]), "")],
        [(money(row["projected_cost"]), "dim")],
        [(money(row["amount_due"]), "red" if row["overdue_since"] is not None else "")],
        [(money(row["credit_balance"]), "")],
    ]
