"""What an operator changes on a draft: lines of their own, the memo, the due date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError, NotFoundError, UsageError
from billing_cli.pricing import invoice_states
from billing_cli.pricing.invoices import MANUAL
from billing_cli.pricing.money import parse_amount
from billing_cli.pricing.payments import LARGEST
from billing_cli.services import generation, invoices, terms
from billing_cli.store import invoices as store
from billing_cli.store import manual_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from billing_cli.app import App
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.invoice_rows import InvoiceRow
    from billing_cli.store.manual_lines import ManualLine
    from billing_cli.store.unit_of_work import Transaction

_LONGEST_DESCRIPTION = 200
_AMOUNT_HINT = 'the amount follows the words: --add-line "Setup" 25.00'


@dataclass(frozen=True, slots=True)
class Edit:
    """What to change. Amounts are decimal text; lines are named by their place on the invoice.

    ``memo`` and ``due`` None stay as they are; an empty memo, and ``due`` 0, go. A date is due
    with its last second.
    """

    added: Sequence[tuple[str, str]] = ()
    changed: Sequence[tuple[int, str, str]] = ()
    removed: Sequence[int] = ()
    memo: str | None = None
    due: date | int | None = None


def edit(app: App, reference: str, wanted: Edit, *, dry_run: bool) -> dict[str, object] | None:
    """Change a draft, bring it up to date, and return it as ``invoice show`` does.

    A draft that has nothing to say any more is gone: None.
    Raises :class:`ConflictError` for anything but a draft, and for a line that was not added by
    hand; :class:`NotFoundError` for a line that there is not.
    """
    now = app.clock.now()
    with app.unit_of_work(rehearse=dry_run) as uow:
        in_force = terms.establish(uow, app.settings, now)
        with uow.batch() as tx:
            row = generation.require(tx, reference)
            invoice_states.check(row, invoice_states.EDIT)
            _apply(tx, row, wanted, in_force.history)
        run = generation.Generation(uow, app.settings, in_force.history, now, finalize=False)
        run.refresh_draft(str(row.id))
        with uow.reading() as tx:
            left = store.find(tx, str(row.id))
            return None if left is None else invoices.show_in(tx, str(row.id))


def _apply(tx: Transaction, row: InvoiceRow, wanted: Edit, history: TermsHistory) -> None:
    currency = row.currency
    by_place = _manual_by_place(tx, row)
    for place, description, amount in wanted.changed:
        line = _require_line(by_place, row, place)
        manual_lines.change(
            tx,
            line._replace(description=_described(description), amount=_amount(amount, currency)),
        )
    for place in wanted.removed:
        manual_lines.remove(tx, _require_line(by_place, row, place).id)
    for description, amount in wanted.added:
        manual_lines.add(tx, row.id, _described(description), _amount(amount, currency))
    lines = manual_lines.of_drafts(tx, [row.id]).get(row.id, ())
    if sum(abs(line.amount) for line in lines) > LARGEST:
        raise UsageError("the lines added by hand come to too large an amount", _AMOUNT_HINT)
    memo = row.memo if wanted.memo is None else wanted.memo.strip() or None
    due = row.due_override if wanted.due is None else _instant(wanted.due, history) or None
    store.rewrite(tx, [row._replace(memo=memo, due_override=due)])


def _instant(due: date | int, history: TermsHistory) -> int:
    return due if isinstance(due, int) else history.calendar.date_range(due, due)[1] - 1


def _manual_by_place(tx: Transaction, row: InvoiceRow) -> dict[int, ManualLine | None]:
    """Return the lines of a draft by their place, None for those that are not manual."""
    own = iter(manual_lines.of_drafts(tx, [row.id]).get(row.id, ()))
    return {
        line.position: next(own, None) if line.kind == MANUAL else None
        for line in store.lines_of(tx, row.id)
    }


def _require_line(
    by_place: dict[int, ManualLine | None], row: InvoiceRow, place: int
) -> ManualLine:
    if place not in by_place:
        raise NotFoundError(
            f"draft {row.id} has no line {place}", f"billing invoice show {row.id} counts them"
        )
    line = by_place[place]
    if line is None:
        raise ConflictError(
            f"line {place} of draft {row.id} was not added by hand",
            "what is metered or held follows from the books; add a line to balance it",
        )
    return line


def _described(text: str) -> str:
    described = text.strip()
    if not described or len(described) > _LONGEST_DESCRIPTION:
        raise UsageError(
            f"a line's description has 1 to {_LONGEST_DESCRIPTION} characters",
            'write it before the amount: --add-line "Setup" 25.00',
        )
    return described


def _amount(text: str, currency: str) -> int:
    try:
        amount = parse_amount(text, currency)
    except ValueError as error:
        raise UsageError(str(error), _AMOUNT_HINT) from error
    if not amount:
        raise UsageError("a line of nothing says nothing", "give an amount other than zero")
    return amount
