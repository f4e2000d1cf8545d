"""Billing a target: some thousand users at a time, each batch whole, in byte order of the users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.services.billing_batch import Batch
from billing_cli.services.billing_issue import Issue, Made, Rules
from billing_cli.services.billing_scope import Gathered, Target, gather
from billing_cli.services.pacing import collector_paused
from billing_cli.store import (
    invoices,
    overage,
    restatements,
    sessions,
    state,
    terms,
    totals,
)
from billing_cli.store.invoices import REGULAR

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

_BATCH_USERS = 2_500


class BillingRun:
    """Bills one target. ``made`` collects the ids of the invoices written."""

    def __init__(
        self,
        uow: UnitOfWork,
        rules: Rules,
        target: Target,
        meter: Callable[[], None],
        advance: Callable[[int], None],
    ) -> None:
        """Keep what the run works with; ``meter`` brings records up to the target's end."""
        self._uow = uow
        self._rules = rules
        self._target = target
        self._meter = meter
        self._advance = advance
        self._currency = rules.history.at(target.end - 1).currency
        self.made: list[int] = []

    def run(self) -> list[int]:
        """Write the target's invoices and return their ids."""
        gathered = self._gather()
        after: str | None = None
        while True:
            with self._uow.batch() as tx, collector_paused():
                stale = state.rewrites(tx) != gathered.rewrites
                users = [] if stale else totals.next_users(tx, after, _BATCH_USERS)
                if users:
                    self._bill(tx, gathered, users)
                elif not stale:
                    self._close(tx)
                    return self.made
            if stale:
                gathered = self._gather()
            else:
                after = users[-1][1]
                self._advance(len(users))

    def _gather(self) -> Gathered:
        while True:
            with self._uow.reading() as tx:
                unsliced = [sessions.first_reslice(tx), overage.first_stale(tx)]
                if all(start is None or start >= self._target.end for start in unsliced):
                    return gather(tx, self._rules.history, self._target)
            # Another process was killed, or is at work, between undoing and slicing again.
            self._meter()

    def _close(self, tx: Transaction) -> None:
        target = self._target
        if self._rules.finalize and target.kind == REGULAR and target.users is None:
            terms.close_period(tx, target.start, target.end, self._rules.now)
            if state.metered_until(tx) is None:
                # Without any usage there was nothing to meter; what comes from now on is late.
                state.set_metered_until(tx, target.end)
            if target.only_drafts:
                # Whoever had usage but no draft gets it as late usage on the next invoice.
                restatements.add_unbilled(tx, target.start)

    def _bill(self, tx: Transaction, gathered: Gathered, users: list[tuple[int, str]]) -> None:
        keys = [key for key, _ in users]
        batch = Batch.read(tx, self._rules.history, self._target, gathered, keys, self._rules.now)
        made: list[Made] = []
        empty: list[int] = []
        settled: list[tuple[int, int]] = []
        held_back: list[tuple[int, int]] = []
        next_id = invoices.next_id(tx)
        for user_key, user_id in users:
            draft = batch.drafts.get(user_key)
            if not batch.is_due(user_key):
                if batch.is_held_back(user_key):
                    held_back.append((user_key, self._target.start))
                continue
            settled += batch.settled(user_key)
            number = draft.id if draft else next_id
            found = batch.content(user_key, number, self._currency)
            if found is None:
                empty += [draft.id] if draft else []
                continue
            next_id += draft is None
            made.append(Made(number, user_key, user_id, found, batch.tax_of(user_key), draft))
        if self._rules.finalize:
            restatements.settle(tx, settled)
            restatements.add(tx, held_back)
        Issue(tx, self._rules, self._target, gathered, self._currency).write(made, empty)
        self.made += [m.id for m in made]
