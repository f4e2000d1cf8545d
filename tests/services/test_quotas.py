"""Quotas are checked alike however often, how late and by how many; and what follows from it."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from billing_cli.pricing.instants import parse_instant
from billing_cli.pricing.timelines import FOREVER
from billing_cli.services import quotas, sessions, suspensions
from billing_cli.services import terms as terms_service
from billing_cli.services.quotas import Check, CheckReport, Choice
from billing_cli.store import subscriptions
from billing_cli.store.names import USERS, Interner
from billing_cli.store.subscriptions import NewSubscription
from billing_cli.store.unit_of_work import UnitOfWork
from tests.services.world import World, webhook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOUR, DAY = 3_600, 86_400
START = parse_instant("2025-01-30T00:00:00Z")[0]
NEXT_PERIOD = parse_instant("2025-02-01T00:00:00Z")[0]
PLANS = [
    {"id": "small", "name": "S", "price": 1, "interval": "month", "cpu_limit": 2},
    {"id": "large", "name": "L", "price": 2, "interval": "month", "cpu_limit": 8},
]
CONFIG: dict[str, object] = {
    "billingMode": "hybrid",
    "subscriptionPlans": PLANS,
    "autoSuspendOnOverage": True,
    "gracePeriodDays": 1,
}
NAMES = ("ann", "bob", "cy")


@pytest.fixture(name="world")
def _world(database_url: str, tmp_path: Path) -> World:
    return World(database_url, tmp_path, dict(CONFIG))


def check(world: World, now: int) -> CheckReport:
    with UnitOfWork(world.engine) as uow:
        history = terms_service.establish(uow, world.settings, now).history
        sessions.refresh(uow, history, lambda _: None)
        return Check(uow, world.settings, history, now).run()


def limit(world: World, user: str, since: int, now: int = START, **limits: int | None) -> None:
    with UnitOfWork(world.engine) as uow, uow.batch() as tx:
        key = Interner(USERS).keys(tx, {user})[user]
        chosen = {
            resource: Choice("none" if amount is None else "limit", amount)
            for resource, amount in limits.items()
        }
        quotas.set_limits(tx, key, chosen, since, now)


def hold(world: World, user: str, *phases: tuple[int, int, str]) -> None:
    with UnitOfWork(world.engine) as uow, uow.batch() as tx:
        key = Interner(USERS).keys(tx, {user})[user]
        for start, end, plan in phases:
            found = NewSubscription(key, user, "operator", start, start, end, plan)
            subscriptions.add(tx, [found])


def run(world: World, session: str, user: str, start: int, end: int | None, cpu: int) -> None:
    world.ingest(story(session, user, start, end, cpu), start)


def story(session: str, user: str, start: int, end: int | None, cpu: int) -> list[dict[str, Any]]:
    sizes = {"cpu": str(cpu), "memory": "1Gi"}
    lines = [webhook("session.created", start, session, user, resources=sizes)]
    if end is not None:
        lines.append(webhook("session.terminated", end, session, user))
    return lines


def told(world: World) -> list[tuple[str, str, int]]:
    """Type, what it is about, and when it happened."""
    rows = world.rows("SELECT type, data, occurred_at FROM billing_outbox ORDER BY occurred_at, id")
    return [
        (kind.removeprefix("billing."), str(json.loads(data)["resource_type"]), at)
        for kind, data, at in rows
        if kind.startswith(("billing.quota.", "billing.account."))
    ]


def suspended(world: World) -> list[tuple[str, int, int | None]]:
    return world.rows(
        "SELECT cause, suspended_at, resumed_at FROM billing_suspensions ORDER BY suspended_at, id"
    )


def everything(world: World) -> list[list[tuple[Any, ...]]]:
    """All that must not depend on how often quotas were checked."""
    return [
        world.rows(
            "SELECT told_as, type, user_id, occurred_at, data FROM billing_outbox ORDER BY told_as"
        ),
        world.rows(
            "SELECT user_id, origin, resource_type, reason, suspended_at, resumed_at, "
            "resume_reason FROM billing_suspensions ORDER BY origin"
        ),
        world.rows(
            "SELECT user_key, resource_type, level, since_second, warned_second "
            "FROM billing_quota_states ORDER BY user_key, resource_type"
        ),
    ]


def busy(seed: int) -> list[dict[str, Any]]:
    """Sessions of three users over four days, in order of time."""
    source = random.Random(seed)  # noqa: S311 - the same story every time
    lines = []
    for number in range(60):
        start = START + source.randrange(4 * DAY)
        end = start + source.choice([60, HOUR, 9 * HOUR, 2 * DAY])
        lines += story(f"s{number}", source.choice(NAMES), start, end, source.choice([1, 2, 5]))
    return sorted(lines, key=lambda line: str(line["timestamp"]))


def prepare(world: World) -> None:
    """Plans and limits that change while the sessions run."""
    for user in NAMES:
        limit(world, user, START + DAY, spend=1_000)
    limit(world, "ann", START + 2 * DAY + 17, cpu=30_000)
    limit(world, "cy", START, cpu=6_000, memory=5_120)
    limit(world, "cy", START + 3 * DAY, spend=None, memory=0)
    hold(world, "ann", (START - DAY, FOREVER, "small"))
    hold(world, "bob", (START, START + 2 * DAY, "small"), (START + 3 * DAY, FOREVER, "large"))


@pytest.mark.no_cover  # much of what the tests below have little of
@pytest.mark.parametrize("seed", [1, 2])
def test_a_late_check_finds_what_checks_in_time_find(
    sqlite_url: str, postgres_url: str, sqlite_templates: Any, tmp_path: Path, seed: int
) -> None:
    lines = busy(seed)
    late = [World(url, tmp_path, dict(CONFIG)) for url in (sqlite_url, postgres_url)]
    for world in late:
        prepare(world)
        world.ingest(lines, START)
        check(world, START + 5 * DAY)
    timely = World(sqlite_templates.copy_to(tmp_path / "timely.db"), tmp_path, dict(CONFIG))
    prepare(timely)
    for number in range(1, 5 * 12 + 1):
        now = START + number * 2 * HOUR
        arrived = [line for line in lines if parse_instant(line["timestamp"])[0] <= now]
        lines = lines[len(arrived) :]
        timely.ingest(arrived, now)
        check(timely, now)
    found = everything(timely)
    # The test shows nothing if nothing happens.
    assert len(found[0]) > 20
    assert any(row[5] for row in found[1])
    assert [everything(world) for world in late] == [found, found]


def test_each_moment_is_told_once(world: World) -> None:
    limit(world, "ann", START, cpu=10_000)
    run(world, "a", "ann", START + 10, None, 7)
    run(world, "b", "ann", START + 20, START + 30, 1)
    run(world, "c", "ann", START + 40, START + 50, 4)
    report = check(world, START + 100)
    assert (report.crossings, report.suspensions, report.resumptions) == (3, 0, 0)
    assert told(world) == [
        ("quota.warning", "cpu", START + 20),
        ("quota.warning", "cpu", START + 40),
        ("quota.exceeded", "cpu", START + 40),
    ]
    assert check(world, START + 100).crossings == 0
    assert check(world, START + 99).crossings == 0
    assert check(world, START + 101).crossings == 0
    assert len(told(world)) == 3


def test_late_events_add_crossings_and_withdraw_none(world: World) -> None:
    limit(world, "ann", START, cpu=10_000)
    run(world, "a", "ann", START, None, 7)
    run(world, "b", "ann", START + 20, START + 30, 2)
    check(world, START + 100)
    assert told(world) == [("quota.warning", "cpu", START + 20)]
    # It began ten seconds earlier, and another ran that nobody knew of.
    run(world, "b", "ann", START + 10, START + 15, 2)
    run(world, "c", "ann", START + 60, START + 70, 5)
    assert check(world, START + 100).crossings == 0
    assert check(world, START + 110).crossings == 3
    assert told(world) == [
        ("quota.warning", "cpu", START + 10),
        ("quota.warning", "cpu", START + 20),
        ("quota.warning", "cpu", START + 60),
        ("quota.exceeded", "cpu", START + 60),
    ]
    assert world.rows("SELECT user_key FROM billing_stale_quotas") == []


def test_a_limit_in_the_past_is_checked_from_there(world: World) -> None:
    run(world, "a", "ann", START, None, 7)
    check(world, START + 100)
    limit(world, "ann", START + 50, START + 100, cpu=5_000)
    assert check(world, START + 110).crossings == 2
    assert told(world)[-1] == ("quota.exceeded", "cpu", START + 50)


def test_another_threshold_counts_from_the_last_check_on(world: World) -> None:
    limit(world, "ann", START, cpu=10_000)
    run(world, "a", "ann", START, None, 6)
    check(world, START + 100)
    world.configure(alertThreshold=50)
    assert check(world, START + 110).crossings == 0
    assert world.rows("SELECT level, since_second FROM billing_quota_states") == [
        ("warning", START)
    ]
    run(world, "b", "ann", START + 120, None, 5)
    assert check(world, START + 130).crossings == 1
    world.configure(alertThreshold=100)
    run(world, "b2", "ann", START + 140, None, 1)
    check(world, START + 150)
    assert [level for (level,) in world.rows("SELECT level FROM billing_quota_states")] == [
        "exceeded"
    ]


@pytest.mark.parametrize(("seconds", "count"), [(DAY, 1), (DAY - 1, 0)])
def test_a_grace_is_over_to_the_second(world: World, seconds: int, count: int) -> None:
    limit(world, "ann", START, cpu=1_000)
    run(world, "a", "ann", START + 5, START + 5 + seconds, 2)
    report = check(world, START + 3 * DAY)
    assert report.suspensions == count
    assert suspended(world) == [("quota", START + 5 + DAY, None)] * count


def test_nobody_is_suspended_unless_it_is_switched_on(world: World) -> None:
    world.configure(autoSuspendOnOverage=False)
    limit(world, "ann", START, cpu=1_000)
    limit(world, "bob", START, cpu=1_000)
    run(world, "a", "ann", START, None, 2)
    run(world, "b", "bob", START, START + 2 * DAY, 2)
    check(world, START + 3 * DAY)
    assert suspended(world) == []
    world.configure(autoSuspendOnOverage=True)
    check(world, START + 3 * DAY + 1)
    # Who is over still, at the moment the grace was over; not who was over once.
    assert suspended(world) == [("quota", START + DAY, None)]
    assert told(world)[-1] == ("account.suspended", "cpu", START + DAY)


def limit_is_raised(world: World, at: int) -> None:
    limit(world, "ann", at, cpu=8_000)


def limit_is_raised_too_little(world: World, at: int) -> None:
    limit(world, "ann", at, cpu=2_000)


def less_is_used(world: World, at: int) -> None:
    world.ingest([webhook("session.terminated", at, "a", "ann")], at)


@pytest.mark.parametrize(
    ("happens", "ends"),
    [
        (limit_is_raised, True),
        (limit_is_raised_too_little, False),
        (less_is_used, False),
    ],
)
@pytest.mark.parametrize("between", [True, False])
def test_what_ends_a_suspension(
    world: World, happens: Callable[[World, int], None], *, ends: bool, between: bool
) -> None:
    limit(world, "ann", START, cpu=1_000)
    run(world, "a", "ann", START, None, 3)
    at = START + 2 * DAY
    if between:
        check(world, at - 1)
    happens(world, at)
    report = check(world, START + 3 * DAY)
    assert suspended(world) == [("quota", START + DAY, at if ends else None)]
    assert report.resumptions == ends
    resumed = [row for row in told(world) if row[0] == "account.resumed"]
    assert resumed == [("account.resumed", "cpu", at)] * ends


@pytest.mark.parametrize("between", [True, False])
def test_another_plan_ends_a_suspension(world: World, *, between: bool) -> None:
    at = START + 2 * DAY
    hold(world, "ann", (START - 1, at, "small"), (at, FOREVER, "large"))
    run(world, "a", "ann", START, None, 3)
    if between:
        check(world, at - 1)
        assert suspended(world) == [("quota", START + DAY, None)]
    assert check(world, START + 3 * DAY).resumptions == 1
    assert suspended(world) == [("quota", START + DAY, at)]


def test_a_new_period_ends_what_was_spent(world: World) -> None:
    limit(world, "ann", START, spend=10, cpu=1_000)
    run(world, "a", "ann", START, None, 1)
    check(world, NEXT_PERIOD - 1)
    ((cause, since, until),) = suspended(world)
    assert (cause, until) == ("quota", None)
    assert START + DAY < since < NEXT_PERIOD
    report = check(world, NEXT_PERIOD + 5 * HOUR)
    assert report.resumptions == 1
    assert suspended(world) == [("quota", since, NEXT_PERIOD)]
    assert report.crossings == 2


def test_a_lasting_suspension_keeps_the_account_suspended(world: World) -> None:
    limit(world, "ann", START, cpu=1_000, memory=512)
    run(world, "a", "ann", START, None, 3)
    limit(world, "ann", START + 2 * DAY, cpu=8_000)
    limit(world, "ann", START + 3 * DAY, memory=8_192)
    check(world, START + 4 * DAY)
    assert suspended(world) == [
        ("quota", START + DAY, START + 2 * DAY),
        ("quota", START + DAY, START + 3 * DAY),
    ]
    assert [row for row in told(world) if row[0] == "account.resumed"] == [
        ("account.resumed", "memory", START + 3 * DAY)
    ]


def owe(world: World) -> tuple[int, int]:
    """Make an invoice that nobody pays; return its user and when it is due."""
    run(world, "a", "ann", START, START + HOUR, 10)
    world.generate(NEXT_PERIOD + DAY)
    ((user, due),) = world.rows("SELECT user_key, due_date FROM billing_invoices")
    return user, due


def settle(world: World, user: int, now: int, status: str = "paid") -> int:
    with UnitOfWork(world.engine) as uow, uow.batch() as tx:
        tx.execute("UPDATE billing_invoices SET status = ?", status)
        return suspensions.settle_overdue(tx, [user], now)


def test_an_overdue_invoice_suspends_until_it_is_settled(world: World) -> None:
    user, due = owe(world)
    assert check(world, due + DAY - 1).suspensions == 0
    assert check(world, due + DAY + 5).suspensions == 1
    assert check(world, due + DAY + 6).suspensions == 0
    assert suspended(world) == [("overdue", due + DAY, None)]
    assert settle(world, user, due + 2 * DAY) == 1
    assert settle(world, user, due + 2 * DAY) == 0
    assert suspended(world) == [("overdue", due + DAY, due + 2 * DAY)]
    assert told(world) == [
        ("account.suspended", "None", due + DAY),
        ("account.resumed", "None", due + 2 * DAY),
    ]
    # The payment bounces: it is owed again, which is a cause of its own.
    settle(world, user, due + 3 * DAY, "overdue")
    assert check(world, due + 3 * DAY + 7).suspensions == 1
    assert check(world, due + 3 * DAY + 8).suspensions == 0
    assert suspended(world)[1:] == [("overdue", due + 3 * DAY + 7, None)]


def test_a_check_ends_a_suspension_for_an_invoice_that_was_voided(world: World) -> None:
    _, due = owe(world)
    check(world, due + DAY)
    with UnitOfWork(world.engine) as uow, uow.batch() as tx:
        tx.execute("UPDATE billing_invoices SET status = 'void'")
    assert check(world, due + 2 * DAY).resumptions == 1
    assert suspended(world) == [("overdue", due + DAY, due + 2 * DAY)]


def batches(world: World, now: int, size: int, kill_after: int | None) -> None:
    """Check in batches of some users; die after so many of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quotas, "_BATCH_USERS", size)
        done = 0
        original = Check._batch  # noqa: SLF001 - where a process can die

        def batch(self: Check, *arguments: Any) -> bool:
            nonlocal done
            if done == kill_after:
                raise KeyboardInterrupt
            done += 1
            return original(self, *arguments)

        patch.setattr(Check, "_batch", batch)
        check(world, now)


@pytest.mark.parametrize("kill_after", [0, 1, 2])
def test_a_check_that_was_killed_is_finished_by_the_next(
    world: World, sqlite_templates: Any, tmp_path: Path, kill_after: int
) -> None:
    whole = World(sqlite_templates.copy_to(tmp_path / "whole.db"), tmp_path, dict(CONFIG))
    for one in (world, whole):
        prepare(one)
        one.ingest(busy(3), START)
        check(one, START + DAY)
    with pytest.raises(KeyboardInterrupt):
        batches(world, START + 3 * DAY, 1, kill_after)
    batches(world, START + 5 * DAY, 1, None)
    check(whole, START + 5 * DAY)
    assert everything(world) == everything(whole)


def test_timelines_that_change_during_a_check_are_not_lost(world: World) -> None:
    limit(world, "ann", START, cpu=4_000)
    limit(world, "bob", START, cpu=4_000)
    run(world, "a", "ann", START + 10, None, 5)
    run(world, "b", "bob", START + 10, None, 5)
    check(world, START)
    with pytest.raises(KeyboardInterrupt):
        batches(world, START + 100, 1, 1)
    # The first user is done: what it did meanwhile is found by the next check.
    run(world, "c", "ann", START + 5, START + 7, 4)
    world.meter(START + 100)
    check(world, START + 200)
    assert ("quota.warning", "cpu", START + 5) in told(world)
    assert len(told(world)) == 5


def test_another_version_of_a_plan_holds_from_the_next_term_on(world: World) -> None:
    run(world, "a", "ann", START, None, 2)
    hold(world, "ann", (START - DAY, FOREVER, "large"))
    world.meter(START)
    check(world, START + DAY)
    world.configure(subscriptionPlans=[PLANS[0], {**PLANS[1], "cpu_limit": 1}])
    world.apply(START + DAY + HOUR)
    check(world, NEXT_PERIOD - 1)
    assert told(world) == []
    check(world, NEXT_PERIOD + 1)
    assert told(world) == [
        ("quota.warning", "cpu", NEXT_PERIOD),
        ("quota.exceeded", "cpu", NEXT_PERIOD),
    ]


def test_settings_in_the_past_are_checked_from_there(world: World) -> None:
    run(world, "a", "ann", NEXT_PERIOD, None, 2)
    hold(world, "ann", (START - DAY, FOREVER, "large"))
    world.meter(START)
    check(world, NEXT_PERIOD + DAY)
    assert told(world) == []
    world.configure(subscriptionPlans=[PLANS[0], {**PLANS[1], "cpu_limit": 1}])
    world.apply(NEXT_PERIOD + DAY, START + DAY)
    check(world, NEXT_PERIOD + DAY + 1)
    assert ("quota.exceeded", "cpu", NEXT_PERIOD) in told(world)
