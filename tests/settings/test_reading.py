"""Bytes of a config file: what is no JSON, and decimals that stay exact."""

from __future__ import annotations

from decimal import Decimal

import pytest

from billing_cli.settings import ConfigurationError
from tests.settings.support import load, problems, row


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b"[]", "must hold a JSON object, not a list"),
        (b"null", "must hold a JSON object, not null"),
        (b'"x"', "must hold a JSON object, not a text"),
        (b"true", "must hold a JSON object, not true or false"),
        (b"1", "must hold a JSON object, not a number"),
        (b'{"a": 1\n', "is not JSON: expecting ',' delimiter at line 2, column 1"),
        (b'{"invoiceDay": NaN}', "holds NaN, which is no number in JSON"),
        (b'{"invoiceDay": -Infinity}', "holds -Infinity, which is no number in JSON"),
        (b'{"invoiceDay": 1e99999999999999999999}', "holds a number out of range"),
        (b'{\n"\xff": 1}', r"is not valid UTF-8 \(line 2\)"),
        ("{}".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (rb'{"taxes": [{"name": "\ud800"}]}', r"holds an escape such as \\ud800 that is half"),
        (rb'{"\ud800": 1}', r"holds an escape such as \\ud800 that is half"),
        (b"[" * 100_000, "is nested too deeply"),
    ],
)
def test_what_is_not_one_json_object_in_utf8_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^billing\.json: {reason}") as caught:
        load(content)
    # Nothing that could carry the file's text into a traceback.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_byte_order_mark_is_ignored() -> None:
    assert load(b'\xef\xbb\xbf{"invoiceDay": 2}').values.invoice_day == 2


def test_a_repeated_key_is_refused_beside_all_else() -> None:
    assert problems('{"enabled": 1, "taxes": [{"id": "a", "id": "b"}], "enabled": 2}').keys() >= {
        "",
        "enabled",
        "taxes[0].name",
    }
    with pytest.raises(ConfigurationError, match="says the key 'enabled' more than once"):
        load('{"enabled": true, "enabled": true}')


def test_decimals_are_exact_whether_numbers_or_text() -> None:
    rates = '{"computeRates": {"cpu_per_core_hour": 0.1, "memory_per_gb_hour": "0.100000000001"}}'
    values = load(rates).values.compute_rates
    assert values.cpu_per_core_hour == Decimal("0.1")
    assert values.memory_per_gb_hour == Decimal("0.100000000001")
    assert values.storage_per_gb_month == Decimal("0.10")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("-0.01", "must be at least 0"),
        ("1e999999", "must be at most 1,000,000"),
        ("9" * 5000, "must be at most 1,000,000"),
        ("0.0000000000001", "may have at most 12 decimals"),
        ("1e-999999", "may have at most 12 decimals"),
        ("true", "must be an amount: a number"),
        ("null", "must be an amount: a number"),
        ("[]", "must be an amount: a number"),
        ('"0,05"', "must be an amount, written like \"0.05\", not '0,05'"),
        ('"NaN"', "not 'NaN'"),
        ('"Infinity"', "not 'Infinity'"),
        ('"$5"', "not '$5'"),
        ('"٣"', "written like"),
        ('""', "not ''"),
    ],
)
def test_an_odd_price_is_refused(number: str, reason: str) -> None:
    key = "computeRates.cpu_per_core_hour"
    assert reason in problems(f'{{"computeRates": {{"cpu_per_core_hour": {number}}}}}')[key]


@pytest.mark.parametrize("number", ["0", "-0", "0.000", "-0.0e-99", "0E+99"])
def test_every_zero_is_the_same_zero(number: str) -> None:
    settings = load(f'{{"computeRates": {{"cpu_per_core_hour": {number}}}}}')
    assert row(settings, "computeRates.cpu_per_core_hour")["value"] == "0"
