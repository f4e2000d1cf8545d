"""What is to be known of users: read at the border, then stored, the same for one and for many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.errors import BillingError
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.limits import read_limit
from billing_cli.pricing.profiles import FIELDS, read_field, read_user_id
from billing_cli.pricing.quotas import PLAN, QUOTAS
from billing_cli.services import taxes, user_plans
from billing_cli.services.quotas import Choice, set_limits
from billing_cli.store import users as store
from billing_cli.store.outbox import Notice, tell
from billing_cli.store.subscriptions import phases_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.unit_of_work import Transaction

CREATED: Final = "billing.user.created"
_KEPT: Final = (*FIELDS, "tax")
_LIMITS: Final = {f"{resource}_limit": resource for resource in QUOTAS}
SETTABLE: Final = (*_KEPT, "plan", *_LIMITS)
"""What can be said of a user, by column."""


class Unreadable(Exception):  # noqa: N818 - not a failure of the program: a value that is refused
    """A value that cannot be taken: its column, and why."""

    def __init__(self, column: str, reason: str) -> None:
        """Keep the column and the reason."""
        super().__init__(f"{column}: {reason}")
        self.column = column
        self.reason = reason


class Change(NamedTuple):
    """What is said about a user: columns of the user's row, limits of their own, and a plan."""

    user_id: str
    profile: dict[str, str | None]
    limits: dict[str, Choice]
    plan: str | None


class Place(NamedTuple):
    """By which settings, and when, changes are made."""

    history: TermsHistory
    now: int


class Stored(NamedTuple):
    """Who of the users of some changes was new, and of whom something is different now."""

    added: set[str]
    updated: set[str]


def read_change(place: Place, user_id: str, values: Mapping[str, str]) -> Change:
    """Read what is said about a user, by column; an empty text clears.

    Raises :class:`Unreadable` for a value that cannot be taken, and
    :class:`~billing_cli.errors.BillingError` for a tax or a plan that nobody can have.
    """
    in_force = place.history.at(place.now)
    profile: dict[str, str | None] = {}
    limits: dict[str, Choice] = {}
    for column, value in values.items():
        text = value.strip()
        try:
            if column in FIELDS:
                profile[column] = read_field(column, text)
            elif column in _LIMITS:
                resource = _LIMITS[column]
                limits[resource] = Choice(*read_limit(resource, text or PLAN, in_force.currency))
        except ValueError as error:
            raise Unreadable(column, str(error)) from error
    if "tax" in values:
        text = values["tax"].strip()
        profile["tax"] = taxes.chosen(in_force, text) if text else None
    plan = values.get("plan", "").strip() or None
    if plan is not None:
        user_plans.require_choice(place.history, plan, place.now)
    return Change(user_id, profile, limits, plan)


def why_not_new(change: Change) -> str | None:
    """Say why a user of this name cannot be added, None where it can."""
    try:
        read_user_id(change.user_id)
    except ValueError as error:
        return str(error)
    return None


def store_changes(tx: Transaction, place: Place, changes: Sequence[Change]) -> Stored:
    """Add the users that are new and change the others; no user is in two of the changes.

    In the modes that have plans, a new user of whom none is said gets the plan ``free``, where
    there is one. Raises :class:`ConflictError` as :func:`require_possible` does.
    """
    known = store.by_ids(tx, [change.user_id for change in changes])
    new = [change for change in changes if change.user_id not in known]
    added = store.add(tx, [_with(_nobody(change.user_id, place), change) for change in new])
    tell(tx, (_created(row, place.now) for row in added), place.now)
    different = [
        row
        for change in changes
        if change.user_id in known
        and (row := _with(known[change.user_id], change)) != known[change.user_id]
    ]
    store.update(tx, different)
    keys = {row.user_id: row.user_key for row in (*known.values(), *added)}
    keyed = [(keys[change.user_id], change) for change in changes]
    names = {row.user_id for row in added}
    others = {row.user_id for row in different}
    others |= _limit(tx, place, keyed) | _enrol(tx, place, keyed, names)
    return Stored(names, others - names)


def add_without_plan(tx: Transaction, place: Place, user_id: str) -> int:
    """Add a user of whom nothing is said, and who is to get a plan elsewhere; return the key."""
    (row,) = store.add(tx, [_nobody(user_id, place)])
    tell(tx, [_created(row, place.now)], place.now)
    return row.user_key


def require_possible(tx: Transaction, place: Place, change: Change) -> None:
    """Raise :class:`~billing_cli.errors.ConflictError` where a user cannot get another plan now."""
    row = store.by_ids(tx, [change.user_id]).get(change.user_id) if change.plan else None
    if row is None or change.plan is None:
        return
    phases = phases_of(tx, [row.user_key]).get(row.user_key, [])
    if not user_plans.has_for_good(phases, change.plan, place.now):
        user_plans.require_possible(tx, place.history, row.user_id, phases, place.now)


def _enrol(
    tx: Transaction, place: Place, changes: Sequence[tuple[int, Change]], new: AbstractSet[str]
) -> set[str]:
    """Give users the plans that are said, and new ones that of new users; return who got any."""
    by_default = user_plans.plan_of_new(place.history, place.now)
    wanted = {
        key: (change.user_id, plan)
        for key, change in changes
        if (plan := change.plan or (by_default if change.user_id in new else None)) is not None
    }
    held = phases_of(tx, list(wanted)) if wanted else {}
    enrolled = set()
    for key, (user_id, plan) in wanted.items():
        phases = held.get(key, [])
        if not user_plans.has_for_good(phases, plan, place.now):
            user_plans.give(tx, place.history, key, user_id, phases, plan, place.now)
            enrolled.add(user_id)
    return enrolled


def _limit(tx: Transaction, place: Place, changes: Sequence[tuple[int, Change]]) -> set[str]:
    """Give users limits of their own from now on; return whose are others than they were."""
    keys = [key for key, change in changes if change.limits]
    before = store.own_limits_at(tx, keys, place.now) if keys else {}
    limited: set[str] = set()
    for key, change in changes:
        said = {
            resource: choice
            for resource, choice in change.limits.items()
            if before.get((key, resource), (PLAN, None)) != choice
        }
        if said:
            set_limits(tx, key, said, place.now, place.now)
            limited.add(change.user_id)
    return limited


def _nobody(user_id: str, place: Place) -> store.UserRow:
    return store.UserRow(0, user_id, None, None, None, None, None, None, place.now)


def _with(row: store.UserRow, change: Change) -> store.UserRow:
    return store.UserRow(**{**row._asdict(), **change.profile})


def _created(row: store.UserRow, now: int) -> Notice:
    said = {name: value for name in _KEPT if (value := getattr(row, name)) is not None}
    data = {"user_id": row.user_id, **said, "created_at": format_instant(now)}
    return Notice(CREATED, f"user/{row.user_id}/created", row.user_key, row.user_id, now, data)


def reason_of(error: Unreadable | BillingError) -> str:
    """Return what is wrong, in one line."""
    return error.message if isinstance(error, BillingError) else str(error)
