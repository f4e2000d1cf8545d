"""Copies of the invoices that Stripe makes itself, and what was paid for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.stripe.test_corners import dashboard
from tests.stripe.test_subscriptions import begin, subscribe

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
