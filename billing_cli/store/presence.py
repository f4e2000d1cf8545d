"""Being the only process that does a thing, without a transaction that others would wait for.

A process that ends, however it ends, lets go: on PostgreSQL with its connection, on SQLite with
the operating system's lock on a second, empty file beside the database.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from billing_cli.store.engine import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

_DELIVERING = 0x62696C64
_FILE = "-deliver"


@contextmanager
def only_deliverer(engine: Engine) -> Iterator[bool]:
    """Tell whether this process is the one that delivers, and stay it while the block runs."""
    if engine.dialect.name == "postgresql":
        with translated(), engine.connect() as connection:
            mine = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_DELIVERING})")
            # The lock goes with the connection, which is not pooled.
            yield bool(mine.scalar())
        return
    path = f"{engine.url.database}{_FILE}"
    with translated(engine.url):
        # As private as the database, where SQLite itself would ask the umask.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as lock:
            yield _locked(lock)


def _locked(lock: sqlite3.Connection) -> bool:
    try:
        # The file stays empty: nothing is ever written to it.
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True
