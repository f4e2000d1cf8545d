"""The unit of work: one connection, and batches that are each committed whole or not at all.

SQL is the same text on both databases, with ``?`` for parameters. A writing batch takes the
one write lock first (``BEGIN IMMEDIATE`` on SQLite, an advisory lock on PostgreSQL), so what it
reads is still true when it writes, and two processes can neither deadlock nor do one thing
twice. No statement may hold a literal ``?`` or ``%``.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.exc import DBAPIError

from billing_cli.store.engine import BUSY_TIMEOUT_MS, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy.engine import Connection, Engine

    from billing_cli.store.outbox import Told

    Row = tuple[Any, ...]

# One number for the whole tool: every writer of billing data takes its turn behind it.
_ADVISORY_LOCK = 0x62696C6C
_STREAM_ROWS = 5_000
_TURN_MS = 200
_PATIENT_TURNS = 15
_cursor_numbers = itertools.count(1)


@lru_cache(maxsize=512)
def _for_psycopg(sql: str) -> str:
    return sql.replace("?", "%s")


class Transaction:
    """The statements of one batch. Rows come back as plain tuples."""

    def __init__(self, connection: Connection, told: list[Told] | None = None) -> None:
        """Wrap a connection on which a transaction has begun.

        ``told`` collects the events that it queues to be told, where somebody wants to know.
        """
        self.told = told
        self.is_postgres = connection.dialect.name == "postgresql"
        self._driver: Any = connection.connection.driver_connection

    def _sql(self, sql: str) -> str:
        return _for_psycopg(sql) if self.is_postgres else sql

    def execute(self, sql: str, *parameters: object) -> int:
        """Run a statement and return how many rows it changed."""
        cursor = self._driver.execute(self._sql(sql), parameters)
        count: int = cursor.rowcount
        cursor.close()
        return count

    def rows(self, sql: str, *parameters: object) -> list[Row]:
        """Return all rows of a query whose result is known to be small."""
        cursor = self._driver.execute(self._sql(sql), parameters)
        found: list[Row] = cursor.fetchall()
        cursor.close()
        return found

    def row(self, sql: str, *parameters: object) -> Row | None:
        """Return the first row, or None."""
        cursor = self._driver.execute(self._sql(sql), parameters)
        found: Row | None = cursor.fetchone()
        cursor.close()
        return found

    def value(self, sql: str, *parameters: object) -> Any:
        """Return the first column of the first row, or None."""
        found = self.row(sql, *parameters)
        return None if found is None else found[0]

    def stream(self, sql: str, *parameters: object) -> Iterator[Row]:
        """Yield the rows of a query of any size, with flat memory."""
        if self.is_postgres:
            # A client-side cursor would hold the whole result.
            cursor = self._driver.cursor(name=f"billing_{next(_cursor_numbers)}")
            cursor.itersize = _STREAM_ROWS
        else:
            cursor = self._driver.cursor()
            cursor.arraysize = _STREAM_ROWS
        try:
            cursor.execute(self._sql(sql), parameters)
            while block := cursor.fetchmany(_STREAM_ROWS):
                yield from block
        finally:
            # A reader who left early may have disconnected already.
            with suppress(sqlite3.ProgrammingError):
                cursor.close()

    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each row of parameters."""
        cursor = self._driver.cursor()
        cursor.executemany(self._sql(sql), rows)
        cursor.close()

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Insert rows as fast as the database takes them; a conflict is an error."""
        names = ", ".join(columns)
        if self.is_postgres:
            with (
                self._driver.cursor() as cursor,
                cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy,
            ):
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join("?" * len(columns))
        self.execute_many(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)

    def temporary_table(self, name: str, columns: str) -> None:
        """Make an empty temporary table of this connection, dropping an older one."""
        self.execute(f"DROP TABLE IF EXISTS {name}")
        self.execute(f"CREATE TEMPORARY TABLE {name} ({columns})")

    def analyze(self, table: str) -> None:
        """Tell PostgreSQL's planner what a table holds into which much was written."""
        if self.is_postgres:
            self.execute(f"ANALYZE {table}")

    def insert_new(
        self, table: str, columns: Sequence[str], conflict: str, rows: Sequence[Sequence[object]]
    ) -> int:
        """Insert the rows whose ``conflict`` columns are not there yet; return how many were."""
        names = ", ".join(columns)
        if self.is_postgres:
            self.execute(
                f"CREATE TEMPORARY TABLE billing_incoming ON COMMIT DROP AS "
                f"SELECT {names} FROM {table} WITH NO DATA"
            )
            self.insert("billing_incoming", columns, rows)
            count = self.execute(
                f"INSERT INTO {table} ({names}) SELECT {names} FROM billing_incoming "
                f"ORDER BY {conflict} ON CONFLICT ({conflict}) DO NOTHING"
            )
            self.execute("DROP TABLE billing_incoming")
            return count
        marks = ", ".join("?" * len(columns))
        before: int = self._driver.total_changes
        self.execute_many(
            f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT ({conflict}) DO NOTHING",
            rows,
        )
        after: int = self._driver.total_changes
        return after - before

    def texts(self, values: Sequence[str]) -> tuple[str, object]:
        """Return a subquery that yields these texts, and its one parameter."""
        if self.is_postgres:
            return "(SELECT unnest(CAST(? AS text[])))", list(values)
        return "(SELECT value FROM json_each(?))", json.dumps(values)

    def numbers(self, values: Sequence[int]) -> tuple[str, object]:
        """Return a subquery that yields these integers, and its one parameter."""
        if self.is_postgres:
            return "(SELECT unnest(CAST(? AS bigint[])))", list(values)
        return "(SELECT value FROM json_each(?))", json.dumps(values)


class UnitOfWork:
    """One connection. Each :meth:`batch` commits by itself, unless it is a rehearsal.

    With ``rehearse`` (``--dry-run``, and ``--strict`` until it knows) all batches share one
    transaction, which :meth:`keep` commits and leaving the unit of work otherwise undoes.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        rehearse: bool = False,
        check: Callable[[Connection], None] | None = None,
        told: Callable[[Sequence[Told]], None] | None = None,
        waiting: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep the engine; the connection is made on entering, and ``check`` looks at it first.

        ``told`` hears of the events that were queued, once they are committed; ``waiting`` of a
        SQLite file that another process has been writing to for some seconds.
        """
        self._told = told
        self._waiting = waiting
        self._engine = engine
        self._rehearse = rehearse
        self._check = check
        self._connection: Connection | None = None
        self._open: Transaction | None = None

    def __enter__(self) -> Self:
        """Connect."""
        with translated(self._engine.url), ExitStack() as undone:
            connection = undone.enter_context(self._engine.connect())
            if self._check is not None:
                self._check(connection)
            undone.pop_all()
            self._connection = connection
        return self

    def __exit__(self, *_: object) -> None:
        """Undo what is not committed and disconnect."""
        if self._connection is None:
            return
        try:
            if self._open is not None:
                self._open = None
                with suppress(DBAPIError):
                    self._connection.exec_driver_sql("ROLLBACK")
        finally:
            self._connection.close()
            self._connection = None

    @property
    def connection(self) -> Connection:
        """The SQLAlchemy connection, for what needs more than statements (a backup)."""
        if self._connection is None:
            raise RuntimeError("the unit of work is not entered")
        return self._connection

    @contextmanager
    def batch(self) -> Iterator[Transaction]:
        """Hold the write lock for a self-contained piece of work, committed at its end."""
        with translated():
            if self._rehearse:
                if self._open is None:
                    self._open = self._begin_write()
                yield self._open
                return
            transaction = self._begin_write()
            with self._ending():
                yield transaction
            self._tell(transaction)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """See one consistent state for as long as the block lasts, without holding writers up."""
        with translated():
            if self._open is not None:
                yield self._open
                return
            transaction = self._begin_read()
            with self._ending():
                yield transaction

    def keep(self) -> None:
        """Commit what a rehearsal did."""
        if self._open is not None:
            with translated():
                self.connection.exec_driver_sql("COMMIT")
            self._tell(self._open)
            self._open = None

    def _tell(self, committed: Transaction) -> None:
        if self._told is not None and committed.told:
            self._told(committed.told)

    def _begin_write(self) -> Transaction:
        if self.connection.dialect.name == "postgresql":
            # Whatever the server's default: the state to work on is the one after the wait.
            self.connection.exec_driver_sql("BEGIN ISOLATION LEVEL READ COMMITTED")
            self.connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
        else:
            self._begin_immediate()
        return Transaction(self.connection, None if self._told is None else [])

    def _begin_immediate(self) -> None:
        """Begin with SQLite's write lock, waiting for it in short turns.

        SQLite sleeps outside of Python, so only between two turns is Ctrl-C heard.
        """
        driver: Any = self.connection.connection.driver_connection
        driver.execute(f"PRAGMA busy_timeout = {_TURN_MS}").close()
        try:
            for turn in range(1, BUSY_TIMEOUT_MS // _TURN_MS + 1):
                try:
                    driver.execute("BEGIN IMMEDIATE").close()
                except sqlite3.OperationalError as error:
                    busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                    if not busy or turn * _TURN_MS >= BUSY_TIMEOUT_MS:
                        raise
                else:
                    return
                if turn == _PATIENT_TURNS:
                    self._waiting()
        finally:
            driver.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}").close()

    def _begin_read(self) -> Transaction:
        if self.connection.dialect.name == "postgresql":
            self.connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ")
        else:
            self.connection.exec_driver_sql("BEGIN")
        return Transaction(self.connection)

    @contextmanager
    def _ending(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            # A full disk has made SQLite roll back already, a lost server did it by itself:
            # what matters is the error that led here.
            with suppress(DBAPIError):
                self.connection.exec_driver_sql("ROLLBACK")
            raise
        self.connection.exec_driver_sql("COMMIT")
