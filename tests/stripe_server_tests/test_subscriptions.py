"""Subscriptions, and the pages on which customers take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stripe_server import terms
from tests.stripe_server.client import library
from tests.stripe_server.errors import StripeError
from tests.stripe_server_tests.conftest import NOW

if TYPE_CHECKING:
    from tests.stripe_server import StripeServer
    from tests.stripe_server.client import Client

MONTH_SECONDS = 30 * 86_400


@pytest.fixture
def subscription(stripe: Client, customer: str, monthly: str) -> str:
    """The id of a subscription to 25 a month, paid by a card."""
    return stripe.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": monthly}], "metadata": {"plan": "team"}}
    ).id


def items(server: StripeServer, subscription: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get("subscriptions", subscription)["items"]["data"]
    return found


def test_the_first_term_is_paid_at_once(server: StripeServer, subscription: str) -> None:
    found = server.get("subscriptions", subscription, "latest_invoice.payments")
    invoice = found["latest_invoice"]
    assert (found["status"], invoice["status"], invoice["total"]) == ("active", "paid", 2500)
    assert invoice["billing_reason"] == "subscription_create"
    assert invoice["parent"]["subscription_details"] == {
        "metadata": {"plan": "team"},
        "subscription": subscription,
    }
    line = invoice["lines"]["data"][0]
    assert line["period"] == {"start": NOW, "end": NOW + MONTH_SECONDS}
    assert line["parent"]["subscription_item_details"]["proration"] is False
    assert items(server, subscription)[0]["current_period_end"] == NOW + MONTH_SECONDS
    created = next(e for e in server.events if e["type"] == "customer.subscription.created")
    assert created["data"]["object"]["status"] == "incomplete"
    updated = next(e for e in server.events if e["type"] == "customer.subscription.updated")
    assert updated["data"]["previous_attributes"] == {"status": "incomplete"}


def test_from_a_month_to_a_year_within_four_seconds(
    server: StripeServer, stripe: Client, subscription: str
) -> None:
    """What Stripe was seen to charge for it."""
    yearly = stripe.v1.prices.create(
        {
            "product": "plan-team",
            "currency": "usd",
            "unit_amount": 25_000,
            "recurring": {"interval": "year"},
        }
    )
    server.clock += 4
    item = items(server, subscription)[0]["id"]
    stripe.v1.subscriptions.update(
        subscription,
        {
            "items": [{"id": item, "price": yearly.id}],
            "proration_behavior": "always_invoice",
        },
    )
    found = server.get("subscriptions", subscription, "latest_invoice")
    invoice = found["latest_invoice"]
    assert [(line["amount"], line["description"]) for line in invoice["lines"]["data"]] == [
        (-2500, "Unused time on Team after 10 Nov 2025"),
        (25_000, "Remaining time on Team after 10 Nov 2025"),
    ]
    assert (invoice["billing_reason"], invoice["status"]) == ("subscription_update", "paid")
    assert invoice["amount_paid"] == 22_500
    assert found["billing_cycle_anchor"] == NOW + 4
    assert terms.prorated(2500, MONTH_SECONDS - 4, MONTH_SECONDS) == 2500


def test_more_of_the_same_waits_for_the_next_term(
    server: StripeServer, stripe: Client, subscription: str
) -> None:
    server.clock += MONTH_SECONDS // 2
    item = items(server, subscription)[0]["id"]
    stripe.v1.subscriptions.update(subscription, {"items": [{"id": item, "quantity": 3}]})
    pending = stripe.v1.invoice_items.list({"pending": True}).data
    assert sorted(row.amount for row in pending) == [-1250, 3750]
    server.clock += MONTH_SECONDS // 2
    renewed = server.renew(subscription)["latest_invoice"]
    assert [line["amount"] for line in renewed["lines"]["data"]] == [-1250, 3750, 7500]
    assert (renewed["billing_reason"], renewed["total"]) == ("subscription_cycle", 10_000)
    assert items(server, subscription)[0]["current_period_start"] == NOW + MONTH_SECONDS


def test_a_renewal_that_is_declined(
    server: StripeServer, stripe: Client, customer: str, subscription: str
) -> None:
    method = stripe.v1.customers.payment_methods.list(customer).data[0].id
    server.set_outcome(method, "expired_card")
    renewed = server.renew(subscription)
    assert (renewed["status"], renewed["latest_invoice"]["status"]) == ("past_due", "open")
    server.set_outcome(method)
    stripe.v1.invoices.pay(renewed["latest_invoice"]["id"])
    assert server.get("subscriptions", subscription)["status"] == "active"
    draft = server.renew(subscription, draft=True)["latest_invoice"]
    assert draft["status"] == "draft"
    with pytest.raises(library.InvalidRequestError, match="void them instead"):
        stripe.v1.invoices.delete(draft["id"])
    assert server.finalize_invoice(draft["id"])["status"] == "open"


def test_ends(server: StripeServer, stripe: Client, customer: str, subscription: str) -> None:
    saved = server.save()
    ending = stripe.v1.subscriptions.update(subscription, {"cancel_at_period_end": True})
    assert (ending.status, ending.cancel_at) == ("active", NOW + MONTH_SECONDS)
    assert server.renew(subscription)["status"] == "canceled"
    assert server.events[-1]["type"] == "customer.subscription.deleted"
    server.restore(saved)
    assert server.cancel_subscription(subscription, at_period_end=True)["status"] == "active"
    assert stripe.v1.subscriptions.cancel(subscription).status == "canceled"
    listed = stripe.v1.subscriptions.list
    assert listed({"customer": customer}).data == []
    assert [row.id for row in listed({"customer": customer, "status": "all"}).data] == [
        subscription
    ]
    assert [row.id for row in listed({"status": "ended"}).data] == [subscription]
    with pytest.raises(library.InvalidRequestError, match="No such subscription"):
        stripe.v1.subscriptions.cancel(subscription)


def test_nothing_to_pay_with(stripe: Client, server: StripeServer, monthly: str) -> None:
    poor = stripe.v1.customers.create({"email": "b@b.test"}).id
    asked: Any = {"customer": poor, "items": [{"price": monthly}]}
    with pytest.raises(library.InvalidRequestError, match="no attached payment source") as caught:
        stripe.v1.subscriptions.create(asked)
    assert caught.value.code == "resource_missing"
    waiting = stripe.v1.subscriptions.create(asked | {"payment_behavior": "default_incomplete"})
    assert waiting.status == "incomplete"
    server.pay_invoice(str(waiting.latest_invoice))
    assert server.get("subscriptions", waiting.id)["status"] == "active"
    sent: Any = {"collection_method": "send_invoice", "days_until_due": 7}
    found = stripe.v1.subscriptions.create(asked | sent)
    assert found.status == "active"
    assert server.get("invoices", str(found.latest_invoice))["due_date"] == NOW + 7 * 86_400
    trial = stripe.v1.subscriptions.create(asked | {"trial_period_days": 5})
    assert (trial.status, trial.trial_end) == ("trialing", NOW + 5 * 86_400)


def test_a_term_that_ends_where_another_began(
    server: StripeServer, stripe: Client, customer: str, monthly: str
) -> None:
    """With the anchor in ten days the first bill is for those; with no proration for nothing."""
    asked: Any = {
        "customer": customer,
        "items": [{"price": monthly}],
        "billing_cycle_anchor": NOW + 10 * 86_400,
    }
    found = stripe.v1.subscriptions.create(asked)
    # From 20 October to 20 November there are 31 days.
    assert server.get("invoices", str(found.latest_invoice))["total"] == 806
    assert items(server, found.id)[0]["current_period_end"] == NOW + 10 * 86_400
    free = stripe.v1.subscriptions.create(asked | {"proration_behavior": "none"})
    assert free.latest_invoice is None


@pytest.mark.parametrize("method", ["pm_card_visa", "pm_usBankAccount_success"])
def test_checkout_takes_a_subscription(
    server: StripeServer, stripe: Client, customer: str, monthly: str, method: str
) -> None:
    session = stripe.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer,
            "client_reference_id": "ada",
            "line_items": [{"price": monthly, "quantity": 2}],
            "success_url": "https://example.test/ok",
            "cancel_url": "https://example.test/no",
            "metadata": {"user": "ada"},
            "subscription_data": {"metadata": {"plan": "team"}},
            "expand": ["line_items"],
        }
    )
    assert (session.status, session.amount_total) == ("open", 5000)
    assert session.url
    done = server.complete_checkout(session.id, method)
    assert (done["status"], done["url"]) == ("complete", None)
    subscription = server.get("subscriptions", done["subscription"], "latest_invoice")
    assert subscription["metadata"] == {"plan": "team"}
    assert subscription["default_payment_method"]
    assert subscription["status"] == "active"
    paid = subscription["latest_invoice"]["status"] == "paid"
    assert paid == (method == "pm_card_visa")
    assert server.events[-1]["type"] == "checkout.session.completed"
    assert done["payment_status"] == ("paid" if paid else "unpaid")
    if not paid:
        server.settle(subscription["latest_invoice"]["id"])
        assert server.events[-1]["type"] == "checkout.session.async_payment_succeeded"
    listed = stripe.v1.checkout.sessions.list({"subscription": done["subscription"]}).data
    assert [row.id for row in listed] == [session.id]
    with pytest.raises(library.InvalidRequestError, match="can be expired"):
        stripe.v1.checkout.sessions.expire(session.id)


def test_checkout_sets_up_a_way_to_pay(server: StripeServer, stripe: Client, customer: str) -> None:
    session = stripe.v1.checkout.sessions.create(
        {"mode": "setup", "customer": customer, "currency": "usd", "success_url": "https://x.test"}
    )
    done = server.complete_checkout(session.id, "pm_sepaDebit_success")
    setup = stripe.v1.setup_intents.retrieve(done["setup_intent"], {"expand": ["payment_method"]})
    assert setup.status == "succeeded"
    assert isinstance(setup.payment_method, library.PaymentMethod)
    assert setup.payment_method.customer == customer
    other = stripe.v1.checkout.sessions.create({"mode": "setup", "success_url": "https://x.test"})
    with pytest.raises(StripeError, match="declined"):
        server.complete_checkout(other.id, "pm_card_chargeDeclined")
    server.expire_checkout(other.id)
    assert [row.status for row in stripe.v1.checkout.sessions.list({"status": "expired"}).data] == [
        "expired"
    ]
    portal = stripe.v1.billing_portal.sessions.create({"customer": customer})
    assert portal.url.startswith("https://billing.stripe.com/")


@given(
    amount=st.integers(0, 10**9),
    whole=st.integers(1, 400 * 86_400),
    part=st.floats(0, 1, allow_nan=False),
)
def test_the_parts_of_a_term_add_up(amount: int, whole: int, part: float) -> None:
    seconds = int(whole * part)
    used, rest = (
        terms.prorated(amount, seconds, whole),
        terms.prorated(amount, whole - seconds, whole),
    )
    assert 0 <= used + rest - amount <= 1
    assert terms.prorated(-amount, seconds, whole) == -used


@pytest.mark.parametrize(
    ("start", "ends"),
    [(1_738_281_600, [1_740_700_800, 1_743_379_200, 1_745_971_200])],
)
def test_terms_end_on_the_day_of_the_month_or_its_last(start: int, ends: list[int]) -> None:
    """From 31 January 2025: 28 February, 31 March, 30 April."""
    monthly: dict[str, object] = {"interval": "month", "interval_count": 1}
    found, at = [], start
    for _ in ends:
        at = terms.term_end(start, at, monthly)
        found.append(at)
    assert found == ends
