"""``billing stripe webhook`` and ``listen``: taking in what Stripe delivers."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.commands.stripe import YesOption, asking, cli
from billing_cli.commands.switch import is_disabled
from billing_cli.errors import IncompleteError, UsageError
from billing_cli.options import OutputOption
from billing_cli.output import OutputFormat, emit_object, message

_ENDPOINT = "/api/plugins/billing/webhook"
_HIGHEST_PORT = 65_535


@cli.command()
@examples(
    'billing stripe webhook --signature "$HTTP_STRIPE_SIGNATURE" <event.json',
    'STRIPE_SIGNATURE="$header" billing stripe webhook --store-only <event.json',
)
def webhook(
    context: typer.Context,
    signature: Annotated[
        str | None,
        typer.Option(
            "--signature",
            metavar="HEADER",
            envvar=["STRIPE_SIGNATURE", "HTTP_STRIPE_SIGNATURE"],
            show_envvar=False,
            help="The header Stripe-Signature (or STRIPE_SIGNATURE, or HTTP_STRIPE_SIGNATURE).",
        ),
    ] = None,
    store_only: Annotated[
        bool, typer.Option("--store-only", help="Keep the event, and leave it to the next sync.")
    ] = False,
    yes: YesOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Take in one event from standard input, byte for byte as Stripe sent it.

    For a web server, a CGI script or a queue that is there already. With 0 or 7 the event is kept
    and can be acknowledged: 7 means that it could not be worked off yet. With any other code
    nothing is kept, and Stripe should send it again; 5 means that it is not from Stripe.
    """
    from billing_cli.services import stripe_receiver as service

    app: App = context.obj
    if is_disabled(app):
        return
    delivered = service.deliver(
        app, _body(service.LARGEST_BODY), signature, asking(yes=yes), store_only=store_only
    )
    emit_object(delivered.event, output)
    if delivered.waits is not None:
        message(f"the event is kept: {delivered.waits}")
    if delivered.problem is not None:
        raise IncompleteError(
            f"the event is kept, but could not be worked off: {delivered.problem}",
            "billing stripe events retry, or the next sync, tries again",
        )


def _body(limit: int) -> bytes:
    """Return what came on standard input, and no more of it than an event can have."""
    if sys.stdin.isatty():
        raise UsageError(
            "the event is read from standard input, and nothing is there",
            "billing stripe webhook --signature HEADER <event.json",
        )
    said = os.environ.get("CONTENT_LENGTH", "") if "GATEWAY_INTERFACE" in os.environ else ""
    # A web server need not end a script's input where the body ends.
    wanted = min(int(said[:20]), limit + 1) if said.isdecimal() else limit + 1
    return sys.stdin.buffer.read(wanted)


@cli.command()
@examples(
    "billing stripe listen",
    "billing stripe listen --host 0.0.0.0 --port 9000",
)
def listen(
    context: typer.Context,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=_HIGHEST_PORT, help="0 is any that is free.")
    ] = 8080,
    path: Annotated[str, typer.Option("--path", help="The path of the endpoint.")] = _ENDPOINT,
    yes: YesOption = False,
) -> None:
    """Receive Stripe's events over HTTP until it is stopped, and work them off.

    Each event is verified, kept and acknowledged at once, and worked off after that. GET /healthz
    answers 200 while the database can be used. HTTPS is for a proxy in front of it. SIGTERM and
    Ctrl-C stop it; what was begun is finished first.
    """
    from billing_cli.services import stripe_receiver as service

    app: App = context.obj
    if is_disabled(app):
        return
    service.listen(app, service.Place(host, port, path), message, asking(yes=yes))
