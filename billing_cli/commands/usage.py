"""``billing usage``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.options import (
    FromOption,
    OutputOption,
    PeriodOption,
    ToOption,
    UserOption,
    parse_span,
)
from billing_cli.output import Column, OutputFormat, emit, message


class Grouping(StrEnum):
    """What to group by."""

    USER = "user"
    RESOURCE = "resource"
    DAY = "day"
    SESSION = "session"


@examples(
    "billing usage",
    "billing usage --user john --period 2025-01 --by day",
    "billing usage --from 2025-01-01 --to 2025-01-07 --by session -o csv",
)
def usage(
    context: typer.Context,
    user: UserOption = None,
    period: PeriodOption = None,
    first: FromOption = None,
    last: ToOption = None,
    by: Annotated[Grouping, typer.Option("--by", help="What each row is about.")] = Grouping.USER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show quantities and costs, of the running period by default."""
    from billing_cli.services import usage as service

    app: App = context.obj
    span = parse_span(period, first, last)
    grouping = service.Grouping(by.value)
    with service.report(app, span, user, grouping) as report:
        for note in report.notes:
            message(note)
        columns = [
            Column(name) for name in dict.fromkeys((service.COLUMN_OF[grouping], "resource_type"))
        ]
        columns += [Column("kind")] if report.has_kinds else []
        columns += [
            Column("quantity", numeric=True),
            Column("unit"),
            Column("unit_price", numeric=True),
            Column("total_cost", numeric=True),
        ]
        footer: dict[str, object] = {}
        rows = service.charged(report, grouping, footer)
        emit(rows, columns, output, footer=footer, title=report.title, empty="no usage")
