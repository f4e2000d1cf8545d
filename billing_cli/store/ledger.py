"""The books as moves between accounts: one query over everything that moves money.

The codes of accounts and the kinds of documents are those of :mod:`billing_cli.pricing.ledger`.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.pricing.credits import Past
from billing_cli.pricing.ledger import CREDIT, INVOICE, NOTE, PAYMENT, VOID, Move
from billing_cli.store.report_history import ALLOCATIONS, WITHDRAWALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_cli.store.unit_of_work import Transaction


class _Arm(NamedTuple):
    """Moves of one kind: ``amount`` at ``at`` from ``credit`` to ``debit``, all of them SQL."""

    at: str
    document: int
    id: str
    name: str
    user: str
    debit: str
    credit: str
    amount: str
    tables: str
    condition: str = "1 = 1"


_SOURCE: Final = (
    "CASE WHEN c.source_note IS NOT NULL THEN 'credit:credit-note' "
    "WHEN c.source_payment IS NOT NULL THEN 'credit:payment' "
    "WHEN c.source_invoice IS NOT NULL THEN 'credit:invoice' ELSE 'credit:operator' END"
)
_I: Final = "billing_invoices i"
_LINES: Final = "billing_invoice_lines l JOIN billing_invoices i ON i.id = l.invoice_id"
_ITEM: Final = "'income:' || COALESCE(l.item, '')"
_TAX: Final = "'tax:' || COALESCE(i.tax_id, '')"
_USES: Final = (
    "billing_credit_uses u JOIN billing_credits c ON c.id = u.credit_id "
    "JOIN billing_invoices i ON i.id = u.invoice_id"
)
_N: Final = "billing_credit_notes n JOIN billing_invoices i ON i.id = n.invoice_id"
_NOTE_CREDITS: Final = f"{_N} LEFT JOIN billing_credits c ON c.source_note = n.id"
_P: Final = "billing_payments p"
_A: Final = f"{ALLOCATIONS} a JOIN billing_payments p ON p.id = a.payment_id"
_REFUNDS: Final = (
    "billing_refunds r JOIN billing_payments p ON p.id = r.payment_id "
    "LEFT JOIN billing_credit_notes n ON n.id = r.credit_note_id"
)
_WITHDRAWN: Final = (
    f"{WITHDRAWALS} w JOIN billing_credits c ON c.id = w.credit_id "
    "LEFT JOIN billing_invoices i ON i.id = c.source_invoice "
    "LEFT JOIN billing_credit_notes n ON n.id = c.source_note"
)
_RECEIVABLE, _CASH, _PAYMENTS, _NOTES = "'receivable'", "'cash'", "'payments'", "'notes'"
_NUMBER: Final = "i.invoice_number"
# A line that hands a negative invoice back as credit is no income.
_CARRIED: Final = "l.kind = 'carried'"
_VOID: Final = "i.sent_at IS NOT NULL"
# Taken back together with the document that gave it, or by then gone already.
_OF_INVOICE: Final = "CASE WHEN c.voided_at = i.voided_at THEN 'credit:invoice' ELSE 'lapsed' END"
_OF_NOTE: Final = "CASE WHEN c.voided_at = n.voided_at THEN 'credit:credit-note' ELSE 'lapsed' END"


def _invoice(at: str, document: int, move: tuple[str, str], amount: str, tables: str) -> _Arm:
    return _Arm(at, document, "i.id", _NUMBER, "i.user_id", *move, amount, tables)


def _note(at: str, document: int, move: tuple[str, str], amount: str, tables: str = _N) -> _Arm:
    number, name = ("n.id", "n.number") if document == NOTE else ("i.id", _NUMBER)
    return _Arm(at, document, number, name, "n.user_id", *move, amount, tables)


def _payment(at: str, move: tuple[str, str], amount: str, tables: str) -> _Arm:
    return _Arm(at, PAYMENT, "p.id", "NULL", "p.user_id", *move, amount, tables)


def _where(condition: str, arm: _Arm) -> _Arm:
    return arm._replace(condition=condition)


_OF_LINES: Final = (
    ("i.sent_at", INVOICE, (_RECEIVABLE, _ITEM), f"NOT {_CARRIED}"),
    ("i.sent_at", INVOICE, (_RECEIVABLE, "'credit:invoice'"), _CARRIED),
    (
        "i.voided_at",
        VOID,
        (_ITEM, _RECEIVABLE),
        f"{_VOID} AND i.written_off = 0 AND NOT {_CARRIED}",
    ),
    (
        "i.voided_at",
        VOID,
        ("'written-off'", _RECEIVABLE),
        f"{_VOID} AND i.written_off = 1 AND NOT {_CARRIED}",
    ),
)
_INVOICES: Final = (
    *(
        _where(condition, _invoice(at, document, move, "l.amount", _LINES))
        for at, document, move, condition in _OF_LINES
    ),
    _where(
        f"{_VOID} AND {_CARRIED}",
        _invoice(
            "i.voided_at",
            VOID,
            (_OF_INVOICE, _RECEIVABLE),
            "l.amount",
            f"{_LINES} LEFT JOIN billing_credits c ON c.source_invoice = i.id",
        ),
    ),
    _invoice("i.sent_at", INVOICE, (_RECEIVABLE, _TAX), "i.tax", _I),
    _where(_VOID, _invoice("i.voided_at", VOID, (_TAX, _RECEIVABLE), "i.tax", _I)),
    _invoice("u.used_at", INVOICE, (_SOURCE, _RECEIVABLE), "u.amount", _USES),
    _invoice("u.reversed_at", VOID, (_RECEIVABLE, _SOURCE), "u.amount", _USES),
)
_CREDIT_NOTES: Final = (
    _note("n.created_at", NOTE, (_NOTES, _RECEIVABLE), "n.net"),
    _note("n.created_at", NOTE, (_TAX, _RECEIVABLE), "n.tax"),
    _note("n.created_at", NOTE, (_RECEIVABLE, "'credit:credit-note'"), "n.credited"),
    _note("n.created_at", NOTE, (_RECEIVABLE, _PAYMENTS), "n.refunded"),
    _note("n.voided_at", VOID, (_RECEIVABLE, _NOTES), "n.net"),
    _note("n.voided_at", VOID, (_RECEIVABLE, _TAX), "n.tax"),
    _note("n.voided_at", VOID, (_OF_NOTE, _RECEIVABLE), "n.credited", _NOTE_CREDITS),
    _note("n.voided_at", VOID, (_PAYMENTS, _RECEIVABLE), "n.refunded"),
)
_MONEY: Final = (
    _where("p.status <> 'failed'", _payment("p.received_at", (_CASH, _PAYMENTS), "p.amount", _P)),
    _where("p.status = 'reversed'", _payment("p.reversed_at", (_PAYMENTS, _CASH), "p.amount", _P)),
    _payment("a.allocated_at", (_PAYMENTS, _RECEIVABLE), "a.amount", _A),
    _payment("a.released_at", (_RECEIVABLE, _PAYMENTS), "a.amount", _A),
    _where("n.id IS NULL", _payment("r.refunded_at", (_PAYMENTS, _CASH), "r.amount", _REFUNDS)),
    _where(
        "n.id IS NOT NULL", _note("r.refunded_at", NOTE, (_PAYMENTS, _CASH), "r.amount", _REFUNDS)
    ),
    _payment(
        "c.created_at",
        (_PAYMENTS, "'credit:payment'"),
        "c.amount",
        f"{_P} JOIN billing_credits c ON c.source_payment = p.id",
    ),
    _payment(
        "w.at",
        ("'credit:payment'", _PAYMENTS),
        "w.amount",
        f"{WITHDRAWALS} w JOIN billing_credits c ON c.id = w.credit_id "
        "JOIN billing_payments p ON p.id = c.source_payment",
    ),
)
_CREDITS: Final = ("c.id", "NULL", "c.user_id")
_GRANTS: Final = (
    _where(
        "c.source_invoice IS NULL AND c.source_payment IS NULL AND c.source_note IS NULL",
        _Arm(
            "c.created_at",
            CREDIT,
            *_CREDITS,
            "'granted'",
            "'credit:operator'",
            "c.amount",
            "billing_credits c",
        ),
    ),
    _where(
        "c.source_payment IS NULL AND (i.voided_at IS NULL OR i.voided_at <> w.at) "
        "AND (n.voided_at IS NULL OR n.voided_at <> w.at)",
        _Arm("w.at", CREDIT, *_CREDITS, _SOURCE, "'lapsed'", "w.amount", _WITHDRAWN),
    ),
)
_ARMS: Final = (*_INVOICES, *_CREDIT_NOTES, *_MONEY, *_GRANTS)


def moves(tx: Transaction, only: str, stop: int) -> Iterator[Move]:
    """Yield every move before an instant, sorted by moment, document and id.

    :func:`billing_cli.store.report_history.load` has to have been called.
    """
    queries = [
        f"SELECT {arm.at} AS at, {arm.document} AS document, {arm.id} AS id, "
        f"{arm.user} AS user_id, {arm.name} AS name, {arm.debit} AS debit, "
        f"{arm.credit} AS credit, {arm.amount} AS amount FROM {arm.tables} "
        f"WHERE {arm.at} < ? AND {arm.amount} <> 0 AND {arm.condition} "
        f"AND {only.format(arm.user.replace('user_id', 'user_key'))}"
        for arm in _ARMS
    ]
    return map(
        Move._make,
        tx.stream(
            "SELECT m.at, m.document, m.id, m.user_id, m.name, m.debit, m.credit, m.amount "
            f"FROM ({' UNION ALL '.join(queries)}) m ORDER BY m.at, m.document, m.id",
            *[stop] * len(_ARMS),
        ),
    )


def expiring(tx: Transaction, only: str, now: int) -> Iterator[tuple[str, Past]]:
    """Yield the user and the past of each credit that has expired, in the order of expiry."""
    found = tx.stream(
        "SELECT c.expires_at, c.id, c.user_id, c.amount, c.created_at, c.voided, c.voided_at, "
        "u.amount, u.used_at, u.reversed_at FROM billing_credits c "
        "LEFT JOIN billing_credit_uses u ON u.credit_id = c.id "
        f"WHERE c.expires_at <= ? AND {only.format('c.user_key')} "
        "ORDER BY c.expires_at, c.id, u.used_at, u.invoice_id",
        now,
    )
    for head, group in groupby(found, key=lambda row: row[:7]):
        expires_at, number, user, amount, created_at, voided, voided_at = head
        uses = tuple(("", *row[7:]) for row in group if row[7] is not None)
        yield user, Past(number, amount, created_at, expires_at, voided, voided_at, uses)
