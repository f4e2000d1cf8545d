"""Answers say only what the pinned version knows, and all that is never null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.stripe_server import samples, shapes

if TYPE_CHECKING:
    from tests.stripe_server import StripeServer
    from tests.stripe_server.client import Client

# What every object of these kinds says since the answers were recorded.
SINCE: Final = {"['billing_schedules'] missing", "['subtotal'] missing"}


@pytest.fixture
def price(server: StripeServer, monthly: str) -> dict[str, Any]:
    return server.get("prices", monthly)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": 5}, "price: the pinned version knows no 'amount'"),
        ({"unit_amount": "5"}, "price.unit_amount: '5' is no integer"),
        ({"unit_amount": True}, "price.unit_amount: True is no integer"),
        ({"unit_amount_decimal": 5}, "price.unit_amount_decimal: 5 is no decimal in a string"),
        ({"type": "sometimes"}, "price.type: 'sometimes' is none of its values"),
        ({"active": None}, "price.active: None is no boolean"),
        ({"metadata": {"a": 1}}, "price.metadata.a: 1 is no string"),
        ({"recurring": {"every": "day"}}, "price.recurring: ['interval', 'interval_count'"),
        ({"product": {"object": "product"}}, "price.product: ['active', 'created'"),
        ({"object": "cost"}, "there is no object 'cost'"),
    ],
)
def test_what_stripe_would_not_say_is_found(
    price: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    shapes.check(price)
    with pytest.raises(shapes.ShapeError) as caught:
        shapes.check({**price, **change})
    assert str(caught.value).startswith(message)


def test_a_field_that_is_never_null_has_to_be_there(price: dict[str, Any]) -> None:
    del price["currency"]
    with pytest.raises(shapes.ShapeError, match="currency"):
        shapes.check(price)


@pytest.mark.skipif(not samples.RECORDED.is_dir(), reason=samples.MISSING)
def test_what_stripe_answered_has_its_shapes() -> None:
    found = set()
    for interaction in samples.interactions():
        body = interaction["response"]["body"]
        if "error" not in body:
            try:
                shapes.check(body)
            except shapes.ShapeError as error:
                found.add(str(error).partition(": ")[2])
    assert found == SINCE


def test_the_server_is_held_to_it(server: StripeServer, stripe: Client, monthly: str) -> None:
    server.engine.state["prices"].rows[monthly]["colour"] = "red"
    answer = stripe.raw_request("get", "/v1/products/plan-team")
    assert answer.code == 200
    with pytest.raises(Exception, match="knows no 'colour'"):
        stripe.v1.prices.retrieve(monthly)
    assert "colour" in server.service.crashes.pop()
