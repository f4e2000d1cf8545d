"""Credits: grants, how much of each an invoice used, and what was taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.credits import Available, Past
from billing_cli.store.names import id_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.store.unit_of_work import Transaction

_USED = (
    "CAST(COALESCE((SELECT SUM(u.amount) FROM billing_credit_uses u "
    "WHERE u.credit_id = c.id AND u.reversed_at IS NULL), 0) AS BIGINT)"
)


class Grant(NamedTuple):
    """A credit to grant; ``amount`` in minor units.

    The sources say what it comes from: a negative or a voided invoice, a payment of more than was
    owed, or a credit note. One that an operator grants has none.
    """

    user_key: int
    user_id: str
    amount: int
    currency: str
    reason: str
    created_at: int
    source_invoice: int | None = None
    expires_at: int | None = None
    source_payment: int | None = None
    source_note: int | None = None


class CreditRow(NamedTuple):
    """A grant and what became of it: ``amount = used + remaining + expired + voided``."""

    id: int
    user_key: int
    user_id: str
    amount: int
    used: int
    voided: int
    currency: str
    reason: str
    created_at: int
    expires_at: int | None
    source_invoice: int | None
    source_payment: int | None
    source_note: int | None
    voided_at: int | None
    void_reason: str | None

    def unused(self) -> int:
        """Return what is neither used nor voided: it remains, or has expired."""
        return self.amount - self.used - self.voided

    def is_expired(self, now: int) -> bool:
        """Tell whether it cannot be used any more; at the moment of its expiry it cannot."""
        return self.expires_at is not None and self.expires_at <= now


class UseRow(NamedTuple):
    """A row of ``billing_credit_uses``."""

    credit_id: int
    invoice_id: int
    amount: int
    used_at: int


_ALL = ", ".join(_USED if name == "used" else f"c.{name}" for name in CreditRow._fields)
_SOURCES = ("source_invoice", "source_payment", "source_note")


def available(tx: Transaction, users: Sequence[int]) -> dict[int, list[Available]]:
    """Return what is left of each user's grants, expired ones included."""
    subquery, parameter = tx.numbers(users)
    found: dict[int, list[Available]] = {}
    for user, *values in tx.rows(
        f"SELECT c.user_key, c.id, c.amount - c.voided - {_USED} AS remaining, "
        "c.created_at, c.expires_at FROM billing_credits c "
        f"WHERE c.user_key IN {subquery} ORDER BY c.id",
        parameter,
    ):
        grant = Available(*values)
        if grant.remaining > 0:
            found.setdefault(user, []).append(grant)
    return found


def grant(tx: Transaction, grants: Iterable[Grant]) -> range:
    """Add grants and return their ids."""
    last: int = tx.value("SELECT COALESCE(MAX(id), 0) FROM billing_credits")
    rows = [(number, *row, 0) for number, row in enumerate(grants, last + 1)]
    tx.insert("billing_credits", ("id", *Grant._fields, "voided"), rows)
    return range(last + 1, last + 1 + len(rows))


def use(tx: Transaction, uses: Iterable[UseRow]) -> None:
    """Record what invoices used."""
    tx.insert("billing_credit_uses", UseRow._fields, uses)


def find(tx: Transaction, credit_id: int) -> CreditRow | None:
    """Find a grant by its id."""
    if id_named(credit_id) is None:
        return None
    row = tx.row(f"SELECT {_ALL} FROM billing_credits c WHERE c.id = ?", credit_id)
    return None if row is None else CreditRow(*row)


def listed(tx: Transaction, user_key: int | None = None) -> Iterator[CreditRow]:
    """Yield grants, of all users or of one, in the order in which they were made."""
    condition = "" if user_key is None else "WHERE c.user_key = ? "
    parameters = () if user_key is None else (user_key,)
    return (
        CreditRow(*row)
        for row in tx.stream(
            f"SELECT {_ALL} FROM billing_credits c {condition}ORDER BY c.id", *parameters
        )
    )


def granted_by(tx: Transaction, source: str, number: int) -> list[CreditRow]:
    """Return what an invoice, a payment or a credit note granted.

    ``source`` is ``source_invoice``, ``source_payment`` or ``source_note``.
    """
    if source not in _SOURCES:
        raise ValueError(source)
    return [
        CreditRow(*row)
        for row in tx.rows(
            f"SELECT {_ALL} FROM billing_credits c WHERE c.{source} = ? ORDER BY c.id", number
        )
    ]


def granted_by_notes_of(tx: Transaction, invoice_id: int) -> list[CreditRow]:
    """Return what the credit notes of an invoice granted, void ones left out."""
    return [
        CreditRow(*row)
        for row in tx.rows(
            f"SELECT {_ALL} FROM billing_credits c JOIN billing_credit_notes n "
            "ON n.id = c.source_note WHERE n.invoice_id = ? AND n.voided_at IS NULL ORDER BY c.id",
            invoice_id,
        )
    ]


def spenders(tx: Transaction, ids: Sequence[int]) -> list[str]:
    """Return the numbers of the invoices that use some grants."""
    subquery, parameter = tx.numbers(ids)
    return [
        row[0]
        for row in tx.rows(
            "SELECT DISTINCT i.invoice_number FROM billing_credit_uses u "
            "JOIN billing_invoices i ON i.id = u.invoice_id "
            f"WHERE u.reversed_at IS NULL AND u.credit_id IN {subquery} ORDER BY 1",
            parameter,
        )
    ]


def withdraw(tx: Transaction, taken: Iterable[tuple[int, int]], at: int, reason: str) -> None:
    """Take back ``(credit id, amount)`` of what is not used."""
    tx.execute_many(
        "UPDATE billing_credits SET voided = voided + ?, voided_at = ?, void_reason = ? "
        "WHERE id = ?",
        [(amount, at, reason, number) for number, amount in taken if amount],
    )


def give_back(tx: Transaction, invoice_id: int, at: int) -> None:
    """Return the credits that a void invoice used."""
    tx.execute(
        "UPDATE billing_credit_uses SET reversed_at = ? "
        "WHERE invoice_id = ? AND reversed_at IS NULL",
        at,
        invoice_id,
    )


class Balance(NamedTuple):
    """The sums of a user's grants, in minor units: the first is the sum of the others."""

    user_id: str
    currency: str
    granted: int
    used: int
    remaining: int
    expired: int
    voided: int


def balances(tx: Transaction, now: int, user_key: int | None = None) -> Iterator[Balance]:
    """Yield the balance of each user who was ever granted something, or of one."""
    condition = "" if user_key is None else "WHERE c.user_key = ? "
    parameters = () if user_key is None else (user_key,)
    gone = "g.expires_at IS NOT NULL AND g.expires_at <= ?"
    unused = "g.amount - g.used - g.voided"
    return (
        Balance(*row)
        for row in tx.stream(
            "SELECT g.user_id, g.currency, CAST(SUM(g.amount) AS BIGINT), "
            "CAST(SUM(g.used) AS BIGINT), "
            f"CAST(SUM(CASE WHEN {gone} THEN 0 ELSE {unused} END) AS BIGINT), "
            f"CAST(SUM(CASE WHEN {gone} THEN {unused} ELSE 0 END) AS BIGINT), "
            "CAST(SUM(g.voided) AS BIGINT) FROM (SELECT c.user_id, c.currency, c.amount, c.voided, "
            f"c.expires_at, {_USED} AS used FROM billing_credits c {condition}) g "
            "GROUP BY g.user_id, g.currency ORDER BY g.user_id, g.currency",
            now,
            now,
            *parameters,
        )
    )


def pasts(tx: Transaction, user_key: int) -> list[Past]:
    """Return all that has happened to a user's grants."""
    uses: dict[int, list[tuple[str, int, int, int | None]]] = {}
    for credit_id, *use_row in tx.rows(
        "SELECT u.credit_id, i.invoice_number, u.amount, u.used_at, u.reversed_at "
        "FROM billing_credit_uses u JOIN billing_credits c ON c.id = u.credit_id "
        "JOIN billing_invoices i ON i.id = u.invoice_id "
        "WHERE c.user_key = ? ORDER BY u.used_at, u.invoice_id",
        user_key,
    ):
        number, amount, used_at, reversed_at = use_row
        uses.setdefault(credit_id, []).append((number, amount, used_at, reversed_at))
    return [
        Past(number, amount, created_at, expires_at, voided, voided_at, tuple(uses.get(number, ())))
        for number, amount, created_at, expires_at, voided, voided_at in tx.rows(
            "SELECT id, amount, created_at, expires_at, voided, voided_at "
            "FROM billing_credits WHERE user_key = ? ORDER BY id",
            user_key,
        )
    ]
