"""Lines of an input, and what can be wrong with one or with the whole, as values."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from billing_cli.gateway.event_bytes import BrokenInputError, ProblemKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST_LINE_BYTES: Final = 16 * 2**20
KEPT_BYTES: Final = 64 * 2**10

_decode_anything: Final = msgspec.json.Decoder(msgspec.Raw).decode
_new: Final = tuple.__new__


class Line(NamedTuple):
    """One JSON text, to be read as an event.

    ``number`` is the line it starts at, from 1. ``complete`` is False for the end of an input
    that breaks off in the middle of it: the file may still be being written. ``row`` is the CSV
    row that ``raw`` was made from, None where ``raw`` itself is what the file holds.
    """

    number: int
    raw: bytes
    complete: bool
    row: bytes | None = None

    @property
    def written(self) -> bytes:
        """What the file holds, without the line end."""
        return self.raw if self.row is None else self.row


class BadLine(NamedTuple):
    """A line that cannot become an event, why, and what is kept of it (at most 64 KiB).

    ``complete`` is as for :class:`Line`. ``header`` is that of a whole CSV row, empty where there
    is none; None if ``raw`` is no row, or only a part of one.
    """

    number: int
    raw: bytes
    reason: str
    complete: bool = True
    header: bytes | None = None

    @property
    def written(self) -> bytes:
        """What the file holds, or its beginning."""
        return self.raw


class FileProblem(NamedTuple):
    """Why an input was not read, or not beyond the line ``number`` (0: not at all).

    ``raw`` is what was read of that line, at most 64 KiB; nothing if the line was read whole.
    """

    number: int
    kind: ProblemKind
    reason: str
    raw: bytes = b""


Found: TypeAlias = Line | BadLine | FileProblem


def is_json(raw: bytes) -> bool:
    """Tell whether ``raw`` is one whole JSON value."""
    try:
        _decode_anything(raw)
    except (ValueError, RecursionError):
        return False
    return True


def overlong(number: int, head: bytes, what: str = "it") -> BadLine:
    """Return the problem of a line of more than 16 MiB, of which ``head`` is the beginning."""
    reason = (
        f"{what} is longer than {LONGEST_LINE_BYTES // 2**20} MiB; "
        f"only its first {KEPT_BYTES // 2**10} KiB are kept"
    )
    return BadLine(number, head[:KEPT_BYTES], reason)


def split_lines(chunks: Iterable[bytes], *, rows: bool = False) -> Iterator[Found]:
    """Yield the lines of ``chunks`` without their ends; blank ones are counted, not yielded.

    ``rows`` is for CSV: blank lines may be part of a row and are yielded too, and a last line
    without an end is never complete, for it cannot prove to be as JSON does. However long a
    line is, not much more than 16 MiB is held.
    """
    number = 0
    carry = _Carry()
    failure: BrokenInputError | None = None
    try:
        for chunk in chunks:
            lines = chunk.split(b"\n")
            last = lines.pop()
            if lines:
                number += 1
                carry.add(lines[0])
                yield from carry.take(number, blank=rows)
            # The one loop that nearly every line passes.
            for raw in islice(lines, 1, None):
                number += 1
                if rows or (raw and not raw.isspace()):
                    yield _new(Line, (number, raw, True, None))
            carry.add(last)
    except BrokenInputError as error:
        failure = error
    yield from _end(number + 1, carry, failure, rows=rows)


class _Carry:
    """The part of a line that earlier chunks held, or its beginning if that is too long."""

    def __init__(self) -> None:
        self.held = bytearray()
        self.too_long = False

    def add(self, piece: bytes) -> None:
        """Go on with the line."""
        if self.too_long:
            return
        self.held += piece
        if len(self.held) > LONGEST_LINE_BYTES:
            self.too_long = True
            del self.held[KEPT_BYTES:]

    def take(self, number: int, *, blank: bool) -> Iterator[Found]:
        """Yield the line, now that its end is reached, and start with the next."""
        raw, too_long = bytes(self.held), self.too_long
        self.held, self.too_long = bytearray(), False
        if too_long:
            yield overlong(number, raw)
        elif blank or (raw and not raw.isspace()):
            yield Line(number, raw, complete=True)


def _end(
    number: int, carry: _Carry, failure: BrokenInputError | None, *, rows: bool
) -> Iterator[Found]:
    """Yield the last line, which has no line end, and what stopped the reading."""
    raw = b"" if carry.held.isspace() else bytes(carry.held)
    if carry.too_long:
        yield overlong(number, raw)
        raw = b""
    elif raw:
        complete = not rows and is_json(raw)
        if complete or failure is None:
            yield Line(number, raw, complete)
            raw = b""
    if failure is not None:
        reached = number if carry.held else number - 1
        yield FileProblem(reached, failure.kind, failure.reason, raw[:KEPT_BYTES])
