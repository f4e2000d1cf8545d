"""Sizes in every legal Kubernetes form, and base units in the unit that is shown."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.quantities import (
    MOST_MIB,
    MOST_MILLICORES,
    UNITS,
    exact_quantity,
    parse_cpu,
    parse_memory,
)


@pytest.mark.parametrize(
    ("text", "millicores"),
    [
        ("1000m", 1000),
        ("2", 2000),
        ("0.5", 500),
        (".5", 500),
        ("5.", 5000),
        ("+1", 1000),
        ("1e3", 1_000_000),
        ("1E3", 1_000_000),
        ("25e-2", 250),
        ("1k", 1_000_000),
        ("1Ki", 1_024_000),
        ("0", 0),
        ("-0.0", 0),
        ("0e999999999", 0),
        ("100n", 1),
        ("1500u", 2),
        ("0.0011", 2),
        ("1e-999999999", 1),
        ("1000000", MOST_MILLICORES),
        ("1M", MOST_MILLICORES),
    ],
)
def test_cpu_is_whole_millicores_rounded_up(text: str, millicores: int) -> None:
    """Cores, millicores and smaller become millicores; a part of one counts as one."""
    assert parse_cpu(text) == millicores


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("2Gi", 2048),
        ("512Mi", 512),
        ("2G", 1908),
        ("1e3", 1),
        ("128974848", 123),
        ("128974849", 124),
        ("129e6", 124),
        ("129M", 124),
        ("123Mi", 123),
        ("128974848000m", 123),
        ("1.5Gi", 1536),
        ("0.5Mi", 1),
        ("1", 1),
        ("0", 0),
        ("1Ti", 2**20),
        ("1Pi", MOST_MIB),
        ("1.0" + "0" * 90 + "Gi", 1024),
    ],
)
def test_memory_is_whole_mib_rounded_up(text: str, mib: int) -> None:
    """Bytes in every spelling become MiB; a part of one counts as one."""
    assert parse_memory(text) == mib


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-1", "'-1' is negative"),
        ("-1e-9", "is negative"),
        ("-0.1Gi", "is negative"),
        ("NaN", "is not a quantity"),
        ("Infinity", "is not a quantity"),
        ("", "is not a quantity"),
        (".", "is not a quantity"),
        ("1 Gi", "is not a quantity"),
        (" 1", "is not a quantity"),
        ("1\n", "is not a quantity"),
        ("1,5", "is not a quantity"),
        ("0x10", "unknown unit x10|is not a quantity"),
        ("\u0663", "is not a quantity"),
        ("1e", "has an unknown unit e"),
        ("1K", "has an unknown unit K"),
        ("2GB", "has an unknown unit GB"),
        ("2gi", "has an unknown unit gi"),
        ("1" * 101, "is not a quantity"),
    ],
)
def test_what_is_not_a_size_is_refused(text: str, reason: str) -> None:
    """Both parsers say why, in one short line."""
    for parse in (parse_cpu, parse_memory):
        with pytest.raises(ValueError, match=reason) as caught:
            parse(text)
        assert len(str(caught.value)) < 200
        assert len(str(caught.value).splitlines()) == 1


def test_absurd_sizes_are_refused() -> None:
    """Above a million cores or a pebibyte it is a mistake, however it is written."""
    for text in ("1000000.0001", "1000001", "1E", "1e999999999", "9" * 100):
        with pytest.raises(ValueError, match="more than 1,000,000 cores"):
            parse_cpu(text)
    for text in ("1125899906842625", "2Pi", "1E", "1e999999999", "9" * 100):
        with pytest.raises(ValueError, match="more than 1 PiB"):
            parse_memory(text)


@given(st.decimals(min_value=0, max_value=1_000_000, places=9))
def test_rounding_up_is_exact(cores: Decimal) -> None:
    """The millicores are the ceiling of the exact value, never of a nearby float."""
    assert parse_cpu(f"{cores:f}") == (cores * 1000).to_integral_value(ROUND_CEILING)


@given(st.text(alphabet="0123456789.eE+-mkKMGTPiun", max_size=12))
def test_any_text_is_a_size_or_a_value_error(text: str) -> None:
    """No text makes the parsers fail otherwise or leave their range."""
    for parse, most in ((parse_cpu, MOST_MILLICORES), (parse_memory, MOST_MIB)):
        try:
            size = parse(text)
        except ValueError:
            continue
        assert 0 <= size <= most


def test_quantities_are_exact_in_the_unit_shown() -> None:
    """A core for an hour, a GB for an hour and a GB for half of February."""
    february = 28 * 86_400
    assert exact_quantity("cpu", 1000 * 3600, february) == 1
    assert exact_quantity("memory", 1024 * 3600, february) == 1
    assert exact_quantity("storage", 1024 * 14 * 86_400, february) == Fraction(1, 2)
    assert exact_quantity("cpu", -1, february) == Fraction(-1, 3_600_000)
    assert list(UNITS.values()) == ["core-hours", "gb-hours", "gb-months"]
    with pytest.raises(KeyError):
        exact_quantity("gpu", 1, february)
