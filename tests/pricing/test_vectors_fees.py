"""What other billing systems expect of fees for a part of a month or year; docs/vectors.md."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from billing_cli.pricing.fees import Fee, fee_lines, unit_fees
from billing_cli.pricing.invoices import Billed, Unit
from billing_cli.pricing.money import parse_amount, round_half_up
from billing_cli.pricing.plans import Plan
from billing_cli.pricing.subscriptions import Holding, Phase
from billing_cli.pricing.terms import Terms, TermsHistory
from billing_cli.pricing.timelines import FOREVER
from tests.pricing.test_vectors import vector

PRICES = {"cpu": "0.05", "memory": "0.01", "storage": "0.1"}


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def plan(identity: str, price: str, interval: str = "month", billing: str = "arrears") -> Plan:
    limits = dict.fromkeys(PRICES)
    fee = parse_amount(price, "USD")
    return Plan(identity, identity.title(), price, fee, interval, limits, None, billing)


def books(*plans: Plan, day: int = 1) -> TermsHistory:
    by_id = {one.id: one for one in plans}
    terms = Terms("subscription", "USD", PRICES, "UTC", day, None, None, {}, by_id)
    return TermsHistory([(None, terms)])


def phase(of: Plan, start: str, end: str | None = None, *, first: bool = True) -> Phase:
    return Phase(1, 1, at(start), FOREVER if end is None else at(end), of.id, first)


def period_of(history: TermsHistory, name: str) -> Unit:
    found = history.calendar.named(name)
    return Unit(found.start, found.end, None, name)


def fees_of(history: TermsHistory, name: str, *phases: Phase) -> list[Fee]:
    unit = period_of(history, name)
    return unit_fees(history, phases, unit, [(unit.start, unit.end)])


def part(of: Plan, term: tuple[str, str], held: tuple[str, str]) -> Fee:
    """Return the fee for a part of a term of any length."""
    start, end, term_start, term_end = (at(text) for text in (*held, *term))
    holding = Holding(start, end, term_start, term_end, of, phase(of, term[0]))
    return Fee(start, end, holding)


def share(fee: Fee) -> Fraction:
    ((term, held),) = fee.parts.items()
    return Fraction(held, term)


@vector("R1")
def test_fifteen_days_of_a_month_are_half_open() -> None:
    basic = plan("basic", "100.00")
    (fee,) = fees_of(books(basic), "2026-01", phase(basic, "2026-01-01", "2026-01-16"))
    assert fee.amount == 4_839


@vector("R3")
def test_a_currency_without_decimals_is_rounded_to_whole_units() -> None:
    basic = replace(plan("basic", "1000"), fee=parse_amount("1000", "JPY"))
    (fee,) = fees_of(books(basic), "2026-01", phase(basic, "2026-01-01", "2026-01-11"))
    assert fee.amount == 323


@vector("R5")
def test_an_upgrade_on_the_last_day_costs_one_day() -> None:
    term, rest = ("2025-01-01", "2025-01-31"), ("2025-01-30", "2025-01-31")
    credit = -part(plan("old", "300.00"), term, rest).amount
    charge = part(plan("new", "600.00"), term, rest).amount
    assert (credit, charge, credit + charge) == (-1_000, 2_000, 1_000)


@vector("R7")
def test_thirty_days_of_a_year_on_a_monthly_invoice() -> None:
    slow = plan("slow", "3650.00", "year")
    (fee,) = fees_of(books(slow), "2025-04", phase(slow, "2025-04-01"))
    assert fee.amount == 30_000


@vector("R9")
def test_the_share_of_a_month_from_the_17th() -> None:
    basic = plan("basic", "10.00")
    (fee,) = fees_of(books(basic), "2025-01", phase(basic, "2025-01-17"))
    assert share(fee) == Fraction(15, 31)


@vector("R11")
def test_the_share_of_a_year_from_its_15th_day() -> None:
    year, held = ("2025-04-01", "2026-04-01"), ("2025-04-15", "2026-04-01")
    assert share(part(plan("slow", "10.00", "year"), year, held)) == Fraction(351, 365)


@vector("R13")
def test_a_downgrade_on_the_15th_is_about_17_of_31_days() -> None:
    """Their last day is included; ours ends where the next begins. They are the same days."""
    march, rest = ("2024-03-01", "2024-04-01"), ("2024-03-15", "2024-04-01")
    credit = -part(plan("two", "100.00"), march, rest).amount
    charge = part(plan("one", "30.00"), march, rest).amount
    assert (credit, charge, credit + charge) == (-5_484, 1_645, -3_839)


@vector("R15")
def test_no_more_comes_back_than_was_billed_and_has_not_come_back() -> None:
    early = plan("early", "300.00", billing="advance")
    history = books(early)
    billed = Billed()
    key = ("month:early", early.price)
    billed.add(key, {}, 20_000)
    billed.add(key, {}, -5_000)
    unit = period_of(history, "2025-01")
    (line,) = fee_lines(history, unit, [], billed, correction=True)
    assert line.amount == -15_000


@vector("R17")
def test_an_upgrade_on_the_12th_costs_20_of_31_days() -> None:
    better = plan("better", "15.00")
    (fee,) = fees_of(books(better), "2024-03", phase(better, "2024-03-12", first=False))
    assert fee.amount == 968


@vector("R23")
def test_a_year_over_a_leap_day_has_366_days() -> None:
    yearly = plan("yearly", "1188.00", "year", "advance")
    (fee,) = fees_of(books(yearly), "2023-11", phase(yearly, "2023-11-19", "2024-07-19"))
    assert (share(fee), fee.amount) == (Fraction(243, 366), 78_875)


@vector("R25")
def test_the_end_of_a_month_from_may_to_june() -> None:
    basic = plan("basic", "10.00")
    (fee,) = fees_of(books(basic, day=15), "2023-05", phase(basic, "2023-05-23"))
    assert round_half_up(share(fee) * 10**9) == 741_935_484


@vector("R27")
def test_the_end_of_a_month_from_february_to_march() -> None:
    basic = plan("basic", "10.00")
    (fee,) = fees_of(books(basic, day=15), "2023-02", phase(basic, "2023-02-23"))
    assert round_half_up(share(fee) * 10**9) == 714_285_714


@vector("R31")
def test_two_weeks_of_a_leap_february() -> None:
    basic = plan("basic", "10.00")
    (fee,) = fees_of(books(basic), "2012-02", phase(basic, "2012-02-01", "2012-02-15"))
    assert share(fee) == Fraction(14, 29)


@vector("R35")
def test_the_second_half_of_february() -> None:
    basic = plan("basic", "200.00")
    (fee,) = fees_of(books(basic), "2015-02", phase(basic, "2015-02-15"))
    assert fee.amount == 10_000


@vector("R37")
def test_a_change_half_way_gives_half_back_and_takes_half() -> None:
    old, new = (plan(name, price, billing="advance") for name, price in (("a", "10"), ("b", "20")))
    history = books(old, new)
    unit = period_of(history, "2025-01")
    held = phase(old, "2025-01-01")
    paid = next(fee for fee in fees_of(history, "2025-01", held) if fee.start == unit.start)
    billed = Billed()
    billed.add(paid.key, paid.parts, paid.amount)

    half = "2025-01-16T12:00:00"
    changed = (phase(old, "2025-01-01", half), phase(new, half, "2025-02-01", first=False))
    fees = fees_of(history, "2025-01", *changed)
    lines = fee_lines(history, unit, fees, billed, correction=True)
    assert [Decimal(line.amount) / 100 for line in lines] == [-5, 10]
