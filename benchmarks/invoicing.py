"""`invoice generate --finalize`, in invoices a second."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.databases import unit_of_work
from benchmarks.events import START, Sizes, created, terminated
from benchmarks.ingest import ingest
from benchmarks.measuring import Measurement, median, timed
from benchmarks.metering import meter, settings, terms_history
from billing_cli.pricing.slots import HOUR
from billing_cli.services.generation import Generation

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.databases import Databases

BAR: Final = 8_000
RECORDS_EACH: Final = 100
PERIOD: Final = "2025-01"
_NOW: Final = START + 40 * 24 * HOUR


def measure(databases: Databases, kind: str, users: int, repeats: int) -> Measurement:
    """Bill users whose usage is metered already, each time in a copy of the same database."""
    metered = metered_users(databases, kind, users)
    return Measurement(
        name=f"invoice generate --finalize, {RECORDS_EACH} records each",
        database=kind,
        items=users,
        unit="invoices",
        seconds=finalizing(databases, metered, users, repeats, generate),
        repeats=repeats,
        bar=BAR,
    )


def finalizing(
    databases: Databases, metered: str, users: int, repeats: int, bill: Callable[[str], int]
) -> float:
    """Return the median of the seconds that it takes to bill everyone in a database.

    Each time in a copy; the database itself is dropped in the end.
    """
    times = []
    for _ in range(repeats):
        url = databases.copy(metered)
        databases.settle(url)
        seconds, made = timed(partial(bill, url))
        times.append(seconds)
        databases.drop(url)
        if made != users:
            raise AssertionError(f"{made} invoices for {users} users")
    databases.drop(metered)
    return median(times)


def metered_users(databases: Databases, kind: str, users: int) -> str:
    """Make a database of users with 100 usage records each, all of one period."""
    url = databases.fresh(kind)
    path = databases.folder / "users.jsonl"
    with path.open("w", encoding="ascii") as file:
        for number in range(users):
            user = f"user-{number * 7919 % users:05d}"
            start = START + number % 400 * HOUR
            # 20 hours of three resources and 20 of two.
            for session, storage in ((f"{user}-a", "20Gi"), (f"{user}-b", "0")):
                file.write(created(session, user, start, Sizes("1500m", "3Gi", storage)))
                file.write(terminated(session, user, start + 20 * HOUR))
    ingest(url, path)
    path.unlink()
    made = meter(url, START + 31 * 24 * HOUR)
    if made != users * RECORDS_EACH:
        raise AssertionError(f"{made} records for {users} users")
    databases.settle(url)
    return url


def generate(url: str) -> int:
    """Bill and finalize the period, and return how many invoices there are."""
    with unit_of_work(url) as uow:
        run = Generation(uow, settings(url), terms_history(url), _NOW, finalize=True)
        return len(run.generate(PERIOD, None).ids)
