"""``billing invoice edit``, ``send`` and ``preview``: a draft on its way to the customer."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.commands.invoices import LINES, cli, emit_invoice, tell
from billing_cli.commands.switch import is_disabled
from billing_cli.errors import UsageError
from billing_cli.options import (
    DryRunOption,
    OutputOption,
    PeriodOption,
    parse_date_or_moment,
    parse_period,
    parse_text,
)
from billing_cli.output import OutputFormat, Section, emit_object, message, progress, rehearsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

# The words that follow an option in one value: no argument of a program can hold this character.
_BETWEEN: Final = "\0"
_WORDS: Final = {"--add-line": 2, "--change-line": 3}

DraftArgument = Annotated[
    str, typer.Argument(metavar="ID", help="A draft.", autocompletion=completion.drafts)
]


AddLineOption = Annotated[
    list[str] | None,
    typer.Option(
        "--add-line",
        metavar="DESCRIPTION AMOUNT",
        help="Add a line; a negative amount is a discount. May be repeated.",
    ),
]
ChangeLineOption = Annotated[
    list[str] | None,
    typer.Option(
        "--change-line",
        metavar="LINE DESCRIPTION AMOUNT",
        help="Change a line that was added by hand, by its number. May be repeated.",
    ),
]
RemoveLineOption = Annotated[
    list[int] | None,
    typer.Option(
        "--remove-line",
        metavar="LINE",
        help="Remove a line that was added by hand. May be repeated.",
    ),
]
MemoOption = Annotated[
    str | None,
    typer.Option("--memo", metavar="TEXT", help="A note on the invoice; empty removes it."),
]
DueDateOption = Annotated[
    str | None,
    typer.Option(
        "--due-date",
        metavar="DATE",
        help="Due at the end of this local date, or at this instant; empty for the usual.",
    ),
]


class _EditCommand(TyperCommand):
    """Takes the words of a line as one value: Typer has no repeated option of several."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - Typer's own
        return super().parse_args(ctx, list(_joined(args)))


def _joined(arguments: Sequence[str]) -> Iterator[str]:
    rest = iter(arguments)
    for argument in rest:
        yield argument
        if count := _WORDS.get(argument, 0):
            words = [word for _, word in zip(range(count), rest, strict=False)]
            if len(words) < count:
                expected = 'a description and an amount, such as "Setup" 25.00'
                if count > _WORDS["--add-line"]:
                    expected = f"the line's number, {expected}"
                raise UsageError(f"{argument} needs {expected}")
            yield _BETWEEN.join(parse_text(word, argument) for word in words)


@cli.command(cls=_EditCommand)
@examples(
    'billing invoice edit 12 --add-line "Setup" 25.00 --add-line "Discount" -5.00',
    "billing invoice edit 12 --remove-line 4",
    'billing invoice edit 12 --memo "Order 4711" --due-date 2025-03-31',
)
def edit(
    context: typer.Context,
    draft: DraftArgument,
    add_line: AddLineOption = None,
    change_line: ChangeLineOption = None,
    remove_line: RemoveLineOption = None,
    memo: MemoOption = None,
    due_date: DueDateOption = None,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Change a draft: lines of your own, the memo, the due date. It is refreshed, too."""
    from billing_cli.services import invoice_edit as service

    app: App = context.obj
    wanted = service.Edit(
        added=tuple(_pair(text) for text in add_line or ()),
        changed=tuple(_numbered(text) for text in change_line or ()),
        removed=tuple(remove_line or ()),
        memo=None if memo is None else parse_text(memo, "--memo"),
        due=None if due_date is None else _due(due_date),
    )
    if wanted == service.Edit():
        raise UsageError("there is nothing to change", "billing invoice edit --help shows how")
    found = service.edit(app, draft, wanted, dry_run=dry_run)
    if found is None:
        message("the draft has nothing to say any more and is gone")
    else:
        emit_invoice(found, output)
    rehearsed(dry_run=dry_run)


def _pair(text: str) -> tuple[str, str]:
    description, _, amount = text.partition(_BETWEEN)
    return description, amount


def _due(text: str) -> date | int:
    return parse_date_or_moment(text, "--due-date") if text else 0


def _numbered(text: str) -> tuple[int, str, str]:
    place, _, rest = text.partition(_BETWEEN)
    if not (place.isascii() and place.isdigit()):
        raise UsageError(
            f"--change-line: {place!r} is not the number of a line",
            "billing invoice show counts the lines",
        )
    return int(place), *_pair(rest)


@cli.command()
@examples("billing invoice send 12 13", "billing invoice send 12 --dry-run")
def send(
    context: typer.Context,
    drafts: Annotated[
        list[str],
        typer.Argument(
            metavar="ID…", help="Drafts, by their ids.", autocompletion=completion.drafts
        ),
    ],
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Finalize drafts, which sends them: refreshed, numbered, frozen, and due."""
    from billing_cli.services import invoices as service

    app: App = context.obj
    if is_disabled(app):
        return
    with ExitStack() as stack:
        with progress(None, "sending") as advance:
            made = stack.enter_context(
                service.finalize(app, drafts, None, advance, dry_run=dry_run)
            )
        tell(made, output, "nothing was sent")


_PREVIEW_LINES = (*(column for column in LINES if column.key not in {"line", "unit"}),)


@cli.command()
@examples(
    "billing invoice preview --user john",
    "billing invoice preview --user john --at 2025-01-20T00:00:00Z -o json",
)
def preview(
    context: typer.Context,
    user: Annotated[
        str,
        typer.Option(
            "--user", "-u", metavar="USER", help="Whose.", autocompletion=completion.users
        ),
    ],
    period: PeriodOption = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="INSTANT", help="As if now were this instant."),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show a user's invoice as it would be now, and projected to the period's end.

    The projection takes what runs to run on, and plans to change as they are scheduled to.
    """
    from billing_cli.services import preview as service

    app: App = context.obj
    if at is not None:
        app.at = at
    if period is not None:
        parse_period(period)
    emit_preview(service.preview(app, user, period), output)


def emit_preview(found: dict[str, object], output: OutputFormat) -> None:
    """Print a preview: what is billed so far, and what will be."""
    sections = [
        Section(
            name,
            _PREVIEW_LINES,
            footer={"description": "Subtotal", "amount": found[f"{prefix}subtotal"]},
        )
        for name, prefix in (("lines", ""), ("projected_lines", "projected_"))
    ]
    emit_object(found, output, sections=sections)
