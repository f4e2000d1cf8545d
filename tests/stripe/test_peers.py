"""Others' programs in the place of Stripe or of its command line: what we tell them, and they us.

Each proves a part: docs/stripe.md says which.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from billing_cli.gateway.stripe_client import StripeGateway
from billing_cli.gateway.stripe_errors import StripeRefusalError, StripeSilenceError
from billing_cli.pricing.stripe_events import read_event
from billing_cli.pricing.stripe_objects import (
    read_charge,
    read_customer,
    read_payment_intent,
    read_payment_method,
    read_refund,
)
from tests.stripe.test_listen import eventually, receiver
from tests.stripe_server import cli
from tests.stripe_server.localstripe import localstripe
from tests.stripe_server.wire import Listener, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command_line import Billing
    from tests.stripe.world import World

TEST_KEY: Final = os.environ.get("STRIPE_TEST_KEY", "")
SAMPLES: Final = Path(os.environ.get("STRIPE_SAMPLES", "no folder"))


def gateway(base: str | None, key: str = "sk_test_peer12345") -> StripeGateway:
    return StripeGateway(key, base=base, rate=0, timeout=10, monotonic=time.monotonic)


# localstripe: customers, cards, payments, refunds, declines, signed webhooks ----------------------


def ask(base: str, path: str, **parameters: Any) -> tuple[int, Any]:
    """Do what customers, and operators of localstripe, do: all but what we do."""
    pairs: list[tuple[str, str]] = []
    for name, value in parameters.items():
        inner = value.items() if isinstance(value, dict) else ()
        pairs += [(f"{name}[{key}]", str(one)) for key, one in inner] or [(name, str(value))]
    request = urllib.request.Request(  # noqa: S310 - a server of the tests' own
        base + path,
        urllib.parse.urlencode(pairs).encode(),
        {"Authorization": "Bearer sk_test_peer12345"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def card(base: str, number: str) -> str:
    details = {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    _, made = ask(base, "/v1/payment_methods", type="card", card=details)
    return str(made["id"])


@pytest.fixture(scope="module")
def other() -> Iterator[str]:
    """The URL of localstripe, in a process of its own."""
    with localstripe() as url:
        yield url


def test_localstripe_understands_us_and_we_it(other: str) -> None:
    """Customers, cards, a payment, a refund and a decline, in shapes of 2017 with newer fields."""
    ours = gateway(other)
    made = ours.write(
        "customer.create",
        "",
        {"name": "Ann", "email": "ann@example.com", "metadata": {"billing_user": "ann"}},
        "key-1",
    )
    customer = read_customer(made)
    assert (customer.email, customer.metadata) == ("ann@example.com", {"billing_user": "ann"})
    more = {"metadata": {"billing_user": "bob"}}
    for number in range(3):
        ours.write("customer.create", "", {"name": f"more {number}", **more}, f"key-2-{number}")
    assert len(list(ours.all("customers", limit=2))) == 4
    method = card(other, "4242424242424242")
    assert ask(other, f"/v1/payment_methods/{method}/attach", customer=customer.id)[0] == 200
    chosen = {"invoice_settings": {"default_payment_method": method}}
    changed = ours.write("customer.update", customer.id, chosen, "key-3")
    assert read_customer(changed).default_payment_method == method
    found = read_payment_method(ours.read("payment_method", method))
    assert (found.customer, found.brand, found.last4) == (customer.id, "visa", "4242")
    _, paid = ask(
        other,
        "/v1/payment_intents",
        amount=500,
        currency="usd",
        customer=customer.id,
        payment_method=method,
        confirm="true",
    )
    wanted = {"payment_intent": paid["id"], "amount": 200, "metadata": {"billing_refund": "1"}}
    refund = read_refund(ours.write("refund.create", "", wanted, "key-4"))
    assert (refund.amount, refund.status, refund.payment_intent) == (200, "succeeded", paid["id"])
    intent = read_payment_intent(ours.read("payment_intent", paid["id"], expand=["latest_charge"]))
    assert (intent.status, intent.amount_received, intent.currency) == ("succeeded", 500, "USD")
    charge = read_charge(ours.read("charge", str(intent.latest_charge_id)))
    assert (charge.amount_refunded, charge.payment_intent) == (200, intent.id)
    ours.write("payment_method.detach", method, {}, "key-5")
    assert read_payment_method(ours.read("payment_method", method)).customer is None
    with pytest.raises(StripeRefusalError) as missing:
        ours.read("customer", "cus_none")
    assert missing.value.is_missing


def test_localstripe_declines_and_tells_the_receiver(
    other: str, sqlite_world: World, sqlite_billing: Billing
) -> None:
    """Its webhooks are signed by code that is not ours: the receiver takes them, or refuses."""
    world = sqlite_world
    # Its account cannot be asked for, so that its events can be kept, but not worked off.
    with receiver(world, sqlite_billing, stands_still=False, STRIPE_SECRET_KEY="") as listening:
        url = f"http://127.0.0.1:{listening.port}/api/plugins/billing/webhook"
        for name, secret in (("right", listening.secret), ("wrong", "whsec_another")):
            assert ask(other, f"/_config/webhooks/{name}", url=url, secret=secret)[0] == 200
        _, made = ask(other, "/v1/customers", email="cid@example.com")
        method = card(other, "4000000000000341")
        ask(other, f"/v1/payment_methods/{method}/attach", customer=made["id"])
        status, answer = ask(
            other,
            "/v1/payment_intents",
            amount=500,
            currency="usd",
            customer=made["id"],
            payment_method=method,
            confirm="true",
        )
        assert (status, answer["error"]["code"]) == (402, "card_declined")
        eventually(
            lambda: "payment_intent.payment_failed" in world("stripe", "events", "list").stdout
        )
        _, said = listening.stop()
    rows = world.rows("stripe", "events", "list")
    kept = {row["type"]: row for row in rows}
    assert kept["customer.created"]["state"] == "ignored"
    failed = kept["payment_intent.payment_failed"]
    assert (failed["state"], failed["api_version"]) == ("pending", "2017-08-15")
    # Each was delivered twice, once with a secret that is not the endpoint's.
    assert said.count("the event is refused: the signature does not match") == len(rows)


# Stripe's command line: request sequences of Stripe's own, and deliveries as Stripe makes them ----


def test_the_command_line_of_stripe_delivers(sqlite_world: World, sqlite_billing: Billing) -> None:
    """Twice, concurrently and in any order; what is not ours is kept and ignored."""
    world = sqlite_world
    world.bill(ann=5)
    world.sync()
    known = {row["id"] for row in world.rows("stripe", "events", "list")}
    secret = world.server.webhook_secret
    with receiver(world, sqlite_billing, STRIPE_WEBHOOK_SECRET=secret) as listening:
        url = f"http://127.0.0.1:{listening.port}/api/plugins/billing/webhook"
        try:
            cli.trigger(world.server, "payment_intent.succeeded")
            cli.trigger(world.server, "invoice.paid")
            world.server.pay_invoice(world.theirs("ann")["id"])
            events = [one for one in world.server.events if one["id"] not in known]
            with cli.listen(world.server, url):
                world.server.push([*events, *reversed(events)])
                eventually(lambda: _is_worked_off(world, len(known) + len(events)))
        except cli.MissingError as error:
            pytest.skip(str(error))
        code, _ = listening.stop()
    assert code == 0
    assert world.ours("ann")["status"] == "paid"
    states = {row["state"] for row in world.rows("stripe", "events", "list")}
    assert states == {"done", "ignored"}
    assert [row["amount"] for row in world.rows("payment", "list")] == ["5.00"]


def _is_worked_off(world: World, count: int) -> bool:
    rows = world.rows("stripe", "events", "list")
    return len(rows) >= count and all(row["state"] != "pending" for row in rows)


# Recorded traffic: what Stripe has really answered ------------------------------------------------

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="STRIPE_SAMPLES names no folder of recorded traffic"
)


def recorded() -> Iterator[dict[str, Any]]:
    for path in sorted((SAMPLES / "recorded").glob("*.json")):
        yield from json.loads(path.read_text("utf-8"))["interactions"]


@needs_samples
def test_recorded_refusals_are_understood() -> None:
    """Each is served again as it was recorded, and comes out with its status and code."""
    errors = [one["response"] for one in recorded() if one["response"]["status"] >= 400]
    assert errors
    current: list[dict[str, Any]] = []

    def answer(_request: Request) -> Response:
        return Response(current[0]["status"], json.dumps(current[0]["body"]).encode())

    listener = Listener(answer)
    try:
        ours = gateway(f"http://127.0.0.1:{listener.port}")
        for response in errors:
            current[:] = [response]
            said = response["body"]["error"]
            with pytest.raises((StripeRefusalError, StripeSilenceError)) as caught:
                ours.write("customer.update", "cus_1", {"name": "x"}, "key")
            assert isinstance(caught.value, StripeRefusalError)
            assert caught.value.status == response["status"]
            assert caught.value.code == (said.get("decline_code") or said.get("code") or "")
    finally:
        listener.close()


@needs_samples
def test_recorded_events_are_kept(sqlite_world: World) -> None:
    """Old shapes come in as they are, and none of them is for a user of ours."""
    from tests.stripe.test_webhook import post

    paths = sorted((SAMPLES / "events").glob("*.json"))
    assert paths
    for path in paths:
        event = json.loads(path.read_text("utf-8"))
        assert read_event(event).type == path.stem
        post(sqlite_world, event | {"id": f"evt_{path.stem}"}, "--store-only").ok()
    assert len(sqlite_world.rows("stripe", "events", "list")) == len(paths)


# Stripe itself, in test mode ----------------------------------------------------------------------


@pytest.mark.skipif(not TEST_KEY, reason="STRIPE_TEST_KEY holds no key of a test account")
def test_stripe_itself(sqlite_world: World) -> None:
    """One user, one plan, one invoice, and a page: made, found again, and taken away."""
    assert TEST_KEY.startswith(("sk_test_", "rk_test_")), "never with a live key"
    world = sqlite_world
    world.configure(stripeApiBase=None, stripeRateLimit=10)
    secrets = {"STRIPE_SECRET_KEY": TEST_KEY}
    world.use(ann=5)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    world.now = now
    world("invoice", "generate", "--finalize").ok()
    assert world("stripe", "status", **secrets).exit_code in {0, 7}
    first = world("stripe", "sync", "-o", "json", **secrets).ok().json()
    assert {row["outcome"] for row in first} == {"done"}
    again = world("stripe", "sync", "-o", "json", **secrets).ok().json()
    assert [row for row in again if row["side"] == "stripe"] == []
    page = world("stripe", "setup", "--user", "ann", "-o", "json", **secrets).ok().json()
    assert page["url"].startswith("https://checkout.stripe.com/")
    number = world.ours("ann")["invoice_number"]
    world("invoice", "void", number, "--reason", "a test").ok()
    world("stripe", "sync", **secrets).ok()
