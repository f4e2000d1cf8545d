"""Whatever happens to invoices, payments and credits, reports say how it stood at every moment."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from billing_cli.pricing import ledger as rules
from billing_cli.pricing.ledger import Balances, Entry
from billing_cli.pricing.money import parse_amount
from billing_cli.services import ledger, reports
from billing_cli.services.report_scope import Asked, opened
from tests.services.test_credit_books import TAX, Till
from tests.services.world import World


class Accounts(Till):
    """The same operators, and an accountant who looks at the books in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[int, tuple[int, int]] = {}

    def the_database_is_sound(self) -> None:
        """Is looked at by others."""

    every_grant_adds_up = every_invoice_adds_up = the_database_is_sound

    @invariant()
    def what_is_owed_is_seen(self) -> None:
        self.seen[self.now] = self._state()

    def _state(self) -> tuple[int, int]:
        (row,) = self.world.rows(
            "SELECT (SELECT CAST(COALESCE(SUM(total - amount_paid), 0) AS BIGINT) "
            "FROM billing_invoices WHERE status IN ('sent', 'overdue')), "
            "(SELECT CAST(COALESCE(SUM(amount - refunded), 0) AS BIGINT) FROM billing_payments "
            "WHERE status IN ('succeeded', 'unmatched'))"
        )
        return row[0], row[1]

    def teardown(self) -> None:
        if not hasattr(self, "now"):
            return
        balances, moments = Balances(), sorted(self.seen)
        with opened(self.app, Asked()) as scope:
            for item in ledger.items(scope):
                if isinstance(item, Entry):
                    assert sum(amount for _, amount in item.postings) == 0
                    while moments and moments[0] < item.at:
                        self._compare(balances, moments.pop(0))
                    balances.add(item)
                else:
                    assert {name: below(balances, name) for name, _ in item.balances} == dict(
                        item.balances
                    )
        for moment in moments:
            self._compare(balances, moment)
        self._compare_with_the_books(balances)

    def _compare(self, balances: Balances, moment: int) -> None:
        owed, cash = self.seen[moment]
        assert (balances.sums.get(rules.RECEIVABLE, 0), balances.sums.get(rules.CASH, 0)) == (
            owed,
            cash,
        )

    def _compare_with_the_books(self, balances: Balances) -> None:
        owed, cash = self._state()
        remaining = sum(self._column("credits", "source", "remaining"))
        assert below(balances, rules.CREDITS) == -remaining
        assert below(balances, rules.TAX) == -sum(self._column("tax", "rate", "tax"))
        assert balances.sums.get(rules.PAYMENTS, 0) == 0
        for group in ("user", "invoice"):
            assert sum(self._column("aging", group, "outstanding")) == owed
        assert sum(self._column("customers", "user", "outstanding")) == owed
        assert sum(self._column("customers", "user", "credit_balance")) == remaining
        assert sum(self._column("customers", "user", "collected")) == cash
        assert ([0, *self._column("revenue", "month", "outstanding")])[-1] == owed
        collected, refunded = (
            sum(self._column("revenue", "year", name)) for name in ("collected", "refunded")
        )
        assert collected - refunded == cash

    def _column(self, name: str, group: str, column: str) -> list[int]:
        with reports.report(self.app, name, Asked(), group) as report:
            at = [field.name for field in report.fields].index(column)
            return [parse_amount(str(row[at]), "USD") for row in report.rows]


def below(balances: Balances, account: str) -> int:
    """What an account holds, with those below it."""
    return sum(
        amount
        for name, amount in balances.sums.items()
        if name == account or name.startswith(f"{account}:")
    )


def test_reports_agree_with_the_books_at_every_moment(database_url: str) -> None:
    folder = Path(tempfile.mkdtemp())
    Accounts.world = World(database_url, folder, {"taxes": [TAX]})
    run_state_machine_as_test(
        Accounts,
        settings=settings(
            max_examples=10 if database_url.startswith("sqlite") else 3,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
