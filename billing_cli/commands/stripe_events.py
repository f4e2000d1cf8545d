"""``billing stripe events``: what Stripe told, and what became of it."""

from __future__ import annotations

from typing import Annotated

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands import (  # noqa: F401 - add their commands to the same noun
    stripe_checkout,
    stripe_comparison,
    stripe_receiver,
    stripe_status,
)
from billing_cli.commands.examples import examples
from billing_cli.commands.stripe import YesOption, asking, cli
from billing_cli.commands.switch import is_disabled
from billing_cli.errors import IncompleteError
from billing_cli.options import OutputOption
from billing_cli.output import Column, OutputFormat, emit, emit_object, message

__all__ = ["cli"]

events = typer.Typer(no_args_is_help=True, help="Look at what Stripe told, and try it again.")
cli.add_typer(events, name="events")

_COLUMNS = (
    Column("id"),
    Column("type"),
    Column("state"),
    Column("reason"),
    Column("object"),
    Column("attempts", numeric=True, wide=True),
    Column("source", wide=True),
    Column("api_version", table=False),
    Column("created_at"),
    Column("received_at", wide=True),
    Column("worked_at", wide=True),
)


def _states(incomplete: str) -> list[str]:
    """Complete a state of an event."""
    from billing_cli.services.stripe_receiver import STATES

    return completion.matching(STATES, incomplete)


def _types(incomplete: str) -> list[str]:
    """Complete a type of event that has an effect."""
    from billing_cli.pricing.stripe_events import HANDLED

    return completion.matching(sorted(HANDLED), incomplete)


@events.command("list")
@examples(
    "billing stripe events list --state failed",
    "billing stripe events list --type invoice.paid -o json",
)
def list_(
    context: typer.Context,
    wanted: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="pending, done, ignored or failed.",
            autocompletion=_states,
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            help="Only this type, such as invoice.paid.",
            autocompletion=_types,
        ),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List events in the order in which they came in."""
    from billing_cli.services import stripe_events as service

    app: App = context.obj
    with service.listing(app, wanted, kind) as rows:
        emit(rows, _COLUMNS, output, empty="no events")


@events.command()
@examples(
    "billing stripe events show evt_1PqR2sT3", "billing stripe events show evt_1PqR2sT3 -o json"
)
def show(
    context: typer.Context,
    event: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="As the list shows it.", autocompletion=completion.stripe_events
        ),
    ],
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show one event with what it said; what could be a secret is left out of that."""
    from billing_cli.services import stripe_events as service

    app: App = context.obj
    emit_object(service.show(app, event), output)


@events.command()
@examples("billing stripe events retry", "billing stripe events retry evt_1PqR2sT3")
def retry(
    context: typer.Context,
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID…",
            help="Ids, as the list shows them; without one, all that failed.",
            autocompletion=completion.failed_stripe_events,
        ),
    ] = None,
    yes: YesOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Work failed events off again, at once where there is a key; exits with 7 if some fail."""
    from billing_cli.services import stripe_receiver as service

    app: App = context.obj
    if is_disabled(app):
        return
    retried = service.retry(app, ids or [], asking(yes=yes))
    emit(retried.events, _COLUMNS, output, empty="no event has failed")
    if retried.waits is not None:
        message(retried.waits)
    if retried.failed:
        count = retried.failed
        raise IncompleteError(
            f"{count} {'event has' if count == 1 else 'events have'} failed again",
            "the reason says what to mend; billing stripe events show ID shows what one said",
        )
