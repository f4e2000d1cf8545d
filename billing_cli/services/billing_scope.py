"""What a billing run is about, and everything it has to know before it writes.

Sums over a whole period are read once, without holding writers up. Whoever writes invoices from
them compares :attr:`Gathered.rewrites` under the write lock first, and gathers anew if records
behind the watermark have changed since.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from billing_cli.pricing.invoices import Unit
from billing_cli.pricing.rating import OVERAGE_ITEMS, Totals, add_to
from billing_cli.pricing.slots import Stretch, stretches
from billing_cli.pricing.spans import without
from billing_cli.store import invoices, restatements, state, subscriptions, terms, totals
from billing_cli.store.invoices import CUSTOM, REGULAR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_cli.pricing.periods import Period
    from billing_cli.pricing.spans import Span
    from billing_cli.pricing.subscriptions import Phase
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.invoice_rows import ClaimRow, InvoiceRow
    from billing_cli.store.unit_of_work import Transaction


@dataclass(frozen=True, slots=True)
class Target:
    """A regular period or a custom range to bill.

    ``explicit`` says that the operator named it, which bills again what voiding held back.
    ``users`` are user keys; None is everyone.
    """

    name: str
    start: int
    end: int
    kind: str
    explicit: bool
    users: tuple[int, ...] | None = None
    only_drafts: bool = False

    def unit(self, invoice: int) -> Unit:
        """Return what the main lines of one of the target's invoices are about."""
        return Unit(self.start, self.end, invoice if self.kind == CUSTOM else None, self.name)


@dataclass(slots=True)
class Restated:
    """A unit billed earlier whose records may say something else by now."""

    unit: Unit
    spans: list[Span]
    """What of its time is its own."""
    totals: Totals = field(default_factory=dict)


@dataclass(slots=True)
class Gathered:
    """What was read; the sums themselves are in a temporary table."""

    rewrites: int
    stretches: list[Stretch]
    held: dict[int, list[int]]
    """By user: void invoices inside the target that wait to be billed again."""
    pieces: dict[int, list[Span]]
    """By user: what the target's unit has of its time, where that is not all of it."""
    restated: dict[int, list[Restated]]
    settled: dict[int, list[int]]
    """By user: the restatement hints that billing this target answers."""


def gather(tx: Transaction, history: TermsHistory, target: Target) -> Gathered:
    """Read sums, holds, claims and restatements for a target."""
    held: dict[int, list[int]] = defaultdict(list)
    for void in invoices.held(tx, target.start, target.end):
        held[void.user_key].append(void.id)
    drafts = invoices.draft_users(tx, target.kind, target.start, target.end)
    released = {
        number
        for user, numbers in held.items()
        if target.explicit or user in drafts
        for number in numbers
    }
    taken = _taken(tx, target, released)
    if taken:
        totals.load_taken(tx, [(user, *span) for user, spans in taken.items() for span in spans])
    cuts = stretches(history, target.start, target.end)
    totals.sum_period(tx, cuts, target.users, untaken=bool(taken))
    restated, settled = _restated(tx, history, target, released)
    wanted = {*restated, *settled, *drafts}
    holders = None
    if any(cut.mode != "usage" for cut in cuts):
        holders = (target.start, target.end)
    if target.users is not None:
        wanted = (wanted & set(target.users)) if holders is None else set(target.users)
        holders = None
    totals.load_users(tx, wanted, holders)
    return Gathered(
        rewrites=state.rewrites(tx),
        stretches=cuts,
        held=held,
        pieces={user: without((target.start, target.end), spans) for user, spans in taken.items()},
        restated=restated,
        settled=settled,
    )


def _taken(tx: Transaction, target: Target, released: set[int]) -> dict[int, list[Span]]:
    """Return which of users' time inside the target belongs to other invoices."""
    taken: dict[int, list[Span]] = defaultdict(list)
    own: dict[int, list[Span]] = defaultdict(list)
    own_drafts = _own_custom_drafts(tx, target)
    for claim in invoices.claims(tx, target.start, target.end):
        spans = own if claim.invoice_id in own_drafts | released else taken
        spans[claim.user_key].append((claim.start, claim.stop))
    if target.kind == CUSTOM:
        for invoice in invoices.overlapping(tx, REGULAR, target.start, target.end):
            if invoice.id not in released:
                # What its drafts and void invoices claim, the regular invoice has left to them.
                period = (invoice.period_start, invoice.period_end)
                taken[invoice.user_key] += without(period, own[invoice.user_key])
    return taken


def _own_custom_drafts(tx: Transaction, target: Target) -> set[int]:
    if target.kind != CUSTOM:
        return set()
    return {
        invoice.id
        for user in [invoices.draft_users(tx, CUSTOM, target.start, target.end)]
        for invoice in invoices.of_range(tx, sorted(user), CUSTOM, target.start, target.end)
        if invoice.status == "draft"
    }


def _restated(
    tx: Transaction, history: TermsHistory, target: Target, released: set[int]
) -> tuple[dict[int, list[Restated]], dict[int, list[int]]]:
    """Find the units to correct with this target's invoices, with what is right for them now.

    These are units that ended by the target's end and are billed, or closed, already; units that
    a released invoice corrected are looked at again, since its corrections are undone; so are
    custom ranges in the target that were voided, perhaps as drafts that did not hold all of it.
    Of ranges that are released nothing is right any more: the target has their time, so what
    later invoices billed of them as late usage goes back.
    """
    hints = {
        (user, start)
        for user, start in restatements.listed(tx, target.users)
        if history.calendar.containing(start).end <= target.end
    }
    asked = set(hints)
    if released:
        for user, start, end in invoices.correction_units(tx, sorted(released)):
            asked |= {(user, period.start) for period in history.calendar.between(start, end)}
    if target.kind == REGULAR:
        asked |= {
            (void.user_key, target.start)
            for void in invoices.overlapping(tx, CUSTOM, target.start, target.end)
            if void.status == "void" and (target.users is None or void.user_key in target.users)
        }
    found = [
        (user, Restated(unit, spans))
        for user, unit, spans in _billed_units(tx, history, target, asked)
        if unit.invoice not in released
    ]
    if released:
        found += [
            (row.user_key, Restated(Unit(row.period_start, row.period_end, row.id, row.period), []))
            for row in invoices.ranges_billed_anew(tx, sorted(released))
        ]
    _sum_restated(tx, history, found)
    by_user: dict[int, list[Restated]] = defaultdict(list)
    for user, unit_found in sorted(found, key=lambda pair: (pair[0], pair[1].unit[:2])):
        by_user[user].append(unit_found)
    settled: dict[int, list[int]] = defaultdict(list)
    for user, start in sorted(hints):
        settled[user].append(start)
    return by_user, settled


def _sum_restated(
    tx: Transaction, history: TermsHistory, found: Sequence[tuple[int, Restated]]
) -> None:
    """Add up what is right for units, from the records that are charged for in their modes."""
    phases = subscriptions.phases_of(tx, sorted({user for user, _ in found}))
    ranges: dict[bool, list[totals.Range]] = {True: [], False: []}
    for ordinal, (user, restated) in enumerate(found):
        for start, stop in restated.spans:
            for period in history.calendar.between(start, stop):
                by_session = is_by_session(history, period, phases.get(user, ()))
                span = max(start, period.start), min(stop, period.end)
                ranges[by_session].append(totals.Range(ordinal, user, *span))
    for by_session, some in ranges.items():
        for ordinal, kind, resource, price, month, base in totals.sum_ranges(
            tx, some, sessions=by_session
        ):
            item = OVERAGE_ITEMS[resource] if kind == "overage" else resource
            add_to(found[ordinal][1].totals, (item, price), month, base)


def is_by_session(history: TermsHistory, period: Period, phases: Iterable[Phase]) -> bool:
    """Tell whether a user's sessions are charged for in a period, and not what exceeds a plan."""
    mode = history.mode_of(period.start)
    if mode == "hybrid":
        return not any(p.start < period.end and p.end > period.start for p in phases)
    return mode == "usage"


def _billed_units(
    tx: Transaction, history: TermsHistory, target: Target, asked: set[tuple[int, int]]
) -> Iterable[tuple[int, Unit, list[Span]]]:
    """Yield ``(user, unit, its spans)`` of the units in users' periods that are past changing."""
    if not asked:
        return
    closed = terms.closed_periods(tx)
    first = min(start for _, start in asked)
    last = max(history.calendar.containing(start).end for _, start in asked)
    regular = {(i.user_key, i.period_start) for i in invoices.overlapping(tx, REGULAR, first, last)}
    custom = {i.id: i for i in invoices.overlapping(tx, CUSTOM, first, last)}
    claimed: dict[int, list[ClaimRow]] = defaultdict(list)
    for claim in invoices.claims(tx, first, last):
        claimed[claim.user_key].append(claim)
    seen: set[tuple[int, int]] = set()
    for user, start in sorted(asked):
        period = history.calendar.containing(start)
        within = [c for c in claimed[user] if c.start < period.end and c.stop > period.start]
        is_target = target.kind == REGULAR and start == target.start
        if not is_target and (start in closed or (user, start) in regular):
            spans = without((period.start, period.end), [(c.start, c.stop) for c in within])
            yield user, Unit(period.start, period.end, None, period.name), spans
        for claim in within:
            invoice = custom.get(claim.invoice_id)
            if invoice is None or (user, invoice.id) in seen or not _corrects(target, invoice):
                continue
            seen.add((user, invoice.id))
            spans = [(c.start, c.stop) for c in invoices.claims_of(tx, [invoice.id])]
            unit = Unit(invoice.period_start, invoice.period_end, invoice.id, invoice.period)
            yield user, unit, spans


def _corrects(target: Target, invoice: InvoiceRow) -> bool:
    return invoice.period_end <= target.end
