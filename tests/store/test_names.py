"""What can be stored: ids that a column of 64 bits holds."""

from __future__ import annotations

import pytest

from billing_cli.store.names import id_named

LARGEST = 9_223_372_036_854_775_807


@pytest.mark.parametrize(
    ("reference", "number"),
    [
        ("7", 7),
        (7, 7),
        ("007", 7),
        (str(LARGEST), LARGEST),
        (LARGEST, LARGEST),
        (str(LARGEST + 1), None),
        (LARGEST + 1, None),
        (-1, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("INV-2025-000001", None),
        ("\u0663", None),
        ("9" * 5000, None),
    ],
)
def test_an_id_is_a_number_that_a_column_holds(reference: str | int, number: int | None) -> None:
    assert id_named(reference) == number
