"""What is known of the users of one batch of a billing run, and what their invoices say."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from billing_cli.pricing.fees import fee_lines, unit_fees
from billing_cli.pricing.invoices import MANUAL, Billed, Content, Line, content, unit_lines
from billing_cli.pricing.rating import OVERAGE_ITEMS, Totals, add_to
from billing_cli.pricing.subscriptions import charged_here
from billing_cli.pricing.terms import RESOURCES
from billing_cli.store import invoices, manual_lines, subscriptions, totals, users
from billing_cli.store.invoice_rows import load_parts
from billing_cli.store.invoices import REGULAR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_cli.pricing.invoices import Unit
    from billing_cli.pricing.spans import Span
    from billing_cli.pricing.subscriptions import Phase
    from billing_cli.pricing.terms import Tax, Terms, TermsHistory
    from billing_cli.services.billing_scope import Gathered, Target
    from billing_cli.store.invoice_rows import BilledLine, InvoiceRow
    from billing_cli.store.manual_lines import ManualLine
    from billing_cli.store.unit_of_work import Transaction

UnitKey = tuple[int, int, int | None]
"""A user's key, and a unit's start and custom invoice."""


@dataclass(slots=True)
class Batch:
    """What a billing run knows of some thousand users; by user key where not said otherwise."""

    history: TermsHistory
    target: Target
    gathered: Gathered
    now: int
    """What has not come by then is not billed."""
    totals: dict[int, Totals] = field(default_factory=lambda: defaultdict(dict))
    phases: dict[int, list[Phase]] = field(default_factory=dict)
    by_stripe: dict[int, int] = field(default_factory=dict)
    """From when on Stripe charges the fees of subscriptions."""
    taxes: dict[int, str] = field(default_factory=dict)
    live: dict[int, InvoiceRow] = field(default_factory=dict)
    drafts: dict[int, InvoiceRow] = field(default_factory=dict)
    manual: dict[int, list[ManualLine]] = field(default_factory=dict)
    """By the id of a draft."""
    billed: dict[UnitKey, Billed] = field(default_factory=lambda: defaultdict(Billed))
    on_drafts: set[UnitKey] = field(default_factory=set)
    """Units that other drafts say something about, which a refresh may change."""
    _terms: Terms = field(init=False)

    def __post_init__(self) -> None:
        """Look up once what every invoice of the batch asks for."""
        self._terms = self.history.at(self.target.end - 1)

    @classmethod
    def read(  # noqa: PLR0913, PLR0917 - what a run is about
        cls,
        tx: Transaction,
        history: TermsHistory,
        target: Target,
        gathered: Gathered,
        keys: Sequence[int],
        now: int,
    ) -> Batch:
        """Read everything about some users in a few queries."""
        batch = cls(history, target, gathered, now)
        for user, ordinal, kind, *sums in totals.totals_of(tx, keys):
            stretch = gathered.stretches[ordinal]
            for resource, base in zip(RESOURCES, sums, strict=True):
                if base:
                    item = resource if kind == "use" else OVERAGE_ITEMS[resource]
                    key = (item, stretch.prices[resource])
                    add_to(batch.totals[user], key, stretch.month_seconds, base)
        for row in invoices.of_range(tx, keys, target.kind, target.start, target.end):
            if row.status == "draft":
                batch.drafts[row.user_key] = row
            elif row.superseded_by is None:
                batch.live[row.user_key] = row
        batch.phases = subscriptions.phases_of(tx, keys)
        batch.by_stripe = subscriptions.charged_by_stripe(tx, keys)
        batch.taxes = users.taxes_of(tx, keys)
        batch.manual = manual_lines.of_drafts(tx, [row.id for row in batch.drafts.values()])
        batch._read_billed(tx, keys)
        return batch

    def _read_billed(self, tx: Transaction, keys: Sequence[int]) -> None:
        starts = {self.target.start} | {
            restated.unit.start for key in keys for restated in self.gathered.restated.get(key, ())
        }
        own = {draft.id for draft in self.drafts.values()}
        for line in invoices.lines_about(tx, keys, sorted(starts)):
            if line.invoice_id in own or self._releases(line):
                continue
            key = line.user_key, line.unit_start, line.unit_invoice
            if line.invoice_status == "draft":
                self.on_drafts.add(key)
            billed = self.billed[key]
            count = billed.hold if line.invoice_status == "void" else billed.add
            count((line.item, line.unit_price), load_parts(line.parts), line.amount)

    def _releases(self, line: BilledLine) -> bool:
        held = self.gathered.held.get(line.user_key, ())
        return line.invoice_id in held and self.is_explicit(line.user_key)

    def is_explicit(self, user_key: int) -> bool:
        """Tell whether a user's invoice bills again what voiding held back."""
        return self.target.explicit or user_key in self.drafts

    def is_due(self, user_key: int) -> bool:
        """Tell whether a user gets an invoice, and has none yet that was sent or held back."""
        target = self.target
        if target.only_drafts and user_key not in self.drafts:
            return False
        if target.kind != REGULAR:
            return (
                bool(self.totals.get(user_key))
                or user_key in self.drafts
                or user_key in self.phases
            )
        live = self.live.get(user_key)
        if live is None:
            return True
        return live.id in self.gathered.held.get(user_key, ()) and self.is_explicit(user_key)

    def is_held_back(self, user_key: int) -> bool:
        """Tell whether the target's invoice of a user was voided.

        A draft may have been, before the period's end: what it did not hold goes on the next
        invoice, as late usage.
        """
        live = self.live.get(user_key)
        return self.target.kind == REGULAR and live is not None and live.status == "void"

    def settled(self, user_key: int) -> list[tuple[int, int]]:
        """Return the restatement hints that a final invoice of a user answers for good.

        Those stay that another draft has lines about: refreshed, it has to find them again.
        """
        hints = self.gathered.settled.get(user_key)
        if not hints:
            return []
        about = [self.target.unit(0)._replace(invoice=None)]
        about += [restated.unit for restated in self.gathered.restated.get(user_key, ())]
        open_units = [u for u in about if (user_key, u.start, u.invoice) in self.on_drafts]
        calendar = self.history.calendar
        kept = {p.start for u in open_units for p in calendar.between(u.start, u.end)}
        return [(user_key, start) for start in hints if start not in kept]

    def tax_of(self, user_key: int) -> Tax | None:
        """Return the tax of a user's invoice."""
        return self._terms.tax_for(self.taxes.get(user_key))

    def content(self, user_key: int, number: int, currency: str) -> Content | None:
        """Return what a user's invoice says; None when there is nothing to say."""
        unit = self.target.unit(number)
        spans = self.gathered.pieces.get(user_key, [(unit.start, unit.end)])
        usage = self.totals.get(user_key, {})
        lines = self._lines(user_key, unit, spans, usage, currency, correction=False)
        lines += _manual(self.manual.get(number, ()), unit)
        for about in self.gathered.restated.get(user_key, ()):
            lines += self._lines(
                user_key, about.unit, about.spans, about.totals, currency, correction=True
            )
        return content(lines, self.tax_of(user_key), unit)

    def _lines(  # noqa: PLR0913 - what a unit is made of
        self,
        user_key: int,
        unit: Unit,
        spans: Sequence[Span],
        usage: Totals,
        currency: str,
        *,
        correction: bool,
    ) -> list[Line]:
        billed = self.billed.get((user_key, unit.start, unit.invoice))
        lines: list[Line] = []
        phases = charged_here(self.phases.get(user_key, ()), self.by_stripe)
        if phases or billed:
            fees = unit_fees(self.history, phases, unit, spans, self.now)
            lines += fee_lines(self.history, unit, fees, billed, correction=correction)
        return lines + unit_lines(unit, usage, billed, currency, correction=correction)


def _manual(lines: Iterable[ManualLine], unit: Unit) -> list[Line]:
    return [Line(MANUAL, line.description, unit, line.amount) for line in lines]
