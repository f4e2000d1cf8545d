"""Slots and slices: time is cut the same way whoever asks, and nothing is lost in cutting."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.slots import HOUR, slice_segments, slot_start, slots, stretches
from billing_cli.pricing.terms import Terms, TermsHistory
from billing_cli.pricing.timelines import Segment

# 2025-03-09: New York loses an hour; 2025-11-02 gives it back; Kolkata lies at half past.
MARCH = 1_741_478_400
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "America/Havana", "Australia/Lord_Howe")


def terms(zone: str = "UTC", day: int = 1, cpu: str = "0.05") -> Terms:
    prices = {"cpu": cpu, "memory": "0.01", "storage": "0.1"}
    return Terms("usage", "USD", prices, zone, day, None, None, {}, {})


histories = st.builds(
    lambda zone, day, change, other: TermsHistory(
        [(None, terms(zone, day)), (MARCH + change, terms(other, day, "0.06"))]
    ),
    st.sampled_from(ZONES),
    st.integers(1, 28),
    st.integers(0, 60 * 24 * HOUR),
    st.sampled_from(ZONES),
)
moments = st.integers(MARCH, MARCH + 60 * 24 * HOUR)


@given(histories, moments, st.integers(1, 40 * HOUR))
def test_slots_tile_the_span(history: TermsHistory, start: int, length: int) -> None:
    found = list(slots(history, start, start + length))
    assert found[0].start <= start < found[0].stop
    assert found[-1].stop == start + length
    assert all(left.stop == right.start for left, right in pairwise(found))
    assert all(slot.stop - slot.start <= HOUR for slot in found)


@given(histories, moments, st.integers(1, 40 * HOUR))
def test_nothing_changes_inside_a_slot(history: TermsHistory, start: int, length: int) -> None:
    calendar = history.calendar
    for slot in slots(history, start, start + length):
        last = slot.stop - 1
        assert slot.start // HOUR == last // HOUR
        assert history.at(slot.start) is history.at(last)
        assert calendar.containing(slot.start) == calendar.containing(last)
        assert calendar.local_date(slot.start) == calendar.local_date(last)
        assert slot.period_start == calendar.containing(slot.start).start
        low, high = calendar.month_bounds(slot.start)
        assert slot.month_seconds == high - low


@given(histories, moments, st.lists(st.integers(1, 5 * HOUR), min_size=1, max_size=6))
def test_interrupted_cutting_gives_the_same_starts(
    history: TermsHistory, start: int, steps: list[int]
) -> None:
    """A record's start is its key: it must not depend on where a run ended."""
    stop = start + sum(steps)
    whole = {slot.start for slot in slots(history, start, stop)}
    pieces, at = set(), start
    for step in steps:
        pieces |= {slot.start for slot in slots(history, at, at + step)}
        at += step
    assert pieces == whole


@given(histories, moments)
def test_slot_start_is_where_the_slot_begins(history: TermsHistory, moment: int) -> None:
    assert slot_start(history, moment) == next(slots(history, moment, moment + 1)).start


@st.composite
def timelines(draw: st.DrawFn) -> list[Segment]:
    edges = sorted(draw(st.sets(moments, min_size=2, max_size=6)))
    return [
        Segment(start, stop, draw(st.integers(0, 3_000)), 512, draw(st.integers(0, 9)), "running")
        for start, stop in pairwise(edges)
    ]


@given(histories, timelines())
def test_slices_add_up_to_the_timeline(history: TermsHistory, segments: list[Segment]) -> None:
    cuts = slots(history, segments[0].start, segments[-1].end)
    found = list(slice_segments(segments, cuts))
    for resource in ("cpu", "memory", "storage"):
        right = sum((s.end - s.start) * getattr(s, resource) for s in segments)
        assert sum(s.quantity for s in found if s.resource == resource) == right
    assert len({(s.start, s.resource) for s in found}) == len(found)


def test_no_time_has_no_slots() -> None:
    assert list(slots(TermsHistory([(None, terms())]), MARCH, MARCH)) == []


@given(histories, moments, st.integers(1, 100 * 24))
def test_stretches_say_what_their_slots_say(history: TermsHistory, start: int, hours: int) -> None:
    """Invoices price by stretches what records were cut by slots for: both have to agree."""
    start -= start % HOUR
    stop = start + hours * HOUR
    pieces = stretches(history, start, stop)
    assert pieces[0].start == start
    assert pieces[-1].stop == stop
    assert all(left.stop == right.start for left, right in pairwise(pieces))
    for slot in slots(history, start, stop):
        (piece,) = [piece for piece in pieces if piece.start <= slot.start < piece.stop]
        assert (piece.month_seconds, piece.prices) == (slot.month_seconds, slot.prices)
