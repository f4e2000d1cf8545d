"""What is paid for invoices: by payment intents, payment records, or out of band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.stripe_server import intents
from tests.stripe_server.customers import DEBITS, method_named
from tests.stripe_server.engine import EXPANDABLE, Engine, chosen, merge_metadata, retrieves, serves
from tests.stripe_server.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stripe_server.state import Object

# Told when an invoice is paid, cannot be, or is being paid: the subscriptions listen.
PAID: Final[list[Callable[[Engine, Object], None]]] = []
UNPAID: Final[list[Callable[[Engine, Object], None]]] = []
_RETRY_AFTER: Final = 3 * 86_400


def request_payment(engine: Engine, invoice: Object) -> None:
    """Give an invoice that is final its payment intent."""
    reason = "Subscription" if invoice["parent"] else "Payment for Invoice"
    intent = intents.new_intent(
        engine,
        invoice["amount_due"],
        invoice["currency"],
        invoice["customer"],
        description=reason,
    )
    _new_payment(
        engine, invoice, "payment_intent", intent["id"], invoice["amount_due"], default=True
    )


def _new_payment(
    engine: Engine, invoice: Object, kind: str, key: str, amount: int, *, default: bool = False
) -> Object:
    return engine.add(
        "invoice_payments",
        {
            "object": "invoice_payment",
            "amount_paid": None,
            "amount_requested": amount,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": default,
            "payment": {kind: key, "type": kind},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        },
    )


def mark_paid(engine: Engine, invoice: Object) -> None:
    """Nothing more is to be paid for an invoice."""
    previous = engine.change(
        invoice,
        status="paid",
        attempted=True,
        auto_advance=False,
        next_payment_attempt=None,
        status_transitions={**invoice["status_transitions"], "paid_at": engine.now()},
    )
    engine.emit("invoice.updated", invoice, previous)
    engine.emit("invoice.paid", invoice)
    engine.emit("invoice.payment_succeeded", invoice)
    for listener in PAID:
        listener(engine, invoice)


def withdraw(engine: Engine, invoice: Object, reason: str) -> None:
    """Ask no more for what is still to be paid for an invoice."""
    for payment in engine.state["invoice_payments"].where(invoice=invoice["id"], status="open"):
        if key := payment["payment"].get("payment_intent"):
            intent = engine.get("payment_intents", key)
            if intent["status"] not in ("succeeded", "canceled"):
                intents.cancel(engine, intent, reason)
        engine.change(
            payment,
            status="canceled",
            status_transitions={**payment["status_transitions"], "canceled_at": engine.now()},
        )


def _paid_by(engine: Engine, payment: Object, amount: int) -> None:
    """An amount has come for an invoice: the whole of it, a part, or more than is owed."""
    invoice = engine.get("invoices", payment["invoice"])
    used = min(amount, payment["amount_requested"])
    engine.change(
        payment,
        status="paid",
        amount_paid=used,
        status_transitions={**payment["status_transitions"], "paid_at": engine.now()},
    )
    remaining = invoice["amount_remaining"]
    over = max(0, used - remaining)
    engine.change(
        invoice,
        amount_paid=invoice["amount_paid"] + min(used, remaining),
        amount_remaining=max(0, remaining - used),
        amount_overpaid=invoice["amount_overpaid"] + over,
    )
    if over:
        customer = engine.get("customers", invoice["customer"])
        engine.change(customer, balance=customer["balance"] - over)
    engine.emit("invoice_payment.paid", payment)
    if invoice["status"] in ("open", "uncollectible"):
        if invoice["amount_remaining"]:
            ask_for_the_rest(engine, invoice)
            engine.emit("invoice.updated", invoice, {"amount_paid": remaining})
        else:
            withdraw(engine, invoice, "automatic")
            mark_paid(engine, invoice)


def ask_for_the_rest(engine: Engine, invoice: Object) -> None:
    """Ask by the payment that an invoice has by itself for what is not paid otherwise."""
    for payment in engine.state["invoice_payments"].where(invoice=invoice["id"], status="open"):
        if payment["is_default"]:
            intent = engine.get("payment_intents", payment["payment"]["payment_intent"])
            engine.change(intent, amount=invoice["amount_remaining"])
            engine.change(payment, amount_requested=invoice["amount_remaining"])


def _intent_succeeded(engine: Engine, intent: Object) -> None:
    for payment in engine.state["invoice_payments"].where(payment=intent["id"], status="open"):
        invoice = engine.get("invoices", payment["invoice"])
        engine.change(invoice, attempted=True, attempt_count=invoice["attempt_count"] + 1)
        _paid_by(engine, payment, intent["amount_received"])


def _intent_failed(engine: Engine, intent: Object) -> None:
    for payment in engine.state["invoice_payments"].where(payment=intent["id"], status="open"):
        invoice = engine.get("invoices", payment["invoice"])
        again = engine.now() + _RETRY_AFTER if invoice["auto_advance"] else None
        previous = engine.change(
            invoice,
            attempted=True,
            attempt_count=invoice["attempt_count"] + 1,
            next_payment_attempt=again,
        )
        engine.emit("invoice.updated", invoice, previous)
        engine.emit("invoice.payment_failed", invoice)
        for listener in UNPAID:
            listener(engine, invoice)


def _intent_processing(engine: Engine, intent: Object) -> None:
    """A subscription is active while a bank debit for it is under way."""
    for payment in engine.state["invoice_payments"].where(payment=intent["id"], status="open"):
        invoice = engine.get("invoices", payment["invoice"])
        engine.change(invoice, attempted=True)
        for listener in PAID:
            listener(engine, invoice)


intents.PROCESSING.append(_intent_processing)
intents.SUCCEEDED.append(_intent_succeeded)
intents.FAILED.append(_intent_failed)


def default_method(engine: Engine, invoice: Object) -> str | None:
    """What an invoice is to be paid with, if nothing else is said."""
    if invoice["default_payment_method"]:
        return str(invoice["default_payment_method"])
    details = (invoice["parent"] or {}).get("subscription_details")
    if details:
        subscription = engine.get("subscriptions", details["subscription"])
        if subscription["default_payment_method"]:
            return str(subscription["default_payment_method"])
    customer = engine.state["customers"].rows.get(invoice["customer"])
    found = customer and customer["invoice_settings"]["default_payment_method"]
    return str(found) if found else None


def charge(engine: Engine, invoice: Object, method: Object) -> Object:
    """Try to collect what an open invoice still asks for; gives the payment intent."""
    asked = engine.state["invoice_payments"].where(invoice=invoice["id"], status="open")
    payment = next((payment for payment in asked if payment["is_default"]), None)
    if payment is None:
        raise invalid(f"The invoice is {invoice['status']}: there is nothing to pay.")
    intent = engine.get("payment_intents", payment["payment"]["payment_intent"])
    if intent["status"] == "processing":
        raise invalid(
            "This invoice can't be paid because a payment for it is processing.",
            code="payment_intent_unexpected_state",
        )
    intents.attempt(engine, intent, method)
    return intent


def collect(engine: Engine, invoice: Object) -> None:
    """What Stripe does by itself with an invoice that is to be charged automatically."""
    if (
        invoice["status"] == "open"
        and invoice["auto_advance"]
        and invoice["collection_method"] == "charge_automatically"
        and (key := default_method(engine, invoice))
    ):
        charge(engine, invoice, engine.get("payment_methods", key))


def _payable(engine: Engine, key: str) -> Object:
    from tests.stripe_server.invoices import finalize

    invoice = engine.get("invoices", key)
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid")
    if invoice["status"] == "void":
        raise invalid("This invoice is void, and can't be paid.")
    if invoice["status"] == "draft":
        finalize(engine, invoice)
    return invoice


@serves("POST", "/v1/invoices/{invoice}/pay")
def pay_invoice(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    invoice = _payable(engine, ids[0])
    if invoice["status"] == "paid":
        return invoice
    if params.get("paid_out_of_band"):
        pay_out_of_band(engine, invoice)
        return invoice
    key = params.get("payment_method") or default_method(engine, invoice)
    if not key:
        raise invalid(
            "This customer has no attached payment source or default payment method. Please"
            " consider adding a default payment method.",
            code="resource_missing",
        )
    method = method_named(engine, key)
    if method["customer"] and method["customer"] != invoice["customer"]:
        raise invalid(
            "The payment method does not belong to the customer of the invoice.",
            param="payment_method",
        )
    intent = charge(engine, invoice, method)
    if intent["last_payment_error"] and method["type"] not in DEBITS:
        raise intents.refusal(engine, intent)
    return invoice


def _paid_off_stripe(engine: Engine, invoice: Object, amount: int) -> None:
    off_stripe = engine.state.off_stripe
    off_stripe[invoice["id"]] = off_stripe.get(invoice["id"], 0) + amount


def pay_out_of_band(engine: Engine, invoice: Object) -> None:
    """The invoice was paid by other means: nobody asks for the rest any more."""
    withdraw(engine, invoice, "automatic")
    _paid_off_stripe(engine, invoice, invoice["amount_remaining"])
    engine.change(invoice, amount_paid=invoice["amount_due"], amount_remaining=0)
    mark_paid(engine, invoice)


@serves("POST", "/v1/invoices/{invoice}/attach_payment")
def attach_payment(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    invoice = engine.get("invoices", ids[0])
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid(f"You can only attach payments to open invoices, not {invoice['status']}.")
    intent, record = params.get("payment_intent"), params.get("payment_record")
    if bool(intent) == bool(record):
        raise invalid("You must specify exactly one of payment_intent and payment_record.")
    if invoice["parent"] and invoice["collection_method"] == "charge_automatically":
        raise invalid("Subscription invoices that are charged automatically take no payments.")
    key = intent or record
    if engine.state["invoice_payments"].where(payment=key):
        raise invalid("This payment has already been attached to an invoice.")
    if intent:
        found = engine.get("payment_intents", intent, param="payment_intent")
        _check_intent(invoice, found)
        payment = _new_payment(engine, invoice, "payment_intent", intent, found["amount"])
        if found["status"] == "succeeded":
            _paid_by(engine, payment, found["amount_received"])
    else:
        assert record
        found = engine.get("payment_records", record, param="payment_record")
        amount = found["amount_guaranteed"]
        if amount["currency"] != invoice["currency"]:
            raise invalid("The payment record's currency is not the invoice's.")
        payment = _new_payment(
            engine, invoice, "payment_record", record, found["amount_requested"]["value"]
        )
        if amount["value"]:
            _paid_off_stripe(engine, invoice, min(amount["value"], invoice["amount_remaining"]))
            _paid_by(engine, payment, amount["value"])
    return invoice


def _check_intent(invoice: Object, intent: Object) -> None:
    for name in ("currency", "customer"):
        if intent[name] != invoice[name]:
            raise invalid(f"The PaymentIntent must have the same {name} as the invoice.")
    if intent["amount"] > invoice["amount_remaining"]:
        raise invalid("The PaymentIntent's amount is more than the invoice's amount remaining.")


@serves("POST", "/v1/payment_records/report_payment")
def report_payment(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    asked = params["amount_requested"]
    outcome = params.get("outcome")
    currency = asked["currency"].lower()

    def money(value: int) -> dict[str, Any]:
        return {"currency": currency, "value": value}

    got = asked["value"] if outcome == "guaranteed" else 0
    details = params["payment_method_details"]
    return engine.add(
        "payment_records",
        {
            "object": "payment_record",
            "amount": money(asked["value"]),
            "amount_authorized": money(0),
            "amount_canceled": money(asked["value"] if outcome == "canceled" else 0),
            "amount_failed": money(asked["value"] if outcome == "failed" else 0),
            "amount_guaranteed": money(got),
            "amount_refunded": money(0),
            "amount_requested": money(asked["value"]),
            "application": None,
            "customer_details": {
                name: params.get("customer_details", {}).get(name)
                for name in ("customer", "email", "name", "phone")
            },
            "customer_presence": params.get("customer_presence"),
            "description": params.get("description"),
            "latest_payment_attempt_record": None,
            "metadata": merge_metadata({}, params),
            "payment_method_details": {
                "billing_details": None,
                "payment_method": details.get("payment_method"),
                "type": details.get("type", "custom"),
            },
            "processor_details": {"type": "custom", "custom": None},
            "reported_by": "self",
            "shipping_details": None,
        },
    )


@serves("GET", "/v1/invoice_payments")
def list_payments(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    filters = chosen(params, "invoice", "status")
    if payment := params.get("payment"):
        filters["payment"] = payment.get(payment["type"])
    return engine.page("/v1/invoice_payments", "invoice_payments", params, filters)


retrieves("/v1/invoice_payments/{invoice_payment}", "invoice_payments")
retrieves("/v1/payment_records/{id}", "payment_records")
EXPANDABLE["invoice", "amount_paid_off_stripe"] = lambda engine, row: engine.state.off_stripe.get(
    row["id"], 0
)
EXPANDABLE["invoice", "payments"] = lambda engine, row: engine.page(
    "/v1/invoices/payments", "invoice_payments", {}, {"invoice": row["id"]}
)
