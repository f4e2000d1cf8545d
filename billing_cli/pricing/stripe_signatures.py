"""Whether an event came from Stripe: its signature, as https://docs.stripe.com/webhooks has it.

The header ``Stripe-Signature`` says ``t=SECOND,v1=HEX``: the HMAC-SHA256 of the second, a point
and the body, byte for byte as it was sent, with the secret of the endpoint as the key.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECOND: Final = re.compile(r"[0-9]{1,15}")
_MINUTE: Final = 60


class SignatureProblem(ValueError):  # noqa: N818 - it is the sender's, as in "what is the problem"
    """Why a signature does not hold, in words that may be shown: no secret is in them."""


def verify(
    body: bytes, header: str | None, secrets: Sequence[str], now: int, tolerance: int = 300
) -> int:
    """Return the epoch second at which ``body`` was signed with one of the ``secrets``.

    ``header`` is the value of ``Stripe-Signature``. While a secret is rotated there are two, and
    Stripe signs with both. ``now`` is in epoch seconds, and ``tolerance`` is how many the
    signature may be older or newer: a tolerance of 0 means the same second. Raises
    SignatureProblem with the reason.
    """
    second, signatures = _parse(header)
    signed = b"%d.%s" % (second, body)
    matches = False
    for secret in _usable(secrets):
        expected = hmac.digest(secret, signed, "sha256").hex().encode()
        for signature in signatures:
            # Every pair is compared, so that the time taken does not tell which one matched.
            matches |= hmac.compare_digest(expected, signature)
    if not matches:
        raise SignatureProblem(
            "the signature does not match: usually the body was decoded and written again on its "
            "way, or the signing secret is another endpoint's"
        )
    # Only now: nobody but Stripe learns what the clock here says.
    if now - second > tolerance:
        raise SignatureProblem(
            f"the signature has expired: it is {_words(now - second)} old, and {_words(tolerance)} "
            "are allowed; the event was delayed or is sent again, or the clock here is wrong"
        )
    if second - now > tolerance:
        raise SignatureProblem(
            f"the signature is from the future, by {_words(second - now)}, and {_words(tolerance)} "
            "are allowed: the clock here is slow"
        )
    return second


def _parse(header: str | None) -> tuple[int, list[bytes]]:
    """Return the second and the signatures of scheme v1; other schemes are ignored."""
    if header is None or not header.strip():
        raise SignatureProblem("there is no signature: the header Stripe-Signature is missing")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    seconds = [value for name, _, value in pairs if name == "t"]
    if not seconds or not _SECOND.fullmatch(seconds[0]):
        raise SignatureProblem(
            "the header Stripe-Signature is malformed: expected t=SECONDS,v1=SIGNATURE"
        )
    signatures = [value for name, _, value in pairs if name == "v1"]
    if not signatures:
        raise SignatureProblem("the header Stripe-Signature has no signature of the scheme v1")
    return int(seconds[0]), [value.encode(errors="surrogatepass") for value in signatures]


def _usable(secrets: Sequence[str]) -> list[bytes]:
    """Return the secrets as keys. An empty one is none: everybody can sign with it."""
    keys = [secret.strip().encode(errors="surrogatepass") for secret in secrets if secret.strip()]
    if not keys:
        raise SignatureProblem("no signing secret is configured to check the signature with")
    return keys


def _words(seconds: int) -> str:
    if seconds < 2 * _MINUTE:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{seconds // _MINUTE:,} minutes"
