"""The account, customers, and their ways to pay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.stripe_server.engine import (
    EXPANDABLE,
    Engine,
    chosen,
    lists,
    merge_metadata,
    retrieves,
    serves,
    unset,
)
from tests.stripe_server.errors import declined, invalid, missing

if TYPE_CHECKING:
    from tests.stripe_server.state import Object

# Stripe's test cards: what they are, and what becomes of a payment with them ("": it succeeds).
# A code with "attach:" in front is already refused when the card is attached; with "dispute:" the
# payment succeeds, and is disputed then.
TEST_METHODS: Final = {
    "pm_card_visa": ("card", "4242", ""),
    "pm_card_mastercard": ("card", "4444", ""),
    "pm_card_discover": ("card", "9424", ""),
    "pm_card_visa_debit": ("card", "5556", ""),
    "pm_card_chargeDeclined": ("card", "0002", "attach:generic_decline"),
    "pm_card_chargeCustomerFail": ("card", "0341", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": ("card", "9995", "attach:insufficient_funds"),
    "pm_card_chargeDeclinedExpiredCard": ("card", "0069", "attach:expired_card"),
    "pm_card_authenticationRequired": ("card", "3184", "authentication_required"),
    "pm_card_createDispute": ("card", "0259", "dispute:fraudulent"),
    "pm_card_createDisputeInquiry": ("card", "1976", "dispute:fraudulent"),
    "pm_usBankAccount_success": ("us_bank_account", "6789", ""),
    "pm_usBankAccount_accountClosed": ("us_bank_account", "1113", "account_closed"),
    "pm_usBankAccount_insufficientFunds": ("us_bank_account", "2227", "insufficient_funds"),
    "pm_sepaDebit_success": ("sepa_debit", "3000", ""),
}
# Payments with these are processing for days before they succeed or fail.
DEBITS: Final = ("us_bank_account", "sepa_debit")
_NO_ADDRESS: Final = dict.fromkeys(
    ("city", "country", "line1", "line2", "postal_code", "state"), None
)

_CUSTOMER: Final = (
    "address",
    "business_name",
    "description",
    "email",
    "individual_name",
    "name",
    "phone",
    "shipping",
)


@serves("GET", "/v1/account")
def account(engine: Engine, _params: dict[str, Any], *_ids: str) -> Object:
    return {
        "id": engine.account,
        "object": "account",
        "business_profile": None,
        "business_type": None,
        "capabilities": {},
        "charges_enabled": True,
        "country": "US",
        "default_currency": engine.default_currency,
        "details_submitted": True,
        "email": None,
        "payouts_enabled": True,
        "settings": None,
        "type": "standard",
    }


@serves("GET", "/v1/accounts/{account}")
def account_by_id(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    if ids[0] != engine.account:
        raise missing("account", ids[0])
    return account(engine, params)


@serves("POST", "/v1/customers")
def create_customer(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    method = params.get("payment_method")
    if method:
        check_attachable(engine, method)
    settings = _invoice_settings({}, params.get("invoice_settings", {}))
    default = settings.pop("default_payment_method")
    if default and default != method:
        raise missing("PaymentMethod", default, param="invoice_settings[default_payment_method]")
    made = engine.add(
        "customers",
        {
            "object": "customer",
            **{name: unset(params.get(name)) for name in _CUSTOMER},
            "balance": params.get("balance", 0),
            "currency": None,
            "customer_account": None,
            "default_source": None,
            "delinquent": False,
            "discount": None,
            "invoice_prefix": params.get("invoice_prefix") or engine.new_id("")[-8:].upper(),
            "invoice_settings": {**settings, "default_payment_method": None},
            "metadata": merge_metadata({}, params),
            "next_invoice_sequence": params.get("next_invoice_sequence", 1),
            "preferred_locales": params.get("preferred_locales", []),
            "tax_exempt": params.get("tax_exempt") or "none",
            "test_clock": None,
        },
    )
    engine.emit("customer.created", made)
    if method:
        attached = attach(engine, method, made["id"])
        if default:
            made["invoice_settings"]["default_payment_method"] = attached["id"]
    return made


def _invoice_settings(known: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    settings = {
        "custom_fields": None,
        "default_payment_method": None,
        "footer": None,
        "rendering_options": None,
        **known,
    }
    settings.update({name: unset(value) for name, value in given.items()})
    return settings


@serves("POST", "/v1/customers/{customer}")
def update_customer(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    customer = engine.get("customers", ids[0])
    fields: dict[str, Any] = {name: unset(params[name]) for name in _CUSTOMER if name in params}
    for name in ("balance", "invoice_prefix", "next_invoice_sequence", "preferred_locales"):
        if name in params:
            fields[name] = params[name]
    if "tax_exempt" in params:
        fields["tax_exempt"] = params["tax_exempt"] or "none"
    if "invoice_settings" in params:
        settings = _invoice_settings(customer["invoice_settings"], params["invoice_settings"])
        method = settings["default_payment_method"]
        if method and _method_of(engine, method)["customer"] != ids[0]:
            raise invalid(
                "The customer does not have a payment method with the ID"
                f" {method}. The payment method must be attached to the customer.",
                param="invoice_settings[default_payment_method]",
                code="resource_missing",
            )
        fields["invoice_settings"] = settings
    fields["metadata"] = merge_metadata(customer, params)
    previous = engine.change(customer, **fields)
    engine.state["customers"].reindex(customer)
    if previous:
        engine.emit("customer.updated", customer, previous)
    return customer


@serves("DELETE", "/v1/customers/{customer}")
def delete_customer(engine: Engine, _params: dict[str, Any], *ids: str) -> Object:
    from tests.stripe_server.subscriptions import end_subscription

    customer = engine.get("customers", ids[0])
    for subscription in engine.state["subscriptions"].where(customer=ids[0]):
        if subscription["status"] != "canceled":
            end_subscription(engine, subscription)
    for method in engine.state["payment_methods"].where(customer=ids[0]):
        detach(engine, method["id"])
    engine.emit("customer.deleted", customer)
    stub = {"id": ids[0], "object": "customer", "deleted": True}
    engine.state["customers"].remove(ids[0], stub)
    return stub


@serves("GET", "/v1/customers/search")
def search_customers(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    """By one field: ``metadata['user']:'u1'`` or ``email:'…'``; never what is a minute old."""
    name, _, value = params["query"].partition(":")
    value = value.strip("'\"")
    found = [
        row
        for row in engine.state["customers"].where()
        if row["created"] <= engine.now() - 60 and _said(row, name) == value
    ]
    return {
        "object": "search_result",
        "data": found[: params.get("limit", 10)],
        "has_more": len(found) > params.get("limit", 10),
        "next_page": None,
        "url": "/v1/customers/search",
    }


def _said(row: Object, name: str) -> Any:
    if name.startswith("metadata["):
        return row["metadata"].get(name[len("metadata[") : -1].strip("'\""))
    return row.get(name)


# Ways to pay -----------------------------------------------------------------------------------


def add_method(engine: Engine, kind: str, last4: str, outcome: str = "") -> Object:
    """A new way to pay, which belongs to nobody yet."""
    card = {
        "brand": "visa",
        "checks": None,
        "country": "US",
        "display_brand": "visa",
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": f"fp{last4}",
        "funding": "credit",
        "generated_from": None,
        "last4": last4,
        "networks": {"available": ["visa"], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    bank = {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": f"fp{last4}",
        "last4": last4,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": None,
    }
    sepa = {
        "bank_code": "37040044",
        "branch_code": None,
        "country": "DE",
        "fingerprint": f"fp{last4}",
        "generated_from": None,
        "last4": last4,
    }
    details = {"card": card, "us_bank_account": bank, "sepa_debit": sepa}
    made = engine.add(
        "payment_methods",
        {
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {
                "address": _NO_ADDRESS,
                "email": None,
                "name": None,
                "phone": None,
                "tax_id": None,
            },
            "customer": None,
            "customer_account": None,
            "metadata": {},
            "type": kind,
            kind: details[kind],
        },
    )
    engine.state.outcomes[made["id"]] = outcome
    return made


def method_named(engine: Engine, key: str) -> Object:
    """A payment method by its id; a new one for each of Stripe's names of test cards."""
    if key in TEST_METHODS:
        kind, last4, outcome = TEST_METHODS[key]
        return add_method(engine, kind, last4, outcome.removeprefix("attach:"))
    return engine.get("payment_methods", key, param="payment_method")


def _method_of(engine: Engine, key: str) -> Object:
    return engine.get("payment_methods", key, param="payment_method")


def check_attachable(engine: Engine, key: str) -> None:
    """Refuse what cannot be attached: a card that is declined, or one that is detached."""
    if key in TEST_METHODS:
        if TEST_METHODS[key][2].startswith("attach:"):
            raise declined(TEST_METHODS[key][2].removeprefix("attach:"))
        return
    method = engine.get("payment_methods", key)
    if key in engine.state.detached:
        raise invalid(
            "This PaymentMethod was previously used without being attached to a Customer or was"
            " detached from a Customer, and may not be used again."
        )
    if method["customer"]:
        raise invalid("The payment method you provided has already been attached to a customer.")


def attach(engine: Engine, key: str, customer: str) -> Object:
    """Attach a way to pay to a customer."""
    method = method_named(engine, key)
    engine.change(method, customer=customer)
    engine.state["payment_methods"].reindex(method)
    engine.emit("payment_method.attached", method)
    return method


def detach(engine: Engine, key: str) -> Object:
    """Detach a way to pay; whatever had it as its default has none then."""
    method = engine.get("payment_methods", key)
    if not method["customer"]:
        raise invalid(
            "The payment method you provided is not attached to a customer so detachment is"
            " impossible."
        )
    customer = engine.get("customers", method["customer"])
    previous = engine.change(method, customer=None)
    engine.state.detached.add(key)
    engine.emit("payment_method.detached", method, previous)
    settings = customer["invoice_settings"]
    if settings["default_payment_method"] == key:
        before = engine.change(
            customer, invoice_settings={**settings, "default_payment_method": None}
        )
        engine.emit("customer.updated", customer, before)
    for subscription in engine.state["subscriptions"].where(customer=customer["id"]):
        if subscription["default_payment_method"] == key:
            engine.change(subscription, default_payment_method=None)
    return method


@serves("POST", "/v1/payment_methods")
def create_method(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    kind = params["type"]
    if kind not in ("card", *DEBITS):
        raise invalid(f"This stand-in knows no payment method of type {kind}.", param="type")
    given = params.get(kind, {})
    number = given.get("number") or given.get("account_number") or given.get("iban") or "4242"
    made = add_method(engine, kind, number[-4:])
    engine.change(made, metadata=merge_metadata(made, params))
    return made


@serves("POST", "/v1/payment_methods/{payment_method}/attach")
def attach_method(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    check_attachable(engine, ids[0])
    customer = engine.get("customers", params["customer"], param="customer")
    return attach(engine, ids[0], customer["id"])


@serves("POST", "/v1/payment_methods/{payment_method}/detach")
def detach_method(engine: Engine, _params: dict[str, Any], *ids: str) -> Object:
    return detach(engine, ids[0])


@serves("POST", "/v1/payment_methods/{payment_method}")
def update_method(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    method = engine.get("payment_methods", ids[0])
    previous = engine.change(method, metadata=merge_metadata(method, params))
    engine.emit("payment_method.updated", method, previous)
    return method


@serves("GET", "/v1/customers/{customer}/payment_methods")
def methods_of_customer(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    engine.get("customers", ids[0])
    filters = {"customer": ids[0], **chosen(params, "type")}
    url = f"/v1/customers/{ids[0]}/payment_methods"
    return engine.page(url, "payment_methods", params, filters)


@serves("GET", "/v1/customers/{customer}/payment_methods/{payment_method}")
def method_of_customer(engine: Engine, _params: dict[str, Any], *ids: str) -> Object:
    method = engine.get("payment_methods", ids[1])
    if method["customer"] != ids[0]:
        raise missing("PaymentMethod", ids[1])
    return method


lists("/v1/customers", "customers", "email")
retrieves("/v1/customers/{customer}", "customers")
lists("/v1/payment_methods", "payment_methods", "customer", "type")
retrieves("/v1/payment_methods/{payment_method}", "payment_methods")

EXPANDABLE["customer", "tax"] = lambda _engine, _row: {
    "automatic_tax": "unrecognized_location",
    "ip_address": None,
    "location": None,
    "provider": "stripe",
}
EXPANDABLE["customer", "invoice_credit_balance"] = lambda _engine, _row: {}
EXPANDABLE["customer", "subscriptions"] = lambda engine, row: engine.page(
    f"/v1/customers/{row['id']}/subscriptions", "subscriptions", {}, {"customer": row["id"]}
)
