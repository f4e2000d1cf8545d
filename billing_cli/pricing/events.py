"""Events: one JSON object in, one checked, flat event out; and the order that folds them.

Ingest calls :func:`parse_event` for every line, so the usual line takes a short way: one typed
decode and a few look-ups. Names of types and states are StreamSpace's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from billing_cli.pricing.canonical import canonical, content_hash
from billing_cli.pricing.event_forms import (
    LONGEST_TEXT_BYTES,
    WEBHOOK,
    Content,
    Line,
    Rejected,
    Resources,
    as_webhook,
    check_texts,
    decode_line,
    field_name,
    reject_missing,
    second_look,
)
from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.instants import parse_instant
from billing_cli.pricing.quantities import parse_cpu, parse_memory

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KNOWN_TYPES", "Event", "Rejected", "canonical", "order_key", "parse_event"]

CREATED: Final = "session.created"
STARTED: Final = "session.started"
WOKEN: Final = "session.woken"
HIBERNATED: Final = "session.hibernated"
STOPPED: Final = "session.stopped"
TERMINATED: Final = "session.terminated"
DELETED: Final = "session.deleted"
RESIZED: Final = "resources.updated"
STATE_CHANGED: Final = "state.changed"
HEARTBEAT: Final = "session.heartbeat"
USER_CREATED: Final = "user.created"

STARTS: Final = frozenset({STARTED, WOKEN})
PAUSES: Final = frozenset({HIBERNATED, STOPPED})
ENDS: Final = frozenset({TERMINATED, DELETED})
SESSION_TYPES: Final = STARTS | PAUSES | ENDS | {CREATED, RESIZED, STATE_CHANGED, HEARTBEAT}
KNOWN_TYPES: Final = SESSION_TYPES | {USER_CREATED}

RUNNING: Final = "running"
END_STATES: Final = frozenset({"terminated", "deleted"})

NO_ID: Final = "#hash"


class Event(NamedTuple):
    """One fact, as it is stored; (``origin``, ``event_id``) is its identity.

    ``origin`` is ``webhook``, ``activity`` or ``cloudevents:<source>``; an event that came
    without an id has ``#hash`` after it and its content's hash for an id. ``second`` and
    ``fraction`` are its time as :func:`parse_instant` gives it. ``cpu`` is in millicores,
    ``memory`` and ``storage`` in MiB, each None where the event does not name it. ``payload``
    is the line as it was received, without surrounding white space.
    """

    origin: str
    event_id: str
    type: str
    session_id: str | None
    user_id: str | None
    second: int
    fraction: str
    state: str | None
    cpu: int | None
    memory: int | None
    storage: int | None
    payload: str


class _Sizes(dict[object, int]):
    """What the sizes met so far mean: there are few different ones, in very many events."""

    _most = 10_000

    def __init__(self, name: str, parse: Callable[[str], int]) -> None:
        super().__init__()
        self._name = name
        self._parse = parse

    def __missing__(self, size: object) -> int:
        """Work out a size; ValueError says which is wrong, and why."""
        # Only texts are remembered: as keys, True and 1 are the same.
        try:
            if isinstance(size, str):
                parsed = self._parse(size)
                if len(self) >= self._most:
                    self.clear()
                self[size] = parsed
                return parsed
            if isinstance(size, int) and not isinstance(size, bool):
                return self._parse(str(size))
        except ValueError as error:
            msg = f"{self._name}: {error}"
            raise ValueError(msg) from None
        msg = f"{self._name}: must be a text or a number, not true or false"
        raise ValueError(msg)


_CPU: Final = _Sizes("cpu", parse_cpu)
_MEMORY: Final = _Sizes("memory", parse_memory)
_STORAGE: Final = _Sizes("storage", parse_memory)
_NO_CONTENT: Final = Content()
# Those that have both a session and a user and still are to be looked at.
_PARTICULAR: Final = frozenset({USER_CREATED, STATE_CHANGED})
_new: Final = tuple.__new__


def parse_event(line: bytes) -> Event:
    """Return the event that ``line``, one JSON object in any of the three forms, reports.

    Raises Rejected for a line that proves by itself that it is no event. What only other
    events could contradict is no reason to reject it here.
    """
    line = line.strip()
    try:
        payload = line.decode()
        found = decode_line(line)
    except (ValueError, RecursionError):
        payload, found = second_look(line, KNOWN_TYPES)
    origin = WEBHOOK
    if found.event is None or found.event_type is not None or found.specversion is not None:
        origin = as_webhook(found, KNOWN_TYPES, USER_CREATED)
    kind = found.event or reject_missing(found, "event")
    try:
        second, fraction = parse_instant(found.timestamp or "")
    except ValueError as error:
        _reject_time(found, str(error))
    if second < 0:
        _reject_time(found, f"{quoted(found.timestamp or '')} is before 1970, like Go's zero time")
    content = found.data or _NO_CONTENT
    session_id, user_id, state = content.id or None, content.user or None, content.state or None
    cpu = memory = storage = None
    if kind in KNOWN_TYPES:
        if content.resources is not None:
            cpu, memory, storage = _sizes(found, content.resources)
        if (
            not (session_id and user_id)
            or kind in _PARTICULAR
            or session_id.isspace()
            or user_id.isspace()
        ):
            session_id, user_id = _parties(found, kind, content)
    else:
        session_id, user_id = _name(session_id), _name(user_id)
    # A short line without \u escapes holds neither an overlong text nor a NUL.
    if len(line) > LONGEST_TEXT_BYTES or "\\u" in payload:
        check_texts(found)
    event_id = found.id
    if not event_id or not isinstance(event_id, str):
        origin, event_id = _identity(origin, event_id, payload)
    what = (origin, event_id, kind, session_id, user_id, second, fraction, state)
    return _new(Event, (*what, cpu, memory, storage, payload))


def order_key(  # noqa: PLR0913, PLR0917 - the columns it is made of
    second: int,
    fraction: str,
    kind: str,
    state: str | None,
    event_id: str,
    origin: str,
) -> tuple[int, str, int, bool, int, str, str]:
    """Return what puts events in the order in which they are folded.

    By the time in full precision; at the same instant ``session.created`` first and ends last;
    then ids that are numbers by their value, before the others by their bytes; then by origin.
    Different identities have different keys.
    """
    if kind == CREATED:
        rank = 0
    elif kind in ENDS or (
        kind == STATE_CHANGED and state is not None and state.lower() in END_STATES
    ):
        rank = 2
    else:
        rank = 1
    is_number = event_id.isascii() and event_id.isdigit()
    number = int(event_id) if is_number else 0
    # Text compares by code point, which is the order of its UTF-8 bytes.
    return second, fraction, rank, not is_number, number, event_id, origin


def _identity(origin: str, event_id: str | int | None, payload: str) -> tuple[str, str]:
    """Return origin and id of an event whose id is an integer, or missing."""
    if event_id is None or event_id == "":
        return origin + NO_ID, content_hash(payload)
    return origin, str(event_id)


def _name(text: str | None) -> str | None:
    """Return a name as it is; None for one of white space only, which no list could show."""
    return text if text and not text.isspace() else None


def _parties(found: Line, kind: str, content: Content) -> tuple[str | None, str | None]:
    """Return the session and the user of an event of a known type; reject one that lacks them."""
    session_id, user_id = _name(content.id), _name(content.user)
    if kind == USER_CREATED:
        return None, user_id or session_id or reject_missing(found, "data.user")
    if session_id is None:
        reject_missing(found, "data.id")
    if user_id is None and kind == CREATED:
        reject_missing(found, "data.user")
    if not content.state and kind == STATE_CHANGED:
        reject_missing(found, "data.state")
    return session_id, user_id


def _sizes(found: Line, resources: Resources) -> tuple[int | None, int | None, int | None]:
    """Return millicores, MiB of memory and MiB of storage, None for those not named."""
    cpu, memory, storage = resources.cpu, resources.memory, resources.storage
    try:
        return (
            None if cpu is None or cpu == "" else _CPU[cpu],
            None if memory is None or memory == "" else _MEMORY[memory],
            None if storage is None or storage == "" else _STORAGE[storage],
        )
    except ValueError as error:
        msg = f"{field_name(found, 'data.resources')}.{error}"
    except TypeError:  # from hashing an object or an array
        msg = f"{field_name(found, 'data.resources')}: each size must be a text or a number"
    raise Rejected(msg)


def _reject_time(found: Line, reason: str) -> NoReturn:
    if not found.timestamp:
        reject_missing(found, "timestamp")
    msg = f"{field_name(found, 'timestamp')}: {reason}"
    raise Rejected(msg) from None
