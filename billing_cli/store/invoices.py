"""Invoices, their lines, the ranges they claim, and the numbers they get."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.store.invoice_rows import COLUMNS, BilledLine, ClaimRow, InvoiceRow, LineRow
from billing_cli.store.names import can_be_stored, id_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.store.unit_of_work import Transaction

REGULAR, CUSTOM = "regular", "custom"
# One of Stripe's own, as it is there: nothing here is billed by it.
STRIPE = "stripe"

_ALL = ", ".join(f"i.{name}" for name in COLUMNS)


class Selection(NamedTuple):
    """Which invoices to list; None is any."""

    period: str | None = None
    users: tuple[str, ...] | None = None
    status: str | None = None


def listed(tx: Transaction, selection: Selection) -> Iterator[InvoiceRow]:
    """Yield the invoices of a selection: by period, then in byte order of the users."""
    conditions, parameters = ["1 = 1"], list[object]()
    if selection.period is not None:
        conditions.append("i.period = ?")
        parameters.append(selection.period)
    if selection.status is not None:
        conditions.append("i.status = ?")
        parameters.append(selection.status)
    if selection.users is not None:
        subquery, parameter = tx.texts(selection.users)
        conditions.append(f"i.user_id IN {subquery}")
        parameters.append(parameter)
    return (
        InvoiceRow(*row)
        for row in tx.stream(
            f"SELECT {_ALL} FROM billing_invoices i WHERE {' AND '.join(conditions)} "
            "ORDER BY i.period_start, i.period_end, i.user_id, i.id",
            *parameters,
        )
    )


def by_ids(tx: Transaction, ids: Sequence[int]) -> Iterator[InvoiceRow]:
    """Yield invoices by their ids: by period, then in byte order of the users."""
    subquery, parameter = tx.numbers(ids)
    return (
        InvoiceRow(*row)
        for row in tx.stream(
            f"SELECT {_ALL} FROM billing_invoices i WHERE i.id IN {subquery} "
            "ORDER BY i.period_start, i.period_end, i.user_id, i.id",
            parameter,
        )
    )


def find(tx: Transaction, reference: str) -> InvoiceRow | None:
    """Find an invoice by its number, or by its id."""
    if not can_be_stored(reference):
        return None
    row = tx.row(f"SELECT {_ALL} FROM billing_invoices i WHERE i.invoice_number = ?", reference)
    number = id_named(reference)
    if row is None and number is not None:
        row = tx.row(f"SELECT {_ALL} FROM billing_invoices i WHERE i.id = ?", number)
    return None if row is None else InvoiceRow(*row)


def lines_of(tx: Transaction, invoice_id: int) -> list[LineRow]:
    """Return an invoice's lines in their order."""
    return [
        LineRow(*row)
        for row in tx.rows(
            f"SELECT {', '.join(LineRow._fields)} FROM billing_invoice_lines "
            "WHERE invoice_id = ? ORDER BY position",
            invoice_id,
        )
    ]


def lines_of_all(tx: Transaction, ids: Sequence[int]) -> dict[int, list[LineRow]]:
    """Return the lines of invoices in their order, by the ids of these."""
    subquery, parameter = tx.numbers(ids)
    found: dict[int, list[LineRow]] = {}
    for row in tx.rows(
        f"SELECT {', '.join(LineRow._fields)} FROM billing_invoice_lines "
        f"WHERE invoice_id IN {subquery} ORDER BY invoice_id, position",
        parameter,
    ):
        found.setdefault(row[0], []).append(LineRow(*row))
    return found


def of_range(
    tx: Transaction, users: Sequence[int], kind: str, start: int, end: int
) -> list[InvoiceRow]:
    """Return the invoices of some users for one period or custom range.

    A period is known by its start: a change of time zone or invoice day may move its end.
    """
    subquery, parameter = tx.numbers(users)
    return [
        InvoiceRow(*row)
        for row in tx.rows(
            f"SELECT {_ALL} FROM billing_invoices i WHERE i.period_start = ? AND i.kind = ? "
            f"AND (i.kind = '{REGULAR}' OR i.period_end = ?) AND i.user_key IN {subquery}",
            start,
            kind,
            end,
            parameter,
        )
    ]


def draft_users(tx: Transaction, kind: str, start: int, end: int) -> set[int]:
    """Return the keys of the users who have a draft for exactly one range."""
    return {
        row[0]
        for row in tx.rows(
            "SELECT user_key FROM billing_invoices WHERE status = 'draft' AND kind = ? "
            f"AND period_start = ? AND (kind = '{REGULAR}' OR period_end = ?)",
            kind,
            start,
            end,
        )
    }


def draft_starts(tx: Transaction, start: int, end: int) -> list[int]:
    """Return the starts of the periods overlapping a range of which there are regular drafts."""
    return [
        row[0]
        for row in tx.rows(
            "SELECT DISTINCT period_start FROM billing_invoices WHERE status = 'draft' "
            f"AND kind = '{REGULAR}' AND period_start < ? AND period_end > ? ORDER BY period_start",
            end,
            start,
        )
    ]


def first_draft_start(tx: Transaction) -> int | None:
    """Return the start of the first period that has a draft."""
    value: int | None = tx.value(
        "SELECT MIN(period_start) FROM billing_invoices "
        f"WHERE status = 'draft' AND kind = '{REGULAR}'"
    )
    return value


def overlapping(tx: Transaction, kind: str, start: int, end: int) -> list[InvoiceRow]:
    """Return the invoices that overlap a range and have not been superseded, drafts left out."""
    return [
        InvoiceRow(*row)
        for row in tx.rows(
            f"SELECT {_ALL} FROM billing_invoices i WHERE i.kind = ? AND i.period_start < ? "
            "AND i.period_end > ? AND i.superseded_by IS NULL AND i.status <> 'draft'",
            kind,
            end,
            start,
        )
    ]


def held(tx: Transaction, start: int, end: int) -> list[InvoiceRow]:
    """Return the void invoices inside a range whose usage waits to be billed again."""
    return [
        InvoiceRow(*row)
        for row in tx.rows(
            f"SELECT {_ALL} FROM billing_invoices i WHERE i.status = 'void' AND i.written_off = 0 "
            f"AND i.kind <> '{STRIPE}' AND i.superseded_by IS NULL "
            "AND i.period_start >= ? AND i.period_end <= ?",
            start,
            end,
        )
    ]


def claims(tx: Transaction, start: int, end: int) -> list[ClaimRow]:
    """Return the claims that overlap a range."""
    return [
        ClaimRow(*row)
        for row in tx.rows(
            "SELECT user_key, start_second, end_second, invoice_id FROM billing_claims "
            "WHERE start_second < ? AND end_second > ? ORDER BY user_key, start_second",
            end,
            start,
        )
    ]


def claims_of(tx: Transaction, ids: Sequence[int]) -> list[ClaimRow]:
    """Return the claims of some invoices."""
    subquery, parameter = tx.numbers(ids)
    return [
        ClaimRow(*row)
        for row in tx.rows(
            "SELECT user_key, start_second, end_second, invoice_id FROM billing_claims "
            f"WHERE invoice_id IN {subquery} ORDER BY user_key, start_second",
            parameter,
        )
    ]


def lines_about(
    tx: Transaction, users: Sequence[int], unit_starts: Sequence[int]
) -> Iterator[BilledLine]:
    """Yield the usage lines of invoices not superseded that are about units with these starts."""
    those_users, user_parameter = tx.numbers(users)
    those_units, unit_parameter = tx.numbers(unit_starts)
    return (
        BilledLine(*row)
        for row in tx.rows(
            "SELECT l.invoice_id, i.status, l.user_key, l.unit_start, l.unit_invoice, "
            "l.item, l.unit_price, l.parts, l.amount FROM billing_invoice_lines l "
            "JOIN billing_invoices i ON i.id = l.invoice_id "
            f"WHERE l.user_key IN {those_users} AND l.unit_start IN {those_units} "
            "AND l.item IS NOT NULL AND i.superseded_by IS NULL",
            user_parameter,
            unit_parameter,
        )
    )


def correction_units(tx: Transaction, ids: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return ``(user_key, unit_start, unit_end)`` of what some invoices corrected."""
    subquery, parameter = tx.numbers(ids)
    return [
        (user, start, end)
        for user, start, end in tx.rows(
            "SELECT DISTINCT user_key, unit_start, unit_end FROM billing_invoice_lines "
            f"WHERE kind = 'correction' AND invoice_id IN {subquery}",
            parameter,
        )
    ]


def ranges_billed_anew(tx: Transaction, ids: Sequence[int]) -> list[InvoiceRow]:
    """Return the void custom invoices among some, and superseded ones that some corrected."""
    subquery, parameter = tx.numbers(ids)
    return [
        InvoiceRow(*row)
        for row in tx.rows(
            f"SELECT {_ALL} FROM billing_invoices i WHERE i.kind = 'custom' AND "
            f"(i.id IN {subquery} OR i.superseded_by IS NOT NULL AND i.id IN "
            "(SELECT l.unit_invoice FROM billing_invoice_lines l WHERE l.kind = 'correction' "
            f"AND l.invoice_id IN {subquery})) ORDER BY i.id",
            parameter,
            parameter,
        )
    ]


def next_id(tx: Transaction) -> int:
    """Return the id for a new invoice."""
    value: int = tx.value("SELECT COALESCE(MAX(id), 0) + 1 FROM billing_invoices")
    return value


def insert(tx: Transaction, invoices: Iterable[InvoiceRow]) -> None:
    """Add invoices."""
    tx.insert("billing_invoices", COLUMNS, invoices)


def rewrite(tx: Transaction, invoices: Iterable[InvoiceRow]) -> None:
    """Write all columns of existing invoices."""
    names = COLUMNS[1:]
    tx.execute_many(
        f"UPDATE billing_invoices SET {', '.join(f'{name} = ?' for name in names)} WHERE id = ?",
        [(*invoice[1:], invoice.id) for invoice in invoices],
    )


def delete_lines(tx: Transaction, ids: Sequence[int]) -> None:
    """Delete the lines of drafts, to be written anew."""
    _delete(tx, "billing_invoice_lines", "invoice_id", ids)


def delete_drafts(tx: Transaction, ids: Sequence[int]) -> None:
    """Delete drafts that have nothing to say any more."""
    for table, column in (
        ("billing_claims", "invoice_id"),
        ("billing_manual_lines", "invoice_id"),
        ("billing_invoice_lines", "invoice_id"),
        ("billing_invoices", "id"),
    ):
        _delete(tx, table, column, ids)


def delete_claims(tx: Transaction, ids: Sequence[int]) -> None:
    """Give back the ranges that invoices claimed."""
    _delete(tx, "billing_claims", "invoice_id", ids)


def _delete(tx: Transaction, table: str, column: str, ids: Sequence[int]) -> None:
    if ids:
        subquery, parameter = tx.numbers(ids)
        tx.execute(f"DELETE FROM {table} WHERE {column} IN {subquery}", parameter)


def insert_lines(tx: Transaction, lines: Iterable[LineRow]) -> None:
    """Add lines."""
    tx.insert("billing_invoice_lines", LineRow._fields, lines)


def insert_claims(tx: Transaction, found: Iterable[ClaimRow]) -> None:
    """Add claims."""
    tx.insert("billing_claims", ("user_key", "start_second", "end_second", "invoice_id"), found)


def supersede(tx: Transaction, pairs: Iterable[tuple[int, int]]) -> None:
    """Record ``(void invoice, new invoice)``: what the one held, the other has billed."""
    pairs = list(pairs)
    tx.execute_many(
        "UPDATE billing_invoices SET superseded_by = ? WHERE id = ?",
        [(new, void) for void, new in pairs],
    )
    delete_claims(tx, [void for void, _ in pairs])


def take_numbers(tx: Transaction, series: str, count: int) -> range:
    """Take the next numbers of a series, without gaps: what is rolled back is not taken."""
    last = tx.value("SELECT value FROM billing_counters WHERE name = ?", series) or 0
    tx.execute(
        "INSERT INTO billing_counters (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        series,
        last + count,
    )
    return range(last + 1, last + 1 + count)
