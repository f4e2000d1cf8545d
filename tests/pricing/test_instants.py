"""Instants: RFC 3339 both ways, in full precision, and reasons for what is not one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.instants import format_instant, parse_instant

NEW_YEAR = 1_735_689_600  # 2025-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("text", "second", "fraction"),
    [
        ("2025-01-01T00:00:00Z", NEW_YEAR, ""),
        ("2025-01-01t00:00:00z", NEW_YEAR, ""),
        ("2025-01-01 00:00:00Z", NEW_YEAR, ""),
        ("2025-01-01T00:00:00+00:00", NEW_YEAR, ""),
        ("2025-01-01T00:00:00-00:00", NEW_YEAR, ""),
        ("2025-01-01T05:30:00+05:30", NEW_YEAR, ""),
        ("2024-12-31T19:00:00-05:00", NEW_YEAR, ""),
        ("2024-12-31T23:59:59-00:01", NEW_YEAR + 59, ""),
        ("2025-01-01T00:00:00.000Z", NEW_YEAR, ""),
        ("2025-01-01T00:00:00.120Z", NEW_YEAR, "12"),
        ("2025-01-01T00:00:00.123456789Z", NEW_YEAR, "123456789"),
        ("2025-01-01T01:00:00.5+01:00", NEW_YEAR, "5"),
        ("2025-01-01T00:00:00." + "1" * 100 + "Z", NEW_YEAR, "1" * 100),
        ("2024-02-29T00:00:00Z", 1_709_164_800, ""),
        ("2016-12-31T23:59:60Z", 1_483_228_800, ""),
        ("2017-01-01T00:59:60.5+01:00", 1_483_228_800, "5"),
        ("1970-01-01T00:00:00Z", 0, ""),
        ("1969-12-31T23:59:59.9Z", -1, "9"),
        ("0001-01-01T00:00:00Z", -62_135_596_800, ""),
        ("9999-12-31T23:59:59Z", 253_402_300_799, ""),
    ],
)
def test_a_time_becomes_seconds_and_a_fraction(text: str, second: int, fraction: str) -> None:
    """Every legal spelling of RFC 3339 is understood, and no digit is lost."""
    assert parse_instant(text) == (second, fraction)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2025-01-01T00:00:00", "has no time zone"),
        ("2025-01-01T00:00:00.5", "has no time zone"),
        ("2025-02-30T00:00:00Z", "is a day that does not exist"),
        ("2025-02-29T00:00:00Z", "is a day that does not exist"),
        ("2025-13-01T00:00:00.5Z", "is a day that does not exist"),
        ("0000-01-01T00:00:00Z", "is a day that does not exist"),
        ("2025-01-01T24:00:00Z", "is a time of day that does not exist"),
        ("2025-01-01T00:60:00Z", "is a time of day that does not exist"),
        ("2025-01-01T00:00:61Z", "is a time of day that does not exist"),
        ("2025-01-01T12:00:60Z", "is not a leap second"),
        ("2025-01-15T23:59:60Z", "is not a leap second"),
        ("9999-12-31T23:59:60Z", "is not a leap second"),
        ("2025-01-01T00:00:00+24:00", "has an offset from UTC that does not exist"),
        ("2025-01-01T00:00:00+01:60", "has an offset from UTC that does not exist"),
        ("0001-01-01T00:00:00+01:00", "is outside the years 1 to 9999"),
        ("9999-12-31T23:59:59-00:01", "is outside the years 1 to 9999"),
        ("2025-01-01T00:00:00." + "1" * 101 + "Z", "more than 100 digits"),
        ("2025-01-01", "is not an RFC 3339 time"),
        ("2025-W01-1T00:00:00Z", "is not an RFC 3339 time"),
        ("20250101T000000Z", "is not an RFC 3339 time"),
        ("2025-01-01T00:00Z", "is not an RFC 3339 time"),
        ("2025-01-01T00:00:00.Z", "is not an RFC 3339 time"),
        ("2025-01-01T00:00:00,5Z", "is not an RFC 3339 time"),
        ("2025-01-01T00:00:00+0100", "is not an RFC 3339 time"),
        ("2025-01-01T00:00:00.\u00b2Z", "is not an RFC 3339 time"),
        ("\u0662025-01-01T00:00:00Z", "is not an RFC 3339 time"),
        (" 2025-01-01T00:00:00Z", "is not an RFC 3339 time"),
        ("2025-01-01T00:00:00Z\n", "is not an RFC 3339 time"),
        ("1735689600", "is not an RFC 3339 time"),
        ("", "is not an RFC 3339 time"),
    ],
)
def test_anything_else_is_refused_with_its_reason(text: str, reason: str) -> None:
    """The reason is one line and says what is wrong."""
    with pytest.raises(ValueError, match=reason) as caught:
        parse_instant(text)
    assert len(str(caught.value).splitlines()) == 1


def test_a_reason_quotes_only_the_beginning_of_a_long_text() -> None:
    """A line of megabytes does not become a message of megabytes."""
    with pytest.raises(ValueError, match="not an RFC 3339 time") as caught:
        parse_instant("\x1b" * 1_000_000)
    assert len(str(caught.value)) < 500
    assert "\x1b" not in str(caught.value)


@given(
    st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)),  # noqa: DTZ001 - zones are drawn below
    st.integers(min_value=-1439, max_value=1439),
)
def test_it_agrees_with_the_standard_library(local: datetime, offset_minutes: int) -> None:
    """For microseconds and any offset the result is that of datetime, by integers alone."""
    moment = local.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    span = moment - datetime(1970, 1, 1, tzinfo=UTC)
    second, fraction = parse_instant(moment.isoformat())
    assert second == span // timedelta(seconds=1)
    assert int(fraction.ljust(6, "0")) == span.microseconds


@given(st.integers(min_value=-62_135_596_800, max_value=253_402_300_799))
def test_a_formatted_instant_reads_back(second: int) -> None:
    """Formatting loses nothing, from the year 1 to 9999."""
    assert parse_instant(format_instant(second)) == (second, "")


@given(st.text(alphabet="0123456789-+:.TZz ", max_size=30) | st.text(max_size=30))
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    """Whatever it is given, the outcome is an instant or a ValueError."""
    try:
        second, fraction = parse_instant(text)
    except ValueError:
        return
    assert isinstance(second, int)
    assert fraction == "" or (fraction.isdigit() and not fraction.endswith("0"))
