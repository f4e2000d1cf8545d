"""Pages of Stripe's that customers are sent to: Checkout and the portal; and setup intents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.stripe_server.customers import (
    DEBITS,
    TEST_METHODS,
    attach,
    create_customer,
    method_named,
)
from tests.stripe_server.engine import (
    EXPANDABLE,
    Engine,
    lists,
    merge_metadata,
    retrieves,
    serves,
)
from tests.stripe_server.errors import declined, invalid
from tests.stripe_server.invoice_payments import PAID
from tests.stripe_server.subscriptions import price_of, start_subscription
from tests.stripe_server.terms import amount_of

if TYPE_CHECKING:
    from tests.stripe_server.state import Object

_DAY: Final = 86_400


@serves("POST", "/v1/checkout/sessions")
def create_session(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    mode = params.get("mode", "payment")
    if mode == "payment":
        raise invalid("This stand-in has no Checkout sessions of mode payment.", param="mode")
    hosted = params.get("ui_mode", "hosted_page") == "hosted_page"
    if hosted and "success_url" not in params:
        raise invalid("Missing required param: success_url.", param="success_url")
    customer = params.get("customer")
    if customer:
        engine.get("customers", customer, param="customer")
        if "customer_email" in params:
            raise invalid("You may only specify one of these parameters: customer, customer_email.")
    lines = _session_lines(engine, params, mode)
    total = sum(line["amount_total"] for line in lines) if lines else None
    currency = lines[0]["currency"] if lines else params.get("currency")
    key = engine.new_id("cs_live" if engine.livemode else "cs_test")
    setup = _new_setup(engine, customer, params) if mode == "setup" else None
    made = engine.add(
        "checkout_sessions",
        _session(engine, params, key, mode)
        | {
            "amount_subtotal": total,
            "amount_total": total,
            "currency": currency,
            "setup_intent": setup and setup["id"],
        },
    )
    engine.state.lines[key] = lines
    engine.state.checkouts[key] = {
        "items": params.get("line_items", []),
        "data": params.get("subscription_data", {}),
    }
    return made


def _session(engine: Engine, params: dict[str, Any], key: str, mode: str) -> Object:
    return {
        "id": key,
        "object": "checkout.session",
        "adaptive_pricing": None,
        "after_expiration": None,
        "allow_promotion_codes": params.get("allow_promotion_codes"),
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": params.get("billing_address_collection"),
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": dict.fromkeys(
            ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
        ),
        "customer": params.get("customer"),
        "customer_account": None,
        "customer_creation": None if params.get("customer") else "always",
        "customer_details": None,
        "customer_email": params.get("customer_email"),
        "discounts": [],
        "expires_at": params.get("expires_at", engine.now() + _DAY),
        "invoice": None,
        "invoice_creation": None,
        "locale": params.get("locale"),
        "metadata": merge_metadata({}, params),
        "mode": mode,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": params.get("payment_method_collection", "always"),
        "payment_method_configuration_details": None,
        "payment_method_options": None,
        "payment_method_types": ["card"],
        "payment_status": "no_payment_required" if mode == "setup" else "unpaid",
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "success_url": params.get("success_url"),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": params.get("ui_mode", "hosted_page"),
        "url": f"https://checkout.stripe.com/c/pay/{key}",
    }


def _session_lines(engine: Engine, params: dict[str, Any], mode: str) -> list[Object]:
    given = params.get("line_items", [])
    if mode == "setup":
        if given:
            raise invalid("You can not pass `line_items` in `setup` mode.", param="line_items")
        return []
    if not given:
        raise invalid("Missing required param: line_items.", param="line_items")
    lines = []
    for at, line in enumerate(given):
        price = price_of(engine, line, f"line_items[{at}]")
        quantity = line.get("quantity", 1)
        amount = amount_of({"price": price, "quantity": quantity})
        lines.append(
            {
                "id": engine.new_id("li"),
                "object": "item",
                "adjustable_quantity": None,
                "amount_discount": 0,
                "amount_subtotal": amount,
                "amount_tax": 0,
                "amount_total": amount,
                "currency": price["currency"],
                "description": engine.get("products", price["product"])["name"],
                "metadata": {},
                "price": price,
                "quantity": quantity,
            }
        )
    return lines


def complete_session(engine: Engine, session: Object, method: str) -> None:
    """What happens when a customer fills in the page: a way to pay, and a subscription."""
    if session["status"] != "open":
        raise invalid(f"This Checkout Session is {session['status']}.")
    outcome = TEST_METHODS[method][2].removeprefix("attach:") if method in TEST_METHODS else ""
    debit = method in TEST_METHODS and TEST_METHODS[method][0] in DEBITS
    if outcome and not debit and not outcome.startswith("dispute:"):
        raise declined(outcome)
    if not session["customer"]:
        made = create_customer(engine, {"email": session["customer_email"] or "at@checkout.test"})
        engine.change(session, customer=made["id"])
    customer = engine.get("customers", session["customer"])
    paid_with = attach(engine, method, customer["id"])
    fields: dict[str, Any] = {}
    if session["mode"] == "setup":
        setup = engine.get("setup_intents", session["setup_intent"])
        _set_up(engine, setup, paid_with, customer["id"])
    else:
        kept = engine.state.checkouts[session["id"]]
        subscription = start_subscription(
            engine,
            customer,
            {
                **kept["data"],
                "items": kept["items"],
                "default_payment_method": paid_with["id"],
            },
        )
        fields = {
            "subscription": subscription["id"],
            "invoice": subscription["latest_invoice"],
            "payment_status": _payment_status(engine, subscription),
        }
    engine.change(
        session,
        status="complete",
        url=None,
        customer_details={
            "address": None,
            "business_name": None,
            "email": customer["email"],
            "individual_name": None,
            "name": customer["name"],
            "phone": customer["phone"],
            "tax_exempt": "none",
            "tax_ids": [],
        },
        **fields,
    )
    engine.state["checkout_sessions"].reindex(session)
    engine.emit("checkout.session.completed", session)


def _payment_status(engine: Engine, subscription: Object) -> str:
    if subscription["status"] == "trialing":
        return "no_payment_required"
    paid = engine.get("invoices", subscription["latest_invoice"])["status"] == "paid"
    return "paid" if paid else "unpaid"


def _paid_later(engine: Engine, invoice: Object) -> None:
    """A bank debit with which a page was filled in has arrived."""
    details = (invoice["parent"] or {}).get("subscription_details")
    if invoice["status"] != "paid" or not details:
        return
    key = details["subscription"]
    for session in engine.state["checkout_sessions"].where(subscription=key):
        if session["payment_status"] == "unpaid":
            engine.change(session, payment_status="paid")
            engine.emit("checkout.session.async_payment_succeeded", session)


PAID.append(_paid_later)


def expire(engine: Engine, session: Object) -> None:
    """Nobody filled in the page in time."""
    if session["status"] != "open":
        raise invalid(
            f'Only Checkout Sessions with a status in ["open"] can be expired; this one is'
            f" {session['status']}."
        )
    engine.change(session, status="expired", url=None)
    engine.emit("checkout.session.expired", session)


@serves("POST", "/v1/checkout/sessions/{session}/expire")
def expire_session(engine: Engine, _params: dict[str, Any], *ids: str) -> Object:
    session = engine.get("checkout_sessions", ids[0])
    expire(engine, session)
    return session


@serves("GET", "/v1/checkout/sessions/{session}/line_items")
def list_session_lines(engine: Engine, params: dict[str, Any], *ids: str) -> Object:
    engine.get("checkout_sessions", ids[0])
    url = f"/v1/checkout/sessions/{ids[0]}/line_items"
    return engine.paged(url, params, engine.state.lines[ids[0]])


@serves("POST", "/v1/billing_portal/sessions")
def create_portal(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    if "customer" not in params:
        raise invalid("Missing required param: customer.", param="customer")
    customer = engine.get("customers", params["customer"], param="customer")
    key = engine.new_id("bps")
    return engine.add(
        "portal_sessions",
        {
            "id": key,
            "object": "billing_portal.session",
            "configuration": engine.new_id("bpc"),
            "customer": customer["id"],
            "customer_account": None,
            "flow": None,
            "locale": params.get("locale"),
            "on_behalf_of": None,
            "return_url": params.get("return_url"),
            "url": f"https://billing.stripe.com/p/session/{key}",
        },
    )


# Setup intents ---------------------------------------------------------------------------------


def _new_setup(engine: Engine, customer: str | None, params: dict[str, Any]) -> Object:
    key = engine.new_id("seti")
    made = engine.add(
        "setup_intents",
        {
            "id": key,
            "object": "setup_intent",
            "application": None,
            "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
            "cancellation_reason": None,
            "client_secret": f"{key}_secret_made",
            "customer": customer,
            "customer_account": None,
            "description": None,
            "excluded_payment_method_types": None,
            "flow_directions": None,
            "last_setup_error": None,
            "latest_attempt": None,
            "mandate": None,
            "metadata": merge_metadata({}, params.get("setup_intent_data", {})),
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_configuration_details": None,
            "payment_method_options": None,
            "payment_method_types": ["card"],
            "single_use_mandate": None,
            "status": "requires_payment_method",
            "usage": "off_session",
        },
    )
    engine.emit("setup_intent.created", made)
    return made


def _set_up(engine: Engine, setup: Object, method: Object, customer: str | None) -> None:
    engine.change(setup, status="succeeded", payment_method=method["id"], customer=customer)
    engine.emit("setup_intent.succeeded", setup)


@serves("POST", "/v1/setup_intents")
def create_setup(engine: Engine, params: dict[str, Any], *_ids: str) -> Object:
    customer = params.get("customer")
    if customer:
        engine.get("customers", customer, param="customer")
    made = _new_setup(engine, customer, {"setup_intent_data": params})
    if (key := params.get("payment_method")) and params.get("confirm"):
        method = attach(engine, key, customer) if customer else method_named(engine, key)
        _set_up(engine, made, method, customer)
    return made


lists("/v1/checkout/sessions", "checkout_sessions", "customer", "subscription", "status")
retrieves("/v1/checkout/sessions/{session}", "checkout_sessions")
lists("/v1/setup_intents", "setup_intents", "customer")
retrieves("/v1/setup_intents/{intent}", "setup_intents")

EXPANDABLE["checkout.session", "line_items"] = lambda engine, row: {
    "object": "list",
    "data": engine.state.lines[row["id"]],
    "has_more": False,
    "url": f"/v1/checkout/sessions/{row['id']}/line_items",
}
