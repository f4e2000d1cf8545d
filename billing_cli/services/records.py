"""Metering: from timelines to usage records, up to a moment, catching up whatever was missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_cli.pricing.slots import HOUR, slot_start, slots
from billing_cli.services import enrolment, overage
from billing_cli.services import sessions as timelines
from billing_cli.services.pacing import next_span
from billing_cli.store import sessions, state, usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

_RESLICED_SESSIONS = 5_000


@dataclass(slots=True)
class MeterReport:
    """What a run did. ``records`` are those made or changed; ``metered_until`` may be None."""

    sessions: int = 0
    rewritten: int = 0
    anomalies: int = 0
    records: int = 0
    metered_until: int | None = None


def run(
    uow: UnitOfWork,
    history: TermsHistory,
    until: int,
    now: int,
    advance: Callable[[int], None] = lambda _: None,
) -> MeterReport:
    """Bring usage records up to an instant: fold new events, mend the past, slice the new time.

    Before that, new users get their plan. Each batch commits by itself; a run that was killed is
    finished by the next one. ``now`` is what new records are dated with; ``advance`` hears of
    work done in no particular unit.
    """
    enrolment.enrol(uow, history, now)
    folded = timelines.refresh(uow, history, advance)
    report = MeterReport(folded.sessions, folded.rewritten, folded.anomalies)
    report.records += _mend(uow, history, now, advance)
    report.records += overage.mend(uow, history, now, advance)
    report.records += _Forward(uow, history, until, now, advance).run()
    with uow.reading() as tx:
        report.metered_until = state.metered_until(tx)
    return report


def _mend(uow: UnitOfWork, history: TermsHistory, now: int, advance: Callable[[int], None]) -> int:
    """Slice again what late events undid, in spans of time shared by many sessions."""
    records, span = 0, 24 * HOUR
    while True:
        with uow.batch() as tx:
            metered = state.metered_until(tx)
            found = sessions.reslices(tx, span, _RESLICED_SESSIONS)
            if not found or metered is None:
                return records
            start = slot_start(history, found[0][1])
            stop = min(metered, start + span)
            keys = [key for key, _ in found]
            made = 0
            if start < stop:
                usage.load_slots(tx, slots(history, start, stop))
                made = usage.slice_sessions(tx, keys, now)
            sessions.advance_reslices(tx, keys, stop, last=stop >= metered)
            state.count_rewrite(tx)
        records += made
        span = next_span(span, made)
        advance(len(keys))


@dataclass(slots=True)
class _Forward:
    """Slicing beyond the watermark, in batches of a span each.

    A catch-up of many spans carries the running segments along from one to the next, unless
    another process has changed timelines or the watermark in between.
    """

    uow: UnitOfWork
    history: TermsHistory
    until: int
    now: int
    advance: Callable[[int], None]
    span: int = HOUR
    carried: tuple[int, int] | None = None

    def run(self) -> int:
        records = 0
        while True:
            with self.uow.batch() as tx:
                start = self._start(tx)
                if start is None or start >= self.until:
                    return records
                made = self._slice(tx, start)
            records += made
            self.span = next_span(self.span, made)
            self.advance(1)

    def _start(self, tx: Transaction) -> int | None:
        metered = state.metered_until(tx)
        if metered is not None:
            return metered
        first = usage.next_segment_start(tx, -(2**53))
        return None if first is None else first - first % HOUR

    def _slice(self, tx: Transaction, start: int) -> int:
        """Make the records from ``start`` on and move the watermark; return how many."""
        first = next(slots(self.history, start, start + HOUR))
        # A run ended inside this slot: its records grow, and have a batch of their own.
        growing = first.start < start
        stop = min(self.until, first.stop if growing else start + self.span)
        if stop == self.until and self.carried is None:
            usage.load_slots(tx, slots(self.history, start, stop))
            made = usage.slice_span(tx, start, stop, self.now, growing=growing)
            made += overage.extend(tx, self.history, (start, stop), self.now, carried=False)
            state.set_metered_until(tx, stop)
            return made
        mark = (start, state.folds(tx))
        usage.carry_over(tx, start, stop, first=self.carried != mark)
        if usage.is_idle(tx):
            # Overage of a slot ends where it is metered to, though nothing runs any more.
            made = self._extend(tx, start, stop) if growing else 0
            coming = usage.next_segment_start(tx, stop)
            if coming is None:
                stop = self.until
            else:
                # A slot may begin inside the hour, after the idle one.
                stop = min(self.until, max(stop, coming - coming % HOUR))
        else:
            usage.load_slots(tx, slots(self.history, start, stop))
            made = usage.slice_carried(tx, self.now, growing=growing)
            made += self._extend(tx, start, stop)
        state.set_metered_until(tx, stop)
        self.carried = (stop, mark[1])
        return made

    def _extend(self, tx: Transaction, start: int, stop: int) -> int:
        return overage.extend(tx, self.history, (start, stop), self.now, carried=True)
