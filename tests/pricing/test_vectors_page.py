"""docs/vectors.md says of each vector which test holds it, and these tests are there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.pricing import test_vectors, test_vectors_fees

PAGE = Path(__file__).parents[2] / "docs" / "vectors.md"


def test_the_page_lists_each_vector_and_the_tests_that_hold_it() -> None:
    rows = re.findall(r"^\| ([A-Z]\d+) \|.*\| ([^|]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(dict(rows)) == len(rows)
    named = {identity: re.match(r"`(test_\w+)`", outcome) for identity, outcome in rows}
    tests = {identity: match[1] for identity, match in named.items() if match}
    assert tests == test_vectors.TESTED
    assert all(
        hasattr(test_vectors, name) or hasattr(test_vectors_fees, name) for name in tests.values()
    )
