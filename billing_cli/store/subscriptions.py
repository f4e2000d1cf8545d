"""Subscriptions, and the phases that say which plan is held when."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.subscriptions import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.store.unit_of_work import Row, Transaction

_PHASES = (
    "SELECT p.user_key, p.subscription_id, p.start_second, p.end_second, p.plan_id, "
    "CASE WHEN EXISTS (SELECT 1 FROM billing_subscription_phases q "
    "WHERE q.subscription_id = p.subscription_id AND q.end_second = p.start_second) "
    "THEN 0 ELSE 1 END FROM billing_subscription_phases p "
)
_ORDER = "ORDER BY p.user_key, p.start_second"


class SubscriptionRow(NamedTuple):
    """A row of ``billing_subscriptions``."""

    id: int
    user_key: int
    user_id: str
    source: str
    stripe_subscription_id: str | None
    created_at: int
    canceled_at: int | None
    stripe_from: int | None = None


class Listed(NamedTuple):
    """A subscription with its phases, sorted, and whether its user is suspended."""

    row: SubscriptionRow
    phases: list[Phase]
    suspended: bool


class HolderRow(NamedTuple):
    """A user who holds a plan ``[start, end)``."""

    user_id: str
    subscription_id: int
    start: int
    end: int


class NewSubscription(NamedTuple):
    """A subscription to store, with one phase."""

    user_key: int
    user_id: str
    source: str
    created_at: int
    start: int
    end: int
    plan_id: str


_COLUMNS = ", ".join(f"s.{name}" for name in SubscriptionRow._fields)


def phases_of(tx: Transaction, users: Sequence[int]) -> dict[int, list[Phase]]:
    """Return all phases of users, sorted by start; a user without any is not in the result."""
    subquery, parameter = tx.numbers(users)
    found: dict[int, list[Phase]] = {}
    for row in tx.rows(f"{_PHASES}WHERE p.user_key IN {subquery} {_ORDER}", parameter):
        found.setdefault(row[0], []).append(_phase(row))
    return found


def charged_by_stripe(tx: Transaction, users: Sequence[int] | None = None) -> dict[int, int]:
    """Return from when on Stripe charges the fees of subscriptions, by their ids.

    Those of some users, or of all.
    """
    sql = "SELECT id, stripe_from FROM billing_subscriptions WHERE stripe_from IS NOT NULL"
    if users is None:
        return dict(tx.rows(sql))
    subquery, parameter = tx.numbers(users)
    return dict(tx.rows(f"{sql} AND user_key IN {subquery}", parameter))


def by_stripe_id(tx: Transaction, stripe_id: str) -> SubscriptionRow | None:
    """Return the subscription that one of Stripe's is, or None."""
    row = tx.row(
        f"SELECT {_COLUMNS} FROM billing_subscriptions s WHERE s.stripe_subscription_id = ?",
        stripe_id,
    )
    return None if row is None else SubscriptionRow(*row)


def stripe_ids(tx: Transaction) -> dict[str, str]:
    """Return the user of each subscription that Stripe bills, by Stripe's id."""
    return dict(
        tx.rows(
            "SELECT stripe_subscription_id, user_id FROM billing_subscriptions "
            "WHERE stripe_subscription_id IS NOT NULL ORDER BY stripe_subscription_id"
        )
    )


def give_to_stripe(tx: Transaction, number: int, stripe_id: str, since: int) -> None:
    """Have Stripe charge the fees of a subscription from an instant on."""
    tx.execute(
        "UPDATE billing_subscriptions SET stripe_subscription_id = ?, stripe_from = ? WHERE id = ?",
        stripe_id,
        since,
        number,
    )


def phases_between(
    tx: Transaction, start: int, stop: int, condition: str = "1 = 1"
) -> Iterator[Phase]:
    """Yield everyone's phases that overlap ``[start, stop)``, by user key and start.

    ``condition`` is one more, on ``p.user_key``.
    """
    for row in tx.stream(
        f"{_PHASES}WHERE p.start_second < ? AND p.end_second > ? AND {condition} {_ORDER}",
        stop,
        start,
    ):
        yield _phase(row)


def _phase(row: Row) -> Phase:
    user_key, subscription_id, start, end, plan_id, first = row
    return Phase(user_key, subscription_id, start, end, plan_id, bool(first))


def listed(
    tx: Transaction, at: int, *, users: Sequence[int] | None = None, number: int | None = None
) -> Iterator[Listed]:
    """Yield subscriptions in byte order of their users and by id: all, or of users, or one.

    ``at`` is the moment at which it is asked who is suspended.
    """
    condition, parameters = "", list[object]()
    if users is not None:
        subquery, parameter = tx.numbers(users)
        condition, parameters = f"WHERE s.user_key IN {subquery} ", [parameter]
    elif number is not None:
        condition, parameters = "WHERE s.id = ? ", [number]
    rows = tx.stream(
        f"SELECT {_COLUMNS}, p.start_second, p.end_second, p.plan_id, "
        "EXISTS (SELECT 1 FROM billing_suspensions x WHERE x.user_key = s.user_key "
        "AND x.suspended_at <= ? AND (x.resumed_at IS NULL OR x.resumed_at > ?)) "
        "FROM billing_subscriptions s "
        "LEFT JOIN billing_subscription_phases p ON p.subscription_id = s.id "
        f"{condition}ORDER BY s.user_id, s.id, p.start_second",
        at,
        at,
        *parameters,
    )
    width = len(SubscriptionRow._fields)
    for head, group in groupby(rows, key=lambda row: row[:width]):
        row, phases, suspended = SubscriptionRow(*head), list[Phase](), False
        for *_, start, end, plan_id, is_suspended in group:
            suspended = bool(is_suspended)
            # One that was ended before it began has no phases.
            if plan_id is not None:
                first = not phases or phases[-1].end != start
                phases.append(Phase(row.user_key, row.id, start, end, plan_id, first))
        yield Listed(row, phases, suspended)


def by_id(tx: Transaction, number: int) -> SubscriptionRow | None:
    """Return a subscription, or None."""
    row = tx.row(f"SELECT {_COLUMNS} FROM billing_subscriptions s WHERE s.id = ?", number)
    return None if row is None else SubscriptionRow(*row)


def add(tx: Transaction, found: Sequence[NewSubscription]) -> list[int]:
    """Store subscriptions with a phase each; return their ids."""
    last = tx.value("SELECT COALESCE(MAX(id), 0) FROM billing_subscriptions")
    numbered = list(enumerate(found, last + 1))
    tx.insert(
        "billing_subscriptions",
        ("id", "user_key", "user_id", "source", "created_at"),
        ((number, n.user_key, n.user_id, n.source, n.created_at) for number, n in numbered),
    )
    _insert_phases(tx, ((number, n.start, n.end, n.user_key, n.plan_id) for number, n in numbered))
    return [number for number, _ in numbered]


def replace_phases(tx: Transaction, number: int, phases: Iterable[Phase]) -> None:
    """Give a subscription other phases."""
    tx.execute("DELETE FROM billing_subscription_phases WHERE subscription_id = ?", number)
    _insert_phases(tx, ((number, p.start, p.end, p.user_key, p.plan_id) for p in phases))


def from_source(tx: Transaction, source: str, users: Iterable[int]) -> set[int]:
    """Return those of users' subscriptions that a source began."""
    subquery, parameter = tx.numbers(sorted(users))
    return {
        row[0]
        for row in tx.rows(
            f"SELECT id FROM billing_subscriptions WHERE user_key IN {subquery} AND source = ?",
            parameter,
            source,
        )
    }


def begin_earlier(tx: Transaction, found: Iterable[tuple[Phase, int]]) -> None:
    """Move the starts of phases."""
    tx.execute_many(
        "UPDATE billing_subscription_phases SET start_second = ? "
        "WHERE subscription_id = ? AND start_second = ?",
        [(start, phase.subscription_id, phase.start) for phase, start in found],
    )


def _insert_phases(tx: Transaction, rows: Iterable[Sequence[object]]) -> None:
    tx.insert(
        "billing_subscription_phases",
        ("subscription_id", "start_second", "end_second", "user_key", "plan_id"),
        rows,
    )


def set_canceled_at(tx: Transaction, number: int, moment: int | None) -> None:
    """Remember when somebody asked for the end of a subscription; None where nobody does."""
    tx.execute("UPDATE billing_subscriptions SET canceled_at = ? WHERE id = ?", moment, number)


def holders_at(tx: Transaction, at: int) -> dict[str, int]:
    """Return how many users hold each plan at a moment, by its id."""
    return dict(
        tx.rows(
            "SELECT plan_id, COUNT(*) FROM billing_subscription_phases "
            "WHERE start_second <= ? AND end_second > ? GROUP BY plan_id ORDER BY plan_id",
            at,
            at,
        )
    )


def holders_after(tx: Transaction, at: int) -> dict[str, int]:
    """Return how many users will begin to hold each plan after a moment, by its id."""
    return dict(
        tx.rows(
            "SELECT plan_id, COUNT(DISTINCT user_key) FROM billing_subscription_phases "
            "WHERE start_second > ? GROUP BY plan_id ORDER BY plan_id",
            at,
        )
    )


def holders_of(tx: Transaction, plan_id: str, at: int, limit: int) -> list[HolderRow]:
    """Return the first phases, in byte order of the users, with a plan at a moment or later."""
    return [
        HolderRow(*row)
        for row in tx.rows(
            "SELECT s.user_id, p.subscription_id, p.start_second, p.end_second "
            "FROM billing_subscription_phases p "
            "JOIN billing_subscriptions s ON s.id = p.subscription_id "
            "WHERE p.plan_id = ? AND p.end_second > ? "
            "ORDER BY s.user_id, p.start_second LIMIT ?",
            plan_id,
            at,
            limit,
        )
    ]


def phases_from(tx: Transaction, at: int) -> Iterator[tuple[str, Phase]]:
    """Yield every phase that reaches beyond an instant with its user, by user and start."""
    for user_id, *row in tx.stream(
        _PHASES.replace("SELECT ", "SELECT s.user_id, ", 1)
        + "JOIN billing_subscriptions s ON s.id = p.subscription_id "
        "WHERE p.end_second > ? ORDER BY s.user_id, p.start_second",
        at,
    ):
        yield user_id, _phase(tuple(row))
