"""Events of Stripe's: taken in once, from a webhook or from the list of them, and looked at."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from billing_cli.errors import (
    InvalidDataError,
    NotFoundError,
    UsageError,
)
from billing_cli.gateway.stripe_errors import StripeRefusalError
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.stripe_events import (
    HANDLED,
    read_event,
    target_of,
    without_secrets,
)
from billing_cli.pricing.stripe_fields import reference
from billing_cli.pricing.stripe_signatures import SignatureProblem, verify
from billing_cli.services import stripe_customers
from billing_cli.services.stripe_access import LIVE, UNKNOWN, require_signing_secret
from billing_cli.store import stripe_events as store
from billing_cli.store import stripe_links
from billing_cli.store import stripe_requests as requests
from billing_cli.store import stripe_state as state
from billing_cli.store.stripe_events import IGNORED, PENDING, STATES, EventRow
from billing_cli.store.stripe_links import CUSTOMER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from billing_cli.app import App
    from billing_cli.pricing.stripe_events import Event, Target
    from billing_cli.services.stripe_access import Account
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

WEBHOOK, POLLED = "webhook", "poll"
# Stripe keeps events for thirty days.
_KEPT_SECONDS = 29 * 86_400
# Events may be listed a little after later ones: the last minutes are read again.
_OVERLAP_SECONDS = 600
_MOST_TYPES = 20
# Of these the object itself is the answer; of a payment that came of it, another event tells.
_OWN = {"invoice.finalized", "invoice.voided", "customer.updated", "credit_note.created"}
LARGEST_BODY = 5 * 1024 * 1024


class Judged(NamedTuple):
    """An event, the object that it is about, and why it is left alone, if it is."""

    event: Event
    target: Target | None
    reason: str | None


class _LostError(Exception):
    """Stripe does not know the event that was read last, or there is none."""


def accept(tx: Transaction, document: Mapping[str, Any], source: str, now: int) -> bool:
    """Keep an event that is not there yet; tell whether it was new.

    Raises :class:`ValueError` for what is no event of Stripe's.
    """
    event, target, reason = _judge(tx, document)
    row = EventRow(
        seq=0,
        id=event.id,
        type=event.type,
        created=event.created,
        api_version=event.api_version,
        source=source,
        object_kind=None if target is None else target.kind,
        object_id=None if target is None else target.id,
        state=PENDING if reason is None else IGNORED,
        reason=reason,
        attempts=0,
        received_at=now,
        worked_at=None if reason is None else now,
        payload=json.dumps(without_secrets(document), ensure_ascii=False),
    )
    return bool(store.add(tx, [row]))


def _judge(tx: Transaction, document: Mapping[str, Any]) -> Judged:
    """Read an event, and decide whether what it is about is to be looked at."""
    event = read_event(document)
    target = target_of(event, document)
    reason = _why_ignored(tx, event)
    if reason is None and _is_own(tx, event.type, document):
        reason = "our own request, whose answer is known"
    if reason is None and target is None:
        reason = "not of a type that matters here"
    return Judged(event, target, reason)


def _is_own(tx: Transaction, kind: str, document: Mapping[str, Any]) -> bool:
    """Tell whether an event only says what the answer to a request of ours has said already."""
    request = document.get("request")
    key = request.get("idempotency_key") if isinstance(request, dict) else None
    return kind in _OWN and isinstance(key, str) and requests.is_done(tx, key)


def _why_ignored(tx: Transaction, event: Event) -> str | None:
    """Return why an event is not for this database, if it is not."""
    ours, mode = state.get(tx, state.ACCOUNT), state.get(tx, state.MODE)
    if event.account is not None and ours not in {None, UNKNOWN, event.account}:
        return f"of another account: {event.account}"
    if event.livemode is not None and mode is not None and event.livemode != (mode == LIVE):
        return "a live event" if event.livemode else "a test event, for a live deployment"
    return None


def receive(app: App, body: bytes, signature: str | None) -> dict[str, object]:
    """Keep an event that came with a signature; return what is known of it.

    Raises :class:`InvalidDataError` for a signature that does not hold, and for what is no event.
    """
    secret = require_signing_secret(app)
    if len(body) > LARGEST_BODY:
        raise InvalidDataError("the event is larger than any of Stripe's", "nothing was kept")
    now = app.clock.now()
    try:
        verify(body, signature, [secret], now)
        document = json.loads(body)
        with app.unit_of_work() as uow, uow.batch() as tx:
            is_new = accept(tx, document, WEBHOOK, now)
            row = store.find(tx, read_event(document).id)
    except SignatureProblem as error:
        raise InvalidDataError(
            f"the event is refused: {error}", "nothing was kept; docs/stripe.md says what to check"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidDataError(
            f"this is no event of Stripe's: {error}", "nothing was kept"
        ) from None
    if row is None:
        raise LookupError(document)
    return {**row_of(row), "is_new": is_new}


def poll(account: Account, since: int = 0) -> int:
    """Read the events that came since the last time; return how many were new.

    The first time, and after a longer pause than Stripe keeps events for, there is nothing to go
    on from: then what was made from ``since`` on is listed, as if an event had told of it.
    """
    try:
        return sum(_keep(account, page) for page in _unread(account))
    except _LostError:
        return _begin(account, since)


def coming(account: Account, since: int = 0) -> list[tuple[str, str]]:
    """Return kind and id of what :func:`poll` would have looked at; nothing is kept."""
    found: dict[tuple[str, str], None] = {}
    try:
        for page in _unread(account):
            with account.uow.reading() as tx:
                for document in reversed(page):
                    event, target, reason = _judge(tx, document)
                    if reason is None and target and store.find(tx, event.id) is None:
                        found[target.kind, target.id] = None
    except _LostError:
        begun = _begun(account)
        for _, kind, page in _existing(account, since, begun):
            with account.uow.reading() as tx:
                found |= {(kind, str(one["id"])): None for one in _of_ours(tx, page)}
    return list(found)


def _types() -> dict[str, Any]:
    return {"types": sorted(HANDLED)} if len(HANDLED) <= _MOST_TYPES else {}


def _unread(account: Account) -> Iterator[list[dict[str, Any]]]:
    """Yield the events since the last time, a page at a time; in each the newest is the first.

    Raises :class:`_LostError` where there is nothing to go on from.
    """
    with account.uow.reading() as tx:
        cursor = state.get(tx, state.EVENTS_READ)
        read_until = int(state.get(tx, state.EVENTS_SINCE) or 0)
    if cursor is None or account.now - read_until > _KEPT_SECONDS:
        raise _LostError
    while True:
        try:
            page = _page(account, cursor, read_until)
        except StripeRefusalError as error:
            if not error.is_missing and error.status != 400:  # noqa: PLR2004 - HTTP's bad request
                raise
            raise _LostError from error
        yield page["data"]
        if not page.get("has_more"):
            return
        # From here this run goes on, however new it is; the next one begins with the last minutes.
        cursor = str(page["data"][0]["id"])


def _page(account: Account, cursor: str, read_until: int) -> dict[str, Any]:
    if cursor:
        return account.gateway.read("events", limit=100, ending_before=cursor, **_types())
    # There was no event to go on from: those since then, all at once.
    made = {"gte": read_until - _OVERLAP_SECONDS}
    return {"data": list(account.gateway.all("events", created=made, **_types()))}


def _keep(account: Account, found: Sequence[Mapping[str, Any]]) -> int:
    """Keep a page of events, and how far they are read; return how many were new."""
    with account.uow.batch() as tx:
        # Newest first: what happened first is kept first.
        new = sum(accept(tx, one, POLLED, account.now) for one in reversed(found))
        settled = (one for one in found if one["created"] <= account.now - _OVERLAP_SECONDS)
        last = next(settled, None)
        if last is not None:
            state.put(tx, state.EVENTS_READ, str(last["id"]))
        state.put(tx, state.EVENTS_SINCE, str(account.now))
    return new


def note_beginning(account: Account) -> None:
    """Have the first poll read the events from here on, if there was none yet.

    For what is about to be made, and will be told of by an event alone.
    """
    with account.uow.reading() as tx:
        if any(state.get(tx, name) is not None for name in (state.EVENTS_READ, state.EVENTS_NOTED)):
            return
    newest = _newest(account)
    with account.uow.batch() as tx:
        state.put(tx, state.EVENTS_NOTED, f"{account.now} {newest}")


def _newest(account: Account) -> str:
    newest = account.gateway.read("events", limit=1)["data"]
    return str(newest[0]["id"]) if newest else ""


def _begin(account: Account, since: int) -> int:
    """Take what exists as told, and begin to read events from here on, or from where was noted."""
    with account.uow.reading() as tx:
        noted = state.get(tx, state.EVENTS_NOTED)
    at, _, newest = (noted or f"{account.now} {_newest(account)}").partition(" ")
    stripe_customers.look_through(account)
    new = _list_all(account, since)
    with account.uow.batch() as tx:
        state.put(tx, state.EVENTS_READ, newest)
        state.put(tx, state.EVENTS_SINCE, at)
        state.forget(tx, state.BACKFILL)
        state.forget(tx, state.EVENTS_NOTED)
    return new


_LISTED = "done"
# What may matter of what exists, and what each is as the object of an event.
_LISTS: Sequence[tuple[str, Mapping[str, Any], str]] = (
    ("subscriptions", {"status": "all"}, "subscription"),
    ("invoices", {}, "invoice"),
    ("payment_intents", {}, "payment_intent"),
)


def _list_all(account: Account, since: int) -> int:
    """Take what exists and matters as told; return how much of it is new."""
    new = 0
    begun = _begun(account)
    for what, kind, page in _existing(account, since, begun):
        with account.uow.batch() as tx:
            rows = [
                store.listed_as(kind, str(one["id"]), "", account.now, one.get("created"))
                for one in _of_ours(tx, page)
            ]
            new += store.add(tx, rows)
            begun[what] = str(page[-1]["id"]) if page else _LISTED
            state.put(tx, state.BACKFILL, json.dumps(begun))
    return new


def _begun(account: Account) -> dict[str, str]:
    """Return how far lists have come that were cut short."""
    with account.uow.reading() as tx:
        found: dict[str, str] = json.loads(state.get(tx, state.BACKFILL) or "{}")
    return found


def _existing(
    account: Account, since: int, begun: Mapping[str, str]
) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Yield what exists and may matter: the list, the kind, and a page; none ends the list.

    A list that was cut short goes on where it stopped.
    """
    for what, parameters, kind in _LISTS:
        last = begun.get(what)
        if last == _LISTED:
            continue
        narrowed = dict(parameters)
        if since:
            narrowed["created"] = {"gte": since}
        if last:
            narrowed["starting_after"] = last
        for page in account.gateway.pages(what, **narrowed):
            yield what, kind, page
        yield what, kind, []


def _of_ours(tx: Transaction, page: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return those objects on a page that belong to a user."""
    customers = {reference(one.get("customer")) for one in page} - {None}
    known = stripe_links.by_stripe_ids(tx, CUSTOMER, sorted(map(str, customers)))
    return [one for one in page if reference(one.get("customer")) in known]


@contextmanager
def listing(
    app: App, wanted: str | None, kind: str | None
) -> Iterator[Iterator[dict[str, object]]]:
    """Give events in the order in which they came."""
    if wanted is not None and wanted not in STATES:
        raise UsageError(f"--state: {wanted!r} is not a state", f"use one of: {', '.join(STATES)}")
    with app.unit_of_work() as uow, uow.reading() as tx:
        yield (row_of(row) for row in store.listed(tx, wanted, kind))


def show(app: App, event_id: str) -> dict[str, object]:
    """Return an event with what it said."""
    with app.unit_of_work() as uow, uow.reading() as tx:
        row = store.find(tx, event_id)
        if row is None:
            raise _unknown(event_id)
        return {**row_of(row), "payload": json.loads(row.payload)}


def retry(uow: UnitOfWork, ids: Sequence[str]) -> int:
    """Have failed events wait again: those named, or all; return how many that are."""
    with uow.batch() as tx:
        for one in ids:
            if store.find(tx, one) is None:
                raise _unknown(one)
        return store.retry(tx, ids or None)


def _unknown(event_id: str) -> NotFoundError:
    return NotFoundError(
        f"there is no event {event_id!r} of Stripe's", "billing stripe events list shows them"
    )


def row_of(row: EventRow) -> dict[str, object]:
    """Return an event as it is shown."""
    return {
        "id": row.id,
        "type": row.type,
        "state": row.state,
        "reason": row.reason,
        "object": row.object_id,
        "attempts": row.attempts,
        "source": row.source,
        "api_version": row.api_version,
        "created_at": format_instant(row.created),
        "received_at": format_instant(row.received_at),
        "worked_at": instant_text(row.worked_at),
    }
