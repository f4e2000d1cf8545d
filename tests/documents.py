"""Documents to typeset, and what is in a PDF."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from pypdf import PdfReader

from billing_cli.gateway.languages import language
from billing_cli.gateway.pdf import qr_code, typesetter
from billing_cli.pricing.invoice_pdf import Buyer, Document, Line, Note, Payment, Seller
from billing_cli.pricing.invoice_pdf_data import Look, data_of

if TYPE_CHECKING:
    from billing_cli.gateway.pdf import Typeset

SELLER: Final = Seller(
    name="Example Cloud Ltd",
    address=("12 Harbour Street", "Bristol BS1 4QA"),
    email="billing@example.com",
    phone="+44 117 496 0000",
    website="https://example.com",
    tax_number="GB 123 4567 89",
    payment_instructions=("IBAN GB33 BUKB 2020 1555 5555 55",),
    footer=("Registered in England No. 01234567",),
)
LINE: Final = Line("overage", "CPU overage", 100, "overage:cpu", "20.00", "core-hours", "0.05")
INVOICE: Final = Document(
    kind="invoice",
    id=1,
    state="overdue",
    number="INV-2025-000001",
    currency="USD",
    buyer=Buyer("john", "John Doe", ("Hauptstraße 5",), "john@example.com", "DE123456789"),
    language=None,
    issued=date(2025, 2, 1),
    first=date(2025, 1, 1),
    last=date(2025, 1, 31),
    lines=(LINE, Line("manual", "Setup", 5499)),
    subtotal=5599,
    tax=1120,
    credits=500,
    total=6219,
    tax_name="VAT",
    tax_percent="20",
    due=date(2025, 2, 28),
    paid=date(2025, 3, 1),
    voided=date(2025, 3, 2),
    payments=(Payment(date(2025, 2, 3), 1000, "manual", "Transfer 815"),),
    notes=(Note("CN-2025-000001", date(2025, 2, 4), 2000, 300, 700),),
    balance_due=3219,
    memo=("Order 4711",),
    payment_url="https://pay.example.com/INV-2025-000001",
)


def data(document: Document, tag: str = "en", seller: Seller = SELLER) -> dict[str, Any]:
    """The data of a document as a template gets it."""
    texts = language(tag)
    fonts = typesetter(None, None).families(texts.tag["script"])
    url = document.payment_url
    look = Look("a4", fonts, None if url is None else qr_code(url))
    return data_of(document, seller, look, texts)


def typeset(document: Document, tag: str = "en", **changed: Any) -> Typeset:
    """A document as the built-in template makes it, with some of its data changed."""
    return typesetter(None, None).typeset({**data(document, tag), **changed}, 0)


def named(name: str, **changed: Any) -> Document:
    """An invoice of a user of that name."""
    return replace(INVOICE, buyer=Buyer("u1", name), **changed)


def reader(pdf: bytes) -> PdfReader:
    """What reads a PDF, which must be one."""
    return PdfReader(io.BytesIO(pdf), strict=True)


def text_of(pdf: bytes) -> str:
    """All text of a PDF, its kinds of space made plain."""
    pages = [page.extract_text() for page in reader(pdf).pages]
    return " ".join("\n".join(pages).replace("\u200b", "").split())


def language_of(found: PdfReader) -> str:
    """The language that a PDF says it is in."""
    return str(found.root_object["/Lang"])


def links_of(found: PdfReader) -> list[str]:
    """The addresses that a PDF links to."""
    notes: list[Any] = [
        note.get_object() for page in found.pages for note in page.annotations or ()
    ]
    return [note["/A"]["/URI"] for note in notes]
