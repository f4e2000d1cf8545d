"""What the dashboard says of a user, and in which order (docs/dashboard.md).

Amounts are minor units, use and limits millicores, MiB and, for spend, exact minor units.
"""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.pricing.fees import unit_fees
from billing_cli.pricing.invoices import Unit
from billing_cli.pricing.money import exponent, round_ratio
from billing_cli.pricing.overage import Step, steps
from billing_cli.pricing.plans import YEAR
from billing_cli.pricing.quantities import base_per_unit
from billing_cli.pricing.quotas import EXCEEDED, NONE, OK, PLAN, QUOTAS, WARNING, level_of
from billing_cli.pricing.subscriptions import Phase, held_at, plan_of, term_at
from billing_cli.pricing.terms import RESOURCES
from billing_cli.pricing.timelines import FOREVER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from billing_cli.pricing.periods import Period
    from billing_cli.pricing.quotas import Amount
    from billing_cli.pricing.slots import Stretch
    from billing_cli.pricing.terms import TermsHistory

    Rates = tuple[int, int, int]
    Bases = Sequence[Sequence[int]]

SUSPENDED, OVERDUE, ACTIVE = "suspended", "overdue", "active"
STATUSES: Final = (SUSPENDED, OVERDUE, EXCEEDED, WARNING, ACTIVE)
"""How a user can stand, the worst first."""

_USAGE_MODE: Final = "usage"
_RANK: Final = {status: rank for rank, status in enumerate(STATUSES)}
_NOTHING: Final = (0, 0, 0)
_MILLION: Final = 1_000_000
_ALL_OK: Final = (OK,) * len(QUOTAS)


class Cost(NamedTuple):
    """What the running period has come to by now, and what it will by its end.

    In minor units, before tax and credits and without fees; ``spend`` is what counts against a
    limit to what is spent: the same as ``now``, exact. It is left at nothing for who has no such
    limit.
    """

    now: int
    projected: int
    spend: Amount


class Account(NamedTuple):
    """A user at a moment. ``uses``, ``limits`` and ``levels`` are in the order of ``QUOTAS``."""

    user_key: int
    user_id: str
    plan_id: str | None
    uses: tuple[Amount, ...]
    limits: tuple[int | None, ...]
    levels: tuple[str, ...]
    cost: int
    projected: int
    owed: int
    overdue: int
    overdue_since: int | None
    credits: int
    suspended_since: int | None

    def statuses(self) -> set[str]:
        """Return all of :data:`STATUSES` that hold."""
        found = {*self.levels} - {OK}
        if self.suspended_since is not None:
            found.add(SUSPENDED)
        if self.overdue:
            found.add(OVERDUE)
        return found or {ACTIVE}

    @property
    def status(self) -> str:
        """The worst of what holds."""
        return min(self.statuses(), key=_RANK.__getitem__)

    @property
    def most_used(self) -> int:
        """The largest part of a limit that is used, in millionths, to sort by.

        Of a limit of 0, any use is beyond measure.
        """
        most = 0
        for use, limit in zip(self.uses, self.limits, strict=True):
            if limit is not None and use:
                most = max(most, int(use * _MILLION // limit) if limit else FOREVER)
        return most


SORTS: Final[Mapping[str, Callable[[Account], object]]] = {
    "attention": lambda one: (_RANK[one.status], -one.owed, -one.most_used, one.user_id),
    "user": lambda one: one.user_id,
    "plan": lambda one: (one.plan_id is None, one.plan_id or "", one.user_id),
    "use": lambda one: (-one.most_used, one.user_id),
    "cost": lambda one: (-one.cost, one.user_id),
    "projected": lambda one: (-one.projected, one.user_id),
    "owed": lambda one: (-one.owed, one.user_id),
    "credits": lambda one: (-one.credits, one.user_id),
}
"""Orders of users: keys to sort by. Amounts come largest first, and equals by their ids."""


class RateSheet:
    """Prices of the stretches of a period, ready to turn thousands of users' sums into amounts.

    A line of an invoice is one resource at one price, and rounded once, whatever stretches it
    covers: what comes out is what an invoice would say.
    """

    def __init__(self, cuts: Sequence[Stretch], currency: str) -> None:
        """Work out, for each line, what a base unit of each stretch counts."""
        self.cuts = cuts
        minor = 10 ** exponent(currency)
        self._lines: list[tuple[int, int, list[tuple[int, int]]]] = []
        for index, resource in enumerate(RESOURCES):
            prices: dict[str, list[tuple[int, Fraction]]] = {}
            for ordinal, cut in enumerate(cuts):
                price = cut.prices[resource]
                each = Fraction(price) * minor / base_per_unit(resource, cut.month_seconds)
                prices.setdefault(price, []).append((ordinal, each))
            for parts in prices.values():
                whole = lcm(*(each.denominator for _, each in parts))
                factors = [(ordinal, int(each * whole)) for ordinal, each in parts]
                self._lines.append((index, whole, factors))

    def amount(self, bases: Bases) -> int:
        """Return what base units by stretch come to, in minor units, each line rounded."""
        found = 0
        for index, whole, factors in self._lines:
            exact = 0
            for at, factor in factors:
                exact += bases[at][index] * factor
            if exact:
                found += round_ratio(exact, whole)
        return found

    def exact(self, bases: Bases) -> Fraction:
        """Return the same without rounding."""
        return sum(
            (
                Fraction(sum(bases[at][index] * factor for at, factor in factors), whole)
                for index, whole, factors in self._lines
            ),
            Fraction(0),
        )


class Held(NamedTuple):
    """What the plans that a user holds in the running period come to.

    ``fees`` and ``projected_fees`` are those by now and by the period's end; ``limits`` those in
    force now, by resource; ``charged`` is what is charged besides.
    """

    plan_id: str | None
    fees: int
    projected_fees: int
    limits: Mapping[str, int | None]
    charged: Sequence[Step]


class Plans:
    """What plans come to in a period, worked out once for all who hold the same from when on."""

    def __init__(
        self, history: TermsHistory, period: Period, now: int, by_stripe: Mapping[int, int]
    ) -> None:
        """Keep what it is about; ``by_stripe`` says since when Stripe charges subscriptions."""
        self._by_stripe = by_stripe
        self._history, self._period, self._now = history, period, now
        self._unit = Unit(period.start, period.end, None, period.name)
        self._next_end = history.calendar.following(period).end
        self._yearly = {
            plan.id
            for version in history.versions
            for plan in version.terms.plans.values()
            if plan.interval == YEAR
        }
        self._known: dict[tuple[tuple[Phase, int], ...], Held] = {}

    def held(self, phases: Sequence[Phase]) -> Held:
        """Return what phases come to, which are all of a user that touch the period or its end."""
        key = tuple((self._alike(phase), self._charged_until(phase)) for phase in phases)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._work_out(key)
        return found

    def _alike(self, phase: Phase) -> Phase:
        """Forget what makes no difference: whose it is, and how far off it begins and ends."""
        start, end = phase.start, phase.end
        if phase.plan_id not in self._yearly:
            start = max(start, self._period.start - 1)
            end = FOREVER if end >= self._next_end else end
        return Phase(0, 0, start, end, phase.plan_id, phase.first and start == phase.start)

    def _charged_until(self, phase: Phase) -> int:
        end = self._by_stripe.get(phase.subscription_id, FOREVER)
        return FOREVER if end >= min(phase.end, self._next_end) else max(end, phase.start)

    def _work_out(self, held: Sequence[tuple[Phase, int]]) -> Held:
        history, period, now = self._history, self._period, self._now
        spans = [(period.start, period.end)]
        phases = [phase for phase, _ in held]
        ours = [
            phase._replace(end=min(phase.end, until))
            for phase, until in held
            if phase.start < until
        ]
        fees, projected = (
            sum(fee.amount for fee in unit_fees(history, ours, self._unit, spans, until))
            for until in (now, period.end)
        )
        phase = held_at(phases, now)
        limits: Mapping[str, int | None] = {}
        if phase is not None and history.mode_of(period.start) != _USAGE_MODE:
            term_start, _ = term_at(history, phase, now)
            limits = plan_of(history, phase.plan_id, max(term_start, phase.start)).limits
        charged = steps(history, phases, period.start, period.end)
        return Held(phase and phase.plan_id, fees, projected, limits, charged)


def limits_of(
    planned: Mapping[str, int | None], own: Mapping[str, tuple[str, int | None]]
) -> tuple[int | None, ...]:
    """Return the limits in force, in the order of ``QUOTAS``: the user's own before the plan's.

    ``own`` has a choice and an amount by resource.
    """
    if not own:
        return tuple(map(planned.get, QUOTAS))
    found = []
    for resource in QUOTAS:
        choice, amount = own.get(resource, (PLAN, None))
        if choice == PLAN:
            amount = planned.get(resource)
        found.append(None if choice == NONE else amount)
    return tuple(found)


def levels_of(
    uses: Sequence[Amount], limits: Sequence[int | None], threshold: int
) -> tuple[str, ...]:
    """Return how uses stand to limits; ``threshold`` is the percentage of a warning."""
    if not any(uses):
        return _ALL_OK
    return tuple(level_of(use, limit, threshold) for use, limit in zip(uses, limits, strict=True))


def ahead(rates: Rates, cuts: Sequence[Stretch]) -> list[Rates]:
    """Return what runs now as base units of each stretch to come: on and on, as large as it is."""
    return [
        (rates[0] * seconds, rates[1] * seconds, rates[2] * seconds)
        for seconds in (cut.stop - cut.start for cut in cuts)
    ]


def nothing(cuts: Sequence[Stretch]) -> list[Rates]:
    """Return no base units for each stretch."""
    return [_NOTHING] * len(cuts)
