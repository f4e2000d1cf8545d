"""``billing job``: what runs by itself, what is due, and what has been done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.commands.switch import is_disabled
from billing_cli.errors import UsageError
from billing_cli.options import DryRunOption, OutputOption
from billing_cli.output import (
    Column,
    OutputFormat,
    emit,
    emit_bytes,
    message,
    progress,
    rehearsed,
    warn,
)

cli = typer.Typer(no_args_is_help=True, help="Run the jobs that keep everything up to date.")

_RAN = (
    Column("job"),
    Column("result"),
    Column("did"),
    Column("duration", numeric=True),
    Column("duration_ms", table=False),
    Column("due_at", wide=True),
    Column("counts", table=False),
    Column("error", table=False),
)
_STATUS = (
    Column("job"),
    Column("last_run", wide=True),
    Column("result"),
    Column("next_due"),
    Column("late"),
    Column("backlog"),
    Column("did", wide=True),
    Column("duration", numeric=True, wide=True),
    Column("duration_ms", table=False),
    Column("schedule", wide=True),
    Column("last_success", table=False),
    Column("backlog_counts", table=False),
    Column("late_seconds", table=False),
    Column("error", table=False),
)
_RUNS = (
    Column("run", numeric=True, wide=True),
    Column("job"),
    Column("started_at"),
    Column("result"),
    Column("did"),
    Column("duration", numeric=True, wide=True),
    Column("duration_ms", table=False),
    Column("due_at", wide=True),
    Column("counts", table=False),
    Column("error"),
    Column("process", wide=True),
)


def _names(incomplete: str) -> list[str]:
    """Complete the name of a job."""
    from billing_cli.services.jobs import ALL, JOBS

    return completion.matching([*(job.name for job in JOBS), ALL], incomplete)


JobsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[JOB|all]…", help="Names of jobs, or all.", autocompletion=_names),
]


@cli.command()
@examples("billing job run --due", "billing job run generate-invoices", "billing job run all")
def run(
    context: typer.Context,
    jobs: JobsArgument = None,
    due: Annotated[
        bool, typer.Option("--due", help="Run what is due: the line for cron or a timer.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but warnings and errors.")
    ] = False,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Run jobs, in their fixed order; exits with 7 when one failed, after the others have run.

    A job that is due runs once, and catches up on whatever was missed. While another process runs
    jobs, this one says so and does nothing.
    """
    from billing_cli.services import job_status
    from billing_cli.services import jobs as service

    app: App = context.obj
    if due == bool(jobs):
        raise UsageError("name jobs, or else say --due", "billing job status lists them")
    names = None if due else service.chosen(jobs or [])
    if is_disabled(app):
        return
    if dry_run:
        runs = service.pending(app, names)
    else:
        with progress(None, "running jobs") as advance:
            runs = service.run(app, names, advance)
    for text in runs.warnings:
        warn(text)
    for text in [*runs.traces, *([] if quiet else runs.notes)]:
        message(text)
    if not quiet and runs.outcomes:
        emit(job_status.outcome_rows(runs.outcomes), _RAN, output)
    rehearsed(dry_run=dry_run)
    runs.require_success()


@cli.command()
@examples("billing job status", "billing job status -o json")
def status(context: typer.Context, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show of each job the last run, when it is due, what waits for it and how late it is.

    Exits with 7 when a job is late or its last run failed.
    """
    from billing_cli.services import job_status as service

    app: App = context.obj
    is_disabled(app)
    found = service.status(app)
    emit(found.rows, _STATUS, output)
    found.require_healthy()


@cli.command()
@examples("billing job history", "billing job history check-quotas --limit 5 -o json")
def history(
    context: typer.Context,
    jobs: JobsArgument = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="The newest so many runs.")
    ] = 20,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List what jobs have done, the newest run first."""
    from billing_cli.services import job_status
    from billing_cli.services.jobs import ALL, chosen

    app: App = context.obj
    rows = job_status.history(app, chosen(jobs or [ALL]), limit)
    emit(rows, _RUNS, output, empty="no job has run")


@cli.command()
@examples(
    "billing job install --systemd --print",
    "billing --config /etc/billing/config.json job install --systemd",
    "billing job install --cron --user",
)
def install(
    context: typer.Context,
    systemd: Annotated[
        bool, typer.Option("--systemd", help="Write a service and a timer of systemd.")
    ] = False,
    cron: Annotated[bool, typer.Option("--cron", help="Write a table of cron.")] = False,
    user: Annotated[
        bool, typer.Option("--user", help="For the user who runs this, not for the system.")
    ] = False,
    account: Annotated[
        str, typer.Option("--run-as", metavar="USER", help="The system's user who runs the jobs.")
    ] = "billing",
    textfile: Annotated[
        Path | None,
        typer.Option(
            "--textfile", metavar="FILE", help="Have the metrics written to this file, too."
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--into", metavar="FOLDER", help="Write to this folder, not the usual one."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--print", help="Print the files, and write nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that differ.")] = False,
) -> None:
    """Have the jobs of this installation run by systemd or cron: with this config and database.

    Says what is left to do. A file that is there already and differs stays as it is.
    """
    from billing_cli.services import job_install as service

    app: App = context.obj
    if systemd == cron:
        raise UsageError("say --systemd, or else --cron", "systemd runs what was missed, too")
    plan = service.plan(app, service.Wanted(systemd, user, account, folder, textfile))
    if show or plan.for_table:
        emit_bytes(service.printed(plan))
    else:
        for text in service.write(plan.files, force=force):
            message(text)
    for note in plan.notes:
        message(note)
