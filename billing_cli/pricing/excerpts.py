"""How a text from outside is quoted or repeated: short, on one line, and harmless in a terminal."""

from __future__ import annotations

_LONGEST = 60


def quoted(text: str, longest: int = _LONGEST) -> str:
    """Return ``text`` in quotes, cut to ``longest`` characters, control characters escaped."""
    if len(text) <= longest:
        return repr(text)
    return f"{text[:longest]!r}... ({len(text):,} characters)"


def on_one_line(text: str, longest: int) -> str:
    """Return a text without line breaks and other control characters, cut to so many characters."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(plain.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
