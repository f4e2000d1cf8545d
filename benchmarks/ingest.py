"""`meter ingest` beside decoding the same lines and handing the driver the same columns."""

from __future__ import annotations

import io
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from benchmarks.databases import POSTGRESQL, SQLITE, driver, unit_of_work
from benchmarks.measuring import Measurement, median, timed
from billing_cli.services.events import _BATCH_EVENTS as COMMIT_EVENTS
from billing_cli.services.events import Ingestion
from billing_cli.store.events import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from benchmarks.databases import Databases

    Row = tuple[object, ...]
    Rows = Callable[[Iterable[bytes]], Iterator[Row]]

BARS: Final = {SQLITE: 1.6, POSTGRESQL: 2.5}
_NOW: Final = 1_800_000_000
_MAKE: Final = (
    "CREATE TABLE floor_events (seq INTEGER PRIMARY KEY, origin_key bigint NOT NULL, "
    "event_id text NOT NULL, type text NOT NULL, session_key bigint, user_key bigint, "
    "at_second bigint NOT NULL, at_fraction text NOT NULL, state text, cpu_millicores bigint, "
    "memory_mib bigint, storage_mib bigint, payload text NOT NULL, received_at bigint NOT NULL, "
    "UNIQUE (origin_key, event_id))"
)


class _Data(msgspec.Struct, gc=False):
    id: str
    user: str
    state: str | None = None


class _Webhook(msgspec.Struct, gc=False):
    id: str
    event: str
    timestamp: str
    data: _Data


def measure(databases: Databases, kind: str, path: Path, items: int, repeats: int) -> Measurement:
    """Ingest the events of ``path`` and let the floor do so, in turns."""
    decoder, rows = fastest(path)
    ours: list[float] = []
    floor: list[float] = []
    for _ in range(repeats):
        for times, work in ((floor, partial(insert, rows=rows)), (ours, ingest)):
            url = databases.fresh(kind)
            seconds, stored = timed(partial(work, url, path))
            times.append(seconds)
            databases.drop(url)
            if stored != items:
                raise AssertionError(f"{stored} of {items} events are stored")
    return Measurement(
        name="ingest",
        database=kind,
        items=items,
        unit="events",
        seconds=median(ours),
        repeats=repeats,
        bar=BARS[kind],
        floor_seconds=median(floor),
        floor=f"{decoder} and {'executemany' if kind == SQLITE else 'COPY'}, same key and commits",
    )


def ingest(url: str, path: Path) -> int:
    """Ingest a file as the command does, and return how many events were new."""
    with unit_of_work(url) as uow:
        return Ingestion(uow, _NOW, "auto", io.BytesIO()).run([str(path)]).accepted


def insert(url: str, path: Path, rows: Rows) -> int:
    """Do the least: decode, insert, commit as often; return how many rows there are."""
    names = ", ".join(COLUMNS)
    marks = ", ".join("?" * len(COLUMNS))
    with driver(url) as connection, path.open("rb") as lines:
        connection.execute(_MAKE)
        found = rows(lines)
        for first in found:
            # Rows go by one at a time: not even a list of them is made.
            batch = chain((first,), islice(found, COMMIT_EVENTS - 1))
            connection.execute("BEGIN")
            if url.startswith(SQLITE):
                connection.executemany(
                    f"INSERT INTO floor_events ({names}) VALUES ({marks})",
                    batch,
                )
            else:
                _copy(connection, f"COPY floor_events ({names}) FROM STDIN", batch)
            connection.execute("COMMIT")
        count: int = connection.execute("SELECT COUNT(*) FROM floor_events").fetchone()[0]
        return count


def _copy(connection: Any, statement: str, rows: Iterable[Row]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def fastest(path: Path) -> tuple[str, Rows]:
    """Return the fastest of three ways to turn lines into rows, by its name, tried here and now."""
    with path.open("rb") as file:
        sample = list(islice(file, 20_000))

    def seconds(name: str) -> float:
        return min(timed(lambda: len(list(WAYS[name](sample))))[0] for _ in range(5))

    name = min(WAYS, key=seconds)
    return name, WAYS[name]


# What is not read as it stands costs nothing here: times and sizes are constants.


def _from_objects(decode: Callable[[bytes], Any], lines: Iterable[bytes]) -> Iterator[Row]:
    sessions: dict[str, int] = {}
    users: dict[str, int] = {}
    for seq, line in enumerate(lines, 1):
        event = decode(line)
        data = event["data"]
        session = sessions.setdefault(data["id"], seq)
        user = users.setdefault(data["user"], seq)
        what = (seq, 1, event["id"], event["event"], session, user, _NOW, "", data.get("state"))
        yield (*what, 1_000, 2_048, 10_240, line.decode(), _NOW)


def _from_structs(decode: Callable[[bytes], _Webhook], lines: Iterable[bytes]) -> Iterator[Row]:
    sessions: dict[str, int] = {}
    users: dict[str, int] = {}
    for seq, line in enumerate(lines, 1):
        event = decode(line)
        data = event.data
        session = sessions.setdefault(data.id, seq)
        user = users.setdefault(data.user, seq)
        what = (seq, 1, event.id, event.event, session, user, _NOW, "", data.state)
        yield (*what, 1_000, 2_048, 10_240, line.decode(), _NOW)


WAYS: Final[dict[str, Rows]] = {
    "orjson": partial(_from_objects, orjson.loads),
    "msgspec": partial(_from_objects, msgspec.json.Decoder().decode),
    "msgspec (typed)": partial(_from_structs, msgspec.json.Decoder(_Webhook).decode),
}
