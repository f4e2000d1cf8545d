"""Where money could be taken twice, lost or written down wrongly: what is old, odd or restored."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from billing_cli.gateway.stripe_client import StripeGateway
from billing_cli.services import stripe_mirror, stripe_requests
from tests.stripe.test_subscriptions import LATER, MIDDLE, begin, held, subscribe
from tests.stripe.test_webhook import post
from tests.stripe.world import FEBRUARY, FREE, JANUARY, KEY, MARCH, MAX, PRO, World

if TYPE_CHECKING:
    import pytest

A_WEEK_LATER: Final = "2025-02-08T00:00:00Z"


def with_cards(world: World, **hours: int) -> None:
    """Users with a card each, and what they are billed for, which Stripe does not have yet."""
    world.bill(**hours)
    world.sync("--only", "customers")
    for user in hours:
        world.server.attach_method(world.customer(user))


def dashboard(world: World) -> StripeGateway:
    """What is done in the dashboard, and the stand-in has no action for."""
    return StripeGateway(KEY, base=world.server.url, rate=0, timeout=10, monotonic=time.monotonic)


def charged(world: World) -> list[int]:
    """What Stripe has taken."""
    found = world.server.objects("payment_intents", status="succeeded")
    return sorted(one["amount_received"] for one in found)


def restored(world: World, name: str) -> World:
    """The deployment after its database was put back to a backup that was made before."""
    invoke = replace(world.invoke, database=str(world.invoke.work / name))
    return World(invoke, world.server, world.now)


def test_what_was_to_be_collected_and_is_paid_elsewhere_since_is_not(sqlite_world: World) -> None:
    """A request without an answer is sent again as it was only while it is still right."""
    world = sqlite_world
    with_cards(world, ann=10)
    world.server.fault("drop", "before", match="POST /v1/invoices/*/finalize", times=9)
    assert world("stripe", "sync").exit_code == 7
    world.server.clear_faults()
    world("invoice", "pay", str(world.ours("ann")["id"]), "--method", "bank").ok()
    world.sync()
    assert charged(world) == []
    assert world.theirs("ann")["status"] == "paid"
    assert world.sync() == []


def test_a_backup_from_before_a_sync_sends_nothing_again(sqlite_world: World) -> None:
    """What Stripe has of ours is ours still, though nothing here remembers having sent it."""
    world = sqlite_world
    world.sync()
    world.use(ann=10, bob=20)
    world("db", "backup", "unbilled.db").ok()
    world("invoice", "generate", "--finalize").ok()
    world("db", "backup", "unsent.db").ok()
    world.sync()
    world.server.pay_invoice(world.theirs("ann")["id"])
    world.at(A_WEEK_LATER)
    world.server.forget_keys()
    saved = world.server.save()
    for name in ("unsent.db", "unbilled.db"):
        world.server.restore(saved)
        again = restored(world, name)
        again.sync()
        again("invoice", "generate", "--finalize").ok()
        again.sync()
        assert [again.theirs(user)["status"] for user in ("ann", "bob")] == ["paid", "open"]
        assert [again.ours(user)["status"] for user in ("ann", "bob")] == ["paid", "sent"]
        assert [row["amount"] for row in again.rows("payment", "list")] == ["10.00"]
        assert again.sync() == []
        again.check()


def test_an_invoice_that_was_other_before_a_backup_was_restored_is_held_up(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    world.sync()
    world("db", "backup", "before.db").ok()
    world.bill(ann=10)
    world.sync()
    again = restored(world, "before.db")
    again.bill(ann=11)
    failed = again("stripe", "sync", "-o", "json")
    assert failed.exit_code == 7
    (row,) = [one for one in failed.json() if one["outcome"] == "failed"]
    assert "10.00" in row["detail"]
    assert again.theirs("ann")["total"] == 1000
    again.server.void_invoice(again.theirs("ann")["id"])
    again.sync()
    totals = [one["total"] for one in again.server.objects("invoices", status="open")]
    assert totals == [1100]
    assert again.sync() == []


def test_a_refund_that_a_restored_backup_knows_nothing_of_is_no_other(sqlite_world: World) -> None:
    world = sqlite_world
    with_cards(world, ann=10, bob=20)
    world.sync()
    world.server.collect()
    world.sync()
    world("db", "backup", "before.db").ok()
    (ann,), (bob,) = (world.rows("payment", "list", "--user", user) for user in ("ann", "bob"))
    world("payment", "refund", str(ann["id"]), "--amount", "4", "--reason", "Slow").ok()
    world.sync()
    again = restored(world, "before.db")
    again("payment", "refund", str(bob["id"]), "--amount", "5", "--reason", "Slow").ok()
    again.sync()
    refunded = [row["refunded"] for row in again.rows("payment", "list")]
    assert refunded == ["4.00", "5.00"]
    assert sorted(one["amount"] for one in again.server.objects("refunds")) == [400, 500]
    assert again.sync() == []


def test_a_refund_of_a_payment_that_nobody_has_matched_is_known(sqlite_world: World) -> None:
    world = sqlite_world
    world.bill(ann=10)
    world.sync()
    customer = world.customer("ann")
    method = world.server.attach_method(customer)["id"]
    gateway = dashboard(world)
    made = gateway._client.v1.payment_intents.create(  # noqa: SLF001 - as the dashboard does
        {
            "amount": 900,
            "currency": "usd",
            "customer": customer,
            "payment_method": method,
            "confirm": True,
            "off_session": True,
        }
    )
    world.sync()
    world.server.refund(made.id, 300)
    world.sync()
    (payment,) = world.rows("payment", "list")
    assert (payment["status"], payment["refunded"]) == ("unmatched", "3.00")
    world("payment", "match", str(payment["id"]), "--user", "ann").ok()
    assert world.ours("ann")["amount_due"] == "4.00"
    world.sync()
    assert world.theirs("ann")["amount_remaining"] == 400
    world.check()


def test_a_credit_note_of_the_dashboard_is_no_payment(sqlite_world: World) -> None:
    world = sqlite_world
    world.bill(ann=10, bob=20)
    world.sync()
    for user, amount in (("ann", 300), ("bob", 2000)):
        invoice = world.theirs(user)["id"]
        line = {
            "type": "custom_line_item",
            "description": "Sorry",
            "quantity": 1,
            "unit_amount": amount,
        }
        dashboard(world).write(
            "credit_note.create", "", {"invoice": invoice, "lines": [line]}, f"note-{user}"
        )
    world.sync()
    assert world.ours("ann")["amount_due"] == "7.00"
    world.server.pay_invoice(world.theirs("ann")["id"])
    world.sync()
    assert [row["amount"] for row in world.rows("payment", "list")] == ["7.00"]
    assert [world.ours(user)["status"] for user in ("ann", "bob")] == ["paid", "paid"]
    assert len(world.server.objects("credit_notes")) == 2
    assert world.sync() == []
    world.check()


def test_stripe_is_asked_once_to_collect_and_not_again_when_it_gave_up(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    world.bill(ann=10)
    number = str(world.ours("ann")["id"])
    world("invoice", "pay", number, "--amount", "4", "--method", "bank").ok()
    world.sync()
    theirs = world.theirs("ann")
    assert (theirs["auto_advance"], theirs["amount_remaining"]) == (True, 600)
    dashboard(world).write("invoice.update", theirs["id"], {"auto_advance": False}, "dunned")
    world.server.decline_invoice(theirs["id"])
    world.sync()
    assert world.theirs("ann")["auto_advance"] is False


def test_events_of_a_customer_who_is_known_only_later_are_worked_off_then(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    world.at(JANUARY)
    world.configure(billingMode="hybrid", subscriptionPlans=[FREE, PRO, MAX])
    world.sync()
    world("db", "backup", "before.db").ok()
    world("user", "add", "ann").ok()
    world.sync()
    subscribe(world)
    again = restored(world, "before.db")
    again.configure(billingMode="hybrid", subscriptionPlans=[FREE, PRO, MAX])
    # What is delivered, before a sync has found the customer again.
    again.sync("--only", "events")
    again("user", "add", "ann").ok()
    again.sync()
    assert [row["total"] for row in again.rows("invoice", "list")] == ["30.00"]
    assert [row["amount"] for row in again.rows("payment", "list")] == ["30.00"]
    assert held(again)[0][0] == "pro"


def test_a_subscription_that_is_over_takes_nothing_of_what_came_after(sqlite_world: World) -> None:
    """Stripe lists it again after a long pause, and long after it has ended."""
    world = sqlite_world
    begin(world)
    found = subscribe(world)
    world.sync()
    world.at(LATER)
    world.server.cancel_subscription(found["id"])
    world.sync()
    world("subscription", "create", "--user", "ann", "--plan", "free").ok()
    before = held(world)
    world.at("2025-03-10T00:00:00Z")
    world.sync()
    assert held(world) == before
    # Nor does one that a new database hears of for the first time.
    world("db", "check").ok()


def test_one_that_was_over_before_ours_began_does_not_become_ours(sqlite_world: World) -> None:
    world = sqlite_world
    begin(world)
    customer = world.customer("ann")
    found = subscribe(world)
    world.at(MIDDLE)
    world.server.cancel_subscription(found["id"])
    world("subscription", "cancel", "--user", "ann", "--now").ok()
    world.at(LATER)
    world("subscription", "create", "--user", "ann", "--plan", "free").ok()
    world.sync()
    assert world.customer("ann") == customer
    assert held(world) == [("free", LATER, None)]


def test_of_two_subscriptions_the_later_is_held_and_then_the_other_again(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    begin(world)
    first = subscribe(world)
    world.sync()
    world.at(MIDDLE)
    (price,) = [one for one in world.server.objects("prices") if one["unit_amount"] == 9000]
    world.server.complete_checkout(world.checkout(world.customer("ann"), price["id"]))
    second = world.server.objects("subscriptions")[-1]
    world.sync()

    def phases() -> list[tuple[str, str, str | None]]:
        found = [one for row in world.rows("subscription", "list") for one in held_by(world, row)]
        return sorted(found, key=lambda one: one[1])

    assert phases()[-2:] == [("pro", JANUARY, MIDDLE), ("max", MIDDLE, None)]
    world.server.update_subscription(first["id"], metadata={"note": "touched"})
    world.sync()
    assert phases()[-2:] == [("pro", JANUARY, MIDDLE), ("max", MIDDLE, None)]
    world.at(LATER)
    world.server.cancel_subscription(second["id"])
    world.sync()
    assert phases()[-3:] == [
        ("pro", JANUARY, MIDDLE),
        ("max", MIDDLE, LATER),
        ("pro", LATER, None),
    ]
    world.check()


def held_by(world: World, row: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    shown = world.show("subscription", "show", str(row["id"]))
    return [(one["plan_id"], one["start"], one["end"]) for one in shown["phases"]]


def test_a_subscription_ends_with_its_customer_and_at_a_price_that_is_none_of_ours(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    begin(world)
    found = subscribe(world)
    world.sync()
    world.at(MIDDLE)
    known = {one["id"] for one in world.server.events}
    world.server.delete_customer(world.customer("ann"))
    told = [one for one in world.server.events if one["id"] not in known]
    # The customer's own event first.
    for event in sorted(told, key=lambda one: one["type"] != "customer.deleted"):
        post(world, dict(event), "--store-only").ok()
    world.sync()
    assert held(world) == [("pro", JANUARY, MIDDLE)]
    assert world.server.get("subscriptions", found["id"])["status"] == "canceled"


def test_what_was_paid_for_a_year_comes_back_when_stripe_takes_over(sqlite_world: World) -> None:
    world = sqlite_world
    yearly = {"id": "year", "name": "Year", "price": "365.00", "interval": "year"}
    world.configure(billingMode="hybrid", subscriptionPlans=[yearly])
    world.at(JANUARY)
    world("user", "add", "ann").ok()
    world("subscription", "create", "--user", "ann", "--plan", "year").ok()
    world.sync()
    world.at(FEBRUARY)
    world("invoice", "generate", "--finalize").ok()
    assert [row["total"] for row in world.rows("invoice", "list")] == ["365.00"]
    world.sync()
    subscribe(world, "year")
    world.sync()
    world.at(MARCH)
    world("invoice", "generate", "--finalize").ok()
    (balance,) = world.rows("credits", "list", "--user", "ann")
    # 334 of 365 days.
    assert balance["amount"] == "334.00"
    world.check()


def test_an_event_that_breaks_the_program_stops_no_other(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    world.bill(ann=10, bob=20)
    world.sync()
    poisoned = world.theirs("ann")["id"]
    for user in ("ann", "bob"):
        world.server.pay_invoice(world.theirs(user)["id"])
    real = stripe_mirror.apply

    def breaks(tx: Any, account: Any, fetched: Any, ticket: int) -> str | None:
        if fetched.invoice.id == poisoned:
            raise KeyError("status")
        return real(tx, account, fetched, ticket)

    with monkeypatch.context() as patched:
        patched.setattr(stripe_mirror, "apply", breaks)
        assert world("stripe", "sync").exit_code == 7
    assert [world.ours(user)["status"] for user in ("ann", "bob")] == ["sent", "paid"]
    world.sync()
    assert world.ours("ann")["status"] == "paid"


def test_live_invoices_bind_a_database_before_anything_is_paid(sqlite_world: World) -> None:
    world = sqlite_world
    world.bill(ann=10)
    live = {"STRIPE_SECRET_KEY": "sk_live_51abcDEFghiJKLmno"}
    world("stripe", "sync", "--yes", **live).ok()
    refused = world("stripe", "sync")
    assert (refused.exit_code, "live" in refused.stderr) == (4, True)


def test_what_is_paid_elsewhere_while_a_batch_is_sent_is_not_collected(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    with_cards(world, ann=10, bob=20)
    # As if each request took its time.
    monkeypatch.setattr(stripe_requests, "_SECONDS_UNTIL_ANOTHER_LOOK", -1.0)
    ours = {user: str(world.ours(user)["id"]) for user in ("ann", "bob")}
    paid: list[int] = []

    def pay(request: Any) -> None:
        if request.path.endswith("/finalize") and not paid:
            paid.append(1)
            with ThreadPoolExecutor(1) as other:
                words = ("invoice", "pay", ours["bob"], "--method", "bank")
                other.submit(lambda: world(*words).ok()).result()

    world.server.on_request(pay, after=True)
    world.sync()
    world.sync()
    assert charged(world) == [1000]
    assert [world.theirs(user)["status"] for user in ("ann", "bob")] == ["paid", "paid"]
    assert sorted(row["amount"] for row in world.rows("payment", "list")) == ["10.00", "20.00"]


def test_a_customer_of_whose_end_nobody_told_is_made_again(sqlite_world: World) -> None:
    world = sqlite_world
    world.use(ann=10)
    world.sync()
    world.server.engine.keep_events = False
    world.server.delete_customer(world.customer("ann"))
    world.server.engine.keep_events = True
    world("invoice", "generate", "--finalize").ok()
    world.sync()
    assert world.theirs("ann")["status"] == "open"
    assert world.sync() == []


def test_what_is_paid_elsewhere_and_here_is_no_more_than_is_owed(sqlite_world: World) -> None:
    world = sqlite_world
    world.bill(ann=10)
    world.sync()
    world.server.mark_paid(world.theirs("ann")["id"])
    part = ("--amount", "4", "--method", "bank")
    world("invoice", "pay", str(world.ours("ann")["id"]), *part).ok()
    world.sync()
    assert world.ours("ann")["status"] == "paid"
    assert sorted(row["amount"] for row in world.rows("payment", "list")) == ["4.00", "6.00"]
