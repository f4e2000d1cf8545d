"""Writes to Stripe, kept before they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_cli.store.unit_of_work import Transaction


class RequestRow(NamedTuple):
    """A row of ``billing_stripe_requests``; ``parameters`` is JSON."""

    idempotency_key: str
    target: str
    operation: str
    number: int
    object_id: str
    parameters: str
    sent_at: int
    finished_at: int | None = None
    result: str | None = None
    error: str | None = None


_COLUMNS = ", ".join(RequestRow._fields)


def last_of(tx: Transaction, targets: Sequence[str]) -> dict[tuple[str, str], RequestRow]:
    """Return the last request of each operation on some targets, by both."""
    subquery, parameter = tx.texts(targets)
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM billing_stripe_requests WHERE target IN {subquery} "
        "ORDER BY target, operation, number",
        parameter,
    )
    return {(row[1], row[2]): RequestRow(*row) for row in rows}


def insert(tx: Transaction, requests: Iterable[RequestRow]) -> None:
    """Keep requests that are about to be sent."""
    tx.insert("billing_stripe_requests", RequestRow._fields, requests)


def finish(tx: Transaction, answered: Iterable[tuple[int, str | None, str | None, str]]) -> None:
    """Keep ``(when, result, error, key)`` of requests that were answered."""
    tx.execute_many(
        "UPDATE billing_stripe_requests SET parameters = '', finished_at = ?, result = ?, "
        "error = ? WHERE idempotency_key = ?",
        list(answered),
    )


def close_others(tx: Transaction, keys: Sequence[str], now: int) -> None:
    """Close what has no answer, and that nobody wants any more, but for what makes something.

    What makes something stays, for whoever wants it again: it may have been made. Lines make
    something, too, but harm nothing: a draft to which they are added once more does not add up to
    the invoice, and is thrown away and begun again.
    """
    subquery, parameter = tx.texts(keys)
    tx.execute(
        "UPDATE billing_stripe_requests SET parameters = '', finished_at = ?, "
        "error = 'not wanted any more' WHERE finished_at IS NULL AND sent_at <= ? "
        "AND operation IN ('customer.update', 'product.update', 'price.update', "
        "'subscription.update', 'invoice.add_lines', 'invoice.update', 'invoice.finalize', "
        "'invoice.pay', 'invoice.attach_payment', 'invoice.void', 'invoice.give_up', "
        "'invoice.delete') "
        f"AND idempotency_key NOT IN {subquery}",
        now,
        now,
        parameter,
    )


def is_done(tx: Transaction, key: str) -> bool:
    """Tell whether a request was answered, and done."""
    sql = (
        "SELECT 1 FROM billing_stripe_requests "
        "WHERE idempotency_key = ? AND finished_at IS NOT NULL AND error IS NULL"
    )
    return tx.value(sql, key) is not None


def count_open(tx: Transaction) -> int:
    """Return how many requests have no answer yet."""
    count: int = tx.value("SELECT COUNT(*) FROM billing_stripe_requests WHERE finished_at IS NULL")
    return count
