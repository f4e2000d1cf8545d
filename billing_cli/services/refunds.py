"""Payments that go back: those that bounce, and those that are refunded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.payments import Share, fill
from billing_cli.services import credit_notes, settlement, terms
from billing_cli.services import credits as credit_service
from billing_cli.services.payments import require, row_of, tell_failed
from billing_cli.store import credits, invoices, payments
from billing_cli.store.payments import REVERSED, SUCCEEDED, UNMATCHED

if TYPE_CHECKING:
    from billing_cli.app import App
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.credits import CreditRow
    from billing_cli.store.invoice_rows import InvoiceRow
    from billing_cli.store.payments import Allocation, PaymentRow
    from billing_cli.store.unit_of_work import Transaction


def reverse(app: App, payment_id: int, reason: str) -> dict[str, object]:
    """Undo a payment that bounced: its invoices are owed again, the credit it left is withdrawn.

    Raises :class:`ConflictError` where that credit is already spent, or money was given back.
    """
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.batch() as tx:
        payment = require(tx, payment_id)
        undo(tx, payment, reason, now)
        return row_of(payments.read(tx, payment.id))


def undo(tx: Transaction, payment: PaymentRow, reason: str, now: int) -> None:
    """Undo a payment, as :func:`reverse` does."""
    _check_reversible(payment)
    granted = credits.granted_by(tx, "source_payment", payment.id)
    credit_service.refuse_spent(tx, granted, f"payment {payment.id}")
    credit_service.withdraw(tx, granted, now, f"Payment {payment.id} reversed: {reason}")
    for one in payments.allocations_of(tx, payment.id):
        if one.released_at is None:
            _release(tx, one, one.amount, f"payment {payment.id} reversed", now)
    payment = payment._replace(status=REVERSED, reason=reason, reversed_at=now)
    payments.rewrite(tx, payment)
    tell_failed(tx, payment, now, now)


def refund(
    app: App, payment_id: int, amount: str | None, reason: str, *, with_note: bool
) -> dict[str, object]:
    """Give money of a payment back: by default all that is left of it.

    First goes what is unspent of the credit it left. For the rest the invoices it paid get
    credit notes, so that they stay paid; without notes they are owed again. Raises
    :class:`ConflictError` where less is left.
    """
    now = app.clock.now()
    with app.unit_of_work() as uow:
        history = terms.establish(uow, app.settings, now).history
        with uow.batch() as tx:
            payment = require(tx, payment_id)
            _check_refundable(payment)
            left = _Left(tx, payment, with_note=with_note)
            wanted = (
                left.total if amount is None else credit_service.positive(amount, payment.currency)
            )
            _check_left(payment, wanted, left.total)
            _give_back(tx, history, payment, left, wanted, reason, now)
            return row_of(payments.read(tx, payment.id))


def give_back_at_most(  # noqa: PLR0913, PLR0917 - what went back, of what, and why
    tx: Transaction,
    history: TermsHistory,
    payment: PaymentRow,
    amount: int,
    reason: str,
    now: int,
    *,
    with_note: bool,
) -> list[int]:
    """Record that money went back, as far as it is still here; return the ids of the refunds.

    What the payment left as a credit that is spent by now is not here any more.
    """
    left = _Left(tx, payment, with_note=with_note)
    before = payments.next_refund_id(tx)
    wanted = min(amount, left.total)
    if wanted:
        _give_back(tx, history, payment, left, wanted, reason, now)
    return list(range(before, payments.next_refund_id(tx)))


class _Left:
    """What of a payment can be given back, and where it is now."""

    def __init__(self, tx: Transaction, payment: PaymentRow, *, with_note: bool) -> None:
        self.with_note = with_note
        self.unmatched = 0
        self.credits: list[CreditRow] = []
        self.allocations: list[Allocation] = []
        self.rows: dict[int, InvoiceRow] = {}
        if payment.status == UNMATCHED:
            self.unmatched = payment.amount - payment.refunded
        else:
            self.credits = credits.granted_by(tx, "source_payment", payment.id)
            found = payments.allocations_of(tx, payment.id)
            self.allocations = [one for one in found if one.released_at is None]
        if self.allocations:
            ids = [one.invoice_id for one in self.allocations]
            self.rows = {row.id: row for row in invoices.by_ids(tx, ids)}
        self.room = [(one.invoice_id, self._room(tx, one)) for one in self.allocations]

    def _room(self, tx: Transaction, one: Allocation) -> int:
        if not self.with_note:
            return one.held
        # A note takes back no more than earlier ones have left.
        return min(one.held, credit_notes.left_of(tx, self.rows[one.invoice_id]).total)

    @property
    def total(self) -> int:
        return (
            self.unmatched
            + sum(credit.unused() for credit in self.credits)
            + sum(room for _, room in self.room)
        )


def _give_back(  # noqa: PLR0913, PLR0917 - one step of a refund, with all that it needs
    tx: Transaction,
    history: TermsHistory,
    payment: PaymentRow,
    left: _Left,
    wanted: int,
    reason: str,
    now: int,
) -> None:
    taken, rest = fill(wanted, [(credit.id, credit.unused()) for credit in left.credits])
    credits.withdraw(tx, taken, now, f"Refund of payment {payment.id}: {reason}")
    shares, rest = fill(rest, left.room)
    if left.with_note:
        for number, amount in shares:
            row = left.rows[number]
            parts = credit_notes.total_parts(row, amount, credit_notes.left_of(tx, row))
            given = (Share(payment.id, amount),)
            credit_notes.issue(tx, history, row, credit_notes.Wanted(parts, reason, given), now)
    else:
        by_invoice = {one.invoice_id: one for one in left.allocations}
        for number, amount in shares:
            _release(tx, by_invoice[number], amount, f"payment {payment.id} refunded/{now}", now)
    # What no note stands for: credit that was taken, and what is owed again or was unmatched.
    bare = wanted - (sum(share.amount for share in shares) if left.with_note else 0)
    if bare:
        credit_notes.give_back(tx, payment.id, bare, None, reason, now)


def _release(tx: Transaction, one: Allocation, amount: int, cause: str, now: int) -> None:
    (row,) = invoices.by_ids(tx, [one.invoice_id])
    payments.release(tx, one, amount, now)
    settlement.owe_again(tx, row, amount, cause, now)


def _check_reversible(payment: PaymentRow) -> None:
    if payment.status == UNMATCHED:
        raise ConflictError(
            f"payment {payment.id} is unmatched and cannot be reversed",
            f"say whose it is first: billing payment match {payment.id} --user USER",
        )
    if payment.status != SUCCEEDED:
        raise ConflictError(
            f"payment {payment.id} is {payment.status} and cannot be reversed",
            "only a succeeded payment can be",
        )
    if payment.refunded:
        raise ConflictError(
            f"{format_minor(payment.refunded, payment.currency)} {payment.currency} of payment "
            f"{payment.id} was given back: it cannot be reversed",
            "a succeeded payment can be reversed before anything of it is refunded",
        )


def _check_refundable(payment: PaymentRow) -> None:
    if payment.status not in {SUCCEEDED, UNMATCHED}:
        raise ConflictError(
            f"payment {payment.id} is {payment.status} and cannot be refunded",
            "only a succeeded or an unmatched payment can be",
        )


def _check_left(payment: PaymentRow, wanted: int, left: int) -> None:
    if wanted > left or not left:
        raise ConflictError(
            f"{format_minor(left, payment.currency)} {payment.currency} of payment {payment.id} "
            "can be given back",
            "what was refunded, or became a credit that is spent, cannot be",
        )
