"""Is a text a plausible cron schedule of five fields? Checked only; running it is cron's work."""

from __future__ import annotations

import re

from billing_cli.pricing.excerpts import quoted

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NO_NAMES: dict[str, int] = {}

# The name of each field, its least and greatest number, and the names it also takes.
_FIELDS = (
    ("minute", 0, 59, _NO_NAMES),
    ("hour", 0, 23, _NO_NAMES),
    ("day of month", 1, 31, _NO_NAMES),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
_PART = re.compile(
    r"(?:\*|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?", re.ASCII
)


def cron_problem(text: str) -> str | None:
    """Say what is wrong with a schedule such as ``0 * * * *``; ``None`` when it is plausible.

    The five fields are those of crontab(5): lists, ranges, steps, and the English
    three-letter names of months and days of the week.
    """
    parts = text.split()
    if len(parts) != len(_FIELDS):
        return f'must be a cron schedule of five fields such as "0 * * * *", not {quoted(text)}'
    for part, (name, least, greatest, names) in zip(parts, _FIELDS, strict=True):
        if not all(_fits(item, least, greatest, names) for item in part.lower().split(",")):
            return (
                f"is not a cron schedule: {quoted(part)} is no {name},"
                f" which goes from {least} to {greatest}"
            )
    return None


def _fits(item: str, least: int, greatest: int, names: dict[str, int]) -> bool:
    match = _PART.fullmatch(item)
    if match is None:
        return False
    first, last, step = match.groups()
    if step is not None and not 1 <= int(step) <= greatest:
        return False
    numbers = [_number(word, names) for word in (first, last) if word is not None]
    return numbers == sorted(numbers) and all(least <= number <= greatest for number in numbers)


def _number(word: str, names: dict[str, int]) -> int:
    """Return the number a word stands for, or -1, which is in no field."""
    return int(word) if word.isdigit() else names.get(word, -1)
