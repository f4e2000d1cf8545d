"""Charges for FinOps: what invoices and credit notes say, as rows of FOCUS."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from billing_cli.pricing.focus import COLUMNS, row_of
from billing_cli.pricing.reports import Report
from billing_cli.services.report_scope import document_span, opened
from billing_cli.store import focus as store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_cli.app import App
    from billing_cli.pricing.focus import Invoice, Note
    from billing_cli.pricing.reports import Row
    from billing_cli.services.report_scope import Asked, Scope


@contextmanager
def charges(app: App, asked: Asked) -> Iterator[Report]:
    """Give the charges of a billing period, or of invoices and notes of a span of time."""
    with opened(app, asked) as scope:
        yield Report("Charges", COLUMNS, _rows(scope))


def _rows(scope: Scope) -> Iterator[Row]:
    span = document_span(scope)
    found: Iterator[Invoice | Note] = chain(
        store.invoices(scope.tx, scope.only, span), store.notes(scope.tx, scope.only, span)
    )
    for one in found:
        for charge in one.charges():
            yield row_of(one.document, charge)
