"""Subscriptions: what customers have, until when, and how it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.stripe_server.catalog import create_price
from tests.stripe_server.customers import DEBITS
from tests.stripe_server.engine import (
    Engine,
    chosen,
    merge_metadata,
    retrieves,
    serves,
    unset,
)
from tests.stripe_server.errors import declined, invalid
from tests.stripe_server.invoice_payments import PAID, UNPAID
from tests.stripe_server.subscription_invoices import bill
from tests.stripe_server.terms import term_end

if TYPE_CHECKING:
    from tests.stripe_server.state import Object

_DAY: Final = 86_400
ENDED: Final = ("canceled", "incomplete_expired")
_PLAN: Final = (
    "active",
    "billing_scheme",
    "created",
    "currency",
    "livemode",
    "metadata",
    "nickname",
    "product",
    "tiers_mode",
)


def plan_of(price: Object) -> Object:
    """A recurring price, as the plan that it was called once."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "transform_usage": None,
        "trial_period_days": None,
        **{name: price[name] for name in _PLAN},
        **{name: recurring[name] for name in ("interval", "interval_count", "meter", "usage_type")},
    }


def price_of(engine: Engine, given: dict[str, Any], path: str) -> Object:
    """The recurring price that an item names."""
    if data := given.get("price_data"):
        return create_price(engine, data)
    key = given.get("price") or given.get("plan")
    if not key:
        raise invalid("Missing required param: price.", param=f"{path}[price]")
    price = engine.get("prices", key, param=f"{path}[price]")
    if not price["active"]:
        raise invalid(f"The price specified ({key}) is inactive.", param=f"{path}[price]")
    if not price["recurring"]:
        raise invalid(
            "The price specified is set to `type=one_time` but this field only accepts prices with"
            " `type=recurring`.",
            param=f"{path}[price]",
        )
    return price


def new_subscription_item(
    engine: Engine, key: str, price: Object, given: dict[str, Any], term: tuple[int, int]
) -> Object:
    return {
        "id": engine.new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": engine.now(),
        "current_period_end": term[1],
        "current_period_start": term[0],
        "discounts": [],
        "metadata": merge_metadata({}, given),
        "plan": plan_of(price),
        "price": price,
        "quantity": given.get("quantity", 1),
        "subscription": key,
        "tax_rates": [],
    }


@serves("POST", "/v1/subscriptions")
def create_subscription(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    customer = engine.get("customers", params["customer"], param="customer")
    return start_subscription(engine, customer, params)


def start_subscription(engine: Engine, customer: Object, params: dict[str, Any]) -> Object:
    """A new subscription, with its first invoice."""
    if not params.get("items"):
        raise invalid("Missing required param: items.", param="items", code="parameter_missing")
    prices = [price_of(engine, item, f"items[{at}]") for at, item in enumerate(params["items"])]
    if len({(price["currency"], price["recurring"]["interval"]) for price in prices}) > 1:
        raise invalid("All prices on a subscription must have the same currency and interval.")
    method = params.get("collection_method", "charge_automatically")
    if method == "send_invoice" and "days_until_due" not in params:
        raise invalid(
            "If invoices are sent with `collection_method=send_invoice`, you must specify"
            " `days_until_due`.",
            param="days_until_due",
        )
    trial = _trial_end(engine, params)
    if method == "charge_automatically" and not trial:
        _check_payable(engine, customer, params)
    now = engine.now()
    anchor = trial or params.get("billing_cycle_anchor", now)
    end = anchor if anchor > now else term_end(now, now, prices[0]["recurring"])
    subscription = _new_subscription(engine, customer, params, anchor=anchor, trial=trial)
    items = [
        new_subscription_item(engine, subscription["id"], price, item, (now, end))
        for price, item in zip(prices, params["items"], strict=True)
    ]
    subscription["items"]["data"] = items
    subscription["items"]["total_count"] = len(items)
    subscription["currency"] = prices[0]["currency"]
    engine.emit("customer.subscription.created", subscription)
    part = None
    if anchor > now and not trial:
        part = end - now, end - term_end(anchor, end, prices[0]["recurring"], terms=-1)
    if not (part and params.get("proration_behavior") == "none"):
        bill(engine, subscription, "subscription_create", free=bool(trial), part=part)
    if subscription["status"] == "incomplete" and method == "send_invoice":
        _set_status(engine, subscription, "active")
    return subscription


def _trial_end(engine: Engine, params: dict[str, Any]) -> int | None:
    days = params.get("trial_period_days")
    end = engine.now() + days * _DAY if days else params.get("trial_end")
    return end if isinstance(end, int) and end > engine.now() else None


def _check_payable(engine: Engine, customer: Object, params: dict[str, Any]) -> None:
    """Refuse a subscription that has nothing to be paid with, if that is not what was asked for."""
    behavior = params.get("payment_behavior", "allow_incomplete")
    key = (
        params.get("default_payment_method")
        or customer["invoice_settings"]["default_payment_method"]
    )
    if behavior == "default_incomplete":
        return
    if not key:
        raise invalid(
            "This customer has no attached payment source or default payment method. Please"
            " consider adding a default payment method.",
            code="resource_missing",
        )
    method = engine.get("payment_methods", key, param="default_payment_method")
    outcome = engine.state.outcomes.get(key, "")
    if outcome and behavior == "error_if_incomplete" and method["type"] not in DEBITS:
        raise declined(outcome)


def _new_subscription(
    engine: Engine, customer: Object, params: dict[str, Any], *, anchor: int, trial: int | None
) -> Object:
    key = engine.new_id("sub")
    now = engine.now()
    return engine.add(
        "subscriptions",
        {
            "id": key,
            "object": "subscription",
            "application": None,
            "application_fee_percent": None,
            "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": anchor,
            "billing_cycle_anchor_config": None,
            "billing_mode": {
                "flexible": {"proration_discounts": "included"},
                "type": "flexible",
                "updated_at": now,
            },
            "billing_schedules": [],
            "billing_thresholds": None,
            "cancel_at": None,
            "cancel_at_period_end": params.get("cancel_at_period_end", False),
            "canceled_at": None,
            "cancellation_details": {"comment": None, "feedback": None, "reason": None},
            "collection_method": params.get("collection_method", "charge_automatically"),
            "currency": engine.default_currency,
            "customer": customer["id"],
            "customer_account": None,
            "days_until_due": params.get("days_until_due"),
            "default_payment_method": params.get("default_payment_method"),
            "default_source": None,
            "default_tax_rates": [],
            "description": unset(params.get("description")),
            "discounts": [],
            "ended_at": None,
            "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
            "items": {
                "object": "list",
                "data": [],
                "has_more": False,
                "total_count": 0,
                "url": f"/v1/subscription_items?subscription={key}",
            },
            "latest_invoice": None,
            "metadata": merge_metadata({}, params),
            "next_pending_invoice_item_invoice": None,
            "on_behalf_of": None,
            "pause_collection": None,
            "payment_settings": {
                "payment_method_options": None,
                "payment_method_types": None,
                "save_default_payment_method": "off",
            },
            "pending_invoice_item_interval": None,
            "pending_setup_intent": None,
            "pending_update": None,
            "schedule": None,
            "start_date": params.get("backdate_start_date", now),
            "status": "trialing" if trial else "incomplete",
            "test_clock": None,
            "transfer_data": None,
            "trial_end": trial,
            "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
            "trial_start": now if trial else None,
        },
    )


def _set_status(engine: Engine, subscription: Object, status: str) -> None:
    if previous := engine.change(subscription, status=status):
        engine.emit("customer.subscription.updated", subscription, previous)


def _of(engine: Engine, invoice: Object) -> Object | None:
    details = (invoice["parent"] or {}).get("subscription_details")
    return engine.get("subscriptions", details["subscription"]) if details else None


def _invoice_paid(engine: Engine, invoice: Object) -> None:
    subscription = _of(engine, invoice)
    if subscription and subscription["status"] in ("incomplete", "past_due", "unpaid"):
        _set_status(engine, subscription, "active")


def _invoice_unpaid(engine: Engine, invoice: Object) -> None:
    subscription = _of(engine, invoice)
    if subscription and subscription["status"] == "active":
        _set_status(engine, subscription, "past_due")


PAID.append(_invoice_paid)
UNPAID.append(_invoice_unpaid)


def end_subscription(
    engine: Engine, subscription: Object, reason: str = "cancellation_requested"
) -> None:
    """It is over, now; what it still owes is not collected by itself any more."""
    now = engine.now()
    engine.change(
        subscription,
        status="canceled",
        canceled_at=subscription["canceled_at"] or now,
        ended_at=now,
        cancellation_details={**subscription["cancellation_details"], "reason": reason},
    )
    for invoice in engine.state["invoices"].where(subscription=subscription["id"], status="open"):
        engine.change(invoice, auto_advance=False)
    engine.emit("customer.subscription.deleted", subscription)


@serves("GET", "/v1/subscriptions")
def list_subscriptions(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    filters = chosen(params, "customer", "collection_method")
    status = params.get("status")
    if status not in (None, "all", "ended"):
        filters["status"] = status
    price = params.get("price") or params.get("plan")
    page = engine.newest("subscriptions", params, filters)
    rows = (
        row
        for row in page
        if (status is not None or row["status"] not in ENDED)
        and (status != "ended" or row["status"] in ENDED)
        and (not price or any(item["price"]["id"] == price for item in row["items"]["data"]))
    )
    return engine.paged("/v1/subscriptions", params, rows)


retrieves("/v1/subscriptions/{subscription_exposed_id}", "subscriptions")
