"""``billing events``: what happened that others may want to hear of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, TypeAlias

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands import deliveries, sinks
from billing_cli.commands.examples import examples
from billing_cli.errors import UsageError
from billing_cli.options import DryRunOption, OutputOption, UserOption, parse_moment
from billing_cli.output import Column, OutputFormat, emit, emit_object, message

cli = typer.Typer(no_args_is_help=True, help="Look at the events that billing emits, and deliver.")
cli.command("deliver")(deliveries.deliver)
cli.add_typer(deliveries.cli, name="deliveries")
cli.add_typer(sinks.cli, name="sinks")

_LISTED = (
    Column("id"),
    Column("type"),
    Column("user_id"),
    Column("occurred_at"),
    Column("recorded_at", wide=True),
    Column("data", wide=True),
)
_TOLD = (
    Column("id"),
    Column("type"),
    Column("event", wide=True),
    Column("timestamp"),
    Column("data"),
)
_SHORT = 60


def _types(incomplete: str) -> list[str]:
    """Complete a type of event."""
    from billing_cli.pricing.notices import TYPES

    return completion.matching(TYPES, incomplete)


TypeOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        help="Only this type, such as billing.invoice.paid.",
        autocompletion=_types,
    ),
]
SinceOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--since", metavar="INSTANT", help="Only what occurred at or after this moment."),
]
UntilOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--until", metavar="INSTANT", help="Only what occurred before this moment."),
]


@cli.command("list")
@examples(
    "billing events list --type billing.quota.exceeded",
    "billing events list --user john --limit 20 -o json",
)
def list_(
    context: typer.Context,
    kind: TypeOption = None,
    user: UserOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Only the newest so many.")
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List events in the order in which they occurred."""
    from billing_cli.services import outbox as service

    app: App = context.obj
    asked = service.Asked(kind, user, _moment(since, "--since"), _moment(until, "--until"), limit)
    with service.listing(app, asked) as rows:
        emit(_for_reader(rows, output), _LISTED, output, empty="no events")


@cli.command()
@examples(
    "billing events replay evt_12 evt_13",
    "billing events replay --since 2025-01-01T00:00:00Z --dry-run",
)
def replay(
    context: typer.Context,
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID…", help="Ids, as the list shows them.", autocompletion=completion.events
        ),
    ] = None,
    kind: TypeOption = None,
    user: UserOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.JSONL,
) -> None:
    """Queue events to be told again, and print them as they are told, JSON Lines by default.

    Every sink that is told of their types gets them with the next events deliver. What is printed
    can also be piped to whoever missed it.
    """
    from billing_cli.services import outbox as service

    app: App = context.obj
    asked = service.Asked(kind, user, _moment(since, "--since"), _moment(until, "--until"))
    if bool(ids) == (asked != service.Asked()):
        raise UsageError(
            "name events by their ids, or else say which with --type, --user, --since or --until",
            "billing events list shows the ids",
        )
    with service.replay(app, ids or [], asked, dry_run=dry_run) as rows:
        emit(_for_reader(rows, output), _TOLD, output, empty="no events")
    if dry_run:
        message("nothing was queued: this was a rehearsal")


@cli.command()
@examples(
    "billing events schema billing.invoice.created", "billing events schema > events.schema.json"
)
def schema(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="TYPE", help="A type of event.", autocompletion=_types),
    ] = None,
) -> None:
    """Print the JSON Schema of an event of a type as it is told, or one schema for all types."""
    from billing_cli.services import outbox as service

    emit_object(service.schema(kind), OutputFormat.JSON)


def _moment(text: str | None, option: str) -> int | None:
    return None if text is None else parse_moment(text, option)


def _for_reader(
    rows: Iterator[dict[str, object]], output: OutputFormat
) -> Iterator[dict[str, object]]:
    if output in {OutputFormat.TABLE, OutputFormat.MARKDOWN}:
        return ({**row, "data": _summary(row["data"])} for row in rows)
    return rows


def _summary(data: object) -> str:
    """Return the plain values of an event's data in short; the user has a column of its own."""
    pairs = data.items() if isinstance(data, dict) else ()
    words = [
        f"{key}={value}"
        for key, value in pairs
        if key != "user_id" and isinstance(value, str | int)
    ]
    text = " ".join(words)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"
