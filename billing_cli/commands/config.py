"""``billing config``: what is set, what is in force, and recording a change."""

from __future__ import annotations

import typer

from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.options import DryRunOption, FromInstantOption, OutputOption, parse_moment
from billing_cli.output import Column, OutputFormat, emit, emit_object, message

cli = typer.Typer(no_args_is_help=True, help="Show, check and record the configuration.")


@cli.command()
@examples("billing config show -o json")
def show(context: typer.Context, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show the effective settings and where each came from; secrets are masked."""
    from billing_cli.settings import effective_rows

    app: App = context.obj
    rows = effective_rows(app.settings)
    emit(rows, [Column("key"), Column("value"), Column("source")], output)


@cli.command()
@examples("billing --config /etc/billing/config.json config validate")
def validate(context: typer.Context) -> None:
    """Check the config file and environment, and list every error at once."""
    app: App = context.obj
    where = app.settings.config_path or "no config file: the defaults"
    message(f"{where}: valid")


@cli.command()
@examples("billing config schema > billing.schema.json")
def schema() -> None:
    """Print the JSON Schema of the config file, for editors and checks."""
    from billing_cli.settings import json_schema

    emit_object(json_schema(), OutputFormat.JSON)


@cli.command()
@examples("billing config apply --dry-run", "billing config apply --from 2025-03-01T00:00:00Z")
def apply(
    context: typer.Context,
    since: FromInstantOption = None,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Record changed money settings as in force from an instant on (default: now).

    Prices, plans, mode, invoiceDay, timezone, heartbeatTimeoutMinutes and taxes are versioned:
    a change in the file has no effect until it is applied, and never before the end of the last
    finalized period.
    """
    from billing_cli.services import config as service

    app: App = context.obj
    start = None if since is None else parse_moment(since, "--from")
    applied = service.apply(app, start, dry_run=dry_run)
    columns = [Column("key"), Column("in_force"), Column("wanted")]
    emit(applied.rows, columns, output, empty="nothing differs from what is in force")
    for line in applied.messages:
        message(line)


@cli.command()
@examples("billing config history -o json")
def history(context: typer.Context, output: OutputOption = OutputFormat.TABLE) -> None:
    """List the recorded versions of the money settings."""
    from billing_cli.services import config as service

    app: App = context.obj
    columns = [
        Column("version", numeric=True),
        Column("effective_from"),
        Column("recorded_at"),
        Column("changes"),
        Column("replaced_by", numeric=True, wide=True),
        Column("settings", table=False),
    ]
    emit(service.history(app), columns, output, empty="nothing is recorded before the first run")
