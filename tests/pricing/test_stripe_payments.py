"""Charges, payment intents, refunds and disputes, read from old and new places."""

from __future__ import annotations

import pytest

from billing_cli.pricing.stripe_objects import (
    Charge,
    Dispute,
    PaymentIntent,
    Refund,
    read_charge,
    read_dispute,
    read_payment_intent,
    read_refund,
)
from tests.pricing import stripe_payloads as payloads

NEW_CHARGE = Charge(
    id="ch_1",
    status="succeeded",
    amount=2900,
    amount_captured=2900,
    amount_refunded=1000,
    currency="USD",
    customer="cus_1",
    payment_intent="pi_1",
    invoice=None,
    created=1_762_799_418,
    disputed=True,
    paid=True,
    method="card",
    failure_code=None,
    failure_message=None,
    metadata={"a": "b"},
)
OLD_CHARGE = Charge(
    id="ch_1",
    status="succeeded",
    amount=2900,
    amount_captured=2900,
    amount_refunded=0,
    currency="USD",
    customer=None,
    payment_intent=None,
    invoice="in_1",
    created=1_362_799_418,
    disputed=True,
    paid=True,
    method=None,
    failure_code=None,
    failure_message=None,
    metadata={},
)


def test_a_charge_is_read_from_old_and_new_places() -> None:
    assert read_charge(payloads.NEW_CHARGE) == NEW_CHARGE
    assert read_charge(payloads.OLD_CHARGE) == OLD_CHARGE


def test_a_charge_that_took_nothing_captured_nothing() -> None:
    failed = read_charge(
        payloads.OLD_CHARGE | {"status": "failed", "failure_code": "card_declined"}
    )
    assert (failed.amount, failed.amount_captured, failed.paid) == (2900, 0, False)
    assert failed.failure_code == "card_declined"
    authorized = read_charge(payloads.OLD_CHARGE | {"captured": False, "paid": True})
    assert (authorized.amount_captured, authorized.paid) == (0, True)
    assert not read_charge(payloads.NEW_CHARGE | {"paid": False, "disputed": False}).paid


def test_an_intent_is_read_from_old_and_new_places() -> None:
    assert read_payment_intent(payloads.NEW_INTENT) == PaymentIntent(
        id="pi_1",
        status="succeeded",
        amount=2900,
        amount_received=2900,
        currency="USD",
        customer="cus_1",
        created=1_762_799_418,
        latest_charge=NEW_CHARGE,
        latest_charge_id="ch_1",
        invoice=None,
        failure_code=None,
        failure_message=None,
        method="card",
        metadata={},
    )
    old = read_payment_intent(payloads.OLD_INTENT)
    assert old.latest_charge is not None
    # The newest of its charges comes first.
    assert (old.latest_charge.id, old.latest_charge_id) == ("ch_1", "ch_1")
    assert (old.invoice, old.amount_received) == ("in_1", 0)
    # What the bank said goes before what Stripe made of it.
    assert old.failure_code == "insufficient_funds"
    assert old.failure_message == "Your card has insufficient funds."
    assert old.method == "card"


def test_an_intent_may_only_name_its_charge() -> None:
    intent = read_payment_intent(payloads.NEW_INTENT | {"latest_charge": "ch_7"})
    assert (intent.latest_charge, intent.latest_charge_id) == (None, "ch_7")
    assert intent.method is None
    waiting = read_payment_intent(payloads.NEW_INTENT | {"latest_charge": None})
    assert (waiting.latest_charge, waiting.latest_charge_id) == (None, None)
    empty = read_payment_intent(payloads.OLD_INTENT | {"charges": payloads.listed()})
    assert empty.latest_charge_id is None


@pytest.mark.parametrize(
    ("fields", "method"),
    [
        ({"payment_method": payloads.BANK_DEBIT}, "us_bank_account"),
        ({"last_payment_error": payloads.FAILED, "payment_method": payloads.BANK_DEBIT}, "card"),
        ({"payment_method_types": ["sepa_debit"]}, "sepa_debit"),
        ({"payment_method_types": []}, None),
        ({"payment_method_types": [["card"]]}, None),
    ],
)
def test_the_method_is_what_was_tried_or_else_chosen(
    fields: payloads.JSON, method: str | None
) -> None:
    assert (
        read_payment_intent(payloads.NEW_INTENT | {"latest_charge": None} | fields).method == method
    )


def test_a_failure_without_a_word_of_the_bank_has_stripes_code() -> None:
    error = {"code": "payment_intent_authentication_failure", "message": "No."}
    intent = read_payment_intent(payloads.OLD_INTENT | {"last_payment_error": error})
    assert intent.failure_code == "payment_intent_authentication_failure"


def test_an_intent_that_does_not_say_what_it_received() -> None:
    document = {"id": "pi_1", "object": "payment_intent", "amount": 5, "status": "succeeded"}
    assert read_payment_intent(document).amount_received == 5
    assert read_payment_intent(document | {"status": "processing"}).amount_received == 0


def test_a_refund_is_read() -> None:
    assert read_refund(payloads.REFUND) == Refund(
        id="re_1",
        amount=1000,
        currency="USD",
        status="pending",
        charge="ch_1",
        payment_intent="pi_1",
        created=1_762_799_399,
        reason="requested_by_customer",
        metadata={},
    )


def test_a_dispute_is_read() -> None:
    assert read_dispute(payloads.DISPUTE) == Dispute(
        id="dp_1",
        amount=2900,
        currency="USD",
        status="needs_response",
        reason="fraudulent",
        charge="ch_1",
        payment_intent="pi_1",
        created=1_762_799_499,
    )


@pytest.mark.parametrize(
    ("status", "is_lost", "is_open"),
    [
        ("needs_response", False, True),
        ("under_review", False, True),
        ("warning_needs_response", False, True),
        ("appeal_under_review", False, True),
        ("lost", True, False),
        ("won", False, False),
        ("warning_closed", False, False),
        ("prevented", False, False),
        ("charge_refunded", False, False),
        # What Stripe may add some day is neither won nor lost.
        ("mediation", False, True),
        (None, False, True),
    ],
)
def test_a_dispute_is_open_until_it_is_decided(
    status: str | None, is_lost: bool, is_open: bool
) -> None:
    dispute = read_dispute(payloads.DISPUTE | {"status": status})
    assert (dispute.is_lost, dispute.is_open) == (is_lost, is_open)
