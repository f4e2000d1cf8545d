"""What happens to invoices once they are made: they are paid, overdue or void."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError
from billing_cli.pricing import invoice_states as states
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.money import format_minor
from billing_cli.services import credits as credit_service
from billing_cli.services import payments as payment_service
from billing_cli.services import settlement, suspensions, terms
from billing_cli.services.generation import require, require_ours
from billing_cli.services.invoices import row_of
from billing_cli.store import (
    credit_notes,
    credits,
    invoice_life,
    invoices,
    outbox,
    payments,
    restatements,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.app import App
    from billing_cli.services.payments import Given
    from billing_cli.store.invoice_rows import InvoiceRow
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork


def pay(app: App, reference: str, given: Given) -> dict[str, object]:
    """Record a payment for one invoice, by default of all that is owed; return the invoice.

    What is more than is owed becomes a credit. Raises :class:`ConflictError` where the state of
    the invoice does not allow a payment.
    """
    now = app.clock.now()
    received_at = payment_service.moment_of(given.received_at, now)
    with app.unit_of_work() as uow:
        terms.establish(uow, app.settings, now)
        with uow.batch() as tx:
            row = require(tx, reference)
            states.check(row, states.PAY)
            owed = format_minor(row.due, row.currency)
            amount = owed if given.amount is None else given.amount
            incoming = payment_service.Incoming(
                credit_service.positive(amount, row.currency),
                row.currency,
                given.method,
                received_at,
                given.reference,
            )
            payment_service.receive(tx, incoming, (row.user_key, row.user_id), [row], now)
            return row_of(require(tx, str(row.id)))


def mark_overdue(app: App, references: Sequence[str], *, dry_run: bool) -> list[dict[str, object]]:
    """Mark invoices as overdue: those named, or each whose due moment has passed.

    Raises :class:`ConflictError` for a named one that is not sent, or not due yet.
    """
    now = app.clock.now()
    with app.unit_of_work(rehearse=dry_run) as uow, uow.batch() as tx:
        if not references:
            return [row_of(row) for row in all_overdue(tx, now)]
        marked = [_overdue(require(tx, reference), now) for reference in references]
        marked = list({row.id: row for row in marked}.values())
        invoices.rewrite(tx, marked)
        _tell_overdue(tx, marked, now)
        return [row_of(row) for row in marked]


def all_overdue(tx: Transaction, now: int) -> list[InvoiceRow]:
    """Mark all invoices whose due moment has passed as overdue, tell of them, return them."""
    rows = invoice_life.mark_overdue(tx, now)
    _tell_overdue(tx, rows, now)
    return rows


def void(
    uow: UnitOfWork, reference: str, reason: str, now: int, *, write_off: bool = False
) -> InvoiceRow:
    """Void an invoice: its usage is held back, the credits it used return.

    With ``write_off`` the usage is never billed again. What payments paid of it becomes a credit;
    its credit notes are void with it. Raises :class:`ConflictError` where the state does not
    allow it, or where a credit that it or its notes granted is already spent.
    """
    with uow.batch() as tx:
        return void_in(tx, require_ours(require(tx, reference)), reason, now, write_off=write_off)


def void_in(
    tx: Transaction, row: InvoiceRow, reason: str, now: int, *, write_off: bool
) -> InvoiceRow:
    """Void an invoice in a transaction, as :func:`void` does."""
    states.check(row, states.VOIDING)
    granted = [
        *credits.granted_by(tx, "source_invoice", row.id),
        *credits.granted_by_notes_of(tx, row.id),
    ]
    name = states.name_of(row)
    credit_service.refuse_spent(tx, granted, f"invoice {name}")
    credit_service.withdraw(tx, granted, now, f"Invoice {name} voided: {reason}")
    credits.give_back(tx, row.id, now)
    _release_payments(tx, row, now)
    credit_notes.void_all(tx, row.id, now)
    voided = row._replace(
        status=states.moved(row, states.VOIDING, states.VOID),
        amount_paid=0,
        voided_at=now,
        void_reason=reason,
        written_off=int(write_off),
    )
    invoices.rewrite(tx, [voided])
    if (row.status, row.kind) == (states.DRAFT, invoices.CUSTOM):
        # As of when it was made, it may not have held all of its range.
        restatements.add_metered(tx, row.user_key, row.period_start, row.period_end)
    outbox.tell(tx, [settlement.notice(voided, "voided", "", now, reason=reason)], now)
    suspensions.settle_overdue(tx, [row.user_key], now)
    return voided


def void_one(app: App, reference: str, reason: str, *, write_off: bool) -> dict[str, object]:
    """Void an invoice and return it as it is shown."""
    with app.unit_of_work() as uow:
        return row_of(void(uow, reference, reason, app.clock.now(), write_off=write_off))


def _release_payments(tx: Transaction, row: InvoiceRow, now: int) -> None:
    """Make a credit of what each payment still has on the invoice."""
    for one in payments.allocations_to(tx, row.id):
        if one.released_at is not None:
            continue
        payments.release(tx, one, one.amount, now)
        if one.held:
            payment = payment_service.require(tx, one.payment_id)
            reason = f"Invoice {states.name_of(row)} voided, payment {payment.id}"
            payment_service.grant_rest(tx, payment, one.held, reason, now)


def _overdue(row: InvoiceRow, now: int) -> InvoiceRow:
    status = states.moved(row, states.MARK_OVERDUE, states.OVERDUE)
    if row.due_date is None or row.due_date > now:
        due = "never" if row.due_date is None else f"at {format_instant(row.due_date)}"
        raise ConflictError(
            f"invoice {states.name_of(row)} is not overdue yet: it is due {due}",
            "without ids, mark-overdue finds those that are",
        )
    return row._replace(status=status, overdue_at=row.due_date)


def _tell_overdue(tx: Transaction, rows: Sequence[InvoiceRow], now: int) -> None:
    outbox.tell(
        tx,
        [settlement.notice(row, "overdue", str(row.due_date), row.due_date or now) for row in rows],
        now,
    )
