"""How subscriptions change: other prices and quantities, and their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.stripe_server.engine import Engine, merge_metadata, serves, unset
from tests.stripe_server.errors import invalid
from tests.stripe_server.subscription_invoices import bill, proration
from tests.stripe_server.subscriptions import (
    ENDED,
    end_subscription,
    new_subscription_item,
    plan_of,
    price_of,
)
from tests.stripe_server.terms import term_end

if TYPE_CHECKING:
    from tests.stripe_server.state import Object


@serves("POST", "/v1/subscriptions/{subscription_exposed_id}")
def update_subscription(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    subscription = engine.get("subscriptions", ids[0])
    if subscription["status"] in ENDED and not params.keys() <= {"metadata", "expand"}:
        raise invalid(
            "A canceled subscription can only update its cancellation_details and metadata."
        )
    fields: dict[str, Any] = {
        name: unset(params[name])
        for name in (
            "collection_method",
            "days_until_due",
            "default_payment_method",
            "description",
            "pause_collection",
        )
        if name in params
    }
    if method := fields.get("default_payment_method"):
        engine.get("payment_methods", method, param="default_payment_method")
    fields.update(_ending(engine, subscription, params))
    fields["metadata"] = merge_metadata(subscription, params)
    if params.get("trial_end") == "now" and subscription["status"] == "trialing":
        fields.update(trial_end=engine.now(), status="active")
    previous = engine.change(subscription, **fields)
    changed = _change_items(engine, subscription, params) if "items" in params else {}
    if previous or changed:
        engine.emit("customer.subscription.updated", subscription, {**previous, **changed})
    return subscription


def _ending(engine: Engine, subscription: Object, params: dict[str, Any]) -> dict[str, Any]:
    """What a request changes of when a subscription is to end."""
    end = subscription["items"]["data"][0]["current_period_end"]
    if "cancel_at_period_end" in params:
        if params["cancel_at_period_end"] == subscription["cancel_at_period_end"]:
            return {}
        on = params["cancel_at_period_end"]
        at = end if on else None
    elif "cancel_at" in params:
        wanted = unset(params["cancel_at"])
        at = end if isinstance(wanted, str) else wanted
        on = False
    else:
        return {}
    return {
        "cancel_at_period_end": on,
        "cancel_at": at,
        "canceled_at": engine.now() if at else None,
        "cancellation_details": {
            **subscription["cancellation_details"],
            "reason": "cancellation_requested" if at else None,
        },
    }


def _change_items(engine: Engine, subscription: Object, params: dict[str, Any]) -> dict[str, Any]:
    """Other prices or quantities, and what that costs or gives back."""
    items = subscription["items"]["data"]
    before = {"items": engine.render(subscription)["items"]["data"][:]}
    behavior = params.get("proration_behavior", "create_prorations")
    at = params.get("proration_date", engine.now())
    changes = _wanted(engine, items, params["items"])
    reset = (params.get("billing_cycle_anchor") or {}).get("type") == "now" or any(
        old is not None and price["recurring"] != old["price"]["recurring"]
        for old, price, _ in changes
    )
    term = _term(items[0], at, changes[0][1], reset=reset)
    kept = [dict(item) for item in items]
    for old, price, given in changes:
        if old:
            kept = [item for item in kept if item["id"] != old["id"]]
            if behavior != "none":
                proration(engine, subscription, old, at, credit=True)
        if not given.get("deleted"):
            new = _changed(engine, subscription["id"], (old, price, given), term)
            kept.append(new)
            if behavior != "none":
                proration(engine, subscription, new, at, credit=False)
    subscription["items"].update(data=kept, total_count=len(kept))
    if reset:
        subscription["billing_cycle_anchor"] = at
    if reset or behavior == "always_invoice":
        bill(engine, subscription, "subscription_update", lines=reset and behavior == "none")
    return before


def _wanted(
    engine: Engine, items: list[Object], given: list[dict[str, Any]]
) -> list[tuple[Object | None, Object, dict[str, Any]]]:
    """For each change that is asked for: the item as it is, if there is one, and its new price."""
    changes = []
    for place, change in enumerate(given):
        key = change.get("id")
        old = next((dict(item) for item in items if item["id"] == key), None)
        if key and old is None:
            raise invalid(f"No such subscription item: '{key}'", param="items")
        if old and not {"price", "plan", "price_data"} & change.keys():
            price = old["price"]
        else:
            price = price_of(engine, change, f"items[{place}]")
        changes.append((old, price, change))
    return changes


def _term(item: Object, at: int, price: Object, *, reset: bool) -> tuple[int, int]:
    if reset:
        return at, term_end(at, at, price["recurring"])
    return item["current_period_start"], item["current_period_end"]


def _changed(
    engine: Engine,
    key: str,
    change: tuple[Object | None, Object, dict[str, Any]],
    term: tuple[int, int],
) -> Object:
    old, price, given = change
    if old is None:
        return new_subscription_item(engine, key, price, given, term)
    return {
        **old,
        "current_period_start": term[0],
        "current_period_end": term[1],
        "metadata": merge_metadata(old, given),
        "plan": plan_of(price),
        "price": price,
        "quantity": given.get("quantity", old["quantity"]),
    }


@serves("DELETE", "/v1/subscriptions/{subscription_exposed_id}")
def cancel_subscription(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    subscription = engine.get("subscriptions", ids[0])
    if subscription["status"] in ENDED:
        raise invalid(f"No such subscription: '{ids[0]}'", code="resource_missing")
    if params.get("prorate"):
        for item in subscription["items"]["data"]:
            proration(engine, subscription, item, engine.now(), credit=True)
    if params.get("invoice_now"):
        bill(engine, subscription, "manual", lines=False)
    end_subscription(engine, subscription)
    return subscription
