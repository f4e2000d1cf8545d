"""Writing the invoices of a batch: numbers, credits, lines, claims, and the events that tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from billing_cli.pricing.credits import apply_credits
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.invoice_numbers import number_in, series_at
from billing_cli.pricing.money import format_minor
from billing_cli.services.credits import grant
from billing_cli.store import credits, invoices, outbox, restatements
from billing_cli.store.invoice_rows import ClaimRow, InvoiceRow, LineRow, dump_parts
from billing_cli.store.invoices import CUSTOM
from billing_cli.store.outbox import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.pricing.credits import Use
    from billing_cli.pricing.invoices import Content
    from billing_cli.pricing.terms import Tax, TermsHistory
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
        return series_at(self.prefix, self.now, self.history.calendar.zone_at(self.now))


@dataclass(slots=True)
class Made:
    """One user's invoice, ready to be written; ``row`` is what becomes of it."""

    id: int
    user_key: int
    user_id: str
    content: Content
    tax: Tax | None
    draft: InvoiceRow | None
    uses: list[Use] = field(default_factory=list)
    row: InvoiceRow = field(init=False)

    @property
    def owed(self) -> int:
        """What is to be paid before credits."""
        return self.content.subtotal + self.content.tax


class Issue:
    """One batch of invoices on its way into the database, in that batch's transaction."""

    def __init__(
        self, tx: Transaction, rules: Rules, target: Target, gathered: Gathered, currency: str
    ) -> None:
        """Keep what all invoices of the batch have in common."""
        self._tx = tx
        self._rules = rules
        self._target = target
        self._gathered = gathered
        self._currency = currency

    def _finalize(self, made: Sequence[Made]) -> None:
        """Give numbers, use credits, and freeze: all in the batch's transaction."""
        tx, rules = self._tx, self._rules
        left = credits.available(tx, [m.user_key for m in made])
        numbers = invoices.take_numbers(tx, rules.series, len(made)) if made else range(0)
        series = rules.series
        for invoice, number in zip(made, numbers, strict=True):
            grants = left.get(invoice.user_key)
            if grants:
                invoice.uses = apply_credits(invoice.owed, grants, self._target.end)
            invoice.row = self._row(invoice, number_in(series, number))

    def _row(self, made: Made, number: str | None) -> InvoiceRow:
        """Return the row of a draft, or of what has a number."""
        target, rules, draft, tax = self._target, self._rules, made.draft, made.tax
        used = sum([use.amount for use in made.uses])
        total = made.owed - used
        sent = None if number is None else rules.now
        due_override = draft.due_override if draft else None
        due = None if sent is None else due_override or sent + rules.terms_days * _DAY
        return InvoiceRow(
            id=made.id,
            user_key=made.user_key,
            user_id=made.user_id,
            invoice_number=number,
            kind=target.kind,
            period=target.name,
            period_start=target.start,
            period_end=target.end,
            currency=self._currency,
            subtotal=made.content.subtotal,
            tax=made.content.tax,
            credits=used,
            total=total,
            tax_id=tax.id if tax else None,
            tax_name=tax.name if tax else None,
            tax_percent=format(tax.percent, "f") if tax else None,
            status="draft" if sent is None else "sent" if total else "paid",
            created_at=draft.created_at if draft else rules.now,
            sent_at=sent,
            due_date=due,
            paid_at=None if total else sent,
            voided_at=None,
            void_reason=None,
            written_off=0,
            superseded_by=None,
            memo=draft.memo if draft else None,
            due_override=due_override,
        )

    def write(self, made: Sequence[Made], empty: Sequence[int]) -> None:
        """Write what was made, and delete the drafts that have nothing to say any more."""
        tx, gathered = self._tx, self._gathered
        if self._rules.finalize:
            self._finalize(made)
        else:
            for one in made:
                one.row = self._row(one, None)
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
        grant(
            tx,
            [
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
            ],
            now,
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
            "amount_due": format_minor(row.due, row.currency),
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
