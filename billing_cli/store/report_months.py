"""What happened in each stretch of time: the sums behind revenue and the ledger's assertions.

Everything is dated by its own moment, so a sum up to an instant is how things stood then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.store.report_history import ALLOCATIONS, WITHDRAWALS
from billing_cli.store.report_scope import stretch_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.store.unit_of_work import Transaction


class Arm(NamedTuple):
    """What adds to a measure: ``amount`` at the moment ``at``, of the user in ``user``."""

    measure: str
    at: str
    amount: str
    tables: str
    user: str
    condition: str = "1 = 1"


_I, _N, _P, _C = "i.user_key", "n.user_key", "p.user_key", "c.user_key"
_INVOICES, _NOTES = "billing_invoices i", "billing_credit_notes n"
_PAYMENTS = "billing_payments p"
_SENT: Final = "i.sent_at IS NOT NULL"
_ALLOCATED: Final = f"{ALLOCATIONS} a JOIN billing_invoices i ON i.id = a.invoice_id"
_CREDITS: Final = "billing_credits c"
_USES: Final = "billing_credit_uses u JOIN billing_credits c ON c.id = u.credit_id"
_REFUNDS: Final = "billing_refunds r JOIN billing_payments p ON p.id = r.payment_id"
_WITHDRAWN: Final = f"{WITHDRAWALS} w JOIN billing_credits c ON c.id = w.credit_id"

REVENUE: Final = (
    Arm("invoices", "i.sent_at", "1", _INVOICES, _I),
    Arm("subtotal", "i.sent_at", "i.subtotal", _INVOICES, _I),
    Arm("tax", "i.sent_at", "i.tax", _INVOICES, _I),
    Arm("credits", "i.sent_at", "i.credits", _INVOICES, _I),
    Arm("billed", "i.sent_at", "i.total", _INVOICES, _I),
    Arm("voided", "i.voided_at", "i.total", _INVOICES, _I, _SENT),
    Arm("credited", "n.created_at", "n.amount", _NOTES, _N),
    Arm("credited", "n.voided_at", "-n.amount", _NOTES, _N),
    Arm("applied", "n.created_at", "n.applied", _NOTES, _N),
    Arm("applied", "n.voided_at", "-n.applied", _NOTES, _N),
    Arm("collected", "p.received_at", "p.amount", _PAYMENTS, _P, "p.status <> 'failed'"),
    Arm("refunded", "p.reversed_at", "p.amount", _PAYMENTS, _P, "p.status = 'reversed'"),
    Arm("refunded", "r.refunded_at", "r.amount", _REFUNDS, _P),
    Arm("allocated", "a.allocated_at", "a.amount", _ALLOCATED, _I),
    Arm("allocated", "a.released_at", "-a.amount", _ALLOCATED, _I),
)
"""Owed at the end of a stretch is what was billed less voided, applied and allocated until then."""

BALANCES: Final = (
    *(arm for arm in REVENUE if arm.measure in {"billed", "voided", "applied", "allocated"}),
    *(arm for arm in REVENUE if arm.measure in {"collected", "refunded"}),
    Arm("taxed", "i.sent_at", "i.tax", _INVOICES, _I),
    Arm("taxed", "i.voided_at", "-i.tax", _INVOICES, _I, _SENT),
    Arm("taxed", "n.created_at", "-n.tax", _NOTES, _N),
    Arm("taxed", "n.voided_at", "n.tax", _NOTES, _N),
    Arm("credit", "c.created_at", "c.amount", _CREDITS, _C),
    Arm("credit", "u.used_at", "-u.amount", _USES, _C),
    Arm("credit", "u.reversed_at", "u.amount", _USES, _C),
    Arm("credit", "w.at", "-w.amount", _WITHDRAWN, _C),
)
"""What the balances of a ledger follow from, besides the credits that expired."""


def sums(
    tx: Transaction, only: str, stop: int, arms: Sequence[Arm]
) -> Iterator[tuple[int, str, int]]:
    """Yield ``(start of the loaded stretch, measure, sum)`` of all before an instant."""
    queries = [
        f"SELECT {stretch_of(arm.at)} AS stretch, '{arm.measure}' AS measure, "
        f"{arm.amount} AS amount FROM {arm.tables} "
        f"WHERE {arm.at} < ? AND {arm.condition} AND {only.format(arm.user)}"
        for arm in arms
    ]
    return tx.stream(
        "SELECT m.stretch, m.measure, CAST(SUM(m.amount) AS BIGINT) "
        f"FROM ({' UNION ALL '.join(queries)}) m "
        "GROUP BY m.stretch, m.measure ORDER BY m.stretch, m.measure",
        *[stop] * len(arms),
    )
