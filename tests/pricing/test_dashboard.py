"""The dashboard's rules: amounts as invoices have them, bars, and who comes first."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing import dashboard
from billing_cli.pricing.bars import heights, reach
from billing_cli.pricing.dashboard import SORTS, Account, RateSheet, levels_of, limits_of
from billing_cli.pricing.rating import Totals, add_to, amount_minor
from billing_cli.pricing.slots import Stretch
from billing_cli.pricing.terms import RESOURCES

DAY: Final = 86_400
PRICES: Final = (
    {"cpu": "0.05", "memory": "0.01", "storage": "0.1"},
    {"cpu": "0.0416", "memory": "0.01", "storage": "0.123456789012"},
)
QUIET: Final = ("ok",) * 4


@given(
    st.lists(
        st.tuples(
            st.sampled_from(PRICES),
            st.sampled_from([28 * DAY, 30 * DAY, 31 * DAY]),
            st.tuples(*[st.integers(0, 10**14)] * 3),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["USD", "JPY", "KWD"]),
)
def test_a_sheet_says_what_lines_of_an_invoice_would(
    parts: list[tuple[dict[str, str], int, tuple[int, int, int]]], currency: str
) -> None:
    cuts, bases, totals = [], [], Totals()
    for number, (prices, month, base) in enumerate(parts):
        cuts.append(Stretch(number, number + 1, month, prices, 0, 9, "usage"))
        bases.append(base)
        for resource, quantity in zip(RESOURCES, base, strict=True):
            add_to(totals, (resource, prices[resource]), month, quantity)
    sheet = RateSheet(cuts, currency)
    expected = sum(amount_minor(key, some, currency) for key, some in totals.items())
    assert sheet.amount(bases) == expected
    assert abs(sheet.exact(bases) - expected) <= Fraction(len(totals), 2)


def account(name: str, **given: object) -> Account:
    standard = Account(1, name, None, (0, 0, 0, 0), (None,) * 4, QUIET, 0, 0, 0, 0, None, 0, None)
    return standard._replace(**given)  # type: ignore[arg-type]  # fields of the tuple


ONES: Final = [
    account("calm"),
    account("near", levels=("warning", *QUIET[1:]), uses=(9, 0, 0, 0), limits=(10, None, None, 0)),
    account(
        "over", levels=("ok", "exceeded", "ok", "ok"), uses=(0, 3, 0, 0), limits=(8, 2, 9, None)
    ),
    account("late", owed=500, overdue=300, overdue_since=7, plan_id="pro"),
    account("later", owed=900, overdue=900, overdue_since=9, plan_id="basic"),
    account("gone", suspended_since=3, overdue=1, owed=1, cost=5),
    account(
        "zero", levels=("exceeded", *QUIET[1:]), uses=(1, 0, 0, 0), limits=(0, None, None, None)
    ),
]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("attention", "gone later late zero over near calm"),
        ("user", "calm gone late later near over zero"),
        ("plan", "later late calm gone near over zero"),
        ("use", "zero over near calm gone late later"),
        ("owed", "later late gone calm near over zero"),
        ("cost", "gone calm late later near over zero"),
    ],
)
def test_orders(sort: str, expected: str) -> None:
    assert [one.user_id for one in sorted(ONES, key=SORTS[sort])] == expected.split()  # type: ignore[arg-type]  # keys of one kind


def test_how_accounts_stand() -> None:
    assert {one.user_id: one.statuses() for one in ONES} == {
        "calm": {"active"},
        "near": {"warning"},
        "over": {"exceeded"},
        "late": {"overdue"},
        "later": {"overdue"},
        "gone": {"suspended", "overdue"},
        "zero": {"exceeded"},
    }
    assert ONES[-2].status == "suspended"
    assert set(dashboard.STATUSES) >= {one.status for one in ONES}


def test_own_limits_go_before_those_of_a_plan() -> None:
    planned = {"cpu": 8_000, "memory": 16_384, "storage": None}
    own = {"cpu": ("none", None), "memory": ("limit", 1), "spend": ("limit", 500)}
    assert limits_of(planned, {}) == (8_000, 16_384, None, None)
    assert limits_of(planned, own) == (None, 1, None, 500)
    assert limits_of(planned, {"cpu": ("plan", None)}) == (8_000, 16_384, None, None)
    assert levels_of((8_001, 15_000, 5, Fraction(1)), (8_000, 16_384, None, 500), 80) == (
        "exceeded",
        "warning",
        "ok",
        "ok",
    )


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(1, 80))
def test_a_bar_is_full_only_from_all_on_and_empty_only_of_nothing(
    use: int, limit: int, steps: int
) -> None:
    cells = reach(use, limit, steps)
    assert 0 <= cells <= steps
    assert (cells == 0) == (use == 0)
    if limit > 0 and steps > 1:
        assert (cells == steps) == (use >= limit)


def test_columns_reach_as_high_as_they_are() -> None:
    assert heights([0, 1, 50, 100, -5], 100, 8) == [0, 1, 4, 8, 0]
    assert heights([0, 0], 0, 8) == [0, 0]
