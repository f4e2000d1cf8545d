"""The invoice of one user as it would be now, and as it will be at its period's end.

Everything is worked out from the timelines, for this user alone: to look ahead, sessions that run
are taken to run on. Nothing is written but what pending events lead to: timelines, and the plans
of new users.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError, NotFoundError
from billing_cli.pricing import overage
from billing_cli.pricing.credits import apply_credits
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.rating import OVERAGE_ITEMS, Totals, add_to
from billing_cli.pricing.slots import stretches
from billing_cli.pricing.terms import RESOURCES
from billing_cli.services import enrolment, terms
from billing_cli.services import sessions as timelines
from billing_cli.services.billing_batch import Batch
from billing_cli.services.billing_scope import Target, gather, is_by_session
from billing_cli.store import credits, sessions, users
from billing_cli.store.invoices import REGULAR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_cli.app import App
    from billing_cli.pricing.invoices import Content
    from billing_cli.pricing.periods import Period
    from billing_cli.pricing.spans import Span
    from billing_cli.pricing.subscriptions import Phase
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.pricing.timelines import Segment
    from billing_cli.store.unit_of_work import Transaction

_NO_INVOICE = 0


def preview(app: App, user: str, period: str | None) -> dict[str, object]:
    """Return the invoice of a user's period (default: the running one), now and projected.

    Raises :class:`NotFoundError` for an unknown user or period, :class:`ConflictError` where the
    period is invoiced already.
    """
    now = app.clock.now()
    with app.unit_of_work() as uow:
        history = terms.establish(uow, app.settings, now).history
        enrolment.enrol(uow, history, now)
        timelines.refresh(uow, history, lambda _: None)
        with uow.reading() as tx:
            key = users.key_of(tx, user)
            return Preview(tx, history, _period(history, period, now), key, user, now).show()


def _period(history: TermsHistory, name: str | None, now: int) -> Period:
    try:
        found = history.calendar.containing(now) if name is None else history.calendar.named(name)
    except ValueError as error:
        raise NotFoundError(str(error)) from error
    if found.start > now:
        raise ConflictError(
            f"{found.name} has not begun", f"it begins at {format_instant(found.start)}"
        )
    return found


@dataclass(slots=True)
class Preview:
    """One user's invoice of a period. ``phases`` take the place of those that are stored."""

    tx: Transaction
    history: TermsHistory
    period: Period
    user_key: int
    user_id: str
    now: int
    phases: Sequence[Phase] | None = None

    def show(self) -> dict[str, object]:
        """Return the invoice as it is shown; fields of the end are called ``projected_``."""
        period, currency = self.period, self.history.at(self.period.end - 1).currency
        batch = self._batch()
        live = batch.live.get(self.user_key)
        if live is not None:
            raise ConflictError(
                f"{period.name} is invoiced: {live.invoice_number or live.id} is {live.status}",
                "billing invoice show shows it; what comes later is on the next invoice",
            )
        ahead = self._shown(batch, period.end, currency)
        return {
            "user_id": self.user_id,
            "period": period.name,
            "period_start": format_instant(period.start),
            "period_end": format_instant(period.end),
            "as_of": format_instant(min(self.now, period.end)),
            "currency": currency,
            **self._shown(batch, min(self.now, period.end), currency),
            **{f"projected_{name}": value for name, value in ahead.items()},
        }

    def _batch(self) -> Batch:
        period = self.period
        target = Target(
            period.name, period.start, period.end, REGULAR, explicit=True, users=(self.user_key,)
        )
        gathered = gather(self.tx, self.history, target)
        batch = Batch.read(self.tx, self.history, target, gathered, [self.user_key], self.now)
        if self.phases is not None:
            batch.phases = {self.user_key: list(self.phases)}
        return batch

    def _shown(self, batch: Batch, until: int, currency: str) -> dict[str, object]:
        batch.now = until
        batch.totals[self.user_key] = self._usage(batch, until)
        draft = batch.drafts.get(self.user_key)
        found = batch.content(self.user_key, draft.id if draft else _NO_INVOICE, currency)
        used = self._credits(found)
        subtotal, tax = (found.subtotal, found.tax) if found else (0, 0)
        return {
            "subtotal": format_minor(subtotal, currency),
            "tax": format_minor(tax, currency),
            "credits": format_minor(used, currency),
            "total": format_minor(subtotal + tax - used, currency),
            "lines": [
                {
                    "kind": line.kind,
                    "description": line.description,
                    "quantity": line.quantity,
                    "unit_price": line.unit_price,
                    "amount": format_minor(line.amount, currency),
                }
                for line in (found.lines if found else ())
            ],
        }

    def _credits(self, found: Content | None) -> int:
        if found is None:
            return 0
        grants = credits.available(self.tx, [self.user_key]).get(self.user_key, ())
        owed = found.subtotal + found.tax
        return sum(use.amount for use in apply_credits(owed, grants, self.period.end))

    def _usage(self, batch: Batch, until: int) -> Totals:
        phases = batch.phases.get(self.user_key, [])
        by_session = sessions.segments_of_user(
            self.tx, self.user_key, self.period.start, self.period.end
        )
        segments = [segment for some in by_session.values() for segment in some]
        whole = [(self.period.start, self.period.end)]
        found: Totals = {}
        for start, end in batch.gathered.pieces.get(self.user_key, whole):
            span = start, min(end, until)
            if span[0] >= span[1]:
                continue
            if is_by_session(self.history, self.period, phases):
                add_sessions(found, self.history, segments, span)
            else:
                _add_charged(found, self.history, segments, phases, span)
        return found


def add_sessions(
    found: Totals, history: TermsHistory, segments: Iterable[Segment], span: Span
) -> None:
    """Add what sessions come to in a span at list price, straight from their timelines."""
    cuts = stretches(history, *span)
    for segment in segments:
        for cut in cuts:
            seconds = min(segment.end, cut.stop) - max(segment.start, cut.start)
            if seconds <= 0:
                continue
            rates = (segment.cpu, segment.memory, segment.storage)
            for resource, rate in zip(RESOURCES, rates, strict=True):
                if rate:
                    key = (resource, cut.prices[resource])
                    add_to(found, key, cut.month_seconds, rate * seconds)


def _add_charged(
    found: Totals,
    history: TermsHistory,
    segments: Iterable[Segment],
    phases: Sequence[Phase],
    span: Span,
) -> None:
    for (kind, resource, price), parts in overage.totals(history, segments, phases, *span).items():
        item = resource if kind == "use" else OVERAGE_ITEMS[resource]
        for month, base in parts.items():
            add_to(found, (item, price), month, base)
