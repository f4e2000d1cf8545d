"""``billing stripe``: both sides brought together, compared, and looked after."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.commands.switch import is_disabled
from billing_cli.errors import UsageError
from billing_cli.options import DryRunOption, OutputOption, parse_date_or_moment
from billing_cli.output import Column, OutputFormat, emit, progress, rehearsed

if TYPE_CHECKING:
    from billing_cli.services.stripe_run import Change

cli = typer.Typer(no_args_is_help=True, help="Payments through Stripe.")

_CHANGES = (
    Column("side"),
    Column("kind"),
    Column("action"),
    Column("user_id"),
    Column("name"),
    Column("amount", numeric=True),
    Column("outcome"),
    Column("detail"),
)

YesOption: TypeAlias = Annotated[
    bool, typer.Option("--yes", help="Use a live key with this database without being asked.")
]


def asking(*, yes: bool) -> Callable[[str], bool]:
    """Return what answers whether live payments are meant: ``--yes``, or somebody at a terminal."""

    def confirm(question: str) -> bool:
        return yes or (sys.stdin.isatty() and typer.confirm(question, err=True))

    return confirm


def _parts(incomplete: str) -> list[str]:
    """Complete a part of the sync."""
    from billing_cli.services.stripe_sync import PARTS

    return completion.matching(PARTS, incomplete)


@cli.command()
@examples(
    "billing stripe sync --dry-run",
    "billing stripe sync --only invoices --since 2025-01-01",
)
def sync(
    context: typer.Context,
    only: Annotated[
        str | None,
        typer.Option(
            "--only",
            metavar="PART",
            help="customers, plans, subscriptions, invoices, payments or events.",
            autocompletion=_parts,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="DATE|INSTANT",
            help="Leave out what is older and not on both sides yet.",
        ),
    ] = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Bring both sides together, and say what was done; exits with 7 when something was not.

    Customers, plans, invoices, refunds and credit notes go out; payments, disputes, and what
    Stripe bills by itself come in. It can be stopped at any moment, and goes on the next time.
    """
    from billing_cli.services import stripe_sync as service

    app: App = context.obj
    if only is not None and only not in service.PARTS:
        raise UsageError(
            f"--only: {only!r} is no part of the sync", f"use one of: {', '.join(service.PARTS)}"
        )
    if is_disabled(app):
        return
    moment = 0 if since is None else parse_date_or_moment(since, "--since")
    options = service.Options(only, service.instant_of(app, moment), dry_run)
    changes: list[Change] = []
    with progress(service.size(app, options), "syncing") as advance:
        listener = service.Listener(changes.append, advance)
        outcome = service.run(app, options, listener, asking(yes=yes))
    emit(map(service.row_of, changes), _CHANGES, output, empty="both sides agree")
    rehearsed(dry_run=dry_run)
    service.require_whole(outcome)
