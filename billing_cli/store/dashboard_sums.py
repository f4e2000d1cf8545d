"""What the dashboard's charts and warnings are made of: sums by day and month, and counts."""

from __future__ import annotations

from bisect import bisect_right
from math import gcd
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.store.dashboard import Only
    from billing_cli.store.unit_of_work import Transaction

    Rates = tuple[int, int, int]

_RATES = ("cpu_millicores", "memory_mib", "storage_mib")
# Midnights of all zones of today lie on quarters of an hour: as many groups as that are few.
_BUCKET: Final = 900
_SENT = "i.sent_at IS NOT NULL"
_MOVES = (
    # What adds to a measure, at which moment, of whom.
    ("billed", "i.total", "i.sent_at", "billing_invoices i", "i.user_key", "1 = 1"),
    ("billed", "-i.total", "i.voided_at", "billing_invoices i", "i.user_key", _SENT),
    ("billed", "-n.amount", "n.created_at", "billing_credit_notes n", "n.user_key", "1 = 1"),
    ("billed", "n.amount", "n.voided_at", "billing_credit_notes n", "n.user_key", "1 = 1"),
    (
        "collected",
        "p.amount",
        "p.received_at",
        "billing_payments p",
        "p.user_key",
        "p.status <> 'failed'",
    ),
    (
        "collected",
        "-p.amount",
        "p.reversed_at",
        "billing_payments p",
        "p.user_key",
        "p.status = 'reversed'",
    ),
    (
        "collected",
        "-r.amount",
        "r.refunded_at",
        "billing_refunds r JOIN billing_payments p ON p.id = r.payment_id",
        "p.user_key",
        "1 = 1",
    ),
)


class Troubles(NamedTuple):
    """What somebody should look at, whoever it is about.

    ``failed`` and ``unmatched`` are payments; ``ran`` is 1 where any session ever ran.
    """

    failed: int
    unmatched: int
    rejected: int
    ran: int


def by_month(tx: Transaction, only: Only, edges: Sequence[int]) -> list[tuple[int, int]]:
    """Return ``(billed, collected)`` between each two edges, in minor units.

    Each movement counts when it happened: what is taken back lowers the month in which it is.
    """
    first, last = edges[0], edges[-1]
    found = [[0, 0] for _ in edges[1:]]
    names = ("billed", "collected")
    for measure, amount, at, tables, user, condition in _MOVES:
        # A ladder of literals: worked out once a row, and no second table to join.
        ladder = " ".join(
            f"WHEN {at} < {edge:d} THEN {number}" for number, edge in enumerate(edges[1:])
        )
        for number, total in tx.rows(
            f"SELECT CASE {ladder} END, CAST(SUM({amount}) AS BIGINT) FROM {tables} "
            f"WHERE {at} >= ? AND {at} < ? AND {condition}{only.of(user)} GROUP BY 1 ORDER BY 1",
            first,
            last,
            *only.parameters,
        ):
            found[number][names.index(measure)] += total
    return [(billed, collected) for billed, collected in found]


def between(tx: Transaction, only: Only, edges: Sequence[int]) -> list[Rates]:
    """Return what all sessions used between each two edges, in base units.

    Every segment is looked at once, however many edges it crosses: only what begins and ends
    between two edges is summed there, and how much runs at an edge follows from the sums before.
    """
    # The last edge may be any second: nothing is looked at beyond it.
    unit = gcd(_BUCKET, *edges[:-1])
    first, last = edges[0], edges[-1]
    found = [[0, 0, 0] for _ in edges[1:]]
    running = list(_running(tx, only, first))
    changes = [[0, 0, 0] for _ in edges[1:]]
    for sign, column in ((1, "start_second"), (-1, "end_second")):
        for bucket, *sums in _moves(tx, only, column, (first, last, unit)):
            place = bisect_right(edges, bucket * unit) - 1
            for index in range(len(_RATES)):
                rate, weighted = sums[index], sums[index + len(_RATES)]
                changes[place][index] += sign * rate
                # From its own second to the next edge.
                left = rate * (edges[place + 1] - bucket * unit) - weighted
                found[place][index] += sign * left
    for place, sums in enumerate(found):
        seconds = edges[place + 1] - edges[place]
        for index in range(len(_RATES)):
            sums[index] += running[index] * seconds
            running[index] += changes[place][index]
    return [(cpu, memory, storage) for cpu, memory, storage in found]


def _owned(only: Only) -> str:
    """Return the condition that a segment is of some users, or of anybody at all.

    Few sessions are nobody's: their list is shorter than a look at the session of each segment.
    """
    if not only.condition:
        return (
            "g.session_key NOT IN "
            "(SELECT s.session_key FROM billing_sessions s WHERE s.user_key IS NULL)"
        )
    return (
        "g.session_key IN (SELECT s.session_key FROM billing_sessions s "
        f"WHERE 1 = 1{only.of('s.user_key')})"
    )


def _running(tx: Transaction, only: Only, at: int) -> Rates:
    """Return what all sessions use that have begun before an instant and not ended by then."""
    sums = ", ".join(f"CAST(COALESCE(SUM(g.{column}), 0) AS BIGINT)" for column in _RATES)
    row = tx.row(
        f"SELECT {sums} FROM billing_segments g "
        f"WHERE g.end_second >= ? AND +g.start_second < ? AND {_owned(only)}",
        at,
        at,
        *only.parameters,
    )
    cpu, memory, storage = row or (0, 0, 0)
    return cpu, memory, storage


def _moves(
    tx: Transaction, only: Only, column: str, span: tuple[int, int, int]
) -> list[tuple[int, ...]]:
    """Return by how much use changes in each bucket, and the same times the seconds into it."""
    first, last, unit = span
    sums = ", ".join(
        [f"CAST(SUM(g.{rate}) AS BIGINT)" for rate in _RATES]
        + [
            f"CAST(SUM(g.{rate} * (g.{column} - g.{column} / {unit:d} * {unit:d})) AS BIGINT)"
            for rate in _RATES
        ]
    )
    return tx.rows(
        f"SELECT g.{column} / {unit:d}, {sums} FROM billing_segments g "
        f"WHERE g.{column} >= ? AND g.{column} < ? AND {_owned(only)} GROUP BY 1 ORDER BY 1",
        first,
        last,
        *only.parameters,
    )


def troubles(tx: Transaction, since: int, at: int) -> Troubles:
    """Return what went wrong in ``(since, at]``, and what waits for somebody."""
    row = tx.row(
        "SELECT (SELECT COUNT(*) FROM billing_payments p WHERE "
        "(p.status = 'failed' AND p.received_at > ? AND p.received_at <= ?) OR "
        "(p.status = 'reversed' AND p.reversed_at > ? AND p.reversed_at <= ?)), "
        "(SELECT COUNT(*) FROM billing_payments p WHERE p.status = 'unmatched' "
        "AND p.created_at <= ?), "
        "(SELECT COUNT(*) FROM billing_rejected_lines r WHERE r.rejected_at <= ?), "
        "(SELECT COUNT(*) FROM (SELECT 1 AS found FROM billing_segments LIMIT 1) g)",
        *(since, at, since, at, at, at),
    )
    return Troubles(*(row or (0, 0, 0, 0)))


def is_unbilled(tx: Transaction, start: int, end: int, mode: str) -> bool:
    """Tell whether there may be something to bill in a period that nobody has closed.

    That is where anything ran, or a plan was held, if in the billing mode it can cost something.
    """
    closed = tx.row("SELECT 1 FROM billing_closed_periods WHERE period_start = ?", start)
    if closed is not None:
        return False
    ran = tx.row(
        # Events that timelines do not know yet may be of any time.
        "SELECT 1 FROM billing_segments g WHERE g.end_second > ? AND +g.start_second < ? "
        "UNION ALL SELECT 1 FROM billing_pending_sessions LIMIT 1",
        start,
        end,
    )
    held = tx.row(
        "SELECT 1 FROM billing_subscription_phases p "
        "WHERE p.end_second > ? AND p.start_second < ? LIMIT 1",
        start,
        end,
    )
    return (ran is not None and mode != "subscription") or (held is not None and mode != "usage")
