"""What two sides say of the same thing, ours and Stripe's, and where they differ.

Amounts here are minor units, times epoch seconds. A difference that is as it should be carries
the reason why, and is shown all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from billing_cli.pricing import invoice_states as states
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.stripe_amounts import from_stripe
from billing_cli.pricing.timelines import FOREVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_cli.pricing.stripe_invoices import Invoice
    from billing_cli.pricing.stripe_objects import Customer, Subscription
    from billing_cli.pricing.stripe_payments import PaymentIntent, Refund

CUSTOMER, SUBSCRIPTION, INVOICE = "customer", "subscription", "invoice"
PAYMENT, REFUND = "payment", "refund"

MISSING_HERE, MISSING_THERE = "missing here", "missing there"
_LONGEST_METADATA: Final = 500
_UNBEGUN: Final = {"incomplete", "incomplete_expired"}
_OWED: Final = {states.SENT, states.OVERDUE}
_SAME: Final = {
    "open": _OWED,
    "uncollectible": _OWED,
    "paid": {states.PAID},
    "void": {states.VOID},
}
_SUCCEEDED, _REVERSED, _UNMATCHED = "succeeded", "reversed", "unmatched"
_GOING_BACK: Final = {"succeeded", "pending", "requires_action"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two sides say differently; None is nothing.

    ``known`` is why it is as it should be, None where somebody has to look.
    """

    kind: str
    user_id: str | None
    id: str
    what: str
    here: str | None
    there: str | None
    known: str | None = None


@dataclass(frozen=True, slots=True)
class OurCustomer:
    """A user, and the customer that stands for them, if there is one."""

    user_id: str
    customer: str | None


@dataclass(frozen=True, slots=True)
class OurSubscription:
    """A subscription that Stripe bills: the plan held now, or else next or last, and its end."""

    user_id: str
    plan_id: str | None
    end: int


@dataclass(frozen=True, slots=True)
class OurInvoice:
    """An invoice; ``is_copy`` is one that Stripe made.

    ``went_back`` is why money of it that Stripe had taken is owed again.
    """

    user_id: str
    number: str
    currency: str
    status: str
    total: int
    due: int
    is_copy: bool
    went_back: str | None


@dataclass(frozen=True, slots=True)
class OurPayment:
    """A payment through Stripe; ``reason`` is why it failed or was reversed."""

    user_id: str | None
    currency: str
    amount: int
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class OurRefund:
    """What was given back of a payment, in one or several parts, that one refund stands for."""

    amount: int


def customers(
    ours: OurCustomer | None, claimed: OurCustomer | None, theirs: Customer
) -> Iterator[Difference]:
    """Compare a customer with the user it stands for, and with the one that it says it is."""
    said = theirs.metadata.get("billing_user")
    if ours is not None:
        if said != ours.user_id[:_LONGEST_METADATA]:
            yield Difference(CUSTOMER, ours.user_id, theirs.id, "user", ours.user_id, said)
        return
    if said is None:
        # Somebody else's: the account sells other things, too.
        return
    if claimed is None:
        yield Difference(CUSTOMER, said, theirs.id, "user", None, said)
    elif claimed.customer is None:
        yield Difference(CUSTOMER, said, theirs.id, "not linked yet", None, theirs.id)
    else:
        yield Difference(CUSTOMER, said, theirs.id, "second one", claimed.customer, theirs.id)


def subscriptions(
    ours: OurSubscription | None,
    user_id: str,
    theirs: Subscription,
    plan_there: str | None,
    now: int,
) -> Iterator[Difference]:
    """Compare a subscription of a customer of ours: whether it is one, its plan, and its end."""
    if ours is None:
        if theirs.status not in _UNBEGUN:
            yield Difference(SUBSCRIPTION, user_id, theirs.id, MISSING_HERE, None, theirs.status)
        return
    end_there = theirs.ended_at or theirs.cancel_at or FOREVER
    is_held = theirs.status not in {"canceled", *_UNBEGUN}
    if is_held != (ours.end > now):
        here = "active" if ours.end > now else "ended"
        yield Difference(SUBSCRIPTION, user_id, theirs.id, "status", here, theirs.status)
    elif ours.end != end_there:
        yield Difference(
            SUBSCRIPTION, user_id, theirs.id, "end", _moment(ours.end), _moment(end_there)
        )
    if is_held and ours.plan_id != plan_there:
        yield Difference(SUBSCRIPTION, user_id, theirs.id, "plan", ours.plan_id, plan_there)


def invoices(ours: OurInvoice | None, user_id: str, theirs: Invoice) -> Iterator[Difference]:
    """Compare an invoice of a customer of ours: total, number, status, and what remains."""
    if ours is None:
        if theirs.status not in {"draft", "deleted"}:
            amount = _amount(theirs.total, theirs.currency)
            name = theirs.number or theirs.id
            yield Difference(INVOICE, user_id, name, MISSING_HERE, None, amount)
        return
    if theirs.currency != ours.currency:
        yield _of_invoice(ours, "currency", ours.currency, theirs.currency)
        return
    # Of a copy the total is what was asked for, with the account's balance; notes lower that.
    totals = (theirs.amount_due, theirs.total) if ours.is_copy else (theirs.total,)
    here = format_minor(ours.total, ours.currency)
    if here not in {_amount(total, ours.currency) for total in totals}:
        yield _of_invoice(ours, "total", here, _amount(totals[-1], ours.currency))
    if theirs.number != ours.number and not (ours.is_copy and ours.number == theirs.id):
        yield _of_invoice(ours, "number", ours.number, theirs.number)
    yield from _settled(ours, theirs)


def _settled(ours: OurInvoice, theirs: Invoice) -> Iterator[Difference]:
    """Compare how an invoice stands."""
    if ours.status not in _SAME.get(theirs.status, ()):
        went_back = theirs.status == "paid" and ours.status in _OWED and ours.went_back
        known = f"it was paid, and is owed again: {ours.went_back}" if went_back else None
        yield _of_invoice(ours, "status", ours.status, theirs.status, known)
        return
    if theirs.status == "uncollectible":
        known = "Stripe has given up collecting it; it is still owed here"
        yield _of_invoice(ours, "status", ours.status, theirs.status, known)
    if theirs.status in {"open", "uncollectible"}:
        here = format_minor(ours.due, ours.currency)
        there = _amount(theirs.amount_remaining, ours.currency)
        if here != there:
            yield _of_invoice(ours, "remaining", here, there)


def _of_invoice(
    ours: OurInvoice, what: str, here: str, there: str | None, known: str | None = None
) -> Difference:
    return Difference(INVOICE, ours.user_id, ours.number, what, here, there, known)


def payments(
    ours: OurPayment | None, user_id: str | None, theirs: PaymentIntent
) -> Iterator[Difference]:
    """Compare a payment of a customer of ours: whether it succeeded, and its amount."""
    succeeded = theirs.status == _SUCCEEDED
    there = _amount(theirs.amount_received or theirs.amount, theirs.currency)
    if ours is None:
        if succeeded:
            yield Difference(PAYMENT, user_id, theirs.id, MISSING_HERE, None, there)
        return
    # What is unmatched has come in, too: whose it is, is not Stripe's business.
    is_here = ours.status in {_SUCCEEDED, _UNMATCHED}
    if succeeded and ours.status == _REVERSED:
        # A payment that was disputed and lost succeeded once, and does so for good.
        yield Difference(
            PAYMENT, user_id, theirs.id, "status", ours.status, theirs.status, ours.reason
        )
    elif succeeded != is_here and (succeeded or is_here):
        yield Difference(PAYMENT, user_id, theirs.id, "status", ours.status, theirs.status)
    here = format_minor(ours.amount, ours.currency)
    if succeeded and (ours.currency != theirs.currency or here != there):
        yield Difference(PAYMENT, user_id, theirs.id, "amount", here, there)


def refunds(ours: OurRefund | None, payment: OurPayment, theirs: Refund) -> Iterator[Difference]:
    """Compare what was given back of a payment that is known here."""
    there = _amount(theirs.amount, theirs.currency)
    goes_back = theirs.status in _GOING_BACK
    if ours is None:
        # Of what was reversed as a whole nothing was left to be given back.
        if goes_back and payment.status != _REVERSED:
            yield Difference(REFUND, payment.user_id, theirs.id, MISSING_HERE, None, there)
        return
    here = format_minor(ours.amount, payment.currency)
    if not goes_back:
        yield Difference(REFUND, payment.user_id, theirs.id, "status", here, theirs.status)
    elif here != there:
        is_theirs = "billing_refund" not in theirs.metadata
        spent = is_theirs and ours.amount < _minor(theirs.amount, theirs.currency)
        known = "the rest had become a credit, which is spent" if spent else None
        yield Difference(REFUND, payment.user_id, theirs.id, "amount", here, there, known)


def _minor(amount: int, currency: str) -> int:
    try:
        return from_stripe(amount, currency)
    except ValueError:
        return 0


def _amount(amount: int, currency: str) -> str:
    """Return an amount of Stripe's as decimal text; one that we cannot say, as Stripe says it."""
    try:
        return format_minor(from_stripe(amount, currency), currency)
    except ValueError:
        return f"{amount} {currency}"


def _moment(at: int) -> str | None:
    return None if at >= FOREVER else format_instant(at)
