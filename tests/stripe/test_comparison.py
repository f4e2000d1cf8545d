"""Both sides compared: nothing to say after a sync, and each difference that somebody makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from billing_cli.gateway import stripe_client
from tests.stripe.world import FREE, MAX, PRO, World

if TYPE_CHECKING:
    import pytest


def compared(world: World, *words: str) -> tuple[int, list[tuple[Any, ...]]]:
    """The exit code, and what differs: kind, user, what, here, there, whether it is explained."""
    result = world("stripe", "reconcile", *words, "-o", "json")
    rows = [
        (
            row["kind"],
            row["user_id"],
            row["what"],
            row["here"],
            row["there"],
            row["known"] is not None,
        )
        for row in result.json()
    ]
    return result.exit_code, rows


def lived(world: World) -> World:
    """A deployment in which most of what can happen has happened, and was told."""
    world.configure(billingMode="hybrid", subscriptionPlans=[FREE, PRO, MAX])
    world.bill(ann=5, bob=6, cid=7, dan=8, eve=9)
    world.sync()
    world.server.pay_invoice(world.theirs("ann")["id"])
    world.server.pay_invoice(world.theirs("eve")["id"])
    world.server.decline_invoice(world.theirs("bob")["id"])
    number = world.ours("cid")["invoice_number"]
    world("invoice", "pay", number, "--amount", "2.00").ok()
    world("invoice", "void", world.ours("dan")["invoice_number"], "--reason", "x").ok()
    page = world("stripe", "checkout", "--user", "bob", "--plan", "pro", "-o", "json").ok().json()
    world.server.complete_checkout(page["id"])
    world.sync()
    (payment,) = world.rows("payment", "list", "--user", "ann")
    world("payment", "refund", str(payment["id"]), "--amount", "1.00", "--reason", "x").ok()
    world.server.refund(world.theirs("eve")["id"], 300)
    world.sync()
    return world


def test_both_sides_agree_until_one_of_them_is_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small the pages are: what happened on one side alone is listed."""
    lived(world)
    monkeypatch.setattr(stripe_client, "_PAGE", 2)
    before = world.server.save()
    result = world("stripe", "reconcile").ok()
    assert (result.stdout, result.stderr) == ("", "both sides agree\n")
    assert world("stripe", "reconcile", "-o", "csv").ok().stdout == (
        "kind,user_id,id,what,here,there,known\n"
    )
    assert compared(world, "--period", "2025-01") == (0, [])
    assert world.server.save() == before
    server = world.server
    state = server.engine.state
    ann, bob = world.customer("ann"), world.customer("bob")
    # What nobody here has done: the books of Stripe are edited by hand.
    state["invoices"].rows[world.theirs("ann")["id"]]["total"] += 1
    state["invoices"].rows[world.theirs("cid")["id"]]["status"] = "void"
    state["payment_intents"].rows[_intent(server, ann)]["amount_received"] = 499
    state["customers"].rows[bob]["metadata"] = {"billing_user": "mallory"}
    world("user", "add", "fay").ok()
    world.use(fay=3)
    world("invoice", "generate", "--period", "2025-01", "--finalize").ok()
    server.refund(ann_charge(server, ann), 100)
    (held,) = server.objects("subscriptions", customer=bob)
    server.cancel_subscription(held["id"])
    code, found = compared(world)
    assert code == 7
    assert ("customer", "bob", "user", "bob", "mallory", False) in found
    assert ("customer", "fay", "missing there", "fay", None, False) in found
    assert ("subscription", "bob", "status", "active", "canceled", False) in found
    assert ("invoice", "ann", "total", "5.00", "5.01", False) in found
    assert ("invoice", "cid", "status", "sent", "void", False) in found
    assert ("payment", "ann", "amount", "5.00", "4.99", False) in found
    assert ("refund", "ann", "missing here", None, "1.00", False) in found
    of_period = compared(world, "--period", "2025-01")[1]
    assert {one[0] for one in of_period} == {"invoice", "payment"}
    assert set(of_period) < set(found)
    assert compared(world, "--period", "2024-12") == (0, [])
    assert world("stripe", "reconcile", "--period", "2024").exit_code == 2


def _intent(server: Any, customer: str) -> str:
    (found,) = server.objects("payment_intents", customer=customer, status="succeeded")
    return str(found["id"])


def ann_charge(server: Any, customer: str) -> str:
    """The charge of a customer's only payment."""
    return str(server.get("payment_intents", _intent(server, customer))["latest_charge"])


def test_what_is_as_it_should_be_says_why(sqlite_world: World) -> None:
    """A lost dispute is owed again here and paid there, for good; nobody has to look at it."""
    world = sqlite_world
    world.bill(ann=5, bob=6)
    world.sync()
    for user in ("ann", "bob"):
        world.server.pay_invoice(world.theirs(user)["id"])
    world.sync()
    dispute = world.server.open_dispute(world.theirs("ann")["id"])
    world.server.close_dispute(dispute["id"], "lost")
    world.sync()
    assert world.ours("ann")["status"] == "sent"
    code, found = compared(world)
    assert (code, found) == (
        0,
        [
            ("invoice", "ann", "status", "sent", "paid", True),
            ("payment", "ann", "status", "reversed", "succeeded", True),
        ],
    )
    table = world("stripe", "reconcile").ok().stdout
    assert "it was paid, and is owed again: Dispute lost" in table


def test_what_is_gone_there_is_missing(sqlite_world: World) -> None:
    world = lived(sqlite_world)
    state = world.server.engine.state
    for table in ("customers", "subscriptions", "invoices", "payment_intents", "refunds"):
        for key in list(state[table].rows):
            state[table].remove(key)
    code, found = compared(world)
    assert code == 7
    assert {(kind, what) for kind, _, what, *_ in found} == {
        (kind, "missing there")
        for kind in ("customer", "subscription", "invoice", "payment", "refund")
    }
    # Nobody misses what is void, and a refund counts once, in all its parts.
    assert ("invoice", "dan") not in {(kind, user) for kind, user, *_ in found}


def test_a_key_that_may_not_read_and_a_silent_stripe_are_told(sqlite_world: World) -> None:
    world = sqlite_world
    world.bill(ann=5)
    world.sync()
    world.server.fault("503", match="GET /v1/refunds", times=0)
    assert world("stripe", "reconcile").exit_code == 6
    assert world("stripe", "reconcile", STRIPE_SECRET_KEY="").exit_code == 8
