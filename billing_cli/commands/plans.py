"""``billing plan``: what subscriptions cost, include and allow, and who holds what."""

from __future__ import annotations

from typing import Annotated

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.options import OutputOption
from billing_cli.output import Column, OutputFormat, Section, emit, emit_object

cli = typer.Typer(no_args_is_help=True, help="Look at the plans, and at who holds them.")

_TERMS = (
    Column("name"),
    Column("price", numeric=True),
    Column("currency", table=False),
    Column("interval"),
    Column("cpu_limit", numeric=True),
    Column("memory_limit", numeric=True),
    Column("storage_limit", numeric=True),
    Column("overage", wide=True),
    Column("billing", wide=True),
)
_COLUMNS = (
    Column("id"),
    *_TERMS,
    Column("holders", numeric=True),
    Column("coming", numeric=True, wide=True),
    Column("version", numeric=True, wide=True),
)
_VERSIONS = (
    Column("since"),
    Column("when"),
    Column("price", numeric=True),
    Column("interval"),
    Column("cpu_limit", numeric=True),
    Column("memory_limit", numeric=True),
    Column("storage_limit", numeric=True),
)
_USERS = (
    Column("user_id"),
    Column("subscription_id", numeric=True),
    Column("start"),
    Column("end"),
    Column("when"),
)


@cli.command("list")
@examples("billing plan list", "billing plan list -o json")
def list_(context: typer.Context, output: OutputOption = OutputFormat.TABLE) -> None:
    """List the plans in force, how many users hold each, and how many will.

    Limits are in cores and GB. A version counts what billing config apply has changed of a plan.
    """
    from billing_cli.services import plans as service

    app: App = context.obj
    emit(service.listing(app), _COLUMNS, output, empty="there are no plans in force")


@cli.command()
@examples("billing plan show pro", "billing plan show pro -o json")
def show(
    context: typer.Context,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="A plan's id.", autocompletion=completion.plans)
    ],
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show a plan with all its versions, and the first 20 who hold it or will."""
    from billing_cli.services import plans as service

    app: App = context.obj
    sections = [Section("versions", _VERSIONS), Section("users", _USERS)]
    emit_object(service.show(app, plan), output, sections=sections)
