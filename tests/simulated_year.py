"""A year in the life of an installation, with and without faults: the books must be the same.

Events arrive late, again and out of order; plans change, credits are granted, invoices are paid, in
part or not at all, and payments bounce. The jobs run by their schedules, as a timer would start
them. With faults, the timer misses its time, is away for days, starts them twice, or they are
killed at some commit. The same year in one pass has no jobs until its end.

A test takes a part of a year. All of it, on both kinds of database:

    python -m tests.simulated_year [--days 365] [--users 20] [--seed 1] [--url URL]…
"""

from __future__ import annotations

import argparse
import io
import json
import random
import tempfile
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn
from unittest import mock

from billing_cli.app import App
from billing_cli.clock import Clock
from billing_cli.errors import ConflictError
from billing_cli.pricing.instants import format_instant, parse_instant
from billing_cli.pricing.terms import Terms, TermsHistory
from billing_cli.services import credits, events, invoice_life, jobs, refunds, subscriptions
from billing_cli.services.payments import Given
from billing_cli.services.subscription_action import Wanted
from billing_cli.store import audit, engine
from billing_cli.store.unit_of_work import UnitOfWork
from tests.workload import DAY, HOUR, sessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.workload import Event

START: Final = parse_instant("2025-01-01T05:00:00Z")[0]
"""Midnight of New Year in New York."""
CONFIG: Final[dict[str, Any]] = {
    "timezone": "America/New_York",
    "billingMode": "hybrid",
    "autoSuspendOnOverage": True,
    "gracePeriodDays": 3,
    "taxes": [{"id": "vat", "name": "VAT", "percent": "8.875", "default": True}],
    "subscriptionPlans": [
        {"id": "free", "name": "Free", "price": 0, "interval": "month", "cpu_limit": 2},
        {"id": "pro", "name": "Pro", "price": "29.99", "interval": "month", "cpu_limit": 4},
        {"id": "year", "name": "Year", "price": "300.01", "interval": "year", "memory_limit": 3},
    ],
}
PLANS: Final = ("free", "pro", "year")
# No arrivals between a period's end (04:00 or 05:00 UTC) and when its invoices are made, late or
# not: which invoice they are on would depend on it.
OFFICE_HOUR: Final = 15 * HOUR
SETTLED_AFTER: Final = 7 * HOUR
BOOKS: Final = {
    "invoices": "SELECT invoice_number, user_id, period, subtotal, tax, credits, total, "
    "amount_paid, status FROM billing_invoices",
    "lines": "SELECT i.invoice_number, l.position, l.kind, l.description, l.item, l.quantity, "
    "l.unit_price, l.parts, l.unit_start, l.unit_end, l.amount FROM billing_invoice_lines l "
    "JOIN billing_invoices i ON i.id = l.invoice_id",
    "credits": "SELECT id, user_id, amount, voided, reason FROM billing_credits",
    "credit uses": "SELECT u.credit_id, i.invoice_number, u.amount, u.reversed_at IS NULL "
    "FROM billing_credit_uses u JOIN billing_invoices i ON i.id = u.invoice_id",
    "payments": "SELECT id, user_id, amount, refunded, status FROM billing_payments",
    "allocations": "SELECT a.payment_id, i.invoice_number, a.amount, a.released_at IS NULL "
    "FROM billing_payment_allocations a JOIN billing_invoices i ON i.id = a.invoice_id",
    "records": "SELECT start_time, session_id, resource_type, user_id, quantity, unit_price, "
    "end_time, period_start FROM billing_usage_records",
    "overage": "SELECT start_time, user_id, resource_type, kind, quantity, unit_price, end_time "
    "FROM billing_overage_records",
    "phases": "SELECT u.user_id, p.start_second, p.end_second, p.plan_id "
    "FROM billing_subscription_phases p JOIN billing_users u ON u.user_key = p.user_key",
    "counters": "SELECT name, value FROM billing_counters",
    "closed": "SELECT period_start, period_end FROM billing_closed_periods",
    # Of users whose events come in order: late ones may withdraw what was told meanwhile.
    "quotas": "SELECT told_as, type, occurred_at FROM billing_outbox "
    "WHERE SUBSTR(type, 1, 14) = 'billing.quota.' AND SUBSTR(user_id, 1, 9) = 'punctual-'",
}
BILLED: Final = (
    "SELECT i.user_id, l.unit_start, l.item, l.unit_price, CAST(SUM(l.amount) AS BIGINT) "
    "FROM billing_invoice_lines l JOIN billing_invoices i ON i.id = l.invoice_id "
    "WHERE l.item IS NOT NULL GROUP BY 1, 2, 3, 4 HAVING SUM(l.amount) <> 0"
)
MISSED, DOUBLED, KILLED = "missed", "doubled", "killed"
FAULTS: Final = (MISSED, DOUBLED, KILLED, "none")
# Nothing here loses its power: what is written need not have reached the disk.
UNSYNCED: Final = [
    pragma.replace("FULL", "OFF")
    for pragma in engine._SQLITE_PRAGMAS  # noqa: SLF001 - all others as they are
]
Rows = list[tuple[Any, ...]]


class Killed(BaseException):
    """What takes the place of ``kill -9``: nothing in the program catches it."""


@dataclass(frozen=True)
class Year:
    """How much of a year, how many users, how often the timer looks, and what faults there are.

    ``faults`` are how often a look is missed, doubled and killed; ``outages`` how often one is
    the first of days of missed ones.
    """

    days: int = 365
    users: int = 20
    tick_seconds: int = 900
    sessions_a_day: int = 12
    seed: int = 1
    first_day: int = 0
    faults: tuple[float, float, float] = (0.2, 0.1, 0.05)
    outages: float = 0.001
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def start(self) -> int:
        """When the first events happen."""
        return START + self.first_day * DAY

    @property
    def end(self) -> int:
        """When the last events have happened."""
        return self.start + self.days * DAY

    def random(self, *what: object) -> random.Random:
        """A source of numbers that is the same each time, for one purpose."""
        text = "/".join(map(str, (self.seed, *what)))
        return random.Random(text)  # noqa: S311 - made up, not secret

    def events(self) -> list[Event]:
        """Everything that happens in sessions."""
        found = sessions(
            self.seed,
            self.sessions_a_day * self.days,
            self.users,
            start=self.start,
            days=self.days - 1,
        )
        for event in found:
            user = event["data"].get("user")
            if user is not None:
                event["data"]["user"] = named(user)
        return found

    def arrivals(self) -> dict[int, list[Event]]:
        """The events by the moment at which they come in: some late, some twice."""
        source = self.random("arrivals")
        found: dict[int, list[Event]] = {}
        owners: dict[str, str] = {}
        for event in self.events():
            owner = owners.setdefault(event["data"]["id"], event["data"].get("user", ""))
            delay = 0
            if not owner.startswith("punctual"):
                delay = source.choices(
                    (0, source.randrange(2 * DAY), source.randrange(25 * DAY)), (80, 15, 5)
                )[0]
            happened = parse_instant(event["timestamp"])[0]
            found.setdefault(self._slot(happened + delay), []).append(event)
            if source.random() < 0.08:
                again = self._slot(happened + delay + source.randrange(10 * DAY))
                found.setdefault(again, []).append(event)
        return found

    @staticmethod
    def _slot(moment: int) -> int:
        """The next time at which events come in: twice a day, in the afternoon and at night."""
        day = moment - (moment - START) % DAY
        return next(
            slot
            for slot in (day + 13 * HOUR, day + 19 * HOUR, day + DAY + 13 * HOUR)
            if slot >= moment
        )


def named(user: str) -> str:
    """Half the users are those whose events all come in time."""
    return f"punctual-{user}" if user[-1] in "13579" else user


class Town:
    """An installation that lives through a year."""

    def __init__(self, year: Year, url: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "billing.json"
        file.write_text(json.dumps(CONFIG | year.config), encoding="utf-8")
        self.year = year
        self.app = App(config=str(file), database=url)
        self.faults: Counter[str] = Counter()
        document = self.app.settings.money_document()
        self.calendar = TermsHistory([(None, Terms.from_document(document))]).calendar

    def go_to(self, now: int) -> None:
        """Set the clock."""
        vars(self.app)["clock"] = Clock(now)

    def take_in(self, lines: list[Event]) -> None:
        """Let events come in."""
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        with self.app.unit_of_work() as uow:
            now = self.app.clock.now()
            assert events.Ingestion(uow, now, "jsonl", io.BytesIO(data)).run(["-"]).rejected == 0

    def found(self) -> None:
        """Let the users come into being, and meet them."""
        self.go_to(self.year.start)
        self.take_in(
            [
                {
                    "event": "user.created",
                    "timestamp": format_instant(self.year.start),
                    "id": f"user/{number}",
                    "data": {"id": named(f"user-{number:03d}")},
                }
                for number in range(self.year.users)
            ]
        )
        self.run("calculate-usage")

    def run(self, *names: str) -> None:
        """Run jobs, or what is due."""
        wanted = jobs.chosen(names) if names else None
        jobs.run(self.app, wanted, lambda _: None).require_success()

    def operate(self, day: int) -> None:
        """Do what an operator does on a day: the same each time, as far as the books are."""
        source = self.year.random("operator", day)
        user = named(f"user-{source.randrange(self.year.users):03d}")
        with suppress(ConflictError):
            if source.random() < 0.3:
                self._change_plan(user, source)
        if source.random() < 0.2:
            amount = f"{source.randrange(1, 40)}.{source.randrange(100):02d}"
            credits.add(self.app, user, amount, f"Day {day}", None)

    def _change_plan(self, user: str, source: random.Random) -> None:
        plan, kind = source.choice(PLANS), source.random()
        wanted = Wanted(None, user)
        if kind < 0.15:
            subscriptions.cancel(self.app, wanted, immediate=kind < 0.05, dry_run=False)
        elif kind < 0.3:
            subscriptions.create(self.app, user, plan, None, dry_run=False)
        else:
            subscriptions.change(
                self.app, wanted, plan, immediate=kind < 0.5, at_end=False, dry_run=False
            )

    def collect(self, now: int) -> None:
        """Let money come in for some invoices, each on a day of its own, and some of it bounce."""
        for number, end, owed in self.rows(
            "SELECT invoice_number, period_end, total - amount_paid FROM billing_invoices "
            "WHERE status IN ('sent', 'overdue') ORDER BY invoice_number"
        ):
            source = self.year.random("payment", number)
            if (now - end) // DAY == source.randrange(2, 14) and source.random() < 0.95:
                part = owed if source.random() < 0.7 else max(1, owed // 3)
                given = Given(f"{part // 100}.{part % 100:02d}", "transfer", None, None)
                paid = invoice_life.pay(self.app, number, given)
                if source.random() < 0.25 and paid["status"] == "paid":
                    ((payment,),) = self.rows("SELECT MAX(id) FROM billing_payments")
                    refunds.reverse(self.app, payment, "bounced")

    def rows(self, sql: str) -> Rows:
        """The rows of a query."""
        with self.app.unit_of_work() as uow, uow.reading() as tx:
            return tx.rows(sql)

    def books(self) -> dict[str, Rows]:
        """All that is about money, but for when jobs did it."""
        found = {name: sorted(self.rows(sql), key=repr) for name, sql in BOOKS.items()}
        # What is spent by now takes sessions to run on whose end has not come in yet.
        found["quotas"] = [row for row in found["quotas"] if "/spend/" not in row[0]]
        with UnitOfWork(self.app.engine) as uow, uow.reading() as tx:
            assert [problem for _, problems in audit.run(tx) for problem in problems] == []
        return found

    def billed(self) -> Rows:
        """What all invoices together say of each user, period and price."""
        return sorted(self.rows(BILLED), key=repr)


def live(town: Town, *, faults: bool) -> None:
    """Live through the year, looking for what is due again and again."""
    year = town.year
    arrivals = year.arrivals()
    town.found()
    chance = year.random("faults")
    away_until = year.start
    day = 0
    for now in range(year.start, year.end, year.tick_seconds):
        for slot in [slot for slot in arrivals if slot <= now]:
            town.go_to(slot)
            town.take_in(arrivals.pop(slot))
        while (moment := year.start + day * DAY + OFFICE_HOUR) <= now:
            town.go_to(moment)
            town.operate(day)
            town.collect(moment)
            day += 1
        town.go_to(now)
        if faults and away_until <= now and chance.random() < year.outages:
            away_until = now + chance.randrange(1, 4) * DAY
        if not faults or must_look(town, now):
            town.run()
        elif away_until <= now:
            look(town, chance)
        else:
            town.faults["looks missed while away"] += 1
    while day < year.days:
        town.go_to(year.start + day * DAY + OFFICE_HOUR)
        town.operate(day)
        day += 1
    settle(town, arrivals)


def must_look(town: Town, now: int) -> bool:
    """Whether invoices are to be made before events come in that would be on them."""
    ((closed,),) = town.rows("SELECT MAX(period_end) FROM billing_closed_periods")
    begun = town.calendar.containing(now).start
    return begun > max(closed or 0, town.year.start) and now - begun >= SETTLED_AFTER


def look(town: Town, chance: random.Random) -> None:
    """Look for what is due as a bad timer does: not at all, twice, or cut short."""
    fault = chance.choices(FAULTS, (*town.year.faults, 1 - sum(town.year.faults)))[0]
    if fault == MISSED:
        town.faults[fault] += 1
        return
    try:
        with killed_at(chance.randrange(1, 12) if fault == KILLED else 0):
            town.run()
    except Killed:
        town.faults[fault] += 1
    if fault == DOUBLED:
        town.faults[fault] += 1
        town.run("all")


@contextmanager
def killed_at(number: int) -> Iterator[None]:
    """End the program where it would begin to write for the so-manieth time."""
    begin, count = UnitOfWork._begin_write, 0  # noqa: SLF001 - where a batch begins

    def counted(uow: UnitOfWork) -> Any:
        nonlocal count
        count += 1
        if count == number:
            die()
        return begin(uow)

    with mock.patch.object(UnitOfWork, "_begin_write", counted):
        yield


def die() -> NoReturn:
    raise Killed


def settle(town: Town, arrivals: dict[int, list[Event]]) -> None:
    """Let what is late come in, and have it billed."""
    town.go_to(town.year.end + 40 * DAY)
    for slot in sorted(arrivals):
        town.take_in(arrivals[slot])
    town.run("all")
    town.go_to(town.year.end + 75 * DAY)
    town.run("all")


def in_one_pass(town: Town) -> None:
    """Have no jobs run until everything has happened."""
    year = town.year
    town.found()
    for day in range(year.days):
        town.go_to(year.start + day * DAY + OFFICE_HOUR)
        town.operate(day)
    town.go_to(year.end)
    town.take_in(year.events())
    settle(town, {})


def compare(found: dict[str, Rows], wanted: dict[str, Rows]) -> None:
    """Compare books table by table."""
    for name, expected in wanted.items():
        there = found[name]
        missing = [row for row in expected if row not in there]
        excess = [row for row in there if row not in expected]
        said = f"{name}: missing {missing[:3]}, in excess {excess[:3]}"
        assert there == expected, said


def prove(year: Year, urls: tuple[str, str, str], folder: Path) -> dict[str, Any]:
    """Live a year three times, in empty databases, and compare; return figures.

    Once without faults, once with them, and once in one pass.
    """
    clean, faulty, once = (Town(year, url, folder / str(number)) for number, url in enumerate(urls))
    with mock.patch.object(engine, "_SQLITE_PRAGMAS", UNSYNCED):
        live(clean, faults=False)
        live(faulty, faults=True)
        in_one_pass(once)
    books = clean.books()
    compare(faulty.books(), books)
    once.books()
    compare({"billed": once.billed()}, {"billed": clean.billed()})
    runs = faulty.rows("SELECT result, COUNT(*) FROM billing_job_runs GROUP BY result ORDER BY 1")
    return {
        "rows": {name: len(rows) for name, rows in books.items()},
        "billed_minor": sum(row[-1] for row in clean.billed()),
        "clean_runs": clean.rows("SELECT COUNT(*) FROM billing_job_runs")[0][0],
        "faulty_runs": dict(runs),
        "faults": dict(faulty.faults),
    }


def main() -> None:
    """Live a whole year and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--sessions", type=int, default=12, help="a day")
    parser.add_argument("--tick", type=int, default=900, help="seconds between looks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", nargs=3, help="three empty databases; default: SQLite files")
    wanted = parser.parse_args()
    year = Year(wanted.days, wanted.users, wanted.tick, wanted.sessions, wanted.seed)
    started = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        urls = wanted.url or [
            f"sqlite:///{folder / kind}.db" for kind in ("clean", "faulty", "once")
        ]
        figures = prove(year, tuple(urls), folder)
    figures["cpu_seconds"] = round(time.process_time() - started)
    print(json.dumps(figures, indent=2))  # noqa: T201 - run by hand


if __name__ == "__main__":
    main()
