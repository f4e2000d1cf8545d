"""What a change to who holds which plan when makes wrong, marked to be worked out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.chains import difference
from billing_cli.pricing.plans import ADVANCE
from billing_cli.pricing.subscriptions import holdings
from billing_cli.services import overage
from billing_cli.store import quotas, restatements, state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.pricing.subscriptions import Phase
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.unit_of_work import Transaction


class Change(NamedTuple):
    """All phases of a user before and after, and the span ``[since, until)`` that differs."""

    user_key: int
    before: Sequence[Phase]
    after: Sequence[Phase]
    since: int
    until: int


def changed(user_key: int, before: Sequence[Phase], after: Sequence[Phase]) -> list[Change]:
    """Return what a user's phases say differently than before, as one change or none."""
    span = difference(before, after)
    return [] if span is None else [Change(user_key, before, after, *span)]


def plans_changed(
    tx: Transaction,
    before: TermsHistory,
    after: TermsHistory,
    changes: Sequence[Change],
    now: int,
) -> None:
    """Mark what changes of phases, or of the settings, make wrong in what is worked out already.

    Overage behind the watermark is made again, users' quotas are checked again, and periods that
    were billed are compared with their invoices: those whose usage changed, and those whose
    invoice carried a fee in advance that is not right any more.
    """
    if not changes:
        return
    overage.mark_changed(tx, after, [(c.user_key, c.since, c.until) for c in changes])
    quotas.mark_changed(tx, [(c.user_key, c.since) for c in changes])
    fees_changed(tx, before, after, changes, now)


def fees_changed(
    tx: Transaction,
    before: TermsHistory,
    after: TermsHistory,
    changes: Iterable[Change],
    now: int,
) -> None:
    """Have the fees that were billed in advance of changes compared with what is right now."""
    metered = state.metered_until(tx)
    # Whatever has been billed was so by one of these moments.
    horizon = now if metered is None else max(now, metered)
    found = set(_paid_in_advance(before, after, changes, horizon))
    if found:
        restatements.add(tx, found)
        # An invoice run that is under way has gathered what to correct without these.
        state.count_rewrite(tx)


def _paid_in_advance(
    before: TermsHistory, after: TermsHistory, changes: Iterable[Change], horizon: int
) -> Iterator[tuple[int, int]]:
    """Yield the periods whose invoices carry, or should carry, fees for terms that changed.

    That is the period in which a term starts, or the one before it. Everything from the change
    on counts: what follows it may be billed with another period than it was.
    """
    for change in changes:
        for history, phases in ((before, change.before), (after, change.after)):
            for held in holdings(history, phases, change.since, max(change.since, horizon) + 1):
                if held.plan.billing != ADVANCE:
                    continue
                start = max(held.term_start, held.phase.start)
                if start > horizon:
                    break
                for at in (start - 1, start):
                    yield change.user_key, history.calendar.containing(at).start
