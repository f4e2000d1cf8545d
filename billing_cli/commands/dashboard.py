"""``billing dashboard``: how every user stands, at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from billing_cli import completion
from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.errors import UsageError
from billing_cli.options import OutputOption, UsersOption
from billing_cli.output import Column, OutputFormat, emit, emit_object_with, message, warn

if TYPE_CHECKING:
    from billing_cli.lines import Line
    from billing_cli.panels import Contents
    from billing_cli.services.dashboard import Choice

_PIPED_USERS = 20
_PLAIN_WIDTH = 100
_USUAL_SECONDS = 5
_RESOURCES = (("cpu", "cpu_cores"), ("memory", "memory_gb"), ("storage", "storage_gb"))
_QUOTAS = (*_RESOURCES, ("spend", "spend"))
_COLUMNS = (
    Column("user_id"),
    Column("plan"),
    Column("status"),
    Column("suspended_since"),
    *(
        column
        for name, use in _QUOTAS
        for column in (
            Column(use, numeric=True),
            Column(f"{name}_limit", numeric=True),
            Column(f"{name}_percent", numeric=True),
            Column(f"{name}_level"),
        )
    ),
    Column("cost", numeric=True),
    Column("projected_cost", numeric=True),
    Column("amount_due", numeric=True),
    Column("overdue", numeric=True),
    Column("overdue_since"),
    Column("credit_balance", numeric=True),
    Column("currency"),
    Column("last_invoice"),
    Column("last_invoice_status"),
    Column("last_invoice_total", numeric=True),
)


def _statuses(incomplete: str) -> list[str]:
    """Complete how a user can stand."""
    from billing_cli.pricing.dashboard import STATUSES

    return completion.matching(STATUSES, incomplete)


def _sorts(incomplete: str) -> list[str]:
    """Complete an order of users."""
    from billing_cli.pricing.dashboard import SORTS

    return completion.matching(SORTS, incomplete)


SecondsArgument: TypeAlias = Annotated[
    int | None,
    typer.Argument(metavar="[SECONDS]", min=1, help="With --watch: how long to wait (default: 5)."),
]
WatchOption: TypeAlias = Annotated[
    bool, typer.Option("--watch", help="Draw again in place, every SECONDS, until Ctrl-C.")
]
PlanOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--plan",
        metavar="PLAN",
        help="Only who holds this plan now.",
        autocompletion=completion.plans,
    ),
]
StatusOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--status",
        metavar="STATUS",
        help="Only who is suspended, overdue, exceeded, warning, or else active.",
        autocompletion=_statuses,
    ),
]
SortOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--sort",
        metavar="ORDER",
        help="attention, user, plan, use, cost, projected, owed or credits.",
        autocompletion=_sorts,
    ),
]
LimitOption: TypeAlias = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="At most so many users (default: what fits)."),
]


@examples(
    "billing dashboard",
    "billing dashboard --watch 10",
    "billing dashboard --status overdue --sort owed --limit 5",
    "billing dashboard -o json",
)
def dashboard(
    context: typer.Context,
    seconds: SecondsArgument = None,
    watch: WatchOption = False,
    users: UsersOption = None,
    plan: PlanOption = None,
    status: StatusOption = None,
    sort: SortOption = "attention",
    limit: LimitOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show every user's status, what needs attention first, totals, revenue and usage.

    JSON is an object with attention, totals, days, months and users; the other data formats
    have the users alone.
    """
    app: App = context.obj
    from billing_cli.services import dashboard as service

    choice = service.Choice(users, plan, status, sort, limit)
    if watch:
        _watch(app, choice, seconds or _USUAL_SECONDS, output)
        return
    if seconds is not None:
        raise UsageError("SECONDS goes with --watch", "billing dashboard --watch 10")
    if output is OutputFormat.TABLE:
        _show(app, choice)
        return
    with service.look(app, choice) as board:
        if board.warning:
            warn(board.warning)
        if output is OutputFormat.JSON:
            emit_object_with(board.summary, "users", board.users)
        else:
            emit(board.users, _COLUMNS, output, empty="no users")
        _say_left(board.left)


def _show(app: App, choice: Choice) -> None:
    """Draw once: for a terminal of this size, or as plain text."""
    from billing_cli.panels import Canvas, draw
    from billing_cli.screen import emit_lines, screen

    now = screen()
    if not now.terminal:
        _show_plain(app, choice)
        return
    height = None if choice.limit is not None else now.height - 1
    contents, warning = _contents(app, choice, now.height)
    if warning:
        warn(warning)
    emit_lines(draw(contents, Canvas(now.width, height, unicode=not now.dumb)))


def _show_plain(app: App, choice: Choice) -> None:
    """Print plain text for pipes and files: nothing in it hangs on a terminal."""
    from billing_cli.panels import Canvas, summary_lines
    from billing_cli.screen import emit_lines
    from billing_cli.user_lines import plain_users

    contents, warning = _contents(app, choice, _PIPED_USERS)
    if warning:
        warn(warning)
    emit_lines(summary_lines(contents.summary, Canvas(_PLAIN_WIDTH, None, unicode=False)))
    rows, columns = plain_users(contents.users)
    emit(rows, columns, OutputFormat.TABLE, empty="no users")
    _say_left(contents.left)


def _say_left(left: int) -> None:
    """Say how many users are not shown, if any."""
    if left:
        noun = "user is" if left == 1 else "users are"
        message(f"{left:,} more {noun} not shown: --limit says how many are")


def _contents(app: App, choice: Choice, limit: int) -> tuple[Contents, str | None]:
    """Look once, with one unit of work."""
    from billing_cli.panels import Contents
    from billing_cli.services.dashboard import look

    if choice.limit is None:
        choice = choice._replace(limit=limit)
    with look(app, choice) as board:
        return Contents(board.summary, list(board.users), board.left), board.warning


def _watch(app: App, choice: Choice, seconds: int, output: OutputFormat) -> None:
    """Draw again and again."""
    from billing_cli import screen
    from billing_cli.panels import Canvas, draw

    if output is not OutputFormat.TABLE:
        raise UsageError("--watch draws on a terminal", "leave out -o, or --watch")
    screen.require_watchable()

    def frame() -> list[Line]:
        now = screen.screen()
        contents, _warning = _contents(app, choice, now.height)
        canvas = Canvas(now.width, now.height - 1, unicode=True, strict=True)
        return draw(contents, canvas)

    screen.watch(frame, seconds)
