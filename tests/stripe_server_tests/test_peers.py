"""What others made agrees with the stand-in: localstripe, and Stripe's own command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.stripe_server import cli
from tests.stripe_server.client import client, library
from tests.stripe_server.localstripe import localstripe
from tests.stripe_server_tests.test_webhooks import Receiver, receiver

if TYPE_CHECKING:
    from tests.stripe_server import StripeServer

__all__ = ["receiver"]

ROOT = Path(__file__).parent.parent.parent


def test_localstripe_takes_and_gives_back_money() -> None:
    with localstripe() as url, client(url) as stripe:
        customer = stripe.v1.customers.create({"email": "a@b.test"})
        number = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
        card = json.loads(
            stripe.raw_request("post", "/v1/payment_methods", type="card", card=number).body
        )["id"]
        stripe.v1.payment_methods.attach(card, {"customer": customer.id})
        intent = stripe.v1.payment_intents.create(
            {
                "amount": 500,
                "currency": "usd",
                "customer": customer.id,
                "payment_method": card,
                "confirm": True,
            }
        )
        assert intent.status == "succeeded"
        assert stripe.v1.refunds.create({"payment_intent": intent.id}).amount == 500


def skip_without_cli() -> None:
    try:
        cli.check()
    except cli.MissingError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(
    "event",
    ["payment_intent.succeeded", "invoice.payment_failed", "customer.subscription.deleted"],
)
def test_the_command_line_triggers_events(server: StripeServer, event: str) -> None:
    skip_without_cli()
    cli.trigger(server, event)
    assert event in [each["type"] for each in server.events]


@pytest.mark.usefixtures("customer")
def test_the_command_line_forwards_events(server: StripeServer, receiver: Receiver) -> None:
    skip_without_cli()
    with cli.listen(server, receiver.url):
        server.push(server.events * 2)
        ends = time.monotonic() + 10
        while len(receiver.got) < 2 * len(server.events) and time.monotonic() < ends:
            time.sleep(0.02)
    kinds = []
    for body, header in receiver.got:
        event = library.Webhook.construct_event(
            body, header, server.webhook_secret, tolerance=10**10
        )
        kinds.append(event.type)
    assert sorted(kinds) == sorted(2 * [event["type"] for event in server.events])


def test_it_runs_as_a_process_of_its_own() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.stripe_server", "--fast", "--now", "5"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        with client(process.stdout.readline().strip()) as stripe:
            assert stripe.v1.customers.create({"email": "a@b.test"}).created == 5
        process.terminate()
        assert process.wait(timeout=10) == 0
