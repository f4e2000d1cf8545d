"""Writing the invoices of a batch: numbers, credits, lines, claims, and the events that tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from billing_cli.pricing.credits import apply_credits
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.money import format_minor
from billing_cli.store import credits, invoices, outbox, restatements
from billing_cli.store.invoice_rows import ClaimRow, InvoiceRow, LineRow, dump_parts
from billing_cli.store.invoices import CUSTOM
from billing_cli.store.outbox import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.pricing.credits import Use
    from billing_cli.pricing.invoices import Content
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.services.billing_scope import Gathered, Target
    from billing_cli.store.unit_of_work import Transaction

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Rules:
    """What every invoice of a run has in common."""

    history: TermsHistory
    prefix: str
    terms_days: int
    now: int
    finalize: bool

    @property
    def series(self) -> str:
        """The number series: the prefix, and the local year of the finalization."""
        zone = self.history.calendar.zone_at(self.now)
        return f"{self.prefix}-{datetime.fromtimestamp(self.now, zone).year}"


@dataclass(slots=True)
class Made:
    """One user's invoice, ready to be written."""

    row: InvoiceRow
    content: Content
    draft: InvoiceRow | None
    uses: list[Use] = field(default_factory=list)


class Issue:
    """One batch of invoices on its way into the database, in that batch's transaction."""

    def __init__(self, tx: Transaction, rules: Rules, target: Target, gathered: Gathered) -> None:
        """Keep what all invoices of the batch have in common."""
        self._tx = tx
        self._rules = rules
        self._target = target
        self._gathered = gathered

    def finalize(self, made: Sequence[Made]) -> None:
        """Give numbers, use credits, and freeze: all in the batch's transaction."""
        tx, rules = self._tx, self._rules
        left = credits.available(tx, [m.row.user_key for m in made])
        numbers = invoices.take_numbers(tx, rules.series, len(made)) if made else range(0)
        for invoice, number in zip(made, numbers, strict=True):
            row = invoice.row
            invoice.uses = apply_credits(row.total, left.get(row.user_key, ()), self._target.end)
            used = sum(use.amount for use in invoice.uses)
            total = row.total - used
            invoice.row = row._replace(
                invoice_number=f"{rules.series}-{number:06d}",
                credits=used,
                total=total,
                status="paid" if total == 0 else "sent",
                sent_at=rules.now,
                paid_at=rules.now if total == 0 else None,
                due_date=row.due_override or rules.now + rules.terms_days * _DAY,
            )

    def write(self, made: Sequence[Made], empty: Sequence[int]) -> None:
        """Write what was made, and delete the drafts that have nothing to say any more."""
        tx, gathered = self._tx, self._gathered
        refreshed = [m.row for m in made if m.draft]
        drafts = [row.id for row in refreshed]
        invoices.delete_drafts(tx, empty)
        invoices.delete_lines(tx, drafts)
        invoices.delete_claims(tx, drafts)
        invoices.rewrite(tx, refreshed)
        invoices.insert(tx, (m.row for m in made if not m.draft))
        invoices.insert_lines(tx, (line for m in made for line in _line_rows(m)))
        if self._rules.finalize:
            invoices.supersede(
                tx,
                [
                    (void, m.row.id)
                    for m in made
                    if self._target.explicit or m.draft
                    for void in gathered.held.get(m.row.user_key, ())
                ],
            )
            self._write_credits(made)
            outbox.append(tx, _notices(made), self._rules.now)
        if self._target.kind == CUSTOM:
            self._claim(made)

    def _claim(self, made: Sequence[Made]) -> None:
        tx, target, gathered = self._tx, self._target, self._gathered
        whole = [(target.start, target.end)]
        invoices.insert_claims(
            tx,
            (
                ClaimRow(m.row.user_key, *span, m.row.id)
                for m in made
                for span in gathered.pieces.get(m.row.user_key, whole)
            ),
        )
        if self._rules.finalize:
            # What a closed period's late usage was billed as, this invoice may have taken over.
            periods = list(self._rules.history.calendar.between(target.start, target.end))
            restatements.add(
                tx,
                ((m.row.user_key, p.start) for m in made for p in periods if p.end <= target.end),
            )

    def _write_credits(self, made: Sequence[Made]) -> None:
        tx, now = self._tx, self._rules.now
        credits.use(
            tx, (credits.UseRow(u.credit_id, m.row.id, u.amount, now) for m in made for u in m.uses)
        )
        credits.grant(
            tx,
            (
                credits.Grant(
                    m.row.user_key,
                    m.row.user_id,
                    m.content.carried,
                    m.row.currency,
                    f"Carried from {m.row.invoice_number}",
                    now,
                    m.row.id,
                )
                for m in made
                if m.content.carried
            ),
        )


def _notices(made: Sequence[Made]) -> Iterator[Notice]:
    # Most are due at the same moment: writing a time takes as long as all the rest.
    written = lru_cache(maxsize=64)(format_instant)
    for invoice in made:
        row = invoice.row
        sent = row.sent_at or 0
        data = {
            "invoice_id": row.id,
            "invoice_number": row.invoice_number,
            "user_id": row.user_id,
            "period": row.period,
            "total": format_minor(row.total, row.currency),
            "currency": row.currency,
            "status": row.status,
            "due_date": written(row.due_date or sent),
        }
        yield Notice(
            "billing.invoice.created",
            f"invoice/{row.id}/created",
            row.user_key,
            row.user_id,
            sent,
            data,
        )
        if row.status == "paid":
            yield Notice(
                "billing.invoice.paid",
                f"invoice/{row.id}/paid/{sent}",
                row.user_key,
                row.user_id,
                sent,
                data,
            )


def _line_rows(invoice: Made) -> list[LineRow]:
    row = invoice.row
    return [
        LineRow(
            row.id,
            position,
            row.user_key,
            line.kind,
            line.description,
            line.item,
            line.resource,
            line.quantity,
            line.unit_price,
            dump_parts(line.parts),
            line.unit.start,
            line.unit.end,
            line.unit.invoice,
            line.amount,
        )
        for position, line in enumerate(invoice.content.lines, 1)
    ]
