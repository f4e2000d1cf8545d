"""Invoices: their sums, and all the ways in which they are paid, or are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.stripe_server.client import library
from tests.stripe_server_tests.conftest import NOW

if TYPE_CHECKING:
    from tests.stripe_server import StripeServer
    from tests.stripe_server.client import Client

DAY = 86_400


def status(server: StripeServer, invoice: str) -> tuple[str, int, int]:
    found = server.get("invoices", invoice)
    return found["status"], found["amount_paid"], found["amount_remaining"]


def since(server: StripeServer, count: int) -> list[str]:
    return [event["type"] for event in server.events[count:]]


def test_sums_with_taxes(stripe: Client, customer: str) -> None:
    made = stripe.v1.invoices.create({"customer": customer})
    tax: Any = {"display_name": "VAT", "percentage": 19.0, "inclusive": False}
    shown = stripe.v1.invoices.add_lines(
        made.id,
        {
            "lines": [
                {
                    "amount": 1000,
                    "tax_amounts": [{"amount": 190, "taxable_amount": 1000, "tax_rate_data": tax}],
                },
                {
                    "amount": 100,
                    "tax_amounts": [{"amount": 19, "taxable_amount": 100, "tax_rate_data": tax}],
                },
                {"amount": -50, "description": "Credit", "period": {"start": 5, "end": 6}},
            ]
        },
    )
    assert (shown.subtotal, shown.total_excluding_tax, shown.total) == (1050, 1050, 1259)
    assert shown.total_taxes
    assert [(t.amount, t.taxable_amount) for t in shown.total_taxes] == [(209, 1100)]
    assert [line.amount for line in shown.lines.data] == [1000, 100, -50]
    assert shown.lines.data[2].period.start == 5


def test_more_lines_than_are_shown_are_listed(stripe: Client, customer: str) -> None:
    made = stripe.v1.invoices.create({"customer": customer})
    lines: Any = [{"amount": at} for at in range(1, 26)]
    shown = stripe.v1.invoices.add_lines(made.id, {"lines": lines})
    assert (len(shown.lines.data), shown.lines.has_more, shown.total) == (10, True, 325)
    listed = stripe.v1.invoices.line_items.list(made.id, {"limit": 10})
    assert [line.amount for line in listed.auto_paging_iter()] == list(range(1, 26))
    with pytest.raises(library.InvalidRequestError, match="at most 250"):
        stripe.v1.invoices.add_lines(made.id, {"lines": [{"amount": 1}] * 251})


def test_a_card_pays_an_invoice(server: StripeServer, stripe: Client, invoice: str) -> None:
    seen = len(server.events)
    paid = stripe.v1.invoices.pay(invoice, {"expand": ["payments.data.payment.payment_intent"]})
    assert (paid.status, paid.number, paid.amount_paid) == ("paid", "INV-1", 1270)
    assert paid.payments
    intent = paid.payments.data[0].payment.payment_intent
    assert isinstance(intent, library.PaymentIntent)
    charge = stripe.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.status, charge.amount, charge.payment_intent) == ("succeeded", 1270, intent.id)
    listed = stripe.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent.id}}
    )
    assert [row.invoice for row in listed.data] == [invoice]
    assert since(server, seen) == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]
    with pytest.raises(library.InvalidRequestError, match="already paid"):
        stripe.v1.invoices.pay(invoice)


def test_a_declined_card_leaves_it_open(
    server: StripeServer, stripe: Client, customer: str, invoice: str
) -> None:
    bad = server.attach_method(customer, "pm_card_chargeCustomerFail")
    server.set_outcome(bad["id"], "insufficient_funds")
    seen = len(server.events)
    with pytest.raises(library.CardError) as caught:
        stripe.v1.invoices.pay(invoice)
    error = caught.value.error
    assert error
    assert (caught.value.http_status, caught.value.code) == (402, "card_declined")
    assert error.decline_code == "insufficient_funds"
    assert error.payment_intent
    assert error.payment_intent.status == "requires_payment_method"
    assert status(server, invoice) == ("open", 0, 1270)
    assert since(server, seen) == [
        "charge.failed",
        "payment_intent.payment_failed",
        "invoice.updated",
        "invoice.payment_failed",
    ]
    server.set_outcome(bad["id"])
    assert stripe.v1.invoices.pay(invoice).status == "paid"
    assert [row.status for row in stripe.v1.charges.list({"customer": customer}).data] == [
        "succeeded",
        "failed",
    ]


@pytest.mark.parametrize("code", ["", "insufficient_funds", "account_closed"])
def test_a_bank_debit_is_under_way_first(
    server: StripeServer, stripe: Client, customer: str, invoice: str, code: str
) -> None:
    bank = server.attach_method(customer, "pm_usBankAccount_success")
    server.set_outcome(bank["id"], code)
    assert stripe.v1.invoices.pay(invoice).status == "open"
    intent = server.objects("payment_intents")[0]
    assert intent["status"] == "processing"
    with pytest.raises(library.InvalidRequestError, match="is processing"):
        stripe.v1.invoices.pay(invoice)
    assert server.settle(invoice)["status"] == ("requires_payment_method" if code else "succeeded")
    assert status(server, invoice) == (("open", 0, 1270) if code else ("paid", 1270, 0))
    if not code:
        dispute = server.return_debit(invoice)
        assert dispute["status"] == "lost"
        assert [event["type"] for event in server.events if "dispute" in event["type"]] == [
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.updated",
            "charge.dispute.closed",
        ]
        # It is the client's business to know that the invoice is owed again.
        assert status(server, invoice)[0] == "paid"


def test_parts_are_paid_outside(server: StripeServer, stripe: Client, invoice: str) -> None:
    def reported(amount: int) -> str:
        return stripe.v1.payment_records.report_payment(
            {
                "amount_requested": {"currency": "usd", "value": amount},
                "initiated_at": NOW,
                "outcome": "guaranteed",
                "guaranteed": {"guaranteed_at": NOW},
                "payment_method_details": {"type": "custom", "custom": {"type": "cpmt_bank"}},
            }
        ).id

    first = reported(270)
    stripe.v1.invoices.attach_payment(invoice, {"payment_record": first})
    assert status(server, invoice) == ("open", 270, 1000)
    with pytest.raises(library.InvalidRequestError, match="already been attached"):
        stripe.v1.invoices.attach_payment(invoice, {"payment_record": first})
    with pytest.raises(library.InvalidRequestError, match="open or paid payments"):
        stripe.v1.invoices.void_invoice(invoice)
    intent = server.objects("payment_intents")[0]
    assert intent["amount"] == 1000
    with pytest.raises(library.InvalidRequestError, match="can't be changed directly"):
        stripe.v1.payment_intents.cancel(intent["id"])
    paid = stripe.v1.invoices.attach_payment(
        invoice, {"payment_record": reported(1100), "expand": ["amount_paid_off_stripe"]}
    )
    assert (paid.status, paid.amount_overpaid, paid.amount_paid_off_stripe) == ("paid", 100, 1270)
    assert server.objects("customers")[0]["balance"] == -100
    assert server.objects("payment_intents")[0]["status"] == "canceled"


def test_an_intent_of_its_own_pays_when_it_succeeds(
    server: StripeServer, stripe: Client, customer: str, invoice: str
) -> None:
    method = stripe.v1.customers.payment_methods.list(customer).data[0].id
    intent = stripe.v1.payment_intents.create(
        {"amount": 270, "currency": "usd", "customer": customer, "payment_method": method}
    )
    stripe.v1.invoices.attach_payment(invoice, {"payment_intent": intent.id})
    assert status(server, invoice) == ("open", 0, 1270)
    with pytest.raises(library.InvalidRequestError, match="has open payments"):
        stripe.v1.invoices.mark_uncollectible(invoice)
    other = stripe.v1.payment_intents.create({"amount": 1271, "currency": "usd"})
    with pytest.raises(library.InvalidRequestError, match="same customer"):
        stripe.v1.invoices.attach_payment(invoice, {"payment_intent": other.id})
    stripe.v1.payment_intents.confirm(intent.id)
    assert status(server, invoice) == ("open", 270, 1000)
    assert stripe.v1.invoices.pay(invoice).status == "paid"
    amounts = [row["amount"] for row in server.objects("charges")]
    assert amounts == [270, 1000]


def test_marked_paid_and_voided(server: StripeServer, stripe: Client, invoice: str) -> None:
    saved = server.save()
    paid = stripe.v1.invoices.pay(
        invoice, {"paid_out_of_band": True, "expand": ["amount_paid_off_stripe"]}
    )
    assert (paid.status, paid.amount_paid_off_stripe) == ("paid", 1270)
    assert server.objects("charges") == []
    server.restore(saved)
    assert status(server, invoice) == ("open", 0, 1270)
    assert stripe.v1.invoices.void_invoice(invoice).status == "void"
    intent = server.objects("payment_intents")[0]
    assert (intent["status"], intent["cancellation_reason"]) == ("canceled", "void_invoice")
    for refused in (stripe.v1.invoices.pay, stripe.v1.invoices.void_invoice):
        with pytest.raises(library.InvalidRequestError, match="void"):
            refused(invoice)


def test_what_is_final_cannot_be_changed(stripe: Client, customer: str, invoice: str) -> None:
    for change in ({"description": "x"}, {"number": "INV-2"}, {"due_date": NOW + DAY}):
        with pytest.raises(library.InvalidRequestError) as caught:
            stripe.v1.invoices.update(invoice, change)  # type: ignore[arg-type] # one of three
        assert caught.value.code == "invoice_not_editable"
    stripe.v1.invoices.update(invoice, {"metadata": {"a": "b"}, "auto_advance": True})
    with pytest.raises(library.InvalidRequestError, match="no longer editable"):
        stripe.v1.invoices.add_lines(invoice, {"lines": [{"amount": 1}]})
    with pytest.raises(library.InvalidRequestError, match="already finalized"):
        stripe.v1.invoices.finalize_invoice(invoice)
    with pytest.raises(library.InvalidRequestError, match="only delete draft"):
        stripe.v1.invoices.delete(invoice)
    draft = stripe.v1.invoices.create({"customer": customer})
    assert stripe.v1.invoices.delete(draft.id).deleted
    with pytest.raises(library.InvalidRequestError, match="No such invoice"):
        stripe.v1.invoices.retrieve(draft.id)


def test_when_an_invoice_is_due(server: StripeServer, stripe: Client, customer: str) -> None:
    create = stripe.v1.invoices.create
    sent: Any = {"customer": customer, "collection_method": "send_invoice"}
    with pytest.raises(library.InvalidRequestError, match="must specify `due_date`"):
        create(sent)
    with pytest.raises(library.InvalidRequestError, match="timestamp in the future"):
        create(sent | {"due_date": NOW})
    with pytest.raises(library.InvalidRequestError, match="only specify `due_date`"):
        create({"customer": customer, "due_date": NOW + DAY})
    assert create(sent | {"due_date": NOW + 5}).due_date == NOW + 5
    made = create(sent | {"days_until_due": 14})
    assert made.due_date == NOW + 14 * DAY
    assert made.auto_advance is False
    assert stripe.v1.invoices.send_invoice(made.id).status == "paid"
    assert server.events[-1]["type"] == "invoice.sent"
    with pytest.raises(library.InvalidRequestError, match="'send_invoice'"):
        stripe.v1.invoices.send_invoice(create({"customer": customer}).id)


@pytest.mark.parametrize("at_once", [True, False])
def test_what_advances_by_itself_is_collected(
    server: StripeServer, stripe: Client, customer: str, *, at_once: bool
) -> None:
    server.engine.collects_at_once = at_once
    made = stripe.v1.invoices.create({"customer": customer, "auto_advance": True})
    stripe.v1.invoices.add_lines(made.id, {"lines": [{"amount": 500}]})
    assert stripe.v1.invoices.finalize_invoice(made.id).status == ("paid" if at_once else "open")
    server.collect()
    assert status(server, made.id) == ("paid", 500, 0)
    assert len(server.objects("charges")) == 1


def test_balances_and_small_amounts(server: StripeServer, stripe: Client, customer: str) -> None:
    stripe.v1.customers.update(customer, {"balance": -700})

    def finalized(amount: int) -> tuple[str | None, int, int | None]:
        made = stripe.v1.invoices.create({"customer": customer})
        stripe.v1.invoices.add_lines(made.id, {"lines": [{"amount": amount}]})
        final = stripe.v1.invoices.finalize_invoice(made.id)
        return final.status, final.amount_due, final.ending_balance

    assert finalized(500) == ("paid", 0, -200)
    assert finalized(500) == ("open", 300, 0)
    server.engine.minimum_charge = 50
    assert finalized(49) == ("paid", 0, 49)
    assert finalized(50) == ("open", 99, 0)
    assert finalized(-60) == ("paid", 0, -60)


def test_pending_items_are_taken_only_when_asked_for(stripe: Client, customer: str) -> None:
    item = stripe.v1.invoice_items.create(
        {"customer": customer, "amount": 300, "currency": "usd", "description": "Set-up"}
    )
    assert stripe.v1.invoices.create({"customer": customer}).total == 0
    with_it = stripe.v1.invoices.create(
        {"customer": customer, "pending_invoice_items_behavior": "include"}
    )
    assert with_it.total == 300
    assert stripe.v1.invoice_items.list({"pending": True}).data == []
    assert stripe.v1.invoice_items.retrieve(item.id).invoice == with_it.id
    stripe.v1.invoice_items.delete(item.id)
    assert stripe.v1.invoices.retrieve(with_it.id).total == 0
    stripe.v1.invoice_items.create({"customer": customer, "invoice": with_it.id, "amount": 20})
    assert stripe.v1.invoices.retrieve(with_it.id).total == 20


def test_lists_of_invoices(server: StripeServer, stripe: Client, customer: str) -> None:
    for amount in (100, 0):
        made = stripe.v1.invoices.create({"customer": customer})
        stripe.v1.invoices.add_lines(made.id, {"lines": [{"amount": amount}]})
        stripe.v1.invoices.finalize_invoice(made.id)
    stripe.v1.invoices.mark_uncollectible(server.objects("invoices")[0]["id"])
    listed = stripe.v1.invoices.list({"customer": customer}).data
    assert [(row.status, row.total) for row in listed] == [("paid", 0), ("uncollectible", 100)]
    assert len(stripe.v1.invoices.list({"status": "paid"}).data) == 1
    assert stripe.v1.invoices.list({"collection_method": "send_invoice"}).data == []
