"""Stripe's objects as frozen values, whatever API version they were rendered in.

Here are customers and what they chose; ``stripe_invoices`` has what they owe and
``stripe_payments`` what they paid. All readers can be imported from here. They take the decoded
JSON and raise ValueError for what is no such object, and for an amount that is no whole number;
anything else may be missing. Amounts are Stripe's integers, currencies upper case (empty if not
said), times epoch seconds (``created`` is 0 if not said), statuses and kinds open lists of words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from billing_cli.pricing.stripe_fields import (
    amount_or_none,
    at,
    currency,
    flag,
    instant,
    metadata,
    opened,
    own_id,
    reference,
    rows,
    text,
    whole,
    word,
)
from billing_cli.pricing.stripe_invoices import (
    CreditNote,
    Invoice,
    InvoiceLine,
    InvoicePayment,
    read_credit_note,
    read_invoice,
    read_invoice_line,
    read_invoice_payment,
)
from billing_cli.pricing.stripe_payments import (
    Charge,
    Dispute,
    PaymentIntent,
    Refund,
    read_charge,
    read_dispute,
    read_payment_intent,
    read_refund,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Account",
    "Charge",
    "CheckoutSession",
    "CreditNote",
    "Customer",
    "Dispute",
    "Invoice",
    "InvoiceLine",
    "InvoicePayment",
    "Item",
    "PaymentIntent",
    "PaymentMethod",
    "Price",
    "Product",
    "Refund",
    "Subscription",
    "read_account",
    "read_charge",
    "read_checkout_session",
    "read_credit_note",
    "read_customer",
    "read_dispute",
    "read_invoice",
    "read_invoice_line",
    "read_invoice_payment",
    "read_payment_intent",
    "read_payment_method",
    "read_price",
    "read_product",
    "read_refund",
    "read_subscription",
]

# Cards and bank accounts of the time before payment methods are their own kind.
_SOURCES: Final = ("card", "bank_account", "source")
_MONTHS: Final = range(1, 13)
_YEARS: Final = range(1, 10_000)


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer. A deleted one has an id and nothing else."""

    id: str
    deleted: bool
    email: str | None
    metadata: Mapping[str, str]
    default_payment_method: str | None


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A card, a bank account or another way to pay. ``expires`` is a month, ``2026-11``.

    ``brand`` is a card's brand or a bank's name.
    """

    id: str
    customer: str | None
    type: str
    brand: str | None
    last4: str | None
    expires: str | None
    created: int


@dataclass(frozen=True, slots=True)
class Item:
    """One price of a subscription. ``unit_amount`` is None for tiers and fractions of a cent."""

    id: str
    price: str | None
    product: str | None
    unit_amount: int | None
    interval: str | None
    quantity: int | None
    current_period_start: int | None
    current_period_end: int | None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription.

    Its current period goes from the first start to the last end of its items' periods: items of
    different intervals have different ones. ``cancel_at`` is that end if it is to be cancelled
    with the period and no other time is said.
    """

    id: str
    customer: str | None
    status: str
    items: tuple[Item, ...]
    start: int | None
    created: int
    current_period_start: int | None
    current_period_end: int | None
    cancel_at: int | None
    cancel_at_period_end: bool
    canceled_at: int | None
    ended_at: int | None
    trial_end: int | None
    metadata: Mapping[str, str]
    currency: str
    collection_method: str | None
    latest_invoice: str | None


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A visit to Stripe's own page, where a customer subscribes or adds a payment method."""

    id: str
    mode: str
    status: str
    payment_status: str
    customer: str | None
    subscription: str | None
    setup_intent: str | None
    url: str | None
    created: int
    expires_at: int | None
    client_reference_id: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Product:
    """What is sold."""

    id: str
    name: str
    active: bool
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Price:
    """What a product costs each interval; the interval is None for a price paid once."""

    id: str
    product: str | None
    active: bool
    unit_amount: int | None
    currency: str
    interval: str | None
    interval_count: int | None
    lookup_key: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Account:
    """The account that a key belongs to. ``country`` is a code of two letters."""

    id: str
    country: str | None
    default_currency: str
    name: str | None


def read_customer(obj: object) -> Customer:
    """Read a customer. The payment method that invoices use stands before the default source."""
    customer = opened(obj, "customer", "customer")
    return Customer(
        id=own_id(customer),
        deleted=flag(customer.get("deleted")),
        email=text(customer.get("email")),
        metadata=metadata(customer.get("metadata")),
        default_payment_method=reference(at(customer, "invoice_settings", "default_payment_method"))
        or reference(customer.get("default_source")),
    )


def read_payment_method(obj: object) -> PaymentMethod:
    """Read a payment method, or a card or bank account of the time before them."""
    method = opened(obj, "payment method", "payment_method", *_SOURCES)
    name = word(method.get("object"))
    kind = name if name in _SOURCES and name != "source" else word(method.get("type"))
    if not kind:
        raise ValueError(f"the payment method {own_id(method)} does not say its type")
    details = method.get(kind, method)
    return PaymentMethod(
        id=own_id(method),
        customer=reference(method.get("customer")),
        type=kind,
        brand=text(at(details, "brand")) or text(at(details, "bank_name")),
        last4=text(at(details, "last4")),
        expires=_month(at(details, "exp_year"), at(details, "exp_month")),
        created=instant(method.get("created")) or 0,
    )


def read_subscription(obj: object) -> Subscription:
    """Read a subscription with its items."""
    subscription = opened(obj, "subscription", "subscription")
    listed, _ = rows(subscription.get("items"))
    items = tuple(map(_item, listed))
    # Since 2025 each item has a period of its own; before, the subscription had one.
    starts = [item.current_period_start for item in items if item.current_period_start is not None]
    ends = [item.current_period_end for item in items if item.current_period_end is not None]
    period_end = max(ends) if ends else instant(subscription.get("current_period_end"))
    at_period_end = flag(subscription.get("cancel_at_period_end"))
    cancel_at = instant(subscription.get("cancel_at"))
    start = instant(subscription.get("start_date"))
    return Subscription(
        id=own_id(subscription),
        customer=reference(subscription.get("customer")),
        status=word(subscription.get("status")),
        items=items,
        start=instant(subscription.get("start")) if start is None else start,
        created=instant(subscription.get("created")) or 0,
        current_period_start=min(starts)
        if starts
        else instant(subscription.get("current_period_start")),
        current_period_end=period_end,
        cancel_at=period_end if at_period_end and cancel_at is None else cancel_at,
        cancel_at_period_end=at_period_end,
        canceled_at=instant(subscription.get("canceled_at")),
        ended_at=instant(subscription.get("ended_at")),
        trial_end=instant(subscription.get("trial_end")),
        metadata=metadata(subscription.get("metadata")),
        # Older than this field are those of the prices.
        currency=currency(subscription.get("currency"))
        or next((currency(at(_price_of(entry), "currency")) for entry in listed), ""),
        collection_method=text(subscription.get("collection_method")),
        latest_invoice=reference(subscription.get("latest_invoice")),
    )


def read_checkout_session(obj: object) -> CheckoutSession:
    """Read a session of Stripe Checkout."""
    session = opened(obj, "checkout session", "checkout.session")
    return CheckoutSession(
        id=own_id(session),
        mode=word(session.get("mode")),
        status=word(session.get("status")),
        payment_status=word(session.get("payment_status")),
        customer=reference(session.get("customer")),
        subscription=reference(session.get("subscription")),
        setup_intent=reference(session.get("setup_intent")),
        url=text(session.get("url")),
        created=instant(session.get("created")) or 0,
        expires_at=instant(session.get("expires_at")),
        client_reference_id=text(session.get("client_reference_id")),
        metadata=metadata(session.get("metadata")),
    )


def read_product(obj: object) -> Product:
    """Read a product."""
    product = opened(obj, "product", "product")
    return Product(
        id=own_id(product),
        name=word(product.get("name")),
        active=flag(product.get("active")),
        metadata=metadata(product.get("metadata")),
    )


def read_price(obj: object) -> Price:
    """Read a price, or a plan, which prices replaced."""
    price = opened(obj, "price", "price", "plan")
    recurring = price.get("recurring", price)
    return Price(
        id=own_id(price),
        product=reference(price.get("product")),
        active=flag(price.get("active")),
        unit_amount=_unit_amount(price),
        currency=currency(price.get("currency")),
        interval=text(at(recurring, "interval")),
        interval_count=whole(at(recurring, "interval_count")),
        lookup_key=text(price.get("lookup_key")),
        metadata=metadata(price.get("metadata")),
    )


def read_account(obj: object) -> Account:
    """Read an account. Its name is the one that its owners see, else the one customers do."""
    account = opened(obj, "account", "account")
    return Account(
        id=own_id(account),
        country=text(account.get("country")),
        default_currency=currency(account.get("default_currency")),
        name=text(at(account, "settings", "dashboard", "display_name"))
        or text(at(account, "business_profile", "name"))
        # Until 2019 both stood at the top.
        or text(account.get("display_name"))
        or text(account.get("business_name")),
    )


def _item(obj: object) -> Item:
    item = opened(obj, "subscription item", "subscription_item")
    price = _price_of(item)
    read = read_price(price) if at(price, "id") is not None else None
    return Item(
        id=own_id(item),
        price=reference(price),
        product=read.product if read else None,
        unit_amount=read.unit_amount if read else None,
        interval=read.interval if read else None,
        quantity=whole(item.get("quantity")),
        current_period_start=instant(item.get("current_period_start")),
        current_period_end=instant(item.get("current_period_end")),
    )


def _price_of(item: object) -> object:
    """Return the price of an item, expanded or an id; before 2020 it was a plan."""
    price = at(item, "price")
    return at(item, "plan") if price is None else price


def _unit_amount(price: Mapping[str, object]) -> int | None:
    """Return what one unit costs; a plan calls it its amount."""
    found = amount_or_none(price, "unit_amount")
    return amount_or_none(price, "amount") if found is None else found


def _month(year: object, month: object) -> str | None:
    years, months = whole(year), whole(month)
    return f"{years:04}-{months:02}" if years in _YEARS and months in _MONTHS else None
