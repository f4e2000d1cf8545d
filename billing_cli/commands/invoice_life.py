"""``billing invoice``: what happens to an invoice once it is made."""

from __future__ import annotations

from typing import Annotated

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands import invoice_edit, invoice_pdf  # noqa: F401 - add their commands to the same noun
from billing_cli.commands.examples import examples
from billing_cli.commands.invoices import COLUMNS, InvoiceArgument, cli
from billing_cli.commands.payments import MethodOption, ReceivedOption, ReferenceOption
from billing_cli.commands.switch import is_disabled
from billing_cli.errors import UsageError
from billing_cli.options import DryRunOption, OutputOption, parse_moment, parse_reason, parse_text
from billing_cli.output import Column, OutputFormat, emit, emit_object, rehearsed

__all__ = ["cli"]

_OWED = (
    Column("id", numeric=True),
    Column("invoice_number"),
    Column("user_id"),
    Column("total", numeric=True),
    Column("amount_paid", numeric=True),
    Column("amount_due", numeric=True),
    Column("currency", wide=True),
    Column("status"),
    Column("due_date", wide=True),
    Column("paid_at", wide=True),
)


@cli.command()
@examples(
    "billing invoice pay INV-2025-000001",
    'billing invoice pay INV-2025-000001 --amount 10.00 --reference "cash"',
)
def pay(
    context: typer.Context,
    invoice: InvoiceArgument,
    amount: Annotated[
        str | None, typer.Option("--amount", metavar="AMOUNT", help="Default: all that is owed.")
    ] = None,
    method: MethodOption = "manual",
    reference: ReferenceOption = None,
    received: ReceivedOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Record a payment for an invoice; what is more than is owed becomes a credit."""
    from billing_cli.services import invoice_life as service
    from billing_cli.services.payments import Given

    app: App = context.obj
    moment = None if received is None else parse_moment(received, "--received")
    said = None if reference is None else parse_text(reference, "--reference")
    given = Given(amount, parse_text(method, "--method"), said, moment)
    emit([service.pay(app, invoice, given)], _OWED, output)


@cli.command()
@examples('billing invoice void INV-2025-000001 --reason "Wrong address"')
def void(
    context: typer.Context,
    invoice: InvoiceArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the invoice.")],
    write_off: Annotated[
        bool, typer.Option("--write-off", help="Never bill its usage again.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Void an invoice: its usage is held back until its period is generated again by name.

    What was paid of it becomes a credit, and its credit notes are void with it.
    """
    from billing_cli.services import invoice_life as service

    app: App = context.obj
    why = parse_reason(reason, "the invoice")
    emit([service.void_one(app, invoice, why, write_off=write_off)], COLUMNS, output)


@cli.command("credit-note")
@examples(
    'billing invoice credit-note INV-2025-000001 --amount 5 --reason "Downtime"',
    'billing invoice credit-note 12 --line 2 --reason "Not used" --refunded',
)
def credit_note(
    context: typer.Context,
    invoice: InvoiceArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; printed on the note.")],
    amount: Annotated[
        str | None, typer.Option("--amount", metavar="AMOUNT", help="So much, tax included.")
    ] = None,
    line: Annotated[
        int | None, typer.Option("--line", metavar="N", help="This line, and the tax on it.")
    ] = None,
    refunded: Annotated[
        bool, typer.Option("--refunded", help="It was given back as money, not as a credit.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Take back a part of a final invoice by a document with a number of its own.

    It is set against what is still owed; what was paid of it already becomes a credit.
    """
    from billing_cli.services import credit_notes as service

    app: App = context.obj
    if (amount is None) == (line is None):
        raise UsageError("name an --amount, or else a --line", "invoice show lists the lines")
    why = parse_reason(reason, "the note")
    emit_object(service.create(app, invoice, amount, line, why, refunded=refunded), output)


@cli.command("mark-overdue")
@examples("billing invoice mark-overdue", "billing invoice mark-overdue INV-2025-000001")
def mark_overdue(
    context: typer.Context,
    invoices: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID|NUMBER]…",
            help="Invoices (default: all that are sent and past due).",
            autocompletion=completion.invoices,
        ),
    ] = None,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Mark invoices whose due moment has passed as overdue since that moment."""
    from billing_cli.services import invoice_life as service

    app: App = context.obj
    if is_disabled(app):
        return
    rows = service.mark_overdue(app, invoices or [], dry_run=dry_run)
    emit(rows, _OWED, output, empty="nothing is overdue")
    rehearsed(dry_run=dry_run)
