"""Payments as Stripe has them, brought into the books: each once, whatever tells of it.

What is applied is never what an event says but what was fetched: how a payment stands, what of it
went back, and which disputes there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError
from billing_cli.pricing import invoice_states as states
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.stripe_amounts import from_stripe
from billing_cli.services import payments as service
from billing_cli.services import refunds as refund_service
from billing_cli.store import outbox, payments, stripe_links
from billing_cli.store.outbox import Notice
from billing_cli.store.payments import FAILED, REVERSED, SUCCEEDED, UNMATCHED
from billing_cli.store.stripe_links import REFUND, Link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.pricing.stripe_payments import Dispute, PaymentIntent, Refund
    from billing_cli.services.stripe_access import Account
    from billing_cli.store.invoice_rows import InvoiceRow
    from billing_cli.store.payments import PaymentRow
    from billing_cli.store.unit_of_work import Transaction

PAID_THERE = "stripe"
# What of a refund has left the account, or is on its way.
_REFUNDED = {"succeeded", "pending", "requires_action"}
# Money that is here, whether it is known what for or not.
_HERE = {SUCCEEDED, UNMATCHED}
_FOR_NOTHING = "not for an invoice that is known here"
_FAILED_REFUNDS = {"failed", "canceled"}


@dataclass(frozen=True, slots=True)
class Money:
    """A payment as it was fetched, with all that went back of it."""

    intent: PaymentIntent
    refunds: Sequence[Refund] = ()
    disputes: Sequence[Dispute] = ()


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose payment it is (key and id), and for which of the user's invoices."""

    user: tuple[int, str] | None
    invoice: InvoiceRow | None


def apply(tx: Transaction, account: Account, money: Money, owner: Owner) -> None:
    """Bring a payment into the books, or up to date.

    Raises :class:`ConflictError` for one in another currency than the books are in.
    """
    intent = money.intent
    payment = payments.by_intent(tx, intent.id)
    if intent.status == "succeeded":
        payment = _succeeded(tx, account, intent, payment, owner)
    elif intent.failure_code or intent.failure_message:
        _failed(tx, account, intent, payment, owner)
    if payment is None or payment.status == FAILED:
        return
    for refund in money.refunds:
        _refunded(tx, account, payment.id, refund)
    for dispute in money.disputes:
        _disputed(tx, account, payment.id, dispute)


def _amount(account: Account, amount: int, currency: str) -> int:
    books = account.history.at(account.now).currency
    if currency != books:
        raise ConflictError(f"the payment is in {currency}, the books are in {books}")
    try:
        return from_stripe(amount, currency)
    except ValueError as error:
        raise ConflictError(str(error)) from error


def _incoming(account: Account, intent: PaymentIntent, amount: int) -> service.Incoming:
    charge = intent.latest_charge
    return service.Incoming(
        amount,
        intent.currency,
        intent.method or PAID_THERE,
        min(charge.created if charge else intent.created, account.now),
        reference=intent.id,
        external_id=f"stripe:{intent.id}",
        intent=intent.id,
        failure_code=intent.failure_code,
    )


def _succeeded(
    tx: Transaction,
    account: Account,
    intent: PaymentIntent,
    payment: PaymentRow | None,
    owner: Owner,
) -> PaymentRow:
    if payment is not None and payment.status in {SUCCEEDED, REVERSED}:
        return payment
    amount = _amount(account, intent.amount_received or intent.amount, intent.currency)
    incoming = _incoming(account, intent, amount)
    if owner.user is None or owner.invoice is None:
        return _hold(tx, incoming, payment, account.now)
    rows = _rows(owner.invoice)
    if payment is None:
        return service.receive(tx, incoming, owner.user, rows, account.now)
    # A card that was declined first, or an invoice that is known only now.
    payment = payment._replace(
        user_key=owner.user[0],
        user_id=owner.user[1],
        amount=amount,
        status=SUCCEEDED,
        method=incoming.method,
        reason=None,
        failure_code=None,
        received_at=incoming.received_at,
    )
    return service.distribute(tx, payment, rows, account.now)


def _hold(
    tx: Transaction, incoming: service.Incoming, payment: PaymentRow | None, now: int
) -> PaymentRow:
    """Keep money that came for no invoice that is known here, until somebody says whose it is."""
    if payment is None:
        return service.hold(tx, incoming, _FOR_NOTHING, now)
    if payment.status == FAILED:
        # It stands as if nobody had heard of the tries before.
        payment = payment._replace(
            user_key=None,
            user_id=None,
            invoice_id=None,
            amount=incoming.amount,
            status=UNMATCHED,
            method=incoming.method,
            reason=_FOR_NOTHING,
            failure_code=incoming.failure_code,
            received_at=incoming.received_at,
        )
        payments.rewrite(tx, payment)
    return payment


def _rows(row: InvoiceRow) -> list[InvoiceRow]:
    """Return what a payment can settle: nothing of an invoice that is void, or paid already."""
    return [row] if row.status in {states.SENT, states.OVERDUE, states.PAID} else []


def _failed(
    tx: Transaction,
    account: Account,
    intent: PaymentIntent,
    payment: PaymentRow | None,
    owner: Owner,
) -> None:
    now, attempt = account.now, intent.latest_charge_id or ""
    reason = intent.failure_message or intent.failure_code or "declined"
    if payment is None:
        if owner.user is None:
            return
        incoming = _incoming(account, intent, _amount(account, intent.amount, intent.currency))
        rows = [] if owner.invoice is None else [owner.invoice]
        service.fail(tx, incoming, owner.user, rows, reason, now, attempt)
    elif payment.status in _HERE:
        returned = f"{intent.id}:returned"
        if not stripe_links.by_stripe_ids(tx, REFUND, [returned]):
            _reverse(tx, account, payment, payment.amount, reason, returned)
    elif payment.status == FAILED:
        again = payment._replace(reason=reason, failure_code=intent.failure_code)
        payments.rewrite(tx, again)
        service.tell_failed(tx, again, now, now, attempt)


def _refunded(tx: Transaction, account: Account, payment_id: int, refund: Refund) -> None:
    """Bring a refund into the books, unless it is one of ours or is there already."""
    known = stripe_links.by_stripe_ids(tx, REFUND, [refund.id])
    if refund.status in _FAILED_REFUNDS and known:
        _tell_refund_failed(tx, account, service.require(tx, payment_id), refund)
    if refund.status not in _REFUNDED or known:
        return
    payment = service.require(tx, payment_id)
    ours = _own_refund(tx, account, payment, refund)
    if ours is not None:
        stripe_links.put(tx, [Link(REFUND, ours, refund.id, "")])
        return
    if payment.status not in _HERE:
        return
    reason = f"Refunded on Stripe{': ' + refund.reason if refund.reason else ''}"
    _give_back(
        tx,
        account,
        payment,
        _amount(account, refund.amount, refund.currency),
        reason,
        refund.id,
        with_note=True,
    )


def _own_refund(
    tx: Transaction, account: Account, payment: PaymentRow, refund: Refund
) -> str | None:
    """Return which of the refunds recorded here one of Stripe's is, if it is one.

    It may say the number of one that a restored backup does not have, or has given to another.
    """
    said = refund.metadata.get("billing_refund")
    if said is None or refund.metadata.get("billing_installation") != account.installation:
        return None
    amount = _amount(account, refund.amount, refund.currency)
    is_here = any(
        str(one.id) == said and one.amount == amount for one in payments.refunds_of(tx, payment.id)
    )
    return said if is_here and said not in stripe_links.by_local_ids(tx, REFUND, [said]) else None


def _tell_refund_failed(
    tx: Transaction, account: Account, payment: PaymentRow, refund: Refund
) -> None:
    """Tell that money did not go back, though the books say so: somebody has to pay it out."""
    amount = _amount(account, refund.amount, refund.currency)
    data = {
        "payment_id": payment.id,
        "user_id": payment.user_id,
        "amount": format_minor(amount, payment.currency),
        "currency": payment.currency,
        "status": refund.status,
    }
    notice = Notice(
        "billing.refund.failed",
        f"payment/{payment.id}/refund-failed/{refund.id}",
        payment.user_key,
        payment.user_id,
        account.now,
        data,
    )
    outbox.tell(tx, [notice], account.now)


def _disputed(tx: Transaction, account: Account, payment_id: int, dispute: Dispute) -> None:
    payment = service.require(tx, payment_id)
    amount = _amount(account, dispute.amount, dispute.currency)
    if dispute.is_open:
        _tell_disputed(tx, payment, dispute, amount, account.now)
    if not dispute.is_lost:
        return
    if payment.status not in _HERE or stripe_links.by_stripe_ids(tx, REFUND, [dispute.id]):
        return
    reason = f"Dispute lost{': ' + dispute.reason if dispute.reason else ''}"
    _reverse(tx, account, payment, amount, reason, dispute.id)


def _reverse(  # noqa: PLR0913, PLR0917 - what went back of what, and why
    tx: Transaction,
    account: Account,
    payment: PaymentRow,
    amount: int,
    reason: str,
    stripe_id: str,
) -> None:
    """Have owed again what Stripe took back, whole or in part."""
    if amount >= payment.amount and not payment.refunded:
        try:
            refund_service.undo(tx, payment, reason, account.now)
        except ConflictError:
            # A credit that it left is spent: what is still here goes back.
            pass
        else:
            return
    _give_back(tx, account, payment, amount, reason, stripe_id, with_note=False)


def _give_back(  # noqa: PLR0913, PLR0917 - what went back of what, and why
    tx: Transaction,
    account: Account,
    payment: PaymentRow,
    amount: int,
    reason: str,
    stripe_id: str,
    *,
    with_note: bool,
) -> None:
    """Record what went back, and link it, so that it neither comes in nor goes out again."""
    found = refund_service.give_back_at_most(
        tx, account.history, payment, amount, reason, account.now, with_note=with_note
    )
    stripe_links.put(
        tx,
        [
            Link(REFUND, str(number), stripe_id if not place else f"{stripe_id}/{place}", "")
            for place, number in enumerate(found)
        ],
    )


def _tell_disputed(
    tx: Transaction, payment: PaymentRow, dispute: Dispute, amount: int, now: int
) -> None:
    data = {
        "payment_id": payment.id,
        "user_id": payment.user_id,
        "amount": format_minor(amount, payment.currency),
        "currency": payment.currency,
        "reason": dispute.reason,
        "status": dispute.status,
    }
    notice = Notice(
        "billing.payment.disputed",
        f"payment/{payment.id}/disputed/{dispute.id}",
        payment.user_key,
        payment.user_id,
        min(dispute.created, now),
        data,
    )
    outbox.tell(tx, [notice], now)


def paid_there(
    tx: Transaction, account: Account, stripe_id: str, row: InvoiceRow, amount: int
) -> None:
    """Record that Stripe counts an invoice as paid elsewhere, because somebody said so there."""
    external = f"stripe:{stripe_id}:out-of-band"
    if payments.by_external_ids(tx, [external]) or amount <= 0:
        return
    incoming = service.Incoming(
        min(amount, row.due),
        row.currency,
        "out_of_band",
        account.now,
        reference="marked as paid on Stripe",
        external_id=external,
    )
    service.receive(tx, incoming, (row.user_key, row.user_id), [row], account.now)
