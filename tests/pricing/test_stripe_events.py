"""Events: what they say, what has to be fetched because of them, and no secret in what is kept."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
import stripe  # noqa: TID251 - the types that there are in the pinned version
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.stripe_events import (
    HANDLED,
    Event,
    Target,
    read_event,
    scrub,
    target_of,
    without_secrets,
)
from tests.pricing import stripe_payloads as payloads
from tests.pricing.stripe_payloads import snapshot, thin

KEYS = [
    "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
    "sk_live_51H8x",
    "rk_live_51H8x",
    "rk_test_4eC39HqLyjWDarjtT1zdp7dc",
    "ek_live_YWNjdF8xLA",
    "sk_org_live_51H8x",
    "sk_4eC39HqLyjWDarjtT1zdp7dc",
    "whsec_3Fr6Q1/+a=",
    "pi_1Gt_secret_Kc3mFRKyP1",
    "seti_1Gt_secret_Kc3mFRKyP1",
]


def target(document: payloads.JSON) -> Target | None:
    return target_of(read_event(document), document)


def test_a_snapshot_event_is_read() -> None:
    document = snapshot("invoice.paid", payloads.OLD_INVOICE, account="acct_1", livemode=True)
    assert read_event(document) == Event(
        id="evt_1",
        type="invoice.paid",
        created=1_762_799_500,
        api_version="2025-10-29.clover",
        livemode=True,
        account="acct_1",
        object_type="invoice",
        object_id="in_1",
        customer="cus_1",
        is_thin=False,
    )


def test_a_thin_event_is_read() -> None:
    document = thin("v1.invoice.paid", "invoice", "in_1", context="acct_1")
    assert read_event(document) == Event(
        id="evt_test_1",
        type="v1.invoice.paid",
        created=1_762_799_500,
        api_version=None,
        livemode=False,
        account="acct_1",
        object_type="invoice",
        object_id="in_1",
        customer=None,
        is_thin=True,
    )


def test_an_event_may_say_very_little() -> None:
    event = read_event({"id": "evt_1", "object": "event", "type": "ping", "created": None})
    assert event == Event("evt_1", "ping", 0, None, None, None, None, None, None, is_thin=False)
    deleted = read_event(snapshot("customer.deleted", payloads.CUSTOMER, livemode="yes"))
    assert (deleted.customer, deleted.livemode) == ("cus_1", None)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (None, "not a Stripe event: an object with an id was expected"),
        ([], "not a Stripe event: an object with an id was expected"),
        ({"id": "evt_1"}, "not a Stripe event: its field object does not say so"),
        ({"id": "evt_1", "object": ["event"]}, "not a Stripe event: its field object does not"),
        ({"id": "in_1", "object": "invoice"}, "not a Stripe event, but an object of the type"),
        ({"object": "event", "type": "ping"}, "a Stripe event has no usable id"),
        ({"object": "event", "id": "evt_1"}, "the Stripe event evt_1 has no usable type"),
        (
            thin("v1.invoice.paid", "invoice", "in_1", created="yesterday"),
            "the Stripe event evt_test_1: created: 'yesterday' is not an RFC 3339 time",
        ),
    ],
)
def test_what_is_no_event_says_why(document: object, reason: str) -> None:
    with pytest.raises(ValueError, match="Stripe event") as error:
        read_event(document)
    assert str(error.value).startswith(reason)


INTENT = Target("payment_intent", "pi_1")
CHARGE = Target("charge", "ch_1")
CUSTOMER = Target("customer", "cus_1")
DETACHED = payloads.CARD | {"customer": None}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (snapshot("invoice.paid", payloads.OLD_INVOICE), Target("invoice", "in_1")),
        (snapshot("invoice.payment_failed", payloads.NEW_INVOICE), Target("invoice", "in_1")),
        (
            snapshot("customer.subscription.deleted", payloads.OLD_SUBSCRIPTION),
            Target("subscription", "sub_1"),
        ),
        (
            snapshot("checkout.session.completed", payloads.CHECKOUT_SESSION),
            Target("checkout_session", "cs_test_1"),
        ),
        (snapshot("customer.deleted", payloads.CUSTOMER), CUSTOMER),
        (snapshot("payment_intent.succeeded", payloads.OLD_INTENT), INTENT),
        (snapshot("charge.refunded", payloads.NEW_CHARGE), INTENT),
        (snapshot("charge.refunded", payloads.OLD_CHARGE), CHARGE),
        (snapshot("charge.dispute.created", payloads.DISPUTE), INTENT),
        (snapshot("charge.dispute.closed", payloads.DISPUTE | {"payment_intent": None}), CHARGE),
        # Before 2015 a dispute had no id of its own.
        (snapshot("charge.dispute.closed", {"object": "dispute", "charge": "ch_1"}), CHARGE),
        (snapshot("charge.dispute.closed", {"object": "dispute"}), None),
        (snapshot("refund.failed", payloads.REFUND), INTENT),
        (
            snapshot(
                "refund.updated",
                payloads.REFUND | {"payment_intent": None, "charge": {"id": "ch_1"}},
            ),
            CHARGE,
        ),
        (snapshot("credit_note.created", payloads.CREDIT_NOTE), Target("invoice", "in_1")),
        (snapshot("payment_method.attached", payloads.CARD), CUSTOMER),
        (snapshot("payment_method.attached", payloads.OLD_CARD), CUSTOMER),
        (
            snapshot(
                "payment_method.detached",
                DETACHED,
                data={"object": DETACHED, "previous_attributes": {"customer": "cus_1"}},
            ),
            CUSTOMER,
        ),
        (snapshot("payment_method.detached", DETACHED), None),
        # Stored and ignored.
        (snapshot("invoice.upcoming", {"object": "invoice"}), None),
        (snapshot("invoice.updated", payloads.NEW_INVOICE), None),
        (snapshot("v1.invoice.paid", payloads.NEW_INVOICE), None),
        (snapshot("invoice.paid", {}), None),
        (snapshot("invoice.paid", {"object": "quote", "id": "qt_1"}), None),
        (thin("v1.invoice.paid", "invoice", "in_1"), Target("invoice", "in_1")),
        (thin("v1.customer.deleted", "customer", "cus_1"), CUSTOMER),
        (
            thin("v1.checkout.session.completed", "checkout.session", "cs_1"),
            Target("checkout_session", "cs_1"),
        ),
        (thin("v1.charge.refunded", "charge", "ch_1"), CHARGE),
        # Only the object itself says whose it is.
        (thin("v1.refund.created", "refund", "re_1"), Target("refund", "re_1")),
        (thin("v1.charge.dispute.closed", "dispute", "dp_1"), Target("dispute", "dp_1")),
        (
            thin("v1.payment_method.attached", "payment_method", "pm_1"),
            Target("payment_method", "pm_1"),
        ),
        (thin("v1.credit_note.created", "credit_note", "cn_1"), Target("credit_note", "cn_1")),
        (thin("v1.invoice.created", "invoice", "in_1"), None),
        (thin("v1.billing.meter.error_report_triggered", "billing.meter", "mtr_1"), None),
        (thin("v1.invoice.paid", "invoice", "in_1", related_object=None), None),
        (thin("v2.core.event_destination.ping", "event_destination", "ed_1"), None),
    ],
)
def test_the_target_is_what_has_to_be_fetched(
    document: payloads.JSON, expected: Target | None
) -> None:
    assert target(document) == expected


def test_handled_types_are_types_of_the_pinned_version() -> None:
    """A misspelt one would never come."""
    assert sorted(HANDLED - set(get_args(stripe.Event.__annotations__["type"]))) == []
    assert len(HANDLED) == 23


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_masked_in_any_text(key: str) -> None:
    kind = key[: key.rindex("_") + 1]
    for before, after in [
        ("", ""),
        ("Invalid API Key: ", "."),
        ("https://", ":@x"),
        ("?k=%3D", "&x"),
    ]:
        masked = scrub(f"{before}{key}{after}")
        assert masked == f"{before}{kind}…{after}"
        assert scrub(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "in_1SRzqCKXBGcbgpbZs4xgnmrX",
        "a task_test_failed on the disk_live_volume",
        "a key begins with sk_test_ or rk_live_, a signing secret with whsec_",
        "whsec_... goes into STRIPE_WEBHOOK_SECRET",
        "pk_test_TYooMQauvdEDq54NiTphI7jx",
        "",
    ],
)
def test_what_is_no_key_is_left_alone(text: str) -> None:
    assert scrub(text) == text


def test_no_secret_is_kept() -> None:
    document = snapshot(
        "payment_intent.succeeded",
        payloads.NEW_INTENT
        | {
            "metadata": {"note": f"my key is {KEYS[0]}", KEYS[1]: "x"},
            "confirmation_secret": {"client_secret": "x"},
            "nested": [{"secret": "x", "n": 1}, [KEYS[7]], None, 2.5],
        },
    )
    before = json.dumps(document)
    kept = without_secrets(document)
    assert json.dumps(document) == before
    about: Any = kept["data"]
    about = about["object"]
    assert about["metadata"] == {"note": "my key is sk_test_…", "sk_live_…": "x"}
    assert about["nested"] == [{"n": 1}, ["whsec_…"], None, 2.5]
    assert "client_secret" not in about
    assert "confirmation_secret" not in about
    assert read_event(kept) == read_event(document)
    about["latest_charge"]["id"] = "ch_2"
    assert json.dumps(document) == before


def test_what_is_nested_too_deeply_is_refused() -> None:
    document: dict[str, object] = {}
    for _ in range(5000):
        document = {"a": [document]}
    with pytest.raises(ValueError, match="the document is nested too deeply"):
        without_secrets(document)


NAMES = st.sampled_from(["client_secret", "secret", "signing_secret", "id", "note"])
TREES = st.recursive(
    st.none() | st.integers() | st.sampled_from(KEYS).map("It is {}.".format),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, TREES, max_size=3))
def test_nothing_that_is_kept_has_a_secret_in_it(document: payloads.JSON) -> None:
    kept = json.dumps(without_secrets(document))
    assert 'secret"' not in kept
    assert [key for key in KEYS if key in kept] == []
