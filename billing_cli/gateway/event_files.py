"""Event files: from names or standard input to the JSON text of each event, one at a time.

Whatever is wrong with an input is a value among the others, where it was found, so that the
good lines before and after it are never lost.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from billing_cli.gateway.event_bytes import (
    CHUNK_BYTES,
    BrokenInputError,
    ProblemKind,
    read_chunks,
)
from billing_cli.gateway.event_csv import is_header, split_csv
from billing_cli.gateway.event_json import split_json
from billing_cli.gateway.event_lines import (
    BadLine,
    FileProblem,
    Found,
    Line,
    is_json,
    split_lines,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "FORMATS",
    "STDIN",
    "BadLine",
    "FileProblem",
    "Line",
    "ProblemKind",
    "expand_inputs",
    "read_lines",
]

FORMATS: Final = ("auto", "jsonl", "json", "csv")
STDIN: Final = "-"

_SPLITTERS: Final[dict[str, Callable[[Iterable[bytes]], Iterator[Found]]]] = {
    "jsonl": split_lines,
    "json": split_json,
}
# A .json file may hold either layout, so its content decides.
_EXTENSIONS: Final = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
_BOM: Final = b"\xef\xbb\xbf"
_FOREIGN_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")


def read_lines(source: Path | BinaryIO, fmt: str = "auto") -> Iterator[Found]:
    """Yield what ``source``, a file or an open binary stream, holds, in its order.

    ``fmt`` is one of ``FORMATS``; ``auto`` goes by the extension and then by the content. A
    :class:`Line` is the JSON text of one event, not yet checked; a :class:`BadLine` can be none;
    a :class:`FileProblem` ends the input. Memory does not grow with the input.
    """
    start, chunks = _peek(read_chunks(source))
    if start.startswith(_FOREIGN_BOMS):
        reason = "it is UTF-16: convert it to UTF-8 first"
        yield FileProblem(0, ProblemKind.ENCODING, reason)
        return
    if fmt == "auto":
        fmt = _format_of(source.name if isinstance(source, Path) else "", start)
    everything = (
        split_csv(chunks, once=not _can_be_read_again(source))
        if fmt == "csv"
        else _SPLITTERS[fmt](chunks)
    )
    if not start.strip():
        first = next(everything, None)
        yield first or FileProblem(0, ProblemKind.EMPTY, "it is empty")
    yield from everything


def expand_inputs(patterns: Iterable[str]) -> list[str]:
    """Return the names that ``patterns`` stand for: globs as the files they match, sorted.

    ``-`` and names of what exists stay as they are, and so does a pattern without a match, for
    the error to name it. Each name is returned once.
    """
    names: dict[str, None] = {}
    for pattern in patterns:
        matches = [pattern]
        if pattern != STDIN and not os.path.lexists(pattern):
            found = glob.glob(pattern, recursive=True)  # noqa: PTH207 - takes absolute patterns too
            matches = sorted(name for name in found if not Path(name).is_dir()) or matches
        names.update(dict.fromkeys(matches))
    return list(names)


def _can_be_read_again(source: Path | BinaryIO) -> bool:
    """Tell a file from a pipe, which gives what it holds once."""
    return source.is_file() if isinstance(source, Path) else source.seekable()


def _peek(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return as much of ``chunks`` as tells their format, 1 MiB at most, and all of them."""
    start = b""
    failure: BrokenInputError | None = None
    try:
        for chunk in chunks:
            start += chunk
            if len(start) >= CHUNK_BYTES or _is_telling(start):
                break
    except BrokenInputError as error:
        failure = error
    start = start.removeprefix(_BOM)

    def everything() -> Iterator[bytes]:
        if start:
            yield start
        if failure is not None:
            raise failure
        yield from chunks

    return start, everything()


def _is_telling(start: bytes) -> bool:
    """Tell whether the first line of ``start`` is there and shows the format by itself."""
    line, end, _ = start.removeprefix(_BOM).lstrip().partition(b"\n")
    return bool(end) and (not line.startswith(b"{") or is_json(line))


def _format_of(name: str, start: bytes) -> str:
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    if suffix in _EXTENSIONS:
        return _EXTENSIONS[suffix]
    text = start[:CHUNK_BYTES].lstrip()
    if text.startswith(b"["):
        return "json"
    lines = text.split(b"\n")
    if text.startswith(b"{"):
        # One object in a line of its own is enough: the first line may be a bad one.
        alone = (line for line in lines if line.startswith(b"{"))
        endless = len(lines) == 1 and len(start) >= CHUNK_BYTES
        return "jsonl" if endless or any(map(is_json, alone)) else "json"
    return "csv" if is_header(lines[0]) else "jsonl"
