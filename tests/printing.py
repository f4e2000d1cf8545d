"""What the tests of printing share: hostile texts, and what is printed of them."""

from __future__ import annotations

import contextlib
import io
import unicodedata
from typing import TYPE_CHECKING, Final

from billing_cli.output import Column, OutputFormat, emit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NASTY: Final = [
    "[red]markup[/red] :smile:",
    "\x1b[31mred\x1b[0m \x9b31m \x1b]8;;http://example.com\x07",
    "=HYPERLINK(1)",
    " =1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "＝1+1",
    "a\r\nb\rc\nd\te",
    "\u202egnp.exe \u2066 \u200f \u061c",
    "\u2028\u2029\x85\x0b\x0c\x1c",
    "\ud800 alone",
    '"; DROP TABLE billing_invoices; --',
    "a|b \\| `c` <script>&amp; **d** [e](f) ~~g~~ \\",
    "\x00\x7f\ufeff",
    "'",
    "",
]
_BIDI: Final = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def printed(rows: Sequence[Mapping[str, object]], fmt: OutputFormat | str, *keys: str) -> str:
    """What ``emit`` prints for the columns of these keys."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        emit(rows, [Column(key) for key in keys], OutputFormat(fmt))
    return out.getvalue()


def steers(character: str) -> bool:
    """Whether the Unicode database says that this is no character to show."""
    return (
        unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(character) in _BIDI
        or character in "\u200e\u200f\u061c"
    )
