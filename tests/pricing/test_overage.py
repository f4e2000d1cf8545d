"""Overage: the sweep against counting every second, and against a trace summed another way."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from itertools import islice, pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from billing_cli.pricing.instants import parse_instant
from billing_cli.pricing.overage import (
    OVERAGE,
    USE,
    Excess,
    Step,
    reach,
    slice_excess,
    steps,
    totals,
)
from billing_cli.pricing.plans import Plan
from billing_cli.pricing.quantities import parse_cpu, parse_memory
from billing_cli.pricing.slots import HOUR, slots
from billing_cli.pricing.subscriptions import Phase
from billing_cli.pricing.terms import RESOURCES, Terms, TermsHistory
from billing_cli.pricing.timelines import FOREVER, Segment

TRACE = Path(__file__).parents[2] / "examples" / "nasa-ipsc-1993.jsonl.gz"
# 2025-02-01 00:00 in Kolkata: a month boundary at half past an hour of UTC.
BOUNDARY = parse_instant("2025-01-31T18:30:00Z")[0]
DAY = 24 * HOUR
PRICES = {"cpu": "0.05", "memory": "0.01", "storage": "0.1"}


def plan(
    name: str, cpu: int | None, memory: int | None, *, overage: str | None = None, cycle: str = ""
) -> Plan:
    limits = {"cpu": cpu, "memory": memory, "storage": None}
    return Plan(name, name, "10", 1_000, cycle or "month", limits, overage, "arrears")


PLANS = (
    plan("small", 2_000, 4_096),
    plan("tiny", 500, None, cycle="year"),
    plan("flat", 0, 0, overage="none"),
    plan("paid", 1_000, None, overage="charge"),
)


def terms(mode: str, zone: str = "Asia/Kolkata", day: int = 1, cpu: str = "0.05") -> Terms:
    plans = {plan.id: plan for plan in PLANS}
    prices = PRICES | {"cpu": cpu}
    return Terms(mode, "USD", prices, zone, day, None, None, {}, plans)


def phase(start: int, end: int, plan_id: str) -> Phase:
    return Phase(1, 1, start, end, plan_id, first=True)


def running(start: int, end: int, cpu: int, memory: int = 0, storage: int = 0) -> Segment:
    return Segment(start, end, cpu, memory, storage, "running")


def sliced(
    history: TermsHistory, segments: list[Segment], phases: list[Phase], start: int, stop: int
) -> list[Excess]:
    charged = steps(history, phases, start, stop)
    loads = [segment[:5] for segment in segments]
    return list(slice_excess(loads, charged, list(slots(history, start, stop))))


def summed(found: list[Excess]) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for excess in found:
        sums[excess.kind, excess.resource] += excess.quantity
    return dict(sums)


def test_ten_cores_on_eight_are_two_core_hours_an_hour() -> None:
    """The example of the design, whatever else the period is like."""
    history = TermsHistory([(None, terms("hybrid", "UTC"))])
    phases = [phase(BOUNDARY, FOREVER, "small")]
    segments = [running(BOUNDARY, BOUNDARY + 2 * HOUR, 1_250) for _ in range(8)]
    found = sliced(history, segments, phases, BOUNDARY, BOUNDARY + DAY)
    assert summed(found) == {(OVERAGE, "cpu"): 8_000 * 2 * HOUR}
    # The slots of 18:00, 19:00 and 20:00: the first begins before the span.
    assert [(e.slot.start, e.quantity) for e in found] == [
        (BOUNDARY - 1_800, 8_000 * 1_800),
        (BOUNDARY + 1_800, 8_000 * HOUR),
        (BOUNDARY + 1_800 + HOUR, 8_000 * 1_800),
    ]


def test_what_a_mode_and_a_plan_charge() -> None:
    start, stop = BOUNDARY, BOUNDARY + HOUR
    segments = [running(start, stop, 3_000, 8_192, 1_024)]
    all_of_it = {(USE, r): q * HOUR for r, q in zip(RESOURCES, (3_000, 8_192, 1_024), strict=True)}
    cpu, memory = 1_000 * HOUR, 4_096 * HOUR
    cases = {
        ("usage", "paid"): {},
        ("subscription", "small"): {},
        ("subscription", "paid"): {(OVERAGE, "cpu"): 2 * cpu},
        ("hybrid", "small"): {(OVERAGE, "cpu"): cpu, (OVERAGE, "memory"): memory},
        ("hybrid", "tiny"): {(OVERAGE, "cpu"): 2_500 * HOUR},
        ("hybrid", "flat"): {},
    }
    for (mode, name), right in cases.items():
        history = TermsHistory([(None, terms(mode))])
        assert summed(sliced(history, segments, [phase(start, stop, name)], start, stop)) == right
        # Who holds a plan only later in the period pays for what is used before, in hybrid.
        later = [phase(stop + DAY, stop + 2 * DAY, name)]
        alone = all_of_it if mode == "hybrid" else {}
        assert summed(sliced(history, segments, later, start, stop)) == alone
        # Who holds none in it pays for sessions, or nothing.
        other = [phase(stop + 60 * DAY, FOREVER, name)]
        assert sliced(history, segments, other, start, stop) == []
        assert sliced(history, segments, [], start, stop) == []


def test_a_changed_plan_holds_from_the_next_term_on() -> None:
    change = BOUNDARY - 3 * DAY
    raised = {"small": plan("small", 3_000, None)}
    dear = terms("hybrid", cpu="0.06")
    newer = Terms(
        "hybrid", "USD", dear.prices, "Asia/Kolkata", 1, None, None, {}, dict(dear.plans) | raised
    )
    history = TermsHistory([(None, terms("hybrid")), (change, newer)])
    phases = [phase(BOUNDARY - 10 * DAY, FOREVER, "small")]
    segments = [running(BOUNDARY - 4 * DAY, BOUNDARY + DAY, 4_000)]
    found = totals(history, segments, phases, BOUNDARY - 5 * DAY, BOUNDARY + 5 * DAY)
    assert found == {
        (OVERAGE, "cpu", "0.05"): {0: 2_000 * DAY},
        (OVERAGE, "cpu", "0.06"): {0: 2_000 * 3 * DAY + 1_000 * DAY},
    }


SPAN = 3 * HOUR
seconds = st.just(BOUNDARY) | st.integers(BOUNDARY - SPAN, BOUNDARY + SPAN)


@st.composite
def sessions(draw: st.DrawFn) -> list[Segment]:
    """Sessions that start, stop, hibernate and resize at odd seconds, and may run on."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        edges = sorted(draw(st.sets(seconds, min_size=2, max_size=4)))
        if draw(st.booleans()):
            edges[-1] = FOREVER
        storage = draw(st.sampled_from([0, 1_024]))
        for start, stop in pairwise(edges):
            cpu = draw(st.sampled_from([0, 500, 1_000, 2_500]))
            found.append(running(start, stop, cpu, draw(st.integers(0, 5_000)), storage))
    return found


@st.composite
def chains(draw: st.DrawFn) -> list[Phase]:
    edges = sorted(draw(st.sets(seconds | st.just(FOREVER), min_size=2, max_size=6)))
    pairs = pairwise(edges) if draw(st.booleans()) else zip(edges[::2], edges[1::2], strict=False)
    return [phase(start, end, draw(st.sampled_from(PLANS)).id) for start, end in pairs]


histories = st.builds(
    lambda mode, day, other, change: TermsHistory(
        [(None, terms(mode, day=day)), (change, terms(other, day=day, cpu="0.06"))]
    ),
    st.sampled_from(["hybrid", "hybrid", "subscription", "usage"]),
    st.sampled_from([1, 15]),
    st.sampled_from(["hybrid", "subscription", "usage"]),
    seconds,
)


def counted(
    history: TermsHistory, segments: list[Segment], phases: list[Phase], start: int, stop: int
) -> dict[tuple[int, str, str], int]:
    """Count second by second what is charged, by the second, kind and resource."""
    found = {}
    for second in range(start, stop):
        period = history.calendar.containing(second)
        mode = history.mode_of(period.start)
        if mode == "usage" or not any(
            p.start < period.end and p.end > period.start for p in phases
        ):
            continue
        held = [p for p in phases if p.start <= second < p.end]
        live = [s for s in segments if s.start <= second < s.end]
        if held:
            (plan,) = (plan for plan in PLANS if plan.id == held[0].plan_id)
            if plan.overage == "none" or (plan.overage is None and mode != "hybrid"):
                continue
            kind, limits = OVERAGE, plan.limits
        elif mode == "hybrid":
            kind, limits = USE, dict.fromkeys(RESOURCES, 0)
        else:
            continue
        for resource in RESOURCES:
            limit = limits[resource]
            above = 0 if limit is None else sum(getattr(s, resource) for s in live) - limit
            if above > 0:
                found[second, kind, resource] = above
    return found


@settings(max_examples=80)
@given(histories, sessions(), chains(), seconds, st.integers(HOUR, SPAN))
def test_the_sweep_counts_every_second(
    history: TermsHistory, segments: list[Segment], phases: list[Phase], start: int, length: int
) -> None:
    start -= start % HOUR
    stop = start + length
    right: dict[tuple[int, str, str], int] = defaultdict(int)
    edges = {s: slot for slot in slots(history, start, stop) for s in range(slot.start, slot.stop)}
    counts = counted(history, segments, phases, start, stop)
    for (second, kind, resource), above in counts.items():
        right[edges[second].start, kind, resource] += above
    found = sliced(history, segments, phases, start, stop)
    assert {(e.slot.start, e.kind, e.resource): e.quantity for e in found} == right
    assert len(found) == len(right)
    assert [e.slot.start for e in found] == sorted(e.slot.start for e in found)
    by_price: dict[tuple[str, str, str], dict[int, int]] = {}
    for slot, resource, kind, quantity in found:
        parts = by_price.setdefault((kind, resource, slot.prices[resource]), {})
        month = slot.month_seconds if resource == "storage" else 0
        parts[month] = parts.get(month, 0) + quantity
    assert totals(history, segments, phases, start, stop) == by_price


@given(histories, sessions(), chains())
def test_who_is_out_of_reach_is_charged_nothing(
    history: TermsHistory, segments: list[Segment], phases: list[Phase]
) -> None:
    start, stop = BOUNDARY - SPAN, BOUNDARY + SPAN
    concerned = reach(history, start, stop)
    held = concerned and [p for p in phases if p.start < concerned.stop and p.end > concerned.start]
    if concerned and held:
        gaps = stop - start > sum(max(0, min(stop, p.end) - max(start, p.start)) for p in held)
        used = [sum(s[2:5][index] for s in segments if s.end > start) for index in range(3)]
        for index, most in enumerate(used):
            limits = [concerned.bounds[p.plan_id][index] for p in held]
            if any(limit is not None and most > limit for limit in limits):
                return
        if gaps and concerned.is_open and any(used):
            return
    assert sliced(history, segments, phases, start, stop) == []


def test_a_step_without_a_limit_charges_nothing() -> None:
    loads = [(0, HOUR, 1_000, 1_000, 1_000)]
    cuts = list(slots(TermsHistory([(None, terms("hybrid", "UTC"))]), 0, HOUR))
    (found,) = slice_excess(loads, [Step(0, HOUR, OVERAGE, (None, 999, 1_000))], cuts)
    assert (found.resource, found.quantity) == ("memory", HOUR)


def trace(events: int) -> dict[str, list[Segment]]:
    """Return the sessions of the first events of the trace, by user; what is open ends with it."""
    found: dict[str, list[Segment]] = defaultdict(list)
    begun: dict[str, tuple[int, str, int, int]] = {}
    at = 0
    with gzip.open(TRACE, "rt") as lines:
        for line in islice(lines, events):
            event = json.loads(line)
            data, at = event["data"], parse_instant(event["timestamp"])[0]
            if event["event"] == "session.created":
                sizes = data["resources"]
                size = parse_cpu(sizes["cpu"]), parse_memory(sizes["memory"])
                begun[data["id"]] = (at, data["user"], *size)
            else:
                start, user, cpu, memory = begun.pop(data["id"])
                found[user] += [running(start, at, cpu, memory)] if start < at else []
    for start, user, cpu, memory in begun.values():
        found[user] += [running(start, at, cpu, memory)] if start < at else []
    return found


def test_a_whole_trace_adds_up() -> None:
    """Against summing, between any two moments at which something changes, what runs then."""
    users = trace(6_000)
    everything = [segment for segments in users.values() for segment in segments]
    first, last = min(s.start for s in everything), max(s.end for s in everything)
    change = (first + last) // 2 + 7
    history = TermsHistory([(None, terms("hybrid"))])
    phases = [phase(first - DAY, change, "small"), phase(change, FOREVER, "tiny")]
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for segments in users.values():
        for key, quantity in summed(sliced(history, segments, phases, first, last + 1)).items():
            sums[key] += quantity
    right: dict[tuple[str, str], int] = defaultdict(int)
    for segments in users.values():
        edges = sorted({change, *(s.start for s in segments), *(s.end for s in segments)})
        for low, high in pairwise(edges):
            live = [s for s in segments if s.start < high and s.end > low]
            cpu_limit = 2_000 if low < change else 500
            right[OVERAGE, "cpu"] += (high - low) * max(0, sum(s.cpu for s in live) - cpu_limit)
            if low < change:
                over = sum(s.memory for s in live) - 4_096
                right[OVERAGE, "memory"] += (high - low) * max(0, over)
    assert sums == right
    assert min(right.values()) > 0
