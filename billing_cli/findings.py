"""The doctor's findings as lines of styled text, for a terminal: nothing in them is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from billing_cli.harmless import table_cell
from billing_cli.lines import Line, folded, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_STYLES: Final = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}
_NARROWEST: Final = 20
_INDENT: Final = "  "


def draw(rows: Iterable[Mapping[str, object]], width: int) -> list[Line]:
    """Return a line for each check, or several where there is more to say, and what to do.

    Where there is no room for that beside the checks, it stands below them.
    """
    found = list(rows)
    names = max((len(str(row["check"])) for row in found), default=0)
    place = max(map(len, _STYLES)) + names + 4
    beside = width - place >= _NARROWEST
    room = width - (place if beside else len(_INDENT))
    lines: list[Line] = []
    for row in found:
        head = _head(row, names)
        said = _said(row, room)
        if beside:
            lines.append([*head, *said[:1]])
            lines += [[(" " * place, ""), text] for text in said[1:]]
        else:
            lines += wrapped([[piece] for piece in head], width, "")
            lines += [[(_INDENT, ""), text] for text in said if text[0]]
    return lines


def _head(row: Mapping[str, object], names: int) -> Line:
    states = max(map(len, _STYLES))
    return [
        (f"{row['state']:<{states}}  ", _STYLES[str(row["state"])]),
        (f"{row['check']:<{names}}  ", "bold"),
    ]


def _said(row: Mapping[str, object], room: int) -> Line:
    """Return what was found and what to do, in pieces of at most so many cells: a line each."""
    said: Line = [(text, "") for text in folded(table_cell(row["found"]), room) or [""]]
    if row["state"] == "skipped":
        said[:1] = [(text, "dim") for text, _ in said[:1]]
    if row["advice"] is not None:
        said += [(text, "cyan") for text in folded(f"-> {table_cell(row['advice'])}", room)]
    return said
