"""Sums of usage to bill: one scan of a period for all users, not one for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.store.unit_of_work import Transaction

_SUMS = "r.resource_type, r.unit_price, r.month_seconds, CAST(SUM(r.quantity) AS BIGINT)"
_GROUP = "r.resource_type, r.unit_price, r.month_seconds"


class Range(NamedTuple):
    """A stretch of a user's time that counts towards the unit with this ordinal."""

    ordinal: int
    user_key: int
    start: int
    stop: int


def sum_period(
    tx: Transaction, start: int, stop: int, users: Sequence[int] | None, *, untaken: bool
) -> None:
    """Sum all records that begin in ``[start, stop)`` by user into a temporary table.

    With ``untaken``, without what :func:`load_taken` says is billed elsewhere.
    """
    conditions = [f"r.start_time >= {start:d}", f"r.start_time < {stop:d}"]
    if users is not None:
        tx.temporary_table("billing_chosen", "user_key bigint PRIMARY KEY")
        tx.insert("billing_chosen", ("user_key",), [(user,) for user in users])
        conditions.append("r.user_key IN (SELECT user_key FROM billing_chosen)")
    if untaken:
        conditions.append(
            "NOT EXISTS (SELECT 1 FROM billing_taken t WHERE t.user_key = r.user_key "
            "AND t.start_second <= r.start_time AND t.stop_second > r.start_time)"
        )
    tx.execute("DROP TABLE IF EXISTS billing_totals")
    # Made by its query and not filled by an INSERT, since PostgreSQL then uses all cores; such
    # a statement takes no parameters.
    tx.execute(
        f"CREATE TEMPORARY TABLE billing_totals AS SELECT r.user_key, {_SUMS} AS quantity "
        f"FROM billing_usage_records r WHERE {' AND '.join(conditions)} "
        f"GROUP BY r.user_key, {_GROUP}"
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


def load_users(tx: Transaction, others: Iterable[int]) -> None:
    """Collect whom to bill: everyone with totals, and some others, in byte order of their names."""
    text = 'text COLLATE "C"' if tx.is_postgres else "text"
    tx.temporary_table("billing_others", "user_key bigint NOT NULL")
    tx.insert("billing_others", ("user_key",), ((key,) for key in others))
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


def totals_of(tx: Transaction, users: Sequence[int]) -> Iterator[tuple[int, str, str, int, int]]:
    """Yield ``(user_key, resource, unit price, month seconds, base units)`` of some users."""
    subquery, parameter = tx.numbers(users)
    return iter(
        tx.rows(
            "SELECT user_key, resource_type, unit_price, month_seconds, quantity "
            f"FROM billing_totals WHERE user_key IN {subquery}",
            parameter,
        )
    )


def sum_ranges(
    tx: Transaction, ranges: Sequence[Range]
) -> Iterator[tuple[int, str, str, int, int]]:
    """Yield ``(ordinal, resource, unit price, month seconds, base units)`` of users' ranges.

    Records are scanned once over the whole stretch that the ranges cover.
    """
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
            f"SELECT x.ordinal, {_SUMS} "
            "FROM billing_usage_records r CROSS JOIN billing_ranges x "
            "WHERE r.start_time >= ? AND r.start_time < ? AND x.user_key = r.user_key "
            f"AND x.start_second <= r.start_time AND x.stop_second > r.start_time "
            f"GROUP BY x.ordinal, {_GROUP}",
            min(r.start for r in ranges),
            max(r.stop for r in ranges),
        )
    )
