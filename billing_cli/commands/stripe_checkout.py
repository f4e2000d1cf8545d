"""``billing stripe checkout``, ``setup``, ``portal`` and ``payment-methods``: how users pay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.commands.stripe import YesOption, asking, cli
from billing_cli.options import OutputOption
from billing_cli.output import Column, OutputFormat, emit, emit_object, message

if TYPE_CHECKING:
    from billing_cli.services.stripe_checkout import Page

methods = typer.Typer(no_args_is_help=True, help="Look after users' cards and bank accounts.")
cli.add_typer(methods, name="payment-methods")

_METHODS = (
    Column("id"),
    Column("type"),
    Column("brand"),
    Column("last4"),
    Column("expires"),
    Column("default"),
)

WhoseOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--user", "-u", metavar="USER", help="Whose it is.", autocompletion=completion.users
    ),
]
MethodArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="As the list shows it.", autocompletion=completion.payment_methods
    ),
]
SuccessOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--success-url", metavar="URL", help="Where who is done goes (or stripeSuccessUrl)."
    ),
]
CancelOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--cancel-url", metavar="URL", help="Where who turns back goes (or stripeCancelUrl)."
    ),
]


def _emit_page(page: Page, output: OutputFormat) -> None:
    """Print a page: all that is known of it for programs, the address for people."""
    row = page.row()
    if output in {OutputFormat.TABLE, OutputFormat.MARKDOWN}:
        row = {"url": row["url"], "purpose": row["purpose"]}
    emit_object(row, output)


@cli.command()
@examples(
    "billing stripe checkout --user john --plan pro",
    "billing stripe checkout --user john --plan pro -o json",
)
def checkout(
    context: typer.Context,
    user: WhoseOption,
    plan: Annotated[
        str,
        typer.Option(
            "--plan",
            metavar="PLAN",
            help="What is subscribed to.",
            autocompletion=completion.plans,
        ),
    ],
    success_url: SuccessOption = None,
    cancel_url: CancelOption = None,
    yes: YesOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Make a page on which a user subscribes to a plan, and print its address.

    The page that was made for the user before is closed. A user with a subscription that Stripe
    bills is refused: the portal is where it is changed.
    """
    from billing_cli.services import stripe_checkout as service

    app: App = context.obj
    urls = service.Urls(success_url, cancel_url)
    _emit_page(service.checkout(app, user, plan, urls, asking(yes=yes)), output)


@cli.command()
@examples("billing stripe setup --user john", "billing stripe setup --user john -o json")
def setup(
    context: typer.Context,
    user: WhoseOption,
    success_url: SuccessOption = None,
    cancel_url: CancelOption = None,
    yes: YesOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Make a page on which a user leaves a card or a bank account, and print its address.

    What is left there becomes what invoices are paid with.
    """
    from billing_cli.services import stripe_checkout as service

    app: App = context.obj
    urls = service.Urls(success_url, cancel_url)
    _emit_page(service.setup(app, user, urls, asking(yes=yes)), output)


@cli.command()
@examples("billing stripe portal --user john", "billing stripe portal --user john -o json")
def portal(
    context: typer.Context,
    user: WhoseOption,
    return_url: Annotated[
        str | None,
        typer.Option("--return-url", metavar="URL", help="Where it leads (or stripeSuccessUrl)."),
    ] = None,
    yes: YesOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Print a link to Stripe's page for a user: subscriptions, payment methods, invoices.

    It is good for some minutes only: make it when it is wanted.
    """
    from billing_cli.services import stripe_checkout as service

    app: App = context.obj
    _emit_page(service.portal(app, user, return_url, asking(yes=yes)), output)


@methods.command("list")
@examples(
    "billing stripe payment-methods list --user john",
    "billing stripe payment-methods list --user john -o json",
)
def list_(
    context: typer.Context, user: WhoseOption, output: OutputOption = OutputFormat.TABLE
) -> None:
    """List a user's payment methods on Stripe, the newest first."""
    from billing_cli.services import stripe_methods as service

    app: App = context.obj
    found = service.listing(app, user)
    who = "the user is no customer on Stripe yet" if found is None else "no payment methods"
    emit(found or (), _METHODS, output, empty=who)


@methods.command()
@examples("billing stripe payment-methods default --user john pm_1PqR2sT3")
def default(
    context: typer.Context,
    method: MethodArgument,
    user: WhoseOption,
    yes: YesOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Have a user's invoices be paid with one of the payment methods; list all of them."""
    from billing_cli.services import stripe_methods as service

    app: App = context.obj
    emit(service.make_default(app, user, method, asking(yes=yes)), _METHODS, output)


@methods.command()
@examples("billing stripe payment-methods detach --user john pm_1PqR2sT3")
def detach(
    context: typer.Context,
    method: MethodArgument,
    user: WhoseOption,
    yes: YesOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Take a payment method from a user, for good; list those that are left."""
    from billing_cli.services import stripe_methods as service

    app: App = context.obj
    left = service.detach(app, user, method, asking(yes=yes))
    emit(left, _METHODS, output, empty="no payment methods are left")
    message(f"{method} is detached")
