"""What the doctor asks a database: how it is kept, and what in it somebody should look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from billing_cli.store.unit_of_work import Transaction


class Kept(NamedTuple):
    """The server or library, its version, and how many bytes the database takes there."""

    kind: str
    version: str
    size_bytes: int


class Arrivals(NamedTuple):
    """When the last event came in, and when the last thing begins that events tell of."""

    received_at: int | None
    begins_at: int | None


class Silent(NamedTuple):
    """Sessions that run without a word: how many, and the ids of some."""

    sessions: int
    examples: list[str]


def kept(tx: Transaction) -> Kept:
    """Return how the database is kept."""
    if tx.is_postgres:
        version = str(tx.value("SHOW server_version")).split(" ", maxsplit=1)[0]
        size = int(tx.value("SELECT pg_database_size(current_database())"))
        return Kept("PostgreSQL", version, size)
    pages, page_bytes = tx.value("PRAGMA page_count"), tx.value("PRAGMA page_size")
    return Kept("SQLite", str(tx.value("SELECT sqlite_version()")), pages * page_bytes)


def arrivals(tx: Transaction) -> Arrivals:
    """Return when the last event came in, and the latest beginning of any segment."""
    return Arrivals(
        tx.value("SELECT received_at FROM billing_session_events ORDER BY seq DESC LIMIT 1"),
        tx.value("SELECT MAX(start_second) FROM billing_segments"),
    )


def silent(tx: Transaction, since: int, at: int, limit: int) -> Silent:
    """Return the sessions that run at a moment and have sent no event after an earlier one."""
    condition = (
        "FROM billing_segments g CROSS JOIN billing_sessions s "
        "WHERE g.end_second > ? AND +g.start_second <= ? AND g.state = 'running' "
        "AND s.session_key = g.session_key AND NOT EXISTS (SELECT 1 "
        "FROM billing_session_events e WHERE e.session_key = g.session_key AND e.at_second > ?)"
    )
    count: int = tx.value(f"SELECT COUNT(*) {condition}", at, at, since)
    examples = tx.rows(
        f"SELECT s.session_id {condition} ORDER BY g.start_second, s.session_id LIMIT ?",
        *(at, at, since, limit),
    )
    return Silent(count, [row[0] for row in examples])


def anomalies(tx: Transaction, since: int, at: int) -> tuple[int, int]:
    """Return how many anomalies there are, and how many of them are of ``(since, at]``."""
    row = tx.row(
        "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN a.at_second > ? AND a.at_second <= ? "
        "THEN 1 ELSE 0 END), 0) AS BIGINT) FROM billing_anomalies a",
        since,
        at,
    )
    return (0, 0) if row is None else (row[0], row[1])


def unmarked(tx: Transaction, at: int) -> int:
    """Return how many invoices are past their due date, and no job has marked them."""
    count: int = tx.value(
        "SELECT COUNT(*) FROM billing_invoices i WHERE i.status = 'sent' AND i.due_date <= ? "
        "AND i.total > i.amount_paid",
        at,
    )
    return count


def has_limits(tx: Transaction) -> bool:
    """Tell whether anyone has a limit that could be exceeded."""
    found = tx.row(
        "SELECT 1 FROM billing_user_limits UNION ALL SELECT 1 FROM billing_subscription_phases "
        "LIMIT 1"
    )
    return found is not None
