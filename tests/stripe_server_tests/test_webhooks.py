"""Signed deliveries, and what older accounts get."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.stripe_server import samples
from tests.stripe_server.client import library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stripe_server import StripeServer
    from tests.stripe_server.client import Client

SECRET = "whsec_made_up"


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted to it, with the signatures, and answers with a status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[bytes, str]] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/webhook"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((body, self.headers["Stripe-Signature"]))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_the_library_accepts_what_is_signed(server: StripeServer, customer: str) -> None:
    assert customer
    body, header = server.signed(server.events[0], SECRET)
    event = library.Webhook.construct_event(body, header, SECRET, tolerance=10**10)
    assert event.type == "customer.created"
    for wrong in (body.replace(b"ada", b"eve"), body + b" "):
        with pytest.raises(library.SignatureVerificationError):
            library.Webhook.construct_event(wrong, header, SECRET)


@pytest.mark.usefixtures("customer")
def test_deliveries_may_come_twice_and_in_any_order(
    server: StripeServer, receiver: Receiver
) -> None:
    sent = server.deliver(receiver.url, SECRET, copies=2, shuffle=1)
    assert {delivery.status for delivery in sent} == {200}
    kinds = [json.loads(body)["type"] for body, _ in receiver.got]
    assert sorted(kinds) == sorted(2 * [event["type"] for event in server.events])
    assert kinds != sorted(kinds)
    receiver.status = 500
    assert [d.status for d in server.deliver(receiver.url, SECRET, server.events[:1])] == [500]
    receiver.server_close()
    receiver.shutdown()
    assert [d.status for d in server.deliver(receiver.url, SECRET, server.events[:1])] == [0]


MOVED = {
    "invoice.paid": {"subscription", "payment_intent", "charge", "paid", "tax"},
    "customer.subscription.updated": {"current_period_start", "current_period_end", "plan"},
    "payment_intent.succeeded": {"charges", "invoice"},
}
"""What old events say, and new ones elsewhere or not at all."""


@pytest.mark.skipif(not samples.OLD_EVENTS.is_dir(), reason=samples.MISSING)
@pytest.mark.parametrize("kind", MOVED)
def test_what_moved_was_there_in_real_events(kind: str) -> None:
    event = json.loads((samples.OLD_EVENTS / f"{kind}.json").read_text(encoding="utf-8"))
    assert MOVED[kind] <= event["data"]["object"].keys()


def test_old_shapes(
    server: StripeServer, receiver: Receiver, stripe: Client, customer: str, monthly: str
) -> None:
    found = stripe.v1.subscriptions.create({"customer": customer, "items": [{"price": monthly}]})
    server.deliver(receiver.url, SECRET, old_shape=True)
    posted = {}
    for body, _ in receiver.got:
        event = json.loads(body)
        assert event["api_version"] == "2020-08-27"
        posted[event["type"]] = event["data"]["object"]
    for kind, moved in MOVED.items():
        assert moved <= posted[kind].keys()
    invoice = posted["invoice.paid"]
    assert (invoice["subscription"], invoice["paid"]) == (found.id, True)
    assert "parent" not in invoice
    assert invoice["lines"]["data"][0]["price"] == monthly
    assert posted["payment_intent.succeeded"]["charges"]["data"]
