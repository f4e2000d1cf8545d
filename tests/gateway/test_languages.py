from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from billing_cli.gateway.languages import available, language, named

if TYPE_CHECKING:
    from collections.abc import Mapping


def places(words: Mapping[str, str]) -> dict[str, list[str]]:
    return {key: sorted(re.findall(r"\{\w*\}", text)) for key, text in words.items()}


@pytest.mark.parametrize("name", available())
def test_each_language_has_every_word(name: str) -> None:
    found, english = language(name), language("en")
    assert found.name == name
    for part in ("words", "units", "items"):
        assert places(getattr(found, part)) == places(getattr(english, part))
        assert all(text.strip() == text != "" for text in getattr(found, part).values())


def plain(text: str) -> str:
    """A text with its kinds of space and its marks of direction made plain."""
    spaced = re.sub(r"[\u00a0\u2009\u202f]", " ", text)
    return re.sub(r"[\u200e\u200f]", "", spaced).replace("’", "'")


@pytest.mark.parametrize(
    ("tag", "amount", "currency", "text"),
    [
        ("en", "1234567.50", "USD", "$1,234,567.50"),
        ("en-GB", "1234.50", "GBP", "£1,234.50"),
        ("de", "-1234.50", "EUR", "-1.234,50 €"),
        ("de-CH", "1234.50", "CHF", "CHF 1'234.50"),
        ("fr", "1234.50", "EUR", "1 234,50 €"),
        ("ja", "1234", "JPY", "￥1,234"),
        ("en", "0.005", "KWD", "KWD0.005"),
        ("ar", "1.500", "KWD", "1.500 د.ك."),
        # The decimals of ISO 4217, whatever is in use.
        ("en", "5.00", "HUF", "HUF5.00"),
        ("en", "123456789012345678.90", "USD", "$123,456,789,012,345,678.90"),
    ],
)
def test_amounts_are_exact_and_local(tag: str, amount: str, currency: str, text: str) -> None:
    assert plain(language(tag).money(amount, currency)) == text


def test_numbers_keep_all_their_decimals() -> None:
    assert language("en").number("0.0416", 2) == "0.0416"
    assert language("en").number("30", 2) == "30.00"
    assert language("de").number("123456789012345678901.1234567891", 2).endswith(",1234567891")
    assert plain(language("fr").percent("8.875")) == "8,875 %"


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("de-AT", "de"),
        ("PT-br", "pt"),
        ("zh", "zh"),
        ("zh-CN", "zh"),
        ("zh-Hant", "zh-Hant"),
        ("zh-tw", "zh-Hant"),
        ("fi", None),
        ("en-x-" + "a" * 8, "en"),
        ("de-XX", "de"),
    ],
)
def test_a_tag_is_served_by_the_nearest_language(tag: str, name: str | None) -> None:
    assert named(tag) == name
    assert language(tag).name == (name or "en")
    assert language(tag).number("1.50", 2)


def test_no_language_has_other_digits() -> None:
    for name in available():
        assert re.findall(r"[0-9]+", language(name).number("1234.50", 2)) in (
            ["1", "234", "50"],
            ["1234", "50"],
        )
