"""Stripe's events: what one says, and what has to be fetched because of it.

An event is a trigger and nothing else. Its content is as old as its creation, in the API version
of that time, and it may come twice, late and in any order. So the object that it is about is
fetched as it is now. Snapshot events carry that object; thin events (``v2.core.event``) only name
it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from billing_cli.pricing.instants import parse_instant
from billing_cli.pricing.stripe_fields import at, identity, instant, opened, own_id, reference, text

_SNAPSHOT: Final = "event"
_THIN: Final = "v2.core.event"
# A thin event about an object of API v1 is named after its snapshot event.
_THIN_PREFIX: Final = "v1."

HANDLED: Final[frozenset[str]] = frozenset(
    {
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.refunded",
        "checkout.session.completed",
        "customer.deleted",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.updated",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.voided",
        "payment_intent.payment_failed",
        "payment_intent.succeeded",
        "payment_method.attached",
        "payment_method.detached",
        # Harmless: each only has an object fetched that the ones above have fetched, too. They come
        # where those do not: an invoice given up, a refund that fails days later, a bank debit that
        # is returned, another default card, a credit note made on Stripe's pages.
        "charge.failed",
        "credit_note.created",
        "customer.updated",
        "invoice.marked_uncollectible",
        "refund.created",
        "refund.failed",
        "refund.updated",
    }
)
"""The types that have something fetched; others are stored and ignored."""

CUSTOMER: Final = "customer"
SUBSCRIPTION: Final = "subscription"
INVOICE: Final = "invoice"
PAYMENT_INTENT: Final = "payment_intent"
CHECKOUT_SESSION: Final = "checkout_session"
CHARGE: Final = "charge"

_KINDS: Final = {
    "customer": CUSTOMER,
    "subscription": SUBSCRIPTION,
    "invoice": INVOICE,
    "payment_intent": PAYMENT_INTENT,
    "checkout.session": CHECKOUT_SESSION,
    "charge": CHARGE,
}
# Where the objects that are not fetched themselves name the one that is: first come, first served.
_OWNERS: Final = {
    "charge": ((PAYMENT_INTENT, "payment_intent"),),
    "refund": ((PAYMENT_INTENT, "payment_intent"), (CHARGE, "charge")),
    "dispute": ((PAYMENT_INTENT, "payment_intent"), (CHARGE, "charge")),
    "credit_note": ((INVOICE, "invoice"),),
    "payment_method": ((CUSTOMER, "customer"),),
    # What came before payment methods is attached and detached, too.
    "card": ((CUSTOMER, "customer"),),
    "source": ((CUSTOMER, "customer"),),
}
# A thin event does not say whose these are: they have to be fetched to know.
_ONLY_BY_THEMSELVES: Final = frozenset({"refund", "dispute", "credit_note", "payment_method"})

# Fields that let their reader act for somebody: of intents and sessions (`client_secret`), of
# webhook endpoints and ephemeral keys (`secret`), of connected accounts.
_SECRET_FIELD: Final = re.compile(r"(?:.*_)?secret|api_key|(?:access|refresh)_token")
# Behind another word's letters a key does not begin, but behind an encoded character it does.
_KEY: Final = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2}))"
    r"((?:[ers]k_(?:org_)?(?:live|test)_|[ers]k_(?=\w{16})|whsec_|[a-z]+_[A-Za-z0-9]+_secret_))"
    r"[\w*+/=-]+"
)
_MASKED: Final = r"\1…"


@dataclass(frozen=True, slots=True)
class Event:
    """What an event says of itself. ``created`` is in epoch seconds and orders nothing.

    ``account`` is that of a connected account, or the context of a thin event; None for the
    account that the key belongs to. ``customer`` is the customer that the object belongs to or
    is, if the event says it.
    """

    id: str
    type: str
    created: int
    api_version: str | None
    livemode: bool | None
    account: str | None
    object_type: str | None
    object_id: str | None
    customer: str | None
    is_thin: bool


@dataclass(frozen=True, slots=True)
class Target:
    """An object to fetch.

    ``kind`` is one of the six that constants name here; of a thin event it may be ``refund``,
    ``dispute``, ``credit_note`` or ``payment_method`` as well.
    """

    kind: str
    id: str


def read_event(document: object) -> Event:
    """Read a snapshot or thin event. Raises ValueError with the reason if it is none."""
    event = opened(document, "event", _SNAPSHOT, _THIN)
    if text(event.get("object")) is None:
        raise ValueError("not a Stripe event: its field object does not say so")
    kind = identity(event.get("type"))
    if kind is None:
        raise ValueError(f"the Stripe event {own_id(event)} has no usable type")
    is_thin = event["object"] == _THIN
    about = event.get("related_object") if is_thin else at(event, "data", "object")
    about_type, about_id = text(at(about, "type" if is_thin else "object")), reference(about)
    livemode = event.get("livemode")
    return Event(
        id=own_id(event),
        type=kind,
        created=_created(event, is_thin=is_thin),
        api_version=text(event.get("api_version")),
        livemode=livemode if isinstance(livemode, bool) else None,
        account=identity(event.get("account")) or identity(event.get("context")),
        object_type=about_type,
        object_id=about_id,
        customer=about_id if about_type == "customer" else _customer(event, about),
        is_thin=is_thin,
    )


def target_of(event: Event, document: Mapping[str, object]) -> Target | None:
    """Return what to fetch because of ``event``, which was read from ``document``.

    A refund or a dispute has its payment intent fetched, or its charge if it has no intent; a
    payment method, the customer it is or was attached to. None for a type that is stored and
    ignored, and for an event that names nothing to fetch.
    """
    if event.type.removeprefix(_THIN_PREFIX if event.is_thin else "") not in HANDLED:
        return None
    kind, found = event.object_type or "", event.object_id
    for owner, field in () if event.is_thin else _OWNERS.get(kind, ()):
        owner_id = event.customer if owner == CUSTOMER else None
        owner_id = owner_id or reference(at(document, "data", "object", field))
        if owner_id is not None:
            return Target(owner, owner_id)
    if event.is_thin and kind in _ONLY_BY_THEMSELVES and found is not None:
        return Target(kind, found)
    return Target(_KINDS[kind], found) if kind in _KINDS and found is not None else None


def without_secrets(document: Mapping[str, object]) -> dict[str, object]:
    """Return a deep copy of a decoded JSON object that is safe to store and to show.

    Fields that hold secrets are left out, and keys in other texts are masked as by
    :func:`scrub`. Raises ValueError for one that is nested too deeply, as no object of Stripe's is.
    """
    try:
        return _fields_without_secrets(document)
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None


def scrub(text_with_keys: str) -> str:
    """Return a text with what looks like a key masked: of ``sk_test_4eC39H`` ``sk_test_…`` stays.

    Keys are secret and restricted API keys, ephemeral keys, signing secrets of webhooks and
    client secrets of intents.
    """
    return _KEY.sub(_MASKED, text_with_keys)


def _fields_without_secrets(fields: Mapping[str, object]) -> dict[str, object]:
    return {
        scrub(name): _value_without_secrets(value)
        for name, value in fields.items()
        if not _SECRET_FIELD.fullmatch(name)
    }


def _value_without_secrets(value: object) -> object:
    if isinstance(value, Mapping):
        return _fields_without_secrets(value)
    if isinstance(value, list | tuple):
        return [_value_without_secrets(entry) for entry in value]
    return scrub(value) if isinstance(value, str) else value


def _created(event: Mapping[str, object], *, is_thin: bool) -> int:
    value = event.get("created")
    if not is_thin or not isinstance(value, str):
        return instant(value) or 0
    try:
        second, _ = parse_instant(value)
    except ValueError as error:
        raise ValueError(f"the Stripe event {own_id(event)}: created: {error}") from None
    return instant(second) or 0


def _customer(event: Mapping[str, object], about: object) -> str | None:
    """Return the customer of the event's object; what was just detached had one before."""
    return reference(at(about, "customer")) or reference(
        at(event, "data", "previous_attributes", "customer")
    )
