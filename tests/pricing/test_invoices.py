"""Lines, tax, balancing, credits and spans."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.credits import Available, Use, apply_credits
from billing_cli.pricing.invoices import CARRIED, Billed, Line, Unit, content, unit_lines
from billing_cli.pricing.rating import Totals, add_to, amount_minor, shown_quantity, subtract
from billing_cli.pricing.spans import without
from billing_cli.pricing.terms import Tax, Terms, TermsHistory

JANUARY = Unit(0, 2_678_400, None, "2025-01")
CPU = ("cpu", "0.05")
VAT = Tax("vat", "VAT", Decimal(20))


def line(amount: int) -> Line:
    return Line("usage", "CPU", JANUARY, amount)


def test_the_seed_example_costs_one_forty() -> None:
    totals: Totals = {}
    add_to(totals, CPU, 2_678_400, 2_000 * 36_000)
    add_to(totals, ("memory", "0.01"), 2_678_400, 4_096 * 36_000)
    lines = unit_lines(JANUARY, totals, None, "USD", correction=False)
    assert [(x.description, x.quantity, x.amount) for x in lines] == [
        ("CPU", "20.00", 100),
        ("Memory", "40.00", 40),
    ]


def test_half_a_short_february_is_half_a_gb_month() -> None:
    parts = {28 * 86_400: 14 * 86_400 * 1_024}
    assert shown_quantity("storage", parts) == "0.50"
    assert amount_minor(("storage", "0.10"), parts, "USD") == 5


def test_months_of_different_length_share_a_line_rounded_once() -> None:
    parts = {28 * 86_400: 28 * 86_400 * 512, 31 * 86_400: 31 * 86_400 * 512}
    assert shown_quantity("storage", parts) == "1.00"


@pytest.mark.parametrize(("currency", "expected"), [("USD", 5), ("JPY", 0), ("KWD", 50)])
def test_amounts_are_minor_units_of_the_currency(currency: str, expected: int) -> None:
    assert amount_minor(CPU, {0: 3_600_000}, currency) == expected


bases = st.integers(0, 10**12)


@given(st.lists(bases, min_size=1, max_size=6))
def test_corrections_and_the_first_invoice_come_to_what_is_right(arrived: list[int]) -> None:
    """However usage trickles in, all lines of a unit add up to the line of all of it."""
    billed = Billed()
    for count in range(1, len(arrived) + 1):
        totals: Totals = {CPU: {0: sum(arrived[:count])}}
        for found in unit_lines(JANUARY, totals, billed, "USD", correction=count > 1):
            billed.add(CPU, found.parts or {}, found.amount)
    assert billed.amounts.get(CPU, 0) == amount_minor(CPU, {0: sum(arrived)}, "USD")


def test_a_correction_names_its_period_and_may_be_negative() -> None:
    billed = Billed()
    billed.add(CPU, {0: 7_200_000}, 10)
    (found,) = unit_lines(JANUARY, {CPU: {0: 3_600_000}}, billed, "USD", correction=True)
    assert (found.description, found.quantity, found.amount) == (
        "CPU, correction for 2025-01",
        "-1.00",
        -5,
    )


def test_what_vanished_is_taken_back() -> None:
    billed = Billed()
    billed.add(CPU, {0: 7_200_000}, 10)
    (found,) = unit_lines(JANUARY, {}, billed, "USD", correction=True)
    assert found.amount == -10


def test_nothing_to_say_is_no_invoice() -> None:
    assert content([line(0)], VAT, JANUARY) is None
    assert content([], None, JANUARY) is None


def test_tax_is_one_rounded_amount_on_the_sum_of_lines() -> None:
    found = content([line(333), line(334)], VAT, JANUARY)
    assert found is not None
    assert (found.subtotal, found.tax, found.carried) == (667, 133, 0)


def test_a_negative_invoice_is_balanced_and_carried() -> None:
    found = content([line(-500), line(100)], VAT, JANUARY)
    assert found is not None
    assert (found.subtotal, found.tax, found.carried) == (80, -80, 480)
    assert found.lines[-1].kind == CARRIED
    assert found.subtotal + found.tax == 0


@given(st.lists(st.integers(-1_000, 1_000), min_size=1, max_size=8), st.booleans())
def test_an_invoice_is_never_negative_and_always_adds_up(amounts: list[int], taxed: bool) -> None:
    found = content([line(amount) for amount in amounts], VAT if taxed else None, JANUARY)
    if found is not None:
        assert found.subtotal == sum(x.amount for x in found.lines)
        assert found.subtotal + found.tax >= 0
        assert found.carried == 0 or found.subtotal + found.tax == 0


class TestCredits:
    """Which credits an invoice uses, and how much of each."""

    def test_soonest_expiry_first_then_oldest(self) -> None:
        grants = [
            Available(1, 50, created_at=1, expires_at=None),
            Available(2, 50, created_at=2, expires_at=900),
            Available(3, 50, created_at=1, expires_at=900),
            Available(4, 50, created_at=9, expires_at=800),
        ]
        assert apply_credits(180, grants, 100) == [Use(4, 50), Use(3, 50), Use(2, 50), Use(1, 30)]

    def test_expired_by_the_end_of_the_period_is_gone(self) -> None:
        grants = [Available(1, 50, 0, 99), Available(2, 50, 0, 100)]
        assert apply_credits(80, grants, 100) == [Use(2, 50)]

    @given(st.integers(0, 500), st.lists(st.integers(1, 200), max_size=5))
    def test_never_more_than_is_owed_or_left(self, owed: int, left: list[int]) -> None:
        grants = [Available(i, amount, i, None) for i, amount in enumerate(left)]
        used = apply_credits(owed, grants, 0)
        assert sum(use.amount for use in used) == min(owed, sum(left))
        assert all(0 < use.amount <= left[use.credit_id] for use in used)


spans = st.tuples(st.integers(0, 50), st.integers(0, 50)).filter(lambda span: span[0] < span[1])


@given(spans, st.lists(spans, max_size=5))
def test_without_leaves_exactly_the_rest(
    span: tuple[int, int], taken: list[tuple[int, int]]
) -> None:
    left = without(span, taken)
    inside = {i for i in range(*span) if not any(low <= i < high for low, high in taken)}
    assert {i for low, high in left for i in range(low, high)} == inside
    assert sorted(left) == left


def test_subtracting_parts_forgets_what_comes_to_nothing() -> None:
    assert subtract({1: 5, 2: 3}, {1: 5, 3: 1}) == {2: 3, 3: -1}


class TestTermsHistory:
    """Which terms hold when."""

    @staticmethod
    def _terms(cpu: str) -> Terms:
        prices = {"cpu": cpu, "memory": "0", "storage": "0"}
        return Terms("usage", "USD", prices, "UTC", 1, None, None, {}, {})

    def test_later_recorded_terms_replace_what_was_scheduled(self) -> None:
        history = TermsHistory(
            [(None, self._terms("1")), (100, self._terms("2")), (50, self._terms("3"))]
        )
        assert [history.at(t).prices["cpu"] for t in (0, 49, 50, 100, 200)] == list("11333")
        assert history.changes(0, 200) == [50]

    def test_the_first_terms_hold_from_the_beginning(self) -> None:
        with pytest.raises(ValueError, match="beginning"):
            TermsHistory([(5, self._terms("1"))])
