"""``billing stripe``: both sides brought together, compared, and looked after."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.errors import UsageError
from billing_cli.options import DryRunOption, OutputOption, parse_date_or_moment
from billing_cli.output import Column, OutputFormat, emit, message, progress, rehearsed

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


def confirm(*, yes: bool) -> bool:
    """Return what answers the question whether live payments are meant."""
    return yes


def _parts(incomplete: str) -> list[str]:
    """Complete a part of the sync."""
    from billing_cli.services.stripe_sync import PARTS

    return completion.matching(PARTS, incomplete)
