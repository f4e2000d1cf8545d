"""Taking in bank transfers: each is one payment, however often its file is read."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from billing_cli.errors import InvalidDataError, NotFoundError
from billing_cli.gateway.bank_csv import Found, Refused, Transfer, read_transfers
from billing_cli.pricing import invoice_states as states
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.payments import numbers_in
from billing_cli.services import payments as service
from billing_cli.services import terms
from billing_cli.services.payments import Incoming
from billing_cli.store import invoices, payments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_cli.app import App
    from billing_cli.pricing.periods import Calendar
    from billing_cli.store.invoice_rows import InvoiceRow
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

METHOD = "bank_transfer"
_BATCH_ROWS = 500


@dataclass(slots=True)
class ImportReport:
    """What came of a file; ``problems`` are its rows that were refused, and why."""

    file: str
    currency: str
    recorded: int = 0
    unmatched: int = 0
    duplicate: int = 0
    amount: int = 0
    problems: list[Refused] = field(default_factory=list)


def take_in(app: App, file: str, source: Path | BinaryIO, *, dry_run: bool) -> ImportReport:
    """Record the transfers of a CSV file; good rows are taken in whatever others hold.

    A transfer goes to the invoices that its text names, in that order, and what is more than is
    owed becomes a credit. One that names none that can be paid is kept as unmatched.
    A file that is not there raises :class:`NotFoundError`.
    """
    if isinstance(source, Path) and not source.exists():
        raise NotFoundError(f"there is no file {file!r}", "check the name")
    now = app.clock.now()
    with app.unit_of_work(rehearse=dry_run) as uow:
        history = terms.establish(uow, app.settings, now).history
        currency = history.at(now).currency
        report = ImportReport(file, currency)
        taking = _Taking(uow, history.calendar, now, report)
        taking.run(read_transfers(source, currency))
    return report


def row_of(report: ImportReport) -> dict[str, object]:
    """Return a report as it is shown."""
    return {
        "file": report.file,
        "recorded": report.recorded,
        "unmatched": report.unmatched,
        "duplicate": report.duplicate,
        "rejected": len(report.problems),
        "amount": format_minor(report.amount, report.currency),
        "currency": report.currency,
    }


def require_clean(report: ImportReport) -> None:
    """Raise :class:`InvalidDataError` when a row, or the file, was refused."""
    count = len(report.problems)
    if any(not problem.line for problem in report.problems):
        raise InvalidDataError(f"{report.file} was not read", "give a CSV file with a header")
    if count:
        raise InvalidDataError(
            f"{count:,} {'row was' if count == 1 else 'rows were'} rejected",
            "what can be mended can be imported again: what is there is left alone",
        )


class _Taking:
    """One file on its way into the database, some hundred rows a batch."""

    def __init__(self, uow: UnitOfWork, calendar: Calendar, now: int, report: ImportReport) -> None:
        self._uow = uow
        self._calendar = calendar
        self._now = now
        self._today = calendar.local_date(now)
        self._report = report
        self._seen: Counter[str] = Counter()

    def run(self, found: Iterator[Found]) -> None:
        while block := list(islice(found, _BATCH_ROWS)):
            self._report.problems += [one for one in block if isinstance(one, Refused)]
            rows = [(self._name(one), one) for one in block if isinstance(one, Transfer)]
            if rows:
                with self._uow.batch() as tx:
                    self._take(tx, rows)

    def _name(self, transfer: Transfer) -> str:
        """Return what tells a transfer from all others.

        Without a name of the bank's that is all it says, and the how many-eth such row it is: a
        customer may send the same amount twice on a day.
        """
        if transfer.transaction_id:
            return f"bank:{transfer.transaction_id}"
        content = [str(transfer.day), transfer.amount, transfer.reference, transfer.payer]
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        self._seen[digest] += 1
        return f"row:{digest}:{self._seen[digest]}"

    def _take(self, tx: Transaction, rows: list[tuple[str, Transfer]]) -> None:
        report = self._report
        series = payments.series(tx)
        known = payments.by_external_ids(tx, [name for name, _ in rows])
        for name, transfer in rows:
            there = known.get(name)
            if there is not None and there.amount == transfer.amount:
                report.duplicate += 1
                continue
            problem = self._problem(transfer, name if there else None)
            if problem:
                report.problems.append(Refused(transfer.line, problem))
                continue
            known[name] = payment = self._record(tx, name, transfer, series)
            report.amount += payment.amount
            if payment.status == payments.UNMATCHED:
                report.unmatched += 1
            else:
                report.recorded += 1

    def _problem(self, transfer: Transfer, taken_name: str | None) -> str | None:
        if taken_name is not None:
            return f"the transaction {transfer.transaction_id!r} is there with another amount"
        if transfer.day > self._today:
            return f"{transfer.day} is still to come"
        return None

    def _received(self, transfer: Transfer) -> int:
        return self._calendar.date_range(transfer.day, transfer.day)[0]

    def _record(
        self, tx: Transaction, name: str, transfer: Transfer, series: list[str]
    ) -> payments.PaymentRow:
        incoming = Incoming(
            transfer.amount,
            self._report.currency,
            METHOD,
            self._received(transfer),
            " ".join(filter(None, [transfer.reference, transfer.payer])) or None,
            name,
        )
        rows, problem = _named(tx, transfer.reference, series)
        if problem is not None:
            return service.hold(tx, incoming, problem, self._now)
        user = (rows[0].user_key, rows[0].user_id)
        return service.receive(tx, incoming, user, rows, self._now)


def _named(
    tx: Transaction, reference: str, series: list[str]
) -> tuple[list[InvoiceRow], str | None]:
    """Return the invoices that a text names and that can be paid, or why there are none."""
    numbers = numbers_in(reference, series)
    if not numbers:
        return [], "it names no invoice"
    found = {number: invoices.find(tx, number) for number in numbers}
    there = [row for row in found.values() if row is not None]
    rows = [row for row in there if row.status == states.PAID or states.is_allowed(row, states.PAY)]
    if len({row.user_key for row in rows}) > 1:
        return [], f"it names invoices of several users: {', '.join(numbers)}"
    if rows:
        return rows, None
    first = numbers[0]
    row = found[first]
    return [], f"there is no invoice {first}" if row is None else f"{first} is {row.status}"
