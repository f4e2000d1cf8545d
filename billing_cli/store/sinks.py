"""Who is told of events, and up to which event each has been served."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.store.unit_of_work import Transaction


class SinkRow(NamedTuple):
    """A sink: every event up to ``position`` has been looked at for it.

    Nothing is sent before ``paused_until``, and nothing once it was stopped.
    """

    sink_key: int
    name: str
    first_seen_at: int
    position: int
    paused_until: int | None
    stopped_at: int | None
    stop_reason: str | None


_ALL = ", ".join(SinkRow._fields)


def known(tx: Transaction) -> dict[str, SinkRow]:
    """Return every sink that was ever served, by name."""
    rows = tx.rows(f"SELECT {_ALL} FROM billing_sinks ORDER BY name")
    return {row[1]: SinkRow(*row) for row in rows}


def add(tx: Transaction, names: Sequence[str], position: int, now: int) -> None:
    """Begin to serve sinks with the events after one."""
    first: int = tx.value("SELECT COALESCE(MAX(sink_key), 0) + 1 FROM billing_sinks")
    tx.insert(
        "billing_sinks",
        ("sink_key", "name", "first_seen_at", "position"),
        [(number, name, now, position) for number, name in enumerate(names, first)],
    )


def move(tx: Transaction, sink_key: int, position: int) -> None:
    """Record that every event up to one has been looked at."""
    tx.execute("UPDATE billing_sinks SET position = ? WHERE sink_key = ?", position, sink_key)


def pause(tx: Transaction, sink_key: int, until: int | None) -> None:
    """Send nothing before a moment; None ends a pause."""
    tx.execute("UPDATE billing_sinks SET paused_until = ? WHERE sink_key = ?", until, sink_key)


def stop(tx: Transaction, sink_key: int, at: int, reason: str) -> None:
    """Send nothing any more, until :func:`resume`."""
    tx.execute(
        "UPDATE billing_sinks SET stopped_at = ?, stop_reason = ? WHERE sink_key = ?",
        at,
        reason,
        sink_key,
    )


def resume(tx: Transaction, sink_key: int) -> None:
    """Go on with a sink that was stopped or paused."""
    tx.execute(
        "UPDATE billing_sinks SET stopped_at = NULL, stop_reason = NULL, paused_until = NULL "
        "WHERE sink_key = ?",
        sink_key,
    )


def last_before(tx: Transaction, instant: int) -> int:
    """Return the number of the last event before the first that was recorded since a moment."""
    first: int | None = tx.value(
        "SELECT MIN(id) FROM billing_outbox WHERE recorded_at >= ?", instant
    )
    if first is not None:
        return first - 1
    newest: int = tx.value("SELECT COALESCE(MAX(id), 0) FROM billing_outbox")
    return newest
