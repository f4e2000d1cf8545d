"""Products and prices."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.stripe_server.engine import (
    Engine,
    chosen,
    merge_metadata,
    retrieves,
    serves,
    unset,
)
from tests.stripe_server.errors import invalid

if TYPE_CHECKING:
    from tests.stripe_server.state import Object

_PRODUCT = ("description", "statement_descriptor", "tax_code", "unit_label", "url")


@serves("POST", "/v1/products")
def create_product(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    if (key := params.get("id")) and (
        key in engine.state["products"].rows or key in engine.state["products"].place
    ):
        raise invalid(
            f"Product already exists with the ID '{key}'.",
            param="id",
            code="resource_already_exists",
        )
    made = engine.add(
        "products",
        {
            **({"id": key} if key else {}),
            "object": "product",
            "active": params.get("active", True),
            "default_price": None,
            **{name: unset(params.get(name)) for name in _PRODUCT},
            "images": params.get("images") or [],
            "marketing_features": [],
            "metadata": merge_metadata({}, params),
            "name": params["name"],
            "package_dimensions": None,
            "shippable": params.get("shippable"),
            "type": params.get("type", "service"),
            "updated": engine.now(),
        },
    )
    engine.emit("product.created", made)
    if "default_price_data" in params:
        data = {**params["default_price_data"], "product": made["id"]}
        made["default_price"] = create_price(engine, data)["id"]
    return made


@serves("POST", "/v1/products/{id}")
def update_product(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    product = engine.get("products", ids[0])
    fields = {name: unset(params[name]) for name in _PRODUCT if name in params}
    fields.update(
        {name: params[name] for name in ("active", "name", "default_price") if name in params}
    )
    previous = engine.change(product, **fields, metadata=merge_metadata(product, params))
    if previous:
        engine.change(product, updated=engine.now())
        engine.emit("product.updated", product, previous)
    return product


@serves("DELETE", "/v1/products/{id}")
def delete_product(engine: Engine, _params: dict[str, Any], *ids: str) -> Object:
    product = engine.get("products", ids[0])
    if next(engine.state["prices"].newest_first({"product": ids[0]}), None):
        raise invalid(
            "This product cannot be deleted because it has one or more user-created prices."
        )
    engine.emit("product.deleted", product)
    stub = {"id": ids[0], "object": "product", "deleted": True}
    engine.state["products"].remove(ids[0], stub)
    return stub


@serves("GET", "/v1/products")
def list_products(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    filters = chosen(params, "active", "shippable", "url")
    if "ids" in params:
        found = [engine.state["products"].rows.get(key) for key in params["ids"]]
        rows = [row for row in found if row]
        return engine.paged("/v1/products", params, rows)
    return engine.page("/v1/products", "products", params, filters)


def unit_amounts(params: dict[str, Any]) -> dict[str, Any]:
    """The amount of a unit as Stripe says it: exact as text, and as an integer if it is one."""
    whole, exact = params.get("unit_amount"), params.get("unit_amount_decimal")
    if whole is not None and exact is not None:
        raise invalid(
            "You may only specify one of these parameters: unit_amount, unit_amount_decimal."
        )
    amount = Decimal(whole) if exact is None and whole is not None else exact
    if amount is None:
        return {"unit_amount": None, "unit_amount_decimal": None}
    if amount < 0:
        raise invalid(
            "Invalid non-negative integer", param="unit_amount", code="parameter_invalid_integer"
        )
    text = format(amount, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return {
        "unit_amount": int(amount) if amount == amount.to_integral_value() else None,
        "unit_amount_decimal": text,
    }


@serves("POST", "/v1/prices")
def create_price(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    product = params.get("product")
    if product is not None:
        engine.get("products", product, param="product")
    elif "product_data" not in params:
        raise invalid("Missing required param: product.", param="product", code="parameter_missing")
    amounts = unit_amounts(params)
    if amounts["unit_amount_decimal"] is None and params.get("billing_scheme") != "tiered":
        raise invalid(
            "Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set.",
            param="unit_amount",
        )
    _claim(engine, params.get("lookup_key"), transfer=params.get("transfer_lookup_key", False))
    if product is None:
        product = create_product(engine, params["product_data"])["id"]
    recurring = params.get("recurring")
    made = engine.add(
        "prices",
        {
            "object": "price",
            "active": params.get("active", True),
            "billing_scheme": params.get("billing_scheme", "per_unit"),
            "currency": params["currency"].lower(),
            "custom_unit_amount": None,
            "lookup_key": params.get("lookup_key"),
            "metadata": merge_metadata({}, params),
            "nickname": params.get("nickname"),
            "product": product,
            "recurring": recurring
            and {
                "interval": recurring["interval"],
                "interval_count": recurring.get("interval_count", 1),
                "meter": recurring.get("meter"),
                "trial_period_days": None,
                "usage_type": recurring.get("usage_type", "licensed"),
            },
            "tax_behavior": params.get("tax_behavior", "unspecified"),
            "tiers_mode": params.get("tiers_mode"),
            "transform_quantity": None,
            "type": "recurring" if recurring else "one_time",
            **amounts,
        },
    )
    engine.emit("price.created", made)
    return made


def _claim(engine: Engine, lookup_key: str | None, *, transfer: bool) -> None:
    """Free a lookup key for another price, or refuse, since only one can have it."""
    if not lookup_key:
        return
    for holder in engine.state["prices"].where(lookup_key=lookup_key):
        if not transfer:
            raise invalid(
                f"A price (`{holder['id']}`) already uses that lookup key.", param="lookup_key"
            )
        engine.emit("price.updated", holder, engine.change(holder, lookup_key=None))


@serves("POST", "/v1/prices/{price}")
def update_price(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    price = engine.get("prices", ids[0])
    if (key := params.get("lookup_key")) and key != price["lookup_key"]:
        _claim(engine, key, transfer=params.get("transfer_lookup_key", False))
    fields = {
        name: unset(params[name])
        for name in ("active", "nickname", "lookup_key", "tax_behavior")
        if name in params
    }
    previous = engine.change(price, **fields, metadata=merge_metadata(price, params))
    engine.state["prices"].reindex(price)
    if previous:
        engine.emit("price.updated", price, previous)
    return price


@serves("GET", "/v1/prices")
def list_prices(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    filters = chosen(params, "active", "currency", "product", "type")
    if "lookup_keys" in params:
        if len(params["lookup_keys"]) > 10:
            raise invalid("You can only pass up to 10 lookup keys.", param="lookup_keys")
        rows = [
            row
            for key in dict.fromkeys(params["lookup_keys"])
            for row in engine.state["prices"].where(lookup_key=key, **filters)
        ]
        return engine.paged("/v1/prices", params, rows)
    return engine.page("/v1/prices", "prices", params, filters)


retrieves("/v1/products/{id}", "products")
retrieves("/v1/prices/{price}", "prices")
