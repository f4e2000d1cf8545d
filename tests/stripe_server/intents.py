"""Payment intents and the charges that they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.stripe_server.customers import DEBITS, method_named
from tests.stripe_server.engine import (
    EXPANDABLE,
    Engine,
    lists,
    merge_metadata,
    retrieves,
    serves,
    unset,
)
from tests.stripe_server.errors import declined, invalid, payment_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stripe_server.state import Object

# Told when an intent has succeeded or failed, or begun to be processed: the invoices listen.
SUCCEEDED: Final[list[Callable[[Engine, Object], None]]] = []
FAILED: Final[list[Callable[[Engine, Object], None]]] = []
PROCESSING: Final[list[Callable[[Engine, Object], None]]] = []

_OPEN: Final = ("requires_payment_method", "requires_confirmation", "requires_action")
_MAX_AMOUNT: Final = 99_999_999


def new_intent(
    engine: Engine, amount: int, currency: str, customer: str | None, **fields: Any
) -> Object:
    """A new intent to be paid an amount, in the currency's minor unit as Stripe counts it."""
    key = engine.new_id("pi")
    made = engine.add(
        "payment_intents",
        {
            "id": key,
            "object": "payment_intent",
            "amount": amount,
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic_async",
            "client_secret": f"{key}_secret_made",
            "confirmation_method": "automatic",
            "currency": currency,
            "customer": customer,
            "customer_account": None,
            "description": None,
            "excluded_payment_method_types": None,
            "last_payment_error": None,
            "latest_charge": None,
            "metadata": {},
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_configuration_details": None,
            "payment_method_options": None,
            "payment_method_types": ["card", "us_bank_account"],
            "processing": None,
            "receipt_email": None,
            "review": None,
            "setup_future_usage": None,
            "shipping": None,
            "source": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": "requires_payment_method",
            "transfer_data": None,
            "transfer_group": None,
            **fields,
        },
    )
    engine.emit("payment_intent.created", made)
    return made


def attempt(engine: Engine, intent: Object, method: Object) -> None:
    """Try to collect an intent: it has succeeded then, has failed, or is processing."""
    outcome = engine.state.outcomes.get(method["id"], "")
    charge = _new_charge(engine, intent, method)
    engine.change(
        intent,
        latest_charge=charge["id"],
        payment_method=method["id"],
        last_payment_error=None,
    )
    if method["type"] in DEBITS:
        engine.state.pending[intent["id"]] = outcome
        engine.change(intent, status="processing")
        engine.emit("charge.pending", charge)
        engine.emit("payment_intent.processing", intent)
        for listener in PROCESSING:
            listener(engine, intent)
    elif outcome and not outcome.startswith("dispute:"):
        fail(engine, intent, outcome)
    else:
        succeed(engine, intent)


def succeed(engine: Engine, intent: Object) -> None:
    """The money has come."""
    engine.state.pending.pop(intent["id"], None)
    charge = engine.get("charges", intent["latest_charge"])
    engine.change(
        charge, status="succeeded", paid=True, captured=True, amount_captured=charge["amount"]
    )
    engine.change(intent, status="succeeded", amount_received=intent["amount"])
    engine.emit("charge.succeeded", charge)
    engine.emit("payment_intent.succeeded", intent)
    for listener in SUCCEEDED:
        listener(engine, intent)


def fail(engine: Engine, intent: Object, decline_code: str) -> None:
    """The payment was refused; another way to pay may be tried."""
    engine.state.pending.pop(intent["id"], None)
    charge = engine.get("charges", intent["latest_charge"])
    method = engine.get("payment_methods", intent["payment_method"])
    error = payment_error(decline_code)
    if method["type"] in DEBITS:
        error = {
            "type": "invalid_request_error",
            "code": decline_code
            if decline_code == "account_closed"
            else "payment_method_provider_decline",
            "decline_code": decline_code,
            "message": "The payment fails because the customer's bank returned it.",
        }
    engine.change(
        charge,
        status="failed",
        paid=False,
        failure_code=error["code"],
        failure_message=error["message"],
        outcome={
            **charge["outcome"],
            "network_status": "declined_by_network",
            "reason": decline_code,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        },
    )
    engine.change(
        intent,
        status="requires_payment_method",
        payment_method=None,
        last_payment_error={
            **error,
            "charge": charge["id"],
            "payment_method": engine.render(method),
        },
    )
    engine.emit("charge.failed", charge)
    engine.emit("payment_intent.payment_failed", intent)
    for listener in FAILED:
        listener(engine, intent)


def refusal(engine: Engine, intent: Object) -> Exception:
    """The error that a request gets whose payment has failed."""
    error = intent["last_payment_error"]
    return declined(
        error["decline_code"],
        charge=error["charge"],
        payment_intent=engine.render(intent),
        payment_method=error["payment_method"],
    )


def cancel(engine: Engine, intent: Object, reason: str | None) -> None:
    """Nobody is to pay this any more."""
    if intent["status"] in ("succeeded", "canceled"):
        raise invalid(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
    engine.state.pending.pop(intent["id"], None)
    engine.change(intent, status="canceled", canceled_at=engine.now(), cancellation_reason=reason)
    engine.emit("payment_intent.canceled", intent)


def _new_charge(engine: Engine, intent: Object, method: Object) -> Object:
    details = {
        name: method[method["type"]].get(name)
        for name in ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
        if name in method[method["type"]]
    }
    return engine.add(
        "charges",
        {
            "object": "charge",
            "amount": intent["amount"],
            "amount_captured": 0,
            "amount_refunded": 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": method["billing_details"],
            "calculated_statement_descriptor": "STAND-IN",
            "captured": False,
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "fraud_details": {},
            "metadata": intent["metadata"],
            "on_behalf_of": None,
            "outcome": {
                "advice_code": None,
                "network_advice_code": None,
                "network_decline_code": None,
                "network_status": "approved_by_network",
                "reason": None,
                "risk_level": "normal",
                "risk_score": 1,
                "seller_message": "Payment complete.",
                "type": "authorized",
            },
            "paid": False,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": {"type": method["type"], method["type"]: details},
            "radar_options": {},
            "receipt_email": None,
            "receipt_number": None,
            "receipt_url": None,
            "refunded": False,
            "review": None,
            "shipping": None,
            "source": None,
            "source_transfer": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": "pending",
            "transfer_data": None,
            "transfer_group": None,
        },
    )


@serves("POST", "/v1/payment_intents")
def create_intent(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    if not 1 <= params["amount"] <= _MAX_AMOUNT:
        raise invalid(
            "The amount must be greater than or equal to the minimum charge amount allowed for"
            " your account and the currency set.",
            param="amount",
            code="parameter_invalid_integer",
        )
    customer = params.get("customer")
    if customer:
        engine.get("customers", customer, param="customer")
    method = params.get("payment_method")
    found = method_named(engine, method) if method else None
    made = new_intent(
        engine,
        params["amount"],
        params["currency"].lower(),
        customer,
        description=params.get("description"),
        metadata=merge_metadata({}, params),
        payment_method=found["id"] if found else None,
        status="requires_confirmation" if found else "requires_payment_method",
    )
    if params.get("confirm"):
        _confirmed(engine, made)
    return made


@serves("POST", "/v1/payment_intents/{intent}/confirm")
def confirm_intent(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    intent = engine.get("payment_intents", ids[0])
    if intent["status"] not in _OPEN:
        raise invalid(
            f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
    if method := params.get("payment_method"):
        engine.change(intent, payment_method=method_named(engine, method)["id"])
    _confirmed(engine, intent)
    return intent


def _confirmed(engine: Engine, intent: Object) -> None:
    if not intent["payment_method"]:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    attempt(engine, intent, engine.get("payment_methods", intent["payment_method"]))
    if intent["last_payment_error"]:
        raise refusal(engine, intent)


def _check_own(engine: Engine, intent: Object) -> None:
    """Refuse to touch the intent that an invoice has by itself."""
    for payment in engine.state["invoice_payments"].where(payment=intent["id"]):
        if payment["is_default"]:
            raise invalid(
                f"The PaymentIntent {intent['id']} belongs to the invoice {payment['invoice']}, and"
                " can't be changed directly.",
                code="payment_intent_unexpected_state",
            )


@serves("POST", "/v1/payment_intents/{intent}/cancel")
def cancel_intent(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    intent = engine.get("payment_intents", ids[0])
    _check_own(engine, intent)
    cancel(engine, intent, params.get("cancellation_reason"))
    return intent


@serves("POST", "/v1/payment_intents/{intent}")
def update_intent(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    intent = engine.get("payment_intents", ids[0])
    if not params.keys() <= {"metadata", "expand"}:
        _check_own(engine, intent)
    fields = {
        name: unset(params[name]) for name in ("description", "receipt_email") if name in params
    }
    engine.change(intent, **fields, metadata=merge_metadata(intent, params))
    return intent


@serves("POST", "/v1/charges/{charge}")
def update_charge(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    charge = engine.get("charges", ids[0])
    fields = {"description": unset(params["description"])} if "description" in params else {}
    previous = engine.change(charge, **fields, metadata=merge_metadata(charge, params))
    engine.emit("charge.updated", charge, previous)
    return charge


lists("/v1/payment_intents", "payment_intents", "customer")
retrieves("/v1/payment_intents/{intent}", "payment_intents")
lists("/v1/charges", "charges", "customer", "payment_intent")
retrieves("/v1/charges/{charge}", "charges")

EXPANDABLE["charge", "refunds"] = lambda engine, row: engine.page(
    f"/v1/charges/{row['id']}/refunds", "refunds", {}, {"charge": row["id"]}
)
