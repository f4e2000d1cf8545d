"""Events to tell others, written in the transaction that made them true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from billing_cli.store.unit_of_work import Transaction

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


def tell(tx: Transaction, notices: Iterable[Notice], now: int) -> int:
    """Queue what has not been told yet; return how many that are."""
    rows = _rows(tx, notices, now)
    return tx.insert_new("billing_outbox", _COLUMNS, "told_as", rows) if rows else 0


def append(tx: Transaction, notices: Iterable[Notice], now: int) -> None:
    """Queue what cannot have been told yet, as :func:`tell` does, but faster."""
    tx.insert("billing_outbox", _COLUMNS, _rows(tx, notices, now))


def _rows(tx: Transaction, notices: Iterable[Notice], now: int) -> list[tuple[object, ...]]:
    last = tx.value("SELECT COALESCE(MAX(id), 0) FROM billing_outbox")
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
