"""Events of Stripe's: what came, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.store.unit_of_work import Transaction

PENDING, DONE, IGNORED, FAILED = "pending", "done", "ignored", "failed"
LISTED = "list"
"""Where an event comes from that only says that an object is there."""
STATES = (PENDING, DONE, IGNORED, FAILED)


class EventRow(NamedTuple):
    """A row of ``billing_stripe_events``."""

    seq: int
    id: str
    type: str
    created: int
    api_version: str | None
    source: str
    object_kind: str | None
    object_id: str | None
    state: str
    reason: str | None
    attempts: int
    received_at: int
    worked_at: int | None
    payload: str


class Waiting(NamedTuple):
    """An object with events that were not worked off: the ids of these."""

    kind: str
    id: str
    events: tuple[str, ...]


_COLUMNS = ", ".join(EventRow._fields)


def add(tx: Transaction, events: Sequence[EventRow]) -> int:
    """Keep the events that are not there yet, numbered anew; return how many that were."""
    last = tx.value("SELECT COALESCE(MAX(seq), 0) FROM billing_stripe_events")
    rows = [event._replace(seq=last + number) for number, event in enumerate(events, 1)]
    return tx.insert_new("billing_stripe_events", EventRow._fields, "id", rows) if rows else 0


def listed_as(
    kind: str, object_id: str, why: str, now: int, created: int | None = None
) -> EventRow:
    """Return that an object is to be looked at, as an event; it tells of a state, once.

    ``why`` tells it from others about the same object at the same moment.
    """
    name = f"list/{kind}/{object_id}/{now}"
    return EventRow(
        seq=0,
        id=f"{name}/{why}" if why else name,
        type=f"list.{kind}",
        created=created or now,
        api_version=None,
        source=LISTED,
        object_kind=kind,
        object_id=object_id,
        state=PENDING,
        reason=None,
        attempts=0,
        received_at=now,
        worked_at=None,
        payload="{}",
    )


def of_strangers(tx: Transaction, reason: str) -> Iterator[tuple[str, str]]:
    """Yield id and payload of events that were ignored for a reason."""
    return (
        (event, payload)
        for event, payload in tx.stream(
            "SELECT id, payload FROM billing_stripe_events "
            f"WHERE state = '{IGNORED}' AND reason = ? ORDER BY seq",
            reason,
        )
    )


def reopen(tx: Transaction, ids: Sequence[str]) -> None:
    """Have ignored events worked off after all."""
    subquery, parameter = tx.texts(ids)
    tx.execute(
        f"UPDATE billing_stripe_events SET state = '{PENDING}', reason = NULL, attempts = 0 "
        f"WHERE id IN {subquery} AND state = '{IGNORED}'",
        parameter,
    )


def waiting(tx: Transaction, most_attempts: int, limit: int) -> list[Waiting]:
    """Return objects with pending events, or failed ones tried less often, the longest first."""
    rows = tx.rows(
        "SELECT object_kind, object_id, id FROM billing_stripe_events "
        f"WHERE state IN ('{PENDING}', '{FAILED}') AND (state = '{PENDING}' OR attempts < ?) "
        "ORDER BY seq LIMIT ?",
        most_attempts,
        limit,
    )
    found: dict[tuple[str, str], list[str]] = {}
    for kind, object_id, event in rows:
        found.setdefault((kind, object_id), []).append(event)
    return [Waiting(*target, tuple(events)) for target, events in found.items()]


def finish(  # noqa: PLR0913, PLR0917 - a state with its reason and moment
    tx: Transaction, ids: Sequence[str], state: str, reason: str | None, now: int, tried: int = 1
) -> None:
    """Keep what became of events; one that is done or ignored stays so."""
    subquery, parameter = tx.texts(ids)
    tx.execute(
        "UPDATE billing_stripe_events SET state = ?, reason = ?, worked_at = ?, "
        f"attempts = attempts + ? WHERE id IN {subquery} AND state IN ('{PENDING}', '{FAILED}')",
        state,
        reason,
        now,
        tried,
        parameter,
    )


def retry(tx: Transaction, ids: Sequence[str] | None) -> int:
    """Have failed events worked off again: all, or those named; return how many that are."""
    condition, parameters = "", list[object]()
    if ids is not None:
        subquery, parameter = tx.texts(ids)
        condition, parameters = f"AND id IN {subquery}", [parameter]
    return tx.execute(
        f"UPDATE billing_stripe_events SET state = '{PENDING}', attempts = 0 "
        f"WHERE state = '{FAILED}' {condition}",
        *parameters,
    )


def find(tx: Transaction, event_id: str) -> EventRow | None:
    """Return an event, or None."""
    row = tx.row(f"SELECT {_COLUMNS} FROM billing_stripe_events WHERE id = ?", event_id)
    return None if row is None else EventRow(*row)


def listed(tx: Transaction, state: str | None, kind: str | None) -> Iterator[EventRow]:
    """Yield events in the order in which they came: all, of a state, of a type."""
    conditions, parameters = ["1 = 1"], list[object]()
    for column, value in (("state", state), ("type", kind)):
        if value is not None:
            conditions.append(f"{column} = ?")
            parameters.append(value)
    return (
        EventRow(*row)
        for row in tx.stream(
            f"SELECT {_COLUMNS} FROM billing_stripe_events WHERE {' AND '.join(conditions)} "
            "ORDER BY seq",
            *parameters,
        )
    )


def about(tx: Transaction, kind: str, object_id: str) -> list[EventRow]:
    """Return all events about an object, in the order in which they were made."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM billing_stripe_events "
        "WHERE object_kind = ? AND object_id = ? ORDER BY created, id",
        kind,
        object_id,
    )
    return [EventRow(*row) for row in rows]


def counts(tx: Transaction) -> dict[str, int]:
    """Return how many events are in each state."""
    found: dict[str, int] = dict(
        tx.rows("SELECT state, COUNT(*) FROM billing_stripe_events GROUP BY state")
    )
    return {state: found.get(state, 0) for state in STATES}
