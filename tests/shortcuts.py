"""What commands inside the test's process do once, or not at all, and nobody can tell.

Each changes a module for the rest of the process.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from tests.refilling import schema_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Engine

_SQLITE_SCHEMA: Final = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"


@cache
def take_shortcuts() -> None:
    """Take all that there are."""
    build_tree_once()
    compare_schemas_once()
    do_not_sync()


@cache
def build_tree_once() -> None:
    """Keep the tree of commands when it has been built: that takes longer than most of them do."""
    typer = import_module("typer.main")
    vars(typer)["get_command"] = cache(typer.get_command)


@cache
def compare_schemas_once() -> None:
    """Remember how a schema differs from the tables: ``db check`` does little else for so long."""
    store = import_module("billing_cli.store.schema")
    compare = store.differences
    known: dict[object, list[str]] = {}

    def differences(engine: Engine) -> list[str]:
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            if engine.dialect.name == "postgresql":
                schema: object = schema_of(driver)
            else:
                schema = tuple(driver.execute(_SQLITE_SCHEMA).fetchall())
        if schema not in known:
            known[schema] = compare(engine)
        return known[schema].copy()

    vars(store)["differences"] = differences


@cache
def do_not_sync() -> None:
    """Let SQLite not wait for the disk: a machine that loses its power loses the tests, too."""
    engine = import_module("billing_cli.store.engine")
    vars(engine)["_SQLITE_PRAGMAS"] = unsynced(vars(engine)["_SQLITE_PRAGMAS"])


def unsynced(pragmas: Sequence[str]) -> list[str]:
    """These settings of SQLite, but without waiting for the disk."""
    return ["PRAGMA synchronous = OFF" if "synchronous" in one else one for one in pragmas]
