"""Two runs that have left the same compare as the same, in whatever order they did it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.stripe_server import StripeServer
from tests.stripe_server.client import Client, client

if TYPE_CHECKING:
    from collections.abc import Callable


def bill(server: StripeServer, stripe: Client, user: str) -> None:
    made = stripe.v1.customers.create({"email": f"{user}@b.test", "metadata": {"user": user}})
    server.attach_method(made.id)
    invoice = stripe.v1.invoices.create({"customer": made.id, "metadata": {"invoice": user}})
    stripe.v1.invoices.add_lines(invoice.id, {"lines": [{"amount": 100 + len(user)}]})
    server.clock += 17
    stripe.v1.invoices.pay(invoice.id)


def left(run: Callable[[StripeServer, Client], None]) -> dict[str, dict[str, Any]]:
    with StripeServer(now=1_762_799_351) as server, client(server.url) as stripe:
        run(server, stripe)
        return server.snapshot()


def both(server: StripeServer, stripe: Client, *users: str) -> None:
    # Periods that are not given are the moment of the request, and differ with it.
    for user in users:
        server.clock = 1_762_799_351
        bill(server, stripe, user)


def test_the_order_does_not_matter() -> None:
    first = left(lambda server, stripe: both(server, stripe, "ada", "grace", "x"))
    again = left(lambda server, stripe: both(server, stripe, "x", "grace", "ada"))
    assert first == again
    assert list(first["customers"]) == [
        f'customers:{{"user": "{user}"}}' for user in ("ada", "grace", "x")
    ]
    paid = first["invoice_payments"]['invoice_payments:of invoices:{"invoice": "ada"}']
    assert paid["payment"]["payment_intent"] in first["payment_intents"]


@pytest.mark.parametrize(
    "more",
    [
        lambda server, _: server.refund(server.objects("charges")[0]["id"], 1),
        lambda server, _: server.attach_method(server.objects("customers")[0]["id"]),
        lambda _, stripe: stripe.v1.customers.create({"metadata": {"user": "ada"}}),
        lambda _, stripe: stripe.v1.products.create({"name": "x"}),
        lambda server, stripe: stripe.v1.invoices.update(
            server.objects("invoices")[0]["id"], {"metadata": {"a": "b"}}
        ),
    ],
)
def test_a_difference_is_one(more: Callable[[StripeServer, Client], object]) -> None:
    def run(server: StripeServer, stripe: Client) -> None:
        both(server, stripe, "ada", "grace")
        snapshots.append(server.snapshot())
        more(server, stripe)
        snapshots.append(server.snapshot())

    snapshots: list[Any] = []
    left(run)
    assert snapshots[0] != snapshots[1]


def test_a_saved_state_comes_back(server: StripeServer, stripe: Client, customer: str) -> None:
    saved, before = server.save(), server.snapshot()
    stripe.v1.customers.update(customer, {"name": "x"}, {"idempotency_key": "k"})
    server.fault("drop")
    server.restore(saved)
    assert server.snapshot() == before
    assert server.requests == []
    # The key is as unused as it was.
    assert stripe.v1.customers.update(customer, {"name": "y"}, {"idempotency_key": "k"}).name == "y"
