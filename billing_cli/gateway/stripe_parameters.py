"""What is sent to Stripe, made from plain values; the types are the library's own.

Amounts are Stripe's integers. Nothing of a customer is sent but what an invoice needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stripe.params import (
        CreditNoteCreateParams,
        CustomerCreateParams,
        InvoiceAddLinesParams,
        InvoiceCreateParams,
        InvoiceFinalizeInvoiceParams,
        InvoicePayParams,
        PaymentRecordReportPaymentParams,
        PriceCreateParams,
        ProductCreateParams,
        RefundCreateParams,
        SubscriptionUpdateParams,
    )
    from stripe.params.billing_portal import SessionCreateParams as PortalCreateParams
    from stripe.params.checkout import SessionCreateParams as CheckoutCreateParams

# What Stripe takes: lines in a request and on an invoice, and characters of texts.
MOST_LINES: Final = 250
_MOST_IN_METADATA: Final = 500
_MOST_IN_A_LINE: Final = 500
_MOST_IN_A_NAME: Final = 250


class Profile(NamedTuple):
    """What Stripe is told of a user; what nobody has said is None."""

    user_id: str
    name: str | None
    email: str | None
    address: str | None
    language: str | None


class InvoiceHead(NamedTuple):
    """What Stripe is told of an invoice besides its lines.

    With ``method``, a payment method, Stripe collects by itself; without one it asks for the
    money until ``due_date``.
    """

    customer: str
    number: str
    currency: str
    due_date: int | None
    method: str | None
    memo: str | None
    metadata: Mapping[str, str]


def metadata(**values: object) -> dict[str, str]:
    """Return metadata by which objects are found again, each name led by ``billing_``."""
    return {f"billing_{name}": str(value)[:_MOST_IN_METADATA] for name, value in values.items()}


def customer(profile: Profile, *, update: bool) -> CustomerCreateParams:
    """Return a customer; an update empties an address that is not known any more.

    An email address or a language Stripe does not take back: it may only become another.
    """
    lines = [line.strip() for line in (profile.address or "").splitlines() if line.strip()]
    given: dict[str, Any] = {
        "name": (profile.name or profile.user_id)[:_MOST_IN_A_NAME],
        "address": {"line1": lines[0], "line2": ", ".join(lines[1:])} if lines else "",
        "metadata": metadata(user=profile.user_id),
    }
    if profile.email:
        given["email"] = profile.email
    if profile.language:
        given["preferred_locales"] = [profile.language]
    if not update:
        given = {key: value for key, value in given.items() if value}
    return cast("CustomerCreateParams", given)


def product(plan_id: str, name: str) -> ProductCreateParams:
    """Return the product of a plan."""
    return {"name": name[:_MOST_IN_A_NAME], "metadata": metadata(plan=plan_id)}


def price(
    plan_id: str, product_id: str, amount: int, currency: str, interval: str
) -> PriceCreateParams:
    """Return a price: what a plan costs by the month or the year."""
    return {
        "product": product_id,
        "unit_amount": amount,
        "currency": currency.lower(),
        "recurring": {"interval": interval},
        "metadata": metadata(plan=plan_id),
    }


def invoice(head: InvoiceHead) -> InvoiceCreateParams:
    """Return an invoice without lines, which Stripe does nothing with before it is told to."""
    found: InvoiceCreateParams = {
        "customer": head.customer,
        "number": head.number,
        "currency": head.currency.lower(),
        "auto_advance": False,
        "pending_invoice_items_behavior": "exclude",
        "metadata": dict(head.metadata),
    }
    if head.method is not None:
        found["collection_method"] = "charge_automatically"
        found["default_payment_method"] = head.method
    else:
        found["collection_method"] = "send_invoice"
        if head.due_date is not None:
            found["due_date"] = head.due_date
    if head.memo:
        found["description"] = head.memo[:1500]
    return found


def lines(found: Sequence[tuple[str, int]]) -> InvoiceAddLinesParams:
    """Return ``(description, amount)`` as lines, the last ones as one where there are too many."""
    shown = list(found[:MOST_LINES])
    if len(found) > MOST_LINES:
        rest = found[MOST_LINES - 1 :]
        shown[-1] = (f"and {len(rest)} more lines", sum(amount for _, amount in rest))
    return {
        "lines": [
            {"description": text[:_MOST_IN_A_LINE], "amount": amount} for text, amount in shown
        ]
    }


def finalize(*, collects: bool) -> InvoiceFinalizeInvoiceParams:
    """Return how an invoice is made final: with ``collects`` Stripe goes for the money."""
    return {"auto_advance": collects}


def paid_elsewhere() -> InvoicePayParams:
    """Return that what is left of an invoice was paid, but not through Stripe."""
    return {"paid_out_of_band": True}


def part_paid_elsewhere(
    amount: int, currency: str, customer_id: str, at: int, reference: str
) -> PaymentRecordReportPaymentParams:
    """Return that a part was paid, but not through Stripe."""
    return {
        "amount_requested": {"value": amount, "currency": currency.lower()},
        "customer_details": {"customer": customer_id},
        "initiated_at": at,
        "outcome": "guaranteed",
        "guaranteed": {"guaranteed_at": at},
        "payment_method_details": {
            "type": "custom",
            "custom": {"display_name": "Paid elsewhere"},
        },
        "metadata": metadata(payment=reference),
    }


def refund(intent: str, amount: int, refund_id: int, installation: str) -> RefundCreateParams:
    """Return that money of a payment goes back."""
    return {
        "payment_intent": intent,
        "amount": amount,
        "metadata": metadata(refund=refund_id, installation=installation),
    }


def credit_note(  # noqa: PLR0913, PLR0917 - what a note says
    invoice_id: str,
    amount: int,
    refunds: Sequence[tuple[str, int]],
    elsewhere: int,
    memo: str,
    about: Mapping[str, str],
) -> CreditNoteCreateParams:
    """Return a credit note.

    ``refunds`` are Stripe's with their amounts, ``elsewhere`` what is given back or kept as credit
    on our side; what remains lowers what the invoice asks for.
    """
    found: CreditNoteCreateParams = {
        "invoice": invoice_id,
        "lines": [
            {
                "type": "custom_line_item",
                "description": memo[:_MOST_IN_A_LINE],
                "quantity": 1,
                "unit_amount": amount,
            }
        ],
        "memo": memo[:_MOST_IN_A_LINE],
        "metadata": dict(about),
        "email_type": "none",
    }
    if refunds:
        found["refunds"] = [
            {"refund": refund_id, "amount_refunded": given} for refund_id, given in refunds
        ]
    if elsewhere:
        found["out_of_band_amount"] = elsewhere
    return found


def other_price(item_id: str, price_id: str) -> SubscriptionUpdateParams:
    """Return that a subscription costs something else from its next term on."""
    return {
        "items": [{"id": item_id, "price": price_id}],
        "proration_behavior": "none",
    }


def checkout(
    customer_id: str,
    price_id: str,
    success: str,
    cancel: str | None,
    about: Mapping[str, str],
) -> CheckoutCreateParams:
    """Return a page on which a customer subscribes to a plan."""
    found: CheckoutCreateParams = {
        "mode": "subscription",
        "customer": customer_id,
        "line_items": [{"price": price_id, "quantity": 1}],
        "success_url": success,
        "metadata": dict(about),
        "subscription_data": {"metadata": dict(about)},
    }
    if cancel:
        found["cancel_url"] = cancel
    return found


def setup(
    customer_id: str, currency: str, success: str, cancel: str | None, about: Mapping[str, str]
) -> CheckoutCreateParams:
    """Return a page on which a customer leaves a card or a bank account for later."""
    found: CheckoutCreateParams = {
        "mode": "setup",
        "customer": customer_id,
        "currency": currency.lower(),
        "success_url": success,
        "metadata": dict(about),
    }
    if cancel:
        found["cancel_url"] = cancel
    return found


def portal(customer_id: str, return_url: str | None) -> PortalCreateParams:
    """Return Stripe's own page for a customer: subscriptions, payment methods, invoices."""
    found: PortalCreateParams = {"customer": customer_id}
    if return_url:
        found["return_url"] = return_url
    return found
