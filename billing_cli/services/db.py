"""The database as such: its schema, its soundness, and copies of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError, IncompleteError, UsageError
from billing_cli.store import audit, schema
from billing_cli.store.backup import copy_sqlite
from billing_cli.store.engine import parse_url, require_existing, translated
from billing_cli.store.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from pathlib import Path

    from billing_cli.app import App


_SHOWN = 3


def upgrade(app: App, *, dry_run: bool) -> str:
    """Migrate the schema, and say what was done."""
    before, after = schema.upgrade(app.engine, rehearse=dry_run)
    if before == after:
        return f"the schema is already {after}"
    return f"the schema is now {after}" + (f", was {before}" if before else "")


def current(app: App) -> dict[str, object]:
    """Return the database and its schema; works with an older schema, too."""
    require_existing(app.settings.database_url)
    with translated(), app.engine.connect() as connection:
        state = schema.inspect_schema(connection)
    return {
        "database": app.settings.shown_database_url,
        "schema": state.version,
        "needed": schema.HEAD,
        "current": state.version == schema.HEAD,
    }


def check(app: App) -> list[dict[str, str]]:
    """Run every check and return a row for each."""
    require_existing(app.settings.database_url)
    with translated(), app.engine.connect() as connection:
        state = schema.inspect_schema(connection)
    schema.require_head(state)
    differing = schema.differences(app.engine)
    found = [("schema", differing)]
    with UnitOfWork(app.engine) as uow, uow.reading() as tx:
        found += audit.run(tx)
    return [
        {
            "check": name,
            "result": "failed" if problems else "passed",
            "detail": "; ".join(problems[:_SHOWN])
            + (f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""),
        }
        for name, problems in found
    ]


def require_sound(rows: list[dict[str, str]]) -> None:
    """Raise :class:`IncompleteError` when a check failed."""
    failed = [row["check"] for row in rows if row["result"] == "failed"]
    if failed:
        raise IncompleteError(
            f"checks failed: {', '.join(failed)}",
            "restore a backup, or report what the check found",
        )


def backup(app: App, file: Path) -> str:
    """Copy a SQLite database, of whatever schema, into a file that does not exist yet."""
    url = parse_url(app.settings.database_url)
    if url.get_backend_name() != "sqlite":
        raise UsageError(
            "billing db backup is for SQLite",
            "for PostgreSQL use: pg_dump --format=custom DATABASE",
        )
    require_existing(app.settings.database_url)
    if file.exists():
        raise ConflictError(f"{file} is already there", "name a new file")
    copy_sqlite(str(url.database), file)
    return f"wrote {file}, {file.stat().st_size:,} bytes"
