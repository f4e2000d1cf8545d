"""Session events: append-only facts, each stored once."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from billing_cli.pricing.events import canonical
from billing_cli.store.names import ORIGINS, SESSIONS, USERS, Interner

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_cli.pricing.events import Event
    from billing_cli.store.unit_of_work import Transaction

COLUMNS = (
    "seq",
    "origin_key",
    "event_id",
    "type",
    "session_key",
    "user_key",
    "at_second",
    "at_fraction",
    "state",
    "cpu_millicores",
    "memory_mib",
    "storage_mib",
    "payload",
    "received_at",
)


class EventWriter:
    """Stores batches of events, knowing the names of sessions and users it has met."""

    def __init__(self) -> None:
        """Start with nothing known."""
        self._origins = Interner(ORIGINS)
        self._users = Interner(USERS)
        self._sessions = Interner(SESSIONS)

    def forget(self) -> None:
        """Drop what is known, after a batch that was undone."""
        for interner in (self._origins, self._users, self._sessions):
            interner.forget()

    def store(
        self, tx: Transaction, events: Sequence[Event], received_at: int
    ) -> tuple[int, set[int]]:
        """Store a batch; return how many were new, and the positions of contradictions.

        An event whose identity is there with the same content is a duplicate, one with other
        content contradicts what is stored: neither changes anything.
        """
        before: int = tx.value("SELECT COALESCE(MAX(seq), 0) FROM billing_session_events")
        first: dict[tuple[str, str], int] = {}
        for position, event in enumerate(events):
            first.setdefault((event.origin, event.event_id), position)
        # In the order of the unique key: what lies together in the index is written together.
        rows = self._rows(
            tx, events, [first[identity] for identity in sorted(first)], before, received_at
        )
        new = tx.insert_new("billing_session_events", COLUMNS, "origin_key, event_id", rows)
        conflicts = set()
        if new < len(events):
            stored = self._stored_before(tx, first, before) if new < len(rows) else {}
            for position, event in enumerate(events):
                identity = (event.origin, event.event_id)
                kept = stored.get(identity) or events[first[identity]].payload
                if not _same(kept, event.payload):
                    conflicts.add(position)
        if new:
            tx.execute(
                "INSERT INTO billing_pending_sessions (session_key) "
                "SELECT DISTINCT session_key FROM billing_session_events "
                "WHERE seq > ? AND session_key IS NOT NULL ON CONFLICT (session_key) DO NOTHING",
                before,
            )
        return new, conflicts

    def _rows(
        self,
        tx: Transaction,
        events: Sequence[Event],
        positions: Sequence[int],
        before: int,
        received_at: int,
    ) -> list[tuple[object, ...]]:
        origins = self._origins.keys(tx, {event.origin: None for event in events})
        users = self._users.keys(tx, [e.user_id for e in events if e.user_id is not None])
        sessions = self._sessions.keys(
            tx, [e.session_id for e in events if e.session_id is not None]
        )
        rows: list[tuple[object, ...]] = []
        for seq, position in enumerate(positions, before + 1):
            (
                origin,
                event_id,
                kind,
                session_id,
                user_id,
                second,
                fraction,
                state,
                cpu,
                memory,
                storage,
                payload,
            ) = events[position]
            rows.append(
                (
                    seq,
                    origins[origin],
                    event_id,
                    kind,
                    None if session_id is None else sessions[session_id],
                    None if user_id is None else users[user_id],
                    second,
                    fraction,
                    state,
                    cpu,
                    memory,
                    storage,
                    payload,
                    received_at,
                )
            )
        return rows

    def _stored_before(
        self, tx: Transaction, identities: Iterable[tuple[str, str]], before: int
    ) -> dict[tuple[str, str], str]:
        """Return the payloads of the events that were there before this batch."""
        by_origin: dict[str, list[str]] = defaultdict(list)
        for origin, event_id in identities:
            by_origin[origin].append(event_id)
        origins = self._origins.keys(tx, by_origin)
        found = {}
        for origin, ids in by_origin.items():
            subquery, parameter = tx.texts(ids)
            for event_id, payload in tx.rows(
                "SELECT event_id, payload FROM billing_session_events "
                f"WHERE origin_key = ? AND event_id IN {subquery} AND seq <= ?",
                origins[origin],
                parameter,
                before,
            ):
                found[origin, event_id] = payload
        return found


def _same(stored: str, incoming: str) -> bool:
    return stored == incoming or canonical(stored) == canonical(incoming)
