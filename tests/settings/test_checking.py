"""Everything that is wrong with a config file, said at once and in plain words."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pydantic
import pytest

from billing_cli.settings import ComputeRates, ConfigurationError, known_keys
from tests.settings.support import SECRET, load, problems

WRONG: dict[str, Any] = {
    "enabled": "yes",
    "billingMode": "u\x1b[31m[bold]red",
    "computeRates": {"cpu_per_core_hour": -1, "cpu_per_core_huor": 1, "memory_per_gb_hour": {}},
    "stripeEnabled": 1,
    "stripeSecretKey": 5,
    "stripeSecretKeyFile": 5,
    "stripeWebhookSecret": "whsec_ x",
    "stripeWebhookSecretFile": "",
    "stripeSuccessUrl": "example.com",
    "stripeCancelUrl": "http://example.com/",
    "stripeRateLimit": -1,
    "stripeTimeoutSeconds": 0,
    "stripeApiBase": "http://api.example.com",
    "subscriptionPlans": [
        {"id": "a b", "name": "\x1b]0;title\x07", "price": "1e3", "cpu_limit": True},
        {"id": "a b", "name": " ", "price": -1, "interval": "week", "overage": 1, "billing": ""},
        3,
    ],
    "invoiceDay": 29,
    "usageCalculationInterval": "60 * * * *",
    "alertThreshold": 80.5,
    "autoSuspendOnOverage": None,
    "gracePeriodDays": "7",
    "currency": "usd",
    "timezone": "Europe/london",
    "databaseUrl": "mysql://u:pw@h/d",
    "paymentTermsDays": [SECRET],
    "heartbeatTimeoutMinutes": 0,
    "invoicePrefix": "a/b",
    "taxes": [
        {"id": "none", "name": "x" * 201, "percent": 101, "default": True},
        {"id": "b", "name": 5, "percent": True, "default": True},
    ],
    "company": {
        **dict.fromkeys(("name", "email", "phone", "website", "taxNumber", "logo"), " "),
        "address": "Main Street\nfirst\x1b[31m",
        "paymentInstructions": 1,
        "footer": "x\n" * 1_001,
    },
    "documents": {"language": "x", "paper": "A4", "template": ""},
    "paymentLink": "https://example.com/{number}",
    "jobs": {
        "invoiceDelayMinutes": -1,
        "checkQuotas": "@daily",
        "syncStripe": "0 0 31 feb,apr *",
        "deliver": 5,
        "lateAfterMinutes": 1.5,
    },
    "notifications": {
        "sinks": [
            {
                "name": "a b",
                "kind": "fax",
                "events": ["billing.invoice"],
                "timeoutSeconds": 0,
                "secretFile": "",
                "caFile": 5,
                "url": "https://user:pw@example.com/",
                "command": [],
                "host": "a/b",
                "port": 65536,
                "tls": "maybe",
                "username": "a\x00",
                "from": "a@b, c@d",
                "fromName": " ",
                "replyTo": "nobody",
                "to": 1,
                "fallbackTo": "a@b\nBcc: c@d",
                "wake": "yes",
                "password": SECRET,
            },
            {"name": "m-1", "kind": "email", "tls": "none", "username": "u", "url": "http://h"},
            {"name": "m_1", "kind": "webhook", "wake": True, "command": ["x"]},
            {"name": "m_1", "kind": "streamspace", "url": "http://h", "events": ["*"]},
        ],
        "maxAttempts": 0,
        "retrySeconds": "5",
        "templatesFolder": " ",
    },
    "stripeSecretkey": SECRET,
    "\x1b[2J": 1,
}


def test_everything_that_is_wrong_is_said_at_once() -> None:
    said = problems(WRONG)
    for key in known_keys():
        pattern = re.escape(key).replace(r"\[\]", r"\[\d\]")
        optional = {
            "company",
            "computeRates",
            "computeRates.storage_per_gb_month",
            "documents",
            "jobs",
            "subscriptionPlans",
            "taxes",
            "notifications",
            "notifications.sinks",
        }
        optional |= {f"subscriptionPlans[].{kind}_limit" for kind in ("memory", "storage")}
        assert key in optional or any(re.fullmatch(pattern, path) for path in said), key
    assert said["enabled"] == "must be true or false, not 'yes'"
    # A secret key is sent there.
    assert "https://" in said["stripeApiBase"]
    assert said["gracePeriodDays"] == "must be a whole number, not '7'"
    assert said["alertThreshold"] == "must be a whole number, not 80.5"
    assert said["autoSuspendOnOverage"] == "must be true or false, not null"
    assert said["invoiceDay"] == "must be at most 28, not 29"
    assert said["subscriptionPlans[0].interval"] == "is missing"
    assert said["subscriptionPlans[1].interval"] == 'must be "month" or "year", not \'week\''
    assert said["subscriptionPlans[2]"] == "must be an object in braces, not 3"
    assert said["subscriptionPlans[1].id"] == "repeats 'a b'"
    assert said["taxes[1].default"] == "is true for a second tax: one can be the default"
    assert said["jobs.syncStripe"] == "never comes: no month of 'feb,apr' has a day 31"
    first, mail, hook, stream = (f"notifications.sinks[{number}]" for number in range(4))
    assert said[f"{first}.events[0]"] == (
        "must be a type of event, or several such as billing.invoice.*, not 'billing.invoice'"
    )
    assert said[f"{first}.url"] == (
        "must not hold a name or a password: secrets belong in secretFile"
    )
    assert said[f"{first}.password"].startswith("is not a known key")
    assert said[f"{mail}.host"] == 'is missing: a sink of the kind "email" needs it'
    assert said[f"{mail}.url"] == 'is not for sinks of the kind "email"'
    assert said[f"{mail}.username"] == (
        'needs a connection that is encrypted: tls must not be "none"'
    )
    assert said[f"{hook}.name"] == (
        "and 'm-1' have one variable for their secrets, BILLING_SINK_M_1_SECRET"
    )
    assert said[f"{hook}.wake"] == 'is not for sinks of the kind "webhook"'
    assert said[f"{stream}.name"] == "repeats 'm_1'"
    # A token is sent there.
    assert "http:// on this machine itself, not 'http://h'" in said[f"{stream}.url"]
    assert said[f"{stream}.events"].startswith("may only be billing.account.resumed and ")
    assert said["currency"].endswith("not 'usd' (codes are in capitals)")
    assert said["timezone"].endswith("not 'Europe/london' (did you mean Europe/London?)")
    assert said["company.footer"] == "must have at most 2,000 characters"
    assert said["company.address"].startswith("must not hold control characters: ")
    assert said["documents.language"].startswith("must be a language: 'x' is not a language tag")
    assert said["documents.paper"] == 'must be "a4" or "letter", not \'A4\''
    assert said["paymentLink"].startswith("must not hold {number}: there are {invoice_number}")
    assert said["stripeSecretkey"] == "is not a known key (did you mean stripeSecretKey?)"


def test_what_is_said_is_plain_harmless_and_secret() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(WRONG)
    lines = caught.value.message.split("\n")
    assert lines[0] == f"billing.json has {len(caught.value.problems)} problems:"
    assert len(lines) == len(caught.value.problems) + 1
    assert all(line.isprintable() for line in lines)
    assert r"'u\x1b[31m[bold]red'" in caught.value.message
    assert r"['\x1b[2J']: is not a known key" in caught.value.message
    for jargon in (
        "Input should",
        "input_",
        "pydantic",
        "validation error",
        "Decimal",
        "tuple",
        "None",
    ):
        assert jargon not in caught.value.message
    assert SECRET not in caught.value.message
    assert "pw" not in caught.value.message


@pytest.mark.parametrize(
    ("content", "path", "hint"),
    [
        ({"invoice_day": 1}, "invoice_day", " (did you mean invoiceDay?)"),
        ({"Billingmode": 1}, "Billingmode", " (did you mean billingMode?)"),
        (
            {"cpu_per_core_hour": 1},
            "cpu_per_core_hour",
            " (did you mean computeRates.cpu_per_core_hour?)",
        ),
        ({"zzzzzz": 1}, "zzzzzz", ""),
        (
            {"computeRates": {"gpu": 1}},
            "computeRates.gpu",
            " (known here: cpu_per_core_hour, memory_per_gb_hour, storage_per_gb_month)",
        ),
        (
            {"taxes": [{"id": "a", "name": "A", "percent": 1, "defualt": True}]},
            "taxes[0].defualt",
            " (did you mean default?)",
        ),
    ],
)
def test_an_unknown_key_names_the_nearest_known(content: object, path: str, hint: str) -> None:
    assert problems(content) == {path: f"is not a known key{hint}"}


@pytest.mark.parametrize("value", [SECRET, "postgresql://u:pw@h/d", f"x {SECRET}"])
def test_a_secret_in_the_wrong_place_is_not_repeated(value: str) -> None:
    assert problems({"invoiceDay": value}) == {"invoiceDay": "must be a whole number"}


@pytest.mark.parametrize(
    "zone",
    [
        "",
        "UTC ",
        "Mars/Base",
        "../etc/passwd",
        "/etc/localtime",
        "localtime",
        "right/UTC",
        "America",
        "posixrules",
        "Factory",
        "x" * 300,
        "a\0b",
        "\x1b[0m",
    ],
)
def test_only_zones_that_are_the_same_everywhere_are_taken(zone: str) -> None:
    assert "must be an IANA time zone" in problems({"timezone": zone})["timezone"]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/Havana", "Etc/GMT+5"])
def test_zones_are_taken(zone: str) -> None:
    assert load({"timezone": zone}).values.timezone == zone


@pytest.mark.parametrize("code", ["XYZ", "US", "XAU", "US\n", "éUR", ""])
def test_only_currencies_with_a_minor_unit_are_taken(code: str) -> None:
    assert "ISO 4217" in problems({"currency": code})["currency"]


@pytest.mark.parametrize("name", ["a\nb", "\x1b[1m", "a\u202eb", "a\u2028b", "\x9b31m", "\t"])
def test_a_name_that_could_steer_a_terminal_is_refused(name: str) -> None:
    said = problems({"taxes": [{"id": "a", "name": name, "percent": 1}]})["taxes[0].name"]
    assert said.isprintable()
    assert "control characters" in said or said == "must not be blank"


@pytest.mark.parametrize(
    "name", ["TVA 20\u00a0%", "消費税", "=SUM(A1)", "[red]", "'; --", "👩\u200d💻"]
)
def test_any_other_name_is_taken(name: str) -> None:
    assert load({"taxes": [{"id": "a", "name": name, "percent": 1}]}).values.taxes[0].name == name


def test_a_file_that_says_everything_is_taken() -> None:
    values = load(
        {
            "currency": "KWD",
            "invoicePrefix": "ACME-1.x_",
            "paymentTermsDays": 0,
            "heartbeatTimeoutMinutes": 15,
            "subscriptionPlans": [
                {"id": "a", "name": "A", "price": "0", "interval": "month", "overage": "charge"},
            ],
            "taxes": [{"id": "vat-20", "name": "VAT", "percent": "8.875", "default": True}],
        }
    ).values
    assert (values.currency, values.invoice_prefix) == ("KWD", "ACME-1.x_")
    assert values.subscription_plans[0].overage == "charge"
    assert values.taxes[0].default


@pytest.mark.parametrize("number", ["NaN", "Infinity", "sNaN"])
def test_the_model_itself_refuses_what_is_no_number(number: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="must be an amount, not"):
        ComputeRates.model_validate({"cpu_per_core_hour": Decimal(number)})


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("streamspace", "https://h"),
        ("streamspace", "https://h:8443/base?x"),
        ("streamspace", "http://127.0.0.1:8080/base"),
        ("streamspace", "http://localhost"),
        # What is signed, and holds no secret, may go anywhere.
        ("webhook", "http://h/in"),
    ],
)
def test_where_sinks_may_be(kind: str, url: str) -> None:
    sink = {"name": "sink", "kind": kind, "url": url}
    (read,) = load({"notifications": {"sinks": [sink]}}).values.notifications.sinks
    assert read.url == url


@pytest.mark.parametrize(
    "url", ["http://h", "HTTP://h", "http://localhost.h", "http://127.0.0.1.h"]
)
def test_no_token_goes_to_another_machine_unencrypted(url: str) -> None:
    sink = {"name": "sink", "kind": "streamspace", "url": url}
    said = problems({"notifications": {"sinks": [sink]}})
    assert list(said) == ["notifications.sinks[0].url"]
