"""Recording the money settings, and telling what is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_cli.pricing.instants import format_instant
from billing_cli.services import terms
from billing_cli.services.plan_changes import named
from billing_cli.store import terms as store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.app import App
    from billing_cli.services.plan_changes import Reached


_SHOWN_DIFFERENCES = 3


@dataclass(frozen=True, slots=True)
class AppliedRows:
    """What was or would be recorded, ready to be shown."""

    rows: list[dict[str, object]]
    messages: list[str]


def apply(app: App, since: int | None, *, dry_run: bool) -> AppliedRows:
    """Record the file's money settings; with ``dry_run`` only tell what would change."""
    with app.unit_of_work(rehearse=dry_run) as uow:
        now = app.clock.now()
        applied = terms.apply(uow, app.settings, now, since)
        with uow.reading() as tx:
            history = terms.read(tx, app.settings).history
    rows = [_row(difference) for difference in applied.differences]
    if not rows:
        ahead = applied.scheduled_from
        return AppliedRows([], [] if ahead is None else [_already(ahead)])
    would = "would hold" if dry_run else "recorded: in force"
    if applied.effective_from is None:
        return AppliedRows(rows, [f"{would} from the beginning of time"])
    messages = [f"{would} from {format_instant(applied.effective_from)}"]
    drops = "would drop" if dry_run else "dropped"
    messages += [
        f"{drops} the settings that were to hold from {format_instant(moment)}"
        for moment in applied.dropped
    ]
    messages += [_reaching(reached) for reached in applied.reached]
    if any(row["key"] in {"timezone", "invoiceDay"} for row in rows):
        period = history.calendar.containing(applied.effective_from)
        messages.append(f"the period {period.name} then runs until {format_instant(period.end)}")
    if any(row["key"] == "billingMode" for row in rows):
        period = history.calendar.containing(applied.effective_from)
        first = period.start if period.start == applied.effective_from else period.end
        messages.append(f"the mode changes with the period from {format_instant(first)} on")
    if applied.remetered_from is not None:
        messages.append(
            f"usage from {format_instant(applied.remetered_from)} on is metered again "
            "by the next billing meter run"
        )
    return AppliedRows(rows, messages)


def _already(since: int) -> str:
    at = format_instant(since)
    return f"what the file says holds from {at} on; --from brings it forward or puts it off"


def _reaching(reached: Reached) -> str:
    """Say whom a changed plan reaches when."""
    who = named(reached.names, reached.holders)
    when = f"from {format_instant(reached.first)} on"
    if reached.last > reached.first:
        when = f"between {format_instant(reached.first)} and {format_instant(reached.last)}"
    terms_of = "their next terms" if reached.holders > 1 else "the next term"
    return f"the plan {reached.plan_id!r} changes for {who} with {terms_of}, {when}"


def history(app: App) -> list[dict[str, object]]:
    """Return a row for each recorded version, oldest first.

    Its changes are against what was in force at the moment from which it holds; ``replaced_by`` is
    the later version that took the place of all of it.
    """
    with app.unit_of_work() as uow, uow.reading() as tx:
        recorded = store.versions(tx)
    return [
        {
            "version": version.id,
            "effective_from": _since(version),
            "recorded_at": format_instant(version.recorded_at),
            "changes": _changes(recorded[:at], version),
            "replaced_by": next((v.id for v in recorded[at + 1 :] if _replaces(v, version)), None),
            "settings": version.document,
        }
        for at, version in enumerate(recorded)
    ]


def _since(version: store.Version) -> str:
    since = version.effective_from
    return "the beginning" if since is None else format_instant(since)


def _changes(before: Sequence[store.Version], version: store.Version) -> str:
    if not before or version.effective_from is None:
        return "first settings"
    in_force, _ = terms.outlook(before, version.effective_from)
    return "; ".join(
        f"{d.key}: {_said(d.in_force)} -> {_said(d.wanted)}"
        for d in terms.compare(in_force.document, version.document)
    )


def _replaces(later: store.Version, version: store.Version) -> bool:
    since, was = later.effective_from, version.effective_from
    return since is not None and was is not None and since <= was


def warn_of(in_force: terms.InForce) -> str | None:
    """Say that the file differs from what is, or will be, in force; None where it does not."""
    differences, since = in_force.differences, in_force.scheduled_from
    if not differences:
        return None
    verb = "is" if since is None else "will be"
    shown = "; ".join(
        f"{d.key} {verb} {_said(d.in_force)}, the file says {_said(d.wanted)}"
        for d in differences[:_SHOWN_DIFFERENCES]
    )
    others = len(differences) - _SHOWN_DIFFERENCES
    more = f" and {others} more" if others > 0 else ""
    ahead = "" if since is None else f" from {format_instant(since)} on"
    return (
        f"the config file differs from the settings in force{ahead} ({shown}{more}); "
        "billing config apply records the change"
    )


def _said(value: object) -> str:
    return "nothing" if value is None else str(value)


def _row(difference: terms.Difference) -> dict[str, object]:
    def text(value: object) -> str | None:
        return None if value is None else str(value)

    return {
        "key": difference.key,
        "in_force": text(difference.in_force),
        "wanted": text(difference.wanted),
    }
