"""Everyone's accounts for the dashboard: what is used, what that costs, and what is owed."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from billing_cli.pricing.dashboard import (
    Account,
    Cost,
    Plans,
    RateSheet,
    ahead,
    levels_of,
    limits_of,
    nothing,
)
from billing_cli.pricing.overage import reach, slice_excess
from billing_cli.pricing.quotas import SPEND
from billing_cli.pricing.slots import Slot, stretches
from billing_cli.pricing.terms import RESOURCES
from billing_cli.pricing.timelines import FOREVER
from billing_cli.store import dashboard as store
from billing_cli.store import overage, subscriptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from billing_cli.pricing.overage import Load, Step
    from billing_cli.pricing.periods import Period
    from billing_cli.pricing.subscriptions import Phase
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.dashboard import Only, Owed
    from billing_cli.store.overage import UserLoads
    from billing_cli.store.unit_of_work import Transaction

    Rates = tuple[int, int, int]

_IDLE: Final = (0, 0, 0)
_UNLIMITED: Final[dict[str, tuple[str, int | None]]] = {}
_NO_DEBT: Final = store.Owed(0, 0, None)
_FREE: Final = Cost(0, 0, 0)
_PLACE: Final = {resource: place for place, resource in enumerate(RESOURCES)}


@dataclass
class Gathered:
    """Everyone's accounts, in byte order of the users, and how many sessions each has running."""

    accounts: list[Account] = field(default_factory=list)
    running: Counter[int] = field(default_factory=Counter)


@dataclass
class _Books:
    """What was read about everyone, by user key."""

    uses: dict[int, tuple[Rates, int]]
    accrued: list[dict[int, Rates]]
    phases: dict[int, list[Phase]]
    limits: dict[int, dict[str, tuple[str, int | None]]]
    owed: dict[int, Owed]
    credits: dict[int, int]
    suspended: dict[int, int]


def gather(  # noqa: PLR0913, PLR0917 - a moment, and whom it is about
    tx: Transaction,
    history: TermsHistory,
    only: Only,
    keys: Sequence[int] | None,
    now: int,
    threshold: int,
) -> Gathered:
    """Return the accounts of some users, or of everyone, at a moment."""
    by_stripe = subscriptions.charged_by_stripe(tx, keys)
    costing = _Costing(history, history.calendar.containing(now), now, by_stripe)
    books = _read(tx, costing, only, keys, now)
    charged = costing.charged(tx, books, keys)
    found = Gathered()
    for key, user_id in store.users(tx, only, now):
        cost = charged.get(key) or costing.by_session(key, books)
        found.running[key] = books.uses.get(key, (_IDLE, 0))[1]
        found.accounts.append(_account(key, user_id, costing, books, cost, threshold))
    return found


def _read(
    tx: Transaction, costing: _Costing, only: Only, keys: Sequence[int] | None, now: int
) -> _Books:
    cuts = costing.sheet.cuts[: costing.past] if costing.mode != "subscription" else []
    return _Books(
        uses=store.uses(tx, only, now),
        accrued=[store.accrued(tx, only, cut.start, cut.stop) for cut in cuts],
        phases=_phases(tx, costing.period, keys),
        limits=store.own_limits(tx, only, now),
        owed=store.owed(tx, only, now),
        credits=store.credits(tx, only, now),
        suspended=store.suspensions(tx, only, now),
    )


def _account(  # noqa: PLR0913, PLR0917 - what an account is made of
    key: int, user_id: str, costing: _Costing, books: _Books, cost: Cost, threshold: int
) -> Account:
    held = costing.plans.held(books.phases.get(key, ()))
    limits = limits_of(held.limits, books.limits.get(key, _UNLIMITED))
    uses = (*books.uses.get(key, (_IDLE, 0))[0], cost.spend)
    debt = books.owed.get(key, _NO_DEBT)
    return Account(
        key,
        user_id,
        held.plan_id,
        uses,
        limits,
        levels_of(uses, limits, threshold),
        cost.now + held.fees,
        cost.projected + held.projected_fees,
        debt.owed,
        debt.overdue,
        debt.since,
        books.credits.get(key, 0),
        books.suspended.get(key),
    )


def _phases(tx: Transaction, period: Period, keys: Sequence[int] | None) -> dict[int, list[Phase]]:
    """Return the phases that touch a period or its end, at which terms in advance begin."""
    if keys is not None:
        return {
            key: [one for one in some if one.start <= period.end and one.end > period.start]
            for key, some in subscriptions.phases_of(tx, keys).items()
        }
    found: dict[int, list[Phase]] = defaultdict(list)
    for phase in subscriptions.phases_between(tx, period.start, period.end + 1):
        found[phase.user_key].append(phase)
    return found


class _Costing:
    """What the running period costs: the prices, what plans come to, and what is charged."""

    def __init__(
        self, history: TermsHistory, period: Period, now: int, by_stripe: Mapping[int, int]
    ) -> None:
        """Cut the period where prices change, and at the present moment."""
        self.history, self.period, self.now = history, period, now
        self.mode = history.mode_of(period.start)
        cuts = stretches(history, period.start, now) if now > period.start else []
        self.past = len(cuts)
        cuts += stretches(history, now, period.end)
        self.sheet = RateSheet(cuts, history.at(now).currency)
        self.plans = Plans(history, period, now, by_stripe)
        self._to_come = cuts[self.past :]
        self._slots = [
            Slot(cut.start, cut.stop, cut.period_start, cut.month_seconds, cut.prices)
            for cut in cuts
        ]
        self._places = {slot.start: place for place, slot in enumerate(self._slots)}

    def by_session(self, key: int, books: _Books) -> Cost:
        """Return what a user's sessions cost, as far as they are charged for as such."""
        if self.mode == "subscription" or (self.mode == "hybrid" and self._holds(key, books)):
            return _FREE
        rates, _ = books.uses.get(key, (_IDLE, 0))
        past = [sums.get(key, _IDLE) for sums in books.accrued]
        if rates == _IDLE and not any(map(any, past)):
            return _FREE
        now = past + nothing(self._to_come)
        cost = self.sheet.amount(now)
        running_on = past + ahead(rates, self._to_come)
        return Cost(
            cost,
            cost if rates == _IDLE else self.sheet.amount(running_on),
            self.sheet.exact(now) if SPEND in books.limits.get(key, _UNLIMITED) else 0,
        )

    def _holds(self, key: int, books: _Books) -> bool:
        return any(one.start < self.period.end for one in books.phases.get(key, ()))

    def charged(
        self, tx: Transaction, books: _Books, keys: Sequence[int] | None
    ) -> dict[int, Cost]:
        """Return what is charged beside their fees to those who hold plans, if anything is."""
        concerned = reach(self.history, self.period.start, self.period.end)
        if concerned is None or not books.phases:
            return {}
        span = self.period.start, self.now + 1
        if keys is None:
            overage.find_users(
                tx, overage.SEGMENTS, (self.period.start, self.period.end), concerned
            )
            loads = overage.loads_in(tx, overage.SEGMENTS, *span)
        else:
            overage.choose_users(tx, keys)
            loads = overage.loads_of_users(tx, *span)
        return dict(self._costs(loads, books))

    def _costs(self, loads: Iterator[UserLoads], books: _Books) -> Iterator[tuple[int, Cost]]:
        for user in loads:
            held = self.plans.held(books.phases.get(user.user_key, ()))
            if held.charged:
                is_limited = SPEND in books.limits.get(user.user_key, _UNLIMITED)
                yield user.user_key, self._excess(user.loads, held.charged, exact=is_limited)

    def _excess(self, loads: Sequence[Load], charged: Sequence[Step], *, exact: bool) -> Cost:
        """Return what use above limits costs, if what runs now runs on."""
        running_on = [
            (start, FOREVER if end > self.now else end, cpu, memory, storage)
            for start, end, cpu, memory, storage in loads
        ]
        sums: dict[str, list[list[int]]] = {}
        for one in slice_excess(running_on, charged, self._slots):
            if one.kind not in sums:
                sums[one.kind] = [[0, 0, 0] for _ in self._slots]
            place = self._places[one.slot.start]
            sums[one.kind][place][_PLACE[one.resource]] += one.quantity
        now = projected = 0
        spend = Fraction(0)
        for bases in sums.values():
            past = [*bases[: self.past], *nothing(self._to_come)]
            now += self.sheet.amount(past)
            projected += self.sheet.amount(bases)
            if exact:
                spend += self.sheet.exact(past)
        return Cost(now, projected, spend)
