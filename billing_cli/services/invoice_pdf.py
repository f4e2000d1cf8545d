"""Invoices and credit notes as PDF documents.

:func:`render_invoice` is for whoever needs the document of one invoice, such as a mail;
:class:`Printer` makes many, and is what ``billing invoice pdf`` works with.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from urllib.parse import quote

from billing_cli.errors import NotFoundError, UsageError
from billing_cli.gateway import languages, pdf
from billing_cli.harmless import visible
from billing_cli.pricing.invoice_pdf import (
    CREDIT_NOTE,
    INVOICE,
    Buyer,
    Document,
    Line,
    Note,
    Payment,
    Seller,
    split_lines,
)
from billing_cli.pricing.invoice_pdf_data import Look, data_of, fill, title_of
from billing_cli.pricing.money import format_minor
from billing_cli.services import terms
from billing_cli.services.invoices import amount_due, unit_of
from billing_cli.settings import in_config_folder
from billing_cli.store import invoice_pdf as store
from billing_cli.store import invoices, stripe_invoices

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from billing_cli.app import App
    from billing_cli.gateway.languages import Language
    from billing_cli.gateway.pdf import Picture, Typesetter
    from billing_cli.pricing.periods import Calendar
    from billing_cli.store.credit_notes import NoteRow
    from billing_cli.store.invoice_rows import InvoiceRow, LineRow
    from billing_cli.store.unit_of_work import Transaction
    from billing_cli.store.users import UserRow

FINAL, VOID = "final", "void"
"""The states of a credit note."""

_EPOCH: Final = date(1970, 1, 1)
_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Wish:
    """What a command line says about the look of documents; None leaves it to the settings."""

    paper: str | None = None
    language: str | None = None
    template: Path | None = None


def available_languages() -> list[str]:
    """Return the languages that there are words for."""
    return languages.available()


def render_invoice(app: App, tx: Transaction, invoice: InvoiceRow) -> bytes:
    """Return an invoice's document, as the settings want it, in its user's language.

    The same invoice gives the same bytes. Raises :class:`NotInstalledError` where the extra
    ``pdf`` is not installed, :class:`NotConfiguredError` where logo or template cannot be read, and
    :class:`InvalidDataError` where the operator's own template cannot take the invoice.
    """
    printer = Printer(app)
    (document,) = printer.of_invoices(tx, [invoice])
    return printer.print(document)


def payment_url(app: App, invoice: InvoiceRow, page: str | None) -> str | None:
    """Return where an invoice can be paid online, None for nowhere.

    ``page`` is Stripe's own of the invoice, where it has one; without one it is what the settings
    say. This is the one place to ask: documents and messages show what it returns.
    """
    link = app.settings.values.payment_link
    due = amount_due(invoice)
    if due <= 0 or page is not None or link is None:
        return page if due > 0 else None
    values = {
        "invoice_number": invoice.invoice_number or "",
        "invoice_id": str(invoice.id),
        "user_id": invoice.user_id,
        "amount": format_minor(due, invoice.currency),
        "currency": invoice.currency,
    }
    return fill(link, **{name: quote(value, safe="") for name, value in values.items()})


@dataclass
class Printer:
    """Makes documents of invoices and credit notes; ``warnings`` are lines for the operator."""

    app: App
    wish: Wish = field(default_factory=Wish)
    warnings: list[str] = field(default_factory=list)
    _languages: dict[str, Language] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a language that there are no words for."""
        wanted = self.wish.language
        if wanted is not None and languages.named(wanted) is None:
            raise UsageError(
                f"--language: there are no words for {wanted!r}",
                f"use one of: {', '.join(languages.available())}",
            )

    @cached_property
    def _logo(self) -> Picture | None:
        path = self.app.settings.values.company.logo
        return None if path is None else pdf.read_logo(in_config_folder(self.app.settings, path))

    @cached_property
    def _typesetter(self) -> Typesetter:
        template, configured = self.wish.template, self.app.settings.values.documents.template
        if template is not None and not template.exists():
            raise NotFoundError(
                f"--template: there is no file {template}", "name one that is there"
            )
        if template is None and configured is not None:
            template = in_config_folder(self.app.settings, configured)
        return pdf.typesetter(template, self._logo)

    @cached_property
    def _seller(self) -> Seller:
        company = self.app.settings.values.company
        return Seller(
            name=company.name,
            address=split_lines(company.address),
            email=company.email,
            phone=company.phone,
            website=company.website,
            tax_number=company.tax_number,
            logo=None if self._logo is None else self._logo.name,
            payment_instructions=split_lines(company.payment_instructions),
            footer=split_lines(company.footer),
        )

    def prepare(self) -> None:
        """Raise what would keep every document from being made: see :func:`render_invoice`."""
        self._language_of_tag(self.app.settings.values.documents.language)
        _ = self._seller

    def of_invoices(self, tx: Transaction, rows: Sequence[InvoiceRow]) -> list[Document]:
        """Return the documents of invoices, in their order."""
        calendar = terms.read(tx, self.app.settings).history.calendar
        gathered = _Gathered(tx, rows)
        return [self._of_invoice(row, gathered, calendar) for row in rows]

    def of_note(self, tx: Transaction, note: NoteRow) -> Document:
        """Return the document of a credit note."""
        calendar = terms.read(tx, self.app.settings).history.calendar
        (invoice,) = invoices.by_ids(tx, [note.invoice_id])
        user = store.users(tx, [note.user_key]).get(note.user_key)
        lines = store.lines(tx, [invoice.id])
        about = next((_line(line) for line in lines if line.position == note.line), None)
        return Document(
            kind=CREDIT_NOTE,
            id=note.id,
            state=FINAL if note.voided_at is None else VOID,
            number=note.number,
            currency=note.currency,
            buyer=_buyer(note.user_id, user),
            language=None if user is None else user.language,
            issued=calendar.local_date(note.created_at),
            first=calendar.local_date(invoice.period_start),
            last=calendar.local_date(invoice.period_end - 1),
            lines=(Line(CREDIT_NOTE, visible(note.reason), note.net, about=about),),
            subtotal=note.net,
            tax=note.tax,
            credits=0,
            total=note.amount,
            tax_name=None if invoice.tax_name is None else visible(invoice.tax_name),
            tax_percent=invoice.tax_percent,
            voided=None if note.voided_at is None else calendar.local_date(note.voided_at),
            invoice_number=invoice.invoice_number,
            notes=(_note(note, calendar),),
        )

    def data(self, document: Document) -> dict[str, object]:
        """Return the data that a template gets of a document (``docs/pdf-template.md``)."""
        language = self._language_of(document)
        url = document.payment_url
        look = Look(
            paper=self.wish.paper or self.app.settings.values.documents.paper,
            fonts=self._typesetter.families(language.tag["script"]),
            qr=None if url is None else pdf.qr_code(url),
        )
        return data_of(document, self._seller, look, language)

    def print(self, document: Document) -> bytes:
        """Return the PDF of a document; what is doubtful about it is added to ``warnings``."""
        done = self._typesetter.typeset(self.data(document), _midnight(document.issued))
        if done.missing:
            title = title_of(document, languages.language(languages.ENGLISH))
            self._warn(f"{title}: no font has {' '.join(done.missing)}, which are shown as boxes")
        return done.pdf

    def _language_of(self, document: Document) -> Language:
        """Return the language to print in: one whose words can be shown here."""
        default = self.app.settings.values.documents.language
        return self._language_of_tag(self.wish.language or document.language or default)

    def _language_of_tag(self, tag: str) -> Language:
        if tag not in self._languages:
            language = languages.language(tag)
            families = self._typesetter.families(language.tag["script"])
            text = "".join([*language.words.values(), *language.items.values()])
            if self._typesetter.missing(text, families):
                self._warn(f"no font has the letters of {language.name}: using English instead")
                language = languages.language(languages.ENGLISH)
            self._languages[tag] = language
        return self._languages[tag]

    def _warn(self, text: str) -> None:
        line = f"{text}; docs/pdf.md says which fonts to install"
        if line not in self.warnings:
            self.warnings.append(line)

    def _of_invoice(self, row: InvoiceRow, found: _Gathered, calendar: Calendar) -> Document:
        user = found.users.get(row.user_key)
        draft = row.status == "draft"

        def day(moment: int | None) -> date | None:
            return None if moment is None else calendar.local_date(moment)

        return Document(
            kind=INVOICE,
            id=row.id,
            state=row.status,
            number=row.invoice_number,
            currency=row.currency,
            buyer=_buyer(row.user_id, user),
            language=None if user is None else user.language,
            issued=calendar.local_date(row.sent_at or row.created_at),
            first=calendar.local_date(row.period_start),
            last=calendar.local_date(row.period_end - 1),
            lines=tuple(_line(line) for line in found.lines.get(row.id, ())),
            subtotal=row.subtotal,
            tax=row.tax,
            credits=row.credits,
            total=row.total,
            tax_name=None if row.tax_name is None else visible(row.tax_name),
            tax_percent=row.tax_percent,
            due=day(row.due_date or row.due_override),
            paid=day(row.paid_at),
            voided=day(row.voided_at),
            payments=tuple(
                Payment(
                    calendar.local_date(paid.received_at),
                    paid.amount,
                    paid.method,
                    None if paid.reference is None else visible(paid.reference),
                )
                for paid in found.payments.get(row.id, ())
            ),
            notes=tuple(_note(note, calendar) for note in found.notes.get(row.id, ())),
            balance_due=None if draft or row.status == VOID else row.due,
            memo=tuple(visible(line) for line in split_lines(row.memo)),
            payment_url=payment_url(self.app, row, found.pages.get(row.id)),
        )


class _Gathered:
    """All that documents say of some invoices, read in a few queries."""

    def __init__(self, tx: Transaction, rows: Sequence[InvoiceRow]) -> None:
        ids = [row.id for row in rows]
        self.users = store.users(tx, [row.user_key for row in rows])
        self.lines = _by_invoice(store.lines(tx, ids))
        self.payments = _by_invoice(store.payments(tx, ids))
        self.notes = _by_invoice(store.notes(tx, ids))
        self.pages = stripe_invoices.pages(tx, ids)


class _OfInvoice(Protocol):
    @property
    def invoice_id(self) -> int: ...


_Row = TypeVar("_Row", bound=_OfInvoice)


def _by_invoice(rows: Iterable[_Row]) -> dict[int, list[_Row]]:
    found: dict[int, list[_Row]] = {}
    for row in rows:
        found.setdefault(row.invoice_id, []).append(row)
    return found


def _buyer(user_id: str, user: UserRow | None) -> Buyer:
    """Return who gets a document; of the name of a user that others gave, nothing does harm."""
    buyer = Buyer(visible(user_id))
    if user is None:
        return buyer
    return replace(
        buyer,
        name=None if user.name is None else visible(user.name),
        address=tuple(visible(line) for line in split_lines(user.address)),
        email=None if user.email is None else visible(user.email),
        tax_number=None if user.tax_number is None else visible(user.tax_number),
    )


def _line(line: LineRow) -> Line:
    return Line(
        kind=line.kind,
        description=visible(line.description),
        amount=line.amount,
        item=line.item,
        quantity=line.quantity,
        unit=unit_of(line),
        unit_price=line.unit_price,
    )


def _note(note: NoteRow, calendar: Calendar) -> Note:
    return Note(
        number=note.number,
        issued=calendar.local_date(note.created_at),
        applied=note.applied,
        credited=note.credited,
        refunded=note.refunded,
    )


def _midnight(day: date) -> int:
    """Return the moment that a document's file says it was made at."""
    return (day - _EPOCH).days * _DAY_SECONDS
