"""The bytes of an input: opened, gunzipped if need be, in chunks of bounded size."""

from __future__ import annotations

import zlib
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES: Final = 2**20

_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS  # zlib's way of asking for gzip, its checksum included


class ProblemKind(StrEnum):
    """What is wrong with a file as a whole, for callers that tell one from another."""

    MISSING = "missing"
    DIRECTORY = "directory"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    DAMAGED = "damaged"
    TRUNCATED = "truncated"
    ENCODING = "encoding"
    HEADER = "header"


class BrokenInputError(Exception):
    """The input cannot be read any further; all that came before it is good."""

    def __init__(self, kind: ProblemKind, reason: str) -> None:
        """Keep what the problem is, and the sentence that says so."""
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


def read_chunks(source: Path | BinaryIO) -> Iterator[bytes]:
    """Yield the content of ``source``, decompressed, in pieces of at most 1 MiB.

    Gzip is known by its first bytes, not by a name, so that it works on standard input too.
    Raises BrokenInputError where reading ends before the content does.
    """
    with _opened(source) as stream:
        pieces = _pieces(stream)
        start = b""
        for piece in pieces:
            start += piece
            if len(start) >= len(_GZIP):
                break
        if start.startswith(_GZIP):
            yield from _gunzipped(start, pieces)
        elif start:
            yield start
            yield from pieces


@contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    if not isinstance(source, Path):
        yield source
        return
    try:
        stream = source.open("rb")
    except FileNotFoundError:
        raise BrokenInputError(ProblemKind.MISSING, "there is no such file") from None
    except IsADirectoryError:
        reason = "it is a directory: name the files in it, for instance with a pattern"
        raise BrokenInputError(ProblemKind.DIRECTORY, reason) from None
    except OSError as error:
        raise BrokenInputError(ProblemKind.UNREADABLE, _cannot_read(error)) from None
    with stream:
        yield stream


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    # read1 hands on what a pipe holds instead of waiting for a full chunk.
    read = getattr(stream, "read1", stream.read)
    while True:
        try:
            piece = read(CHUNK_BYTES)
        except OSError as error:
            raise BrokenInputError(ProblemKind.UNREADABLE, _cannot_read(error)) from None
        if not piece:
            return
        yield piece


def _cannot_read(error: OSError) -> str:
    return f"it cannot be read: {error.strerror or error}"


def _gunzipped(start: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what all members of a gzip stream hold, never more than a chunk at a time."""
    member = zlib.decompressobj(_GZIP_WINDOW)
    pending: bytes | None = start
    while pending is not None:
        before = member.copy()
        try:
            content = member.decompress(pending, CHUNK_BYTES)
        except zlib.error as error:
            if content := _up_to_damage(before, pending):
                yield content
            reason = f"its gzip data is damaged ({error})"
            raise BrokenInputError(ProblemKind.DAMAGED, reason) from None
        if content:
            yield content
        if not member.eof:
            # A full chunk may have left more behind, inside the decompressor.
            more_inside = member.unconsumed_tail or len(content) == CHUNK_BYTES
            pending = member.unconsumed_tail if more_inside else next(pieces, None)
            continue
        rest = member.unused_data
        while len(rest := rest.lstrip(b"\0")) < len(_GZIP) and (piece := next(pieces, None)):
            rest += piece
        if not rest:
            return
        if not rest.startswith(_GZIP):
            reason = "something that is not gzip follows its gzip data"
            raise BrokenInputError(ProblemKind.DAMAGED, reason)
        member, pending = zlib.decompressobj(_GZIP_WINDOW), rest
    reason = "its gzip data ends too early: it is cut off, or still being written"
    raise BrokenInputError(ProblemKind.TRUNCATED, reason)


def _up_to_damage(member: zlib._Decompress, damaged: bytes) -> bytes:
    """Return what ``member`` gets out of ``damaged``, which holds less than a chunk of it.

    Of a call that fails zlib returns nothing: fed byte by byte, only the last one is lost.
    """
    content = bytearray()
    with suppress(zlib.error):
        for position in range(len(damaged)):
            content += member.decompress(damaged[position : position + 1])
    return bytes(content)
