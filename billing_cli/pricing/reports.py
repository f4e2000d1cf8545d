"""What reports consist of: their columns by name and kind, and the spans of time of their rows.

Reports read with SQL and skip the domain. What they share is here: a row is a tuple with a value
for every field, in order, and a field's kind says what that value is. So whatever writes a report
knows what has to be made harmless and what is a number, without looking at a value.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from billing_cli.pricing.periods import Calendar

Value = str | int | None
Row = tuple[Value, ...]


class Kind(StrEnum):
    """What the values of a field are.

    ``TEXT`` came from outside and may hold anything; ``WORD`` is one of this program's own words,
    a period, a date or a currency; ``AMOUNT`` is an exact decimal as text, of money or of a
    quantity; ``INSTANT`` is RFC 3339 text in UTC; ``COUNT`` is an integer.
    """

    TEXT = "text"
    WORD = "word"
    AMOUNT = "amount"
    INSTANT = "instant"
    COUNT = "count"


class Shown(StrEnum):
    """Where a field is seen: always, on wide terminals only, or in the data formats only."""

    ALWAYS = "always"
    WIDE = "wide"
    DATA = "data"


class Field(NamedTuple):
    """A column. ``summed`` says that its sum makes sense, and stands below tables."""

    name: str
    kind: Kind
    shown: Shown = Shown.ALWAYS
    summed: bool = False


class Report(NamedTuple):
    """Rows with a value for each field, and what an operator should know of them."""

    title: str
    fields: tuple[Field, ...]
    rows: Iterable[Row]
    notes: tuple[str, ...] = ()


def text(name: str, shown: Shown = Shown.ALWAYS) -> Field:
    """Return a field of text from outside."""
    return Field(name, Kind.TEXT, shown)


def word(name: str, shown: Shown = Shown.ALWAYS) -> Field:
    """Return a field of this program's own words."""
    return Field(name, Kind.WORD, shown)


def instant(name: str, shown: Shown = Shown.DATA) -> Field:
    """Return a field of moments."""
    return Field(name, Kind.INSTANT, shown)


def amount(name: str, shown: Shown = Shown.ALWAYS) -> Field:
    """Return a field of exact decimals whose sum says nothing, such as a price."""
    return Field(name, Kind.AMOUNT, shown)


def money(name: str, shown: Shown = Shown.ALWAYS) -> Field:
    """Return a field of amounts that add up."""
    return Field(name, Kind.AMOUNT, shown, summed=True)


def count(name: str, shown: Shown = Shown.ALWAYS) -> Field:
    """Return a field of numbers of things that add up."""
    return Field(name, Kind.COUNT, shown, summed=True)


def number(name: str, shown: Shown = Shown.ALWAYS) -> Field:
    """Return a field of whole numbers whose sum says nothing, such as an id."""
    return Field(name, Kind.COUNT, shown)


class Stretch(NamedTuple):
    """A named span of time ``[start, end)``: a month, a quarter or a year of local time."""

    name: str
    start: int
    end: int


MONTH, QUARTER, YEAR = "month", "quarter", "year"
_MONTHS_OF: Final = {MONTH: 1, QUARTER: 3, YEAR: 12}


def stretches(calendar: Calendar, start: int, stop: int, unit: str = MONTH) -> list[Stretch]:
    """Divide ``[start, stop)`` at the ends of calendar months, quarters or years of local time.

    The first and the last may be parts. They are named ``2025-01``, ``2025-Q1`` and ``2025``.
    """
    found: list[Stretch] = []
    at = start
    while at < stop:
        end = min(calendar.month_bounds(at)[1], stop)
        # A change of the time zone may have the old zone's month end before it begins.
        end = max(end, min(calendar.next_day(at), stop))
        day = calendar.local_date(at)
        name = _name(day.year, day.month, _MONTHS_OF[unit])
        if found and found[-1].name == name:
            found[-1] = found[-1]._replace(end=end)
        else:
            found.append(Stretch(name, at, end))
        at = end
    return found


def _name(year: int, month: int, months: int) -> str:
    if months == _MONTHS_OF[YEAR]:
        return f"{year:04}"
    if months == _MONTHS_OF[QUARTER]:
        return f"{year:04}-Q{(month + 2) // 3}"
    return f"{year:04}-{month:02}"


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
    word("kind"),
    amount("quantity"),
    word("unit"),
    amount("unit_price"),
    money("total_cost"),
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
    money("subtotal"),
    money("tax"),
    money("credits"),
    money("total"),
    money("amount_paid", Shown.WIDE),
    money("amount_due"),
    money("credited", Shown.WIDE),
    word("currency", Shown.WIDE),
    word("status"),
    instant("created_at"),
    instant("sent_at"),
    instant("due_date"),
    instant("paid_at"),
    instant("voided_at"),
)
INVOICE_SUMS: Final = (
    count("invoices"),
    money("subtotal"),
    money("tax"),
    money("credits"),
    money("total"),
    money("amount_paid", Shown.WIDE),
    money("amount_due"),
    money("credited", Shown.WIDE),
    word("currency", Shown.WIDE),
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
CUSTOMERS: Final = (
    text("user_id"),
    text("name", Shown.WIDE),
    text("email", Shown.DATA),
    text("plan_id"),
    money("mrr"),
    count("invoices", Shown.WIDE),
    money("billed"),
    money("credited", Shown.WIDE),
    money("collected"),
    money("outstanding"),
    money("overdue", Shown.WIDE),
    money("credit_balance", Shown.WIDE),
    word("currency", Shown.WIDE),
    instant("created_at"),
    instant("last_invoice_at"),
)
CUSTOMER_SUMS: Final = (
    text("plan_id"),
    count("users"),
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


def add_up(fields: Iterable[Field]) -> list[int]:
    """Return the positions of the fields whose sums make sense."""
    return [at for at, field in enumerate(fields) if field.summed]


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
    if report == "tax":
        return ((*_TAX_GROUPS[group], *TAX)) if group in _TAX_GROUPS else TAX
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
_TAX_GROUPS: Final = {
    "month": (word("month"),),
    "period": (text("period"),),
    "user": (text("user_id"),),
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
    ("ledger", "posting"): LEDGER_POSTINGS,
    ("ledger", "account"): LEDGER_ACCOUNTS,
}
_SUMS: Final = {"invoices": INVOICE_SUMS, "payments": PAYMENT_SUMS, "credits": CREDIT_SUMS}
