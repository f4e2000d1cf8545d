"""Overage records: the same however they came about, and what the timelines say."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_cli.pricing.overage import totals
from billing_cli.pricing.rating import month_of
from billing_cli.pricing.timelines import FOREVER, Segment
from billing_cli.services import overage
from billing_cli.services import terms as terms_service
from billing_cli.store import subscriptions
from billing_cli.store.unit_of_work import UnitOfWork
from tests.services.test_arrival import END, EPOCH, HOUR, WINDOW, event, unique
from tests.services.world import World

if TYPE_CHECKING:
    from pathlib import Path

USERS = ("ann", "bob")
PLANS = [
    {"id": "small", "name": "Small", "price": "9", "interval": "month", "cpu_limit": "1.5"},
    {"id": "year", "name": "Year", "price": "9", "interval": "year", "memory_limit": "2"},
    {"id": "flat", "name": "Flat", "price": "9", "interval": "month", "overage": "none"},
    {
        "id": "paid",
        "name": "Paid",
        "price": "9",
        "interval": "month",
        "cpu_limit": "0",
        "storage_limit": "1",
        "overage": "charge",
    },
]
Chain = list[tuple[int, int, str]]


@pytest.fixture(name="world")
def _world(database_url: str, tmp_path: Path) -> World:
    return World(
        database_url,
        tmp_path,
        {"timezone": "Asia/Kolkata", "billingMode": "hybrid", "subscriptionPlans": PLANS},
    )


def records(world: World) -> list[tuple[Any, ...]]:
    """Return all overage records, without when they were made."""
    return world.rows(
        "SELECT start_time, user_id, resource_type, kind, quantity, unit_price, month_seconds, "
        "period_start, end_time FROM billing_overage_records ORDER BY 1, 2, 3, 4"
    )


def history_of(world: World, now: int) -> Any:
    with UnitOfWork(world.engine) as uow:
        return terms_service.establish(uow, world.settings, now).history


def empty(world: World) -> None:
    world.clear()
    # Users in an order of their own, so that their keys are the same whoever comes first.
    with UnitOfWork(world.engine) as uow, uow.batch() as tx:
        tx.execute_many(
            "INSERT INTO billing_users (user_key, user_id) VALUES (?, ?)",
            list(enumerate(USERS, 1)),
        )


def hold(world: World, now: int, user: str, chain: Chain) -> None:
    """Give a user exactly these phases."""
    history = history_of(world, now)
    key = USERS.index(user) + 1
    with UnitOfWork(world.engine) as uow, uow.batch() as tx:
        before = subscriptions.phases_of(tx, [key]).get(key, [])
        tx.execute("DELETE FROM billing_subscription_phases WHERE user_key = ?", key)
        tx.execute("DELETE FROM billing_subscriptions WHERE user_key = ?", key)
        subscriptions.add(
            tx,
            [
                subscriptions.NewSubscription(key, user, "operator", now, start, end, plan)
                for start, end, plan in chain
            ],
        )
        spans = {(p.start, p.end, p.plan_id) for p in before} ^ set(chain)
        overage.mark_changed(tx, history, [(key, start, end) for start, end, _ in sorted(spans)])


def from_timelines(world: World, now: int) -> dict[Any, Any]:
    """Work out straight from the timelines what everyone's records have to add up to."""
    history = history_of(world, now)
    segments: dict[int, list[Segment]] = defaultdict(list)
    for user, *values in world.rows(
        "SELECT s.user_key, g.start_second, g.end_second, g.cpu_millicores, g.memory_mib, "
        "g.storage_mib, g.state FROM billing_segments g "
        "JOIN billing_sessions s ON s.session_key = g.session_key WHERE s.user_key IS NOT NULL"
    ):
        segments[user].append(Segment(*values))
    with UnitOfWork(world.engine) as uow, uow.reading() as tx:
        phases = subscriptions.phases_of(tx, list(segments))
    first = min((s.start for found in segments.values() for s in found), default=now)
    return {
        (USERS[user - 1], *key): parts
        for user, found in segments.items()
        for key, parts in totals(history, found, phases.get(user, []), first, now).items()
    }


def added_up(world: World) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for _, user, resource, kind, quantity, price, month, *_ in records(world):
        parts = found.setdefault((user, kind, resource, price), {})
        key = month_of(resource, month)
        parts[key] = parts.get(key, 0) + quantity
    return found


moments = st.integers(EPOCH - HOUR, EPOCH + WINDOW)


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    edges = sorted(draw(st.sets(moments | st.just(FOREVER), max_size=5)))
    pairs = pairwise(edges) if draw(st.booleans()) else zip(edges[::2], edges[1::2], strict=False)
    names = st.sampled_from([plan["id"] for plan in PLANS])
    return [(start, end, draw(names)) for start, end in pairs]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_schedule_gives_what_one_run_gives(world: World, data: st.DataObject) -> None:
    """Events and plans in any order, metering in between at odd moments: the same records."""
    events = unique(data.draw(st.lists(event(), min_size=1, max_size=20)))
    held = {user: data.draw(chains()) for user in USERS}
    empty(world)
    for user, chain in held.items():
        hold(world, EPOCH, user, chain)
    world.ingest(events, END)
    world.meter(END)
    once = records(world)
    assert added_up(world) == from_timelines(world, END)

    empty(world)
    arrivals: list[Any] = data.draw(st.permutations([*events, *held.items()]))
    arrivals.insert(data.draw(st.integers(0, len(arrivals))), ("ann", data.draw(chains())))
    arrivals.append(("ann", held["ann"]))
    cuts = data.draw(st.lists(st.integers(0, len(arrivals)), min_size=1, max_size=4))
    now = EPOCH
    for start, stop in pairwise([0, *sorted(cuts), len(arrivals)]):
        now += data.draw(st.integers(1, WINDOW // 4))
        world.ingest([one for one in arrivals[start:stop] if isinstance(one, dict)], now)
        for one in arrivals[start:stop]:
            if isinstance(one, tuple):
                hold(world, now, *one)
        world.meter(now)
    world.meter(END)
    assert records(world) == once
    assert world.rows("SELECT * FROM billing_stale_overage") == []
