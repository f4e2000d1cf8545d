"""Invoices as Stripe has them, and what of ours it has yet to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing import stripe_steps as steps
from billing_cli.store.invoice_rows import COLUMNS, InvoiceRow
from billing_cli.store.invoices import STRIPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.store.unit_of_work import Row, Transaction


class StripeInvoiceRow(NamedTuple):
    """A row of ``billing_stripe_invoices``; amounts in minor units."""

    invoice_id: int
    stripe_id: str | None
    stage: str
    status: str
    remaining: int
    collects: int
    url: str | None
    problem: str | None


class Pair(NamedTuple):
    """An invoice of ours, and the same as Stripe has it."""

    invoice: InvoiceRow
    there: StripeInvoiceRow | None


class NoteToSend(NamedTuple):
    """A credit note that Stripe has not been told of; amounts in minor units.

    ``invoice`` is Stripe's id, ``remaining`` what Stripe would still collect of it.
    """

    id: int
    number: str
    user_id: str
    amount: int
    applied: int
    reason: str
    currency: str
    invoice: str
    remaining: int


class RefundToSend(NamedTuple):
    """A refund of a payment of Stripe's that Stripe has not been told of; minor units."""

    id: int
    user_id: str | None
    amount: int
    currency: str
    intent: str


_OURS = ", ".join(f"i.{name}" for name in COLUMNS)
_THERE = ", ".join(f"s.{name}" for name in StripeInvoiceRow._fields)
_PAIRS = (
    f"SELECT {_OURS}, {_THERE} FROM billing_invoices i "
    "{join} JOIN billing_stripe_invoices s ON s.invoice_id = i.id "
)
_DUE = "(i.total - i.amount_paid)"
_NEW = (
    f"i.kind <> '{STRIPE}' AND i.invoice_number IS NOT NULL AND ("
    "(s.invoice_id IS NULL AND i.status <> 'void' AND i.sent_at >= ?) "
    "OR (s.stage = 'held' AND i.status <> 'void') "
    "OR (s.stage IN ('created', 'filled', 'odd') AND s.status <> 'deleted'))"
)
# A credit note that Stripe has yet to be told of says why less is owed.
_NOTED = (
    "EXISTS (SELECT 1 FROM billing_credit_notes n WHERE n.invoice_id = i.id "
    "AND n.voided_at IS NULL AND NOT EXISTS (SELECT 1 FROM billing_stripe_links l "
    "WHERE l.kind = 'credit_note' AND l.local_id = CAST(n.id AS TEXT)))"
)
_UNSETTLED = (
    "s.stage = 'final' AND s.status IN ('open', 'uncollectible') "
    "AND ((i.status = 'void' AND (s.status = 'open' OR s.remaining = i.total)) "
    f"OR (i.status <> 'void' AND ({_DUE} = 0 OR NOT {_NOTED}) "
    f"AND ({_DUE} < s.remaining OR (s.status = 'open' AND s.collects = 0 AND {_DUE} > 0))))"
)


def _pair(row: Row) -> Pair:
    width = len(COLUMNS)
    there = row[width:]
    return Pair(InvoiceRow(*row[:width]), None if there[0] is None else StripeInvoiceRow(*there))


def unsent(tx: Transaction, after: int, since: int, limit: int) -> list[Pair]:
    """Return the next invoices after an id that are not on Stripe, or not final there.

    Those sent before ``since`` of which Stripe has nothing are left out.
    """
    rows = tx.rows(
        f"{_PAIRS.format(join='LEFT')}WHERE i.id > ? AND {_NEW} ORDER BY i.id LIMIT ?",
        after,
        since,
        limit,
    )
    return [_pair(row) for row in rows]


def unsettled(tx: Transaction, after: int, limit: int) -> list[Pair]:
    """Return the next invoices after an id for which Stripe asks for more than is owed here."""
    rows = tx.rows(
        f"{_PAIRS.format(join='INNER')}WHERE i.id > ? AND {_UNSETTLED} ORDER BY i.id LIMIT ?",
        after,
        limit,
    )
    return [_pair(row) for row in rows]


def count_unsent(tx: Transaction, since: int) -> int:
    """Return how many invoices :func:`unsent` has in all."""
    count: int = tx.value(
        "SELECT COUNT(*) FROM billing_invoices i "
        f"LEFT JOIN billing_stripe_invoices s ON s.invoice_id = i.id WHERE {_NEW}",
        since,
    )
    return count


def by_ids(tx: Transaction, ids: Sequence[int]) -> list[Pair]:
    """Return invoices by their ids, in their order."""
    subquery, parameter = tx.numbers(ids)
    rows = tx.rows(f"{_PAIRS.format(join='LEFT')}WHERE i.id IN {subquery} ORDER BY i.id", parameter)
    return [_pair(row) for row in rows]


def by_stripe_id(tx: Transaction, stripe_id: str) -> Pair | None:
    """Return the invoice that one of Stripe's is, or None."""
    row = tx.row(f"{_PAIRS.format(join='INNER')}WHERE s.stripe_id = ?", stripe_id)
    return None if row is None else _pair(row)


def pages(tx: Transaction, ids: Sequence[int]) -> dict[int, str]:
    """Return the addresses at which invoices can be paid on Stripe, by our ids of them."""
    subquery, parameter = tx.numbers(ids)
    return dict(
        tx.rows(
            "SELECT invoice_id, url FROM billing_stripe_invoices "
            f"WHERE invoice_id IN {subquery} AND url IS NOT NULL AND status = 'open'",
            parameter,
        )
    )


def put(tx: Transaction, rows: Iterable[StripeInvoiceRow]) -> None:
    """Keep how Stripe has invoices."""
    names = StripeInvoiceRow._fields
    changes = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    tx.execute_many(
        f"INSERT INTO billing_stripe_invoices ({', '.join(names)}) "
        f"VALUES ({', '.join('?' * len(names))}) ON CONFLICT (invoice_id) DO UPDATE SET {changes}",
        list(rows),
    )


def nothing(invoice_id: int) -> StripeInvoiceRow:
    """Return that Stripe has nothing of an invoice: it is sent as one that is new."""
    return StripeInvoiceRow(invoice_id, None, steps.HELD, "", 0, 0, None, None)


def set_problem(tx: Transaction, invoice_id: int, problem: str) -> None:
    """Say why an invoice is held up, whether Stripe has something of it or not."""
    tx.execute(
        "INSERT INTO billing_stripe_invoices (invoice_id, stage, status, remaining, collects, "
        "problem) VALUES (?, 'held', '', 0, 0, ?) "
        "ON CONFLICT (invoice_id) DO UPDATE SET problem = excluded.problem",
        invoice_id,
        problem,
    )


def notes_to_send(tx: Transaction, after: int, limit: int) -> list[NoteToSend]:
    """Return the next credit notes after an id on final invoices of ours that are on Stripe.

    One whose money has yet to go back there waits for that.
    """
    rows = tx.rows(
        "SELECT n.id, n.number, n.user_id, n.amount, n.applied, n.reason, n.currency, "
        "s.stripe_id, CASE WHEN s.status = 'open' THEN s.remaining ELSE 0 END "
        "FROM billing_credit_notes n JOIN billing_invoices i ON i.id = n.invoice_id "
        "JOIN billing_stripe_invoices s ON s.invoice_id = i.id "
        f"WHERE n.id > ? AND n.voided_at IS NULL AND i.kind <> '{STRIPE}' AND s.stage = 'final' "
        "AND s.status IN ('open', 'paid') AND NOT EXISTS (SELECT 1 FROM billing_stripe_links l "
        "WHERE l.kind = 'credit_note' AND l.local_id = CAST(n.id AS TEXT)) "
        "AND NOT EXISTS (SELECT 1 FROM billing_refunds r "
        "JOIN billing_payments p ON p.id = r.payment_id WHERE r.credit_note_id = n.id "
        "AND p.stripe_payment_intent_id IS NOT NULL AND NOT EXISTS ("
        "SELECT 1 FROM billing_stripe_links l WHERE l.kind = 'refund' "
        "AND l.local_id = CAST(r.id AS TEXT))) ORDER BY n.id LIMIT ?",
        after,
        limit,
    )
    return [NoteToSend(*row) for row in rows]


def refunds_of_notes(
    tx: Transaction, note_ids: Sequence[int]
) -> Iterator[tuple[int, int, str | None]]:
    """Yield note, amount and Stripe's refund (None where it was not given back there)."""
    subquery, parameter = tx.numbers(note_ids)
    yield from (
        (note, amount, refund)
        for note, amount, refund in tx.rows(
            "SELECT r.credit_note_id, r.amount, l.stripe_id FROM billing_refunds r "
            "LEFT JOIN billing_stripe_links l ON l.kind = 'refund' "
            "AND l.local_id = CAST(r.id AS TEXT) "
            f"WHERE r.credit_note_id IN {subquery} ORDER BY r.id",
            parameter,
        )
    )


def refunds_to_send(tx: Transaction, after: int, limit: int) -> list[RefundToSend]:
    """Return the next refunds after an id of payments that came through Stripe."""
    rows = tx.rows(
        "SELECT r.id, p.user_id, r.amount, p.currency, p.stripe_payment_intent_id "
        "FROM billing_refunds r JOIN billing_payments p ON p.id = r.payment_id "
        "WHERE r.id > ? AND p.stripe_payment_intent_id IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM billing_stripe_links l "
        "WHERE l.kind = 'refund' AND l.local_id = CAST(r.id AS TEXT)) ORDER BY r.id LIMIT ?",
        after,
        limit,
    )
    return [RefundToSend(*row) for row in rows]


def problems(tx: Transaction) -> list[tuple[str, str, str]]:
    """Return user, number and problem of the invoices that are held up."""
    return [
        (user, number, problem)
        for user, number, problem in tx.rows(
            "SELECT i.user_id, COALESCE(i.invoice_number, CAST(i.id AS TEXT)), s.problem "
            "FROM billing_stripe_invoices s JOIN billing_invoices i ON i.id = s.invoice_id "
            "WHERE s.problem IS NOT NULL ORDER BY i.id"
        )
    ]
