"""What may be said about a user: each field read at the border, and refused in plain English.

An empty text says nothing about a field. Reasons complete the sentence "FIELD: ...".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from unicodedata import category

from billing_cli.pricing.excerpts import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

# Unicode's kinds of character that steer a terminal, or hide: controls, formats, line ends.
_HIDDEN: Final = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS: Final = "\u200c\u200d"  # Of the formats, Persian and emoji need these.

_LONGEST_ID: Final = 255
_LONGEST_NAME: Final = 200
_LONGEST_ADDRESS: Final = 1000
_LONGEST_NUMBER: Final = 50
# RFC 5321, section 4.5.3.1.3: a path of 256 octets, its angle brackets counted.
_LONGEST_EMAIL: Final = 254
_LONGEST_LANGUAGE: Final = 35

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
# The outline of BCP 47: a language, then parts for script, region and the rest.
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", re.ASCII)


def hides(text: str) -> bool:
    """Tell whether a text holds a character that steers a terminal or hides."""
    return any(category(character) in _HIDDEN and character not in _JOINERS for character in text)


def is_language(text: str) -> bool:
    """Tell whether a text is a language tag such as ``pt-BR``, by its outline."""
    return len(text) <= _LONGEST_LANGUAGE and _LANGUAGE.fullmatch(text) is not None


def read_user_id(text: str) -> str:
    """Return the id of a new user as it is; ValueError says why it can be none."""
    if not text.strip():
        raise ValueError("a user's id must not be blank")
    if text != text.strip():
        raise ValueError(f"a user's id must not begin or end with a space: {quoted(text)}")
    return _plain(text, _LONGEST_ID)


def read_field(name: str, text: str) -> str | None:
    """Return the value of a field of ``FIELDS``, None for an empty text.

    Spaces around it are dropped. ValueError says what is wrong with it.
    """
    value = text.strip()
    return _READERS[name](value) if value else None


def _plain(text: str, longest: int) -> str:
    if len(text) > longest:
        raise ValueError(f"at most {longest:,} characters are taken, not {len(text):,}")
    if hides(text):
        raise ValueError(f"control characters are not taken: {quoted(text)}")
    return text


def _name(text: str) -> str:
    return _plain(text, _LONGEST_NAME)


def _email(text: str) -> str:
    if len(text) > _LONGEST_EMAIL or hides(text) or not _EMAIL.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not an e-mail address such as john@example.com")
    return text


def _address(text: str) -> str:
    # The one field of several lines.
    lines = [line.strip() for line in text.replace("\r\n", "\n").split("\n")]
    _plain(" ".join(lines), _LONGEST_ADDRESS)
    return "\n".join(lines)


def _language(text: str) -> str:
    if not is_language(text):
        raise ValueError(f"{quoted(text)} is not a language tag such as en or pt-BR")
    return text


def _tax_number(text: str) -> str:
    return _plain(text, _LONGEST_NUMBER)


_READERS: Final[dict[str, Callable[[str], str]]] = {
    "name": _name,
    "email": _email,
    "address": _address,
    "language": _language,
    "tax_number": _tax_number,
}
FIELDS: Final = tuple(_READERS)
"""The fields of a profile, as the store and the output name them."""
