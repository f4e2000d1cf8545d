"""Plans, overage and corrections: whatever happened when, all invoices together are right.

Subscriptions begin, change, end and go on, also after the fact; sessions come late; invoices are
finalized in between. In the end the lines about each period add up to what one invoice would
have said that knew everything.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_cli.app import App
from billing_cli.errors import ConflictError
from billing_cli.pricing import overage
from billing_cli.pricing.fees import unit_fees
from billing_cli.pricing.instants import format_instant, parse_instant
from billing_cli.pricing.invoices import Unit
from billing_cli.pricing.rating import OVERAGE_ITEMS, amount_minor
from billing_cli.pricing.timelines import FOREVER, Segment
from billing_cli.services import invoice_life
from billing_cli.services import sessions as timelines
from billing_cli.services import subscriptions as service
from billing_cli.services.billing_scope import is_by_session
from billing_cli.services.preview import add_sessions
from billing_cli.services.subscription_action import Wanted
from billing_cli.store import audit, sessions, subscriptions
from billing_cli.store.unit_of_work import UnitOfWork
from tests.services.world import World, webhook

if TYPE_CHECKING:
    from pathlib import Path

    from billing_cli.pricing.rating import Totals

DAY = 86_400
START = parse_instant("2025-01-01T05:00:00Z")[0]
END = parse_instant("2025-07-02T00:00:00Z")[0]
USER = "ann"
PLANS: list[dict[str, Any]] = [
    {"id": "free", "name": "Free", "price": 0, "interval": "month", "cpu_limit": 1}
    | {"memory_limit": 2, "storage_limit": 5},
    {"id": "pro", "name": "Pro", "price": "29.99", "interval": "month", "cpu_limit": 3},
    {"id": "early", "name": "Early", "price": "31.07", "interval": "month", "cpu_limit": "2.5"}
    | {"billing": "advance"},
    {"id": "year", "name": "Year", "price": "300.01", "interval": "year", "memory_limit": 3},
]
IDS = [str(plan["id"]) for plan in PLANS]
Step = tuple[Any, ...]

steps = st.one_of(
    st.tuples(st.just("create"), st.integers(0, 40), st.sampled_from(IDS)),
    st.tuples(st.just("change"), st.booleans(), st.sampled_from(IDS)),
    st.tuples(st.just("cancel"), st.booleans()),
    st.tuples(st.just("resume")),
    st.tuples(st.just("session"), st.integers(-50, 0), st.integers(1, 900_000)),
    st.tuples(st.just("generate")),
    st.tuples(st.just("void")),
)
histories = st.lists(st.tuples(st.integers(1, 25 * DAY), steps), min_size=3, max_size=9)


@pytest.fixture(name="world")
def _world(database_url: str, tmp_path: Path) -> World:
    config: dict[str, object] = {
        "timezone": "America/New_York",
        "billingMode": "hybrid",
        "subscriptionPlans": PLANS,
    }
    return World(database_url, tmp_path, config)


class Player:
    """Does one step after another, at moments that only move on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = START + 10 * DAY
        self.count = 0
        world.clear()
        self._take_in(START, 3_600)

    def play(self, later: int, step: Step) -> None:
        self.now += later
        action, *details = step
        # What the state does not allow is refused as a whole, and changes nothing.
        with suppress(ConflictError):
            getattr(self, f"_{action}")(*details)

    def _app(self) -> App:
        file = str(self.world.folder / "billing.json")
        return App(config=file, database=self.world.url, at=format_instant(self.now))

    def _create(self, days_ago: int, plan: str) -> None:
        since = max(START, self.now - days_ago * DAY)
        service.create(self._app(), USER, plan, since, dry_run=False)

    def _change(self, now: bool, plan: str) -> None:
        wanted = Wanted(None, USER)
        if subscribed(self.world):
            service.change(self._app(), wanted, plan, immediate=now, at_end=not now, dry_run=False)

    def _cancel(self, now: bool) -> None:
        if subscribed(self.world):
            service.cancel(self._app(), Wanted(None, USER), immediate=now, dry_run=False)

    def _resume(self) -> None:
        if subscribed(self.world):
            service.resume(self._app(), Wanted(None, USER), dry_run=False)

    def _session(self, days_ago: int, seconds: int) -> None:
        start = max(START, self.now + days_ago * DAY + 17)
        self._take_in(start, min(seconds, self.now - start) if start < self.now else 1)

    def _take_in(self, start: int, seconds: int) -> None:
        self.count += 1
        name = f"s{self.count}"
        sizes = {"cpu": "2", "memory": "4Gi", "storage": "7Gi"}
        lines = [
            webhook("session.created", start, name, USER, resources=sizes),
            webhook("session.terminated", start + max(1, seconds), name, USER),
        ]
        self.world.ingest(lines, self.now)

    def _generate(self) -> None:
        self.world.generate(self.now)

    def _void(self) -> None:
        """Void the newest invoice and bill its period again."""
        found = self.world.rows(
            "SELECT MAX(id) FROM billing_invoices WHERE status = 'sent' AND kind = 'regular'"
        )
        if found[0][0] is None:
            return
        with UnitOfWork(self.world.engine) as uow:
            invoice_life.void(uow, str(found[0][0]), "a mistake", self.now)
        ((period,),) = self.world.rows(
            f"SELECT period FROM billing_invoices WHERE id = {found[0][0]}"
        )
        self.world.generate(self.now, period)


def subscribed(world: World) -> bool:
    return bool(world.rows("SELECT 1 FROM billing_subscriptions LIMIT 1"))


def right(world: World) -> dict[tuple[int, str, str], int]:
    """Work out from timelines and phases alone what every period comes to."""
    history = world.history
    found: dict[tuple[int, str, str], int] = defaultdict(int)
    with UnitOfWork(world.engine) as uow:
        timelines.refresh(uow, history, lambda _: None)
        with uow.reading() as tx:
            ((key,),) = tx.rows("SELECT user_key FROM billing_users")
            phases = subscriptions.phases_of(tx, [key]).get(key, [])
            by_session = sessions.segments_of_user(tx, key, 0, FOREVER)
    segments = [Segment(*s) for some in by_session.values() for s in some]
    for period in history.calendar.between(START, END):
        if period.end > END:
            break
        span = (period.start, period.end)
        for fee in unit_fees(history, phases, Unit(*span, None, period.name), [span]):
            found[(period.start, *fee.key)] += fee.amount
        usage: Totals = {}
        if is_by_session(history, period, phases):
            add_sessions(usage, history, segments, span)
        else:
            for (kind, resource, price), parts in overage.totals(
                history, segments, phases, *span
            ).items():
                item = resource if kind == "use" else OVERAGE_ITEMS[resource]
                usage[item, price] = dict(parts)
        for line_key, parts in usage.items():
            found[(period.start, *line_key)] += amount_minor(line_key, parts, "USD")
    return {key: amount for key, amount in found.items() if amount}


def billed(world: World) -> dict[tuple[int, str, str], int]:
    rows = world.rows(
        "SELECT l.unit_start, l.item, l.unit_price, CAST(SUM(l.amount) AS BIGINT) "
        "FROM billing_invoice_lines l JOIN billing_invoices i ON i.id = l.invoice_id "
        "WHERE i.status <> 'void' AND l.item IS NOT NULL GROUP BY 1, 2, 3"
    )
    return {(start, item, price): amount for start, item, price, amount in rows if amount}


SQLITE = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
# The same statements do the same there: a few examples tell.
POSTGRES = settings(SQLITE, max_examples=5)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@SQLITE
@given(history=histories)
def test_all_invoices_together_are_right(world: World, history: list[tuple[int, Step]]) -> None:
    play_all(world, history)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@POSTGRES
@given(history=histories)
def test_all_invoices_are_right_on_postgresql(
    world: World, history: list[tuple[int, Step]]
) -> None:
    play_all(world, history)


def play_all(world: World, history: list[tuple[int, Step]]) -> None:
    player = Player(world)
    for later, step in history:
        if player.now + later < END - 40 * DAY:
            player.play(later, step)
    player.now = END
    world.generate(END)
    assert billed(world) == right(world)
    with UnitOfWork(world.engine) as uow, uow.reading() as tx:
        assert [problem for _, problems in audit.run(tx) for problem in problems] == []
