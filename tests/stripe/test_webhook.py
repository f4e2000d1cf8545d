"""Events one at a time from standard input, and what becomes of them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tests.stripe.world import KEY, SECRET, World, seconds
from tests.stripe_server.webhooks import signature, signed

if TYPE_CHECKING:
    from tests.command_line import Result


def last(world: World, kind: str) -> dict[str, Any]:
    """The newest event of a type that Stripe has."""
    return dict(next(one for one in reversed(world.server.events) if one["type"] == kind))


def post(world: World, event: dict[str, Any], *words: str, **environ: str) -> Result:
    """Hand an event over as a web server does, signed now."""
    body, header = signed(event, SECRET, seconds(world.now))
    given = environ or {"STRIPE_SIGNATURE": header}
    given = {name: value or header for name, value in given.items()}
    return world("stripe", "webhook", *words, stdin=body, **given)


def states(world: World, *words: str) -> list[tuple[str, str]]:
    return [(row["type"], row["state"]) for row in world.rows("stripe", "events", "list", *words)]


def test_an_event_is_kept_and_worked_off(world: World) -> None:
    """What an event tells is here as soon as it was handed over, and once, however often it is."""
    world.bill(ann=5)
    world.sync()
    world.server.pay_invoice(world.theirs("ann")["id"])
    assert world.ours("ann")["status"] == "sent"
    paid = last(world, "invoice.paid")
    shown = post(world, paid, "-o", "json", HTTP_STRIPE_SIGNATURE="").ok().json()
    assert (shown["id"], shown["state"], shown["is_new"]) == (paid["id"], "done", True)
    assert world.ours("ann")["status"] == "paid"
    again = post(world, paid, "-o", "json").ok().json()
    assert (again["state"], again["is_new"], again["attempts"]) == ("done", False, 1)
    # A CGI script gets no end of its input, but is told how long it is.
    body, header = signed(last(world, "payment_intent.succeeded"), SECRET, seconds(world.now))
    cgi = {
        "HTTP_STRIPE_SIGNATURE": header,
        "GATEWAY_INTERFACE": "CGI/1.1",
        "CONTENT_LENGTH": str(len(body)),
    }
    world("stripe", "webhook", stdin=body + b"what comes after", **cgi).ok()
    world.check()


def test_without_a_key_or_with_store_only_an_event_waits(sqlite_world: World) -> None:
    world = sqlite_world
    world.bill(ann=5)
    world.sync()
    world.server.pay_invoice(world.theirs("ann")["id"])
    first, second = last(world, "payment_intent.succeeded"), last(world, "invoice.paid")
    waits = post(world, first, "--store-only").ok()
    assert "State:       pending" in waits.stdout
    assert waits.stderr == "the event is kept: it is worked off by the next sync\n"
    body, header = signed(second, SECRET, seconds(world.now))
    waits = world(
        *("stripe", "webhook", "--signature", header), stdin=body, STRIPE_SECRET_KEY=""
    ).ok()
    assert waits.stderr.startswith("the event is kept: there is no key for Stripe: ")
    kept = [("payment_intent.succeeded", "pending"), ("invoice.paid", "pending")]
    assert states(world, "--state", "pending") == kept
    assert world.ours("ann")["status"] == "sent"
    world.sync("--only", "events")
    assert world.ours("ann")["status"] == "paid"
    assert states(world, "--type", "invoice.paid") == [("invoice.paid", "done")]
    world.configure(enabled=False)
    assert (
        "switched off"
        in world("stripe", "webhook", stdin=body, STRIPE_SIGNATURE=header).ok().stderr
    )
    world.configure(stripeEnabled=False)
    assert post(world, first).exit_code == 8


def test_what_is_not_from_stripe_is_refused(sqlite_world: World) -> None:
    """Each reason is said, no secret is, and nothing is kept."""
    world = sqlite_world
    world.bill(ann=5)
    world.sync()
    now = seconds(world.now)
    event = last(world, "customer.created")
    body, header = signed(event, SECRET, now)
    again = json.dumps(event).encode()
    for stdin, given, reason in (
        (body, "", "the header Stripe-Signature is missing"),
        (body, "v1=5", "the header Stripe-Signature is malformed"),
        (body, signed(event, "whsec_another", now)[1], "does not match"),
        (again, header, "does not match"),
        (body, signed(event, SECRET, now - 301)[1], "has expired"),
        (body, signed(event, SECRET, now + 301)[1], "from the future"),
        (b"{}", signature(b"{}", SECRET, now), "has no usable id"),
        (b"[" * 50_000, signature(b"[" * 50_000, SECRET, now), "no event of Stripe's"),
        (b"x" * (5 * 2**20 + 1), header, "larger than any"),
    ):
        refused = world("stripe", "webhook", "--signature", given, stdin=stdin)
        assert refused.exit_code == 5, reason
        assert reason in refused.stderr
        assert SECRET not in refused.stderr + refused.stdout
    missing = world("stripe", "webhook", stdin=body, STRIPE_WEBHOOK_SECRET="")
    assert (missing.exit_code, missing.stdout) == (8, "")
    assert event["id"] not in world("stripe", "events", "list", "-o", "json").stdout


def test_a_terminal_has_no_event_to_give(sqlite_world: World) -> None:
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    with mock.patch("billing_cli.commands.stripe_receiver.sys", terminal):
        refused = sqlite_world("stripe", "webhook", STRIPE_SIGNATURE="t=1,v1=2")
    assert refused.exit_code == 2
    assert "standard input" in refused.stderr


def test_a_poisoned_event_blocks_no_other_and_can_be_tried_again(world: World) -> None:
    """What fails is kept with its reason, until somebody has mended what was wrong."""
    world.bill(ann=5, bob=6)
    world.sync()
    for user in ("ann", "bob"):
        world.server.pay_invoice(world.theirs(user)["id"])
    ann, bob = (one for one in world.server.events if one["type"] == "invoice.paid")
    world.server.restrict(KEY, *_all_but("invoice"))
    failed = post(world, ann)
    assert failed.exit_code == 7
    assert "the event is kept, but could not be worked off: " in failed.stderr
    assert "rak_invoice_read" in failed.stderr
    assert KEY not in failed.stderr
    again = world("stripe", "events", "retry", ann["id"])
    assert again.exit_code == 7
    assert "1 event has failed again" in again.stderr
    assert world("stripe", "events", "retry", "evt_none").exit_code == 3
    # Without a key it waits; what is told of another invoice goes on meanwhile.
    waits = world("stripe", "events", "retry", STRIPE_SECRET_KEY="").ok()
    assert "next sync" in waits.stderr
    del world.server.service.keys.allowed[KEY]
    post(world, bob).ok()
    assert {world.ours(user)["status"] for user in ("ann", "bob")} == {"paid"}
    assert {state for _, state in states(world, "--type", "invoice.paid")} == {"done"}
    assert world("stripe", "events", "retry").ok().stderr == "no event has failed\n"
    shown = world("stripe", "events", "show", ann["id"], "-o", "json").ok().json()
    assert shown["payload"]["data"]["object"]["object"] == "invoice"
    assert world("stripe", "events", "show", "evt_none").exit_code == 3
    assert world("stripe", "events", "list", "--state", "lost").exit_code == 2
    world.check()


def _all_but(*parts: str) -> list[str]:
    parts_there = (
        *("accounts_kyc_basic", "charge", "checkout_session", "credit_note", "customer"),
        *("customer_portal", "dispute", "event", "invoice", "payment_intent", "payment_method"),
        *("payment_record", "plan", "product", "setup_intent", "subscription"),
    )
    return [f"rak_{part}_write" for part in parts_there if part not in parts]


@pytest.mark.parametrize("when", ["down", "not confirmed"])
def test_an_event_is_kept_though_it_cannot_be_worked_off(sqlite_world: World, when: str) -> None:
    world = sqlite_world
    world.bill(ann=5)
    world.sync()
    world.server.pay_invoice(world.theirs("ann")["id"])
    event = last(world, "invoice.paid")
    if when == "down":
        world.server.fault("503", times=0)
        kept = post(world, event)
    else:
        body, header = signed(event | {"livemode": True}, SECRET, seconds(world.now))
        kept = world(
            *("stripe", "webhook", "--signature", header),
            stdin=body,
            STRIPE_SECRET_KEY="sk_live_51abcDEF",
        )
    if when == "down":
        assert kept.exit_code == 7
        assert states(world, "--state", "pending") == [("invoice.paid", "pending")]
    else:
        # The books are a test account's: a live event is not for them.
        assert kept.ok().stdout.count("a live event") == 1
