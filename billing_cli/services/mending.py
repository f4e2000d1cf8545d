"""Rejections of earlier runs that a line of the same file has made out of date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from billing_cli.gateway.event_lines import FileProblem, Line
from billing_cli.store import rejected

if TYPE_CHECKING:
    from collections.abc import Collection

    from billing_cli.gateway.event_lines import Found
    from billing_cli.store.unit_of_work import Transaction

# A time that is put right is 20 bytes. Two events of one session differ in more, mostly.
_MENDED_BYTES: Final = 24
_BETWEEN: Final = b" \t\r\n,"


class Earlier:
    """What earlier runs rejected of a file, and which of it the lines read now make good.

    False if there is nothing: then no line needs to be looked at. Another file may have the name
    by now, so a line has to be like the kept one for that to be forgotten.
    """

    def __init__(self, tx: Transaction, file: str) -> None:
        """Look up what is kept."""
        self._file = file
        self._last = rejected.last_id(tx, file)
        self._unfinished = rejected.partial_lines(tx, file)
        self._outgrown: list[int] = []
        self._read: dict[int, list[Line]] = {}
        self._bad = 0  # the last line that this run has rejected something of

    def __bool__(self) -> bool:
        return self._last is not None

    def take_up(self, found: Found) -> None:
        """Note what ``found`` may have become of what was kept."""
        if isinstance(found, FileProblem):
            text, complete = found.raw, False
        else:
            text, complete = found.written, found.complete
        # What was kept may have begun in any line of it.
        for line in range(found.number, found.number + text.count(b"\n") + 1):
            for number, kept in self._unfinished.get(line, ()):
                now = text.split(b"\n", line - found.number)[-1]
                if (complete or now != kept) and now.lstrip().startswith(kept.strip()):
                    self._outgrown.append(number)
            if isinstance(found, Line):
                self._read.setdefault(line, []).append(found)

    def forget(self, tx: Transaction, bad: Collection[int]) -> None:
        """Delete what the lines taken up since the last time made good; ``bad`` are those not good.

        Of a line that holds several events it cannot be told which one was kept.
        """
        bad = {self._bad, *bad}
        self._bad = max(bad)
        good = {
            line: found[0]
            for line, found in self._read.items()
            if len(found) == 1 and line not in bad and found[0].number not in bad
        }
        mended = [
            number
            for number, line, kept in rejected.of_lines(tx, self._file, list(good), self._last or 0)
            if _is_mended(kept, good[line], line)
        ]
        rejected.delete(tx, [*self._outgrown, *mended])
        self._outgrown, self._read = [], {}


def _is_mended(kept: bytes, found: Line, line: int) -> bool:
    """Tell whether ``found``, read from ``line`` on, is what was kept but for one short place."""
    lines = kept.count(b"\n") + 1
    # A CSV row is kept as it is written or, if it has the right width, as the object it makes.
    for text in filter(None, (found.raw, found.row)):
        now = b"\n".join(text.split(b"\n")[line - found.number :][:lines]).strip(_BETWEEN)
        before = kept.strip(_BETWEEN)
        start = _same(before, now)
        end = _same(before[start:][::-1], now[start:][::-1])
        changed = len(before) - start - end
        if changed <= _MENDED_BYTES and 2 * changed <= len(before):
            return True
    return False


def _same(one: bytes, other: bytes) -> int:
    """Return how many bytes both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
