"""``billing payment``: what came in, where it went, and what went back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.errors import UsageError
from billing_cli.options import (
    DryRunOption,
    OutputOption,
    UserOption,
    parse_moment,
    parse_reason,
    parse_text,
)
from billing_cli.output import (
    Column,
    OutputFormat,
    Section,
    emit,
    emit_object,
    rehearsed,
    warn,
)

cli = typer.Typer(no_args_is_help=True, help="Record payments, and look after them.")

_COLUMNS = (
    Column("id", numeric=True),
    Column("user_id"),
    Column("invoice_number"),
    Column("amount", numeric=True),
    Column("allocated", numeric=True, wide=True),
    Column("credited", numeric=True, wide=True),
    Column("refunded", numeric=True, wide=True),
    Column("currency", wide=True),
    Column("status"),
    Column("method", wide=True),
    Column("reference", wide=True),
    Column("reason", wide=True),
    Column("received_at"),
    Column("created_at", table=False),
    Column("reversed_at", table=False),
    Column("invoice_id", table=False),
)
_ALLOCATIONS = (
    Column("invoice_number"),
    Column("amount", numeric=True),
    Column("allocated_at"),
    Column("released_at"),
)
_REFUNDS = (
    Column("amount", numeric=True),
    Column("credit_note"),
    Column("reason"),
    Column("refunded_at"),
)
_SHOWN_PROBLEMS = 20

MethodOption: TypeAlias = Annotated[
    str, typer.Option("--method", metavar="TEXT", help="How it was paid.")
]
ReferenceOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--reference", metavar="TEXT", help="What the payment says of itself."),
]
ReceivedOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--received", metavar="INSTANT", help="When it came in (default: now)."),
]
PaymentArgument: TypeAlias = Annotated[
    int,
    typer.Argument(metavar="ID", help="A payment's id.", autocompletion=completion.payments),
]
InvoicesOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--invoice",
        metavar="ID|NUMBER",
        help="For this invoice; may be repeated, and is paid in this order.",
        autocompletion=completion.invoices,
    ),
]
ReasonOption: TypeAlias = Annotated[
    str, typer.Option("--reason", help="Why; kept with the payment.")
]


def _statuses(incomplete: str) -> list[str]:
    """Complete a status."""
    from billing_cli.services.payments import STATUSES

    return completion.matching(STATUSES, incomplete)


@cli.command()
@examples(
    "billing payment record --user john --amount 25.00 --reference 'cheque 17'",
    "billing payment record --user john --amount 25.00 --invoice INV-2025-000002",
)
def record(
    context: typer.Context,
    user: Annotated[
        str,
        typer.Option(
            "--user",
            "-u",
            metavar="USER",
            help="Who paid.",
            autocompletion=completion.users,
        ),
    ],
    amount: Annotated[str, typer.Option("--amount", metavar="AMOUNT", help="How much.")],
    invoices: InvoicesOption = None,
    method: MethodOption = "manual",
    reference: ReferenceOption = None,
    received: ReceivedOption = None,
    failed: Annotated[
        str | None,
        typer.Option("--failed", metavar="REASON", help="It failed: nothing came in."),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Record a payment: without --invoice for what is due first; the rest becomes a credit."""
    from billing_cli.services import payments as service

    app: App = context.obj
    why = None if failed is None else parse_reason(failed, "the payment", "--failed")
    moment = None if received is None else parse_moment(received, "--received")
    said = None if reference is None else parse_text(reference, "--reference")
    given = service.Given(amount, parse_text(method, "--method"), said, moment)
    emit([service.record(app, user, invoices or [], given, why)], _COLUMNS, output)


@cli.command("list")
@examples("billing payment list --user john", "billing payment list --unmatched -o csv")
def list_(
    context: typer.Context,
    user: UserOption = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="succeeded, failed, reversed or unmatched.",
            autocompletion=_statuses,
        ),
    ] = None,
    invoice: Annotated[
        str | None,
        typer.Option(
            "--invoice",
            metavar="ID|NUMBER",
            help="Only payments for this invoice.",
            autocompletion=completion.invoices,
        ),
    ] = None,
    unmatched: Annotated[
        bool, typer.Option("--unmatched", help="Only those that nobody is known for.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List payments in the order in which they were recorded."""
    from billing_cli.services import payments as service

    app: App = context.obj
    if unmatched:
        if status is not None:
            raise UsageError("--unmatched is a --status", "leave one of the two out")
        status = "unmatched"
    if status is not None and status not in service.STATUSES:
        raise UsageError(
            f"--status: {status!r} is not a status", f"use one of: {', '.join(service.STATUSES)}"
        )
    with service.listing(app, user, status, invoice) as rows:
        emit(rows, _COLUMNS, output, empty="no payments")


@cli.command()
@examples("billing payment show 3 -o json")
def show(
    context: typer.Context, payment: PaymentArgument, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Show a payment with the invoices that got it and what was given back."""
    from billing_cli.services import payments as service

    app: App = context.obj
    sections = [Section("allocations", _ALLOCATIONS), Section("refunds", _REFUNDS)]
    found = service.show(app, payment)
    if output in {OutputFormat.TABLE, OutputFormat.MARKDOWN}:
        # For people: only what there is something to say about.
        found = {key: value for key, value in found.items() if value is not None}
    emit_object(found, output, sections=sections)


@cli.command()
@examples('billing payment reverse 3 --reason "No funds"')
def reverse(
    context: typer.Context,
    payment: PaymentArgument,
    reason: ReasonOption,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Undo a payment that bounced: what it paid is owed again, the credit it left is void."""
    from billing_cli.services import refunds as service

    app: App = context.obj
    why = parse_reason(reason, "the payment")
    emit([service.reverse(app, payment, why)], _COLUMNS, output)


@cli.command()
@examples(
    'billing payment refund 3 --reason "Cancelled"',
    'billing payment refund 3 --amount 5 --reason "Too much" --no-credit-note',
)
def refund(
    context: typer.Context,
    payment: PaymentArgument,
    reason: ReasonOption,
    amount: Annotated[
        str | None, typer.Option("--amount", metavar="AMOUNT", help="Default: all that is left.")
    ] = None,
    no_credit_note: Annotated[
        bool,
        typer.Option("--no-credit-note", help="What it paid is owed again, instead of taken back."),
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Record that money was given back: first the credit it left, then what it paid.

    The invoices it paid get credit notes over what is given back, and so stay paid.
    """
    from billing_cli.services import refunds as service

    app: App = context.obj
    why = parse_reason(reason, "the payment")
    row = service.refund(app, payment, amount, why, with_note=not no_credit_note)
    emit([row], _COLUMNS, output)


@cli.command("import")
@examples("billing payment import statement.csv", "billing payment import --dry-run statement.csv")
def import_(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A CSV file; - is stdin.")],
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Take in bank transfers, each once; exits with 5 when a row was rejected.

    The columns date, amount and reference (or description, text), and where there are any
    transaction_id, currency and payer, are found by their names. A transfer pays the invoices
    whose numbers its reference names; others are kept as unmatched.
    """
    from billing_cli.services import bank_transfers as service

    app: App = context.obj
    source = sys.stdin.buffer if file == "-" else Path(file)
    report = service.take_in(app, file, source, dry_run=dry_run)
    for problem in report.problems[:_SHOWN_PROBLEMS]:
        where = f"{file}:{problem.line}" if problem.line else file
        warn(f"{where}: {problem.reason}")
    if len(report.problems) > _SHOWN_PROBLEMS:
        warn(f"and {len(report.problems) - _SHOWN_PROBLEMS:,} more")
    emit_object(service.row_of(report), output)
    rehearsed(dry_run=dry_run)
    service.require_clean(report)


@cli.command()
@examples(
    "billing payment match 3 --invoice INV-2025-000001", "billing payment match 3 --user john"
)
def match(
    context: typer.Context,
    payment: PaymentArgument,
    invoices: InvoicesOption = None,
    user: Annotated[
        str | None,
        typer.Option(
            "--user",
            "-u",
            metavar="USER",
            help="Whose it is: it pays what is due first.",
            autocompletion=completion.users,
        ),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Say whose an unmatched payment is."""
    from billing_cli.services import payments as service

    app: App = context.obj
    if (user is None) == (not invoices):
        raise UsageError("name an --invoice, or else a --user", "invoice list shows the invoices")
    emit([service.match(app, payment, invoices or [], user)], _COLUMNS, output)
