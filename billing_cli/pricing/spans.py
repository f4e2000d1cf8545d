"""Half-open spans of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    Span = tuple[int, int]


def without(span: Span, taken: Iterable[Span]) -> list[Span]:
    """Return what is left of ``[start, end)`` when other spans are taken out of it."""
    left = []
    start, end = span
    for low, high in sorted(taken):
        if high <= start or low >= end:
            continue
        if low > start:
            left.append((start, low))
        start = max(start, high)
    if start < end:
        left.append((start, end))
    return left
