r"""Text from outside made harmless: in a terminal, a spreadsheet, a Markdown page.

Names of users and sessions may hold anything. What could steer a terminal or mislead the eye is
shown instead of sent: control characters and ANSI escapes, bidirectional controls, line
separators and lone surrogates become ``\t``, ``\x1b`` or ``\u202e``. A backslash stays as it is,
so only JSON, where such an escape belongs to the format, gives every value back exactly.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# DEL and C1, bidirectional controls, line separators, the byte order mark, lone surrogates.
_STEERING: Final = (
    "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
)
_IN_JSON: Final = re.compile(f"[{_STEERING}]")
IN_LINE: Final = re.compile(f"[\x00-\x1f{_STEERING}]")
# Quoted cells may hold tabs and line breaks; a lone carriage return would overwrite a line.
IN_QUOTES: Final = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f{_STEERING}]|\r(?!\n)")

_SHORT: Final = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}
_ONE_BYTE: Final = 0x100

# The full-width forms count: spreadsheets of East Asian locales run them too.
_FORMULA: Final = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_PLAIN_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_MARKUP: Final = re.compile(r"[\\`*_{}\[\]|~$#!]")
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

encode_spaced: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
encode_indented: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2).encode
_encode_compact: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode


def visible(text: str, unsafe: re.Pattern[str] = IN_LINE) -> str:
    """Return ``text`` with each match of ``unsafe`` as an escape that can be read."""
    return unsafe.sub(_escape, text)


def json_text(value: object, encode: Callable[[object], str] = encode_spaced) -> str:
    """Return ``value`` as JSON that a terminal shows as it is; other scripts stay readable."""
    # What the pattern finds is always inside a string, where an escape means the same.
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", encode(value))


def data_cell(value: object, unsafe: re.Pattern[str]) -> str:
    """Return ``value`` as a cell of CSV or TSV, which no spreadsheet runs as a formula.

    Text that begins like a formula, and is not a plain number, gets a leading apostrophe; None
    is empty; lists and dictionaries are compact JSON. Raises TypeError for floats and the rest.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = visible(_text(value), unsafe)
    return f"'{text}" if _FORMULA.match(text) and not _PLAIN_NUMBER.fullmatch(text) else text


def table_cell(value: object) -> str:
    """Return ``value`` as a cell of a table for people: one line, ``-`` for what is missing.

    Raises TypeError as :func:`data_cell` does.
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(_text(value))


def markdown_text(text: str) -> str:
    """Return ``text``, one line, with what Markdown or HTML would interpret escaped."""
    return _MARKUP.sub(r"\\\g<0>", text).translate(_ENTITIES)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple, dict)):
        return json_text(value, _encode_compact)
    kind = type(value).__name__
    raise TypeError(f"a {kind} cannot be printed: format it first")


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < _ONE_BYTE else f"\\u{code:04x}")
