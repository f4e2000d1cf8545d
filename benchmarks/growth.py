"""Time for each item and peak of memory at 1, 4 and 16 times a size, a new process for each."""

from __future__ import annotations

import os
import sys
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from unittest import mock

from benchmarks import hybrid
from benchmarks.events import START, write_events
from benchmarks.ingest import ingest
from benchmarks.invoicing import PERIOD, generate, metered_users
from benchmarks.measuring import isolated, peak_mib, timed
from benchmarks.metering import RECORDS_EACH, meter, running_sessions
from benchmarks.quotas import check, holders
from billing_cli.pricing.slots import HOUR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.databases import Databases

TIMES: Final = (1, 4, 16)
BAR: Final = 1.2
"""How many times as much memory 4 times the input may take, once the caches are full."""

_HOURS: Final = 4
_NOW: Final = "2025-02-10T00:00:00Z"
_EXPORTS: Final = {
    "usage --by session -o csv": ("usage", "--period", PERIOD, "--by", "session", "-o", "csv"),
    "invoice list -o csv": ("invoice", "list", "-o", "csv"),
    "invoice list -o json": ("invoice", "list", "-o", "json"),
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """What one time the size is: events to ingest, sessions to meter, users to bill."""

    events: int
    sessions: int
    users: int


@dataclass(frozen=True, slots=True)
class Growth:
    """A job at one size; ``peak_mib`` is of the client's process, PostgreSQL's are not in it."""

    name: str
    database: str
    unit: str
    items: int
    seconds: float
    peak_mib: float


def measure(databases: Databases, kind: str, sizes: Sizes) -> Iterator[Growth]:
    """Do each job at each size."""
    for times in TIMES:
        yield _ingest(databases, kind, sizes.events * times)
    for times in TIMES:
        yield _meter(databases, kind, sizes.sessions * times)
    for times in TIMES:
        yield from _bill(databases, kind, sizes.users * times)
    for times in TIMES:
        yield _bill_holders(databases, kind, sizes.users * times)
    for times in TIMES:
        yield _check(databases, kind, sizes.users * times)


def _ingest(databases: Databases, kind: str, events: int) -> Growth:
    path = databases.folder / "growing.jsonl"
    write_events(path, events)
    url = databases.fresh(kind)
    seconds, stored, peak = isolated(_job, partial(ingest, url, path))
    _require(stored, events)
    path.unlink()
    databases.drop(url)
    return Growth("ingest", kind, "events", events, seconds, peak)


def _meter(databases: Databases, kind: str, sessions: int) -> Growth:
    url = running_sessions(databases, kind, sessions)
    databases.settle(url)
    seconds, made, peak = isolated(_job, partial(meter, url, START + _HOURS * HOUR))
    _require(made, sessions * RECORDS_EACH * _HOURS)
    databases.drop(url)
    return Growth(f"meter run, {_HOURS} hours", kind, "records", made, seconds, peak)


def _bill(databases: Databases, kind: str, users: int) -> Iterator[Growth]:
    url = metered_users(databases, kind, users)
    seconds, made, peak = isolated(_job, partial(generate, url))
    _require(made, users)
    yield Growth("invoice generate --finalize", kind, "invoices", made, seconds, peak)
    databases.settle(url)
    for name, arguments in _EXPORTS.items():
        output = databases.folder / "export"
        seconds, _, peak = isolated(_job, partial(command, url, arguments, output))
        rows = _rows(output)
        _require(rows, users * (5 if "usage" in name else 1))
        yield Growth(name, kind, "rows", rows, seconds, peak)
    databases.drop(url)


def _bill_holders(databases: Databases, kind: str, users: int) -> Growth:
    url = hybrid.metered_holders(databases, kind, users)
    seconds, made, peak = isolated(_job, partial(hybrid.generate, url))
    _require(made, users)
    databases.drop(url)
    return Growth(hybrid.NAME, kind, "invoices", made, seconds, peak)


def _check(databases: Databases, kind: str, users: int) -> Growth:
    url = holders(databases, kind, users)
    databases.settle(url)
    # Three quarters of a limit are in use, so everyone reaches this for cpu and memory.
    seconds, reached, peak = isolated(_job, partial(check, url, START, 70))
    _require(reached, users * 2)
    databases.drop(url)
    return Growth("quota check, the first", kind, "users", users, seconds, peak)


def _job(work: Callable[[], int]) -> tuple[float, int, float]:
    seconds, done = timed(work)
    return seconds, done, peak_mib()


def command(url: str, arguments: tuple[str, ...], output: Path) -> int:
    """Run a command in this process with its output in a file; return its exit code."""
    from billing_cli.main import main

    environ = {"HOME": str(output.parent), "XDG_CONFIG_HOME": str(output.parent), "TZ": "UTC"}
    line = ["billing", "--database", url, "--at", _NOW, *arguments]
    with (
        chdir(output.parent),
        output.open("w", encoding="utf-8") as file,
        redirect_stdout(file),
        mock.patch.dict(os.environ, environ, clear=True),
        mock.patch.object(sys, "argv", line),
    ):
        try:
            main()
        except SystemExit as error:
            if error.code:
                raise
    return 0


def _rows(output: Path) -> int:
    """Count the rows of a CSV file, or of a JSON file by a field that each has once."""
    with output.open(encoding="utf-8") as file:
        if file.read(1) != "[":
            return sum(1 for _ in file) - 1
        return sum(line.count('"invoice_number"') for line in file)


def _require(done: int, expected: int) -> None:
    if done != expected:
        raise AssertionError(f"{done} instead of {expected}")
