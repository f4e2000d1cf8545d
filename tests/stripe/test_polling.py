"""Reading the list of events: everything that is told comes in, and a rehearsal says what would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.stripe_server.state import Table

if TYPE_CHECKING:
    from tests.stripe.world import World

AN_HOUR_LATER: Final = "2025-02-01T01:00:00Z"
# More than a page has.
MANY: Final = 120


def touched(world: World, user: str) -> None:
    """More events than there are on a page."""
    for number in range(MANY):
        world.server.update_customer(world.customer(user), metadata={"touched": str(number)})


def test_what_is_listed_only_after_later_events_is_read_however_many_these_are(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    world.bill(ann=10)
    world.sync()
    world.at(AN_HOUR_LATER)
    world.sync()
    events = world.server.engine.state["events"].rows
    known = set(events)
    world.server.pay_invoice(world.theirs("ann")["id"])
    late = {key: events.pop(key) for key in set(events) - known}
    touched(world, "ann")
    world.sync()
    assert world.ours("ann")["status"] == "sent"
    events.update(late)
    world.at("2025-02-01T01:01:00Z")
    world.sync()
    assert world.ours("ann")["status"] == "paid"


def foreseen(world: World) -> set[str]:
    """What a rehearsal says that would be brought up to date here."""
    rows = world.sync("--only", "events", "--dry-run")
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names)
    return set(names)


def worked_off(world: World) -> set[str]:
    """What is brought up to date, and was not before."""
    known = {row["id"] for row in world.rows("stripe", "events", "list")}
    world.sync("--only", "events")
    rows = world.rows("stripe", "events", "list")
    return {row["object"] for row in rows if row["id"] not in known and row["state"] == "done"}


@pytest.mark.parametrize("place", ["never read", "read", "forgotten", "long ago"])
def test_a_rehearsal_says_what_is_brought_up_to_date(sqlite_world: World, place: str) -> None:
    world = sqlite_world
    world.bill(ann=10, bob=20)
    for part in ("customers", "invoices"):
        world.sync("--only", part)
    if place != "never read":
        world.sync()
    world.at("2025-03-20T00:00:00Z" if place == "long ago" else AN_HOUR_LATER)
    touched(world, "ann")
    paid = world.theirs("bob")["id"]
    world.server.pay_invoice(paid)
    if place == "forgotten":
        world.server.engine.state.tables["events"] = Table(("type",))
    wanted = foreseen(world)
    assert paid in wanted
    assert worked_off(world) == wanted
    assert foreseen(world) == set()


def test_a_rehearsal_leaves_out_what_only_tells_of_our_own_requests(sqlite_world: World) -> None:
    world = sqlite_world
    world.sync()
    world.bill(ann=10)
    for part in ("customers", "invoices"):
        world.sync("--only", part)
    assert foreseen(world) == worked_off(world) == set()
