"""Customers and what they chose, read from old and new places."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from billing_cli.pricing import stripe_objects as objects
from tests.pricing import stripe_payloads as payloads


def test_a_customer_is_read() -> None:
    assert objects.read_customer(payloads.CUSTOMER) == objects.Customer(
        id="cus_1",
        deleted=False,
        email="anna@example.com",
        metadata={"billing_user": "anna"},
        default_payment_method="pm_1",
    )
    old = payloads.CUSTOMER | {"invoice_settings": {"default_payment_method": None}}
    assert objects.read_customer(old).default_payment_method == "card_1"
    deleted = objects.read_customer({"id": "cus_1", "object": "customer", "deleted": True})
    assert deleted == objects.Customer("cus_1", True, None, {}, None)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (payloads.CARD, ("pm_1", "cus_1", "card", "visa", "4242", "2027-03", 1_762_799_350)),
        (
            payloads.BANK_DEBIT,
            ("pm_2", None, "us_bank_account", "STRIPE TEST BANK", "6789", None, 1_762_799_350),
        ),
        (payloads.OLD_CARD, ("card_1", "cus_1", "card", "Visa", "4242", "2021-12", 0)),
        # A kind of the future, which says nothing that is known.
        (
            {"id": "pm_3", "object": "payment_method", "type": "barter", "barter": None},
            ("pm_3", None, "barter", None, None, None, 0),
        ),
        (
            payloads.CARD | {"card": {"exp_year": 2027, "exp_month": 13}},
            ("pm_1", "cus_1", "card", None, None, None, 1_762_799_350),
        ),
    ],
)
def test_a_payment_method_is_read(document: payloads.JSON, expected: tuple[object, ...]) -> None:
    assert tuple(asdict(objects.read_payment_method(document)).values()) == expected


def test_a_subscription_is_read_from_new_places() -> None:
    assert objects.read_subscription(payloads.NEW_SUBSCRIPTION) == objects.Subscription(
        id="sub_1",
        customer="cus_1",
        status="active",
        items=(
            objects.Item(
                id="si_1",
                price="price_1",
                product="prod_1",
                unit_amount=2500,
                interval="month",
                quantity=2,
                current_period_start=1_762_799_364,
                current_period_end=1_765_391_364,
            ),
        ),
        start=1_762_799_365,
        created=1_762_799_364,
        current_period_start=1_762_799_364,
        current_period_end=1_765_391_364,
        cancel_at=None,
        cancel_at_period_end=False,
        canceled_at=None,
        ended_at=None,
        trial_end=1_762_800_000,
        metadata={"billing_user": "anna"},
        currency="USD",
        collection_method="charge_automatically",
        latest_invoice="in_1",
    )


def test_a_subscription_is_read_from_old_places() -> None:
    subscription = objects.read_subscription(payloads.OLD_SUBSCRIPTION)
    assert subscription.items == (
        objects.Item("si_1", "Gold Plan", "prod_1", 900, "year", 1, None, None),
    )
    assert (subscription.start, subscription.currency) == (1_381_080_623, "USD")
    assert subscription.current_period_start == 1_381_080_623
    assert subscription.current_period_end == 1_383_759_023
    # To be cancelled with its period, it is to be cancelled when that ends.
    assert subscription.cancel_at == 1_383_759_023


def test_the_items_of_a_subscription_may_have_periods_of_their_own() -> None:
    month = payloads.NEW_SUBSCRIPTION["items"]["data"][0]
    year = month | {"id": "si_2", "price": "price_2", "current_period_end": 1_794_335_364}
    usage = month | {"id": "si_3", "current_period_start": None, "current_period_end": None}
    document = payloads.NEW_SUBSCRIPTION | {
        "items": payloads.listed(month, year, usage),
        "cancel_at_period_end": True,
    }
    subscription = objects.read_subscription(document)
    assert subscription.current_period_start == 1_762_799_364
    assert subscription.current_period_end == subscription.cancel_at == 1_794_335_364
    assert subscription.items[1].price == "price_2"
    assert subscription.items[1].unit_amount is None
    earlier = objects.read_subscription(document | {"cancel_at": 1_764_000_000})
    assert earlier.cancel_at == 1_764_000_000
    assert objects.read_subscription({"id": "sub_1"}).items == ()


def test_products_and_prices_are_read() -> None:
    assert objects.read_product(payloads.PRODUCT) == objects.Product(
        "prod_1", "Pro", True, {"billing_plan": "pro"}
    )
    assert objects.read_price(payloads.PRICE) == objects.Price(
        "price_1", "prod_1", True, 2500, "USD", "month", 1, "pro_month", {}
    )
    assert objects.read_price(payloads.PLAN) == objects.Price(
        "Gold Plan", "prod_1", False, 900, "USD", "year", 2, None, {}
    )
    once = objects.read_price(payloads.PRICE | {"recurring": None, "unit_amount": None})
    assert (once.interval, once.interval_count, once.unit_amount) == (None, None, None)


def test_a_checkout_session_is_read() -> None:
    session = objects.read_checkout_session(payloads.CHECKOUT_SESSION)
    assert session == objects.CheckoutSession(
        id="cs_test_1",
        mode="subscription",
        status="complete",
        payment_status="paid",
        customer="cus_1",
        subscription="sub_1",
        setup_intent=None,
        url=None,
        created=1_762_799_499,
        expires_at=1_762_885_899,
        client_reference_id="anna",
        metadata={},
    )


def test_an_account_is_read() -> None:
    account = objects.read_account(payloads.ACCOUNT)
    assert account == objects.Account("acct_1", "IS", "ISK", "Example (test)")
    assert objects.read_account(payloads.ACCOUNT | {"settings": None}).name == "Example Ltd"
    assert objects.read_account({"id": "acct_1", "business_name": "Old"}).name == "Old"


def test_a_payment_method_without_a_type_says_so() -> None:
    with pytest.raises(ValueError, match="the payment method pm_1 does not say its type"):
        objects.read_payment_method({"id": "pm_1", "object": "payment_method"})
