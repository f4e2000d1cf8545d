"""Invoices as Stripe has them: how ours stand there, and copies of those that it makes itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError
from billing_cli.pricing import invoice_states as states
from billing_cli.pricing import stripe_steps as steps
from billing_cli.pricing.invoice_numbers import is_number
from billing_cli.pricing.stripe_amounts import from_stripe
from billing_cli.services import credit_notes as note_service
from billing_cli.services import invoice_life, settlement, stripe_adoption, stripe_payments
from billing_cli.services.stripe_payments import Money, Owner
from billing_cli.store import (
    credit_notes,
    invoices,
    outbox,
    stripe_invoices,
    stripe_links,
    stripe_requests,
    subscriptions,
)
from billing_cli.store import stripe_state as state
from billing_cli.store.invoice_rows import InvoiceRow, LineRow
from billing_cli.store.stripe_invoices import StripeInvoiceRow
from billing_cli.store.stripe_links import CREDIT_NOTE, Link
from billing_cli.store.stripe_state import Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.pricing.stripe_invoices import Invoice
    from billing_cli.services.stripe_access import Account
    from billing_cli.store.stripe_invoices import Pair
    from billing_cli.store.unit_of_work import Transaction

# What an invoice of Stripe's is billed for besides its lines, so that ours adds up.
_BALANCE = "Discounts, and the balance of the account at Stripe"
_LINE_KIND = "stripe"


@dataclass(frozen=True, slots=True)
class Fetched:
    """An invoice as it was fetched, with all its lines and the payments that it names."""

    invoice: Invoice
    monies: Sequence[Money] = ()


def apply(tx: Transaction, account: Account, fetched: Fetched, ticket: int) -> str | None:
    """Bring an invoice up to date here; return why it is none of ours, if it is not.

    ``ticket`` was taken before it was fetched: what is older than what is known has no effect.
    """
    found = fetched.invoice
    pair = stripe_invoices.by_stripe_id(tx, found.id) or _known_now(tx, account, found)
    if isinstance(pair, str):
        return pair
    row, there = pair
    if there is None:
        raise LookupError(found.id)
    is_newest = state.is_newest(tx, Seen("invoice", found.id, ticket, found.status), account.now)
    if is_newest:
        stripe_invoices.put(tx, [standing(account, there, found)])
    for money in fetched.monies:
        seen = Seen("payment_intent", money.intent.id, ticket, money.intent.status)
        if state.is_newest(tx, seen, account.now):
            stripe_payments.apply(tx, account, money, Owner((row.user_key, row.user_id), row))
            row = _again(tx, row)
    if is_newest:
        _follow(tx, account, fetched, row)
    return None


def begin_again(tx: Transaction, account: Account, stripe_id: str, ticket: int) -> str | None:
    """Have an invoice made anew whose draft somebody has deleted on Stripe; return why not."""
    pair = stripe_invoices.by_stripe_id(tx, stripe_id)
    seen = Seen("invoice", stripe_id, ticket, steps.GONE)
    is_draft = pair is not None and pair.there is not None and pair.there.stage != steps.FINAL
    if pair is None or not is_draft or not state.is_newest(tx, seen, account.now):
        return "it is deleted"
    stripe_invoices.put(tx, [stripe_invoices.nothing(pair.invoice.id)])
    return None


def _known_now(tx: Transaction, account: Account, found: Invoice) -> Pair | str:
    """Have an invoice be in the books; return why it is none of ours, if it is not."""
    user = _user(tx, found)
    if user is None:
        return stripe_links.NOT_OURS
    if found.status in {steps.DRAFT, steps.GONE}:
        return "it is not final"
    if not _is_of_ours(found):
        return _copy(tx, account, found, user)
    return stripe_adoption.adopt(tx, found, user[0])


def _user(tx: Transaction, found: Invoice) -> tuple[int, str] | None:
    """Return whose an invoice is; a customer who was deleted is known by the subscription."""
    user = None if found.customer is None else stripe_links.user_of(tx, found.customer)
    if user is None and found.subscription is not None:
        row = subscriptions.by_stripe_id(tx, found.subscription)
        user = None if row is None else (row.user_key, row.user_id)
    return user


def _is_of_ours(found: Invoice) -> bool:
    """Tell whether an invoice was sent from here once, whatever the prefix was then.

    What is made from one of ours in the dashboard has its metadata, but a number of Stripe's.
    """
    return "billing_invoice" in found.metadata and is_number(found.number or "")


def _follow(tx: Transaction, account: Account, fetched: Fetched, row: InvoiceRow) -> None:
    """Do here what somebody did on Stripe, besides paying."""
    if fetched.invoice.status == steps.VOIDED:
        _void(tx, row, account.now)
        return
    row = _credited(tx, account, fetched.invoice, row)
    if fetched.invoice.status == steps.PAID and row.status in {states.SENT, states.OVERDUE}:
        _paid(tx, account, fetched, row)


def standing(account: Account, there: StripeInvoiceRow, found: Invoice) -> StripeInvoiceRow:
    """Return how an invoice stands on Stripe, as it was just seen."""
    currency = found.currency or account.history.at(account.now).currency
    is_final = found.status not in {steps.DRAFT, steps.GONE}
    return there._replace(
        stripe_id=found.id,
        stage=steps.FINAL if is_final else there.stage,
        status=steps.GONE if found.deleted else found.status,
        remaining=from_stripe(found.amount_remaining, currency) if is_final else 0,
        # Once it is Stripe's to collect it stays so: when Stripe gives up it does not begin again.
        collects=int(
            (there.stage == steps.FINAL and there.collects > 0)
            or found.auto_advance
            or found.status != steps.OPEN
        ),
        url=found.hosted_invoice_url,
        problem=None,
    )


def _again(tx: Transaction, row: InvoiceRow) -> InvoiceRow:
    (found,) = invoices.by_ids(tx, [row.id])
    return found


def _paid(tx: Transaction, account: Account, fetched: Fetched, row: InvoiceRow) -> None:
    """Follow what somebody said on Stripe: that an invoice was paid elsewhere.

    What was paid through Stripe, and is owed again because it went back, stays owed; and so does
    what we ourselves said was paid elsewhere.
    """
    target = f"invoice/{row.id}"
    if (target, "invoice.pay") in stripe_requests.last_of(tx, [target]):
        return
    through = sum(
        payment.amount_paid for payment in fetched.invoice.payments if payment.status == "paid"
    )
    found = fetched.invoice
    # A copy is over what Stripe asked for: what the customer's balance there covered is left out.
    asked = found.amount_due if row.kind == invoices.STRIPE else found.total - found.credited
    elsewhere = asked - through
    if elsewhere > 0:
        amount = from_stripe(elsewhere, fetched.invoice.currency)
        stripe_payments.paid_there(tx, account, fetched.invoice.id, row, amount)


def _credited(tx: Transaction, account: Account, found: Invoice, row: InvoiceRow) -> InvoiceRow:
    """Follow what somebody took off an invoice on Stripe by a credit note there."""
    if row.status not in {states.SENT, states.OVERDUE} or not found.credited:
        return row
    known = credit_notes.of_invoice(tx, row.id)
    here = sum(note.applied for note in known if note.voided_at is None)
    left = note_service.left_of(tx, row)
    missing = min(from_stripe(found.credited, row.currency) - here, row.due, left.total)
    if missing <= 0:
        return row
    wanted = note_service.Wanted(note_service.total_parts(row, missing, left), "Credited on Stripe")
    note = note_service.issue(tx, account.history, row, wanted, account.now)
    # It is there already.
    link = Link(CREDIT_NOTE, str(note.id), f"{found.id}/{note.id}", "")
    stripe_links.put(tx, [link])
    return _again(tx, row)


def _void(tx: Transaction, row: InvoiceRow, now: int) -> None:
    if states.is_allowed(row, states.VOIDING):
        is_copy = row.kind == invoices.STRIPE
        invoice_life.void_in(tx, row, "voided on Stripe", now, write_off=is_copy)


def _copy(tx: Transaction, account: Account, found: Invoice, user: tuple[int, str]) -> Pair:
    """Write an invoice that Stripe made: nothing here bills by it, or charges it."""
    currency = account.history.at(account.now).currency
    if found.currency != currency:
        raise ConflictError(f"the invoice is in {found.currency}, the books are in {currency}")
    number = invoices.next_id(tx)
    start, end = _span(found)
    lines = _lines(found, number, user[0], start, end)
    subtotal = sum(line.amount for line in lines)
    tax = from_stripe(found.tax, currency)
    sent = min(found.finalized_at or found.created, account.now)
    total = subtotal + tax
    row = InvoiceRow(
        id=number,
        user_key=user[0],
        user_id=user[1],
        invoice_number=_number(tx, found),
        kind=invoices.STRIPE,
        period=account.history.calendar.containing(start).name,
        period_start=start,
        period_end=end,
        currency=currency,
        subtotal=subtotal,
        tax=tax,
        credits=0,
        total=total,
        tax_id=None,
        tax_name="Tax" if tax else None,
        tax_percent=None,
        status=states.SENT if total else states.PAID,
        created_at=account.now,
        sent_at=sent,
        due_date=found.due_date,
        paid_at=None if total else sent,
        voided_at=None,
        void_reason=None,
        written_off=0,
        superseded_by=None,
        memo=found.description,
    )
    invoices.insert(tx, [row])
    invoices.insert_lines(tx, lines)
    there = StripeInvoiceRow(number, found.id, steps.FINAL, found.status, 0, 1, None, None)
    stripe_invoices.put(tx, [there])
    notice = settlement.notice(row, "created", "", sent, source="stripe")
    outbox.tell(tx, [notice], account.now)
    pair = stripe_invoices.by_stripe_id(tx, found.id)
    if pair is None:
        raise LookupError(found.id)
    return pair


def _number(tx: Transaction, found: Invoice) -> str:
    """Return the number Stripe gave; where one of ours is called so, Stripe's id."""
    taken = found.number is None or invoices.find(tx, found.number) is not None
    return found.id if taken or found.number is None else found.number


def _span(found: Invoice) -> tuple[int, int]:
    """Return what time an invoice is for: that of its lines, or else its own."""
    starts = [line.period_start for line in found.lines if line.period_start is not None]
    ends = [line.period_end for line in found.lines if line.period_end is not None]
    start = min(starts, default=found.period_start or found.created)
    return start, max([*ends, start + 1])


def _lines(found: Invoice, number: int, user_key: int, start: int, end: int) -> list[LineRow]:
    """Return the lines, and one more where they are not what Stripe asks for."""
    said = [(line.description or "Stripe", line.amount) for line in found.lines]
    rest = found.amount_due + found.credited - found.tax - sum(amount for _, amount in said)
    if rest:
        said.append((_BALANCE, rest))
    return [
        LineRow(
            invoice_id=number,
            position=place,
            user_key=user_key,
            kind=_LINE_KIND,
            description=text,
            item=None,
            resource_type=None,
            quantity=None,
            unit_price=None,
            parts=None,
            unit_start=start,
            unit_end=end,
            unit_invoice=None,
            amount=from_stripe(amount, found.currency),
        )
        for place, (text, amount) in enumerate(said, 1)
    ]
