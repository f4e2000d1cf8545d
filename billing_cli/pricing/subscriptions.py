"""Who holds which plan when, and on what terms (DESIGN section 5).

A subscription is a chain of **phases**, each a stretch of time with one plan. A phase consists of
**terms**: the billing periods it touches for a monthly plan, and for a yearly one the years from
its own start to each anniversary. What a plan costs and includes is fixed for a term: a changed
plan reaches its holders with their next term.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.plans import YEAR, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from billing_cli.pricing.periods import Calendar
    from billing_cli.pricing.terms import TermsHistory

_LEAP_DAY = (2, 29)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_SECOND = timedelta(seconds=1)


class Phase(NamedTuple):
    """``[start, end)`` for which a subscription holds a plan; an open one ends at FOREVER.

    ``first`` says that no phase of the subscription runs up to its start.
    """

    user_key: int
    subscription_id: int
    start: int
    end: int
    plan_id: str
    first: bool


class Holding(NamedTuple):
    """``[start, end)``: the part of a phase that lies in one term, with the plan as it is there."""

    start: int
    end: int
    term_start: int
    term_end: int
    plan: Plan
    phase: Phase


def holdings(
    history: TermsHistory, phases: Iterable[Phase], start: int, stop: int
) -> Iterator[Holding]:
    """Yield what is held of ``[start, stop)``, phase by phase, cut at the ends of terms.

    A term that begins before ``start`` or ends after ``stop`` keeps its bounds. The plan is the
    version in force when the term begins, or the phase, where that is later.
    """
    for phase in phases:
        at, end = max(phase.start, start), min(phase.end, stop)
        while at < end:
            term_start, term_end = term_at(history, phase, at)
            # By the id alone, which names a plan in every version of the settings that has it.
            plan = plan_of(history, phase.plan_id, max(term_start, phase.start))
            until = min(term_end, end)
            yield Holding(at, until, term_start, term_end, plan, phase)
            at = until


def charged_here(phases: Iterable[Phase], by_stripe: Mapping[int, int]) -> list[Phase]:
    """Return what of phases is charged for here.

    ``by_stripe`` says of subscriptions from when on Stripe charges their fees.
    """
    found = []
    for phase in phases:
        end = min(phase.end, by_stripe.get(phase.subscription_id, phase.end))
        if phase.start < end:
            found.append(phase._replace(end=end))
    return found


def plan_of(history: TermsHistory, plan_id: str, at: int) -> Plan:
    """Return the version of a plan that is in force, or the last one before it went."""
    for version in reversed(history.versions):
        if (version.since is None or version.since <= at) and plan_id in version.terms.plans:
            return version.terms.plans[plan_id]
    # Held from a moment on before which there was no such plan: the first one there ever was.
    return next(
        version.terms.plans[plan_id]
        for version in history.versions
        if plan_id in version.terms.plans
    )


def term_at(history: TermsHistory, phase: Phase, at: int) -> tuple[int, int]:
    """Return ``(start, end)`` of the term of a phase that an instant lies in."""
    if plan_of(history, phase.plan_id, phase.start).interval != YEAR:
        period = history.calendar.containing(at)
        return period.start, period.end
    return year_term(history.calendar, phase.start, at)


def year_term(calendar: Calendar, anchor: int, at: int) -> tuple[int, int]:
    """Return the year, counted from an anchor, that an instant at or after it lies in.

    Anniversaries are at the anchor's local date and time, 29 February on the 28th in common
    years. Local is the zone in force at the anchor: a term must not move while it runs.
    """
    zone = calendar.zone_at(anchor)
    years = max(
        0, datetime.fromtimestamp(at, zone).year - datetime.fromtimestamp(anchor, zone).year
    )
    while _anniversary(anchor, years, calendar) > at:
        years -= 1
    while _anniversary(anchor, years + 1, calendar) <= at:
        years += 1
    return _anniversary(anchor, years, calendar), _anniversary(anchor, years + 1, calendar)


def _anniversary(anchor: int, years: int, calendar: Calendar) -> int:
    if not years:
        return anchor
    local = datetime.fromtimestamp(anchor, calendar.zone_at(anchor))
    day = 28 if (local.month, local.day) == _LEAP_DAY and not _is_leap(local.year + years) else None
    moved = local.replace(year=local.year + years, day=day or local.day)
    return (moved - _EPOCH) // _ONE_SECOND


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def held_at(phases: Iterable[Phase], at: int) -> Phase | None:
    """Return the phase that an instant lies in."""
    return next((phase for phase in phases if phase.start <= at < phase.end), None)
