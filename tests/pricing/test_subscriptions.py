"""Phases, terms and holdings: tables of cases, and what holds for any of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.chains import continued, cut, difference
from billing_cli.pricing.plans import Plan
from billing_cli.pricing.subscriptions import (
    Phase,
    held_at,
    holdings,
    plan_of,
    term_at,
    year_term,
)
from billing_cli.pricing.terms import Terms, TermsHistory
from billing_cli.pricing.timelines import FOREVER

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY = 86_400
PRICES = {"cpu": "0.05", "memory": "0.01", "storage": "0.1"}
ZONES = ("UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia")
MONTHLY, YEARLY = "pro", "pro-year"
START = int(datetime(2019, 1, 1, tzinfo=UTC).timestamp())
SPAN = 6 * 366 * DAY


def plan(name: str, interval: str, fee: int) -> Plan:
    limits = {"cpu": 8_000, "memory": None, "storage": None}
    return Plan(name, name.title(), f"{fee}", fee * 100, interval, limits, None, "arrears")


def terms(zone: str = "UTC", day: int = 1, fee: int = 10) -> Terms:
    plans = {MONTHLY: plan(MONTHLY, "month", fee), YEARLY: plan(YEARLY, "year", 10 * fee)}
    return Terms("hybrid", "USD", PRICES, zone, day, None, None, {}, plans)


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def local(instant: int, zone: str) -> str:
    return datetime.fromtimestamp(instant, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


def phase(plan_id: str, start: int, end: int = FOREVER) -> Phase:
    return Phase(1, 1, start, end, plan_id, first=True)


@pytest.mark.parametrize(
    ("zone", "anchor", "asked", "expected"),
    [
        # 29 February stays the anchor: the 28th in common years, the 29th again in leap years.
        ("UTC", "2024-02-29 12:00", "2024-02-29 12:00", ("2024-02-29 12:00", "2025-02-28 12:00")),
        ("UTC", "2024-02-29 12:00", "2025-02-28 11:59", ("2024-02-29 12:00", "2025-02-28 12:00")),
        ("UTC", "2024-02-29 12:00", "2025-02-28 12:00", ("2025-02-28 12:00", "2026-02-28 12:00")),
        ("UTC", "2024-02-29 12:00", "2028-02-29 11:59", ("2027-02-28 12:00", "2028-02-29 12:00")),
        ("UTC", "2024-02-29 12:00", "2028-02-29 12:00", ("2028-02-29 12:00", "2029-02-28 12:00")),
        ("UTC", "2000-02-29 00:00", "2100-06-01 00:00", ("2100-02-28 00:00", "2101-02-28 00:00")),
        ("UTC", "2023-12-31 23:59", "2024-12-31 23:58", ("2023-12-31 23:59", "2024-12-31 23:59")),
        # The local time of day stays, though the clock's offset at the anniversary is another.
        (
            "America/New_York",
            "2024-03-10 12:00",
            "2025-03-09 12:00",
            ("2024-03-10 12:00", "2025-03-10 12:00"),
        ),
        (
            "America/New_York",
            "2024-11-02 12:00",
            "2025-11-02 12:00",
            ("2025-11-02 12:00", "2026-11-02 12:00"),
        ),
        # Half an hour of summer time, and an anniversary that a gap of the clock swallows.
        (
            "Australia/Lord_Howe",
            "2023-10-06 02:15",
            "2024-10-06 02:14",
            ("2023-10-06 02:15", "2024-10-06 02:45"),
        ),
    ],
)
def test_a_year_lasts_until_the_anniversary_in_local_time(
    zone: str, anchor: str, asked: str, expected: tuple[str, str]
) -> None:
    calendar = TermsHistory([(None, terms(zone))]).calendar
    found = year_term(calendar, at(anchor, zone), at(asked, zone))
    assert tuple(local(bound, zone) for bound in found) == expected


def test_a_month_is_the_billing_period_and_keeps_its_bounds() -> None:
    history = TermsHistory([(None, terms(day=15))])
    held = phase(MONTHLY, at("2025-01-20"), at("2025-03-01"))
    pieces = [
        tuple(local(bound, "UTC")[:10] for bound in piece[:4])
        for piece in holdings(history, [held], at("2025-01-01"), at("2025-06-01"))
    ]
    assert pieces == [
        ("2025-01-20", "2025-02-15", "2025-01-15", "2025-02-15"),
        ("2025-02-15", "2025-03-01", "2025-02-15", "2025-03-15"),
    ]


def test_a_changed_plan_reaches_its_holders_with_their_next_term() -> None:
    history = TermsHistory([(None, terms()), (at("2025-01-10"), terms(fee=20))])
    span = at("2025-01-01"), at("2027-01-01")

    def fees(plan_id: str, start: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for piece in holdings(history, [phase(plan_id, at(start))], *span):
            found.setdefault(local(piece.start, "UTC")[:10], piece.plan.fee)
        return dict(list(found.items())[:3])

    assert fees(MONTHLY, "2024-12-05") == {
        "2025-01-01": 1_000,
        "2025-02-01": 2_000,
        "2025-03-01": 2_000,
    }
    # Who begins after the change in the middle of a period has the new plan at once.
    assert fees(MONTHLY, "2025-01-10") == {
        "2025-01-10": 2_000,
        "2025-02-01": 2_000,
        "2025-03-01": 2_000,
    }
    assert fees(YEARLY, "2024-06-01") == {
        "2025-01-01": 10_000,
        "2025-06-01": 20_000,
        "2026-06-01": 20_000,
    }


def test_a_plan_that_went_stays_as_it_was_last() -> None:
    bare = Terms("hybrid", "USD", PRICES, "UTC", 1, None, None, {}, {})
    history = TermsHistory([(None, bare), (100, terms()), (200, terms(fee=20)), (300, bare)])
    assert [plan_of(history, MONTHLY, moment).fee for moment in (0, 100, 199, 200, 300, 400)] == [
        1_000,
        1_000,
        1_000,
        2_000,
        2_000,
        2_000,
    ]


PHASES = st.lists(
    st.tuples(
        st.integers(1, 500 * DAY), st.integers(0, 90 * DAY), st.sampled_from([MONTHLY, YEARLY])
    ),
    min_size=1,
    max_size=5,
)


def chained(lengths: Iterable[tuple[int, int, str]]) -> list[Phase]:
    """Phases one after another: each a length, the gap before it, and a plan."""
    found: list[Phase] = []
    end = START
    for length, gap, plan_id in lengths:
        found.append(Phase(1, 1, end + gap, end + gap + length, plan_id, first=gap > 0))
        end += gap + length
    return found


@given(
    phases=PHASES.map(chained),
    zone=st.sampled_from(ZONES),
    day=st.integers(1, 28),
    change=st.tuples(st.integers(0, SPAN), st.sampled_from(ZONES), st.integers(1, 28)),
    start=st.integers(0, SPAN),
    length=st.integers(0, SPAN),
)
def test_pieces_tile_each_phase_and_terms_contain_them(
    phases: list[Phase],
    zone: str,
    day: int,
    change: tuple[int, str, int],
    start: int,
    length: int,
) -> None:
    since, next_zone, next_day = change
    history = TermsHistory(
        [(None, terms(zone, day)), (START + since, terms(next_zone, next_day, fee=20))]
    )
    start += START
    stop = start + length
    pieces = list(holdings(history, phases, start, stop))
    for held in phases:
        own = [piece for piece in pieces if piece.phase == held]
        begin, end = max(held.start, start), min(held.end, stop)
        if begin >= end:
            assert own == []
            continue
        bounds = [begin, *(piece.end for piece in own)]
        assert [piece.start for piece in own] == bounds[:-1]
        assert bounds[-1] == end
    for piece in pieces:
        assert piece.term_start <= piece.start < piece.end <= piece.term_end
        # Wherever in its term it is asked for, the term is the same, and so is the plan.
        for moment in (piece.start, piece.end - 1):
            term = term_at(history, piece.phase, moment)
            assert term == (piece.term_start, piece.term_end)
        first = max(piece.term_start, piece.phase.start)
        assert piece.plan == plan_of(history, piece.phase.plan_id, first)


@given(
    anchor=st.integers(START, START + SPAN),
    years=st.integers(0, 30),
    zone=st.sampled_from(ZONES),
)
def test_years_follow_one_another_without_a_gap(anchor: int, years: int, zone: str) -> None:
    calendar = TermsHistory([(None, terms(zone))]).calendar
    end = anchor
    for _ in range(years):
        begin, end = year_term(calendar, anchor, end)
        assert year_term(calendar, anchor, end - 1) == (begin, end)
        assert 364 * DAY < end - begin < 367 * DAY
    if not years:
        assert year_term(calendar, anchor, anchor)[0] == anchor


@given(phases=PHASES.map(chained), moment=st.integers(START, START + SPAN))
def test_cutting_and_going_on_with_the_same_plan_changes_nothing(
    phases: list[Phase], moment: int
) -> None:
    last = phases[-1]
    if not last.start < moment < last.end:
        moment = min(last.end, last.start + 1)
    same = continued(cut(phases, moment), last._replace(start=moment))
    assert difference(phases, same if moment < last.end else phases) is None


@given(phases=PHASES.map(chained), moment=st.integers(START, START + SPAN))
def test_what_a_cut_changes_lies_behind_it(phases: list[Phase], moment: int) -> None:
    kept = cut(phases, moment)
    assert all(held.start < held.end <= moment for held in kept)
    span = difference(phases, kept)
    if span is None:
        assert phases[-1].end <= moment
    else:
        assert span[0] >= moment
        assert span[1] == phases[-1].end
        assert held_at(phases, span[0]) is not None


def test_another_plan_begins_a_phase_and_the_same_one_does_not() -> None:
    begun = [phase(MONTHLY, 0, 100)]
    other = Phase(1, 1, 100, 200, YEARLY, first=True)
    assert continued(begun, other) == [begun[0], other._replace(first=False)]
    assert continued(begun, other._replace(plan_id=MONTHLY)) == [phase(MONTHLY, 0, 200)]
    later = Phase(1, 1, 150, 200, MONTHLY, first=False)
    assert continued(begun, later) == [begun[0], later._replace(first=True)]
    assert continued([], later) == [later._replace(first=True)]
    # A yearly plan that begins anew counts its years from there.
    assert difference(
        [phase(YEARLY, 0, 300)], [phase(YEARLY, 0, 100), phase(YEARLY, 100, 300)]
    ) == (
        100,
        300,
    )
