"""``billing job``: what runs by itself, what is due, and what has been done."""

from __future__ import annotations

from typing import Annotated

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.commands.switch import is_disabled
from billing_cli.errors import UsageError
from billing_cli.options import DryRunOption, OutputOption
from billing_cli.output import Column, OutputFormat, emit, message, progress, rehearsed, warn

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
    Column("last_run"),
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
    Column("run", numeric=True),
    Column("job"),
    Column("started_at"),
    Column("result"),
    Column("did"),
    Column("duration", numeric=True),
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
