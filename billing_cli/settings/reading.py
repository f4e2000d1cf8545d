"""Bytes of a config file to a plain document: strict JSON in UTF-8, and no float on the way."""

from __future__ import annotations

import codecs
import json
from collections import Counter
from decimal import Decimal
from typing import NoReturn

from billing_cli.pricing.excerpts import quoted

# No number of use is longer; Python itself refuses to read very long ones as int.
_LONGEST_INT = 40
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class DocumentError(ValueError):
    """The bytes are not one JSON object; the text completes the sentence "FILE ..."."""


def read_document(content: bytes) -> tuple[dict[str, object], list[str]]:
    """Parse the bytes of a config file into its top-level object, and the keys said twice.

    Whole numbers come as ``int``, all others as ``Decimal``; of a repeated key the last value
    counts. A byte order mark of UTF-8 is ignored. Raises :class:`DocumentError` for anything
    but valid UTF-8 that holds one JSON object. No reason repeats a value that may be secret.
    """
    text = _decode(content)
    if not text.strip():
        raise DocumentError("is empty: it must hold a JSON object, if only {}")
    repeated: list[str] = []

    def collect(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated.extend(key for key, count in counts.items() if count > 1)
        return members

    try:
        document = json.loads(
            text,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=collect,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        # Without the cause, which keeps the whole text.
        raise DocumentError(f"is not JSON: {_plain(error.msg)} at {where}") from None
    except RecursionError:
        raise DocumentError("is nested too deeply") from None
    if not _encodable(document):
        raise DocumentError("holds an escape such as \\ud800 that is half a character")
    if not isinstance(document, dict):
        raise DocumentError(f"must hold a JSON object, not {_kind(document)}")
    return document, repeated


def _decode(content: bytes) -> str:
    if content.startswith(_UTF16_MARKS):
        raise DocumentError("is UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DocumentError(f"is not valid UTF-8 (line {line})") from None


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise DocumentError(f"holds a number out of range: {quoted(text)}") from None


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _LONGEST_INT else Decimal(text)


def _refuse_constant(name: str) -> NoReturn:
    raise DocumentError(f"holds {name}, which is no number in JSON")


def _plain(message: str) -> str:
    """Turn the first letter of the parser's message small, to stand inside a sentence."""
    return message[:1].lower() + message[1:]


def _encodable(document: object) -> bool:
    """Tell whether every text can be written again: JSON's escapes can make some that cannot."""
    try:
        json.dumps(document, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "a number"
