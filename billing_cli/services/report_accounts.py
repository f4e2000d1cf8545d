"""Reports about accounts: what is owed for how long, customers, and tax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from billing_cli.pricing import aging as rules
from billing_cli.pricing import recurring
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.report_columns import columns_of
from billing_cli.pricing.reports import Report
from billing_cli.pricing.subscriptions import Phase
from billing_cli.pricing.timelines import FOREVER
from billing_cli.store import report_accounts as store
from billing_cli.store import report_history, report_moments
from billing_cli.store.reports import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from billing_cli.pricing.reports import Row
    from billing_cli.services.report_scope import Scope


def aging(scope: Scope, group: str) -> Report:
    """Report what is owed as of the end of the span, by user or by invoice."""
    report_history.load(scope.tx)
    at = scope.stop - 1
    bounds = rules.cutoffs(scope.history.calendar, at)
    fields = columns_of("aging", group)
    rows: Iterator[Row]
    if group == "user":
        found = store.owed_sums(scope.tx, scope.only, bounds)
        rows = (
            (
                user,
                many,
                *(format_minor(minor, currency) for minor in amounts),
                currency,
                instant_text(due),
            )
            for user, many, *amounts, currency, due in found
        )
    else:
        rows = _owed_invoices(scope, bounds)
    return Report(f"Aging as of {format_instant(at)}", fields, rows)


def _owed_invoices(scope: Scope, bounds: rules.Cutoffs) -> Iterator[Row]:
    calendar = scope.history.calendar
    for number, user, due, owed, currency in store.owed(scope.tx, scope.only, bounds.at):
        amounts = dict.fromkeys(rules.CLASSES, 0) | {rules.class_of(due, bounds): owed}
        yield (
            number,
            user,
            format_instant(due),
            rules.days_overdue(calendar, due, bounds.at),
            *(format_minor(minor, currency) for minor in amounts.values()),
            format_minor(owed, currency),
            currency,
        )


def customers(scope: Scope, group: str) -> Report:
    """Report how each account stands, or the accounts of each plan together."""
    fields = columns_of("customers", group)
    span = Span(scope.start, scope.stop)
    found = _with_recurring(scope, store.customers(scope.tx, scope.only, span, scope.now))
    rows = _customers(scope, found) if group == "user" else _by_plan(scope, found)
    return Report("Customers", fields, rows)


def _with_recurring(scope: Scope, found: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """Put the revenue a month in the place of where the plan's phase starts."""
    amount_at = recurring.meter(scope.history)
    for user, name, email, plan, since, *rest in found:
        phases = [] if plan is None else [Phase(0, 0, since, FOREVER, plan, first=True)]
        yield (user, name, email, plan, amount_at(phases, scope.now), *rest)


def _customers(scope: Scope, found: Iterable[tuple[Any, ...]]) -> Iterator[Row]:
    currency = scope.currency
    for user, name, email, plan, mrr, many, *amounts, known_at, invoiced_at in found:
        yield (
            user,
            name,
            email,
            plan,
            format_minor(mrr, currency),
            many,
            *(format_minor(minor, currency) for minor in amounts),
            currency,
            instant_text(known_at),
            instant_text(invoiced_at),
        )


def _by_plan(scope: Scope, found: Iterable[tuple[Any, ...]]) -> Iterator[Row]:
    sums: dict[str, list[int]] = {}
    for _user, _name, _email, plan, *numbers, _known_at, _invoiced_at in found:
        known = sums.setdefault(plan or "", [0] * (len(numbers) + 1))
        for at, value in enumerate((1, *numbers)):
            known[at] += value
    currency = scope.currency
    for plan, (many, mrr, invoices, *amounts) in sorted(sums.items()):
        yield (
            plan or None,
            many,
            format_minor(mrr, currency),
            invoices,
            *(format_minor(minor, currency) for minor in amounts),
            currency,
        )


def tax(scope: Scope, group: str) -> Report:
    """Report what was taxed in the span and what of it was taken back, by rate."""
    fields = columns_of("tax", group)
    months = {}
    if group == "month":
        found = scope.stretches(report_moments.first(scope.tx, scope.only))
        months = {month.start: month.name for month in found}
    column = "user_id" if group == "user" else group
    span = Span(scope.start, scope.stop)
    rows = _taxes(scope, store.taxes(scope.tx, scope.only, span, column), months, group)
    return Report("Tax", fields, rows)


def _taxes(scope: Scope, found: Iterable[Any], months: dict[int, str], group: str) -> Iterator[Row]:
    for grouped, tax_id, name, percent, many, *amounts, currency in found:
        invoiced, voided, credited = amounts[0:2], amounts[2:4], amounts[4:6]
        left = [a - b - c for a, b, c in zip(invoiced, voided, credited, strict=True)]
        about = () if group == "rate" else (months.get(grouped, grouped),)
        shown = (format_minor(minor, currency) for minor in (*amounts, *left))
        yield (*about, tax_id, name, percent, many, *shown, scope.currency)
