"""What plans cost: fees that accrue evenly per second over their terms (DESIGN section 5).

A part of a fee is what has accrued to its end, rounded, less what has accrued to its start,
rounded: however a term is divided, its parts add up to the fee. A fee belongs to the unit whose
invoice carries it: in arrears the period in which it accrues, in advance the period that ends
where the term starts, or in which it starts.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.invoices import CORRECTION, PLAN, Billed, Line, Unit
from billing_cli.pricing.money import format_ratio, round_ratio
from billing_cli.pricing.plans import ADVANCE, ARREARS
from billing_cli.pricing.rating import LineKey, Parts, subtract
from billing_cli.pricing.subscriptions import Holding, Phase, holdings, plan_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.pricing.periods import Calendar
    from billing_cli.pricing.spans import Span
    from billing_cli.pricing.terms import TermsHistory

_USAGE_MODE = "usage"


class Fee(NamedTuple):
    """The part ``[start, end)`` of a plan's fee for the term that a holding lies in."""

    start: int
    end: int
    holding: Holding

    @property
    def amount(self) -> int:
        """The amount in minor units."""
        whole = self.holding.term_end - self.holding.term_start
        fee, begin = self.holding.plan.fee, self.holding.term_start
        return round_ratio(fee * (self.end - begin), whole) - round_ratio(
            fee * (self.start - begin), whole
        )

    @property
    def key(self) -> LineKey:
        """What shares a line of correction with this."""
        plan = self.holding.plan
        return f"{plan.interval}:{plan.id}", plan.price

    @property
    def parts(self) -> Parts:
        """The seconds held, by the length of the term."""
        return {self.holding.term_end - self.holding.term_start: self.end - self.start}


def unit_fees(
    history: TermsHistory,
    phases: Sequence[Phase],
    unit: Unit,
    spans: Iterable[Span],
    until: int | None = None,
) -> list[Fee]:
    """Return the fees that a unit's invoice carries, in order of time.

    ``spans`` are what of the unit's time is its own, the rest being billed elsewhere: they bound
    what accrues in arrears. Fees in advance belong to regular periods alone. With ``until`` only
    what has accrued by then counts, and what is due in advance by then. A plan that costs
    nothing has no fee.
    """
    if not phases:
        return []
    last = unit.end if until is None else min(until, unit.end)
    found = [
        fee for start, end in spans for fee in _in_arrears(history, phases, (start, min(end, last)))
    ]
    if unit.invoice is None:
        found += [fee for fee in _in_advance(history, phases, unit) if fee.start <= last]
    return sorted((fee for fee in found if fee.holding.plan.fee), key=lambda fee: fee[:2])


def _in_arrears(history: TermsHistory, phases: Sequence[Phase], span: Span) -> Iterator[Fee]:
    for holding in holdings(history, phases, *span):
        if holding.plan.billing == ARREARS:
            for start, end in _bearing(history, holding.start, holding.end):
                yield Fee(start, end, holding)


def _in_advance(history: TermsHistory, phases: Sequence[Phase], unit: Unit) -> Iterator[Fee]:
    # The instant at the end is looked at, too: the terms that start there are carried here.
    for holding in holdings(history, phases, unit.start, unit.end + 1):
        if holding.plan.billing != ADVANCE:
            continue
        begin = max(holding.term_start, holding.phase.start)
        end = min(holding.term_end, holding.phase.end)
        for start, stop in _bearing(history, begin, end):
            if _carrier(history, holding.phase, start) == unit.start:
                yield Fee(start, stop, holding)


def _carrier(history: TermsHistory, phase: Phase, start: int) -> int:
    """Return the start of the period whose invoice carries what is due in advance at an instant.

    A period carries what starts in (its start, its end]; what has no period before it in which
    it could be billed, the period that it starts in.
    """
    before = history.calendar.containing(start - 1)
    begins = phase.first and start == phase.start
    if begins or history.mode_of(before.start) == _USAGE_MODE:
        return history.calendar.containing(start).start
    return before.start


def _bearing(history: TermsHistory, start: int, end: int) -> Iterator[Span]:
    """Cut away the periods in which plans have no effect, since all is paid by use."""
    if all(version.terms.mode != _USAGE_MODE for version in history.versions):
        yield start, end
        return
    periods = history.calendar.between(start, end)
    runs = groupby(periods, key=lambda period: history.mode_of(period.start) != _USAGE_MODE)
    for bears, run in runs:
        if bears:
            covered = list(run)
            yield max(start, covered[0].start), min(end, covered[-1].end)


def fee_lines(
    history: TermsHistory,
    unit: Unit,
    fees: Sequence[Fee],
    billed: Billed | None,
    *,
    correction: bool,
) -> list[Line]:
    """Return the lines that bring what was billed of a unit's fees to what is right.

    Where nothing was billed, a line for each stretch; otherwise one for each plan and price that
    differs.
    """
    known = set() if billed is None else {key for key in billed.parts if is_fee(key)}
    if not known and not correction:
        return [_line(history.calendar, unit, fee) for fee in fees]
    lines = []
    for key in sorted({fee.key for fee in fees} | known):
        own = [fee for fee in fees if fee.key == key]
        amount = sum(fee.amount for fee in own)
        parts: Parts = {}
        for fee in own:
            for term, held in fee.parts.items():
                parts[term] = parts.get(term, 0) + held
        if billed is not None:
            settled_parts, settled = billed.settled(key, amount)
            amount -= settled
            parts = subtract(parts, settled_parts)
        if amount:
            about = _about(history, unit, own, amount) if correction else None
            lines.append(_corrected(history, unit, key, parts, amount, about))
    return lines


def is_fee(key: LineKey) -> bool:
    """Tell whether a line's key is that of a plan's fee."""
    return key[0].startswith(("month:", "year:"))


def _line(calendar: Calendar, unit: Unit, fee: Fee) -> Line:
    plan = fee.holding.plan
    first, last = calendar.local_date(fee.start), calendar.local_date(fee.end - 1)
    return Line(
        kind=PLAN,
        description=f"{plan.name}, {first} to {last}",
        unit=unit,
        amount=fee.amount,
        item=fee.key[0],
        quantity=_quantity(fee.parts),
        unit_price=plan.price,
        parts=fee.parts,
    )


def _about(history: TermsHistory, unit: Unit, own: Sequence[Fee], amount: int) -> str:
    """Say what a correction is about.

    A fee in advance is billed with another period than the one that it is for: what comes back
    of it is named by when it began to be unused.
    """
    last = own[-1] if own and amount < 0 else None
    if last and last.holding.plan.billing == ADVANCE and last.end < last.holding.term_end:
        return f"unused from {history.calendar.local_date(last.end)} on"
    return f"correction for {unit.name}"


def _corrected(  # noqa: PLR0913, PLR0917 - what a line says
    history: TermsHistory, unit: Unit, key: LineKey, parts: Parts, amount: int, about: str | None
) -> Line:
    item, price = key
    name = plan_of(history, item.partition(":")[2], unit.start).name
    return Line(
        kind=PLAN if about is None else CORRECTION,
        description=name if about is None else f"{name}, {about}",
        unit=unit,
        amount=amount,
        item=item,
        quantity=_quantity(parts),
        unit_price=price,
        parts=parts,
    )


def _quantity(parts: Parts) -> str:
    """Return the months or years held, as they are shown."""
    numerator, denominator = 0, 1
    for term, held in parts.items():
        numerator, denominator = numerator * term + held * denominator, denominator * term
    return format_ratio(numerator, denominator)
