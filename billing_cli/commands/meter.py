"""``billing meter``: events in, timelines and usage records out."""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands import rejected
from billing_cli.commands.examples import examples
from billing_cli.commands.switch import is_disabled
from billing_cli.errors import UsageError
from billing_cli.options import (
    DryRunOption,
    OutputOption,
    UntilOption,
    UserOption,
    parse_moment,
)
from billing_cli.output import (
    Column,
    OutputFormat,
    Section,
    emit,
    emit_object,
    message,
    progress,
    rehearsed,
    warn,
)

cli = typer.Typer(no_args_is_help=True, help="Take events in and turn them into usage records.")
cli.add_typer(rejected.cli, name="rejected")


_SIZES = (
    Column("cpu_cores", "Cores", numeric=True),
    Column("memory_gb", "GB", numeric=True),
    Column("storage_gb", "Disk GB", numeric=True),
)
_ANOMALY = (Column("time"), Column("kind"), Column("event_id", wide=True), Column("detail"))
_USAGE = (
    Column("resource_type"),
    Column("quantity", numeric=True),
    Column("unit"),
    Column("unit_price", numeric=True),
    Column("total_cost", numeric=True),
)


class EventFormat(StrEnum):
    """How the input is laid out."""

    AUTO = "auto"
    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"


@cli.command()
@examples("billing meter ingest events.jsonl.gz", "kubectl logs api | billing meter ingest -")
def ingest(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE…|-", help="Files or globs, gzipped or not; - is stdin."),
    ] = None,
    fmt: Annotated[
        EventFormat, typer.Option("--format", help="The layout, where it cannot be told.")
    ] = EventFormat.AUTO,
    strict: Annotated[
        bool, typer.Option("--strict", help="Take everything or, if a line is bad, nothing.")
    ] = False,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Store session events, each once; exits with 5 when something was rejected.

    Takes StreamSpace webhooks, CloudEvents 1.0 and rows of the activity log, as JSON Lines,
    JSON or CSV. Bad lines are kept with their reason and never stop the good ones.
    """
    from billing_cli.services import meter as service
    from billing_cli.services.events import require_clean

    app: App = context.obj
    if not files and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError("no files are named, and nothing is piped in", "name files, or - to type")
    if is_disabled(app):
        return
    with progress(None, "ingesting") as advance:
        report = service.ingest(
            app, files or ["-"], fmt.value, advance, strict=strict, dry_run=dry_run
        )
    for note in report.notes:
        message(f"{note.file}: {note.reason}")
    for complaint in report.complaints:
        where = f"{complaint.file}:{complaint.line}" if complaint.line else complaint.file
        warn(f"{where}: {complaint.reason}")
    if report.rejected > len(report.complaints):
        warn(f"and {report.rejected - len(report.complaints):,} more")
    emit_object(service.ingest_row(report), output)
    require_clean(report)
    rehearsed(dry_run=dry_run)


@cli.command()
@examples("billing meter run", "billing meter run --until 2025-02-01T00:00:00Z")
def run(
    context: typer.Context,
    until: UntilOption = None,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Bring usage records up to a moment (default: now), catching up whatever was missed.

    Running it twice, late or after a crash gives the same records as one run in time.
    """
    from billing_cli.services import meter as service

    app: App = context.obj
    moment = None if until is None else parse_moment(until, "--until")
    if is_disabled(app):
        return
    with progress(None, "metering") as advance:
        result = service.run(app, moment, advance, dry_run=dry_run)
    if result.warning:
        warn(result.warning)
    emit_object(result.row, output)
    rehearsed(dry_run=dry_run)


@cli.command()
@examples("billing meter sessions --active --user john")
def sessions(
    context: typer.Context,
    user: UserOption = None,
    active: Annotated[
        bool, typer.Option("--active", help="Only sessions that run or exist now.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List sessions as they stand now (or at --at)."""
    from billing_cli.services import meter as service

    app: App = context.obj
    columns = [
        Column("session_id"),
        Column("user_id"),
        Column("state"),
        Column("start_time"),
        Column("end_time"),
        *(replace(size, wide=True) for size in _SIZES),
    ]
    with service.sessions(app, user, active=active) as rows:
        emit(rows, columns, output, empty="no sessions")


@cli.command()
@examples("billing meter show s1 -o json")
def show(
    context: typer.Context,
    session: Annotated[
        str,
        typer.Argument(
            metavar="SESSION", help="A session's id.", autocompletion=completion.sessions
        ),
    ],
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show a session's timeline up to now (or --at) and what it costs."""
    from billing_cli.services import meter as service

    app: App = context.obj
    timeline = [Column("start_time"), Column("end_time"), Column("state"), *_SIZES]
    emit_object(
        service.show(app, session),
        output,
        sections=[
            Section("timeline", timeline),
            Section("usage", _USAGE),
            Section("anomalies", _ANOMALY),
        ],
    )


@cli.command()
@examples("billing meter anomalies --user john")
def anomalies(
    context: typer.Context,
    user: UserOption = None,
    session: Annotated[
        str | None,
        typer.Option(
            "--session",
            metavar="SESSION",
            help="Only this session.",
            autocompletion=completion.sessions,
        ),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List events that contradict others of their session, and how each was settled."""
    from billing_cli.services import meter as service

    app: App = context.obj
    with service.anomalies(app, session, user) as rows:
        emit(
            rows, [Column("session_id"), Column("user_id"), *_ANOMALY], output, empty="no anomalies"
        )
