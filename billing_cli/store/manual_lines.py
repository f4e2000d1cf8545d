"""Lines that operators put on drafts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.store.unit_of_work import Transaction


class ManualLine(NamedTuple):
    """A line of a draft; ``amount`` in minor units, negative for a discount."""

    id: int
    invoice_id: int
    description: str
    amount: int


def of_drafts(tx: Transaction, ids: Sequence[int]) -> dict[int, list[ManualLine]]:
    """Return the lines of some drafts by the draft's id, in the order in which they were added."""
    found: dict[int, list[ManualLine]] = {}
    if not ids:
        return found
    subquery, parameter = tx.numbers(ids)
    for row in tx.rows(
        "SELECT id, invoice_id, description, amount FROM billing_manual_lines "
        f"WHERE invoice_id IN {subquery} ORDER BY id",
        parameter,
    ):
        line = ManualLine(*row)
        found.setdefault(line.invoice_id, []).append(line)
    return found


def add(tx: Transaction, invoice_id: int, description: str, amount: int) -> None:
    """Add a line to a draft."""
    last = tx.value("SELECT COALESCE(MAX(id), 0) FROM billing_manual_lines")
    tx.insert(
        "billing_manual_lines", ManualLine._fields, [(last + 1, invoice_id, description, amount)]
    )


def change(tx: Transaction, line: ManualLine) -> None:
    """Write what a line says anew."""
    tx.execute(
        "UPDATE billing_manual_lines SET description = ?, amount = ? WHERE id = ?",
        line.description,
        line.amount,
        line.id,
    )


def remove(tx: Transaction, line_id: int) -> None:
    """Take a line off its draft."""
    tx.execute("DELETE FROM billing_manual_lines WHERE id = ?", line_id)
