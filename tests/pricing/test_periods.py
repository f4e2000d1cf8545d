"""Billing periods, local days and months, in every zone and across changes of settings."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.instants import format_instant, parse_instant
from billing_cli.pricing.periods import Calendar, Period, Regime, local_midnight

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOUR = 3600
DAY = 24 * HOUR
FROM_1970_TO_2100 = st.integers(0, 131 * 365 * DAY)
ZONES = st.sampled_from(sorted(available_timezones() - {"Factory", "localtime"}))
INVOICE_DAYS = st.integers(1, 28)
CHANGES = st.lists(
    st.tuples(st.integers(1, 100 * DAY), ZONES, INVOICE_DAYS), min_size=1, max_size=5
)


def instant(text: str) -> int:
    """Read an instant that has no fraction."""
    second, fraction = parse_instant(text)
    assert not fraction
    return second


def shown_date(at: int, zone: ZoneInfo) -> date:
    """Return the date that the clocks of a zone show."""
    return datetime.fromtimestamp(at, UTC).astimezone(zone).date()


def simple(timezone: str, invoice_day: int = 1) -> Calendar:
    return Calendar([Regime(None, timezone, invoice_day)])


def changing(
    start: int, timezone: str, day: int, changes: Sequence[tuple[int, str, int]]
) -> Calendar:
    return Calendar(list(history(start, timezone, day, changes)))


def history(
    start: int, timezone: str, invoice_day: int, changes: Sequence[tuple[int, str, int]]
) -> Iterator[Regime]:
    """Yield regimes whose changes lie the given seconds apart."""
    yield Regime(None, timezone, invoice_day)
    for seconds, changed_timezone, changed_day in changes:
        start += seconds
        yield Regime(start, changed_timezone, changed_day)


@pytest.mark.parametrize(
    ("timezone", "name", "hours"),
    [
        ("America/New_York", "2025-03", 743),
        ("America/New_York", "2025-11", 721),
        ("Europe/London", "2025-03", 743),
        ("Europe/London", "2025-10", 745),
        ("UTC", "2024-02", 29 * 24),
        ("UTC", "2100-02", 28 * 24),
        ("Asia/Kolkata", "2025-01", 744),
    ],
)
def test_a_period_is_as_long_as_its_month(timezone: str, name: str, hours: int) -> None:
    calendar = simple(timezone)
    period = calendar.named(name)
    assert period.end - period.start == hours * HOUR
    assert calendar.month_bounds(period.start) == (period.start, period.end)
    assert calendar.month_bounds(period.end - 1) == (period.start, period.end)


@pytest.mark.parametrize(
    ("timezone", "day", "start"),
    [
        ("Asia/Kolkata", "2025-01-01", "2024-12-31T18:30:00Z"),
        # Shown twice, at 04:00 and 05:00 UTC: the first.
        ("America/Havana", "2025-11-02", "2025-11-02T04:00:00Z"),
        # Skipped: the clock goes from 23:59:59 to 01:00.
        ("America/Havana", "2025-03-09", "2025-03-09T05:00:00Z"),
        # Back from 24:00 to 23:00: the date has not begun until the hour is over again.
        ("America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00Z"),
        # Back from 00:01 to 23:01: the date has begun, for a minute.
        ("America/St_Johns", "2010-11-07", "2010-11-07T02:30:00Z"),
        # Back by three hours at 02:00.
        ("Antarctica/Casey", "2010-03-05", "2010-03-04T13:00:00Z"),
        # The gap begins before midnight: 23:30 to 00:30. There is no such one since 1970.
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30:00Z"),
        # Dates that were left out when the date line moved.
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"),
        ("Pacific/Kwajalein", "1993-08-21", "1993-08-21T12:00:00Z"),
        ("Pacific/Kwajalein", "1993-08-22", "1993-08-21T12:00:00Z"),
        # An offset that is not of whole minutes: -00:44:30.
        ("Africa/Monrovia", "1970-01-02", "1970-01-02T00:44:30Z"),
    ],
)
def test_midnight_is_the_earliest_instant_of_the_date(timezone: str, day: str, start: str) -> None:
    assert format_instant(local_midnight(date.fromisoformat(day), ZoneInfo(timezone))) == start


@pytest.mark.parametrize(
    ("timezone", "at", "day"),
    [
        # The clock shows the 6th again, on a day that has begun already.
        ("America/St_Johns", "2010-11-07T03:00:00Z", "2010-11-07"),
        ("America/St_Johns", "2010-11-07T02:29:59Z", "2010-11-06"),
        ("America/Havana", "2025-11-02T05:00:00Z", "2025-11-02"),
        ("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29"),
        ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"),
    ],
)
def test_an_instant_belongs_to_the_last_day_that_has_begun(
    timezone: str, at: str, day: str
) -> None:
    calendar = simple(timezone)
    assert calendar.local_date(instant(at)) == date.fromisoformat(day)
    assert calendar.day_start(instant(at)) <= instant(at) < calendar.next_day(instant(at))


def test_a_period_may_start_on_a_skipped_or_doubled_midnight() -> None:
    havana = simple("America/Havana", 2)
    assert format_instant(havana.named("2025-11").start) == "2025-11-02T04:00:00Z"
    kwajalein = simple("Pacific/Kwajalein", 21)
    assert kwajalein.named("1993-07").end == instant("1993-08-21T12:00:00Z")
    assert kwajalein.containing(instant("1993-08-21T12:00:00Z")).name == "1993-08"


@given(ZONES, st.dates(date(1970, 1, 1), date(2100, 12, 31)))
def test_no_instant_before_midnight_shows_the_date(timezone: str, day: date) -> None:
    zone = ZoneInfo(timezone)
    start = local_midnight(day, zone)
    assert shown_date(start, zone) >= day
    assert shown_date(start - 1, zone) < day
    assert all(shown_date(at, zone) < day for at in range(start - 2 * DAY, start, HOUR // 4))


@given(ZONES, INVOICE_DAYS, FROM_1970_TO_2100)
def test_periods_tile_the_time_line(timezone: str, invoice_day: int, at: int) -> None:
    calendar = simple(timezone, invoice_day)
    period = calendar.containing(at)
    assert period.start <= at < period.end
    zone = ZoneInfo(timezone)
    for _ in range(14):
        year, month = map(int, period.name.split("-"))
        opening = date(year, month, invoice_day)
        assert shown_date(period.start, zone) in {opening, opening + timedelta(days=1)}
        assert shown_date(period.start - 1, zone) < opening
        assert calendar.named(period.name) == period
        assert calendar.containing(period.start) == period
        assert calendar.containing(period.end - 1) == period
        following = calendar.following(period)
        assert following.start == period.end
        period = following


@given(ZONES, INVOICE_DAYS, FROM_1970_TO_2100, st.integers(-DAY, 400 * DAY))
def test_between_gives_what_overlaps(
    timezone: str, invoice_day: int, start: int, length: int
) -> None:
    calendar = simple(timezone, invoice_day)
    periods = list(calendar.between(start, start + length))
    if length <= 0:
        assert periods == []
        return
    assert periods[0] == calendar.containing(start)
    assert periods[-1] == calendar.containing(start + length - 1)
    assert all(calendar.following(one) == two for one, two in pairwise(periods))


@given(ZONES, FROM_1970_TO_2100)
def test_days_and_months_tile_the_time_line(timezone: str, at: int) -> None:
    calendar = simple(timezone)
    start, end = calendar.day_start(at), calendar.next_day(at)
    day = calendar.local_date(at)
    assert start <= at < end
    assert calendar.date_range(day, day) == (start, end)
    assert calendar.day_start(end) == end
    assert calendar.local_date(start) == calendar.local_date(end - 1) == day
    month_start, month_end = calendar.month_bounds(at)
    assert month_start <= start < end <= month_end
    assert calendar.month_bounds(month_end)[0] == month_end


def names_and_bounds(calendar: Calendar, at: int, count: int) -> list[tuple[str, str, str]]:
    """Return the next periods in a form that can be read."""
    periods = islice(calendar.between(at, at + 10_000 * DAY), count)
    return [(p.name, format_instant(p.start)[:10], format_instant(p.end)[:10]) for p in periods]


def test_a_new_invoice_day_extends_the_running_period() -> None:
    calendar = Calendar(
        [Regime(None, "UTC", 1), Regime(instant("2025-01-10T12:00:00Z"), "UTC", 15)]
    )
    assert names_and_bounds(calendar, instant("2024-12-05T00:00:00Z"), 3) == [
        ("2024-12", "2024-12-01", "2025-01-01"),
        ("2025-01", "2025-01-01", "2025-02-15"),
        ("2025-02", "2025-02-15", "2025-03-15"),
    ]


def test_changes_inside_an_extended_period_extend_it_again() -> None:
    calendar = Calendar(
        [
            Regime(None, "UTC", 1),
            Regime(instant("2025-01-10T00:00:00Z"), "UTC", 15),
            Regime(instant("2025-02-03T00:00:00Z"), "UTC", 20),
            Regime(instant("2025-02-19T23:59:59Z"), "UTC", 5),
            Regime(instant("2025-03-05T00:00:00Z"), "UTC", 5),
        ]
    )
    assert names_and_bounds(calendar, instant("2024-12-05T00:00:00Z"), 4) == [
        ("2024-12", "2024-12-01", "2025-01-01"),
        ("2025-01", "2025-01-01", "2025-03-05"),
        ("2025-03", "2025-03-05", "2025-04-05"),
        ("2025-04", "2025-04-05", "2025-05-05"),
    ]
    with pytest.raises(ValueError, match="no billing period starts in 2025-02"):
        calendar.named("2025-02")


def test_a_new_zone_extends_the_running_period_by_hours_or_by_a_month() -> None:
    change = instant("2025-01-20T00:00:00Z")
    west = Calendar([Regime(None, "UTC", 1), Regime(change, "America/New_York", 1)])
    assert west.named("2025-01").end == instant("2025-02-01T05:00:00Z")
    # Going east, February has begun there before January ends here: March is the next boundary.
    east = Calendar([Regime(None, "UTC", 1), Regime(change, "Asia/Kolkata", 1)])
    assert east.named("2025-01").end == instant("2025-02-28T18:30:00Z")
    assert east.containing(east.named("2025-01").end).name == "2025-03"


def test_two_periods_never_share_a_name() -> None:
    # 1 March on Kiritimati is 27 February on Pago Pago, a day before its boundary of the 28th.
    change = instant("2025-02-10T00:00:00Z")
    calendar = Calendar(
        [Regime(None, "Pacific/Kiritimati", 1), Regime(change, "Pacific/Pago_Pago", 28)]
    )
    assert calendar.named("2025-02").end == calendar.named("2025-03").start
    assert calendar.named("2025-03").start == instant("2025-03-28T11:00:00Z")


def walk(regimes: Sequence[Regime], at: int, until: int) -> Iterator[Period]:
    """Work out the periods one after another, as the rule is written down."""
    regime, *later = regimes
    year, month = map(
        int, simple(regime.timezone, regime.invoice_day).containing(at).name.split("-")
    )
    start = boundary(regime, year * 12 + month - 1)
    number = year * 12 + month - 1
    while start < until:
        following = number + 1
        end = boundary(regime, following)
        while later and later[0].since is not None and later[0].since < end:
            regime, old_end = later.pop(0), end
            following = next(
                n for n in range(number + 1, number + 99) if boundary(regime, n) >= old_end
            )
            end = boundary(regime, following)
        yield Period(f"{number // 12:04}-{number % 12 + 1:02}", start, end)
        number, start = following, end


def boundary(regime: Regime, number: int) -> int:
    day = date(number // 12, number % 12 + 1, regime.invoice_day)
    return local_midnight(day, ZoneInfo(regime.timezone))


@given(ZONES, INVOICE_DAYS, FROM_1970_TO_2100, CHANGES)
def test_chains_of_changes_follow_the_written_rule(
    timezone: str, day: int, at: int, changes: list[tuple[int, str, int]]
) -> None:
    regimes = list(history(at, timezone, day, changes))
    calendar = Calendar(regimes)
    until = at + 600 * DAY
    expected = list(walk(regimes, at, until))
    assert list(calendar.between(expected[0].start, until)) == expected
    assert len({period.name for period in expected}) == len(expected)
    for period in expected:
        assert calendar.named(period.name) == period
        assert calendar.containing(period.start) == period
        assert calendar.containing(period.end - 1) == period


@given(ZONES, FROM_1970_TO_2100, CHANGES)
def test_days_stay_in_one_zone_across_changes(
    timezone: str, at: int, changes: list[tuple[int, str, int]]
) -> None:
    calendar = changing(at, timezone, 1, changes)
    for regime in history(at, timezone, 1, changes):
        around = at if regime.since is None else regime.since
        assert calendar.zone_at(around).key == regime.timezone
        for moment in (around - 1, around, around + 1):
            start, end = calendar.day_start(moment), calendar.next_day(moment)
            assert start <= moment < end
            assert calendar.zone_at(start) == calendar.zone_at(end - 1)
            assert calendar.local_date(start) == calendar.local_date(end - 1)
            month_start, month_end = calendar.month_bounds(moment)
            assert month_start <= moment < month_end


@given(ZONES, FROM_1970_TO_2100, CHANGES)
def test_ranges_of_dates_meet_across_changes(
    timezone: str, at: int, changes: list[tuple[int, str, int]]
) -> None:
    calendar = changing(at, timezone, 1, changes)
    first = calendar.local_date(at)
    days = [first + timedelta(days=n) for n in range(-3, 120)]
    ranges = [calendar.date_range(day, day) for day in days]
    assert all(start <= end for start, end in ranges)
    assert all(one[1] == two[0] for one, two in pairwise(ranges))
    assert calendar.date_range(days[0], days[-1]) == (ranges[0][0], ranges[-1][1])


def test_a_date_begins_in_the_newest_zone_that_holds_there() -> None:
    change = instant("2025-01-15T09:00:00Z")
    calendar = Calendar([Regime(None, "UTC", 1), Regime(change, "America/New_York", 1)])
    start, end = calendar.date_range(date(2025, 1, 1), date(2025, 1, 31))
    assert format_instant(start) == "2025-01-01T00:00:00Z"
    assert format_instant(end) == "2025-02-01T05:00:00Z"
    # A change at the very midnight of the new zone counts from it.
    change = instant("2025-01-15T05:00:00Z")
    calendar = Calendar([Regime(None, "UTC", 1), Regime(change, "America/New_York", 1)])
    assert calendar.date_range(date(2025, 1, 15), date(2025, 1, 31))[0] == change
    # Going east over the date line, the 15th has begun in the new zone before the change.
    change = instant("2025-01-15T09:00:00Z")
    calendar = Calendar(
        [Regime(None, "Pacific/Pago_Pago", 1), Regime(change, "Pacific/Kiritimati", 1)]
    )
    assert calendar.date_range(date(2025, 1, 15), date(2025, 1, 15)) == (
        change,
        instant("2025-01-15T10:00:00Z"),
    )


@pytest.mark.parametrize(
    "name",
    ["", "2025", "2025-13", "2025-1", "0000-01", "2025-01-01", "\u0662\u0660\u0662\u0665-01"],
)
def test_a_malformed_period_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a billing period"):
        simple("UTC").named(name)


def test_a_name_in_the_first_or_last_years_is_refused_before_dates_run_out() -> None:
    for name in ("0001-01", "9999-12"):
        with pytest.raises(ValueError, match="not a billing period"):
            simple("Pacific/Kiritimati").named(name)
    assert simple("Pacific/Kiritimati").named("0002-01").name == "0002-01"


def test_dates_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="is before the first"):
        simple("UTC").date_range(date(2025, 1, 2), date(2025, 1, 1))


@pytest.mark.parametrize(
    ("regimes", "reason"),
    [
        ([], "from the beginning of time"),
        ([Regime(0, "UTC", 1)], "from the beginning of time"),
        ([Regime(None, "UTC", 0)], "invoice day 0 is outside 1-28"),
        ([Regime(None, "UTC", 29)], "invoice day 29 is outside 1-28"),
        ([Regime(None, "Europe/Atlantis", 1)], "unknown time zone 'Europe/Atlantis'"),
        ([Regime(None, "../etc/passwd", 1)], "unknown time zone"),
        ([Regime(None, "", 1)], "unknown time zone"),
        ([Regime(None, "UTC", 1), Regime(None, "UTC", 2)], "in the order of their instants"),
        (
            [Regime(None, "UTC", 1), Regime(5, "UTC", 2), Regime(5, "UTC", 3)],
            "in the order of their instants",
        ),
    ],
)
def test_an_impossible_history_is_refused(regimes: list[Regime], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Calendar(regimes)
