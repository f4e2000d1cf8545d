"""The page about templates names each member of the data, and only those."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.documents import INVOICE, SELLER, data

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = Path(__file__).parent.parent / "docs" / "pdf-template.md"
AMOUNT: Final = ("value", "number", "text")


def members(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all that an object holds; one path stands for the items of a list."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from members(member, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from members(item, f"{path}[]")
    else:
        yield path


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def described() -> set[str]:
    found: set[str] = set()
    for row in re.findall(r"^\| (`.+?) \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", row):
            short = name.removesuffix("…")
            found |= {name} if short == name else {f"{short}.{part}" for part in AMOUNT}
    return found


def test_the_page_describes_all_that_a_template_gets() -> None:
    given = data(INVOICE, seller=replace(SELLER, logo="logo.png"))
    found = {re.sub(r"^words\.\w+$", "words.*", path) for path in members(given)}
    # What is null in one line is an object in another.
    found -= {path for path in found if any(other.startswith(f"{path}.") for other in found)}
    assert found == described()


def test_there_are_no_numbers_but_the_version() -> None:
    given = data(replace(INVOICE, lines=INVOICE.lines * 2))
    assert [value for value in leaves(given) if not isinstance(value, str | None)] == [1]
    for document in (INVOICE, replace(INVOICE, kind="credit_note", balance_due=None)):
        assert set(data(document)) == set(given)


def test_what_does_not_apply_is_null() -> None:
    bare = replace(
        INVOICE, tax_name=None, credits=0, due=None, paid=None, voided=None, balance_due=None
    )
    given = data(bare)
    for name in ("tax", "credits", "due", "paid", "voided", "balance_due", "payment"):
        assert given[name] is None, name
    assert data(replace(INVOICE, balance_due=0))["payment"] is None
    assert data(replace(INVOICE, tax_name="VAT 20 %"))["tax"]["name"]["text"] == "VAT 20 %"
