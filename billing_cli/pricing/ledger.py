"""The books as double entry: the chart of accounts, and what moves between which accounts.

A *move* takes an amount from one account to another, at a moment, for a document. All moves of one
document at one moment are an *entry*, and what an account gets of them is one posting. So every
entry balances, whatever it is made of.

Payments pass through ``Liabilities:Payments``: money is there from when it was received until it is
known what it is for. Most are in and out within one entry, and leave nothing there.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.pricing.rating import OVERAGE_ITEMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date

RECEIVABLE: Final = "Assets:Receivable"
CASH: Final = "Assets:Cash"
PAYMENTS: Final = "Liabilities:Payments"
CREDITS: Final = "Liabilities:Credits"
TAX: Final = "Liabilities:Tax"
OPENING: Final = "Equity:Opening-Balances"
NOTES: Final = "Income:Credit-Notes"
LAPSED: Final = "Income:Lapsed-Credits"
GRANTED: Final = "Expenses:Granted-Credits"
WRITTEN_OFF: Final = "Expenses:Write-Offs"

CHART: Final = {
    RECEIVABLE: "what is owed on invoices",
    CASH: "payments that came in, less what was given back or bounced",
    PAYMENTS: "payments that are nobody's yet, or were received before they were recorded",
    f"{CREDITS}:Granted": "credits that an operator granted, as far as they can be used",
    f"{CREDITS}:Prepaid": "credits that payments left: money of users",
    f"{CREDITS}:Credit-Notes": "credits that credit notes gave",
    f"{CREDITS}:Carried": "credits that negative invoices gave",
    f"{TAX}:RATE": "tax of a rate, by its id",
    OPENING: "what was before the first date of an export",
    "Income:Usage:RESOURCE": "usage that is charged by the unit",
    "Income:Overage:RESOURCE": "use above a plan's limits",
    "Income:Plans:PLAN": "fees, by the plan's id",
    "Income:Other": "lines added by hand, and lines of other systems",
    NOTES: "what credit notes took back, without tax",
    LAPSED: "credits that expired or were voided",
    GRANTED: "credits that an operator granted",
    WRITTEN_OFF: "invoices voided with --write-off, without tax",
}
"""Every account, and what it holds. A word in capitals stands for a name."""

_FIXED: Final = {
    "receivable": RECEIVABLE,
    "cash": CASH,
    "payments": PAYMENTS,
    "notes": NOTES,
    "lapsed": LAPSED,
    "granted": GRANTED,
    "written-off": WRITTEN_OFF,
    "credit:operator": f"{CREDITS}:Granted",
    "credit:payment": f"{CREDITS}:Prepaid",
    "credit:credit-note": f"{CREDITS}:Credit-Notes",
    "credit:invoice": f"{CREDITS}:Carried",
}
_CLASSES: Final = ("Assets", "Liabilities", "Equity", "Income", "Expenses")
_BALANCE_SHEET: Final = frozenset({"Assets", "Liabilities"})
_NO_LETTER: Final = re.compile(r"[^A-Za-z0-9]+")

INVOICE, NOTE, PAYMENT, CREDIT, VOID, EXPIRY = 1, 2, 3, 4, 5, 6
"""The kinds of documents, in the order in which those of one moment come."""

_WORDS: Final = {
    INVOICE: "Invoice",
    NOTE: "Credit note",
    PAYMENT: "Payment",
    CREDIT: "Credit",
    VOID: "Voided invoice",
    EXPIRY: "Expired credit",
}


class Move(NamedTuple):
    """``amount`` minor units, debited to one account and credited to another.

    ``debit`` and ``credit`` are codes of :func:`account_of`; ``name`` is the document's number,
    where it has one besides its id.
    """

    at: int
    document: int
    id: int
    user_id: str | None
    name: str | None
    debit: str
    credit: str
    amount: int


class Posting(NamedTuple):
    """An amount in minor units: a debit above zero, a credit below."""

    account: str
    amount: int


class Entry(NamedTuple):
    """What a document did at a moment; the postings come to zero."""

    at: int
    title: str
    name: str | None
    user_id: str | None
    postings: tuple[Posting, ...]


class Assertion(NamedTuple):
    """What accounts, with those below them, hold at an instant; from sums, not from entries."""

    at: int
    balances: tuple[tuple[str, int], ...]


class Journal(NamedTuple):
    """Entries in order of time, with assertions among them, and how to date them."""

    items: Iterable[Entry | Assertion]
    currency: str
    date_of: Callable[[int], date]


def account_of(code: str) -> str:
    """Return the account that a code stands for.

    A code is one of the fixed ones, ``income:`` and an item
    (:data:`billing_cli.pricing.rating.LineKey`), or ``tax:`` and a rate's id.
    """
    fixed = _FIXED.get(code)
    if fixed is not None:
        return fixed
    kind, _, detail = code.partition(":")
    if kind == "tax":
        return f"{TAX}:{_component(detail or 'other')}"
    return _income(detail)


def _income(item: str) -> str:
    kind, _, detail = item.partition(":")
    if item in OVERAGE_ITEMS:
        return f"Income:Usage:{_component(item)}"
    if item in OVERAGE_ITEMS.values():
        return f"Income:Overage:{_component(detail)}"
    if kind in {"month", "year"} and detail:
        return f"Income:Plans:{_component(detail)}"
    return "Income:Other"


def _component(text: str) -> str:
    """Return an id as a part of an account's name: letters, digits and dashes."""
    plain = _NO_LETTER.sub("-", text).strip("-") or "Other"
    return plain[:1].upper() + plain[1:]


def entries(moves: Iterable[Move]) -> Iterator[Entry]:
    """Put moves, sorted by moment, document and id, together to entries.

    What moves to and fro within one is not seen, and an entry of nothing else is none.
    """
    for (at, document, number), group in groupby(moves, key=lambda move: move[:3]):
        sums: dict[str, int] = {}
        user = name = None
        for move in group:
            user, name = move.user_id or user, move.name or name
            for code, amount in ((move.debit, move.amount), (move.credit, -move.amount)):
                account = account_of(code)
                sums[account] = sums.get(account, 0) + amount
        postings = in_order(sums)
        if postings:
            title = f"{_WORDS[document]} {name or number}"
            yield Entry(at, title, name, user, postings)


def in_order(sums: dict[str, int]) -> tuple[Posting, ...]:
    """Return the postings that are not zero: assets first, expenses last."""
    return tuple(
        Posting(account, amount)
        for account, amount in sorted(sums.items(), key=lambda item: _place(item[0]))
        if amount
    )


def sorted_accounts(accounts: Iterable[str]) -> list[str]:
    """Return accounts in the order of :func:`in_order`."""
    return sorted(accounts, key=_place)


def _place(account: str) -> tuple[int, str]:
    return _CLASSES.index(account.partition(":")[0]), account


class Balances:
    """What accounts hold."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.sums: dict[str, int] = {}

    def add(self, entry: Entry) -> None:
        """Count an entry."""
        for account, amount in entry.postings:
            self.sums[account] = self.sums.get(account, 0) + amount

    def opening(self, at: int) -> Entry | None:
        """Return an entry that opens books with these balances; None where there are none.

        What was earned and spent by then is no more than a part of the equity.
        """
        kept = {
            account: amount
            for account, amount in self.sums.items()
            if account.partition(":")[0] in _BALANCE_SHEET
        }
        kept[OPENING] = -sum(kept.values())
        postings = in_order(kept)
        return Entry(at, "Opening balances", None, None, postings) if postings else None
