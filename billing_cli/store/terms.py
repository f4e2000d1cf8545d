"""Versions of the settings that decide money, and the periods that are closed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from billing_cli.store.invoices import STRIPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from billing_cli.store.unit_of_work import Transaction


class Version(NamedTuple):
    """A recorded version; ``effective_from`` None is the beginning of time."""

    id: int
    effective_from: int | None
    recorded_at: int
    document: dict[str, Any]


def versions(tx: Transaction) -> list[Version]:
    """Return all versions in the order in which they were recorded."""
    return [
        Version(number, since, recorded, json.loads(document))
        for number, since, recorded, document in tx.rows(
            "SELECT id, effective_from, recorded_at, document "
            "FROM billing_settings_versions ORDER BY id"
        )
    ]


def add_version(
    tx: Transaction, effective_from: int | None, recorded_at: int, document: Mapping[str, object]
) -> None:
    """Record a version after those there are."""
    last = tx.value("SELECT COALESCE(MAX(id), 0) FROM billing_settings_versions")
    tx.insert(
        "billing_settings_versions",
        ("id", "effective_from", "recorded_at", "document"),
        [(last + 1, effective_from, recorded_at, json.dumps(document, sort_keys=True))],
    )


def last_finalized_end(tx: Transaction) -> int | None:
    """Return the end of the last period that is closed, or was invoiced for anyone."""
    value: int | None = tx.value(
        "SELECT MAX(ended) FROM ("
        "SELECT MAX(period_end) AS ended FROM billing_closed_periods UNION ALL "
        "SELECT MAX(period_end) FROM billing_invoices "
        f"WHERE status IN ('sent', 'paid', 'overdue') AND kind <> '{STRIPE}') x"
    )
    return value


def closed_periods(tx: Transaction) -> set[int]:
    """Return the starts of the periods whose finalizing run has passed."""
    return {row[0] for row in tx.rows("SELECT period_start FROM billing_closed_periods")}


def close_period(tx: Transaction, start: int, end: int, closed_at: int) -> None:
    """Record that a period's finalizing run has passed."""
    tx.execute(
        "INSERT INTO billing_closed_periods (period_start, period_end, closed_at) VALUES (?, ?, ?) "
        "ON CONFLICT (period_start) DO NOTHING",
        start,
        end,
        closed_at,
    )
