"""Checking quotas: every moment at which a level was reached since the last check.

A check follows the timelines from the last one to now, however long that was, and tells of each
crossing at its true moment, once. It works in batches of users, each committed with how far it
has come, so that another process can take over where one was killed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.quota_sweep import BEGINNING, Account, Rules, sweep
from billing_cli.pricing.quotas import Suspended, planned_spans
from billing_cli.pricing.quotas import suspend as suspensions_for
from billing_cli.services import suspensions
from billing_cli.services.invoice_life import all_overdue
from billing_cli.services.quota_bounds import plan_bounds
from billing_cli.services.quota_rows import crossing_notice
from billing_cli.store import quota_selection as selection
from billing_cli.store import quotas as store
from billing_cli.store import state, subscriptions
from billing_cli.store import suspensions as suspended
from billing_cli.store.outbox import tell
from billing_cli.store.suspensions import QUOTA, Suspension

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from billing_cli.pricing.quotas import Followed, Standing
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.settings import Settings
    from billing_cli.store.outbox import Notice
    from billing_cli.store.quota_selection import Candidate, Window
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

_BATCH_USERS: Final = 2_000
_DAY: Final = 86_400


class Choice(NamedTuple):
    """What is said about a limit: ``limit`` with an amount in base or minor units, or another."""

    choice: str
    amount: int | None


def set_limits(
    tx: Transaction, user_key: int, limits: Mapping[str, Choice], since: int, now: int
) -> None:
    """Give a user limits of its own from an instant on, by resource (``cpu`` to ``spend``).

    Where the instant lies behind the last check, the user is checked again.
    """
    store.set_limits(
        tx,
        (
            store.NewLimit(user_key, resource, since, said.choice, said.amount, now)
            for resource, said in limits.items()
        ),
    )
    store.mark_changed(tx, [(user_key, since)])


@dataclass(slots=True)
class CheckReport:
    """What a check found; ``shown`` says whether its selection is there to be shown."""

    crossings: int = 0
    suspensions: int = 0
    resumptions: int = 0
    checked_until: int | None = None
    anew: bool = False


@dataclass
class Check:
    """A check of everyone's quotas at an instant; timelines have to be up to date."""

    uow: UnitOfWork
    settings: Settings
    history: TermsHistory
    now: int
    advance: Callable[[int], None] = lambda _: None
    report: CheckReport = field(default_factory=CheckReport)

    def __post_init__(self) -> None:
        """Read the rules."""
        values = self.settings.values
        self.threshold = values.alert_threshold
        self.grace = values.grace_period_days * _DAY if values.auto_suspend_on_overage else None

    def run(self) -> CheckReport:
        """Check, after having finished what another process may have left."""
        while (started := self._begin()) is not None:
            window = self._window(started)
            with self.uow.reading() as tx:
                marks = state.quota_progress(tx).marks
                bounds = plan_bounds(self.history, window.last, window.now)
                selection.select(tx, window, bounds, self.threshold, self.grace)
            rules = rules_for(self.history, window.now, self.threshold)
            while self._batch(started, window, rules, marks):
                self.advance(_BATCH_USERS)
        return self.report

    def _begin(self) -> state.QuotaProgress | None:
        """Record that a check is under way; None if there is nothing to check."""
        with self.uow.batch() as tx:
            progress = state.quota_progress(tx)
            self.report.checked_until = progress.checked_until
            if progress.checking_until is not None:
                return progress
            if progress.checked_until is not None and progress.checked_until >= self.now:
                return None
            begin = progress.suspends_from
            if self.grace is None:
                begin = None
            elif begin is None:
                # What was over before suspensions were switched on, and is not, stays as it is.
                begin = progress.checked_until or 0
            progress = progress._replace(
                checking_until=self.now, checking_user=0, suspends_from=begin
            )
            state.set_quota_progress(tx, progress)
            if self.grace is not None:
                all_overdue(tx, self.now)
                self.report.suspensions += suspensions.suspend_overdue(tx, self.grace, self.now)
            self.report.resumptions += suspensions.settle_overdue(tx, None, self.now)
        return progress

    def _window(self, started: state.QuotaProgress) -> Window:
        last, until = started.checked_until, started.checking_until or 0
        if started.threshold != self.threshold:
            # Where everyone stands by another threshold is not known yet.
            last = None
        period = self.history.calendar.containing(until if last is None else last)
        return selection.Window(last, until, period.start)

    def _batch(
        self, started: state.QuotaProgress, window: Window, rules: Rules, marks: int | None
    ) -> bool:
        """Follow the next users; False when that was all, or another process has finished."""
        with self.uow.batch() as tx:
            progress = state.quota_progress(tx)
            if (progress.checked_until, progress.checking_until) != (
                started.checked_until,
                started.checking_until,
            ):
                return False
            found = selection.next_candidates(tx, progress.checking_user or 0, _BATCH_USERS)
            if found:
                told_after = started.checked_until if window.last is None else None
                _Followers(self, tx, window, rules, progress, told_after).follow(found)
                if progress.marks == marks:
                    store.forget_marks(tx, [one.user_key for one in found if one.low == BEGINNING])
                progress = progress._replace(checking_user=found[-1].user_key)
            more = len(found) == _BATCH_USERS
            if not more:
                progress = progress._replace(
                    checked_until=window.now,
                    checking_until=None,
                    checking_user=None,
                    threshold=self.threshold,
                )
                self.report.checked_until = window.now
                self.report.anew = window.now == self.now
            state.set_quota_progress(tx, progress)
        return more


def rules_for(history: TermsHistory, until: int, threshold: int) -> Rules:
    """Return by what to judge the past up to an instant."""
    return Rules(history, planned_spans(history, BEGINNING, until + 1), threshold)


def accounts_of(tx: Transaction, users: Sequence[Candidate]) -> list[Account]:
    """Return what is known of users who were selected."""
    keys = [user.user_key for user in users]
    steps = selection.steps_of(tx, keys)
    overrides = store.overrides_of(tx, keys)
    phases = subscriptions.phases_of(tx, keys)
    return [
        Account(
            user.low,
            steps.get(user.user_key, []),
            overrides.get(user.user_key, []),
            phases.get(user.user_key, []),
        )
        for user in users
    ]


@dataclass
class _Followers:
    """Follows a batch of users and writes down what happened to them."""

    check: Check
    tx: Transaction
    window: Window
    rules: Rules
    progress: state.QuotaProgress
    told_after: int | None
    notices: list[Notice] = field(default_factory=list)
    suspended: list[Suspension] = field(default_factory=list)
    ended: list[tuple[Suspension, int, str]] = field(default_factory=list)

    def follow(self, users: Sequence[Candidate]) -> None:
        keys = [user.user_key for user in users]
        before = store.standings_of(self.tx, keys)
        after: dict[int, dict[str, Standing]] = {}
        stale = selection.stale_among(self.tx, keys) if self.told_after is not None else set()
        known = suspended.of_users(self.tx, keys)
        crossings = []
        for user, account in zip(users, accounts_of(self.tx, users), strict=True):
            whole = user.low == BEGINNING
            standings = {} if whole else before.get(user.user_key, {})
            for resource, followed in sweep(
                self.rules,
                account,
                standings,
                None if whole else self.window.last,
                self.window.now,
            ).items():
                if followed.standing is not None:
                    after.setdefault(user.user_key, {})[resource] = followed.standing
                told_after = None if user.user_key in stale else self.told_after
                crossings += [
                    crossing_notice(user, resource, crossing, self.check.history)
                    for crossing in followed.crossings
                    if told_after is None or crossing.at > told_after
                ]
                self._suspend(user, resource, followed, known.get(user.user_key, []))
        store.replace_standings(self.tx, before, after)
        self._write(crossings)

    def _suspend(
        self, user: Candidate, resource: str, followed: Followed, known: Sequence[Suspension]
    ) -> None:
        own = {row.id: row for row in known if row.cause == QUOTA and row.resource_type == resource}
        grace = self.check.grace
        if grace is None:
            # Nobody is suspended any more, but what lasts can still end.
            followed = followed._replace(overruns=[])
        for found in suspensions_for(
            followed,
            (Suspended(r.id, _over_since(r), r.suspended_at, r.resumed_at) for r in own.values()),
            grace or 0,
            self.window.now,
            self.progress.suspends_from,
        ):
            if found.id is not None:
                if found.end is not None:
                    self.ended.append((own[found.id], found.end, self._why(resource, found.end)))
            else:
                self._add(user, resource, found)

    def _add(self, user: Candidate, resource: str, found: Suspended) -> None:
        since = format_instant(found.over_since)
        row = Suspension(
            0,
            user.user_key,
            user.user_id,
            f"quota/{user.user_key}/{resource}/{found.over_since}",
            QUOTA,
            resource,
            f"{resource} is over its limit since {since}",
            found.start,
            found.end,
            None if found.end is None else self._why(resource, found.end),
        )
        self.suspended.append(row)
        self.notices.append(suspensions.notice_of(row, over_since=since))

    def _why(self, resource: str, at: int) -> str:
        if resource == "spend" and self.check.history.calendar.containing(at).start == at:
            return "a new billing period has begun"
        return "another limit or plan is in force"

    def _write(self, crossings: Sequence[Notice]) -> None:
        report, tx, now = self.check.report, self.tx, self.check.now
        suspensions.add(tx, self.suspended)
        suspended.end(tx, ((row.id, at, why) for row, at, why in self.ended))
        ends = [(row.user_key, at) for row, at, _ in self.ended]
        ends += [(r.user_key, r.resumed_at) for r in self.suspended if r.resumed_at is not None]
        others = [*self.notices, *suspensions.notices_of_ends(tx, ends)]
        report.crossings += tell(tx, sorted(crossings, key=_moment), now)
        tell(tx, sorted(others, key=_moment), now)
        report.suspensions += len(self.suspended)
        report.resumptions += len(ends)


def _over_since(row: Suspension) -> int:
    return int(row.origin.rpartition("/")[2])


def _moment(notice: Notice) -> int:
    return notice.occurred_at
