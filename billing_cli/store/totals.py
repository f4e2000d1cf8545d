"""Sums of usage to bill: one scan of a period for all users, not one for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.terms import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.pricing.slots import Stretch
    from billing_cli.store.unit_of_work import Transaction

_SUMS = "r.resource_type, r.unit_price, r.month_seconds, CAST(SUM(r.quantity) AS BIGINT)"
_GROUP = "r.resource_type, r.unit_price, r.month_seconds"

# SQLite takes at most 500 queries in one; a range of decades has more months than that.
_MOST_ARMS = 400


class Range(NamedTuple):
    """A stretch of a user's time that counts towards the unit with this ordinal."""

    ordinal: int
    user_key: int
    start: int
    stop: int


def sum_period(
    tx: Transaction, stretches: Sequence[Stretch], users: Sequence[int] | None, *, untaken: bool
) -> None:
    """Sum what is charged in each stretch by user into a temporary table.

    A row holds a user's sums of one stretch, by its ordinal, and kind (``use`` or ``overage``):
    grouping a million records by one number is half the work of grouping them by user, resource,
    price and month. With ``untaken``, without what :func:`load_taken` says is billed elsewhere.
    What is charged for are sessions in the mode ``usage``, and of users without a plan in the
    mode ``hybrid``; otherwise the overage records.
    """
    conditions = ""
    if users is not None:
        tx.temporary_table("billing_chosen", "user_key bigint PRIMARY KEY")
        tx.insert("billing_chosen", ("user_key",), [(user,) for user in users])
        conditions += "AND r.user_key IN (SELECT user_key FROM billing_chosen) "
    if untaken:
        conditions += (
            "AND NOT EXISTS (SELECT 1 FROM billing_taken t WHERE t.user_key = r.user_key "
            "AND t.start_second <= r.start_time AND t.stop_second > r.start_time) "
        )
    sums = ", ".join(
        f"CAST(COALESCE(SUM(CASE WHEN r.resource_type = '{resource}' THEN r.quantity END), 0) "
        f"AS BIGINT) AS {resource}"
        for resource in RESOURCES
    )
    # Made by its query and not filled by an INSERT, since PostgreSQL then uses all cores; such
    # a statement takes no parameters.
    arms = [
        arm
        for ordinal, stretch in enumerate(stretches)
        for arm in _arms(ordinal, stretch, sums, conditions)
    ]
    first, *others = (
        " UNION ALL ".join(arms[at : at + _MOST_ARMS]) for at in range(0, len(arms), _MOST_ARMS)
    )
    tx.execute("DROP TABLE IF EXISTS billing_totals")
    tx.execute(f"CREATE TEMPORARY TABLE billing_totals AS {first}")
    for query in others:
        tx.execute(f"INSERT INTO billing_totals {query}")


def _arms(ordinal: int, stretch: Stretch, sums: str, conditions: str) -> Iterator[str]:
    """Yield the queries for what is charged in a stretch: of sessions, and of overage."""
    scope = f"r.start_time >= {stretch.start:d} AND r.start_time < {stretch.stop:d} {conditions}"
    sessions = (
        f"SELECT r.user_key, {ordinal:d} AS ordinal, 'use' AS kind, {sums} "
        f"FROM billing_usage_records r WHERE {scope} GROUP BY r.user_key"
    )
    if stretch.mode == "hybrid":
        # After summing: it is asked once for each user, not for each record.
        sessions = (
            f"SELECT * FROM ({sessions}) s WHERE NOT EXISTS "
            "(SELECT 1 FROM billing_subscription_phases p WHERE p.user_key = s.user_key "
            f"AND p.start_second < {stretch.period_end:d} "
            f"AND p.end_second > {stretch.period_start:d})"
        )
    if stretch.mode != "subscription":
        yield sessions
    if stretch.mode != "usage":
        yield (
            f"SELECT r.user_key, {ordinal:d} AS ordinal, r.kind, {sums} "
            f"FROM billing_overage_records r WHERE {scope} GROUP BY r.user_key, r.kind"
        )


def load_taken(tx: Transaction, taken: Iterable[tuple[int, int, int]]) -> None:
    """Load ``(user_key, start, stop)``: users' time that other invoices have."""
    tx.temporary_table(
        "billing_taken",
        "user_key bigint NOT NULL, start_second bigint NOT NULL, stop_second bigint NOT NULL",
    )
    tx.insert("billing_taken", ("user_key", "start_second", "stop_second"), taken)
    tx.execute("CREATE INDEX billing_taken_user ON billing_taken (user_key, start_second)")
    tx.analyze("billing_taken")


def load_users(tx: Transaction, others: Iterable[int], holders: tuple[int, int] | None) -> None:
    """Collect whom to bill, in byte order of their names.

    That is everyone with totals, some others, and with ``holders`` everyone who holds a plan at
    some moment from the first to the second instant, both included.
    """
    text = 'text COLLATE "C"' if tx.is_postgres else "text"
    tx.temporary_table("billing_others", "user_key bigint NOT NULL")
    tx.insert("billing_others", ("user_key",), ((key,) for key in others))
    if holders is not None:
        tx.execute(
            "INSERT INTO billing_others SELECT DISTINCT user_key FROM billing_subscription_phases "
            "WHERE start_second <= ? AND end_second >= ?",
            holders[1],
            holders[0],
        )
    tx.temporary_table("billing_billable", f"user_id {text} PRIMARY KEY, user_key bigint NOT NULL")
    tx.execute(
        "INSERT INTO billing_billable SELECT u.user_id, u.user_key FROM billing_users u "
        "WHERE u.user_key IN (SELECT user_key FROM billing_totals UNION "
        "SELECT user_key FROM billing_others)"
    )
    tx.execute("CREATE INDEX billing_totals_user ON billing_totals (user_key)")
    tx.analyze("billing_totals")
    tx.analyze("billing_billable")


def next_users(tx: Transaction, after: str | None, limit: int) -> list[tuple[int, str]]:
    """Return ``(user_key, user_id)`` of the next users to bill."""
    condition = "" if after is None else "WHERE user_id > ? "
    parameters: tuple[object, ...] = (limit,) if after is None else (after, limit)
    return [
        (key, name)
        for key, name in tx.rows(
            f"SELECT user_key, user_id FROM billing_billable {condition}ORDER BY user_id LIMIT ?",
            *parameters,
        )
    ]


def totals_of(tx: Transaction, users: Sequence[int]) -> list[tuple[int, int, str, int, int, int]]:
    """Return ``(user_key, stretch, kind, cpu, memory, storage)`` of some users, in base units."""
    subquery, parameter = tx.numbers(users)
    return tx.rows(
        f"SELECT user_key, ordinal, kind, {', '.join(RESOURCES)} "
        f"FROM billing_totals WHERE user_key IN {subquery}",
        parameter,
    )


def sum_ranges(
    tx: Transaction, ranges: Sequence[Range], *, sessions: bool
) -> Iterator[tuple[int, str, str, str, int, int]]:
    """Yield ``(ordinal, kind, resource, unit price, month seconds, base units)`` of users' ranges.

    With ``sessions`` the records of sessions count, otherwise those of overage. They are scanned
    once over the whole stretch that the ranges cover.
    """
    if not ranges:
        return iter(())
    kind, table = (
        ("'use'", "billing_usage_records") if sessions else ("r.kind", "billing_overage_records")
    )
    tx.temporary_table(
        "billing_ranges",
        "ordinal bigint NOT NULL, user_key bigint NOT NULL, start_second bigint NOT NULL, "
        "stop_second bigint NOT NULL",
    )
    tx.insert("billing_ranges", (*Range._fields[:2], "start_second", "stop_second"), ranges)
    tx.execute("CREATE INDEX billing_ranges_user ON billing_ranges (user_key, start_second)")
    tx.analyze("billing_ranges")
    return iter(
        tx.rows(
            f"SELECT x.ordinal, {kind}, {_SUMS} "
            f"FROM {table} r CROSS JOIN billing_ranges x "
            "WHERE r.start_time >= ? AND r.start_time < ? AND x.user_key = r.user_key "
            f"AND x.start_second <= r.start_time AND x.stop_second > r.start_time "
            f"GROUP BY 1, 2, {_GROUP}",
            min(r.start for r in ranges),
            max(r.stop for r in ranges),
        )
    )


def first_plan_start(tx: Transaction) -> int | None:
    """Return the first instant at which anyone held a plan."""
    value: int | None = tx.value("SELECT MIN(start_second) FROM billing_subscription_phases")
    return value


def is_plan_held(tx: Transaction, start: int, end: int) -> bool:
    """Tell whether anyone holds a plan at some moment from one instant to another."""
    found = tx.row(
        "SELECT 1 FROM billing_subscription_phases WHERE start_second <= ? AND end_second > ? "
        "LIMIT 1",
        end,
        start,
    )
    return found is not None
