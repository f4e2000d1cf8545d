"""Revenue by month: what was billed, collected and is owed, and what plans bring each month."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from typing import TYPE_CHECKING, Final

from billing_cli.pricing import recurring
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.report_columns import columns_of
from billing_cli.pricing.reports import Report
from billing_cli.pricing.timelines import FOREVER
from billing_cli.services.report_scope import EVER, Scope
from billing_cli.store import report_history, report_moments, report_months, subscriptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.pricing.reports import Row, Stretch

_BILLED: Final = (
    "subtotal",
    "tax",
    "credits",
    "billed",
    "voided",
    "credited",
    "collected",
    "refunded",
)


def revenue(scope: Scope, unit: str) -> Report:
    """Report each month, quarter or year of the span, from the first in which anything was."""
    report_history.load(scope.tx)
    months = scope.stretches(report_moments.first(scope.tx, scope.only), unit, before=True)
    flows: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for start, measure, amount in report_months.sums(
        scope.tx, scope.only, scope.stop, report_months.REVENUE
    ):
        flows[start][measure] += amount
    plans = _Plans(scope, months)
    return Report("Revenue", columns_of("revenue", unit), _rows(scope, months, flows, plans))


def owed(flow: dict[str, int]) -> int:
    """Return by how much what is owed grew in a stretch."""
    return flow["billed"] - flow["voided"] - flow["applied"] - flow["allocated"]


def _rows(
    scope: Scope, months: Sequence[Stretch], flows: dict[int, dict[str, int]], plans: _Plans
) -> Iterator[Row]:
    def money(minor: int) -> str:
        return format_minor(minor, scope.currency)

    outstanding = owed(flows[EVER])
    for at, month in enumerate(months):
        flow = flows[month.start]
        outstanding += owed(flow)
        yield (
            month.name,
            flow["invoices"],
            *(money(flow[name]) for name in _BILLED),
            money(outstanding),
            money(plans.recurring[at + 1]),
            *(money(plans.moved[at][kind]) for kind in recurring.MOVEMENTS),
            plans.subscribers[at + 1],
            scope.currency,
        )


class _Plans:
    """Revenue of plans at the ends of stretches, the end before the first included."""

    def __init__(self, scope: Scope, months: Sequence[Stretch]) -> None:
        # A moment belongs to the month that it ends: the last second of it.
        self._ends = [months[0].start - 1, *(m.end - 1 for m in months)] if months else [0]
        self.recurring = [0] * len(self._ends)
        self.subscribers = [0] * len(self._ends)
        self.moved = [dict.fromkeys(recurring.MOVEMENTS, 0) for _ in months]
        amount_at = recurring.meter(scope.history)
        found = subscriptions.phases_between(
            scope.tx, -FOREVER, self._ends[-1] + 1, scope.only.format("p.user_key")
        )
        for _, group in groupby(found, key=lambda phase: phase.user_key):
            phases = list(group)
            self._count(
                [amount_at(phases, at) for at in self._ends],
                ever=any(amount_at([p], p.start) for p in phases if p.start < self._ends[0]),
            )

    def _count(self, amounts: list[int], *, ever: bool) -> None:
        for at, amount in enumerate(amounts):
            self.recurring[at] += amount
            self.subscribers[at] += amount > 0
        for at, moved in enumerate(recurring.movements(amounts, ever=ever)):
            if moved is not None:
                self.moved[at][moved.kind] += moved.amount
