"""``billing invoice pdf``: invoices and credit notes as documents."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.commands.invoices import cli
from billing_cli.errors import UsageError
from billing_cli.options import OutputOption, PeriodOption, UsersOption, parse_period
from billing_cli.output import (
    Column,
    OutputFormat,
    emit,
    emit_bytes,
    progress,
    refuse_terminal,
    warn,
)

_COLUMNS = (
    Column("kind", table=False),
    Column("id", numeric=True, table=False),
    Column("number"),
    Column("user_id"),
    Column("file"),
    Column("bytes", numeric=True, table=False),
)


class Paper(StrEnum):
    """The sizes of paper."""

    A4 = "a4"
    LETTER = "letter"


def _languages(incomplete: str) -> list[str]:
    """Complete a language that documents can be in."""
    from billing_cli.services.invoice_pdf import available_languages

    return completion.matching(available_languages(), incomplete)


DocumentsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID|NUMBER]…",
        help="Invoices by their ids or numbers, credit notes by their numbers.",
        autocompletion=completion.invoices,
    ),
]
OutOption = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="FILE|FOLDER",
        help="Where to write; - is standard output (default: files named after the numbers,"
        " in this folder).",
    ),
]
PaperOption = Annotated[
    Paper | None,
    typer.Option("--paper", metavar="PAPER", help="a4 or letter (default: documents.paper)."),
]
LanguageOption = Annotated[
    str | None,
    typer.Option(
        "--language",
        metavar="LANGUAGE",
        help="The language to print in (default: each user's own).",
        autocompletion=_languages,
    ),
]
TemplateOption = Annotated[
    Path | None,
    typer.Option(
        "--template", metavar="FILE", help="A Typst file in the place of the built-in template."
    ),
]


@cli.command()
@examples(
    "billing invoice pdf INV-2025-000001",
    "billing invoice pdf --period 2025-01 --out invoices/",
    "billing invoice pdf CN-2025-000001 --language de --out - | lp",
)
def pdf(
    context: typer.Context,
    documents: DocumentsArgument = None,
    period: PeriodOption = None,
    users: UsersOption = None,
    out: OutOption = None,
    paper: PaperOption = None,
    language: LanguageOption = None,
    template: TemplateOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Write invoices and credit notes as PDF documents.

    A --period, a --user or both stand for their final invoices: drafts and void ones are named.
    """
    from billing_cli.services import invoice_pdf_files as service
    from billing_cli.services.invoice_pdf import Wish

    app: App = context.obj
    if bool(documents) == (period is not None or bool(users)):
        raise UsageError(
            "name invoices, or else a --period or a --user", "billing invoice list shows them"
        )
    if period is not None:
        parse_period(period)
    wish = Wish(paper, language, template)
    if out == "-":
        refuse_terminal("--out -")
    chosen = service.choose(app, documents or [], period, users or [])
    if out == "-":
        made, warnings = service.content(app, service.only(chosen), wish)
        emit_bytes([made])
        _warn(warnings)
        return
    place = service.Place.for_(out, one=len(documents or []) == 1)
    with progress(len(chosen), "typesetting") as advance:
        written = service.write(app, chosen, place, wish, advance)
    _warn(written.warnings)
    empty = "no documents were written" if written.failures else "no invoices to make documents of"
    emit(written.rows, _COLUMNS, output, empty=empty)
    service.require_all(written)


def _warn(lines: list[str]) -> None:
    for line in lines:
        warn(line)
