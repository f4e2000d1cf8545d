"""Overage records: who may have some, the segments they are made from, and their sums."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.timelines import FOREVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from billing_cli.pricing.overage import Load, Reach
    from billing_cli.store.unit_of_work import Transaction

SEGMENTS, CARRIED = "billing_segments", "billing_carry"
"""Where to look for segments: everywhere, or among those that metering carries along."""

_LOAD = "g.start_second, g.end_second, g.cpu_millicores, g.memory_mib, g.storage_mib"
# The plus keeps SQLite from the index by start, under which lies all of history.
_OVERLAP = "g.end_second > ? AND +g.start_second < ? "
_START = "CASE WHEN p.start_second > ? THEN p.start_second ELSE CAST(? AS BIGINT) END"
_END = "CASE WHEN p.end_second < ? THEN p.end_second ELSE CAST(? AS BIGINT) END"


class UserLoads(NamedTuple):
    """What one user's sessions use in a span, by the segment, in order of their start."""

    user_key: int
    user_id: str
    loads: list[Load]


class Record(NamedTuple):
    """A row of ``billing_overage_records``; ``quantity`` is in base units."""

    start_time: int
    user_key: int
    resource_type: str
    kind: str
    quantity: int
    unit_price: str
    month_seconds: int
    period_start: int
    end_time: int
    created_at: int
    user_id: str


def has_holders(tx: Transaction) -> bool:
    """Tell whether anyone has ever held a plan."""
    return tx.row("SELECT 1 FROM billing_subscription_phases LIMIT 1") is not None


def find_users(tx: Transaction, source: str, span: tuple[int, int], reach: Reach) -> None:
    """Collect the users who may have overage in a span into a temporary table.

    Every segment that overlaps the span counts, as if all were at the same moment: most users of
    most hours are passed over without their segments being read one by one.
    """
    start, stop = span
    _load_bounds(tx, reach.bounds)
    tx.temporary_table(
        "billing_overage_holders",
        "user_key bigint PRIMARY KEY, cpu bigint NOT NULL, memory bigint NOT NULL, "
        "storage bigint NOT NULL",
    )
    least = ", ".join(
        f"CASE WHEN ? = 1 AND h.held < ? THEN 0 ELSE h.{name} END"
        for name in ("cpu", "memory", "storage")
    )
    tx.execute(
        f"INSERT INTO billing_overage_holders SELECT h.user_key, {least} FROM "
        "(SELECT p.user_key, MIN(b.cpu) AS cpu, MIN(b.memory) AS memory, "
        "MIN(b.storage) AS storage, SUM(CASE WHEN p.start_second < ? AND p.end_second > ? "
        f"THEN {_END} - {_START} ELSE 0 END) AS held "
        "FROM billing_subscription_phases p "
        "JOIN billing_overage_bounds b ON b.plan_id = p.plan_id "
        "WHERE p.start_second < ? AND p.end_second > ? GROUP BY p.user_key) h",
        *((int(reach.is_open), stop - start) * 3),
        *(stop, start, stop, stop, start, start),
        *(reach.stop, reach.start),
    )
    tx.analyze("billing_overage_holders")
    _clear_users(tx)
    tx.execute(
        "INSERT INTO billing_overage_users "
        f"SELECT h.user_key FROM {source} g CROSS JOIN billing_sessions s "
        "CROSS JOIN billing_overage_holders h "
        f"WHERE {_OVERLAP} AND s.session_key = g.session_key AND h.user_key = s.user_key "
        "GROUP BY h.user_key, h.cpu, h.memory, h.storage "
        "HAVING SUM(g.cpu_millicores) > h.cpu OR SUM(g.memory_mib) > h.memory "
        "OR SUM(g.storage_mib) > h.storage",
        start,
        stop,
    )
    tx.analyze("billing_overage_users")


def _load_bounds(tx: Transaction, bounds: Mapping[str, Sequence[int | None]]) -> None:
    text = 'text COLLATE "C"' if tx.is_postgres else "text"
    tx.temporary_table(
        "billing_overage_bounds",
        f"plan_id {text} PRIMARY KEY, cpu bigint NOT NULL, memory bigint NOT NULL, "
        "storage bigint NOT NULL",
    )
    tx.insert(
        "billing_overage_bounds",
        ("plan_id", "cpu", "memory", "storage"),
        (
            (plan, *(FOREVER if limit is None else limit for limit in limits))
            for plan, limits in bounds.items()
        ),
    )


def choose_users(tx: Transaction, users: Iterable[int]) -> None:
    """Put users into the temporary table in place of :func:`find_users`."""
    _clear_users(tx)
    tx.insert("billing_overage_users", ("user_key",), ((user,) for user in users))
    tx.analyze("billing_overage_users")


def _clear_users(tx: Transaction) -> None:
    tx.temporary_table("billing_overage_users", "user_key bigint PRIMARY KEY")


def loads_in(tx: Transaction, source: str, start: int, stop: int) -> Iterator[UserLoads]:
    """Yield what the users in the temporary table use in ``[start, stop)``, by user key.

    Begins with the segments that overlap the span: for many users and a span that is recent.
    """
    return _grouped(
        tx,
        f"FROM {source} g CROSS JOIN billing_sessions s CROSS JOIN billing_overage_users c "
        "CROSS JOIN billing_users u "
        f"WHERE {_OVERLAP} AND s.session_key = g.session_key AND c.user_key = s.user_key "
        "AND u.user_key = c.user_key",
        start,
        stop,
    )


def loads_of_users(tx: Transaction, start: int, stop: int) -> Iterator[UserLoads]:
    """Yield the same as :func:`loads_in`, beginning with the users' sessions.

    For few users and a span that may lie far back.
    """
    return _grouped(
        tx,
        "FROM billing_sessions s CROSS JOIN billing_overage_users c "
        "CROSS JOIN billing_segments g CROSS JOIN billing_users u "
        f"WHERE c.user_key = s.user_key AND g.session_key = s.session_key AND {_OVERLAP} "
        "AND u.user_key = c.user_key",
        start,
        stop,
    )


def _grouped(tx: Transaction, rest: str, *parameters: object) -> Iterator[UserLoads]:
    rows = tx.stream(
        f"SELECT c.user_key, u.user_id, {_LOAD} {rest} ORDER BY c.user_key, g.start_second",
        *parameters,
    )
    for (user_key, user_id), members in groupby(rows, key=lambda row: row[:2]):
        yield UserLoads(user_key, user_id, [member[2:] for member in members])


def insert(tx: Transaction, records: Iterable[Record]) -> None:
    """Insert records; one that is there already is an error."""
    tx.insert("billing_overage_records", Record._fields, records)


def delete_from(tx: Transaction, start: int) -> None:
    """Delete the records of every slot that begins at an instant or later."""
    tx.execute("DELETE FROM billing_overage_records WHERE start_time >= ?", start)


def delete_of_users(tx: Transaction, users: Sequence[int], start: int, stop: int) -> None:
    """Delete users' records of the slots that begin in ``[start, stop)``."""
    subquery, parameter = tx.numbers(users)
    tx.execute(
        "DELETE FROM billing_overage_records WHERE start_time >= ? AND start_time < ? "
        f"AND user_key IN {subquery}",
        start,
        stop,
        parameter,
    )


def add_stale(tx: Transaction, found: Iterable[tuple[int, int]]) -> None:
    """Remember ``(user_key, instant)`` from which users' records have to be made again."""
    tx.execute_many(
        "INSERT INTO billing_stale_overage (user_key, from_second) VALUES (?, ?) "
        "ON CONFLICT (user_key) DO UPDATE SET from_second = excluded.from_second "
        "WHERE billing_stale_overage.from_second > excluded.from_second",
        sorted(found),
    )


def add_stale_holders(tx: Transaction, found: Iterable[tuple[int, int]]) -> None:
    """Do what :func:`add_stale` does for those of the users who have ever held a plan."""
    if not has_holders(tx):
        return
    pairs = list(found)
    subquery, parameter = tx.numbers(sorted({user for user, _ in pairs}))
    holders = {
        row[0]
        for row in tx.rows(
            "SELECT DISTINCT user_key FROM billing_subscription_phases "
            f"WHERE user_key IN {subquery}",
            parameter,
        )
    }
    add_stale(tx, [pair for pair in pairs if pair[0] in holders])


def stale(tx: Transaction, within: int, limit: int) -> list[tuple[int, int]]:
    """Return ``(user_key, from)`` of users whose records are to be made again, earliest first.

    Those whose ``from`` lies within so many seconds of the first, so that they share slots.
    """
    return [
        (user, start)
        for user, start in tx.rows(
            "SELECT user_key, from_second FROM billing_stale_overage "
            "WHERE from_second < (SELECT MIN(from_second) FROM billing_stale_overage) + ? "
            "ORDER BY from_second, user_key LIMIT ?",
            within,
            limit,
        )
    ]


def advance_stale(tx: Transaction, users: Sequence[int], done: int, *, last: bool) -> None:
    """Record that users' records are made again up to an instant, with ``last`` for good."""
    subquery, parameter = tx.numbers(users)
    if last:
        tx.execute(f"DELETE FROM billing_stale_overage WHERE user_key IN {subquery}", parameter)
        return
    tx.execute(
        f"UPDATE billing_stale_overage SET from_second = ? WHERE user_key IN {subquery} "
        "AND from_second < ?",
        done,
        parameter,
        done,
    )


def first_stale(tx: Transaction) -> int | None:
    """Return the earliest instant from which records are still to be made again."""
    value: int | None = tx.value("SELECT MIN(from_second) FROM billing_stale_overage")
    return value
