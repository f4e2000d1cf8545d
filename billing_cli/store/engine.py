"""Opening a database, and turning what its driver says into errors an operator understands."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from billing_cli.errors import (
    BillingError,
    InvalidDataError,
    NotFoundError,
    UnavailableError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL

# Writers take turns. A batch holds the lock for well under a second, so a process that waits
# this long stands behind many others, not behind a stuck one.
BUSY_TIMEOUT_MS = 300_000

_SQLITE_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -16000",
    "PRAGMA wal_autocheckpoint = 32768",
)


def parse_url(text: str) -> URL:
    """Read a database URL, or the bare path of a SQLite file.

    ``postgresql://`` and ``postgres://`` are served by psycopg 3. Raises :class:`UsageError`
    for anything that is neither SQLite nor PostgreSQL.
    """
    if "://" not in text:
        text = f"sqlite:///{text}"
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise UsageError(
            "the database URL cannot be read",
            "write sqlite:///path/to/billing.db or postgresql://user@host/name",
        ) from error
    name = url.get_backend_name()
    if name in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    if name == "sqlite":
        return url.set(drivername="sqlite")
    raise UsageError(
        f"databases of the kind {name!r} are not supported",
        "use sqlite:///path/to/billing.db or postgresql://user@host/name",
    )


def require_existing(text: str) -> None:
    """Raise :class:`NotFoundError` for a SQLite file that is not there."""
    url = parse_url(text)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise NotFoundError(
            f"there is no database {url.database}",
            "billing init makes one, and so does a first run",
        )


def open_engine(text: str, *, make_folder: bool = False) -> Engine:
    """Make an engine for the URL; nothing is connected yet.

    A SQLite file is made where there is none, and with ``make_folder`` the folder it lies in.

    Connections are in autocommit mode: the unit of work says BEGIN and COMMIT itself, since
    only so does it decide when the write lock is taken.
    """
    url = parse_url(text)
    try:
        if url.get_backend_name() == "sqlite":
            _prepare_sqlite_file(url, make_folder=make_folder)
            engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
            event.listen(engine, "connect", _set_pragmas)
            return engine
        return create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
            # No table has that type, and to ask a server for it takes as long as a short query.
            use_native_hstore=False,
            connect_args={
                "connect_timeout": 15,
                # A connection that waits while another works for hours must not be forgotten.
                "keepalives_idle": 60,
                "application_name": "billing",
                # Byte-identical results must not hang on a server's defaults; sums by user
                # should fit into memory.
                "options": "-c timezone=UTC -c client_min_messages=warning -c work_mem=64MB",
            },
        )
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "PostgreSQL needs the psycopg driver, which is not installed",
            "install it with: pip install 'billing-cli[postgres]'",
        ) from error
    except NoSuchModuleError as error:
        raise UsageError(f"the database URL cannot be used: {error}") from error


def _prepare_sqlite_file(url: URL, *, make_folder: bool) -> None:
    if not url.database or url.database == ":memory:":
        raise UsageError(
            "a database in memory would be gone with the command",
            "name a file: sqlite:///path/to/billing.db",
        )
    path = Path(url.database)
    if path.is_dir():
        raise UnavailableError(
            f"the database {path} is a folder", f"name a file in it, such as {path / 'billing.db'}"
        )
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            # Billing data is nobody else's business: made private, where SQLite would not.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise UnavailableError(
            f"the database file {path} cannot be made: {error.strerror}",
            "name another with --database, or mend the folder's permissions",
        ) from error


def _set_pragmas(connection: Any, _record: object) -> None:
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(pragma).close()


@contextmanager
def translated(where: URL | None = None) -> Iterator[None]:
    """Turn a driver's error into an :class:`UnavailableError` with one plain line.

    ``where`` is named as what cannot be used, without its password.
    """
    try:
        yield
    except DBAPIError as error:
        raise translate(error.orig or error, where) from error
    except Exception as error:
        if _is_driver_error(error):
            raise translate(error, where) from error
        raise


def _is_driver_error(error: BaseException) -> bool:
    return type(error).__module__.split(".")[0] in {"sqlite3", "psycopg"}


def translate(error: BaseException, where: URL | None = None) -> BillingError:
    """Say in one line, without secrets, why the database did not do as asked."""
    text = " ".join(str(error).split())
    lowered = text.lower()
    kind = type(error).__name__
    if "integrity" in kind.lower() or kind.endswith("Violation"):
        return BillingError(
            f"the database refused what this program wrote: {text}",
            "this is a bug; please report it",
        )
    if "integer overflow" in lowered or "bigint out of range" in lowered:
        return InvalidDataError(
            "the sums of what was used are larger than a database can add up",
            "the sizes of some sessions must be wrong: billing usage --by session shows them",
        )
    hints = (
        ("full", "free some space, then run the command again: nothing was half done"),
        ("no space left", "free some space, then run the command again: nothing was half done"),
        ("disk i/o", "check the disk, and limits on the size of files: nothing was half done"),
        ("locked", "another process holds the database; run the command again"),
        ("readonly", "the file or its folder cannot be written by this user"),
        ("not a database", "the file is something else; name another with --database"),
        ("malformed", "the file is damaged; restore a backup (billing db backup makes them)"),
        ("unable to open", "check the path and its permissions"),
        ("password", "check the user and password in the database URL"),
    )
    hint = next((hint for word, hint in hints if word in lowered), None)
    if hint is None and type(error).__module__.startswith("psycopg"):
        hint = "check that the server runs and that the URL is right"
    return UnavailableError(f"{called(where)} cannot be used: {text}", hint)


def called(where: URL | None) -> str:
    """Return what a message calls a database: a file by its name, and none by its password."""
    if where is not None and where.get_backend_name() == "sqlite":
        return f"the database {where.database}"
    return "the database"
