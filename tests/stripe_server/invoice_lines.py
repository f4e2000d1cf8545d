"""Invoice items, the lines that they become, and an invoice's sums."""

from __future__ import annotations

import hashlib
import json
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from tests.stripe_server.engine import Engine, chosen, merge_metadata, retrieves, serves
from tests.stripe_server.errors import invalid

if TYPE_CHECKING:
    from tests.stripe_server.state import Object


def new_item(engine: Engine, owner: Object, given: dict[str, Any], path: str = "") -> Object:
    """An item from a request's parameters, not yet kept. `owner` has its customer and currency."""
    now = engine.now()
    period = given.get("period", {"start": now, "end": now})
    if period["end"] < period["start"]:
        raise invalid(
            "The period's end must be greater than or equal to its start.",
            param=f"{path}[period][end]",
        )
    pricing = given.get("pricing", {}).get("price")
    if ("amount" in given) + bool(pricing) + ("price_data" in given) != 1:
        raise invalid(
            "You must specify exactly one of amount, pricing, and price_data.", param=path
        )
    price = engine.get("prices", pricing, param=f"{path}[pricing][price]") if pricing else None
    quantity = given.get("quantity", 1)
    unit, product = _unit(given, price)
    amount = given["amount"] if unit is None else _rounded(unit * quantity)
    currency = given.get("currency") or (price or given.get("price_data", owner))["currency"]
    if owner.get("object") == "invoice" and currency.lower() != owner["currency"]:
        raise invalid(
            f"The currency `{currency}` is not that of the invoice, `{owner['currency']}`.",
            param=path,
        )
    return {
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency.lower(),
        "customer": owner["customer"],
        "customer_account": None,
        "date": now,
        "description": given.get("description"),
        "discountable": given.get("discountable", amount >= 0),
        "discounts": [],
        "frozen_fields": [],
        "invoice": None,
        "metadata": merge_metadata({}, given),
        "net_amount": amount,
        "parent": None,
        "period": {"end": period["end"], "start": period["start"]},
        "pricing": {
            "price_details": {"price": price["id"], "product": product}
            if price and product
            else None,
            "type": "price_details",
            "unit_amount_decimal": str(amount) if unit is None else _plain(unit),
        },
        "proration": False,
        "proration_details": None,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "tax_rates": [],
        "test_clock": None,
        # What the line says and the item does not: taken off when the item is kept.
        "tax_amounts": given.get("tax_amounts") or [],
    }


def _unit(given: dict[str, Any], price: Object | None) -> tuple[Decimal | None, str | None]:
    if price:
        return Decimal(price["unit_amount_decimal"]), price["product"]
    if data := given.get("price_data"):
        amount = data.get("unit_amount_decimal", data.get("unit_amount"))
        return Decimal(amount), data.get("product")
    return None, None


def _rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def _plain(amount: Decimal) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def keep_item(engine: Engine, item: Object) -> Object:
    """Keep an item, which has an id then."""
    taxes = item.pop("tax_amounts", [])
    engine.add("invoiceitems", item)
    if taxes:
        engine.state.item_taxes[item["id"]] = taxes
    engine.emit("invoiceitem.created", item)
    return item


def add_line(engine: Engine, invoice: Object, item: Object) -> Object:
    """Put an item on a draft, and give the line."""
    taxes = [_tax(engine, tax) for tax in engine.state.item_taxes.get(item["id"], [])]
    engine.change(item, invoice=invoice["id"])
    engine.state["invoiceitems"].reindex(item)
    parent = item["parent"] and item["parent"]["subscription_details"]
    details = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": {"credited_items": None},
        "subscription": parent and parent["subscription"],
    }
    if parent and parent["subscription_item"]:
        kind = "subscription_item_details"
        details["subscription_item"] = parent["subscription_item"]
    else:
        kind = "invoice_item_details"
    return append_line(
        engine,
        invoice,
        amount=item["amount"],
        description=item["description"],
        discountable=item["discountable"],
        metadata=dict(item["metadata"]),
        parent={
            "invoice_item_details": None,
            "subscription_item_details": None,
            kind: details,
            "type": kind,
        },
        period=item["period"],
        pricing=item["pricing"],
        quantity=item["quantity"],
        taxes=taxes,
    )


def append_line(engine: Engine, invoice: Object, **fields: Any) -> Object:
    """Put a line on a draft, after those that are there."""
    line = {
        "id": engine.new_id("il"),
        "object": "line_item",
        "currency": invoice["currency"],
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice["id"],
        "livemode": invoice["livemode"],
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity_decimal": str(fields["quantity"]),
        "subtotal": fields["amount"],
        "taxes": [],
        **fields,
    }
    engine.state.lines[invoice["id"]].append(line)
    return line


def _tax(engine: Engine, given: dict[str, Any]) -> dict[str, Any]:
    data = given["tax_rate_data"]
    text = json.dumps(data, default=str, sort_keys=True)
    rate = f"txr_{engine.account[-6:]}{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return {
        "amount": given["amount"],
        "tax_behavior": "inclusive" if data["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": rate},
        "taxability_reason": given.get("taxability_reason") or "standard_rated",
        "taxable_amount": given["taxable_amount"],
        "type": "tax_rate_details",
    }


def sum_up(engine: Engine, invoice: Object) -> None:
    """The sums of a draft from its lines."""
    lines = engine.state.lines[invoice["id"]]
    subtotal = sum(line["amount"] for line in lines)
    taxes: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in lines:
        for tax in line["taxes"]:
            same = (tax["tax_rate_details"]["tax_rate"], tax["taxability_reason"])
            known = taxes.setdefault(same, {**tax, "amount": 0, "taxable_amount": 0})
            known["amount"] += tax["amount"]
            known["taxable_amount"] += tax["taxable_amount"]
    exclusive = sum(t["amount"] for t in taxes.values() if t["tax_behavior"] == "exclusive")
    inclusive = sum(t["amount"] for t in taxes.values()) - exclusive
    total = subtotal + exclusive
    customer = engine.get("customers", invoice["customer"])
    due = max(0, total + customer["balance"])
    engine.change(
        invoice,
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal - inclusive,
        total=total,
        total_excluding_tax=subtotal - inclusive,
        total_taxes=list(taxes.values()),
        amount_due=due,
        amount_remaining=due,
        starting_balance=customer["balance"],
    )


@serves("POST", "/v1/invoiceitems")
def create_item(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    customer = engine.get("customers", params["customer"], param="customer")
    owner: Object = {
        "customer": customer["id"],
        "currency": params.get("currency") or customer["currency"] or engine.default_currency,
    }
    invoice = None
    if "invoice" in params:
        invoice = owner = engine.get("invoices", params["invoice"], param="invoice")
        if invoice["status"] != "draft":
            raise invalid("The invoice is no longer editable", code="invoice_not_editable")
    item = keep_item(engine, new_item(engine, owner, params))
    engine.change(customer, currency=customer["currency"] or item["currency"])
    if invoice is not None:
        add_line(engine, invoice, item)
        sum_up(engine, invoice)
        engine.emit("invoice.updated", invoice, {})
    return item


@serves("DELETE", "/v1/invoiceitems/{invoiceitem}")
def delete_item(engine: Engine, _params: dict[str, Any], *ids: str) -> Object:
    item = engine.get("invoiceitems", ids[0])
    if item["invoice"]:
        invoice = engine.get("invoices", item["invoice"])
        if invoice["status"] != "draft":
            raise invalid("The invoice is no longer editable", code="invoice_not_editable")
        engine.state.lines[invoice["id"]] = [
            line
            for line in engine.state.lines[invoice["id"]]
            if (line["parent"]["invoice_item_details"] or {}).get("invoice_item") != ids[0]
        ]
        sum_up(engine, invoice)
    engine.emit("invoiceitem.deleted", item)
    engine.state["invoiceitems"].remove(ids[0])
    return {"id": ids[0], "object": "invoiceitem", "deleted": True}


@serves("GET", "/v1/invoiceitems")
def list_items(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    filters = chosen(params, "customer", "invoice")
    if params.get("pending"):
        filters["invoice"] = None
    return engine.page("/v1/invoiceitems", "invoiceitems", params, filters)


retrieves("/v1/invoiceitems/{invoiceitem}", "invoiceitems")
