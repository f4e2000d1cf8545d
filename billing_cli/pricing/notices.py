"""The events that are told to others: every type there is, and what it tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

SUSPENDED: Final = "billing.account.suspended"
RESUMED: Final = "billing.account.resumed"

TYPES: Final = {
    "billing.user.created": "a user was added by command",
    "billing.subscription.created": "a user got a plan",
    "billing.subscription.changed": "a subscription goes on with another plan",
    "billing.subscription.canceled": "the end of a subscription was asked for",
    "billing.subscription.resumed": "a subscription goes on after all",
    "billing.invoice.created": "an invoice was finalized and numbered",
    "billing.invoice.paid": "nothing is owed on an invoice any more",
    "billing.invoice.overdue": "an invoice was not paid when it was due",
    "billing.invoice.voided": "an invoice was voided",
    "billing.payment.received": "a payment came in",
    "billing.payment.failed": "a payment did not come in",
    "billing.payment.disputed": "a payer's bank questions a payment",
    "billing.payment.refunded": "money of a payment was given back",
    "billing.refund.failed": "money that was given back did not arrive, and is Stripe's again",
    "billing.credit.granted": "a user was given a credit",
    "billing.credit_note.created": "a part of an invoice was taken back",
    "billing.quota.warning": "use reached the alert threshold of a limit",
    "billing.quota.exceeded": "use went over a limit",
    SUSPENDED: "a user was suspended",
    RESUMED: "a user is suspended no longer",
}

_ANY: Final = "*"


def types_of(pattern: str) -> tuple[str, ...]:
    """Return the types that a pattern names: one type, ``*`` for all, or ``billing.invoice.*``.

    A pattern that names nothing gives nothing.
    """
    if pattern in TYPES:
        return (pattern,)
    if pattern == _ANY:
        return tuple(TYPES)
    stem = pattern.removesuffix(_ANY)
    if stem == pattern or not stem.endswith("."):
        return ()
    return tuple(name for name in TYPES if name.startswith(stem))


def types_of_all(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the types that any of some patterns names, in the order of :data:`TYPES`."""
    wanted = {name for pattern in patterns for name in types_of(pattern)}
    return tuple(name for name in TYPES if name in wanted)
