"""How a reason quotes the value it speaks of: short, on one line, and harmless in a terminal."""

from __future__ import annotations

_LONGEST = 60


def quoted(text: str, longest: int = _LONGEST) -> str:
    """Return ``text`` in quotes, cut to ``longest`` characters, control characters escaped."""
    if len(text) <= longest:
        return repr(text)
    return f"{text[:longest]!r}... ({len(text):,} characters)"
