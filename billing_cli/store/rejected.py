"""Lines that could not be taken, kept whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.store.unit_of_work import Transaction

_COLUMNS = (
    *("id", "file", "line", "reason", "raw", "digest", "partial", "kind", "header"),
    "rejected_at",
)
_SHOWN = "id, file, line, reason, raw, rejected_at, partial, kind, header"

EVENT, ROW, PART = "event", "row", "part"


class RejectedRow(NamedTuple):
    """A kept line. ``partial`` is 1 for the end of a file that breaks off.

    ``kind`` is ``EVENT`` for a text that is to be an event, ``ROW`` for a CSV row that does not
    fit its ``header``, which is empty where there was none, and ``PART`` for what cannot be read
    without more than was kept.
    """

    id: int
    file: str
    line: int
    reason: str
    raw: bytes
    rejected_at: int
    partial: int
    kind: str
    header: bytes | None


class NewRejection(NamedTuple):
    """A line to keep; the same line of the same file with the same content is kept once.

    ``kind`` and ``header`` are as for :class:`RejectedRow`.
    """

    file: str
    line: int
    reason: str
    raw: bytes
    digest: str
    partial: int
    kind: str
    header: bytes | None


def add(tx: Transaction, found: Sequence[NewRejection], at: int) -> None:
    """Keep lines."""
    last = tx.value("SELECT COALESCE(MAX(id), 0) FROM billing_rejected_lines")
    tx.execute_many(
        f"INSERT INTO billing_rejected_lines ({', '.join(_COLUMNS)}) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (file, line, digest) DO NOTHING",
        [(number, *rejection, at) for number, rejection in enumerate(found, last + 1)],
    )


def partial_lines(tx: Transaction, file: str) -> dict[int, list[tuple[int, bytes]]]:
    """Return ``{line: [(id, content)]}`` of the unfinished lines kept from a file."""
    found: dict[int, list[tuple[int, bytes]]] = {}
    for line, number, raw in tx.rows(
        "SELECT line, id, raw FROM billing_rejected_lines WHERE file = ? AND partial = 1", file
    ):
        found.setdefault(line, []).append((number, bytes(raw)))
    return found


def last_id(tx: Transaction, file: str) -> int | None:
    """Return the highest id of the lines kept from a file, None if none is kept."""
    found: int | None = tx.value("SELECT MAX(id) FROM billing_rejected_lines WHERE file = ?", file)
    return found


def of_lines(
    tx: Transaction, file: str, lines: Sequence[int], last: int
) -> Iterator[tuple[int, int, bytes]]:
    """Yield ``(id, line, content)`` of what is kept whole of some lines of a file, up to an id."""
    subquery, parameter = tx.numbers(lines)
    for number, line, raw in tx.rows(
        "SELECT id, line, raw FROM billing_rejected_lines "
        f"WHERE file = ? AND id <= ? AND partial = 0 AND line IN {subquery} ORDER BY id",
        file,
        last,
        parameter,
    ):
        yield number, line, bytes(raw)


def delete(tx: Transaction, ids: Iterable[int]) -> int:
    """Delete kept lines and return how many there were."""
    subquery, parameter = tx.numbers(list(ids))
    return tx.execute(f"DELETE FROM billing_rejected_lines WHERE id IN {subquery}", parameter)


def delete_all(tx: Transaction) -> int:
    """Delete all kept lines and return how many there were."""
    return tx.execute("DELETE FROM billing_rejected_lines")


def set_reason(tx: Transaction, reasons: Iterable[tuple[int, str]]) -> None:
    """Record ``(id, reason)``: why lines are rejected now."""
    tx.execute_many(
        "UPDATE billing_rejected_lines SET reason = ? WHERE id = ?",
        [(reason, number) for number, reason in reasons],
    )


def stream(tx: Transaction) -> Iterator[RejectedRow]:
    """Yield all kept lines, by file and line."""
    return (
        _rejected_row(*row)
        for row in tx.stream(f"SELECT {_SHOWN} FROM billing_rejected_lines ORDER BY file, line, id")
    )


def page(tx: Transaction, after: int, limit: int) -> list[RejectedRow]:
    """Return the kept lines with the next ids."""
    return [
        _rejected_row(*row)
        for row in tx.rows(
            f"SELECT {_SHOWN} FROM billing_rejected_lines WHERE id > ? ORDER BY id LIMIT ?",
            after,
            limit,
        )
    ]


def _rejected_row(*columns: Any) -> RejectedRow:
    """Return a row of ``_SHOWN``; drivers have types of their own for bytes."""
    row = RejectedRow(*columns)
    header = None if row.header is None else bytes(row.header)
    return row._replace(raw=bytes(row.raw), header=header)


def known_ids(tx: Transaction, ids: Sequence[int]) -> set[int]:
    """Return which of the ids there are."""
    subquery, parameter = tx.numbers(ids)
    return {
        row[0]
        for row in tx.rows(
            f"SELECT id FROM billing_rejected_lines WHERE id IN {subquery}",
            parameter,
        )
    }
