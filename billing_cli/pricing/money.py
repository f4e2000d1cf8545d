"""Money: whole minor units of a currency, rounded once, split without losing any.

An amount is an ``int`` of the currency's minor unit (cents, yen, fils). What has not been
rounded yet is an exact ``Fraction`` or ``Decimal``. Every rounding of the product is half away
from zero, and :func:`round_half_up` is where it happens.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal
    from fractions import Fraction

# ISO 4217, list one: the currencies and fund codes in use, by the digits of their minor unit.
# Metals, the SDR and the test codes (XAU, XDR, XTS, ...) have no minor unit and are left out.
_CODES_BY_EXPONENT: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
        CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
        GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK
        LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO
        NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS
        SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST
        XAD XCD XCG YER ZAR ZMW ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENTS: Final = {
    code: digits for digits, codes in _CODES_BY_EXPONENT.items() for code in codes.split()
}

_AMOUNT: Final = re.compile(r"(?P<sign>[+-]?)(?P<whole>[0-9]+)(?:\.(?P<part>[0-9]+))?")
_LARGEST_AMOUNT: Final = 2**63 - 1  # what a 64-bit column holds, either side of zero

_DECIMALS_MOST: Final = 10
_DECIMALS_LEAST: Final = 2
_SHOWN_SCALE: Final = 10**_DECIMALS_MOST


def exponent(currency: str) -> int:
    """Return how many decimal digits the minor unit of an ISO 4217 ``currency`` has.

    USD has 2, JPY 0, KWD 3. Codes are upper case; an unknown one is a ``ValueError``.
    """
    try:
        return _EXPONENTS[currency]
    except KeyError:
        msg = f"unknown currency {currency!r}: expected an ISO 4217 code such as USD"
        raise ValueError(msg) from None


def round_ratio(numerator: int, denominator: int) -> int:
    """Round ``numerator / denominator`` half away from zero; the denominator is positive."""
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -magnitude if numerator < 0 else magnitude


def round_half_up(value: Fraction | Decimal | int) -> int:
    """Round an exact ``value`` to a whole number, halves away from zero: 0.5 → 1, -0.5 → -1."""
    return round_ratio(*value.as_integer_ratio())


def to_minor(value: Fraction | Decimal | int, currency: str) -> int:
    """Round ``value``, in the major unit of ``currency``, to minor units: USD 10.225 → 1023."""
    numerator, denominator = value.as_integer_ratio()
    return round_ratio(numerator * 10 ** exponent(currency), denominator)


def _format_scaled(scaled: int, digits: int) -> str:
    """Write ``scaled / 10**digits`` with exactly that many decimals."""
    sign = "-" if scaled < 0 else ""
    if not digits:
        return f"{sign}{abs(scaled)}"
    whole, part = divmod(abs(scaled), 10**digits)
    return f"{sign}{whole}.{part:0{digits}}"


def format_minor(amount: int, currency: str) -> str:
    """Write an ``amount`` of minor units as a plain decimal: 140 → USD "1.40", JPY "140"."""
    return _format_scaled(amount, exponent(currency))


def parse_amount(text: str, currency: str) -> int:
    """Read a plain decimal, as :func:`format_minor` writes it, into minor units.

    Nothing is rounded: digits below the minor unit must be zeros. A ``ValueError`` says why a
    text is no amount of this currency.
    """
    digits = exponent(currency)
    match = _AMOUNT.fullmatch(text)
    if match is None:
        msg = f"{text!r} is not an amount: expected digits such as 12.50"
        raise ValueError(msg)
    part = match["part"] or ""
    if part[digits:].strip("0"):
        msg = f"{text!r} is finer than the smallest unit of {currency} ({digits} decimals)"
        raise ValueError(msg)
    # Leading zeros go first, so that only real size meets Python's limit on digits.
    written = (match["whole"] + part[:digits].ljust(digits, "0")).lstrip("0") or "0"
    if len(written) > len(str(_LARGEST_AMOUNT)) or int(written) > _LARGEST_AMOUNT:
        msg = "the amount is too large"
        raise ValueError(msg)
    return -int(written) if match["sign"] == "-" else int(written)


def format_decimal(value: Fraction | Decimal | int) -> str:
    """Write an exact quantity or cost for people: at most 10 decimals, at least 2.

    The eleventh decimal is rounded half away from zero; zeros beyond the second are dropped:
    "20.00", "0.50", "0.0555555556".
    """
    return format_ratio(*value.as_integer_ratio())


def format_ratio(numerator: int, denominator: int) -> str:
    """Write ``numerator / denominator`` as :func:`format_decimal` does."""
    scaled = round_ratio(numerator * _SHOWN_SCALE, denominator)
    whole, part = divmod(abs(scaled), _SHOWN_SCALE)
    digits = f"{part:0{_DECIMALS_MOST}}".rstrip("0")
    sign = "-" if scaled < 0 else ""
    return f"{sign}{whole}.{digits:0<{_DECIMALS_LEAST}}"


def allocate(amount: int, weights: Sequence[int]) -> list[int]:
    """Split ``amount`` minor units in proportion to ``weights``; the shares sum to the amount.

    Largest remainder: each share is first cut down to a whole unit, then the units left over go
    one each to the largest cut-off parts, the first of equals. A weight of zero gets nothing. A
    negative amount gives the mirrored split. Weights that are negative or all zero are a
    ``ValueError``.
    """
    total = sum(weights)
    if not total or min(weights) < 0:
        msg = "an amount can be split only by weights that are not negative and not all zero"
        raise ValueError(msg)
    sign = -1 if amount < 0 else 1
    shares, cut_off = [], []
    for weight in weights:
        share, rest = divmod(abs(amount) * weight, total)
        shares.append(share)
        cut_off.append(rest)
    left_over = abs(amount) - sum(shares)
    # A stable sort keeps equals in their order, so ties go to the first.
    for position in sorted(range(len(shares)), key=lambda at: -cut_off[at])[:left_over]:
        shares[position] += 1
    return [sign * share for share in shares]
