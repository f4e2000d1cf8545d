"""Invoices of ours on Stripe of which nothing here says so, as after a backup was restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.pricing import invoice_states as states
from billing_cli.pricing import stripe_steps as steps
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.stripe_amounts import from_stripe
from billing_cli.store import invoices, stripe_invoices, stripe_links
from billing_cli.store.stripe_invoices import Pair, StripeInvoiceRow
from billing_cli.store.stripe_links import INVOICE, Link

if TYPE_CHECKING:
    from billing_cli.pricing.stripe_invoices import Invoice
    from billing_cli.store.invoice_rows import InvoiceRow
    from billing_cli.store.unit_of_work import Transaction


def adopt(tx: Transaction, found: Invoice, user_key: int) -> Pair | str:
    """Link an invoice on Stripe with ours of the same number; return why not, if it is none.

    What Stripe has of a number is remembered: nothing else is sent under it.
    """
    number = found.number or ""
    if found.status == steps.VOIDED:
        stripe_links.drop(tx, INVOICE, found.id)
        return "it was sent from here, and is void"
    row = invoices.find(tx, number)
    if row is None or not _is_same(tx, row, found, user_key):
        total = format_minor(from_stripe(found.total, found.currency), found.currency)
        said = f"{found.id} over {total} {found.currency}"
        stripe_links.put(tx, [Link(INVOICE, number, found.id, "", said)])
        return "it was sent from here, and is not in these books: they may be from a backup"
    stripe_links.drop(tx, INVOICE, found.id)
    there = StripeInvoiceRow(row.id, found.id, steps.FINAL, found.status, 0, 1, None, None)
    stripe_invoices.put(tx, [there])
    return Pair(row, there)


def _is_same(tx: Transaction, row: InvoiceRow, found: Invoice, user_key: int) -> bool:
    (pair,) = stripe_invoices.by_ids(tx, [row.id])
    return (
        row.user_key == user_key
        and row.currency == found.currency
        and row.total == from_stripe(found.total, found.currency)
        and row.kind != invoices.STRIPE
        and row.status != states.DRAFT
        and (pair.there is None or pair.there.stripe_id is None)
    )
