"""The rules behind reports: stretches of time, aging, recurring revenue, refunds, and accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing import aging, ledger, recurring
from billing_cli.pricing.instants import parse_instant
from billing_cli.pricing.ledger import CREDIT, INVOICE, Balances, Move
from billing_cli.pricing.periods import Calendar, Regime
from billing_cli.pricing.refunds import Allocation, Left, Refund, Release, Withdrawal, replay
from billing_cli.pricing.reports import stretches

if TYPE_CHECKING:
    from collections.abc import Sequence

NEW_YORK = Calendar([Regime(None, "America/New_York", 5)])


def at(text: str) -> int:
    return parse_instant(text)[0]


def test_time_is_divided_at_local_months() -> None:
    start, stop = at("2024-12-20T12:00:00Z"), at("2025-04-01T03:00:00Z")
    months = stretches(NEW_YORK, start, stop)
    assert [month.name for month in months] == ["2024-12", "2025-01", "2025-02", "2025-03"]
    assert (months[0].start, months[0].end) == (start, at("2025-01-01T05:00:00Z"))
    assert (months[-1].start, months[-1].end) == (at("2025-03-01T05:00:00Z"), stop)
    for unit, names in (("quarter", ["2024-Q4", "2025-Q1"]), ("year", ["2024", "2025"])):
        found = stretches(NEW_YORK, start, stop, unit)
        assert [stretch.name for stretch in found] == names
        assert [s.start for s in found[1:]] == [s.end for s in found[:-1]]
    assert stretches(NEW_YORK, stop, stop) == []


@given(
    start=st.integers(0, 4 * 10**9),
    length=st.integers(1, 10**8),
    change=st.integers(0, 4 * 10**9),
    zone=st.sampled_from(["Pacific/Apia", "Asia/Kolkata", "America/New_York"]),
)
def test_stretches_have_no_gaps_whatever_the_zones(
    start: int, length: int, change: int, zone: str
) -> None:
    calendar = Calendar([Regime(None, "Pacific/Kiritimati", 1), Regime(change, zone, 9)])
    found = stretches(calendar, start, start + length)
    assert (found[0].start, found[-1].end) == (start, start + length)
    assert [s.start for s in found[1:]] == [s.end for s in found[:-1]]
    assert all(stretch.start < stretch.end for stretch in found)
    assert len({stretch.name for stretch in found}) == len(found)


@pytest.mark.parametrize(
    ("due", "days", "name"),
    [
        ("2025-07-01T12:00:01Z", 0, "not_due"),
        ("2025-07-01T12:00:00Z", 0, "days_0_30"),
        ("2025-06-01T04:00:00Z", 30, "days_0_30"),
        ("2025-06-01T03:59:59Z", 31, "days_31_60"),
        ("2025-05-02T04:00:00Z", 60, "days_31_60"),
        ("2025-05-02T03:59:59Z", 61, "days_61_90"),
        ("2025-04-02T04:00:00Z", 90, "days_61_90"),
        ("2025-04-02T03:59:59Z", 91, "days_over_90"),
    ],
)
def test_what_is_owed_is_aged_by_local_dates(due: str, days: int, name: str) -> None:
    now = at("2025-07-01T12:00:00Z")
    bounds = aging.cutoffs(NEW_YORK, now)
    assert aging.class_of(at(due), bounds) == name
    assert aging.days_overdue(NEW_YORK, at(due), now) == days


@given(amounts=st.lists(st.integers(0, 5), min_size=1), ever=st.booleans())
def test_movements_add_up(amounts: list[int], ever: bool) -> None:
    found = recurring.movements(amounts, ever=ever)
    for before, after, moved in zip(amounts, amounts[1:], found, strict=False):
        assert after == before + (0 if moved is None else moved.amount)
        assert moved is None or (moved.amount < 0) == (moved.kind in {"contraction", "churn"})
    kinds = [moved.kind for moved in found if moved]
    assert kinds.count("new") <= (0 if ever or amounts[0] else 1)
    assert "reactivation" not in kinds[: kinds.index("new")] if "new" in kinds else True


def test_movements_have_their_names() -> None:
    found = recurring.movements([0, 5, 9, 9, 2, 0, 3], ever=False)
    assert [moved and (moved.kind, moved.amount) for moved in found] == [
        ("new", 5),
        ("expansion", 4),
        None,
        ("contraction", -7),
        ("churn", -2),
        ("reactivation", 3),
    ]


CREDIT_OF_9 = Left(1, 9, 9, 10, 40, ((2, 15, 25),))


@pytest.mark.parametrize(
    ("allocations", "credits", "refunds", "released", "withdrawn"),
    [
        # While an invoice used 2 of 9, 7 could be taken; the rest came from the invoice.
        (
            [Allocation(1, 5, 10, None)],
            [CREDIT_OF_9],
            [Refund(20, 8), Refund(40, 2)],
            [Release(1, 1, 10, 20)],
            [Withdrawal(1, 7, 20), Withdrawal(1, 2, 40)],
        ),
        # Taken back whole: the books have the moment already.
        ([Allocation(1, 5, 10, 20), Allocation(2, 3, 10, None)], [], [Refund(20, 5)], [], []),
        (
            [Allocation(1, 5, 10, 20), Allocation(2, 3, 10, None)],
            [],
            [Refund(20, 6)],
            [Release(2, 1, 10, 20)],
            [],
        ),
        # Given back before anybody knew whose it was.
        ([Allocation(1, 5, 30, None)], [], [Refund(20, 6)], [], []),
        # A payment that bounced: all at once, and by no refund.
        ([], [Left(1, 9, 9, 10, 40, ())], [], [], [Withdrawal(1, 9, 40)]),
    ],
)
def test_refunds_are_replayed(
    allocations: Sequence[Allocation],
    credits: Sequence[Left],
    refunds: Sequence[Refund],
    released: list[Release],
    withdrawn: list[Withdrawal],
) -> None:
    assert replay(allocations, credits, refunds) == (released, withdrawn)


@pytest.mark.parametrize(
    ("code", "account"),
    [
        ("receivable", "Assets:Receivable"),
        ("income:cpu", "Income:Usage:Cpu"),
        ("income:overage:storage", "Income:Overage:Storage"),
        ("income:month:pro_v1.2", "Income:Plans:Pro-v1-2"),
        ("income:year:2x", "Income:Plans:2x"),
        ("income:", "Income:Other"),
        ("income:anything else", "Income:Other"),
        ("tax:vat", "Liabilities:Tax:Vat"),
        ("tax:", "Liabilities:Tax:Other"),
        ("credit:payment", "Liabilities:Credits:Prepaid"),
    ],
)
def test_codes_stand_for_accounts(code: str, account: str) -> None:
    assert ledger.account_of(code) == account


moves_of = st.lists(
    st.builds(
        Move,
        st.integers(0, 3),
        st.sampled_from([INVOICE, CREDIT]),
        st.integers(1, 2),
        st.none() | st.just("ann"),
        st.none(),
        st.sampled_from(["receivable", "cash", "income:cpu"]),
        st.sampled_from(["receivable", "cash", "tax:vat"]),
        st.integers(-5, 5),
    )
)


@given(moves=moves_of)
def test_entries_balance_and_open_as_they_closed(moves: list[Move]) -> None:
    balances = Balances()
    for entry in ledger.entries(sorted(moves, key=lambda move: move[:3])):
        assert sum(amount for _, amount in entry.postings) == 0
        assert all(amount for _, amount in entry.postings)
        balances.add(entry)
    opening = balances.opening(9)
    kept = {name: amount for name, amount in balances.sums.items() if amount and name[0] in "AL"}
    if opening is None:
        assert kept == {}
    else:
        assert sum(amount for _, amount in opening.postings) == 0
        assert {n: a for n, a in opening.postings if n != ledger.OPENING} == kept
