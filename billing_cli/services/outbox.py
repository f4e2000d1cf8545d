"""Events told to others: listing them, and queueing them to be told again."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from billing_cli.errors import NotFoundError, UsageError
from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.notice_schemas import schema_of, schemas
from billing_cli.pricing.notices import TYPES
from billing_cli.services import sinks
from billing_cli.store import outbox as store
from billing_cli.store.outbox import PREFIX
from billing_cli.store.users import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.app import App
    from billing_cli.store.unit_of_work import Transaction

_ID: Final = re.compile(r"(?:evt_)?([1-9][0-9]{0,17})", re.ASCII)
_HINT: Final = "billing events list shows ids"


class Asked(NamedTuple):
    """Which events are asked for; None is any. ``since`` and ``until`` are seconds, half-open."""

    type: str | None = None
    user: str | None = None
    since: int | None = None
    until: int | None = None
    limit: int | None = None

    def check(self, option: str = "--type") -> None:
        """Raise :class:`UsageError` for what cannot be asked; ``option`` named the type."""
        if self.type is not None and self.type not in TYPES:
            raise UsageError(
                f"{option}: {quoted(self.type)} is not a type of event",
                f"use one of: {', '.join(TYPES)}",
            )
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise UsageError("--since is not before --until", "give the earlier moment first")


@contextmanager
def listing(app: App, asked: Asked) -> Iterator[Iterator[dict[str, object]]]:
    """Give the events asked for, in the order in which they occurred."""
    asked.check()
    with app.unit_of_work() as uow, uow.reading() as tx:
        yield (
            {
                "id": f"{PREFIX}{row.id}",
                "type": row.type,
                "user_id": row.user_id,
                "occurred_at": format_instant(row.occurred_at),
                "recorded_at": format_instant(row.recorded_at),
                "data": json.loads(row.data),
            }
            for row in store.listed(tx, _selection(tx, asked))
        )


def schema(kind: str | None) -> dict[str, Any]:
    """Return the JSON Schema of events of a type as they are told, None for those of all types."""
    if kind is None:
        return schemas()
    Asked(type=kind).check("TYPE")
    return schema_of(kind)


@contextmanager
def replay(
    app: App, references: Sequence[str], asked: Asked, *, dry_run: bool
) -> Iterator[Iterator[dict[str, object]]]:
    """Queue events to be told again, and give them as they are told."""
    asked.check()
    ids = numbers_of(references) if references else None
    with app.unit_of_work() as uow:
        with uow.reading() as tx:
            selection = _selection(tx, asked)._replace(ids=ids)
            if ids:
                require_known(tx, ids)
        if not dry_run:
            with uow.batch() as tx:
                # Read afterwards, without the lock: what is told meanwhile was not queued here.
                selection = selection._replace(last_id=store.newest(tx))
                store.queue_again(tx, selection, app.clock.now())
                sinks.serve_again(tx, app.settings, selection, app.clock.now())
        with uow.reading() as tx:
            yield (
                as_told(row.id, row.type, row.occurred_at, row.data)
                for row in store.listed(tx, selection)
            )


def as_told(number: int, kind: str, occurred_at: int, data: str) -> dict[str, object]:
    """Return an event as others are told of it; ``data`` is JSON."""
    return {
        "id": f"{PREFIX}{number}",
        "type": kind,
        "event": kind,
        "timestamp": format_instant(occurred_at),
        "data": json.loads(data),
    }


def _selection(tx: Transaction, asked: Asked) -> store.Selection:
    key = None if asked.user is None else key_of(tx, asked.user)
    return store.Selection(asked.type, key, asked.since, asked.until, limit=asked.limit)


def numbers_of(references: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of events named by ids; :class:`NotFoundError` for what is no id."""
    found = []
    for reference in references:
        match = _ID.fullmatch(reference)
        if match is None:
            raise NotFoundError(f"there is no event {quoted(reference)}", _HINT)
        found.append(int(match[1]))
    return tuple(found)


def require_known(tx: Transaction, ids: Sequence[int]) -> None:
    """Raise :class:`NotFoundError` unless there is an event of each number."""
    unknown = sorted(set(ids) - store.known_ids(tx, ids))
    if unknown:
        raise NotFoundError(f"there is no event '{PREFIX}{unknown[0]}'", _HINT)
