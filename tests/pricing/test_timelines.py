"""Timelines: examples of each rule, and properties over random events."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.timelines import (
    FOREVER,
    Checkpoint,
    FoldEvent,
    Segment,
    first_difference,
    fold,
)

NEVER_SILENT = ((None, None),)
RUNNING = (1_000, 2_048, 0, "running")


def event(second: int, kind: str, *, user: str | None = "ann", **fields: object) -> FoldEvent:
    known = {"state": None, "cpu": None, "memory": None, "storage": None} | fields
    return FoldEvent(second, kind, user=user, event_id=f"{second}-{kind}", **known)  # type: ignore[arg-type]


def timeline(*events: FoldEvent, timeouts: object = NEVER_SILENT) -> list[Segment]:
    return fold(events, timeouts).segments  # type: ignore[arg-type]


def kinds(*events: FoldEvent) -> list[str]:
    return [anomaly.kind for anomaly in fold(events, NEVER_SILENT).anomalies]


def test_created_runs_with_the_default_sizes_until_its_end() -> None:
    assert timeline(event(10, "session.created"), event(20, "session.terminated")) == [
        Segment(10, 20, *RUNNING)
    ]


def test_a_session_without_an_end_runs_on() -> None:
    assert timeline(event(10, "session.created")) == [Segment(10, FOREVER, *RUNNING)]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("running", "running"),
        ("Running", "running"),
        ("hibernated", "stopped"),
        ("stopped", "stopped"),
        ("pending", "pending"),
        ("failed", "pending"),
    ],
)
def test_created_in_the_state_it_names(state: str, expected: str) -> None:
    assert timeline(event(0, "session.created", state=state))[0].state == expected


@pytest.mark.parametrize("state", ["terminated", "deleted"])
def test_created_as_ended_is_no_time_at_all(state: str) -> None:
    assert timeline(event(0, "session.created", state=state)) == []


def test_storage_accrues_while_stopped_and_not_while_pending() -> None:
    found = timeline(
        event(0, "session.created", state="pending", storage=1_024),
        event(10, "session.started"),
        event(20, "session.hibernated"),
        event(30, "session.woken"),
        event(40, "state.changed", state="failed"),
        event(50, "session.deleted"),
    )
    assert [(s.start, s.end, s.cpu, s.storage, s.state) for s in found] == [
        (0, 10, 0, 0, "pending"),
        (10, 20, 1_000, 1_024, "running"),
        (20, 30, 0, 1_024, "stopped"),
        (30, 40, 1_000, 1_024, "running"),
        (40, 50, 0, 0, "pending"),
    ]


def test_new_sizes_change_only_what_they_name() -> None:
    found = timeline(
        event(0, "session.created", cpu=500, memory=512, storage=1),
        event(10, "resources.updated", memory=1_024),
    )
    assert [s[2:5] for s in found] == [(500, 512, 1), (500, 1_024, 1)]


def test_what_changes_nothing_does_not_cut() -> None:
    found = timeline(
        event(0, "session.created"),
        event(5, "session.heartbeat"),
        event(6, "session.viewed"),
        event(7, "session.started"),
        event(9, "resources.updated", cpu=1_000),
    )
    assert found == [Segment(0, FOREVER, *RUNNING)]


def test_the_first_event_that_makes_it_run_opens_it() -> None:
    found = timeline(
        event(0, "session.heartbeat"),
        event(5, "resources.updated", cpu=4_000),
        event(7, "session.hibernated"),
        event(10, "session.started", memory=1_024),
    )
    assert found == [Segment(10, FOREVER, 4_000, 1_024, 0, "running")]


def test_only_created_opens_it_again() -> None:
    found = timeline(
        event(0, "session.created"),
        event(10, "session.terminated"),
        event(20, "session.started"),
        event(30, "session.created", cpu=2_000),
    )
    assert found == [Segment(0, 10, *RUNNING), Segment(30, FOREVER, 2_000, 2_048, 0, "running")]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([event(0, "session.created"), event(1, "session.created")], ["created_again"]),
        ([event(0, "session.terminated")], ["end_before_start"]),
        ([event(0, "session.hibernated")], ["stop_before_start"]),
        ([event(0, "session.created"), event(1, "session.woken", user="bob")], ["user_changed"]),
        (
            [
                event(0, "session.created"),
                event(1, "session.deleted"),
                event(2, "session.heartbeat"),
                event(3, "session.started"),
                event(4, "resources.updated", cpu=1),
            ],
            ["after_end"] * 3,
        ),
        (
            [
                event(0, "session.created"),
                event(1, "session.terminated"),
                event(2, "session.deleted"),
            ],
            [],
        ),
        ([event(0, "session.created"), event(1, "session.viewed", user="bob")], []),
    ],
)
def test_contradictions_are_counted(events: list[FoldEvent], expected: list[str]) -> None:
    assert kinds(*events) == expected


def test_the_earliest_event_that_names_a_user_owns_the_session() -> None:
    events = [
        event(0, "session.viewed", user="eve"),
        event(1, "session.started", user=None),
        event(2, "session.heartbeat", user="ann"),
        event(3, "session.woken", user="bob"),
    ]
    assert fold(events, NEVER_SILENT).checkpoint.user == "ann"


class TestHeartbeats:
    """Silence after a heartbeat (DESIGN section 3)."""

    TIMEOUT = ((None, 60),)

    def test_without_a_heartbeat_nobody_is_silent(self) -> None:
        assert timeline(event(0, "session.created"), timeouts=self.TIMEOUT) == [
            Segment(0, FOREVER, *RUNNING)
        ]

    def test_a_silent_session_accrues_until_its_last_event_plus_the_timeout(self) -> None:
        found = timeline(
            event(0, "session.created", storage=7),
            event(10, "session.heartbeat"),
            event(100, "session.viewed"),
            event(160, "session.heartbeat"),
            event(200, "session.terminated"),
            timeouts=self.TIMEOUT,
        )
        assert found == [
            Segment(0, 70, 1_000, 2_048, 7, "running"),
            Segment(70, 100, 0, 0, 7, "silent"),
            Segment(100, 200, 1_000, 2_048, 7, "running"),
        ]

    def test_the_timeout_itself_is_not_too_long(self) -> None:
        found = timeline(
            event(0, "session.heartbeat"),
            event(0, "session.started"),
            event(60, "session.terminated"),
            timeouts=self.TIMEOUT,
        )
        assert found == [Segment(0, 60, *RUNNING)]

    def test_a_timeout_that_changes_holds_from_its_own_instant(self) -> None:
        found = timeline(
            event(0, "session.created"),
            event(0, "session.heartbeat"),
            timeouts=((None, 100), (50, 60), (80, None)),
        )
        assert [(s.start, s.end, s.state) for s in found] == [
            (0, 60, "running"),
            (60, 80, "silent"),
            (80, FOREVER, "running"),
        ]


KINDS = (
    "session.created",
    "session.started",
    "session.hibernated",
    "session.terminated",
    "session.heartbeat",
    "resources.updated",
    "state.changed",
    "session.viewed",
)


@st.composite
def histories(draw: st.DrawFn) -> list[FoldEvent]:
    return sorted(
        draw(
            st.lists(
                st.builds(
                    FoldEvent,
                    second=st.integers(0, 300),
                    type=st.sampled_from(KINDS),
                    state=st.sampled_from(["running", "stopped", "pending", "terminated"]),
                    user=st.sampled_from(["ann", "bob", None]),
                    cpu=st.sampled_from([None, 500, 1_000]),
                    memory=st.sampled_from([None, 2_048]),
                    storage=st.sampled_from([None, 0, 9]),
                    event_id=st.just("e"),
                ),
                max_size=12,
            )
        ),
        key=lambda one: one.second,
    )


timeout_steps = st.sampled_from([NEVER_SILENT, ((None, 30),), ((None, 40), (100, 15), (200, None))])


@given(histories(), timeout_steps, st.integers(0, 12))
def test_going_on_gives_what_beginning_anew_gives(
    events: list[FoldEvent], timeouts: object, cut: int
) -> None:
    whole = fold(events, timeouts)  # type: ignore[arg-type]
    first = fold(events[:cut], timeouts)  # type: ignore[arg-type]
    start = Checkpoint.load(first.checkpoint.dump())
    rest = fold(events[cut:], timeouts, start)  # type: ignore[arg-type]
    keeps = start.keeps_before()
    head = [] if keeps is None else [s for s in first.segments if s.start < keeps]
    assert head + rest.segments == whole.segments
    assert first.anomalies + rest.anomalies == whole.anomalies
    assert rest.checkpoint.dump() == whole.checkpoint.dump()


@given(histories(), timeout_steps)
def test_segments_are_in_order_and_maximal(events: list[FoldEvent], timeouts: object) -> None:
    segments = fold(events, timeouts).segments  # type: ignore[arg-type]
    for before, after in pairwise(segments):
        assert before.start < before.end <= after.start
        assert before.end < after.start or before[2:] != after[2:]


@given(histories(), timeout_steps)
def test_every_second_is_what_counting_by_hand_says(
    events: list[FoldEvent], timeouts: tuple[tuple[int | None, int | None], ...]
) -> None:
    """An oracle that knows no segments: what runs at a second, told from the events before it."""
    segments = fold(events, timeouts).segments
    for second in range(0, 400, 7):
        found = [s[2:5] for s in segments if s.start <= second < s.end]
        assert (found or [(0, 0, 0)]) == [_at(events, timeouts, second)]


def _at(
    events: list[FoldEvent], timeouts: tuple[tuple[int | None, int | None], ...], second: int
) -> tuple[int, int, int]:
    past = [one for one in events if one.second <= second]
    mode, sizes = "absent", {"cpu": None, "memory": None, "storage": None}
    defaults = {"cpu": 1_000, "memory": 2_048, "storage": 0}
    for one in past:
        named = {k: getattr(one, k) for k in sizes if getattr(one, k) is not None}
        word = {
            "session.started": "running",
            "session.hibernated": "stopped",
            "session.terminated": "terminated",
        }.get(one.type, one.state if one.type == "state.changed" else None)
        if one.type == "session.created":
            sizes, mode = defaults | named, str(one.state)
        elif mode == "terminated":
            continue
        elif one.type == "resources.updated":
            sizes |= named
        elif word is None:
            continue
        elif mode == "absent" and word == "running":
            sizes = {k: named.get(k, v if v is not None else defaults[k]) for k, v in sizes.items()}
            mode = word
        elif mode != "absent" or word == "terminated":
            mode = str(word)
    timeout = [limit for since, limit in timeouts if since is None or since <= second][-1]
    beating = any(one.type == "session.heartbeat" for one in past)
    silent = beating and timeout is not None and second - past[-1].second >= timeout
    storage = (sizes["storage"] or 0) if mode in {"running", "stopped"} else 0
    if mode != "running" or silent:
        return 0, 0, storage
    return sizes["cpu"] or 0, sizes["memory"] or 0, storage


@given(histories(), histories())
def test_the_first_difference_is_where_timelines_part(
    one: list[FoldEvent], other: list[FoldEvent]
) -> None:
    left, right = fold(one, NEVER_SILENT).segments, fold(other, NEVER_SILENT).segments
    found = first_difference(left, right)

    def at(segments: list[Segment], second: int) -> tuple[object, ...] | None:
        return next((s[2:] for s in segments if s.start <= second < s.end), None)

    parts = [second for second in range(400) if at(left, second) != at(right, second)]
    if found is None:
        assert left == right
        assert not parts
    else:
        assert parts[:1] in ([], [found]) or parts[0] >= found
        assert left != right
