"""``billing init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from billing_cli.app import App
from billing_cli.commands.examples import examples


@examples("billing init", "billing init --file /etc/billing/config.json")
def init(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            metavar="FILE",
            help="Where to write it (default: what --config or BILLING_CONFIG names, "
            "else billing.json).",
        ),
    ] = None,
) -> None:
    """Write a config file and prepare the database; never overwrites."""
    from billing_cli.output import message
    from billing_cli.services import init as service

    app: App = context.obj
    for line in service.prepare(app, file):
        message(line)
