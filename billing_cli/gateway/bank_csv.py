"""Bank statements as CSV: each row a transfer, its columns found by the names that banks use."""

from __future__ import annotations

import csv
import re
from datetime import date
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, TypeAlias

from billing_cli.gateway.event_bytes import BrokenInputError, read_chunks
from billing_cli.gateway.event_csv import Row, read_rows
from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.money import exponent, parse_amount
from billing_cli.pricing.payments import LARGEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path


class Transfer(NamedTuple):
    """A row: ``amount`` in minor units, ``day`` a local date, texts as the bank wrote them."""

    line: int
    day: date
    amount: int
    reference: str
    transaction_id: str
    payer: str


class Refused(NamedTuple):
    """A row, or with line 0 a file, that cannot be taken, and why."""

    line: int
    reason: str


Found: TypeAlias = Transfer | Refused

# The first name that the header has counts; of references all do.
_NAMES: Final = {
    "date": ("date", "booking date", "transaction date", "value date"),
    "amount": ("amount",),
    "reference": ("reference", "description", "text", "remittance information", "purpose", "memo"),
    "transaction_id": ("transaction id", "id", "transaction reference", "bank reference"),
    "currency": ("currency",),
    "payer": ("payer", "name", "debtor", "sender"),
}
_NEEDED: Final = ("date", "amount", "reference")
_DELIMITERS: Final = (",", ";", "\t")
_BOM: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")

_ISO_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)
_DOTTED_DATE: Final = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})", re.ASCII)
_GROUPED: Final = re.compile(r"[+-]?[0-9]{1,3}(?:([ ,.'])[0-9]{3})+(?:([.,])([0-9]+))?", re.ASCII)
_WITH_COMMA: Final = re.compile(r"[+-]?[0-9]+,([0-9]+)", re.ASCII)
_THOUSAND: Final = 3


def read_transfers(source: Path | BinaryIO, currency: str) -> Iterator[Found]:
    """Yield the rows of a file, or of an open binary stream, in their order.

    The delimiter is the comma, semicolon or tab by which the header has the columns. Rows that
    cannot be taken are values among the others; one with line 0 ends the file.
    """
    try:
        yield from _transfers(read_chunks(source), currency)
    except BrokenInputError as error:
        yield Refused(0, error.reason)


def _transfers(chunks: Iterator[bytes], currency: str) -> Iterator[Found]:
    start = b""
    for chunk in chunks:
        start += chunk
        if b"\n" in start:
            break
    if start.startswith(_UTF_16):
        yield Refused(0, "it is UTF-16: convert it to UTF-8 first")
        return
    start = start.removeprefix(_BOM)
    if not start.strip():
        yield Refused(0, "it is empty")
        return
    delimiter = _delimiter_of(start)
    rows = read_rows(_chained(start, chunks), delimiter)
    first = next(rows, None)
    try:
        header = _Header(first.cells if isinstance(first, Row) else ())
    except ValueError as error:
        yield Refused(0, str(error))
        return
    for row in rows:
        if not isinstance(row, Row):
            yield Refused(row.number, row.reason)
            continue
        try:
            yield header.transfer(row, currency)
        except ValueError as error:
            yield Refused(row.number, str(error))


def _chained(start: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    yield start
    yield from chunks


def _delimiter_of(start: bytes) -> str:
    """Return the delimiter by which the first line names the most columns."""
    text = start.lstrip(b"\r\n").splitlines()[0].decode(errors="replace")

    def known(delimiter: str) -> int:
        try:
            cells = next(csv.reader([text], delimiter=delimiter), [])
        except csv.Error:
            return 0
        return len({_plain(cell) for cell in cells} & _ALL_NAMES)

    return max(_DELIMITERS, key=known)


class _Header:
    """Which column holds what."""

    def __init__(self, cells: Sequence[str]) -> None:
        """Find the columns; ValueError says which one is missing, or there twice."""
        names = [_plain(cell) for cell in cells]
        for name in names:
            if name in _ALL_NAMES and names.count(name) > 1:
                msg = f"two columns of the header are called {name!r}"
                raise ValueError(msg)
        self._places = {
            what: [names.index(name) for name in known if name in names]
            for what, known in _NAMES.items()
        }
        for what in _NEEDED:
            if not self._places[what]:
                msg = f"the header names no column {' or '.join(map(repr, _NAMES[what]))}"
                raise ValueError(msg)
        self._width = len(cells)

    def transfer(self, row: Row, currency: str) -> Transfer:
        """Read a row; ValueError says why it cannot be taken."""
        if not row.complete:
            msg = "a row without a line break may be cut off: if it is whole, end it with one"
            raise ValueError(msg)
        if len(row.cells) != self._width:
            msg = f"the header has {self._width} cells, the row {len(row.cells)}"
            raise ValueError(msg)
        if any("\0" in cell for cell in row.cells):
            msg = "it holds a NUL character"
            raise ValueError(msg)
        written = self._first(row, "currency")
        if written and written.upper() != currency:
            msg = f"it is in {quoted(written)}, not in {currency}"
            raise ValueError(msg)
        amount = _amount(self._first(row, "amount"), currency)
        references = [row.cells[place].strip() for place in self._places["reference"]]
        return Transfer(
            row.number,
            _date(self._first(row, "date")),
            amount,
            " ".join(filter(None, dict.fromkeys(references))),
            self._first(row, "transaction_id"),
            self._first(row, "payer"),
        )

    def _first(self, row: Row, what: str) -> str:
        return next((row.cells[place].strip() for place in self._places[what]), "")


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


_ALL_NAMES: Final = {name for names in _NAMES.values() for name in names}


def _date(text: str) -> date:
    """Read a date; those whose day and month could be meant the other way round are refused."""
    iso, dotted = _ISO_DATE.fullmatch(text), _DOTTED_DATE.fullmatch(text)
    parts = iso.groups() if iso else dotted.groups()[::-1] if dotted else None
    if parts is not None:
        try:
            return date(int(parts[0]), int(parts[1]), int(parts[2]))
        except ValueError:
            pass
    msg = f"{quoted(text)} is not a date such as 2025-01-31 or 31.01.2025"
    raise ValueError(msg)


def _amount(text: str, currency: str) -> int:
    """Read an amount above zero, with a point or a comma before its decimals."""
    written, digits = text, exponent(currency)
    grouped, comma = _GROUPED.fullmatch(text), _WITH_COMMA.fullmatch(text)
    if comma and len(comma[1]) <= digits and len(comma[1]) != _THOUSAND:
        text = text.replace(",", ".")
    elif grouped and grouped[2] and grouped[2] != grouped[1] and len(grouped[3]) <= digits:
        whole, point, decimals = text.rpartition(grouped[2])
        text = f"{whole.replace(grouped[1], '')}{point and '.'}{decimals}"
    elif grouped and (digits != _THOUSAND or grouped[1] != "."):
        # 1.234 is a thousand and more to one bank, and one and a bit to another.
        msg = f"{quoted(text)} can be read in two ways: write it without marks between thousands"
        raise ValueError(msg)
    try:
        amount = parse_amount(text, currency)
    except ValueError as error:
        # Its own reason quotes all of the text.
        raise ValueError(str(error).replace(repr(text), quoted(text))) from None
    if amount > LARGEST:
        msg = "the amount is too large"
        raise ValueError(msg)
    if amount <= 0:
        msg = f"{quoted(written)} is not above zero: only money that comes in is a payment"
        raise ValueError(msg)
    return amount
