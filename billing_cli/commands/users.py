"""``billing user``: who there is, what is known of them, and how their accounts stand."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.errors import UsageError
from billing_cli.options import DryRunOption, OutputOption
from billing_cli.output import (
    Column,
    OutputFormat,
    Section,
    emit,
    emit_object,
    progress,
    rehearsed,
    warn,
)

cli = typer.Typer(no_args_is_help=True, help="Look after users: profiles, taxes, plans, limits.")

_COLUMNS = (
    Column("user_id"),
    Column("name"),
    Column("email"),
    Column("address", table=False),
    Column("language", wide=True),
    Column("tax_number", wide=True),
    Column("tax", wide=True),
    Column("plan"),
    Column("suspended_since"),
    Column("created_at", table=False),
)
_LIMITS = (
    Column("resource_type"),
    Column("limit", numeric=True),
    Column("unit"),
    Column("own", numeric=True),
    Column("plan", numeric=True),
)
_FORMATS = ("csv", "json", "jsonl")

UserArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="USER", help="A user's id.", autocompletion=completion.users)
]
NameOption: TypeAlias = Annotated[
    str | None, typer.Option("--name", help="The name that documents carry.")
]
EmailOption: TypeAlias = Annotated[str | None, typer.Option("--email", help="An e-mail address.")]
AddressOption: TypeAlias = Annotated[
    str | None, typer.Option("--address", help="The address, of one line or several.")
]
LanguageOption: TypeAlias = Annotated[
    str | None, typer.Option("--language", metavar="TAG", help="Such as en or pt-BR.")
]
TaxNumberOption: TypeAlias = Annotated[
    str | None, typer.Option("--tax-number", help="The user's own registration for tax.")
]
TaxOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tax",
        metavar="ID|none|default",
        help="The rate for invoices made from now on.",
        autocompletion=completion.taxes,
    ),
]
PlanOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--plan",
        metavar="PLAN",
        help="The plan to hold: from now on, or if it costs less from the next term on.",
    ),
]
CpuOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--cpu-limit", metavar="CORES|none|plan", help="A limit of their own."),
]
MemoryOption: TypeAlias = Annotated[
    str | None, typer.Option("--memory-limit", metavar="GB|none|plan", help="The same for memory.")
]
StorageOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--storage-limit", metavar="GB|none|plan", help="The same for storage."),
]
SpendOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--spend-limit", metavar="AMOUNT|none|plan", help="The same for a period's spending."
    ),
]


def _formats(incomplete: str) -> list[str]:
    """Complete a format."""
    return completion.matching(_FORMATS, incomplete)


@cli.command("list")
@examples("billing user list --plan pro", "billing user list --suspended -o csv")
def list_(
    context: typer.Context,
    plan: Annotated[
        str | None,
        typer.Option("--plan", metavar="PLAN", help="Only who holds this plan now."),
    ] = None,
    suspended: Annotated[
        bool, typer.Option("--suspended", help="Only who is suspended now.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List users."""
    from billing_cli.services import users as service

    app: App = context.obj
    with service.listing(app, plan, suspended=suspended) as rows:
        emit(rows, _COLUMNS, output, empty="no users")


@cli.command()
@examples("billing user show john", "billing user show john -o json")
def show(
    context: typer.Context, user: UserArgument, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Show what is known of a user, the limits in force, the plan, credits and debts."""
    from billing_cli.services import users as service

    app: App = context.obj
    _emit(service.show(app, user), output)


@cli.command()
@examples(
    "billing user add john --email john@example.com --tax vat",
    'billing user add ann --name "Ann Lee" --language en-GB',
)
def add(
    context: typer.Context,
    user: Annotated[str, typer.Argument(metavar="USER", help="The new user's id.")],
    name: NameOption = None,
    email: EmailOption = None,
    address: AddressOption = None,
    language: LanguageOption = None,
    tax_number: TaxNumberOption = None,
    tax: TaxOption = None,
    plan: PlanOption = None,
    cpu_limit: CpuOption = None,
    memory_limit: MemoryOption = None,
    storage_limit: StorageOption = None,
    spend_limit: SpendOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Add a user. Users also appear by themselves, with the first event that names them."""
    from billing_cli.services import users as service

    app: App = context.obj
    values = _given(
        name=name,
        email=email,
        address=address,
        language=language,
        tax_number=tax_number,
        tax=tax,
        plan=plan,
        cpu_limit=cpu_limit,
        memory_limit=memory_limit,
        storage_limit=storage_limit,
        spend_limit=spend_limit,
    )
    _emit(service.add(app, user, values), output)


@cli.command()
@examples("billing user edit john --tax none", 'billing user edit john --address ""')
def edit(
    context: typer.Context,
    user: UserArgument,
    name: NameOption = None,
    email: EmailOption = None,
    address: AddressOption = None,
    language: LanguageOption = None,
    tax_number: TaxNumberOption = None,
    tax: TaxOption = None,
    plan: PlanOption = None,
    cpu_limit: CpuOption = None,
    memory_limit: MemoryOption = None,
    storage_limit: StorageOption = None,
    spend_limit: SpendOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Change what is known of a user; an empty value clears."""
    from billing_cli.services import users as service

    app: App = context.obj
    values = _given(
        name=name,
        email=email,
        address=address,
        language=language,
        tax_number=tax_number,
        tax=tax,
        plan=plan,
        cpu_limit=cpu_limit,
        memory_limit=memory_limit,
        storage_limit=storage_limit,
        spend_limit=spend_limit,
    )
    _emit(service.edit(app, user, values), output)


@cli.command("import")
@examples("billing user import users.csv --dry-run", "billing user import users.jsonl")
def import_(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV, JSON or JSON Lines.")],
    fmt: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="csv, json or jsonl, where the name does not tell.",
            autocompletion=_formats,
        ),
    ] = None,
    dry_run: DryRunOption = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Add and change users from a file; exits with 5 when a row was rejected.

    A row has the user_id and any of what edit sets, by the options' names. An empty cell, or a
    key that is missing, leaves things as they are; in JSON, "" and null clear. Good rows are
    taken, whatever the others are.
    """
    from billing_cli.services import user_import as service

    app: App = context.obj
    if fmt is not None and fmt not in _FORMATS:
        raise UsageError(f"--format: {fmt!r} is not a format", f"use one of: {', '.join(_FORMATS)}")
    with progress(None, "importing") as advance:
        report = service.import_file(app, file, fmt, advance, dry_run=dry_run)
    for complaint in report.complaints:
        where = f"{file}:{complaint.line}" if complaint.line else file
        warn(f"{where}: {complaint.reason}")
    if report.rejected > len(report.complaints):
        warn(f"and {report.rejected - len(report.complaints):,} more")
    emit_object(service.row_of(report), output)
    rehearsed(dry_run=dry_run)
    service.require_clean(report)


def _given(**options: str | None) -> dict[str, str]:
    return {name: value for name, value in options.items() if value is not None}


def _emit(found: dict[str, object], output: OutputFormat) -> None:
    if output in {OutputFormat.TABLE, OutputFormat.MARKDOWN}:
        # For people: only what there is something to say about.
        found = {key: value for key, value in found.items() if value is not None}
    emit_object(found, output, sections=[Section("limits", _LIMITS)])
