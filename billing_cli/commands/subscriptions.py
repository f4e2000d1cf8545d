"""``billing subscription``: who holds which plan from when to when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.errors import UsageError
from billing_cli.options import (
    DryRunOption,
    FromInstantOption,
    OutputOption,
    UsersOption,
    parse_moment,
)
from billing_cli.output import Column, OutputFormat, Section, emit, emit_object, message
from billing_cli.pricing.instants import format_instant

if TYPE_CHECKING:
    from billing_cli.services.subscription_action import Done, Wanted

cli = typer.Typer(no_args_is_help=True, help="Look after subscriptions: who holds which plan when.")

_COLUMNS = (
    Column("id", numeric=True),
    Column("user_id"),
    Column("plan_id"),
    Column("plan_name", table=False),
    Column("price", numeric=True, wide=True),
    Column("interval", wide=True),
    Column("status"),
    Column("current_period_start", table=False),
    Column("current_period_end", wide=True),
    Column("next_plan_id"),
    Column("ends_at"),
    Column("canceled_at", table=False),
    Column("created_at", table=False),
    Column("source", table=False),
    Column("stripe_subscription_id", table=False),
)
_PHASES = (
    Column("plan_id"),
    Column("price", numeric=True),
    Column("interval"),
    Column("start"),
    Column("end"),
    Column("when"),
)
_LINES = (
    Column("description"),
    Column("quantity", numeric=True),
    Column("unit_price", numeric=True),
    Column("amount", numeric=True),
)

SubscriptionArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[ID]",
        help="A subscription's id; or name its user with --user.",
        autocompletion=completion.subscriptions,
    ),
]
OfUserOption = Annotated[
    str | None,
    typer.Option(
        "--user",
        "-u",
        metavar="USER",
        help="The live subscription of this user, or else the newest.",
        autocompletion=completion.users,
    ),
]
PlanOption = Annotated[
    str,
    typer.Option("--plan", metavar="PLAN", help="The plan's id.", autocompletion=completion.plans),
]
NowOption = Annotated[bool, typer.Option("--now", help="At once.")]
AtEndOption = Annotated[
    bool, typer.Option("--at-period-end", help="At the end of the running term.")
]


def _statuses(incomplete: str) -> list[str]:
    """Complete a status."""
    from billing_cli.services.subscription_rows import STATUSES

    return completion.matching(STATUSES, incomplete)


@cli.command()
@examples(
    "billing subscription create --user john --plan pro",
    "billing subscription create -u john --plan pro --from 2025-02-01T00:00:00Z",
)
def create(
    context: typer.Context,
    user: Annotated[
        str,
        typer.Option(
            "--user",
            "-u",
            metavar="USER",
            help="Whose; a user of a new name is added.",
            autocompletion=completion.users,
        ),
    ],
    plan: PlanOption,
    since: FromInstantOption = None,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Begin a subscription, now or from another moment on, past or to come."""
    from billing_cli.services import subscriptions as service

    app: App = context.obj
    at = None if since is None else parse_moment(since, "--from")
    _tell(service.create(app, user, plan, at, dry_run=dry_run), output)


@cli.command()
@examples(
    "billing subscription change --user john --plan enterprise",
    "billing subscription change 12 --plan free --at-period-end --dry-run",
)
def change(
    context: typer.Context,
    plan: PlanOption,
    subscription: SubscriptionArgument = None,
    user: OfUserOption = None,
    now: NowOption = False,
    at_period_end: AtEndOption = False,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Change the plan: an upgrade at once, a downgrade at the end of the running term.

    Takes the place of a change that is still to come. --dry-run shows what the invoice will say.
    """
    from billing_cli.services import subscriptions as service

    app: App = context.obj
    wanted = _wanted(subscription, user)
    _refuse_both(now=now, at_period_end=at_period_end)
    done = service.change(app, wanted, plan, immediate=now, at_end=at_period_end, dry_run=dry_run)
    if dry_run:
        _foretell(done, output)
    else:
        _tell(done, output)


@cli.command()
@examples("billing subscription cancel --user john", "billing subscription cancel 12 --now")
def cancel(
    context: typer.Context,
    subscription: SubscriptionArgument = None,
    user: OfUserOption = None,
    now: NowOption = False,
    at_period_end: AtEndOption = False,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """End a subscription: at the end of the running term, or with --now at once."""
    from billing_cli.services import subscriptions as service

    app: App = context.obj
    wanted = _wanted(subscription, user)
    _refuse_both(now=now, at_period_end=at_period_end)
    _tell(service.cancel(app, wanted, immediate=now, dry_run=dry_run), output)


@cli.command()
@examples("billing subscription resume --user john")
def resume(
    context: typer.Context,
    subscription: SubscriptionArgument = None,
    user: OfUserOption = None,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Let a subscription that is to end go on; one that has ended begins again from now."""
    from billing_cli.services import subscriptions as service

    app: App = context.obj
    _tell(service.resume(app, _wanted(subscription, user), dry_run=dry_run), output)


@cli.command("list")
@examples(
    "billing subscription list --status active --plan pro", "billing subscription list -o csv"
)
def list_(
    context: typer.Context,
    users: UsersOption = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="active, canceled, suspended or scheduled.",
            autocompletion=_statuses,
        ),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan",
            metavar="PLAN",
            help="Only those with this plan.",
            autocompletion=completion.plans,
        ),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List subscriptions by user, as they are now."""
    from billing_cli.services import subscriptions as service

    app: App = context.obj
    with service.listing(app, users, status, plan) as rows:
        emit(rows, _COLUMNS, output, empty="no subscriptions")


@cli.command()
@examples("billing subscription show --user john", "billing subscription show 12 -o json")
def show(
    context: typer.Context,
    subscription: SubscriptionArgument = None,
    user: OfUserOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show a subscription with every plan it held, holds, and is to hold."""
    from billing_cli.services import subscriptions as service

    app: App = context.obj
    found = service.show(app, _wanted(subscription, user))
    if output in {OutputFormat.TABLE, OutputFormat.MARKDOWN}:
        # For people: only what there is something to say about.
        found = {key: value for key, value in found.items() if value is not None}
    emit_object(found, output, sections=[Section("phases", _PHASES)])


def _wanted(subscription: str | None, user: str | None) -> Wanted:
    from billing_cli.services.subscription_action import Wanted

    if (subscription is None) == (user is None):
        raise UsageError(
            "name a subscription by its id, or else its --user",
            "billing subscription list shows both",
        )
    return Wanted(subscription, user)


def _refuse_both(*, now: bool, at_period_end: bool) -> None:
    if now and at_period_end:
        raise UsageError(
            "--now and --at-period-end contradict each other", "give one of them, or none"
        )


def _tell(done: Done, output: OutputFormat) -> None:
    emit([done.after], _COLUMNS, output)
    if done.is_ahead:
        message(f"takes effect at {format_instant(done.effective_at)}")
    for note in done.notes:
        message(note)


def _foretell(done: Done, output: OutputFormat) -> None:
    """Print a change that was rehearsed: the subscription before and after, and the invoice."""
    invoice = done.invoice or {}
    found = {
        "effective_at": format_instant(done.effective_at),
        "invoice_period": invoice.get("period"),
        "invoice_total": invoice.get("projected_total"),
        "before": [done.before],
        "after": [done.after],
        "invoice_lines": invoice.get("projected_lines", []),
    }
    sections = [
        Section("before", _COLUMNS),
        Section("after", _COLUMNS),
        Section("invoice_lines", _LINES),
    ]
    emit_object(found, output, sections=sections)
    for note in done.notes:
        message(note)
