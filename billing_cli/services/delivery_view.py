"""Looking at deliveries, having them tried again, and giving them up."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.errors import ConflictError, UsageError
from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.services import sinks
from billing_cli.services.outbox import numbers_of, require_known
from billing_cli.store import deliveries as store
from billing_cli.store import sinks as sink_store
from billing_cli.store.outbox import PREFIX
from billing_cli.store.users import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.app import App
    from billing_cli.store.sinks import SinkRow
    from billing_cli.store.unit_of_work import Transaction

STATES = store.STATES
OPEN = (store.PENDING, store.SENDING, store.RETRYING, store.DEAD)
_RETRIED = (store.RETRYING, store.DEAD, store.SKIPPED, store.DROPPED)
_RETRIED_BY_ALL = (store.RETRYING, store.DEAD)
_DROPPED = (store.PENDING, store.RETRYING, store.DEAD)


class Asked(NamedTuple):
    """Which deliveries: of which sinks, in which states, of which user and events; None is any."""

    sinks: tuple[str, ...] | None = None
    states: tuple[str, ...] | None = None
    user: str | None = None
    events: tuple[str, ...] | None = None


@contextmanager
def listing(app: App, asked: Asked) -> Iterator[Iterator[dict[str, object]]]:
    """Give deliveries, sink by sink in the order of their events.

    Without states those that are not settled. What no run has looked at yet is ``pending``.
    """
    for state in asked.states or ():
        if state not in STATES:
            raise UsageError(
                f"--state: {quoted(state)} is not a state of a delivery",
                f"use one of: {', '.join(STATES)}",
            )
    with app.unit_of_work() as uow, uow.reading() as tx:
        yield _rows(app, tx, asked)


def _rows(app: App, tx: Transaction, asked: Asked) -> Iterator[dict[str, object]]:
    selection = _selection(tx, asked, asked.states or OPEN)
    types = {sink.name: sink.types for sink in app.settings.values.notifications.sinks}
    for row in _sinks(app, tx, asked.sinks):
        for one in store.listed(tx, row.sink_key, selection):
            yield _shown(row.name, one)
        if store.PENDING in selection.states and row.name in types:
            for one in store.listed_new(tx, row.position, types[row.name], selection):
                yield _shown(row.name, one)


def retry(app: App, asked: Asked, *, dry_run: bool) -> int:
    """Have deliveries tried again at once, with all their attempts; return how many.

    By events what is dead, is retried, was skipped or dropped; without, what is dead or retried.
    """
    states = _RETRIED if asked.events is not None else _RETRIED_BY_ALL
    now = app.clock.now()
    with app.unit_of_work(rehearse=dry_run) as uow, uow.batch() as tx:
        selection, count = _selection(tx, asked, states), 0
        for row in _sinks(app, tx, asked.sinks):
            number = store.retry(tx, row.sink_key, selection, now)
            if number:
                # Whoever asks for it now does not want to wait for a pause to end.
                sink_store.pause(tx, row.sink_key, None)
            count += number
    _require_some(asked, count, "dead or waits to be tried again")
    return count


def drop(app: App, asked: Asked, *, dry_run: bool) -> int:
    """Give deliveries up for good; return how many. Without events, what is dead."""
    states = _DROPPED if asked.events is not None else (store.DEAD,)
    now = app.clock.now()
    with app.unit_of_work(rehearse=dry_run) as uow, uow.batch() as tx:
        selection = _selection(tx, asked, states)
        count = sum(
            store.drop(tx, row.sink_key, selection, now) for row in _sinks(app, tx, asked.sinks)
        )
    _require_some(asked, count, "open")
    return count


def _require_some(asked: Asked, count: int, what: str) -> None:
    if not count and asked.events is not None:
        raise ConflictError(
            f"no delivery of {', '.join(asked.events)} is {what}",
            "billing events deliveries list --event shows how they stand; billing events replay "
            "tells again what was delivered",
        )


def _sinks(app: App, tx: Transaction, names: Sequence[str] | None) -> list[SinkRow]:
    """Return the sinks that were ever served, or those of some names."""
    known = sink_store.known(tx)
    if not names:
        return list(known.values())
    missing = [name for name in names if name not in known]
    if missing:
        # It may be new: then it has no deliveries, which is no mistake.
        sinks.chosen(app.settings, missing)
    return [known[name] for name in names if name in known]


def _selection(tx: Transaction, asked: Asked, states: tuple[str, ...]) -> store.Selection:
    ids = None if asked.events is None else numbers_of(asked.events)
    if ids:
        require_known(tx, ids)
    key = None if asked.user is None else key_of(tx, asked.user)
    return store.Selection(states, ids, key)


def _shown(sink: str, row: store.Listed) -> dict[str, object]:
    return {
        "event": f"{PREFIX}{row.event_id}",
        "sink": sink,
        "type": row.type,
        "user_id": row.user_id,
        "occurred_at": format_instant(row.occurred_at),
        "state": row.state,
        "attempts": row.attempts,
        "next_attempt_at": instant_text(row.due_at),
        "tried_at": instant_text(row.tried_at),
        "settled_at": instant_text(row.settled_at),
        "last_error": row.last_error,
    }
