"""Folding a session's events into its timeline (DESIGN section 3, "Sessions").

Events are folded in their own order (:func:`billing_cli.pricing.events.order_key`), never in that
of arrival. A fold can be continued: with events that all come after those already folded, going
on from the checkpoint gives what folding everything anew would give.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Timeouts = Sequence[tuple[int | None, int | None]]

FOREVER = 2**53
"""The end of a segment that has none: beyond every date, and exact in any JSON reader."""

DEFAULT_CPU, DEFAULT_MEMORY, DEFAULT_STORAGE = 1_000, 2_048, 0
"""What a size that was never named is: 1 core, 2 GB, no storage (millicores, MiB)."""

# The phases of a session.
ABSENT, IDLE, RUNNING, STOPPED, ENDED = "absent", "idle", "running", "stopped", "ended"

_STATES = {
    "running": RUNNING,
    "hibernated": STOPPED,
    "stopped": STOPPED,
    "terminated": ENDED,
    "deleted": ENDED,
}
_EFFECTS = {
    "session.started": RUNNING,
    "session.woken": RUNNING,
    "session.hibernated": STOPPED,
    "session.stopped": STOPPED,
    "session.terminated": ENDED,
    "session.deleted": ENDED,
}
_KNOWN = frozenset(
    {*_EFFECTS, "session.created", "session.heartbeat", "resources.updated", "state.changed"}
)


class FoldEvent(NamedTuple):
    """What the fold needs of an event. Sizes are millicores and MiB; ``user`` any identity."""

    second: int
    type: str
    state: str | None
    user: int | str | None
    cpu: int | None
    memory: int | None
    storage: int | None
    event_id: str


class Segment(NamedTuple):
    """``[start, end)`` with a constant state and what accrues in it.

    ``cpu`` in millicores, ``memory`` and ``storage`` in MiB, each 0 where it does not accrue.
    ``state`` is ``running``, ``silent`` (running, but its heartbeats have stopped), ``stopped``
    or ``pending``.
    """

    start: int
    end: int
    cpu: int
    memory: int
    storage: int
    state: str


class Anomaly(NamedTuple):
    """Events that contradict each other, and how the rules settle it."""

    kind: str
    second: int
    event_id: str
    detail: str


@dataclass(slots=True)
class Checkpoint:
    """Where a fold stopped: everything that the events so far say about what comes next."""

    phase: str = ABSENT
    user: int | str | None = None
    cpu: int | None = None
    memory: int | None = None
    storage: int | None = None
    beating: bool = False
    last_second: int | None = None
    last_key: tuple[Any, ...] | None = None
    open_piece: Segment | None = None
    anomalies: int = 0

    def dump(self) -> str:
        """Return the checkpoint as JSON text."""
        return json.dumps(
            [
                self.phase,
                self.user,
                self.cpu,
                self.memory,
                self.storage,
                self.beating,
                self.last_second,
                self.last_key,
                self.open_piece,
                self.anomalies,
            ]
        )

    @classmethod
    def load(cls, text: str) -> Checkpoint:
        """Read what :meth:`dump` wrote."""
        values = json.loads(text)
        loaded = cls(*values)
        loaded.last_key = None if values[7] is None else _tuples(values[7])
        loaded.open_piece = None if values[8] is None else Segment(*values[8])
        return loaded

    def keeps_before(self) -> int | None:
        """Return the instant before which going on changes no segment, or None for nowhere."""
        if self.open_piece is not None:
            return self.open_piece.start
        return self.last_second


@dataclass(slots=True)
class Folded:
    """A timeline from ``keeps_before`` of the checkpoint it went on from.

    ``segments`` include what comes after the last event; ``checkpoint`` does not.
    """

    segments: list[Segment]
    anomalies: list[Anomaly]
    checkpoint: Checkpoint


def fold(
    events: Iterable[FoldEvent], timeouts: Timeouts, start: Checkpoint | None = None
) -> Folded:
    """Fold events, in order, into segments.

    ``timeouts`` are steps of ``(since, heartbeat timeout in seconds or None)``; the first holds
    from the beginning of time. Sub-second parts of event times have served for their order and
    are gone here. Never fails: contradictions become anomalies.
    """
    machine = _Machine(Checkpoint() if start is None else replace(start), timeouts)
    for event in events:
        machine.take(event)
    return machine.finish()


@dataclass(slots=True)
class _Machine:
    now: Checkpoint
    timeouts: Timeouts
    pieces: list[Segment] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.now.open_piece is not None:
            self.pieces.append(self.now.open_piece)

    def take(self, event: FoldEvent) -> None:
        self._accrue_until(event.second)
        self.now.last_second = event.second
        if event.type not in _KNOWN:
            return
        self._own(event)
        if event.type == "session.created":
            self._create(event)
        elif event.type == "session.heartbeat":
            self.now.beating = True
            if self.now.phase == ENDED:
                self._odd("after_end", event, "a heartbeat after the end has no effect")
        elif event.type == "resources.updated":
            self._resize(event)
        else:
            phase = _EFFECTS.get(event.type) or _STATES.get((event.state or "").lower(), IDLE)
            self._move(phase, event)

    def finish(self) -> Folded:
        checkpoint = self.now
        last = checkpoint.last_second
        checkpoint.open_piece = None
        if self.pieces and self.pieces[-1].end == last:
            checkpoint.open_piece = self.pieces[-1]
        checkpoint.anomalies += len(self.anomalies)
        closed = list(self.pieces)
        self._accrue_until(FOREVER)
        segments, self.pieces = self.pieces, closed
        return Folded(segments, self.anomalies, checkpoint)

    def _own(self, event: FoldEvent) -> None:
        if event.user is None or event.user == self.now.user:
            return
        if self.now.user is None:
            self.now.user = event.user
        else:
            self._odd(
                "user_changed", event, "the session stays with the user of its earliest event"
            )

    def _create(self, event: FoldEvent) -> None:
        if self.now.phase in {IDLE, RUNNING, STOPPED}:
            self._odd(
                "created_again", event, "created while it exists: it starts over with these sizes"
            )
        self.now.cpu = DEFAULT_CPU if event.cpu is None else event.cpu
        self.now.memory = DEFAULT_MEMORY if event.memory is None else event.memory
        self.now.storage = DEFAULT_STORAGE if event.storage is None else event.storage
        self.now.phase = _STATES.get(event.state.lower(), IDLE) if event.state else RUNNING

    def _resize(self, event: FoldEvent) -> None:
        if self.now.phase == ENDED:
            self._odd("after_end", event, "new sizes after the end have no effect")
            return
        self._name_sizes(event)

    def _name_sizes(self, event: FoldEvent) -> None:
        if event.cpu is not None:
            self.now.cpu = event.cpu
        if event.memory is not None:
            self.now.memory = event.memory
        if event.storage is not None:
            self.now.storage = event.storage

    def _move(self, phase: str, event: FoldEvent) -> None:
        now = self.now
        if now.phase == ENDED:
            if phase != ENDED:
                self._odd("after_end", event, "only a new session.created opens it again")
            return
        if now.phase == ABSENT:
            if phase == RUNNING:
                self._open(event)
            elif phase == ENDED:
                self._odd("end_before_start", event, "an end without a start; it has ended")
                now.phase = ENDED
            elif phase == STOPPED:
                self._odd("stop_before_start", event, "a stop without a start has no effect")
            return
        now.phase = phase

    def _open(self, event: FoldEvent) -> None:
        self._name_sizes(event)
        now = self.now
        now.cpu = DEFAULT_CPU if now.cpu is None else now.cpu
        now.memory = DEFAULT_MEMORY if now.memory is None else now.memory
        now.storage = DEFAULT_STORAGE if now.storage is None else now.storage
        now.phase = RUNNING

    def _odd(self, kind: str, event: FoldEvent, detail: str) -> None:
        self.anomalies.append(Anomaly(kind, event.second, event.event_id, detail))

    def _accrue_until(self, stop: int) -> None:
        now = self.now
        if now.last_second is None or now.phase in {ABSENT, ENDED}:
            return
        start, storage = now.last_second, now.storage or 0
        if now.phase == IDLE:
            self._add(Segment(start, stop, 0, 0, 0, "pending"))
        elif now.phase == STOPPED:
            self._add(Segment(start, stop, 0, 0, storage, "stopped"))
        else:
            for alive_from, alive_to in self._alive(start, stop):
                self._add(Segment(start, alive_from, 0, 0, storage, "silent"))
                cpu, memory = now.cpu or 0, now.memory or 0
                self._add(Segment(alive_from, alive_to, cpu, memory, storage, "running"))
                start = alive_to
            self._add(Segment(start, stop, 0, 0, storage, "silent"))

    def _alive(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Cut away silence: at t, a session is silent if t - last event > the timeout at t."""
        if not self.now.beating:
            return [(start, stop)]
        alive = []
        for index, (since, timeout) in enumerate(self.timeouts):
            until = self.timeouts[index + 1][0] if index + 1 < len(self.timeouts) else None
            low = start if since is None else max(start, since)
            high = stop if until is None else min(stop, until)
            if timeout is not None:
                high = min(high, start + timeout)
            if low < high:
                alive.append((low, high))
        return alive

    def _add(self, piece: Segment) -> None:
        if piece.start >= piece.end:
            return
        if self.pieces:
            last = self.pieces[-1]
            if last.end == piece.start and last[2:] == piece[2:]:
                self.pieces[-1] = last._replace(end=piece.end)
                return
        self.pieces.append(piece)


def _tuples(value: object) -> Any:  # noqa: ANN401 - a key's parts are of several types
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def first_difference(old: Sequence[Segment], new: Sequence[Segment]) -> int | None:
    """Return the first instant at which two timelines differ, or None where they are the same."""
    for before, after in zip(old, new, strict=False):
        if before != after:
            if before.start != after.start or before[2:] != after[2:]:
                return min(before.start, after.start)
            return min(before.end, after.end)
    longer = old if len(old) > len(new) else new
    shorter = min(len(old), len(new))
    return longer[shorter].start if len(longer) > shorter else None
