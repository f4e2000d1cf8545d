"""Signed deliveries of events, as Stripe posts them to a webhook endpoint."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.stripe_server.state import Object


@dataclass(frozen=True)
class Delivery:
    """One event that was posted, and the status of the answer (0: there was none)."""

    event: Object
    status: int


def signature(body: bytes, secret: str, moment: int) -> str:
    """The header ``Stripe-Signature`` of a body."""
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={signed.hexdigest()}"


def signed(event: Object, secret: str, moment: int) -> tuple[bytes, str]:
    """An event as it is posted: its body, and the header with its signature."""
    body = json.dumps(event, indent=2).encode()
    return body, signature(body, secret, moment)


def deliver(
    url: str,
    secret: str,
    events: Iterable[Object],
    *,
    moment: int,
    copies: int = 1,
    shuffle: int | None = None,
    timeout: float = 10.0,
) -> list[Delivery]:
    """Post events to a receiver, each so many times, in an order drawn from a seed if one is given.

    ``moment`` is when they are signed, in seconds.
    """
    posts = [event for event in events for _ in range(copies)]
    if shuffle is not None:
        random.Random(shuffle).shuffle(posts)  # noqa: S311 - not for secrets
    return [
        Delivery(event, _post(url, *signed(event, secret, moment), timeout=timeout))
        for event in posts
    ]


def _post(url: str, body: bytes, header: str, *, timeout: float) -> int:
    request = urllib.request.Request(  # noqa: S310 - a receiver of the tests' own
        url,
        body,
        {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": header,
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310 - the same
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def old_shape(event: Object) -> Object:
    """An event as accounts with an old default version get it, of 2020-08-27.

    Where things were then: an invoice's ``subscription``, ``payment_intent``, ``charge`` and
    ``paid``; a subscription's own period and plan; a payment intent's ``charges`` and ``invoice``.
    """
    made = json.loads(json.dumps(event))
    made["api_version"] = "2020-08-27"
    row = made["data"]["object"]
    if change := _OLD.get(row["object"]):
        change(row)
    return dict(made)


def _old_invoice(row: dict[str, Any]) -> None:
    parent = row.pop("parent", None) or {}
    details = parent.get("subscription_details") or {}
    row["subscription"] = details.get("subscription")
    row["paid"] = row["status"] == "paid"
    row["payment_intent"] = row["charge"] = None
    row["tax"] = sum(tax["amount"] for tax in row.pop("total_taxes"))
    for line in row["lines"]["data"]:
        part = line.pop("parent")
        of_item = part["subscription_item_details"]
        line["type"] = "subscription" if of_item else "invoiceitem"
        line["subscription"] = of_item and of_item["subscription"]
        line["proration"] = bool((of_item or part["invoice_item_details"])["proration"])
        line["price"] = (line.pop("pricing")["price_details"] or {}).get("price")
        line["tax_amounts"] = line.pop("taxes")


def _old_subscription(row: dict[str, Any]) -> None:
    items = row["items"]["data"]
    for name in ("current_period_start", "current_period_end"):
        row[name] = items[0][name]
        for item in items:
            del item[name]
    row["plan"], row["quantity"] = items[0]["plan"], items[0]["quantity"]
    row["discount"] = None
    del row["billing_mode"]


def _old_intent(row: dict[str, Any]) -> None:
    charge = row.pop("latest_charge")
    row["charges"] = {"object": "list", "data": [{"id": charge}] if charge else []}
    row["invoice"] = None


def _old_charge(row: dict[str, Any]) -> None:
    row["invoice"] = None
    row["refunds"] = {"object": "list", "data": [], "has_more": False}


_OLD = {
    "invoice": _old_invoice,
    "subscription": _old_subscription,
    "payment_intent": _old_intent,
    "charge": _old_charge,
}
