"""A document as data for a template: plain JSON values, in a language.

Each amount, quantity and date is there as a value (decimal text, ISO 8601) and as the text to
print; ``docs/pdf-template.md`` describes all of it. What words and numbers look like in a language
is not known here: a :class:`Texts` says it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import TYPE_CHECKING, Final, Protocol

from billing_cli.pricing.invoice_pdf import CREDIT_NOTE
from billing_cli.pricing.money import exponent, format_minor, to_minor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from billing_cli.pricing.invoice_pdf import Document, Line, Note, Seller

    Data = dict[str, object]

_ONE: Final = "1.00"
_LEAST_DECIMALS: Final = 2
_DECIMALS: Final = 10
# More than any amount, price or quantity has.
_DIGITS: Final = 80
_PLACE: Final = re.compile(r"\{(\w+)\}")
_RANGE: Final = re.compile(
    r"(?s)(.*), ([0-9]{4}-[0-9]{2}-[0-9]{2}) to ([0-9]{4}-[0-9]{2}-[0-9]{2})"
)
_CORRECTION: Final = re.compile(r"(?s)(.*), correction for (\S+)")
_UNUSED: Final = re.compile(r"(?s)(.*), unused from ([0-9]{4}-[0-9]{2}-[0-9]{2}) on")
_CUSTOM: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})\.\.([0-9]{4}-[0-9]{2}-[0-9]{2})")
_MONTH: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


class Texts(Protocol):
    """A language: its words, and how it writes numbers, money and dates."""

    @property
    def tag(self) -> Mapping[str, str | None]:
        """The language's ``code``, ``script``, ``region`` and ``direction``."""

    @property
    def words(self) -> Mapping[str, str]:
        """The fixed words."""

    @property
    def units(self) -> Mapping[str, str]:
        """The names of the units in which quantities are billed."""

    @property
    def items(self) -> Mapping[str, str]:
        """What lines are about, and the patterns of what is said about them."""

    def number(self, value: str, least: int) -> str:
        """Write a decimal text with all its decimals, and at least so many."""

    def money(self, value: str, currency: str) -> str:
        """Write an amount, with exactly its decimals, and its currency."""

    def percent(self, value: str) -> str:
        """Write a percentage."""

    def day(self, value: date) -> str:
        """Write a date."""

    def days(self, first: date, last: date) -> str:
        """Write the dates from the first to the last."""

    def month(self, value: date) -> str:
        """Write the month and year of a date."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a document is to look: paper, fonts in order, and the picture of the QR code (SVG)."""

    paper: str
    fonts: tuple[str, ...]
    qr: str | None = None


def fill(pattern: str, **values: str) -> str:
    """Put values into the places of a pattern; braces in a value mean nothing."""
    return _PLACE.sub(lambda found: values.get(found[1], found[0]), pattern)


def checkable(quantity: str, unit_price: str | None, amount: int, currency: str) -> str:
    """Return a quantity with as few decimals, two at least, as give the amount with its price.

    So who multiplies what is printed gets what is printed. All decimals stay where none of the
    shorter forms does that: a correction is a difference of amounts, each rounded.
    """
    if unit_price is None:
        return quantity
    exact, price = Decimal(quantity), Decimal(unit_price)
    with localcontext(prec=_DIGITS):
        for decimals in range(_LEAST_DECIMALS, _DECIMALS):
            shown = exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
            if to_minor(shown * price, currency) == amount:
                return str(shown)
    return quantity


def title_of(document: Document, texts: Texts) -> str:
    """Return what the document is called: its kind and number."""
    number = document.number or f"({texts.words['draft']})"
    return f"{texts.words[document.kind]} {number}"


def data_of(document: Document, seller: Seller, look: Look, texts: Texts) -> Data:
    """Return the JSON-able object that a template gets (``docs/pdf-template.md``)."""
    writer = _Writer(document.currency, texts)
    words = dict(texts.words)
    if document.kind == CREDIT_NOTE:
        words["number"] = words["credit_note_number"]
    return {
        "format": 1,
        "kind": document.kind,
        "state": document.state,
        "title": title_of(document, texts),
        "number": document.number,
        "invoice_number": document.invoice_number,
        "currency": document.currency,
        "language": dict(texts.tag),
        "paper": look.paper,
        "fonts": list(look.fonts),
        "words": words,
        "seller": _seller(seller),
        "buyer": {
            "id": document.buyer.id,
            "name": document.buyer.name,
            "address": list(document.buyer.address),
            "email": document.buyer.email,
            "tax_number": document.buyer.tax_number,
        },
        "issued": writer.day(document.issued),
        "due": writer.day(document.due),
        "paid": writer.day(document.paid),
        "voided": writer.day(document.voided),
        "period": {
            "first": document.first.isoformat(),
            "last": document.last.isoformat(),
            "text": texts.days(document.first, document.last),
        },
        "lines": [writer.line(line) for line in document.lines],
        **writer.sums(document),
        "memo": list(document.memo),
        "remarks": list(writer.remarks(document)),
        "payment": _payment(document, seller, look),
    }


def _seller(seller: Seller) -> Data:
    return {
        "name": seller.name,
        "address": list(seller.address),
        "email": seller.email,
        "phone": seller.phone,
        "website": seller.website,
        "tax_number": seller.tax_number,
        "logo": seller.logo,
        "footer": list(seller.footer),
    }


def _payment(document: Document, seller: Seller, look: Look) -> Data | None:
    """Return how to pay, where something is due and there is something to say about it."""
    if not document.balance_due or not (seller.payment_instructions or document.payment_url):
        return None
    return {
        "instructions": list(seller.payment_instructions),
        "url": document.payment_url,
        "qr": look.qr,
    }


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes values beside their texts in one currency and language."""

    currency: str
    texts: Texts

    def money(self, minor: int) -> Data:
        value = format_minor(minor, self.currency)
        return {
            "value": value,
            "number": self.texts.number(value, exponent(self.currency)),
            "text": self.texts.money(value, self.currency),
        }

    def day(self, value: date | None) -> Data | None:
        return (
            None if value is None else {"value": value.isoformat(), "text": self.texts.day(value)}
        )

    def decimal(self, value: str | None, least: int) -> Data | None:
        if value is None:
            return None
        return {"value": value, "text": self.texts.number(value, least)}

    def line(self, line: Line) -> Data:
        return {
            "kind": line.kind,
            "description": {"value": line.description, "text": described(line, self.texts)},
            "quantity": self.quantity(line),
            "unit": self.unit(line),
            "unit_price": self.decimal(line.unit_price, exponent(self.currency)),
            "amount": self.money(line.amount),
        }

    def quantity(self, line: Line) -> Data | None:
        if line.quantity is None:
            return None
        shown = checkable(line.quantity, line.unit_price, line.amount, self.currency)
        return {"value": line.quantity, "text": self.texts.number(shown, _LEAST_DECIMALS)}

    def unit(self, line: Line) -> Data | None:
        if line.unit is None:
            return None
        # Where a quantity is one, plans have a word of their own: one month, one year.
        one = line.unit.removesuffix("s") if line.quantity == _ONE else line.unit
        return {
            "value": line.unit,
            "text": self.texts.units.get(one, self.texts.units[line.unit]),
        }

    def sums(self, document: Document) -> Data:
        due = document.balance_due
        return {
            "subtotal": self.money(document.subtotal),
            "tax": self.tax(document),
            "credits": self.money(-document.credits) if document.credits else None,
            "total": self.money(document.total),
            "settled": list(self.settled(document)),
            "balance_due": None if due is None else self.money(due),
        }

    def tax(self, document: Document) -> Data | None:
        if document.tax_name is None:
            return None
        percent, name = document.tax_percent, document.tax_name
        text = name
        # Many a rate is called after its percentage already.
        if percent is not None and f"{percent}%" not in name.replace(" ", ""):
            text = f"{name} {self.texts.percent(percent)}"
        return {
            "name": {"value": name, "text": text},
            "percent": percent,
            "amount": self.money(document.tax),
        }

    def settled(self, document: Document) -> Iterator[Data]:
        if document.kind == CREDIT_NOTE:
            return
        for payment in document.payments:
            yield {
                "kind": "payment",
                "text": fill(self.texts.words["payment"], date=self.texts.day(payment.received)),
                "date": self.day(payment.received),
                "number": None,
                "method": payment.method,
                "reference": payment.reference,
                "amount": self.money(-payment.amount),
            }
        for note in document.notes:
            if note.applied:
                yield {
                    "kind": CREDIT_NOTE,
                    "text": self.note(note),
                    "date": self.day(note.issued),
                    "number": note.number,
                    "method": None,
                    "reference": None,
                    "amount": self.money(-note.applied),
                }

    def note(self, note: Note) -> str:
        day = self.texts.day(note.issued)
        return fill(self.texts.words["note"], number=note.number, date=day)

    def remarks(self, document: Document) -> Iterator[str]:
        """Say where the parts of credit notes went that change nothing about what is due."""
        own = document.kind == CREDIT_NOTE
        for note in document.notes:
            names = ("applied", "credited", "refunded") if own else ("credited", "refunded")
            for name in names:
                if amount := getattr(note, name):
                    money = self.texts.money(format_minor(amount, self.currency), self.currency)
                    said = fill(self.texts.words[name], amount=money)
                    yield said if own else f"{self.note(note)}. {said}"


def described(line: Line, texts: Texts) -> str:  # noqa: PLR0911 - a table of patterns
    """Return a line's description in a language; what an operator or plan said stays as it is."""
    said = line.description
    if line.about is not None:
        return f"{described(line.about, texts)}: {said}"
    if line.kind == "carried":
        return texts.items["carried"]
    if line.item is None:
        return said
    if found := _RANGE.fullmatch(said):
        return _said(texts, "range", found[1], line, range=_days(found[2], found[3], texts))
    if found := _UNUSED.fullmatch(said):
        day = _date(found[2])
        return _said(texts, "unused", found[1], line, date=texts.day(day) if day else found[2])
    found = _CORRECTION.fullmatch(said)
    if found:
        return _said(texts, "correction", found[1], line, period=_period(found[2], texts))
    return _name(said, line, texts)


def _said(texts: Texts, pattern: str, name: str, line: Line, **values: str) -> str:
    return fill(texts.items[pattern], name=_name(name, line, texts), **values)


def _name(said: str, line: Line, texts: Texts) -> str:
    """Return the name of what a line bills: of a resource in the language, of a plan as it is."""
    overage, _, resource = (line.item or "").rpartition(":")
    key = f"{resource}_overage" if overage == "overage" else resource if not overage else ""
    return texts.items.get(key, said) if key else said


def _period(name: str, texts: Texts) -> str:
    """Return a period's name: of a month as the language calls it, of a custom one its dates."""
    if _MONTH.fullmatch(name) and (day := _date(f"{name}-01")):
        return texts.month(day)
    found = _CUSTOM.fullmatch(name)
    return _days(found[1], found[2], texts) if found else name


def _days(first: str, last: str, texts: Texts) -> str:
    start, end = _date(first), _date(last)
    return texts.days(start, end) if start and end else f"{first} - {last}"


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
