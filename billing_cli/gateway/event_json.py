"""JSON that is not one object a line: arrays, and objects one after another, at any layout."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from billing_cli.gateway.event_bytes import BrokenInputError, ProblemKind
from billing_cli.gateway.event_lines import (
    KEPT_BYTES,
    LONGEST_LINE_BYTES,
    BadLine,
    FileProblem,
    Found,
    Line,
    is_json,
    overlong,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A text up to its end, and what is neither a text nor a bracket. From these: all up to the next
# bracket outside a text, or to a text that is broken by the end of its line.
_TEXT: Final = rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+'
_PLAIN: Final = rb'[^"{}\[\]]*+'
_OUTSIDE: Final = _PLAIN + rb"(?:" + _TEXT + rb'"' + _PLAIN + rb")*+"
# Inside an element whole objects of up to two levels are passed at once: twice as fast.
_FLAT: Final = _PLAIN + rb"(?:(?:" + _TEXT + rb'"|\{' + _OUTSIDE + rb"\})" + _PLAIN + rb")*+"
_INSIDE: Final = _PLAIN + rb"(?:(?:" + _TEXT + rb'"|\{' + _FLAT + rb"\})" + _PLAIN + rb")*+"
_STOP: Final = rb"([{}\[\]]|" + _TEXT + rb"\n)"
_NEXT_OUTSIDE: Final = re.compile(_OUTSIDE + _STOP, re.DOTALL)
_NEXT_INSIDE: Final = re.compile(_INSIDE + _STOP, re.DOTALL)
_OPEN_TEXT: Final = re.compile(_INSIDE + rb"(?:(" + _TEXT + rb")(\\?))?", re.DOTALL)
_OPENING: Final = (b"{", b"[")
_BETWEEN: Final = b" \t\r\n,"


def split_json(chunks: Iterable[bytes]) -> Iterator[Found]:
    """Yield each element of the arrays in ``chunks``, and each object outside of any.

    Elements are told apart by their brackets alone: one that is wrong inside is yielded like
    the others, and so is whatever stands between them. A text must end in its line; where one
    does not, its element is cut off, so that a lost quote costs no more than that element.
    Not much more than 16 MiB is held, however long an element is.
    """
    splitter = _Splitter()
    try:
        for chunk in chunks:
            yield from splitter.feed(chunk)
    except BrokenInputError as error:
        number, content = splitter.unfinished()
        yield FileProblem(number, error.kind, error.reason, content[:KEPT_BYTES])
        return
    yield from splitter.end()
    if splitter.array_line is not None:
        reason = (
            f"the array that starts in line {splitter.array_line} is not closed: "
            "it is cut off, or still being written"
        )
        yield FileProblem(splitter.number, ProblemKind.TRUNCATED, reason)


class _Splitter:
    """What is not yet yielded of the input, and how deep in brackets its end is."""

    def __init__(self) -> None:
        self.number = 1  # the line in which ``rest`` starts
        self.rest = b""
        self.started = False
        self.array_line: int | None = None
        self._scanned = 0  # how much of ``rest`` the depth accounts for
        self._depth = 0  # inside an element; an array around the elements does not count
        self._skipping: BadLine | None = None  # what is too long to be held

    def feed(self, chunk: bytes) -> Iterator[Found]:
        """Yield what ends in ``chunk``."""
        self.started = True
        buffer = self.rest + chunk
        start, position = 0, self._scanned
        while match := (_NEXT_INSIDE if self._depth else _NEXT_OUTSIDE).match(buffer, position):
            position = match.end()
            token = match[1]
            if token.startswith(b'"'):  # broken by the end of its line
                self._depth = 0
            elif self._depth > 0:
                self._depth += 1 if token in _OPENING else -1
            else:
                # First what stands before the bracket, mostly a comma.
                yield from self._flush(buffer[start : position - 1])
                start = position - 1
                if self._is_around_elements(token):
                    start = position
                    continue
                self._depth = 1 if token in _OPENING else 0
            if self._depth == 0:
                yield from self._flush(buffer[start:position])
                start = position
        self._hold(buffer[start:], position - start)

    def unfinished(self) -> tuple[int, bytes]:
        """Return what there is of an element that has not ended, and the line reached (or 0)."""
        if not self.started:
            return 0, b""
        content = self.rest.strip(_BETWEEN)
        return self._line_of(content, self.rest), content

    def end(self) -> Iterator[Found]:
        """Yield what is left when the input ends."""
        for found in self._flush(self.rest):
            yield found._replace(complete=is_json(found.raw)) if isinstance(found, Line) else found

    def _is_around_elements(self, bracket: bytes) -> bool:
        """Tell whether ``bracket`` opens or closes the array around the elements."""
        if bracket == b"[" and self.array_line is None:
            self.array_line = self.number
            return True
        if bracket == b"]" and self.array_line is not None:
            self.array_line = None
            return True
        return False

    def _flush(self, raw: bytes) -> Iterator[Found]:
        """Yield ``raw``, if it is more than what separates elements, and count its lines."""
        content = raw.strip(_BETWEEN)
        if self._skipping is not None:
            yield self._skipping
            self._skipping = None
        elif content:
            yield Line(self._line_of(content, raw), content, complete=True)
        self.number += raw.count(b"\n")

    def _line_of(self, content: bytes, raw: bytes) -> int:
        """Return the line in which ``content`` starts, a part of the next text ``raw``."""
        return self.number + raw.count(b"\n", 0, raw.index(content))

    def _hold(self, rest: bytes, scanned: int) -> None:
        """Keep ``rest`` for the next chunk; of what is too long only what brackets depend on."""
        self.rest, self._scanned = rest, scanned
        if self._skipping is None:
            if len(rest) <= LONGEST_LINE_BYTES:
                return
            self._skipping = overlong(self.number, rest, "the element that starts here")
        self.number += rest.count(b"\n")
        open_text = _OPEN_TEXT.match(rest, scanned)
        self.rest, self._scanned = b"", 0
        if open_text is not None and open_text[1]:
            self.rest = b'"' + open_text[2]
