"""Amounts between ISO 4217's minor units, which are ours, and the integers that Stripe takes.

Stripe counts most currencies in hundredths. It does not follow ISO 4217 where the minor unit is
another: see https://docs.stripe.com/currencies, "Zero-decimal currencies" and "Special cases".
Nothing is rounded. What the other side cannot say exactly is a ``ValueError``.
"""

from __future__ import annotations

from typing import Final

from billing_cli.pricing.money import exponent, format_minor

_DIGITS: Final = {
    code: digits
    for digits, codes in {
        0: "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF",
        3: "BHD JOD KWD OMR TND",
    }.items()
    for code in codes.split()
}
_USUAL_DIGITS: Final = 2
# What Stripe's integer must be a multiple of. The minor units of the first two are gone, but they
# are still counted in hundredths; of thousandths, card networks carry two digits.
_STEPS: Final = {"ISK": 100, "UGX": 100, "BHD": 10, "JOD": 10, "KWD": 10, "OMR": 10, "TND": 10}


def to_stripe(amount_minor: int, currency: str) -> int:
    """Return an amount of minor units of ``currency`` as Stripe's integer.

    USD 1999 → 1999, JPY 500 → 500, ISK 500 → 50000, KWD 1230 → 1230. The amount may be negative;
    the currency is an upper case ISO 4217 code. Raises ValueError, with the reason, for an amount
    that Stripe cannot charge exactly and for an unknown currency.
    """
    ours, theirs = _parts(currency)
    amount, rest = divmod(amount_minor * theirs, ours)
    step = _STEPS.get(currency, 1)
    if rest or amount % step:
        raise ValueError(
            f"{currency} {format_minor(amount_minor, currency)} cannot be charged by Stripe, "
            f"which takes {currency} in steps of {format_minor(step * ours // theirs, currency)}"
        )
    return amount


def from_stripe(amount: int, currency: str) -> int:
    """Return Stripe's integer ``amount`` of ``currency`` in minor units: ISK 50000 → 500.

    The amount may be negative; the currency is an upper case ISO 4217 code. Raises ValueError,
    with the reason, for an amount between two minor units and for an unknown currency. An amount
    that we can say, but that :func:`to_stripe` would refuse to charge, is taken as it is: what
    Stripe did is mirrored.
    """
    ours, theirs = _parts(currency)
    amount_minor, rest = divmod(amount * ours, theirs)
    if rest:
        raise ValueError(
            f"Stripe's amount of {amount} for {currency} lies between two of its smallest units: "
            f"Stripe counts {currency} in steps of {theirs // ours}"
        )
    return amount_minor


def _parts(currency: str) -> tuple[int, int]:
    """Return into how many parts ISO 4217 and Stripe divide one unit: USD (100, 100)."""
    ours: int = 10 ** exponent(currency)
    theirs: int = 10 ** _DIGITS.get(currency, _USUAL_DIGITS)
    return ours, theirs
