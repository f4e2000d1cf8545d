"""Choosing the invoices and credit notes to make documents of, and writing the files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.errors import BillingError, IncompleteError, UnavailableError, UsageError
from billing_cli.gateway import pdf
from billing_cli.pricing.invoice_pdf import CREDIT_NOTE, INVOICE
from billing_cli.services.generation import require
from billing_cli.services.invoice_pdf import Printer
from billing_cli.store import credit_notes, invoices, users
from billing_cli.store import invoice_pdf as store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from billing_cli.app import App
    from billing_cli.pricing.invoice_pdf import Document
    from billing_cli.services.invoice_pdf import Wish
    from billing_cli.store.unit_of_work import Transaction

# Read at once, and typeset while no transaction is open.
_BATCH: Final = 100
_SHOWN: Final = 20


class Chosen(NamedTuple):
    """An invoice by its id, or a credit note by its number."""

    kind: str
    reference: str


@dataclass
class Written:
    """What was written, what could not be, and what is doubtful about it."""

    rows: list[dict[str, object]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def choose(
    app: App, references: Sequence[str], period: str | None, user_ids: Sequence[str]
) -> list[Chosen]:
    """Return what is named, or else the final invoices of a period, of some users, or of both.

    Raises :class:`NotFoundError` for what there is not; nothing has been written then.
    """
    with app.unit_of_work() as uow, uow.reading() as tx:
        if references:
            return list(dict.fromkeys(_named(tx, reference) for reference in references))
        for user_id in user_ids:
            users.key_of(tx, user_id)
        selection = invoices.Selection(period, tuple(user_ids) or None)
        return [Chosen(INVOICE, str(number)) for number in store.final_ids(tx, selection)]


def _named(tx: Transaction, reference: str) -> Chosen:
    note = credit_notes.find(tx, reference)
    if note is not None:
        return Chosen(CREDIT_NOTE, note.number)
    return Chosen(INVOICE, str(require(tx, reference).id))


def only(chosen: Sequence[Chosen]) -> Chosen:
    """Return the one that is chosen; :class:`UsageError` for none or several."""
    if len(chosen) != 1:
        raise UsageError(
            f"--out - takes one document, and {len(chosen):,} are chosen",
            "name one, or a folder with --out",
        )
    return chosen[0]


def content(app: App, chosen: Chosen, wish: Wish) -> tuple[bytes, list[str]]:
    """Return one document, and what is doubtful about it."""
    printer = Printer(app, wish)
    ((document, _),) = _documents(app, printer, [chosen])
    return printer.print(document), printer.warnings


def write(
    app: App, chosen: Sequence[Chosen], place: Place, wish: Wish, advance: Callable[[int], None]
) -> Written:
    """Write a file for each, and go on after one that cannot be made.

    Only what would keep all of them from being made is raised: a library, logo, template or
    folder that is not there.
    """
    printer = Printer(app, wish)
    printer.prepare()
    place.prepare()
    written = Written(warnings=printer.warnings)
    for start in range(0, len(chosen), _BATCH):
        for document, user_id in _documents(app, printer, chosen[start : start + _BATCH]):
            path = place.of(document)
            try:
                made = printer.print(document)
                pdf.write_pdf(path, made)
            except BillingError as error:
                if len(chosen) == 1:
                    raise
                written.failures.append(f"{name_of(document)}: {error.message}")
            else:
                written.rows.append(
                    {
                        "kind": document.kind,
                        "id": document.id,
                        "number": document.number,
                        "user_id": user_id,
                        "file": str(path),
                        "bytes": len(made),
                    }
                )
            advance(1)
    return written


def name_of(document: Document) -> str:
    """Return what a document's file is called, without its ending."""
    return document.number or f"invoice-{document.id}"


def require_all(written: Written) -> None:
    """Raise :class:`IncompleteError`, which lists them, where documents could not be made."""
    failures = written.failures
    if not failures:
        return
    total = len(failures) + len(written.rows)
    lines = [f"{len(failures)} of {total} documents could not be made:", *failures[:_SHOWN]]
    if len(failures) > _SHOWN:
        lines.append(f"and {len(failures) - _SHOWN} more")
    raise IncompleteError("\n  ".join(lines), "mend what is named, and run it again for these")


@dataclass(frozen=True, slots=True)
class Place:
    """Where documents go: into one file, or into a folder under names of their own."""

    path: Path
    is_folder: bool

    @classmethod
    def for_(cls, out: str | None, *, one: bool) -> Place:
        """Return the place that ``--out`` names, for one named document or for several.

        Raises :class:`UsageError` for a file that several documents would have to share, and for
        the home folder of nobody.
        """
        if out is None:
            return cls(Path(), is_folder=True)
        try:
            path = Path(out).expanduser()
        except RuntimeError:
            raise UsageError(
                f"--out: {out} names a home folder that cannot be found", "name another folder"
            ) from None
        if path.is_dir() or out.endswith(("/", "\\")):
            return cls(path, is_folder=True)
        if not one and (path.exists() or path.suffix.lower() == ".pdf"):
            raise UsageError(
                f"--out: {out} is a file, and several documents need a folder", "name a folder"
            )
        return cls(path, is_folder=not one)

    def prepare(self) -> None:
        """Make the folder, if it is not there."""
        if not self.is_folder:
            return
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise UnavailableError(
                f"cannot make the folder {self.path}: {error.strerror or error}",
                "choose another place with --out",
            ) from error

    def of(self, document: Document) -> Path:
        """Return the file for a document."""
        return self.path / f"{name_of(document)}.pdf" if self.is_folder else self.path


def _documents(
    app: App, printer: Printer, chosen: Sequence[Chosen]
) -> Iterator[tuple[Document, str]]:
    """Return documents with their users' ids, in order, as one transaction sees them."""
    found: dict[Chosen, tuple[Document, str]] = {}
    with app.unit_of_work() as uow, uow.reading() as tx:
        ids = [int(one.reference) for one in chosen if one.kind == INVOICE]
        rows = list(invoices.by_ids(tx, ids)) if ids else []
        for row, document in zip(rows, printer.of_invoices(tx, rows), strict=True):
            found[Chosen(INVOICE, str(row.id))] = document, row.user_id
        for one in chosen:
            if one.kind == CREDIT_NOTE and (note := credit_notes.find(tx, one.reference)):
                found[one] = printer.of_note(tx, note), note.user_id
    # A draft may have gone since it was chosen.
    return iter([found[one] for one in chosen if one in found])
