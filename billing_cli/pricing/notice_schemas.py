"""What each event says: the fields of its data, as JSON Schema (draft 2020-12).

A type of event always has the same fields. Later versions may add fields, so a reader passes over
what it does not know; none is taken away or given another meaning.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from billing_cli.pricing.notices import TYPES

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

_TEXT: Final[dict[str, Any]] = {"type": "string"}
_NUMBER: Final[dict[str, Any]] = {"type": "integer", "minimum": 1}
_AMOUNT: Final[dict[str, Any]] = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
_INSTANT: Final[dict[str, Any]] = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
}
_CURRENCY: Final[dict[str, Any]] = {"type": "string", "pattern": "^[A-Z]{3}$"}
_INTERVAL: Final[dict[str, Any]] = {"enum": ["month", "year"]}
_RESOURCE: Final[dict[str, Any]] = {"enum": ["cpu", "memory", "storage", "spend"]}
_INVOICE_STATUS: Final[dict[str, Any]] = {"enum": ["draft", "sent", "paid", "overdue", "void"]}


class _Field(NamedTuple):
    """A field: its schema, what it is, and whether it may be null or missing."""

    schema: dict[str, Any]
    about: str
    null: bool = False
    optional: bool = False


_USER: Final = {"user_id": _Field(_TEXT, "The user.")}
_OF_INVOICE: Final = {
    "invoice_id": _Field(_NUMBER, "The invoice's id."),
    "invoice_number": _Field(_TEXT, "The invoice's number.", null=True),
    **_USER,
    "period": _Field(_TEXT, "The billing period, such as 2025-01, or a range of dates."),
    "total": _Field(_AMOUNT, "What the invoice is over."),
    "amount_due": _Field(_AMOUNT, "What is still owed on it."),
    "currency": _Field(_CURRENCY, "The currency of all amounts."),
    "status": _Field(_INVOICE_STATUS, "The invoice's state."),
    "due_date": _Field(_INSTANT, "When it is due.", null=True),
}
_OF_SUBSCRIPTION: Final = {
    "subscription_id": _Field(_NUMBER, "The subscription's id."),
    **_USER,
    "plan_id": _Field(_TEXT, "The plan."),
    "plan_name": _Field(_TEXT, "The plan's name."),
    "price": _Field(_AMOUNT, "The plan's fee for an interval."),
    "currency": _Field(_CURRENCY, "The currency of the fee."),
    "interval": _Field(_INTERVAL, "What the fee pays for."),
    "effective_at": _Field(_INSTANT, "From when on this holds."),
}
_OF_PAYMENT: Final = {
    "payment_id": _Field(_NUMBER, "The payment's id."),
    "user_id": _Field(_TEXT, "The user, where it is known.", null=True),
    "invoice_id": _Field(_NUMBER, "The invoice it is for.", null=True),
    "invoice_number": _Field(_TEXT, "That invoice's number.", null=True),
    "amount": _Field(_AMOUNT, "What was paid."),
    "currency": _Field(_CURRENCY, "The currency of the amount."),
    "method": _Field(_TEXT, "How it was paid.", null=True),
    "reference": _Field(_TEXT, "What the payer wrote.", null=True),
    "status": _Field(_TEXT, "The payment's state."),
    "reason": _Field(_TEXT, "Why it did not come in.", null=True),
}
_OF_QUOTA: Final = {
    **_USER,
    "resource_type": _Field(_RESOURCE, "What is limited."),
    "level": _Field({"enum": ["warning", "exceeded"]}, "The level that was reached."),
    "limit": _Field(_AMOUNT, "The limit."),
    "use": _Field(_AMOUNT, "What is used."),
    "unit": _Field(_TEXT, "The unit of both: cores, GB or the currency."),
    "percent": _Field(_AMOUNT, "The percentage that is used; null of a limit of 0.", null=True),
    "since": _Field(_INSTANT, "When the level was reached."),
}
_OF_SUSPENSION: Final = {
    **_USER,
    "cause": _Field({"enum": ["quota", "overdue", "manual"]}, "What led to the suspension."),
    "resource_type": _Field(_RESOURCE, "The limit, where it was one.", null=True),
    "reason": _Field(_TEXT, "Why, in words.", null=True),
    "suspended_at": _Field(_INSTANT, "Since when the user is, or was, suspended."),
}

_FIELDS: Final[dict[str, dict[str, _Field]]] = {
    "billing.user.created": {
        **_USER,
        "name": _Field(_TEXT, "The user's name.", optional=True),
        "email": _Field(_TEXT, "The user's e-mail address.", optional=True),
        "address": _Field(_TEXT, "The user's address.", optional=True),
        "language": _Field(_TEXT, "The user's language.", optional=True),
        "tax_number": _Field(_TEXT, "The user's tax number.", optional=True),
        "tax": _Field(_TEXT, "The user's tax, or none.", optional=True),
        "created_at": _Field(_INSTANT, "When the user was added."),
    },
    "billing.subscription.created": _OF_SUBSCRIPTION,
    "billing.subscription.changed": {
        **_OF_SUBSCRIPTION,
        "previous_plan_id": _Field(_TEXT, "The plan before."),
    },
    "billing.subscription.canceled": _OF_SUBSCRIPTION,
    "billing.subscription.resumed": _OF_SUBSCRIPTION,
    "billing.invoice.created": {
        **_OF_INVOICE,
        "source": _Field(
            {"type": "string", "const": "stripe"},
            "Of a copy of Stripe's own invoice.",
            optional=True,
        ),
    },
    "billing.invoice.paid": _OF_INVOICE,
    "billing.invoice.overdue": _OF_INVOICE,
    "billing.invoice.voided": {**_OF_INVOICE, "reason": _Field(_TEXT, "Why it was voided.")},
    "billing.payment.received": _OF_PAYMENT,
    "billing.payment.failed": _OF_PAYMENT,
    "billing.payment.refunded": {
        "payment_id": _OF_PAYMENT["payment_id"],
        "user_id": _OF_PAYMENT["user_id"],
        "amount": _Field(_AMOUNT, "What was given back."),
        "currency": _OF_PAYMENT["currency"],
        "credit_note": _Field(_TEXT, "The credit note's number.", null=True),
        "reason": _Field(_TEXT, "Why it was given back."),
    },
    "billing.payment.disputed": {
        "payment_id": _OF_PAYMENT["payment_id"],
        "user_id": _OF_PAYMENT["user_id"],
        "amount": _Field(_AMOUNT, "What is in dispute."),
        "currency": _OF_PAYMENT["currency"],
        "reason": _Field(_TEXT, "What the payer's bank says.", null=True),
        "status": _Field(_TEXT, "The dispute's state at Stripe."),
    },
    "billing.refund.failed": {
        "payment_id": _OF_PAYMENT["payment_id"],
        "user_id": _OF_PAYMENT["user_id"],
        "amount": _Field(_AMOUNT, "What did not arrive."),
        "currency": _OF_PAYMENT["currency"],
        "status": _Field(_TEXT, "The refund's state at Stripe."),
    },
    "billing.credit.granted": {
        "credit_id": _Field(_NUMBER, "The credit's id."),
        **_USER,
        "amount": _Field(_AMOUNT, "What was granted."),
        "currency": _Field(_CURRENCY, "The currency of the amount."),
        "reason": _Field(_TEXT, "Why it was granted."),
        "expires_at": _Field(_INSTANT, "When it expires.", null=True),
    },
    "billing.credit_note.created": {
        **_OF_INVOICE,
        "credit_note": _Field(_TEXT, "The credit note's number."),
        "net": _Field(_AMOUNT, "What it takes back before tax."),
        "tax": _Field(_AMOUNT, "The tax it takes back."),
        "amount": _Field(_AMOUNT, "What it takes back in all."),
        "applied": _Field(_AMOUNT, "What of it is not owed any more."),
        "credited": _Field(_AMOUNT, "What of it became a credit."),
        "refunded": _Field(_AMOUNT, "What of it was given back."),
        "line": _Field(_NUMBER, "The line it takes back, where it is one.", null=True),
        "reason": _Field(_TEXT, "Why it was made."),
        "created_at": _Field(_INSTANT, "When it was made."),
        "voided_at": _Field(_INSTANT, "When it was voided.", null=True),
    },
    "billing.quota.warning": _OF_QUOTA,
    "billing.quota.exceeded": _OF_QUOTA,
    "billing.account.suspended": {
        **_OF_SUSPENSION,
        "over_since": _Field(_INSTANT, "Since when the limit is exceeded.", optional=True),
        "invoice_id": _Field(_NUMBER, "The overdue invoice.", optional=True),
        "invoice_number": _Field(_TEXT, "The overdue invoice's number.", optional=True),
        "overdue_since": _Field(_INSTANT, "Since when it is overdue.", optional=True),
    },
    "billing.account.resumed": {
        **_OF_SUSPENSION,
        "resumed_at": _Field(_INSTANT, "When the suspension ended."),
    },
}


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of an event of a type as it is told; KeyError for an unknown type."""
    fields = _FIELDS[kind]
    return {
        "$schema": DRAFT,
        "title": kind,
        "description": f"Tells that {TYPES[kind]}.",
        "type": "object",
        "properties": {
            "id": {
                "type": "string",
                "pattern": "^evt_[1-9][0-9]*$",
                "description": "The event's id: the same however often it is told.",
            },
            "type": {"const": kind, "description": "What happened."},
            "event": {"const": kind, "description": "The same, as StreamSpace's webhooks name it."},
            "timestamp": {**_INSTANT, "description": "When it happened."},
            "data": {
                "type": "object",
                "properties": {name: _described(field) for name, field in fields.items()},
                "required": [name for name, field in fields.items() if not field.optional],
            },
        },
        "required": ["id", "type", "event", "timestamp", "data"],
    }


def schemas() -> dict[str, Any]:
    """Return one JSON Schema that takes an event of any type as it is told."""
    parts = {kind: schema_of(kind) for kind in TYPES}
    for part in parts.values():
        del part["$schema"]
    return {
        "$schema": DRAFT,
        "title": "Events of billing",
        "oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in parts],
        "$defs": parts,
    }


def _described(field: _Field) -> dict[str, Any]:
    schema = dict(field.schema)
    if field.null:
        schema = {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "description": field.about}
