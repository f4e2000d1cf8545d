"""Copies of the invoices that Stripe makes itself, and what was paid for them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.stripe.test_corners import dashboard
from tests.stripe.test_subscriptions import begin, subscribe
from tests.stripe.world import FEBRUARY, JANUARY, MARCH, session

if TYPE_CHECKING:
    from tests.stripe.world import World


def test_what_the_balance_at_stripe_covered_is_no_payment(sqlite_world: World) -> None:
    """Neither when the invoice is paid, nor when what was paid went back."""
    world = sqlite_world
    begin(world)
    world.server.update_customer(world.customer("ann"), balance=-1000)
    subscribe(world)
    world.sync()
    assert (world.theirs("ann")["total"], world.theirs("ann")["amount_due"]) == (3000, 2000)
    assert (world.ours("ann")["total"], world.ours("ann")["status"]) == ("20.00", "paid")
    world.server.return_debit(world.theirs("ann")["id"])
    world.sync()
    assert world.ours("ann")["amount_due"] == "20.00"
    assert [(row["method"], row["status"]) for row in world.rows("payment", "list")] == [
        ("card", "reversed")
    ]
    assert world.sync() == []
    world.check()


def test_a_copy_that_somebody_marks_as_paid_there_is_paid_by_what_was_asked_for(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    begin(world)
    found = subscribe(world)
    world.sync()
    world.server.update_customer(world.customer("ann"), balance=-1000)
    renewed = world.server.renew(found["id"], draft=True)["latest_invoice"]
    dashboard(world).write("invoice.update", renewed["id"], {"auto_advance": False}, "by hand")
    world.server.finalize_invoice(renewed["id"])
    world.sync()
    world.server.mark_paid(renewed["id"])
    world.sync()
    paid = [(row["method"], row["amount"]) for row in world.rows("payment", "list")]
    assert paid == [("card", "30.00"), ("out_of_band", "20.00")]
    assert {row["status"] for row in world.rows("invoice", "list")} == {"paid"}
    world.check()


def test_a_payment_goes_to_a_copy_without_a_due_date_by_the_day_it_was_sent(world: World) -> None:
    """The same on both databases, which do not agree whether nothing comes first or last."""
    begin(world)
    found = subscribe(world)
    world.sync()
    used = session("ann", "2025-01-20T00:00:00Z", "2025-01-20T01:00:00Z", cpu="18")
    world.at(FEBRUARY)
    world("meter", "ingest", "-", stdin="\n".join(map(json.dumps, used))).ok()
    world("invoice", "generate", "--finalize").ok()
    world.at(MARCH)
    world.server.renew(found["id"])
    world.sync()
    for paid in world.server.objects("invoices", customer=world.customer("ann"), status="paid"):
        world.server.return_debit(paid["id"])
    world.sync()
    before = [(row["sent_at"], row["amount_due"]) for row in world.rows("invoice", "list")]
    assert sorted(before) == [(JANUARY, "30.00"), (FEBRUARY, "10.00"), (MARCH, "30.00")]
    world("payment", "record", "--user", "ann", "--amount", "35", "--method", "bank").ok()
    after = [(row["sent_at"], row["amount_due"]) for row in world.rows("invoice", "list")]
    assert sorted(after) == [(JANUARY, "0.00"), (FEBRUARY, "5.00"), (MARCH, "30.00")]
