"""What is compared with Stripe: ours by Stripe's ids, and ours of which Stripe showed nothing.

What Stripe has shown is kept in a temporary table, which is this connection's own: however much
there is, memory stays flat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.store.invoices import STRIPE
from billing_cli.store.stripe_links import CUSTOMER, local_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.store.unit_of_work import Transaction


class SubscriptionRow(NamedTuple):
    """A subscription that Stripe bills: its plan at a moment, or next or last, and its end."""

    stripe_id: str
    user_id: str
    plan_id: str | None
    end: int


class InvoiceRow(NamedTuple):
    """An invoice as it is compared; amounts in minor units, ``went_back`` why it is owed again."""

    stripe_id: str
    id: int
    user_id: str
    number: str
    period: str
    currency: str
    status: str
    total: int
    due: int
    is_copy: bool
    went_back: str | None


class PaymentRow(NamedTuple):
    """A payment as it is compared; ``period`` is that of the invoice that it is for."""

    intent: str
    user_id: str | None
    period: str | None
    currency: str
    amount: int
    status: str
    reason: str | None


class Missing(NamedTuple):
    """Something of ours that Stripe has not shown."""

    user_id: str | None
    id: str
    stripe_id: str | None
    amount: int
    currency: str
    problem: str | None


_NOTHING = "CAST(NULL AS TEXT)"
_UNSEEN = "NOT EXISTS (SELECT 1 FROM billing_shown x WHERE x.kind = '{kind}' AND x.id = {column})"
# Without a credit note what went back is owed again.
_WENT_BACK = (
    "(SELECT MIN(COALESCE(p.reason, r.reason, 'a payment went back')) "
    "FROM billing_payment_allocations a JOIN billing_payments p ON p.id = a.payment_id "
    "LEFT JOIN billing_refunds r ON r.payment_id = p.id AND r.credit_note_id IS NULL "
    "WHERE a.invoice_id = i.id AND p.stripe_payment_intent_id IS NOT NULL "
    "AND (p.status = 'reversed' OR r.id IS NOT NULL))"
)
# Not what a dispute took back, and not the further parts of one: these have a stroke.
_IS_REFUND = (
    "(SUBSTR(l.stripe_id, 1, 3) = 're_' OR SUBSTR(l.stripe_id, 1, 4) = 'pyr_') "
    "AND REPLACE(l.stripe_id, '/', '') = l.stripe_id"
)
_PAYMENTS = (
    "SELECT p.stripe_payment_intent_id, p.user_id, i.period, p.currency, p.amount, p.status, "
    "p.reason FROM billing_payments p LEFT JOIN billing_invoices i ON i.id = p.invoice_id "
)


def begin(tx: Transaction) -> None:
    """Forget what was shown."""
    text = 'text COLLATE "C"' if tx.is_postgres else "text"
    tx.temporary_table(
        "billing_shown", f"kind {text} NOT NULL, id {text} NOT NULL, PRIMARY KEY (kind, id)"
    )


def shown(tx: Transaction, kind: str, ids: Sequence[str]) -> None:
    """Remember what Stripe has shown."""
    tx.execute_many(
        "INSERT INTO billing_shown (kind, id) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(kind, one) for one in ids],
    )


def is_shown(tx: Transaction, kind: str, ids: Sequence[str]) -> set[str]:
    """Return those of some ids that are remembered."""
    subquery, parameter = tx.texts(ids)
    rows = tx.rows(
        f"SELECT id FROM billing_shown WHERE kind = ? AND id IN {subquery}", kind, parameter
    )
    return {row[0] for row in rows}


def users_of(tx: Transaction, customers: Sequence[str]) -> dict[str, str]:
    """Return the users that customers stand for."""
    subquery, parameter = tx.texts(customers)
    return dict(
        tx.rows(
            "SELECT c.stripe_id, u.user_id FROM billing_stripe_links c JOIN billing_users u "
            f"ON u.user_key = {local_number('c', CUSTOMER)} "
            f"WHERE c.kind = '{CUSTOMER}' AND c.stripe_id IN {subquery}",
            parameter,
        )
    )


def customers_of(tx: Transaction, users: Sequence[str]) -> dict[str, str | None]:
    """Return the customers of users; who is none of ours is not in the result."""
    subquery, parameter = tx.texts(users)
    return dict(
        tx.rows(
            "SELECT u.user_id, c.stripe_id FROM billing_users u LEFT JOIN billing_stripe_links c "
            "ON c.kind = 'customer' AND c.local_id = CAST(u.user_key AS TEXT) "
            f"WHERE u.user_id IN {subquery}",
            parameter,
        )
    )


def missing_customers(tx: Transaction) -> Iterator[Missing]:
    """Yield users without a customer, or with one that Stripe has not shown."""
    unseen = _UNSEEN.format(kind="customer", column="c.stripe_id")
    return _missing(
        tx,
        f"SELECT u.user_id, u.user_id, c.stripe_id, 0, '', {_NOTHING} FROM billing_users u "
        "LEFT JOIN billing_stripe_links c ON c.kind = 'customer' "
        "AND c.local_id = CAST(u.user_key AS TEXT) "
        f"WHERE c.stripe_id IS NULL OR {unseen} ORDER BY u.user_id",
    )


def subscriptions(tx: Transaction, ids: Sequence[str], now: int) -> dict[str, SubscriptionRow]:
    """Return the subscriptions that some of Stripe's are, by Stripe's ids."""
    subquery, parameter = tx.texts(ids)
    nearest = (
        "(SELECT p.plan_id FROM billing_subscription_phases p WHERE p.subscription_id = s.id "
        "ORDER BY CASE WHEN p.end_second > ? THEN 0 ELSE 1 END, "
        "CASE WHEN p.end_second > ? THEN p.start_second ELSE -p.start_second END LIMIT 1)"
    )
    rows = tx.rows(
        f"SELECT s.stripe_subscription_id, s.user_id, {nearest}, "
        "CAST(COALESCE((SELECT MAX(p.end_second) FROM billing_subscription_phases p "
        "WHERE p.subscription_id = s.id), 0) AS BIGINT) FROM billing_subscriptions s "
        f"WHERE s.stripe_subscription_id IN {subquery}",
        now,
        now,
        parameter,
    )
    return {row[0]: SubscriptionRow(*row) for row in rows}


def missing_subscriptions(tx: Transaction) -> Iterator[Missing]:
    """Yield subscriptions that Stripe bills, as is said here, and has not shown."""
    unseen = _UNSEEN.format(kind="subscription", column="s.stripe_subscription_id")
    return _missing(
        tx,
        "SELECT s.user_id, s.stripe_subscription_id, s.stripe_subscription_id, 0, '', "
        f"{_NOTHING} FROM billing_subscriptions s WHERE s.stripe_subscription_id IS NOT NULL "
        f"AND {unseen} ORDER BY s.user_id, s.id",
    )


def invoices(tx: Transaction, ids: Sequence[str]) -> dict[str, InvoiceRow]:
    """Return the invoices that some of Stripe's are, by Stripe's ids."""
    subquery, parameter = tx.texts(ids)
    rows = tx.rows(
        "SELECT s.stripe_id, i.id, i.user_id, COALESCE(i.invoice_number, CAST(i.id AS TEXT)), "
        "i.period, i.currency, i.status, i.total, "
        # A void invoice asks for nothing.
        "CASE WHEN i.status = 'void' THEN 0 ELSE i.total - i.amount_paid END, "
        f"CASE WHEN i.kind = '{STRIPE}' THEN 1 ELSE 0 END, {_WENT_BACK} "
        "FROM billing_stripe_invoices s JOIN billing_invoices i ON i.id = s.invoice_id "
        f"WHERE s.stripe_id IN {subquery}",
        parameter,
    )
    return {row[0]: InvoiceRow(*row)._replace(is_copy=bool(row[9])) for row in rows}


def missing_invoices(tx: Transaction, period: str | None) -> Iterator[Missing]:
    """Yield final invoices of ours that Stripe has not shown: all, or of a period.

    One that is void need not be there.
    """
    unseen = _UNSEEN.format(kind="invoice", column="s.stripe_id")
    condition, parameters = ("AND i.period = ? ", [period]) if period else ("", [])
    return _missing(
        tx,
        "SELECT i.user_id, i.invoice_number, s.stripe_id, i.total, i.currency, s.problem "
        "FROM billing_invoices i LEFT JOIN billing_stripe_invoices s ON s.invoice_id = i.id "
        "WHERE i.invoice_number IS NOT NULL AND i.status <> 'void' "
        f"AND (s.stripe_id IS NULL OR {unseen}) {condition}ORDER BY i.id",
        *parameters,
    )


def payments(tx: Transaction, intents: Sequence[str]) -> dict[str, PaymentRow]:
    """Return the payments that came through some payment intents."""
    subquery, parameter = tx.texts(intents)
    rows = tx.rows(f"{_PAYMENTS}WHERE p.stripe_payment_intent_id IN {subquery}", parameter)
    return {row[0]: PaymentRow(*row) for row in rows}


def missing_payments(tx: Transaction, period: str | None) -> Iterator[Missing]:
    """Yield payments through Stripe that it has not shown: all, or for invoices of a period."""
    unseen = _UNSEEN.format(kind="payment", column="p.stripe_payment_intent_id")
    condition, parameters = ("AND i.period = ? ", [period]) if period else ("", [])
    return _missing(
        tx,
        "SELECT p.user_id, p.stripe_payment_intent_id, p.stripe_payment_intent_id, p.amount, "
        f"p.currency, {_NOTHING} FROM billing_payments p "
        "LEFT JOIN billing_invoices i ON i.id = p.invoice_id "
        "WHERE p.stripe_payment_intent_id IS NOT NULL AND p.status <> 'failed' "
        f"AND {unseen} {condition}ORDER BY p.id",
        *parameters,
    )


def refunds(tx: Transaction, ids: Sequence[str]) -> dict[str, int]:
    """Return how much was given back here for some refunds of Stripe's, in all their parts."""
    subquery, parameter = tx.texts(ids)
    # A part is called as the refund is, with a stroke and a number behind; after the stroke, in
    # byte order, comes the nought.
    return dict(
        tx.rows(
            "SELECT w.id, CAST(SUM(r.amount) AS BIGINT) FROM "
            f"(SELECT stripe_id AS id FROM billing_stripe_links WHERE kind = 'refund' "
            f"AND stripe_id IN {subquery}) w JOIN billing_stripe_links l ON l.kind = 'refund' "
            "AND (l.stripe_id = w.id OR (l.stripe_id > w.id || '/' AND l.stripe_id < w.id || '0')) "
            f"JOIN billing_refunds r ON r.id = {local_number('l', 'refund')} "
            "GROUP BY w.id ORDER BY w.id",
            parameter,
        )
    )


def missing_refunds(tx: Transaction) -> Iterator[Missing]:
    """Yield what was given back here of payments through Stripe, and is not among what it showed.

    What Stripe itself took back, as after a lost dispute, is no refund there.
    """
    unseen = _UNSEEN.format(kind="refund", column="l.stripe_id")
    return _missing(
        tx,
        "SELECT p.user_id, p.stripe_payment_intent_id, l.stripe_id, r.amount, p.currency, "
        f"{_NOTHING} FROM billing_refunds r JOIN billing_payments p ON p.id = r.payment_id "
        "LEFT JOIN billing_stripe_links l ON l.kind = 'refund' "
        "AND l.local_id = CAST(r.id AS TEXT) WHERE p.stripe_payment_intent_id IS NOT NULL "
        f"AND (l.stripe_id IS NULL OR ({_IS_REFUND} AND {unseen})) ORDER BY r.id",
    )


def _missing(tx: Transaction, sql: str, *parameters: object) -> Iterator[Missing]:
    return (Missing(*row) for row in tx.stream(sql, *parameters))
