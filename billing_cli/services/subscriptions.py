"""What the ``subscription`` commands do: who holds which plan from when to when."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError, UsageError
from billing_cli.pricing.chains import continued, cut
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.profiles import read_user_id
from billing_cli.pricing.subscriptions import plan_of, term_at
from billing_cli.pricing.timelines import FOREVER
from billing_cli.services import sessions as timelines
from billing_cli.services import terms
from billing_cli.services.preview import Preview
from billing_cli.services.subscription_action import (
    Action,
    Done,
    Wanted,
    begin,
    find,
    require_plan,
    require_plans,
)
from billing_cli.services.subscription_rows import STATUSES, row_of, with_phases
from billing_cli.services.user_changes import Place, add_without_plan
from billing_cli.store import subscriptions, users

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.app import App
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.unit_of_work import Transaction


def create(app: App, user_id: str, plan_id: str, since: int | None, *, dry_run: bool) -> Done:
    """Begin a subscription; the user may be new. Raises ConflictError where one is held then."""
    now = app.clock.now()
    at = now if since is None else since
    if at < 0:
        raise UsageError(
            f"--from: {format_instant(at)} lies before 1970, when nothing was metered",
            "begin the subscription where its user began to use something",
        )
    with app.unit_of_work(rehearse=dry_run) as uow:
        history = terms.establish(uow, app.settings, now).history
        with uow.batch() as tx:
            # First what is wrong with the plan: a user is not made for nothing.
            require_plans(history, at)
            require_plan(history, plan_id, at)
            user_key, is_new = _user_key(tx, history, user_id, now)
            action = begin(tx, history, user_key, user_id, plan_id, at, now)
            done = action.done(None, at, dry_run=dry_run)
            if is_new:
                done.notes.append(f"the user {user_id} was not known: added")
            return done


def change(  # noqa: PLR0913 - the options of the command
    app: App, wanted: Wanted, plan_id: str, *, immediate: bool, at_end: bool, dry_run: bool
) -> Done:
    """Change the plan: an upgrade now and a downgrade with the next term, unless it is said."""
    with _acting(app, wanted, dry_run=dry_run) as action:
        at = action.change_plan(plan_id, immediate=immediate, at_end=at_end)
        done = action.done(action.before, at, dry_run=dry_run)
        return done._replace(invoice=_invoice(action)) if dry_run else done


def cancel(app: App, wanted: Wanted, *, immediate: bool, dry_run: bool) -> Done:
    """End a subscription: with its current term, or now. One yet to begin never does."""
    with _acting(app, wanted, dry_run=dry_run) as action:
        chain = action.chain
        held = action.require_running("cancelled")
        if immediate or held.start > action.now:
            at = max(action.now, chain[0].start)
        else:
            at = min(term_at(action.history, held, action.now)[1], chain[-1].end)
        if action.is_ending and at >= chain[-1].end:
            raise ConflictError(
                f"{action.name} ends at {format_instant(chain[-1].end)} already",
                "use --now to end it at once, or billing subscription resume to let it go on",
            )
        action.replace(cut(chain, at))
        subscriptions.set_canceled_at(action.tx, action.number, action.now)
        plan = plan_of(action.history, held.plan_id, at)
        action.tell("canceled", at, plan)
        return action.done(action.before, at, dry_run=dry_run)


def resume(app: App, wanted: Wanted, *, dry_run: bool) -> Done:
    """Let a subscription that is to end go on; one that has ended begins again from now."""
    with _acting(app, wanted, dry_run=dry_run) as action:
        chain = action.chain
        if not chain:
            raise ConflictError(
                f"{action.name} never began, so there is no plan to go on with",
                "billing subscription create begins a new one",
            )
        last = chain[-1]
        if last.end > action.now and not action.is_ending:
            raise ConflictError(f"{action.name} is not to end: there is nothing to resume")
        at = max(last.end, action.now)
        others = [phase for phase in action.others if phase.end > at]
        if others:
            raise ConflictError(
                f"user {action.row.user_id!r} has subscription {others[0].subscription_id} "
                f"from {format_instant(others[0].start)} on",
                "billing subscription change changes its plan",
            )
        require_plans(action.history, at)
        plan = require_plan(action.history, last.plan_id, at)
        action.replace(continued(chain, last._replace(start=at, end=FOREVER)))
        subscriptions.set_canceled_at(action.tx, action.number, None)
        action.tell("resumed", action.now, plan)
        return action.done(action.before, action.now, dry_run=dry_run)


@contextmanager
def _acting(app: App, wanted: Wanted, *, dry_run: bool) -> Iterator[Action]:
    now = app.clock.now()
    with app.unit_of_work(rehearse=dry_run) as uow:
        history = terms.establish(uow, app.settings, now).history
        if dry_run:
            # What the invoice will say is worked out from timelines.
            timelines.refresh(uow, history, lambda _: None)
        with uow.batch() as tx:
            action = Action(tx, history, now, find(tx, wanted, now))
            action.require_ours()
            yield action


def _invoice(action: Action) -> dict[str, object] | None:
    """Return the running period's invoice as it will be at its end, None where it is made."""
    row, now = action.row, action.now
    period = action.history.calendar.containing(now)
    try:
        found = Preview(action.tx, action.history, period, row.user_key, row.user_id, now).show()
    except ConflictError:
        return None
    return {name: found[name] for name in ("period", "projected_total", "projected_lines")}


def _user_key(tx: Transaction, history: TermsHistory, user_id: str, now: int) -> tuple[int, bool]:
    """Return the key of a user, who is added where there is none of this name, and whether so."""
    known = users.by_ids(tx, [user_id]).get(user_id)
    if known is not None:
        return known.user_key, False
    try:
        read_user_id(user_id)
    except ValueError as error:
        raise UsageError(f"--user: {error}") from error
    return add_without_plan(tx, Place(history, now), user_id), True


@contextmanager
def listing(
    app: App, user_ids: Sequence[str] | None, status: str | None, plan_id: str | None
) -> Iterator[Iterator[dict[str, object]]]:
    """Give subscriptions in byte order of their users, as they are now."""
    if status is not None and status not in STATUSES:
        raise UsageError(
            f"--status: {status!r} is not a status", f"use one of: {', '.join(STATUSES)}"
        )
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        history = terms.read(tx, app.settings).history
        keys = [users.key_of(tx, name) for name in user_ids] if user_ids else None
        rows = (row_of(history, found, now) for found in subscriptions.listed(tx, now, users=keys))
        yield (
            row
            for row in rows
            if status in {None, row["status"]} and plan_id in {None, row["plan_id"]}
        )


def show(app: App, wanted: Wanted) -> dict[str, object]:
    """Return a subscription with all its phases."""
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        history = terms.read(tx, app.settings).history
        return with_phases(history, find(tx, wanted, now), now)
