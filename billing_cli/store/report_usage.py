"""Usage records one by one: the largest table there is, read in the order of its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_cli.store.unit_of_work import Row, Transaction


def session_records(
    tx: Transaction, only: str, start: int, stop: int, *, has_kinds: bool
) -> Iterator[Row]:
    """Yield the records of sessions that start in ``[start, stop)``.

    Each is ``(start, end, user, session, resource, kind, base units, month seconds, price)``. With
    ``has_kinds`` the loaded modes (:func:`billing_cli.store.usage.load_modes`) say which are
    ``included``; all others are ``usage``.
    """
    kind, joins = "'usage'", ""
    if has_kinds:
        kind = (
            "CASE WHEN m.mode = 'usage' OR (m.mode = 'hybrid' AND c.user_key IS NULL) "
            "THEN 'usage' ELSE 'included' END"
        )
        joins = (
            "LEFT JOIN billing_modes m ON m.period_start = r.period_start "
            "LEFT JOIN billing_covered c ON c.user_key = r.user_key "
            "AND c.period_start = r.period_start "
        )
    return tx.stream(
        f"SELECT r.start_time, r.end_time, r.user_id, r.session_id, r.resource_type, {kind}, "
        f"r.quantity, r.month_seconds, r.unit_price FROM billing_usage_records r {joins}"
        f"WHERE r.start_time >= ? AND r.start_time < ? AND {only.format('r.user_key')} "
        "ORDER BY r.start_time, r.session_key, r.resource_type",
        start,
        stop,
    )


def overage_records(tx: Transaction, only: str, start: int, stop: int) -> Iterator[Row]:
    """Yield the records of overage, and of use without a plan, as :func:`session_records` does.

    They are about no session.
    """
    return tx.stream(
        "SELECT r.start_time, r.end_time, r.user_id, NULL, r.resource_type, r.kind, "
        "r.quantity, r.month_seconds, r.unit_price FROM billing_overage_records r "
        f"WHERE r.start_time >= ? AND r.start_time < ? AND {only.format('r.user_key')} "
        "ORDER BY r.start_time, r.user_key, r.resource_type, r.kind",
        start,
        stop,
    )
