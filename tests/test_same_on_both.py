"""Both databases give the same bytes: every command of a rich scenario, in every format."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.workload import HOUR, START, event, sessions, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.command_line import Invoke, Result
    from tests.workload import Event

FORMATS: Final = ("json", "jsonl", "csv", "tsv", "markdown")
# Databases order and compare these in ways of their own, if they are let.
ODD_NAMES: Final = (
    "a",
    "B",
    "Z z",
    "_z",
    "é",
    "e\u0301",
    "straße",
    "İstanbul",
    "ÿ",
    "\uffee",
    "𝒳",
    "user-10",
    "user-9",
    "o'brien; DROP TABLE billing_users",
    "=HYPERLINK(1)",
    "50%_?",
    "back\\slash",
    '"quoted",\ttab',
)
RATES: Final = {
    "cpu_per_core_hour": 0.0517,
    "memory_per_gb_hour": 0.0101,
    "storage_per_gb_month": 0.137,
}
RATES_JPY: Final = {
    "cpu_per_core_hour": 7.5,
    "memory_per_gb_hour": 1.35,
    "storage_per_gb_month": 15,
}
JANUARY: Final = {"start": START, "days": 28}


@dataclass
class Terminal:
    """Runs commands and keeps what they print."""

    invoke: Invoke
    at: str = ""
    transcript: list[tuple[str, Result]] = field(default_factory=list)
    formats: Iterator[str] = field(default_factory=lambda: cycle(FORMATS))

    def run(self, *words: str | Path, code: int = 0) -> None:
        """Run a command, which must end with this code."""
        result = self.invoke(*words, at=self.at)
        assert result.exit_code == code, f"{words}: {result.stderr}"
        self.transcript.append((" ".join([self.at, *map(str, words)]), result))

    def do(self, *words: str | Path, code: int = 0) -> None:
        """Run a command that changes things; each prints in the next format."""
        self.run(*words, "-o", next(self.formats), code=code)

    def show(self, *words: str) -> None:
        """Run a command that changes nothing, in every format."""
        for fmt in FORMATS:
            self.run(*words, "-o", fmt)


def odd_sessions() -> list[Event]:
    """A session of each odd name, of a user of that name: with storage, sizes, pauses, a beat."""
    found = []
    for number, name in enumerate(ODD_NAMES):
        session, at = f"{name} #{number}", START + number * 37 * HOUR + number
        sizes = {"cpu": f"{number + 1}50m", "memory": f"{number + 1}500M", "storage": f"{number}Gi"}
        found += [
            event("session.created", at, session, user=name, resources=sizes),
            event("session.hibernated", at + 7_001, session),
            event("session.woken", at + 20_003, session),
            event(
                "resources.updated", at + 31_337, session, resources={"cpu": "3", "storage": "9G"}
            ),
            event("session.heartbeat", at + 40_000, session),
        ]
        if number % 5:
            found.append(event("session.terminated", at + 90_017 + number, session, user=name))
    return found


def contradictions() -> list[Event]:
    """Another user, an end before the start, two sizes at once."""
    return [
        event("session.woken", START + 50_000, "a #0", user="somebody else"),
        event("session.terminated", START - HOUR, "_z #3"),
        event("session.terminated", START + 100, "nobody knows it"),
        {**event("resources.updated", START + 31_337, "a #0", resources={"cpu": "5"}), "id": "9"},
    ]


BAD_LINES: Final = (
    "no JSON",
    '{"event": "session.created", "timestamp": "2025-02-30T00:00:00Z", "data": {"id": "x"}}',
    '{"event": "session.created", "timestamp": "2025-01-30T00:00:00Z", "data": {"user": "x"}}',
    r'{"event": 7, "timestamp": "2025-01-30T00:00:00Z", "data": {"id": "\u0007\ud83d\ude00"}}',
    json.dumps({**odd_sessions()[0], "timestamp": "2025-01-01T00:00:01Z"}),
)


def new_york(terminal: Terminal, folder: Path) -> None:
    """Two months of odd users, late events, voids, custom ranges, credits and a price change."""
    config: dict[str, Any] = {
        "timezone": "America/New_York",
        "computeRates": RATES,
        "heartbeatTimeoutMinutes": 600,
        "taxes": [{"id": "vat", "name": "VAT", "percent": 8.875, "default": True}],
    }
    terminal.invoke.configure(**config)
    events = odd_sessions()
    terminal.at = "2025-01-20T05:00:00Z"
    first = write(
        folder / "first.jsonl", [*events[::2], *BAD_LINES, *sessions(1, 15, 5, **JANUARY)]
    )
    terminal.do("meter", "ingest", first, code=5)
    terminal.do("meter", "run")
    terminal.at = "2025-02-03T12:00:00Z"
    terminal.do("meter", "ingest", write(folder / "second.jsonl", events[1::2] + contradictions()))
    terminal.do("meter", "ingest", first, code=5)
    terminal.do("meter", "rejected", "retry", "--all", code=5)
    terminal.run("meter", "rejected", "drop", "2")
    terminal.run("meter", "rejected", "export")
    terminal.do("meter", "run", "--dry-run")
    custom = ("--from", "2025-01-10", "--to", "2025-01-12", "--user", "é", "--user", "straße")
    terminal.do("invoice", "generate", *custom, "--finalize")
    terminal.do("invoice", "generate", "--dry-run")
    terminal.do("invoice", "generate")
    terminal.do("invoice", "finalize", "--period", "2025-01")
    summaries(terminal)
    after_january(terminal, folder, config)


def after_january(terminal: Terminal, folder: Path, config: dict[str, Any]) -> None:
    terminal.do("invoice", "void", "INV-2025-000004", "--reason", 'typo, "again"')
    terminal.do("invoice", "void", "INV-2025-000005", "--reason", "a gift", "--write-off")
    terminal.do("invoice", "void", "INV-2025-000005", "--reason", "twice", code=4)
    terminal.do("invoice", "generate", "--period", "2025-01", "--finalize")
    terminal.invoke.configure(**{**config, "computeRates": {**RATES, "cpu_per_core_hour": 0.07}})
    terminal.do("config", "apply", "--from", "2025-02-10T00:00:00Z", "--dry-run")
    terminal.do("config", "apply", "--from", "2025-02-10T00:00:00Z")
    undone = [
        {**one, "id": f"{one['id']}/undone", "event": "session.terminated"}
        for one in odd_sessions()
        if one["event"] == "session.created" and one["data"]["user"] > "a"
    ]
    terminal.at = "2025-03-01T05:00:00Z"
    late = sessions(2, 6, 3, start=START, days=20)
    terminal.do("meter", "ingest", write(folder / "late.jsonl", undone + late))
    terminal.do("invoice", "generate", "--finalize")
    terminal.at = "2025-04-01T05:00:00Z"
    again = [
        event(kind, START + (2_000 + hours) * HOUR, f"{name} again", user=name)
        for name in ODD_NAMES
        for kind, hours in (("session.created", 0), ("session.terminated", 9))
    ]
    terminal.do("meter", "ingest", write(folder / "again.jsonl", again))
    terminal.do("invoice", "generate", "--finalize")
    reports(terminal)


def without_decimals(terminal: Terminal, folder: Path) -> None:
    """A currency without minor units, another day and zone: boundaries at half past."""
    terminal.invoke.configure(
        currency="JPY", timezone="Asia/Kolkata", invoiceDay=15, computeRates=RATES_JPY
    )
    terminal.at = "2025-02-20T00:00:00Z"
    terminal.do("meter", "ingest", write(folder / "jpy.jsonl", odd_sessions()))
    terminal.do("invoice", "generate", "--finalize")
    summaries(terminal)
    terminal.show("invoice", "show", "3")


def three_decimals(terminal: Terminal, folder: Path) -> None:
    """A currency with three decimals, in a zone with a midnight that happens twice."""
    terminal.invoke.configure(currency="KWD", timezone="America/Havana", invoiceDay=3)
    terminal.at = "2025-02-20T00:00:00Z"
    terminal.do("meter", "ingest", write(folder / "kwd.jsonl", odd_sessions()))
    terminal.do("invoice", "generate", "--finalize")
    summaries(terminal)
    terminal.show("invoice", "show", "3")


PLANS: Final = [
    {"id": "free", "name": "Free Tier", "price": 0, "interval": "month"}
    | {"cpu_limit": 1, "memory_limit": 2, "storage_limit": 5},
    {"id": "pro", "name": "Pro é", "price": "29.99", "interval": "month", "cpu_limit": 2},
    {"id": "year", "name": "Year", "price": "300.01", "interval": "year", "memory_limit": 1},
]
STATEMENT: Final = (
    "Date;Amount;Text;Transaction ID\n"
    "2025-02-01;12.34;rent inv 2025 000002;t1\n2025-02-02;1.00;=HYPERLINK(1);t2\n"
    "2025-02-03;-3.00;INV-2025-000001;t3\nsoon;1;x;t4\n"
)


def with_plans(terminal: Terminal, folder: Path) -> None:
    """Odd users with plans, limits, taxes, credits and payments, and everything that is shown."""
    terminal.invoke.configure(
        billingMode="hybrid",
        timezone="America/New_York",
        subscriptionPlans=PLANS,
        autoSuspendOnOverage=True,
        gracePeriodDays=2,
        taxes=[
            {"id": "vat", "name": "VAT", "percent": 8.875, "default": True},
            {"id": "low", "name": "Low", "percent": 2},
        ],
    )
    terminal.at = "2025-01-03T05:00:00Z"
    people = [
        {"user_id": name, "name": f"N {name}", "plan": PLANS[number % 3]["id"]}
        | {"cpu_limit": "3", "spend_limit": f"{number}.50", "tax": ("low", "none")[number % 2]}
        for number, name in enumerate(ODD_NAMES[:9])
    ]
    file = folder / "people.json"
    file.write_text(json.dumps(people), encoding="utf-8")
    terminal.do("user", "import", file)
    terminal.at = "2025-01-20T05:00:00Z"
    created = event("user.created", START + HOUR, "é", user="new é")
    events = write(folder / "plans.jsonl", [*odd_sessions(), created, *contradictions()])
    terminal.do("meter", "ingest", events)
    terminal.do("quota", "check")
    subscription = ("subscription", "change", "--user")
    terminal.do(*subscription, "a", "--plan", "pro", "--dry-run")
    for user, plan, code in (("a", "pro", 0), ("B", "free", 0), ("Z z", "year", 4)):
        terminal.do(*subscription, user, "--plan", plan, code=code)
    terminal.do("subscription", "cancel", "--user", "B", "--now")
    terminal.do("subscription", "resume", "--user", "B")
    terminal.do("invoice", "preview", "--user", "a")
    terminal.do("credits", "add", "--user", "a", "--amount", "50.00", "--reason", "Downtime [red]")
    terminal.at = "2025-02-03T12:00:00Z"
    terminal.do("quota", "check")
    terminal.do("invoice", "generate")
    terminal.do("invoice", "edit", "1", "--add-line", "=cmd()", "12.50", "--memo", "\x1b[31mred")
    terminal.do("invoice", "generate", "--finalize")
    paying(terminal, folder)


def paying(terminal: Terminal, folder: Path) -> None:
    statement = folder / "statement.csv"
    statement.write_text(STATEMENT, encoding="utf-8")
    for _ in range(2):
        terminal.do("payment", "import", statement, code=5)
    terminal.do("invoice", "pay", "INV-2025-000003")
    terminal.do("payment", "record", "--user", "é", "--amount", "400.00")
    terminal.do("payment", "refund", "4", "--amount", "1.00", "--reason", "too much")
    terminal.do("payment", "reverse", "3", "--reason", "bounced")
    terminal.do("invoice", "credit-note", "INV-2025-000005", "--amount", "1.00", "--reason", "gift")
    terminal.at = "2025-03-02T12:00:00Z"
    terminal.do("invoice", "mark-overdue")
    terminal.do("quota", "check")
    terminal.do("invoice", "generate", "--finalize")
    terminal.do("quota", "suspend", "_z", "--reason", "abuse")
    for noun in ("user", "plan", "subscription", "tax", "payment", "credits", "events", "invoice"):
        terminal.do(noun, "list")
    for words in (
        ("user", "show", "a"),
        ("plan", "show", "pro"),
        ("subscription", "show", "1"),
        ("payment", "show", "3"),
        ("credits", "balance"),
        ("credits", "history", "--user", "a"),
        ("quota", "show"),
        ("usage", "--period", "2025-01"),
        ("invoice", "show", "5"),
        ("events", "replay", "--type", "billing.invoice.paid", "--dry-run"),
    ):
        terminal.do(*words)


def summaries(terminal: Terminal) -> None:
    """What there is, a row each."""
    for by in ("user", "resource", "day", "session"):
        terminal.show("usage", "--by", by, "--period", "2025-01")
    for noun in ("sessions", "anomalies"):
        terminal.show("meter", noun)
    terminal.show("invoice", "list")


def reports(terminal: Terminal) -> None:
    """Everything that there is to be shown."""
    summaries(terminal)
    terminal.show("usage")
    terminal.show(
        "usage", "--from", "2025-01-10", "--to", "2025-01-12", "--by", "session", "--user", "é"
    )
    terminal.show("meter", "sessions", "--active")
    terminal.show("meter", "sessions", "--user", "straße")
    for session in ("a #0", "B #1", "50%_? #15"):
        terminal.show("meter", "show", session)
    terminal.show("meter", "rejected", "list")
    terminal.show("invoice", "list", "--status", "void")
    terminal.show("config", "history")
    for number in ("1", "4", "5", "INV-2025-000010", "12", "INV-2025-000020"):
        terminal.show("invoice", "show", number)


@pytest.mark.parametrize("scenario", [new_york, without_decimals, three_decimals, with_plans])
def test_every_output_is_the_same(
    scenario: Callable[[Terminal, Path], None],
    invoke_on: Callable[[str], Invoke],
    sqlite_url: str,
    postgres_url: str,
    tmp_path: Path,
) -> None:
    terminals = [Terminal(invoke_on(url)) for url in (sqlite_url, postgres_url)]
    for terminal in terminals:
        scenario(terminal, tmp_path)
    sqlite, postgres = (terminal.transcript for terminal in terminals)
    assert len(sqlite) == len(postgres)
    for (command, found), (_, wanted) in zip(postgres, sqlite, strict=True):
        assert (command, found) == (command, wanted)
