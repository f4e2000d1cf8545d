"""`meter run` beside copying as many rows into a table without a key."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.databases import POSTGRESQL, SQLITE, driver, unit_of_work
from benchmarks.events import START, Sizes, created
from benchmarks.ingest import ingest
from benchmarks.measuring import Measurement, median, timed
from billing_cli.pricing.slots import HOUR
from billing_cli.pricing.terms import Terms, TermsHistory
from billing_cli.services import records
from billing_cli.settings import ConfigValues, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.databases import Databases

NEW_BARS: Final = {SQLITE: 3.0, POSTGRESQL: 8.0}
GROWING_BARS: Final = {SQLITE: 5.0, POSTGRESQL: 14.0}
RECORDS_EACH: Final = 3
"""A session of the measurement has a record an hour for each resource."""

_NOW: Final = 1_800_000_000
_SESSIONS_EACH: Final = 10
_SIZES: Final = Sizes("2", "4Gi", "20Gi")


def measure(
    databases: Databases, kind: str, sessions: int, hours: tuple[int, ...], repeats: int
) -> Iterator[Measurement]:
    """Meter new hours, and hours in the middle of which a run came, on top of a history."""
    url = running_sessions(databases, kind, sessions)
    for history in hours:
        meter(url, START + history * HOUR)
        databases.settle(url)
        yield _new_hours(url, kind, history, sessions * RECORDS_EACH, repeats)
        yield _growing(url, kind, history, sessions * RECORDS_EACH, repeats)
    databases.drop(url)


def running_sessions(databases: Databases, kind: str, sessions: int) -> str:
    """Make a database of sessions that have been running since the month began."""
    url = databases.fresh(kind)
    path = databases.folder / "running.jsonl"
    with path.open("w", encoding="ascii") as file:
        file.writelines(
            created(_id(number), f"user-{number // _SESSIONS_EACH:05d}", START, _SIZES)
            for number in range(sessions)
        )
    ingest(url, path)
    path.unlink()
    meter(url, START)
    return url


def meter(url: str, until: int) -> int:
    """Meter up to an instant and return how many records are new or changed."""
    with unit_of_work(url) as uow:
        return records.run(uow, terms_history(url), until, _NOW).records


def settings(url: str) -> Settings:
    """Return the default settings, whatever this machine is set up with."""
    return Settings(ConfigValues(), config_path=None, database_url=url, sources={})


def terms_history(url: str) -> TermsHistory:
    """Return the default prices, from the beginning."""
    return TermsHistory([(None, Terms.from_document(settings(url).money_document()))])


def _id(number: int) -> str:
    # As long as a UUID, and in no order.
    return f"{number * 2654435761 % 2**32:08x}-5e55-4000-8000-{number:012x}"


def _new_hours(url: str, kind: str, history: int, rows: int, repeats: int) -> Measurement:
    ours, floor = [], []
    for hour in range(history, history + repeats):
        seconds, made = timed(partial(meter, url, START + (hour + 1) * HOUR))
        ours.append(seconds)
        floor.append(copy(url, START + hour * HOUR, rows))
        _require(made, rows)
    return _measurement("meter run, new hour", kind, history, rows, ours, floor, NEW_BARS[kind])


def _growing(url: str, kind: str, history: int, rows: int, repeats: int) -> Measurement:
    ours, floor = [], []
    for hour in range(history + repeats, history + 2 * repeats):
        start = START + hour * HOUR
        _require(meter(url, start + HOUR // 2), rows)
        seconds, made = timed(partial(meter, url, start + HOUR // 2 + 600))
        ours.append(seconds)
        floor.append(copy(url, start, rows))
        _require(made, rows)
        _require(meter(url, start + HOUR), rows)
    return _measurement(
        "meter run, growing records", kind, history, rows, ours, floor, GROWING_BARS[kind]
    )


def copy(url: str, start: int, rows: int) -> float:
    """Copy the records of an hour from one bare table into another; return how long it took.

    As with the product, connecting and closing count: SQLite has work left when it closes.
    """
    with driver(url) as connection:
        for table, hour in (("floor_source", start), ("floor_records", -1)):
            # Of the same columns as the records, but without a key.
            connection.execute(
                f"CREATE TABLE {table} AS "
                f"SELECT * FROM billing_usage_records WHERE start_time = {hour}"
            )
    seconds, copied = timed(partial(_insert_select, url))
    _require(copied, rows)
    with driver(url) as connection:
        connection.execute("DROP TABLE floor_source")
        connection.execute("DROP TABLE floor_records")
    return seconds


def _insert_select(url: str) -> int:
    with driver(url) as connection:
        connection.execute("BEGIN")
        # Row by row: without a condition SQLite copies the bytes of a table just like this one.
        cursor = connection.execute(
            "INSERT INTO floor_records SELECT * FROM floor_source WHERE quantity > 0"
        )
        connection.execute("COMMIT")
        count: int = cursor.rowcount
        return count


def _require(made: int, expected: int) -> None:
    if made != expected:
        raise AssertionError(f"{made} records instead of {expected}")


def _measurement(  # noqa: PLR0913, PLR0917 - what a measurement is of
    name: str,
    kind: str,
    history: int,
    rows: int,
    ours: list[float],
    floor: list[float],
    bar: float,
) -> Measurement:
    return Measurement(
        name=f"{name} on {history} h",
        database=kind,
        items=rows,
        unit="records",
        seconds=median(ours),
        repeats=len(ours),
        bar=bar,
        floor_seconds=median(floor),
        floor="INSERT … SELECT into a bare table",
    )
