"""The three forms in which an event is written, and what is wrong with a line that has none.

A line is decoded straight into :class:`Line`. One that does not fit is taken apart a second
time, field by field, either to name the field at fault or to accept what does no harm: the
fields that its form does not use, and the contents of types that have no effect.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

import msgspec

from billing_cli.pricing.excerpts import quoted

LONGEST_TEXT_BYTES: Final = 1024

WEBHOOK: Final = "webhook"
ACTIVITY: Final = "activity"
CLOUDEVENTS: Final = "cloudevents:"

_UNKNOWN_FORM: Final = (
    "not a known form: a webhook has an event, a CloudEvent a specversion, "
    "and a row of the activity log an eventType"
)
# How the other forms call what a webhook has.
_ACTIVITY_NAMES: Final = {"event": "eventType", "data.id": "sessionId", "data.user": "userId"}
_CLOUDEVENTS_NAMES: Final = {"event": "type", "timestamp": "time"}


class Rejected(ValueError):  # noqa: N818 - what happened to the line, as its summary calls it
    """A line that is no event; ``reason`` says why in one line, naming the field."""

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        super().__init__(reason)
        self.reason = reason


class Resources(msgspec.Struct, gc=False):
    """The sizes as they were written: texts, integers, or :class:`Number`."""

    cpu: Any = None
    memory: Any = None
    storage: Any = None


class Content(msgspec.Struct, gc=False):
    """What an event is about: a webhook's ``data``, an activity row's ``metadata``."""

    id: str | None = None
    user: str | None = None
    state: str | None = None
    resources: Resources | None = None


class Line(msgspec.Struct, gc=False):
    """The fields of all three forms; which of them are there tells the forms apart."""

    id: str | int | None = None
    event: str | None = None
    timestamp: str | None = None
    data: Content | None = None
    # Free-form in a webhook, so it is looked into only where it means something.
    metadata: msgspec.Raw = msgspec.Raw()
    session_id: str | None = msgspec.field(default=None, name="sessionId")
    user_id: str | None = msgspec.field(default=None, name="userId")
    event_type: str | None = msgspec.field(default=None, name="eventType")
    specversion: str | None = None
    source: str | None = None
    type: str | None = None
    time: str | None = None


class Number(str):
    """A JSON number with a point or an exponent, as it was written."""

    __slots__ = ()


decode_line: Final = msgspec.json.Decoder(Line, float_hook=Number).decode
_decode_content: Final = msgspec.json.Decoder(Content | None, float_hook=Number).decode
_decode_resources: Final = msgspec.json.Decoder(Resources | None, float_hook=Number).decode
_decode_pieces: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text: Final = msgspec.json.Decoder(str | None).decode
_decode_id: Final = msgspec.json.Decoder(str | int | None).decode

_KINDS: Final = {ord("{"): "an object", ord("["): "an array", ord('"'): "a text"} | dict.fromkeys(
    b"tf", "true or false"
)


def as_webhook(line: Line, known_types: frozenset[str], user_created: str) -> str:
    """Rewrite a CloudEvent or a row of the activity log as a webhook, and return its origin.

    Raises Rejected for a line in none of the forms, and for what its form has to have.
    """
    if line.specversion is not None:
        if line.specversion != "1.0":
            msg = f"specversion: {quoted(line.specversion)} is unknown: CloudEvents 1.0 is read"
            raise Rejected(msg)
        if line.id is None or line.id == "":
            reject_missing(line, "id")
        line.event, line.timestamp = line.type, line.time
        return CLOUDEVENTS + (line.source or reject_missing(line, "source"))
    if line.event_type is None:
        raise Rejected(_UNKNOWN_FORM)
    line.event = line.event_type
    content = _content(line.metadata, "metadata", known=line.event in known_types) or Content()
    # A row's session is no substitute for the user it creates.
    content.id = None if line.event == user_created else line.session_id
    content.user = line.user_id
    line.data = content
    return ACTIVITY


def field_name(line: Line, webhook_name: str) -> str:
    """Return how the form of ``line`` calls the field that a webhook calls ``webhook_name``."""
    if line.specversion is not None:
        return _CLOUDEVENTS_NAMES.get(webhook_name, webhook_name)
    if line.event_type is not None:
        name = _ACTIVITY_NAMES.get(webhook_name, webhook_name)
        return name.replace("data.", "metadata.", 1) if name.startswith("data.") else name
    return webhook_name


def reject_missing(line: Line, webhook_name: str) -> NoReturn:
    """Raise Rejected for a field that is missing or empty."""
    msg = f"{field_name(line, webhook_name)}: missing"
    raise Rejected(msg)


def check_texts(line: Line) -> None:
    """Raise Rejected for a text that a database cannot hold or index: overlong, or with a NUL."""
    content = line.data or Content()
    texts = {
        "id": line.id if isinstance(line.id, str) else str(line.id or ""),
        "source": line.source if line.specversion is not None else None,
        "event": line.event,
        "data.id": content.id,
        "data.user": content.user,
        "data.state": content.state,
    }
    for name, text in texts.items():
        if not text:
            continue
        if "\0" in text:
            msg = f"{field_name(line, name)}: {quoted(text)} has a NUL character in it"
            raise Rejected(msg)
        if len(text) > LONGEST_TEXT_BYTES or len(text.encode()) > LONGEST_TEXT_BYTES:
            msg = (
                f"{field_name(line, name)}: {quoted(text)} is longer than "
                f"{LONGEST_TEXT_BYTES:,} bytes"
            )
            raise Rejected(msg)


def second_look(line: bytes, known_types: frozenset[str]) -> tuple[str, Line]:
    """Return the text of a line that did not fit, and what can be read of it.

    Raises Rejected, with the field at fault, when something that counts is wrong.
    """
    try:
        payload = line.decode()
    except UnicodeDecodeError as error:
        msg = f"not UTF-8: byte 0x{line[error.start]:02x} at position {error.start + 1}"
        raise Rejected(msg) from None
    try:
        pieces = _decode_pieces(line)
    except msgspec.ValidationError:
        msg = f"not a JSON object but {_kind(line)}"
        raise Rejected(msg) from None
    except (ValueError, RecursionError):
        raise Rejected(_why_not_json(payload)) from None
    if _is_given(pieces, "specversion"):
        found = _line(pieces, ("specversion", "source", "type", "time"))
        kind = found.type
    elif _is_given(pieces, "eventType"):
        found = _line(pieces, ("eventType", "sessionId", "userId", "timestamp"))
        found.metadata = pieces.get("metadata", found.metadata)
        return payload, found
    else:
        found = _line(pieces, ("event", "timestamp"))
        kind = found.event
    found.data = _content(pieces.get("data"), "data", known=kind in known_types)
    return payload, found


def _line(pieces: dict[str, msgspec.Raw], names: tuple[str, ...]) -> Line:
    """Return a line that has the texts ``names`` and the id, and nothing else."""
    line = Line()
    for name in names:
        attribute = {"sessionId": "session_id", "userId": "user_id", "eventType": "event_type"}
        setattr(line, attribute.get(name, name), _text(pieces.get(name), name, known=True))
    try:
        line.id = _decode_id(pieces.get("id", b"null"))
    except msgspec.ValidationError:
        msg = f"id: must be a text or an integer, not {_kind(pieces['id'])}"
        raise Rejected(msg) from None
    return line


def _content(piece: msgspec.Raw | None, name: str, *, known: bool) -> Content | None:
    """Return the content at ``name``; of an unknown type only the parts that fit."""
    if not piece:
        return None
    try:
        content: Content | None = _decode_content(piece)
    except msgspec.ValidationError:
        return _content_that_fits(piece, name, known=known)
    return content


def _content_that_fits(piece: msgspec.Raw, name: str, *, known: bool) -> Content | None:
    if not bytes(piece).startswith(b"{"):
        _check_no_effect(piece, name, "an object", known=known)
        return None
    pieces = _decode_pieces(piece)
    content = Content()
    content.id = _text(pieces.get("id"), f"{name}.id", known=known)
    content.user = _text(pieces.get("user"), f"{name}.user", known=known)
    content.state = _text(pieces.get("state"), f"{name}.state", known=known)
    try:
        content.resources = _decode_resources(pieces["resources"])
    except KeyError:
        pass
    except msgspec.ValidationError:
        _check_no_effect(pieces["resources"], f"{name}.resources", "an object", known=known)
    return content


def _text(piece: msgspec.Raw | None, name: str, *, known: bool) -> str | None:
    try:
        return None if piece is None else _decode_text(piece)
    except msgspec.ValidationError:
        _check_no_effect(piece or b"", name, "a text", known=known)
        return None


def _check_no_effect(piece: bytes | msgspec.Raw, name: str, wanted: str, *, known: bool) -> None:
    """Let a value of the wrong kind pass for a missing one, but only where it has no effect."""
    if known:
        msg = f"{name}: must be {wanted}, not {_kind(piece)}"
        raise Rejected(msg)


def _is_given(pieces: dict[str, msgspec.Raw], name: str) -> bool:
    return name in pieces and bytes(pieces[name]) != b"null"


def _kind(piece: bytes | msgspec.Raw) -> str:
    """Say in words what kind of JSON value ``piece`` is, by its first byte."""
    start = bytes(piece).lstrip()[:1]
    if start == b"n":
        return "null"
    return _KINDS.get(start[0], "a number") if start else "nothing"


def _why_not_json(payload: str) -> str:
    """Return what is wrong with a text that the fast decoder did not take."""
    try:
        json.loads(payload, parse_int=str, parse_float=str, parse_constant=_reject_constant)
    except json.JSONDecodeError as error:
        problem = error.msg.removesuffix(" at")
        return f"not JSON: {problem[:1].lower()}{problem[1:]} at character {error.pos + 1}"
    except RecursionError:
        return "not readable: nested too deeply"
    # All that is left of what the two decoders disagree on.
    return "not readable: half of a surrogate pair in a text"


def _reject_constant(name: str) -> NoReturn:
    msg = f"not JSON: {name} is not a JSON number"
    raise Rejected(msg)
