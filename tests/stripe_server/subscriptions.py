"""Subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.stripe_server.engine import Engine
    from tests.stripe_server.state import Object


def end_subscription(engine: Engine, subscription: Object) -> None:
    """It is over, now."""
    engine.change(subscription, status="canceled", ended_at=engine.now())
    engine.emit("customer.subscription.deleted", subscription)
