"""Products, prices, and ways to pay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.stripe_server.client import library

if TYPE_CHECKING:
    from tests.stripe_server import StripeServer
    from tests.stripe_server.client import Client


def test_products_have_the_id_that_is_asked_for_once(stripe: Client, monthly: str) -> None:
    with pytest.raises(library.InvalidRequestError) as caught:
        stripe.v1.products.create({"id": "plan-team", "name": "Again"})
    assert caught.value.code == "resource_already_exists"
    with pytest.raises(library.InvalidRequestError, match="user-created prices"):
        stripe.v1.products.delete("plan-team")
    assert stripe.v1.prices.retrieve(monthly).product == "plan-team"


def test_a_lookup_key_has_one_price(stripe: Client, monthly: str) -> None:
    with pytest.raises(library.InvalidRequestError, match="already uses that lookup key"):
        stripe.v1.prices.create(
            {
                "product": "plan-team",
                "currency": "usd",
                "unit_amount": 3000,
                "lookup_key": "team-monthly",
            }
        )
    new = stripe.v1.prices.create(
        {
            "product": "plan-team",
            "currency": "usd",
            "unit_amount": 3000,
            "lookup_key": "team-monthly",
            "transfer_lookup_key": True,
        }
    )
    found = stripe.v1.prices.list({"lookup_keys": ["team-monthly", "nobody"]}).data
    assert [price.id for price in found] == [new.id]
    assert stripe.v1.prices.retrieve(monthly).lookup_key is None
    stripe.v1.prices.update(monthly, {"active": False})
    listed = stripe.v1.prices.list({"product": "plan-team", "active": True}).data
    assert [price.id for price in listed] == [new.id]


@pytest.mark.parametrize(
    ("given", "whole", "exact"),
    [("2500", 2500, "2500"), ("0.50", None, "0.5"), ("0.000000000001", None, "0.000000000001")],
)
def test_parts_of_a_minor_unit(
    stripe: Client, monthly: str, given: str, whole: int | None, exact: str
) -> None:
    assert monthly
    made = stripe.raw_request(
        "post", "/v1/prices", currency="usd", product="plan-team", unit_amount_decimal=given
    )
    price = json.loads(made.body)
    assert (price["unit_amount"], price["unit_amount_decimal"]) == (whole, exact)


def test_cards_are_attached_once_and_not_again_when_detached(
    server: StripeServer, stripe: Client, customer: str
) -> None:
    method = stripe.v1.customers.payment_methods.list(customer).data[0]
    with pytest.raises(library.InvalidRequestError, match="already been attached"):
        stripe.v1.payment_methods.attach(method.id, {"customer": customer})
    subscription_default = stripe.v1.customers.retrieve(customer).invoice_settings
    assert subscription_default
    assert subscription_default.default_payment_method == method.id
    assert stripe.v1.payment_methods.detach(method.id).customer is None
    settings = stripe.v1.customers.retrieve(customer).invoice_settings
    assert settings
    assert settings.default_payment_method is None
    with pytest.raises(library.InvalidRequestError, match="may not be used again"):
        stripe.v1.payment_methods.attach(method.id, {"customer": customer})
    with pytest.raises(library.InvalidRequestError, match="must be attached"):
        stripe.v1.customers.update(
            customer, {"invoice_settings": {"default_payment_method": method.id}}
        )
    with pytest.raises(library.CardError) as caught:
        stripe.v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": customer})
    assert caught.value.http_status == 402
    kinds = [event["type"] for event in server.events]
    assert kinds[-2:] == ["payment_method.detached", "customer.updated"]
    server.attach_method(customer, "pm_sepaDebit_success")
    listed = stripe.v1.payment_methods.list({"customer": customer, "type": "sepa_debit"})
    assert [row.type for row in listed.data] == ["sepa_debit"]
