"""``billing stripe status``: how things stand with Stripe."""

from __future__ import annotations

import typer

from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.commands.stripe import cli
from billing_cli.options import OutputOption
from billing_cli.output import Column, OutputFormat, Section, emit_object, message

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
    emit_object(_for_reader(found.values, output), output, sections=[held])
    if found.values["restricted"]:
        message("permissions to write cannot be tried: docs/stripe.md lists what commands need")
    service.require_sound(found)


def _for_reader(values: dict[str, object], output: OutputFormat) -> dict[str, object]:
    """Return what is shown: for people, lists as words."""
    if output not in {OutputFormat.TABLE, OutputFormat.MARKDOWN}:
        return values
    lacking = values["permissions_lacking"]
    words = ", ".join(map(str, lacking)) if isinstance(lacking, list) else ""
    return values | {"permissions_lacking": words or None}
