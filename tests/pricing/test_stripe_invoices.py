"""Invoices, their lines and payments, and credit notes, read from old and new places."""

from __future__ import annotations

from dataclasses import replace

import pytest

from billing_cli.pricing.stripe_objects import (
    CreditNote,
    Invoice,
    InvoiceLine,
    InvoicePayment,
    read_credit_note,
    read_invoice,
    read_invoice_line,
    read_invoice_payment,
)
from tests.pricing import stripe_payloads as payloads

LINE = InvoiceLine(
    id="il_1",
    amount=-2500,
    description="Unused time on Pro after 10 Nov 2025",
    quantity=1,
    price="price_1",
    period_start=1_762_799_368,
    period_end=1_765_391_364,
    proration=True,
)
PAYMENT = InvoicePayment(
    id="inpay_1",
    status="paid",
    amount_paid=22500,
    payment_intent="pi_1",
    charge=None,
    payment_record=None,
    invoice="in_1",
)
INVOICE = Invoice(
    id="in_1",
    customer="cus_1",
    number="A-0001",
    status="paid",
    currency="USD",
    total=22500,
    subtotal=20000,
    tax=2500,
    amount_due=22500,
    amount_paid=22500,
    amount_remaining=0,
    credited=0,
    subscription="sub_1",
    created=1_762_799_364,
    finalized_at=1_762_799_365,
    due_date=None,
    paid_at=1_762_799_366,
    voided_at=None,
    period_start=1_762_799_364,
    period_end=1_765_391_364,
    billing_reason="subscription_update",
    collection_method="charge_automatically",
    auto_advance=False,
    hosted_invoice_url="https://invoice.example.com/i/1",
    invoice_pdf="https://invoice.example.com/i/1.pdf",
    metadata={},
    description=None,
    starting_balance=-100,
    payments=(PAYMENT,),
    payments_complete=True,
    lines=(LINE,),
    lines_complete=True,
    paid_out_of_band=None,
    deleted=False,
)


def test_an_invoice_is_read_from_new_places() -> None:
    assert read_invoice(payloads.NEW_INVOICE) == INVOICE


def test_an_invoice_is_read_from_old_places() -> None:
    payment = replace(PAYMENT, id=None, charge="ch_1")
    assert read_invoice(payloads.OLD_INVOICE) == replace(
        INVOICE, payments=(payment,), paid_out_of_band=False
    )


@pytest.mark.parametrize(
    ("fields", "payments"),
    [
        ({}, [("paid", 22500)]),
        ({"payment_intent": None}, [("paid", 22500)]),
        ({"payment_intent": None, "charge": None}, []),
        ({"status": "open", "paid": False, "amount_paid": 0}, [("open", 0)]),
        # Nothing was taken through the intent, which is cancelled.
        ({"paid_out_of_band": True}, [("canceled", 0)]),
        ({"status": "void", "paid": False, "amount_paid": 0}, [("canceled", 0)]),
        # Before it had a status, an invoice only said whether it was paid.
        ({"status": None}, [("paid", 22500)]),
    ],
)
def test_the_payment_of_an_old_invoice(
    fields: payloads.JSON, payments: list[tuple[str, int]]
) -> None:
    invoice = read_invoice(payloads.OLD_INVOICE | fields)
    assert [(payment.status, payment.amount_paid) for payment in invoice.payments] == payments
    assert invoice.payments_complete


def test_the_payments_of_a_new_invoice_are_many_or_not_there() -> None:
    record = {
        "id": "inpay_2",
        "status": "paid",
        "amount_paid": 500,
        "payment": {"type": "payment_record", "payment_record": {"id": "pr_1"}},
    }
    charge = {"id": "inpay_3", "status": "canceled", "payment": {"charge": "ch_1"}}
    both = read_invoice(
        payloads.NEW_INVOICE | {"payments": payloads.listed(record, charge, has_more=True)}
    )
    assert both.payments == (
        InvoicePayment("inpay_2", "paid", 500, None, None, "pr_1"),
        InvoicePayment("inpay_3", "canceled", 0, None, "ch_1", None),
    )
    assert not both.payments_complete
    left_out = {name: at for name, at in payloads.NEW_INVOICE.items() if name != "payments"}
    for document in (left_out, left_out | {"payments": None}):
        invoice = read_invoice(document)
        assert (invoice.payments, invoice.payments_complete) == ((), False)


@pytest.mark.parametrize(
    ("fields", "tax"),
    [
        ({"total_taxes": []}, 0),
        ({"total_taxes": None, "tax": 7}, 7),
        ({"total_taxes": None, "total_tax_amounts": [{"amount": 3}, {"amount": 4}]}, 7),
        ({"total_taxes": None, "tax": None}, 0),
    ],
)
def test_taxes_are_summed_wherever_they_stand(fields: payloads.JSON, tax: int) -> None:
    assert read_invoice(payloads.NEW_INVOICE | fields).tax == tax


def test_what_remains_is_what_is_due_and_not_paid() -> None:
    invoice = {"id": "in_1", "amount_due": 900, "amount_paid": 200}
    assert read_invoice(invoice).amount_remaining == 700
    assert read_invoice(invoice | {"amount_remaining": 0}).amount_remaining == 0


@pytest.mark.parametrize("parent", [None, {"subscription_details": None}, "sub_2"])
def test_an_invoice_of_no_subscription(parent: object) -> None:
    assert read_invoice(payloads.NEW_INVOICE | {"parent": parent}).subscription is None


def test_lines_may_be_more_than_came() -> None:
    more = payloads.listed(payloads.NEW_LINE, has_more=True)
    assert not read_invoice(payloads.NEW_INVOICE | {"lines": more}).lines_complete
    nothing = read_invoice(payloads.NEW_INVOICE | {"lines": None})
    assert (nothing.lines, nothing.lines_complete) == ((), False)


def test_a_deleted_invoice_has_only_its_id() -> None:
    invoice = read_invoice({"id": "in_1", "object": "invoice", "deleted": True})
    assert (invoice.deleted, invoice.id, invoice.total, invoice.status) == (True, "in_1", 0, "")


def test_a_line_is_read_from_old_and_new_places() -> None:
    assert read_invoice_line(payloads.NEW_LINE) == LINE
    assert read_invoice_line(payloads.OLD_LINE) == LINE


def test_a_line_may_be_of_a_plan_of_an_item_or_of_nothing() -> None:
    plan = read_invoice_line(payloads.OLD_LINE | {"price": None, "proration": False})
    assert (plan.price, plan.proration) == ("Gold Plan", False)
    parent = {"subscription_item_details": None, "invoice_item_details": {"proration": True}}
    item = read_invoice_line(payloads.NEW_LINE | {"parent": parent, "pricing": None})
    assert (item.price, item.proration) == (None, True)
    pricing = {"price_details": {"price": payloads.PRICE}}
    assert read_invoice_line(payloads.NEW_LINE | {"pricing": pricing}).price == "price_1"
    bare = read_invoice_line({"id": "il_1"})
    assert bare == InvoiceLine("il_1", 0, "", None, None, None, None, proration=False)


def test_a_payment_of_an_invoice_is_read() -> None:
    assert read_invoice_payment(payloads.INVOICE_PAYMENT) == PAYMENT
    intent = {"type": "payment_intent", "payment_intent": payloads.NEW_INTENT}
    assert read_invoice_payment(payloads.INVOICE_PAYMENT | {"payment": intent}) == PAYMENT


def test_a_credit_note_is_read_from_old_and_new_places() -> None:
    note = CreditNote(
        id="cn_1",
        invoice="in_1",
        number="A-0001-CN-01",
        status="issued",
        amount=500,
        currency="USD",
        metadata={"billing_credit_note": "7"},
        refunds=("re_1", "re_2"),
        created=1_762_800_108,
    )
    assert read_credit_note(payloads.CREDIT_NOTE) == note
    old = payloads.CREDIT_NOTE | {"refunds": None, "refund": "re_1"}
    assert read_credit_note(old) == replace(note, refunds=("re_1",))
    assert read_credit_note(old | {"refund": None}).refunds == ()
    elsewhere = [{"type": "payment_record_refund", "refund": None}]
    assert read_credit_note(payloads.CREDIT_NOTE | {"refunds": elsewhere}).refunds == ()
