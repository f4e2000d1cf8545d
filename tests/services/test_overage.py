"""Overage records: the same however they came about, and what the timelines say."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_cli.pricing.instants import parse_instant
from billing_cli.pricing.overage import totals
from billing_cli.pricing.rating import month_of
from billing_cli.pricing.timelines import FOREVER, Segment
from billing_cli.services import overage
from billing_cli.services import sessions as timelines
from billing_cli.services import terms as terms_service
from billing_cli.store import overage as store
from billing_cli.store import subscriptions
from billing_cli.store.unit_of_work import UnitOfWork
from tests.pricing.test_overage import TRACE
from tests.services.test_arrival import END, EPOCH, HOUR, WINDOW, event, unique
from tests.services.world import World, webhook

if TYPE_CHECKING:
    from pathlib import Path

DAY = 24 * HOUR
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
    segments: dict[tuple[int, str], list[Segment]] = defaultdict(list)
    for key, user, *values in world.rows(
        "SELECT u.user_key, u.user_id, g.start_second, g.end_second, g.cpu_millicores, "
        "g.memory_mib, g.storage_mib, g.state FROM billing_segments g "
        "JOIN billing_sessions s ON s.session_key = g.session_key "
        "JOIN billing_users u ON u.user_key = s.user_key"
    ):
        segments[key, user].append(Segment(*values))
    with UnitOfWork(world.engine) as uow, uow.reading() as tx:
        phases = subscriptions.phases_of(tx, [key for key, _ in segments])
    first = min((s.start for found in segments.values() for s in found), default=now)
    return {
        (user, *item): parts
        for (key, user), found in segments.items()
        for item, parts in totals(history, found, phases.get(key, []), first, now).items()
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


SQLITE = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
# The same statements do the same there: a few examples tell.
POSTGRES = settings(SQLITE, max_examples=3)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@SQLITE
@given(data=st.data())
def test_any_schedule_gives_what_one_run_gives(world: World, data: st.DataObject) -> None:
    compare_schedules(world, data)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@POSTGRES
@given(data=st.data())
def test_any_schedule_does_so_on_postgresql(world: World, data: st.DataObject) -> None:
    compare_schedules(world, data)


def compare_schedules(world: World, data: st.DataObject) -> None:
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


def test_a_real_trace_adds_up(world: World) -> None:
    """Dozens of users with a plan each, most of them below its limits most of the time."""
    empty(world)
    with gzip.open(TRACE, "rt") as lines:
        events = [json.loads(line) for line in islice(lines, 1_000)]
    first, last = (parse_instant(events[index]["timestamp"])[0] for index in (0, -1))
    world.ingest(events, last)
    users = world.rows("SELECT user_key, user_id FROM billing_users ORDER BY user_id")
    plans = [plan["id"] for plan in PLANS]
    with UnitOfWork(world.engine) as uow, uow.batch() as tx:
        subscriptions.add(
            tx,
            [
                subscriptions.NewSubscription(
                    key, user, "operator", last, first + number * 1_801, FOREVER, plans[number % 4]
                )
                for number, (key, user) in enumerate(users)
                if number % 5
            ],
        )
    for until in (first + 12_345, (first + last) // 2, last):
        world.meter(last, until)
    found = records(world)
    assert {row[3] for row in found} == {"use", "overage"}
    assert len({row[1] for row in found}) > 10
    assert added_up(world) == from_timelines(world, last)
    assert found == again(world, last)


class KilledError(Exception):
    """Stands for a process that ends between two batches."""


def late_and_held(world: World) -> None:
    """Metered time of five days in which both users' past turns out to be another."""
    empty(world)
    stop = EPOCH + 5 * DAY
    for user in USERS:
        hold(world, EPOCH, user, [(EPOCH + HOUR, FOREVER, "small")])
        lines = [webhook("session.created", EPOCH, f"{user}-{n}", user) for n in range(3)]
        world.ingest(lines, EPOCH)
    world.meter(stop)
    hold(world, stop, "bob", [(EPOCH + 30 * HOUR + 7, FOREVER, "paid")])
    sizes = {"cpu": "3", "memory": "2Gi", "storage": "8Gi"}
    world.ingest(
        [webhook("resources.updated", EPOCH + 5_000, "ann-1", "ann", resources=sizes)], stop
    )


def test_mending_that_was_killed_is_finished_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overage, "_MENDED_USERS", 1)
    stop = EPOCH + 5 * DAY
    history = history_of(world, stop)
    late_and_held(world)
    before = records(world)
    world.meter(stop)
    once = records(world)
    assert once != before
    assert added_up(world) == from_timelines(world, stop)
    finished: list[bool] = []
    # Each batch on SQLite, and every third where to prepare takes longer.
    for kill in range(1, 100, 1 if world.url.startswith("sqlite") else 3):
        late_and_held(world)
        left = kill

        def advance(_: int) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise KilledError

        with UnitOfWork(world.engine) as uow:
            timelines.refresh(uow, history, lambda _: None)
            try:
                overage.mend(uow, history, stop, advance)
            except KilledError:
                pass
            else:
                break
        with UnitOfWork(world.engine) as uow, uow.reading() as tx:
            finished.append(store.first_stale(tx) is None)
        world.meter(stop)
        assert records(world) == once
    # Killed after batches of which the last leaves nothing to do.
    assert len(finished) > (5 if world.url.startswith("sqlite") else 1)
    assert finished == [False] * (len(finished) - 1) + [True]


def again(world: World, now: int) -> list[tuple[Any, ...]]:
    """Meter everything anew, with what is in force now, and return the overage records."""
    with UnitOfWork(world.engine) as uow, uow.batch() as tx:
        for table in ("usage_records", "overage_records", "stale_overage", "state"):
            tx.execute(f"DELETE FROM billing_{table}")
    world.meter(now)
    return records(world)


def test_other_settings_hold_from_their_moment_on(world: World) -> None:
    empty(world)
    now = EPOCH + 10 * HOUR + 1_234
    hold(world, EPOCH, "ann", [(EPOCH, FOREVER, "small")])
    world.ingest([webhook("session.created", EPOCH, f"s{n}", "ann") for n in range(3)], now)
    world.meter(now)
    world.configure(computeRates={"cpu_per_core_hour": "0.08"})
    assert world.apply(now, EPOCH + 5 * HOUR + 77).remetered_from is not None
    assert records(world)[-1][0] < EPOCH + 5 * HOUR
    assert world.rows("SELECT * FROM billing_stale_overage") == []
    world.meter(now)
    found = records(world)
    prices = {(resource, price) for _, _, resource, _, _, price, *_ in found}
    assert prices == {("cpu", "0.05"), ("cpu", "0.08")}
    assert sum(row[4] for row in found) == 1_500 * (now - EPOCH)
    # From the next period on plans have no effect.
    world.configure(billingMode="usage")
    world.apply(now)
    world.meter(END)
    (end,) = {row[8] for row in records(world)[-1:]}
    assert end == history_of(world, END).calendar.containing(EPOCH).end
    assert records(world) == again(world, END)


def test_a_longer_period_takes_in_a_plan_to_come(world: World) -> None:
    """Who holds a plan at any moment of a period has overage records for all of it."""
    empty(world)
    now = EPOCH + 10 * HOUR + 1_234
    begin = EPOCH + 5 * DAY + 1_800
    hold(world, EPOCH, "ann", [(begin, FOREVER, "flat")])
    world.ingest([webhook("session.created", EPOCH, "s1", "ann")], now)
    world.meter(now)
    assert records(world) == []
    world.configure(invoiceDay=15)
    world.apply(now)
    world.meter(now)
    assert sum(row[4] for row in records(world) if row[2] == "cpu") == 1_000 * (now - EPOCH)
    world.meter(END)
    # Once it is held, the plan charges nothing.
    assert records(world)[-1][8] == begin
    assert records(world) == again(world, END)


def test_a_plan_from_now_on_turns_the_period_over(world: World) -> None:
    """Nothing behind the watermark has changed but what is charged there."""
    empty(world)
    now = EPOCH + 10 * HOUR + 1_234
    world.ingest([webhook("session.created", EPOCH, "s1", "ann")], now)
    world.meter(now)
    hold(world, now, "ann", [(now + HOUR, FOREVER, "flat")])
    world.meter(now)
    assert {row[3] for row in records(world)} == {"use"}
    assert added_up(world) == from_timelines(world, now)
    hold(world, now, "ann", [])
    world.meter(now)
    assert records(world) == []


def test_an_idle_slot_is_passed_over_and_never_gone_back_behind(world: World) -> None:
    """Metered until inside the half hour before midnight in Kolkata, after which nothing runs."""
    empty(world)
    hold(world, EPOCH, "ann", [(EPOCH, FOREVER, "paid")])
    midnight = EPOCH + 30 * HOUR
    lines = []
    for name, start in (("s1", midnight - 1_700), ("s2", midnight + 600)):
        lines.append(webhook("session.created", start, name, "ann"))
        lines.append(webhook("session.terminated", start + 60, name, "ann"))
    world.ingest(lines, END)
    world.meter(END, midnight - 1_200)
    assert [row[0::8] for row in records(world)] == [(midnight - 1_800, midnight - 1_200)]
    world.meter(END)
    assert [row[0::8] for row in records(world)] == [
        (midnight - 1_800, midnight),
        (midnight, midnight + 1_800),
    ]
    assert records(world) == again(world, END)
