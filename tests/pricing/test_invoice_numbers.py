"""Numbers of invoices: made here, and told from those that others make."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from billing_cli.pricing.invoice_numbers import is_number, number_in, series_at

NEW_YEAR = 1_735_689_600


@pytest.mark.parametrize(
    ("zone", "count", "number"),
    [
        (UTC, 1, "INV-2025-000001"),
        (timezone(timedelta(hours=-1)), 999_999, "INV-2024-999999"),
        (UTC, 1_000_000, "INV-2025-1000000"),
    ],
)
def test_a_number_says_its_local_year_and_is_known_again(
    zone: timezone, count: int, number: str
) -> None:
    assert number_in(series_at("INV", NEW_YEAR, zone), count) == number
    assert is_number(number)


@pytest.mark.parametrize("prefix", ["INV", "ACME-EU", "a.b_c-2024"])
def test_every_prefix_is_known(prefix: str) -> None:
    assert is_number(number_in(series_at(prefix, NEW_YEAR, UTC), 7))


@pytest.mark.parametrize(
    "text", ["", "A1B2C3D4-0001", "INV-2025-00001", "INV-25-000001", "-2025-000001", "INV-2025"]
)
def test_what_others_number_is_none(text: str) -> None:
    assert not is_number(text)
