"""The books as double entry: entries in order of time, and how balances stood at months' ends."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from heapq import heappop, heappush, merge
from typing import TYPE_CHECKING

from billing_cli.pricing import ledger as rules
from billing_cli.pricing.credits import EXPIRED, movements
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.ledger import EXPIRY, Assertion, Balances, Entry, Journal, Move
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.report_columns import columns_of
from billing_cli.pricing.reports import Report
from billing_cli.services.report_scope import EVER, opened
from billing_cli.services.revenue import owed
from billing_cli.store import ledger as store
from billing_cli.store import report_history, report_moments, report_months

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from billing_cli.app import App
    from billing_cli.pricing.reports import Row
    from billing_cli.services.report_scope import Asked, Scope


@contextmanager
def journal(app: App, asked: Asked) -> Iterator[Journal]:
    """Give the whole ledger of some users, or of all, for other programs."""
    with opened(app, asked) as scope:
        yield Journal(items(scope), scope.currency, scope.history.calendar.local_date)


def report(scope: Scope, group: str) -> Report:
    """Report each posting, or what each account got and holds."""
    found = (item for item in items(scope) if isinstance(item, Entry))
    rows = _postings(scope, found) if group == "posting" else _accounts(scope, found)
    return Report("Ledger", columns_of("ledger", group), rows)


def _postings(scope: Scope, found: Iterable[Entry]) -> Iterator[Row]:
    currency, local_date = scope.currency, scope.history.calendar.local_date
    for entry in found:
        day, at = local_date(entry.at).isoformat(), format_instant(entry.at)
        for account, amount in entry.postings:
            debit, credit = (
                format_minor(max(amount, 0), currency),
                format_minor(max(-amount, 0), currency),
            )
            yield (day, at, entry.title, entry.user_id, account, debit, credit, currency)


def _accounts(scope: Scope, found: Iterable[Entry]) -> Iterator[Row]:
    debits, credits = Balances(), Balances()
    for entry in found:
        debits.add(entry._replace(postings=tuple(p for p in entry.postings if p.amount > 0)))
        credits.add(entry._replace(postings=tuple(p for p in entry.postings if p.amount < 0)))
    for account in rules.sorted_accounts({*debits.sums, *credits.sums}):
        debit, credit = debits.sums.get(account, 0), -credits.sums.get(account, 0)
        amounts = (format_minor(minor, scope.currency) for minor in (debit, credit, debit - credit))
        yield (account, *amounts, scope.currency)


def items(scope: Scope) -> Iterator[Entry | Assertion]:
    """Yield entries, and after those of each month an assertion of the balances.

    What was before the span is one entry of opening balances.
    """
    report_history.load(scope.tx)
    assertions = _assertions(scope)
    before, begun = Balances(), False
    for entry in _entries(scope):
        if entry.at < scope.start:
            before.add(entry)
            continue
        if not begun:
            yield from _opening(before, scope)
            begun = True
        while assertions and assertions[0].at <= entry.at:
            yield assertions.pop(0)
        yield entry
    if not begun:
        yield from _opening(before, scope)
    yield from assertions


def _opening(before: Balances, scope: Scope) -> Iterator[Entry]:
    entry = before.opening(scope.start)
    if entry is not None:
        yield entry


def _entries(scope: Scope) -> Iterator[Entry]:
    moves = store.moves(scope.tx, scope.only, scope.stop)
    return rules.entries(merge(moves, expiries(scope), key=lambda move: move[:3]))


def expiries(scope: Scope) -> Iterator[Move]:
    """Yield what of credits expired, in order of time.

    What a voided invoice gives back after the expiry expires at that moment: such late ones wait
    until their time has come.
    """
    late: list[Move] = []
    for user, past in store.expiring(scope.tx, scope.only, scope.now):
        for found in movements([past], scope.now):
            if found.kind == EXPIRED and found.at < scope.stop:
                code = ("credit:operator", "lapsed")
                move = Move(found.at, EXPIRY, past.id, user, None, *code, -found.amount)
                heappush(late, move)
        while late and late[0].at <= (past.expires_at or 0):
            yield heappop(late)
    while late:
        yield heappop(late)


def _assertions(scope: Scope) -> list[Assertion]:
    """Work out what balances were at the end of each month, and at the end of the span."""
    months = scope.stretches(report_moments.first(scope.tx, scope.only), before=True)
    flows: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for start, measure, amount in report_months.sums(
        scope.tx, scope.only, scope.stop, report_months.BALANCES
    ):
        flows[start][measure] += amount
    starts = [EVER, *(month.start for month in months)]
    at = 0
    for move in expiries(scope):
        while at + 1 < len(starts) and starts[at + 1] <= move.at:
            at += 1
        flows[starts[at]]["credit"] -= move.amount
    found, held = [], dict.fromkeys(_ASSERTED, 0)
    for start, end in zip(starts, [EVER, *(month.end for month in months)], strict=True):
        flow = flows[start]
        held[rules.RECEIVABLE] += owed(flow)
        held[rules.CASH] += flow["collected"] - flow["refunded"]
        held[rules.CREDITS] -= flow["credit"]
        held[rules.TAX] -= flow["taxed"]
        if start != EVER:
            found.append(Assertion(end, tuple(held.items())))
    return found


_ASSERTED = (rules.CASH, rules.RECEIVABLE, rules.CREDITS, rules.TAX)
