"""Instants: RFC 3339 text to whole seconds and an exact fraction, and back.

An instant is an integer, the seconds since 1970-01-01T00:00:00Z as POSIX counts them. The times
of events keep every digit of their fraction beside it, as text: events that share a second are
put in order before the fraction is cut off.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from billing_cli.pricing.excerpts import quoted

_EXAMPLE: Final = "2025-01-01T00:00:00Z"
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_DAY: Final = 86_400
_FIRST: Final = (1 - _EPOCH_ORDINAL) * _DAY
_LAST: Final = (date.max.toordinal() + 1 - _EPOCH_ORDINAL) * _DAY - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Longer fractions say nothing about time, and would not fit into an index.
_FRACTION_DIGITS: Final = 100

_RFC_3339: Final = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"[Tt ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]+))?"
    r"(?P<zone>[Zz]|(?P<sign>[+-])(?P<zone_hour>[0-9]{2}):(?P<zone_minute>[0-9]{2}))?"
)


def parse_instant(text: str) -> tuple[int, str]:
    """Return the instant that RFC 3339 ``text`` names, in full precision.

    Gives the whole seconds since 1970 in UTC (negative before) and the digits after the point
    without trailing zeros (``""`` for none), so that pairs compare as the instants do. A lower
    case ``t`` or ``z`` and a space for the ``T`` are fine, as the RFC says; a zone is needed.
    The leap second 23:59:60 UTC at the end of a month counts as the second after it, as in
    POSIX. Raises ValueError with a one-line reason for anything else.
    """
    # Ingest reads a time in every line: three look-ups do for nearly all of them.
    try:
        if text[19:20] != ".":
            return _DAYS[text[:11]] + _MINUTES[text[11:17]] + _SECONDS[text[17:]], ""
        fraction = text[20:-1]
        if len(fraction) < _FRACTION_DIGITS and fraction.isascii() and fraction.isdigit():
            whole = _DAYS[text[:11]] + _MINUTES[text[11:17]] + _SECONDS[text[17:19] + text[-1]]
            return whole, fraction.rstrip("0")
    except KeyError:
        pass
    return _parse_any(text)


def format_instant(second: int) -> str:
    """Return ``second`` as RFC 3339 in UTC, like ``2025-01-01T00:00:00Z``.

    Raises OverflowError outside the years 1 to 9999.
    """
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def instant_text(instant: int | None) -> str | None:
    """Return an instant as :func:`format_instant` writes it; None where there is none."""
    return None if instant is None else format_instant(instant)


class _Days(dict[str, int]):
    """From ``YYYY-MM-DDT`` to the start of that day in UTC, filled as days are met."""

    def __missing__(self, key: str) -> int:
        """Work out the day; KeyError sends everything unusual the careful way."""
        match = _PLAIN_DAY.fullmatch(key)
        if match is None:
            raise KeyError(key)
        try:
            day = date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            raise KeyError(key) from None
        self[key] = start = (day.toordinal() - _EPOCH_ORDINAL) * _DAY
        return start


class _Seconds(dict[str, int]):
    """From ``SS`` and a zone to the seconds they add, filled as offsets are met."""

    def __missing__(self, key: str) -> int:
        """Work out the offset; KeyError sends everything unusual the careful way."""
        match = _PLAIN_OFFSET.fullmatch(key)
        if match is None:
            raise KeyError(key)
        offset = int(match[3]) * 3600 + int(match[4]) * 60
        self[key] = added = int(match[1]) + (-offset if match[2] == "+" else offset)
        return added


# Both tables stay small: two centuries of days, and the offsets that clocks really have.
_PLAIN_DAY: Final = re.compile(r"((?:19|20)[0-9]{2})-([0-9]{2})-([0-9]{2})T")
_PLAIN_OFFSET: Final = re.compile(r"([0-5][0-9])([+-])(0[0-9]|1[0-4]):(00|15|30|45)")
_DAYS: Final = _Days()
_MINUTES: Final = {
    f"{hour:02}:{minute:02}:": hour * 3600 + minute * 60
    for hour in range(24)
    for minute in range(60)
}
_SECONDS: Final = _Seconds({f"{second:02}Z": second for second in range(60)})


def _parse_any(text: str) -> tuple[int, str]:
    match = _RFC_3339.fullmatch(text)
    if match is None:
        msg = f"{quoted(text)} is not an RFC 3339 time such as {_EXAMPLE}"
        raise ValueError(msg)
    if match["zone"] is None:
        msg = f"{quoted(text)} has no time zone: add Z for UTC, or an offset such as +02:00"
        raise ValueError(msg)
    fraction = (match["fraction"] or "").rstrip("0")
    if len(fraction) > _FRACTION_DIGITS:
        msg = f"{quoted(text)} has more than {_FRACTION_DIGITS} digits after the point"
        raise ValueError(msg)
    second = _day_start(match, text) + _second_of_day(match, text) - _offset(match, text)
    if match["second"] == "60" and not _is_leap_second(second):
        msg = f"{quoted(text)} is not a leap second: only a month in UTC may end in 23:59:60"
        raise ValueError(msg)
    if not _FIRST <= second <= _LAST:
        msg = f"{quoted(text)} is outside the years 1 to 9999 in UTC"
        raise ValueError(msg)
    return second, fraction


def _day_start(match: re.Match[str], text: str) -> int:
    try:
        day = date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        msg = f"{quoted(text)} is a day that does not exist"
        raise ValueError(msg) from None
    return (day.toordinal() - _EPOCH_ORDINAL) * _DAY


def _second_of_day(match: re.Match[str], text: str) -> int:
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    if hour not in range(24) or minute not in range(60) or second not in range(61):
        msg = f"{quoted(text)} is a time of day that does not exist"
        raise ValueError(msg)
    return hour * 3600 + minute * 60 + second


def _offset(match: re.Match[str], text: str) -> int:
    if match["sign"] is None:
        return 0
    hours, minutes = int(match["zone_hour"]), int(match["zone_minute"])
    if hours not in range(24) or minutes not in range(60):
        msg = f"{quoted(text)} has an offset from UTC that does not exist"
        raise ValueError(msg)
    seconds = hours * 3600 + minutes * 60
    return seconds if match["sign"] == "+" else -seconds


def _is_leap_second(second: int) -> bool:
    """Tell whether ``second``, that after a leap second, starts a month in UTC."""
    day, rest = divmod(second, _DAY)
    ordinal = day + _EPOCH_ORDINAL
    return (
        rest == 0 and 1 <= ordinal <= date.max.toordinal() and (date.fromordinal(ordinal).day == 1)
    )
