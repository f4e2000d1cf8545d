"""The numbers of invoices and credit notes: how they are made, and how they are known again."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import tzinfo

_SHAPE: Final = re.compile(r".+-\d{4}-\d{6,}", re.ASCII)


def series_at(prefix: str, now: int, zone: tzinfo) -> str:
    """Return the number series of an instant: a prefix, and the local year."""
    return f"{prefix}-{datetime.fromtimestamp(now, zone).year}"


def number_in(series: str, count: int) -> str:
    """Return the number of a series that is given out as its ``count``-th, from 1."""
    return f"{series}-{count:06d}"


def is_number(text: str) -> bool:
    """Tell whether a text looks like a number from here, whatever prefix was set at the time."""
    return _SHAPE.fullmatch(text) is not None
