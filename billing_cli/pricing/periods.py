"""Billing periods, local days and calendar months of the billing time zone.

A period runs from ``invoice_day`` 00:00 to the same moment of the next month, half-open, and is
named after the month it starts in. The time zone and the invoice day may change; a list of
:class:`Regime` says what holds since when, and :class:`Calendar` answers every question about
it. An instant is an ``int``: seconds of UTC since 1970.

**Midnight** is the earliest instant of the new date. Where the clock shows it twice, it is the
first time; where the clock skips it, it is the first instant after the gap, whenever the gap
began; a date that is skipped as a whole is empty. So a local day is everything from its midnight
to the next day's, even where the clock falls back over midnight and shows the old date again.

**A change** at an instant extends the period that runs then to the first boundary of the new
regime at or after its old end; the periods after it follow the new regime. A change inside a
period that was extended already extends it again. No two periods start in the same month.

Where the dates of Python end, so does all this: an instant in the first month of the year 1 or
the last of 9999, or beyond, may raise their ``ValueError`` or ``OverflowError``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - what clocks show has no zone
_ONE_DAY: Final = timedelta(days=1)
_ONE_SECOND: Final = timedelta(seconds=1)
_LAST_INVOICE_DAY: Final = 28  # the last day that every month has
_MONTHS: Final = 12
_NO_FIRST_MONTH: Final = 0  # before the year 1, and after 9999: no period reaches them
_NO_LAST_MONTH: Final = (date.max.year + 1) * _MONTHS
_NAME: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Period:
    """A billing period ``[start, end)``, named after the local month it starts in: "2025-01"."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Regime:
    """A time zone (an IANA name) and invoice day (1-28), in force from the instant ``since``.

    ``since`` is None for what has held from the beginning of time.
    """

    since: int | None
    timezone: str
    invoice_day: int


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Periods in a row that start at one regime's boundaries.

    ``first`` and ``last`` are the months they start in, as :func:`_month_number` counts them.
    The last period ends where the next stretch begins.
    """

    zone: ZoneInfo
    invoice_day: int
    first: int = _NO_FIRST_MONTH
    last: int = _NO_LAST_MONTH

    def boundary(self, month: int) -> int:
        """Return the midnight of the invoice day in a numbered month."""
        return local_midnight(_day_in(month, self.invoice_day), self.zone)

    def month_at(self, instant: int) -> int:
        """Return the last month whose boundary is at or before the instant."""
        today = _local_date(instant, self.zone)
        return _month_number(today) - (today.day < self.invoice_day)


@lru_cache(maxsize=65_536)
def local_midnight(day: date, zone: ZoneInfo) -> int:
    """Return the earliest instant at which the clocks of ``zone`` have reached the date ``day``.

    That is the first of two midnights, or the end of the gap that swallowed midnight (and of one
    that swallowed the day).
    """
    return first_instant(datetime.combine(day, time()), zone)


def first_instant(wall: datetime, zone: ZoneInfo) -> int:
    """Return the earliest instant at which the clocks of ``zone`` have reached a time of day.

    ``wall`` has no zone. That is the first of two instants, or the end of the gap that swallowed
    the time.
    """
    shown = (wall - _EPOCH) // _ONE_SECOND
    local = wall.replace(tzinfo=zone)
    # PEP 495: fold 0 reads a repeated time as the first, and one in a gap by the offset from
    # before it, which gives an instant after the gap; fold 1 then gives one before it.
    reached = shown - _offset(local)
    not_reached = shown - _offset(local.replace(fold=1))
    # Outside a gap this loop does not turn: the two are the same, or the second is later.
    while reached - not_reached > 1:
        between = (reached + not_reached) // 2
        if between + _offset(datetime.fromtimestamp(between, zone)) < shown:
            not_reached = between
        else:
            reached = between
    return reached


def _offset(moment: datetime) -> int:
    """Return how many seconds the clock that shows ``moment`` is ahead of UTC."""
    return (moment.replace(tzinfo=UTC) - moment) // _ONE_SECOND


def _local_date(instant: int, zone: ZoneInfo) -> date:
    """Return the local day an instant belongs to: the last one whose midnight has come.

    After the clock falls back over midnight it shows the old date for a while: those instants
    stay in the new day, which had begun.
    """
    day = datetime.fromtimestamp(instant, zone).date()
    while local_midnight(day + _ONE_DAY, zone) <= instant:
        day += _ONE_DAY
    return day


def _month_number(day: date) -> int:
    """Count months without gaps, so that the next month is one more."""
    return day.year * _MONTHS + day.month - 1


def _day_in(month: int, day: int) -> date:
    year, month_index = divmod(month, _MONTHS)
    return date(year, month_index + 1, day)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        msg = f"unknown time zone {name!r}: expected an IANA name such as Europe/Paris"
        raise ValueError(msg) from None


class Calendar:
    """The periods, days and months that follow from a history of regimes."""

    def __init__(self, regimes: Sequence[Regime]) -> None:
        """Take the regimes in order: the first without ``since``, the rest ascending by it.

        A wrong order, an unknown time zone or an invoice day outside 1-28 is a ``ValueError``.
        """
        first, later = _checked(regimes)
        self._stretches = [_Stretch(_zone(first.timezone), first.invoice_day)]
        # The zones in force: each from its instant on, the first from the beginning.
        self._zones = [_zone(first.timezone)]
        self._zone_starts: list[int] = []
        self._recent: Period | None = None
        for since, regime in later:
            zone = _zone(regime.timezone)
            self._extend(since, zone, regime.invoice_day)
            if zone.key != self._zones[-1].key:
                self._zones.append(zone)
                self._zone_starts.append(since)

    def _extend(self, since: int, zone: ZoneInfo, invoice_day: int) -> None:
        """Let the period running at ``since`` last until the new regime's next boundary."""
        index, month = self._locate(since)
        running = self._period(index, month)
        fresh = _Stretch(zone, invoice_day)
        begin = fresh.month_at(running.end)
        if fresh.boundary(begin) < running.end:
            begin += 1
        # Zones up to 26 hours apart can put that boundary at the end of the month the running
        # period started in; two periods would share a name, so it takes the next.
        begin = max(begin, month + 1)
        # Inside an extended period, the stretch that would have followed it never comes.
        del self._stretches[index + 1 :]
        self._stretches[index] = replace(self._stretches[index], last=month)
        self._stretches.append(replace(fresh, first=begin))

    def _locate(self, instant: int) -> tuple[int, int]:
        """Return the stretch and month number of the period that holds an instant."""
        index = len(self._stretches) - 1
        while index and self._begin(index) > instant:
            index -= 1
        stretch = self._stretches[index]
        return index, min(stretch.month_at(instant), stretch.last)

    def _begin(self, index: int) -> int:
        """Return where a stretch after the first begins."""
        stretch = self._stretches[index]
        return stretch.boundary(stretch.first)

    def _period(self, index: int, month: int) -> Period:
        stretch = self._stretches[index]
        end = self._begin(index + 1) if month == stretch.last else stretch.boundary(month + 1)
        year, month_index = divmod(month, _MONTHS)
        return Period(f"{year:04}-{month_index + 1:02}", stretch.boundary(month), end)

    def containing(self, instant: int) -> Period:
        """Return the period that holds an instant."""
        # Most callers ask about one instant after another of the same period.
        recent = self._recent
        if recent is None or not recent.start <= instant < recent.end:
            recent = self._recent = self._period(*self._locate(instant))
        return recent

    def named(self, name: str) -> Period:
        """Return the period that starts in the local month ``name``, such as "2025-01".

        A ``ValueError`` says that the name is malformed, or that no period starts in that month
        because a change extended an earlier one over it.
        """
        match = _NAME.fullmatch(name)
        if match is None or not date.min.year < int(match[1]) < date.max.year:
            msg = f"{name!r} is not a billing period: expected a month such as 2025-01"
            raise ValueError(msg)
        month = int(match[1]) * _MONTHS + int(match[2]) - 1
        for index, stretch in enumerate(self._stretches):
            if stretch.first <= month <= stretch.last:
                return self._period(index, month)
        msg = f"no billing period starts in {name}: a change of settings extended the one before"
        raise ValueError(msg)

    def following(self, period: Period) -> Period:
        """Return the period that starts where ``period`` ends."""
        return self.containing(period.end)

    def between(self, start: int, end: int) -> Iterator[Period]:
        """Yield, in order, every period that shares an instant with ``[start, end)``."""
        while start < end:
            period = self.containing(start)
            yield period
            start = period.end

    def _zone_index(self, instant: int) -> int:
        return bisect_right(self._zone_starts, instant)

    def zone_at(self, instant: int) -> ZoneInfo:
        """Return the time zone in force at an instant; a change counts from its own instant."""
        return self._zones[self._zone_index(instant)]

    def local_date(self, instant: int) -> date:
        """Return the local day that an instant belongs to, in the zone in force then."""
        return _local_date(instant, self.zone_at(instant))

    def day_start(self, instant: int) -> int:
        """Return the last local midnight at or before an instant.

        A change of the time zone cuts the day as a midnight does, so that
        ``[day_start, next_day)`` always lies in one zone and has one date.
        """
        index = self._zone_index(instant)
        zone = self._zones[index]
        midnight = local_midnight(_local_date(instant, zone), zone)
        return max(midnight, self._zone_starts[index - 1]) if index else midnight

    def next_day(self, instant: int) -> int:
        """Return the first local midnight, or change of the zone, strictly after an instant."""
        index = self._zone_index(instant)
        zone = self._zones[index]
        midnight = local_midnight(_local_date(instant, zone) + _ONE_DAY, zone)
        return min([midnight, *self._zone_starts[index : index + 1]])

    def month_bounds(self, instant: int) -> tuple[int, int]:
        """Return ``(start, end)`` of the calendar month, in the zone in force, of an instant.

        The month is whole even where the zone changes within it: its length is what a
        GB-month is measured by.
        """
        zone = self.zone_at(instant)
        month = _month_number(_local_date(instant, zone))
        start, end = (local_midnight(_day_in(at, 1), zone) for at in (month, month + 1))
        return start, end

    def date_range(self, first: date, last: date) -> tuple[int, int]:
        """Return ``(start, end)`` of the local dates ``first`` to ``last``, both included.

        Each date begins in the newest zone that is in force by then, so ranges of consecutive
        dates neither overlap nor leave a gap. ``last`` before ``first`` is a ``ValueError``.
        """
        if last < first:
            msg = f"the last date, {last}, is before the first, {first}"
            raise ValueError(msg)
        return self._date_start(first), self._date_start(last + _ONE_DAY)

    def _date_start(self, day: date) -> int:
        """Return where a date begins in the newest zone that holds there."""
        midnights = [local_midnight(day, zone) for zone in self._zones]
        index = max(
            (at for at, since in enumerate(self._zone_starts, 1) if midnights[at] >= since),
            default=0,
        )
        # Where the old zone would begin the date only after the change, the new one, in which
        # it had begun before, takes over at the change.
        return min([midnights[index], *self._zone_starts[index : index + 1]])


def _checked(regimes: Sequence[Regime]) -> tuple[Regime, list[tuple[int, Regime]]]:
    """Return the first regime and each later one with its instant, or say what is wrong."""
    if not regimes or regimes[0].since is not None:
        msg = "the first regime must hold from the beginning of time"
        raise ValueError(msg)
    for regime in regimes:
        if not 1 <= regime.invoice_day <= _LAST_INVOICE_DAY:
            msg = f"invoice day {regime.invoice_day} is outside 1-{_LAST_INVOICE_DAY}"
            raise ValueError(msg)
    later = [(regime.since, regime) for regime in regimes[1:] if regime.since is not None]
    ascending = all(earlier < since for (earlier, _), (since, _) in pairwise(later))
    if len(later) != len(regimes) - 1 or not ascending:
        msg = "the regimes after the first must follow in the order of their instants"
        raise ValueError(msg)
    return regimes[0], later
