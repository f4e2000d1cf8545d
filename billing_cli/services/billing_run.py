"""Billing a target: some thousand users at a time, each batch whole, in byte order of the users."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from billing_cli.pricing.credits import apply_credits
from billing_cli.pricing.invoices import Billed, Content, Line, content, unit_lines
from billing_cli.pricing.rating import Totals, add_to
from billing_cli.pricing.terms import RESOURCES
from billing_cli.services.billing_scope import Gathered, Target, gather
from billing_cli.store import credits, invoices, restatements, sessions, state, terms, totals
from billing_cli.store.invoice_rows import (
    ClaimRow,
    InvoiceRow,
    LineRow,
    dump_parts,
    load_parts,
)
from billing_cli.store.invoices import CUSTOM, REGULAR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from billing_cli.pricing.credits import Use
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.invoice_rows import BilledLine
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

_BATCH_USERS = 2_500
_DAY = 86_400
UnitKey = tuple[int, int, int | None]
"""A user's key, and a unit's start and custom invoice."""


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
class _Made:
    """One user's invoice, ready to be written."""

    row: InvoiceRow
    content: Content
    draft: InvoiceRow | None
    uses: list[Use] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    """What is known of the users of one batch."""

    users: list[tuple[int, str]]
    totals: dict[int, Totals]
    live: dict[int, InvoiceRow]
    drafts: dict[int, InvoiceRow]
    billed: dict[UnitKey, Billed]


class BillingRun:
    """Bills one target. ``made`` collects the ids of the invoices written."""

    def __init__(
        self,
        uow: UnitOfWork,
        rules: Rules,
        target: Target,
        meter: Callable[[], None],
        advance: Callable[[int], None],
    ) -> None:
        """Keep what the run works with; ``meter`` brings records up to the target's end."""
        self._uow = uow
        self._rules = rules
        self._target = target
        self._meter = meter
        self._advance = advance
        self._currency = rules.history.at(target.end - 1).currency
        self._tax = rules.history.at(target.end - 1).tax
        self.made: list[int] = []

    def run(self) -> list[int]:
        """Write the target's invoices and return their ids."""
        gathered = self._gather()
        after: str | None = None
        while True:
            with self._uow.batch() as tx:
                stale = state.rewrites(tx) != gathered.rewrites
                users = [] if stale else totals.next_users(tx, after, _BATCH_USERS)
                if users:
                    self._bill(tx, gathered, users)
                elif not stale:
                    self._close(tx)
                    return self.made
            if stale:
                gathered = self._gather()
            else:
                after = users[-1][1]
                self._advance(len(users))

    def _gather(self) -> Gathered:
        while True:
            with self._uow.reading() as tx:
                unsliced = sessions.first_reslice(tx)
                if unsliced is None or unsliced >= self._target.end:
                    return gather(tx, self._rules.history, self._target)
            # Another process was killed, or is at work, between undoing and slicing again.
            self._meter()

    def _close(self, tx: Transaction) -> None:
        target = self._target
        if self._rules.finalize and target.kind == REGULAR and target.users is None:
            terms.close_period(tx, target.start, target.end, self._rules.now)
            if state.metered_until(tx) is None:
                # Without any usage there was nothing to meter; what comes from now on is late.
                state.set_metered_until(tx, target.end)
            if target.only_drafts:
                # Whoever had usage but no draft gets it as late usage on the next invoice.
                restatements.add_unbilled(tx, target.start)

    def _bill(self, tx: Transaction, gathered: Gathered, users: list[tuple[int, str]]) -> None:
        batch = self._read(tx, gathered, users)
        made: list[_Made] = []
        empty: list[int] = []
        settled: list[tuple[int, int]] = []
        held_back: list[tuple[int, int]] = []
        next_id = invoices.next_id(tx)
        for user_key, user_id in users:
            draft = batch.drafts.get(user_key)
            if not self._is_due(gathered, batch, user_key):
                if self._is_held_back(batch, user_key):
                    held_back.append((user_key, self._target.start))
                continue
            settled += [(user_key, start) for start in gathered.settled.get(user_key, ())]
            number = draft.id if draft else next_id
            found = self._content(gathered, batch, user_key, number)
            if found is None:
                empty += [draft.id] if draft else []
                continue
            next_id += draft is None
            made.append(_Made(self._row(number, user_key, user_id, found, draft), found, draft))
        if self._rules.finalize:
            self._finalize(tx, made)
            restatements.settle(tx, settled)
            restatements.add(tx, held_back)
        self._write(tx, gathered, made, empty)
        self.made += [m.row.id for m in made]

    def _read(self, tx: Transaction, gathered: Gathered, users: list[tuple[int, str]]) -> _Batch:
        target, keys = self._target, [key for key, _ in users]
        batch = _Batch(users, defaultdict(dict), {}, {}, defaultdict(Billed))
        for user, ordinal, *sums in totals.totals_of(tx, keys):
            stretch = gathered.stretches[ordinal]
            for resource, base in zip(RESOURCES, sums, strict=True):
                if base:
                    key = (resource, stretch.prices[resource])
                    add_to(batch.totals[user], key, stretch.month_seconds, base)
        for row in invoices.of_range(tx, keys, target.kind, target.start, target.end):
            if row.status == "draft":
                batch.drafts[row.user_key] = row
            elif row.superseded_by is None:
                batch.live[row.user_key] = row
        unit_starts = {target.start} | {
            restated.unit.start for key in keys for restated in gathered.restated.get(key, ())
        }
        own = {draft.id for draft in batch.drafts.values()}
        for line in invoices.lines_about(tx, keys, sorted(unit_starts)):
            if line.invoice_id in own or self._releases(gathered, batch, line):
                continue
            unit = (line.user_key, line.unit_start, line.unit_invoice)
            billed = batch.billed[unit]
            count = billed.hold if line.invoice_status == "void" else billed.add
            key = (line.item, line.unit_price)
            count(key, load_parts(line.parts), line.amount)
        return batch

    def _explicit(self, batch: _Batch, user_key: int) -> bool:
        return self._target.explicit or user_key in batch.drafts

    def _releases(self, gathered: Gathered, batch: _Batch, line: BilledLine) -> bool:
        return line.invoice_id in gathered.held.get(line.user_key, ()) and self._explicit(
            batch, line.user_key
        )

    def _is_due(self, gathered: Gathered, batch: _Batch, user_key: int) -> bool:
        """Tell whether a user gets an invoice for the target, or has one, sent or held back."""
        target = self._target
        if target.only_drafts and user_key not in batch.drafts:
            return False
        live = batch.live.get(user_key)
        if live is not None and target.kind == REGULAR:
            released = live.id in gathered.held.get(user_key, ())
            return released and self._explicit(batch, user_key)
        if target.kind == CUSTOM:
            return bool(batch.totals.get(user_key)) or user_key in batch.drafts
        return True

    def _is_held_back(self, batch: _Batch, user_key: int) -> bool:
        """Tell whether the target's invoice of a user was voided.

        A draft may have been, before the period's end: what it did not hold goes on the next
        invoice, as late usage.
        """
        live = batch.live.get(user_key)
        return self._target.kind == REGULAR and live is not None and live.status == "void"

    def _content(
        self, gathered: Gathered, batch: _Batch, user_key: int, number: int
    ) -> Content | None:
        unit = self._target.unit(number)
        billed = batch.billed.get((user_key, unit.start, unit.invoice))
        lines: list[Line] = unit_lines(
            unit, batch.totals.get(user_key, {}), billed, self._currency, correction=False
        )
        for restated in gathered.restated.get(user_key, ()):
            about = restated.unit
            billed = batch.billed.get((user_key, about.start, about.invoice))
            lines += unit_lines(about, restated.totals, billed, self._currency, correction=True)
        return content(lines, self._tax, unit)

    def _row(
        self, number: int, user_key: int, user_id: str, found: Content, draft: InvoiceRow | None
    ) -> InvoiceRow:
        target, tax = self._target, self._tax
        return InvoiceRow(
            id=number,
            user_key=user_key,
            user_id=user_id,
            invoice_number=None,
            kind=target.kind,
            period=target.name,
            period_start=target.start,
            period_end=target.end,
            currency=self._currency,
            subtotal=found.subtotal,
            tax=found.tax,
            credits=0,
            total=found.subtotal + found.tax,
            tax_id=tax.id if tax else None,
            tax_name=tax.name if tax else None,
            tax_percent=format(tax.percent, "f") if tax else None,
            status="draft",
            created_at=draft.created_at if draft else self._rules.now,
            sent_at=None,
            due_date=None,
            paid_at=None,
            voided_at=None,
            void_reason=None,
            written_off=0,
            superseded_by=None,
        )

    def _finalize(self, tx: Transaction, made: Sequence[_Made]) -> None:
        """Give numbers, use credits, and freeze: all in the batch's transaction."""
        rules = self._rules
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
                due_date=rules.now + rules.terms_days * _DAY,
            )

    def _write(
        self, tx: Transaction, gathered: Gathered, made: Sequence[_Made], empty: Sequence[int]
    ) -> None:
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
            self._write_credits(tx, made)
        if self._target.kind == CUSTOM:
            self._claim(tx, gathered, made)

    def _claim(self, tx: Transaction, gathered: Gathered, made: Sequence[_Made]) -> None:
        target = self._target
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

    def _write_credits(self, tx: Transaction, made: Sequence[_Made]) -> None:
        now = self._rules.now
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


def _line_rows(invoice: _Made) -> list[LineRow]:
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
