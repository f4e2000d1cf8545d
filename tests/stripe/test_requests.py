"""When a request is sent, when it is sent again, and when it is looked up instead."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from billing_cli.gateway import stripe_client
from billing_cli.gateway.stripe_client import StripeGateway
from billing_cli.pricing.instants import format_instant
from tests.stripe.world import KEY, seconds

if TYPE_CHECKING:
    from tests.stripe.world import World


@pytest.mark.parametrize(("hours", "sent"), [(22, 1), (24, 0), (-24, 0)])
def test_a_request_whose_key_may_be_forgotten_is_looked_up(
    sqlite_world: World, hours: int, sent: int
) -> None:
    """Stripe keeps keys for a day; --at may also have sent a request in the future."""
    world = sqlite_world
    world.bill(ann=10)
    world.server.fault("drop", "after", match="POST /v1/invoices", times=0)
    assert world("stripe", "sync").exit_code != 0
    world.server.clear_faults()
    before = len(world.server.requests)
    world.at(format_instant(seconds(world.now) + hours * 3600))
    world("stripe", "sync").ok()
    asked = [str(request) for request in world.server.requests[before:]]
    assert asked.count("POST /v1/invoices") == sent
    assert len(world.server.objects("invoices")) == 1


def test_requests_keep_their_distance(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    gateway = StripeGateway(
        KEY, base=sqlite_world.server.url, rate=2, timeout=10, monotonic=lambda: 100.0
    )
    for _ in range(3):
        gateway.read("account", "")
    assert naps == [0.5, 1.0]


@pytest.mark.parametrize(("asked", "waited"), [(None, 0.5), (7, 7.0), (600, 60.0)])
def test_who_asks_for_time_gets_it_within_reason(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, asked: int | None, waited: float
) -> None:
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    monkeypatch.setattr(stripe_client, "PAUSES", (0.5,))
    sqlite_world.server.fault("429", match="GET /v1/account", retry_after=asked)
    gateway = StripeGateway(
        KEY, base=sqlite_world.server.url, rate=0, timeout=10, monotonic=lambda: 100.0
    )
    gateway.read("account", "")
    assert naps == [waited]
