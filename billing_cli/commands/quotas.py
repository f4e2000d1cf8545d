"""``billing quota``: who is near a limit or over it, limits of a user's own, and suspensions."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.commands.switch import is_disabled
from billing_cli.options import (
    DryRunOption,
    OutputOption,
    UsersOption,
    parse_date,
    parse_moment,
    parse_reason,
)
from billing_cli.output import Column, OutputFormat, emit, message, progress, rehearsed, warn

if TYPE_CHECKING:
    from datetime import date

cli = typer.Typer(no_args_is_help=True, help="Compare use with limits, and suspend who exceeds.")

_COLUMNS = (
    Column("user_id"),
    Column("resource_type", "Resource"),
    Column("limit", numeric=True),
    Column("use", numeric=True),
    # What is measured says the unit too; since when a level holds is said nowhere else.
    Column("unit", wide=True),
    Column("percent", numeric=True, bar="level"),
    Column("level"),
    Column("since"),
    Column("suspended_since", wide=True),
)
_SUSPENSIONS = (
    Column("user_id"),
    Column("cause"),
    Column("resource_type", "Resource"),
    Column("reason"),
    Column("suspended_at"),
    Column("resumed_at"),
    Column("resume_reason"),
)
_LIMITS = (
    Column("user_id"),
    Column("resource_type", "Resource"),
    Column("limit", numeric=True),
    Column("unit"),
    Column("from"),
)
_LIMIT = "LIMIT|none|plan"


class Level(StrEnum):
    """From which level on a check fails."""

    WARNING = "warning"
    EXCEEDED = "exceeded"


UserArgument = Annotated[
    str, typer.Argument(metavar="USER", help="A user's id.", autocompletion=completion.users)
]
FailOnOption = Annotated[
    Level | None,
    typer.Option(
        "--fail-on",
        metavar="|".join(Level),
        help="Exit with 7 if a user is at this level or above it.",
    ),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept with the suspension.")]


@cli.command()
@examples("billing quota check", "billing quota check --user john --fail-on exceeded")
def check(
    context: typer.Context,
    users: UsersOption = None,
    fail_on: FailOnOption = None,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Find every level reached since the last check, and show who is at one or suspended.

    Checks everyone, also with --user, which chooses whom to show. Running it late finds the same.
    """
    from billing_cli.services import quota_view as service

    app: App = context.obj
    if is_disabled(app):
        return
    with (
        progress(None, "checking") as advance,
        service.check(app, users, advance, dry_run=dry_run) as view,
    ):
        if view.warning:
            warn(view.warning)
        emit(view.rows, _COLUMNS, output, empty="nobody is at a limit or suspended")
        for note in view.notes:
            message(note)
        rehearsed(dry_run=dry_run)
        view.require_below(fail_on)


@cli.command()
@examples("billing quota show --user john", "billing quota show -o json --fail-on warning")
def show(
    context: typer.Context,
    users: UsersOption = None,
    fail_on: FailOnOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show everyone's limits and what is used of them now (or at --at)."""
    from billing_cli.services import quota_view as service

    app: App = context.obj
    with service.show(app, users) as view:
        emit(view.rows, _COLUMNS, output, empty="nobody has a limit")
        view.require_below(fail_on)


@cli.command("set")
@examples(
    "billing quota set john --cpu-limit 16 --memory-limit 64",
    "billing quota set john --spend-limit 250.00 --from 2025-02-01",
    "billing quota set john --cpu-limit plan",
)
def set_(
    context: typer.Context,
    user: UserArgument,
    cpu: Annotated[
        str | None, typer.Option("--cpu-limit", metavar=_LIMIT, help="Cores at once.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option("--memory-limit", metavar=_LIMIT, help="GB of memory at once.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option("--storage-limit", metavar=_LIMIT, help="GB of storage at once.")
    ] = None,
    spend: Annotated[
        str | None, typer.Option("--spend-limit", metavar=_LIMIT, help="Spend in a billing period.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="INSTANT|DATE", help="From this moment or date on (default: now)."
        ),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Give a user limits of its own; none is no limit, plan what the plan says."""
    from billing_cli.services import quota_view as service

    app: App = context.obj
    limits = {"cpu": cpu, "memory": memory, "storage": storage, "spend": spend}
    begin = None if since is None else _parse_begin(since)
    emit(service.set_limits(app, user, limits, begin), _LIMITS, output)


@cli.command()
@examples('billing quota suspend john --reason "Payment disputed"')
def suspend(
    context: typer.Context,
    user: UserArgument,
    reason: ReasonOption,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Suspend a user by hand, until quota resume."""
    from billing_cli.services import suspensions as service

    app: App = context.obj
    why = parse_reason(reason, "the suspension")
    emit([service.suspend(app, user, why)], _SUSPENSIONS, output)


@cli.command()
@examples('billing quota resume john --reason "Agreed by phone"')
def resume(
    context: typer.Context,
    user: UserArgument,
    reason: ReasonOption,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """End a user's suspensions, whatever their causes; the same causes suspend no more."""
    from billing_cli.services import suspensions as service

    app: App = context.obj
    why = parse_reason(reason, "the suspension")
    emit(service.resume(app, user, why), _SUSPENSIONS, output)


def _parse_begin(text: str) -> int | date:
    """Read an instant, or a local date."""
    return parse_moment(text, "--from") if "T" in text.upper() else parse_date(text, "--from")
