"""Users: who there is, what is known of them, and how their accounts stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.errors import NotFoundError
from billing_cli.store.names import can_be_stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.store.unit_of_work import Transaction

_HELD_AT = "p.user_key = u.user_key AND p.start_second <= ? AND p.end_second > ?"
_SUSPENDED_AT = "s.suspended_at <= ? AND (s.resumed_at IS NULL OR s.resumed_at > ?)"


class UserRow(NamedTuple):
    """A row of ``billing_users``; what nobody has said is None."""

    user_key: int
    user_id: str
    name: str | None
    email: str | None
    address: str | None
    language: str | None
    tax_number: str | None
    tax: str | None
    created_at: int | None


class ListedUser(NamedTuple):
    """A user, the plan held at a moment, and since when suspended."""

    user: UserRow
    plan_id: str | None
    suspended_since: int | None


class OwnLimit(NamedTuple):
    """A user's own choice for a resource: ``limit`` with an amount, ``none`` or ``plan``."""

    choice: str
    amount: int | None


_ALL = ", ".join(f"u.{name}" for name in UserRow._fields)


def key_of(tx: Transaction, user_id: str) -> int:
    """Return a user's key; :class:`NotFoundError` for one that there is not."""
    return get(tx, user_id).user_key


def get(tx: Transaction, user_id: str) -> UserRow:
    """Return a user; :class:`NotFoundError` for one that there is not."""
    found = by_ids(tx, [user_id]).get(user_id)
    if found is None:
        raise NotFoundError(
            f"there is no user {user_id!r}",
            "users appear with the first event that names them, or with billing user add",
        )
    return found


def by_ids(tx: Transaction, user_ids: Sequence[str]) -> dict[str, UserRow]:
    """Return those of some users that there are."""
    subquery, parameter = tx.texts([name for name in user_ids if can_be_stored(name)])
    return {
        row[1]: UserRow(*row)
        for row in tx.rows(
            f"SELECT {_ALL} FROM billing_users u WHERE u.user_id IN {subquery}", parameter
        )
    }


def add(tx: Transaction, rows: Iterable[UserRow]) -> list[UserRow]:
    """Add users and return them with the keys they got, whatever keys the rows have."""
    last = tx.value("SELECT COALESCE(MAX(user_key), 0) FROM billing_users")
    added = [row._replace(user_key=number) for number, row in enumerate(rows, last + 1)]
    tx.insert("billing_users", UserRow._fields, added)
    return added


def update(tx: Transaction, rows: Iterable[UserRow]) -> None:
    """Write the profiles and taxes of users that there are."""
    tx.execute_many(
        "UPDATE billing_users SET name = ?, email = ?, address = ?, language = ?, "
        "tax_number = ?, tax = ? WHERE user_key = ?",
        [(*row[2:8], row.user_key) for row in rows],
    )


def listed(
    tx: Transaction, at: int, plan: str | None = None, *, suspended: bool = False
) -> Iterator[ListedUser]:
    """Yield users in byte order: all, the holders of a plan at a moment, or who is suspended."""
    conditions, parameters = ["1 = 1"], list[object]()
    if plan is not None:
        conditions.append("p.plan_id = ?")
        parameters.append(plan)
    if suspended:
        conditions.append("s.since IS NOT NULL")
    for row in tx.stream(
        f"SELECT {_ALL}, p.plan_id, s.since FROM billing_users u "
        f"LEFT JOIN billing_subscription_phases p ON {_HELD_AT} "
        "LEFT JOIN (SELECT s.user_key, MIN(s.suspended_at) AS since FROM billing_suspensions s "
        f"WHERE {_SUSPENDED_AT} GROUP BY s.user_key) s ON s.user_key = u.user_key "
        f"WHERE {' AND '.join(conditions)} ORDER BY u.user_id",
        *(at, at, at, at),
        *parameters,
    ):
        yield ListedUser(UserRow(*row[:-2]), *row[-2:])


def taxes_of(tx: Transaction, user_keys: Sequence[int]) -> dict[int, str]:
    """Return the tax of those users for whom another than the default is set: its id or none."""
    subquery, parameter = tx.numbers(user_keys)
    return dict(
        tx.rows(
            f"SELECT user_key, tax FROM billing_users WHERE user_key IN {subquery} "
            "AND tax IS NOT NULL",
            parameter,
        )
    )


def count_by_tax(tx: Transaction) -> dict[str | None, int]:
    """Return how many users have each tax set; None stands for the default."""
    return dict(tx.rows("SELECT tax, COUNT(*) FROM billing_users GROUP BY tax"))


def with_own_tax(tx: Transaction) -> Iterator[tuple[str, str]]:
    """Yield user and tax, in byte order of the users, where another than the default is set."""
    return (
        (user_id, tax)
        for user_id, tax in tx.stream(
            "SELECT user_id, tax FROM billing_users WHERE tax IS NOT NULL ORDER BY user_id"
        )
    )


def own_limits_at(
    tx: Transaction, user_keys: Sequence[int], at: int
) -> dict[tuple[int, str], OwnLimit]:
    """Return users' own choice of limit at a moment, by user and resource; spend in minor units."""
    subquery, parameter = tx.numbers(user_keys)
    return {
        (user_key, resource): OwnLimit(choice, amount)
        for user_key, resource, choice, amount in tx.rows(
            "SELECT user_key, resource_type, choice, amount FROM billing_user_limits "
            f"WHERE user_key IN {subquery} AND from_second <= ? "
            "ORDER BY user_key, resource_type, from_second",
            parameter,
            at,
        )
    }


def credit_balance(tx: Transaction, user_key: int, at: int) -> int:
    """Return what is left of a user's credits that have not expired at a moment."""
    value: int = tx.value(
        "SELECT CAST(COALESCE(SUM(c.amount - c.voided - COALESCE("
        "(SELECT SUM(x.amount) FROM billing_credit_uses x "
        "WHERE x.credit_id = c.id AND x.reversed_at IS NULL), 0)), 0) AS BIGINT) "
        "FROM billing_credits c "
        "WHERE c.user_key = ? AND (c.expires_at IS NULL OR c.expires_at > ?)",
        user_key,
        at,
    )
    return value


def owed(tx: Transaction, user_key: int) -> int:
    """Return what a user's invoices leave to be paid."""
    value: int = tx.value(
        "SELECT CAST(COALESCE(SUM(total - amount_paid), 0) AS BIGINT) FROM billing_invoices "
        "WHERE user_key = ? AND status IN ('sent', 'overdue')",
        user_key,
    )
    return value


def suspension_at(tx: Transaction, user_key: int, at: int) -> tuple[int, str] | None:
    """Return since when a user is suspended at a moment, and the first reason for it."""
    row = tx.row(
        f"SELECT s.suspended_at, s.reason FROM billing_suspensions s "
        f"WHERE s.user_key = ? AND {_SUSPENDED_AT} ORDER BY s.suspended_at, s.id",
        user_key,
        at,
        at,
    )
    return None if row is None else (row[0], row[1])
