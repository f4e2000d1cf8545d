"""Stripe's objects as JSON, small and made up: in the old places and in the new ones.

The old are of 2020 (API version 2020-08-27 and before), the new of 2025 and after.
"""

from __future__ import annotations

from typing import Any, Final

JSON = dict[str, Any]


def listed(*entries: JSON, has_more: bool = False) -> JSON:
    return {"object": "list", "data": list(entries), "has_more": has_more, "url": "/v1/x"}


CUSTOMER: Final[JSON] = {
    "id": "cus_1",
    "object": "customer",
    "email": "anna@example.com",
    "metadata": {"billing_user": "anna"},
    "default_source": "card_1",
    "invoice_settings": {"default_payment_method": "pm_1"},
}
CARD: Final[JSON] = {
    "id": "pm_1",
    "object": "payment_method",
    "type": "card",
    "customer": "cus_1",
    "created": 1_762_799_350,
    "card": {"brand": "visa", "last4": "4242", "exp_month": 3, "exp_year": 2027},
}
BANK_DEBIT: Final[JSON] = {
    "id": "pm_2",
    "object": "payment_method",
    "type": "us_bank_account",
    "customer": None,
    "created": 1_762_799_350,
    "us_bank_account": {"bank_name": "STRIPE TEST BANK", "last4": "6789"},
}
OLD_CARD: Final[JSON] = {
    "id": "card_1",
    "object": "card",
    "customer": "cus_1",
    "brand": "Visa",
    "last4": "4242",
    "exp_month": 12,
    "exp_year": 2021,
}

PRODUCT: Final[JSON] = {
    "id": "prod_1",
    "object": "product",
    "name": "Pro",
    "active": True,
    "metadata": {"billing_plan": "pro"},
}
PRICE: Final[JSON] = {
    "id": "price_1",
    "object": "price",
    "active": True,
    "currency": "usd",
    "unit_amount": 2500,
    "product": "prod_1",
    "lookup_key": "pro_month",
    "metadata": {},
    "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
}
PLAN: Final[JSON] = {
    "id": "Gold Plan",
    "object": "plan",
    "active": False,
    "currency": "usd",
    "amount": 900,
    "interval": "year",
    "interval_count": 2,
    "product": {"id": "prod_1", "object": "product"},
}

NEW_SUBSCRIPTION: Final[JSON] = {
    "id": "sub_1",
    "object": "subscription",
    "customer": CUSTOMER,
    "status": "active",
    "created": 1_762_799_364,
    "start_date": 1_762_799_365,
    "currency": "usd",
    "collection_method": "charge_automatically",
    "cancel_at": None,
    "cancel_at_period_end": False,
    "canceled_at": None,
    "ended_at": None,
    "trial_end": 1_762_800_000,
    "latest_invoice": {"id": "in_1", "object": "invoice"},
    "metadata": {"billing_user": "anna"},
    "items": listed(
        {
            "id": "si_1",
            "object": "subscription_item",
            "quantity": 2,
            "price": PRICE,
            "current_period_start": 1_762_799_364,
            "current_period_end": 1_765_391_364,
        }
    ),
}
OLD_SUBSCRIPTION: Final[JSON] = {
    "id": "sub_1",
    "object": "subscription",
    "customer": "cus_1",
    "status": "active",
    "start": 1_381_080_623,
    "current_period_start": 1_381_080_623,
    "current_period_end": 1_383_759_023,
    "cancel_at_period_end": True,
    "items": listed({"id": "si_1", "object": "subscription_item", "quantity": 1, "plan": PLAN}),
}

NEW_LINE: Final[JSON] = {
    "id": "il_1",
    "object": "line_item",
    "amount": -2500,
    "description": "Unused time on Pro after 10 Nov 2025",
    "quantity": 1,
    "period": {"start": 1_762_799_368, "end": 1_765_391_364},
    "pricing": {"type": "price_details", "price_details": {"price": "price_1"}},
    "parent": {
        "type": "subscription_item_details",
        "invoice_item_details": None,
        "subscription_item_details": {"proration": True, "subscription": "sub_1"},
    },
}
OLD_LINE: Final[JSON] = {
    "id": "il_1",
    "object": "line_item",
    "amount": -2500,
    "description": "Unused time on Pro after 10 Nov 2025",
    "quantity": 1,
    "period": {"start": 1_762_799_368, "end": 1_765_391_364},
    "price": PRICE,
    "plan": PLAN,
    "proration": True,
}
INVOICE_PAYMENT: Final[JSON] = {
    "id": "inpay_1",
    "object": "invoice_payment",
    "amount_paid": 22500,
    "invoice": "in_1",
    "status": "paid",
    "payment": {"type": "payment_intent", "payment_intent": "pi_1"},
}
_INVOICE: Final[JSON] = {
    "id": "in_1",
    "object": "invoice",
    "customer": "cus_1",
    "number": "A-0001",
    "status": "paid",
    "currency": "usd",
    "total": 22500,
    "subtotal": 20000,
    "amount_due": 22500,
    "amount_paid": 22500,
    "amount_remaining": 0,
    "created": 1_762_799_364,
    "due_date": None,
    "period_start": 1_762_799_364,
    "period_end": 1_765_391_364,
    "billing_reason": "subscription_update",
    "collection_method": "charge_automatically",
    "auto_advance": False,
    "hosted_invoice_url": "https://invoice.example.com/i/1",
    "invoice_pdf": "https://invoice.example.com/i/1.pdf",
    "metadata": {},
    "description": None,
    "starting_balance": -100,
    "status_transitions": {
        "finalized_at": 1_762_799_365,
        "paid_at": 1_762_799_366,
        "voided_at": None,
        "marked_uncollectible_at": None,
    },
}
NEW_INVOICE: Final[JSON] = _INVOICE | {
    "parent": {
        "type": "subscription_details",
        "subscription_details": {"subscription": "sub_1", "metadata": {}},
    },
    "total_taxes": [{"amount": 2000, "type": "tax_rate_details"}, {"amount": 500}],
    "payments": listed(INVOICE_PAYMENT),
    "lines": listed(NEW_LINE),
}
OLD_INVOICE: Final[JSON] = _INVOICE | {
    "subscription": "sub_1",
    "tax": 2500,
    "paid": True,
    "paid_out_of_band": False,
    "payment_intent": "pi_1",
    "charge": "ch_1",
    "lines": listed(OLD_LINE),
}
CREDIT_NOTE: Final[JSON] = {
    "id": "cn_1",
    "object": "credit_note",
    "invoice": {"id": "in_1", "object": "invoice"},
    "number": "A-0001-CN-01",
    "status": "issued",
    "amount": 500,
    "currency": "usd",
    "created": 1_762_800_108,
    "metadata": {"billing_credit_note": "7"},
    "refunds": [
        {"type": "refund", "refund": "re_1", "amount_refunded": 300},
        {"type": "refund", "refund": {"id": "re_2", "object": "refund"}, "amount_refunded": 200},
    ],
}

NEW_CHARGE: Final[JSON] = {
    "id": "ch_1",
    "object": "charge",
    "amount": 2900,
    "amount_captured": 2900,
    "amount_refunded": 1000,
    "captured": True,
    "created": 1_762_799_418,
    "currency": "usd",
    "customer": "cus_1",
    "disputed": True,
    "failure_code": None,
    "failure_message": None,
    "metadata": {"a": "b"},
    "paid": True,
    "payment_intent": {"id": "pi_1", "object": "payment_intent"},
    "payment_method_details": {"type": "card", "card": {"brand": "visa"}},
    "status": "succeeded",
}
OLD_CHARGE: Final[JSON] = {
    "id": "ch_1",
    "object": "charge",
    "amount": 2900,
    "captured": True,
    "created": 1_362_799_418,
    "currency": "usd",
    "dispute": "dp_1",
    "invoice": "in_1",
    "status": "succeeded",
}
FAILED: Final[JSON] = {
    "code": "card_declined",
    "decline_code": "insufficient_funds",
    "message": "Your card has insufficient funds.",
    "payment_method": CARD,
    "type": "card_error",
}
NEW_INTENT: Final[JSON] = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 2900,
    "amount_received": 2900,
    "client_secret": "pi_1_secret_Kc3mFRKyP1",
    "created": 1_762_799_418,
    "currency": "usd",
    "customer": "cus_1",
    "last_payment_error": None,
    "latest_charge": NEW_CHARGE,
    "metadata": {},
    "payment_method": "pm_1",
    "payment_method_types": ["card", "us_bank_account"],
    "status": "succeeded",
}
OLD_INTENT: Final[JSON] = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 2900,
    "charges": listed(OLD_CHARGE | {"status": "failed"}, OLD_CHARGE | {"id": "ch_0"}),
    "created": 1_362_799_418,
    "currency": "usd",
    "invoice": "in_1",
    "last_payment_error": FAILED,
    "payment_method_types": ["card"],
    "status": "requires_payment_method",
}
REFUND: Final[JSON] = {
    "id": "re_1",
    "object": "refund",
    "amount": 1000,
    "charge": "ch_1",
    "created": 1_762_799_399,
    "currency": "usd",
    "metadata": {},
    "payment_intent": "pi_1",
    "reason": "requested_by_customer",
    "status": "pending",
}
DISPUTE: Final[JSON] = {
    "id": "dp_1",
    "object": "dispute",
    "amount": 2900,
    "charge": "ch_1",
    "created": 1_762_799_499,
    "currency": "usd",
    "payment_intent": "pi_1",
    "reason": "fraudulent",
    "status": "needs_response",
}
CHECKOUT_SESSION: Final[JSON] = {
    "id": "cs_test_1",
    "object": "checkout.session",
    "mode": "subscription",
    "status": "complete",
    "payment_status": "paid",
    "client_reference_id": "anna",
    "created": 1_762_799_499,
    "customer": "cus_1",
    "expires_at": 1_762_885_899,
    "metadata": {},
    "setup_intent": None,
    "subscription": "sub_1",
    "url": None,
}
ACCOUNT: Final[JSON] = {
    "id": "acct_1",
    "object": "account",
    "business_profile": {"name": "Example Ltd"},
    "country": "IS",
    "default_currency": "isk",
    "settings": {"dashboard": {"display_name": "Example (test)"}},
}


def snapshot(kind: str, about: JSON, **fields: object) -> JSON:
    """An event of API v1: with the object as it was."""
    return {
        "id": "evt_1",
        "object": "event",
        "api_version": "2025-10-29.clover",
        "created": 1_762_799_500,
        "livemode": False,
        "type": kind,
        "data": {"object": about},
    } | fields


def thin(kind: str, about_type: str, about_id: str, **fields: object) -> JSON:
    """An event of API v2: with the name of the object."""
    return {
        "id": "evt_test_1",
        "object": "v2.core.event",
        "created": "2025-11-10T18:31:40.123Z",
        "livemode": False,
        "type": kind,
        "related_object": {"id": about_id, "type": about_type, "url": "/v1/x"},
    } | fields
