"""Whatever fails, and however often it runs: each user's events arrive in order, none is lost."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_cli.app import App
from billing_cli.clock import Clock
from billing_cli.gateway.outcomes import DELIVERED, Kind, Outcome, failed, gone, refused, skipped
from billing_cli.gateway.outcomes import unreachable as not_there
from billing_cli.pricing.instants import parse_instant
from billing_cli.services import deliveries, sinks
from billing_cli.store import engine, outbox, users
from billing_cli.store.unit_of_work import UnitOfWork
from billing_cli.store.users import UserRow
from tests.contents import rows
from tests.told import payment

if TYPE_CHECKING:
    from pathlib import Path

    from billing_cli.settings import Sink
    from billing_cli.store.deliveries import Told
    from tests.databases import SqliteTemplates

START: Final = parse_instant("2025-01-01T00:00:00Z")[0]
ATTEMPTS: Final = 3
USERS: Final = 3
KINDS: Final = {
    "delivered": DELIVERED,
    "skipped": skipped("nobody"),
    "failed": failed("no"),
    "later": failed("later", 700),
    "refused": refused("never"),
    "unreachable": not_there("down"),
    "busy": Outcome(Kind.FAILED, "busy", 500, unreachable=True),
    "gone": gone("enough"),
    "interrupted": None,
}
UNSYNCED: Final = ("PRAGMA synchronous = OFF", "PRAGMA foreign_keys = ON")
FAILURES: Final = {"failed", "later", "unreachable", "busy", "gone"}
STEP: Final = st.one_of(
    st.tuples(st.just("tell"), st.lists(st.integers(0, USERS), min_size=1, max_size=4)),
    st.tuples(st.just("run"), st.tuples(st.integers(0, 4000), st.lists(st.sampled_from([*KINDS])))),
    st.tuples(st.just("replay"), st.integers(1, 12)),
)


class Attempt(NamedTuple):
    """An attempt to tell of an event: how it ended, and the how-manieth it was."""

    event: int
    user: int | None
    kind: str
    number: int


@dataclass
class Channel:
    """Answers as it is told to, and then takes everything."""

    script: list[str] = field(default_factory=list)
    log: list[Attempt] = field(default_factory=list)

    def send(self, told: Told, now: int) -> Outcome:  # noqa: ARG002 - a channel's
        kind = self.script.pop(0) if self.script else "delivered"
        self.log.append(Attempt(told.id, told.user_key, kind, told.attempts))
        outcome = KINDS[kind]
        if outcome is None:
            raise KeyboardInterrupt
        return outcome

    def close(self) -> None:
        """Nothing is open."""


class Place:
    """An installation with one sink, whose clock the steps move."""

    def __init__(self, url: str, folder: Path, channel: Channel) -> None:
        self.url, self.channel = url, channel
        self.config = folder / "billing.json"
        sink = {"name": "s", "kind": "command", "command": ["x"]}
        self.config.write_text(
            json.dumps({"notifications": {"sinks": [sink], "maxAttempts": ATTEMPTS}})
        )
        self.app = App(str(self.config), self.url)
        self.now = START
        blank = (None,) * 6
        with UnitOfWork(self.app.engine) as uow, uow.batch() as tx:
            self.users = users.add(tx, [UserRow(0, f"u{n}", *blank, START) for n in range(USERS)])
        self.run([])
        self.last = 0

    @property
    def now(self) -> int:
        """The instant that the installation takes for now."""
        return self.app.clock.now()

    @now.setter
    def now(self, instant: int) -> None:
        vars(self.app)["clock"] = Clock(instant)

    def tell(self, whom: list[int]) -> None:
        """Tell something about users; the number after the last is nobody."""
        notices = []
        for number in whom:
            self.last += 1
            user = self.users[number] if number < USERS else None
            notices.append(payment(self.last, user, self.now))
        with UnitOfWork(self.app.engine) as uow, uow.batch() as tx:
            outbox.append(tx, notices, self.now)

    def run(self, script: list[str]) -> deliveries.Report | None:
        self.channel.script = list(script)
        try:
            return deliveries.deliver(self.app, deliveries.Asked())
        except KeyboardInterrupt:
            return None

    def replay(self, number: int) -> None:
        with UnitOfWork(self.app.engine) as uow, uow.batch() as tx:
            chosen = outbox.Selection(ids=(number,))
            sinks.serve_again(tx, self.app.settings, chosen, self.now)

    def states(self) -> dict[int, str]:
        return dict(rows(self.url, "SELECT event_id, state FROM billing_deliveries ORDER BY 1"))


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few events make many batches."""
    monkeypatch.setattr(deliveries, "_BATCH", 3)
    # Waiting for the disk would prove nothing here.
    monkeypatch.setattr(engine, "_SQLITE_PRAGMAS", UNSYNCED)


def test_nothing_is_lost_and_each_users_events_are_in_order(
    sqlite_templates: SqliteTemplates,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channel = Channel()

    def opened(_app: App, _sink: Sink, _warnings: list[str]) -> Channel:
        return channel

    monkeypatch.setattr(deliveries, "open_channel", opened)

    @given(st.lists(STEP, max_size=12))
    @settings(max_examples=30)
    def check(steps: list[tuple[str, Any]]) -> None:
        channel.log.clear()
        folder = tmp_path_factory.mktemp("deliveries")
        place = Place(sqlite_templates.copy_to(folder / "b.db"), folder, channel)
        replayed: set[int] = set()
        for verb, value in steps:
            if verb == "tell":
                place.tell(value)
            elif verb == "replay" and value <= place.last:
                place.replay(value)
                replayed.add(value)
            elif verb == "run":
                place.now += value[0]
                before = len(channel.log)
                place.run(value[1])
                require_order(channel.log[before:])
        finish(place)
        require_complete(place, replayed)

    check()


def require_order(log: list[Attempt]) -> None:
    """In one run events come in their order, and nothing of a user follows what failed."""
    waiting: set[int] = set()
    last: dict[int, int] = {}
    for one in log:
        if one.user is not None:
            assert one.user not in waiting
            assert one.event > last.get(one.user, 0)
            last[one.user] = one.event
            if one.kind in FAILURES and one.number < ATTEMPTS:
                waiting.add(one.user)
        if one.kind in {"gone", "busy", "interrupted"}:
            assert one == log[-1]


def finish(place: Place) -> None:
    """Go on, a day at a time, until nothing waits."""
    for _ in range(2 * ATTEMPTS):
        place.now += 100_000
        if rows(place.url, "SELECT 1 FROM billing_sinks WHERE stopped_at IS NOT NULL"):
            sinks.resume(place.app, "s")
        report = place.run([])
        assert report is not None
        if not report.counts()["backlog"]:
            return
    pytest.fail("something waits for ever")


def require_complete(place: Place, replayed: set[int]) -> None:
    """Each event was delivered, skipped, or given up after as many attempts as it may have."""
    log = place.channel.log
    states = place.states()
    assert sorted(states) == list(range(1, place.last + 1))
    arrived = {one.event for one in log if one.kind == "delivered"}
    for event, state in states.items():
        tries = [one for one in log if one.event == event]
        assert event in arrived if state == "delivered" else state in {"skipped", "dead"}
        assert len(tries) <= ATTEMPTS or event in replayed or "gone" in {t.kind for t in tries}
        assert state != "dead" or tries[-1].kind in {*FAILURES, "refused", "interrupted"}
    for user in {one.user for one in log} - {None}:
        of_user = [one for one in log if one.user == user and one.event not in replayed]
        first = list(dict.fromkeys(one.event for one in of_user))
        assert first == sorted(first)
        delivered = [one.event for one in of_user if one.kind == "delivered"]
        assert delivered == sorted(set(delivered))


def test_what_kills_the_process_each_time_is_given_up(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Channel()
    monkeypatch.setattr(deliveries, "open_channel", lambda *_: channel)
    place = Place(sqlite_url, tmp_path, channel)
    place.tell([0, 0, 1])
    place.run(["failed"])
    # As a process leaves it that is killed while it sends.
    with UnitOfWork(place.app.engine) as uow, uow.batch() as tx:
        for event, attempts in ((1, ATTEMPTS), (3, 1)):
            tx.execute(
                "UPDATE billing_deliveries SET state = 'sending', attempts = ?, settled_at = NULL, "
                "due_at = ? WHERE event_id = ?",
                attempts,
                place.now,
                event,
            )
    channel.log.clear()
    report = place.run([])
    assert report is not None
    assert report.counts() == {"delivered": 2, "skipped": 0, "retried": 0, "dead": 1, "backlog": 0}
    assert [one.event for one in channel.log] == [2, 3]
    query = "SELECT state, last_error FROM billing_deliveries WHERE event_id = 1"
    assert rows(sqlite_url, query) == [("dead", "the process that was sending it ended")]


def test_an_attempt_that_is_interrupted_counts(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Channel()
    monkeypatch.setattr(deliveries, "open_channel", lambda *_: channel)
    place = Place(sqlite_url, tmp_path, channel)
    place.tell([0])
    for _ in range(ATTEMPTS):
        assert place.states() != {1: "dead"}
        place.run(["interrupted"])
        place.now += 100_000
    assert place.states() == {1: "dead"}
