"""What reports of the past need besides the books: when parts of payments went back.

Loads two temporary tables: ``billing_report_releases``, parts of allocations that are no more, and
``billing_report_withdrawals``, when credits that payments left were taken back.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from billing_cli.pricing.refunds import Allocation, Left, Refund, Release, Withdrawal, replay

if TYPE_CHECKING:
    from billing_cli.store.unit_of_work import Transaction

_REFUNDED: Final = "(SELECT r.payment_id FROM billing_refunds r WHERE r.credit_note_id IS NULL)"

ALLOCATIONS: Final = (
    "(SELECT payment_id, invoice_id, amount, allocated_at, released_at "
    "FROM billing_payment_allocations UNION ALL "
    "SELECT payment_id, invoice_id, amount, allocated_at, released_at "
    "FROM billing_report_releases)"
)
"""Every allocation there ever was, with the moments from which to which it was there."""

WITHDRAWALS: Final = (
    "(SELECT c.id AS credit_id, c.voided AS amount, c.voided_at AS at FROM billing_credits c "
    "WHERE c.voided > 0 AND (c.source_payment IS NULL "
    f"OR c.source_payment NOT IN {_REFUNDED}) UNION ALL "
    "SELECT credit_id, amount, at FROM billing_report_withdrawals)"
)
"""Every withdrawal from a credit, with its moment."""


def load(tx: Transaction) -> None:
    """Work out what refunds took, and load it."""
    refunds = tx.rows(
        "SELECT payment_id, refunded_at, amount FROM billing_refunds "
        "WHERE credit_note_id IS NULL ORDER BY payment_id, id"
    )
    allocations = _allocations(tx) if refunds else {}
    credits = _credits(tx) if refunds else {}
    releases: list[tuple[int, Release]] = []
    withdrawals: list[Withdrawal] = []
    for payment, group in groupby(refunds, key=lambda row: row[0]):
        given = [Refund(at, amount) for _, at, amount in group]
        released, withdrawn = replay(allocations.get(payment, []), credits.get(payment, []), given)
        releases += [(payment, one) for one in released]
        withdrawals += withdrawn
    tx.temporary_table(
        "billing_report_releases",
        "payment_id bigint NOT NULL, invoice_id bigint NOT NULL, amount bigint NOT NULL, "
        "allocated_at bigint NOT NULL, released_at bigint NOT NULL",
    )
    tx.insert(
        "billing_report_releases",
        ("payment_id", *Release._fields),
        ((payment, *one) for payment, one in releases),
    )
    tx.temporary_table(
        "billing_report_withdrawals",
        "credit_id bigint NOT NULL, amount bigint NOT NULL, at bigint NOT NULL",
    )
    tx.insert("billing_report_withdrawals", Withdrawal._fields, withdrawals)


def _allocations(tx: Transaction) -> dict[int, list[Allocation]]:
    found: dict[int, list[Allocation]] = {}
    for payment, *values in tx.rows(
        "SELECT a.payment_id, a.invoice_id, a.amount, a.allocated_at, a.released_at "
        f"FROM billing_payment_allocations a WHERE a.payment_id IN {_REFUNDED} "
        "ORDER BY a.payment_id, a.allocated_at, a.invoice_id"
    ):
        found.setdefault(payment, []).append(Allocation(*values))
    return found


def _credits(tx: Transaction) -> dict[int, list[Left]]:
    uses: dict[int, list[tuple[int, int, int | None]]] = {}
    for credit, amount, used_at, reversed_at in tx.rows(
        "SELECT u.credit_id, u.amount, u.used_at, u.reversed_at FROM billing_credit_uses u "
        "JOIN billing_credits c ON c.id = u.credit_id "
        f"WHERE c.source_payment IN {_REFUNDED} ORDER BY u.credit_id, u.invoice_id"
    ):
        uses.setdefault(credit, []).append((amount, used_at, reversed_at))
    found: dict[int, list[Left]] = {}
    for payment, number, *amounts in tx.rows(
        "SELECT c.source_payment, c.id, c.amount, c.voided, c.created_at, c.voided_at "
        f"FROM billing_credits c WHERE c.source_payment IN {_REFUNDED} ORDER BY c.id"
    ):
        used = tuple(uses.get(number, ()))
        found.setdefault(payment, []).append(Left._make((number, *amounts, used)))
    return found
