"""The columns of every report, and what its rows can be about.

``docs/reports.md`` says what each of them means; a test compares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from billing_cli.pricing.reports import Shown, amount, count, instant, money, number, text, word

if TYPE_CHECKING:
    from billing_cli.pricing.reports import Field

TITLES: Final = {
    "mrr": "MRR",
    "days_0_30": "0-30 days",
    "days_31_60": "31-60 days",
    "days_61_90": "61-90 days",
    "days_over_90": "Over 90 days",
}
"""The headings of columns whose names do not make one."""

USAGE_ROWS: Final = (
    word("kind"),
    amount("quantity"),
    word("unit"),
    amount("unit_price"),
    money("total_cost"),
    word("currency", Shown.WIDE),
)
USAGE_RECORDS: Final = (
    instant("start_time", Shown.ALWAYS),
    instant("end_time", Shown.WIDE),
    text("user_id"),
    text("session_id"),
    word("resource_type"),
    *USAGE_ROWS,
)
_INVOICED: Final = (
    money("subtotal"),
    money("tax"),
    money("credits"),
    money("total"),
    money("amount_paid", Shown.WIDE),
    money("amount_due"),
    money("credited", Shown.WIDE),
    word("currency", Shown.WIDE),
)
INVOICES: Final = (
    number("id", Shown.DATA),
    text("invoice_number"),
    text("user_id"),
    word("kind", Shown.DATA),
    text("period"),
    instant("period_start"),
    instant("period_end"),
    *_INVOICED,
    word("status"),
    instant("created_at"),
    instant("sent_at"),
    instant("due_date"),
    instant("paid_at"),
    instant("voided_at"),
)
INVOICE_SUMS: Final = (
    count("invoices"),
    *_INVOICED,
)
PAYMENTS: Final = (
    number("id"),
    text("user_id"),
    text("invoice_number"),
    money("amount"),
    money("allocated", Shown.WIDE),
    money("credited", Shown.WIDE),
    money("refunded", Shown.WIDE),
    word("currency", Shown.WIDE),
    word("status"),
    text("method", Shown.WIDE),
    text("reference", Shown.WIDE),
    text("reason", Shown.DATA),
    instant("received_at", Shown.WIDE),
    instant("created_at"),
    instant("reversed_at"),
)
PAYMENT_SUMS: Final = (
    count("payments"),
    money("amount"),
    money("allocated"),
    money("credited"),
    money("refunded"),
    word("currency", Shown.WIDE),
)
CREDITS: Final = (
    number("id"),
    text("user_id"),
    money("amount"),
    money("used"),
    money("remaining"),
    money("expired", Shown.WIDE),
    money("voided", Shown.WIDE),
    word("currency", Shown.WIDE),
    word("source"),
    number("source_id", Shown.DATA),
    text("reason", Shown.WIDE),
    instant("created_at"),
    instant("expires_at"),
    instant("voided_at"),
    text("void_reason", Shown.DATA),
)
CREDIT_SUMS: Final = (
    count("credits"),
    money("amount"),
    money("used"),
    money("remaining"),
    money("expired"),
    money("voided"),
    word("currency", Shown.WIDE),
)
REVENUE: Final = (
    count("invoices", Shown.WIDE),
    money("subtotal", Shown.DATA),
    money("tax", Shown.DATA),
    money("credits", Shown.DATA),
    money("billed"),
    money("voided", Shown.WIDE),
    money("credited", Shown.WIDE),
    money("collected"),
    money("refunded", Shown.WIDE),
    amount("outstanding"),
    amount("mrr"),
    money("new", Shown.WIDE),
    money("reactivation", Shown.WIDE),
    money("expansion", Shown.WIDE),
    money("contraction", Shown.WIDE),
    money("churn", Shown.WIDE),
    number("subscribers", Shown.WIDE),
    word("currency", Shown.WIDE),
)
AGING: Final = (
    money("not_due"),
    money("days_0_30"),
    money("days_31_60"),
    money("days_61_90"),
    money("days_over_90"),
    money("outstanding"),
)
AGING_USERS: Final = (
    text("user_id"),
    count("invoices", Shown.WIDE),
    *AGING,
    word("currency", Shown.WIDE),
    instant("oldest_due_date", Shown.DATA),
)
AGING_INVOICES: Final = (
    text("invoice_number"),
    text("user_id"),
    instant("due_date", Shown.WIDE),
    number("days_overdue"),
    *AGING,
    word("currency", Shown.WIDE),
)
_ACCOUNT: Final = (
    money("mrr"),
    count("invoices", Shown.WIDE),
    money("billed"),
    money("credited", Shown.WIDE),
    money("collected"),
    money("outstanding"),
    money("overdue", Shown.WIDE),
    money("credit_balance", Shown.WIDE),
    word("currency", Shown.WIDE),
)
CUSTOMERS: Final = (
    text("user_id"),
    text("name", Shown.WIDE),
    text("email", Shown.DATA),
    text("plan_id"),
    *_ACCOUNT,
    instant("created_at"),
    instant("last_invoice_at"),
)
CUSTOMER_SUMS: Final = (
    text("plan_id"),
    count("users"),
    *_ACCOUNT,
)
TAX: Final = (
    text("tax_id"),
    text("tax_name", Shown.WIDE),
    amount("tax_percent"),
    count("invoices", Shown.WIDE),
    money("invoiced_net", Shown.WIDE),
    money("invoiced_tax", Shown.WIDE),
    money("voided_net", Shown.WIDE),
    money("voided_tax", Shown.WIDE),
    money("credited_net", Shown.WIDE),
    money("credited_tax", Shown.WIDE),
    money("net"),
    money("tax"),
    word("currency", Shown.WIDE),
)
LEDGER_POSTINGS: Final = (
    word("date"),
    instant("at"),
    text("document"),
    text("user_id", Shown.WIDE),
    word("account"),
    money("debit"),
    money("credit"),
    word("currency", Shown.WIDE),
)
LEDGER_ACCOUNTS: Final = (
    word("account"),
    money("debit"),
    money("credit"),
    money("balance"),
    word("currency", Shown.WIDE),
)

GROUPS: Final = {
    "usage": ("user", "session", "resource", "day", "period", "record"),
    "invoices": ("invoice", "user", "period", "month", "status"),
    "payments": ("payment", "user", "method", "month", "status"),
    "credits": ("credit", "user", "source", "month"),
    "revenue": ("month", "quarter", "year"),
    "aging": ("user", "invoice"),
    "customers": ("user", "plan"),
    "tax": ("month", "period", "user", "rate"),
    "ledger": ("posting", "account"),
}
"""What the rows of each report can be about; the first is the default."""


def columns_of(report: str, group: str) -> tuple[Field, ...]:
    """Return the fields of a report whose rows are about something of :data:`GROUPS`."""
    if report == "usage":
        if group == "record":
            return USAGE_RECORDS
        about = _USAGE_GROUPS[group]
        resource = () if group == "resource" else (word("resource_type"),)
        return (about, *resource, *USAGE_ROWS)
    if report == "revenue":
        return (word(group), *REVENUE)
    if (report, group) in _ONE_BY_ONE:
        return _ONE_BY_ONE[report, group]
    return (_GROUPS_OF_THINGS[group], *_SUMS[report])


_USAGE_GROUPS: Final = {
    "user": text("user_id"),
    "session": text("session_id"),
    "resource": word("resource_type"),
    "day": word("date"),
    "period": word("period"),
}
_GROUPS_OF_THINGS: Final = {
    "user": text("user_id"),
    "period": text("period"),
    "month": word("month"),
    "status": word("status"),
    "method": text("method"),
    "source": word("source"),
}
_ONE_BY_ONE: Final = {
    ("invoices", "invoice"): INVOICES,
    ("payments", "payment"): PAYMENTS,
    ("credits", "credit"): CREDITS,
    ("aging", "user"): AGING_USERS,
    ("aging", "invoice"): AGING_INVOICES,
    ("customers", "user"): CUSTOMERS,
    ("customers", "plan"): CUSTOMER_SUMS,
    ("tax", "rate"): TAX,
    ("ledger", "posting"): LEDGER_POSTINGS,
    ("ledger", "account"): LEDGER_ACCOUNTS,
}
_SUMS: Final = {
    "invoices": INVOICE_SUMS,
    "payments": PAYMENT_SUMS,
    "credits": CREDIT_SUMS,
    "tax": TAX,
}
