"""How a payment is split, which invoices a transfer names, and what a credit note takes back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.credit_notes import Parts, of_line, of_total
from billing_cli.pricing.credits import Past, movements
from billing_cli.pricing.payments import fill, numbers_in

SERIES = ["CN-2025", "INV-2024", "INV-2025"]


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**8), max_size=20))
def test_a_payment_fills_one_invoice_after_the_other(amount: int, dues: list[int]) -> None:
    shares, rest = fill(amount, enumerate(dues))
    assert sum(share.amount for share in shares) + rest == amount
    assert rest == max(0, amount - sum(dues))
    filled = [number for number, due in enumerate(dues) if due]
    assert [share.id for share in shares] == filled[: len(shares)]
    assert all(share.amount == dues[share.id] for share in shares[:-1])


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("INV-2025-000001", ["INV-2025-000001"]),
        ("Payment for inv 2025 000001, thanks", ["INV-2025-000001"]),
        ("inv2025000001", ["INV-2025-000001"]),
        ("INV-2025-000002 + INV-2024-000001", ["INV-2025-000002", "INV-2024-000001"]),
        ("INV-2025-000002 INV/2025/000002", ["INV-2025-000002"]),
        ("INVOICE 2025", []),
        ("INV-2026-000001", []),
        # What was typed wrongly is not guessed: no such invoice will be found.
        ("INV-2025-1", ["INV-2025-1"]),
        ("INV2025000001031", ["INV-2025-000001031"]),
        ("=cmd|' /C calc'!A0", []),
        ("", []),
    ],
)
def test_numbers_are_found_as_people_write_them(text: str, numbers: list[str]) -> None:
    assert numbers_in(text, SERIES) == numbers
    assert numbers_in(text, []) == []


@given(st.data(), st.integers(0, 10**7), st.sampled_from(["0", "7.7", "19", "23.33"]))
def test_notes_that_take_all_take_its_net_and_its_tax(
    data: st.DataObject, net: int, percent: str
) -> None:
    whole = Parts(net, round(net * Decimal(percent) / 100))
    left = whole
    while left.total:
        total = data.draw(st.integers(1, left.total)) if data.draw(st.booleans()) else left.total
        parts = of_total(total, left)
        assert parts.total == total
        assert 0 <= parts.net <= left.net
        assert 0 <= parts.tax <= left.tax
        left = Parts(left.net - parts.net, left.tax - parts.tax)
    assert left == Parts(0, 0)


@given(st.lists(st.integers(1, 10**4), min_size=1, max_size=8), st.integers(0, 40))
def test_notes_for_every_line_take_all(lines: list[int], percent: int) -> None:
    left = Parts(sum(lines), round(Decimal(sum(lines) * percent) / 100))
    for line in lines:
        parts = of_line(line, Decimal(percent), left)
        assert 0 <= parts.tax <= left.tax
        left = Parts(left.net - parts.net, left.tax - parts.tax)
    assert left == Parts(0, 0)


uses = st.lists(
    st.tuples(st.integers(1, 50), st.integers(10, 90), st.none() | st.integers(1, 30)), max_size=5
)


@given(uses, st.none() | st.integers(11, 60))
def test_a_balance_is_never_below_zero(
    wanted: list[tuple[int, int, int | None]], expires_at: int | None
) -> None:
    """Uses take what is there, at any time: the period of a late invoice may be long over."""
    taken: list[tuple[str, int, int, int | None]] = []
    for number, (amount, at, back_after) in enumerate(sorted(wanted, key=lambda use: use[1])):
        live = sum(use[1] for use in taken if use[3] is None or use[3] > at)
        if amount <= 100 - live:
            back = None if back_after is None else at + back_after
            taken.append((f"INV-{number}", amount, at, back))
    past = Past(1, 100, 10, expires_at, 0, None, tuple(taken))
    moves = movements([past], now=1_000)
    balance = 0
    for move in moves:
        balance += move.amount
        assert 0 <= balance <= 100
    used = sum(use[1] for use in taken if use[3] is None)
    assert balance == (100 - used if expires_at is None else 0)
