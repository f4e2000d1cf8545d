"""Sessions, the segments of their timelines, and what is still to be folded or sliced."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.events import order_key
from billing_cli.pricing.timelines import Anomaly, FoldEvent, Segment
from billing_cli.store.names import can_be_stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.store.unit_of_work import Transaction

_EVENT_COLUMNS = (
    "e.session_key, e.seq, e.at_second, e.at_fraction, e.type, e.state, e.user_key, "
    "e.cpu_millicores, e.memory_mib, e.storage_mib, e.event_id, o.origin"
)


class PendingSession(NamedTuple):
    """A session with new events; ``checkpoint`` is None where nothing was folded before."""

    key: int
    user_key: int | None
    folded_seq: int
    checkpoint: str | None


class KeyedEvent(NamedTuple):
    """An event to fold, its arrival number, and the key of its place in the session's order."""

    key: tuple[object, ...]
    seq: int
    event: FoldEvent


def pending_count(tx: Transaction) -> int:
    """Return how many sessions have events that their timelines do not know yet."""
    count: int = tx.value("SELECT COUNT(*) FROM billing_pending_sessions")
    return count


def pending_sessions(tx: Transaction, limit: int) -> list[PendingSession]:
    """Return the next sessions to fold, in the order of their keys."""
    return [
        PendingSession(*row)
        for row in tx.rows(
            "SELECT s.session_key, s.user_key, s.folded_seq, s.checkpoint "
            "FROM billing_pending_sessions p "
            "JOIN billing_sessions s ON s.session_key = p.session_key "
            "ORDER BY p.session_key LIMIT ?",
            limit,
        )
    ]


def new_events(tx: Transaction, sessions: Sequence[PendingSession]) -> dict[int, list[KeyedEvent]]:
    """Return the events after each session's ``folded_seq``, in the session's order."""
    return _by_session(
        tx.rows(
            f"SELECT {_EVENT_COLUMNS} FROM billing_pending_sessions p "
            "CROSS JOIN billing_sessions s "
            "CROSS JOIN billing_session_events e "
            "CROSS JOIN billing_event_origins o "
            "WHERE p.session_key BETWEEN ? AND ? AND s.session_key = p.session_key "
            "AND e.session_key = p.session_key AND e.seq > s.folded_seq "
            "AND o.origin_key = e.origin_key",
            sessions[0].key,
            sessions[-1].key,
        )
    )


def all_events(tx: Transaction, keys: Sequence[int]) -> dict[int, list[KeyedEvent]]:
    """Return all events of some sessions, each list in the session's order."""
    subquery, parameter = tx.numbers(keys)
    return _by_session(
        tx.rows(
            f"SELECT {_EVENT_COLUMNS} FROM billing_session_events e "
            "JOIN billing_event_origins o ON o.origin_key = e.origin_key "
            f"WHERE e.session_key IN {subquery}",
            parameter,
        )
    )


def _by_session(rows: Iterable[tuple[object, ...]]) -> dict[int, list[KeyedEvent]]:
    found: dict[int, list[KeyedEvent]] = {}
    for row in rows:
        key, seq, second, fraction, kind, state, user, cpu, memory, storage, event_id, origin = row
        place = order_key(second, fraction, kind, state, event_id, origin)  # type: ignore[arg-type]
        event = FoldEvent(second, kind, state, user, cpu, memory, storage, event_id)  # type: ignore[arg-type]
        found.setdefault(key, []).append(KeyedEvent(place, seq, event))  # type: ignore[arg-type]
    for events in found.values():
        events.sort(key=lambda keyed: keyed.key)
    return found


def segments_of(tx: Transaction, keys: Sequence[int]) -> dict[int, list[Segment]]:
    """Return the stored segments of some sessions, each list in order of time."""
    subquery, parameter = tx.numbers(keys)
    found: dict[int, list[Segment]] = {}
    for key, *values in tx.rows(
        "SELECT session_key, start_second, end_second, cpu_millicores, memory_mib, storage_mib, "
        f"state FROM billing_segments WHERE session_key IN {subquery} "
        "ORDER BY session_key, start_second",
        parameter,
    ):
        found.setdefault(key, []).append(Segment(*values))
    return found


def segments_of_user(
    tx: Transaction, user_key: int, start: int, stop: int
) -> dict[int, list[Segment]]:
    """Return the segments of a user's sessions that overlap ``[start, stop)``, by session."""
    found: dict[int, list[Segment]] = {}
    for key, *values in tx.rows(
        "SELECT g.session_key, g.start_second, g.end_second, g.cpu_millicores, g.memory_mib, "
        "g.storage_mib, g.state FROM billing_sessions s "
        "JOIN billing_segments g ON g.session_key = s.session_key "
        "WHERE s.user_key = ? AND g.start_second < ? AND g.end_second > ? "
        "ORDER BY g.session_key, g.start_second",
        user_key,
        stop,
        start,
    ):
        found.setdefault(key, []).append(Segment(*values))
    return found


def replace_segments(
    tx: Transaction,
    removed: Iterable[tuple[int, Segment]],
    added: Iterable[tuple[int, Segment]],
) -> None:
    """Take segments out of timelines and put others in."""
    tx.execute_many(
        "DELETE FROM billing_segments WHERE session_key = ? AND start_second = ?",
        [(key, segment.start) for key, segment in removed],
    )
    tx.insert(
        "billing_segments",
        (
            "session_key",
            "start_second",
            "end_second",
            "cpu_millicores",
            "memory_mib",
            "storage_mib",
            "state",
        ),
        ((key, *segment) for key, segment in added),
    )


def save_folds(tx: Transaction, folds: Iterable[tuple[int, int | None, int, str]]) -> None:
    """Record ``(session_key, user_key, folded_seq, checkpoint)`` and that nothing is pending."""
    rows = list(folds)
    tx.execute_many(
        "UPDATE billing_sessions SET user_key = ?, folded_seq = ?, checkpoint = ? "
        "WHERE session_key = ?",
        [(user, seq, checkpoint, key) for key, user, seq, checkpoint in rows],
    )
    tx.execute_many(
        "DELETE FROM billing_pending_sessions WHERE session_key = ?", [(key,) for key, *_ in rows]
    )


def replace_anomalies(
    tx: Transaction, refolded: Iterable[int], found: Iterable[tuple[int, int, Anomaly]]
) -> None:
    """Drop the anomalies of refolded sessions and add ``(session_key, ordinal, anomaly)``."""
    tx.execute_many(
        "DELETE FROM billing_anomalies WHERE session_key = ?", [(key,) for key in refolded]
    )
    tx.insert(
        "billing_anomalies",
        ("session_key", "ordinal", "kind", "at_second", "event_id", "detail"),
        ((key, ordinal, *anomaly) for key, ordinal, anomaly in found),
    )


def refold_heartbeats(tx: Transaction) -> None:
    """Have every timeline folded anew: another heartbeat timeout is in force."""
    tx.execute(
        "INSERT INTO billing_pending_sessions (session_key) "
        "SELECT session_key FROM billing_sessions WHERE folded_seq > 0 "
        "ON CONFLICT (session_key) DO NOTHING"
    )
    tx.execute("UPDATE billing_sessions SET folded_seq = 0 WHERE folded_seq > 0")


def add_reslices(tx: Transaction, starts: Iterable[tuple[int, int]]) -> None:
    """Remember ``(session_key, instant)`` from which records have to be made again."""
    tx.execute_many(
        "INSERT INTO billing_reslices (session_key, from_second) VALUES (?, ?) "
        "ON CONFLICT (session_key) DO UPDATE SET from_second = excluded.from_second "
        "WHERE billing_reslices.from_second > excluded.from_second",
        list(starts),
    )


def reslices(tx: Transaction, within: int, limit: int) -> list[tuple[int, int]]:
    """Return ``(session_key, from)`` of the earliest sessions to slice again.

    Those whose ``from`` lies within so many seconds of the first, so that they share slots.
    """
    return [
        (key, start)
        for key, start in tx.rows(
            "SELECT session_key, from_second FROM billing_reslices "
            "WHERE from_second < (SELECT MIN(from_second) FROM billing_reslices) + ? "
            "ORDER BY from_second, session_key LIMIT ?",
            within,
            limit,
        )
    ]


def advance_reslices(tx: Transaction, keys: Sequence[int], done: int, *, last: bool) -> None:
    """Record that sessions are sliced again up to an instant, with ``last`` for good."""
    subquery, parameter = tx.numbers(keys)
    left = (
        ""
        if last
        else "AND NOT EXISTS (SELECT 1 FROM billing_segments g "
        "WHERE g.session_key = billing_reslices.session_key AND g.end_second > ?)"
    )
    parameters = (parameter,) if last else (parameter, done)
    tx.execute(
        f"DELETE FROM billing_reslices WHERE session_key IN {subquery} {left}",
        *parameters,
    )
    if not last:
        tx.execute(
            f"UPDATE billing_reslices SET from_second = ? WHERE session_key IN {subquery} "
            "AND from_second < ?",
            done,
            parameter,
            done,
        )


def first_reslice(tx: Transaction) -> int | None:
    """Return the earliest instant from which records are still to be made again."""
    value: int | None = tx.value("SELECT MIN(from_second) FROM billing_reslices")
    return value


class ListedSession(NamedTuple):
    """A session as it stands at an instant; ``state`` None is ended, sizes are what accrues."""

    session_id: str
    user_id: str | None
    state: str | None
    first_second: int
    end_second: int
    cpu: int
    memory: int
    storage: int


def list_sessions(
    tx: Transaction, at: int, user: str | None, *, active: bool
) -> Iterator[ListedSession]:
    """Yield the sessions that have begun by an instant, in byte order of their ids."""
    conditions = ["s.folded_seq > 0"]
    parameters: list[object] = [at, at, at]
    if user is not None:
        conditions.append("u.user_id = ?")
        parameters.append(user)
    if active:
        conditions.append("g.session_key IS NOT NULL")
    sql = (
        "SELECT s.session_id, u.user_id, g.state, t.first_second, t.end_second, "
        "COALESCE(g.cpu_millicores, 0), COALESCE(g.memory_mib, 0), COALESCE(g.storage_mib, 0) "
        "FROM billing_sessions s "
        "JOIN (SELECT session_key, MIN(start_second) AS first_second, "
        "MAX(end_second) AS end_second FROM billing_segments "
        "WHERE start_second <= ? GROUP BY session_key) t "
        "ON t.session_key = s.session_key "
        "LEFT JOIN billing_users u ON u.user_key = s.user_key "
        "LEFT JOIN billing_segments g ON g.session_key = s.session_key "
        "AND g.start_second <= ? AND g.end_second > ? "
        f"WHERE {' AND '.join(conditions)} ORDER BY s.session_id"
    )
    return (ListedSession(*row) for row in tx.stream(sql, *parameters))


def find_session(tx: Transaction, session_id: str) -> tuple[int, int | None, str | None] | None:
    """Return the key, the owner's key and the owner's name of a session that is known."""
    if not can_be_stored(session_id):
        return None
    row = tx.row(
        "SELECT s.session_key, s.user_key, u.user_id FROM billing_sessions s "
        "LEFT JOIN billing_users u ON u.user_key = s.user_key WHERE s.session_id = ?",
        session_id,
    )
    return None if row is None else (row[0], row[1], row[2])


def list_anomalies(
    tx: Transaction, session_id: str | None, user: str | None
) -> Iterator[tuple[object, ...]]:
    """Yield ``(session, user, instant, kind, event id, detail)``, in byte order of the sessions."""
    conditions, parameters = ["1 = 1"], []
    if session_id is not None:
        conditions.append("s.session_id = ?")
        parameters.append(session_id)
    if user is not None:
        conditions.append("u.user_id = ?")
        parameters.append(user)
    return tx.stream(
        "SELECT s.session_id, u.user_id, a.at_second, a.kind, a.event_id, a.detail "
        "FROM billing_anomalies a JOIN billing_sessions s ON s.session_key = a.session_key "
        "LEFT JOIN billing_users u ON u.user_key = s.user_key "
        f"WHERE {' AND '.join(conditions)} ORDER BY s.session_id, a.ordinal",
        *parameters,
    )
