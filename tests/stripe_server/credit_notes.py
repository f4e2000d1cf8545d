"""Credit notes: they take from what is owed for an invoice, or say how it was given back."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from tests.stripe_server.engine import Engine, lists, merge_metadata, retrieves, serves
from tests.stripe_server.errors import invalid
from tests.stripe_server.invoice_payments import ask_for_the_rest, mark_paid, withdraw
from tests.stripe_server.refunds import refund

if TYPE_CHECKING:
    from tests.stripe_server.state import Object


@serves("POST", "/v1/credit_notes")
def create_credit_note(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    invoice = engine.get("invoices", params["invoice"], param="invoice")
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        raise invalid(
            f"You cannot create a credit note for an invoice with a status of {invoice['status']}."
        )
    lines, taxes = _lines(engine, invoice, params)
    subtotal = sum(line["amount"] for line in lines) if lines else params["amount"]
    total = subtotal + sum(t["amount"] for t in taxes if t["tax_behavior"] == "exclusive")
    linked = _linked(engine, invoice, params)
    _check_amount(engine, invoice, total, linked)
    owed = invoice["amount_remaining"] if invoice["status"] != "paid" else 0
    before = min(total, owed)
    _check_parts(params, linked, total - before)
    if amount := params.get("refund_amount"):
        made = refund(engine, _charge(engine, invoice), amount)
        linked.append((made, amount))
    return _issue(engine, invoice, params, (lines, taxes, subtotal, total, before, linked))


def _lines(
    engine: Engine, invoice: Object, params: dict[str, Any]
) -> tuple[list[Object], list[dict[str, Any]]]:
    given = params.get("lines")
    if bool(given) == ("amount" in params):
        raise invalid("You must specify exactly one of amount and lines.")
    lines: list[Object] = []
    taxes: list[dict[str, Any]] = []
    for line in given or []:
        made = _line(engine, invoice, line)
        lines.append(made)
        taxes += made["taxes"]
    return lines, taxes


def _line(engine: Engine, invoice: Object, given: dict[str, Any]) -> Object:
    quantity = given.get("quantity", 1)
    unit: Decimal | None = None
    original = None
    if given["type"] == "invoice_line_item":
        known = {line["id"]: line for line in engine.state.lines[invoice["id"]]}
        original = known.get(given.get("invoice_line_item", ""))
        if original is None:
            raise invalid("No such invoice line item", param="lines[0][invoice_line_item]")
        share = Decimal(original["amount"] * quantity) / original["quantity"]
        amount = given["amount"] if "amount" in given else _rounded(share)
        if amount > original["amount"]:
            raise invalid("The amount of a line is more than that of the invoice's line.")
    else:
        unit = Decimal(given.get("unit_amount_decimal", given.get("unit_amount", 0)))
        amount = _rounded(unit * quantity)
    return {
        "id": engine.new_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": given.get("description") or (original and original["description"]),
        "discount_amount": 0,
        "discount_amounts": [],
        **({"invoice_line_item": original["id"]} if original else {}),
        "livemode": engine.livemode,
        "metadata": merge_metadata({}, given),
        "pretax_credit_amounts": [],
        "quantity": quantity if unit is not None or "quantity" in given else None,
        "tax_rates": [],
        "taxes": [
            {
                "amount": tax["amount"],
                "tax_behavior": "exclusive",
                "tax_rate_details": {"tax_rate": tax["tax_rate"]},
                "taxability_reason": "standard_rated",
                "taxable_amount": tax["taxable_amount"],
                "type": "tax_rate_details",
            }
            for tax in given.get("tax_amounts") or []
        ],
        "type": given["type"],
        "unit_amount": None if unit is None or unit != unit.to_integral_value() else int(unit),
        "unit_amount_decimal": None if unit is None else format(unit, "f"),
    }


def _rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def _linked(engine: Engine, invoice: Object, params: dict[str, Any]) -> list[tuple[Object, int]]:
    """The refunds that are already there and are now said to belong to the credit note."""
    linked = []
    for given in params.get("refunds", []):
        if given.get("type", "refund") != "refund" or "refund" not in given:
            raise invalid("This stand-in links only refunds of its own.", param="refunds")
        found = engine.get("refunds", given["refund"], param="refunds[0][refund]")
        if found["charge"] not in _charges(engine, invoice):
            raise invalid("The refund is not of a payment for this invoice.", param="refunds")
        amount = given.get("amount_refunded", found["amount"])
        if amount > found["amount"] - _linked_already(engine, invoice, found["id"]):
            raise invalid("More than the refund's amount is linked to credit notes.")
        linked.append((found, amount))
    return linked


def _notes(engine: Engine, invoice: Object) -> list[Object]:
    return engine.state["credit_notes"].where(invoice=invoice["id"], status="issued")


def _linked_already(engine: Engine, invoice: Object, key: str) -> int:
    return sum(
        part["amount_refunded"]
        for note in _notes(engine, invoice)
        for part in note["refunds"]
        if part["refund"] == key
    )


def _charges(engine: Engine, invoice: Object) -> list[str]:
    """The charges that paid for an invoice."""
    return [
        engine.get("payment_intents", payment["payment"]["payment_intent"])["latest_charge"]
        for payment in engine.state["invoice_payments"].where(invoice=invoice["id"], status="paid")
        if payment["payment"]["type"] == "payment_intent"
    ]


def _charge(engine: Engine, invoice: Object) -> Object:
    charges = _charges(engine, invoice)
    if not charges:
        raise invalid("This invoice has no payment that could be refunded.", param="refund_amount")
    return engine.get("charges", charges[0])


def _check_amount(
    engine: Engine, invoice: Object, total: int, linked: list[tuple[Object, int]]
) -> None:
    """No more can be credited than was invoiced; what was refunded besides is credited already."""
    credited = sum(note["total"] for note in _notes(engine, invoice))
    now = {found["id"]: amount for found, amount in linked}
    besides = sum(
        made["amount"] - _linked_already(engine, invoice, made["id"]) - now.get(made["id"], 0)
        for charge in _charges(engine, invoice)
        for made in engine.state["refunds"].where(charge=charge)
        if made["status"] != "failed"
    )
    most = invoice["total"] - credited - besides
    if total < 1:
        raise invalid("The credit note amount must be greater than 0.")
    if total > most:
        raise invalid(
            f"The amount of the credit note ({total}) is more than the maximum creditable amount"
            f" ({most}) of the invoice.",
            param="amount",
        )


def _check_parts(
    params: dict[str, Any], linked: list[tuple[Object, int]], after_payment: int
) -> None:
    names = ("refund_amount", "credit_amount", "out_of_band_amount")
    parts = sum(params.get(name, 0) for name in names) + sum(amount for _, amount in linked)
    if parts != after_payment:
        raise invalid(
            f"The sum of credit amount, refund amount and out of band amount ({parts}) must equal"
            f" the post payment amount of the credit note ({after_payment})."
        )


def _issue(
    engine: Engine,
    invoice: Object,
    params: dict[str, Any],
    sums: tuple[list[Object], list[Any], int, int, int, list[tuple[Object, int]]],
) -> Object:
    lines, taxes, subtotal, total, before, linked = sums
    after = total - before
    key = engine.new_id("cn")
    count = len(engine.state["credit_notes"].where(invoice=invoice["id"])) + 1
    credit = params.get("credit_amount", 0)
    made = engine.add(
        "credit_notes",
        {
            "id": key,
            "object": "credit_note",
            "amount": total,
            "amount_shipping": 0,
            "currency": invoice["currency"],
            "customer": invoice["customer"],
            "customer_balance_transaction": engine.new_id("cbtxn") if credit else None,
            "discount_amount": 0,
            "discount_amounts": [],
            "effective_at": params.get("effective_at", engine.now()),
            "invoice": invoice["id"],
            "lines": {
                "object": "list",
                "data": lines,
                "has_more": False,
                "url": f"/v1/credit_notes/{key}/lines",
            },
            "memo": params.get("memo"),
            "metadata": merge_metadata({}, params),
            "number": f"{invoice['number']}-CN-{count:02d}",
            "out_of_band_amount": params.get("out_of_band_amount"),
            "pdf": f"https://pay.stripe.com/credit_notes/{engine.account}/{key}/pdf",
            "post_payment_amount": after,
            "pre_payment_amount": before,
            "pretax_credit_amounts": [],
            "reason": params.get("reason"),
            "refunds": [
                {
                    "amount_refunded": amount,
                    "payment_record_refund": None,
                    "refund": found["id"],
                    "type": "refund",
                }
                for found, amount in linked
            ],
            "shipping_cost": None,
            "status": "issued",
            "subtotal": subtotal,
            "subtotal_excluding_tax": subtotal,
            "total": total,
            "total_excluding_tax": subtotal,
            "total_taxes": taxes,
            "type": "mixed" if before and after else "pre_payment" if before else "post_payment",
            "voided_at": None,
        },
    )
    engine.emit("credit_note.created", made)
    if credit:
        customer = engine.get("customers", invoice["customer"])
        previous = engine.change(customer, balance=customer["balance"] - credit)
        engine.emit("customer.updated", customer, previous)
    _apply(engine, invoice, before, after)
    return made


def _apply(engine: Engine, invoice: Object, before: int, after: int) -> None:
    """Note on the invoice what was credited; what is owed no more is paid."""
    previous = engine.change(
        invoice,
        amount_due=invoice["amount_due"] - before,
        amount_remaining=invoice["amount_remaining"] - before,
        pre_payment_credit_notes_amount=invoice["pre_payment_credit_notes_amount"] + before,
        post_payment_credit_notes_amount=invoice["post_payment_credit_notes_amount"] + after,
    )
    ask_for_the_rest(engine, invoice)
    engine.emit("invoice.updated", invoice, previous)
    if invoice["status"] == "open" and invoice["amount_remaining"] == 0:
        withdraw(engine, invoice, "automatic")
        mark_paid(engine, invoice)


@serves("POST", "/v1/credit_notes/{id}/void")
def void_credit_note(engine: Engine, _params: dict[str, Any], *ids: str) -> Object:
    note = engine.get("credit_notes", ids[0])
    invoice = engine.get("invoices", note["invoice"])
    if note["status"] == "void" or note["post_payment_amount"] or invoice["status"] != "open":
        raise invalid("You can only void credit notes of open invoices that gave nothing back.")
    previous = engine.change(note, status="void", voided_at=engine.now())
    engine.emit("credit_note.voided", note, previous)
    _apply(engine, invoice, -note["pre_payment_amount"], 0)
    return note


@serves("POST", "/v1/credit_notes/{id}")
def update_credit_note(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    note = engine.get("credit_notes", ids[0])
    fields = {"memo": params["memo"]} if "memo" in params else {}
    previous = engine.change(note, **fields, metadata=merge_metadata(note, params))
    engine.emit("credit_note.updated", note, previous)
    return note


lists("/v1/credit_notes", "credit_notes", "invoice", "customer")
retrieves("/v1/credit_notes/{id}", "credit_notes")
