"""Reading the list of events: everything that is told comes in, and a rehearsal says what would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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
