"""The doctor's checks of the database as such."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from billing_cli.errors import BillingError
from billing_cli.services.doctor_place import (
    FAILED,
    OK,
    SKIPPED,
    WARNING,
    Finding,
    counted,
    in_bytes,
)
from billing_cli.store import doctor as store
from billing_cli.store import schema as schemas
from billing_cli.store.engine import parse_url

if TYPE_CHECKING:
    from billing_cli.services.doctor_place import Place

_LEAST_FREE: Final = 100_000_000
_MOST_WAL: Final = 1_000_000_000
_STRUCTURE: Final = ("schema", "integrity", "foreign keys")


def database(place: Place) -> Finding:
    """Look whether the database can be reached, and how large it is."""
    if isinstance(place.connected, BillingError):
        return Finding(FAILED, place.connected.message, place.connected.hint)
    with place.reading() as tx:
        kept = store.kept(tx)
    said = (
        f"{place.settings.shown_database_url}, {kept.kind} {kept.version}, "
        f"{in_bytes(kept.size_bytes)}"
    )
    path = _file(place)
    wal = Path(f"{path}-wal")
    size = wal.stat().st_size if path is not None and wal.exists() else 0
    if size > _MOST_WAL:
        return Finding(
            WARNING,
            f"{said}, and {in_bytes(size)} in its write-ahead log",
            "something has kept a transaction open for long: look for processes that use it",
        )
    return Finding(OK, said)


def space(place: Place) -> Finding:
    """Look how much room there is for the database to grow, and for a backup."""
    path = _file(place)
    if path is None:
        return Finding(SKIPPED, "PostgreSQL's disk is its server's")
    free = shutil.disk_usage(path.parent).free
    size = path.stat().st_size
    said = f"{in_bytes(free)} free in {path.parent.absolute()}"
    if free < _LEAST_FREE:
        return Finding(FAILED, said, "free some space: writing stops where there is none")
    if free < size:
        return Finding(
            WARNING, f"{said}, less than the database takes", "there is no room for a backup beside"
        )
    return Finding(OK, said)


def schema(place: Place) -> Finding:
    """Look whether the schema is the one that this program needs."""
    found = place.connected
    if isinstance(found, BillingError):
        raise found
    if found.version is None and not found.foreign_tables:
        return Finding(
            FAILED, "the database is empty", "billing init sets it up, and so does a first run"
        )
    schemas.require_head(found)
    return Finding(OK, f"{schemas.HEAD}, as this program needs")


def integrity(place: Place) -> Finding:
    """Check structure and references: the first part of ``billing db check``."""
    return _judge(place, structure=True)


def totals(place: Place) -> Finding:
    """Check that records, lines, invoices, payments and credits agree: the rest of it."""
    return _judge(place, structure=False)


def _judge(place: Place, *, structure: bool) -> Finding:
    rows = [row for row in place.checked if (row["check"] in _STRUCTURE) == structure]
    failed = [f"{row['check']}: {row['detail']}" for row in rows if row["result"] == "failed"]
    if failed:
        return Finding(
            FAILED, "; ".join(failed), "restore a backup, or report what billing db check finds"
        )
    return Finding(OK, f"{counted(len(rows), 'check', 'checks')} of billing db check passed")


def _file(place: Place) -> Path | None:
    """Return the file of a SQLite database."""
    url = parse_url(place.settings.database_url)
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None
