"""Money: rounding, reading, writing and splitting."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.money import (
    allocate,
    exponent,
    format_decimal,
    format_minor,
    parse_amount,
    round_half_up,
    to_minor,
)

AMOUNTS = st.integers(-(2**63) + 1, 2**63 - 1)
BY_EXPONENT = st.sampled_from(["JPY", "USD", "KWD", "CLF"])
WEIGHTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=30).filter(any)


@pytest.mark.parametrize(
    ("currency", "digits"),
    [("USD", 2), ("EUR", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3), ("TND", 3), ("UYW", 4)],
)
def test_exponent_is_the_minor_unit_of_iso_4217(currency: str, digits: int) -> None:
    assert exponent(currency) == digits


@pytest.mark.parametrize("currency", ["usd", "XXX", "XAU", "DEM", "", "US$"])
def test_an_unknown_currency_is_named(currency: str) -> None:
    with pytest.raises(ValueError, match="unknown currency") as error:
        exponent(currency)
    assert repr(currency) in str(error.value)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (7, 7),
        (Fraction(1, 2), 1),
        (Fraction(-1, 2), -1),
        (Fraction(3, 2), 2),
        (Fraction(5, 2), 3),
        (Fraction(-5, 2), -3),
        (Decimal("0.4999999999999999999999999999999"), 0),
        (Decimal("-2.5"), -3),
        (Decimal("1E+20"), 10**20),
        (Fraction(-1, 3), 0),
    ],
)
def test_halves_round_away_from_zero(value: Fraction | Decimal | int, rounded: int) -> None:
    assert round_half_up(value) == rounded


@given(st.fractions())
def test_rounding_is_the_nearest_and_mirrors(value: Fraction) -> None:
    rounded = round_half_up(value)
    distance = abs(rounded - value)
    assert distance < Fraction(1, 2) or (distance == Fraction(1, 2) and abs(rounded) > abs(value))
    assert round_half_up(-value) == -rounded


@pytest.mark.parametrize(
    ("value", "currency", "minor"),
    [
        (Decimal("10.225"), "USD", 1023),
        (Decimal("10.2249999"), "USD", 1022),
        (Fraction(1, 3), "USD", 33),
        (Fraction(-1, 200), "USD", -1),
        (Decimal("99.5"), "JPY", 100),
        (Decimal("1.2345"), "KWD", 1235),
        (3, "USD", 300),
    ],
)
def test_to_minor_rounds_once(value: Fraction | Decimal | int, currency: str, minor: int) -> None:
    assert to_minor(value, currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (140, "USD", "1.40"),
        (5, "USD", "0.05"),
        (-5, "USD", "-0.05"),
        (0, "USD", "0.00"),
        (140, "JPY", "140"),
        (-140, "JPY", "-140"),
        (1, "KWD", "0.001"),
        (-123456, "KWD", "-123.456"),
    ],
)
def test_format_minor(amount: int, currency: str, text: str) -> None:
    assert format_minor(amount, currency) == text


@given(AMOUNTS, BY_EXPONENT)
def test_what_is_written_is_read_back(amount: int, currency: str) -> None:
    assert parse_amount(format_minor(amount, currency), currency) == amount


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("12", "USD", 1200),
        ("12.5", "USD", 1250),
        ("+12.50", "USD", 1250),
        ("1.400", "USD", 140),
        ("5.000", "JPY", 5),
        ("-0.00", "USD", 0),
        ("0" * 5000 + "7", "USD", 700),
        ("92233720368547758.07", "USD", 2**63 - 1),
    ],
)
def test_parse_amount_takes_what_is_exact(text: str, currency: str, amount: int) -> None:
    assert parse_amount(text, currency) == amount


@pytest.mark.parametrize(
    ("text", "currency", "reason"),
    [
        ("1.405", "USD", "finer than the smallest unit of USD"),
        ("0.5", "JPY", "finer than the smallest unit of JPY"),
        ("", "USD", "not an amount"),
        (".5", "USD", "not an amount"),
        ("5.", "USD", "not an amount"),
        ("1,000.00", "USD", "not an amount"),
        ("1e3", "USD", "not an amount"),
        ("NaN", "USD", "not an amount"),
        (" 1", "USD", "not an amount"),
        ("1\n", "USD", "not an amount"),
        ("\u0661", "USD", "not an amount"),
        ("--1", "USD", "not an amount"),
        ("92233720368547758.08", "USD", "too large"),
        ("9" * 10_000, "USD", "too large"),
        ("1", "usd", "unknown currency"),
    ],
)
def test_parse_amount_says_what_is_wrong(text: str, currency: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_amount(text, currency)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (20, "20.00"),
        (Decimal("0.5"), "0.50"),
        (Fraction(1, 18), "0.0555555556"),
        (Fraction(1, 8), "0.125"),
        (Decimal("0.00000000005"), "0.0000000001"),
        (Decimal("-0.00000000005"), "-0.0000000001"),
        (Decimal("-0.00000000004"), "0.00"),
        (Decimal("99.99999999995"), "100.00"),
        (Decimal("-1.10"), "-1.10"),
        (Decimal("1E+3"), "1000.00"),
    ],
)
def test_format_decimal(value: Fraction | Decimal | int, text: str) -> None:
    assert format_decimal(value) == text


@given(st.fractions())
def test_format_decimal_is_within_half_of_the_tenth_decimal(value: Fraction) -> None:
    text = format_decimal(value)
    whole, part = text.split(".")
    assert 2 <= len(part) <= 10
    assert len(part) == 2 or part[-1] != "0"
    assert whole.lstrip("-").isdigit()
    assert abs(Fraction(text) - value) <= Fraction(1, 2 * 10**10)


@pytest.mark.parametrize(
    ("amount", "weights", "shares"),
    [
        (10, [1, 1, 1], [4, 3, 3]),
        (-10, [1, 1, 1], [-4, -3, -3]),
        (1, [0, 5, 5], [0, 1, 0]),
        (0, [3, 4], [0, 0]),
        (100, [7], [100]),
        (5, [1, 2], [2, 3]),
        (2, [1, 1, 2], [1, 0, 1]),
    ],
)
def test_left_over_units_go_to_the_largest_remainders(
    amount: int, weights: list[int], shares: list[int]
) -> None:
    assert allocate(amount, weights) == shares


@given(AMOUNTS, WEIGHTS)
def test_shares_add_up_and_are_within_a_unit_of_exact(amount: int, weights: list[int]) -> None:
    shares = allocate(amount, weights)
    assert sum(shares) == amount
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(amount * weight, sum(weights))) < 1
        assert weight or not share
    assert allocate(-amount, weights) == [-share for share in shares]


@pytest.mark.parametrize("weights", [[], [0, 0], [3, -1], [-1, -1]])
def test_weights_that_cannot_split_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="split only by weights"):
        allocate(100, weights)
