"""``billing db``: the schema, checks and backups."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.options import DryRunOption, OutputOption
from billing_cli.output import Column, OutputFormat, emit, emit_object, message, rehearsed

cli = typer.Typer(no_args_is_help=True, help="Look after the database.")


@cli.command()
@examples("billing db backup before.db && billing db upgrade")
def upgrade(context: typer.Context, dry_run: DryRunOption = False) -> None:
    """Bring an older database to the schema that this program needs."""
    from billing_cli.services import db as service

    app: App = context.obj
    message(service.upgrade(app, dry_run=dry_run))
    rehearsed(dry_run=dry_run)


@cli.command()
@examples("billing db current -o json")
def current(context: typer.Context, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show the database, its schema and the schema that this program needs."""
    from billing_cli.services import db as service

    app: App = context.obj
    emit_object(service.current(app), output)


@cli.command()
@examples("billing db check -o json")
def check(context: typer.Context, output: OutputOption = OutputFormat.TABLE) -> None:
    """Check the database: schema, integrity, constraints, and totals that must agree.

    Exits with 7 when a check fails.
    """
    from billing_cli.services import db as service

    app: App = context.obj
    columns = [Column("check"), Column("result"), Column("detail")]
    rows = service.check(app)
    emit(rows, columns, output)
    service.require_sound(rows)


@cli.command()
@examples("billing db backup /backups/billing-2025-02-01.db")
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write the copy.")],
) -> None:
    """Write a consistent copy of a SQLite database while others go on writing.

    For PostgreSQL use pg_dump.
    """
    from billing_cli.services import db as service

    app: App = context.obj
    message(service.backup(app, file))
