"""Canonical content: one spelling for all JSON texts that say the same."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

import msgspec

from billing_cli.pricing.instants import parse_instant

_HASH_BYTES: Final = 16
# Beyond this many zeros a whole number keeps its exponent rather than filling memory.
_MOST_ZEROS: Final = 400


def canonical(payload: str) -> bytes:
    """Return the content of a JSON ``payload`` in the spelling that all equal payloads share.

    White space, the order of keys, the notation of a number (``2``, ``2.0``, ``20e-1``) and
    that of an RFC 3339 time make no difference; anything else does, the text ``"2"`` beside
    the number too. No digit is lost. A payload that cannot be read is its own content.
    """
    try:
        document = _encode(_decode(payload))
    except (ValueError, RecursionError):
        return payload.strip().encode(errors="surrogatepass")
    return _TIME_VALUE.sub(_canonical_time, document)


def content_hash(payload: str) -> str:
    """Return 32 hex digits that name the canonical content of ``payload``."""
    return blake2b(canonical(payload), digest_size=_HASH_BYTES).hexdigest()


def _canonical_number(literal: str) -> msgspec.Raw:
    """Return the shortest spelling of a JSON number that has a point or an exponent."""
    mantissa, _, exponent = literal.lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole.lstrip("-") + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return msgspec.Raw(b"0")
    sign = "-" if whole.startswith("-") else ""
    power = int(exponent or 0) - len(fraction) + len(digits) - len(significant)
    if 0 <= power <= _MOST_ZEROS:
        return msgspec.Raw(f"{sign}{significant}{'0' * power}".encode())
    return msgspec.Raw(f"{sign}{significant}e{power}".encode())


def _canonical_time(match: re.Match[bytes]) -> bytes:
    try:
        second, fraction = parse_instant(match[1].decode())
    except ValueError:
        return match[0]
    # No JSON value starts with an @, so this equals no other content.
    return b"@%d.%s" % (second, fraction.encode())


_decode: Final = msgspec.json.Decoder(float_hook=_canonical_number).decode
_encode: Final = msgspec.json.Encoder(order="sorted").encode
# In compact JSON a quote that no backslash precedes and a digit follows opens a text, and one
# that a colon follows closes a key.
_TIME_VALUE: Final = re.compile(
    rb'"(?<!\\")([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]+(?:[Zz]|[+-][0-9:]{5}))"(?!:)'
)
