"""Files that are written as a whole: a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from billing_cli.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE: Final = 0o600
"""The mode of what nobody else may read."""

_USUAL: Final = 0o666
_SHARED: Final = 0o777
_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL
# A name may have 255 bytes; of a long one this much is enough to know a left-over by.
_LONGEST_PART: Final = 40


@contextmanager
def replacing(path: Path, hint: str, mode: int | None = None) -> Iterator[BinaryIO]:
    """Give a new file that takes the place of ``path`` when the block ends well.

    Until then the old one stays, whatever happens: the new one is written beside it, flushed to
    the disk, and moved. A new file gets ``mode``, None for what the umask leaves; one that takes
    another's place has its mode. A device or a pipe is written to directly. Raises
    :class:`UnavailableError` with a ``hint`` where nothing can be written.
    """
    try:
        old = path.stat().st_mode if path.exists() else None
        if old is not None and not stat.S_ISREG(old):
            with path.open("wb") as file:
                yield cast("BinaryIO", file)
            return
        # A link goes on to point to its file.
        with _beside(Path(os.path.realpath(path)), mode if old is None else old & _SHARED) as file:
            yield file
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror or error}", hint
        ) from error


@contextmanager
def _beside(target: Path, mode: int | None) -> Iterator[BinaryIO]:
    # Hidden, and under another suffix: whoever reads the folder passes it over.
    name = f".{target.name[:_LONGEST_PART]}.{secrets.token_hex(4)}.tmp"
    draft = target.with_name(name)
    descriptor = os.open(draft, _NEW, _USUAL if mode is None else PRIVATE)
    try:
        with open(descriptor, "w+b") as file:  # noqa: PTH123 - a descriptor, not a path
            yield cast("BinaryIO", file)
            file.flush()
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    """Make the move itself last; file systems that cannot do so need not."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
