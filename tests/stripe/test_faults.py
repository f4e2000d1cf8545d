"""Whatever goes wrong at any request of a sync, the command again ends as one clean run.

The test walks through every request of a full sync in turn. What goes wrong there differs from
request to request; with ``STRIPE_WALK=all`` everything goes wrong at each of them, which takes
minutes.
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import pytest
import stripe  # noqa: TID251 - its client is told how long to wait

from billing_cli.store.engine import open_engine
from tests.command_line import Invoke
from tests.stripe.books import both, difference
from tests.stripe.world import KEY, PRO, World, seconds
from tests.stripe_server import StripeServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.databases import Copies
    from tests.processes import Processes

# Each with whether it goes wrong once, and is tried again, or every time.
FAULTS: Final = tuple(
    (kind, when, times)
    for kind, when in (
        ("drop", "before"),
        ("500", "after"),
        ("429", "before"),
        ("drop", "after"),
        ("html", "before"),
        ("503", "before"),
        ("500", "before"),
        ("409", "before"),
        ("timeout", "after"),
        ("timeout", "before"),
    )
    for times in (9, 1)
)
WALKS_ALL: Final = os.environ.get("STRIPE_WALK") == "all"


@dataclass
class Story:
    """Both sides before a sync that has everything to do, and after it."""

    world: World
    copies: Copies
    server: StripeServer
    before: bytes
    url: str
    clean: dict[str, Any]
    requests: int

    def again(self, url: str, folder: Path) -> World:
        """The same deployment on a copy of the database, with the account as it was before."""
        self.server.restore(self.before)
        world = World(Invoke(folder, url), self.server, self.world.now)
        configure(world)
        return world

    def compare(self, url: str, what: str) -> None:
        """Compare both sides with those after one clean run."""
        found = difference(both(url, self.server), self.clean)
        assert found == [], "\n".join([what, *found])


def configure(world: World) -> None:
    world.configure(subscriptionPlans=[PRO])


def prepare(world: World) -> None:
    """Make something of every kind that a sync has to do."""
    configure(world)
    server = world.server
    server.engine.collects_at_once = True
    world.use(ann=10, bob=20, cid=30, dan=40, eve=50)
    world("invoice", "generate", "--user", "dan", "--user", "eve", "--finalize").ok()
    world("stripe", "sync", "--only", "customers").ok()
    server.attach_method(world.customer("dan"))
    server.attach_method(world.customer("ann"))
    world.sync()
    world("invoice", "generate", "--finalize").ok()
    # Of an invoice that is there: a refund with its note, and a void.
    (paid,) = world.rows("payment", "list", "--user", "dan")
    world("payment", "refund", str(paid["id"]), "--amount", "15", "--reason", "Slow").ok()
    world("invoice", "void", str(world.ours("eve")["id"]), "--reason", "Wrong").ok()
    # Of one that is not: paid in part, and a note on the rest; paid as a whole.
    bob, cid = str(world.ours("bob")["id"]), str(world.ours("cid")["id"])
    world("invoice", "pay", bob, "--amount", "5", "--method", "bank").ok()
    world("invoice", "credit-note", bob, "--amount", "3", "--reason", "Slow").ok()
    world("invoice", "pay", cid, "--method", "bank").ok()
    world("user", "edit", "eve", "--name", "Eve").ok()
    # What has happened so far is read and done with: each run has to read its own events only.
    world.at("2025-02-01T02:00:00Z")
    world("stripe", "sync", "--only", "events").ok()


@pytest.fixture(name="story", scope="module")
def _story(copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with StripeServer() as server, copies.fresh() as before, copies.fresh() as _:
        world = World(Invoke(tmp_path_factory.mktemp("story"), before), server)
        prepare(world)
        saved = server.save()
        with copies.of(before) as url:
            clean = World(Invoke(tmp_path_factory.mktemp("clean"), url), server, world.now)
            configure(clean)
            count = len(server.requests)
            clean.sync()
            count = len(server.requests) - count
            assert clean.sync() == []
            clean.check()
            yield Story(world, copies, server, saved, before, both(url, server), count)


def cases(story: Story) -> Iterator[tuple[int, tuple[str, str, int]]]:
    """Each request with some of what can go wrong, or with all of it."""
    if WALKS_ALL:
        yield from product(range(1, story.requests + 1), FAULTS)
        return
    # On the one database every request; the other shares all but the SQL.
    for number in range(1, story.requests + 1, 1 if story.copies.are_sqlite else 9):
        yield number, FAULTS[number % len(FAULTS)]


def test_every_request_may_fail(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert story.requests > 30
    for number, (kind, when, times) in cases(story):
        with story.copies.of(story.url) as url:
            world = story.again(url, tmp_path)
            story.server.fault(kind, when, at=number, times=times)
            with monkeypatch.context() as patched:
                # What is not answered is given up soon, this once.
                patched.setattr(stripe, "RequestsClient", hurried)
                first = world("stripe", "sync")
            assert first.exit_code in {0, 6, 7}, first.stderr
            story.server.clear_faults()
            what = f"request {number}: {kind} {when}, {times} times: {first.stderr}"
            again = world("stripe", "sync")
            assert again.exit_code == 0, f"{what}\n{again.stdout}\n{again.stderr}"
            story.compare(url, what)


_CLIENT: Final = stripe.RequestsClient


def hurried(timeout: float, **more: Any) -> stripe.RequestsClient:
    """A client that waits a moment only."""
    return _CLIENT(timeout=min(timeout, 0.3), **more)


def config_of(story: Story, folder: Path) -> Path:
    """A config file with which processes of their own find everything."""
    values = {
        "stripeEnabled": True,
        "stripeApiBase": story.server.url,
        "stripeRateLimit": 0,
        "stripeSecretKey": KEY,
        "subscriptionPlans": [PRO],
        "computeRates": {"cpu_per_core_hour": "1", "memory_per_gb_hour": 0},
    }
    config = folder / "billing.json"
    config.touch(0o600)
    config.write_text(json.dumps(values), encoding="utf-8")
    return config


def in_short(there: dict[str, Any]) -> dict[str, Any]:
    """How many there are of what moves money, and how invoices stand."""
    counted = ("customers", "prices", "refunds", "credit_notes", "payment_records", "charges")
    told = ("number", "status", "total", "amount_paid", "amount_remaining")
    invoices = [[str(one[name]) for name in told] for one in there["invoices"].values()]
    return {"invoices": sorted(invoices)} | {name: len(there[name]) for name in counted}


def test_several_at_once_do_nothing_twice(story: Story, forked: Processes, tmp_path: Path) -> None:
    config = config_of(story, tmp_path)
    for _ in range(2):
        with story.copies.of(story.url) as url:
            story.server.restore(story.before)
            story.server.clock = seconds(story.world.now)
            run = forked.on(url, at=story.world.now, config=config, constants={})
            for started in [run.start("stripe", "sync") for _ in range(3)]:
                ended = started.wait()
                assert ended.code in {0, 7}, ended.stderr
            run("stripe", "sync").ok()
            found = both(url, story.server)
            assert difference(found["here"], story.clean["here"]) == []
            assert in_short(found["there"]) == in_short(story.clean["there"])


def test_it_may_be_killed_at_every_request(story: Story, forked: Processes, tmp_path: Path) -> None:
    """Before what was asked is done, or after: then nobody here has heard of it."""
    config = config_of(story, tmp_path)
    story.server.clock = seconds(story.world.now)
    step = 1 if WALKS_ALL else 3 if story.copies.are_sqlite else 11
    for number in range(1, story.requests + 1, step):
        for when in ("before", "after") if WALKS_ALL else (("before", "after")[number % 2],):
            with story.copies.of(story.url) as url:
                story.server.restore(story.before)
                run = forked.on(url, at=story.world.now, config=config, constants={})
                started = run.start("stripe", "sync")
                story.server.fault("kill", when, at=number, pid=started.id)
                ended = started.wait()
                story.server.clear_faults()
                assert ended.killed, f"request {number}: {ended.stderr}"
                run("stripe", "sync").ok()
                story.compare(url, f"killed {when} request {number}")


def test_no_request_is_sent_inside_a_transaction(story: Story, tmp_path: Path) -> None:
    """At every request somebody else can take the lock that writers wait for."""
    if not story.copies.are_sqlite:
        pytest.skip("the lock of SQLite tells it for both: the code is the same")
    with story.copies.of(story.url) as url:
        world = story.again(url, tmp_path)
        held: list[str] = []

        def lock(_: object) -> None:
            engine = open_engine(url)
            with closing(engine.raw_connection()) as connection:
                connection.execute("PRAGMA busy_timeout = 0")
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute("ROLLBACK")
                except Exception as error:  # noqa: BLE001 - whatever it is, it is not to be
                    held.append(str(error))
            engine.dispose()

        story.server.on_request(lock)
        world.sync()
        assert held == []
