"""Making invoices and finalizing them: which targets there are, and what is allowed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError, NotFoundError, UsageError
from billing_cli.pricing import invoice_states as states
from billing_cli.pricing.instants import format_instant
from billing_cli.services import records
from billing_cli.services.billing_issue import Rules
from billing_cli.services.billing_run import BillingRun
from billing_cli.services.billing_scope import Target
from billing_cli.store import invoices, restatements, terms, totals, usage, users
from billing_cli.store.invoices import CUSTOM, REGULAR, Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from billing_cli.pricing.periods import Period
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.settings import Settings
    from billing_cli.store.invoice_rows import InvoiceRow, LineRow
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

    Span = str | tuple[date, date] | None


@dataclass(slots=True)
class GenerateReport:
    """What a run made: the ids of its invoices, and the periods it looked at."""

    ids: list[int] = field(default_factory=list)
    periods: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    """Targets whose end is still to come, so that only drafts were made."""


@dataclass(slots=True)
class Generation:
    """A request to make invoices, and everything needed to carry it out."""

    uow: UnitOfWork
    settings: Settings
    history: TermsHistory
    now: int
    finalize: bool
    advance: Callable[[int], None] = lambda _: None

    def generate(
        self, span: Span, user_ids: Sequence[str] | None, settled_by: int | None = None
    ) -> GenerateReport:
        """Make or refresh the invoices of a period, a custom range, or all that is due.

        Without a span: every period that was complete at ``settled_by`` (default: now) and is
        not closed, oldest first. Raises :class:`NotFoundError` for an unknown user or period,
        :class:`ConflictError` for finalizing before the end of a period.
        """
        keys = self._user_keys(user_ids)
        if span is None:
            return self._bill(self._due(keys, self.now if settled_by is None else settled_by))
        return self._bill([self._named(span, keys)])

    def finalize_drafts(self, references: Sequence[str], period: str | None) -> GenerateReport:
        """Refresh drafts and finalize them: those named, or all of a period, which it closes."""
        if period is not None:
            target = self._named(period, None)
            return self._bill([_drafts_only(target, None)])
        targets = [self._of_draft(reference) for reference in references]
        targets.sort(key=lambda target: (target.start, target.end))
        return self._bill(targets)

    def refresh_draft(self, reference: str) -> None:
        """Bring a draft up to date with the books."""
        self._bill([self._of_draft(reference)])

    def _user_keys(self, user_ids: Sequence[str] | None) -> tuple[int, ...] | None:
        if not user_ids:
            return None
        with self.uow.reading() as tx:
            return tuple(users.key_of(tx, user_id) for user_id in user_ids)

    def _due(self, keys: tuple[int, ...] | None, settled_by: int) -> list[Target]:
        last_end = self.history.calendar.containing(settled_by).start
        self._meter(last_end)
        with self.uow.reading() as tx:
            return [
                Target(p.name, p.start, p.end, REGULAR, explicit=False, users=keys)
                for p in waiting(tx, self.history, last_end, keys)
            ]

    def _named(self, span: str | tuple[date, date], keys: tuple[int, ...] | None) -> Target:
        calendar = self.history.calendar
        if isinstance(span, str):
            try:
                period = calendar.named(span)
            except ValueError as error:
                raise NotFoundError(str(error)) from error
            target = Target(
                period.name, period.start, period.end, REGULAR, explicit=True, users=keys
            )
        else:
            start, end = calendar.date_range(*span)
            if start >= end:
                raise UsageError(f"{span[0]} to {span[1]} holds no time in the billing time zone")
            target = Target(f"{span[0]}..{span[1]}", start, end, CUSTOM, explicit=True, users=keys)
        if target.start >= self.now:
            raise ConflictError(
                f"{target.name} has not begun", f"it begins at {format_instant(target.start)}"
            )
        return target

    def _of_draft(self, reference: str) -> Target:
        with self.uow.reading() as tx:
            row = require(tx, reference)
        states.check(row, states.FINALIZE)
        target = Target(row.period, row.period_start, row.period_end, row.kind, explicit=True)
        if row.kind == REGULAR:
            # The settings may have moved the period's end since the draft was made.
            period = self.history.calendar.containing(row.period_start)
            target = Target(period.name, period.start, period.end, REGULAR, explicit=True)
        return _drafts_only(target, (row.user_key,))

    def _bill(self, targets: Sequence[Target]) -> GenerateReport:
        report = GenerateReport()
        for target in targets:
            self._check(target, report)
        for target in targets:
            self._meter(min(target.end, self.now))
            rules = Rules(
                self.history,
                self.settings.values.invoice_prefix,
                self.settings.values.payment_terms_days,
                self.now,
                self.finalize,
            )
            meter = partial(self._meter, target.end)
            report.ids += BillingRun(self.uow, rules, target, meter, self.advance).run()
            report.periods.append(target.name)
            if target.kind == CUSTOM:
                self._refresh_around(target, replace(rules, finalize=False))
        return report

    def _refresh_around(self, taken: Target, rules: Rules) -> None:
        """Bring the regular drafts that overlap a range up to date: its time is theirs no more."""
        with self.uow.reading() as tx:
            starts = invoices.draft_starts(tx, taken.start, taken.end)
        for period in map(self.history.calendar.containing, starts):
            target = Target(period.name, period.start, period.end, REGULAR, explicit=False)
            target = _drafts_only(target, taken.users)
            self._meter(target.end)
            meter = partial(self._meter, target.end)
            BillingRun(self.uow, rules, target, meter, self.advance).run()

    def _check(self, target: Target, report: GenerateReport) -> None:
        if target.end <= self.now:
            return
        if self.finalize:
            raise ConflictError(
                f"{target.name} ends at {format_instant(target.end)}: "
                "an invoice cannot be final before its period's end",
                "leave --finalize out to make a draft",
            )
        report.unfinished.append(target.name)

    def _meter(self, end: int) -> None:
        records.run(self.uow, self.history, min(end, self.now), self.now)


def waiting(
    tx: Transaction, history: TermsHistory, last_end: int, keys: Sequence[int] | None = None
) -> list[Period]:
    """Return the periods that end by an instant, are not closed, and have something to bill.

    ``keys`` are the users in question; None is everyone. What is not metered is not seen.
    """
    first = _first_billable(tx)
    if first is None or first >= last_end:
        return []
    closed = terms.closed_periods(tx)
    corrections = bool(restatements.listed(tx, keys))
    return [
        p
        for p in history.calendar.between(first, last_end)
        if p.start not in closed and (corrections or _has_something(tx, history, p))
    ]


def _first_billable(tx: Transaction) -> int | None:
    """Return the first instant for which there could be anything to bill."""
    starts = [
        usage.first_record_start(tx),
        totals.first_plan_start(tx),
        invoices.first_draft_start(tx),
    ]
    return min((start for start in starts if start is not None), default=None)


def _has_something(tx: Transaction, history: TermsHistory, period: Period) -> bool:
    if history.mode_of(period.start) != "usage" and totals.is_plan_held(
        tx, period.start, period.end
    ):
        return True
    return usage.has_records(tx, period.start, period.end) or bool(
        invoices.draft_users(tx, REGULAR, period.start, period.end)
    )


def _drafts_only(target: Target, keys: tuple[int, ...] | None) -> Target:
    return Target(
        target.name,
        target.start,
        target.end,
        target.kind,
        explicit=False,
        users=keys,
        only_drafts=True,
    )


def require(tx: Transaction, reference: str) -> InvoiceRow:
    """Return the invoice with this number or id; :class:`NotFoundError` if there is none."""
    row = invoices.find(tx, reference)
    if row is None:
        raise NotFoundError(
            f"there is no invoice {reference!r}", "billing invoice list shows ids and numbers"
        )
    return row


def require_ours(row: InvoiceRow) -> InvoiceRow:
    """Return an invoice that is ours to change; :class:`ConflictError` for one of Stripe's."""
    if row.kind == invoices.STRIPE:
        raise ConflictError(
            f"invoice {row.invoice_number or row.id} is Stripe's: here is only what it says there",
            "change it on Stripe; billing stripe sync brings it here",
        )
    return row


def select(tx: Transaction, selection: Selection) -> Iterator[InvoiceRow]:
    """Yield the invoices of a selection; :class:`NotFoundError` for a user that is unknown."""
    for user_id in selection.users or ():
        users.key_of(tx, user_id)
    return invoices.listed(tx, selection)


def show(tx: Transaction, reference: str) -> tuple[InvoiceRow, list[LineRow]]:
    """Return an invoice and its lines."""
    row = require(tx, reference)
    return row, invoices.lines_of(tx, row.id)
