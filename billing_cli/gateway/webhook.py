"""Telling a server of events by webhooks, signed as Standard Webhooks 1.0 says.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final

from billing_cli.errors import NotConfiguredError
from billing_cli.gateway.http_client import HttpClient, UnreachableError, pause_of
from billing_cli.gateway.outcomes import DELIVERED, Outcome, failed, gone, unreachable

_PREFIX: Final = "whsec_"
_LEAST_BYTES, _MOST_BYTES = 24, 64
_GONE: Final = 410
# The server as a whole is overloaded or down, not offended by this event.
_BUSY: Final = (429, 502, 503, 504)


def read_keys(secret: str) -> tuple[bytes, ...]:
    """Return the keys in a text of one ``whsec_…``, or of several while one replaces another.

    Raises :class:`NotConfiguredError` for what is none, and repeats nothing of it.
    """
    return tuple(_key(word) for word in secret.split() or [""])


def _key(word: str) -> bytes:
    try:
        key = base64.b64decode(word.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not word.startswith(_PREFIX) or not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise NotConfiguredError(
            f"its signing secret is not whsec_ and {_LEAST_BYTES} to {_MOST_BYTES} bytes in base64",
            "make one: echo whsec_$(openssl rand -base64 32), and tell the receiver",
        )
    return key


def signature(keys: tuple[bytes, ...], identity: str, moment: int, body: bytes) -> str:
    """Return the signatures of a body, one for each key."""
    signed = f"{identity}.{moment}.".encode() + body
    digests = (hmac.digest(key, signed, "sha256") for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


class WebhookSink:
    """Posts events to a URL."""

    def __init__(
        self, url: str, keys: tuple[bytes, ...], timeout: int, ca_file: str | None
    ) -> None:
        """Keep where to post to; nothing is connected yet."""
        self._client = HttpClient(url, timeout, ca_file)
        self._keys = keys

    def send(self, identity: str, body: bytes, now: int) -> Outcome:
        """Post an event's JSON. The receiver knows a repetition by its ``identity``."""
        headers = {
            "Content-Type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(self._keys, identity, now, body),
        }
        try:
            answer = self._client.request("POST", self._client.target, headers, body)
        except UnreachableError as error:
            return unreachable(str(error))
        status, said = answer.status, f"{self._client.server} answers {answer.status}"
        if 200 <= status < 300:  # noqa: PLR2004 - HTTP's success
            return DELIVERED
        if status == _GONE:
            return gone(f"{said}: it wants no more events")
        if 300 <= status < 400:  # noqa: PLR2004 - HTTP's redirects
            return failed(f"{said}: redirects are not followed, so give its new address as url")
        if status in _BUSY:
            return Outcome(
                failed(said).kind, said, pause_of(answer.retry_after, now), unreachable=True
            )
        return failed(said, pause_of(answer.retry_after, now))

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()
