"""``billing stripe reconcile``: where both sides differ."""

from __future__ import annotations

import typer

from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.commands.stripe import cli
from billing_cli.options import OutputOption, PeriodOption, parse_period
from billing_cli.output import Column, OutputFormat, emit, progress

_COLUMNS = (
    Column("kind"),
    Column("user_id"),
    Column("id"),
    Column("what"),
    Column("here", numeric=True),
    Column("there", numeric=True),
    Column("known"),
)


@cli.command()
@examples(
    "billing stripe reconcile",
    "billing stripe reconcile --period 2025-01 -o csv",
)
def reconcile(
    context: typer.Context,
    period: PeriodOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List both sides and compare them; nothing is changed. Exits with 7 when they differ.

    Compared are customers, subscriptions, invoices, payments and refunds; with a period, its
    invoices and the payments for them. A difference that is as it should be says why, and does
    not count for the exit code: money that a dispute took back is owed again here, for one.
    """
    from billing_cli.services import stripe_comparison as service

    app: App = context.obj
    if period is not None:
        parse_period(period)
    with (
        progress(None, "comparing") as advance,
        service.comparing(app, period, advance) as comparison,
    ):
        emit(service.rows(comparison), _COLUMNS, output, empty="both sides agree")
    service.require_same(comparison)
