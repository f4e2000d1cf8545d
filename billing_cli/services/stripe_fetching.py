"""Fetching what an event is about, as it is now, with everything that belongs to it.

Here is the network, and no transaction; what is found is plain values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from billing_cli.gateway.stripe_errors import StripeRefusalError
from billing_cli.pricing.stripe_invoices import (
    Invoice,
    read_credit_note,
    read_invoice,
    read_invoice_line,
    read_invoice_payment,
)
from billing_cli.pricing.stripe_objects import (
    Customer,
    Subscription,
    read_checkout_session,
    read_customer,
    read_payment_method,
    read_subscription,
)
from billing_cli.pricing.stripe_payments import (
    read_charge,
    read_dispute,
    read_payment_intent,
    read_refund,
)
from billing_cli.services.stripe_mirror import Fetched
from billing_cli.services.stripe_payments import Money

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from billing_cli.gateway.stripe_client import StripeGateway
    from billing_cli.services.stripe_access import Account

GONE = "deleted"


@dataclass(frozen=True, slots=True)
class Found:
    """What was fetched: one of these, or the reason why it is none of ours.

    ``deleted_invoice`` is the id of an invoice that is there no more: a draft, as only these can
    be deleted. ``then`` is what is to be done on Stripe once this is kept here.
    """

    status: str
    customer: Customer | None = None
    method: str | None = None
    subscription: Subscription | None = None
    invoices: Sequence[Fetched] = ()
    deleted_invoice: str | None = None
    money: Money | None = None
    reason: str | None = None
    then: Callable[[], None] | None = None


def fetch(account: Account, kind: str, object_id: str) -> Found:
    """Fetch an object of a kind that :func:`~billing_cli.pricing.stripe_events.target_of` names."""
    return _FETCHES[kind](account, object_id)


def _customer(account: Account, object_id: str) -> Found:
    gateway = account.gateway
    try:
        customer = read_customer(gateway.read("customer", object_id))
    except StripeRefusalError as error:
        if not error.is_missing:
            raise
        customer = Customer(object_id, True, None, {}, None)  # noqa: FBT003 - it is deleted
    method = customer.default_payment_method
    if method is None and not customer.deleted:
        method = _newest_method(gateway, customer.id)
    return Found(GONE if customer.deleted else "known", customer=customer, method=method)


def _newest_method(gateway: StripeGateway, customer: str) -> str | None:
    methods = [read_payment_method(one) for one in gateway.all("customer_methods", customer)]
    newest = max(methods, key=lambda one: (one.created, one.id), default=None)
    return None if newest is None else newest.id


def _subscription(account: Account, object_id: str) -> Found:
    found = read_subscription(account.gateway.read("subscription", object_id))
    return Found(found.status, subscription=found)


def _checkout_session(account: Account, object_id: str) -> Found:
    gateway = account.gateway
    session = read_checkout_session(gateway.read("checkout_session", object_id))
    if session.subscription is not None:
        return _subscription(account, session.subscription)
    if session.setup_intent is None or session.customer is None:
        return Found(session.status, reason="it began no subscription and left no payment method")
    intent = gateway.read("setup_intent", session.setup_intent)
    method = intent.get("payment_method")
    found = _customer(account, session.customer)
    if not isinstance(method, str):
        return found
    # The one who leaves a card to pay with is to pay with it.
    return replace(found, method=method, then=_make_default(account, session.customer, method))


def _make_default(account: Account, customer: str, method: str) -> Callable[[], None]:
    def make() -> None:
        from billing_cli.services.stripe_customers import make_default

        make_default(account, customer, method)

    return make


def _invoice(account: Account, object_id: str) -> Found:
    gateway = account.gateway
    try:
        raw = gateway.read("invoice", object_id, expand=["payments"])
    except StripeRefusalError as error:
        if not error.is_missing:
            raise
        return Found(GONE, deleted_invoice=object_id)
    invoice = _whole(gateway, read_invoice(raw))
    # An intent that nobody has tried yet says nothing.
    was_tried = bool(raw.get("attempt_count")) or invoice.status == "paid"
    intents = dict.fromkeys(
        payment.payment_intent
        for payment in invoice.payments
        if payment.payment_intent and (was_tried or payment.status == "paid")
    )
    monies = tuple(fetch_money(gateway, intent) for intent in intents)
    return Found(invoice.status, invoices=(Fetched(invoice, monies),))


def _whole(gateway: StripeGateway, invoice: Invoice) -> Invoice:
    """Return an invoice with all its lines and payments."""
    if not invoice.lines_complete:
        lines = tuple(read_invoice_line(one) for one in gateway.all("invoice_lines", invoice.id))
        invoice = replace(invoice, lines=lines, lines_complete=True)
    if not invoice.payments_complete:
        found = gateway.all("invoice_payments", invoice=invoice.id)
        payments = tuple(read_invoice_payment(one) for one in found)
        invoice = replace(invoice, payments=payments, payments_complete=True)
    return invoice


def fetch_money(gateway: StripeGateway, intent_id: str) -> Money:
    """Fetch a payment with what went back of it."""
    raw = gateway.read("payment_intent", intent_id, expand=["latest_charge"])
    intent = read_payment_intent(raw)
    charge = intent.latest_charge
    if charge is None or not (charge.amount_refunded or charge.disputed):
        return Money(intent)
    return Money(
        intent,
        tuple(read_refund(one) for one in gateway.all("refunds", payment_intent=intent_id)),
        tuple(read_dispute(one) for one in gateway.all("disputes", payment_intent=intent_id)),
    )


def _payment_intent(account: Account, object_id: str) -> Found:
    gateway = account.gateway
    money = fetch_money(gateway, object_id)
    named: dict[str, Any] = {"type": "payment_intent", "payment_intent": object_id}
    listed = (read_invoice_payment(one) for one in gateway.all("invoice_payments", payment=named))
    ids: list[str] = [one.invoice for one in listed if one.invoice is not None]
    if money.intent.invoice is not None:
        ids.append(money.intent.invoice)
    whole = [_invoice(account, one) for one in dict.fromkeys(ids)]
    # A payment that failed may be named by no invoice any more: its state comes along.
    found = tuple(
        replace(one, monies=(*one.monies, *_missing(one, money)))
        for each in whole
        for one in each.invoices
    )
    return Found(money.intent.status, invoices=found, money=money)


def _missing(fetched: Fetched, money: Money) -> tuple[Money, ...]:
    known = {one.intent.id for one in fetched.monies}
    return () if money.intent.id in known else (money,)


def _charge(account: Account, object_id: str) -> Found:
    charge = read_charge(account.gateway.read("charge", object_id))
    if charge.payment_intent is None:
        return Found(charge.status, reason="it belongs to no payment intent")
    return _payment_intent(account, charge.payment_intent)


def _of_payment(account: Account, intent: str | None, charge: str | None) -> Found:
    if intent is not None:
        return _payment_intent(account, intent)
    if charge is not None:
        return _charge(account, charge)
    return Found("known", reason="it belongs to no payment")


def _refund(account: Account, object_id: str) -> Found:
    found = read_refund(account.gateway.read("refund", object_id))
    return _of_payment(account, found.payment_intent, found.charge)


def _dispute(account: Account, object_id: str) -> Found:
    found = read_dispute(account.gateway.read("dispute", object_id))
    return _of_payment(account, found.payment_intent, found.charge)


def _credit_note(account: Account, object_id: str) -> Found:
    found = read_credit_note(account.gateway.read("credit_note", object_id))
    if found.invoice is None:
        return Found(found.status, reason="it belongs to no invoice")
    return _invoice(account, found.invoice)


def _payment_method(account: Account, object_id: str) -> Found:
    found = read_payment_method(account.gateway.read("payment_method", object_id))
    if found.customer is None:
        return Found("known", reason="it belongs to no customer")
    return _customer(account, found.customer)


_FETCHES: dict[str, Callable[[Account, str], Found]] = {
    "customer": _customer,
    "subscription": _subscription,
    "checkout_session": _checkout_session,
    "invoice": _invoice,
    "payment_intent": _payment_intent,
    "charge": _charge,
    "refund": _refund,
    "dispute": _dispute,
    "credit_note": _credit_note,
    "payment_method": _payment_method,
}
