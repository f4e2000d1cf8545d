from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.gateway.languages import language
from billing_cli.pricing.invoice_pdf import Line, split_lines
from billing_cli.pricing.invoice_pdf_data import checkable, described, fill
from billing_cli.pricing.money import to_minor


@pytest.mark.parametrize(
    ("quantity", "price", "amount", "shown"),
    [
        ("20.00", "0.05", 100, "20.00"),
        ("0.4833333333", "30", 1450, "0.4833"),
        ("0.6317204301", "29.99", 1895, "0.632"),
        ("2012.4244444444", "0.05", 10062, "2012.42"),
        # A correction: 100 was billed before, and no quantity gives the difference.
        ("2012.4244444444", "0.05", 9962, "2012.4244444444"),
        ("1.005", "1", 101, "1.01"),
        ("3.00", None, 5, "3.00"),
    ],
)
def test_a_quantity_has_as_few_decimals_as_give_the_amount(
    quantity: str, price: str | None, amount: int, shown: str
) -> None:
    assert checkable(quantity, price, amount, "USD") == shown


@given(st.decimals(0, 10**15, places=10), st.decimals(0, 10**6, places=6))
def test_what_is_printed_can_be_multiplied(quantity: Decimal, price: Decimal) -> None:
    amount = to_minor(quantity * price, "KWD")
    shown = Decimal(checkable(str(quantity), str(price), amount, "KWD"))
    assert to_minor(shown * price, "KWD") == amount
    assert shown.as_tuple().exponent in range(-10, -1)


def line(kind: str, description: str, item: str | None = None) -> Line:
    return Line(kind, description, 100, item)


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        (line("usage", "CPU", "cpu"), "CPU"),
        (line("overage", "Memory overage", "overage:memory"), "Arbeitsspeicher-Mehrverbrauch"),
        (line("plan", "Pro, 2025-01-01 to 2025-01-31", "month:pro"), "Pro, 1.–31. Jan. 2025"),
        (line("plan", "A, B, 2025-01-01 to 2025-01-01", "year:x"), "A, B, 01.01.2025"),
        (line("plan", "cpu", "month:cpu"), "cpu"),
        (line("plan", "Pro, 2025-02-30 to 2025-02-31", "month:p"), "Pro, 2025-02-30 - 2025-02-31"),
        (
            line("correction", "Storage, correction for 2025-01", "storage"),
            "Speicherplatz, Korrektur für Januar 2025",
        ),
        (
            line("correction", "CPU, correction for 2025-01-01..2025-01-15", "cpu"),
            "CPU, Korrektur für 1.–15. Jan. 2025",
        ),
        (
            line("correction", "Pro, unused from 2025-01-16 on", "year:pro"),
            "Pro, ungenutzt ab 16.01.2025",
        ),
        (line("carried", "Carried to credit"), "Als Guthaben übertragen"),
        (line("manual", "CPU, correction for 2025-01"), "CPU, correction for 2025-01"),
        (
            Line("credit_note", "Not used {name}", 1, about=line("overage", "?", "overage:cpu")),
            "CPU-Mehrverbrauch: Not used {name}",
        ),
    ],
)
def test_descriptions_are_in_the_language(said: Line, printed: str) -> None:
    assert described(said, language("de")) == printed


def test_braces_in_a_value_mean_nothing() -> None:
    assert fill("{a} {b} {c}", a="{b}", b="{a}{0}") == "{b} {a}{0} {c}"


def test_blank_lines_are_left_out() -> None:
    assert split_lines(" one\r\n\n two \n") == ("one", "two")
    assert split_lines(None) == ()


def test_days_of_one_day_are_that_day() -> None:
    assert language("en").days(date(2025, 1, 1), date(2025, 1, 1)) == "Jan 1, 2025"
