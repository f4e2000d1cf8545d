"""Credits: grants, and how much of each an invoice used."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.credits import Available

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_cli.store.unit_of_work import Transaction


class Grant(NamedTuple):
    """A credit to grant; ``amount`` in minor units."""

    user_key: int
    user_id: str
    amount: int
    currency: str
    reason: str
    created_at: int
    source_invoice: int


class UseRow(NamedTuple):
    """A row of ``billing_credit_uses``."""

    credit_id: int
    invoice_id: int
    amount: int
    used_at: int


def available(tx: Transaction, users: Sequence[int]) -> dict[int, list[Available]]:
    """Return what is left of each user's grants, expired ones included."""
    subquery, parameter = tx.numbers(users)
    found: dict[int, list[Available]] = {}
    for user, *values in tx.rows(
        "SELECT c.user_key, c.id, c.amount - c.voided - CAST(COALESCE("
        "(SELECT SUM(u.amount) FROM billing_credit_uses u "
        "WHERE u.credit_id = c.id AND u.reversed_at IS NULL), 0) AS BIGINT) AS remaining, "
        "c.created_at, c.expires_at FROM billing_credits c "
        f"WHERE c.user_key IN {subquery} ORDER BY c.id",
        parameter,
    ):
        grant = Available(*values)
        if grant.remaining > 0:
            found.setdefault(user, []).append(grant)
    return found


def grant(tx: Transaction, grants: Iterable[Grant]) -> None:
    """Add grants."""
    last = tx.value("SELECT COALESCE(MAX(id), 0) FROM billing_credits")
    tx.insert(
        "billing_credits",
        ("id", *Grant._fields, "voided", "expires_at"),
        ((number, *row, 0, None) for number, row in enumerate(grants, last + 1)),
    )


def use(tx: Transaction, uses: Iterable[UseRow]) -> None:
    """Record what invoices used."""
    tx.insert("billing_credit_uses", UseRow._fields, uses)


def spent_of(tx: Transaction, invoice_id: int) -> int:
    """Return how much of the credit that an invoice granted is spent."""
    value: int = tx.value(
        "SELECT CAST(COALESCE(SUM(u.amount), 0) AS BIGINT) FROM billing_credits c "
        "JOIN billing_credit_uses u ON u.credit_id = c.id AND u.reversed_at IS NULL "
        "WHERE c.source_invoice = ?",
        invoice_id,
    )
    return value


def take_back(tx: Transaction, invoice_id: int, at: int) -> None:
    """Undo what a void invoice did: the credits it used return, the one it granted goes."""
    tx.execute(
        "UPDATE billing_credit_uses SET reversed_at = ? "
        "WHERE invoice_id = ? AND reversed_at IS NULL",
        at,
        invoice_id,
    )
    tx.execute("UPDATE billing_credits SET voided = amount WHERE source_invoice = ?", invoice_id)
