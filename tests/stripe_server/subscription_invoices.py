"""The invoices that Stripe makes for subscriptions: of a term, or of a change within one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.stripe_server.invoice_lines import add_line, append_line, keep_item, new_item, sum_up
from tests.stripe_server.invoice_payments import collect, default_method
from tests.stripe_server.invoices import finalize, new_invoice
from tests.stripe_server.terms import amount_of, prorated, term_end

if TYPE_CHECKING:
    from tests.stripe_server.engine import Engine
    from tests.stripe_server.state import Object


def bill(
    engine: Engine,
    subscription: Object,
    reason: str,
    *,
    lines: bool | None = None,
    free: bool = False,
    part: tuple[int, int] | None = None,
    complete: bool = True,
) -> Object | None:
    """Invoice the current term, what is pending besides, or both, and collect it.

    Without `lines` there is only what is pending (by default they are there but for an update).
    A term may be `free` (a trial), or a `part` of one: so many seconds of so many.
    An invoice that is not to be `complete` stays a draft, as Stripe's do for an hour.
    """
    pending = _pending(engine, subscription)
    with_lines = reason != "subscription_update" if lines is None else lines
    if not pending and not with_lines:
        return None
    customer = engine.get("customers", subscription["customer"])
    sent = subscription["collection_method"] == "send_invoice"
    invoice = new_invoice(
        engine,
        customer,
        {
            "auto_advance": True,
            "collection_method": subscription["collection_method"],
            "currency": subscription["currency"],
            **({"days_until_due": subscription["days_until_due"]} if sent else {}),
        },
    )
    engine.change(
        invoice,
        billing_reason=reason,
        parent={
            "quote_details": None,
            "subscription_details": {
                "metadata": dict(subscription["metadata"]),
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
    )
    engine.state["invoices"].reindex(invoice)
    for item in pending:
        add_line(engine, invoice, item)
    if with_lines:
        for item in subscription["items"]["data"]:
            _term_line(engine, invoice, item, free=free, part=part)
    sum_up(engine, invoice)
    engine.change(subscription, latest_invoice=invoice["id"])
    engine.emit("invoice.created", invoice)
    if complete:
        finalize(engine, invoice)
        if default_method(engine, invoice):
            collect(engine, invoice)
    return invoice


def _pending(engine: Engine, subscription: Object) -> list[Object]:
    """The items of a subscription that are on no invoice yet."""
    return [
        item
        for item in engine.state["invoiceitems"].where(
            customer=subscription["customer"], invoice=None
        )
        if item["parent"]
        and item["parent"]["subscription_details"]["subscription"] == subscription["id"]
    ]


def _term_line(
    engine: Engine, invoice: Object, item: Object, *, free: bool, part: tuple[int, int] | None
) -> None:
    amount = 0 if free else amount_of(item)
    if part:
        amount = prorated(amount, *part)
    append_line(
        engine,
        invoice,
        amount=amount,
        description=f"{item['quantity']} × {_name(engine, item)}",
        parent={
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": item["subscription"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        period={"end": item["current_period_end"], "start": item["current_period_start"]},
        pricing={
            "price_details": {
                "price": item["price"]["id"],
                "product": item["price"]["product"],
            },
            "type": "price_details",
            "unit_amount_decimal": item["price"]["unit_amount_decimal"],
        },
        quantity=item["quantity"],
    )


def _name(engine: Engine, item: Object) -> str:
    return str(engine.get("products", item["price"]["product"])["name"])


def proration(
    engine: Engine, subscription: Object, item: Object, at: int, *, credit: bool
) -> Object:
    """An item for the rest of a term: what is given back of it, or what it costs."""
    end, start = item["current_period_end"], item["current_period_start"]
    amount = prorated(amount_of(item), max(0, end - at), end - start)
    day = datetime.fromtimestamp(at, UTC)
    what = "Unused" if credit else "Remaining"
    made = new_item(
        engine,
        subscription,
        {
            "amount": -amount if credit else amount,
            "currency": subscription["currency"],
            "description": f"{what} time on {_name(engine, item)} after {day:%d %b %Y}",
            "discountable": False,
            "period": {"start": at, "end": max(at, end)},
        },
    )
    made.update(
        parent={
            "subscription_details": {
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_details",
        },
        pricing={
            "price_details": {
                "price": item["price"]["id"],
                "product": item["price"]["product"],
            },
            "type": "price_details",
            "unit_amount_decimal": None,
        },
        proration=True,
        quantity=item["quantity"],
        quantity_decimal=str(item["quantity"]),
    )
    return keep_item(engine, made)


def advance(engine: Engine, subscription: Object) -> None:
    """Begin the next term, without an invoice yet."""
    previous: dict[str, Any] = {"items": engine.render(subscription)["items"]["data"][:]}
    items = [
        {
            **item,
            "current_period_start": item["current_period_end"],
            "current_period_end": term_end(
                subscription["billing_cycle_anchor"],
                item["current_period_end"],
                item["price"]["recurring"],
            ),
        }
        for item in subscription["items"]["data"]
    ]
    subscription["items"] = {**subscription["items"], "data": items}
    if subscription["status"] == "trialing":
        previous.update(engine.change(subscription, status="active"))
    engine.emit("customer.subscription.updated", subscription, previous)
