"""Which schema a database has, and bringing it to the one this program needs.

An empty database is set up silently. One of an older version is never changed silently, and one
that holds somebody else's billing tables is never touched.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from billing_cli.errors import NotConfiguredError
from billing_cli.store.engine import called, translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config
    from sqlalchemy.engine import Connection, Engine

HEAD = "0007"
VERSION_TABLE = "billing_schema_version"
_MIGRATION_LOCK = 0x62696C6D
_MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class SchemaState:
    """``version`` is None where this program has made nothing yet.

    ``name`` is what a message calls the database.
    """

    name: str
    version: str | None
    foreign_tables: tuple[str, ...]


def inspect_schema(connection: Connection) -> SchemaState:
    """Read the schema version, and which tables of the plugin's are there without one."""
    if connection.dialect.name == "postgresql":
        names_sql = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    else:
        names_sql = "SELECT name FROM sqlite_master WHERE type = 'table'"
    names = {str(row[0]) for row in connection.exec_driver_sql(names_sql)}
    name = called(connection.engine.url)
    if VERSION_TABLE in names:
        row = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").first()
        if row is not None:
            return SchemaState(name, str(row[0]), ())
    # A version table without a version is what a set-up that was cut short leaves.
    foreign = sorted(n for n in names if n.startswith("billing_") and n != VERSION_TABLE)
    return SchemaState(name, None, tuple(foreign))


def ensure_schema(engine: Engine) -> None:
    """Set an empty database up; raise :class:`NotConfiguredError` for one that does not fit."""
    with translated(engine.url), engine.connect() as connection:
        fit_schema(connection)


def fit_schema(connection: Connection) -> None:
    """Do as :func:`ensure_schema` does, for the database of an open connection."""
    state = inspect_schema(connection)
    if state.version is None and not state.foreign_tables:
        upgrade(connection.engine)
    else:
        require_head(state)


def require_head(state: SchemaState) -> None:
    """Raise :class:`NotConfiguredError` unless the schema is the one this program needs."""
    _refuse_foreign(state)
    if state.version == HEAD:
        return
    if state.version is None or state.version < HEAD:
        raise NotConfiguredError(
            f"{state.name} has schema {state.version or 'none'}, this program needs {HEAD}",
            "back it up, then run: billing db upgrade",
        )
    raise NotConfiguredError(
        f"{state.name} has schema {state.version}, newer than this program's {HEAD}",
        "upgrade this program: pip install --upgrade billing-cli",
    )


def _refuse_foreign(state: SchemaState) -> None:
    if state.version is None and state.foreign_tables:
        raise NotConfiguredError(
            f"{state.name} holds billing tables that this program did not make: "
            f"{', '.join(state.foreign_tables[:5])}",
            "they look like the StreamSpace plugin's own; give this program a database of its own "
            "with --database or BILLING_DATABASE_URL",
        )


def upgrade(engine: Engine, *, rehearse: bool = False) -> tuple[str | None, str]:
    """Migrate to the newest schema, in one transaction. Return the versions before and after.

    Two processes may try at once: the second finds the work done. With ``rehearse`` all of it is
    undone in the end.
    """
    with translated(), engine.connect() as connection, _exclusive(connection, rehearse=rehearse):
        before = inspect_schema(connection)
        _refuse_foreign(before)
        if before.version is not None and before.version > HEAD:
            require_head(before)
        if before.version != HEAD:
            from alembic import command
            from alembic.util import CommandError

            config = alembic_config()
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise NotConfiguredError(
                    f"the schema {before.version} of the database cannot be upgraded: {error}",
                    "restore a backup that this program made",
                ) from error
        return before.version, HEAD


def differences(engine: Engine) -> list[str]:
    """Return what the tables of the database and of this program do not share, in words."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from billing_cli.store.tables import METADATA

    def ours(_thing: object, name: str | None, kind: str, *_: object) -> bool:
        return kind != "table" or bool(
            name and name.startswith("billing_") and name != VERSION_TABLE
        )

    with translated(), engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "include_object": ours, "version_table": VERSION_TABLE},
        )
        return [str(entry) for entry in compare_metadata(context, METADATA)]


def alembic_config() -> Config:
    """Return Alembic's configuration for the packaged migrations."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


@contextmanager
def _exclusive(connection: Connection, *, rehearse: bool) -> Iterator[None]:
    # In autocommit mode this BEGIN is the real one; Alembic's own transactions are inside it.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("BEGIN ISOLATION LEVEL READ COMMITTED")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("ROLLBACK" if rehearse else "COMMIT")
