"""What must hold of payments, credit notes and what they settle: the checks of ``db check``."""

from __future__ import annotations

from typing import Final, NamedTuple


class Agreement(NamedTuple):
    """What must hold: a query for what breaks it, and how to tell of its first column."""

    name: str
    text: str
    sql: str


def _sum(what: str, where: str) -> str:
    return f"COALESCE((SELECT SUM({what}) FROM {where}), 0)"


_ALLOCATED: Final = _sum(
    "a.amount", "billing_payment_allocations a WHERE a.payment_id = p.id AND a.released_at IS NULL"
)
_CREDITED: Final = _sum("c.amount - c.voided", "billing_credits c WHERE c.source_payment = p.id")
# What was given back for a credit note is still counted as the invoice's.
_BARE_REFUNDS: Final = _sum(
    "r.amount",
    "billing_refunds r LEFT JOIN billing_credit_notes n ON n.id = r.credit_note_id "
    "AND n.voided_at IS NULL WHERE r.payment_id = p.id AND n.id IS NULL",
)
_REFUNDS: Final = _sum("r.amount", "billing_refunds r WHERE r.payment_id = p.id")
_SETTLED: Final = "{} + {}".format(
    _sum(
        "a.amount",
        "billing_payment_allocations a WHERE a.invoice_id = i.id AND a.released_at IS NULL",
    ),
    _sum("n.applied", "billing_credit_notes n WHERE n.invoice_id = i.id AND n.voided_at IS NULL"),
)

PAYMENTS: Final = (
    Agreement(
        name="invoice payments",
        text="invoice {0} is not settled by as much as it says",
        sql=f"SELECT i.id FROM billing_invoices i WHERE i.amount_paid <> {_SETTLED}",
    ),
    Agreement(
        name="invoice states",
        text="invoice {0} is not in the state that its balance asks for",
        sql="SELECT id FROM billing_invoices WHERE amount_paid < 0 OR amount_paid > total "
        "OR (status = 'paid' AND amount_paid <> total) "
        "OR (status IN ('sent', 'overdue') AND amount_paid = total) "
        "OR (status IN ('draft', 'void') AND amount_paid <> 0)",
    ),
    Agreement(
        name="payments",
        text="payment {0} is not where it says",
        sql="SELECT p.id FROM billing_payments p WHERE p.refunded <> "
        f"{_REFUNDS} OR (p.status = 'succeeded' AND p.amount <> "
        f"{_ALLOCATED} + {_CREDITED} + {_BARE_REFUNDS}) "
        f"OR (p.status <> 'succeeded' AND {_ALLOCATED} + {_CREDITED} <> 0)",
    ),
    Agreement(
        name="credit notes",
        text="credit note {0} did not become what it says",
        sql="SELECT n.number FROM billing_credit_notes n WHERE n.credited <> "
        f"{_sum('c.amount', 'billing_credits c WHERE c.source_note = n.id')} OR n.refunded <> "
        f"{_sum('r.amount', 'billing_refunds r WHERE r.credit_note_id = n.id')}",
    ),
    Agreement(
        name="credited invoices",
        text="more than all of invoice {0} was taken back",
        sql="SELECT i.id FROM billing_invoices i JOIN billing_credit_notes n "
        "ON n.invoice_id = i.id AND n.voided_at IS NULL GROUP BY i.id, i.subtotal, i.tax "
        "HAVING SUM(n.net) > i.subtotal OR SUM(n.tax) > i.tax",
    ),
)
