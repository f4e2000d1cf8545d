"""Which credits an invoice uses (DESIGN section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Available(NamedTuple):
    """A grant with something left, in minor units; ``expires_at`` None is never."""

    id: int
    remaining: int
    created_at: int
    expires_at: int | None


class Use(NamedTuple):
    """How much of a grant an invoice uses."""

    credit_id: int
    amount: int


def apply_credits(owed: int, grants: Iterable[Available], period_end: int) -> list[Use]:
    """Use grants against what is owed: soonest expiry first, then oldest, never below zero.

    A grant counts that has not expired by the *period's end*: how late an invoice is made must
    not cost the user a credit that was good for the whole period.
    """
    good = [g for g in grants if g.expires_at is None or g.expires_at >= period_end]
    good.sort(key=lambda g: (g.expires_at is None, g.expires_at or 0, g.created_at, g.id))
    uses = []
    for grant in good:
        if owed <= 0:
            break
        amount = min(owed, grant.remaining)
        if amount > 0:
            uses.append(Use(grant.id, amount))
            owed -= amount
    return uses
