"""``billing invoice``: making, finalizing, voiding and showing invoices."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.commands.switch import is_disabled
from billing_cli.errors import UsageError
from billing_cli.options import (
    DryRunOption,
    FromOption,
    OutputOption,
    PeriodOption,
    ToOption,
    UsersOption,
    parse_period,
    parse_span,
)
from billing_cli.output import (
    Column,
    OutputFormat,
    Section,
    emit,
    emit_object,
    message,
    progress,
    warn,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_cli.services.invoices import Made

cli = typer.Typer(no_args_is_help=True, help="Make invoices from usage, and look after them.")

COLUMNS = (
    Column("id", numeric=True),
    Column("invoice_number"),
    Column("user_id"),
    Column("period"),
    Column("period_start", table=False),
    Column("period_end", table=False),
    Column("subtotal", numeric=True, wide=True),
    Column("tax", numeric=True, wide=True),
    Column("credits", numeric=True, wide=True),
    Column("total", numeric=True),
    Column("amount_paid", numeric=True, table=False),
    Column("amount_due", numeric=True, wide=True),
    Column("currency", wide=True),
    Column("status"),
    Column("created_at", table=False),
    Column("sent_at", wide=True),
    Column("due_date", wide=True),
    Column("paid_at", table=False),
    Column("source", table=False),
)
LINES = (
    Column("line", numeric=True),
    Column("description"),
    Column("quantity", numeric=True),
    Column("unit"),
    Column("unit_price", numeric=True),
    Column("amount", numeric=True),
)

_SETTLED = (
    (
        "payments",
        (
            Column("payment_id", numeric=True),
            Column("amount", numeric=True),
            Column("method"),
            Column("reference"),
            Column("status"),
            Column("received_at"),
        ),
    ),
    (
        "credit_notes",
        (
            Column("credit_note"),
            Column("amount", numeric=True),
            Column("applied", numeric=True),
            Column("credited", numeric=True),
            Column("refunded", numeric=True),
            Column("reason"),
            Column("created_at"),
        ),
    ),
)

InvoiceArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID|NUMBER",
        help="An invoice's id or number.",
        autocompletion=completion.invoices,
    ),
]


def _statuses(incomplete: str) -> list[str]:
    """Complete a status."""
    from billing_cli.services.invoices import STATUSES

    return completion.matching(STATUSES, incomplete)


@cli.command()
@examples(
    "billing invoice generate --dry-run",
    "billing invoice generate --period 2025-01 --finalize",
    "billing invoice generate --user john --from 2025-01-01 --to 2025-01-31",
)
def generate(
    context: typer.Context,
    period: PeriodOption = None,
    first: FromOption = None,
    last: ToOption = None,
    users: UsersOption = None,
    finalize: Annotated[
        bool, typer.Option("--finalize", help="Number and freeze them at once, instead of drafts.")
    ] = False,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Make invoices: by default for every complete period that has something unbilled.

    Meters up to the period's end first. Again refreshes drafts and leaves all else alone.
    """
    from billing_cli.services import invoices as service

    app: App = context.obj
    span = parse_span(period, first, last)
    if is_disabled(app):
        return
    with ExitStack() as stack:
        with progress(None, "invoicing") as advance:
            made = stack.enter_context(
                service.generate(app, span, users, advance, finalize=finalize, dry_run=dry_run)
            )
        tell(made, output, "nothing to invoice")


@cli.command("list")
@examples("billing invoice list --status sent", "billing invoice list --period 2025-01 -o csv")
def list_(
    context: typer.Context,
    period: PeriodOption = None,
    users: UsersOption = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="draft, sent, paid, overdue or void.",
            autocompletion=_statuses,
        ),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List invoices by period and user."""
    from billing_cli.services import invoices as service

    app: App = context.obj
    if period is not None:
        parse_period(period)
    if status is not None and status not in service.STATUSES:
        raise UsageError(
            f"--status: {status!r} is not a status", f"use one of: {', '.join(service.STATUSES)}"
        )
    with service.listing(app, period, users, status) as rows:
        _emit(rows, output, "no invoices")


@cli.command()
@examples("billing invoice show INV-2025-000001 -o json")
def show(
    context: typer.Context, invoice: InvoiceArgument, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Show an invoice with its lines."""
    from billing_cli.services import invoices as service

    app: App = context.obj
    emit_invoice(service.show(app, invoice), output)


def emit_invoice(found: dict[str, object], output: OutputFormat) -> None:
    """Print an invoice with its lines; people see only what there is something to say about."""
    if output in {OutputFormat.TABLE, OutputFormat.MARKDOWN}:
        found = {
            key: value for key, value in found.items() if value is not None and value is not False
        }
        if found["source"] == "billing":
            # As all are, but for copies of Stripe's.
            del found["source"]
    footer = {"description": "Subtotal", "amount": found["subtotal"]}
    sections = [
        Section("lines", LINES, footer=footer),
        *(Section(name, columns) for name, columns in _SETTLED),
    ]
    emit_object(found, output, sections=sections)


@cli.command()
@examples("billing invoice finalize 12 13", "billing invoice finalize --period 2025-01")
def finalize(
    context: typer.Context,
    invoices: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID…", help="Drafts, by their ids.", autocompletion=completion.drafts
        ),
    ] = None,
    period: PeriodOption = None,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Refresh drafts, number them, apply credits and freeze them; --period closes the period."""
    from billing_cli.services import invoices as service

    app: App = context.obj
    if (period is not None) == bool(invoices):
        raise UsageError(
            "name drafts by their ids, or else a --period",
            "billing invoice list --status draft shows the ids",
        )
    if period is not None:
        parse_period(period)
    if is_disabled(app):
        return
    with ExitStack() as stack:
        with progress(None, "finalizing") as advance:
            made = stack.enter_context(
                service.finalize(app, invoices or [], period, advance, dry_run=dry_run)
            )
        tell(made, output, "no drafts to finalize")


def _emit(rows: Iterator[dict[str, object]], output: OutputFormat, empty: str) -> None:
    from billing_cli.services.invoices import summed

    footer: dict[str, object] = {}
    emit(summed(rows, footer), COLUMNS, output, footer=footer, empty=empty)


def tell(made: Made, output: OutputFormat, empty: str) -> None:
    """Print the invoices that a command made, and what there is to say about them."""
    if made.warning:
        warn(made.warning)
    _emit(made.rows, output, empty)
    for note in made.notes:
        message(note)
