"""Invoices: drafts, their lines, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.stripe_server.engine import (
    ALWAYS,
    Engine,
    lists,
    merge_metadata,
    retrieves,
    serves,
    unset,
)
from tests.stripe_server.errors import invalid
from tests.stripe_server.invoice_lines import add_line, keep_item, new_item, sum_up
from tests.stripe_server.invoice_payments import collect, mark_paid, request_payment, withdraw

if TYPE_CHECKING:
    from tests.stripe_server.state import Object

_DAY: Final = 86_400
_PLAIN: Final = ("description", "footer", "statement_descriptor", "on_behalf_of")
_SHOWN_LINES: Final = 10
_MAX_LINES: Final = 250


@serves("POST", "/v1/invoices")
def create_invoice(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    if "customer" not in params:
        raise invalid("Must provide customer.", param="customer", code="parameter_missing")
    customer = engine.get("customers", params["customer"], param="customer")
    invoice = new_invoice(engine, customer, params)
    if params.get("pending_invoice_items_behavior") == "include":
        for item in engine.state["invoiceitems"].where(customer=customer["id"], invoice=None):
            if item["currency"] == invoice["currency"]:
                add_line(engine, invoice, item)
        sum_up(engine, invoice)
    engine.emit("invoice.created", invoice)
    return invoice


def new_invoice(engine: Engine, customer: Object, params: dict[str, Any]) -> Object:
    """A draft without lines. The caller tells of it when it has them."""
    terms = _terms(engine, params, params.get("collection_method", "charge_automatically"))
    if method := params.get("default_payment_method"):
        engine.get("payment_methods", method, param="default_payment_method")
    now = engine.now()
    currency = params.get("currency") or customer["currency"] or engine.default_currency
    engine.change(customer, currency=customer["currency"] or currency.lower())
    made = engine.add(
        "invoices",
        {
            "object": "invoice",
            "account_country": "US",
            "account_name": "Stand-in",
            "account_tax_ids": None,
            "amount_due": 0,
            "amount_overpaid": 0,
            "amount_paid": 0,
            "amount_remaining": 0,
            "amount_shipping": 0,
            "application": None,
            "attempt_count": 0,
            "attempted": False,
            "auto_advance": params.get("auto_advance", False),
            "automatic_tax": {
                "disabled_reason": None,
                "enabled": False,
                "liability": None,
                "provider": None,
                "status": None,
            },
            "automatically_finalizes_at": None,
            "billing_reason": "manual",
            "currency": currency.lower(),
            "custom_fields": unset(params.get("custom_fields")),
            "customer": customer["id"],
            "customer_account": None,
            "customer_address": customer["address"],
            "customer_email": customer["email"],
            "customer_name": customer["name"],
            "customer_phone": customer["phone"],
            "customer_shipping": customer["shipping"],
            "customer_tax_exempt": customer["tax_exempt"],
            "customer_tax_ids": [],
            "default_payment_method": params.get("default_payment_method"),
            "default_source": None,
            "default_tax_rates": [],
            "discounts": [],
            "effective_at": params.get("effective_at"),
            "ending_balance": None,
            "from_invoice": None,
            "hosted_invoice_url": None,
            "invoice_pdf": None,
            "issuer": {"type": "self"},
            "last_finalization_error": None,
            "latest_revision": None,
            "metadata": merge_metadata({}, params),
            "next_payment_attempt": None,
            "number": params.get("number"),
            "parent": None,
            "payment_settings": {
                "default_mandate": None,
                "payment_method_options": None,
                "payment_method_types": None,
            },
            "period_end": now,
            "period_start": now,
            "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0,
            "receipt_number": None,
            "rendering": None,
            "shipping_cost": None,
            "shipping_details": None,
            "starting_balance": 0,
            "status": "draft",
            "status_transitions": dict.fromkeys(
                ("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")
            ),
            "subtotal": 0,
            "subtotal_excluding_tax": 0,
            "test_clock": None,
            "total": 0,
            "total_discount_amounts": [],
            "total_excluding_tax": 0,
            "total_pretax_credit_amounts": [],
            "total_taxes": [],
            "webhooks_delivered_at": now,
            **dict.fromkeys(_PLAIN),
            **{name: unset(params[name]) for name in _PLAIN if name in params},
            **terms,
        },
    )
    engine.state.lines[made["id"]] = []
    return made


def _terms(engine: Engine, params: dict[str, Any], method: str) -> dict[str, Any]:
    """How an invoice is collected, and when it is due."""
    due, days = unset(params.get("due_date")), unset(params.get("days_until_due"))
    if due is not None and days is not None:
        raise invalid("You may only specify one of these parameters: due_date, days_until_due.")
    if method == "charge_automatically":
        if due is not None or days is not None:
            raise invalid(
                "You can only specify `due_date` or `days_until_due` when collection_method is"
                " send_invoice.",
                param="due_date" if due is not None else "days_until_due",
            )
        return {"collection_method": method, "due_date": None}
    if due is None and days is None:
        raise invalid(
            "If invoices are sent with `collection_method=send_invoice`, you must specify"
            " `due_date` or `days_until_due`.",
            param="days_until_due",
        )
    if due is not None and due <= engine.now():
        raise invalid(
            "Invalid timestamp: must be an integer Unix timestamp in the future.",
            param="due_date",
        )
    return {
        "collection_method": method,
        "due_date": engine.now() + days * _DAY if due is None else due,
    }


def _draft(engine: Engine, key: str) -> Object:
    invoice = engine.get("invoices", key)
    if invoice["status"] != "draft":
        raise invalid(
            f"Invoice {key} is no longer editable", code="invoice_not_editable", param="invoice"
        )
    return invoice


@serves("POST", "/v1/invoices/{invoice}")
def update_invoice(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    invoice = engine.get("invoices", ids[0])
    editable = {"metadata", "auto_advance", "default_payment_method", "expand"}
    if invoice["status"] != "draft" and not params.keys() <= editable:
        _draft(engine, ids[0])
    names = (*_PLAIN, "custom_fields", "default_payment_method", "auto_advance", "effective_at")
    fields = {name: unset(params[name]) for name in (*names, "number") if name in params}
    if {"due_date", "days_until_due", "collection_method"} & params.keys():
        method = str(params.get("collection_method", invoice["collection_method"]))
        given = dict(params)
        if method == "send_invoice" and not {"due_date", "days_until_due"} & params.keys():
            given["due_date"] = invoice["due_date"]
        fields.update(_terms(engine, given, method))
    previous = engine.change(invoice, **fields, metadata=merge_metadata(invoice, params))
    if previous:
        engine.emit("invoice.updated", invoice, previous)
    return invoice


@serves("DELETE", "/v1/invoices/{invoice}")
def delete_invoice(engine: Engine, _params: dict[str, Any], *ids: str) -> Object:
    invoice = engine.get("invoices", ids[0])
    if invoice["status"] != "draft":
        raise invalid(
            "You can only delete draft invoices. Void or credit a finalized invoice instead.",
            code="invoice_not_editable",
        )
    if invoice["parent"]:
        raise invalid("You can't delete invoices created by subscriptions; void them instead.")
    for item in engine.state["invoiceitems"].where(invoice=ids[0]):
        engine.state["invoiceitems"].remove(item["id"])
    engine.emit("invoice.deleted", invoice)
    engine.state["invoices"].remove(ids[0])
    del engine.state.lines[ids[0]]
    return {"id": ids[0], "object": "invoice", "deleted": True}


@serves("POST", "/v1/invoices/{invoice}/add_lines")
def add_lines(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    invoice = _draft(engine, ids[0])
    if not 1 <= len(params["lines"]) <= _MAX_LINES:
        raise invalid(f"You can add at most {_MAX_LINES} lines at once.", param="lines")
    items = []
    for at, line in enumerate(params["lines"]):
        if "invoice_item" in line:
            items.append(engine.get("invoiceitems", line["invoice_item"], param="invoice_item"))
        else:
            items.append(new_item(engine, invoice, line, f"lines[{at}]"))
    for item in items:
        add_line(engine, invoice, item if "id" in item else keep_item(engine, item))
    if "invoice_metadata" in params:
        merged = merge_metadata(invoice, {"metadata": params["invoice_metadata"]})
        engine.change(invoice, metadata=merged)
    sum_up(engine, invoice)
    engine.emit("invoice.updated", invoice, {})
    return invoice


@serves("GET", "/v1/invoices/{invoice}/lines")
def list_lines(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    engine.get("invoices", ids[0])
    lines = engine.state.lines[ids[0]]
    url = f"/v1/invoices/{ids[0]}/lines"
    places = {line["id"]: at for at, line in enumerate(lines)}
    for name in ("starting_after", "ending_before"):
        if name in params and params[name] not in places:
            raise invalid(f"No such line item: '{params[name]}'", param=name)
    if "ending_before" in params:
        return engine.paged(url, params, lines[: places[params["ending_before"]]][::-1])
    start = places[params["starting_after"]] + 1 if "starting_after" in params else 0
    return engine.paged(url, params, lines[start:])


def finalize(engine: Engine, invoice: Object) -> None:
    """Make a draft final: it has a number, is open, and can be paid. Nothing to pay is paid."""
    if invoice["status"] != "draft":
        raise invalid(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice."
        )
    customer = engine.get("customers", invoice["customer"])
    now = engine.now()
    fields: dict[str, Any] = {}
    if not invoice["number"]:
        sequence = customer["next_invoice_sequence"]
        fields["number"] = f"{customer['invoice_prefix']}-{sequence:04d}"
        engine.change(customer, next_invoice_sequence=sequence + 1)
    due = max(0, invoice["total"] + customer["balance"])
    left = customer["balance"] + invoice["total"] - due
    if 0 < due < engine.minimum_charge:
        due, left = 0, left + due
    previous = engine.change(
        invoice,
        **fields,
        status="open",
        effective_at=invoice["effective_at"] or now,
        starting_balance=customer["balance"],
        ending_balance=left,
        amount_due=due,
        amount_remaining=due,
        hosted_invoice_url=f"https://invoice.stripe.com/i/{engine.account}/{invoice['id']}",
        invoice_pdf=f"https://pay.stripe.com/invoice/{engine.account}/{invoice['id']}/pdf",
        status_transitions={**invoice["status_transitions"], "finalized_at": now},
    )
    if left != customer["balance"]:
        engine.emit("customer.updated", customer, engine.change(customer, balance=left))
    if due:
        request_payment(engine, invoice)
    engine.emit("invoice.finalized", invoice)
    engine.emit("invoice.updated", invoice, previous)
    if not due:
        mark_paid(engine, invoice)


@serves("POST", "/v1/invoices/{invoice}/finalize")
def finalize_invoice(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    invoice = engine.get("invoices", ids[0])
    if "auto_advance" in params:
        engine.change(invoice, auto_advance=params["auto_advance"])
    finalize(engine, invoice)
    if engine.collects_at_once:
        collect(engine, invoice)
    return invoice


def void(engine: Engine, invoice: Object) -> None:
    """An open invoice is not to be paid any more."""
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid(
            "You can only pass in open or uncollectible invoices. This invoice has status"
            f" {invoice['status']}."
        )
    if _paid_in_part(engine, invoice, "open", "paid"):
        raise invalid("You can't void an invoice that has open or paid payments.")
    withdraw(engine, invoice, "void_invoice")
    previous = engine.change(
        invoice,
        status="void",
        auto_advance=False,
        status_transitions={**invoice["status_transitions"], "voided_at": engine.now()},
    )
    engine.emit("invoice.updated", invoice, previous)
    engine.emit("invoice.voided", invoice)


def _paid_in_part(engine: Engine, invoice: Object, *statuses: str) -> bool:
    """Whether there are payments in such a state, besides the one that was always asked for."""
    return any(
        payment["status"] in statuses
        and not (payment["is_default"] and payment["status"] == "open")
        for payment in engine.state["invoice_payments"].where(invoice=invoice["id"])
    )


@serves("POST", "/v1/invoices/{invoice}/void")
def void_invoice(engine: Engine, _params: dict[str, Any], *ids: str) -> Object:
    invoice = engine.get("invoices", ids[0])
    void(engine, invoice)
    return invoice


@serves("POST", "/v1/invoices/{invoice}/mark_uncollectible")
def mark_uncollectible(engine: Engine, _params: dict[str, Any], *ids: str) -> Object:
    invoice = engine.get("invoices", ids[0])
    if invoice["status"] != "open":
        raise invalid(
            f"You can only mark open invoices uncollectible, not {invoice['status']} ones."
        )
    if _paid_in_part(engine, invoice, "open"):
        raise invalid("You can't mark an invoice uncollectible that has open payments.")
    previous = engine.change(
        invoice,
        status="uncollectible",
        status_transitions={
            **invoice["status_transitions"],
            "marked_uncollectible_at": engine.now(),
        },
    )
    engine.emit("invoice.updated", invoice, previous)
    engine.emit("invoice.marked_uncollectible", invoice)
    return invoice


@serves("POST", "/v1/invoices/{invoice}/send")
def send_invoice(engine: Engine, _params: dict[str, Any], *ids: str) -> Object:
    invoice = engine.get("invoices", ids[0])
    if invoice["collection_method"] != "send_invoice":
        raise invalid(
            "You can only manually send an invoice if its collection method is 'send_invoice'."
        )
    if invoice["status"] == "draft":
        finalize(engine, invoice)
    engine.emit("invoice.sent", invoice)
    return invoice


def _lines(engine: Engine, invoice: Object) -> dict[str, Any]:
    lines = engine.state.lines.get(invoice["id"], [])
    return {
        "lines": {
            "object": "list",
            "data": lines[:_SHOWN_LINES],
            "has_more": len(lines) > _SHOWN_LINES,
            "total_count": len(lines),
            "url": f"/v1/invoices/{invoice['id']}/lines",
        }
    }


ALWAYS["invoice"] = _lines
lists("/v1/invoices", "invoices", "customer", "status", "subscription", "collection_method")
retrieves("/v1/invoices/{invoice}", "invoices")
