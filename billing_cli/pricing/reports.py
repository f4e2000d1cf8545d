"""What reports consist of: their columns by name and kind, and the spans of time of their rows.

Reports read with SQL and skip the domain. What they share is here: a row is a tuple with a value
for every field, in order, and a field's kind says what that value is. So whatever writes a report
knows what has to be made harmless and what is a number, without looking at a value.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from billing_cli.pricing.periods import Calendar

Value = str | int | None
Row = tuple[Value, ...]


class Kind(StrEnum):
    """What the values of a field are.

    ``TEXT`` came from outside and may hold anything; ``WORD`` is one of this program's own words,
    a period, a date or a currency; ``AMOUNT`` is an exact decimal as text, of money or of a
    quantity; ``INSTANT`` is RFC 3339 text in UTC; ``COUNT`` is an integer.
    """

    TEXT = "text"
    WORD = "word"
    AMOUNT = "amount"
    INSTANT = "instant"
    COUNT = "count"


class Shown(StrEnum):
    """Where a field is seen: always, on wide terminals only, or in the data formats only."""

    ALWAYS = "always"
    WIDE = "wide"
    DATA = "data"


class Field(NamedTuple):
    """A column. ``summed`` says that its sum makes sense, and stands below tables."""

    name: str
    kind: Kind
    shown: Shown = Shown.ALWAYS
    summed: bool = False


class Report(NamedTuple):
    """Rows with a value for each field, and what an operator should know of them."""

    title: str
    fields: tuple[Field, ...]
    rows: Iterable[Row]
    notes: tuple[str, ...] = ()


def text(name: str, shown: Shown = Shown.ALWAYS) -> Field:
    """Return a field of text from outside."""
    return Field(name, Kind.TEXT, shown)


def word(name: str, shown: Shown = Shown.ALWAYS) -> Field:
    """Return a field of this program's own words."""
    return Field(name, Kind.WORD, shown)


def instant(name: str, shown: Shown = Shown.DATA) -> Field:
    """Return a field of moments."""
    return Field(name, Kind.INSTANT, shown)


def amount(name: str, shown: Shown = Shown.ALWAYS) -> Field:
    """Return a field of exact decimals whose sum says nothing, such as a price."""
    return Field(name, Kind.AMOUNT, shown)


def money(name: str, shown: Shown = Shown.ALWAYS) -> Field:
    """Return a field of amounts that add up."""
    return Field(name, Kind.AMOUNT, shown, summed=True)


def count(name: str, shown: Shown = Shown.ALWAYS) -> Field:
    """Return a field of numbers of things that add up."""
    return Field(name, Kind.COUNT, shown, summed=True)


def number(name: str, shown: Shown = Shown.ALWAYS) -> Field:
    """Return a field of whole numbers whose sum says nothing, such as an id."""
    return Field(name, Kind.COUNT, shown)


class Stretch(NamedTuple):
    """A named span of time ``[start, end)``: a month, a quarter or a year of local time."""

    name: str
    start: int
    end: int


MONTH, QUARTER, YEAR = "month", "quarter", "year"
_MONTHS_OF: Final = {MONTH: 1, QUARTER: 3, YEAR: 12}


def stretches(calendar: Calendar, start: int, stop: int, unit: str = MONTH) -> list[Stretch]:
    """Divide ``[start, stop)`` at the ends of calendar months, quarters or years of local time.

    The first and the last may be parts. They are named ``2025-01``, ``2025-Q1`` and ``2025``.
    """
    found: list[Stretch] = []
    at = start
    while at < stop:
        end = min(calendar.month_bounds(at)[1], stop)
        # A change of the time zone may have the old zone's month end before it begins.
        end = max(end, min(calendar.next_day(at), stop))
        day = calendar.local_date(at)
        name = _name(day.year, day.month, _MONTHS_OF[unit])
        if found and found[-1].name == name:
            found[-1] = found[-1]._replace(end=end)
        else:
            found.append(Stretch(name, at, end))
        at = end
    return found


def _name(year: int, month: int, months: int) -> str:
    if months == _MONTHS_OF[YEAR]:
        return f"{year:04}"
    if months == _MONTHS_OF[QUARTER]:
        return f"{year:04}-Q{(month + 2) // 3}"
    return f"{year:04}-{month:02}"


def add_up(fields: Iterable[Field]) -> list[int]:
    """Return the positions of the fields whose sums make sense."""
    return [at for at, field in enumerate(fields) if field.summed]
