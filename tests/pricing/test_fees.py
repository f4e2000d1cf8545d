"""Fees: exact per second, in parts that add up to the whole, on the invoice that carries them."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.fees import Fee, fee_lines, unit_fees
from billing_cli.pricing.invoices import Billed, Unit
from billing_cli.pricing.money import round_ratio
from billing_cli.pricing.plans import Plan
from billing_cli.pricing.subscriptions import Phase
from billing_cli.pricing.terms import Terms, TermsHistory
from billing_cli.pricing.timelines import FOREVER

if TYPE_CHECKING:
    from collections.abc import Sequence

PRICES = {"cpu": "0.05", "memory": "0.01", "storage": "0.1"}
NO_LIMITS = {"cpu": None, "memory": None, "storage": None}
DAY = 86_400
ZONES = ("UTC", "America/New_York", "Australia/Lord_Howe", "America/Havana")


def plan(name: str, price: str, interval: str = "month", billing: str = "arrears") -> Plan:
    fee = int(Decimal(price) * 100)
    return Plan(name, name.title(), price, fee, interval, NO_LIMITS, None, billing)


PLANS = [
    plan("free", "0"),
    plan("pro", "29.99"),
    plan("enterprise", "99.99"),
    plan("early", "31.07", billing="advance"),
    plan("yearly", "300.01", "year", "advance"),
    plan("slow", "120.50", "year", "arrears"),
]


def terms(mode: str = "hybrid", zone: str = "UTC", day: int = 1, factor: int = 1) -> Terms:
    plans = {p.id: plan(p.id, str(Decimal(p.price) * factor), p.interval, p.billing) for p in PLANS}
    return Terms(mode, "USD", PRICES, zone, day, None, None, {}, plans)


def history(mode: str = "hybrid", zone: str = "UTC", day: int = 1) -> TermsHistory:
    return TermsHistory([(None, terms(mode, zone, day))])


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def unit(books: TermsHistory, name: str) -> Unit:
    period = books.calendar.named(name)
    return Unit(period.start, period.end, None, name)


def phase(plan_id: str, start: str, end: str | None = None, *, first: bool = True) -> Phase:
    return Phase(1, 1, at(start), FOREVER if end is None else at(end), plan_id, first)


def billed_in(books: TermsHistory, name: str, *phases: Phase) -> list[tuple[str, int]]:
    about = unit(books, name)
    fees = unit_fees(books, phases, about, [(about.start, about.end)])
    lines = fee_lines(books, about, fees, None, correction=False)
    return [(line.description, line.amount) for line in lines]


def test_a_month_held_whole_costs_its_fee() -> None:
    assert billed_in(history(), "2025-01", phase("pro", "2024-12-10")) == [
        ("Pro, 2025-01-01 to 2025-01-31", 2_999)
    ]


def test_a_change_divides_the_month_between_the_plans_by_the_second() -> None:
    lines = billed_in(
        history(),
        "2025-01",
        phase("pro", "2025-01-01", "2025-01-16T12:00:00"),
        phase("enterprise", "2025-01-16T12:00:00", first=False),
    )
    assert lines == [
        ("Pro, 2025-01-01 to 2025-01-16", 1_500),
        ("Enterprise, 2025-01-16 to 2025-01-31", 4_999),
    ]


def test_what_costs_nothing_has_no_line() -> None:
    assert billed_in(history(), "2025-01", phase("free", "2025-01-01")) == []


def test_plans_have_no_effect_in_the_mode_usage() -> None:
    assert billed_in(history("usage"), "2025-01", phase("pro", "2025-01-01")) == []


def test_a_year_in_advance_is_on_the_invoice_of_the_period_it_starts_in() -> None:
    books, held = history(), phase("yearly", "2025-01-10")
    assert billed_in(books, "2025-01", held) == [("Yearly, 2025-01-10 to 2026-01-09", 30_001)]
    assert billed_in(books, "2025-02", held) == []
    assert billed_in(books, "2026-01", held) == [("Yearly, 2026-01-10 to 2027-01-09", 30_001)]


def test_a_first_year_that_starts_with_a_period_is_on_that_periods_invoice() -> None:
    books, held = history(), phase("yearly", "2025-01-01")
    assert billed_in(books, "2024-12", held) == []
    assert billed_in(books, "2025-01", held) == [("Yearly, 2025-01-01 to 2025-12-31", 30_001)]
    # Later ones are due before they start.
    assert billed_in(books, "2025-12", held) == [("Yearly, 2026-01-01 to 2026-12-31", 30_001)]
    assert billed_in(books, "2026-01", held) == []


def test_a_month_in_advance_is_carried_with_the_next() -> None:
    books, held = history(), phase("early", "2025-01-17")
    assert billed_in(books, "2025-01", held) == [
        ("Early, 2025-01-17 to 2025-01-31", 1_503),
        ("Early, 2025-02-01 to 2025-02-28", 3_107),
    ]
    assert billed_in(books, "2025-02", held) == [("Early, 2025-03-01 to 2025-03-31", 3_107)]


def test_a_year_in_arrears_accrues_with_each_period() -> None:
    books, held = history(), phase("slow", "2025-01-01")
    whole = sum(
        amount for month in range(1, 13) for _, amount in billed_in(books, f"2025-{month:02}", held)
    )
    assert whole == 12_050


def test_what_is_unused_of_a_year_comes_back() -> None:
    books, about = history(), unit(history(), "2025-01")
    (whole,) = unit_fees(books, [phase("yearly", "2025-01-01")], about, [about[:2]])
    billed = Billed()
    billed.add(whole.key, whole.parts, whole.amount)
    ended = unit_fees(books, [phase("yearly", "2025-01-01", "2025-07-02")], about, [about[:2]])
    (line,) = fee_lines(books, about, ended, billed, correction=True)
    # 182 of 365 days are used.
    assert line.amount == round_ratio(30_001 * 182, 365) - 30_001
    assert line.description == "Yearly, unused from 2025-07-02 on"


def test_a_gap_before_a_term_that_is_held_to_its_end_is_a_correction() -> None:
    books, about = history(), unit(history(), "2025-01")
    # The first invoice carries January and February.
    billed = Billed()
    for fee in unit_fees(books, [phase("early", "2025-01-01")], about, [about[:2]]):
        billed.add(fee.key, fee.parts, fee.amount)
    held = [phase("early", "2025-01-01", "2025-01-15"), phase("early", "2025-02-01", first=False)]
    found = unit_fees(books, held, about, [about[:2]])
    (line,) = fee_lines(books, about, found, billed, correction=True)
    # 17 of 31 days of January.
    assert (line.description, line.amount) == ("Early, correction for 2025-01", 1_403 - 3_107)


def test_a_changed_price_reaches_a_holder_with_the_next_term() -> None:
    books = TermsHistory([(None, terms()), (at("2025-01-10"), terms(factor=2))])
    held = phase("pro", "2024-12-01")
    assert [billed_in(books, name, held)[0][1] for name in ("2025-01", "2025-02")] == [2_999, 5_998]
    # Who comes after the change pays the new price at once.
    assert billed_in(books, "2025-01", phase("pro", "2025-01-20"))[0][1] == round_ratio(
        5_998 * 31, 31
    ) - round_ratio(5_998 * 19, 31)


def test_a_plan_starts_to_cost_with_the_first_period_that_knows_plans() -> None:
    books = TermsHistory([(None, terms("usage")), (at("2025-02-10"), terms())])
    held = phase("yearly", "2025-01-15")
    assert billed_in(books, "2025-02", held) == []
    # From 1 March: 320 of 365 days are left.
    (line,) = billed_in(books, "2025-03", held)
    assert line == (
        "Yearly, 2025-03-01 to 2026-01-14",
        30_001 - round_ratio(30_001 * 45, 365),
    )


def test_a_custom_range_takes_its_seconds_of_the_fee() -> None:
    books, held = history(), [phase("pro", "2024-12-01")]
    january = unit(books, "2025-01")
    first, last = books.calendar.date_range(date(2025, 1, 6), date(2025, 1, 12))
    custom = unit_fees(books, held, Unit(first, last, 7, "custom"), [(first, last)])
    regular = unit_fees(books, held, january, [(january.start, first), (last, january.end)])
    assert sum(fee.amount for fee in [*custom, *regular]) == 2_999


@st.composite
def chains(draw: st.DrawFn) -> list[Phase]:
    """Chains of changes, cancellations and resumptions at odd seconds."""
    start = at("2023-11-05") + draw(st.integers(0, 200 * DAY))
    found: list[Phase] = []
    for number in range(draw(st.integers(1, 5))):
        end = start + draw(st.integers(1, 500 * DAY))
        chosen = draw(st.sampled_from(PLANS)).id
        follows = bool(found) and found[-1].end == start
        found.append(Phase(1, number if not follows else 0, start, end, chosen, not follows))
        start = end + draw(st.sampled_from([0, 0, 1, 40 * DAY + 17]))
    if draw(st.booleans()):
        found[-1] = found[-1]._replace(end=FOREVER)
    return found


def all_fees(books: TermsHistory, phases: Sequence[Phase], start: int, stop: int) -> list[Fee]:
    found = []
    for period in books.calendar.between(start, stop):
        about = Unit(period.start, period.end, None, period.name)
        found += unit_fees(books, phases, about, [(period.start, period.end)])
    return found


@given(chains(), st.sampled_from(ZONES), st.integers(1, 28))
def test_parts_of_a_term_add_up_to_what_was_held_of_it(
    phases: list[Phase], zone: str, day: int
) -> None:
    """Every second held is billed once, and what is billed of a term is exact to a rounding."""
    books = history(zone=zone, day=day)
    stop = min(phases[-1].end, phases[-1].start + 900 * DAY) + 40 * DAY
    by_term: dict[tuple[Phase, int], list[Fee]] = {}
    for fee in all_fees(books, phases, phases[0].start, stop):
        by_term.setdefault((fee.holding.phase, fee.holding.term_start), []).append(fee)
    for (held, term_start), fees in by_term.items():
        fees.sort(key=lambda fee: fee.start)
        holding = fees[0].holding
        assert fees[0].start == max(held.start, term_start)
        assert all(a.end == b.start for a, b in itertools.pairwise(fees))
        last = min(held.end, holding.term_end)
        assert fees[-1].end == last or (last > stop - 40 * DAY)
        span = Fraction(fees[-1].end - fees[0].start, holding.term_end - holding.term_start)
        total = sum(fee.amount for fee in fees)
        assert abs(total - holding.plan.fee * span) <= 1
        if span == 1:
            assert total == holding.plan.fee


@pytest.mark.parametrize("name", ["2025-01", "2025-03", "2025-11"])
def test_any_division_of_a_month_adds_up(name: str) -> None:
    books = history(zone="America/New_York")
    period = books.calendar.named(name)
    cuts = [period.start, period.start + 12_345, period.start + 12_346, period.end - 7, period.end]
    plans = ["pro", "pro", "pro", "pro"]
    phases = [
        Phase(1, 1, a, b, p, first=False) for a, b, p in zip(cuts, cuts[1:], plans, strict=False)
    ]
    about = Unit(period.start, period.end, None, name)
    fees = unit_fees(books, phases, about, [(period.start, period.end)])
    assert [len(fees), sum(fee.amount for fee in fees)] == [4, 2_999]
