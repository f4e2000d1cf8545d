"""What a report is asked for: a span of time and some users, found out before anything is read."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_cli.errors import NotFoundError
from billing_cli.pricing.reports import MONTH, stretches
from billing_cli.services import terms
from billing_cli.store import report_scope, users
from billing_cli.store.reports import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from billing_cli.app import App
    from billing_cli.pricing.reports import Stretch
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.unit_of_work import Transaction

EVER = -(2**62)
"""The start of a span that has none."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The options that reports share; None is all.

    ``span`` is a period's name, the first and last local date, or one of these two alone.
    """

    span: str | tuple[date | None, date | None] | None = None
    users: Sequence[str] | None = None
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What the options came to: ``[start, stop)``, at most until now, and whom it is about.

    ``only`` is a condition on the column that takes the place of its ``{}``. ``period`` is the
    billing period that was named, and ``given`` whether the span has a start that was asked for.
    """

    tx: Transaction
    history: TermsHistory
    now: int
    start: int
    stop: int
    only: str
    period: str | None
    given: bool

    @property
    def currency(self) -> str:
        """The database's one currency."""
        return self.history.at(self.now).currency

    def stretches(
        self, first: int | None, unit: str = MONTH, *, before: bool = False
    ) -> list[Stretch]:
        """Return the months of the span, from ``first`` on where the span has no start.

        They are loaded for grouping by SQL, with ``before`` another for all before them, which
        starts at :data:`EVER`. Where there is nothing to report there are none.
        """
        calendar = self.history.calendar
        start = first if not self.given else self.start
        if start is not None and not self.given:
            start = calendar.month_bounds(start)[0]
        found = [] if start is None else stretches(calendar, start, self.stop, unit)
        starts = [EVER, *(s.start for s in found)] if before else [s.start for s in found]
        report_scope.load_stretches(self.tx, starts)
        return found


@contextmanager
def opened(app: App, asked: Asked, *, running: bool = False) -> Iterator[Scope]:
    """Give what the options mean, in one consistent state of the database.

    Without a span it is all of time, or with ``running`` the running billing period. Raises
    :class:`NotFoundError` for a user, plan or period that there is not.
    """
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        history = terms.read(tx, app.settings).history
        span = history.calendar.containing(now).name if running and not asked.span else asked.span
        start, stop, period = _bounds(history, span)
        chosen = None
        if asked.users is not None:
            chosen = [users.key_of(tx, name) for name in dict.fromkeys(asked.users)]
        if asked.plan is not None:
            _require_plan(tx, history, asked.plan)
        stop = min(stop, now + 1)
        only = report_scope.load_users(tx, chosen, asked.plan, start, max(stop, start + 1))
        yield Scope(tx, history, now, start, stop, only, period, start > EVER)


def document_span(scope: Scope) -> Span:
    """Return which invoices are meant: of a period those for it, whenever they were sent."""
    if scope.period is None:
        return Span(scope.start, scope.stop)
    return Span(EVER, scope.now + 1, scope.period)


def _bounds(
    history: TermsHistory, span: str | tuple[date | None, date | None] | None
) -> tuple[int, int, str | None]:
    calendar = history.calendar
    if span is None:
        return EVER, -EVER, None
    if isinstance(span, str):
        try:
            period = calendar.named(span)
        except ValueError as error:
            raise NotFoundError(str(error)) from error
        return period.start, period.end, period.name
    first, last = span
    start = EVER if first is None else calendar.date_range(first, first)[0]
    stop = -EVER if last is None else calendar.date_range(last, last)[1]
    return start, stop, None


def _require_plan(tx: Transaction, history: TermsHistory, plan: str) -> None:
    if any(plan in version.terms.plans for version in history.versions):
        return
    if not report_scope.plan_was_held(tx, plan):
        raise NotFoundError(f"there is no plan {plan!r}", "billing plan list shows those there are")
