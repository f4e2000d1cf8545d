"""``billing doctor``: what is wrong with an installation, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.options import OutputOption
from billing_cli.output import Column, OutputFormat, emit, progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COLUMNS = (
    Column("check"),
    Column("state"),
    Column("found"),
    Column("advice", "What to do", wide=True),
)


@examples("billing doctor", "billing doctor -o json")
def doctor(context: typer.Context, output: OutputOption = OutputFormat.TABLE) -> None:
    """Check configuration, files, clock, database, jobs and money, and say what to do.

    Only reads, and opens no connection but the database's. Exits with 7 when a check failed;
    warnings alone are exit code 0.
    """
    from billing_cli.services import doctor as service

    app: App = context.obj
    rows = []
    with progress(len(service.CHECKS), "checking") as advance:
        for row in service.examine(app):
            rows.append(row)
            advance(1)
    _print(rows, output)
    service.require_healthy(rows)


def _print(rows: Sequence[Mapping[str, object]], output: OutputFormat) -> None:
    """Print the rows; on a terminal as text that is wrapped, since a table would cut it off."""
    from billing_cli import findings
    from billing_cli.screen import emit_lines, screen

    now = screen()
    if output is OutputFormat.TABLE and now.terminal:
        emit_lines(findings.draw(rows, now.width))
    else:
        emit(rows, _COLUMNS, output)
