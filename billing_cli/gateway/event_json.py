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
_TEXT: Final = rb'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+'
_PLAIN: Final = rb'[^"{}\[\]]*+'
_OUTSIDE: Final = _PLAIN + rb"(?:" + _TEXT + rb'"' + _PLAIN + rb")*+"
# Inside an element whole objects of up to two levels are passed at once: twice as fast. Behind
# anything but a colon an object has no place, or is one of a list: those are looked at.
_VALUE: Final = rb"\{(?:(?<=:\{)|(?<=: \{))"
_FLAT: Final = _PLAIN + rb"(?:(?:" + _TEXT + rb'"|' + _VALUE + _OUTSIDE + rb"\})" + _PLAIN + rb")*+"
_INSIDE: Final = _PLAIN + rb"(?:(?:" + _TEXT + rb'"|' + _VALUE + _FLAT + rb"\})" + _PLAIN + rb")*+"
_STOP: Final = rb"([{}\[\]]|" + _TEXT + rb"\\?\n)"
_NEXT_OUTSIDE: Final = re.compile(_OUTSIDE + _STOP)
_NEXT_INSIDE: Final = re.compile(_INSIDE + _STOP)
_OPEN_TEXT: Final = re.compile(_INSIDE + rb"(?:(" + _TEXT + rb")(\\?))?")
_OPENING: Final = (b"{", b"[")
_OPENED_BY: Final = {b"}": b"{", b"]": b"["}
_SPACE: Final = b" \t\r\n"
_BETWEEN: Final = _SPACE + b","
_AFTER_LIST: Final = re.compile(rb"([ \t\r\n]*+)(,?)[ \t\r\n]*+(.?)", re.DOTALL)
# A line that begins as elements do, at most so deep; and what of one may be there so far.
_LINE_START: Final = rb"\n([ \t]{0,%d})(?:,[ \t]*+)?\{"
_ANY_LINE_START: Final = re.compile(rb"\n([ \t]*+)(?:,[ \t]*+)?\{")
_BLANK_LINE: Final = re.compile(rb"\n[ \t,]*+\Z")
_LAST_LINE: Final = re.compile(rb"\n([ \t]*+)\][ \t\r\n]*+\Z")


def split_json(chunks: Iterable[bytes]) -> Iterator[Found]:
    """Yield each element of the arrays in ``chunks``, and each object outside of any.

    Elements are told apart by their brackets: one that is wrong inside is yielded like the
    others, and so is whatever stands between them. A lost bracket or quote costs no more than
    its element where elements have lines of their own: a text must end in its line, an object
    cannot begin where no value can, and what brackets do not end, ends where a line begins as
    elements do. Not much more than 16 MiB is held, however long an element is.
    """
    splitter = _Splitter()
    try:
        for chunk in chunks:
            yield from splitter.feed(chunk)
    except BrokenInputError as error:
        yield from splitter.feed(b"", last=True)
        number, content = splitter.unfinished()
        yield FileProblem(number, error.kind, error.reason, content[:KEPT_BYTES])
        return
    yield from splitter.feed(b"", last=True)
    yield from splitter.end()
    if splitter.array_line is not None:
        reason = (
            f"the array that starts in line {splitter.array_line} is not closed: "
            "it is cut off, or still being written"
        )
        yield FileProblem(splitter.number, ProblemKind.TRUNCATED, reason)


class _Brackets:
    """The brackets that are open inside an element, and whether all fitted so far."""

    def __init__(self) -> None:
        self.fit = True
        self._open = bytearray()
        self.lists = 0  # how many of them are lists: none is searched for where none is

    def __bool__(self) -> bool:
        return bool(self._open)

    @property
    def last(self) -> bytes:
        """The bracket opened last, empty if there is none."""
        return bytes(self._open[-1:])

    def open(self, bracket: bytes) -> None:
        """Go one deeper."""
        if not self._open:
            self.fit = True
        self._open += bracket
        self.lists += bracket == b"["

    def close(self, bracket: bytes) -> None:
        """Close what ``bracket`` ends and all that was opened in it; without that, nothing.

        Only an object may be without a list to close: a list without an object ends itself.
        """
        opening = _OPENED_BY[bracket]
        self.fit = self.fit and self.last == opening
        if opening == b"[" and not self.lists:
            return
        place = max(self._open.rfind(opening), 0)
        self.lists -= self._open.count(b"[", place)
        del self._open[place:]

    def break_off(self) -> None:
        """Close all of them: the element is cut off here."""
        self.fit = False
        self._open.clear()
        self.lists = 0


class _Splitter:
    """What is not yet yielded of the input, and the brackets that are open at its end.

    An element that swallowed others, for want of a bracket, is taken apart at the first line
    that begins as elements do; from then on each such line begins one, so that nothing is read
    more than twice.
    """

    def __init__(self) -> None:
        self.number = 1  # the line in which what is not yet yielded starts
        self.array_line: int | None = None
        self._started = False
        self._rest = b""
        self._start = 0  # of what is not yet yielded of ``_rest``
        self._position = 0  # up to which ``_brackets`` are counted
        self._before = 0  # the position one bracket earlier
        self._limit = -1  # where the next line begins as elements do, if that is looked for
        self._last = False  # whether all of the input is there
        self._column = 0  # in which ``_rest`` starts
        self._brackets = _Brackets()  # inside an element; an array around them does not count
        self._line_start: re.Pattern[bytes] | None = None  # of an element, once one was broken
        self._skipping: BadLine | None = None  # what is too long to be held

    def feed(self, chunk: bytes, *, last: bool = False) -> Iterator[Found]:
        """Yield what ends in ``chunk``; at the ``last`` one also what an open element swallowed."""
        self._started = self._started or bool(chunk)
        self._rest += chunk
        self._last = last
        self._limit = -1
        swallowed = True
        while swallowed:
            while token := self._next():
                if not self._brackets:
                    yield from self._between(token)
                elif self._ends_element(token):
                    if not self._brackets.fit:
                        self._go_back()
                    yield from self._flush(self._position)
            too_long = len(self._rest) - self._start > LONGEST_LINE_BYTES
            swallowed = bool(self._brackets) and (
                ((last or too_long) and self._go_back()) or (last and self._go_back_to_array_end())
            )
            if swallowed:
                yield from self._flush(self._position)
        self._hold()

    def unfinished(self) -> tuple[int, bytes]:
        """Return what there is of an element that has not ended, and the line reached (or 0)."""
        if not self._started:
            return 0, b""
        content = self._rest.strip(_BETWEEN)
        return self._line_of(content, self._rest), content

    def end(self) -> Iterator[Found]:
        """Yield what is left when the input ends."""
        for found in self._flush(len(self._rest)):
            yield found._replace(complete=is_json(found.raw)) if isinstance(found, Line) else found

    def _next(self) -> bytes:
        """Go behind the next bracket, or text broken by the end of its line, and return it.

        A line end stands for the beginning of a line that begins as elements do. Nothing is
        returned at the end, and for a ``]`` whose meaning depends on what is still to come.
        """
        if not self._brackets:
            match = _NEXT_OUTSIDE.match(self._rest, self._position)
        else:
            match = _NEXT_INSIDE.match(self._rest, self._position, self._next_element())
            if match is None and self._limit < len(self._rest):
                self._position = self._limit
                return b"\n"
        if match is None or (match[1] == b"]" and self._is_undecided(match.end())):
            return b""
        self._before, self._position = self._position, match.end()
        return match[1]

    def _next_element(self) -> int:
        """Return where the next line begins as elements do, as far as there is one to go by."""
        if self._limit < self._position:
            self._limit = len(self._rest)
            if self._line_start and (found := self._line_start.search(self._rest, self._position)):
                self._limit = found.end() - 1
        return self._limit

    def _is_undecided(self, position: int) -> bool:
        """Tell whether more has to be read to know what the ``]`` before ``position`` ends."""
        if self._brackets.lists or self._last or self._skipping or self.array_line is None:
            return False
        if len(self._rest) - self._start > LONGEST_LINE_BYTES:
            return False
        after = _AFTER_LIST.match(self._rest, position)
        return after is not None and not after[3]

    def _between(self, token: bytes) -> Iterator[Found]:
        """Yield what stands before ``token`` (mostly a comma), and what ends with it."""
        if token.endswith(b"\n"):
            yield from self._flush(self._position)
            return
        yield from self._flush(self._position - 1)
        if token == b"[" and self.array_line is None:
            self.array_line = self.number
            self._start = self._position
        elif token == b"]" and self._ends_array():
            self.array_line = None
            self._start = self._position
        elif token in _OPENING:
            self._brackets.open(token)
        else:
            yield from self._flush(self._position)

    def _ends_element(self, token: bytes) -> bool:
        """Count ``token``, which is inside an element, and tell whether the element ends there."""
        if (token == b"{" and self._begins_element()) or (
            token == b"]" and not self._brackets.lists and self._ends_array()
        ):
            self._position -= 1
            self._brackets.break_off()
        elif token.endswith(b"\n"):
            self._brackets.break_off()
        elif token in _OPENING:
            self._brackets.open(token)
        else:
            self._brackets.close(token)
        return not self._brackets

    def _ends_array(self) -> bool:
        """Tell whether the ``]`` before the position, which ends no list, ends the array.

        It does not if an element goes on behind it, which has lost another bracket then.
        """
        after = _AFTER_LIST.match(self._rest, self._position)
        if self.array_line is None or after is None:
            return False
        space, comma, following = after.groups()
        own_line = not comma and b"\n" in space and following not in _OPENED_BY
        return following in {b"", *_OPENING} or own_line

    def _begins_element(self) -> bool:
        """Tell whether the ``{`` before the position has no place in the element it is in.

        Where a value can be it is one. Elsewhere a comma before it, or a line end, tells that
        the element before lacks its end.
        """
        gap = self._rest[max(self._before - 1, 0) : self._position - 1]
        text = gap.rstrip(_SPACE)
        on_new_line = b"\n" in gap[len(text) :]
        if self._brackets.last == b"{":
            return text.endswith(b",") or (on_new_line and not text.endswith(b":"))
        return on_new_line and not text.endswith((b",", b"["))

    def _go_back(self) -> bool:
        """Go back to the first line that begins as elements do, if the open one swallowed it.

        That is not deeper than the open one begins. It is done once: from then on the
        beginning of such a line ends what is open.
        """
        if self._line_start is not None:
            return False
        if self._rest.find(b"\n", self._start, self._position) < 0:
            return False
        deepest = self._column_of_start()
        for found in _ANY_LINE_START.finditer(self._rest, self._start, self._position):
            if len(found[1]) <= deepest:
                self._line_start = re.compile(_LINE_START % len(found[1]))
                self._limit = -1
                self._position = found.end() - 1
                self._brackets.break_off()
                return True
        return False

    def _go_back_to_array_end(self) -> bool:
        """Go back to a last line that is ``]`` alone, if it ended a list of an open element."""
        found = _LAST_LINE.search(self._rest, self._start)
        if self.array_line is None or found is None or len(found[1]) > self._column_of_start():
            return False
        self._position = found.end(1)
        self._brackets.break_off()
        return True

    def _column_of_start(self) -> int:
        """Return how many bytes of its line are before what is not yet yielded."""
        line_end = self._rest.rfind(b"\n", 0, self._start)
        return self._start - line_end - 1 if line_end >= 0 else self._column + self._start

    def _flush(self, end: int) -> Iterator[Found]:
        """Yield what there is up to ``end``, if it is more than what separates elements."""
        raw = self._rest[self._start : end]
        self._start = end
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

    def _hold(self) -> None:
        """Keep the rest for the next chunk; of what is too long only what brackets depend on."""
        self._column = self._column_of_start()
        self._rest = rest = self._rest[self._start :]
        self._position -= self._start
        self._start = 0
        if self._skipping is None:
            if len(rest) <= LONGEST_LINE_BYTES:
                return
            self._skipping = overlong(self.number, rest, "the element that starts here")
            if self._brackets and self._line_start is None:
                self._line_start = re.compile(_LINE_START % self._column)
        open_text = _OPEN_TEXT.match(rest, self._position)
        line_start = _BLANK_LINE.search(rest, max(len(rest) - KEPT_BYTES, 0))
        self._rest = line_start[0] if line_start else b""
        if open_text is not None and open_text[1]:
            self._rest = b'"' + open_text[2]
        self._position = 0
        self.number += rest.count(b"\n") - self._rest.count(b"\n")
