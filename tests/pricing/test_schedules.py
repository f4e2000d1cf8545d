"""Cron schedules: which are accepted, and when they fire, clock changes included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from billing_cli.pricing.instants import format_instant, parse_instant
from billing_cli.pricing.schedules import Cron, cron_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 24 * HOUR
# Half an hour, an hour, at midnight, and a whole day that there never was.
ZONES: Final = (
    "UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe", "America/Havana",
    "America/Sao_Paulo", "Pacific/Apia", "Asia/Kolkata",
)  # fmt: skip


@pytest.mark.parametrize(
    "schedule",
    ["0 * * * *", "*/15 0-6,22 1,15 jan-mar MON-fri", "5  4\t* * 7", "59 23 31 12 0-6/2"],
)
def test_plausible_schedules_are_taken(schedule: str) -> None:
    assert cron_problem(schedule) is None


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        ("", "five fields"),
        ("@hourly", "five fields"),
        ("* * * *", "five fields"),
        ("* * * * * *", "five fields"),
        ("60 * * * *", "'60' is no minute, which goes from 0 to 59"),
        ("* 24 * * *", "'24' is no hour"),
        ("* * 0 * *", "'0' is no day of month"),
        ("* * * 13 *", "'13' is no month"),
        ("* * * foo *", "'foo' is no month"),
        ("* * * * 8", "'8' is no day of week"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("30-10 * * * *", "'30-10' is no minute"),
        ("1,,2 * * * *", "'1,,2' is no minute"),
        ("jan * * * *", "'jan' is no minute"),
        ("\x1b[0m * * * *", r"'\x1b[0m' is no minute"),
        ("0 0 30 2 *", "never comes: no month of '2' has a day 30"),
        ("0 0 31 4,6 *", "never comes: no month of '4,6' has a day 31"),
    ],
)
def test_implausible_schedules_are_refused(schedule: str, reason: str) -> None:
    assert reason in str(cron_problem(schedule))


def firings(schedule: str, zone: str, after: str, count: int) -> list[str]:
    found = []
    instant: int | None = parse_instant(after)[0]
    for _ in range(count):
        assert instant is not None
        instant = Cron.parse(schedule).next_after(instant, ZoneInfo(zone))
        found.append("never" if instant is None else format_instant(instant)[:16])
    return found


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "fires"),
    [
        ("0 * * * *", "UTC", "2025-01-01T10:00:00Z", ["2025-01-01T11:00", "2025-01-01T12:00"]),
        ("*/20 * * * *", "UTC", "2025-01-01T10:19:59Z", ["2025-01-01T10:20", "2025-01-01T10:40"]),
        # With a step, a number alone is where it begins.
        ("50/5 8 * * *", "UTC", "2025-01-01T00:00:00Z", ["2025-01-01T08:50", "2025-01-01T08:55"]),
        ("0 0 1 * *", "Asia/Kolkata", "2025-01-15T00:00:00Z", ["2025-01-31T18:30"]),
        # Both day fields: either will do; one that begins with a star has to fit, too.
        ("0 0 13 * fri", "UTC", "2025-06-07T00:00:00Z", ["2025-06-13T00:00", "2025-06-20T00:00"]),
        ("0 0 */2 * fri", "UTC", "2025-06-07T00:00:00Z", ["2025-06-13T00:00", "2025-06-27T00:00"]),
        ("0 0 * * 0,7", "UTC", "2025-06-07T00:00:00Z", ["2025-06-08T00:00", "2025-06-15T00:00"]),
        ("0 0 29 2 *", "UTC", "2025-01-01T00:00:00Z", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", ["2104-02-29T00:00"]),
        # London, 30 March 2025: 01:00 becomes 02:00.
        ("30 1 * * *", "Europe/London", "2025-03-29T12:00:00Z",
         ["2025-03-30T01:00", "2025-03-31T00:30"]),
        ("0,30 1 * * *", "Europe/London", "2025-03-29T12:00:00Z",
         ["2025-03-30T01:00", "2025-03-31T00:00"]),
        ("30 * * * *", "Europe/London", "2025-03-30T00:00:00Z",
         ["2025-03-30T00:30", "2025-03-30T01:30"]),
        # London, 26 October 2025: 02:00 becomes 01:00.
        ("30 1 * * *", "Europe/London", "2025-10-25T12:00:00Z",
         ["2025-10-26T00:30", "2025-10-27T01:30"]),
        ("*/30 1-2 * * *", "Europe/London", "2025-10-25T23:59:59Z",
         ["2025-10-26T00:00", "2025-10-26T00:30", "2025-10-26T02:00", "2025-10-26T02:30"]),
        ("30 * * * *", "Europe/London", "2025-10-25T23:59:59Z",
         ["2025-10-26T00:30", "2025-10-26T01:30", "2025-10-26T02:30"]),
        # Samoa had no 30 December 2011.
        ("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z",
         ["2011-12-30T10:00", "2012-12-29T22:00"]),
        # Havana falls back at 01:00 to the midnight that it had.
        ("0 0 2 11 *", "America/Havana", "2025-11-01T12:00:00Z",
         ["2025-11-02T04:00", "2026-11-02T05:00"]),
        ("* * * * *", "UTC", "9999-12-31T23:59:00Z", ["never"]),
    ],
)  # fmt: skip
def test_when_a_schedule_fires(schedule: str, zone: str, after: str, fires: list[str]) -> None:
    assert firings(schedule, zone, after, len(fires)) == fires


def field(least: int, greatest: int) -> st.SearchStrategy[str]:
    number = st.integers(least, greatest)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    step = st.integers(1, min(12, greatest)).map("*/{}".format)
    some = st.lists(number | span, min_size=1, max_size=3).map(
        lambda items: ",".join(map(str, items))
    )
    return st.just("*") | step | some


def numbers(part: str, least: int, greatest: int) -> set[int]:
    """The numbers of a field, spelt out once more."""
    found: set[int] = set()
    for item in part.split(","):
        word, _, step = item.partition("/")
        first, _, last = word.partition("-")
        low, high = (least, greatest) if word == "*" else (int(first), int(last or first))
        found |= {n for n in range(low, high + 1) if (n - low) % int(step or 1) == 0}
    return found


class Named:
    """The minutes of a schedule: what a clock shows at them."""

    def __init__(self, schedule: str) -> None:
        minute, hour, day, month, weekday = schedule.split()
        self.minutes, self.hours = numbers(minute, 0, 59), numbers(hour, 0, 23)
        self.days, self.months = numbers(day, 1, 31), numbers(month, 1, 12)
        self.weekdays = {number % 7 for number in numbers(weekday, 0, 7)}
        self.both = day.startswith("*") or weekday.startswith("*")

    def __contains__(self, wall: datetime) -> bool:
        if wall.minute not in self.minutes or wall.hour not in self.hours:
            return False
        found = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        return wall.month in self.months and (all(found) if self.both else any(found))


def walk(schedule: str, zone: ZoneInfo, start: int, stop: int) -> Iterator[int]:
    """Go through all minutes, as a person with a watch would, and yield when to act."""
    named = Named(schedule)
    every_hour = len(named.hours) == 24
    furthest = datetime.fromtimestamp(start - DAY, zone).replace(tzinfo=None)
    for at in range(start - DAY, stop, MINUTE):
        shown = datetime.fromtimestamp(at, zone).replace(tzinfo=None)
        fires = every_hour and shown in named
        # What the clock has not shown before, what it has jumped over included.
        while furthest < shown:
            furthest += timedelta(minutes=1)
            fires = fires or (not every_hour and furthest in named)
        if fires and at >= start:
            yield at


@given(
    schedule=st.tuples(
        field(0, 59), st.just("*") | field(0, 23), field(1, 31), st.just("*"), field(0, 7)
    ).map(" ".join),
    zone=st.sampled_from(ZONES),
    change=st.sampled_from(
        [datetime(2025, month, day, 12, tzinfo=UTC) for month, day in
         ((1, 31), (3, 9), (3, 30), (4, 5), (10, 4), (10, 26), (11, 2))]
        + [datetime(2011, 12, 30, tzinfo=UTC), datetime(2018, 11, 4, tzinfo=UTC)]
    ),
)  # fmt: skip
@settings(max_examples=25)
@example("15 0 * * *", "America/Sao_Paulo", datetime(2018, 11, 4, tzinfo=UTC))
def test_it_fires_as_a_walk_over_all_minutes_does(
    schedule: str, zone: str, change: datetime
) -> None:
    start = int(change.timestamp()) - DAY
    stop = start + 2 * DAY
    cron, found, at = Cron.parse(schedule), [], start - 1
    while (following := cron.next_after(at, ZoneInfo(zone))) is not None and following < stop:
        found.append(at := following)
    assert found == list(walk(schedule, ZoneInfo(zone), start, stop))
