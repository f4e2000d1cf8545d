"""A consistent copy of a SQLite database."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from billing_cli.errors import UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

# Small enough steps for writers to take their turns in between, large enough to finish: what
# others write between two steps is copied again.
_PAGES_A_STEP = 4_096


def copy_sqlite(source: str, file: Path) -> None:
    """Copy a database while others write; ``file`` appears only when it is whole.

    Raises :class:`UnavailableError` when the file cannot be written or the database not read.
    """
    partial = file.with_name(f"{file.name}.partial")
    try:
        # Billing data is nobody else's business.
        os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600))
        with (
            closing(sqlite3.connect(source, timeout=300)) as database,
            closing(sqlite3.connect(partial)) as copy,
        ):
            # A transaction that only reads pins one state: the copy is of that instant.
            database.execute("BEGIN")
            database.execute("SELECT 1 FROM sqlite_master").fetchone()
            database.backup(copy, pages=_PAGES_A_STEP)
            # The copy is one file, to be moved about as one.
            copy.execute("PRAGMA journal_mode = DELETE")
        partial.replace(file)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or error
        raise UnavailableError(
            f"{file} cannot be written: {reason}", "name another file"
        ) from error
