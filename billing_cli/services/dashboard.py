"""How every user stands at a glance: gathered by sets, at one moment.

Nothing is written but what pending events lead to: timelines.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.errors import UsageError
from billing_cli.pricing import dashboard as pricing
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.services import dashboard_accounts as accounts
from billing_cli.services import dashboard_charts as charts
from billing_cli.services import dashboard_rows as shown
from billing_cli.services import sessions, terms
from billing_cli.services.config import warn_of
from billing_cli.services.users import require_plan
from billing_cli.store import dashboard as store
from billing_cli.store import state, users
from billing_cli.store.sessions import pending_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.app import App
    from billing_cli.pricing.dashboard import Account
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.services.terms import InForce
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

_PAGE: Final = 2_000


class Choice(NamedTuple):
    """Whom to show, in which order, and at most how many (None: everyone)."""

    users: Sequence[str] | None = None
    plan: str | None = None
    status: str | None = None
    sort: str = "attention"
    limit: int | None = None


@dataclass
class Board:
    """Everything there is to see; amounts and quantities are decimal text.

    ``users`` are read while the context lasts; ``left`` is how many there are beyond the limit.
    """

    head: dict[str, object]
    attention: list[dict[str, object]]
    totals: dict[str, object]
    days: list[dict[str, object]]
    months: list[dict[str, object]]
    users: Iterator[dict[str, object]]
    left: int
    warning: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def summary(self) -> dict[str, object]:
        """All but the users, as an object."""
        return {
            **self.head,
            "attention": self.attention,
            "totals": self.totals,
            "days": self.days,
            "months": self.months,
        }


@contextmanager
def look(app: App, choice: Choice) -> Iterator[Board]:
    """Give the dashboard as of now, as one consistent state.

    Raises :class:`UsageError` for a status or an order that there is not, and
    :class:`NotFoundError` for a user or a plan.
    """
    _check(choice)
    now = app.clock.now()
    with app.unit_of_work() as uow:
        in_force = _refreshed(uow, app, now)
        with uow.reading() as tx:
            keys = None
            if choice.users:
                keys = sorted({users.key_of(tx, name) for name in choice.users})
            if choice.plan is not None:
                require_plan(in_force.history, choice.plan)
            yield _board(tx, app, in_force, choice, keys)


def _check(choice: Choice) -> None:
    for option, value, known in (
        ("--status", choice.status, pricing.STATUSES),
        ("--sort", choice.sort, tuple(pricing.SORTS)),
    ):
        if value is not None and value not in known:
            raise UsageError(f"{option}: there is no {value!r}", f"use one of: {', '.join(known)}")


def _refreshed(uow: UnitOfWork, app: App, now: int) -> InForce:
    """Fold new events, so that what is shown is what is known; meters nothing."""
    with uow.reading() as tx:
        in_force = terms.read(tx, app.settings, now)
        pending = pending_count(tx)
    if pending:
        sessions.refresh(uow, in_force.history, lambda _: None)
    return in_force


def _board(
    tx: Transaction, app: App, in_force: InForce, choice: Choice, keys: Sequence[int] | None
) -> Board:
    now, history = app.clock.now(), in_force.history
    only = store.among(tx, keys)
    gathered = accounts.gather(tx, history, only, keys, now, app.settings.values.alert_threshold)
    found = [one for one in gathered.accounts if _fits(one, choice)]
    found.sort(key=pricing.SORTS[choice.sort])  # type: ignore[arg-type]  # each key sorts its own
    narrowed = only
    if choice.plan is not None or choice.status is not None:
        narrowed = store.among(tx, [one.user_key for one in found])
    metered = state.metered_until(tx)
    board = Board(
        head=_head(history, now, metered),
        attention=[],
        totals=shown.totals(found, gathered, history.at(now).currency),
        days=charts.days(tx, history, narrowed, now),
        months=charts.months(tx, history, narrowed, now),
        users=_rows(tx, found[: choice.limit], history, now),
        left=0 if choice.limit is None else max(0, len(found) - choice.limit),
        warning=warn_of(in_force),
    )
    board.attention = charts.attention(tx, app, history, found, metered)
    return board


def _fits(one: Account, choice: Choice) -> bool:
    return (choice.plan is None or one.plan_id == choice.plan) and (
        choice.status is None or choice.status in one.statuses()
    )


def _head(history: TermsHistory, now: int, metered: int | None) -> dict[str, object]:
    calendar, terms_now = history.calendar, history.at(now)
    period = calendar.containing(now)
    return {
        "as_of": format_instant(now),
        "period": period.name,
        "period_start": format_instant(period.start),
        "period_end": format_instant(period.end),
        "start_date": calendar.local_date(period.start).isoformat(),
        "end_date": calendar.local_date(period.end).isoformat(),
        "billing_mode": history.mode_of(period.start),
        "currency": terms_now.currency,
        "timezone": terms_now.timezone,
        "metered_until": instant_text(metered),
    }


def _rows(
    tx: Transaction, found: Sequence[Account], history: TermsHistory, now: int
) -> Iterator[dict[str, object]]:
    """Yield users as they are shown, with their last invoices."""
    # One look through all invoices, whoever is asked for: they are not found by user.
    keys = [one.user_key for one in found] if len(found) <= _PAGE else None
    last = store.last_invoices(tx, store.among(tx, keys), now) if found else {}
    currency = history.at(now).currency
    for one in found:
        yield shown.user_row(one, last.get(one.user_key), currency)
