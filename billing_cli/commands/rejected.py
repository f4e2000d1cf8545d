"""``billing meter rejected``: lines that could not be taken."""

from __future__ import annotations

from typing import Annotated

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.errors import UsageError
from billing_cli.options import DryRunOption, OutputOption
from billing_cli.output import (
    Column,
    OutputFormat,
    emit,
    emit_bytes,
    emit_object,
    message,
    rehearsed,
)

cli = typer.Typer(no_args_is_help=True, help="Look after lines that were rejected.")

IdsArgument = Annotated[
    list[int] | None,
    typer.Argument(
        metavar="ID…",
        help="Ids, as the list shows them.",
        autocompletion=completion.rejected_lines,
    ),
]
AllOption = Annotated[bool, typer.Option("--all", help="All rejected lines.")]


@cli.command("list")
@examples("billing meter rejected list -o csv")
def list_(context: typer.Context, output: OutputOption = OutputFormat.TABLE) -> None:
    """List rejected lines with file, line and reason."""
    from billing_cli.services import rejected as service

    app: App = context.obj
    columns = [
        Column("id", numeric=True),
        Column("file"),
        Column("line", numeric=True),
        Column("reason"),
        Column("rejected_at", wide=True),
        Column("content", wide=True),
    ]
    with service.rows(app) as rows:
        emit(rows, columns, output, empty="nothing is rejected")


@cli.command()
@examples("billing meter rejected export > mend.jsonl")
def export(context: typer.Context) -> None:
    """Write the rejected lines to stdout as they came in, to be mended; CSV rows with a header."""
    from billing_cli.services import rejected as service

    app: App = context.obj
    with service.originals(app) as lines:
        emit_bytes(lines)


@cli.command()
@examples("billing meter rejected retry --all", "billing meter rejected retry 3 4")
def retry(
    context: typer.Context,
    ids: IdsArgument = None,
    all_lines: AllOption = False,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Try rejected lines again, for instance after an upgrade; exits with 5 if some still fail."""
    from billing_cli.services import rejected as service

    app: App = context.obj
    report = service.retry(app, _chosen(ids, all_lines=all_lines), dry_run=dry_run)
    emit_object(service.retry_row(report), output)
    rehearsed(dry_run=dry_run)
    service.require_clean(report)


@cli.command()
@examples("billing meter rejected drop 3", "billing meter rejected drop --all")
def drop(
    context: typer.Context,
    ids: IdsArgument = None,
    all_lines: AllOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Delete rejected lines for good."""
    from billing_cli.services import rejected as service

    app: App = context.obj
    dropped = service.drop(app, _chosen(ids, all_lines=all_lines), dry_run=dry_run)
    message(f"lines dropped: {dropped:,}")
    rehearsed(dry_run=dry_run)


def _chosen(ids: list[int] | None, *, all_lines: bool) -> list[int] | None:
    if all_lines == bool(ids):
        raise UsageError(
            "name lines by their ids, or else say --all",
            "billing meter rejected list shows the ids",
        )
    return ids or None
