"""The types of event: their patterns, their schemas, and that everything about them is there."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from billing_cli.pricing import backoff
from billing_cli.pricing.notice_schemas import schema_of, schemas
from billing_cli.pricing.notices import TYPES, types_of, types_of_all
from docs.payloads import PAGE, reference
from tests.test_architecture import PACKAGE


def test_patterns_name_types() -> None:
    assert types_of("*") == tuple(TYPES)
    assert types_of("billing.*") == tuple(TYPES)
    assert types_of("billing.quota.*") == ("billing.quota.warning", "billing.quota.exceeded")
    assert types_of("billing.invoice.paid") == ("billing.invoice.paid",)
    for nothing in ("", "billing", "billing.invoice", "billing.inv*", "billing.fax.*", ".*", "**"):
        assert types_of(nothing) == ()
    several = ["billing.invoice.paid", "billing.user.created", "billing.invoice.*"]
    assert types_of_all(several)[0] == "billing.user.created"
    assert len(types_of_all(several)) == 5


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_has_a_schema_and_a_text(kind: str) -> None:
    schema = schema_of(kind)
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == kind
    text = (PACKAGE / "templates" / "mail" / f"{kind}.txt").read_text(encoding="utf-8")
    assert text.startswith("Subject: ")


def test_one_schema_takes_every_type() -> None:
    document = schemas()
    Draft202012Validator.check_schema(document)
    event = {
        "id": "evt_1",
        "type": "billing.account.resumed",
        "event": "billing.account.resumed",
        "timestamp": "2025-01-01T00:00:00Z",
        "data": {
            "user_id": "ann",
            "cause": "manual",
            "resource_type": None,
            "reason": "paid",
            "suspended_at": "2025-01-01T00:00:00Z",
            "resumed_at": "2025-01-02T00:00:00Z",
        },
    }
    json.dumps(document)
    check = Draft202012Validator(document).validate
    check(event)
    for key in ("type", "data", "id"):
        with pytest.raises(ValidationError):
            check({**event, key: "billing.fax.sent"})
    with pytest.raises(KeyError):
        schema_of("billing.fax.sent")


def test_the_page_of_payloads_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: make docs"


def test_waits_grow_threefold_up_to_a_day() -> None:
    waits = [backoff.delay(60, attempts, "x") for attempts in range(1, 12)]
    for wait, plain in zip(waits, [60 * 3**n for n in range(11)], strict=True):
        limit = min(plain, backoff.LONGEST)
        assert abs(wait - limit) * 10 <= limit
    # Ten attempts are spread over days, as the standard for webhooks asks.
    assert sum(waits[:9]) > 2 * 86_400


@given(st.integers(1, 86_400), st.integers(1, 10**9), st.text())
def test_waits_are_the_same_every_time_and_have_bounds(
    first: int, attempts: int, identity: str
) -> None:
    wait = backoff.delay(first, attempts, identity)
    assert 1 <= wait <= backoff.LONGEST
    assert wait == backoff.delay(first, attempts, identity)
    others = {backoff.delay(50_000, 1, f"{identity}{number}") for number in range(20)}
    assert len(others) > 10
