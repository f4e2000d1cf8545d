"""Being the only process that does a thing, without a transaction that others would wait for.

A process that ends, however it ends, lets go: on PostgreSQL with its session, which holds an
advisory lock, on SQLite with the operating system's lock on a second, empty file beside the
database.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from billing_cli.errors import UnavailableError
from billing_cli.store.engine import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

_BETWEEN_TRIES_SECONDS: Final = 0.1


@contextmanager
def only_process(engine: Engine, suffix: str, number: int, tries: int) -> Iterator[bool]:
    """Try to be the only process that does a thing for the block; gives whether it is.

    The thing has a ``suffix``, which the name of the lock's file has after the database's own, and
    a ``number``, which is that of the lock on PostgreSQL. It is tried ``tries`` times, a tenth of
    a second apart. Raises :class:`UnavailableError` where the file cannot be made.
    """
    url = engine.url
    if url.get_backend_name() == "sqlite":
        with _file_lock(str(url.database), suffix, tries) as held:
            yield held
        return
    with translated():
        connection = engine.connect()
    try:
        yield _held_on_server(connection, number, tries)
    finally:
        # To end the session is to give the lock back.
        connection.close()


def _held_on_server(connection: Connection, number: int, tries: int) -> bool:
    for attempt in range(tries):
        if attempt:
            time.sleep(_BETWEEN_TRIES_SECONDS)
        with translated():
            row = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({number})")
            if row.scalar():
                return True
    return False


@contextmanager
def _file_lock(database: str, suffix: str, tries: int) -> Iterator[bool]:
    # SQLite knows how to lock a file on every system. Whatever links lead to the database, the
    # file is the same.
    path = Path(os.path.realpath(database) + suffix)
    try:
        if not path.exists():
            # As private as the database, where SQLite itself would ask the umask.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise UnavailableError(
            f"the lock file {path} cannot be made: {error.strerror}",
            "mend the permissions of the database's folder",
        ) from error
    with translated():
        connection = sqlite3.connect(
            path, timeout=(tries - 1) * _BETWEEN_TRIES_SECONDS, isolation_level=None
        )
    try:
        yield _held_on(connection)
    finally:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        connection.close()


def _held_on(connection: sqlite3.Connection) -> bool:
    try:
        # Nothing is ever written: without a journal, a kill leaves nothing to look at either.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return False
        with translated():
            raise
    return True
