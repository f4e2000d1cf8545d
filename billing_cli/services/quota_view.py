"""What the ``quota`` commands do: check, show and set limits."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from billing_cli.errors import IncompleteError, UsageError
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.limits import read_limit
from billing_cli.pricing.quota_sweep import BEGINNING, balances, sweep
from billing_cli.pricing.quotas import EXCEEDED, OK, WARNING, is_at_least
from billing_cli.services import enrolment, quotas, sessions, terms
from billing_cli.services.config import warn_of
from billing_cli.services.quota_bounds import plan_bounds
from billing_cli.services.quota_rows import rows_of, shown_limit, unit_of
from billing_cli.store import quota_selection as selection
from billing_cli.store import quotas as store
from billing_cli.store import suspensions as suspended
from billing_cli.store import users
from billing_cli.store.sessions import pending_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date

    from billing_cli.app import App
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.services.quotas import CheckReport, Choice
    from billing_cli.store.quota_selection import Candidate
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

LEVELS: Final = (WARNING, EXCEEDED)
_PAGE_USERS: Final = 2_000


@dataclass
class View:
    """Rows to print, and what to say when they are printed."""

    rows: Iterator[dict[str, object]]
    warning: str | None = None
    notes: list[str] = field(default_factory=list)
    reached: dict[str, set[str]] = field(default_factory=dict)

    def require_below(self, level: str | None) -> None:
        """Raise IncompleteError if a user that was shown is at a level or above it."""
        found = set[str]()
        for reached, names in self.reached.items():
            if level is not None and is_at_least(reached, level):
                found |= names
        if found:
            text = "1 user is" if len(found) == 1 else f"{len(found):,} users are"
            what = "over a limit" if level == EXCEEDED else "at the warning level or over a limit"
            raise IncompleteError(f"{text} {what}", "billing quota show lists everyone's limits")


@contextmanager
def check(
    app: App, names: Sequence[str] | None, advance: Callable[[int], None], *, dry_run: bool
) -> Iterator[View]:
    """Check everyone's quotas up to now, and give who is at a level or suspended.

    ``names`` choose whom to show. Up to an instant that was checked before nothing changes.
    """
    now = app.clock.now()
    with app.unit_of_work(rehearse=dry_run) as uow:
        with uow.reading() as tx:
            _keys_of(tx, names)
        in_force = terms.establish(uow, app.settings, now)
        # The limits of whom an event introduced are those of the plan for new users.
        enrolment.enrol(uow, in_force.history, now)
        sessions.refresh(uow, in_force.history, advance)
        report = quotas.Check(uow, app.settings, in_force.history, now, advance).run()
        with _shown(uow, app, in_force.history, names, report=report) as view:
            view.warning = warn_of(in_force)
            view.notes.append(_summary(report, now))
            yield view


@contextmanager
def show(app: App, names: Sequence[str] | None) -> Iterator[View]:
    """Give everyone who has a limit, or is suspended, as things stand now; changes no quota."""
    with app.unit_of_work() as uow:
        with uow.reading() as tx:
            history = terms.read(tx, app.settings).history
            pending = pending_count(tx)
        if pending:
            sessions.refresh(uow, history, lambda _: None)
        with _shown(uow, app, history, names, report=None) as view:
            yield view


def set_limits(
    app: App, user_id: str, limits: Mapping[str, str | None], since: int | date | None
) -> list[dict[str, object]]:
    """Give a user limits of its own, by resource, as text; None leaves one alone.

    From an instant, the first moment of a local date, or now on.
    """
    now = app.clock.now()
    with app.unit_of_work() as uow:
        history = terms.establish(uow, app.settings, now).history
        currency = history.latest.currency
        chosen = {
            resource: _chosen(resource, text, currency)
            for resource, text in limits.items()
            if text is not None
        }
        if not chosen:
            raise UsageError(
                "no limit is named", "give --cpu-limit, --memory-limit, --storage-limit or others"
            )
        if since is None:
            since = now
        elif not isinstance(since, int):
            since = history.calendar.date_range(since, since)[0]
        with uow.batch() as tx:
            quotas.set_limits(tx, users.key_of(tx, user_id), chosen, since, now)
    return [
        {
            "user_id": user_id,
            "resource_type": resource,
            "limit": said.choice
            if said.amount is None
            else shown_limit(resource, said.amount, currency),
            "unit": None if said.amount is None else unit_of(resource, currency),
            "from": format_instant(since),
        }
        for resource, said in chosen.items()
    ]


def _chosen(resource: str, text: str, currency: str) -> Choice:
    try:
        return quotas.Choice(*read_limit(resource, text, currency))
    except ValueError as error:
        raise UsageError(
            f"--{resource}-limit: {error}",
            "give an amount such as 16 or 1.5, none for no limit, or plan for what the plan says",
        ) from error


def _summary(report: CheckReport, now: int) -> str:
    if report.checked_until is not None and not report.anew and report.checked_until >= now:
        return (
            f"quotas are checked up to {format_instant(report.checked_until)}: nothing was "
            f"changed, this is what was true at {format_instant(now)}"
        )
    return (
        f"checked up to {format_instant(now)}: {report.crossings:,} new "
        f"{'crossing' if report.crossings == 1 else 'crossings'}, {report.suspensions:,} "
        f"{'suspension' if report.suspensions == 1 else 'suspensions'}, {report.resumptions:,} "
        f"{'resumption' if report.resumptions == 1 else 'resumptions'}"
    )


@contextmanager
def _shown(
    uow: UnitOfWork,
    app: App,
    history: TermsHistory,
    names: Sequence[str] | None,
    *,
    report: CheckReport | None,
) -> Iterator[View]:
    """Give the rows of now; with a report only of those who are at a level or suspended."""
    now, threshold = app.clock.now(), app.settings.values.alert_threshold
    with uow.reading() as tx:
        chosen = _keys_of(tx, names)
        checked = report is not None and report.anew
        if not checked:
            selection.select_shown(tx, now, plan_bounds(history, now, now), threshold)
        pages = _Pages(tx, history, now, threshold, chosen, checked=checked)
        view = View(iter(()))
        view.rows = _alarming(pages.rows(), view, only=report is not None)
        yield view


def _keys_of(tx: Transaction, names: Sequence[str] | None) -> set[int] | None:
    """Return the keys of users, None for everyone; NotFoundError for one that there is not."""
    return {users.key_of(tx, name) for name in names} if names else None


def _alarming(
    rows: Iterator[dict[str, object]], view: View, *, only: bool
) -> Iterator[dict[str, object]]:
    for row in rows:
        level = str(row["level"])
        view.reached.setdefault(level, set()).add(str(row["user_id"]))
        if not only or level != OK or row["suspended_since"] is not None:
            yield row


@dataclass
class _Pages:
    """The users of a selection, page by page; ``checked`` if it is that of a check up to now."""

    tx: Transaction
    history: TermsHistory
    now: int
    threshold: int
    chosen: set[int] | None
    checked: bool

    def __post_init__(self) -> None:
        """Work out by what to judge."""
        self.rules = quotas.rules_for(self.history, self.now, self.threshold)

    def rows(self) -> Iterator[dict[str, object]]:
        after: str | None = None
        while page := selection.next_shown(
            self.tx, after, _PAGE_USERS, self.now, alarming=self.checked
        ):
            wanted = [u for u in page if self.chosen is None or u.user_key in self.chosen]
            yield from self._page(wanted)
            after = page[-1].user_id

    def _page(self, page: Sequence[Candidate]) -> Iterator[dict[str, object]]:
        keys = [user.user_key for user in page]
        known = suspended.of_users(self.tx, keys)
        stored = store.standings_of(self.tx, keys) if self.checked else {}
        for user, account in zip(page, quotas.accounts_of(self.tx, page), strict=True):
            lasting = [
                row.suspended_at
                for row in known.get(user.user_key, [])
                if row.suspended_at <= self.now
                and (row.resumed_at is None or row.resumed_at > self.now)
            ]
            standings = stored.get(user.user_key, {})
            if not self.checked and user.low == BEGINNING:
                followed = sweep(self.rules, account, {}, None, self.now)
                standings = {r: f.standing for r, f in followed.items() if f.standing is not None}
            yield from rows_of(
                user.user_id,
                balances(self.rules, account, self.now),
                standings,
                min(lasting, default=None),
                self.threshold,
                self.history.latest.currency,
            )
