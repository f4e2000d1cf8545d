"""How a payment is split over invoices, and how a transfer names them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LARGEST: Final = 10**15
"""The most minor units that come in or are granted at once: thousands of them add up in 64 bits."""


class Share(NamedTuple):
    """How much of something, in minor units, goes to one invoice or comes from one payment."""

    id: int
    amount: int


def fill(amount: int, room: Iterable[tuple[int, int]]) -> tuple[list[Share], int]:
    """Give ``amount`` to the first that has room, then to the next; return what is left, too.

    ``room`` is pairs of an id and how much it can take, in minor units. Ids that get nothing
    are left out. A payment goes to invoices this way: in the order in which they are named, or
    oldest due first.
    """
    shares = []
    for number, most in room:
        share = min(amount, most)
        if share > 0:
            shares.append(Share(number, share))
            amount -= share
    return shares, amount


def numbers_in(text: str, series: Sequence[str]) -> list[str]:
    """Return the invoice numbers that a transfer's text names, in the order it names them.

    ``series`` are the beginnings of the numbers there are, such as ``INV-2025``. Upper and lower
    case are the same, and hyphens may be missing or be spaces: people type numbers, and banks
    reformat them. A number with more digits, or with fewer, than were given out is not guessed.
    """
    if not series:
        return []
    # The longest first: one series may begin like another.
    names = sorted(series, key=lambda name: (-len(name), name))
    patterns = [_SEPARATORS.join(map(re.escape, name.split("-"))) for name in names]
    found = re.finditer(
        rf"({'|'.join(f'(?:{pattern})' for pattern in patterns)}){_SEPARATORS}([0-9]+)",
        text,
        re.IGNORECASE | re.ASCII,
    )
    by_letters = {_letters(name): name for name in reversed(names)}
    return list(dict.fromkeys(f"{by_letters[_letters(m[1])]}-{m[2]}" for m in found))


_SEPARATORS = r"[\s._/-]*"


def _letters(text: str) -> str:
    return re.sub(_SEPARATORS, "", text).upper()
