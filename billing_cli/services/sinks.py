"""Those who are told of events: from when on, how far they are served, and whether they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError, NotFoundError
from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.store import deliveries, outbox
from billing_cli.store import sinks as store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.app import App
    from billing_cli.settings import Settings, Sink
    from billing_cli.store.outbox import Selection
    from billing_cli.store.sinks import SinkRow
    from billing_cli.store.unit_of_work import Transaction


def chosen(settings: Settings, names: Sequence[str] | None) -> list[Sink]:
    """Return the sinks of the config file that are named, or all; NotFoundError for none."""
    configured = {sink.name: sink for sink in settings.values.notifications.sinks}
    for name in names or ():
        if name not in configured:
            known = ", ".join(configured) or "there are none"
            raise NotFoundError(
                f"there is no sink {quoted(name)}", f"in the config file, notifications: {known}"
            )
    return [sink for name, sink in configured.items() if not names or name in names]


def register(
    tx: Transaction, sinks: Sequence[Sink], now: int, since: int | None = None
) -> dict[str, SinkRow]:
    """Return how far each sink is served; one that is new begins with the next event.

    With ``since`` those that are new begin with what was recorded from a moment on; where none is
    new, :class:`ConflictError` says so.
    """
    known = store.known(tx)
    new = [sink.name for sink in sinks if sink.name not in known]
    if new:
        position = outbox.newest(tx) if since is None else store.last_before(tx, since)
        store.add(tx, new, position, now)
        known = store.known(tx)
    elif since is not None:
        raise ConflictError(
            "--since is for sinks that were never served, and these were: "
            + ", ".join(sink.name for sink in sinks),
            "billing events replay --since queues events again for every sink",
        )
    return {sink.name: known[sink.name] for sink in sinks}


def serve_again(tx: Transaction, settings: Settings, selection: Selection, now: int) -> None:
    """Have every sink of the config file told again of the events of a selection that it wants."""
    sinks = settings.values.notifications.sinks
    ids, parameters = outbox.subquery(tx, selection)
    for name, row in register(tx, sinks, now).items():
        types = next(sink.types for sink in sinks if sink.name == name)
        deliveries.again(tx, row, types, deliveries.Chosen(ids, tuple(parameters)), now)


def overview(app: App) -> list[dict[str, object]]:
    """Return a row for each sink of the config file, and for those that were served before."""
    configured = {sink.name: sink for sink in app.settings.values.notifications.sinks}
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        known = store.known(tx)
        names = [*configured, *(name for name in known if name not in configured)]
        return [_row(tx, name, configured.get(name), known.get(name), now) for name in names]


def resume(app: App, name: str) -> None:
    """Go on with a sink that was stopped, or that is left alone for a while."""
    with app.unit_of_work() as uow, uow.batch() as tx:
        row = store.known(tx).get(name)
        if row is None:
            raise NotFoundError(
                f"there is no sink {quoted(name)} that was ever served",
                "billing events sinks list shows them",
            )
        if row.stopped_at is None and row.paused_until is None:
            raise ConflictError(f"the sink {quoted(name)} is neither stopped nor paused")
        store.resume(tx, row.sink_key)


def waiting(tx: Transaction, sink: Sink | None, row: SinkRow | None) -> tuple[int, int]:
    """Return how many events wait for a sink, and how many are given up as dead."""
    if row is None:
        return 0, 0
    counts = deliveries.counts(tx, row.sink_key)
    dead = counts.pop(deliveries.DEAD, 0)
    new = 0 if sink is None else deliveries.count_new(tx, row.position, sink.types)
    return sum(counts.values()) + new, dead


def status_of(sink: Sink | None, row: SinkRow | None, now: int) -> str:
    """Say in a word or two how a sink stands."""
    if sink is None:
        return "not configured"
    if row is None:
        return "new"
    if row.stopped_at is not None:
        return "stopped"
    if row.paused_until is not None and row.paused_until > now:
        return "paused"
    return "active"


def _row(
    tx: Transaction, name: str, sink: Sink | None, row: SinkRow | None, now: int
) -> dict[str, object]:
    backlog, dead = waiting(tx, sink, row)
    return {
        "sink": name,
        "kind": None if sink is None else sink.kind,
        "events": None if sink is None else list(sink.patterns),
        "status": status_of(sink, row, now),
        "since": None if row is None else format_instant(row.first_seen_at),
        "backlog": backlog,
        "dead": dead,
        "paused_until": instant_text(row and row.paused_until),
        "reason": row and row.stop_reason,
    }
