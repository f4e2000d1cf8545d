"""Files that are written as a whole: a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from billing_cli.errors import UnavailableError


def write_whole(file: Path, content: str, mode: int) -> None:
    """Put a text into a file, or in the place of one; raises :class:`UnavailableError`."""
    temporary = None
    try:
        # In the same folder, so that it can be renamed; under another suffix, so that whoever
        # reads the folder passes it over.
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
        temporary = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        temporary.chmod(mode)
        temporary.replace(file)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()
        raise UnavailableError(
            f"cannot write {file}: {error.strerror or error}",
            "name a file in a folder that is there and can be written",
        ) from error
