"""Cron schedules of five fields, and when they come round in a time zone (crontab(5)).

A schedule whose hour field takes every hour keeps pace with real time: it fires at each minute
whose clock time it names, in an hour that the clock shows twice, too. One that names hours means
the time of day: a time that the clock shows twice fires the first time only, and one that the
clock skips fires at the first instant after the gap. So nothing daily is done twice or left out,
and nothing hourly pauses, when the clocks change.

Where both day fields are restricted (neither begins with ``*``), a day that either names will do;
else it has to be in both.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.periods import first_instant, local_midnight

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_MINUTE: Final = 60
_ONE_DAY: Final = timedelta(days=1)
# 29 February on a given day of the week comes every 28 years, or 40 around the year 2100.
_LONGEST_WAIT: Final = timedelta(days=41 * 366)
_HOURS: Final = tuple(range(24))
_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTHS: Final = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NO_NAMES: Final[dict[str, int]] = {}
# The name of each field, its least and greatest number, and the names it also takes.
_FIELDS: Final = (
    ("minute", 0, 59, _NO_NAMES),
    ("hour", 0, 23, _NO_NAMES),
    ("day of month", 1, 31, _NO_NAMES),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
_SUNDAY: Final = 7
_PART: Final = re.compile(
    r"(?:\*|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Cron:
    """A schedule: the numbers of each field, ascending; Sunday is 7.

    With ``either`` a day that one of the two day fields names is enough.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Read five fields: lists, ranges, steps, and three-letter names of months and days.

        Raises ValueError with a reason that completes the sentence "KEY ...".
        """
        parts = text.lower().split()
        if len(parts) != len(_FIELDS):
            msg = f'must be a cron schedule of five fields such as "0 * * * *", not {quoted(text)}'
            raise ValueError(msg)
        minutes, hours, days, months, weekdays = (
            _numbers(part, *field) for part, field in zip(parts, _FIELDS, strict=True)
        )
        either = not parts[2].startswith("*") and not parts[4].startswith("*")
        if not either and all(day > _LONGEST_MONTHS[month - 1] for day in days for month in months):
            msg = f"never comes: no month of {quoted(parts[3])} has a day {parts[2]}"
            raise ValueError(msg)
        return cls(
            tuple(sorted(minutes)),
            tuple(sorted(hours)),
            frozenset(days),
            frozenset(months),
            frozenset(day or _SUNDAY for day in weekdays),
            either,
        )

    def names(self, day: date) -> bool:
        """Tell whether the schedule fires on a local date."""
        if day.month not in self.months:
            return False
        found = day.day in self.days, day.isoweekday() in self.weekdays
        return any(found) if self.either else all(found)

    def next_after(self, instant: int, zone: ZoneInfo) -> int | None:
        """Return the first second after an instant at which the schedule fires.

        None if it does not before the end of all dates.
        """
        try:
            find = self._next_paced if self.hours == _HOURS else self._next_daily
            return find(instant, zone)
        except (OverflowError, ValueError):
            # Beyond the year 9999 there are no dates.
            return None

    def _next_paced(self, instant: int, zone: ZoneInfo) -> int | None:
        """Return the next instant at which the clock shows a minute of the schedule."""
        at = instant - instant % _MINUTE + _MINUTE
        last = datetime.fromtimestamp(at, zone).date() + _LONGEST_WAIT
        while (local := datetime.fromtimestamp(at, zone)).date() <= last:
            if not self.names(local.date()):
                at = max(at + _MINUTE, local_midnight(local.date() + _ONE_DAY, zone))
            elif local.minute not in self.minutes:
                at += _MINUTE
            else:
                return at
        return None

    def _next_daily(self, instant: int, zone: ZoneInfo) -> int | None:
        """Return when a time of day of the schedule is first reached next."""
        times = [time(hour, minute) for hour in self.hours for minute in self.minutes]
        # The clock may show the day before once more.
        day = datetime.fromtimestamp(instant, zone).date() - _ONE_DAY
        last = day + _LONGEST_WAIT
        while day <= last:
            if self.names(day):
                walls = [datetime.combine(day, at) for at in times]
                index = bisect_right(walls, instant, key=lambda wall: first_instant(wall, zone))
                if index < len(walls):
                    return first_instant(walls[index], zone)
            day += _ONE_DAY
        return None


def cron_problem(text: str) -> str | None:
    """Say what is wrong with a schedule such as ``0 * * * *``; None when it is fine."""
    try:
        Cron.parse(text)
    except ValueError as error:
        return str(error)
    return None


def _numbers(part: str, name: str, least: int, greatest: int, names: dict[str, int]) -> set[int]:
    found = set[int]()
    for item in part.split(","):
        numbers = _item(item, least, greatest, names)
        if numbers is None:
            msg = (
                f"is not a cron schedule: {quoted(part)} is no {name},"
                f" which goes from {least} to {greatest}"
            )
            raise ValueError(msg)
        found.update(numbers)
    return found


def _item(item: str, least: int, greatest: int, names: dict[str, int]) -> range | None:
    """Return the numbers that a part of a list stands for, None if it is malformed."""
    match = _PART.fullmatch(item)
    if match is None:
        return None
    first, last, step = match.groups()
    if step is not None and not 1 <= int(step) <= greatest:
        return None
    if first is None:
        begin, end = least, greatest
    else:
        begin = _number(first, names)
        # A number alone is itself; with a step it is where the steps begin.
        end = _number(last, names) if last else greatest if step else begin
    if not least <= begin <= end <= greatest:
        return None
    return range(begin, end + 1, int(step or 1))


def _number(word: str, names: dict[str, int]) -> int:
    """Return the number a word stands for, or -1, which is in no field."""
    return int(word) if word.isdigit() else names.get(word, -1)
