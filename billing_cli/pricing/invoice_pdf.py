"""What a document says: an invoice or a credit note as frozen values.

A :class:`Document` is the same whatever language it is printed in;
:mod:`billing_cli.pricing.invoice_pdf_data` makes of it what templates get.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

INVOICE, CREDIT_NOTE = "invoice", "credit_note"


@dataclass(frozen=True, slots=True)
class Seller:
    """Who sends the document; what is not said is None or empty. ``logo`` is a file's name."""

    name: str | None = None
    address: tuple[str, ...] = ()
    email: str | None = None
    phone: str | None = None
    website: str | None = None
    tax_number: str | None = None
    logo: str | None = None
    payment_instructions: tuple[str, ...] = ()
    footer: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who gets the document; what nobody has said is None or empty."""

    id: str
    name: str | None = None
    address: tuple[str, ...] = ()
    email: str | None = None
    tax_number: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line; quantity and unit price are decimal texts, ``amount`` is in minor units.

    That of a credit note says why, and ``about`` which line of the invoice it takes back.
    """

    kind: str
    description: str
    amount: int
    item: str | None = None
    quantity: str | None = None
    unit: str | None = None
    unit_price: str | None = None
    about: Line | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """What a payment paid of the invoice, in minor units."""

    received: date
    amount: int
    method: str
    reference: str | None


@dataclass(frozen=True, slots=True)
class Note:
    """A credit note about the invoice, and where its amount went, in minor units."""

    number: str
    issued: date
    applied: int
    credited: int
    refunded: int


@dataclass(frozen=True, slots=True)
class Document:
    """An invoice or credit note, as of now; amounts in minor units, dates local.

    ``subtotal + tax - credits = total``, and ``balance_due`` is None where nothing can be due:
    on drafts, void invoices and credit notes.
    """

    kind: str
    id: int
    state: str
    number: str | None
    currency: str
    buyer: Buyer
    language: str | None
    issued: date
    first: date
    last: date
    lines: tuple[Line, ...]
    subtotal: int
    tax: int
    credits: int
    total: int
    tax_name: str | None = None
    tax_percent: str | None = None
    due: date | None = None
    paid: date | None = None
    voided: date | None = None
    invoice_number: str | None = None
    payments: tuple[Payment, ...] = ()
    notes: tuple[Note, ...] = ()
    balance_due: int | None = None
    memo: tuple[str, ...] = ()
    payment_url: str | None = None


def split_lines(text: str | None) -> tuple[str, ...]:
    """Return the lines of a text that are not blank."""
    return tuple(line.strip() for line in (text or "").splitlines() if line.strip())
