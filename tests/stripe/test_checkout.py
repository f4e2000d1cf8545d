"""Stripe's pages for a user, and what users pay with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.stripe.world import FEBRUARY, FREE, KEY, PRO, World

if TYPE_CHECKING:
    from tests.command_line import Result

MAX = {"id": "max", "name": "Max", "price": "90.00", "interval": "month"}
PLANS = {"billingMode": "hybrid", "subscriptionPlans": [FREE, PRO, MAX]}


def begin(world: World, **more: object) -> World:
    """A deployment with plans and a user who has none."""
    world.configure(**(PLANS | more))
    world("user", "add", "ann", "--email", "ann@example.com").ok()
    return world


def checkout(world: World, plan: str = "pro", *words: str, **environ: str) -> Result:
    return world(
        *("stripe", "checkout", "--user", "ann", "--plan", plan, "-o", "json", *words), **environ
    )


def pages(world: World, status: str) -> list[str]:
    return [one["id"] for one in world.server.objects("checkout_sessions", status=status)]


def test_a_user_subscribes_once(world: World) -> None:
    """User and plan are put on Stripe, a newer page closes the older, and one is enough."""
    begin(world)
    first = checkout(world).ok().json()
    assert set(first) == {"url", "purpose", "id", "expires_at"}
    assert (first["purpose"], first["expires_at"]) == (
        "ann subscribes to the plan pro",
        "2025-02-02T00:00:00Z",
    )
    made = world.server.get("checkout_sessions", first["id"])
    assert made["success_url"] == "https://example.com/done"
    assert made["metadata"] == {"billing_user": "ann", "billing_plan": "pro"}
    shown = world("stripe", "checkout", "--user", "ann", "--plan", "max").ok()
    assert shown.stdout.splitlines()[1] == "Purpose: ann subscribes to the plan max"
    assert shown.stdout.startswith("Url:     https://checkout.stripe.com/")
    assert pages(world, "expired") == [first["id"]]
    (second,) = pages(world, "open")
    world.server.complete_checkout(second)
    # Nothing has told of it here: Stripe is asked.
    refused = checkout(world)
    assert refused.exit_code == 4
    assert "has a subscription that Stripe bills: sub_" in refused.stderr
    world.sync()
    (held,) = world.rows("subscription", "list")
    assert (held["plan_id"], held["status"]) == ("max", "active")
    world.server.requests = []
    assert checkout(world).exit_code == 4
    # By now it is known here, and only the account is asked for.
    assert [str(one) for one in world.server.requests] == ["GET /v1/account"]
    world.server.cancel_subscription(held["stripe_subscription_id"])
    world.at("2025-02-01T01:00:00Z")
    world.sync()
    checkout(world).ok()
    world.check()


def test_what_is_not_there_or_costs_nothing_is_refused(sqlite_world: World) -> None:
    world = begin(sqlite_world, stripeSuccessUrl=None)
    missing = checkout(world)
    assert (missing.exit_code, "stripeSuccessUrl" in missing.stderr) == (8, True)
    done = ("--success-url", "https://example.com/x")
    assert checkout(world, "pro", "--success-url", "http://example.com").exit_code == 2
    assert checkout(world, "pro", *done, "--cancel-url", "javascript:alert(1)").exit_code == 2
    assert checkout(world, "none", *done).exit_code == 3
    assert checkout(world, "free", *done).exit_code == 4
    assert world("stripe", "checkout", "--user", "zoe", "--plan", "pro", *done).exit_code == 3
    assert world("stripe", "setup", "--user", "zoe", *done).exit_code == 3
    assert world("stripe", "portal", "--user", "zoe").exit_code == 3
    checkout(world, "pro", *done, "--cancel-url", "https://example.com/no").ok()
    (made,) = world.server.objects("checkout_sessions")
    assert (made["success_url"], made["cancel_url"]) == (done[1], "https://example.com/no")


@pytest.mark.parametrize("kind", ["drop", "timeout", "500", "429"])
def test_a_page_that_nobody_was_told_of_is_closed(sqlite_world: World, kind: str) -> None:
    """Whatever became of a request, the next command leaves one page open, for what it wants."""
    world = begin(sqlite_world, stripeTimeoutSeconds=1)
    fault = world.server.fault(kind, "after", match="POST /v1/checkout/sessions", times=0)
    lost = checkout(world)
    assert lost.exit_code in {4, 6}, lost.stderr
    fault.times = 1
    world.server.clear_faults()
    found = checkout(world, "max").ok().json()
    assert pages(world, "open") == [found["id"]]
    assert world.server.get("checkout_sessions", found["id"])["metadata"]["billing_plan"] == "max"


def test_two_at_the_same_moment_leave_one_page(sqlite_world: World) -> None:
    """A page that another command made meanwhile is the newer one: it stays, and ours does not."""
    world = begin(sqlite_world)
    checkout(world).ok()
    made: list[str] = []

    def rival(entry: Any) -> None:
        if str(entry) == "POST /v1/checkout/sessions" and not made:
            made.append("")
            customer = world.customer("ann")
            price = world.server.objects("prices")[0]["id"]
            engine = world.server.engine
            with world.server.service.lock:
                from tests.stripe_server.sessions import create_session

                made[0] = create_session(
                    engine,
                    {
                        "mode": "subscription",
                        "customer": customer,
                        "line_items": [{"price": price, "quantity": 1}],
                        "success_url": "https://example.com/rival",
                    },
                )["id"]

    world.server.on_request(rival, after=True)
    refused = checkout(world)
    assert refused.exit_code == 4
    assert "at the same moment" in refused.stderr
    assert pages(world, "open") == made


def test_a_customer_who_was_deleted_is_made_again(sqlite_world: World) -> None:
    world = begin(sqlite_world)
    checkout(world).ok()
    gone = world.customer("ann")
    world.server.delete_customer(gone)
    checkout(world).ok()
    assert world.customer("ann") != gone


def test_the_portal_and_a_page_to_leave_a_card_on(world: World) -> None:
    """What is left on the page is what invoices are paid with, once it is told."""
    begin(world)
    page = world("stripe", "setup", "--user", "ann", "-o", "json").ok().json()
    made = world.server.get("checkout_sessions", page["id"])
    assert (made["mode"], made["currency"]) == ("setup", "usd")
    world.server.complete_checkout(page["id"])
    world.sync()
    (card,) = world.rows("stripe", "payment-methods", "list", "--user", "ann")
    assert (card["type"], card["brand"], card["last4"]) == ("card", "visa", "4242")
    assert (card["expires"], card["default"]) == ("2034-12", True)
    link = world("stripe", "portal", "--user", "ann", "--return-url", "https://example.com/me")
    assert link.ok().stdout.startswith("Url:     https://billing.stripe.com/")
    (portal,) = world.server.objects("portal_sessions")
    assert portal["return_url"] == "https://example.com/me"
    world("stripe", "portal", "--user", "ann").ok()
    assert world.server.objects("portal_sessions")[1]["return_url"] == "https://example.com/done"
    world.check()


def test_payment_methods_are_looked_after(sqlite_world: World) -> None:
    world = begin(sqlite_world)
    methods = ("stripe", "payment-methods")
    nobody = world(*methods, "list", "--user", "ann").ok()
    assert (nobody.stdout, nobody.stderr) == ("", "the user is no customer on Stripe yet\n")
    assert world(*methods, "default", "--user", "ann", "pm_1").exit_code == 3
    assert world(*methods, "list", "--user", "zoe").exit_code == 3
    world("user", "add", "bob").ok()
    world.sync()
    old = world.server.attach_method(world.customer("ann"), "pm_card_visa")["id"]
    new = world.server.attach_method(world.customer("ann"), "pm_card_visa", default=False)["id"]
    other = world.server.attach_method(world.customer("bob"))["id"]
    listed = world.rows(*methods, "list", "--user", "ann")
    assert [(row["id"], row["default"]) for row in listed] == [(new, False), (old, True)]
    for word in ("default", "detach"):
        for method in (other, "pm_none"):
            refused = world(*methods, word, "--user", "ann", method)
            assert (refused.exit_code, "has no payment method" in refused.stderr) == (3, True)
    world.server.fault("drop", "before", match="POST /v1/customers/*", times=3)
    silent = world(*methods, "default", "--user", "ann", new)
    assert (silent.exit_code, "run it again" in silent.stderr) == (6, True)
    changed = world.rows(*methods, "default", "--user", "ann", new)
    assert [(row["id"], row["default"]) for row in changed] == [(new, True), (old, False)]
    # Nobody is told that it is done; the same command says so.
    world.server.fault("drop", "after", match="POST /v1/payment_methods/*/detach", times=3)
    assert world(*methods, "detach", "--user", "ann", new).exit_code == 6
    left = world(*methods, "detach", "--user", "ann", new, "-o", "json").ok()
    assert [row["id"] for row in left.json()] == [old]
    assert left.stderr == f"{new} is detached\n"
    world.sync("--only", "events")
    # The one that is left is what an invoice is paid with from now on.
    world.bill(ann=5)
    world.sync()
    assert world.theirs("ann")["default_payment_method"] == old
    world.check()


def test_a_live_key_is_asked_for(sqlite_world: World) -> None:
    world = begin(sqlite_world)
    live = "sk_live_51abcDEFghi"
    world.server.engine.livemode = True
    for words in (
        ("checkout", "--user", "ann", "--plan", "pro"),
        ("setup", "--user", "ann"),
        ("portal", "--user", "ann"),
    ):
        refused = world("stripe", *words, STRIPE_SECRET_KEY=live)
        assert (refused.exit_code, "--yes" in refused.stderr) == (2, True)
    assert world.server.objects("customers") == []
    checkout(world, "pro", "--yes", STRIPE_SECRET_KEY=live).ok()
    # Once is enough.
    checkout(world, STRIPE_SECRET_KEY=live).ok()
    assert world.now == FEBRUARY
    assert KEY not in world("stripe", "status", STRIPE_SECRET_KEY=live).stdout
