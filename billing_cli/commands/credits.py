"""``billing credits``: granting credits, and seeing what became of them."""

from __future__ import annotations

from typing import Annotated

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.options import OutputOption, UserOption, parse_date, parse_reason
from billing_cli.output import Column, OutputFormat, emit, message

cli = typer.Typer(no_args_is_help=True, help="Grant credits, and look after them.")

_COLUMNS = (
    Column("id", numeric=True),
    Column("user_id"),
    Column("amount", numeric=True),
    Column("used", numeric=True, wide=True),
    Column("remaining", numeric=True),
    Column("expired", numeric=True, wide=True),
    Column("voided", numeric=True, wide=True),
    Column("currency", wide=True),
    Column("expires_at", wide=True),
    Column("reason"),
    Column("source", wide=True),
    Column("created_at", table=False),
    Column("voided_at", table=False),
    Column("void_reason", table=False),
)
_BALANCES = (
    Column("user_id"),
    Column("granted", numeric=True),
    Column("used", numeric=True),
    Column("remaining", numeric=True),
    Column("expired", numeric=True),
    Column("voided", numeric=True),
    Column("currency", wide=True),
)
_MOVEMENTS = (
    Column("at"),
    Column("change"),
    Column("credit_id", title="Credit", numeric=True),
    Column("invoice_number"),
    Column("amount", numeric=True),
    Column("balance", numeric=True),
    Column("currency", wide=True),
)


OneUserOption = Annotated[
    str,
    typer.Option(
        "--user",
        "-u",
        metavar="USER",
        help="Whose credits; to add, the user may be new.",
        autocompletion=completion.users,
    ),
]


@cli.command()
@examples(
    'billing credits add -u john --amount 50 --reason "Credit for downtime"',
    "billing credits add -u john --amount 5 --reason Trial --expires 2025-12-31",
)
def add(
    context: typer.Context,
    user: OneUserOption,
    amount: Annotated[str, typer.Option("--amount", metavar="AMOUNT", help="How much.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the credit.")],
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="YYYY-MM-DD", help="The last local date it is good for."),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Grant a credit, which the user's next invoices use."""
    from billing_cli.services import credits as service

    app: App = context.obj
    last = None if expires is None else parse_date(expires, "--expires")
    why = parse_reason(reason, "the credit")
    credit, is_new = service.add(app, user, amount, why, last)
    emit([credit], _COLUMNS, output)
    if is_new:
        message(f"the user {user} was not known: added")


@cli.command("list")
@examples("billing credits list --user john --all")
def list_(
    context: typer.Context,
    user: UserOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those of which nothing remains.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List credits of which something remains, in the order of granting."""
    from billing_cli.services import credits as service

    app: App = context.obj
    with service.listing(app, user, everything=everything) as rows:
        emit(rows, _COLUMNS, output, empty="no credits")


@cli.command()
@examples("billing credits balance --user john")
def balance(
    context: typer.Context, user: UserOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Add up each user's credits: granted = used + remaining + expired + voided."""
    from billing_cli.services import credits as service

    app: App = context.obj
    with service.balances(app, user) as rows:
        emit(rows, _BALANCES, output, empty="no credits")


@cli.command()
@examples('billing credits void 3 --reason "Granted twice"')
def void(
    context: typer.Context,
    credit: Annotated[
        int,
        typer.Argument(metavar="ID", help="A credit's id.", autocompletion=completion.credits),
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the credit.")],
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Void what remains of a credit; what is used stays used."""
    from billing_cli.services import credits as service

    app: App = context.obj
    emit([service.void(app, credit, parse_reason(reason, "the credit"))], _COLUMNS, output)


@cli.command()
@examples("billing credits history --user john")
def history(
    context: typer.Context,
    user: OneUserOption,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List every change of a user's balance, in order of time, with the balance after it."""
    from billing_cli.services import credits as service

    app: App = context.obj
    emit(service.history(app, user), _MOVEMENTS, output, empty="no credits")
