"""`report usage --group-by record` beside `csv`, which writes the rows as the driver has them."""

from __future__ import annotations

import csv
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from benchmarks.databases import SQLITE, driver
from benchmarks.events import START
from benchmarks.growth import command
from benchmarks.measuring import Measurement, median, timed
from benchmarks.metering import RECORDS_EACH, meter, running_sessions
from billing_cli.pricing.slots import HOUR

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.databases import Databases

NAME: Final = "report usage --group-by record -o csv"
BAR: Final = 2.0
_HOURS: Final = 20
_EXPORT: Final = ("report", "usage", "--period", "2025-01", "--group-by", "record", "-o", "csv")
_BLOCK_ROWS: Final = 5_000
# As many columns as the report has.
_BARE: Final = (
    "SELECT start_time, end_time, user_id, session_id, resource_type, quantity, unit_price, "
    "month_seconds, period_start, created_at, 'usage' FROM billing_usage_records "
    "ORDER BY start_time, session_key, resource_type"
)


def measure(databases: Databases, kind: str, sessions: int, repeats: int) -> Measurement:
    """Export all records, each time in turns with the bare rows."""
    url = running_sessions(databases, kind, sessions)
    records = meter(url, START + _HOURS * HOUR)
    databases.settle(url)
    ours, bare = databases.folder / "report.csv", databases.folder / "bare.csv"
    times: tuple[list[float], list[float]] = [], []
    # The first time imports what all others have.
    command(url, _EXPORT, ours)
    for _ in range(repeats):
        times[0].append(timed(partial(command, url, _EXPORT, ours))[0])
        times[1].append(timed(partial(_write, url, bare))[0])
        _require(_lines(ours) - 1, records)
        _require(_lines(bare), records)
    databases.drop(url)
    return Measurement(
        name=NAME,
        database=kind,
        items=records,
        unit="records",
        seconds=median(times[0]),
        repeats=repeats,
        bar=BAR,
        floor_seconds=median(times[1]),
        floor="csv.writer(file).writerows(cursor)",
    )


def _write(url: str, path: Path) -> None:
    with driver(url) as connection, path.open("w", newline="", encoding="utf-8") as file:
        if url.startswith(SQLITE):
            _write_rows(file, connection.cursor())
        else:
            # A cursor of the client's would hold all rows at once.
            with connection.transaction(), connection.cursor(name="bare") as cursor:
                cursor.itersize = _BLOCK_ROWS
                _write_rows(file, cursor)


def _write_rows(file: Any, cursor: Any) -> None:
    cursor.execute(_BARE)
    csv.writer(file, lineterminator="\n").writerows(cursor)


def _lines(path: Path) -> int:
    with path.open(encoding="utf-8") as file:
        return sum(1 for _ in file)


def _require(found: int, expected: int) -> None:
    if found != expected or expected < RECORDS_EACH:
        raise AssertionError(f"{found} rows of {expected} records")
