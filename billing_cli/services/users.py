"""What the ``user`` commands do, but for importing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError, NotFoundError, UsageError
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.profiles import read_user_id
from billing_cli.pricing.quotas import PLAN, QUOTAS
from billing_cli.pricing.subscriptions import held_at, plan_of, term_at
from billing_cli.pricing.timelines import FOREVER
from billing_cli.services import taxes, terms
from billing_cli.services.quota_rows import shown_limit, unit_of
from billing_cli.services.user_changes import Change, Place, Unreadable, read_change, store_changes
from billing_cli.store import users as store
from billing_cli.store.subscriptions import phases_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from billing_cli.app import App
    from billing_cli.pricing.subscriptions import Phase
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.unit_of_work import Transaction


@contextmanager
def listing(
    app: App, plan: str | None, *, suspended: bool
) -> Iterator[Iterator[dict[str, object]]]:
    """Give users in byte order: all, who holds a plan now, or who is suspended."""
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        if plan is not None:
            require_plan(terms.read(tx, app.settings).history, plan)
        yield (
            {
                **_profile(listed.user),
                "plan": listed.plan_id,
                "suspended_since": instant_text(listed.suspended_since),
                "created_at": instant_text(listed.user.created_at),
            }
            for listed in store.listed(tx, now, plan, suspended=suspended)
        )


def require_plan(history: TermsHistory, plan_id: str) -> None:
    """Raise :class:`NotFoundError` for a plan that no version of the settings has."""
    if not any(plan_id in version.terms.plans for version in history.versions):
        raise NotFoundError(f"there is no plan {plan_id!r}", "billing plan list shows them")


def show(app: App, user_id: str) -> dict[str, object]:
    """Return a user's profile, and how the account stands now."""
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        row = store.get(tx, user_id)
        history = terms.read(tx, app.settings).history
        currency = history.at(now).currency
        phase = held_at(phases_of(tx, [row.user_key]).get(row.user_key, ()), now)
        since, reason = store.suspension_at(tx, row.user_key, now) or (None, None)
        return {
            **_profile(row),
            "created_at": instant_text(row.created_at),
            "plan": phase and phase.plan_id,
            "subscription_id": phase and phase.subscription_id,
            "plan_from": phase and format_instant(phase.start),
            "plan_to": instant_text(phase.end) if phase and phase.end < FOREVER else None,
            "credit_balance": format_minor(store.credit_balance(tx, row.user_key, now), currency),
            "owed": format_minor(store.owed(tx, row.user_key), currency),
            "currency": currency,
            "suspended_since": instant_text(since),
            "suspended_reason": reason,
            "limits": list(_limits(tx, row, history, phase, now)),
        }


def _limits(
    tx: Transaction, row: store.UserRow, history: TermsHistory, phase: Phase | None, now: int
) -> Iterator[dict[str, object]]:
    own = store.own_limits_at(tx, [row.user_key], now)
    planned = _plan_limits(history, phase, now)
    currency = history.at(now).currency
    for resource in QUOTAS:
        choice = own.get((row.user_key, resource), store.OwnLimit(PLAN, None))
        by_plan = planned.get(resource)
        base = by_plan if choice.choice == PLAN else choice.amount
        yield {
            "resource_type": resource,
            "limit": _limit(resource, base, currency),
            "unit": unit_of(resource, currency),
            "own": None if choice.choice == PLAN else _own(resource, choice, currency),
            "plan": _limit(resource, by_plan, currency),
        }


def _plan_limits(history: TermsHistory, phase: Phase | None, now: int) -> Mapping[str, int | None]:
    """Return what the plan's version of the running term allows; by use, plans mean nothing."""
    if phase is None or history.mode_of(history.calendar.containing(now).start) == "usage":
        return {}
    term_start, _ = term_at(history, phase, now)
    return plan_of(history, phase.plan_id, max(term_start, phase.start)).limits


def _own(resource: str, choice: store.OwnLimit, currency: str) -> str:
    return _limit(resource, choice.amount, currency) or choice.choice


def _limit(resource: str, base: int | None, currency: str) -> str | None:
    return None if base is None else shown_limit(resource, base, currency)


def add(app: App, user_id: str, values: Mapping[str, str]) -> dict[str, object]:
    """Add a user with what is said, by column; :class:`ConflictError` if there is one."""
    try:
        read_user_id(user_id)
    except ValueError as error:
        raise UsageError(
            f"USER: {error}", "choose another id: it cannot be changed later"
        ) from error
    now = app.clock.now()
    with app.unit_of_work() as uow:
        place = Place(terms.establish(uow, app.settings, now).history, now)
        change = _read(place, "add", user_id, values)
        with uow.batch() as tx:
            if store.by_ids(tx, [user_id]):
                raise ConflictError(
                    f"there is a user {user_id!r} already", "billing user edit changes it"
                )
            store_changes(tx, place, [change])
    return show(app, user_id)


def edit(app: App, user_id: str, values: Mapping[str, str]) -> dict[str, object]:
    """Change what is said about a user, by column; an empty text clears."""
    if not values:
        raise UsageError("there is nothing to change", "billing user edit --help shows the options")
    now = app.clock.now()
    with app.unit_of_work() as uow:
        place = Place(terms.establish(uow, app.settings, now).history, now)
        change = _read(place, "edit", user_id, values)
        with uow.batch() as tx:
            store.key_of(tx, user_id)
            store_changes(tx, place, [change])
    return show(app, user_id)


def _read(place: Place, command: str, user_id: str, values: Mapping[str, str]) -> Change:
    try:
        return read_change(place, user_id, values)
    except Unreadable as error:
        option = error.column.replace("_", "-")
        raise UsageError(
            f"--{option}: {error.reason}", f"billing user {command} --help shows the options"
        ) from error


def _profile(row: store.UserRow) -> dict[str, object]:
    """Return what is known of a user as it is shown."""
    return {
        "user_id": row.user_id,
        "name": row.name,
        "email": row.email,
        "address": row.address,
        "language": row.language,
        "tax_number": row.tax_number,
        "tax": row.tax or taxes.DEFAULT,
    }
