"""Rows of reports about accounts: what is owed for how long, customers, and tax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from billing_cli.store.report_history import ALLOCATIONS
from billing_cli.store.report_scope import stretch_of
from billing_cli.store.reports import DUE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_cli.pricing.aging import Cutoffs
    from billing_cli.store.reports import Span
    from billing_cli.store.unit_of_work import Row, Transaction

# What was owed at a moment: of what was sent and not void by then, less what had settled it.
_OWED: Final = (
    "(SELECT i.id, i.invoice_number, i.user_id, i.currency, "
    "COALESCE(i.due_date, i.sent_at) AS due_date, "
    "CAST(i.total - COALESCE(a.amount, 0) - COALESCE(n.amount, 0) AS BIGINT) AS owed "
    "FROM billing_invoices i "
    f"LEFT JOIN (SELECT x.invoice_id, SUM(x.amount) AS amount FROM {ALLOCATIONS} x "
    "WHERE x.allocated_at <= ? AND (x.released_at IS NULL OR x.released_at > ?) "
    "GROUP BY x.invoice_id) a ON a.invoice_id = i.id "
    "LEFT JOIN (SELECT y.invoice_id, SUM(y.applied) AS amount FROM billing_credit_notes y "
    "WHERE y.created_at <= ? AND (y.voided_at IS NULL OR y.voided_at > ?) "
    "GROUP BY y.invoice_id) n ON n.invoice_id = i.id "
    "WHERE i.sent_at <= ? AND (i.voided_at IS NULL OR i.voided_at > ?) AND {only})"
)


def owed(tx: Transaction, only: str, at: int) -> Iterator[Row]:
    """Yield ``(number, user, due moment, owed, currency)`` of invoices with something owed.

    As of an instant, in byte order of the users and by due moment.
    """
    return tx.stream(
        "SELECT o.invoice_number, o.user_id, o.due_date, o.owed, o.currency "
        f"FROM {_OWED.format(only=only.format('i.user_key'))} o WHERE o.owed <> 0 "
        "ORDER BY o.user_id, o.due_date, o.id",
        *[at] * 6,
    )


def owed_sums(tx: Transaction, only: str, bounds: Cutoffs) -> Iterator[Row]:
    """Yield ``(user, count, five classes, owed, currency, first due moment)``, by user.

    The classes are those of :data:`billing_cli.pricing.aging.CLASSES`.
    """
    late = "o.due_date <= ?"
    classes = (
        "o.due_date > ?",
        f"{late} AND o.due_date >= ?",
        "o.due_date < ? AND o.due_date >= ?",
        "o.due_date < ? AND o.due_date >= ?",
        "o.due_date < ?",
    )
    sums = ", ".join(
        f"CAST(SUM(CASE WHEN {condition} THEN o.owed ELSE 0 END) AS BIGINT)"
        for condition in classes
    )
    at, first, second, third = bounds
    return tx.stream(
        f"SELECT o.user_id, COUNT(*), {sums}, CAST(SUM(o.owed) AS BIGINT), o.currency, "
        f"MIN(o.due_date) FROM {_OWED.format(only=only.format('i.user_key'))} o "
        "WHERE o.owed <> 0 GROUP BY o.user_id, o.currency ORDER BY o.user_id, o.currency",
        *(at, at, first, first, second, second, third, third),
        *[at] * 6,
    )


_INVOICED: Final = (
    "LEFT JOIN (SELECT i.user_key, SUM(CASE WHEN i.sent_at >= ? AND i.sent_at < ? THEN 1 ELSE 0 "
    "END) AS many, SUM(CASE WHEN i.sent_at >= ? AND i.sent_at < ? THEN i.total ELSE 0 END) "
    f"AS billed, SUM({DUE}) AS due, "
    f"SUM(CASE WHEN i.due_date <= ? THEN {DUE} ELSE 0 END) AS overdue, MAX(i.sent_at) AS last_sent "
    "FROM billing_invoices i WHERE i.status NOT IN ('draft', 'void') GROUP BY i.user_key) v "
    "ON v.user_key = u.user_key "
)
_NOTED: Final = (
    "LEFT JOIN (SELECT n.user_key, SUM(n.amount) AS amount FROM billing_credit_notes n "
    "WHERE n.voided_at IS NULL AND n.created_at >= ? AND n.created_at < ? GROUP BY n.user_key) k "
    "ON k.user_key = u.user_key "
)
_PAID: Final = (
    "LEFT JOIN (SELECT p.user_key, SUM(p.amount - p.refunded) AS amount FROM billing_payments p "
    "WHERE p.status = 'succeeded' AND p.received_at >= ? AND p.received_at < ? "
    "GROUP BY p.user_key) m ON m.user_key = u.user_key "
)
_BALANCE: Final = (
    "LEFT JOIN (SELECT c.user_key, SUM(c.amount - c.voided - COALESCE((SELECT SUM(x.amount) "
    "FROM billing_credit_uses x WHERE x.credit_id = c.id AND x.reversed_at IS NULL), 0)) "
    "AS amount FROM billing_credits c WHERE c.expires_at IS NULL OR c.expires_at > ? "
    "GROUP BY c.user_key) b ON b.user_key = u.user_key "
)


def customers(tx: Transaction, only: str, span: Span, now: int) -> Iterator[Row]:
    """Yield what there is to say of each user, in byte order.

    User, name, e-mail, the plan held now and the start of its phase; of the span: invoices, billed,
    taken back by credit notes, collected; as it is now: owed, overdue, and the credit balance;
    and when the user was first known and last invoiced. Amounts without any are zero.
    """
    return tx.stream(
        "SELECT u.user_id, u.name, u.email, h.plan_id, h.start_second, "
        "CAST(COALESCE(v.many, 0) AS BIGINT), CAST(COALESCE(v.billed, 0) AS BIGINT), "
        "CAST(COALESCE(k.amount, 0) AS BIGINT), CAST(COALESCE(m.amount, 0) AS BIGINT), "
        "CAST(COALESCE(v.due, 0) AS BIGINT), CAST(COALESCE(v.overdue, 0) AS BIGINT), "
        "CAST(COALESCE(b.amount, 0) AS BIGINT), u.created_at, v.last_sent "
        "FROM billing_users u LEFT JOIN billing_subscription_phases h "
        "ON h.user_key = u.user_key AND h.start_second <= ? AND h.end_second > ? "
        f"{_INVOICED}{_NOTED}{_PAID}{_BALANCE}WHERE {only.format('u.user_key')} "
        "ORDER BY u.user_id",
        *(now, now),
        *(span.start, span.stop) * 2,
        now,
        *(span.start, span.stop) * 2,
        now,
    )


# The lines and the tax of an invoice, without the line that hands a negative one back as credit.
_NET: Final = (
    "i.subtotal - COALESCE((SELECT SUM(l.amount) FROM billing_invoice_lines l "
    "WHERE l.invoice_id = i.id AND l.kind = 'carried'), 0)"
)
_TAX_ARMS: Final = (
    ("i.sent_at", "billing_invoices i", _NET, "i.tax", "invoiced"),
    ("i.voided_at", "billing_invoices i", _NET, "i.tax", "voided"),
    (
        "n.created_at",
        "billing_credit_notes n JOIN billing_invoices i ON i.id = n.invoice_id",
        "n.net",
        "n.tax",
        "credited",
    ),
    (
        "n.voided_at",
        "billing_credit_notes n JOIN billing_invoices i ON i.id = n.invoice_id",
        "-n.net",
        "-n.tax",
        "credited",
    ),
)


def taxes(tx: Transaction, only: str, span: Span, group: str) -> Iterator[Row]:
    """Yield what was taxed in a span, and taken back in it, by group and rate.

    Each is ``(group, tax id, name, percent, count, invoiced net and tax, voided net and tax,
    net and tax of credit notes, currency)``. ``group`` is ``month`` (the start of a loaded
    stretch), ``period``, ``user_id``, or ``rate`` for nothing but the rate.
    """
    collated = ' COLLATE "C"' if tx.is_postgres else ""
    arms, parameters = [], list[object]()
    for at, tables, net, tax, what in _TAX_ARMS:
        grouped = {
            "month": stretch_of(at),
            "period": f"i.period{collated}",
            "user_id": f"i.user_id{collated}",
            "rate": "NULL",
        }[group]
        arms.append(
            f"SELECT {grouped} AS grouped, i.tax_id{collated} AS tax_id, "
            f"i.tax_name{collated} AS tax_name, i.tax_percent{collated} AS tax_percent, "
            f"'{what}' AS what, {net} AS net, {tax} AS tax, i.currency FROM {tables} "
            f"WHERE {at} >= ? AND {at} < ? AND i.sent_at IS NOT NULL "
            f"AND {only.format('i.user_key')}"
        )
        parameters += [span.start, span.stop]
    sums = ", ".join(
        f"CAST(SUM(CASE WHEN a.what = '{what}' THEN a.{part} ELSE 0 END) AS BIGINT)"
        for what in ("invoiced", "voided", "credited")
        for part in ("net", "tax")
    )
    return tx.stream(
        "SELECT a.grouped, a.tax_id, a.tax_name, a.tax_percent, "
        f"CAST(SUM(CASE WHEN a.what = 'invoiced' THEN 1 ELSE 0 END) AS BIGINT), {sums}, "
        f"a.currency FROM ({' UNION ALL '.join(arms)}) a "
        "GROUP BY a.grouped, a.tax_id, a.tax_name, a.tax_percent, a.currency "
        "ORDER BY a.grouped, CASE WHEN a.tax_id IS NULL THEN 0 ELSE 1 END, a.tax_id, "
        "a.tax_percent, a.tax_name, a.currency",
        *parameters,
    )
