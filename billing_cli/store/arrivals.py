"""Arrivals: ``user.created`` events that have not led to a plan, or to none, yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from billing_cli.store.unit_of_work import Transaction


class Arrival(NamedTuple):
    """That a user came into being at an instant."""

    user_key: int
    at: int
    user_id: str


def note(tx: Transaction, kind: str, after: int) -> None:
    """Remember the users of the events of a type that were stored after a sequence number."""
    tx.execute(
        "INSERT INTO billing_arrivals (user_key, at_second) "
        "SELECT user_key, at_second FROM billing_session_events "
        "WHERE seq > ? AND type = ? AND user_key IS NOT NULL "
        "ON CONFLICT (user_key, at_second) DO NOTHING",
        after,
        kind,
    )


def are_waiting(tx: Transaction, until: int) -> bool:
    """Tell whether there is an arrival up to an instant."""
    return tx.row("SELECT 1 FROM billing_arrivals WHERE at_second <= ? LIMIT 1", until) is not None


def next_of_users(tx: Transaction, until: int, limit: int) -> list[Arrival]:
    """Return the arrivals up to an instant of the next so many users, in order of time."""
    rows = tx.rows(
        "SELECT a.user_key, a.at_second, u.user_id FROM billing_arrivals a "
        "JOIN billing_users u ON u.user_key = a.user_key "
        "WHERE a.at_second <= ? AND a.user_key IN ("
        "SELECT DISTINCT user_key FROM billing_arrivals WHERE at_second <= ? "
        "ORDER BY user_key LIMIT ?) ORDER BY a.at_second, u.user_id",
        until,
        until,
        limit,
    )
    return [Arrival(*row) for row in rows]


def forget(tx: Transaction, found: Iterable[Arrival]) -> None:
    """Forget arrivals that were seen to."""
    tx.execute_many(
        "DELETE FROM billing_arrivals WHERE user_key = ? AND at_second = ?",
        [(arrival.user_key, arrival.at) for arrival in found],
    )
