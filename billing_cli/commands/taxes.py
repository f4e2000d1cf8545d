"""``billing tax``: the rates in force, and who has which."""

from __future__ import annotations

from typing import Annotated

import typer

from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.options import OutputOption
from billing_cli.output import Column, OutputFormat, emit

cli = typer.Typer(no_args_is_help=True, help="Look at the taxes that invoices carry.")

_RATES = (
    Column("id"),
    Column("name"),
    Column("percent", numeric=True),
    Column("default"),
    Column("users", numeric=True),
)
_USERS = (
    Column("user_id"),
    Column("tax"),
    Column("name"),
    Column("percent", numeric=True),
)


@cli.command("list")
@examples("billing tax list", "billing tax list --users -o csv")
def list_(
    context: typer.Context,
    users: Annotated[
        bool, typer.Option("--users", help="The users who have another than the default.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List the rates in force and how many users have each, or who has another than the default.

    billing user edit --tax gives a user another rate, or none.
    """
    from billing_cli.services import taxes as service

    app: App = context.obj
    if not users:
        emit(service.listing(app), _RATES, output)
        return
    with service.users(app) as rows:
        emit(rows, _USERS, output, empty="every user has the default")
