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


class Past(NamedTuple):
    """All that has happened to a grant: ``uses`` are ``(invoice, amount, used_at, reversed_at)``.

    Amounts are in minor units. ``voided`` is what was taken back, by ``voided_at`` at the latest.
    """

    id: int
    amount: int
    created_at: int
    expires_at: int | None
    voided: int
    voided_at: int | None
    uses: tuple[tuple[str, int, int, int | None], ...]


class Movement(NamedTuple):
    """A change of a user's balance; ``invoice`` used the credit, or was voided and gave it back."""

    at: int
    kind: str
    credit_id: int
    amount: int
    invoice: str | None


GRANTED, RETURNED, USED, VOIDED, EXPIRED = "granted", "returned", "used", "voided", "expired"
_ORDER = (GRANTED, RETURNED, USED, VOIDED, EXPIRED)


def movements(grants: Iterable[Past], now: int) -> list[Movement]:
    """Return every change of the balance up to ``now``, in order of time.

    After each the balance is never below zero, and in the end it is what can still be used. A
    late invoice may use a credit that has expired since its period's end: that much did not
    expire. What a voided invoice gives back after the expiry expires at that moment.
    """
    found = [movement for grant in grants for movement in _movements_of(grant, now)]
    found.sort(key=lambda m: (m.at, _ORDER.index(m.kind), m.credit_id, m.invoice or ""))
    return found


def _movements_of(grant: Past, now: int) -> list[Movement]:
    found = [Movement(grant.created_at, GRANTED, grant.id, grant.amount, None)]
    for invoice, amount, used_at, reversed_at in grant.uses:
        found.append(Movement(used_at, USED, grant.id, -amount, invoice))
        if reversed_at is not None:
            found.append(Movement(reversed_at, RETURNED, grant.id, amount, invoice))
    if grant.voided and grant.voided_at is not None:
        found.append(Movement(grant.voided_at, VOIDED, grant.id, -grant.voided, None))
    found.sort(key=lambda m: (m.at, _ORDER.index(m.kind)))
    if grant.expires_at is None or grant.expires_at > now:
        return found
    return found + _expiries(grant.id, grant.expires_at, found)


def _expiries(credit_id: int, expires_at: int, found: list[Movement]) -> list[Movement]:
    """Find what expired, and when: whatever the balance holds and nothing later takes."""
    expiries: list[Movement] = []
    moments = [expires_at, *(m.at for m in found if m.at > expires_at and m.kind == RETURNED)]
    for moment in moments:
        balance = sum(m.amount for m in found if m.at <= moment) + sum(m.amount for m in expiries)
        taken = -sum(m.amount for m in found if m.at > moment and m.amount < 0)
        if balance > taken:
            expiries.append(Movement(moment, EXPIRED, credit_id, taken - balance, None))
    return expiries
