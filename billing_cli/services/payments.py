"""Payments: recording what came in, and showing where it went."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError, NotFoundError, UsageError
from billing_cli.pricing import invoice_states as states
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.payments import fill
from billing_cli.services import credits, settlement, terms
from billing_cli.services.generation import require as require_invoice
from billing_cli.store import invoices, outbox, payments, users
from billing_cli.store.credits import Grant
from billing_cli.store.outbox import Notice
from billing_cli.store.payments import FAILED, SUCCEEDED, UNMATCHED, PaymentRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.app import App
    from billing_cli.store.invoice_rows import InvoiceRow
    from billing_cli.store.payments import Allocation, Listed, RefundRow
    from billing_cli.store.unit_of_work import Transaction

STATUSES = payments.STATUSES


@dataclass(frozen=True, slots=True)
class Incoming:
    """Money that came in, or should have; ``amount`` in minor units."""

    amount: int
    currency: str
    method: str
    received_at: int
    reference: str | None = None
    external_id: str | None = None
    intent: str | None = None
    """Its payment intent, where it came through Stripe."""
    failure_code: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What an operator says of a payment; None is all that is owed, and now."""

    amount: str | None
    method: str
    reference: str | None
    received_at: int | None


def record(
    app: App, user_id: str, references: Sequence[str], given: Given, failed: str | None
) -> dict[str, object]:
    """Record a payment of a user: to some invoices in their order, or the oldest due first.

    What is more than is owed becomes a credit. With ``failed``, the reason, nothing came in.
    """
    now = app.clock.now()
    received_at = moment_of(given.received_at, now)
    with app.unit_of_work() as uow:
        currency = terms.establish(uow, app.settings, now).history.at(now).currency
        incoming = Incoming(
            credits.positive(given.amount or "", currency),
            currency,
            given.method,
            received_at,
            given.reference,
        )
        with uow.batch() as tx:
            key = users.key_of(tx, user_id)
            rows = [payable(require_invoice(tx, one), user_id) for one in references]
            if len({row.id for row in rows}) < len(rows):
                raise UsageError("--invoice names an invoice twice", "name each invoice once")
            if failed is not None:
                payment = fail(tx, incoming, (key, user_id), rows, failed, now)
            else:
                payment = receive(tx, incoming, (key, user_id), rows or None, now)
            return row_of(payments.read(tx, payment.id))


def moment_of(received_at: int | None, now: int) -> int:
    """Return when money came in; :class:`UsageError` for a time that is to come."""
    if received_at is not None and received_at > now:
        raise UsageError(
            f"--received: {format_instant(received_at)} is still to come",
            f"it is {format_instant(now)}: no money can have come in later",
        )
    return now if received_at is None else received_at


def payable(row: InvoiceRow, user_id: str | None = None) -> InvoiceRow:
    """Return an invoice that can take a payment of a user; one that is paid takes nothing of it.

    Raises :class:`ConflictError` for a draft, a void invoice, or another user's.
    """
    if row.status != states.PAID:
        states.check(row, states.PAY)
    if user_id is not None and row.user_id != user_id:
        raise ConflictError(
            f"invoice {states.name_of(row)} is one of {row.user_id!r}, not of {user_id!r}",
            "name the user's own invoices",
        )
    return row


def receive(
    tx: Transaction,
    incoming: Incoming,
    user: tuple[int, str],
    rows: Sequence[InvoiceRow] | None,
    now: int,
) -> PaymentRow:
    """Write a payment of a user (key and id) and settle invoices with it; return its row.

    ``rows`` None are all on which the user owes something, the oldest due first.
    """
    payment = _row(tx, incoming, user, SUCCEEDED, now)
    payments.insert(tx, payment)
    return distribute(tx, payment, rows, now)


def fail(  # noqa: PLR0913, PLR0917 - what did not come in, of whom, for what, why, and when
    tx: Transaction,
    incoming: Incoming,
    user: tuple[int, str],
    rows: Sequence[InvoiceRow],
    reason: str,
    now: int,
    attempt: str = "",
) -> PaymentRow:
    """Write a payment that failed, and tell of it; it settles nothing."""
    payment = _row(tx, incoming, user, FAILED, now)._replace(
        reason=reason, invoice_id=rows[0].id if rows else None
    )
    payments.insert(tx, payment)
    tell_failed(tx, payment, incoming.received_at, now, attempt)
    return payment


def hold(tx: Transaction, incoming: Incoming, reason: str, now: int) -> PaymentRow:
    """Write a payment that matches nothing, and why, until somebody says whose it is."""
    payment = _row(tx, incoming, (None, None), UNMATCHED, now)._replace(reason=reason)
    payments.insert(tx, payment)
    return payment


def distribute(
    tx: Transaction, payment: PaymentRow, rows: Sequence[InvoiceRow] | None, now: int
) -> PaymentRow:
    """Give what is there of a succeeded payment to invoices, and the rest back as a credit."""
    if payment.user_key is None or payment.user_id is None:
        raise ValueError(payment)
    if rows is None:
        ids = payments.open_invoices(tx, payment.user_key)
        found = {row.id: row for row in invoices.by_ids(tx, ids)} if ids else {}
        rows = [found[number] for number in ids]
    shares, rest = fill(payment.amount - payment.refunded, [(row.id, row.due) for row in rows])
    first = shares[0].id if shares else rows[0].id if rows else None
    payment = payment._replace(invoice_id=first)
    payments.rewrite(tx, payment)
    payments.allocate(tx, payment.id, shares, now)
    by_id = {row.id: row for row in rows}
    for number, amount in shares:
        settlement.settle(
            tx,
            by_id[number],
            states.PAY,
            amount,
            f"payment {payment.id}",
            at=payment.received_at,
            now=now,
        )
    _tell_received(tx, payment, now)
    if rest:
        grant_rest(tx, payment, rest, f"Overpayment, payment {payment.id}", now)
    return payment


def grant_rest(tx: Transaction, payment: PaymentRow, amount: int, reason: str, now: int) -> None:
    """Keep what a payment left, or an invoice released of it, as a credit of its user."""
    if payment.user_key is None or payment.user_id is None:
        raise ValueError(payment)
    given = Grant(
        payment.user_key,
        payment.user_id,
        amount,
        payment.currency,
        reason,
        now,
        source_payment=payment.id,
    )
    credits.grant(tx, [given], now)


def match(
    app: App, payment_id: int, references: Sequence[str], user_id: str | None
) -> dict[str, object]:
    """Say whose an unmatched payment is: the user's of some invoices, or a user's."""
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.batch() as tx:
        payment = require(tx, payment_id)
        if payment.status != UNMATCHED:
            raise ConflictError(
                f"payment {payment.id} is {payment.status}, not unmatched",
                "billing payment list --unmatched shows those that are",
            )
        if payment.refunded == payment.amount:
            raise ConflictError(
                f"payment {payment.id} was given back as a whole", "nothing is left to match"
            )
        if user_id is not None:
            key, rows = users.key_of(tx, user_id), None
        else:
            rows = [payable(require_invoice(tx, one)) for one in references]
            key, user_id = rows[0].user_key, rows[0].user_id
            for row in rows:
                payable(row, user_id)
        payment = payment._replace(user_key=key, user_id=user_id, status=SUCCEEDED, reason=None)
        distribute(tx, payment, rows, now)
        return row_of(payments.read(tx, payment.id))


def require(tx: Transaction, payment_id: int) -> PaymentRow:
    """Return a payment; :class:`NotFoundError` for one that there is not."""
    row = payments.find(tx, payment_id)
    if row is None:
        raise NotFoundError(
            f"there is no payment {payment_id}", "billing payment list shows their ids"
        )
    return row


@contextmanager
def listing(
    app: App, user_id: str | None, status: str | None, invoice: str | None
) -> Iterator[Iterator[dict[str, object]]]:
    """Give the payments of a selection, in the order in which they were recorded."""
    with app.unit_of_work() as uow, uow.reading() as tx:
        selection = payments.Selection(
            None if user_id is None else users.key_of(tx, user_id),
            status,
            None if invoice is None else require_invoice(tx, invoice).id,
        )
        yield (row_of(row) for row in payments.listed(tx, selection))


def show(app: App, payment_id: int) -> dict[str, object]:
    """Return a payment with the invoices it paid and what was given back of it."""
    with app.unit_of_work() as uow, uow.reading() as tx:
        require(tx, payment_id)
        listed = payments.read(tx, payment_id)
        currency = listed.payment.currency
        return {
            **row_of(listed),
            "external_id": listed.payment.external_id,
            "stripe_payment_intent_id": listed.payment.stripe_payment_intent_id,
            "failure_code": listed.payment.failure_code,
            "allocations": [
                _allocation_of(one, currency) for one in payments.allocations_of(tx, payment_id)
            ],
            "refunds": [_refund_of(one, currency) for one in payments.refunds_of(tx, payment_id)],
        }


def of_invoice(tx: Transaction, invoice_id: int) -> list[dict[str, object]]:
    """Return the payments of an invoice as they are shown, those that were undone too."""
    rows = []
    for one in payments.allocations_to(tx, invoice_id):
        payment = require(tx, one.payment_id)
        rows.append(
            {
                "payment_id": payment.id,
                "amount": format_minor(one.amount, payment.currency),
                "method": payment.method,
                "reference": payment.reference,
                "status": payment.status,
                "received_at": format_instant(payment.received_at),
                "released_at": instant_text(one.released_at),
            }
        )
    return rows


def row_of(listed: Listed) -> dict[str, object]:
    """Return a payment as it is shown."""
    payment = listed.payment
    sums = {
        "amount": payment.amount,
        "allocated": listed.allocated,
        "credited": listed.credited,
        "refunded": payment.refunded,
    }
    return {
        "id": payment.id,
        "user_id": payment.user_id,
        "invoice_id": payment.invoice_id,
        "invoice_number": listed.invoice_number,
        **{name: format_minor(minor, payment.currency) for name, minor in sums.items()},
        "currency": payment.currency,
        "status": payment.status,
        "method": payment.method,
        "reference": payment.reference,
        "reason": payment.reason,
        "received_at": format_instant(payment.received_at),
        "created_at": format_instant(payment.created_at),
        "reversed_at": instant_text(payment.reversed_at),
    }


def tell_failed(tx: Transaction, payment: PaymentRow, at: int, now: int, attempt: str = "") -> None:
    """Tell that money did not come in, or went back; each attempt that has a name is told of."""
    _tell(tx, payment, "failed", at, now, attempt)


def _tell_received(tx: Transaction, payment: PaymentRow, now: int) -> None:
    _tell(tx, payment, "received", payment.received_at, now)


def _tell(  # noqa: PLR0913, PLR0917 - an event: of what, and when
    tx: Transaction, payment: PaymentRow, kind: str, at: int, now: int, attempt: str = ""
) -> None:
    row = payments.read(tx, payment.id)
    data = {
        "payment_id": payment.id,
        "user_id": payment.user_id,
        "invoice_id": row.payment.invoice_id,
        "invoice_number": row.invoice_number,
        "amount": format_minor(payment.amount, payment.currency),
        "currency": payment.currency,
        "method": payment.method,
        "reference": payment.reference,
        "status": payment.status,
        "reason": payment.reason,
    }
    name, identity = f"billing.payment.{kind}", f"payment/{payment.id}/{kind}"
    if attempt:
        identity = f"{identity}/{attempt}"
    outbox.tell(tx, [Notice(name, identity, payment.user_key, payment.user_id, at, data)], now)


def _row(
    tx: Transaction,
    incoming: Incoming,
    user: tuple[int | None, str | None],
    status: str,
    now: int,
) -> PaymentRow:
    return PaymentRow(
        id=payments.next_id(tx),
        user_key=user[0],
        user_id=user[1],
        invoice_id=None,
        amount=incoming.amount,
        refunded=0,
        currency=incoming.currency,
        status=status,
        method=incoming.method,
        reference=incoming.reference,
        external_id=incoming.external_id,
        reason=None,
        received_at=incoming.received_at,
        created_at=now,
        stripe_payment_intent_id=incoming.intent,
        failure_code=incoming.failure_code,
    )


def _allocation_of(one: Allocation, currency: str) -> dict[str, object]:
    return {
        "invoice_id": one.invoice_id,
        "invoice_number": one.invoice_number,
        "amount": format_minor(one.amount, currency),
        "allocated_at": format_instant(one.allocated_at),
        "released_at": instant_text(one.released_at),
    }


def _refund_of(one: RefundRow, currency: str) -> dict[str, object]:
    return {
        "id": one.id,
        "amount": format_minor(one.amount, currency),
        "credit_note": one.credit_note,
        "reason": one.reason,
        "refunded_at": format_instant(one.refunded_at),
    }
