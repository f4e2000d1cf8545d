"""Peak memory does not grow with the data: four times the input needs at most 1.2 times as much.

Batches and caches are a fortieth of what operators have, so that a fortieth of the data fills
them. What is left of the peak is mostly the program, imported before, so its growth is held to
less: to some five MiB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from billing_cli.store import engine
from tests.workload import START, event, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.databases import Copies
    from tests.processes import Processes
    from tests.workload import Event

MARCH: Final = "2025-03-01T00:00:00Z"
SESSIONS: Final = 1_500
LIMIT: Final = 1.055
COMMANDS: Final = (
    ("meter", "run"),
    ("invoice", "generate", "--finalize"),
    ("invoice", "list", "-o", "json"),
    ("meter", "sessions", "-o", "jsonl"),
    ("usage", "--period", "2025-01", "--by", "session"),
    ("usage", "--period", "2025-01", "--by", "session", "-o", "csv"),
    ("report", "usage", "--period", "2025-01", "--group-by", "record", "-o", "csv"),
)
SMALL: Final = {
    "billing_cli.services.events._BATCH_EVENTS": 1_250,
    "billing_cli.services.sessions._BATCH_SESSIONS": 500,
    "billing_cli.services.pacing._FEW_RECORDS": 2_500,
    "billing_cli.services.pacing._MANY_RECORDS": 5_000,
    "billing_cli.services.billing_run._BATCH_USERS": 250,
    "billing_cli.store.names._CACHE_LIMIT": 1_000,
    "billing_cli.store.unit_of_work._STREAM_ROWS": 125,
    "billing_cli.exports._BLOCK_ROWS": 25,
    "billing_cli.tables._BLOCK_ROWS": 25,
    "billing_cli.services.report_usage._KNOWN": 1_000,
    "billing_cli.store.engine._SQLITE_PRAGMAS": [
        "PRAGMA cache_size = -400",
        "PRAGMA wal_autocheckpoint = 819",
        *(
            pragma
            for pragma in engine._SQLITE_PRAGMAS  # noqa: SLF001 - all others as they are
            if not any(name in pragma for name in ("cache_size", "autocheckpoint", "synchronous"))
        ),
        "PRAGMA synchronous = OFF",
    ],
}


def events(count: int) -> Iterator[Event]:
    """Five events of each session, each of a user of its own."""
    for number in range(count):
        session, user = f"session-{number:06d}", f"user-{number:06d}"
        at = START + number * 2_000_000 // count
        yield event("session.created", at, session, user=user)
        for minute, kind in enumerate(("heartbeat", "heartbeat", "hibernated", "terminated"), 1):
            yield event(f"session.{kind}", at + minute * 300, session)


def test_peaks(copies: Copies, forked: Processes, tmp_path: Path) -> None:
    peaks = []
    for times in (1, 4):
        file = write(tmp_path / f"{times}.jsonl", events(times * SESSIONS))
        with copies.fresh() as url:
            on = forked.on(url, at=MARCH, constants=SMALL)
            ends = [on("meter", "ingest", file), *(on(*words) for words in COMMANDS)]
            peaks.append([end.ok().peak_kib for end in ends])
    names = ["ingest", *(" ".join(words) for words in COMMANDS)]
    growth = {name: four / one for name, one, four in zip(names, *peaks, strict=True)}
    assert max(growth.values()) <= LIMIT, growth
