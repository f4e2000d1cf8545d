"""``billing events deliver`` and ``deliveries``: telling others, and what came of it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.commands.switch import is_disabled
from billing_cli.errors import UsageError
from billing_cli.options import DryRunOption, OutputOption, UserOption, parse_moment
from billing_cli.output import Column, OutputFormat, emit, message, progress, rehearsed, warn

cli = typer.Typer(no_args_is_help=True, help="Look after the deliveries of events to sinks.")

SinksOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--sink",
        metavar="SINK",
        help="Only this sink; may be repeated.",
        autocompletion=completion.sinks,
    ),
]
EventsArgument: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="EVENT…",
        help="Events, by their ids.",
        autocompletion=completion.events,
    ),
]
AllOption: TypeAlias = Annotated[bool, typer.Option("--all", help="All that there are.")]

_NUMBERS = ("delivered", "skipped", "failed", "backlog", "dead")
_SERVED = (
    Column("sink"),
    Column("kind"),
    *(Column(name, numeric=True) for name in _NUMBERS),
    Column("note"),
)
_REHEARSED = (
    Column("sink"),
    Column("kind"),
    Column("status"),
    *(Column(name, numeric=True) for name in ("due", "backlog", "dead")),
    Column("note"),
)
_LISTED = (
    Column("event"),
    Column("sink"),
    Column("type", wide=True),
    Column("user_id"),
    Column("occurred_at", wide=True),
    Column("state"),
    Column("attempts", numeric=True),
    Column("next_attempt_at"),
    Column("tried_at", wide=True),
    Column("settled_at", wide=True),
    Column("last_error"),
)
_NO_SINKS = "no sinks are configured: docs/notifications.md says how"


def _states(incomplete: str) -> list[str]:
    """Complete a state of a delivery."""
    from billing_cli.services.delivery_view import STATES

    return completion.matching(STATES, incomplete)


@examples(
    "billing events deliver",
    "billing events deliver --sink mail --limit 100",
    "billing events deliver --sink crm --since 2025-01-01T00:00:00Z",
)
def deliver(
    context: typer.Context,
    names: SinksOption = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="At most so many attempts.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="INSTANT",
            help="Tell sinks that are new what was recorded since (default: what comes next).",
        ),
    ] = None,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Deliver what the events tell to the sinks of the config file; 7 if something is not.

    What fails is tried again by a later run, and holds the later events of its user back until it
    is delivered or dead.
    """
    from billing_cli.services import deliveries as service

    app: App = context.obj
    if is_disabled(app):
        return
    moment = None if since is None else parse_moment(since, "--since")
    asked = service.Asked(_names(names), moment, limit)
    if dry_run:
        emit(service.rehearse(app, asked), _REHEARSED, output, empty=_NO_SINKS)
        rehearsed(dry_run=dry_run)
        return
    with progress(None, "Delivering") as advance:
        report = service.deliver(app, asked, advance)
    for warning in report.warnings:
        warn(warning)
    if report.elsewhere:
        message("another process is delivering: nothing was done")
    emit((one.shown() for one in report.served), _SERVED, output, empty=_NO_SINKS)
    service.require_done(report)


@cli.command("list")
@examples(
    "billing events deliveries list",
    "billing events deliveries list --state dead -o json",
    "billing events deliveries list --event evt_12 --state delivered",
)
def list_(
    context: typer.Context,
    names: SinksOption = None,
    states: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="Only this state (default: all that are not settled); may be repeated.",
            autocompletion=_states,
        ),
    ] = None,
    events: Annotated[
        list[str] | None,
        typer.Option(
            "--event",
            metavar="EVENT",
            help="Only this event; may be repeated.",
            autocompletion=completion.events,
        ),
    ] = None,
    user: UserOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List deliveries with their attempts, last error and next attempt.

    States are pending, sending, retrying and dead, and once settled delivered, skipped (there was
    nobody to tell) and dropped.
    """
    from billing_cli.services import delivery_view as service

    app: App = context.obj
    asked = service.Asked(_names(names), _names(states), user, _names(events))
    with service.listing(app, asked) as rows:
        emit(rows, _LISTED, output, empty="no deliveries")


@cli.command()
@examples(
    "billing events deliveries retry evt_12 --sink mail",
    "billing events deliveries retry --all --sink mail",
)
def retry(
    context: typer.Context,
    events: EventsArgument = None,
    names: SinksOption = None,
    user: UserOption = None,
    all_of_them: AllOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Have deliveries tried again with the next run, with all their attempts.

    By its event also what was skipped or dropped; with --all what is dead or waits to be tried
    again.
    """
    from billing_cli.services import delivery_view as service

    app: App = context.obj
    asked = service.Asked(_names(names), None, user, _chosen(events, all_of_them))
    count = service.retry(app, asked, dry_run=dry_run)
    message(f"deliveries to be tried again: {count:,}")
    rehearsed(dry_run=dry_run)


@cli.command()
@examples("billing events deliveries drop evt_12", "billing events deliveries drop --all")
def drop(
    context: typer.Context,
    events: EventsArgument = None,
    names: SinksOption = None,
    user: UserOption = None,
    all_of_them: AllOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Give deliveries up for good: those of some events, or with --all what is dead."""
    from billing_cli.services import delivery_view as service

    app: App = context.obj
    asked = service.Asked(_names(names), None, user, _chosen(events, all_of_them))
    count = service.drop(app, asked, dry_run=dry_run)
    message(f"deliveries dropped: {count:,}")
    rehearsed(dry_run=dry_run)


def _names(given: list[str] | None) -> tuple[str, ...] | None:
    return tuple(given) if given else None


def _chosen(events: list[str] | None, all_of_them: bool) -> tuple[str, ...] | None:
    if all_of_them == bool(events):
        raise UsageError(
            "name events by their ids, or else say --all",
            "billing events deliveries list shows the ids",
        )
    return _names(events)
