"""Who may ask: secret and restricted keys, and what a restricted one lacks."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Final

from tests.stripe_server.errors import StripeError

_KEY: Final = re.compile(r"(sk|rk)_(test|live)_\w+")
# By the part of the path after /v1/: what Stripe calls the permission. Else the part itself.
_PERMISSIONS: Final = {
    "account": "accounts_kyc_basic",
    "accounts": "accounts_kyc_basic",
    "billing_portal": "customer_portal",
    "checkout": "checkout_session",
    "invoiceitems": "invoice",
    "invoice_payments": "invoice",
    "plans": "plan",
    "prices": "plan",
    "refunds": "charge",
}


@dataclass
class Keys:
    """The keys that the server takes: all that look like one, but for those that are revoked.

    ``allowed`` says for a restricted key which permissions it has; one that is not there has all.
    """

    revoked: set[str] = field(default_factory=set)
    allowed: dict[str, frozenset[str]] = field(default_factory=dict)

    def authenticate(self, headers: dict[str, str]) -> str:
        """The key that a request came with, or 401."""
        scheme, _, value = headers.get("authorization", "").partition(" ")
        key = value.strip()
        if scheme.lower() == "basic":
            key = base64.b64decode(key).decode().partition(":")[0]
        if not key:
            raise StripeError(
                401,
                "invalid_request_error",
                "You did not provide an API key. You need to provide your API key in the"
                " Authorization header, using Bearer auth.",
            )
        if not _KEY.fullmatch(key) or key in self.revoked:
            raise StripeError(
                401, "invalid_request_error", f"Invalid API Key provided: {hidden(key)}"
            )
        return key

    def authorize(self, key: str, method: str, path: str, account: str) -> None:
        """Refuse, with 403, what a restricted key lacks the permission for."""
        allowed = self.allowed.get(key)
        if allowed is None:
            return
        needed = permission(method, path)
        if needed in allowed or needed.removesuffix("_read") + "_write" in allowed:
            return
        raise StripeError(
            403,
            "invalid_request_error",
            f"The provided key '{hidden(key)}' does not have the required permissions for this"
            f" endpoint on account '{account}'. Having the '{needed}' permission would allow this"
            " request to continue.",
        )


def permission(method: str, path: str) -> str:
    """The permission that a request needs: ``rak_invoice_write``."""
    part = path.split("/")[2]
    if part == "customers" and "/payment_methods" in path:
        part = "payment_methods"
    name = _PERMISSIONS.get(part, part.removesuffix("s"))
    return f"rak_{name}_{'read' if method == 'GET' else 'write'}"


def hidden(key: str) -> str:
    """A key as Stripe shows it in messages."""
    return f"{key[:8]}{'*' * max(0, len(key) - 12)}{key[-4:]}"
