"""Hints: users' complete periods whose records changed and may differ from what was billed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_cli.store.unit_of_work import Transaction


def add(tx: Transaction, found: Iterable[tuple[int, int]]) -> None:
    """Remember ``(user_key, period_start)`` to compare with its invoices."""
    tx.execute_many(
        "INSERT INTO billing_restatements (user_key, period_start) VALUES (?, ?) "
        "ON CONFLICT (user_key, period_start) DO NOTHING",
        sorted(set(found)),
    )


def add_metered(tx: Transaction, user_key: int, start: int, end: int) -> None:
    """Remember the periods in which a user has records that begin in ``[start, end)``."""
    tx.execute(
        "INSERT INTO billing_restatements (user_key, period_start) "
        "SELECT DISTINCT r.user_key, r.period_start FROM billing_usage_records r "
        "WHERE r.start_time >= ? AND r.start_time < ? AND r.user_key = ? "
        "ON CONFLICT (user_key, period_start) DO NOTHING",
        start,
        end,
        user_key,
    )


def add_unbilled(tx: Transaction, period_start: int) -> None:
    """Remember a period for everyone to bill in it (:mod:`.totals`) who has no invoice."""
    tx.execute(
        "INSERT INTO billing_restatements (user_key, period_start) "
        "SELECT DISTINCT t.user_key, CAST(? AS BIGINT) FROM billing_billable t WHERE NOT EXISTS "
        "(SELECT 1 FROM billing_invoices i WHERE i.user_key = t.user_key "
        "AND i.kind = 'regular' AND i.period_start = ?) "
        "ON CONFLICT (user_key, period_start) DO NOTHING",
        period_start,
        period_start,
    )


def listed(tx: Transaction, users: Sequence[int] | None = None) -> list[tuple[int, int]]:
    """Return ``(user_key, period_start)``, of all users or of some."""
    condition, parameters = "", tuple[object, ...]()
    if users is not None:
        subquery, parameter = tx.numbers(users)
        condition, parameters = f"WHERE user_key IN {subquery} ", (parameter,)
    return [
        (user, start)
        for user, start in tx.rows(
            f"SELECT user_key, period_start FROM billing_restatements {condition}"
            "ORDER BY user_key, period_start",
            *parameters,
        )
    ]


def settle(tx: Transaction, settled: Iterable[tuple[int, int]]) -> None:
    """Forget ``(user_key, period_start)``: what was billed agrees with the records again."""
    tx.execute_many(
        "DELETE FROM billing_restatements WHERE user_key = ? AND period_start = ?", list(settled)
    )
