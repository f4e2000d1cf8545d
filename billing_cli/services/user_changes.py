"""What is to be known of users: read at the border, then stored, the same for one and for many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.errors import BillingError
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.profiles import FIELDS, read_field, read_user_id
from billing_cli.services import taxes
from billing_cli.store import users as store
from billing_cli.store.outbox import Notice, tell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.unit_of_work import Transaction

CREATED: Final = "billing.user.created"
SETTABLE: Final = (*FIELDS, "tax")
"""What can be said of a user, by column."""


class Unreadable(Exception):  # noqa: N818 - not a failure of the program: a value that is refused
    """A value that cannot be taken: its column, and why."""

    def __init__(self, column: str, reason: str) -> None:
        """Keep the column and the reason."""
        super().__init__(f"{column}: {reason}")
        self.column = column
        self.reason = reason


class Change(NamedTuple):
    """What is said about a user: columns of the user's row with their new values."""

    user_id: str
    profile: dict[str, str | None]


class Place(NamedTuple):
    """By which settings, and when, changes are made."""

    history: TermsHistory
    now: int


class Stored(NamedTuple):
    """Who of the users of some changes was new, and of whom something is different now."""

    added: list[str]
    updated: list[str]


def read_change(place: Place, user_id: str, values: Mapping[str, str]) -> Change:
    """Read what is said about a user, by column; an empty text clears.

    Raises :class:`Unreadable` for a value that cannot be taken, and
    :class:`~billing_cli.errors.NotFoundError` for a tax that there is not.
    """
    profile: dict[str, str | None] = {}
    for column in FIELDS:
        if column in values:
            try:
                profile[column] = read_field(column, values[column])
            except ValueError as error:
                raise Unreadable(column, str(error)) from error
    if "tax" in values:
        text = values["tax"].strip()
        in_force = place.history.at(place.now)
        profile["tax"] = taxes.chosen(in_force, text) if text else None
    return Change(user_id, profile)


def why_not_new(change: Change) -> str | None:
    """Say why a user of this name cannot be added, None where it can."""
    try:
        read_user_id(change.user_id)
    except ValueError as error:
        return str(error)
    return None


def store_changes(tx: Transaction, place: Place, changes: Sequence[Change]) -> Stored:
    """Add the users that are new and change the others; no user is in two of the changes.

    Raises :class:`~billing_cli.errors.BillingError` for what is not allowed in the present state.
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
    return Stored([row.user_id for row in added], [row.user_id for row in different])


def _nobody(user_id: str, place: Place) -> store.UserRow:
    return store.UserRow(0, user_id, None, None, None, None, None, None, place.now)


def _with(row: store.UserRow, change: Change) -> store.UserRow:
    return store.UserRow(**{**row._asdict(), **change.profile})


def _created(row: store.UserRow, now: int) -> Notice:
    said = {name: value for name in SETTABLE if (value := getattr(row, name)) is not None}
    data = {"user_id": row.user_id, **said, "created_at": format_instant(now)}
    return Notice(CREATED, f"user/{row.user_id}/created", row.user_key, row.user_id, now, data)


def reason_of(error: Unreadable | BillingError) -> str:
    """Return what is wrong, in one line."""
    return error.message if isinstance(error, BillingError) else str(error)
