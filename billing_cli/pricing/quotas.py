"""Quotas: how a user's use stands to the limits, moment by moment (DESIGN section 6).

Use and limits are followed from second to second: a level that is reached for one second is
reached. Amounts are millicores, MiB, and for spend minor units, exact and unrounded.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.subscriptions import holdings
from billing_cli.pricing.terms import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.pricing.plans import Plan
    from billing_cli.pricing.spans import Span
    from billing_cli.pricing.spending import Accrual
    from billing_cli.pricing.subscriptions import Phase
    from billing_cli.pricing.terms import TermsHistory

    Amount = int | Fraction
    Rates = tuple[int, int, int]

OK, WARNING, EXCEEDED = "ok", "warning", "exceeded"
LEVELS = (OK, WARNING, EXCEEDED)
SPEND = "spend"
QUOTAS = (*RESOURCES, SPEND)
"""What can be limited."""

LIMIT, NONE, PLAN = "limit", "none", "plan"
"""What a user's own limit says: an amount, no limit at all, or what the plan says."""

_PERCENT = 100
_RANK = {level: rank for rank, level in enumerate(LEVELS)}


class Override(NamedTuple):
    """A limit of a user's own, in force from a moment on; ``amount`` goes with ``limit``."""

    resource: str
    since: int
    choice: str
    amount: int | None


class PlanSpan(NamedTuple):
    """``[start, stop)`` in which the limits are those of a plan."""

    start: int
    stop: int
    plan: Plan


class Step(NamedTuple):
    """By how much a user's use changes at an instant: millicores, and MiB twice."""

    at: int
    cpu: int
    memory: int
    storage: int


class LimitStep(NamedTuple):
    """A limit, None for no limit, and the plan in force, from a moment to the next step."""

    since: int
    limit: int | None
    plan: str | None


class Moment(NamedTuple):
    """What is true from an instant on.

    With ``anew`` the limit or the plan in force has changed there, or a period of spending begun.
    """

    at: int
    level: str
    use: Amount
    limit: int | None
    anew: bool


class Standing(NamedTuple):
    """A level other than ok, since when, and since when it is at least a warning."""

    level: str
    since: int
    warned: int


class Crossing(NamedTuple):
    """The moment at which a level is reached from below."""

    at: int
    level: str
    use: Amount
    limit: int


class Overrun(NamedTuple):
    """``[since, end)`` over a limit without a break; None is an end that has not come."""

    since: int
    end: int | None


class Followed(NamedTuple):
    """What a timeline of use comes to: ``standing`` at its end is None where all is well.

    ``eased`` are the moments at which a changed limit or plan, or a new period, found the use
    not over the limit.
    """

    crossings: list[Crossing]
    overruns: list[Overrun]
    eased: list[int]
    standing: Standing | None


def level_of(use: Amount, limit: int | None, threshold: int) -> str:
    """Return the level of a use; ``threshold`` is the percentage at which a warning is given.

    No use is never a reason to warn, whatever the threshold.
    """
    if limit is None or not use:
        return OK
    if use > limit:
        return EXCEEDED
    return WARNING if use * _PERCENT >= threshold * limit else OK


def is_at_least(level: str, other: str) -> bool:
    """Tell whether a level is another one or above it."""
    return _RANK[level] >= _RANK[other]


def planned_spans(history: TermsHistory, start: int, stop: int) -> list[Span]:
    """Return the parts of ``[start, stop)`` in whose billing mode plans have an effect."""
    found: list[Span] = []
    for period in history.calendar.between(start, stop):
        if history.mode_of(period.start) == "usage":
            continue
        low, high = max(start, period.start), min(stop, period.end)
        if found and found[-1][1] == low:
            found[-1] = found[-1][0], high
        else:
            found.append((low, high))
    return found


def plan_spans(
    history: TermsHistory, phases: Sequence[Phase], planned: Iterable[Span]
) -> list[PlanSpan]:
    """Return, in order of time, which plan's limits hold when for a user with these phases."""
    found: list[PlanSpan] = []
    for start, stop in planned:
        for held in holdings(history, phases, start, stop):
            last = found[-1] if found else None
            if last and last.stop == held.start and last.plan == held.plan:
                found[-1] = last._replace(stop=held.end)
            else:
                found.append(PlanSpan(held.start, held.end, held.plan))
    return found


def limit_steps(
    resource: str,
    overrides: Sequence[Override],
    spans: Sequence[PlanSpan],
    low: int,
    until: int,
) -> list[LimitStep]:
    """Return the limits of one resource in ``[low, until]``; the first step is at ``low``.

    ``overrides`` are of any resource, in order of time.
    """
    own = [override for override in overrides if override.resource == resource]
    edges = {low, *(o.since for o in own), *(s.start for s in spans), *(s.stop for s in spans)}
    steps: list[LimitStep] = []
    for at in sorted(edge for edge in edges if low <= edge <= until):
        plan = next((span.plan for span in spans if span.start <= at < span.stop), None)
        chosen = next((o for o in reversed(own) if o.since <= at), None)
        if chosen is None or chosen.choice == PLAN:
            limit = None if plan is None else plan.limits.get(resource)
        else:
            limit = chosen.amount
        step = LimitStep(at, limit, None if plan is None else plan.id)
        if not steps or steps[-1][1:] != step[1:]:
            steps.append(step)
    return steps


def uses_of(steps: Iterable[Step], low: int) -> list[tuple[int, Rates]]:
    """Return ``(at, (cpu, memory, storage))``: what is used from each instant on.

    ``steps`` are those of all of a user's sessions, in any order; the first use is at ``low``.
    """
    changes: dict[int, Rates] = {low: (0, 0, 0)}
    for at, cpu, memory, storage in steps:
        before = changes.get(at, (0, 0, 0))
        changes[at] = before[0] + cpu, before[1] + memory, before[2] + storage
    use: Rates = (0, 0, 0)
    found = []
    for at in sorted(changes):
        cpu, memory, storage = changes[at]
        use = use[0] + cpu, use[1] + memory, use[2] + storage
        found.append((at, use))
    return found


def stock_moments(
    uses: Sequence[tuple[int, int]], steps: Sequence[LimitStep], threshold: int
) -> Iterator[Moment]:
    """Yield how what is allocated stands to the limits, wherever either changes.

    ``uses`` are ``(at, use)``. Both lists begin at the same instant.
    """
    limits = {step.since: step for step in steps}
    amounts = dict(uses)
    first = steps[0].since
    use, limit = 0, None
    for at in sorted(limits.keys() | amounts.keys()):
        use = amounts.get(at, use)
        anew = at in limits and at != first
        limit = limits[at].limit if at in limits else limit
        yield Moment(at, level_of(use, limit, threshold), use, limit, anew)


def spend_moments(
    pieces: Sequence[Accrual], steps: Sequence[LimitStep], threshold: int
) -> Iterator[Moment]:
    """Yield how what has been spent stands to the limits, wherever the level may change.

    ``pieces`` tile the time from the first step on. Between two seconds nothing happens: a
    level is reached at the first whole second at which its condition holds.
    """
    stop = pieces[-1].stop
    limits = {step.since: step for step in steps}
    starts = {piece.start: piece for piece in pieces}
    edges = sorted(at for at in limits.keys() | starts.keys() if at < stop)
    piece, step = pieces[0], steps[0]
    for at, until in pairwise([*edges, stop]):
        piece, step = starts.get(at, piece), limits.get(at, step)
        anew = at != edges[0] and (at in limits or at == piece.period_start)
        spent = piece.base + piece.rate * (at - piece.start)
        yield Moment(at, level_of(spent, step.limit, threshold), spent, step.limit, anew)
        if step.limit is None or not piece.rate:
            continue
        for seconds in _reached(spent, piece.rate, step.limit, threshold):
            if at + seconds < until:
                then = spent + piece.rate * seconds
                level = level_of(then, step.limit, threshold)
                yield Moment(at + seconds, level, then, step.limit, anew=False)


def _reached(spent: Fraction, rate: Fraction, limit: int, threshold: int) -> list[int]:
    """Return after how many seconds each level not reached yet is."""
    found = set()
    warned = Fraction(threshold * limit, _PERCENT)
    if not spent or spent < warned:
        found.add(max(1, -(-(warned - spent) // rate)))
    if spent <= limit:
        found.add((limit - spent) // rate + 1)
    return sorted(found)


def follow(moments: Iterable[Moment], standing: Standing | None, after: int | None) -> Followed:
    """Go through what happens after an instant (None: from the beginning), in order of time.

    ``standing`` is what was true at that instant.
    """
    level = OK if standing is None else standing.level
    since = warned = 0
    if standing is not None:
        _, since, warned = standing
    crossings, overruns, eased = [], [], []
    for moment in moments:
        if after is not None and moment.at <= after:
            continue
        if moment.anew and moment.level != EXCEEDED:
            eased.append(moment.at)
        if moment.level == level:
            continue
        crossings += [
            Crossing(moment.at, reached, moment.use, moment.limit or 0)
            for reached in LEVELS[_RANK[level] + 1 : _RANK[moment.level] + 1]
        ]
        if level == EXCEEDED:
            overruns.append(Overrun(since, moment.at))
        if level == OK:
            warned = moment.at
        level, since = moment.level, moment.at
    if level == EXCEEDED:
        overruns.append(Overrun(since, None))
    return Followed(
        crossings, overruns, eased, None if level == OK else Standing(level, since, warned)
    )


class Suspended(NamedTuple):
    """A suspension for a limit: since when the limit was exceeded, and from when to when.

    ``id`` is None for one that is not stored yet.
    """

    id: int | None
    over_since: int
    start: int
    end: int | None


def suspend(
    followed: Followed, known: Iterable[Suspended], grace: int, now: int, begin: int | None
) -> list[Suspended]:
    """Return the suspensions for one limit that are new, or end now.

    A limit exceeded for ``grace`` seconds without a break leads to one, at that moment, unless
    the limit is eased then; easing ends it, less use does not. A stretch leads to one only, so
    resuming by hand holds. ``begin`` is the instant before which overruns that have ended count
    for nothing; None counts all.
    """
    settled, changed = [], []
    for one in known:
        if one.end is None and (at := _first(followed.eased, one.start)) is not None:
            changed.append(one._replace(end=at))
        settled.append(changed[-1] if changed and changed[-1].id == one.id else one)
    for overrun in followed.overruns:
        start = overrun.since + grace
        if start > min(now, now if overrun.end is None else overrun.end):
            continue
        if begin is not None and overrun.end is not None and overrun.end <= begin:
            continue
        if start in followed.eased or any(_covers(one, overrun, start) for one in settled):
            continue
        changed.append(Suspended(None, overrun.since, start, _first(followed.eased, start)))
        settled.append(changed[-1])
    return changed


def _first(moments: Iterable[int], after: int) -> int | None:
    return next((at for at in moments if at > after), None)


def _covers(one: Suspended, overrun: Overrun, start: int) -> bool:
    """Tell whether a suspension is for the same stretch, or lasts when another would begin."""
    end = start + 1 if overrun.end is None else max(overrun.end, start + 1)
    same = overrun.since <= one.over_since < end
    return same or (one.start <= start and (one.end is None or one.end > start))


def percent_of(use: Amount, limit: int) -> Fraction | None:
    """Return the percentage of a limit that is used, cut to two decimals; None of a limit of 0.

    Cut and not rounded: 80 is never shown for less.
    """
    if not limit:
        return None
    return Fraction(use * _PERCENT * _PERCENT // limit, _PERCENT)
