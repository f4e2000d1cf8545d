"""Credit notes: documents that take back a part of an invoice."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError, NotFoundError
from billing_cli.pricing import invoice_states as states
from billing_cli.pricing.credit_notes import Parts, of_line, of_total
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.invoice_numbers import number_in, series_at
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.payments import Share, fill
from billing_cli.services import settlement, terms
from billing_cli.services.credits import grant, positive
from billing_cli.services.generation import require, require_ours
from billing_cli.store import credit_notes, invoices, outbox, payments
from billing_cli.store.credit_notes import NoteRow
from billing_cli.store.credits import Grant
from billing_cli.store.outbox import Notice

if TYPE_CHECKING:
    from billing_cli.app import App
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.invoice_rows import InvoiceRow
    from billing_cli.store.unit_of_work import Transaction


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a note takes back and where that goes.

    ``given`` says which payments' money is given back. Of the rest, what is still owed is not
    owed any more, and what was paid becomes a credit.
    """

    parts: Parts
    reason: str
    given: tuple[Share, ...] = ()
    line: int | None = None


def create(  # noqa: PLR0913 - the options of the command
    app: App,
    reference: str,
    amount: str | None,
    line: int | None,
    reason: str,
    *,
    refunded: bool,
) -> dict[str, object]:
    """Make a credit note over an amount with tax, or over a line; return it as it is shown.

    Raises :class:`ConflictError` where the invoice's state does not allow one, where it would
    take back more than is left, or with ``refunded`` more than was paid.
    """
    now = app.clock.now()
    with app.unit_of_work() as uow:
        history = terms.establish(uow, app.settings, now).history
        with uow.batch() as tx:
            row = require_ours(require(tx, reference))
            states.check(row, states.CREDIT_NOTE)
            left = left_of(tx, row)
            if line is not None:
                parts = _line_parts(tx, row, line, left)
            else:
                parts = total_parts(row, positive(amount or "", row.currency), left)
            given: tuple[Share, ...] = ()
            if refunded:
                given = _given_back(tx, row, parts.total - min(parts.total, row.due))
            note = issue(tx, history, row, Wanted(parts, reason, given, line), now)
            return row_of(note, row.invoice_number)


def left_of(tx: Transaction, row: InvoiceRow) -> Parts:
    """Return what of an invoice, before credits, no note has taken back."""
    notes = [note for note in credit_notes.of_invoice(tx, row.id) if note.voided_at is None]
    return Parts(
        row.subtotal - sum(note.net for note in notes), row.tax - sum(note.tax for note in notes)
    )


def total_parts(row: InvoiceRow, amount: int, left: Parts) -> Parts:
    """Return the parts of a note over an amount with tax."""
    if amount > left.total:
        raise _too_much(row, amount, left.total)
    return of_total(amount, left)


def issue(
    tx: Transaction, history: TermsHistory, row: InvoiceRow, wanted: Wanted, now: int
) -> NoteRow:
    """Write a note with its number, settle or credit what is not given back, and tell of it."""
    total = wanted.parts.total
    refunded = sum(share.amount for share in wanted.given)
    # What a refund gives back was paid: it is no part of what is still owed.
    applied = min(total - refunded, row.due)
    series = series_at("CN", now, history.calendar.zone_at(now))
    (count,) = invoices.take_numbers(tx, series, 1)
    note = NoteRow(
        id=credit_notes.next_id(tx),
        number=number_in(series, count),
        invoice_id=row.id,
        user_key=row.user_key,
        user_id=row.user_id,
        currency=row.currency,
        net=wanted.parts.net,
        tax=wanted.parts.tax,
        amount=total,
        applied=applied,
        credited=total - applied - refunded,
        refunded=refunded,
        line=wanted.line,
        reason=wanted.reason,
        created_at=now,
    )
    credit_notes.insert(tx, note)
    if applied:
        settlement.settle(tx, row, states.CREDIT_NOTE, applied, f"note {note.id}", at=now, now=now)
    if note.credited:
        _credit(tx, note, now)
    for payment_id, amount in wanted.given:
        give_back(tx, payment_id, amount, note, wanted.reason, now)
    _tell(tx, row, note, now)
    return note


def _credit(tx: Transaction, note: NoteRow, now: int) -> None:
    """Grant what was paid of what a note takes back."""
    given = Grant(
        note.user_key,
        note.user_id,
        note.credited,
        note.currency,
        f"Credit note {note.number}: {note.reason}",
        now,
        source_note=note.id,
    )
    grant(tx, [given], now)


def _tell(tx: Transaction, row: InvoiceRow, note: NoteRow, now: int) -> None:
    data = {**settlement.invoice_data(row), **row_of(note, row.invoice_number)}
    kind, identity = "billing.credit_note.created", f"credit-note/{note.id}/created"
    outbox.tell(tx, [Notice(kind, identity, row.user_key, row.user_id, now, data)], now)


def give_back(  # noqa: PLR0913, PLR0917 - a row of the table of refunds
    tx: Transaction, payment_id: int, amount: int, note: NoteRow | None, reason: str, now: int
) -> None:
    """Record that money of a payment was given back, and tell of it."""
    payment = payments.find(tx, payment_id)
    if payment is None:
        raise LookupError(payment_id)
    given = payments.RefundRow(
        payments.next_refund_id(tx),
        payment_id,
        None if note is None else note.id,
        None if note is None else note.number,
        amount,
        reason,
        now,
    )
    payments.refund(tx, given)
    data = {
        "payment_id": payment_id,
        "user_id": payment.user_id,
        "amount": format_minor(amount, payment.currency),
        "currency": payment.currency,
        "credit_note": given.credit_note,
        "reason": reason,
    }
    kind, identity = "billing.payment.refunded", f"refund/{given.id}"
    outbox.tell(tx, [Notice(kind, identity, payment.user_key, payment.user_id, now, data)], now)


def of_invoice(tx: Transaction, invoice_id: int) -> list[dict[str, object]]:
    """Return the credit notes of an invoice as they are shown, void ones too."""
    return [row_of(note, None) for note in credit_notes.of_invoice(tx, invoice_id)]


def row_of(note: NoteRow, invoice_number: str | None) -> dict[str, object]:
    """Return a credit note as it is shown; ``invoice_number`` None leaves the invoice out."""
    about = {} if invoice_number is None else {"invoice_number": invoice_number}
    return {
        "credit_note": note.number,
        **about,
        "user_id": note.user_id,
        **{
            name: format_minor(getattr(note, name), note.currency)
            for name in ("net", "tax", "amount", "applied", "credited", "refunded")
        },
        "currency": note.currency,
        "line": note.line,
        "reason": note.reason,
        "created_at": format_instant(note.created_at),
        "voided_at": instant_text(note.voided_at),
    }


def _line_parts(tx: Transaction, row: InvoiceRow, position: int, left: Parts) -> Parts:
    line = next((one for one in invoices.lines_of(tx, row.id) if one.position == position), None)
    if line is None:
        raise NotFoundError(
            f"invoice {states.name_of(row)} has no line {position}",
            "lines are counted from 1, as invoice show lists them",
        )
    before = [
        note.number
        for note in credit_notes.of_invoice(tx, row.id)
        if note.line == position and note.voided_at is None
    ]
    if before:
        raise ConflictError(
            f"line {position} of invoice {states.name_of(row)} is credited by {before[0]}",
            "credit another line, or an --amount",
        )
    if line.amount <= 0:
        raise ConflictError(
            f"line {position} of invoice {states.name_of(row)} is not above zero",
            "credit another line, or an --amount",
        )
    percent = None if row.tax_percent is None else Decimal(row.tax_percent)
    if line.amount > left.net:
        raise _too_much(row, line.amount, left.net)
    return of_line(line.amount, percent, left)


def _given_back(tx: Transaction, row: InvoiceRow, amount: int) -> tuple[Share, ...]:
    """Choose the payments whose money is given back: the first first."""
    found = payments.allocations_to(tx, row.id)
    shares, rest = fill(amount, [(one.payment_id, one.held) for one in found])
    if rest:
        raise ConflictError(
            f"of invoice {states.name_of(row)} only {_money(row, amount - rest)} was paid "
            "by payments and can be given back",
            "leave --refunded out to credit the rest",
        )
    return tuple(shares)


def _too_much(row: InvoiceRow, amount: int, left: int) -> ConflictError:
    what = f"{_money(row, amount)} is more than is left of invoice {states.name_of(row)}"
    return ConflictError(what, f"at most {_money(row, left)} can be credited")


def _money(row: InvoiceRow, amount: int) -> str:
    return f"{format_minor(amount, row.currency)} {row.currency}"
