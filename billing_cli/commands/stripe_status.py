"""``billing stripe status``: how things stand with Stripe."""

from __future__ import annotations

import typer

from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.commands.stripe import cli
from billing_cli.options import OutputOption
from billing_cli.output import Column, OutputFormat, Section, emit_object

_HELD = (Column("user_id"), Column("invoice"), Column("problem"))


@cli.command()
@examples("billing stripe status", "billing stripe status -o json")
def status(context: typer.Context, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show the key, the account, what waits, and what is wrong; nothing is changed.

    Which permissions to read a restricted key lacks is tried out; those to write cannot be tried
    without writing. Exits with 7 when something needs attention, and with 8 when something is
    missing, after showing what is known.
    """
    from billing_cli.services import stripe_status as service

    app: App = context.obj
    found = service.look(app)
    held = Section("held_up", _HELD, "Held up")
    emit_object(found.values, output, sections=[held])
    service.require_sound(found)
