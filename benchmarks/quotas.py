"""`quota check` beside the bare SQL that sums what everyone's sessions use."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from benchmarks.databases import driver, unit_of_work
from benchmarks.events import START, Sizes, created, terminated
from benchmarks.ingest import ingest
from benchmarks.measuring import Measurement, median, timed
from benchmarks.metering import meter
from billing_cli.pricing.slots import HOUR
from billing_cli.pricing.terms import Terms, TermsHistory
from billing_cli.pricing.timelines import FOREVER
from billing_cli.services.quotas import Check
from billing_cli.settings import ConfigValues, Settings
from billing_cli.store import subscriptions
from billing_cli.store.subscriptions import NewSubscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.databases import Databases

QUARTER_BAR: Final = 3.0
WEEK_BAR: Final = 6.0
SESSIONS_EACH: Final = 3

_QUARTER: Final = HOUR // 4
_WEEK: Final = 7 * 24 * HOUR
_SIZES: Final = Sizes("2", "4Gi", "20Gi")
# So much of all sessions ends and is begun anew: one in 200 in 15 minutes, a quarter in a week.
_QUARTER_TURNOVER: Final = 200
_WEEK_TURNOVER: Final = 4
_PLAN: Final = {
    "id": "pro",
    "name": "Pro",
    "price": "10",
    "interval": "month",
    "cpu_limit": 8,
    "memory_limit": 16,
    "storage_limit": 100,
}
_BARE: Final = (
    "SELECT s.user_key, SUM(g.cpu_millicores), SUM(g.memory_mib), SUM(g.storage_mib) "
    "FROM billing_segments g JOIN billing_sessions s ON s.session_key = g.session_key "
    # The plus keeps SQLite from the index by start: three times as fast, to be fair.
    "WHERE +g.start_second <= {0} AND g.end_second > {0} GROUP BY s.user_key"
)


def measure(databases: Databases, kind: str, users: int, repeats: int) -> list[Measurement]:
    """Check every quarter of an hour, and then once a week."""
    clock = _Clock(databases, kind, users)
    check(clock.url, clock.now)
    every = clock.rounds(repeats, _QUARTER, _QUARTER_TURNOVER)
    seldom = clock.rounds(repeats, _WEEK, _WEEK_TURNOVER)
    databases.drop(clock.url)
    return [
        _measurement("quota check every 15 minutes", kind, users, every, QUARTER_BAR),
        _measurement("quota check after a week", kind, users, seldom, WEEK_BAR),
    ]


def check(url: str, now: int, threshold: int = 80) -> int:
    """Check everyone's quotas and return how many levels were reached."""
    with unit_of_work(url) as uow:
        return Check(uow, settings(url, threshold), history(url), now).run().crossings


def holders(databases: Databases, kind: str, users: int) -> str:
    """Make a database of users who hold a plan and have three sessions running each."""
    url = databases.fresh(kind)
    path = databases.folder / "holders.jsonl"
    with path.open("w", encoding="ascii") as file:
        for number in range(users * SESSIONS_EACH):
            start = START - number * 7919 % (20 * 24 * HOUR)
            file.write(created(_id(number, 0), _user(number), start, _SIZES))
    ingest(url, path)
    path.unlink()
    meter(url, START - 21 * 24 * HOUR)
    with unit_of_work(url) as uow, uow.batch() as tx:
        names = tx.rows("SELECT user_key, user_id FROM billing_users ORDER BY user_key")
        begin = START - 30 * 24 * HOUR
        subscriptions.add(
            tx,
            [
                NewSubscription(key, name, "operator", begin, begin, FOREVER, "pro")
                for key, name in names
            ],
        )
    return url


def settings(url: str, threshold: int = 80) -> Settings:
    """Return settings with a plan that takes four such sessions."""
    values = ConfigValues.model_validate(
        {"billingMode": "hybrid", "subscriptionPlans": [_PLAN], "alertThreshold": threshold}
    )
    return Settings(values, config_path=None, database_url=url, sources={})


def history(url: str) -> TermsHistory:
    """Return what these settings come to, from the beginning."""
    return TermsHistory([(None, Terms.from_document(settings(url).money_document()))])


def sum_use(url: str, now: int) -> int:
    """Sum what everyone uses at an instant, and return how many users that are."""
    with driver(url) as connection:
        return len(connection.execute(_BARE.format(now)).fetchall())


class _Clock:
    """A deployment in which sessions come and go while time passes."""

    def __init__(self, databases: Databases, kind: str, users: int) -> None:
        self.databases, self.users, self.now = databases, users, START
        self.url = holders(databases, kind, users)
        self.source = random.Random(users)
        self.ages = [0] * (users * SESSIONS_EACH)

    def rounds(self, repeats: int, seconds: int, turnover: int) -> tuple[list[float], list[float]]:
        """Let time pass and check, in turns with the bare sum; return the times of both."""
        ours, bare = [], []
        for _ in range(repeats):
            self.pass_time(seconds, turnover)
            self.databases.settle(self.url)
            ours.append(_time(lambda: check(self.url, self.now)))
            bare.append(_time(lambda: sum_use(self.url, self.now)))
        return ours, bare

    def pass_time(self, seconds: int, turnover: int) -> None:
        """End a part of the sessions, begin others in their place, one in 50 of them twice."""
        path = self.databases.folder / "turnover.jsonl"
        with path.open("w", encoding="ascii") as file:
            for number in self.source.sample(range(len(self.ages)), len(self.ages) // turnover):
                at = self.now + self.source.randrange(1, seconds)
                file.write(terminated(_id(number, self.ages[number]), _user(number), at))
                self.ages[number] += 1
                file.write(created(_id(number, self.ages[number]), _user(number), at, _SIZES))
                if number % 50 == 0:
                    twice = f"{_id(number, self.ages[number])}-2"
                    file.write(created(twice, _user(number), at, _SIZES))
        self.now += seconds
        ingest(self.url, path)
        path.unlink()
        # Brings the timelines up to date, which is not what is measured.
        meter(self.url, START - 21 * 24 * HOUR)


def _time(work: Callable[[], int]) -> float:
    seconds, done = timed(work)
    if done < 0:
        raise AssertionError
    return seconds


def _user(number: int) -> str:
    return f"user-{number // SESSIONS_EACH:06d}"


def _id(number: int, age: int) -> str:
    # As long as a UUID, and in no order.
    return f"{number * 2654435761 % 2**32:08x}-{age:04x}-4000-8000-{number:012x}"


def _measurement(
    name: str, kind: str, users: int, times: tuple[list[float], list[float]], bar: float
) -> Measurement:
    ours, bare = times
    return Measurement(
        name=name,
        database=kind,
        items=users,
        unit="users",
        seconds=median(ours),
        repeats=len(ours),
        bar=bar,
        floor_seconds=median(bare),
        floor="SELECT … SUM … GROUP BY user",
    )
