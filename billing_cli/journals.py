"""The ledger as text for beancount and for hledger: entries, and balances that must hold.

Names come from outside. In beancount they stand in quotes, in hledger on a line of which some
characters end the description; both get what is shown and nothing that steers.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from billing_cli.harmless import visible
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.ledger import Entry
from billing_cli.pricing.money import exponent, format_minor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from billing_cli.pricing.ledger import Assertion, Journal

_DAY = timedelta(days=1)
_NO_DESCRIPTION = str.maketrans({";": ",", "|": "/"})


def beancount(journal: Journal) -> Iterator[str]:
    """Yield the ledger as beancount reads it, an entry a piece."""
    currency = journal.currency
    yield f'option "title" "Billing"\noption "operating_currency" "{currency}"\n'
    known: set[str] = set()
    for item in journal.items:
        day = _date(journal, item)
        yield from (f"\n{day} open {account} {currency}" for account in _new_accounts(item, known))
        if isinstance(item, Entry):
            payee = f"{_quoted(item.user_id)} " if item.user_id is not None else ""
            yield f"\n\n{day} * {payee}{_quoted(item.title)}\n"
            yield f'  time: "{format_instant(item.at)}"\n'
            yield "\n".join(
                [
                    f"  {account}  {format_minor(amount, currency)} {currency}"
                    for account, amount in item.postings
                ]
            )
        else:
            yield "\n"
            for account, amount in item.balances:
                yield f"\n{day} balance {account}  {format_minor(amount, currency)} {currency}"
        yield "\n"


def hledger(journal: Journal) -> Iterator[str]:
    """Yield the ledger as hledger reads it, an entry a piece."""
    currency = journal.currency
    example = f"1000.{'0' * exponent(currency)}"
    yield f"decimal-mark .\ncommodity {example} {currency}\n"
    zero = f"{format_minor(0, currency)} {currency}"
    known: set[str] = set()
    for item in journal.items:
        day = _date(journal, item)
        yield from (f"\naccount {account}" for account in _new_accounts(item, known))
        if isinstance(item, Entry):
            about = "" if item.user_id is None else f"{_described(item.user_id)} | "
            yield f"\n\n{day} * {about}{_described(item.title)}  ; time:{format_instant(item.at)}\n"
            yield "\n".join(
                [
                    f"    {account}  {format_minor(amount, currency)} {currency}"
                    for account, amount in item.postings
                ]
            )
        else:
            yield f"\n\n{day} * Balances\n"
            yield "\n".join(
                [
                    f"    {account}  {zero} =* {format_minor(amount, currency)} {currency}"
                    for account, amount in item.balances
                ]
            )
        yield "\n"


def _date(journal: Journal, item: Entry | Assertion) -> date:
    """Return the local date of an entry; what is asserted holds before the day that follows."""
    if isinstance(item, Entry):
        return journal.date_of(item.at)
    return journal.date_of(item.at - 1) + _DAY


def _new_accounts(item: Entry | Assertion, known: set[str]) -> list[str]:
    named = item.postings if isinstance(item, Entry) else item.balances
    new = [account for account, _ in named if account not in known]
    known.update(new)
    return new


def _quoted(text: str) -> str:
    escaped = visible(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _described(text: str) -> str:
    """Return text as a part of a description: nothing that begins a code, a comment or a note."""
    shown = visible(text).translate(_NO_DESCRIPTION).strip()
    return f"'{shown}" if shown[:1] in {"(", "*", "!", "="} else shown
