"""What is sent to Stripe for the next step of an invoice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from billing_cli.gateway import stripe_parameters as parameters
from billing_cli.gateway.stripe_parameters import InvoiceHead
from billing_cli.pricing import stripe_steps as steps
from billing_cli.pricing.stripe_amounts import to_stripe
from billing_cli.services.stripe_requests import Wish

if TYPE_CHECKING:
    from collections.abc import Mapping

    from billing_cli.services.stripe_run import Run
    from billing_cli.store.invoice_rows import InvoiceRow, LineRow
    from billing_cli.store.stripe_invoices import Pair
    from billing_cli.store.stripe_links import Link

OPERATIONS: Mapping[str, str] = {
    steps.CREATE: "invoice.create",
    steps.FILL: "invoice.add_lines",
    steps.FINALIZE: "invoice.finalize",
    steps.PAID_ELSEWHERE: "invoice.pay",
    steps.PART_ELSEWHERE: "payment_record.report",
    steps.COLLECT: "invoice.update",
    steps.VOID: "invoice.void",
    steps.GIVE_UP: "invoice.give_up",
    steps.DELETE: "invoice.delete",
}


class Gathered(NamedTuple):
    """What is known of a batch, and what is to be done next with each invoice."""

    pairs: dict[int, Pair]
    steps: dict[int, str]
    lines: dict[int, list[LineRow]]
    customers: dict[str, Link]
    taken: dict[str, Link]


def wish(run: Run, gathered: Gathered, pair: Pair, step: str) -> Wish:
    """Return the write that takes an invoice a step on; ValueError says why there can be none."""
    row, there = pair
    target, operation = f"invoice/{row.id}", OPERATIONS[step]
    stripe_id = "" if there is None or there.stripe_id is None else there.stripe_id
    wanted: Mapping[str, Any] = {}
    match step:
        case steps.CREATE:
            wanted = _head(run, gathered, row)
        case steps.FILL:
            wanted = _filling(gathered, row)
        case steps.FINALIZE:
            collects = steps.collects_at_once(row.due, row.total)
            wanted = parameters.finalize(collects=collects)
        case steps.PAID_ELSEWHERE:
            wanted = parameters.paid_elsewhere()
        case steps.COLLECT:
            wanted = {"auto_advance": True}
        case steps.PART_ELSEWHERE:
            return _part(run, gathered, pair)
        case _:
            pass
    return Wish(target, operation, dict(wanted), stripe_id)


def _head(run: Run, gathered: Gathered, row: InvoiceRow) -> Mapping[str, object]:
    link = gathered.customers.get(str(row.user_key))
    if link is None:
        raise ValueError("its user is no customer on Stripe yet")
    taken = gathered.taken.get(row.invoice_number or "")
    if taken is not None:
        raise ValueError(f"Stripe has another invoice of this number: {taken.detail}")
    for amount in (row.subtotal, row.tax, row.credits, row.total):
        to_stripe(amount, row.currency)
    now = run.account.now
    # Stripe takes no due date that has passed: what is overdue here is due there at once.
    due = None if row.due_date is None else max(row.due_date, now + 3600)
    head = InvoiceHead(
        customer=link.stripe_id,
        number=row.invoice_number or "",
        currency=row.currency,
        due_date=due,
        method=link.detail,
        memo=row.memo,
        metadata=parameters.metadata(
            invoice=row.id, installation=run.account.installation, period=row.period
        ),
    )
    return dict(parameters.invoice(head))


def _filling(gathered: Gathered, row: InvoiceRow) -> Mapping[str, object]:
    found = [
        (_described(line), to_stripe(line.amount, row.currency))
        for line in gathered.lines.get(row.id, ())
    ]
    if row.tax:
        percent = f" {row.tax_percent} %" if row.tax_percent else ""
        found.append((f"{row.tax_name or 'Tax'}{percent}", to_stripe(row.tax, row.currency)))
    if row.credits:
        found.append(("Credits", -to_stripe(row.credits, row.currency)))
    return dict(parameters.lines(found))


def _described(line: LineRow) -> str:
    if line.quantity is None or line.unit_price is None:
        return line.description
    return f"{line.description}: {line.quantity} at {line.unit_price}"


def _part(run: Run, gathered: Gathered, pair: Pair) -> Wish:
    row, there = pair
    if there is None:
        raise LookupError(row.id)
    link = gathered.customers.get(str(row.user_key))
    if link is None:
        raise ValueError("its user is no customer on Stripe any more")
    amount = to_stripe(there.remaining - row.due, row.currency)
    wanted = parameters.part_paid_elsewhere(
        amount, row.currency, link.stripe_id, run.account.now, row.invoice_number or str(row.id)
    )
    # Named by what it changes: reported once, however often it is tried to count it.
    target = f"invoice/{row.id}/{there.remaining}-{row.due}"
    return Wish(target, "payment_record.report", dict(wanted))
