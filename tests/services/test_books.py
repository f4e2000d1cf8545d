"""The books agree: whatever is billed, voided, claimed and corrected, sums are what is right."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from billing_cli.errors import ConflictError
from billing_cli.pricing.instants import parse_instant
from billing_cli.pricing.rating import Totals, add_to, amount_minor
from billing_cli.services import invoice_life
from billing_cli.store import audit
from billing_cli.store.unit_of_work import UnitOfWork
from tests.services.world import World, webhook

DAY = 86_400
EPOCH = parse_instant("2025-01-01T00:00:00Z")[0]
USERS = ("ann", "bob")

users = st.sampled_from(USERS)
dates = st.integers(0, 100).map(lambda day: EPOCH + day * DAY)


class Books(RuleBasedStateMachine):
    """An operator at work, on a database that the factory gives."""

    world: World

    @initialize()
    def begin(self) -> None:
        self.world.clear()
        self.now = EPOCH
        self.count = 0

    @rule(days=st.integers(1, 45))
    def time_passes(self, days: int) -> None:
        self.now += days * DAY

    @rule(user=users, start=st.integers(0, 90), hours=st.integers(1, 2_000), storage=st.booleans())
    def a_session_comes_in(self, user: str, start: int, hours: int, storage: bool) -> None:
        """On time, or late by months: that depends on where time stands."""
        self.count += 1
        begin = EPOCH + start * DAY + 1_234
        name = f"s{self.count}"
        sizes = {"cpu": "1", "memory": "3Gi", "storage": "50Gi" if storage else "0"}
        self.world.ingest(
            [
                webhook("session.created", begin, name, user, resources=sizes),
                webhook("session.terminated", begin + hours * 3_600, name, user),
            ],
            self.now,
        )

    @precondition(lambda self: self.count)
    @rule(data=st.data(), hours=st.integers(1, 400))
    def a_session_turns_out_shorter(self, data: st.DataObject, hours: int) -> None:
        name = f"s{data.draw(st.integers(1, self.count))}"
        ((first,),) = self.world.rows(
            "SELECT MIN(e.at_second) FROM billing_session_events e "
            "JOIN billing_sessions s ON s.session_key = e.session_key WHERE s.session_id = ?",
            name,
        )
        event = webhook("session.terminated", first + hours * 3_600, name, None)
        self.world.ingest([event], self.now)

    @rule(finalize=st.booleans())
    def generate(self, finalize: bool) -> None:
        self.world.generate(self.now, finalize=finalize)

    @rule(month=st.sampled_from(["2025-01", "2025-02", "2025-03"]), finalize=st.booleans())
    def generate_a_period(self, month: str, finalize: bool) -> None:
        self._unless_too_early(month, finalize=finalize)

    @rule(first=dates, length=st.integers(1, 40), user=users, finalize=st.booleans())
    def generate_a_range(self, first: int, length: int, user: str, finalize: bool) -> None:
        calendar = self.world.history.calendar
        span = calendar.local_date(first), calendar.local_date(first + (length - 1) * DAY)
        if self.world.rows("SELECT 1 FROM billing_users WHERE user_id = ?", user):
            self._unless_too_early(span, [user], finalize=finalize)

    def _unless_too_early(
        self, span: Any, chosen: list[str] | None = None, *, finalize: bool
    ) -> None:
        try:
            self.world.generate(self.now, span, chosen, finalize=finalize)
        except ConflictError as error:
            text = error.message
            assert "before its period's end" in text or "not begun" in text

    @precondition(lambda self: self.world.rows("SELECT 1 FROM billing_invoices LIMIT 1"))
    @rule(data=st.data(), write_off=st.booleans())
    def void(self, data: st.DataObject, write_off: bool) -> None:
        ids = [row[0] for row in self.world.rows("SELECT id FROM billing_invoices ORDER BY id")]
        chosen = str(data.draw(st.sampled_from(ids)))
        with UnitOfWork(self.world.engine) as uow:
            try:
                invoice_life.void(uow, chosen, "a test", self.now, write_off=write_off)
            except ConflictError as error:
                text = error.message
                assert "cannot be voided" in text or "already spent" in text

    @invariant()
    def the_database_is_sound(self) -> None:
        with UnitOfWork(self.world.engine) as uow, uow.reading() as tx:
            assert [name for name, problems in audit.run(tx) if problems] == []

    def teardown(self) -> None:
        """In the end, when every period is billed, each unit's lines say what is right for it."""
        if not hasattr(self, "now"):
            return
        self.now = max(self.now, EPOCH + 400 * DAY)
        # Somebody is there to be corrected in a period that was open all along.
        for user in USERS:
            self._tail(user)
        self.world.generate(self.now)
        self._compare()
        assert self.world.generate(self.now).ids == []

    def _tail(self, user: str) -> None:
        begin = EPOCH + 350 * DAY
        self.world.ingest(
            [
                webhook("session.created", begin, f"tail-{user}", user),
                webhook("session.terminated", begin + 36_000, f"tail-{user}", user),
            ],
            self.now,
        )

    def _compare(self) -> None:
        billed: dict[Any, int] = {}
        held: dict[Any, int] = {}
        drafts = set()
        for user, unit, custom, resource, price, amount, status in self.world.rows(
            "SELECT l.user_key, l.unit_start, l.unit_invoice, l.resource_type, l.unit_price, "
            "l.amount, i.status FROM billing_invoice_lines l "
            "JOIN billing_invoices i ON i.id = l.invoice_id "
            "WHERE l.resource_type IS NOT NULL AND i.superseded_by IS NULL"
        ):
            key = ((user, custom) if custom else (user, None, unit), (resource, price))
            books = held if status == "void" else billed
            books[key] = books.get(key, 0) + amount
            if status == "draft":
                drafts.add(key[0])
        right = self._right()
        for key in billed.keys() | right.keys():
            if key[0] in drafts:
                continue
            least = max(0, right.get(key, 0) - max(0, held.get(key, 0)))
            assert least <= billed.get(key, 0) <= right.get(key, 0), key

    def _right(self) -> dict[Any, int]:
        """Rate all records by unit in the plainest way."""
        claims: dict[int, list[tuple[int, int, int]]] = {}
        for user, start, stop, invoice in self.world.rows(
            "SELECT user_key, start_second, end_second, invoice_id FROM billing_claims"
        ):
            claims.setdefault(user, []).append((start, stop, invoice))
        units: dict[Any, Totals] = {}
        for user, start, period, resource, price, month, quantity in self.world.rows(
            "SELECT user_key, start_time, period_start, resource_type, unit_price, month_seconds, "
            "quantity FROM billing_usage_records"
        ):
            owner = [i for low, high, i in claims.get(user, ()) if low <= start < high]
            # A released void claim and the draft that took it over may both be there.
            unit = (user, max(owner)) if owner else (user, None, period)
            add_to(units.setdefault(unit, {}), (resource, price), month, quantity)
        return {
            (unit, key): amount_minor(key, parts, "USD")
            for unit, totals in units.items()
            for key, parts in totals.items()
        }


@pytest.mark.no_cover  # as of any search: see tests/conftest.py
@pytest.mark.parametrize("examples", [25])
def test_the_books_agree(database_url: str, examples: int) -> None:
    folder = Path(tempfile.mkdtemp())
    Books.world = World(database_url, folder)
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=examples if database_url.startswith("sqlite") else examples // 3,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
