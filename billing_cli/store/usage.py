"""Usage records: slicing segments by the clock in one statement, and summing what was sliced.

The statement is the same on both databases. SQLite does CROSS JOINs in the order they are written
in, which is the order that makes records come out nearly sorted by their key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.pricing.terms import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.pricing.slots import Slot
    from billing_cli.store.unit_of_work import Transaction

EVERYONE = "1 = 1"

_SLOT_COLUMNS = (
    "start_second bigint NOT NULL, resource_type text NOT NULL, stop_second bigint NOT NULL, "
    "unit_price text NOT NULL, period_start bigint NOT NULL, month_seconds bigint NOT NULL"
)
_CARRY_COLUMNS = (
    "session_key bigint NOT NULL, start_second bigint NOT NULL, end_second bigint NOT NULL, "
    "cpu_millicores bigint NOT NULL, memory_mib bigint NOT NULL, storage_mib bigint NOT NULL"
)
_SEGMENT = (
    "g.session_key, g.start_second, g.end_second, g.cpu_millicores, g.memory_mib, g.storage_mib"
)

# The plus signs keep SQLite from the index by start, under which lies all of history; few
# segments reach beyond the watermark.
# Both ends of an overlap are needed: MIN and MAX of two values have no common spelling.
_START = "CASE WHEN g.start_second > t.start_second THEN g.start_second ELSE t.start_second END"
_END = "CASE WHEN g.end_second < t.stop_second THEN g.end_second ELSE t.stop_second END"
_RATE = (
    "CASE t.resource_type WHEN 'cpu' THEN g.cpu_millicores "
    "WHEN 'memory' THEN g.memory_mib ELSE g.storage_mib END"
)
_INSERT = (
    "INSERT INTO billing_usage_records (start_time, session_key, resource_type, user_key, user_id, "
    "session_id, quantity, unit_price, end_time, period_start, month_seconds, created_at) "
    f"SELECT {_START}, g.session_key, t.resource_type, s.user_key, u.user_id, s.session_id, "
    f"{_RATE} * ({_END} - {_START}), t.unit_price, {_END}, t.period_start, t.month_seconds, ? "
)
_JOINS = (
    "CROSS JOIN billing_sessions s CROSS JOIN billing_users u CROSS JOIN billing_slots t "
    "WHERE s.session_key = g.session_key AND u.user_key = s.user_key "
    # No slot is longer than an hour: this bound lets the slots be found by their key.
    "AND t.start_second > g.start_second - 3600 "
    "AND t.start_second < g.end_second AND t.stop_second > g.start_second "
    f"AND {_RATE} > 0 "
)
_UPSERT = (
    "ON CONFLICT (start_time, session_key, resource_type) DO UPDATE SET "
    "user_key = excluded.user_key, user_id = excluded.user_id, quantity = excluded.quantity, "
    "unit_price = excluded.unit_price, end_time = excluded.end_time, "
    "period_start = excluded.period_start, month_seconds = excluded.month_seconds "
    "WHERE billing_usage_records.end_time <> excluded.end_time "
    "OR billing_usage_records.quantity <> excluded.quantity "
    "OR billing_usage_records.user_key <> excluded.user_key "
    "OR billing_usage_records.unit_price <> excluded.unit_price "
    "OR billing_usage_records.period_start <> excluded.period_start "
    "OR billing_usage_records.month_seconds <> excluded.month_seconds"
)


def load_slots(tx: Transaction, slots: Iterable[Slot]) -> None:
    """Put the slots to slice by into a temporary table, a row for each resource."""
    tx.temporary_table(
        "billing_slots", f"{_SLOT_COLUMNS}, PRIMARY KEY (start_second, resource_type)"
    )
    tx.insert(
        "billing_slots",
        (
            "start_second",
            "resource_type",
            "stop_second",
            "unit_price",
            "period_start",
            "month_seconds",
        ),
        (
            (
                slot.start,
                resource,
                slot.stop,
                slot.prices[resource],
                slot.period_start,
                slot.month_seconds,
            )
            for slot in slots
            for resource in RESOURCES
        ),
    )
    tx.analyze("billing_slots")


def slice_span(tx: Transaction, start: int, stop: int, created_at: int, *, growing: bool) -> int:
    """Slice every segment that overlaps ``[start, stop)`` by the loaded slots.

    With ``growing`` the first slot may have records already, which grow; otherwise no slot has
    any, and a plain INSERT does, which PostgreSQL runs in half the time. Returns how many
    records are new or have changed.
    """
    return tx.execute(
        f"{_INSERT} FROM billing_segments g {_JOINS} "
        f"AND g.end_second > ? AND +g.start_second < ? {_UPSERT if growing else ''}",
        created_at,
        start,
        stop,
    )


def carry_over(tx: Transaction, start: int, stop: int, *, first: bool) -> None:
    """Keep the segments that overlap ``[start, stop)`` in a temporary table, for a long catch-up.

    With ``first`` they are looked up; afterwards those that reach over ``start`` are already
    there, and only those that begin inside the span are added. So each segment is found once,
    however many spans a catch-up takes.
    """
    if first:
        tx.temporary_table(
            "billing_carry", f"{_CARRY_COLUMNS}, PRIMARY KEY (session_key, start_second)"
        )
        reaching = "+g.start_second < ? AND g.end_second > ?"
        tx.execute(
            f"INSERT INTO billing_carry SELECT {_SEGMENT} FROM billing_segments g WHERE {reaching}",
            start,
            start,
        )
    else:
        tx.execute("DELETE FROM billing_carry WHERE end_second <= ?", start)
    tx.execute(
        f"INSERT INTO billing_carry SELECT {_SEGMENT} FROM billing_segments g "
        "WHERE g.start_second >= ? AND g.start_second < ?",
        start,
        stop,
    )
    tx.analyze("billing_carry")


def slice_carried(tx: Transaction, created_at: int, *, growing: bool) -> int:
    """Slice the carried segments by the loaded slots, as :func:`slice_span` does."""
    return tx.execute(
        f"{_INSERT} FROM billing_carry g {_JOINS} {_UPSERT if growing else ''}", created_at
    )


def slice_sessions(tx: Transaction, keys: Sequence[int], created_at: int) -> int:
    """Slice the timelines of some sessions by the loaded slots."""
    subquery, parameter = tx.numbers(keys)
    return tx.execute(
        f"{_INSERT} FROM billing_segments g {_JOINS} AND g.session_key IN {subquery} {_UPSERT}",
        created_at,
        parameter,
    )


def delete_records(tx: Transaction, keys: Iterable[tuple[int, int, str]]) -> None:
    """Delete records by ``(start, session_key, resource)``; missing ones are no error."""
    tx.execute_many(
        "DELETE FROM billing_usage_records "
        "WHERE start_time = ? AND session_key = ? AND resource_type = ?",
        list(keys),
    )


def delete_records_from(tx: Transaction, hour: int) -> int:
    """Delete every record from a full hour on, since other settings hold from there."""
    return tx.execute("DELETE FROM billing_usage_records WHERE start_time >= ?", hour)


def next_segment_start(tx: Transaction, instant: int) -> int | None:
    """Return where the next segment begins, at or after an instant."""
    value: int | None = tx.value(
        "SELECT MIN(start_second) FROM billing_segments WHERE start_second >= ?", instant
    )
    return value


def is_idle(tx: Transaction) -> bool:
    """Tell whether nothing runs in the carried span."""
    return tx.row("SELECT 1 FROM billing_carry LIMIT 1") is None


def first_record_start(tx: Transaction) -> int | None:
    """Return where the first usage record begins."""
    value: int | None = tx.value("SELECT MIN(start_time) FROM billing_usage_records")
    return value


def has_records(tx: Transaction, start: int, stop: int) -> bool:
    """Tell whether a record begins in ``[start, stop)``."""
    return (
        tx.row(
            "SELECT 1 FROM billing_usage_records WHERE start_time >= ? AND start_time < ? LIMIT 1",
            start,
            stop,
        )
        is not None
    )


def sums(  # noqa: PLR0913 - the columns of one query
    tx: Transaction,
    start: int,
    stop: int,
    group: str,
    *,
    user: str | None = None,
    only: str = EVERYONE,
) -> Iterator[tuple[str, str, str, int, int]]:
    """Yield ``(group, resource, unit price, month seconds, base units)`` of ``[start, stop)``.

    ``group`` is ``user_id``, ``session_id`` or ``resource_type``, in byte order of the group, or
    ``period_start``. ``only`` is a condition on ``user_key``.
    """
    condition = f"AND {only} " if user is None else f"AND {only} AND user_id = ? "
    parameters: list[object] = [start, stop] if user is None else [start, stop, user]
    column = f"{group}{_collation(tx, group)}"
    return tx.stream(
        f"SELECT {column} AS grouped, resource_type, unit_price, month_seconds, "
        "CAST(SUM(quantity) AS BIGINT) FROM billing_usage_records "
        f"WHERE start_time >= ? AND start_time < ? {condition}"
        "GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        *parameters,
    )


def _collation(tx: Transaction, group: str) -> str:
    """Return what makes PostgreSQL group a column by its bytes, if it is text."""
    return ' COLLATE "C"' if tx.is_postgres and group != "period_start" else ""


def load_modes(tx: Transaction, modes: Iterable[tuple[int, int, str]]) -> None:
    """Load billing periods, ``(start, end, mode)``, for :func:`sums_by_kind`."""
    tx.temporary_table(
        "billing_modes",
        "period_start bigint PRIMARY KEY, period_end bigint NOT NULL, mode text NOT NULL",
    )
    tx.insert("billing_modes", ("period_start", "period_end", "mode"), modes)
    tx.temporary_table(
        "billing_covered",
        "user_key bigint NOT NULL, period_start bigint NOT NULL, "
        "PRIMARY KEY (user_key, period_start)",
    )
    tx.execute(
        "INSERT INTO billing_covered SELECT DISTINCT p.user_key, m.period_start "
        "FROM billing_modes m JOIN billing_subscription_phases p "
        "ON p.start_second < m.period_end AND p.end_second > m.period_start"
    )
    tx.analyze("billing_covered")


def sums_by_kind(  # noqa: PLR0913 - as of sums
    tx: Transaction,
    start: int,
    stop: int,
    group: str,
    *,
    user: str | None = None,
    only: str = EVERYONE,
) -> Iterator[tuple[str, str, str, str, int, int]]:
    """Yield ``(group, resource, kind, unit price, month seconds, base units)``.

    As :func:`sums` does, where plans have an effect. The kind is ``usage`` for sessions that are
    charged for and ``included`` for those that are not, or that of the overage records, which
    are about no session.
    """
    collation = _collation(tx, "kind")
    condition = f"AND {only} " if user is None else f"AND {only} AND user_id = ? "
    parameters: list[object] = [start, stop] if user is None else [start, stop, user]
    scope = f"WHERE start_time >= ? AND start_time < ? {condition}"
    item = "resource_type, unit_price, month_seconds"
    # First summed, then asked about: once for each user and period, not for each record.
    arms = (
        f"SELECT r.grouped, r.resource_type, CASE WHEN m.mode = 'usage' OR (m.mode = 'hybrid' "
        f"AND c.user_key IS NULL) THEN 'usage' ELSE 'included' END{collation} AS kind, "
        "r.unit_price, r.month_seconds, r.quantity FROM "
        f"(SELECT {group}{_collation(tx, group)} AS grouped, user_key, period_start, {item}, "
        f"SUM(quantity) AS quantity FROM billing_usage_records {scope}"
        f"GROUP BY {group}, user_key, period_start, {item}) r "
        "LEFT JOIN billing_modes m ON m.period_start = r.period_start "
        "LEFT JOIN billing_covered c ON c.user_key = r.user_key "
        "AND c.period_start = r.period_start "
    )
    if group != "session_id":
        arms += (
            f"UNION ALL SELECT {group}{_collation(tx, group)}, resource_type, kind, unit_price, "
            f"month_seconds, quantity FROM billing_overage_records {scope}"
        )
        parameters *= 2
    return tx.stream(
        "SELECT grouped, resource_type, kind, unit_price, month_seconds, "
        f"CAST(SUM(quantity) AS BIGINT) FROM ({arms}) a "
        "GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
        *parameters,
    )
