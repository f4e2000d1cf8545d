"""Nothing is lost between credits, invoices, credit notes and payments, whatever happens."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from billing_cli.app import App
from billing_cli.clock import Clock
from billing_cli.errors import ConflictError
from billing_cli.pricing.instants import parse_instant
from billing_cli.services import credit_notes, credits, invoice_life, payments, refunds
from billing_cli.services.payments import Given
from billing_cli.store import audit
from billing_cli.store.unit_of_work import UnitOfWork
from tests.services.world import World, webhook

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = 86_400
EPOCH = parse_instant("2025-01-01T00:00:00Z")[0]
USERS = ("ann", "bob")
TAX = {"id": "vat", "name": "VAT", "percent": "8.1", "default": True}

users = st.sampled_from(USERS)
amounts = st.sampled_from(["0.01", "0.33", "1.00", "2.50", "7.77", "20.00"])
choices = st.integers(0, 30)


class Till(RuleBasedStateMachine):
    """Operators at work on the accounts of two users."""

    world: World

    @initialize()
    def begin(self) -> None:
        self.world.clear()
        self.app = App()
        vars(self.app).update(settings=self.world.settings, engine=self.world.engine)
        self.count = 0
        self._move_to(EPOCH + 10 * DAY)
        for user in USERS:
            self.usage_is_billed(user, 9, 40)

    def _move_to(self, now: int) -> None:
        self.now = now
        vars(self.app)["clock"] = Clock(now)

    @rule(days=st.integers(1, 40))
    def time_passes(self, days: int) -> None:
        self._move_to(self.now + days * DAY)

    @rule(user=users, back=st.integers(1, 45), hours=st.integers(1, 60))
    def usage_is_billed(self, user: str, back: int, hours: int) -> None:
        """Some of it late, so that some invoices are negative and grant a credit."""
        self.count += 1
        begin = max(EPOCH, self.now - back * DAY) + 1_234
        name = f"s{self.count}"
        self.world.ingest(
            [
                webhook("session.created", begin, name, user),
                webhook("session.terminated", begin + hours * 3_600, name, user),
            ],
            self.now,
        )
        self._move_to(self.now + 31 * DAY)
        self.world.generate(self.now)

    @rule(user=users, hours=st.integers(1, 30))
    def a_session_turns_out_shorter(self, user: str, hours: int) -> None:
        found = self.world.rows(
            "SELECT s.session_id, MIN(e.at_second) FROM billing_session_events e "
            "JOIN billing_sessions s ON s.session_key = e.session_key "
            "JOIN billing_users u ON u.user_key = s.user_key WHERE u.user_id = ? "
            "GROUP BY s.session_id ORDER BY s.session_id LIMIT 1",
            user,
        )
        for name, first in found:
            end = webhook("session.terminated", first + hours * 60, name, None)
            self.world.ingest([end], self.now)
            self.world.generate(self.now)

    @rule(user=users, amount=amounts, days=st.none() | st.integers(0, 60))
    def grant(self, user: str, amount: str, days: int | None) -> None:
        last = None
        if days is not None:
            last = self.world.history.calendar.local_date(self.now) + timedelta(days=days)
        credits.add(self.app, user, amount, "a test", last)

    @rule(choice=choices)
    def void_a_credit(self, choice: int) -> None:
        for number in self._one_of("billing_credits", choice):
            self._unless_refused(credits.void, self.app, number, "a test")

    @rule(choice=choices, amount=st.none() | amounts)
    def pay(self, choice: int, amount: str | None) -> None:
        given = Given(amount, "manual", None, None)
        for number in self._one_of("billing_invoices", choice):
            self._unless_refused(invoice_life.pay, self.app, str(number), given)

    @rule(user=users, amount=amounts, choice=choices, failed=st.booleans(), named=st.booleans())
    def record(self, user: str, amount: str, choice: int, *, failed: bool, named: bool) -> None:
        if not self.world.rows("SELECT 1 FROM billing_users WHERE user_id = ?", user):
            return
        given, reason = Given(amount, "manual", None, None), "no funds" if failed else None
        chosen = [str(n) for n in self._one_of("billing_invoices", choice)] if named else []
        self._unless_refused(payments.record, self.app, user, chosen, given, reason)

    @rule(choice=choices)
    def reverse(self, choice: int) -> None:
        for number in self._one_of("billing_payments", choice):
            self._unless_refused(refunds.reverse, self.app, number, "a test")

    @rule(choice=choices, amount=st.none() | amounts, with_note=st.booleans())
    def refund(self, choice: int, amount: str | None, *, with_note: bool) -> None:
        for number in self._one_of("billing_payments", choice):
            self._unless_refused(
                refunds.refund, self.app, number, amount, "a test", with_note=with_note
            )

    @rule(choice=choices, amount=amounts, line=st.none() | st.just(1), refunded=st.booleans())
    def credit_note(self, choice: int, amount: str, line: int | None, *, refunded: bool) -> None:
        over = None if line else amount
        for number in self._one_of("billing_invoices", choice):
            self._unless_refused(
                credit_notes.create, self.app, str(number), over, line, "a test", refunded=refunded
            )

    @rule(choice=choices, write_off=st.booleans(), sure=st.integers(0, 2))
    def void(self, choice: int, sure: int, *, write_off: bool) -> None:
        if sure:
            # Less often than the rest: of an invoice that is void nothing is left to test.
            return
        for number in self._one_of("billing_invoices", choice):
            self._unless_refused(
                invoice_life.void_one, self.app, str(number), "a test", write_off=write_off
            )

    @rule()
    def mark_overdue(self) -> None:
        invoice_life.mark_overdue(self.app, [], dry_run=False)

    def _one_of(self, table: str, choice: int) -> list[int]:
        ids = [row[0] for row in self.world.rows(f"SELECT id FROM {table} ORDER BY id")]
        return [ids[choice % len(ids)]] if ids else []

    @staticmethod
    def _unless_refused(
        action: Callable[..., object], *arguments: object, **options: object
    ) -> None:
        with suppress(ConflictError):
            action(*arguments, **options)

    @invariant()
    def the_database_is_sound(self) -> None:
        with UnitOfWork(self.world.engine) as uow, uow.reading() as tx:
            assert [one for one in audit.run(tx) if one[1]] == []

    @invariant()
    def every_grant_adds_up(self) -> None:
        with credits.listing(self.app, None, everything=True) as rows:
            found = list(rows)
        with credits.balances(self.app, None) as rows:
            balances = list(rows)
        for row in (*found, *({**one, "amount": one["granted"]} for one in balances)):
            assert min(amount(row, part) for part in PARTS) >= 0
            assert amount(row, "amount") == sum(amount(row, part) for part in PARTS)
        for one in balances:
            mine = [row for row in found if row["user_id"] == one["user_id"]]
            assert amount(one, "granted") == sum(amount(row, "amount") for row in mine)
            history = credits.history(self.app, str(one["user_id"]))
            assert min(amount(move, "balance") for move in history) >= 0
            assert amount(history[-1], "balance") == amount(one, "remaining")

    @invariant()
    def every_invoice_adds_up(self) -> None:
        for subtotal, tax, credit, total, paid, status in self.world.rows(
            "SELECT subtotal, tax, credits, total, amount_paid, status FROM billing_invoices"
        ):
            assert subtotal + tax - credit == total >= paid >= 0
            assert (total == paid) == (status == "paid") or status in {"draft", "void"}


PARTS = ("used", "remaining", "expired", "voided")


def amount(row: dict[str, Any], name: str) -> Decimal:
    return Decimal(row[name])


@pytest.mark.no_cover  # as of any search: see tests/conftest.py
def test_nothing_is_lost(database_url: str) -> None:
    folder = Path(tempfile.mkdtemp())
    Till.world = World(database_url, folder, {"taxes": [TAX]})
    run_state_machine_as_test(
        Till,
        settings=settings(
            max_examples=12 if database_url.startswith("sqlite") else 4,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
