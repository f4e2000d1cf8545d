"""What moves money at Stripe: payment intents, charges, refunds and disputes.

Read from the JSON of any API version into frozen values. Amounts are Stripe's integers (see
``stripe_amounts``), currencies upper case, times epoch seconds, and what refers to another object
is its id, whether it came expanded or not. Every reader raises ValueError for what is no such
object, and for an amount that is no whole number; anything else may be missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from billing_cli.pricing.stripe_fields import (
    amount,
    amount_or_none,
    at,
    currency,
    flag,
    instant,
    metadata,
    opened,
    own_id,
    reference,
    rows,
    text,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUCCEEDED: Final = "succeeded"
_LOST: Final = "lost"
# `charge_refunded` is an old one.
_DECIDED: Final = frozenset({_LOST, "won", "warning_closed", "prevented", "charge_refunded"})


@dataclass(frozen=True, slots=True)
class Charge:
    """One attempt to take money. ``method`` is its kind of payment method, such as ``card``."""

    id: str
    status: str
    amount: int
    amount_captured: int
    amount_refunded: int
    currency: str
    customer: str | None
    payment_intent: str | None
    invoice: str | None
    created: int
    disputed: bool
    paid: bool
    method: str | None
    failure_code: str | None
    failure_message: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    """What is to be paid, through one charge or several.

    ``latest_charge`` is there if it came expanded; ``latest_charge_id`` is there in any case.
    ``failure_code`` is what the bank said (``insufficient_funds``) rather than Stripe's own code
    (``card_declined``), of the last attempt; ``invoice`` is only in old versions.
    """

    id: str
    status: str
    amount: int
    amount_received: int
    currency: str
    customer: str | None
    created: int
    latest_charge: Charge | None
    latest_charge_id: str | None
    invoice: str | None
    failure_code: str | None
    failure_message: str | None
    method: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back, all of a charge or a part."""

    id: str
    amount: int
    currency: str
    status: str
    charge: str | None
    payment_intent: str | None
    created: int
    reason: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dispute:
    """A charge that its payer's bank questions."""

    id: str
    amount: int
    currency: str
    status: str
    reason: str | None
    charge: str | None
    payment_intent: str | None
    created: int

    @property
    def is_lost(self) -> bool:
        """Whether the bank decided for the payer: the money is gone.

        A lost dispute that is appealed is open again, not lost.
        """
        return self.status == _LOST

    @property
    def is_open(self) -> bool:
        """Whether it is not decided yet; a status that is not known is no decision."""
        return self.status not in _DECIDED


def read_charge(obj: object) -> Charge:
    """Read a charge."""
    charge = opened(obj, "charge", "charge")
    status = word(charge.get("status"))
    captured = amount_or_none(charge, "amount_captured")
    if captured is None:  # Before 2020 a charge was captured as a whole.
        taken = flag(charge.get("captured")) and status == _SUCCEEDED
        captured = amount(charge, "amount") if taken else 0
    paid = charge.get("paid")
    return Charge(
        id=own_id(charge),
        status=status,
        amount=amount(charge, "amount"),
        amount_captured=captured,
        amount_refunded=amount(charge, "amount_refunded"),
        currency=currency(charge.get("currency")),
        customer=reference(charge.get("customer")),
        payment_intent=reference(charge.get("payment_intent")),
        invoice=reference(charge.get("invoice")),
        created=instant(charge.get("created")) or 0,
        # Older than the flag is the dispute itself.
        disputed=flag(charge.get("disputed")) or reference(charge.get("dispute")) is not None,
        paid=flag(paid) if isinstance(paid, bool) else status == _SUCCEEDED,
        method=text(at(charge, "payment_method_details", "type")),
        failure_code=text(charge.get("failure_code")),
        failure_message=text(charge.get("failure_message")),
        metadata=metadata(charge.get("metadata")),
    )


def read_payment_intent(obj: object) -> PaymentIntent:
    """Read a payment intent."""
    intent = opened(obj, "payment intent", "payment_intent")
    status = word(intent.get("status"))
    received = amount_or_none(intent, "amount_received")
    if received is None:
        received = amount(intent, "amount") if status == _SUCCEEDED else 0
    error = intent.get("last_payment_error")
    charge, charge_id = _latest_charge(intent)
    return PaymentIntent(
        id=own_id(intent),
        status=status,
        amount=amount(intent, "amount"),
        amount_received=received,
        currency=currency(intent.get("currency")),
        customer=reference(intent.get("customer")),
        created=instant(intent.get("created")) or 0,
        latest_charge=charge,
        latest_charge_id=charge_id,
        invoice=reference(intent.get("invoice")),
        failure_code=text(at(error, "decline_code")) or text(at(error, "code")),
        failure_message=text(at(error, "message")),
        method=_method(intent, charge),
        metadata=metadata(intent.get("metadata")),
    )


def read_refund(obj: object) -> Refund:
    """Read a refund."""
    refund = opened(obj, "refund", "refund")
    return Refund(
        id=own_id(refund),
        amount=amount(refund, "amount"),
        currency=currency(refund.get("currency")),
        status=word(refund.get("status")),
        charge=reference(refund.get("charge")),
        payment_intent=reference(refund.get("payment_intent")),
        created=instant(refund.get("created")) or 0,
        reason=text(refund.get("reason")),
        metadata=metadata(refund.get("metadata")),
    )


def read_dispute(obj: object) -> Dispute:
    """Read a dispute."""
    dispute = opened(obj, "dispute", "dispute")
    return Dispute(
        id=own_id(dispute),
        amount=amount(dispute, "amount"),
        currency=currency(dispute.get("currency")),
        status=word(dispute.get("status")),
        reason=text(dispute.get("reason")),
        charge=reference(dispute.get("charge")),
        payment_intent=reference(dispute.get("payment_intent")),
        created=instant(dispute.get("created")) or 0,
    )


def _latest_charge(intent: Mapping[str, object]) -> tuple[Charge | None, str | None]:
    """Return the last charge of an intent, if it is there, and its id.

    Until 2022-11-15 an intent had a list of its charges, the newest first.
    """
    latest = intent.get("latest_charge")
    if latest is None:
        charges, _ = rows(intent.get("charges"))
        latest = charges[0] if charges else None
    found = at(latest, "object") == "charge"
    return read_charge(latest) if found else None, reference(latest)


def _method(intent: Mapping[str, object], charge: Charge | None) -> str | None:
    """Return the kind of payment method that was used or tried; None while it is not known."""
    if charge is not None and charge.method is not None:
        return charge.method
    tried = text(at(intent, "last_payment_error", "payment_method", "type"))
    chosen = text(at(intent, "payment_method", "type"))
    possible = intent.get("payment_method_types")
    only = possible[0] if isinstance(possible, list) and len(possible) == 1 else None
    return tried or chosen or text(only)
