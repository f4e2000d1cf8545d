"""Session events: append-only facts, each stored once."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from billing_cli.pricing.events import USER_CREATED, canonical
from billing_cli.store import arrivals
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


_SESSION_KEY = COLUMNS.index("session_key")


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
        # One text sorts in half the time of a pair; no text of an event holds a NUL.
        identities = [f"{event[0]}\0{event[1]}" for event in events]
        # Backwards, so that of several with one identity the first is the one that stays.
        first = dict(zip(reversed(identities), range(len(events) - 1, -1, -1), strict=True))
        # In the order of the unique key: what lies together in the index is written together.
        order = [first[identity] for identity in sorted(first)]
        rows = self._rows(tx, events, order, before, received_at)
        new = tx.insert_new("billing_session_events", COLUMNS, "origin_key, event_id", rows)
        conflicts = set()
        if new < len(events):
            stored = self._stored_before(tx, first, before) if new < len(rows) else {}
            for position, (identity, event) in enumerate(zip(identities, events, strict=True)):
                kept = stored.get(identity) or events[first[identity]].payload
                if not _same(kept, event.payload):
                    conflicts.add(position)
        keys: set[object] = set()
        if new == len(rows):
            keys = {row[_SESSION_KEY] for row in rows}
        elif new:
            found = tx.rows(
                "SELECT DISTINCT session_key FROM billing_session_events WHERE seq > ?", before
            )
            keys = {row[0] for row in found}
        self._await_folding(tx, keys)
        if None in keys:
            # Only what is about no session can be about a new user: the rest costs nothing.
            arrivals.note(tx, USER_CREATED, before)
        return new, conflicts

    @staticmethod
    def _await_folding(tx: Transaction, keys: set[object]) -> None:
        subquery, parameter = tx.numbers([key for key in keys if isinstance(key, int)])
        tx.execute(
            "INSERT INTO billing_pending_sessions (session_key) "
            f"SELECT * FROM {subquery} AS found WHERE 1 = 1 ON CONFLICT (session_key) DO NOTHING",
            parameter,
        )

    def _rows(
        self,
        tx: Transaction,
        events: Sequence[Event],
        order: Sequence[int],
        before: int,
        received_at: int,
    ) -> list[tuple[object, ...]]:
        """Return the rows of the events at the positions ``order``, numbered in that order."""
        kept = events if len(order) == len(events) else [events[at] for at in sorted(order)]
        origin_of = self._origins.keys(tx, {event[0] for event in kept}).get
        session_of = self._sessions.keys(tx, {event[3] for event in kept}).get
        user_of = self._users.keys(tx, {event[4] for event in kept}).get
        seqs = [0] * len(events)
        for seq, at in enumerate(order, before + 1):
            seqs[at] = seq
        # Positions, not names: this is a million events' hottest line but for the parser's. The
        # events are taken as they came, since that is how they lie in memory.
        rows = [
            (
                seq,
                origin_of(event[0]),
                event[1],
                event[2],
                session_of(event[3]),
                user_of(event[4]),
                *event[5:],
                received_at,
            )
            for seq, event in zip(seqs, events, strict=True)
        ]
        return [rows[at] for at in order]

    def _stored_before(
        self, tx: Transaction, identities: Iterable[str], before: int
    ) -> dict[str, str]:
        """Return the payloads of the events that were there before this batch, by identity."""
        by_origin: dict[str, list[str]] = defaultdict(list)
        for identity in identities:
            origin, _, event_id = identity.partition("\0")
            by_origin[origin].append(event_id)
        origins = self._origins.keys(tx, by_origin.keys())
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
                found[f"{origin}\0{event_id}"] = payload
        return found


def _same(stored: str, incoming: str) -> bool:
    return stored == incoming or canonical(stored) == canonical(incoming)
