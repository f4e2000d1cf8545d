"""A key's first answer is its answer, as at Stripe."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.stripe_server.client import client, library

if TYPE_CHECKING:
    from tests.stripe_server import StripeServer
    from tests.stripe_server.client import Client

DAY = 86_400


def emails(server: StripeServer) -> list[Any]:
    return [row["email"] for row in server.objects("customers")]


def test_the_same_request_is_answered_again(server: StripeServer, stripe: Client) -> None:
    first = stripe.v1.customers.create({"email": "a@b.test"}, {"idempotency_key": "k"})
    again = stripe.v1.customers.create({"email": "a@b.test"}, {"idempotency_key": "k"})
    assert again.id == first.id
    assert again.last_response
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert [entry.replayed for entry in server.requests] == [False, True]
    stripe.v1.customers.create({"email": "a@b.test"}, {"idempotency_key": "l"})
    assert emails(server) == ["a@b.test", "a@b.test"]


def test_other_parameters_with_the_same_key_are_refused(
    server: StripeServer, stripe: Client
) -> None:
    stripe.v1.customers.create({"email": "a@b.test"}, {"idempotency_key": "k"})
    with pytest.raises(library.IdempotencyError, match="same parameters"):
        stripe.v1.customers.create({"email": "c@b.test"}, {"idempotency_key": "k"})
    with pytest.raises(library.IdempotencyError):
        stripe.v1.products.create({"name": "a@b.test"}, {"idempotency_key": "k"})
    assert emails(server) == ["a@b.test"]


def test_errors_are_kept_too_but_not_what_was_not_understood(
    server: StripeServer, stripe: Client
) -> None:
    bad = server.attach_method(
        stripe.v1.customers.create({"email": "a@b.test"}).id, "pm_card_chargeCustomerFail"
    )
    asked: Any = {
        "amount": 500,
        "currency": "usd",
        "customer": bad["customer"],
        "payment_method": bad["id"],
        "confirm": True,
    }
    for _ in range(2):
        with pytest.raises(library.CardError):
            stripe.v1.payment_intents.create(asked, {"idempotency_key": "pay"})
    assert server.requests[-1].replayed
    assert len(server.objects("charges")) == 1
    with pytest.raises(library.InvalidRequestError):
        stripe.raw_request("post", "/v1/customers", emial="x", idempotency_key="new")
    assert stripe.v1.customers.create({"email": "x@b.test"}, {"idempotency_key": "new"}).id


def test_an_error_after_the_effect_is_the_keys_answer_for_good(
    server: StripeServer, stripe: Client
) -> None:
    server.fault("500", "after")
    for _ in range(2):
        with pytest.raises(library.APIError):
            stripe.v1.customers.create({"email": "a@b.test"}, {"idempotency_key": "k"})
    assert [entry.replayed for entry in server.requests] == [False, True]
    assert emails(server) == ["a@b.test"]


def test_keys_are_forgotten_after_a_day(server: StripeServer, stripe: Client) -> None:
    def create() -> str:
        return stripe.v1.customers.create({"email": "a@b.test"}, {"idempotency_key": "k"}).id

    made = {create()}
    server.clock += DAY - 1
    assert create() in made
    server.clock += 1
    made.add(create())
    server.forget_keys()
    made.add(create())
    assert len(made) == len(emails(server)) == 3


def test_a_key_whose_request_is_under_way_is_refused(server: StripeServer, stripe: Client) -> None:
    enough = threading.Event()
    server.fault("slow", until=enough)

    def create() -> None:
        with client(server.url) as other:
            other.v1.customers.create({"email": "a@b.test"}, {"idempotency_key": "k"})

    first = threading.Thread(target=create)
    first.start()
    while not server.engine.state.keys:
        time.sleep(0.001)
    with pytest.raises(library.APIError, match="another in-progress request") as caught:
        stripe.v1.customers.create({"email": "a@b.test"}, {"idempotency_key": "k"})
    assert caught.value.http_status == 409
    enough.set()
    first.join()
    assert emails(server) == ["a@b.test"]


def test_keys_have_at_most_255_characters(stripe: Client) -> None:
    stripe.v1.customers.create({"email": "a@b.test"}, {"idempotency_key": "k" * 255})
    with pytest.raises(library.InvalidRequestError, match="255"):
        stripe.v1.customers.create({"email": "a@b.test"}, {"idempotency_key": "k" * 256})
