"""Credits: granting them by hand, and telling what became of them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError, NotFoundError, UsageError
from billing_cli.pricing import credits as rules
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.money import format_minor, parse_amount
from billing_cli.pricing.payments import LARGEST
from billing_cli.pricing.profiles import read_user_id
from billing_cli.services import terms
from billing_cli.store import credits, outbox, users
from billing_cli.store.names import USERS, Interner
from billing_cli.store.outbox import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from billing_cli.app import App
    from billing_cli.store.credits import CreditRow, Grant
    from billing_cli.store.unit_of_work import Transaction


def grant(tx: Transaction, grants: Sequence[Grant], now: int) -> range:
    """Grant credits in the caller's transaction, tell of them, and return their ids."""
    if not grants:
        return range(0)
    ids = credits.grant(tx, grants)
    outbox.tell(
        tx,
        [
            Notice(
                "billing.credit.granted",
                f"credit/{number}/granted",
                given.user_key,
                given.user_id,
                now,
                {
                    "credit_id": number,
                    "user_id": given.user_id,
                    "amount": format_minor(given.amount, given.currency),
                    "currency": given.currency,
                    "reason": given.reason,
                    "expires_at": instant_text(given.expires_at),
                },
            )
            for number, given in zip(ids, grants, strict=True)
        ],
        now,
    )
    return ids


def refuse_spent(tx: Transaction, rows: Sequence[CreditRow], what: str) -> None:
    """Raise :class:`ConflictError`, naming the invoices, where a credit of ``what`` is spent."""
    spent = [row.id for row in rows if row.used]
    if spent:
        numbers = ", ".join(credits.spenders(tx, spent))
        raise ConflictError(
            f"{what} granted a credit that is already spent on {numbers}",
            f"void {numbers} first",
        )


def withdraw(tx: Transaction, rows: Sequence[CreditRow], now: int, reason: str) -> None:
    """Take back all that is not used of some credits."""
    credits.withdraw(tx, [(row.id, row.unused()) for row in rows], now, reason)


def add(
    app: App, user_id: str, amount: str, reason: str, expires: date | None
) -> tuple[dict[str, object], bool]:
    """Grant a credit to a user; it can be used to the end of ``expires``.

    Returns the credit, and whether the user is new, by design or by a slip of the pen.
    """
    now = app.clock.now()
    try:
        user_id = read_user_id(user_id)
    except ValueError as error:
        raise UsageError(f"--user: {error}", "name the user as the events do") from error
    with app.unit_of_work() as uow:
        history = terms.establish(uow, app.settings, now).history
        currency = history.at(now).currency
        minor = positive(amount, currency)
        expires_at = None if expires is None else history.calendar.date_range(expires, expires)[1]
        if expires_at is not None and expires_at <= now:
            raise UsageError(f"--expires: {expires} has passed", "give a date that is to come")
        with uow.batch() as tx:
            is_new = user_id not in users.by_ids(tx, [user_id])
            key = Interner(USERS).keys(tx, {user_id})[user_id]
            given = credits.Grant(key, user_id, minor, currency, reason, now, expires_at=expires_at)
            (number,) = grant(tx, [given], now)
            return row_of(_require(tx, number), now), is_new


def positive(amount: str, currency: str, option: str = "--amount") -> int:
    """Return an amount of money in minor units; :class:`UsageError` for none above zero."""
    try:
        minor = parse_amount(amount, currency)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", f"write it in {currency}, such as 50.00") from error
    if minor > LARGEST:
        raise UsageError(f"{option}: the amount is too large", "give it in parts")
    if minor <= 0:
        raise UsageError(f"{option}: {amount} is not above zero", "give an amount above zero")
    return minor


@contextmanager
def listing(
    app: App, user_id: str | None, *, everything: bool
) -> Iterator[Iterator[dict[str, object]]]:
    """Give the credits of which something remains, or all, in the order of granting."""
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        key = None if user_id is None else users.key_of(tx, user_id)
        yield (
            row_of(row, now)
            for row in credits.listed(tx, key)
            if everything or (row.unused() and not row.is_expired(now))
        )


@contextmanager
def balances(app: App, user_id: str | None) -> Iterator[Iterator[dict[str, object]]]:
    """Give the sums of each user's credits, in byte order of the users."""
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        key = None if user_id is None else users.key_of(tx, user_id)
        yield (
            {
                "user_id": found.user_id,
                **{
                    name: format_minor(getattr(found, name), found.currency)
                    for name in ("granted", "used", "remaining", "expired", "voided")
                },
                "currency": found.currency,
            }
            for found in credits.balances(tx, now, key)
        )


def void(app: App, credit_id: int, reason: str) -> dict[str, object]:
    """Void what remains of a credit.

    Raises :class:`ConflictError` where nothing does, or where it is money of a payment, which
    only a refund gives back.
    """
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.batch() as tx:
        row = _require(tx, credit_id)
        if row.source_payment is not None:
            raise ConflictError(
                f"credit {row.id} is money of payment {row.source_payment}",
                f"billing payment refund {row.source_payment} gives it back",
            )
        if row.is_expired(now) or not row.unused():
            raise ConflictError(
                f"nothing remains of credit {row.id}", "billing credits list shows what remains"
            )
        withdraw(tx, [row], now, reason)
        return row_of(_require(tx, credit_id), now)


def history(app: App, user_id: str) -> list[dict[str, object]]:
    """Return every change of a user's balance, in order of time, with the balance after it."""
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        key = users.key_of(tx, user_id)
        currencies = [row.currency for row in credits.listed(tx, key)]
        moves = rules.movements(credits.pasts(tx, key), now)
    balance, rows = 0, list[dict[str, object]]()
    for move in moves:
        balance += move.amount
        rows.append(
            {
                "at": format_instant(move.at),
                "change": move.kind,
                "credit_id": move.credit_id,
                "invoice_number": move.invoice,
                "amount": format_minor(move.amount, currencies[0]),
                "balance": format_minor(balance, currencies[0]),
                "currency": currencies[0],
            }
        )
    return rows


def row_of(row: CreditRow, now: int) -> dict[str, object]:
    """Return a credit as it is shown."""
    unused, expired = row.unused(), row.is_expired(now)
    return {
        "id": row.id,
        "user_id": row.user_id,
        "amount": format_minor(row.amount, row.currency),
        "used": format_minor(row.used, row.currency),
        "remaining": format_minor(0 if expired else unused, row.currency),
        "expired": format_minor(unused if expired else 0, row.currency),
        "voided": format_minor(row.voided, row.currency),
        "currency": row.currency,
        "expires_at": instant_text(row.expires_at),
        "reason": row.reason,
        "source": _source(row),
        "created_at": format_instant(row.created_at),
        "voided_at": instant_text(row.voided_at),
        "void_reason": row.void_reason,
    }


def _source(row: CreditRow) -> str:
    if row.source_note is not None:
        return f"credit note {row.source_note}"
    if row.source_payment is not None:
        return f"payment {row.source_payment}"
    return "operator" if row.source_invoice is None else f"invoice {row.source_invoice}"


def _require(tx: Transaction, credit_id: int) -> CreditRow:
    row = credits.find(tx, credit_id)
    if row is None:
        raise NotFoundError(
            f"there is no credit {credit_id}", "billing credits list --all shows their ids"
        )
    return row
