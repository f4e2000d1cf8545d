"""What the tests of the commands share: events, and installations that hold some."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import CommandLine


def event(kind: str, at: str, session: str = "s1", user: str = "ann", **data: Any) -> str:
    """A line of StreamSpace's webhook; its id follows from what it says.

    A session that names no sizes costs 0.07 an hour at the default prices.
    """
    content = {"id": session, "user": user, **data}
    name = f"{session}/{at}/{kind}/{user}"
    return json.dumps({"event": f"session.{kind}", "timestamp": at, "id": name, "data": content})


def session(start: str, end: str, name: str = "s1", user: str = "ann", **data: Any) -> list[str]:
    """The lines of a session that ran from one instant to another."""
    return [event("created", start, name, user, **data), event("terminated", end, name, user)]


def written(path: Path, *lines: str) -> Path:
    """Write lines to a file and return it."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def take_in(run: CommandLine, *lines: str, at: str) -> None:
    """Ingest lines at an instant; all of them must be good."""
    run("meter", "ingest", "-", at=at, stdin="".join(f"{line}\n" for line in lines)).ok()


def totals(run: CommandLine, *arguments: str) -> list[tuple[str, str | None, str, str]]:
    """Period, number, total and status of each invoice that is listed."""
    rows = run("invoice", "list", *arguments, "-o", "json").ok().json()
    return [(row["period"], row["invoice_number"], row["total"], row["status"]) for row in rows]


def lines_of(run: CommandLine, invoice: str) -> list[tuple[str, str | None, str | None, str]]:
    """Description, quantity, price and amount of each line of an invoice."""
    shown = run("invoice", "show", invoice, "-o", "json").ok().json()
    return [
        (line["description"], line["quantity"], line["unit_price"], line["amount"])
        for line in shown["lines"]
    ]


def summary(accepted: int, duplicate: int, rejected: int, files: int = 1) -> str:
    """What ``meter ingest`` prints."""
    return (
        f"Files:     {files}\nAccepted:  {accepted}\n"
        f"Duplicate: {duplicate}\nRejected:  {rejected}\n"
    )


def made(run: CommandLine, *arguments: str, at: str = "2025-02-01T06:00:00Z") -> list[str]:
    """Generate, and return the totals of what was made."""
    rows = run("invoice", "generate", *arguments, "-o", "json", at=at).ok().json()
    return [row["total"] for row in rows]
