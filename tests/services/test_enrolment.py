"""New users get the plan ``free``: whenever their event comes, and only where it should be."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from billing_cli.pricing.instants import format_instant, parse_instant
from tests.services.world import World, webhook

if TYPE_CHECKING:
    from pathlib import Path

FREE = {"id": "free", "name": "Free", "price": "0", "interval": "month", "cpu_limit": 1}
PRO = {"id": "pro", "name": "Pro", "price": "10", "interval": "month"}
PHASES = (
    "SELECT u.user_id, p.plan_id, p.start_second, p.end_second, s.source "
    "FROM billing_subscription_phases p JOIN billing_users u ON u.user_key = p.user_key "
    "JOIN billing_subscriptions s ON s.id = p.subscription_id ORDER BY 1, 3"
)
FOREVER = 2**53
DAY = 86_400


def second(text: str) -> int:
    return parse_instant(text)[0]


JAN_10, JAN_20, FEB = (
    second(f"{day}T00:00:00Z") for day in ("2025-01-10", "2025-01-20", "2025-02-01")
)


def arrival(user: str, at: int, name: str = "") -> dict[str, Any]:
    """An event of a new user, in StreamSpace's form."""
    return {
        "event": "user.created",
        "timestamp": format_instant(at),
        "id": f"{user}/{at}{name}",
        "data": {"user": user},
    }


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> World:
    return World(
        database_url, tmp_path, {"billingMode": "hybrid", "subscriptionPlans": [FREE, PRO]}
    )


def test_a_new_user_holds_the_free_plan_from_its_event_on(world: World) -> None:
    world.ingest([arrival("ann", JAN_10), webhook("session.created", JAN_10, "s1", "bob")], JAN_20)
    # Only a user's own event: one who is merely named pays by use.
    world.meter(JAN_20)
    assert world.rows(PHASES) == [("ann", "free", JAN_10, FOREVER, "event")]
    world.ingest([arrival("ann", JAN_10, "again"), arrival("ann", JAN_20)], FEB)
    world.meter(FEB)
    assert world.rows(PHASES) == [("ann", "free", JAN_10, FOREVER, "event")]
    assert world.rows("SELECT * FROM billing_arrivals") == []
    assert world.rows("SELECT type, user_id FROM billing_outbox") == [
        ("billing.subscription.created", "ann")
    ]


def test_an_event_of_the_future_waits_for_its_time(world: World) -> None:
    world.ingest([arrival("ann", FEB)], JAN_10)
    world.meter(JAN_20)
    assert world.rows(PHASES) == []
    world.meter(FEB)
    assert world.rows(PHASES) == [("ann", "free", FEB, FOREVER, "event")]


@pytest.mark.parametrize(
    "config", [{"billingMode": "usage"}, {"subscriptionPlans": [PRO]}], ids=["by use", "no free"]
)
def test_where_there_is_no_plan_for_new_users_there_is_none(
    world: World, config: dict[str, object]
) -> None:
    world.configure(**config)
    world.ingest([arrival("ann", JAN_10)], JAN_20)
    world.meter(JAN_20)
    assert world.rows(PHASES) == []
    assert world.rows("SELECT * FROM billing_arrivals") == []


def test_the_order_of_arrival_does_not_matter(sqlite_url: str, tmp_path: Path) -> None:
    world = World(sqlite_url, tmp_path, {"billingMode": "hybrid", "subscriptionPlans": [FREE, PRO]})
    times = (JAN_10, JAN_10 + 1, JAN_20)
    for order in permutations(times):
        world.clear()
        for at in order:
            world.ingest([arrival("ann", at)], FEB)
            world.meter(FEB)
        assert world.rows(PHASES) == [("ann", "free", JAN_10, FOREVER, "event")]


def test_a_late_event_makes_what_was_metered_anew(world: World) -> None:
    running = [
        webhook("session.created", JAN_10, "s1", "ann", resources={"cpu": "3", "memory": "0"}),
        webhook("session.terminated", JAN_10 + DAY, "s1", "ann"),
    ]
    world.ingest(running, JAN_20)
    world.generate(FEB)
    assert world.rows("SELECT subtotal FROM billing_invoices") == [(360,)]
    # Two of three cores are above the plan's limit: a third of the day's 3.60 goes back.
    world.ingest([arrival("ann", JAN_10)], FEB)
    world.generate(FEB + 28 * DAY)
    corrections = world.rows(
        "SELECT description, amount FROM billing_invoice_lines "
        "WHERE invoice_id = 2 ORDER BY position"
    )
    assert corrections == [
        ("CPU, correction for 2025-01", -360),
        ("CPU overage, correction for 2025-01", 240),
        ("Carried to credit", 120),
    ]
