"""CSV with a header: each row becomes a JSON object in the form that its columns show."""

from __future__ import annotations

import csv
import re
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from billing_cli.gateway.event_bytes import ProblemKind
from billing_cli.gateway.event_lines import (
    KEPT_BYTES,
    BadLine,
    FileProblem,
    Found,
    Line,
    is_json,
    split_lines,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# The column that tells the form of the rows; if there are several, the first of these counts.
_FORMS: Final = ("specversion", "eventType", "event")
_FIELDS: Final = (*_FORMS, "id", "timestamp", "time", "type", "source", "data", "metadata")
_CONTENTS: Final = ("state", "resources.cpu", "resources.memory", "resources.storage")
_NAMES: Final = {
    **{name.lower(): name for name in _FIELDS},
    **{f"data.{name}": f"data.{name}" for name in ("id", "user", *_CONTENTS)},
    **{f"metadata.{name}": f"metadata.{name}" for name in _CONTENTS},
    "event_type": "eventType",
}
# What a column stands for: in a webhook or CloudEvent, and in a row of the activity log.
_ALIASES: Final = {
    **dict.fromkeys(("session", "session_id", "sessionid"), ("data.id", "sessionId")),
    **dict.fromkeys(("user", "user_id", "userid"), ("data.user", "userId")),
    **{name.rpartition(".")[2]: (f"data.{name}", f"metadata.{name}") for name in _CONTENTS},
}
_JSON_COLUMNS: Final = (("data",), ("metadata",))
_WHOLE_NUMBER: Final = re.compile(r"0|-?[1-9][0-9]{0,1000}")


def is_header(line: bytes) -> bool:
    """Tell whether ``line`` names a column that an event can have."""
    try:
        cells = next(csv.reader([line.decode()]), [])
    except (ValueError, csv.Error):
        return False
    return any(map(_is_known, cells))


def split_csv(chunks: Iterable[bytes], *, once: bool = False) -> Iterator[Found]:
    """Yield a JSON object for each row of ``chunks`` under its header.

    A dotted column (``data.resources.cpu``) nests; ``session``, ``user``, ``state``, ``cpu``,
    ``memory`` and ``storage`` stand for the place their form has for them; an empty cell is
    absent. A cell has at most 131,072 characters, the limit of Python's csv module.

    A last row without a line end may lack the end of its last cell, so it is a bad one; of a
    header that breaks off nothing is kept, for nothing would recognise it once it is whole.

    Without a header that can be understood no row can be: a file keeps them, so one problem says
    it all; of what can be read only ``once`` (a pipe) each row is yielded as a bad one.
    """
    lines = _Lines(split_lines(chunks, rows=True))
    rows = _rows(lines)
    first = next(rows, None)
    if first is None or isinstance(first, FileProblem):
        yield from filter(None, [first and first._replace(raw=b"")])
        return
    if isinstance(first, BadLine):
        first = Row(first.number, first.raw, [], first.complete)
    try:
        header = _Header(first.cells)
    except ValueError as error:
        if once and first.complete:
            yield from _without_header(first, rows, str(error))
            return
        raw = first.raw[:KEPT_BYTES] if first.complete else b""
        yield FileProblem(first.number, ProblemKind.HEADER, str(error), raw)
        return
    for row in rows:
        if isinstance(row, BadLine):
            yield _under(first.raw, row)
        elif isinstance(row, FileProblem):
            yield row
        elif len(row.cells) != header.width:
            reason = f"the header has {header.width} cells, the row {len(row.cells)}"
            complete = row.complete and not lines.ran_out
            yield _under(first.raw, BadLine(row.number, row.raw, reason, complete))
        elif row.complete:
            yield Line(row.number, header.as_json(row.cells), complete=True, row=row.raw)
        else:
            reason = (
                "a CSV row without a line break may be cut off: "
                "if it is whole, end it with a line break"
            )
            yield _under(first.raw, BadLine(row.number, row.raw, reason, complete=False))


def _without_header(
    first: Row, rows: Iterator[Row | BadLine | FileProblem], reason: str
) -> Iterator[Found]:
    """Yield all rows as bad ones, with the first as their header if it was meant for one."""
    problem = BadLine(first.number, first.raw[:KEPT_BYTES], reason)
    header = first.raw if any(map(_is_known, first.cells)) else b""
    yield problem if header else _under(header, problem)
    for row in rows:
        if isinstance(row, Row):
            yield _under(header, BadLine(row.number, row.raw, reason, row.complete))
        else:
            yield _under(header, row) if isinstance(row, BadLine) else row


def _under(header: bytes, row: BadLine) -> BadLine:
    """Return a bad row as it is kept, with its header if both are kept whole."""
    if len(header) > KEPT_BYTES or len(row.raw) >= KEPT_BYTES:
        return row._replace(raw=row.raw[:KEPT_BYTES])
    return row._replace(header=header.rstrip(b"\r"))


class Row(NamedTuple):
    """The cells of a row, the line it starts at and what was written there.

    ``complete`` is False for a last row without a line end.
    """

    number: int
    raw: bytes
    cells: list[str]
    complete: bool


class _Lines:
    """Lines for a csv reader; those it took in vain can be given back.

    ``ran_out`` tells that it once took all there are and wanted more: from that row on the file
    may break off in the middle of a quoted cell.
    """

    def __init__(self, found: Iterator[Found]) -> None:
        self.ran_out = False
        self._found = found
        self._again: deque[Found] = deque()
        self._taken: list[Line] = []

    def next(self) -> Found | None:
        """Return the next line or problem, None at the end."""
        return self._again.popleft() if self._again else next(self._found, None)

    def texts(self, first: Line) -> Iterator[str]:
        """Yield ``first`` and the lines after it, as many as the reader needs for one row."""
        found: Found | None = first
        self._taken.clear()
        while isinstance(found, Line):
            self._taken.append(found)
            yield found.raw.decode(errors="surrogateescape") + "\n"
            found = self.next()
        self.ran_out = not isinstance(found, BadLine)
        if found is not None:
            self._again.appendleft(found)

    def taken(self) -> list[Line]:
        """Return the lines that the reader took."""
        return self._taken

    def give_back(self) -> None:
        """Have all lines that the reader took, but the first, read again."""
        self._again.extendleft(reversed(self._taken[1:]))


def read_rows(
    chunks: Iterable[bytes], delimiter: str = ","
) -> Iterator[Row | BadLine | FileProblem]:
    """Yield the rows of ``chunks``, the header among them; blank lines between rows are left out.

    What cannot be read as CSV costs its first line, no more. A last row may lack its line end.
    """
    return _rows(_Lines(split_lines(chunks, rows=True)), delimiter)


def _rows(lines: _Lines, delimiter: str = ",") -> Iterator[Row | BadLine | FileProblem]:
    """Yield the rows of ``lines``; one that cannot be read costs its first line, no more."""
    while (found := lines.next()) is not None:
        if not isinstance(found, Line):
            yield found
            continue
        if not found.raw.strip():
            continue
        try:
            cells = next(csv.reader(lines.texts(found), delimiter=delimiter, strict=True), [])
            "".join(cells).encode()
        except csv.Error as error:
            lines.give_back()
            reason = f"the row is not readable as CSV: {error}"
        except UnicodeEncodeError:
            lines.give_back()
            reason = "the row is not UTF-8"
        else:
            taken = lines.taken()
            raw = b"\n".join(line.raw for line in taken)
            yield Row(found.number, raw, cells, taken[-1].complete)
            continue
        complete = found.complete and not lines.ran_out
        yield BadLine(found.number, found.raw[:KEPT_BYTES], reason, complete)


class _Header:
    """The columns, each as the path of its value in the JSON object of a row."""

    def __init__(self, cells: Sequence[str]) -> None:
        """Understand the names in ``cells``; ValueError says why they cannot be a header."""
        if not any(map(_is_known, cells)):
            msg = (
                "there is no header: the first row has to name the columns, "
                "for instance event,timestamp,session,user"
            )
            raise ValueError(msg)
        named = {_NAMES.get(cell.strip().lower()) for cell in cells}
        form = next((form for form in _FORMS if form in named), None)
        if form is None:
            msg = "the header has none of the columns event, eventType and specversion"
            raise ValueError(msg)
        self._activity = form == "eventType"
        self._paths = [self._path(cell.strip()) for cell in cells]
        self.width = len(cells)
        paths = sorted(path for path in self._paths if path)
        for path, after in pairwise(paths):
            if after[: len(path)] == path:
                msg = f"two columns of the header mean the same: {'.'.join(after)}"
                raise ValueError(msg)

    def _path(self, name: str) -> tuple[str, ...]:
        if name.lower() in _ALIASES:
            name = _ALIASES[name.lower()][self._activity]
        else:
            name = _NAMES.get(name.lower(), name)
        return tuple(name.split(".")) if name else ()

    def as_json(self, cells: list[str]) -> bytes:
        """Return the JSON object that a row of ``cells`` stands for."""
        document: dict[str, Any] = {}
        for path, cell in zip(self._paths, cells, strict=True):
            if not cell or not path:
                continue
            *parents, name = path
            place = document
            for parent in parents:
                place = place.setdefault(parent, {})
            place[name] = self._value(path, cell)
        return msgspec.json.encode(document)

    def _value(self, path: tuple[str, ...], cell: str) -> str | int | msgspec.Raw:
        if self._activity and path == ("id",) and _WHOLE_NUMBER.fullmatch(cell):
            return int(cell)
        if path in _JSON_COLUMNS and cell.startswith("{") and is_json(cell.encode()):
            return msgspec.Raw(cell.encode())
        return cell


def _is_known(cell: str) -> bool:
    name = cell.strip().lower()
    return name in _NAMES or name in _ALIASES
