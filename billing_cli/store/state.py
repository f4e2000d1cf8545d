"""How far the jobs have come."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from billing_cli.store.unit_of_work import Transaction

_METERED_UNTIL = "metered_until"
_REWRITES = "rewrites"
_FOLDS = "folds"


def metered_until(tx: Transaction) -> int | None:
    """Return the instant up to which usage records are complete, or None before the first run."""
    return _get(tx, _METERED_UNTIL)


def set_metered_until(tx: Transaction, instant: int) -> None:
    """Record how far usage records are complete."""
    _set(tx, _METERED_UNTIL, instant)


def rewrites(tx: Transaction) -> int:
    """Return how often records behind the watermark were changed.

    Who reads sums at one moment and writes invoices from them at a later one compares this
    number, and reads again when it moved.
    """
    return _get(tx, _REWRITES) or 0


def count_rewrite(tx: Transaction) -> None:
    """Tell that records behind the watermark are changed in this batch."""
    _set(tx, _REWRITES, rewrites(tx) + 1)


def folds(tx: Transaction) -> int:
    """Return how often timelines were changed; who carries segments along compares it."""
    return _get(tx, _FOLDS) or 0


def count_fold(tx: Transaction) -> None:
    """Tell that timelines are changed in this batch."""
    _set(tx, _FOLDS, folds(tx) + 1)


def _get(tx: Transaction, name: str) -> int | None:
    value: int | None = tx.value("SELECT value FROM billing_state WHERE name = ?", name)
    return value


def _set(tx: Transaction, name: str, value: int) -> None:
    tx.execute(
        "INSERT INTO billing_state (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        name,
        value,
    )
