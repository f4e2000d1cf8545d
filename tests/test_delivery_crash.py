"""``kill -9`` while events are delivered, and two at once: all arrive, each user's in order."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import pytest

from billing_cli.pricing.instants import parse_instant
from billing_cli.store import outbox, users
from billing_cli.store.engine import open_engine
from billing_cli.store.unit_of_work import UnitOfWork
from billing_cli.store.users import UserRow
from tests.contents import rows
from tests.servers import Answer, HttpServer, http_server
from tests.told import payment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.databases import Copies
    from tests.processes import CommandOn, Processes, Running

AT: Final = "2025-02-01T00:00:00Z"
NOW: Final = parse_instant(AT)[0]
DELIVER: Final = ("events", "deliver")
USERS: Final = 5
EVENTS: Final = 26
BATCH: Final = 6
CONSTANTS: Final = {"billing_cli.services.deliveries._BATCH": BATCH}


@dataclass
class Case:
    """A database with events to deliver, the server they go to, and what starts commands."""

    copies: Copies
    url: str
    server: HttpServer
    forked: Processes
    config: Path
    expected: dict[str, list[int]] = field(default_factory=dict)

    def on(self, url: str) -> CommandOn:
        return self.forked.on(url, at=AT, config=self.config, constants=CONSTANTS)

    def told(self) -> dict[str, list[int]]:
        """The events that each user's came in as, in order, without immediate repetitions."""
        found: dict[str, list[int]] = {}
        for request in self.server.requests:
            payload = request.json()
            found.setdefault(payload["data"]["user_id"], []).append(int(payload["id"][4:]))
        return found

    def require_all(self, url: str) -> None:
        """All must have come in, in order but for what was repeated, and be written down."""
        again = 0
        for user, numbers in self.told().items():
            # A repetition begins the row anew at an event that may have come in already.
            seen = list(dict.fromkeys(numbers))
            assert seen == self.expected[user]
            again += len(numbers) - len(seen)
            for earlier, later in pairwise(numbers):
                assert later <= earlier or later == seen[seen.index(earlier) + 1]
        assert set(self.told()) == set(self.expected)
        states = rows(url, "SELECT state, COUNT(*) FROM billing_deliveries GROUP BY state")
        assert states == [("delivered", EVENTS)]
        assert again <= BATCH

    def finish(self, url: str) -> None:
        self.on(url)(*DELIVER).ok()
        self.require_all(url)
        self.server.requests.clear()


def fill(url: str) -> dict[str, list[int]]:
    """Write events of some users; return the numbers of each user's."""
    engine = open_engine(url)
    expected: dict[str, list[int]] = {}
    with UnitOfWork(engine) as uow, uow.batch() as tx:
        blank = (None,) * 6
        them = users.add(tx, [UserRow(0, f"user-{n}", *blank, NOW) for n in range(USERS)])
        notices = []
        for number in range(EVENTS):
            user = them[number * number % USERS]
            notices.append(payment(number + 1, user, NOW))
            expected.setdefault(user.user_id, []).append(number + 1)
        outbox.append(tx, notices, NOW)
    engine.dispose()
    return expected


@pytest.fixture(name="case", scope="module")
def _case(
    copies: Copies, forked: Processes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("deliver")
    with http_server() as server, copies.fresh() as url:
        secret = folder / "secret"
        secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        secret.chmod(0o600)
        sink = {"name": "hook", "kind": "webhook", "url": server.url, "secretFile": "secret"}
        config = folder / "billing.json"
        config.write_text(json.dumps({"notifications": {"sinks": [sink]}}))
        case = Case(copies, url, server, forked, config)
        case.on(url)(*DELIVER).ok()
        case.expected = fill(url)
        yield case


def test_a_kill_at_any_commit(case: Case) -> None:
    with case.copies.of(case.url) as url:
        steps = case.on(url)(*DELIVER).ok().steps
        case.require_all(url)
        case.server.requests.clear()
    # Two for each batch, one to begin and one to end.
    commits = steps.count("d")
    assert commits <= 2 * (EVENTS // BATCH + 1) + 2
    some = range(1, commits + 1, 3 if case.copies.are_sqlite else 6)
    for step, number in [("done", n) for n in some] + [("commit", n) for n in some]:
        with case.copies.of(case.url) as url:
            assert case.on(url)(*DELIVER, kill=(step, number)).killed
            case.finish(url)


def test_kills_again_and_again_each_before_a_commit(case: Case) -> None:
    with case.copies.of(case.url) as url:
        for number in range(1, 40):
            end = case.on(url)(*DELIVER, kill=("commit", number))
            if not end.killed:
                break
        told = case.told()
        assert {user: list(dict.fromkeys(them)) for user, them in told.items()} == case.expected
        assert rows(url, "SELECT DISTINCT state FROM billing_deliveries") == [("delivered",)]
        case.server.requests.clear()


@dataclass
class Killer:
    """Kills a process while its so-manieth event is being received."""

    case: Case
    number: int
    started: threading.Event = field(default_factory=threading.Event)
    running: list[Running] = field(default_factory=list)

    def __call__(self, _: object) -> Answer:
        if len(self.case.server.requests) == self.number:
            self.started.wait()
            self.running[0].kill()
        return Answer()

    def run(self, url: str) -> None:
        """Start to deliver, and be killed."""
        self.case.server.respond = self
        self.running.append(self.case.on(url).start(*DELIVER))
        self.started.set()
        assert self.running[0].wait().killed
        self.case.server.respond = lambda _: Answer()


def test_a_kill_while_something_is_sent(case: Case) -> None:
    for number in (1, BATCH, EVENTS - 1):
        with case.copies.of(case.url) as url:
            Killer(case, number).run(url)
            sending = "SELECT COUNT(*) FROM billing_deliveries WHERE state = 'sending'"
            assert rows(url, sending)[0][0] > 0
            case.finish(url)


def test_many_at_once_send_nothing_twice(case: Case) -> None:
    with case.copies.of(case.url) as url:
        running = [case.on(url).start(*DELIVER) for _ in range(3)]
        ends = [one.wait().ok() for one in running]
        assert sum("another process is delivering" in end.stderr for end in ends) >= 1
        # Who came second has left: its work is the first one's, or the next run's.
        case.on(url)(*DELIVER).ok()
        ids = Counter(request.headers["webhook-id"] for request in case.server.requests)
        assert set(ids.values()) == {1}
        case.require_all(url)
        case.server.requests.clear()
