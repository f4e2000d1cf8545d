"""``billing events sinks``: who is told of events, and how each stands."""

from __future__ import annotations

from typing import Annotated

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.options import OutputOption
from billing_cli.output import Column, OutputFormat, emit, message

cli = typer.Typer(no_args_is_help=True, help="Look after those who are told of events.")

_LISTED = (
    Column("sink"),
    Column("kind"),
    Column("events", wide=True),
    Column("status"),
    Column("since"),
    Column("backlog", numeric=True),
    Column("dead", numeric=True),
    Column("paused_until", wide=True),
    Column("reason"),
)


@cli.command("list")
@examples("billing events sinks list", "billing events sinks list -o json")
def list_(context: typer.Context, output: OutputOption = OutputFormat.TABLE) -> None:
    """List the sinks of the config file, since when they are told, and what they wait for."""
    from billing_cli.services import sinks as service

    app: App = context.obj
    empty = "no sinks are configured: docs/notifications.md says how"
    emit(service.overview(app), _LISTED, output, empty=empty)


@cli.command()
@examples("billing events sinks resume crm")
def resume(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="SINK", help="A sink.", autocompletion=completion.sinks)
    ],
) -> None:
    """Go on with a sink that said it wants no more events, or that is left alone for a while."""
    from billing_cli.services import sinks as service

    app: App = context.obj
    service.resume(app, name)
    message(f"the sink {name} is served again by the next events deliver")
