"""Expected results of other billing systems that hold here too; docs/vectors.md lists them all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.credit_notes import of_net
from billing_cli.pricing.credits import Available, apply_credits
from billing_cli.pricing.instants import parse_instant
from billing_cli.pricing.money import allocate, format_minor, parse_amount, round_half_up, to_minor
from billing_cli.pricing.periods import Calendar, Regime
from billing_cli.pricing.quantities import exact_quantity, parse_cpu, parse_memory
from billing_cli.pricing.subscriptions import year_term

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3600

# From a vector's id to the name of the test that holds it, here or in test_vectors_fees.py.
TESTED: dict[str, str] = {}


def vector(identity: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Claim a vector for the test below."""

    def claim(test: Callable[[], None]) -> Callable[[], None]:
        assert identity not in TESTED
        TESTED[identity] = test.__name__
        return test

    return claim


def calendar(timezone: str) -> Calendar:
    return Calendar([Regime(None, timezone, 1)])


def instant(text: str) -> int:
    return parse_instant(text)[0]


def gb_months(sizes_from: list[tuple[int, int]], month_start: int, month_end: int) -> Fraction:
    """Add up what sizes in GB, each from an instant until the next one, accrue in a month."""
    ends = [begin for begin, _ in sizes_from[1:]] + [month_end]
    base = sum(
        parse_memory(f"{size}Gi") * (end - begin)
        for (begin, size), end in zip(sizes_from, ends, strict=True)
    )
    return exact_quantity("storage", base, month_end - month_start)


@vector("Z1")
def test_a_local_month_with_a_clock_change_has_31_days() -> None:
    paris = calendar("Europe/Paris")
    at, last = instant("2023-09-30T23:10:00Z"), instant("2023-10-31T22:59:59Z")
    days = [at]
    while paris.next_day(days[-1]) <= last:
        days.append(paris.next_day(days[-1]))
    assert len(days) == 31
    assert {paris.local_date(day).month for day in days} == {10}


@vector("Z3")
def test_one_instant_is_the_16th_in_hawaii_and_in_paris() -> None:
    at = instant("2012-07-16T21:17:03Z")
    assert [calendar(zone).local_date(at).day for zone in ("HST", "Europe/Paris")] == [16, 16]


@vector("Z5")
def test_local_times_fall_into_their_local_month_across_a_clock_change() -> None:
    new_york = ZoneInfo("America/New_York")
    times = [
        *("2023-03-01T04:00", "2023-03-15T00:00", "2023-03-31T23:59"),
        *("2023-04-01T00:00", "2023-04-01T00:01", "2023-04-15T00:00", "2023-04-30T23:59"),
        *("2023-05-01T00:00", "2023-05-01T00:01"),
    ]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    since_epoch = [
        datetime.fromisoformat(local).replace(tzinfo=new_york) - epoch for local in times
    ]
    instants = [passed // timedelta(seconds=1) for passed in since_epoch]
    # Settings recorded before and after the change of the clock say the same.
    unchanged = Regime(instant("2023-03-20T00:00:00Z"), "America/New_York", 1)
    for regimes in ([], [unchanged]):
        periods = Calendar([Regime(None, "America/New_York", 1), *regimes])
        names = [periods.containing(at).name for at in instants]
        assert [names.count(f"2023-0{month}") for month in (3, 4, 5)] == [3, 4, 2]


@vector("B9")
def test_the_fourth_year_of_a_leap_day_ends_on_a_leap_day() -> None:
    start, end = instant("2024-02-29T00:00:00Z"), instant("2028-02-29T00:00:00Z")
    assert year_term(calendar("UTC"), start, end - 1)[1] == end


@vector("Q1")
def test_net_and_tax_are_rounded_apart_and_then_added() -> None:
    parts = of_net(Fraction(20_000 * 29, 30), Decimal(25))
    assert (parts.net, parts.tax, parts.total) == (19_333, 4_833, 24_166)


@vector("Q3")
def test_a_tax_with_decimals_is_rounded_apart_too() -> None:
    parts = of_net(Fraction(2_999 * 6, 7), Decimal("23.33"))
    assert (parts.net, parts.tax, parts.total) == (2_571, 600, 3_171)


@vector("Q5")
def test_half_a_cent_goes_up_not_to_the_even_cent() -> None:
    assert format_minor(to_minor(Fraction("10.225"), "USD"), "USD") == "10.23"


@vector("Q7")
def test_a_hundred_splits_in_one_to_two_to_three() -> None:
    shares = allocate(parse_amount("100.00", "USD"), [1, 2, 3])
    assert [format_minor(share, "USD") for share in shares] == ["16.67", "33.33", "50.00"]


@vector("Q9")
def test_a_discount_over_lines_loses_nothing() -> None:
    lines = [333, 333, 334]
    shares = allocate(100, lines)
    assert shares == [33, 33, 34]
    assert [line - share for line, share in zip(lines, shares, strict=True)] == [300, 300, 300]


@vector("Q11")
def test_a_share_of_a_third_of_a_cent_is_rounded_once() -> None:
    price = parse_amount("10.00", "USD")
    discount = to_minor(10 * Fraction("33.333") / 100, "USD")
    assert format_minor(discount, "USD") == "3.33"
    assert format_minor(price - discount, "USD") == "6.67"


@vector("C1")
def test_the_credit_that_goes_first_is_used_up_first() -> None:
    grants = [Available(1, 100, 0, None), Available(2, 100, 0, 1_000)]
    used = dict(apply_credits(120, grants, 0))
    assert [100 - used[2], 100 - used[1]] == [0, 80]


@vector("C3")
def test_what_is_used_after_a_credit_is_void_is_not_covered() -> None:
    (use,) = apply_credits(50, [Available(1, 100, 0, None)], 0)
    voided = 100 - use.amount
    left = Available(1, 100 - use.amount - voided, 0, None)
    assert left.remaining == 0
    assert apply_credits(50, [left], 0) == []


@vector("C9")
def test_a_credit_pays_an_invoice_and_the_rest_is_kept() -> None:
    (use,) = apply_credits(6_000, [Available(1, 8_572, 0, None)], 0)
    assert (6_000 - use.amount, 8_572 - use.amount) == (0, 2_572)


@vector("C7")
def test_two_credits_of_ten_pay_fifteen() -> None:
    """Of the same priority: ours are the expiry and then the age."""
    grants = [Available(2, 1_000, 20, None), Available(1, 1_000, 10, None)]
    assert apply_credits(1_500, grants, 0) == [(1, 1_000), (2, 500)]


@vector("A1")
def test_sizes_that_change_within_a_month_are_weighted_by_time() -> None:
    start, end = calendar("UTC").month_bounds(instant("2023-08-01T00:00:00Z"))
    minutes_and_deltas = [(0, 2), (60, 3), (90, 1), (120, -4), (240, -2), (300, 10), (330, -10)]
    size, sizes_from = 0, []
    for minutes, delta in minutes_and_deltas:
        size += delta
        sizes_from.append((start + minutes * 60, size))
    assert round_half_up(gb_months(sizes_from, start, end) * 10**5) == 2_218


@vector("A3")
def test_a_size_from_one_in_the_morning_misses_an_hour_of_the_month() -> None:
    start, end = calendar("UTC").month_bounds(instant("2023-08-01T00:00:00Z"))
    assert round_half_up(gb_months([(start + HOUR, 3)], start, end) * 10**5) == 299_597


@vector("A9")
def test_four_hours_are_four_hours() -> None:
    seconds = instant("2023-08-01T14:00:00Z") - instant("2023-08-01T10:00:00Z")
    assert exact_quantity("cpu", parse_cpu("1") * seconds, 1) == 4


@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=40),
    st.fractions(0, 100, max_denominator=10**4),
)
def test_late_usage_bills_the_rounded_total_less_what_was_billed(
    arrivals: list[int], price: Fraction
) -> None:
    """The rule ``cumul``: usage that arrives, or is corrected, in parts adds up to the whole."""
    totals = [0]
    for arrival in arrivals:
        totals.append(totals[-1] + arrival)
    exact = [exact_quantity("cpu", total, 1) * price for total in totals]
    due = [to_minor(cost, "USD") for cost in exact]
    slices = [now - before for before, now in pairwise(due)]
    assert sum(slices) == to_minor(exact_quantity("cpu", sum(arrivals), 1) * price, "USD")
    for part, (before, now) in zip(slices, pairwise(exact), strict=True):
        assert abs(part - (now - before) * 100) <= 1
