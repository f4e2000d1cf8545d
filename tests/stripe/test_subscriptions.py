"""Subscriptions that Stripe bills: who holds what, and who charges for it, to the second."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.stripe.world import FEBRUARY, FREE, JANUARY, MARCH, MAX, PRO, session

if TYPE_CHECKING:
    from tests.stripe.world import World

MIDDLE = "2025-01-16T12:00:00Z"
LATER = "2025-01-24T00:00:00Z"


def begin(world: World, **more: object) -> None:
    """A user with the plan free from January on."""
    world.configure(billingMode="hybrid", subscriptionPlans=[FREE, PRO, MAX], **more)
    world.at(JANUARY)
    world("user", "add", "ann", "--email", "ann@example.com").ok()
    world.sync()


def subscribe(world: World, plan: str = "pro") -> dict[str, Any]:
    """Have the user subscribe on Stripe, as through Checkout."""
    customer = world.customer("ann")
    world.server.attach_method(customer)
    (price,) = [
        one
        for one in world.server.objects("prices", active=True)
        if one["metadata"]["billing_plan"] == plan
    ]
    world.server.complete_checkout(world.checkout(customer, price["id"]))
    (found,) = world.server.objects("subscriptions", customer=customer)
    return dict(found)


def held(world: World) -> list[tuple[str, str, str | None]]:
    shown = world.show("subscription", "show", "--user", "ann")
    return [(one["plan_id"], one["start"], one["end"]) for one in shown["phases"]]


def test_a_subscription_that_moves_to_stripe_is_charged_here_until_then(world: World) -> None:
    begin(world)
    world("subscription", "change", "--user", "ann", "--plan", "pro", "--now").ok()
    events = session("ann", "2025-01-20T00:00:00Z", "2025-01-20T01:00:00Z", cpu="10")
    world.at(MIDDLE)
    world.sync()
    found = subscribe(world, "max")
    world.sync()
    assert held(world) == [("pro", JANUARY, MIDDLE), ("max", MIDDLE, None)]
    shown = world.show("subscription", "show", "--user", "ann")
    assert shown["stripe_subscription_id"] == found["id"]

    world.at(FEBRUARY)
    world("meter", "ingest", "-", stdin="\n".join(map(json.dumps, events))).ok()
    world("invoice", "generate", "--finalize").ok()
    rows = world.rows("invoice", "list")
    # Half of the fee of pro; what Stripe charges for is a copy of its invoice.
    assert sorted(row["total"] for row in rows) == ["15.00", "90.00"]
    (copy,) = [row for row in rows if row["total"] == "90.00"]
    assert (copy["status"], copy["source"]) == ("paid", "stripe")
    payments = world.rows("payment", "list")
    assert [row["amount"] for row in payments] == ["90.00"]
    world.sync()
    assert len(world.server.objects("payment_intents")) == 2
    world.check()


def test_overage_stays_ours(world: World) -> None:
    begin(world)
    subscribe(world)
    world.sync()
    events = session("ann", "2025-01-20T00:00:00Z", "2025-01-20T03:00:00Z", cpu="10")
    world.at(FEBRUARY)
    world("meter", "ingest", "-", stdin="\n".join(map(json.dumps, events))).ok()
    world("invoice", "generate", "--finalize").ok()
    totals = sorted(row["total"] for row in world.rows("invoice", "list"))
    assert totals == ["30.00", "6.00"]
    world.sync()
    ours = [one for one in world.server.objects("invoices") if one["metadata"]]
    assert [one["total"] for one in ours] == [600]


def test_changes_and_the_end_on_stripe_come_here(world: World) -> None:
    begin(world)
    found = subscribe(world)
    world.sync()
    world.at(MIDDLE)
    (price,) = [one for one in world.server.objects("prices") if one["unit_amount"] == 9000]
    item = world.server.get("subscriptions", found["id"])["items"]["data"][0]["id"]
    world.server.update_subscription(found["id"], items=[{"id": item, "price": price["id"]}])
    world.at(LATER)
    world.server.cancel_subscription(found["id"])
    world.sync()
    assert held(world) == [("pro", JANUARY, MIDDLE), ("max", MIDDLE, LATER)]
    assert world.show("subscription", "show", "--user", "ann")["status"] == "canceled"
    refused = world("subscription", "resume", "--user", "ann")
    assert (refused.exit_code, "Stripe's" in refused.stderr) == (4, True)
    # Another one may begin here.
    world("subscription", "create", "--user", "ann", "--plan", "free").ok()
    assert world.sync() == []
    world.at(FEBRUARY)
    world("invoice", "generate", "--finalize").ok()
    assert {row["source"] for row in world.rows("invoice", "list")} == {"stripe"}
    world.check()


def test_the_end_of_a_term_is_known_beforehand(world: World) -> None:
    begin(world)
    found = subscribe(world)
    world.server.cancel_subscription(found["id"], at_period_end=True)
    world.sync()
    end = world.show("subscription", "show", "--user", "ann")["ends_at"]
    assert end == FEBRUARY
    world.server.update_subscription(found["id"], cancel_at_period_end=False)
    world.sync()
    assert world.show("subscription", "show", "--user", "ann")["ends_at"] is None


def test_renewals_are_copied_each_once(world: World) -> None:
    begin(world)
    found = subscribe(world)
    world.sync()
    world.at(FEBRUARY)
    world.server.renew(found["id"])
    world.sync()
    world.sync()
    copies = world.rows("invoice", "list")
    assert [(row["total"], row["status"]) for row in copies] == [("30.00", "paid")] * 2
    assert copies[1]["period_start"] == FEBRUARY
    refused = world("invoice", "void", str(copies[0]["id"]), "--reason", "Mine")
    assert (refused.exit_code, "Stripe's" in refused.stderr) == (4, True)
    world.check()


def test_a_changed_price_reaches_stripe_with_the_next_term(world: World) -> None:
    begin(world)
    found = subscribe(world)
    world.sync()
    world.configure(billingMode="hybrid", subscriptionPlans=[FREE, {**PRO, "price": "35.00"}, MAX])
    world.at(MIDDLE)
    world("config", "apply").ok()
    world.sync()
    world.at(FEBRUARY)
    world.server.renew(found["id"])
    world.sync()
    totals = [row["total"] for row in world.rows("invoice", "list")]
    assert totals == ["30.00", "35.00"]
    assert held(world) == [("pro", JANUARY, None)]
    world.at(MARCH)
    assert world.sync() == []
