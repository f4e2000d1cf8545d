"""When money went back: what a refund without a credit note took, found out afterwards.

Such a refund takes what is unspent of the credits that the payment left, then what invoices have
of it. The books keep the sums: how much of a credit was withdrawn, and what an invoice still has.
Reports of the past need the moments, too, and those follow from the order in which it happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Allocation(NamedTuple):
    """What an invoice has, or had until ``released_at``, of a payment; in minor units."""

    invoice_id: int
    amount: int
    allocated_at: int
    released_at: int | None


class Left(NamedTuple):
    """A credit that a payment left; ``uses`` are ``(amount, used_at, reversed_at)``."""

    id: int
    amount: int
    voided: int
    created_at: int
    voided_at: int | None
    uses: tuple[tuple[int, int, int | None], ...]


class Refund(NamedTuple):
    """Money given back without a credit note."""

    at: int
    amount: int


class Release(NamedTuple):
    """A part of an allocation that is there no more, and when it was there."""

    invoice_id: int
    amount: int
    allocated_at: int
    released_at: int


class Withdrawal(NamedTuple):
    """How much of a credit was taken back when."""

    credit_id: int
    amount: int
    at: int


def replay(
    allocations: Sequence[Allocation], credits: Sequence[Left], refunds: Sequence[Refund]
) -> tuple[list[Release], list[Withdrawal]]:
    """Return what a payment's refunds took, in their order, of invoices and of credits.

    Allocations and credits are sorted as refunds take them. What was given back before the
    payment was anybody's took nothing of either. All withdrawals of a credit come to what the
    books say was voided of it.
    """
    releases: list[Release] = []
    withdrawals: list[Withdrawal] = []
    left = {credit.id: credit.voided for credit in credits}
    whole = [one for one in allocations if one.released_at is not None]
    for refund in refunds:
        rest = refund.amount
        for taken in _of_credits(credits, left, refund.at, rest):
            withdrawals.append(taken)
            left[taken.credit_id] -= taken.amount
            rest -= taken.amount
        for one in [one for one in whole if one.released_at == refund.at]:
            if one.amount <= rest:
                whole.remove(one)
                rest -= one.amount
        there = [one for one in allocations if _is_there(one, refund.at)]
        if rest and there:
            releases.append(Release(there[-1].invoice_id, rest, there[-1].allocated_at, refund.at))
    withdrawals += [
        Withdrawal(credit.id, left[credit.id], credit.voided_at)
        for credit in credits
        if left[credit.id] and credit.voided_at is not None
    ]
    return releases, withdrawals


def _of_credits(
    credits: Sequence[Left], left: dict[int, int], at: int, rest: int
) -> Iterator[Withdrawal]:
    for credit in credits:
        if credit.created_at > at:
            continue
        used = sum(
            amount
            for amount, used_at, reversed_at in credit.uses
            if used_at <= at and (reversed_at is None or reversed_at > at)
        )
        withdrawn = credit.voided - left[credit.id]
        taken = min(rest, credit.amount - used - withdrawn, left[credit.id])
        if taken > 0:
            yield Withdrawal(credit.id, taken, at)
            rest -= taken


def _is_there(one: Allocation, at: int) -> bool:
    return one.allocated_at <= at and (one.released_at is None or one.released_at > at)
