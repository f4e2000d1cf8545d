"""Events to tell others, written in the transaction that made them true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from billing_cli.store.unit_of_work import Transaction

PREFIX: Final = "evt_"
# How the fields of an event's data end that say what it is about, and how much.
_TELLING: Final = (
    "_id",
    "_number",
    "amount",
    "total",
    "currency",
    "resource_type",
    "level",
    "_note",
)
_ENCODER = msgspec.json.Encoder(order="deterministic")
_COLUMNS = (
    "id",
    "told_as",
    "type",
    "user_key",
    "user_id",
    "occurred_at",
    "recorded_at",
    "queued_at",
    "data",
)


class Notice(NamedTuple):
    """Something that happened at an instant; what has the same ``identity`` is told once.

    ``type`` is a name such as ``billing.invoice.paid``; ``data`` holds what JSON can: amounts as
    decimal text, times as RFC 3339.
    """

    type: str
    identity: str
    user_key: int | None
    user_id: str | None
    occurred_at: int
    data: Mapping[str, Any]


class Told(NamedTuple):
    """An event that was queued, in short: ``details`` are its ids, numbers and amounts."""

    id: int
    type: str
    user_id: str | None
    data: str

    @property
    def event_id(self) -> str:
        """The id under which the event is shown."""
        return f"{PREFIX}{self.id}"

    @property
    def details(self) -> dict[str, object]:
        """What says which invoice, payment or limit it is about, and how much."""
        data: dict[str, object] = msgspec.json.decode(self.data)
        return {
            key: value
            for key, value in data.items()
            if key.endswith(_TELLING) and key != "user_id" and isinstance(value, str | int)
        }


def tell(tx: Transaction, notices: Iterable[Notice], now: int) -> int:
    """Queue what has not been told yet; return how many that are."""
    rows = _rows(tx, notices, now)
    if not rows:
        return 0
    count = tx.insert_new("billing_outbox", _COLUMNS, "told_as", rows)
    _note(tx, int(str(rows[0][0])) - 1)
    return count


def append(tx: Transaction, notices: Iterable[Notice], now: int) -> None:
    """Queue what cannot have been told yet, as :func:`tell` does, but faster."""
    rows = _rows(tx, notices, now)
    tx.insert("billing_outbox", _COLUMNS, rows)
    if rows:
        _note(tx, int(str(rows[0][0])) - 1)


def _note(tx: Transaction, after: int) -> None:
    """Keep what was queued after a number for whoever wants to know."""
    if tx.told is not None:
        tx.told += [
            Told(*row)
            for row in tx.rows(
                "SELECT id, type, user_id, data FROM billing_outbox WHERE id > ? ORDER BY id", after
            )
        ]


def _rows(tx: Transaction, notices: Iterable[Notice], now: int) -> list[tuple[object, ...]]:
    last = newest(tx)
    return [
        (
            number,
            notice.identity,
            notice.type,
            notice.user_key,
            notice.user_id,
            notice.occurred_at,
            now,
            now,
            _ENCODER.encode(notice.data).decode(),
        )
        for number, notice in enumerate(notices, last + 1)
    ]


class Selection(NamedTuple):
    """Which events; None is any. ``since`` and ``until`` bound when they occurred, half-open.

    ``limit`` keeps the newest; ``last_id`` leaves out what was told later.
    """

    type: str | None = None
    user_key: int | None = None
    since: int | None = None
    until: int | None = None
    ids: tuple[int, ...] | None = None
    limit: int | None = None
    last_id: int | None = None


class ToldRow(NamedTuple):
    """An event as it is kept; ``data`` is JSON."""

    id: int
    type: str
    user_id: str | None
    occurred_at: int
    recorded_at: int
    queued_at: int
    data: str


_TOLD = ", ".join(ToldRow._fields)


def listed(tx: Transaction, selection: Selection) -> Iterator[ToldRow]:
    """Yield the events of a selection in the order in which they occurred, then were told."""
    condition, parameters = _condition(tx, selection)
    if selection.limit is not None:
        condition = (
            f"id IN (SELECT id FROM billing_outbox WHERE {condition} "
            "ORDER BY occurred_at DESC, id DESC LIMIT ?)"
        )
        parameters.append(selection.limit)
    for row in tx.stream(
        f"SELECT {_TOLD} FROM billing_outbox WHERE {condition} ORDER BY occurred_at, id",
        *parameters,
    ):
        yield ToldRow(*row)


def known_ids(tx: Transaction, ids: Sequence[int]) -> set[int]:
    """Return those of some ids that an event has."""
    subquery, parameter = tx.numbers(ids)
    return {
        row[0]
        for row in tx.rows(f"SELECT id FROM billing_outbox WHERE id IN {subquery}", parameter)
    }


def queue_again(tx: Transaction, selection: Selection, now: int) -> int:
    """Have the events of a selection told again; return how many that are."""
    condition, parameters = _condition(tx, selection)
    return tx.execute(
        f"UPDATE billing_outbox SET queued_at = ? WHERE {condition}", now, *parameters
    )


def subquery(tx: Transaction, selection: Selection) -> tuple[str, list[object]]:
    """Return a subquery that yields the numbers of the events of a selection, and its parameters.

    The selection's ``limit`` does not count.
    """
    condition, parameters = _condition(tx, selection)
    return f"(SELECT id FROM billing_outbox WHERE {condition})", parameters


def _condition(tx: Transaction, selection: Selection) -> tuple[str, list[object]]:
    parts, parameters = ["1 = 1"], list[object]()
    for text, value in (
        ("type = ?", selection.type),
        ("user_key = ?", selection.user_key),
        ("occurred_at >= ?", selection.since),
        ("occurred_at < ?", selection.until),
        ("id <= ?", selection.last_id),
    ):
        if value is not None:
            parts.append(text)
            parameters.append(value)
    if selection.ids is not None:
        subquery, parameter = tx.numbers(selection.ids)
        parts.append(f"id IN {subquery}")
        parameters.append(parameter)
    return " AND ".join(parts), parameters


def newest(tx: Transaction) -> int:
    """Return the number of the newest event, 0 where there is none."""
    number: int = tx.value("SELECT COALESCE(MAX(id), 0) FROM billing_outbox")
    return number
