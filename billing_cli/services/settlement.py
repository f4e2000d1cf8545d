"""What paying and taking back does to an invoice, and the events that tell of it.

``amount_paid`` is what payments and credit notes have settled; an invoice is paid when it is the
total. Everything here happens in the caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from billing_cli.pricing import invoice_states as states
from billing_cli.pricing.instants import instant_text
from billing_cli.pricing.money import format_minor
from billing_cli.services import suspensions
from billing_cli.store import invoices, outbox
from billing_cli.store.outbox import Notice

if TYPE_CHECKING:
    from billing_cli.store.invoice_rows import InvoiceRow
    from billing_cli.store.unit_of_work import Transaction


def settle(  # noqa: PLR0913 - what is settled, by what, and when it happened and was recorded
    tx: Transaction, row: InvoiceRow, action: str, amount: int, cause: str, *, at: int, now: int
) -> InvoiceRow:
    """Count ``amount`` as settled by an action of the table of states; return the new row.

    ``at`` is when it happened: an invoice that this pays was paid then. ``cause`` names the
    payment or note, so that an invoice that is paid again is told of again.
    """
    paid = row.amount_paid + amount
    done = paid == row.total
    settled = row._replace(
        amount_paid=paid,
        status=states.moved(row, action, states.PAID if done else row.status),
        paid_at=at if done and row.status != states.PAID else row.paid_at,
    )
    invoices.rewrite(tx, [settled])
    if done and row.status != states.PAID:
        _tell(tx, settled, "paid", cause, at, now)
        suspensions.settle_overdue(tx, [row.user_key], now)
    return settled


def owe_again(tx: Transaction, row: InvoiceRow, amount: int, cause: str, now: int) -> InvoiceRow:
    """Count ``amount`` as owed again, because a payment bounced or was given back.

    A paid invoice is overdue again when its due moment has passed.
    """
    late = row.due_date is not None and row.due_date <= now
    status = row.status
    if status == states.PAID:
        status = states.OVERDUE if late else states.SENT
    owed = row._replace(
        amount_paid=row.amount_paid - amount,
        status=states.moved(row, states.REVERSE, status),
        paid_at=None,
        overdue_at=row.due_date if status == states.OVERDUE else row.overdue_at,
    )
    invoices.rewrite(tx, [owed])
    if status == states.OVERDUE and row.status != states.OVERDUE:
        _tell(tx, owed, "overdue", cause, owed.due_date or now, now)
    return owed


def invoice_data(row: InvoiceRow) -> dict[str, Any]:
    """Return what every event about an invoice says."""
    return {
        "invoice_id": row.id,
        "invoice_number": row.invoice_number,
        "user_id": row.user_id,
        "period": row.period,
        "total": format_minor(row.total, row.currency),
        "amount_due": format_minor(0 if row.status == states.VOID else row.due, row.currency),
        "currency": row.currency,
        "status": row.status,
        "due_date": instant_text(row.due_date),
    }


def notice(row: InvoiceRow, kind: str, cause: str, at: int, **more: object) -> Notice:
    """Return the event ``billing.invoice.KIND`` of an invoice."""
    return Notice(
        f"billing.invoice.{kind}",
        f"invoice/{row.id}/{kind}/{cause}",
        row.user_key,
        row.user_id,
        at,
        {**invoice_data(row), **more},
    )


def _tell(  # noqa: PLR0913, PLR0917 - an event: of what, because of what, and when
    tx: Transaction, row: InvoiceRow, kind: str, cause: str, at: int, now: int
) -> None:
    outbox.tell(tx, [notice(row, kind, cause, at)], now)
