"""What a report is about: some users, and the spans of time that its rows stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_cli.store.unit_of_work import Transaction


def load_users(
    tx: Transaction, users: Sequence[int] | None, plan: str | None, start: int, stop: int
) -> str:
    """Choose users: some by their keys, and who held a plan at some moment of ``[start, stop)``.

    Returns a template for a condition, whose ``{}`` is the column with a user's key; it is always
    true where everyone is meant.
    """
    if users is None and plan is None:
        return "1 = 1"
    tx.temporary_table("billing_report_users", "user_key bigint PRIMARY KEY")
    conditions, parameters = ["1 = 1"], list[object]()
    if users is not None:
        subquery, parameter = tx.numbers(users)
        conditions.append(f"u.user_key IN {subquery}")
        parameters.append(parameter)
    if plan is not None:
        conditions.append(
            "u.user_key IN (SELECT p.user_key FROM billing_subscription_phases p "
            "WHERE p.plan_id = ? AND p.start_second < ? AND p.end_second > ?)"
        )
        parameters += [plan, stop, start]
    tx.execute(
        "INSERT INTO billing_report_users SELECT u.user_key FROM billing_users u "
        f"WHERE {' AND '.join(conditions)}",
        *parameters,
    )
    tx.analyze("billing_report_users")
    return "{} IN (SELECT ru.user_key FROM billing_report_users ru)"


def load_stretches(tx: Transaction, starts: Iterable[int]) -> None:
    """Load where stretches of time begin, for :func:`stretch_of`."""
    tx.temporary_table("billing_report_stretches", "start_second bigint PRIMARY KEY")
    tx.insert("billing_report_stretches", ("start_second",), ((start,) for start in starts))
    tx.analyze("billing_report_stretches")


def stretch_of(column: str) -> str:
    """Return SQL for the start of the loaded stretch that an instant lies in."""
    return (
        "(SELECT MAX(rs.start_second) FROM billing_report_stretches rs "
        f"WHERE rs.start_second <= {column})"
    )


def plan_was_held(tx: Transaction, plan: str) -> bool:
    """Tell whether anyone ever held a plan, which may be gone from the settings."""
    row = tx.row("SELECT 1 FROM billing_subscription_phases WHERE plan_id = ? LIMIT 1", plan)
    return row is not None
