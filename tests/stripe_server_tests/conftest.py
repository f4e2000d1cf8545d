"""A server whose clock stands still, a client of it, and a customer who can pay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.stripe_server import StripeServer
from tests.stripe_server.client import Client, client

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW: Final = 1_762_799_351


@pytest.fixture
def server() -> Iterator[StripeServer]:
    """Begins with nothing. What it does wrong itself fails the test when it ends."""
    with StripeServer(now=NOW) as started:
        yield started


@pytest.fixture
def stripe(server: StripeServer) -> Iterator[Client]:
    """Stripe's own library, which tries nothing again."""
    with client(server.url) as made:
        yield made


@pytest.fixture
def customer(server: StripeServer, stripe: Client) -> str:
    """The id of a customer with a card that works."""
    made = stripe.v1.customers.create({"email": "ada@example.test", "metadata": {"user": "ada"}})
    server.attach_method(made.id)
    return made.id


@pytest.fixture
def invoice(stripe: Client, customer: str) -> str:
    """The id of an open invoice of 12.70."""
    made = stripe.v1.invoices.create({"customer": customer, "currency": "usd", "number": "INV-1"})
    stripe.v1.invoices.add_lines(
        made.id, {"lines": [{"amount": 1000, "description": "Usage"}, {"amount": 270}]}
    )
    stripe.v1.invoices.finalize_invoice(made.id)
    return made.id


@pytest.fixture
def monthly(stripe: Client) -> str:
    """The id of a price of 25 a month."""
    stripe.v1.products.create({"id": "plan-team", "name": "Team"})
    return stripe.v1.prices.create(
        {
            "product": "plan-team",
            "currency": "usd",
            "unit_amount": 2500,
            "recurring": {"interval": "month"},
            "lookup_key": "team-monthly",
        }
    ).id
