"""Limits of a user's own, as they are said: a number, ``none`` for no limit, or ``plan``."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.money import parse_amount
from billing_cli.pricing.plans import base_limit
from billing_cli.pricing.quotas import LIMIT, NONE, PLAN, SPEND

_NUMBER: Final = re.compile(r"[0-9]{1,10}(\.[0-9]{1,12})?", re.ASCII)
# As much as a plan may include, in cores and GB.
_MOST: Final = {"cpu": 1_000_000, "memory": 1_048_576, "storage": 1_048_576}


def read_limit(resource: str, text: str, currency: str) -> tuple[str, int | None]:
    """Return ``(choice, amount)`` of a limit: millicores, MiB, or for spend minor units.

    A fraction of a millicore or MiB is rounded up to one. The amount is None unless the choice is
    ``limit``. Raises ValueError with a one-line reason.
    """
    if text in {NONE, PLAN}:
        return text, None
    if resource == SPEND:
        return LIMIT, _spend(text, currency)
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{quoted(text)} is neither a number such as 8, nor none, nor plan")
    if Decimal(text) > _MOST[resource]:
        raise ValueError(f"at most {_MOST[resource]:,} is taken, not {text}")
    return LIMIT, base_limit(resource, text)


def _spend(text: str, currency: str) -> int:
    if not text[:1].isdigit():
        raise ValueError(f"{quoted(text)} is neither an amount such as 50.00, nor none, nor plan")
    return parse_amount(text, currency)
