"""Sizes and quantities: Kubernetes text to whole base units, and base units to what is shown.

Sizes are integers: millicores of cpu, MiB of memory and storage. What accrues is held in those
times seconds, and becomes core-hours, gb-hours and gb-months only to be priced or shown.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from billing_cli.pricing.excerpts import quoted

UNITS: Final[dict[str, str]] = {"cpu": "core-hours", "memory": "gb-hours", "storage": "gb-months"}

_MILLICORES_PER_CORE: Final = 1000
_MIB: Final = 2**20
_MIB_PER_GB: Final = 1024
_SECONDS_PER_HOUR: Final = 3600
_BASE_PER_HOUR: Final = {
    "cpu": _MILLICORES_PER_CORE * _SECONDS_PER_HOUR,
    "memory": _MIB_PER_GB * _SECONDS_PER_HOUR,
}

MOST_MILLICORES: Final = 1_000_000 * _MILLICORES_PER_CORE
MOST_MIB: Final = 2**30  # 1 PiB

_LONGEST_TEXT: Final = 100
# A mantissa has at most 100 digits, so beyond these powers of ten only the sign matters, and
# nobody can make us work out 10 ** 999999999.
_EXPONENT_BOUND: Final = 300

_SUFFIXES: Final[dict[str, Fraction]] = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    "": Fraction(1),
    **{unit: Fraction(1000**power) for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Fraction(1024**power) for power, unit in enumerate("KMGTPE", 1)},
}
_QUANTITY: Final = re.compile(
    r"(?P<sign>[+-]?)(?=\.?[0-9])(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?"
    r"(?:[eE](?P<exponent>[+-]?[0-9]+)|(?P<suffix>[A-Za-z]*))"
)


def parse_cpu(text: str) -> int:
    """Return the millicores that a Kubernetes quantity of cores means, rounded up to one.

    ``"2"`` is 2000 and ``"500m"`` is 500. Raises ValueError with a one-line reason for what is
    not a quantity, negative, or more than 1,000,000 cores.
    """
    millicores = _ceiling(_parse(text) * _MILLICORES_PER_CORE)
    if millicores > MOST_MILLICORES:
        msg = f"{quoted(text)} is more than 1,000,000 cores"
        raise ValueError(msg)
    return millicores


def parse_memory(text: str) -> int:
    """Return the MiB that a Kubernetes quantity of bytes means, rounded up to one.

    For memory and storage alike: ``"2Gi"`` is 2048, ``"2G"`` 1908. Raises ValueError with a
    one-line reason for what is not a quantity, negative, or more than 1 PiB.
    """
    mib = _ceiling(_parse(text) / _MIB)
    if mib > MOST_MIB:
        msg = f"{quoted(text)} is more than 1 PiB"
        raise ValueError(msg)
    return mib


def exact_quantity(resource: str, base: int, month_seconds: int) -> Fraction:
    """Return ``base`` unit-seconds of ``resource`` in the unit of ``UNITS``, exactly.

    ``base`` is millicore-seconds for cpu and MiB-seconds for memory and storage.
    ``month_seconds``, the length of the calendar month in which it accrued, counts for storage
    only. Raises KeyError for any other resource.
    """
    return Fraction(base, base_per_unit(resource, month_seconds))


def base_per_unit(resource: str, month_seconds: int) -> int:
    """Return how many base units make one unit of ``UNITS``; see :func:`exact_quantity`."""
    if resource == "storage":
        return _MIB_PER_GB * month_seconds
    return _BASE_PER_HOUR[resource]


def _parse(text: str) -> Fraction:
    """Return the value of a Kubernetes quantity, zero or more.

    The grammar is that of apimachinery's ``resource.Quantity``: a decimal number, then a
    binary suffix (``Ki``), a decimal one (``m``, ``k``, ``M``) or an exponent (``e3``); ``1E``
    is an exa, ``1E3`` a thousand.
    """
    match = None if len(text) > _LONGEST_TEXT else _QUANTITY.fullmatch(text)
    if match is None:
        msg = f"{quoted(text)} is not a quantity such as 2, 500m or 4Gi"
        raise ValueError(msg)
    scale = _SUFFIXES.get(match["suffix"] or "")
    if scale is None:
        known = ", ".join(filter(None, _SUFFIXES))
        msg = f"{quoted(text)} has an unknown unit {match['suffix']}: Kubernetes knows {known}"
        raise ValueError(msg)
    fraction = match["fraction"] or ""
    mantissa = int(match["whole"] + fraction)
    if not mantissa:
        return Fraction(0)
    if match["sign"] == "-":
        msg = f"{quoted(text)} is negative"
        raise ValueError(msg)
    exponent = max(-_EXPONENT_BOUND, min(int(match["exponent"] or 0), _EXPONENT_BOUND))
    return mantissa * scale * Fraction(10) ** (exponent - len(fraction))


def _ceiling(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)
