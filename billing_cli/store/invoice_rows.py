"""The rows of invoices, of their lines and claims, as plain values."""

from __future__ import annotations

import json
from typing import NamedTuple

COLUMNS = (
    "id",
    "user_key",
    "user_id",
    "invoice_number",
    "kind",
    "period",
    "period_start",
    "period_end",
    "currency",
    "subtotal",
    "tax",
    "credits",
    "total",
    "tax_id",
    "tax_name",
    "tax_percent",
    "status",
    "created_at",
    "sent_at",
    "due_date",
    "paid_at",
    "voided_at",
    "void_reason",
    "written_off",
    "superseded_by",
    "amount_paid",
    "overdue_at",
    "memo",
    "due_override",
)


class InvoiceRow(NamedTuple):
    """A row of ``billing_invoices``, in the order of :data:`COLUMNS`."""

    id: int
    user_key: int
    user_id: str
    invoice_number: str | None
    kind: str
    period: str
    period_start: int
    period_end: int
    currency: str
    subtotal: int
    tax: int
    credits: int
    total: int
    tax_id: str | None
    tax_name: str | None
    tax_percent: str | None
    status: str
    created_at: int
    sent_at: int | None
    due_date: int | None
    paid_at: int | None
    voided_at: int | None
    void_reason: str | None
    written_off: int
    superseded_by: int | None
    amount_paid: int = 0
    overdue_at: int | None = None
    memo: str | None = None
    due_override: int | None = None

    @property
    def due(self) -> int:
        """What is still owed, in minor units."""
        return self.total - self.amount_paid


class LineRow(NamedTuple):
    """A row of ``billing_invoice_lines``; ``parts`` is JSON text."""

    invoice_id: int
    position: int
    user_key: int
    kind: str
    description: str
    item: str | None
    resource_type: str | None
    quantity: str | None
    unit_price: str | None
    parts: str | None
    unit_start: int
    unit_end: int
    unit_invoice: int | None
    amount: int


class BilledLine(NamedTuple):
    """What a line bills, and the status of its invoice."""

    invoice_id: int
    invoice_status: str
    user_key: int
    unit_start: int
    unit_invoice: int | None
    item: str
    unit_price: str
    parts: str
    amount: int


class ClaimRow(NamedTuple):
    """A row of ``billing_claims``."""

    user_key: int
    start: int
    stop: int
    invoice_id: int


def dump_parts(parts: dict[int, int] | None) -> str | None:
    """Write exact quantities as JSON pairs of month seconds and base units."""
    if parts is None:
        return None
    pairs = ",".join([f"[{month},{base}]" for month, base in sorted(parts.items())])
    return f"[{pairs}]"


def load_parts(text: str | None) -> dict[int, int]:
    """Read what :func:`dump_parts` wrote."""
    return {} if text is None else dict(json.loads(text))
