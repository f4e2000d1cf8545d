"""Arrival order is irrelevant: however events come in, records and invoices are the same."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.world import World, webhook

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3_600
# New Year in Kolkata: a month boundary at half past an hour of UTC lies inside the window.
EPOCH = 1_735_669_800 - 30 * HOUR
WINDOW = 60 * HOUR
END = EPOCH + WINDOW + 40 * 24 * HOUR

KINDS = (
    "session.created",
    "session.started",
    "session.woken",
    "session.hibernated",
    "session.stopped",
    "session.terminated",
    "session.deleted",
    "session.heartbeat",
    "resources.updated",
    "state.changed",
    "session.viewed",
)


@st.composite
def event(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(KINDS))
    at = EPOCH + draw(st.integers(0, WINDOW))
    session = draw(st.sampled_from(["s1", "s2", "s3"]))
    user = draw(st.sampled_from(["ann", "ann", "bob"]))
    data: dict[str, Any] = {}
    if draw(st.booleans()):
        data["resources"] = {
            "cpu": draw(st.sampled_from(["500m", "1", "2.5"])),
            "memory": draw(st.sampled_from(["1Gi", "3Gi"])),
            "storage": draw(st.sampled_from(["0", "10Gi"])),
        }
    if kind in {"session.created", "state.changed"}:
        data["state"] = draw(st.sampled_from(["running", "hibernated", "pending", "terminated"]))
    return webhook(kind, at, session, user, **data)


def unique(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({one["id"]: one for one in found}.values())


CONFIG = {"timezone": "Asia/Kolkata", "heartbeatTimeoutMinutes": 45}
SQLITE = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
# The same statements do the same there: a few examples tell, and each takes twice as long.
POSTGRES = settings(SQLITE, max_examples=4)


@pytest.fixture(name="on_sqlite")
def _on_sqlite(sqlite_url: str, tmp_path: Path) -> World:
    return World(sqlite_url, tmp_path, dict(CONFIG))


@pytest.fixture(name="on_postgres")
def _on_postgres(postgres_url: str, tmp_path: Path) -> World:
    return World(postgres_url, tmp_path, dict(CONFIG))


@SQLITE
@given(data=st.data())
def test_any_schedule_gives_what_one_pass_gives(on_sqlite: World, data: st.DataObject) -> None:
    compare_schedules(on_sqlite, data)


@POSTGRES
@given(data=st.data())
def test_any_schedule_does_so_on_postgresql(on_postgres: World, data: st.DataObject) -> None:
    compare_schedules(on_postgres, data)


@SQLITE
@given(data=st.data())
def test_late_events_are_billed_in_the_end(on_sqlite: World, data: st.DataObject) -> None:
    bill_late_events(on_sqlite, data)


@POSTGRES
@given(data=st.data())
def test_late_events_are_billed_on_postgresql(on_postgres: World, data: st.DataObject) -> None:
    bill_late_events(on_postgres, data)


def compare_schedules(world: World, data: st.DataObject) -> None:
    """Whatever arrives when, and whenever it is metered, the end is that of one pass."""
    events = unique(data.draw(st.lists(event(), min_size=1, max_size=25)))
    world.clear()
    world.ingest(events, END)
    world.meter(END)
    world.generate(END)
    once = world.snapshot()

    world.clear()
    arrivals = data.draw(st.permutations([*events, *events[:5]]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arrivals)), max_size=4)))
    moments = sorted(
        data.draw(
            st.lists(
                st.integers(EPOCH, EPOCH + WINDOW + 5 * HOUR),
                min_size=len(cuts) + 1,
                max_size=len(cuts) + 1,
            )
        )
    )
    for (start, stop), moment in zip(pairwise([0, *cuts, len(arrivals)]), moments, strict=True):
        world.ingest(arrivals[start:stop], moment)
        world.meter(moment)
    world.meter(END)
    world.generate(END)
    assert world.snapshot() == once


def bill_late_events(world: World, data: st.DataObject) -> None:
    """What two invoices say together is what one would have said, credits left to use counted."""
    events = unique(data.draw(st.lists(event(), min_size=1, max_size=20)))
    early = data.draw(st.lists(st.sampled_from(events), unique_by=lambda one: one["id"]))
    first, second = _month_ends(world)

    world.clear()
    world.ingest(events, second)
    world.meter(second)
    right = _billed_by_unit(world, second)

    world.clear()
    world.ingest(early, first)
    world.generate(first)
    world.ingest(events, second)
    world.generate(second)
    # A period is closed once: what is still open has nothing late in it.
    assert _billed_by_unit(world, second, generate=False) == right
    assert world.generate(second).ids == []


def _month_ends(world: World) -> tuple[int, int]:
    calendar = world.history.calendar
    first = calendar.containing(EPOCH).end
    # Long enough after the window for a second period to be complete.
    return first + HOUR, calendar.containing(first + 40 * 24 * HOUR).end + HOUR


def _billed_by_unit(world: World, now: int, *, generate: bool = True) -> dict[Any, int]:
    if generate:
        world.generate(now)
    billed: dict[Any, int] = {}
    for user, start, resource, price, amount in world.rows(
        "SELECT i.user_id, l.unit_start, l.resource_type, l.unit_price, l.amount "
        "FROM billing_invoice_lines l JOIN billing_invoices i ON i.id = l.invoice_id "
        "WHERE l.resource_type IS NOT NULL"
    ):
        key = (user, start, resource, price)
        billed[key] = billed.get(key, 0) + amount
    return {key: amount for key, amount in billed.items() if amount}
