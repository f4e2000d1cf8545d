"""When the books begin: reports without a first date start there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from billing_cli.store.unit_of_work import Transaction

_BEGINNINGS: Final = (
    ("sent_at", "billing_invoices", "user_key"),
    ("received_at", "billing_payments", "user_key"),
    ("created_at", "billing_credits", "user_key"),
    ("start_second", "billing_subscription_phases", "user_key"),
)


def first(tx: Transaction, only: str) -> int | None:
    """Return the first moment of any invoice, payment, credit or plan; None without any."""
    moments = " UNION ALL ".join(
        f"SELECT MIN({column}) AS at FROM {table} WHERE {only.format(user)}"
        for column, table, user in _BEGINNINGS
    )
    value: int | None = tx.value(f"SELECT MIN(m.at) FROM ({moments}) m")
    return value


def first_record(tx: Transaction) -> int | None:
    """Return where the first usage or overage record begins; None without any."""
    value: int | None = tx.value(
        "SELECT MIN(m.at) FROM (SELECT MIN(start_time) AS at FROM billing_usage_records UNION ALL "
        "SELECT MIN(start_time) AS at FROM billing_overage_records) m"
    )
    return value
