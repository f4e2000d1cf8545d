"""How far each event has come on its way to each sink.

What happens to an event is written down before and after it is sent, never while. Events reach a
sink in their order for each user: one that has to wait holds the later ones of its user back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.store.presence import only_process

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Engine

    from billing_cli.store.sinks import SinkRow
    from billing_cli.store.unit_of_work import Transaction

PENDING: Final = "pending"
SENDING: Final = "sending"
RETRYING: Final = "retrying"
DEAD: Final = "dead"
DELIVERED: Final = "delivered"
SKIPPED: Final = "skipped"
DROPPED: Final = "dropped"
STATES: Final = (PENDING, SENDING, RETRYING, DEAD, DELIVERED, SKIPPED, DROPPED)
SETTLED: Final = (DELIVERED, SKIPPED, DROPPED)

_LOCK_SUFFIX: Final = "-deliver"
_LOCK_NUMBER: Final = 0x62696C64
_MANY: Final = 10_000
_WAITING: Final = f"settled_at IS NULL AND state <> '{DEAD}'"
_EVENT: Final = (
    "o.id, o.type, o.user_key, o.user_id, o.occurred_at, o.recorded_at, o.data, "
    "u.name, u.email, u.language"
)
_FROM: Final = "billing_outbox o LEFT JOIN billing_users u ON u.user_key = o.user_key"


class Told(NamedTuple):
    """An event to be sent, what is known of its user, and how often it was tried.

    ``data`` is JSON. Attempts count the one to be made.
    """

    id: int
    type: str
    user_key: int | None
    user_id: str | None
    occurred_at: int
    recorded_at: int
    data: str
    name: str | None
    email: str | None
    language: str | None
    attempts: int


class Recorded(NamedTuple):
    """What has become of an attempt: the columns of a delivery that it changes."""

    event_id: int
    state: str
    attempts: int
    due_at: int | None
    tried_at: int | None
    settled_at: int | None
    last_error: str | None


class Listed(NamedTuple):
    """A delivery as it is shown; one that has not been looked at yet has no attempts."""

    event_id: int
    type: str
    user_id: str | None
    occurred_at: int
    state: str
    attempts: int
    due_at: int | None
    tried_at: int | None
    settled_at: int | None
    last_error: str | None


class Selection(NamedTuple):
    """Which deliveries of a sink; None is any, but for ``states``, which names them."""

    states: tuple[str, ...]
    event_ids: tuple[int, ...] | None = None
    user_key: int | None = None


class Chosen(NamedTuple):
    """Some events: a subquery that yields their numbers, and its parameters."""

    subquery: str
    parameters: tuple[object, ...]


def recover(tx: Transaction, sink_key: int, limit: int, reason: str) -> None:
    """Take up what a process that is gone was sending: nobody knows whether it arrived.

    Who calls this knows that no other process is sending. What was tried ``limit`` times is dead.
    """
    tx.execute(
        "UPDATE billing_deliveries SET last_error = ?, tried_at = due_at, "
        f"state = CASE WHEN attempts >= ? THEN '{DEAD}' ELSE '{RETRYING}' END, "
        "due_at = CASE WHEN attempts >= ? THEN NULL ELSE due_at END "
        f"WHERE sink_key = ? AND settled_at IS NULL AND state = '{SENDING}'",
        reason,
        limit,
        limit,
        sink_key,
    )


def take_due(tx: Transaction, sink_key: int, now: int, limit: int) -> list[Told]:
    """Mark the next deliveries whose time has come as being sent, and return them in order.

    Of a user who has one that is not due yet, none is taken.
    """
    found = tx.rows(
        f"SELECT {_EVENT}, d.attempts + 1 FROM ("
        # The sign keeps the databases from sorting what the index has in order already.
        "SELECT event_id, attempts FROM billing_deliveries WHERE sink_key = ? "
        f"AND {_WAITING} AND +due_at <= ? AND (user_key IS NULL OR user_key NOT IN ("
        "SELECT b.user_key FROM billing_deliveries b WHERE b.sink_key = ? "
        "AND b.settled_at IS NULL AND b.due_at > ? AND b.user_key IS NOT NULL)) "
        "ORDER BY event_id LIMIT ?) d JOIN billing_outbox o ON o.id = d.event_id "
        "LEFT JOIN billing_users u ON u.user_key = o.user_key ORDER BY o.id",
        sink_key,
        now,
        sink_key,
        now,
        limit,
    )
    taken = [Told(*row) for row in found]
    subquery, parameter = tx.numbers([told.id for told in taken])
    tx.execute(
        f"UPDATE billing_deliveries SET state = '{SENDING}', attempts = attempts + 1, "
        f"due_at = ? WHERE sink_key = ? AND event_id IN {subquery}",
        now,
        sink_key,
        parameter,
    )
    return taken


def read_new(tx: Transaction, position: int, types: Sequence[str], limit: int) -> list[Told]:
    """Return the next events of some types after one."""
    subquery, parameter = tx.texts(types)
    return [
        Told(*row)
        for row in tx.rows(
            f"SELECT {_EVENT}, 1 FROM {_FROM} WHERE o.id > ? AND o.type IN {subquery} "
            "ORDER BY o.id LIMIT ?",
            position,
            parameter,
            limit,
        )
    ]


def held(tx: Transaction, sink_key: int, user_keys: Sequence[int]) -> set[int]:
    """Return those of some users who have a delivery that waits: what is later waits, too."""
    subquery, parameter = tx.numbers(user_keys)
    return {
        row[0]
        for row in tx.rows(
            "SELECT DISTINCT user_key FROM billing_deliveries WHERE sink_key = ? "
            f"AND {_WAITING} AND state <> '{SENDING}' AND user_key IN {subquery}",
            sink_key,
            parameter,
        )
    }


def begin(
    tx: Transaction, sink_key: int, taken: Iterable[Told], waiting: Iterable[Told], now: int
) -> None:
    """Write new deliveries down: those that are being sent, and those that wait for others."""
    columns = ("sink_key", "event_id", "user_key", "state", "attempts", "due_at")
    sending = [(sink_key, one.id, one.user_key, SENDING, 1, now) for one in taken]
    pending = [(sink_key, one.id, one.user_key, PENDING, 0, now) for one in waiting]
    tx.insert("billing_deliveries", columns, [*sending, *pending])


def record(tx: Transaction, sink_key: int, results: Iterable[Recorded]) -> None:
    """Write down what has become of deliveries that were being sent."""
    tx.execute_many(
        "UPDATE billing_deliveries SET state = ?, attempts = ?, due_at = ?, tried_at = ?, "
        "settled_at = ?, last_error = ? WHERE sink_key = ? AND event_id = ?",
        [(*row[1:], sink_key, row.event_id) for row in results],
    )


def release(tx: Transaction, sink_key: int, event_ids: Sequence[int]) -> None:
    """Let deliveries that were to be sent, and were not, wait as they did before."""
    subquery, parameter = tx.numbers(event_ids)
    tx.execute(
        f"UPDATE billing_deliveries SET attempts = attempts - 1, "
        f"state = CASE WHEN tried_at IS NULL THEN '{PENDING}' ELSE '{RETRYING}' END "
        f"WHERE sink_key = ? AND event_id IN {subquery}",
        sink_key,
        parameter,
    )


def counts(tx: Transaction, sink_key: int) -> dict[str, int]:
    """Return how many deliveries of a sink are open, by state."""
    return dict(
        tx.rows(
            "SELECT state, COUNT(*) FROM billing_deliveries "
            "WHERE sink_key = ? AND settled_at IS NULL GROUP BY state ORDER BY state",
            sink_key,
        )
    )


def count_due(tx: Transaction, sink_key: int, now: int) -> int:
    """Return how many deliveries of a sink are due, those that wait for them included."""
    number: int = tx.value(
        f"SELECT COUNT(*) FROM billing_deliveries WHERE sink_key = ? AND {_WAITING} "
        "AND due_at <= ?",
        sink_key,
        now,
    )
    return number


def count_new(tx: Transaction, position: int, types: Sequence[str]) -> int:
    """Return how many events of some types there are after one."""
    subquery, parameter = tx.texts(types)
    number: int = tx.value(
        f"SELECT COUNT(*) FROM billing_outbox WHERE id > ? AND type IN {subquery}",
        position,
        parameter,
    )
    return number


def listed(tx: Transaction, sink_key: int, selection: Selection) -> Iterator[Listed]:
    """Yield deliveries of a sink in the order of their events."""
    condition, parameters = _condition(tx, selection, "d.")
    for row in tx.stream(
        "SELECT d.event_id, o.type, o.user_id, o.occurred_at, d.state, d.attempts, d.due_at, "
        "d.tried_at, d.settled_at, d.last_error FROM billing_deliveries d "
        "JOIN billing_outbox o ON o.id = d.event_id "
        f"WHERE d.sink_key = ? AND {condition} ORDER BY d.event_id",
        sink_key,
        *parameters,
    ):
        yield Listed(*row)


def listed_new(
    tx: Transaction, position: int, types: Sequence[str], selection: Selection
) -> Iterator[Listed]:
    """Yield the events after one that will be delivered, and have not been looked at yet."""
    subquery, types_parameter = tx.texts(types)
    parts, parameters = [f"o.id > ? AND o.type IN {subquery}"], [position, types_parameter]
    if selection.event_ids is not None:
        numbers, parameter = tx.numbers(selection.event_ids)
        parts.append(f"o.id IN {numbers}")
        parameters.append(parameter)
    if selection.user_key is not None:
        parts.append("o.user_key = ?")
        parameters.append(selection.user_key)
    for row in tx.stream(
        f"SELECT o.id, o.type, o.user_id, o.occurred_at, '{PENDING}', 0, o.queued_at, "
        "CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), CAST(NULL AS TEXT) "
        f"FROM billing_outbox o WHERE {' AND '.join(parts)} ORDER BY o.id",
        *parameters,
    ):
        yield Listed(*row)


def retry(tx: Transaction, sink_key: int, selection: Selection, now: int) -> int:
    """Have deliveries of a sink tried again as if they were new; return how many that are."""
    condition, parameters = _condition(tx, selection, "")
    return tx.execute(
        f"UPDATE billing_deliveries SET state = '{PENDING}', attempts = 0, due_at = ?, "
        f"tried_at = NULL, settled_at = NULL WHERE sink_key = ? AND {condition}",
        now,
        sink_key,
        *parameters,
    )


def drop(tx: Transaction, sink_key: int, selection: Selection, now: int) -> int:
    """Give deliveries of a sink up for good; return how many that are."""
    condition, parameters = _condition(tx, selection, "")
    return tx.execute(
        f"UPDATE billing_deliveries SET state = '{DROPPED}', due_at = NULL, settled_at = ? "
        f"WHERE sink_key = ? AND {condition}",
        now,
        sink_key,
        *parameters,
    )


def again(tx: Transaction, sink: SinkRow, types: Sequence[str], chosen: Chosen, now: int) -> None:
    """Have a sink told again of events of some types that it has been served.

    What is being sent stays as it is.
    """
    subquery, types_parameter = tx.texts(types)
    count = tx.execute(
        "INSERT INTO billing_deliveries (sink_key, event_id, user_key, state, attempts, due_at) "
        f"SELECT CAST(? AS BIGINT), o.id, o.user_key, '{PENDING}', 0, CAST(? AS BIGINT) "
        f"FROM billing_outbox o WHERE o.id <= ? AND o.type IN {subquery} "
        f"AND o.id IN {chosen.subquery} "
        f"ON CONFLICT (sink_key, event_id) DO UPDATE SET state = '{PENDING}', attempts = 0, "
        "due_at = excluded.due_at, tried_at = NULL, settled_at = NULL, last_error = NULL "
        f"WHERE billing_deliveries.state <> '{SENDING}'",
        sink.sink_key,
        now,
        sink.position,
        types_parameter,
        *chosen.parameters,
    )
    if count >= _MANY:
        # A planner that knew of few open deliveries would sort them all for each batch.
        tx.analyze("billing_deliveries")


def _condition(tx: Transaction, selection: Selection, prefix: str) -> tuple[str, list[object]]:
    subquery, parameter = tx.texts(selection.states)
    parts, parameters = [f"{prefix}state IN {subquery}"], [parameter]
    if not set(selection.states) & set(SETTLED):
        parts.append(f"{prefix}settled_at IS NULL")
    if selection.event_ids is not None:
        numbers, numbers_parameter = tx.numbers(selection.event_ids)
        parts.append(f"{prefix}event_id IN {numbers}")
        parameters.append(numbers_parameter)
    if selection.user_key is not None:
        parts.append(f"{prefix}user_key = ?")
        parameters.append(selection.user_key)
    return " AND ".join(parts), parameters


def only_deliverer(engine: Engine) -> AbstractContextManager[bool]:
    """Tell whether this process is the one that delivers, and stay it for a block."""
    return only_process(engine, _LOCK_SUFFIX, _LOCK_NUMBER, tries=1)
