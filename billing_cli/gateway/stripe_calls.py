"""Every request that is ever sent to Stripe, by a name of ours.

Parameters are dictionaries with Stripe's own names: writes are stored before they are sent, as
JSON. What Stripe understands is in the library's types, which :mod:`stripe_parameters` is checked
against.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stripe import RequestOptions
    from stripe._v1_services import V1Services

    Write = Callable[[V1Services, str, Any, RequestOptions], Any]
    Read = Callable[[V1Services, str, Any], Any]

WRITES: Final[Mapping[str, Write]] = {
    "customer.create": lambda v1, _, p, o: v1.customers.create(p, o),
    "customer.update": lambda v1, i, p, o: v1.customers.update(i, p, o),
    "product.create": lambda v1, _, p, o: v1.products.create(p, o),
    "product.update": lambda v1, i, p, o: v1.products.update(i, p, o),
    "price.create": lambda v1, _, p, o: v1.prices.create(p, o),
    "price.update": lambda v1, i, p, o: v1.prices.update(i, p, o),
    "invoice.create": lambda v1, _, p, o: v1.invoices.create(p, o),
    "invoice.add_lines": lambda v1, i, p, o: v1.invoices.add_lines(i, p, o),
    "invoice.update": lambda v1, i, p, o: v1.invoices.update(i, p, o),
    "invoice.finalize": lambda v1, i, p, o: v1.invoices.finalize_invoice(i, p, o),
    "invoice.pay": lambda v1, i, p, o: v1.invoices.pay(i, p, o),
    "invoice.attach_payment": lambda v1, i, p, o: v1.invoices.attach_payment(i, p, o),
    "invoice.void": lambda v1, i, p, o: v1.invoices.void_invoice(i, p, o),
    "invoice.give_up": lambda v1, i, p, o: v1.invoices.mark_uncollectible(i, p, o),
    "invoice.delete": lambda v1, i, p, o: v1.invoices.delete(i, p, o),
    "payment_record.report": lambda v1, _, p, o: v1.payment_records.report_payment(p, o),
    "credit_note.create": lambda v1, _, p, o: v1.credit_notes.create(p, o),
    "refund.create": lambda v1, _, p, o: v1.refunds.create(p, o),
    "subscription.update": lambda v1, i, p, o: v1.subscriptions.update(i, p, o),
    "checkout.create": lambda v1, _, p, o: v1.checkout.sessions.create(p, o),
    "checkout.expire": lambda v1, i, p, o: v1.checkout.sessions.expire(i, p, o),
    "portal.create": lambda v1, _, p, o: v1.billing_portal.sessions.create(p, o),
    "payment_method.detach": lambda v1, i, p, o: v1.payment_methods.detach(i, p, o),
}
"""What is done: the client's services, the object's id, parameters and options with the key."""

READS: Final[Mapping[str, Read]] = {
    "account": lambda v1, _, p: v1.accounts.retrieve_current(p),
    "charge": lambda v1, i, p: v1.charges.retrieve(i, p),
    "charges": lambda v1, _, p: v1.charges.list(p),
    "checkout_session": lambda v1, i, p: v1.checkout.sessions.retrieve(i, p),
    "checkout_sessions": lambda v1, _, p: v1.checkout.sessions.list(p),
    "credit_note": lambda v1, i, p: v1.credit_notes.retrieve(i, p),
    "credit_notes": lambda v1, _, p: v1.credit_notes.list(p),
    "customer": lambda v1, i, p: v1.customers.retrieve(i, p),
    "customers": lambda v1, _, p: v1.customers.list(p),
    "customer_methods": lambda v1, i, p: v1.customers.payment_methods.list(i, p),
    "dispute": lambda v1, i, p: v1.disputes.retrieve(i, p),
    "disputes": lambda v1, _, p: v1.disputes.list(p),
    "events": lambda v1, _, p: v1.events.list(p),
    "invoice": lambda v1, i, p: v1.invoices.retrieve(i, p),
    "invoices": lambda v1, _, p: v1.invoices.list(p),
    "invoice_lines": lambda v1, i, p: v1.invoices.line_items.list(i, p),
    "invoice_payments": lambda v1, _, p: v1.invoice_payments.list(p),
    "payment_intent": lambda v1, i, p: v1.payment_intents.retrieve(i, p),
    "payment_intents": lambda v1, _, p: v1.payment_intents.list(p),
    "payment_method": lambda v1, i, p: v1.payment_methods.retrieve(i, p),
    "prices": lambda v1, _, p: v1.prices.list(p),
    "product": lambda v1, i, p: v1.products.retrieve(i, p),
    "products": lambda v1, _, p: v1.products.list(p),
    "refund": lambda v1, i, p: v1.refunds.retrieve(i, p),
    "refunds": lambda v1, _, p: v1.refunds.list(p),
    "setup_intent": lambda v1, i, p: v1.setup_intents.retrieve(i, p),
    "subscription": lambda v1, i, p: v1.subscriptions.retrieve(i, p),
    "subscriptions": lambda v1, _, p: v1.subscriptions.list(p),
}
"""What is read: the client's services, the object's id where there is one, and parameters."""
