"""Refunds of charges, and disputes about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.stripe_server.customers import DEBITS
from tests.stripe_server.engine import (
    Engine,
    lists,
    merge_metadata,
    retrieves,
    serves,
)
from tests.stripe_server.errors import invalid
from tests.stripe_server.intents import SUCCEEDED

if TYPE_CHECKING:
    from tests.stripe_server.state import Object

_DUE: Final = 14 * 86_400
# What a refund to such a way to pay is called.
_DESTINATIONS: Final = {"us_bank_account": "us_bank_transfer", "sepa_debit": "eu_bank_transfer"}
_EVIDENCE: Final = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


@serves("POST", "/v1/refunds")
def create_refund(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    charge = _charge_of(engine, params)
    return refund(engine, charge, params.get("amount"), params)


def _charge_of(engine: Engine, params: dict[str, Any]) -> Object:
    if "charge" in params:
        return engine.get("charges", params["charge"], param="charge")
    if "payment_intent" not in params:
        raise invalid(
            "One of the following params should be provided for this request: payment_intent or"
            " charge."
        )
    intent = engine.get("payment_intents", params["payment_intent"], param="payment_intent")
    if not intent["latest_charge"] or intent["status"] != "succeeded":
        raise invalid(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        )
    return engine.get("charges", intent["latest_charge"])


def refund(
    engine: Engine, charge: Object, amount: int | None, params: dict[str, Any] | None = None
) -> Object:
    """Give back an amount of a charge, by default all that is left."""
    given = params or {}
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} has not succeeded, and can't be refunded.")
    if charge["disputed"] and not _refundable(engine, charge):
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    if left == 0:
        raise invalid(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    wanted = left if amount is None else amount
    if not 1 <= wanted <= left:
        raise invalid(
            f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})"
            if wanted > left
            else "Invalid positive integer",
            param="amount",
        )
    kind = charge["payment_method_details"]["type"]
    destination = _DESTINATIONS.get(kind, kind)
    details = {"reference_status": "pending", **({"type": "refund"} if kind == "card" else {})}
    made = engine.add(
        "refunds",
        {
            "object": "refund",
            "amount": wanted,
            "balance_transaction": None,
            "charge": charge["id"],
            "currency": charge["currency"],
            "customer": charge["customer"],
            "destination_details": {destination: details, "type": destination},
            "metadata": merge_metadata({}, given),
            "payment_intent": charge["payment_intent"],
            "reason": given.get("reason"),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "pending" if kind in DEBITS else "succeeded",
            "transfer_reversal": None,
        },
    )
    total = charge["amount_refunded"] + wanted
    previous = engine.change(
        charge, amount_refunded=total, refunded=total == charge["amount_captured"]
    )
    engine.emit("charge.refunded", charge, previous)
    engine.emit("refund.created", made)
    return made


def _refundable(engine: Engine, charge: Object) -> bool:
    return any(
        dispute["status"] == "won"
        for dispute in engine.state["disputes"].where(charge=charge["id"])
    )


def fail_refund(engine: Engine, made: Object, reason: str) -> None:
    """The money could not be given back: it is here again."""
    charge = engine.get("charges", made["charge"])
    if made["status"] == "failed":
        raise invalid(f"The refund {made['id']} has failed already.")
    engine.change(made, status="failed", failure_reason=reason)
    engine.change(
        charge, amount_refunded=charge["amount_refunded"] - made["amount"], refunded=False
    )
    engine.emit("refund.failed", made)
    engine.emit("charge.refund.updated", made)


@serves("POST", "/v1/refunds/{refund}")
def update_refund(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    found = engine.get("refunds", ids[0])
    previous = engine.change(found, metadata=merge_metadata(found, params))
    engine.emit("refund.updated", found, previous)
    return found


# Disputes --------------------------------------------------------------------------------------


def open_dispute(engine: Engine, charge: Object, reason: str, amount: int | None = None) -> Object:
    """A customer, or a bank, wants money back; Stripe has taken it already."""
    if charge["disputed"] or charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} is disputed already, or has not succeeded.")
    card = charge["payment_method_details"]["type"] == "card"
    nobody = {
        "mastercard_compliance": None,
        "visa_compelling_evidence_3": None,
        "visa_compliance": None,
    }
    made = engine.add(
        "disputes",
        {
            "object": "dispute",
            "amount": charge["amount"] if amount is None else amount,
            "balance_transactions": [],
            "charge": charge["id"],
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
            "evidence_details": {
                "due_by": engine.now() + _DUE,
                "enhanced_eligibility": nobody,
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
                "submission_method": "not_submitted",
            },
            "is_charge_refundable": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {
                "card": {
                    "brand": "visa",
                    "case_type": "chargeback",
                    "network": "visa",
                    "network_reason_code": "83",
                },
                "type": "card",
            }
            if card
            else None,
            "reason": reason,
            "status": "needs_response",
        },
    )
    previous = engine.change(charge, disputed=True)
    engine.emit("charge.dispute.created", made)
    engine.emit("charge.dispute.funds_withdrawn", made)
    engine.emit("charge.updated", charge, previous)
    return made


def close_dispute(engine: Engine, dispute: Object, status: str) -> None:
    """It is decided: "won" or "lost"."""
    if dispute["status"] in ("won", "lost"):
        raise invalid(f"This dispute is already closed as {dispute['status']}.")
    previous = engine.change(dispute, status=status)
    engine.emit("charge.dispute.updated", dispute, previous)
    engine.emit("charge.dispute.closed", dispute)
    if status == "won":
        engine.emit("charge.dispute.funds_reinstated", dispute)


def _disputed_at_once(engine: Engine, intent: Object) -> None:
    """Some test cards are made to be disputed."""
    outcome = engine.state.outcomes.get(intent["payment_method"], "")
    if outcome.startswith("dispute:"):
        charge = engine.get("charges", intent["latest_charge"])
        open_dispute(engine, charge, outcome.removeprefix("dispute:"))


SUCCEEDED.append(_disputed_at_once)


@serves("POST", "/v1/disputes/{dispute}")
def update_dispute(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    """Evidence decides, as it does in test mode: the texts say how."""
    dispute = engine.get("disputes", ids[0])
    previous = engine.change(
        dispute,
        evidence={**dispute["evidence"], **params.get("evidence", {})},
        metadata=merge_metadata(dispute, params),
    )
    engine.emit("charge.dispute.updated", dispute, previous)
    text = dispute["evidence"]["uncategorized_text"]
    if params.get("submit", True) and text in ("winning_evidence", "losing_evidence"):
        close_dispute(engine, dispute, "won" if text == "winning_evidence" else "lost")
    return dispute


@serves("POST", "/v1/disputes/{dispute}/close")
def accept_dispute(engine: Engine, _params: dict[str, Any], *ids: str) -> Object:
    dispute = engine.get("disputes", ids[0])
    close_dispute(engine, dispute, "lost")
    return dispute


lists("/v1/refunds", "refunds", "charge", "payment_intent")
retrieves("/v1/refunds/{refund}", "refunds")
lists("/v1/disputes", "disputes", "charge", "payment_intent")
retrieves("/v1/disputes/{dispute}", "disputes")
