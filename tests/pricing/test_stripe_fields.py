"""What holds for every reader of Stripe's objects: what it takes, refuses and gives."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import stripe  # noqa: TID251 - the pinned version's fields, which the readers may ask for
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_cli.pricing import stripe_objects as objects
from billing_cli.pricing.stripe_events import read_event, target_of, without_secrets
from tests.pricing import stripe_payloads as payloads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Real ones, recorded: nothing of the project depends on them.
SAMPLES = Path(os.environ.get("STRIPE_SAMPLES", "no folder"))

READERS: dict[str, Callable[[object], Any]] = {
    "account": objects.read_account,
    "charge": objects.read_charge,
    "checkout.session": objects.read_checkout_session,
    "credit_note": objects.read_credit_note,
    "customer": objects.read_customer,
    "dispute": objects.read_dispute,
    "invoice": objects.read_invoice,
    "invoice_payment": objects.read_invoice_payment,
    "line_item": objects.read_invoice_line,
    "payment_intent": objects.read_payment_intent,
    "payment_method": objects.read_payment_method,
    "price": objects.read_price,
    "product": objects.read_product,
    "refund": objects.read_refund,
    "subscription": objects.read_subscription,
}
ALIKE = {"plan": "price", "card": "payment_method"}
DOCUMENTS: list[payloads.JSON] = [
    document
    for name, document in vars(payloads).items()
    if name.isupper() and isinstance(document, dict) and "object" in document
]


def reader(document: payloads.JSON) -> Callable[[object], Any]:
    kind = str(document["object"])
    return READERS[ALIKE.get(kind, kind)]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (None, "not a Stripe invoice: an object with an id was expected"),
        ("in_1", "not a Stripe invoice: an object with an id was expected"),
        ([], "not a Stripe invoice: an object with an id was expected"),
        ({}, "a Stripe invoice has no usable id"),
        ({"id": ""}, "a Stripe invoice has no usable id"),
        ({"id": " in_1"}, "a Stripe invoice has no usable id"),
        ({"id": "in\0"}, "a Stripe invoice has no usable id"),
        ({"id": "i" * 256}, "a Stripe invoice has no usable id"),
        ({"id": 7}, "a Stripe invoice has no usable id"),
        ({"id": "x", "object": "quote"}, "not a Stripe invoice, but an object of the type 'quote'"),
        ({"id": "in_1", "total": "5"}, "total of in_1 is no whole number"),
        ({"id": "in_1", "total": 5.0}, "total of in_1 is no whole number"),
        ({"id": "in_1", "total": True}, "total of in_1 is no whole number"),
        ({"id": "in_1", "amount_due": 2**63}, "amount_due of in_1 is no whole number"),
        ({"id": "in_1", "lines": [{"amount": 5}]}, "a Stripe invoice line has no usable id"),
        ({"id": "in_1", "lines": ["il_1"]}, "not a Stripe invoice line: an object with an id was"),
        ({"id": "in_1", "total_taxes": [{"amount": "1"}]}, "amount of a Stripe object is no whole"),
    ],
)
def test_what_cannot_be_read_says_why(document: object, reason: str) -> None:
    with pytest.raises(ValueError, match="Stripe|in_1") as error:  # noqa: RUF043 - either
        objects.read_invoice(document)
    assert str(error.value).startswith(reason)


def test_what_no_database_can_store_is_replaced() -> None:
    metadata = {"a\0": "b\ud800", "number": 1, "nothing": None}
    customer = objects.read_customer({"id": "cus_1", "email": "\0", "metadata": metadata})
    assert (customer.email, customer.metadata) == ("\ufffd", {"a\ufffd": "b\ufffd"})


class Asked(dict[str, object]):
    """A document that remembers which of its fields were asked for."""

    def __init__(self, document: payloads.JSON) -> None:
        super().__init__(document)
        self.names: set[str] = set()

    def get(self, name: str, default: object = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


NOW: dict[str, Any] = {
    "account": stripe.Account,
    "charge": stripe.Charge,
    "checkout.session": stripe.checkout.Session,
    "credit_note": stripe.CreditNote,
    "customer": stripe.Customer,
    "dispute": stripe.Dispute,
    "invoice": stripe.Invoice,
    "invoice_payment": stripe.InvoicePayment,
    "line_item": stripe.InvoiceLineItem,
    "payment_intent": stripe.PaymentIntent,
    "payment_method": stripe.PaymentMethod,
    "price": stripe.Price,
    "product": stripe.Product,
    "refund": stripe.Refund,
    "subscription": stripe.Subscription,
}
BEFORE = {
    "account": {"business_name", "display_name"},
    "charge": {"dispute", "invoice"},
    "credit_note": {"refund"},
    "invoice": {"charge", "paid", "paid_out_of_band", "payment_intent", "subscription", "tax"}
    | {"total_tax_amounts"},
    "line_item": {"plan", "price", "proration"},
    "payment_intent": {"charges", "invoice"},
    "payment_method": {"bank_name", "brand", "exp_month", "exp_year", "last4"},
    "price": {"amount", "interval", "interval_count"},
    "subscription": {"current_period_end", "current_period_start", "start"},
}


@pytest.mark.parametrize("kind", READERS)
def test_what_is_read_are_fields_of_the_pinned_version_or_known_to_be_old(kind: str) -> None:
    """A misspelt name would read as a field that is always missing."""
    document = Asked({"id": "x_1", "type": "card"})
    READERS[kind](document)
    assert document.names - NOW[kind].__annotations__.keys() == BEFORE.get(kind, set())


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a document."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for name in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[name], (*path, name))


def changed(document: payloads.JSON, path: tuple[Any, ...], value: object) -> payloads.JSON:
    """A copy of the document with another value at the path."""
    whole = copy.deepcopy(document)
    part: Any = whole
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return whole


def assert_storable(value: object) -> None:
    """No float, no number beyond 64 bits, no text that UTF-8 or PostgreSQL cannot hold."""
    if isinstance(value, dict):
        assert_storable(list(value.items()))
    elif isinstance(value, list | tuple):
        for entry in value:
            assert_storable(entry)
    elif isinstance(value, str):
        assert "\0" not in value.encode().decode()
    elif type(value) is int:
        assert abs(value) < 2**63
    else:
        assert isinstance(value, bool | None)


JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.just(2**70),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "object", "data", "amount", "type"]), inner, max_size=4
        )
    ),
    max_leaves=6,
)
PLACES = [(document, path) for document in DOCUMENTS for path in places(document)]


def assert_read(document: payloads.JSON) -> None:
    """The document is read into what can be stored, or refused with a line that can be shown."""
    try:
        result = reader(document)(document)
    except ValueError as error:
        reason = str(error)
    else:
        assert_storable(asdict(result))
        return
    assert reason.isprintable()


@settings(max_examples=250)
@given(st.sampled_from(PLACES), JUNK)
def test_one_thing_wrong_anywhere_is_read_or_refused(
    place: tuple[payloads.JSON, tuple[Any, ...]], junk: object
) -> None:
    document, path = place
    kind = {"object": document["object"]}
    assert_read(changed(document, path, junk) | kind)


@given(st.sampled_from(sorted(READERS)), JUNK)
def test_any_json_is_read_or_refused(kind: str, junk: object) -> None:
    with pytest.raises(ValueError, match="Stripe"):
        READERS[kind](junk if isinstance(junk, list) else {"id": junk, "object": "?"})
    assert_read({"type": "card", "data": junk, "items": junk, "id": "x_1", "object": kind})


without_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="STRIPE_SAMPLES names no folder of recorded payloads"
)


def recorded(folder: str) -> list[Path]:
    return sorted((SAMPLES / folder).glob("*.json"))


def known(value: object) -> Iterator[payloads.JSON]:
    """Every object in a document that has a reader."""
    if isinstance(value, dict):
        if value.get("object") in [*READERS, *ALIKE]:
            yield value
        for entry in value.values():
            yield from known(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from known(entry)


@without_samples
def test_recorded_objects_are_read() -> None:
    count = 0
    for path in recorded("recorded"):
        for interaction in json.loads(path.read_text(encoding="utf-8"))["interactions"]:
            for document in known(interaction["response"]["body"]):
                read = reader(document)(document)
                assert_storable(asdict(read))
                assert reader(document)(without_secrets(document)) == read
                count += 1
    assert count > 200


@without_samples
def test_recorded_events_are_read() -> None:
    without_id = []
    for path in recorded("events"):
        document = json.loads(path.read_text(encoding="utf-8"))
        event = read_event(document)
        assert event.type == path.stem
        target_of(event, document)
        for found in known(document):
            if found.get("id") is None:
                without_id.append(path.stem)
            else:
                assert_storable(asdict(reader(found)(found)))
    # An invoice that is not there yet, and an event of before 2015.
    assert without_id == ["charge.dispute.closed", "invoice.upcoming"]
