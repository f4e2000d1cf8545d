"""Overage records: made along with usage records, and made again where their past changed."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from billing_cli.pricing.overage import reach, slice_excess, steps
from billing_cli.pricing.slots import HOUR, Slot, slot_start, slots
from billing_cli.services.pacing import next_span
from billing_cli.store import overage, restatements, state, subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.overage import Record, UserLoads
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

# Phases are read for so many users at a time, and records written.
_CHUNK_USERS, _CHUNK_RECORDS = 500, 20_000
_MENDED_USERS = 500


def extend(
    tx: Transaction, history: TermsHistory, span: tuple[int, int], now: int, *, carried: bool
) -> int:
    """Make the overage records of a span that begins at the watermark; return how many.

    A slot in which the watermark lies is made again from its beginning. With ``carried`` the
    segments that overlap the span are in the table that :func:`.usage.carry_over` keeps. Costs
    next to nothing while nobody holds a plan.
    """
    concerned = reach(history, *span)
    if concerned is None or not overage.has_holders(tx):
        return 0
    cuts = list(slots(history, *span))
    low, stop = cuts[0].start, cuts[-1].stop
    overage.delete_from(tx, low)
    # What ended before the watermark is not carried, but counts in a slot that grows.
    source = overage.CARRIED if carried and low == span[0] else overage.SEGMENTS
    overage.find_users(tx, source, (low, stop), concerned)
    return _make(tx, history, cuts, overage.loads_in(tx, source, low, stop), now)


def mend(uow: UnitOfWork, history: TermsHistory, now: int, advance: Callable[[int], None]) -> int:
    """Make again what late events and changed subscriptions made wrong; return how many records.

    Works in spans of time shared by some hundred users. Each batch replaces what was there by
    what is right, so a run that was killed is finished by the next one.
    """
    records, span = 0, 24 * HOUR
    while True:
        with uow.batch() as tx:
            found = overage.stale(tx, span, _MENDED_USERS)
            if not found:
                return records
            # Before anything is metered there are no records to make again.
            metered = state.metered_until(tx)
            start = slot_start(history, found[0][1])
            stop = start if metered is None else min(metered, start - start % HOUR + span)
            users = [user for user, _ in found]
            made = _remake(tx, history, users, list(slots(history, start, stop)), now)
            overage.advance_stale(tx, users, stop, last=metered is None or stop >= metered)
            state.count_rewrite(tx)
        records += made
        span = next_span(span, made)
        advance(len(users))


def _remake(
    tx: Transaction, history: TermsHistory, users: Sequence[int], cuts: Sequence[Slot], now: int
) -> int:
    if not cuts:
        return 0
    start, stop = cuts[0].start, cuts[-1].stop
    overage.delete_of_users(tx, users, start, stop)
    if reach(history, start, stop) is None:
        return 0
    overage.choose_users(tx, users)
    return _make(tx, history, cuts, overage.loads_of_users(tx, start, stop), now)


def _make(
    tx: Transaction,
    history: TermsHistory,
    cuts: Sequence[Slot],
    found: Iterator[UserLoads],
    now: int,
) -> int:
    records = _records(tx, history, cuts, found, now)
    made = 0
    # In pieces: the store cannot take rows in while it still waits for the next ones to be read.
    while chunk := list(islice(records, _CHUNK_RECORDS)):
        overage.insert(tx, sorted(chunk))
        made += len(chunk)
    return made


def _records(
    tx: Transaction,
    history: TermsHistory,
    cuts: Sequence[Slot],
    found: Iterator[UserLoads],
    now: int,
) -> Iterator[Record]:
    start, stop = cuts[0].start, cuts[-1].stop
    while users := list(islice(found, _CHUNK_USERS)):
        phases = subscriptions.phases_of(tx, [user.user_key for user in users])
        for user in users:
            charged = steps(history, phases.get(user.user_key, []), start, stop)
            for excess in slice_excess(user.loads, charged, cuts):
                slot = excess.slot
                yield overage.Record(
                    start_time=slot.start,
                    user_key=user.user_key,
                    resource_type=excess.resource,
                    kind=excess.kind,
                    quantity=excess.quantity,
                    unit_price=slot.prices[excess.resource],
                    month_seconds=slot.month_seconds,
                    period_start=slot.period_start,
                    end_time=slot.stop,
                    created_at=now,
                    user_id=user.user_id,
                )


def mark_changed(
    tx: Transaction, history: TermsHistory, changes: Iterable[tuple[int, int, int]]
) -> None:
    """Have overage made again after phases changed: ``(user_key, start, stop)`` of each change.

    From the start of the billing period on, even where the change itself lies ahead of what is
    metered: in the mode ``hybrid``, whoever holds a plan at any moment of a period has overage
    records for all of it. What was billed of the periods touched is compared anew.
    """
    metered = state.metered_until(tx)
    if metered is None:
        return
    stale: list[tuple[int, int]] = []
    touched: list[tuple[int, int]] = []
    for user, start, stop in changes:
        first = history.calendar.containing(start)
        if first.start >= metered:
            continue
        stale.append((user, first.start))
        last = max(first.end, min(stop, metered))
        touched += [(user, p.start) for p in history.calendar.between(first.start, last)]
    if stale:
        overage.add_stale(tx, stale)
        restatements.add(tx, touched)
        state.count_rewrite(tx)


def follow_calendar(tx: Transaction, old: TermsHistory, new: TermsHistory, effective: int) -> None:
    """Have overage made again whose billing period other settings make longer or shorter.

    Plans that are held only between its old and its new end count for all of the period now, or
    no longer do.
    """
    before, after = old.calendar.containing(effective), new.calendar.containing(effective)
    low, high = sorted((before.end, after.end))
    if low == high:
        return
    users = {phase.user_key for phase in subscriptions.phases_between(tx, low, high)}
    mark_changed(tx, new, [(user, after.start, after.start + 1) for user in sorted(users)])
