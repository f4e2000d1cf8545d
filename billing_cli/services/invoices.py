"""What the ``invoice`` commands do."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.quantities import UNITS
from billing_cli.services import credit_notes, generation, payments, terms
from billing_cli.services.config import warn_of
from billing_cli.store import invoices as store
from billing_cli.store import stripe_invoices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import date

    from billing_cli.app import App
    from billing_cli.store.invoice_rows import InvoiceRow, LineRow
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

    Advance = Callable[[int], None]

STATUSES = ("draft", "sent", "paid", "overdue", "void")


@dataclass(frozen=True, slots=True)
class Made:
    """The invoices that a command made, and what the operator should know about them."""

    rows: Iterator[dict[str, object]]
    notes: list[str]
    warning: str | None


@contextmanager
def generate(  # noqa: PLR0913 - the options of the command
    app: App,
    span: str | tuple[date, date] | None,
    users: Sequence[str] | None,
    advance: Advance,
    *,
    finalize: bool,
    dry_run: bool,
) -> Iterator[Made]:
    """Make or refresh the invoices of a span, or of every complete period not billed yet.

    The work is done on entering; the rows are read while the context lasts.
    """
    with _working(app, advance, finalize=finalize, dry_run=dry_run) as (run, tell):
        yield tell(run.generate(span, users))


@contextmanager
def finalize(
    app: App, references: Sequence[str], period: str | None, advance: Advance, *, dry_run: bool
) -> Iterator[Made]:
    """Finalize drafts: those named, or all of a period; as :func:`generate` does."""
    with _working(app, advance, finalize=True, dry_run=dry_run) as (run, tell):
        yield tell(run.finalize_drafts(references, period))


@contextmanager
def _working(
    app: App, advance: Advance, *, finalize: bool, dry_run: bool
) -> Iterator[tuple[generation.Generation, Callable[[generation.GenerateReport], Made]]]:
    now = app.clock.now()
    with app.unit_of_work(rehearse=dry_run) as uow:
        in_force = terms.establish(uow, app.settings, now)

        def tell(report: generation.GenerateReport) -> Made:
            notes = [
                f"{name} has not ended: its drafts are as of now" for name in report.unfinished
            ]
            if dry_run:
                notes.append("nothing was kept: this was a rehearsal")
            return Made(_rows_of(uow, report.ids), notes, warn_of(in_force))

        run = generation.Generation(uow, app.settings, in_force.history, now, finalize, advance)
        yield run, tell


def _rows_of(uow: UnitOfWork, ids: Sequence[int]) -> Iterator[dict[str, object]]:
    if ids:
        with uow.reading() as tx:
            yield from (row_of(row) for row in store.by_ids(tx, ids))


@contextmanager
def listing(
    app: App, period: str | None, users: Sequence[str] | None, status: str | None
) -> Iterator[Iterator[dict[str, object]]]:
    """Give the invoices of a selection, by period and in byte order of the users."""
    selection = store.Selection(period, tuple(users) if users else None, status)
    with app.unit_of_work() as uow, uow.reading() as tx:
        yield (row_of(row) for row in generation.select(tx, selection))


def show(app: App, reference: str) -> dict[str, object]:
    """Return an invoice with its lines."""
    with app.unit_of_work() as uow, uow.reading() as tx:
        return show_in(tx, reference)


def show_in(tx: Transaction, reference: str) -> dict[str, object]:
    """Return an invoice with its lines, as a transaction sees it."""
    row, lines = generation.show(tx, reference)
    return {
        **row_of(row),
        "overdue_at": instant_text(row.overdue_at),
        "memo": row.memo,
        "tax_name": row.tax_name,
        "tax_percent": row.tax_percent,
        "voided_at": instant_text(row.voided_at),
        "void_reason": row.void_reason,
        "written_off": bool(row.written_off),
        "superseded_by": row.superseded_by,
        "lines": [_line_of(line, row.currency) for line in lines],
        "payment_page": stripe_invoices.pages(tx, [row.id]).get(row.id),
        "payments": payments.of_invoice(tx, row.id),
        "credit_notes": credit_notes.of_invoice(tx, row.id),
    }


def summed(
    rows: Iterable[dict[str, object]], footer: dict[str, object]
) -> Iterator[dict[str, object]]:
    """Yield rows; at their end ``footer`` has the totals, where adding them up makes sense."""
    sums = dict.fromkeys(("subtotal", "tax", "credits", "total", "amount_due"), Decimal(0))
    count = valid = 0
    currencies = set()
    for row in rows:
        count += 1
        if row["status"] != "void":
            valid += 1
            currencies.add(row["currency"])
            for name in sums:
                sums[name] += Decimal(str(row[name]))
        yield row
    # One row is its own sum.
    if count > 1 and len(currencies) == 1:
        footer["invoice_number"] = f"{valid} invoices"
        footer |= {name: str(total) for name, total in sums.items()}


def row_of(row: InvoiceRow) -> dict[str, object]:
    """Return an invoice as it is shown: amounts as decimal text, times in RFC 3339."""
    return {
        "id": row.id,
        "invoice_number": row.invoice_number,
        "user_id": row.user_id,
        "period": row.period,
        "period_start": format_instant(row.period_start),
        "period_end": format_instant(row.period_end),
        "subtotal": format_minor(row.subtotal, row.currency),
        "tax": format_minor(row.tax, row.currency),
        "credits": format_minor(row.credits, row.currency),
        "total": format_minor(row.total, row.currency),
        "amount_paid": format_minor(row.amount_paid, row.currency),
        "amount_due": format_minor(amount_due(row), row.currency),
        "currency": row.currency,
        "status": row.status,
        "created_at": format_instant(row.created_at),
        "sent_at": instant_text(row.sent_at),
        "due_date": instant_text(row.due_date or row.due_override),
        "paid_at": instant_text(row.paid_at),
        "source": "stripe" if row.kind == store.STRIPE else "billing",
    }


def amount_due(row: InvoiceRow) -> int:
    """Return what is owed of an invoice: of a draft and a void one nothing is."""
    return row.due if row.status in {"sent", "overdue"} else 0


def _line_of(line: LineRow, currency: str) -> dict[str, object]:
    return {
        "line": line.position,
        "kind": line.kind,
        "description": line.description,
        "resource_type": line.resource_type,
        "quantity": line.quantity,
        "unit": unit_of(line),
        "unit_price": line.unit_price,
        "amount": format_minor(line.amount, currency),
        "period_start": format_instant(line.unit_start),
        "period_end": format_instant(line.unit_end),
    }


def unit_of(line: LineRow) -> str | None:
    """Return the unit of a line's quantity, None for a line without one."""
    if line.resource_type is not None:
        return UNITS[line.resource_type]
    # The fee of a plan: months or years held.
    return None if line.item is None else f"{line.item.partition(':')[0]}s"
