"""What ``billing report`` shows: rows read with SQL, formatted and nothing more."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.report_columns import columns_of
from billing_cli.pricing.reports import Report
from billing_cli.services import ledger, report_accounts, report_usage, revenue
from billing_cli.services.report_scope import Asked, Scope, document_span, opened
from billing_cli.store import report_moments
from billing_cli.store import reports as store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from billing_cli.app import App
    from billing_cli.pricing.reports import Row


@contextmanager
def report(app: App, name: str, asked: Asked, group: str) -> Iterator[Report]:
    """Give a report whose rows are read while the context lasts.

    ``name`` and ``group`` are of :data:`billing_cli.pricing.reports.GROUPS`. Raises
    :class:`~billing_cli.errors.NotFoundError` for a user, plan or period that there is not.
    """
    with opened(app, asked, running=name == "usage") as scope:
        yield _MAKERS[name](scope, group)


def _invoices(scope: Scope, group: str) -> Report:
    span = document_span(scope)
    fields = columns_of("invoices", group)
    rows: Iterator[Row]
    if group == "invoice":
        rows = (_invoice(row) for row in store.invoices(scope.tx, scope.only, span))
    else:
        names = _months(scope, group)
        found = store.invoice_sums(scope.tx, scope.only, span, _column(group))
        rows = _sums(found, names)
    return Report("Invoices", fields, rows)


def _invoice(row: tuple[Any, ...]) -> Row:
    number, invoice, user, kind, period, start, end, *amounts = row[:14]
    currency, status, *moments = row[14:]
    return (
        number,
        invoice,
        user,
        kind,
        period,
        format_instant(start),
        format_instant(end),
        *(format_minor(minor, currency) for minor in amounts),
        currency,
        status,
        *map(instant_text, moments),
    )


def _payments(scope: Scope, group: str) -> Report:
    span = store.Span(scope.start, scope.stop)
    fields = columns_of("payments", group)
    rows: Iterator[Row]
    if group == "payment":
        rows = (_payment(row) for row in store.payments(scope.tx, scope.only, span))
    else:
        names = _months(scope, group)
        rows = _sums(store.payment_sums(scope.tx, scope.only, span, _column(group)), names)
    return Report("Payments", fields, rows)


def _payment(row: tuple[Any, ...]) -> Row:
    number, user, invoice, *amounts = row[:7]
    currency, status, method, reference, reason, *moments = row[7:]
    return (
        number,
        user,
        invoice,
        *(format_minor(minor, currency) for minor in amounts),
        currency,
        status,
        method,
        reference,
        reason,
        *map(instant_text, moments),
    )


def _credits(scope: Scope, group: str) -> Report:
    span = store.Span(scope.start, scope.stop)
    fields = columns_of("credits", group)
    rows: Iterator[Row]
    if group == "credit":
        found = store.credits(scope.tx, scope.only, span, scope.now)
        rows = (_credit(row) for row in found)
    else:
        names = _months(scope, group)
        sums = store.credit_sums(scope.tx, scope.only, span, scope.now, _column(group))
        rows = _sums(sums, names)
    return Report("Credits", fields, rows)


def _credit(row: tuple[Any, ...]) -> Row:
    number, user, *amounts = row[:7]
    currency, source, source_id, reason, *moments, void_reason = row[7:]
    return (
        number,
        user,
        *(format_minor(minor, currency) for minor in amounts),
        currency,
        source,
        source_id,
        reason,
        *map(instant_text, moments),
        void_reason,
    )


def _column(group: str) -> str:
    return "user_id" if group == "user" else group


def _months(scope: Scope, group: str) -> dict[int, str]:
    """Return the names of the months by their starts, where rows are about months."""
    if group != "month":
        return {}
    found = scope.stretches(report_moments.first(scope.tx, scope.only))
    return {month.start: month.name for month in found}


def _sums(found: Iterable[Any], months: dict[int, str]) -> Iterator[Row]:
    for about, many, *amounts, currency in found:
        shown = (format_minor(minor, currency) for minor in amounts)
        yield (months.get(about, about), many, *shown, currency)


_MAKERS: Final = {
    "usage": report_usage.report,
    "invoices": _invoices,
    "payments": _payments,
    "credits": _credits,
    "revenue": revenue.revenue,
    "aging": report_accounts.aging,
    "customers": report_accounts.customers,
    "tax": report_accounts.tax,
    "ledger": ledger.report,
}
