"""The stand-in for Stripe, and a deployment that speaks to it, on each kind of database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from billing_cli.gateway import stripe_client
from tests.stripe.world import World
from tests.stripe_server import StripeServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command_line import Invoke


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once: how long to wait is no matter here."""
    monkeypatch.setattr(stripe_client, "PAUSES", (0.0, 0.0))


@pytest.fixture
def server() -> Iterator[StripeServer]:
    """An account of Stripe's with nothing in it."""
    with StripeServer() as started:
        yield started


@pytest.fixture
def world(invoke: Invoke, server: StripeServer) -> World:
    """A deployment with Stripe, on each kind of database in turn."""
    return World(invoke, server)


@pytest.fixture
def sqlite_world(sqlite_invoke: Invoke, server: StripeServer) -> World:
    """A deployment with Stripe, on SQLite: where the database is no matter."""
    return World(sqlite_invoke, server)
