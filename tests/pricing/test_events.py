"""Events: all three forms, everything a line can prove against itself, and the folding order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing import events
from billing_cli.pricing.events import Event, Rejected, order_key, parse_event

NEW_YEAR = 1_735_689_600
FIELDS = [
    *("id", "event", "timestamp", "data", "metadata", "specversion"),
    *("source", "type", "time", "sessionId", "userId", "eventType"),
]
RESOURCES = {"cpu": "2000m", "memory": "4Gi", "storage": "10Gi"}


def webhook(**changes: object) -> dict[str, Any]:
    """Return the design's webhook; a change to None takes a field away."""
    line: dict[str, Any] = {
        "id": "e1",
        "event": "session.created",
        "timestamp": "2025-01-01T00:00:00Z",
        "data": {"id": "s1", "user": "john", "state": "running", "resources": RESOURCES},
        "metadata": {},
    }
    return {name: value for name, value in (line | changes).items() if value is not None}


def cloud_event(**changes: object) -> dict[str, Any]:
    """Return the same event as a CloudEvent."""
    line: dict[str, Any] = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/streamspace",
        "type": "session.created",
        "time": "2025-01-01T00:00:00Z",
        "data": webhook()["data"],
    }
    return {name: value for name, value in (line | changes).items() if value is not None}


def activity(**changes: object) -> dict[str, Any]:
    """Return a row of the activity log."""
    line: dict[str, Any] = {
        "id": 7,
        "sessionId": "s1",
        "userId": "john",
        "eventType": "session.started",
        "timestamp": "2025-01-01T00:00:00.25Z",
        "metadata": {"state": "running", "resources": {"cpu": 2}},
    }
    return {name: value for name, value in (line | changes).items() if value is not None}


def parse(line: object) -> Event:
    """Parse ``line`` written as JSON."""
    return parse_event(json.dumps(line).encode())


def reason(line: object) -> str:
    """Return why ``line`` is rejected."""
    raw = line if isinstance(line, bytes) else json.dumps(line).encode()
    with pytest.raises(Rejected) as caught:
        parse_event(raw)
    assert str(caught.value) == caught.value.reason
    assert len(caught.value.reason.splitlines()) == 1
    assert len(caught.value.reason) < 300
    assert caught.value.reason.isprintable()
    return caught.value.reason


def test_a_webhook_in_full() -> None:
    """Every field of the design's example finds its place."""
    line = json.dumps(webhook())
    assert parse_event(f"  {line}\r\n".encode()) == Event(
        origin="webhook",
        event_id="e1",
        type="session.created",
        session_id="s1",
        user_id="john",
        second=NEW_YEAR,
        fraction="",
        state="running",
        cpu=2000,
        memory=4096,
        storage=10240,
        payload=line,
    )


def test_a_cloud_event_has_its_source_for_an_origin() -> None:
    """Only the origin, and the payload, tell it from the webhook."""
    event = parse(cloud_event())
    assert event.origin == "cloudevents:/streamspace"
    assert event[1:-1] == parse(webhook())[1:-1]


def test_a_row_of_the_activity_log() -> None:
    """Its integer id becomes text; state and sizes come from its metadata."""
    event = parse(activity())
    assert event[:-1] == (
        "activity", "7", "session.started", "s1", "john", NEW_YEAR, "25",
        "running", 2000, None, None,
    )  # fmt: skip
    bare = parse(activity(metadata=None, userId=None, id=10**30))
    assert bare[:-1] == (
        "activity", str(10**30), "session.started", "s1", None, NEW_YEAR, "25",
        None, None, None, None,
    )  # fmt: skip


def test_a_name_of_white_space_only_is_none_at_all() -> None:
    """Where a name may be missing it is missing; a space in or around a name is a part of it."""
    assert parse(webhook(event="session.started", data={"id": "s", "user": " "})).user_id is None
    other = parse(webhook(event="user.seen", data={"id": " ", "user": "u"}))
    assert (other.session_id, other.user_id) == (None, "u")
    spaced = parse(webhook(data={"id": " s", "user": "john doe "}))
    assert (spaced.session_id, spaced.user_id) == (" s", "john doe ")


@pytest.mark.parametrize("missing", [{"id": None}, {"id": ""}])
def test_without_an_id_the_content_is_the_identity(missing: dict[str, Any]) -> None:
    """The hash does not depend on spelling, and has an origin of its own."""
    line = webhook() | missing
    event = parse(line)
    respelt = parse(dict(reversed(line.items())) | {"timestamp": "2025-01-01T01:00:00+01:00"})
    other = parse(line | {"timestamp": "2025-01-01T00:00:01Z"})
    assert event.origin == "webhook#hash"
    assert len(event.event_id) == 32
    assert event[:2] == respelt[:2] != other[:2]
    assert parse(activity() | missing).origin == "activity#hash"


@pytest.mark.parametrize(
    ("size", "millicores"),
    [
        ("500m", 500),
        (1, 1000),
        (0.5, 500),
        ("0.5", 500),
        (1e-07, 1),
        (0, 0),
        (None, None),
        ("", None),
    ],
)
def test_a_size_is_a_text_or_a_number(size: object, millicores: int | None) -> None:
    """Numbers are read from their literal text, so none is ever a float."""
    assert (
        parse(webhook(data={"id": "s", "user": "u", "resources": {"cpu": size}})).cpu == millicores
    )


def test_a_size_is_read_by_its_digits() -> None:
    """What a float would round is still above the limit."""
    line = (
        b'{"id":1,"event":"resources.updated","timestamp":"2025-01-01T00:00:00Z",'
        b'"data":{"id":"s","resources":{"cpu":%s}}}'
    )
    assert parse_event(line % b"0.50000000000000000001").cpu == 501
    assert parse_event(line % b"5E-1").cpu == 500
    assert parse_event(line % b"1").cpu == 1000
    assert "must be a text or a number" in reason(line % b"true")


def test_which_events_need_a_user_or_a_state() -> None:
    """Only a created session needs its user; user.created takes data.user or data.id."""
    assert parse(webhook(event="session.started", data={"id": "s1"})).user_id is None
    created = parse(webhook(event="user.created", data={"user": "ann"}))
    assert (created.session_id, created.user_id) == (None, "ann")
    created = parse(webhook(event="user.created", data={"id": "ann"}))
    assert (created.session_id, created.user_id) == (None, "ann")
    created = parse(activity(eventType="user.created"))
    assert (created.session_id, created.user_id) == (None, "john")
    assert reason(activity(eventType="user.created", userId=None)) == "userId: missing"


@pytest.mark.parametrize(
    "data", [None, [], "x", 5, {"id": 5, "user": [], "state": {}, "resources": 7}]
)
def test_an_unknown_type_is_taken_whatever_its_data(data: object) -> None:
    """It has no effect, so nothing in it can be wrong."""
    event = parse(webhook(event="session.exploded", data=data))
    assert event[2:5] == ("session.exploded", None, None)
    assert event[7:11] == (None, None, None, None)
    assert parse(activity(eventType="x.y", metadata=data)).session_id == "s1"


def test_of_an_unknown_type_session_and_user_are_kept() -> None:
    """They help to find it; its sizes are not looked at."""
    data = {"id": "s1", "user": "ann", "state": "odd", "resources": {"cpu": "-1"}}
    event = parse(webhook(event="snapshot.taken", data=data))
    assert event[2:5] == ("snapshot.taken", "s1", "ann")
    assert event.cpu is None


def test_fields_of_other_forms_are_no_concern() -> None:
    """A webhook's metadata is free-form, and unknown fields are ignored."""
    event = parse(webhook(metadata=["x"], source=5, sessionId={}, time=0, more={"a": [1.5]}))
    assert event[1:-1] == parse(webhook())[1:-1]
    assert parse(activity(data="x", event=None)).cpu == 2000


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON: expecting property name enclosed in double quotes at character 2"),
        (b'{"event": "session.created"', "not JSON: expecting ',' delimiter at character 28"),
        (b'{"event": NaN}', "not JSON: NaN is not a JSON number"),
        (b'{"a":1} {"b":2}', "not JSON: extra data at character 9"),
        (b'{"a":"\x00"}', "not JSON: invalid control character"),
        (b'{"event": "\xff"}', "not UTF-8: byte 0xff at position 12"),
        (b'{"x": "\xc3"}', "not UTF-8: byte 0xc3 at position 8"),
        (b'{"event": "\\ud800"}', "half of a surrogate pair"),
        (b'{"x":' + b"[" * 100_000, "nested too deeply"),
        ([], "not a JSON object but an array"),
        ("x", "not a JSON object but a text"),
        (5, "not a JSON object but a number"),
        (None, "not a JSON object but null"),
        (True, "not a JSON object but true or false"),
        ({}, "not a known form"),
        ({"event": None, "specversion": None}, "not a known form"),
    ],
)
def test_a_line_that_is_none(line: object, expected: str) -> None:
    """What is not an event at all says so."""
    assert expected in reason(line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (webhook(event=""), "event: missing"),
        (webhook(event=5), "event: must be a text, not a number"),
        (webhook(id=1.5), "id: must be a text or an integer, not a number"),
        (webhook(id=True), "id: must be a text or an integer, not true or false"),
        (webhook(id={}), "id: must be a text or an integer, not an object"),
        (webhook(data=None), "data.id: missing"),
        (webhook(data=[]), "data: must be an object, not an array"),
        (webhook(data={"user": "u"}), "data.id: missing"),
        (webhook(data={"id": "", "user": "u"}), "data.id: missing"),
        (webhook(data={"id": 5, "user": "u"}), "data.id: must be a text, not a number"),
        (webhook(data={"id": "s"}), "data.user: missing"),
        (webhook(data={"id": "  ", "user": "u"}), "data.id: missing"),
        (webhook(data={"id": "s", "user": " \t"}), "data.user: missing"),
        (webhook(data={"id": "s", "user": "\u3000"}), "data.user: missing"),
        (webhook(event="user.created", data={"id": " ", "user": "\u00a0"}), "data.user: missing"),
        (cloud_event(data={"id": "\n", "user": "u"}), "data.id: missing"),
        (activity(eventType="session.created", userId=" "), "userId: missing"),
        (webhook(data={"id": "s", "user": ["u"]}), "data.user: must be a text, not an array"),
        (
            webhook(data={"id": "s", "user": "u", "state": 1}),
            "data.state: must be a text, not a number",
        ),
        (webhook(event="state.changed", data={"id": "s"}), "data.state: missing"),
        (webhook(event="user.created", data={}), "data.user: missing"),
        (cloud_event(id=None), "id: missing"),
        (cloud_event(id=""), "id: missing"),
        (cloud_event(source=None), "source: missing"),
        (cloud_event(source=5), "source: must be a text, not a number"),
        (cloud_event(type=None), "type: missing"),
        (cloud_event(time=None), "time: missing"),
        (cloud_event(time="2025-02-30T00:00:00Z"), "time: '2025-02-30T00:00:00Z' is a day that"),
        (cloud_event(specversion="0.3"), "specversion: '0.3' is unknown"),
        (cloud_event(specversion=1.0), "specversion: must be a text, not a number"),
        (cloud_event(data={"user": "u"}), "data.id: missing"),
        (activity(sessionId=None), "sessionId: missing"),
        (activity(sessionId=5), "sessionId: must be a text, not a number"),
        (activity(eventType="session.created", userId=""), "userId: missing"),
        (activity(eventType="state.changed", metadata={}), "metadata.state: missing"),
        (activity(metadata="x"), "metadata: must be an object, not a text"),
        (activity(metadata={"state": []}), "metadata.state: must be a text, not an array"),
        (activity(metadata={"resources": {"cpu": -1}}), "metadata.resources.cpu: '-1' is negative"),
    ],
)
def test_missing_and_mistyped_fields_are_named(line: object, expected: str) -> None:
    """The reason names the field as its own form calls it."""
    assert reason(line).startswith(expected)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (None, "timestamp: missing"),
        ("", "timestamp: missing"),
        (1735689600, "timestamp: must be a text, not a number"),
        ("2025-01-01T00:00:00", "timestamp: '2025-01-01T00:00:00' has no time zone"),
        ("2025-02-30T00:00:00Z", "timestamp: '2025-02-30T00:00:00Z' is a day that does not exist"),
        ("0000-01-01T00:00:00Z", "timestamp: '0000-01-01T00:00:00Z' is a day that does not exist"),
        ("0001-01-01T00:00:00Z", "timestamp: '0001-01-01T00:00:00Z' is before 1970"),
        ("1969-12-31T23:59:59.9Z", "timestamp: '1969-12-31T23:59:59.9Z' is before 1970"),
        ("1970-01-01T00:30:00+01:00", "timestamp: '1970-01-01T00:30:00+01:00' is before 1970"),
        ("\x1b[31mnow", "timestamp: '\\x1b[31mnow' is not an RFC 3339 time"),
    ],
)
def test_impossible_times(time: object, expected: str) -> None:
    """A time that cannot be is quoted with what is wrong about it."""
    assert reason(webhook(timestamp=time)).startswith(expected)


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ("x", "data.resources: must be an object, not a text"),
        ({"cpu": "-1"}, "data.resources.cpu: '-1' is negative"),
        ({"cpu": -1}, "data.resources.cpu: '-1' is negative"),
        ({"cpu": -0.5}, "data.resources.cpu: '-0.5' is negative"),
        ({"cpu": "NaN"}, "data.resources.cpu: 'NaN' is not a quantity"),
        ({"memory": "4GB"}, "data.resources.memory: '4GB' has an unknown unit GB"),
        ({"memory": 1e30}, "data.resources.memory: '1e+30' is more than 1 PiB"),
        ({"storage": "9Ei"}, "data.resources.storage: '9Ei' is more than 1 PiB"),
        ({"storage": "9" * 1000}, "data.resources.storage: '99999"),
        ({"storage": False}, "data.resources.storage: must be a text or a number"),
        ({"storage": ["1Gi"]}, "data.resources: each size must be a text or a number"),
    ],
)
def test_impossible_sizes(resources: object, expected: str) -> None:
    """A size that cannot be is named and quoted, cut to what is readable."""
    data = {"id": "s", "user": "u", "resources": resources}
    assert reason(webhook(data=data)).startswith(expected)


def test_texts_that_a_database_cannot_hold() -> None:
    """A NUL, or more than 1,024 bytes, in whatever ends up in a column of its own."""
    longest = "é" * 512
    assert parse(webhook(id=longest)).event_id == longest
    assert parse(webhook(more="\x00" * 5000)).event_id == "e1"
    for name, line in {
        "id": webhook(id=longest + "x"),
        "source": cloud_event(source=longest + "x"),
        "eventType": activity(eventType=longest + "x"),
        "sessionId": activity(sessionId="x" * 1025),
        "data.user": webhook(event="odd", data={"user": "x" * 10_000_000}),
        "data.state": webhook(event="state.changed", data={"id": "s", "state": "x" * 2000}),
    }.items():
        assert reason(line).startswith(f"{name}: '")
        assert reason(line).endswith("is longer than 1,024 bytes")
    assert reason(webhook(id=10**1024)).startswith("id: '1000")
    assert reason(webhook(id="a\0b")) == "id: 'a\\x00b' has a NUL character in it"
    assert reason(activity(userId="\0")) == "userId: '\\x00' has a NUL character in it"


@given(
    st.dictionaries(
        st.sampled_from(FIELDS),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.text(max_size=3)
            | st.sampled_from(["1.0", "2025-01-01T00:00:00Z", *events.KNOWN_TYPES]),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(
                    st.sampled_from(["id", "user", "state", "resources", "cpu", "memory"]), inner
                )
            ),
            max_leaves=6,
        ),
    )
)
def test_any_object_is_an_event_or_rejected(line: dict[str, Any]) -> None:
    """Whatever an object holds, nothing but Rejected is raised, and an event is consistent."""
    try:
        event = parse(line)
    except Rejected:
        assert reason(line)
        return
    assert event.event_id
    assert event.second >= 0
    assert (event.session_id is not None) or event.type not in events.SESSION_TYPES


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_rejected_at_most(line: bytes) -> None:
    """No bytes make the parser fail otherwise."""
    with pytest.raises(Rejected):
        parse_event(line)


def test_events_of_one_instant_are_ordered() -> None:
    """Created first, ends last; then numbers by value before other ids by bytes."""
    expected = [
        (5, "", "session.heartbeat", None, "z", "webhook"),
        (5, "05", "session.heartbeat", None, "y", "webhook"),
        (5, "5", "session.created", "terminated", "9", "webhook"),
        (5, "5", "session.started", None, "9", "webhook"),
        (5, "5", "state.changed", "running", "10", "activity"),
        (5, "5", "session.heartbeat", None, "10", "webhook"),
        (5, "5", "session.heartbeat", None, "Z", "webhook"),
        (5, "5", "session.heartbeat", None, "a", "webhook"),
        (5, "5", "session.heartbeat", None, "\u0663", "webhook"),
        (5, "5", "state.changed", "Terminated", "1", "webhook"),
        (5, "5", "session.terminated", None, "02", "webhook#hash"),
        (5, "5", "session.deleted", None, "2", "webhook"),
        (6, "", "session.created", None, "0", "webhook"),
    ]
    keys = [order_key(*event) for event in expected]
    # The ids 02 and 2, equal by value, are told apart by their bytes.
    assert sorted(keys) == keys


_order_arguments = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["", "05", "5"]),
    st.sampled_from(sorted(events.KNOWN_TYPES)),
    st.sampled_from([None, "running", "deleted"]),
    st.sampled_from(["1", "01", "10", "2", "a", "", "\u0662"])
    | st.text(max_size=2, alphabet="a1\u0662"),
    st.sampled_from(["webhook", "activity", "cloudevents:a"]),
)


@given(st.lists(_order_arguments, max_size=8))
def test_the_order_is_total(arguments: list[tuple[int, str, str, str | None, str, str]]) -> None:
    """Keys always compare, and two of different identities are never equal."""
    keys = [order_key(*event) for event in arguments]
    backwards = keys[::-1]
    assert sorted(keys) == sorted(backwards)
    assert len(set(keys)) >= len({event[4:] for event in arguments})
