"""Delivering what the events tell to the sinks: at least once, in order for each user.

One process delivers at a time. What it is about to send is written down and committed; it is sent
outside of any transaction; what came of it is written down and committed. A process that dies in
between leaves deliveries of which nobody knows whether they arrived: the next one sends them
again. An event that fails holds the later ones of its user back, on its own sink, until it is
delivered or dead.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.errors import IncompleteError, NotConfiguredError
from billing_cli.gateway.outcomes import Kind, Outcome
from billing_cli.pricing.backoff import delay
from billing_cli.pricing.instants import format_instant
from billing_cli.services import sinks
from billing_cli.services.channels import open_channel
from billing_cli.services.job_report import Count, JobReport
from billing_cli.store import deliveries as store
from billing_cli.store import outbox
from billing_cli.store import sinks as sink_store
from billing_cli.store.deliveries import Recorded, Told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from billing_cli.app import App
    from billing_cli.services.channels import Channel
    from billing_cli.settings import Sink
    from billing_cli.store.sinks import SinkRow
    from billing_cli.store.unit_of_work import UnitOfWork

_BATCH: Final = 100
# After so many in a row that did not even get through, the sink is left alone for a while.
_UNREACHABLE_IN_A_ROW: Final = 3
_INTERRUPTED: Final = "the process that was sending it ended"
_LEFT: Final = Outcome(Kind.FAILED, "interrupted")


class Asked(NamedTuple):
    """What is to be delivered: to which sinks (None: all), and at most how many events.

    ``since`` is the second from which on new sinks are told what was recorded.
    """

    sinks: tuple[str, ...] | None = None
    since: int | None = None
    limit: int | None = None


@dataclass(slots=True)
class Served:
    """A sink while it is served, and what came of it.

    ``failed`` counts attempts that will be repeated, ``died`` events that will not be tried any
    more; ``backlog`` and ``dead`` are how many wait and are dead in the end.
    """

    sink: Sink
    row: SinkRow
    channel: Channel | None = None
    done: bool = False
    unreachable: int = 0
    delivered: int = 0
    skipped: int = 0
    failed: int = 0
    died: int = 0
    backlog: int = 0
    dead: int = 0
    note: str | None = None
    broken: bool = False

    def shown(self) -> dict[str, object]:
        """Return a row about it."""
        return {
            "sink": self.sink.name,
            "kind": self.sink.kind,
            "delivered": self.delivered,
            "skipped": self.skipped,
            "failed": self.failed,
            "backlog": self.backlog,
            "dead": self.dead,
            "note": self.note,
        }


@dataclass(slots=True)
class Report:
    """What a run did; ``elsewhere`` tells that another process is delivering, and this did not."""

    served: list[Served] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    elsewhere: bool = False

    def counts(self) -> dict[str, int]:
        """Return the sums over all sinks: delivered, skipped, retried, dead and backlog."""
        return {
            "delivered": sum(one.delivered for one in self.served),
            "skipped": sum(one.skipped for one in self.served),
            "retried": sum(one.failed for one in self.served),
            "dead": sum(one.dead for one in self.served),
            "backlog": sum(one.backlog for one in self.served),
        }


def run_job(app: App) -> JobReport:
    """Deliver what is due, as a job.

    What failed is tried again later, and is no fault of the job; what is dead is warned about
    until somebody sees to it.
    """
    counts = deliver(app, Asked()).counts()
    dead = Count(counts["dead"], "delivery is dead", "deliveries are dead")
    hint = f"{dead.text}: billing events deliveries list --state dead"
    return JobReport(
        [
            Count(counts["delivered"], "event delivered", "events delivered"),
            Count(counts["retried"], "attempt failed", "attempts failed"),
        ],
        warnings=[hint] if dead.number else [],
    )


def deliver(app: App, asked: Asked, advance: Callable[[int], None] = lambda _: None) -> Report:
    """Deliver what is due, calling ``advance`` with the number of events that were sent.

    A sink that cannot be used is told in its row's note; the others are served all the same.
    """
    chosen = sinks.chosen(app.settings, asked.sinks)
    if not chosen:
        return Report()
    with app.unit_of_work() as uow, store.only_deliverer(app.engine) as mine:
        if not mine:
            return Report(elsewhere=True)
        return _Run(app, uow, asked, advance).run(chosen)


def rehearse(app: App, asked: Asked) -> list[dict[str, object]]:
    """Return a row for each sink with how many events would be sent now, if all goes well."""
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        known = sink_store.known(tx)
        rows: list[dict[str, object]] = []
        for sink in sinks.chosen(app.settings, asked.sinks):
            row = known.get(sink.name)
            position = None if row is None else row.position
            if row is None and asked.since is not None:
                position = sink_store.last_before(tx, asked.since)
            status = sinks.status_of(sink, row, now)
            due = 0
            if status in {"active", "new"} and position is not None:
                due = store.count_new(tx, position, sink.types)
            if status == "active" and row is not None:
                due += store.count_due(tx, row.sink_key, now)
            backlog, dead = sinks.waiting(tx, sink, row)
            try:
                note = None
                open_channel(app, sink, []).close()
            except NotConfiguredError as error:
                note = error.message
            rows.append(
                {
                    "sink": sink.name,
                    "kind": sink.kind,
                    "status": status,
                    "due": due if asked.limit is None else min(due, asked.limit),
                    "backlog": backlog,
                    "dead": dead,
                    "note": note,
                }
            )
    return rows


def require_done(report: Report) -> None:
    """Raise :class:`IncompleteError` where something failed, is dead, or could not be tried."""
    counts = report.counts()
    parts = [
        f"{number} {what}"
        for number, what in (
            (counts["retried"], "failed and will be tried again"),
            (counts["dead"], "dead"),
            (sum(one.broken for one in report.served), "of the sinks cannot be used"),
        )
        if number
    ]
    if parts:
        raise IncompleteError(
            f"not everything was delivered: {', '.join(parts)}",
            "billing events deliveries list shows what, why and when it is tried again",
        )


class _Run:
    """One run over some sinks, in turn, a batch of each at a time."""

    def __init__(
        self, app: App, uow: UnitOfWork, asked: Asked, advance: Callable[[int], None]
    ) -> None:
        self.app = app
        self.uow = uow
        self.asked = asked
        self.advance = advance
        self.left = asked.limit
        self.rules = app.settings.values.notifications

    def run(self, chosen: Sequence[Sink]) -> Report:
        report = Report(self._begin(chosen))
        with ExitStack() as stack:
            for one in report.served:
                self._open(one, report, stack)
            # In turn, so that a slow sink with much to hear does not keep the others waiting.
            while any(not one.done for one in report.served) and self.left != 0:
                for one in report.served:
                    if not one.done and self.left != 0:
                        self._batch(one)
        with self.uow.reading() as tx:
            for one in report.served:
                row = sink_store.known(tx)[one.sink.name]
                one.backlog, one.dead = sinks.waiting(tx, one.sink, row)
        return report

    def _begin(self, chosen: Sequence[Sink]) -> list[Served]:
        with self.uow.batch() as tx:
            rows = sinks.register(tx, chosen, self.app.clock.now(), self.asked.since)
            for row in rows.values():
                store.recover(tx, row.sink_key, self.rules.max_attempts, _INTERRUPTED)
        return [Served(sink, rows[sink.name]) for sink in chosen]

    def _open(self, one: Served, report: Report, stack: ExitStack) -> None:
        """Open the way to a sink, unless it is not to be sent anything, which its note tells."""
        if one.row.stopped_at is not None:
            one.note, one.broken = f"stopped: {one.row.stop_reason}", True
        elif one.row.paused_until is not None and one.row.paused_until > self.app.clock.now():
            one.note = f"paused until {format_instant(one.row.paused_until)}"
        else:
            try:
                one.channel = open_channel(self.app, one.sink, report.warnings)
            except NotConfiguredError as error:
                one.note, one.broken = error.message, True
                hint = f" ({error.hint})" if error.hint else ""
                report.warnings.append(f"sink {one.sink.name}: {error.message}{hint}")
            else:
                stack.callback(one.channel.close)
        one.done = one.channel is None

    def _batch(self, one: Served) -> None:
        size = _BATCH if self.left is None else min(_BATCH, self.left)
        taken, more = self._take(one, size)
        if taken:
            attempts = _Attempts(self, one, taken)
            try:
                attempts.make()
            finally:
                attempts.record()
            if self.left is not None:
                self.left -= attempts.made
        elif not more:
            one.done = True

    def _take(self, one: Served, size: int) -> tuple[list[Told], bool]:
        """Write down what is sent next, and return it, and whether there may be more."""
        key, types = one.row.sink_key, one.sink.types
        with self.uow.batch() as tx:
            now = self.app.clock.now()
            taken = store.take_due(tx, key, now, size)
            room = size - len(taken)
            if not room:
                return taken, True
            new = store.read_new(tx, one.row.position, types, room)
            users = sorted({told.user_key for told in new if told.user_key is not None})
            held = store.held(tx, key, users) if users else set()
            going = [told for told in new if told.user_key not in held]
            store.begin(tx, key, going, [told for told in new if told.user_key in held], now)
            position = new[-1].id if len(new) == room else outbox.newest(tx)
            if position != one.row.position:
                sink_store.move(tx, key, position)
        one.row = one.row._replace(position=position)
        return [*taken, *going], bool(new)


class _Attempts:
    """The attempts of one batch: each is made, and all are written down together."""

    def __init__(self, run: _Run, one: Served, taken: Sequence[Told]) -> None:
        self.run = run
        self.one = one
        self.taken = taken
        self.made = 0
        self._results: list[Recorded] = []
        self._waiting: set[int | None] = set()
        self._pause: int | None = None
        self._stop: str | None = None

    def make(self) -> None:
        """Send one after the other, but nothing of a user after what has failed."""
        channel = self.one.channel
        for told in self.taken:
            if channel is None or self.one.done:
                return
            if told.user_key in self._waiting:
                continue
            self.made += 1
            try:
                outcome = channel.send(told, self.run.app.clock.now())
            except BaseException:
                self._note(told, _LEFT)
                raise
            self._note(told, outcome)
            self.run.advance(1)

    def record(self) -> None:
        """Write down what came of the attempts; what was not tried waits as before."""
        now, key = self.run.app.clock.now(), self.one.row.sink_key
        tried = {result.event_id for result in self._results}
        rest = [told.id for told in self.taken if told.id not in tried]
        with self.run.uow.batch() as tx:
            store.record(tx, key, self._results)
            if rest:
                store.release(tx, key, rest)
            if self._stop is not None:
                sink_store.stop(tx, key, now, self._stop)
            elif self._pause is not None:
                sink_store.pause(tx, key, self._pause)

    def _note(self, told: Told, outcome: Outcome) -> None:
        """Decide what an outcome means for the event, and for the sink as a whole."""
        one, now = self.one, self.run.app.clock.now()
        state, due, settled = store.RETRYING, None, None
        match outcome.kind:
            case Kind.DELIVERED:
                state, settled = store.DELIVERED, now
                one.delivered += 1
            case Kind.SKIPPED:
                state, settled = store.SKIPPED, now
                one.skipped += 1
            case Kind.GONE:
                # Nothing is lost: whoever has the sink go on sends this, too.
                due = now
                self._stop = outcome.reason or "it wants no more events"
                one.note, one.done, one.broken = f"stopped: {self._stop}", True, True
            case Kind.REFUSED:
                state = store.DEAD
            case Kind.FAILED if told.attempts >= self.run.rules.max_attempts:
                state = store.DEAD
            case Kind.FAILED:
                due = now + self._wait(told, outcome)
                one.failed += 1
        one.died += state == store.DEAD
        if state == store.RETRYING and told.user_key is not None:
            self._waiting.add(told.user_key)
        self._results.append(
            Recorded(told.id, state, told.attempts, due, now, settled, outcome.reason)
        )
        self._mind(outcome, due, now)

    def _wait(self, told: Told, outcome: Outcome) -> int:
        identity = f"{self.one.sink.name}/{told.id}"
        wait = delay(self.run.rules.retry_seconds, told.attempts, identity)
        return max(wait, outcome.retry_after or 0)

    def _mind(self, outcome: Outcome, due: int | None, now: int) -> None:
        """Leave a sink alone that asks for it, or that does not answer at all."""
        one = self.one
        one.unreachable = one.unreachable + 1 if outcome.unreachable else 0
        asks = outcome.unreachable and outcome.retry_after is not None
        if asks or one.unreachable >= _UNREACHABLE_IN_A_ROW:
            self._pause = now + outcome.retry_after if outcome.retry_after else due or now
            one.note = f"paused until {format_instant(self._pause)}: {outcome.reason}"
            one.done = True
