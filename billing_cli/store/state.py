"""How far the jobs have come."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from billing_cli.store.unit_of_work import Transaction

_METERED_UNTIL = "metered_until"
_REWRITES = "rewrites"
_FOLDS = "folds"


class QuotaProgress(NamedTuple):
    """How far quotas are checked; each field is kept under its name after ``quota_``.

    Up to ``checked_until`` they are. A check that is under way goes on to ``checking_until`` and
    has done the users up to ``checking_user``, so that another process can go on with it.
    ``marks`` counts how often a past that was checked has changed. ``threshold`` is the
    percentage of the last check; ``suspends_from`` is the instant from which on overruns lead to
    suspensions, 0 for all, None while they do not.
    """

    checked_until: int | None = None
    checking_until: int | None = None
    checking_user: int | None = None
    marks: int | None = None
    threshold: int | None = None
    suspends_from: int | None = None


def quota_progress(tx: Transaction) -> QuotaProgress:
    """Return how far quotas are checked."""
    found: dict[str, int] = dict(tx.rows("SELECT name, value FROM billing_state"))
    return QuotaProgress(*(found.get(f"quota_{field}") for field in QuotaProgress._fields))


def set_quota_progress(tx: Transaction, progress: QuotaProgress) -> None:
    """Record how far quotas are checked."""
    for field, value in progress._asdict().items():
        if value is None:
            tx.execute("DELETE FROM billing_state WHERE name = ?", f"quota_{field}")
        else:
            _set(tx, f"quota_{field}", value)


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
