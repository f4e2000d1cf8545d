"""Keeping timelines up to date with events, and undoing what late events made wrong."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from billing_cli.pricing.slots import Slot, slice_segments, slots
from billing_cli.pricing.timelines import (
    Anomaly,
    Checkpoint,
    Folded,
    Segment,
    first_difference,
    fold,
)
from billing_cli.store import overage, quotas, restatements, sessions, state, usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.sessions import KeyedEvent, PendingSession
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

_BATCH_SESSIONS = 5_000


@dataclass(slots=True)
class Refold:
    """One session's new timeline, and from when on it differs from the stored one."""

    session: PendingSession
    user_key: int | None
    anew: bool
    old: list[Segment]
    new: list[Segment]
    differs_from: int | None
    folded: Folded
    folded_seq: int

    @property
    def key(self) -> int:
        """The session's key."""
        return self.session.key


@dataclass(slots=True)
class FoldReport:
    """How many sessions were folded, and how many of them rewrote metered time."""

    sessions: int = 0
    rewritten: int = 0
    anomalies: int = 0


@dataclass(slots=True)
class _Changes:
    removed: list[tuple[int, Segment]] = field(default_factory=list)
    added: list[tuple[int, Segment]] = field(default_factory=list)
    stale: list[Refold] = field(default_factory=list)


def refresh(uow: UnitOfWork, history: TermsHistory, advance: Callable[[int], None]) -> FoldReport:
    """Fold the events that timelines do not know yet, batch by batch.

    What a late event made wrong in already metered time is deleted in the same batch and marked
    to be sliced again. ``advance`` is told of every so many sessions done.
    """
    report = FoldReport()
    while True:
        with uow.batch() as tx:
            pending = sessions.pending_sessions(tx, _BATCH_SESSIONS)
            if not pending:
                return report
            _fold_batch(tx, history, pending, report)
        advance(len(pending))


def _fold_batch(
    tx: Transaction, history: TermsHistory, pending: Sequence[PendingSession], report: FoldReport
) -> None:
    refolds = list(_refold(tx, history, pending))
    metered = state.metered_until(tx)
    changes = _Changes()
    for refold in refolds:
        if refold.differs_from is None:
            continue
        known, wanted = set(refold.old), set(refold.new)
        changes.removed += [(refold.key, s) for s in refold.old if s not in wanted]
        changes.added += [(refold.key, s) for s in refold.new if s not in known]
        if metered is not None and refold.differs_from < metered:
            changes.stale.append(refold)
    sessions.replace_segments(tx, changes.removed, changes.added)
    sessions.replace_anomalies(
        tx, [r.key for r in refolds if r.anew], list(_numbered_anomalies(refolds))
    )
    sessions.save_folds(
        tx, ((r.key, r.user_key, r.folded_seq, r.folded.checkpoint.dump()) for r in refolds)
    )
    if changes.removed or changes.added:
        state.count_fold(tx)
    quotas.mark_changed(tx, _changed(refolds))
    if changes.stale and metered is not None:
        _undo_metering(tx, history, changes.stale, metered)
    report.sessions += len(refolds)
    report.rewritten += len(changes.stale)
    report.anomalies += sum(len(r.folded.anomalies) for r in refolds)


def _refold(
    tx: Transaction, history: TermsHistory, pending: Sequence[PendingSession]
) -> Iterator[Refold]:
    incoming = sessions.new_events(tx, pending)
    starts = {p.key: _start(p, incoming.get(p.key, [])) for p in pending}
    late = [p.key for p in pending if p.checkpoint is not None and starts[p.key] is None]
    events = incoming | (sessions.all_events(tx, late) if late else {})
    stored = sessions.segments_of(tx, [p.key for p in pending if p.checkpoint is not None])
    timeouts = history.heartbeat_timeouts()
    for session in pending:
        start = starts[session.key]
        own = events.get(session.key, [])
        folded = fold((keyed.event for keyed in own), timeouts, start)
        if own:
            folded.checkpoint.last_key = own[-1].key
        yield _compare(session, start, stored.get(session.key, []), folded, own)


def _start(session: PendingSession, incoming: Sequence[KeyedEvent]) -> Checkpoint | None:
    """Return where the fold can go on, or None if it has to begin anew."""
    if session.checkpoint is None or session.folded_seq == 0:
        return None
    checkpoint = Checkpoint.load(session.checkpoint)
    if incoming and checkpoint.last_key is not None and incoming[0].key < checkpoint.last_key:
        return None
    return checkpoint


def _compare(
    session: PendingSession,
    start: Checkpoint | None,
    stored: list[Segment],
    folded: Folded,
    own: Sequence[KeyedEvent],
) -> Refold:
    keeps_before = None if start is None else start.keeps_before()
    head = [] if keeps_before is None else [s for s in stored if s.start < keeps_before]
    new = [*head, *folded.segments]
    user = folded.checkpoint.user
    differs = first_difference(stored, new)
    if user != session.user_key and (stored or new):
        differs = min(segment.start for segment in [*stored[:1], *new[:1]])
    return Refold(
        session=session,
        user_key=user if isinstance(user, int) else None,
        anew=start is None,
        old=stored,
        new=new,
        differs_from=differs,
        folded=folded,
        folded_seq=max((keyed.seq for keyed in own), default=session.folded_seq),
    )


def _numbered_anomalies(refolds: Sequence[Refold]) -> Iterator[tuple[int, int, Anomaly]]:
    for refold in refolds:
        found = refold.folded.anomalies
        first = refold.folded.checkpoint.anomalies - len(found)
        for ordinal, anomaly in enumerate(found, first):
            yield refold.key, ordinal, anomaly


def _undo_metering(
    tx: Transaction, history: TermsHistory, stale: Sequence[Refold], metered: int
) -> None:
    """Delete the records of old timelines from where they are wrong, to be sliced again."""
    usage.delete_records(tx, _stale_records(history, stale, metered))
    sessions.add_reslices(
        tx,
        (
            (r.key, r.differs_from)
            for r in stale
            if r.user_key is not None and r.differs_from is not None
        ),
    )
    overage.add_stale_holders(
        tx, ((user, r.differs_from or 0) for r in stale for user in _users(r))
    )
    restatements.add(tx, _restated(history, stale, metered))
    state.count_rewrite(tx)


def _stale_records(
    history: TermsHistory, stale: Sequence[Refold], metered: int
) -> Iterator[tuple[int, int, str]]:
    billed = [r for r in stale if r.old and r.session.user_key is not None]
    if not billed:
        return
    first = min(r.differs_from or 0 for r in billed)
    last = min(metered, max(r.old[-1].end for r in billed))
    cuts: list[Slot] = list(slots(history, first, last))
    ends = [slot.stop for slot in cuts]
    for refold in billed:
        # From the slot on in which the difference lies: its record began before it.
        begin = bisect_right(ends, refold.differs_from or 0)
        for piece in slice_segments(refold.old, cuts[begin:]):
            yield piece.start, refold.key, piece.resource


def _restated(
    history: TermsHistory, stale: Sequence[Refold], metered: int
) -> Iterator[tuple[int, int]]:
    for refold in stale:
        ends = [segments[-1].end for segments in (refold.old, refold.new) if segments]
        last = min(metered, max(ends))
        users = _users(refold)
        # The running period, too: a custom invoice may have billed a part of it.
        for period in history.calendar.between(refold.differs_from or 0, last):
            for user in users:
                yield user, period.start


def _changed(refolds: Sequence[Refold]) -> Iterator[tuple[int, int]]:
    """Yield whose timelines are others, and from when on."""
    for refold in refolds:
        if refold.differs_from is not None:
            for user in _users(refold):
                yield user, refold.differs_from


def _users(refold: Refold) -> set[int]:
    """Return whose usage a new timeline changes: the owner's, and the one's before."""
    return {user for user in (refold.session.user_key, refold.user_key) if user is not None}
