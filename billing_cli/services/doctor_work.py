"""The doctor's checks of the work: what comes in, what becomes of it, and what stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from billing_cli.pricing.instants import format_instant
from billing_cli.services import terms
from billing_cli.services.config import warn_of
from billing_cli.services.doctor_place import FAILED, OK, SKIPPED, WARNING, Finding, counted
from billing_cli.store import dashboard_sums, overage, state
from billing_cli.store import doctor as store
from billing_cli.store import terms as versions
from billing_cli.store.sessions import pending_count

if TYPE_CHECKING:
    from billing_cli.services.doctor_place import Place

_HOUR: Final = 3_600
_DAY: Final = 86_400
_SKEW_SECONDS: Final = 300
_SILENT_SECONDS: Final = 7 * _DAY
_RECENT_SECONDS: Final = 30 * _DAY
_LATE_SECONDS, _FAR_BEHIND_SECONDS = 3 * _HOUR, _DAY
_LATE_INVOICES_SECONDS: Final = 7 * _DAY
_EXAMPLES: Final = 3
_SWITCHED_OFF: Final = "billing is switched off"


def settings(place: Place) -> Finding:
    """Compare the settings of the file with those in force."""
    with place.reading() as tx:
        recorded = versions.versions(tx)
        try:
            in_force = terms.read(tx, place.settings, place.now)
        except ValueError as error:
            return Finding(FAILED, f"what is in force cannot be read: {error}", "upgrade tzdata")
    difference = warn_of(in_force)
    if difference:
        said, _, _ = difference.rpartition("; ")
        return Finding(WARNING, said, "billing config apply --dry-run, then without; or mend it")
    if not recorded:
        return Finding(OK, "nothing is recorded yet: the first run records what the file says")
    return Finding(OK, "the file says what is in force")


def events(place: Place) -> Finding:
    """Look when the last event came in, and whether the senders' clocks can be right."""
    now = place.now
    with place.reading() as tx:
        found = store.arrivals(tx)
    if found.received_at is None:
        return Finding(WARNING, "none have come in yet", "billing meter ingest takes them in")
    said = f"the last came in at {format_instant(found.received_at)}"
    if place.app.at is None and found.received_at > now + _SKEW_SECONDS:
        return Finding(
            FAILED,
            f"{said}, which is still to come",
            "the clock was wrong then, or is now: compare it with another one",
        )
    if found.begins_at is not None and found.begins_at > max(now, found.received_at) + _DAY:
        return Finding(
            WARNING,
            f"{said}; one tells of {format_instant(found.begins_at)}, which is still to come",
            "compare the clocks of those who send events",
        )
    if now - found.received_at > _SILENT_SECONDS:
        return Finding(WARNING, said, "look at what sends them, and at the job that takes them in")
    return Finding(OK, said)


def rejected(place: Place) -> Finding:
    """Count the lines that were rejected."""
    with place.reading() as tx:
        found = dashboard_sums.troubles(tx, place.now, place.now).rejected
    if found:
        return Finding(
            WARNING,
            f"{counted(found, 'line', 'lines')} of events could not be taken",
            "billing meter rejected list says why; export, mend and retry, or drop them",
        )
    return Finding(OK, "no line of events is kept as rejected")


def anomalies(place: Place) -> Finding:
    """Count the events of the last days that contradict others."""
    with place.reading() as tx:
        total, recent = store.anomalies(tx, place.now - _RECENT_SECONDS, place.now)
    if recent:
        return Finding(
            WARNING,
            f"{counted(recent, 'event', 'events')} of the last 30 days contradict others",
            "billing meter anomalies says which; they are settled by rule",
        )
    return Finding(OK, f"none in the last 30 days, {total:,} before")


def sessions(place: Place) -> Finding:
    """Look for sessions that run on, and have not been heard of for a week."""
    with place.reading() as tx:
        found = store.silent(tx, place.now - _SILENT_SECONDS, place.now, _EXAMPLES)
    if found.sessions:
        names = ", ".join(found.examples) + (", …" if found.sessions > len(found.examples) else "")
        count = counted(found.sessions, "session runs", "sessions run")
        return Finding(
            WARNING,
            f"{count} on, silent for 7 days: {names}",
            "if one has ended, its end was lost: ingest it; or set heartbeatTimeoutMinutes",
        )
    return Finding(OK, "every session that runs was heard of within 7 days")


def metering(place: Place) -> Finding:
    """Look how far usage is metered."""
    if not place.settings.values.enabled:
        return Finding(SKIPPED, _SWITCHED_OFF)
    with place.reading() as tx:
        metered = state.metered_until(tx)
        pending, stale = pending_count(tx), overage.first_stale(tx)
        known = store.arrivals(tx).received_at is not None
    advice = "billing meter run; then see to the job that should run it"
    if metered is None:
        if not known:
            return Finding(OK, "there is nothing to meter yet")
        return Finding(FAILED, "nothing is metered, and events have come in", advice)
    said = f"metered until {format_instant(metered)}"
    if pending:
        said += f"; {counted(pending, 'session has', 'sessions have')} events not looked at yet"
    if stale is not None:
        said += "; overage is to be made again"
    behind = place.now - metered
    if behind <= _LATE_SECONDS:
        return Finding(OK, said)
    return Finding(FAILED if behind > _FAR_BEHIND_SECONDS else WARNING, said, advice)


def quotas(place: Place) -> Finding:
    """Look how far quotas are checked, where anybody has one."""
    if not place.settings.values.enabled:
        return Finding(SKIPPED, _SWITCHED_OFF)
    with place.reading() as tx:
        if not store.has_limits(tx):
            return Finding(OK, "nobody has a limit")
        checked = state.quota_progress(tx).checked_until
    if checked is None or place.now - checked > _FAR_BEHIND_SECONDS:
        said = "never checked" if checked is None else f"checked until {format_instant(checked)}"
        return Finding(
            WARNING, said, "billing quota check; without it nobody is warned or suspended"
        )
    return Finding(OK, f"checked until {format_instant(checked)}")


def invoices(place: Place) -> Finding:
    """Look whether the last period that is over was invoiced."""
    if not place.settings.values.enabled:
        return Finding(SKIPPED, _SWITCHED_OFF)
    with place.reading() as tx:
        history = terms.read(tx, place.settings).history
        running = history.calendar.containing(place.now)
        last = history.calendar.containing(running.start - 1)
        mode = history.mode_of(last.start)
        unbilled = dashboard_sums.is_unbilled(tx, last.start, last.end, mode)
    if not unbilled:
        return Finding(OK, f"{last.name} is closed, or there is nothing to bill in it")
    late = place.now - last.end > _LATE_INVOICES_SECONDS
    return Finding(
        FAILED if late else WARNING,
        f"{last.name} ended at {format_instant(last.end)} and is not closed",
        "billing invoice generate --finalize; --dry-run shows what it would do",
    )


def overdue(place: Place) -> Finding:
    """Look whether the job that marks what is overdue runs."""
    with place.reading() as tx:
        found = store.unmarked(tx, place.now)
    if found:
        return Finding(
            WARNING,
            f"{counted(found, 'invoice is', 'invoices are')} past due and not marked as overdue",
            "billing invoice mark-overdue",
        )
    return Finding(OK, "what is past due is marked")


def payments(place: Place) -> Finding:
    """Look for payments that failed or bounced lately, or that nobody is known for."""
    with place.reading() as tx:
        found = dashboard_sums.troubles(tx, place.now - _RECENT_SECONDS, place.now)
    said = []
    if found.failed:
        count = counted(found.failed, "payment", "payments")
        said.append(f"{count} failed or bounced in the last 30 days")
    if found.unmatched:
        said.append(f"{counted(found.unmatched, 'payment is', 'payments are')} not matched")
    if said:
        return Finding(
            WARNING,
            "; ".join(said),
            "billing payment list --status failed, reversed or unmatched; "
            "billing payment match says whose one is",
        )
    return Finding(OK, "none failed or bounced in the last 30 days, all are matched")
