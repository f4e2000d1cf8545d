"""The settings as others see them: money document, rows and sample."""

from __future__ import annotations

import dataclasses
import json
import re
from decimal import Decimal
from pathlib import Path

import pydantic
import pytest

from billing_cli.settings import effective_rows, known_keys, load_settings, sample_text
from tests.settings.support import PLAN, ROOT, load, row, write


def test_settings_are_frozen() -> None:
    settings = load({})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.config_path = None  # type: ignore[misc]
    with pytest.raises(pydantic.ValidationError):
        settings.values.invoice_day = 2
    with pytest.raises(TypeError):
        settings.sources["enabled"] = "me"  # type: ignore[index]


def test_the_money_document_has_plain_decimals_and_the_defaults_filled_in() -> None:
    tax = {"id": "vat", "name": "VAT", "percent": "20.0"}
    document = load({"subscriptionPlans": [PLAN], "taxes": [tax]}).money_document()
    assert document == {
        "billingMode": "usage",
        "computeRates": {
            "cpu_per_core_hour": "0.05",
            "memory_per_gb_hour": "0.01",
            "storage_per_gb_month": "0.1",
        },
        "currency": "USD",
        "timezone": "UTC",
        "invoiceDay": 1,
        "heartbeatTimeoutMinutes": None,
        "taxes": [{"id": "vat", "name": "VAT", "percent": "20", "default": False}],
        "subscriptionPlans": [
            {
                "id": "p",
                "name": "P",
                "price": "5",
                "interval": "year",
                "cpu_limit": None,
                "memory_limit": None,
                "storage_limit": None,
                "overage": None,
                "billing": "advance",
            }
        ],
    }
    assert json.loads(json.dumps(document)) == document


def test_equal_settings_give_equal_money_documents() -> None:
    other = {"id": "a", "name": "A", "price": "29.990", "interval": "month", "billing": "arrears"}
    plain = '{"id": "a", "name": "A", "price": 2999e-2, "interval": "month", "cpu_limit": null}'
    first = load({"subscriptionPlans": [PLAN, other], "alertThreshold": 1}).money_document()
    second = load(f'{{"subscriptionPlans": [{plain}, {json.dumps(PLAN)}]}}').money_document()
    assert json.dumps(first) == json.dumps(second)
    assert load({"computeRates": {"cpu_per_core_hour": "0.050"}}).money_document() == (
        load({}).money_document()
    )


def test_effective_rows_have_every_key_with_its_source() -> None:
    settings = load({"subscriptionPlans": [PLAN], "computeRates": {"cpu_per_core_hour": "1.50"}})
    keys = {re.sub(r"\[\d+\]", "[]", str(row["key"])) for row in effective_rows(settings)}
    leaves = set(known_keys()) - {
        "company",
        "computeRates",
        "documents",
        "jobs",
        "notifications",
        "subscriptionPlans",
    }
    none = ("taxes[]", "notifications.sinks[]")
    assert keys == {key for key in leaves if not key.startswith(none)}
    assert row(settings, "subscriptionPlans[0].price") == {
        "key": "subscriptionPlans[0].price",
        "value": "5",
        "source": "billing.json",
    }
    assert row(settings, "computeRates.cpu_per_core_hour")["value"] == "1.5"
    assert row(settings, "computeRates.memory_per_gb_hour")["source"] == "default"


def test_a_list_of_plain_values_is_one_row() -> None:
    sink = {"name": "s", "kind": "command", "command": ["/bin/tell", "-v"], "events": ["*"]}
    settings = load({"notifications": {"sinks": [sink]}})
    assert row(settings, "notifications.sinks[0].command") == {
        "key": "notifications.sinks[0].command",
        "value": ["/bin/tell", "-v"],
        "source": "billing.json",
    }
    assert row(settings, "notifications.sinks[0].events")["value"] == ["*"]
    assert row(settings, "taxes")["value"] == []
    assert row(settings, "notifications.maxAttempts")["value"] == 10


def test_the_sample_is_packaged_equal_to_the_one_at_the_root_and_says_the_defaults() -> None:
    assert sample_text() == (ROOT / "sample_config.json").read_text()
    sample, default = load(sample_text()), load_settings(write(Path("e.json")), None, {})
    assert sample.warnings == ()
    assert [plan.id for plan in sample.values.subscription_plans] == ["free", "pro", "enterprise"]
    assert sample.values.subscription_plans[1].price == Decimal("29.99")
    update = {"subscription_plans": ()}
    assert sample.values.model_copy(update=update) == default.values
    assert "Secret" not in sample_text()
