"""What is owed at Stripe: invoices with their lines and payments, and credit notes.

Read from the JSON of any API version, as ``stripe_payments`` says. In 2025 (version ``basil``) an
invoice's subscription, payments and taxes moved, and so did the price of a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from billing_cli.pricing.stripe_fields import (
    amount,
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

_DETAILS: Final = ("subscription_item_details", "invoice_item_details")


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line. ``amount`` is before taxes that are added; the period is in epoch seconds."""

    id: str
    amount: int
    description: str
    quantity: int | None
    price: str | None
    period_start: int | None
    period_end: int | None
    proration: bool


@dataclass(frozen=True, slots=True)
class InvoicePayment:
    """One payment of an invoice: ``open``, ``paid`` or ``canceled``.

    It has one of the three ids: that of a payment intent, of a charge without one, or of a
    payment record (money that Stripe did not move). An old invoice's has no id of its own.
    """

    id: str | None
    status: str
    amount_paid: int
    payment_intent: str | None
    charge: str | None
    payment_record: str | None
    invoice: str | None = None


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice.

    ``payments_complete`` and ``lines_complete`` are False if there may be more than are here:
    then the rest has to be listed. ``paid_out_of_band`` is None in new versions, which leave it
    out. ``credited`` is what credit notes took off before it was paid. ``tax`` is the sum of all
    taxes, those inside the prices too. A deleted invoice has an id and nothing else.
    """

    id: str
    customer: str | None
    number: str | None
    status: str
    currency: str
    total: int
    subtotal: int
    tax: int
    amount_due: int
    amount_paid: int
    amount_remaining: int
    credited: int
    subscription: str | None
    created: int
    finalized_at: int | None
    due_date: int | None
    paid_at: int | None
    voided_at: int | None
    period_start: int | None
    period_end: int | None
    billing_reason: str | None
    collection_method: str | None
    auto_advance: bool
    hosted_invoice_url: str | None
    invoice_pdf: str | None
    metadata: Mapping[str, str]
    description: str | None
    starting_balance: int
    payments: tuple[InvoicePayment, ...]
    payments_complete: bool
    lines: tuple[InvoiceLine, ...]
    lines_complete: bool
    paid_out_of_band: bool | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class CreditNote:
    """A credit note, and the refunds that belong to it."""

    id: str
    invoice: str | None
    number: str | None
    status: str
    amount: int
    currency: str
    metadata: Mapping[str, str]
    refunds: tuple[str, ...]
    created: int


def read_invoice(obj: object) -> Invoice:
    """Read an invoice with the lines and payments that came with it."""
    invoice = opened(obj, "invoice", "invoice")
    lines, lines_complete = rows(invoice.get("lines"))
    payments, payments_complete = _payments(invoice)
    out_of_band = invoice.get("paid_out_of_band")
    moments = invoice.get("status_transitions")
    return Invoice(
        id=own_id(invoice),
        customer=reference(invoice.get("customer")),
        number=text(invoice.get("number")),
        status=_status(invoice),
        currency=currency(invoice.get("currency")),
        total=amount(invoice, "total"),
        subtotal=amount(invoice, "subtotal"),
        tax=_tax(invoice),
        amount_due=amount(invoice, "amount_due"),
        amount_paid=amount(invoice, "amount_paid"),
        amount_remaining=_remaining(invoice),
        credited=amount(invoice, "pre_payment_credit_notes_amount"),
        subscription=reference(at(invoice, "parent", "subscription_details", "subscription"))
        or reference(invoice.get("subscription")),
        created=instant(invoice.get("created")) or 0,
        finalized_at=instant(at(moments, "finalized_at")),
        due_date=instant(invoice.get("due_date")),
        paid_at=instant(at(moments, "paid_at")),
        voided_at=instant(at(moments, "voided_at")),
        period_start=instant(invoice.get("period_start")),
        period_end=instant(invoice.get("period_end")),
        billing_reason=text(invoice.get("billing_reason")),
        collection_method=text(invoice.get("collection_method")),
        auto_advance=flag(invoice.get("auto_advance")),
        hosted_invoice_url=text(invoice.get("hosted_invoice_url")),
        invoice_pdf=text(invoice.get("invoice_pdf")),
        metadata=metadata(invoice.get("metadata")),
        description=text(invoice.get("description")),
        starting_balance=amount(invoice, "starting_balance"),
        payments=payments,
        payments_complete=payments_complete,
        lines=tuple(map(read_invoice_line, lines)),
        lines_complete=lines_complete,
        paid_out_of_band=out_of_band if isinstance(out_of_band, bool) else None,
        deleted=flag(invoice.get("deleted")),
    )


def read_invoice_line(obj: object) -> InvoiceLine:
    """Read a line of an invoice."""
    line = opened(obj, "invoice line")
    return InvoiceLine(
        id=own_id(line),
        amount=amount(line, "amount"),
        description=word(line.get("description")),
        quantity=whole(line.get("quantity")),
        price=reference(at(line, "pricing", "price_details", "price"))
        or reference(line.get("price"))
        or reference(line.get("plan")),
        period_start=instant(at(line, "period", "start")),
        period_end=instant(at(line, "period", "end")),
        proration=flag(line.get("proration"))
        or any(flag(at(line, "parent", details, "proration")) for details in _DETAILS),
    )


def read_invoice_payment(obj: object) -> InvoicePayment:
    """Read a payment of an invoice, as new versions have it: an object of its own."""
    payment = opened(obj, "invoice payment", "invoice_payment")
    return InvoicePayment(
        id=own_id(payment),
        status=word(payment.get("status")),
        amount_paid=amount(payment, "amount_paid"),
        payment_intent=reference(at(payment, "payment", "payment_intent")),
        charge=reference(at(payment, "payment", "charge")),
        payment_record=reference(at(payment, "payment", "payment_record")),
        invoice=reference(payment.get("invoice")),
    )


def read_credit_note(obj: object) -> CreditNote:
    """Read a credit note. Its amount is with taxes."""
    note = opened(obj, "credit note", "credit_note")
    refunds, _ = rows(note.get("refunds"))
    # Until 2025 there was one refund at most, in a field of its own.
    found = [reference(at(entry, "refund")) for entry in refunds] or [reference(note.get("refund"))]
    return CreditNote(
        id=own_id(note),
        invoice=reference(note.get("invoice")),
        number=text(note.get("number")),
        status=word(note.get("status")),
        amount=amount(note, "amount"),
        currency=currency(note.get("currency")),
        metadata=metadata(note.get("metadata")),
        refunds=tuple(refund for refund in found if refund is not None),
        created=instant(note.get("created")) or 0,
    )


def _status(invoice: Mapping[str, object]) -> str:
    # The oldest versions have flags in its place.
    return word(invoice.get("status")) or ("paid" if flag(invoice.get("paid")) else "")


def _remaining(invoice: Mapping[str, object]) -> int:
    """Return what is still to be paid; where it is not said, that is the rest of what is due."""
    remaining = amount_or_none(invoice, "amount_remaining")
    if remaining is None:
        remaining = amount(invoice, "amount_due") - amount(invoice, "amount_paid")
    return remaining


def _tax(invoice: Mapping[str, object]) -> int:
    """Return the sum of all taxes: a list now, a number or a list of another name before."""
    total = amount(invoice, "tax")
    for name in ("total_taxes", "total_tax_amounts"):
        entries, _ = rows(invoice.get(name))
        if entries:
            return sum(amount(entry, "amount") for entry in entries if isinstance(entry, Mapping))
    return total


def _payments(invoice: Mapping[str, object]) -> tuple[tuple[InvoicePayment, ...], bool]:
    """Return the payments of an invoice and whether they are all.

    An old invoice has one at most, in fields of its own; a new one leaves the list out unless it
    was asked for.
    """
    if invoice.get("payments") is not None:
        payments, complete = rows(invoice["payments"])
        return tuple(map(read_invoice_payment, payments)), complete
    intent, charge = reference(invoice.get("payment_intent")), reference(invoice.get("charge"))
    if intent is None and charge is None:
        return (), not {"payment_intent", "charge", "paid"}.isdisjoint(invoice)
    status, paid = _status(invoice), 0
    if flag(invoice.get("paid_out_of_band")) or status == "void":
        status = "canceled"  # Stripe cancels the intent: nothing was taken through it.
    elif status == "paid":
        paid = amount(invoice, "amount_paid")
    else:
        status = "open"
    return (InvoicePayment(None, status, paid, intent, charge, None, own_id(invoice)),), True
