"""The languages of documents: the words that come with the program, and Babel's formats.

Words are in ``documents/words``, a file a language; one that has none is printed in English.
Numbers, money and dates are as the Unicode CLDR has them. Digits are always 0 to 9.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from billing_cli.errors import NotInstalledError
from billing_cli.pricing.money import exponent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from babel import Locale
    from babel.numbers import NumberPattern

ENGLISH: Final = "en"

# More digits than any amount, price or quantity has.
_DIGITS: Final = 60
_MOST_DECIMALS: Final = 12
_TRADITIONAL: Final = {"Hant", "TW", "HK", "MO"}


@dataclass(frozen=True, slots=True)
class Language:
    """A language in which documents are printed: a :class:`~pricing.invoice_pdf.Texts`."""

    name: str
    """How the file of its words is called, such as ``de`` or ``zh-Hant``."""
    tag: Mapping[str, str | None]
    words: Mapping[str, str]
    units: Mapping[str, str]
    items: Mapping[str, str]
    locale: Locale

    def number(self, value: str, least: int) -> str:
        """Write a decimal text with all its decimals, and at least so many."""
        return self._written(self.locale.decimal_formats[None], value, (least, _MOST_DECIMALS))

    def money(self, value: str, currency: str) -> str:
        """Write an amount, with exactly its decimals, and its currency.

        The decimals are those of ISO 4217: the CLDR's differ where cents are out of use.
        """
        digits = exponent(currency)
        pattern = self.locale.currency_formats["standard"]
        return self._written(pattern, value, (digits, digits), currency)

    def percent(self, value: str) -> str:
        """Write a percentage."""
        pattern = self.locale.percent_formats[None]
        return self._written(pattern, str(Decimal(value).scaleb(-2)), (0, _MOST_DECIMALS))

    def _written(
        self,
        pattern: NumberPattern,
        value: str,
        decimals: tuple[int, int],
        currency: str | None = None,
    ) -> str:
        from babel.numbers import parse_pattern

        own = parse_pattern(pattern.pattern)
        own.frac_prec = decimals
        with localcontext(prec=_DIGITS):
            text: str = own.apply(
                Decimal(value), self.locale, currency=currency, currency_digits=False
            )
        return text

    def day(self, value: date) -> str:
        """Write a date."""
        from babel.dates import format_date

        return format_date(value, "medium", self.locale)

    def days(self, first: date, last: date) -> str:
        """Write the dates from the first to the last."""
        from babel.dates import format_interval

        return (
            self.day(first)
            if first == last
            else format_interval(first, last, "yMMMd", locale=self.locale)
        )

    def month(self, value: date) -> str:
        """Write the month and year of a date."""
        from babel.dates import format_skeleton

        return format_skeleton("yMMMM", value, locale=self.locale)


def available() -> list[str]:
    """Return the names of the languages there are words for, in order."""
    return sorted(
        file.name.removesuffix(".toml")
        for file in files("billing_cli").joinpath("documents", "words").iterdir()
        if file.name.endswith(".toml")
    )


def named(tag: str) -> str | None:
    """Return the name of the language that serves a tag such as ``de-AT``; None for none."""
    code, *rest = tag.split("-")
    name = code.lower()
    if name == "zh" and _TRADITIONAL & {_cased(part) for part in rest}:
        name = "zh-Hant"
    return name if name in available() else None


@cache
def language(tag: str) -> Language:
    """Return the language that serves a tag; English where there are no words for it.

    Raises :class:`NotInstalledError` where Babel is not installed.
    """
    name = named(tag)
    if name is None:
        name = tag = ENGLISH
    content = files("billing_cli").joinpath("documents", "words", f"{name}.toml")
    words = tomllib.loads(content.read_text(encoding="utf-8"))
    locale = _locale(name, tag)
    return Language(
        name=name,
        tag={
            "code": locale.language,
            "script": _SCRIPTS.get(name, "latn"),
            "region": locale.territory,
            "direction": locale.character_order.replace("left-to-right", "ltr").replace(
                "right-to-left", "rtl"
            ),
        },
        units=words.pop("units"),
        items=words.pop("items"),
        words=words,
        locale=locale,
    )


_SCRIPTS: Final = {
    "ar": "arab",
    "el": "grek",
    "he": "hebr",
    "ja": "jpan",
    "ko": "kore",
    "ru": "cyrl",
    "zh": "hans",
    "zh-Hant": "hant",
}
"""The scripts of languages, by ISO 15924, where they are not Latin."""


def _locale(name: str, tag: str) -> Locale:
    """Return Babel's locale for a tag; without its region where Babel knows no such thing."""
    try:
        from babel import Locale, UnknownLocaleError
    except ImportError as error:
        raise not_installed("babel") from error
    territory = next((part.upper() for part in tag.split("-")[1:] if len(part) == 2), None)  # noqa: PLR2004 - a region of ISO 3166
    base = name.replace("-", "_")
    try:
        return Locale.parse(f"{base}_{territory}" if territory else base)
    except (ValueError, UnknownLocaleError):
        return Locale.parse(base)


def _cased(part: str) -> str:
    return part.upper() if len(part) == 2 else part.title()  # noqa: PLR2004 - a region of ISO 3166


def not_installed(library: str) -> NotInstalledError:
    """Return the error for a library that documents need and that is not there."""
    return NotInstalledError(
        f"PDF documents need {library}, which is not installed",
        "install it with: pip install 'billing-cli[pdf]'",
    )
