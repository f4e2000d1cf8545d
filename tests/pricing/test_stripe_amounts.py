"""Amounts in Stripe's units: exact for each currency, or refused with the reason."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.money import exponent
from billing_cli.pricing.stripe_amounts import from_stripe, to_stripe

AMOUNTS = st.integers(-(10**12), 10**12)
ZERO_DECIMAL = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()  # noqa: SIM905 - one line
THREE_DECIMAL = ["BHD", "JOD", "KWD", "OMR", "TND"]
USUAL = ["USD", "EUR", "HUF", "TWD", "IQD", "LYD", "CLF", "UYI"]
CURRENCIES = st.sampled_from([*ZERO_DECIMAL, *THREE_DECIMAL, *USUAL, "ISK", "UGX"])


@pytest.mark.parametrize(
    ("currency", "amount_minor", "amount"),
    [
        ("USD", 1999, 1999),
        ("USD", -1, -1),
        ("JPY", 500, 500),
        ("XAF", 500, 500),
        # Five iraimbilanja are an ariary to ISO 4217, which gives it two digits; Stripe has none.
        ("MGA", 150_000, 1500),
        ("ISK", 500, 50_000),
        ("UGX", -500, -50_000),
        ("KWD", 1230, 1230),
        ("TND", 1_000, 1_000),
        # Three digits here, and the usual two there.
        ("LYD", 1230, 123),
        ("IQD", -10, -1),
        ("CLF", 12_300, 123),
        ("UYI", 3, 300),
        ("HUF", 100_050, 100_050),
        ("USD", 0, 0),
    ],
)
def test_amounts_are_those_of_the_table(currency: str, amount_minor: int, amount: int) -> None:
    assert to_stripe(amount_minor, currency) == amount
    assert from_stripe(amount, currency) == amount_minor


@pytest.mark.parametrize(
    ("currency", "amount_minor", "reason"),
    [
        ("KWD", 1234, "KWD 1.234 cannot be charged by Stripe, which takes KWD in steps of 0.010"),
        ("TND", -1, "TND -0.001 cannot be charged by Stripe, which takes TND in steps of 0.010"),
        ("LYD", 1234, "LYD 1.234 cannot be charged by Stripe, which takes LYD in steps of 0.010"),
        ("MGA", 150, "MGA 1.50 cannot be charged by Stripe, which takes MGA in steps of 1.00"),
        ("CLF", 1, "CLF 0.0001 cannot be charged by Stripe, which takes CLF in steps of 0.0100"),
        ("usd", 1, "unknown currency 'usd': expected an ISO 4217 code such as USD"),
    ],
)
def test_what_stripe_cannot_charge_says_why(currency: str, amount_minor: int, reason: str) -> None:
    with pytest.raises(ValueError, match=currency) as error:
        to_stripe(amount_minor, currency)
    assert str(error.value) == reason


def test_what_iso_4217_cannot_say_says_why() -> None:
    with pytest.raises(ValueError, match="Stripe") as error:
        from_stripe(-50_050, "ISK")
    assert str(error.value) == (
        "Stripe's amount of -50050 for ISK lies between two of its smallest units: Stripe counts "
        "ISK in steps of 100"
    )
    with pytest.raises(ValueError, match="unknown currency"):
        from_stripe(1, "")


def test_what_stripe_did_is_taken_even_if_it_could_not_be_charged() -> None:
    assert from_stripe(1234, "KWD") == 1234


def digits(currency: str) -> int:
    """What Stripe's documentation says of its integers."""
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2


@given(AMOUNTS, CURRENCIES)
def test_nothing_is_lost_on_the_way_there_and_back(amount_minor: int, currency: str) -> None:
    value = Fraction(amount_minor, 10 ** exponent(currency))
    units = value * 10 ** digits(currency)
    step = 100 if currency in {"ISK", "UGX"} else 10 if currency in THREE_DECIMAL else 1
    if units.denominator == 1 and units % step == 0:
        assert to_stripe(amount_minor, currency) == units
        assert from_stripe(int(units), currency) == amount_minor
    else:
        with pytest.raises(ValueError, match="in steps of"):
            to_stripe(amount_minor, currency)


@given(AMOUNTS, CURRENCIES)
def test_what_comes_from_stripe_is_worth_the_same_here(amount: int, currency: str) -> None:
    value = Fraction(amount, 10 ** digits(currency)) * 10 ** exponent(currency)
    if value.denominator == 1:
        assert from_stripe(amount, currency) == value
    else:
        with pytest.raises(ValueError, match="in steps of"):
            from_stripe(amount, currency)
