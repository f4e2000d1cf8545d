"""Overage: what a user's sessions use together, above the limits in force at each moment.

It is the integral over time of max(0, concurrent use - limit), resource by resource (DESIGN
section 5): ten cores on a plan of eight accrue two core-hours an hour, whatever the other hours
of the period are like. The limits are those of the plan that is held; limits of a user's own
change the quota, not what the plan includes.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.rating import month_of
from billing_cli.pricing.slots import Slot, Stretch, stretches
from billing_cli.pricing.spans import without
from billing_cli.pricing.subscriptions import holdings
from billing_cli.pricing.terms import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.pricing.periods import Period
    from billing_cli.pricing.rating import Parts
    from billing_cli.pricing.subscriptions import Phase
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.pricing.timelines import Segment

OVERAGE, USE = "overage", "use"
"""What is charged: use above the limits of a plan, or, without a plan, all of it."""

_HYBRID = "hybrid"
_NOTHING = (0, 0, 0)

Load = tuple[int, int, int, int, int]
"""``(start, end, cpu, memory, storage)``: what a segment uses of each, in millicores and MiB."""


class Step(NamedTuple):
    """``[start, end)`` in which use above the limits is charged, as one kind.

    ``limits`` are those of cpu, memory and storage, in millicores and MiB; None is no limit.
    """

    start: int
    end: int
    kind: str
    limits: tuple[int | None, ...]


class Excess(NamedTuple):
    """What is charged in a slot: one resource and kind; ``quantity`` is in base units."""

    slot: Slot
    resource: str
    kind: str
    quantity: int


class Reach(NamedTuple):
    """Whom plans may concern in a span of time, for passing over everyone else quickly.

    Who holds a plan in ``[start, stop)``, the billing periods of the span, and uses more than
    its ``bounds``: limits below which nothing is charged, whatever the version of the plan, by
    its id; None is no limit. With ``is_open`` (mode ``hybrid``) also who holds one for a part of
    the time and uses anything.
    """

    start: int
    stop: int
    bounds: dict[str, tuple[int | None, ...]]
    is_open: bool


def reach(history: TermsHistory, start: int, stop: int) -> Reach | None:
    """Return whom plans may concern in ``[start, stop)``, or None where they have no effect."""
    periods = _charging_periods(history, start, stop)
    if not periods:
        return None
    modes = {history.mode_of(period.start) for period in periods}
    bounds: dict[str, tuple[int | None, ...]] = {}
    for version in history.versions:
        for plan in version.terms.plans.values():
            lowest = bounds.setdefault(plan.id, (None, None, None))
            if any(plan.charges_overage(mode) for mode in modes):
                bounds[plan.id] = tuple(
                    min((x for x in (low, plan.limits[resource]) if x is not None), default=None)
                    for low, resource in zip(lowest, RESOURCES, strict=True)
                )
    return Reach(periods[0].start, periods[-1].end, bounds, _HYBRID in modes)


def _charging_periods(history: TermsHistory, start: int, stop: int) -> list[Period]:
    return [
        period
        for period in history.calendar.between(start, stop)
        if history.mode_of(period.start) != "usage"
    ]


def steps(history: TermsHistory, phases: Sequence[Phase], start: int, stop: int) -> list[Step]:
    """Return what is charged of ``[start, stop)`` to a user with these phases, in order of time.

    ``phases`` have to be all that overlap a billing period of the span: in the mode ``hybrid``,
    a user who holds a plan at no moment of a period pays for its sessions as they are.
    """
    found = []
    for period in _charging_periods(history, start, stop):
        held = [p for p in phases if p.start < period.end and p.end > period.start]
        if not held:
            continue
        mode = history.mode_of(period.start)
        low, high = max(start, period.start), min(stop, period.end)
        for holding in holdings(history, held, low, high):
            limits = tuple(holding.plan.limits[resource] for resource in RESOURCES)
            if holding.plan.charges_overage(mode) and any(limit is not None for limit in limits):
                found.append(Step(holding.start, holding.end, OVERAGE, limits))
        if mode == _HYBRID:
            gaps = without((low, high), ((phase.start, phase.end) for phase in held))
            found += [Step(*gap, USE, _NOTHING) for gap in gaps]
    return sorted(found, key=lambda step: step.start)


def slice_excess(
    loads: Iterable[Load], charged: Sequence[Step], cuts: Sequence[Slot]
) -> Iterator[Excess]:
    """Yield what one user is charged in each slot, in order of the slots.

    ``loads`` are those of all the user's sessions that overlap the slots, in any order.
    """
    for (index, kind, resource), quantity in _sums(loads, charged, cuts).items():
        yield Excess(cuts[index], resource, kind, quantity)


def totals(
    history: TermsHistory,
    segments: Iterable[Segment],
    phases: Sequence[Phase],
    start: int,
    stop: int,
) -> dict[tuple[str, str, str], Parts]:
    """Return what one user is charged for in ``[start, stop)``, straight from the timelines.

    By ``(kind, resource, unit price)``, the exact quantity as :data:`.rating.Parts`: what the
    records of :func:`slice_excess` for the same span add up to. ``phases`` as in :func:`steps`.
    """
    cuts = stretches(history, start, stop)
    found: dict[tuple[str, str, str], Parts] = {}
    charged = steps(history, phases, start, stop)
    loads = (segment[:5] for segment in segments)
    for (index, kind, resource), quantity in _sums(loads, charged, cuts).items():
        cut = cuts[index]
        parts = found.setdefault((kind, resource, cut.prices[resource]), {})
        month = month_of(resource, cut.month_seconds)
        parts[month] = parts.get(month, 0) + quantity
    return found


def _sums(
    loads: Iterable[Load], charged: Sequence[Step], cuts: Sequence[Slot] | Sequence[Stretch]
) -> dict[tuple[int, str, str], int]:
    """Return base units by ``(index of the cut, kind, resource)``, in order of time."""
    sums: dict[tuple[int, str, str], int] = {}
    for start, end, kind, rates in _above(_levels(loads), charged):
        index = bisect_right(cuts, start, key=_stop)
        while index < len(cuts) and cuts[index].start < end:
            seconds = min(end, cuts[index].stop) - max(start, cuts[index].start)
            for resource, rate in zip(RESOURCES, rates, strict=True):
                if rate:
                    key = (index, kind, resource)
                    sums[key] = sums.get(key, 0) + rate * seconds
            index += 1
    return sums


def _stop(cut: Slot | Stretch) -> int:
    return cut.stop


def _levels(loads: Iterable[Load]) -> Iterator[tuple[int, int, tuple[int, int, int]]]:
    """Yield ``(start, end, (cpu, memory, storage))``: how much is used together, and when."""
    changes = []
    for start, end, cpu, memory, storage in loads:
        if cpu or memory or storage:
            changes += [(start, cpu, memory, storage), (end, -cpu, -memory, -storage)]
    changes.sort()
    use = _NOTHING
    at = 0
    for instant, cpu, memory, storage in changes:
        if at < instant and any(use):
            yield at, instant, use
        at = instant
        use = use[0] + cpu, use[1] + memory, use[2] + storage


def _above(
    levels: Iterable[tuple[int, int, tuple[int, int, int]]], charged: Sequence[Step]
) -> Iterator[tuple[int, int, str, list[int]]]:
    """Yield ``(start, end, kind, rates)`` where anything is above its limit."""
    first = 0
    for start, end, use in levels:
        while first < len(charged) and charged[first].end <= start:
            first += 1
        at = first
        while at < len(charged) and charged[at].start < end:
            step = charged[at]
            rates = [
                0 if limit is None else max(0, used - limit)
                for used, limit in zip(use, step.limits, strict=True)
            ]
            if any(rates):
                yield max(start, step.start), min(end, step.end), step.kind, rates
            at += 1
