"""What shell completion reads: few rows, found by their keys, over a connection that cannot write.

It speaks to the drivers directly. Importing SQLAlchemy would take longer than all the rest of a
completion, and whoever presses the tab key waits for it.
"""

from __future__ import annotations

import json
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from billing_cli.store.invoices import REGULAR
from billing_cli.store.stripe_links import CUSTOMER, local_number

if TYPE_CHECKING:
    from collections.abc import Iterator

# The most candidates that are looked up for one press of the tab key.
LIMIT: Final = 50

_TIMEOUT_SECONDS: Final = 1
# SQLite asks whether to give up after this many steps of its machine: some 10 ms.
_STEPS_BETWEEN_CHECKS: Final = 100_000
_LAST_CHARACTER: Final = "\U0010ffff"
_DIGITS_OF_IDS: Final = 18
_AFTER_ALL: Final = 2**62
_EVENT: Final = "evt_"

_PERIOD_BEFORE: Final = (
    "SELECT MAX(start) FROM ("
    "SELECT * FROM (SELECT period_start AS start FROM billing_usage_records "
    "WHERE start_time < ? ORDER BY start_time DESC LIMIT 1) r UNION ALL "
    "SELECT * FROM (SELECT period_start AS start FROM billing_invoices "
    f"WHERE period_start < ? AND kind = '{REGULAR}' ORDER BY period_start DESC LIMIT 1) i) x"
)


class Version(NamedTuple):
    """Settings that decide money; ``effective_from`` None is the beginning of time."""

    effective_from: int | None
    document: dict[str, Any]


class Reader:
    """Runs queries, the same text for both drivers, with ``?`` for parameters."""

    def __init__(self, driver: Any, mark: str) -> None:
        self._driver = driver
        self._mark = mark

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        cursor = self._driver.execute(sql.replace("?", self._mark), parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


@contextmanager
def reading(url: str) -> Iterator[Reader]:
    """Connect to the database of a ``sqlite:///`` or ``postgresql://`` URL, to read only.

    Nothing is made or changed, and a query that takes longer than a second is broken off. Raises
    ``OSError`` where there is no such file, and otherwise what the driver raises.
    """
    opened = _sqlite(url) if url.startswith("sqlite:") else _postgres(url)
    with closing(opened[0]):
        yield Reader(*opened)


def _sqlite(url: str) -> tuple[Any, str]:
    import sqlite3

    path = Path(url.removeprefix("sqlite:///").partition("?")[0]).resolve(strict=True)
    # Even a reader makes the files of a write-ahead log where there are none, and with its own
    # owner. A database without them is at rest, and can be read as if nobody could change it.
    at_rest = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    driver = sqlite3.connect(
        f"{path.as_uri()}?mode=ro{at_rest}", uri=True, timeout=_TIMEOUT_SECONDS
    )
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    driver.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_CHECKS)
    return driver, "?"


def _postgres(url: str) -> tuple[Any, str]:
    import psycopg

    options = f"-c default_transaction_read_only=on -c statement_timeout={_TIMEOUT_SECONDS}s"
    # Less than two seconds is not accepted as a time limit for connecting.
    driver = psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=2 * _TIMEOUT_SECONDS,
        application_name="billing",
        options=options,
    )
    return driver, "%s"


def users(reader: Reader, prefix: str) -> Iterator[str]:
    """Yield users whose names begin with a text, in byte order."""
    return _texts(reader, "billing_users", "user_id", prefix)


def sessions(reader: Reader, prefix: str) -> Iterator[str]:
    """Yield sessions whose ids begin with a text, in byte order."""
    return _texts(reader, "billing_sessions", "session_id", prefix)


def invoices(reader: Reader, prefix: str) -> Iterator[str]:
    """Yield invoices by their numbers, or without one by their ids, the newest first.

    Who begins to type an id gets ids, of numbered invoices too.
    """
    yield from _texts(reader, "billing_invoices", "invoice_number", prefix, order="DESC")
    yield from _ids(reader, "billing_invoices", prefix, "" if prefix else "invoice_number IS NULL")


def drafts(reader: Reader, prefix: str) -> Iterator[str]:
    """Yield the ids of draft invoices, the newest first."""
    return _ids(reader, "billing_invoices", prefix, "status = 'draft'")


def payments(reader: Reader, prefix: str) -> Iterator[str]:
    """Yield the ids of payments, the newest first."""
    return _ids(reader, "billing_payments", prefix)


def credits(reader: Reader, prefix: str) -> Iterator[str]:
    """Yield the ids of credits, the newest first."""
    return _ids(reader, "billing_credits", prefix)


def subscriptions(reader: Reader, prefix: str) -> Iterator[str]:
    """Yield the ids of subscriptions, the newest first."""
    return _ids(reader, "billing_subscriptions", prefix)


def rejected_lines(reader: Reader, prefix: str) -> Iterator[str]:
    """Yield the ids of rejected lines, the newest first."""
    return _ids(reader, "billing_rejected_lines", prefix)


def events(reader: Reader, prefix: str) -> Iterator[str]:
    """Yield the ids of emitted events, the newest first."""
    digits = prefix.removeprefix(_EVENT)
    if digits != prefix or _EVENT.startswith(prefix):
        for number in _ids(reader, "billing_outbox", "" if digits == prefix else digits):
            yield f"{_EVENT}{number}"


def stripe_events(reader: Reader, prefix: str) -> Iterator[str]:
    """Yield the ids of Stripe's events, in byte order."""
    return _texts(reader, "billing_stripe_events", "id", prefix)


def failed_stripe_events(reader: Reader, prefix: str) -> Iterator[str]:
    """Yield the ids of Stripe's events that could not be worked off, in byte order."""
    return _texts(reader, "billing_stripe_events", "id", prefix, "state = 'failed'")


def payment_methods(reader: Reader, prefix: str, user: str | None) -> Iterator[str]:
    """Yield the payment methods that customers pay with: a user's, or all."""
    for row in reader.rows(
        "SELECT DISTINCT c.detail FROM billing_stripe_links c JOIN billing_users u "
        f"ON u.user_key = {local_number('c', CUSTOMER)} WHERE c.kind = '{CUSTOMER}' "
        f"AND c.detail IS NOT NULL AND (CAST(? AS TEXT) IS NULL OR u.user_id = ?) "
        f"ORDER BY c.detail LIMIT {LIMIT}",
        user,
        user,
    ):
        if row[0].startswith(prefix):
            yield row[0]


def period_starts(reader: Reader) -> Iterator[int]:
    """Yield the start of each period that has usage records or a regular invoice, newest first.

    Each is one step along the keys, however much the periods hold.
    """
    start: int | None = _AFTER_ALL
    while (start := reader.rows(_PERIOD_BEFORE, start, start)[0][0]) is not None:
        yield start


def versions(reader: Reader) -> list[Version]:
    """Return the versions of the settings that decide money, in the order they were recorded."""
    return [
        Version(since, json.loads(document))
        for since, document in reader.rows(
            "SELECT effective_from, document FROM billing_settings_versions ORDER BY id"
        )
    ]


def _texts(  # noqa: PLR0913 - which values of which column, in which order
    reader: Reader,
    table: str,
    column: str,
    prefix: str,
    condition: str = "",
    *,
    order: str = "ASC",
) -> Iterator[str]:
    # Both databases compare these columns by bytes, so a prefix is a range of their index.
    for row in reader.rows(
        f"SELECT {column} FROM {table} WHERE {column} >= ? AND {column} < ? "
        f"{condition and f'AND {condition} '}ORDER BY {column} {order} LIMIT {LIMIT}",
        prefix,
        prefix + _LAST_CHARACTER,
    ):
        yield row[0]


def _ids(reader: Reader, table: str, prefix: str, condition: str = "") -> Iterator[str]:
    for first, last in _ranges(prefix):
        for row in reader.rows(
            f"SELECT id FROM {table} WHERE id BETWEEN ? AND ? "
            f"{condition and f'AND {condition}'} ORDER BY id DESC LIMIT {LIMIT}",
            first,
            last,
        ):
            yield str(row[0])


def _ranges(prefix: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges of the ids that begin with these digits, so that their key can be used."""
    if not prefix:
        yield 1, _AFTER_ALL
    elif prefix.isascii() and prefix.isdigit() and not prefix.startswith("0"):
        for digits in range(_DIGITS_OF_IDS - len(prefix)):
            size = 10**digits
            yield int(prefix) * size, (int(prefix) + 1) * size - 1
