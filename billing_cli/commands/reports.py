"""``billing report``."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Final, TypeAlias

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.errors import UsageError
from billing_cli.options import PeriodOption, UsersOption, parse_open_span
from billing_cli.output import ReportFormat, message
from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.report_columns import GROUPS

cli = typer.Typer(
    no_args_is_help=True, help="Report usage, invoices, money and tax; export to other programs."
)
alias = typer.Typer(no_args_is_help=True, help="Export reports (another name for report).")

FromOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--from", metavar="YYYY-MM-DD", help="First local date (default: the first)."),
]
ToOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--to", metavar="YYYY-MM-DD", help="Last local date, included (default: today)."),
]
PlanOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--plan",
        metavar="PLAN",
        help="Only users who held this plan in that time.",
        autocompletion=completion.plans,
    ),
]
FormatOption: TypeAlias = Annotated[
    ReportFormat | None,
    typer.Option(
        "--format",
        "--output",
        "-o",
        metavar="FORMAT",
        case_sensitive=False,
        help=f"How to write it: {', '.join(ReportFormat)} (default: as FILE ends, or a table).",
    ),
]
OutOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Write into this file, which is replaced when complete; - is stdout.",
    ),
]

_REPORTS: Final = {
    "usage": (
        "Report quantities and costs, of the running period by default.",
        "billing report usage --period 2025-01 --group-by day",
        "billing report usage --period 2025-01 --group-by record --out usage.csv",
    ),
    "invoices": (
        "Report invoices: of a period, or those sent in a span of time.",
        "billing report invoices --period 2025-01 --out invoices.xlsx",
        "billing report invoices --from 2025-01-01 --group-by month",
        "billing report invoices --period 2025-01 --format focus --out charges.csv",
    ),
    "payments": (
        "Report payments by when they were received.",
        "billing report payments --from 2025-01-01 --to 2025-03-31 --group-by method",
    ),
    "credits": (
        "Report credits by when they were granted, and what became of them.",
        "billing report credits --group-by source",
    ),
    "revenue": (
        "Report what was billed, collected and is owed, and what plans bring each month.",
        "billing report revenue --from 2025-01-01 --to 2025-12-31",
        "billing report revenue --group-by quarter --plan pro -o csv",
    ),
    "aging": (
        "Report what is owed by how long it has been due, as of today or --to.",
        "billing report aging --to 2025-03-31",
        "billing report aging --group-by invoice",
    ),
    "customers": (
        "Report how each user's account stands, or the accounts of each plan.",
        "billing report customers --from 2025-01-01 --out customers.xlsx",
        "billing report customers --group-by plan",
    ),
    "tax": (
        "Report what was taxed, and what of it was taken back, by rate.",
        "billing report tax --from 2025-01-01 --to 2025-03-31",
    ),
    "ledger": (
        "Report the books as double entry: what moved between which accounts.",
        "billing report ledger --group-by account --to 2025-12-31",
        "billing report ledger --format beancount --out books.beancount",
        "billing report ledger --format hledger | hledger -f - balancesheet",
    ),
}


def _run(
    context: typer.Context,
    name: str,
    group: str,
    span: tuple[str | None, str | None, str | None],
    users: list[str] | None,
    plan: str | None,
    fmt: ReportFormat | None,
    out: str | None,
) -> None:
    from billing_cli.exports import JOURNALS, choose_format, write, write_text
    from billing_cli.services import reports as service
    from billing_cli.services.report_scope import Asked

    app: App = context.obj
    out = None if out == "-" else out
    chosen = choose_format(fmt, out)
    asked = Asked(parse_open_span(*span), users or None, plan)
    if chosen in JOURNALS:
        from billing_cli.services import ledger

        with ledger.journal(app, asked) as journal:
            write_text(JOURNALS[chosen](journal), out)
        return
    if chosen is ReportFormat.FOCUS:
        from billing_cli.services import focus

        with focus.charges(app, asked) as charges:
            write(charges, ReportFormat.CSV, out)
        return
    with service.report(app, name, asked, group) as report:
        for note in report.notes:
            message(note)
        write(report, chosen, out)


def _choice(name: str, words: Iterable[str]) -> Any:  # noqa: ANN401 - a class made here
    """Return an enumeration of words, which Typer lists, completes and checks."""
    enumeration: Any = StrEnum
    return enumeration(name, {word: word for word in words})


def _add(name: str, summary: str, *lines: str) -> None:
    """Add the command of one report: they differ in what their rows can be about."""
    groups = _choice(f"{name.capitalize()}Group", GROUPS[name])

    def command(
        context: typer.Context,
        first: FromOption = None,
        last: ToOption = None,
        period: PeriodOption = None,
        user: UsersOption = None,
        plan: PlanOption = None,
        group_by: str = GROUPS[name][0],
        fmt: FormatOption = None,
        out: OutOption = None,
    ) -> None:
        _run(context, name, str(group_by), (period, first, last), user, plan, fmt, out)

    command.__doc__ = summary
    command.__annotations__["group_by"] = Annotated[
        groups, typer.Option("--group-by", help="What each row is about.")
    ]
    cli.command(name)(examples(*lines)(command))


for _name, _texts in _REPORTS.items():
    _add(_name, *_texts)


def export(
    context: typer.Context,
    report: str = "usage",
    first: FromOption = None,
    last: ToOption = None,
    period: PeriodOption = None,
    user: UsersOption = None,
    plan: PlanOption = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            "--group-by", metavar="THING", help="What each row is about: as of billing report."
        ),
    ] = None,
    fmt: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Export a report, of usage by default: another name for billing report."""
    known = GROUPS[report]
    group = known[0] if group_by is None else group_by
    if group not in known:
        raise UsageError(
            f"--group-by: a row of the report of {report} cannot be about {quoted(group)}",
            f"it can be about {', '.join(known)}",
        )
    _run(context, report, group, (period, first, last), user, plan, fmt, out)


export.__annotations__["report"] = Annotated[
    _choice("ReportName", GROUPS),
    typer.Argument(metavar="REPORT", help=f"Which report: {', '.join(GROUPS)}."),
]
alias.command("export")(
    examples(
        "billing reports export --period 2025-01 --format csv",
        "billing reports export invoices --from 2025-01-01 --out invoices.xlsx",
    )(export)
)
