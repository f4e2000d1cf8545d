"""Refunds, disputes and credit notes, and that their sums must agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stripe_server.client import library

if TYPE_CHECKING:
    from tests.stripe_server import StripeServer
    from tests.stripe_server.client import Client


@pytest.fixture
def paid(stripe: Client, invoice: str) -> str:
    """The id of an invoice of 12.70 that a card has paid."""
    stripe.v1.invoices.pay(invoice)
    return invoice


def charge_of(server: StripeServer) -> str:
    return str(server.objects("charges")[-1]["id"])


@pytest.mark.usefixtures("paid")
def test_refunds_add_up_to_the_charge(server: StripeServer, stripe: Client) -> None:
    charge = charge_of(server)
    intent = server.objects("payment_intents")[0]["id"]
    seen = len(server.events)
    first = stripe.v1.refunds.create({"charge": charge, "amount": 270, "metadata": {"a": "b"}})
    assert (first.status, first.payment_intent) == ("succeeded", intent)
    assert [e["type"] for e in server.events[seen:]] == ["charge.refunded", "refund.created"]
    with pytest.raises(library.InvalidRequestError, match="greater than unrefunded amount"):
        stripe.v1.refunds.create({"payment_intent": intent, "amount": 1001})
    rest = stripe.v1.refunds.create({"payment_intent": intent})
    assert rest.amount == 1000
    assert stripe.v1.charges.retrieve(charge).refunded
    with pytest.raises(library.InvalidRequestError) as caught:
        stripe.v1.refunds.create({"charge": charge, "amount": 1})
    assert caught.value.code == "charge_already_refunded"
    listed = stripe.v1.refunds.list({"charge": charge}).data
    assert [row.id for row in listed] == [rest.id, first.id]
    server.settle_refund(rest.id, "lost_or_stolen_card")
    shown = stripe.v1.charges.retrieve(charge, {"expand": ["refunds"]})
    assert (shown.amount_refunded, shown.refunded) == (270, False)
    assert shown.refunds
    assert [row.status for row in shown.refunds.data] == ["failed", "succeeded"]


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize("end", ["won", "lost"])
def test_disputes(server: StripeServer, stripe: Client, end: str) -> None:
    charge = charge_of(server)
    dispute = server.open_dispute(charge)
    assert stripe.v1.charges.retrieve(charge).disputed
    with pytest.raises(library.InvalidRequestError) as caught:
        stripe.v1.refunds.create({"charge": charge})
    assert caught.value.code == "charge_disputed"
    server.close_dispute(dispute["id"], end)
    listed = stripe.v1.disputes.list({"charge": charge}).data
    assert [(row.status, row.amount) for row in listed] == [(end, 1270)]
    kinds = [event["type"] for event in server.events]
    assert ("charge.dispute.funds_reinstated" in kinds) == (end == "won")


def test_a_credit_note_of_an_open_invoice_takes_from_what_is_owed(
    server: StripeServer, stripe: Client, invoice: str
) -> None:
    note = stripe.v1.credit_notes.create({"invoice": invoice, "amount": 270})
    assert (note.type, note.number, note.pre_payment_amount) == ("pre_payment", "INV-1-CN-01", 270)
    shown = server.get("invoices", invoice)
    assert (shown["amount_due"], shown["amount_remaining"], shown["total"]) == (1000, 1000, 1270)
    stripe.v1.credit_notes.void_credit_note(note.id)
    assert server.get("invoices", invoice)["amount_remaining"] == 1270
    with pytest.raises(library.InvalidRequestError, match="must equal the post payment amount"):
        stripe.v1.credit_notes.create(
            {"invoice": invoice, "amount": 270, "out_of_band_amount": 270}
        )
    line = server.get("invoices", invoice)["lines"]["data"][0]["id"]
    stripe.v1.credit_notes.create(
        {
            "invoice": invoice,
            "lines": [
                {"type": "invoice_line_item", "invoice_line_item": line, "amount": 1000},
                {"type": "custom_line_item", "description": "x", "unit_amount": 90, "quantity": 3},
            ],
        }
    )
    shown = server.get("invoices", invoice)
    assert (shown["status"], shown["amount_paid"]) == ("paid", 0)


def test_a_credit_note_of_a_paid_invoice_says_how_it_was_given_back(
    server: StripeServer, stripe: Client, paid: str
) -> None:
    create = stripe.v1.credit_notes.create
    for parts in ({}, {"credit_amount": 400}, {"refund_amount": 600}):
        with pytest.raises(library.InvalidRequestError, match="must equal the post payment"):
            create({"invoice": paid, "amount": 500, **parts})  # type: ignore[typeddict-item]
    note = create(
        {
            "invoice": paid,
            "amount": 500,
            "refund_amount": 300,
            "credit_amount": 150,
            "out_of_band_amount": 50,
        }
    )
    assert note.type == "post_payment"
    assert note.refunds[0].amount_refunded == 300
    assert server.objects("refunds")[0]["amount"] == 300
    assert server.objects("customers")[0]["balance"] == -150
    with pytest.raises(library.InvalidRequestError, match=r"maximum creditable amount \(770\)"):
        create({"invoice": paid, "amount": 771, "out_of_band_amount": 771})
    with pytest.raises(library.InvalidRequestError, match="only void credit notes of open"):
        stripe.v1.credit_notes.void_credit_note(note.id)


def test_a_refund_made_before_is_linked_and_not_credited_twice(
    server: StripeServer, stripe: Client, paid: str
) -> None:
    refund = server.refund(paid, 1000)
    create = stripe.v1.credit_notes.create
    with pytest.raises(library.InvalidRequestError, match=r"maximum creditable amount \(270\)"):
        create({"invoice": paid, "amount": 1000, "out_of_band_amount": 1000})
    note = create({"invoice": paid, "amount": 1000, "refunds": [{"refund": refund["id"]}]})
    assert note.refunds[0].refund == refund["id"]
    with pytest.raises(library.InvalidRequestError, match="linked to credit notes"):
        create({"invoice": paid, "amount": 100, "refunds": [{"refund": refund["id"]}]})
    assert create({"invoice": paid, "amount": 270, "refund_amount": 270}).total == 270
    assert server.get("invoices", paid)["post_payment_credit_notes_amount"] == 1270
    listed = stripe.v1.credit_notes.list({"invoice": paid}).data
    assert [row.number for row in listed] == ["INV-1-CN-02", "INV-1-CN-01"]
