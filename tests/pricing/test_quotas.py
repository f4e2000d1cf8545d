"""Quotas: the sweep finds what counting second by second finds, however it is cut."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.plans import Plan
from billing_cli.pricing.quota_sweep import Account, Rules, balances, sweep
from billing_cli.pricing.quotas import (
    EXCEEDED,
    LIMIT,
    NONE,
    OK,
    PLAN,
    WARNING,
    Crossing,
    Followed,
    Moment,
    Override,
    Overrun,
    Standing,
    Step,
    Suspended,
    follow,
    level_of,
    percent_of,
    planned_spans,
    suspend,
)
from billing_cli.pricing.subscriptions import Phase
from billing_cli.pricing.terms import Terms, TermsHistory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# 2025-01-31T23:59:00Z: a period ends a minute later.
NOON = 1_738_367_940
NEW_PERIOD = NOON + 60
LAST = NOON + 120


def plan(name: str, cpu: int | None, overage: str | None = None) -> Plan:
    limits = {"cpu": cpu, "memory": None, "storage": None}
    return Plan(name, name, "0", 0, "month", limits, overage, "arrears")


def history(mode: str = "usage", plans: Sequence[Plan] = ()) -> TermsHistory:
    # A core costs one unit of the currency a second, and so does a GB of memory.
    prices = {"cpu": "3600", "memory": "3600", "storage": "0"}
    found = {one.id: one for one in plans}
    return TermsHistory([(None, Terms(mode, "USD", prices, "UTC", 1, None, None, {}, found))])


def rules(of: TermsHistory, threshold: int = 80) -> Rules:
    return Rules(of, planned_spans(of, NOON, LAST + 1), threshold)


def steps_of(loads: Sequence[tuple[int, int, int, int]], low: int, until: int) -> list[Step]:
    """What the store hands over: the use at ``low``, and each change after it."""
    steps = []
    for start, end, cpu, memory in loads:
        if end > low and start <= until:
            steps.append(Step(max(start, low), cpu, memory, 0))
            if end <= until:
                steps.append(Step(end, -cpu, -memory, 0))
    return steps


@pytest.mark.parametrize(
    ("use", "limit", "threshold", "level"),
    [
        (0, 0, 80, OK),
        (1, 0, 80, EXCEEDED),
        (10, None, 80, OK),
        (7_999, 10_000, 80, OK),
        (8_000, 10_000, 80, WARNING),
        (10_000, 10_000, 80, WARNING),
        (10_001, 10_000, 80, EXCEEDED),
        (10_000, 10_000, 100, WARNING),
        (0, 10, 0, OK),
        (1, 10, 0, WARNING),
        (Fraction(2399, 300), 10, 80, OK),
        (Fraction(8), 10, 80, WARNING),
        (Fraction(3001, 300), 10, 80, EXCEEDED),
    ],
)
def test_levels(use: int | Fraction, limit: int | None, threshold: int, level: str) -> None:
    assert level_of(use, limit, threshold) == level


def test_a_percentage_is_cut_and_not_rounded() -> None:
    assert percent_of(79_999, 100_000) == Fraction("79.99")
    assert percent_of(1, 0) is None


instants = st.integers(NOON, LAST + 10)
loads = st.lists(
    st.tuples(instants, st.integers(1, 60), st.integers(0, 4), st.integers(0, 2)).map(
        lambda x: (x[0], x[0] + x[1], x[2] * 1_000, x[3] * 1_024)
    ),
    max_size=8,
)


def overrides_of(resource: str, largest: int) -> st.SearchStrategy[list[Override]]:
    choices = st.one_of(
        st.integers(0, largest).map(lambda amount: (LIMIT, amount)),
        st.sampled_from([(NONE, None), (PLAN, None)]),
    )
    return st.lists(
        st.tuples(st.integers(NOON - 5, LAST), choices),
        max_size=4,
        unique_by=lambda pair: pair[0],
    ).map(lambda found: [Override(resource, at, *said) for at, said in sorted(found)])


def limit_at(overrides: Sequence[Override], at: int, planned: int | None) -> int | None:
    said = [o for o in overrides if o.since <= at]
    return planned if not said or said[-1].choice == PLAN else said[-1].amount


def counted(
    levels: Mapping[int, str],
) -> tuple[list[tuple[int, str]], list[tuple[int, int | None]]]:
    """The crossings and overruns of a level for each second."""
    crossings: list[tuple[int, str]] = []
    overruns: list[tuple[int, int | None]] = []
    over = None
    order = [OK, WARNING, EXCEEDED]
    for before, at in pairwise(levels):
        low, high = order.index(levels[before]), order.index(levels[at])
        crossings += [(at, order[rank]) for rank in range(low + 1, high + 1)]
        if levels[at] == EXCEEDED and levels[before] != EXCEEDED:
            over = at
        if levels[before] == EXCEEDED and levels[at] != EXCEEDED:
            overruns.append((over or 0, at))
    if levels[LAST] == EXCEEDED:
        overruns.append((over or 0, None))
    return crossings, overruns


def found_in(
    cuts: Sequence[int], resource: str, of: Rules, whole: Account, run: Any
) -> tuple[list[tuple[int, str]], list[tuple[int, int | None]]]:
    """What checks at these instants find, each going on from the one before."""
    crossings: list[tuple[int, str]] = []
    overruns: dict[int, int | None] = {}
    standings: dict[str, Standing] = {}
    after: int | None = None
    for until in cuts:
        low = 0 if after is None else after
        account = whole._replace(low=low, steps=steps_of(run, low, until))
        followed = sweep(of, account, standings, after, until).get(resource)
        standings = {}
        if followed is not None:
            crossings += [(c.at, c.level) for c in followed.crossings]
            overruns.update(followed.overruns)
            standings = {resource: followed.standing} if followed.standing else {}
        after = until
    return crossings, sorted(overruns.items())


@given(
    loads,
    overrides_of("cpu", 8_000),
    st.lists(instants.filter(lambda at: at < LAST), max_size=4, unique=True),
    st.integers(0, 100),
    st.one_of(st.none(), st.tuples(instants, instants)),
)
def test_allocation_is_followed_from_second_to_second(
    run: list[tuple[int, int, int, int]],
    overrides: list[Override],
    cuts: list[int],
    threshold: int,
    held: tuple[int, int] | None,
) -> None:
    of = rules(history("subscription", [plan("pro", 5_000)]), threshold)
    phases = []
    if held is not None and held[0] != held[1]:
        phases = [Phase(1, 1, min(held), max(held), "pro", first=True)]
    levels = {NOON - 10: OK}
    for at in range(NOON - 6, LAST + 1):
        use = sum(cpu for start, end, cpu, _ in run if start <= at < end)
        planned = 5_000 if any(p.start <= at < p.end for p in phases) else None
        levels[at] = level_of(use, limit_at(overrides, at, planned), threshold)
    account = Account(0, [], overrides, phases)
    assert found_in([*sorted(cuts), LAST], "cpu", of, account, run) == counted(levels)


@given(
    loads,
    overrides_of("spend", 20_000),
    st.integers(0, 100),
    st.sampled_from(["usage", "hybrid", "subscription"]),
    st.sampled_from([None, "charge", "none"]),
    st.one_of(st.none(), st.tuples(instants, instants)),
)
def test_spend_is_followed_from_second_to_second(
    run: list[tuple[int, int, int, int]],
    overrides: list[Override],
    threshold: int,
    mode: str,
    overage: str | None,
    held: tuple[int, int] | None,
) -> None:
    of = rules(history(mode, [plan("pro", 3_000, overage)]), threshold)
    phases = []
    if held is not None and held[0] != held[1]:
        phases = [Phase(1, 1, min(held), max(held), "pro", first=True)]
    levels = {NOON - 10: OK}
    spent = Fraction(0)
    for at in range(NOON - 6, LAST + 1):
        if at == NEW_PERIOD:
            spent = Fraction(0)
        levels[at] = level_of(spent, limit_at(overrides, at, None), threshold)
        spent += cost_of(run, at, mode, overage, phases)
    account = Account(0, steps_of(run, 0, LAST), overrides, phases)
    followed = sweep(of, account, {}, None, LAST).get("spend")
    crossings, overruns = counted(levels)
    if followed is None:
        assert crossings == []
        return
    assert [(c.at, c.level) for c in followed.crossings] == crossings
    assert followed.overruns == overruns
    shown = balances(of, account, LAST).get("spend")
    limit = limit_at(overrides, LAST, None)
    assert (shown is None) == (limit is None)
    if shown is not None:
        assert shown.use == spent - cost_of(run, LAST, mode, overage, phases)


def cost_of(
    run: list[tuple[int, int, int, int]],
    at: int,
    mode: str,
    overage: str | None,
    phases: Sequence[Phase],
) -> Fraction:
    """What one second costs, in cents."""
    cpu = sum(cpu for start, end, cpu, _ in run if start <= at < end)
    memory = sum(memory for start, end, _, memory in run if start <= at < end)
    holds = any(phase.start <= at < phase.end for phase in phases)
    if mode == "usage" or (mode == "hybrid" and not holds):
        return Fraction(cpu, 10) + Fraction(memory * 100, 1_024)
    charged = overage == "charge" or (overage is None and mode == "hybrid")
    if not holds or not charged:
        return Fraction(0)
    return Fraction(max(0, cpu - 3_000), 10)


def test_a_jump_over_the_limit_reaches_both_levels_at_once() -> None:
    moments = [Moment(5, EXCEEDED, 9, 8, anew=False), Moment(9, WARNING, 7, 8, anew=False)]
    found = follow(moments, None, None)
    assert found.crossings == [Crossing(5, WARNING, 9, 8), Crossing(5, EXCEEDED, 9, 8)]
    assert found.overruns == [Overrun(5, 9)]
    assert found.standing == Standing(WARNING, 9, 5)


def test_each_return_over_the_limit_is_a_crossing_of_its_own() -> None:
    levels = [EXCEEDED, WARNING, EXCEEDED, OK, WARNING]
    moments = [Moment(at, level, 1, 1, anew=False) for at, level in enumerate(levels, 1)]
    found = follow(moments, None, None)
    assert [(c.at, c.level) for c in found.crossings] == [
        (1, WARNING),
        (1, EXCEEDED),
        (3, EXCEEDED),
        (5, WARNING),
    ]
    assert found.standing == Standing(WARNING, 5, 5)


def over(*overruns: tuple[int, int | None], eased: Sequence[int] = ()) -> Followed:
    return Followed([], [Overrun(*one) for one in overruns], list(eased), None)


@pytest.mark.parametrize(
    ("followed", "known", "found"),
    [
        # Exactly as long as the grace counts, a second less does not.
        (over((0, 10)), [], [Suspended(None, 0, 10, None)]),
        (over((0, 9)), [], []),
        (over((0, None)), [], [Suspended(None, 0, 10, None)]),
        (over((91, None)), [], []),
        # Less use ends nothing; a limit that is eased does, also while it would begin.
        (over((0, 30), eased=[50]), [], [Suspended(None, 0, 10, 50)]),
        (over((0, 10), eased=[10, 50]), [], []),
        (over(eased=[50]), [Suspended(7, 0, 10, None)], [Suspended(7, 0, 10, 50)]),
        (over(eased=[9]), [Suspended(7, 0, 10, None)], []),
        # While one lasts, no other begins; afterwards one does.
        (over((20, 35)), [Suspended(7, 0, 10, None)], []),
        (over((20, 35)), [Suspended(7, 0, 10, 15)], [Suspended(None, 20, 30, None)]),
        # Resumed by hand: the same stretch suspends no more, another does.
        (over((0, None)), [Suspended(7, 0, 10, 15)], []),
        (over((0, None)), [Suspended(7, 5, 15, 16)], []),
    ],
)
def test_suspensions(followed: Followed, known: list[Suspended], found: list[Suspended]) -> None:
    assert suspend(followed, known, 10, 100, None) == found


def test_what_was_over_before_suspensions_were_switched_on_counts_for_nothing() -> None:
    followed = over((0, 40), (50, 70))
    assert suspend(followed, [], 10, 100, 45) == [Suspended(None, 50, 60, None)]
