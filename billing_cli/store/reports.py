"""Rows of reports: invoices, payments and credits, one by one or added up.

``only`` is what :func:`billing_cli.store.report_scope.load_users` returned; spans are half-open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.store.report_scope import stretch_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.store.unit_of_work import Row, Transaction


class Span(NamedTuple):
    """Which rows: those of ``[start, stop)``, and of a billing period by its name, or of any."""

    start: int
    stop: int
    period: str | None = None


# What is owed on an invoice; on a draft or a void one nothing is.
DUE: Final = "CASE WHEN i.status IN ('sent', 'overdue') THEN i.total - i.amount_paid ELSE 0 END"
_NOTED: Final = (
    "LEFT JOIN (SELECT n.invoice_id, SUM(n.amount) AS amount FROM billing_credit_notes n "
    "WHERE n.voided_at IS NULL GROUP BY n.invoice_id) noted ON noted.invoice_id = i.id "
)
_INVOICE_SUMS: Final = (
    "i.subtotal",
    "i.tax",
    "i.credits",
    "i.total",
    "i.amount_paid",
    DUE,
    "COALESCE(noted.amount, 0)",
)
_SENT: Final = "COALESCE(i.sent_at, i.created_at)"


def _sums(columns: Sequence[str]) -> str:
    return ", ".join(f"CAST(COALESCE(SUM({column}), 0) AS BIGINT)" for column in columns)


def _of_span(span: Span) -> tuple[str, list[object]]:
    condition, parameters = f"{_SENT} >= ? AND {_SENT} < ?", [span.start, span.stop]
    if span.period is None:
        return condition, list(parameters)
    return f"{condition} AND i.period = ?", [*parameters, span.period]


def invoices(tx: Transaction, only: str, span: Span) -> Iterator[Row]:
    """Yield invoices that were sent in a span, and drafts made in it.

    By period, then in byte order of the users: id, number, user, kind, period with start and
    end, subtotal, tax, credits, total, paid, due, taken back by credit notes, currency, status,
    and the moments made, sent, due, paid and voided.
    """
    condition, parameters = _of_span(span)
    return tx.stream(
        "SELECT i.id, i.invoice_number, i.user_id, i.kind, i.period, i.period_start, "
        f"i.period_end, i.subtotal, i.tax, i.credits, i.total, i.amount_paid, {DUE}, "
        "CAST(COALESCE(noted.amount, 0) AS BIGINT), i.currency, i.status, i.created_at, "
        "i.sent_at, COALESCE(i.due_date, i.due_override), i.paid_at, i.voided_at "
        f"FROM billing_invoices i {_NOTED}WHERE {condition} AND {only.format('i.user_key')} "
        "ORDER BY i.period_start, i.period_end, i.user_id, i.id",
        *parameters,
    )


def invoice_sums(tx: Transaction, only: str, span: Span, group: str) -> Iterator[Row]:
    """Yield ``(group, count, subtotal, tax, credits, total, paid, due, taken back, currency)``.

    ``group`` is ``user_id``, ``status``, ``period`` or ``month``: then the group is the start of
    a loaded stretch. Final invoices that are not void count, by status all.
    """
    column = {
        "user_id": "i.user_id",
        "status": "i.status",
        "period": "i.period",
        "month": stretch_of(_SENT),
    }[group]
    condition, parameters = _of_span(span)
    if group != "status":
        condition += " AND i.status NOT IN ('draft', 'void')"
    return tx.stream(
        f"SELECT g.grouped, COUNT(*), {_sums([f'g.s{at}' for at in range(len(_INVOICE_SUMS))])}, "
        f"g.currency FROM (SELECT {_grouped(tx, column, group)} AS grouped, i.currency, "
        f"{', '.join(f'{sql} AS s{at}' for at, sql in enumerate(_INVOICE_SUMS))} "
        f"FROM billing_invoices i {_NOTED}WHERE {condition} AND {only.format('i.user_key')}) g "
        "GROUP BY g.grouped, g.currency ORDER BY g.grouped, g.currency",
        *parameters,
    )


def _grouped(tx: Transaction, column: str, group: str) -> str:
    """Return a column to group by, ordered by bytes where it is text."""
    return f'{column} COLLATE "C"' if tx.is_postgres and group != "month" else column


_PAYMENT_SUMS: Final = ("p.amount", "COALESCE(a.amount, 0)", "COALESCE(c.amount, 0)", "p.refunded")
_WENT: Final = (
    "LEFT JOIN (SELECT x.payment_id, SUM(x.amount) AS amount FROM billing_payment_allocations x "
    "WHERE x.released_at IS NULL GROUP BY x.payment_id) a ON a.payment_id = p.id "
    "LEFT JOIN (SELECT y.source_payment, SUM(y.amount - y.voided) AS amount "
    "FROM billing_credits y WHERE y.source_payment IS NOT NULL GROUP BY y.source_payment) c "
    "ON c.source_payment = p.id "
)


def payments(tx: Transaction, only: str, span: Span) -> Iterator[Row]:
    """Yield payments received in a span, in the order of recording.

    Id, user, invoice, amount, what invoices and credits have of it, refunded, currency, status,
    method, reference, reason, and the moments received, recorded and reversed.
    """
    return tx.stream(
        "SELECT p.id, p.user_id, i.invoice_number, p.amount, "
        "CAST(COALESCE(a.amount, 0) AS BIGINT), CAST(COALESCE(c.amount, 0) AS BIGINT), "
        "p.refunded, p.currency, p.status, p.method, p.reference, p.reason, p.received_at, "
        f"p.created_at, p.reversed_at FROM billing_payments p {_WENT}"
        "LEFT JOIN billing_invoices i ON i.id = p.invoice_id "
        f"WHERE p.received_at >= ? AND p.received_at < ? AND {only.format('p.user_key')} "
        "ORDER BY p.id",
        span.start,
        span.stop,
    )


def payment_sums(tx: Transaction, only: str, span: Span, group: str) -> Iterator[Row]:
    """Yield ``(group, count, amount, allocated, credited, refunded, currency)``.

    ``group`` is ``user_id``, ``method``, ``status`` or ``month``. Money that came in and did not
    bounce counts, by status all.
    """
    column = stretch_of("p.received_at") if group == "month" else f"p.{group}"
    condition = "" if group == "status" else "AND p.status IN ('succeeded', 'unmatched') "
    return tx.stream(
        f"SELECT g.grouped, COUNT(*), {_sums([f'g.s{at}' for at in range(len(_PAYMENT_SUMS))])}, "
        f"g.currency FROM (SELECT {_grouped(tx, column, group)} AS grouped, p.currency, "
        f"{', '.join(f'{sql} AS s{at}' for at, sql in enumerate(_PAYMENT_SUMS))} "
        f"FROM billing_payments p {_WENT}"
        f"WHERE p.received_at >= ? AND p.received_at < ? {condition}"
        f"AND {only.format('p.user_key')}) g "
        # A payment that is nobody's yet comes last, wherever a database puts what is missing.
        "GROUP BY g.grouped, g.currency "
        "ORDER BY CASE WHEN g.grouped IS NULL THEN 1 ELSE 0 END, g.grouped, g.currency",
        span.start,
        span.stop,
    )


_SOURCE: Final = (
    "CASE WHEN c.source_note IS NOT NULL THEN 'credit-note' "
    "WHEN c.source_payment IS NOT NULL THEN 'payment' "
    "WHEN c.source_invoice IS NOT NULL THEN 'invoice' ELSE 'operator' END"
)
_GONE: Final = "c.expires_at IS NOT NULL AND c.expires_at <= ?"
_UNUSED: Final = "c.amount - c.voided - COALESCE(u.amount, 0)"
_CREDIT_SUMS: Final = (
    "c.amount",
    "COALESCE(u.amount, 0)",
    f"CASE WHEN {_GONE} THEN 0 ELSE {_UNUSED} END",
    f"CASE WHEN {_GONE} THEN {_UNUSED} ELSE 0 END",
    "c.voided",
)
_USED: Final = (
    "LEFT JOIN (SELECT x.credit_id, SUM(x.amount) AS amount FROM billing_credit_uses x "
    "WHERE x.reversed_at IS NULL GROUP BY x.credit_id) u ON u.credit_id = c.id "
)


def credits(tx: Transaction, only: str, span: Span, now: int) -> Iterator[Row]:
    """Yield credits granted in a span, in the order of granting, as they are now.

    Id, user, amount, used, remaining, expired, voided, currency, source with its id, reason,
    the moments granted, expiring and voided, and why it was voided.
    """
    sums = ", ".join(f"CAST({sql} AS BIGINT)" for sql in _CREDIT_SUMS)
    return tx.stream(
        f"SELECT c.id, c.user_id, {sums}, c.currency, {_SOURCE}, "
        "COALESCE(c.source_note, c.source_payment, c.source_invoice), c.reason, c.created_at, "
        f"c.expires_at, c.voided_at, c.void_reason FROM billing_credits c {_USED}"
        f"WHERE c.created_at >= ? AND c.created_at < ? AND {only.format('c.user_key')} "
        "ORDER BY c.id",
        now,
        now,
        span.start,
        span.stop,
    )


def credit_sums(tx: Transaction, only: str, span: Span, now: int, group: str) -> Iterator[Row]:
    """Yield ``(group, count, amount, used, remaining, expired, voided, currency)``.

    ``group`` is ``user_id``, ``source`` or ``month``.
    """
    column = {"month": stretch_of("c.created_at"), "source": _SOURCE, "user_id": "c.user_id"}[group]
    return tx.stream(
        f"SELECT g.grouped, COUNT(*), {_sums([f'g.s{at}' for at in range(len(_CREDIT_SUMS))])}, "
        f"g.currency FROM (SELECT {_grouped(tx, column, group)} AS grouped, c.currency, "
        f"{', '.join(f'{sql} AS s{at}' for at, sql in enumerate(_CREDIT_SUMS))} "
        f"FROM billing_credits c {_USED}WHERE c.created_at >= ? AND c.created_at < ? "
        f"AND {only.format('c.user_key')}) g "
        "GROUP BY g.grouped, g.currency ORDER BY g.grouped, g.currency",
        now,
        now,
        span.start,
        span.stop,
    )
