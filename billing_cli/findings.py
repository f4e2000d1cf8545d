"""The doctor's findings as lines of styled text, for a terminal: nothing in them is cut off."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from billing_cli.harmless import table_cell
from billing_cli.lines import Line, cut_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_STYLES: Final = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}
_NARROWEST: Final = 20


def draw(rows: Iterable[Mapping[str, object]], width: int) -> list[Line]:
    """Return a line for each check, or several where there is more to say, and what to do."""
    found = list(rows)
    names = max((len(str(row["check"])) for row in found), default=0)
    states = max(map(len, _STYLES))
    room = max(_NARROWEST, width - names - states - 4)
    lines: list[Line] = []
    for row in found:
        style = _STYLES[str(row["state"])]
        said = textwrap.wrap(table_cell(row["found"]), room) or [""]
        advice = row["advice"]
        advised = [] if advice is None else textwrap.wrap(f"-> {table_cell(advice)}", room)
        head: Line = [
            (f"{row['state']:<{states}}  ", style),
            (f"{row['check']:<{names}}  ", "bold"),
        ]
        rest: Line = [(" " * (states + names + 4), "")]
        lines.append([*head, (said[0], "dim" if row["state"] == "skipped" else "")])
        lines += [[*rest, (text, "")] for text in said[1:]]
        lines += [[*rest, (text, "cyan")] for text in advised]
    return [cut_line(line, width) for line in lines]
