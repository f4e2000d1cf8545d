"""Files of users: rows of CSV, JSON arrays and JSON Lines as values by column name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, TypeAlias

import msgspec

from billing_cli.gateway.event_bytes import ProblemKind, read_chunks
from billing_cli.gateway.event_csv import Row, read_rows
from billing_cli.gateway.event_json import split_json
from billing_cli.gateway.event_lines import BadLine, FileProblem, Line, split_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

FORMATS: Final = ("csv", "json", "jsonl")

_EXTENSIONS: Final = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_BOM: Final = b"\xef\xbb\xbf"
# A number with a point stays the text that it is: no float touches a limit.
_decode: Final = msgspec.json.Decoder(float_hook=str).decode


class UserLine(NamedTuple):
    """What a row or an object says, by column; ``number`` is the line it starts at.

    A value is text, or what JSON has instead, but never a float. Of CSV, empty cells are left out.
    """

    number: int
    values: dict[str, Any]


Found: TypeAlias = UserLine | BadLine | FileProblem


def format_of(name: str) -> str | None:
    """Return the format that a file's name tells, gzipped or not."""
    return _EXTENSIONS.get(Path(name.lower().removesuffix(".gz")).suffix)


def read_users(
    source: Path | BinaryIO, fmt: str, column_of: Callable[[str], str | None]
) -> Iterator[Found]:
    """Yield what a file, or an open binary stream, in one of ``FORMATS`` holds, in its order.

    ``column_of`` gives the column that a name stands for, None for one to be passed over, and
    raises ValueError for others. What cannot be read is a value among the others; a
    :class:`FileProblem` ends the input. Memory does not grow with the input.
    """
    chunks = _without_bom(read_chunks(source))
    if fmt == "csv":
        return _csv(chunks, column_of)
    return _json(split_json(chunks) if fmt == "json" else split_lines(chunks), column_of)


def _without_bom(chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield next(chunks, b"").removeprefix(_BOM)
    yield from chunks


def _json(
    lines: Iterable[Line | BadLine | FileProblem], column_of: Callable[[str], str | None]
) -> Iterator[Found]:
    for found in lines:
        if not isinstance(found, Line):
            yield found
            continue
        try:
            yield UserLine(found.number, _values(_decode(found.raw), column_of))
        except (ValueError, RecursionError) as error:
            yield BadLine(found.number, found.raw, str(error))


def _values(value: object, column_of: Callable[[str], str | None]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - a fault of the data
    pairs = zip(_columns(value, column_of), value.values(), strict=True)
    return {name: cell for name, cell in pairs if name is not None}


def _csv(chunks: Iterable[bytes], column_of: Callable[[str], str | None]) -> Iterator[Found]:
    rows = read_rows(chunks)
    first = next(rows, None)
    if not isinstance(first, Row):
        if first is not None:
            yield first
        return
    try:
        header = _columns(first.cells, column_of)
    except ValueError as error:
        yield FileProblem(first.number, ProblemKind.HEADER, str(error))
        return
    for row in rows:
        yield _record(header, row) if isinstance(row, Row) else row


def _columns(names: Iterable[str], column_of: Callable[[str], str | None]) -> list[str | None]:
    columns = [column_of(name) for name in names]
    named = [name for name in columns if name is not None]
    for name in named:
        if named.count(name) > 1:
            raise ValueError(f"{name} is there twice")
    return columns


def _record(header: Sequence[str | None], row: Row) -> UserLine | BadLine:
    if len(row.cells) != len(header):
        reason = f"the header has {len(header)} cells, the row {len(row.cells)}"
        return BadLine(row.number, row.raw, reason)
    cells = zip(header, row.cells, strict=True)
    return UserLine(row.number, {name: cell for name, cell in cells if name and cell.strip()})
