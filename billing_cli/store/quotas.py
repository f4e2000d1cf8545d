"""Limits of users, how they stand to them, and whose past has changed since the last check."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.quotas import Override, Standing
from billing_cli.store import state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from billing_cli.store.unit_of_work import Transaction

# Where a user is who has, or had, a limit.
_CONCERNED = (
    "billing_user_limits",
    "billing_subscription_phases",
    "billing_quota_states",
    "billing_suspensions",
)


class NewLimit(NamedTuple):
    """A limit of a user's own from a moment on; ``amount`` in base or minor units."""

    user_key: int
    resource_type: str
    from_second: int
    choice: str
    amount: int | None
    set_at: int


def set_limits(tx: Transaction, limits: Iterable[NewLimit]) -> None:
    """Record limits; one from the same moment takes the place of what was said before."""
    names = ", ".join(NewLimit._fields)
    tx.execute_many(
        f"INSERT INTO billing_user_limits ({names}) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (user_key, resource_type, from_second) DO UPDATE SET "
        "choice = excluded.choice, amount = excluded.amount, set_at = excluded.set_at",
        list(limits),
    )


def overrides_of(tx: Transaction, users: Sequence[int]) -> dict[int, list[Override]]:
    """Return the limits of users' own, in order of time."""
    subquery, parameter = tx.numbers(users)
    found: dict[int, list[Override]] = {}
    for user, *values in tx.rows(
        "SELECT user_key, resource_type, from_second, choice, amount FROM billing_user_limits "
        f"WHERE user_key IN {subquery} ORDER BY user_key, from_second, resource_type",
        parameter,
    ):
        found.setdefault(user, []).append(Override(*values))
    return found


def mark_changed(tx: Transaction, changes: Iterable[tuple[int, int]]) -> None:
    """Tell that timelines, limits or plans of ``(user_key, from)`` are others from then on.

    Users whose past differs behind the last check are checked again from their beginning.
    """
    progress = state.quota_progress(tx)
    reached = max(progress.checked_until or 0, progress.checking_until or 0)
    if not reached:
        return
    users = sorted({user for user, since in changes if since <= reached})
    if not users:
        return
    subquery, parameter = tx.numbers(users)
    # Who has never had a limit has nothing to be checked again.
    concerned = " OR ".join(
        f"EXISTS (SELECT 1 FROM {table} t WHERE t.user_key = u.user_key)" for table in _CONCERNED
    )
    tx.execute(
        "INSERT INTO billing_stale_quotas (user_key) SELECT u.user_key FROM billing_users u "
        f"WHERE u.user_key IN {subquery} AND ({concerned}) ON CONFLICT (user_key) DO NOTHING",
        parameter,
    )
    _count_marks(tx, progress)


def mark_everyone(tx: Transaction, since: int) -> None:
    """Tell that the settings are others from an instant on, which may change every limit."""
    progress = state.quota_progress(tx)
    if since > max(progress.checked_until or -1, progress.checking_until or -1):
        return
    users = " UNION ".join(f"SELECT user_key FROM {table}" for table in _CONCERNED)
    tx.execute(
        "INSERT INTO billing_stale_quotas (user_key) "
        f"SELECT user_key FROM ({users}) u WHERE 1 = 1 ON CONFLICT (user_key) DO NOTHING"
    )
    _count_marks(tx, progress)


def _count_marks(tx: Transaction, progress: state.QuotaProgress) -> None:
    state.set_quota_progress(tx, progress._replace(marks=(progress.marks or 0) + 1))


def forget_marks(tx: Transaction, users: Sequence[int]) -> None:
    """Forget that the past of users has changed: they are checked from their beginning."""
    subquery, parameter = tx.numbers(users)
    tx.execute(f"DELETE FROM billing_stale_quotas WHERE user_key IN {subquery}", parameter)


def standings_of(tx: Transaction, users: Sequence[int]) -> dict[int, dict[str, Standing]]:
    """Return how users stood at the last check, by user and resource."""
    subquery, parameter = tx.numbers(users)
    found: dict[int, dict[str, Standing]] = {}
    for user, resource, *values in tx.rows(
        "SELECT user_key, resource_type, level, since_second, warned_second "
        f"FROM billing_quota_states WHERE user_key IN {subquery}",
        parameter,
    ):
        found.setdefault(user, {})[resource] = Standing(*values)
    return found


def replace_standings(
    tx: Transaction,
    old: Mapping[int, Mapping[str, Standing]],
    new: Mapping[int, Mapping[str, Standing]],
) -> None:
    """Record how users stand now."""
    before = {(user, *row) for user, rows in old.items() for row in rows.items()}
    after = {(user, *row) for user, rows in new.items() for row in rows.items()}
    tx.execute_many(
        "DELETE FROM billing_quota_states WHERE user_key = ? AND resource_type = ?",
        [(user, resource) for user, resource, _ in before - after],
    )
    tx.insert(
        "billing_quota_states",
        ("user_key", "resource_type", "level", "since_second", "warned_second"),
        sorted((user, resource, *standing) for user, resource, standing in after - before),
    )
