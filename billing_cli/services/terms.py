"""The settings that decide money: what is in force, what the file wants, and recording it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.errors import ConflictError
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.slots import HOUR
from billing_cli.pricing.terms import Terms, TermsHistory
from billing_cli.services import overage as overages
from billing_cli.services import plan_changes
from billing_cli.store import overage, sessions, state, terms, usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from billing_cli.services.plan_changes import Reached
    from billing_cli.settings import Settings
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork


class Difference(NamedTuple):
    """A money setting (dotted key) that the file wants otherwise than it is in force."""

    key: str
    in_force: object
    wanted: object


class InForce(NamedTuple):
    """The history to work by, and where the file differs from what it will come to."""

    history: TermsHistory
    differences: list[Difference]
    scheduled_from: int | None = None
    """From when on what the file was compared with will hold, where that is still to come."""


def read(tx: Transaction, settings: Settings, now: int | None = None) -> InForce:
    """Return what is in force; where nothing is recorded yet, what the file says.

    ``now`` is asked for only to tell whether what the file differs from is still to come.
    """
    recorded = terms.versions(tx)
    wanted = settings.money_document()
    if not recorded:
        return InForce(TermsHistory([(None, Terms.from_document(wanted))]), [])
    last = recorded[-1].effective_from
    coming = last if now is not None and last is not None and last > now else None
    return InForce(_history(recorded), compare(recorded[-1].document, wanted), coming)


def establish(uow: UnitOfWork, settings: Settings, now: int) -> InForce:
    """Return what is in force, recording the file's settings first where nothing is.

    The first settings hold from the beginning of time. Commits a batch of its own when it
    records.
    """
    with uow.reading() as tx:
        recorded = bool(terms.versions(tx))
    if not recorded:
        with uow.batch() as tx:
            if not terms.versions(tx):
                terms.add_version(tx, None, now, settings.money_document())
    with uow.reading() as tx:
        return read(tx, settings, now)


def compare(in_force: Mapping[str, object], wanted: Mapping[str, object]) -> list[Difference]:
    """Return the settings in which two documents differ, in dotted keys."""
    left, right = _flat(in_force), _flat(wanted)
    return [
        Difference(key, left.get(key), right.get(key))
        for key in dict.fromkeys([*left, *right])
        if left.get(key) != right.get(key)
    ]


class Applied(NamedTuple):
    """What ``config apply`` did or would do.

    ``dropped`` are the instants from which versions were to hold that never will. Where nothing
    was to be done, ``scheduled_from`` is when what the file says begins to hold, if it does not
    yet.
    """

    differences: list[Difference]
    effective_from: int | None
    remetered_from: int | None
    dropped: list[int]
    reached: list[Reached]
    scheduled_from: int | None = None


def apply(uow: UnitOfWork, settings: Settings, now: int, since: int | None) -> Applied:
    """Record the file's money settings as in force from an instant (default: now).

    Records behind that instant stay; those beyond it are deleted in the same batch, to be made
    again by the next ``meter run``. Versions that were to hold from later on are dropped. What is
    recorded already as the last word is done again only for a ``since`` of its own.

    Raises :class:`ConflictError` for an instant before the end of the last finalized period, for
    another currency, and for a plan or a tax that goes while users have it.
    """
    wanted = settings.money_document()
    with uow.batch() as tx:
        recorded = terms.versions(tx)
        if not recorded:
            terms.add_version(tx, None, now, wanted)
            return Applied(compare({}, wanted), None, None, [], [])
        if since is None and not compare(recorded[-1].document, wanted):
            coming = recorded[-1].effective_from
            ahead = coming if coming is not None and coming > now else None
            return Applied([], None, None, [], [], ahead)
        effective = now if since is None else since
        in_force, dropped = outlook(recorded, effective)
        differences = next(
            filter(None, (compare(v.document, wanted) for v in (in_force, *dropped))), []
        )
        if not differences:
            return Applied([], None, None, [], [])
        _refuse_rewriting(tx, effective, differences)
        old = _history(recorded)
        plan_changes.refuse_vanishing(tx, old.at(effective), Terms.from_document(wanted), effective)
        terms.add_version(tx, effective, now, wanted)
        new = _history(terms.versions(tx))
        remetered = _remeter(tx, old, new, effective)
        return Applied(
            differences,
            effective,
            remetered,
            [v.effective_from for v in dropped if v.effective_from is not None],
            plan_changes.follow(tx, old, new, effective, now),
        )


def outlook(
    recorded: Sequence[terms.Version], at: int
) -> tuple[terms.Version, list[terms.Version]]:
    """Return the version in force at an instant, and those that are to follow it."""
    settled: list[terms.Version] = []
    for version in recorded:
        since = version.effective_from
        if since is not None:
            settled = [v for v in settled if v.effective_from is None or v.effective_from < since]
        settled.append(version)
    begun = [v for v in settled if v.effective_from is None or v.effective_from <= at]
    return begun[-1], settled[len(begun) :]


def _refuse_rewriting(tx: Transaction, effective: int, differences: list[Difference]) -> None:
    finalized = terms.last_finalized_end(tx)
    if finalized is not None and effective < finalized:
        raise ConflictError(
            f"{format_instant(effective)} lies before {format_instant(finalized)}, "
            "where the last finalized period ends",
            f"use --from {format_instant(finalized)} or later: what is billed is never rewritten",
        )
    if any(difference.key == "currency" for difference in differences):
        raise ConflictError(
            "the currency of a database is fixed by its first record",
            "use a database of its own for another currency",
        )


def _remeter(tx: Transaction, old: TermsHistory, new: TermsHistory, effective: int) -> int | None:
    """Undo metering beyond the instant from which slicing or timelines differ."""
    if old.heartbeat_timeouts() != new.heartbeat_timeouts():
        sessions.refold_heartbeats(tx)
    overages.follow_calendar(tx, old, new, effective)
    metered = state.metered_until(tx)
    if metered is None or effective >= metered:
        return None
    # Records are cut at the hour, so from the hour on they are made again, now cut at the change.
    hour = effective - effective % HOUR
    usage.delete_records_from(tx, hour)
    overage.delete_from(tx, hour)
    state.set_metered_until(tx, hour)
    state.count_rewrite(tx)
    return hour


def _history(recorded: list[terms.Version]) -> TermsHistory:
    return TermsHistory((v.effective_from, Terms.from_document(v.document)) for v in recorded)


def _flat(document: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Flatten a document to dotted keys; lists of things with an id by those ids."""
    flat: dict[str, object] = {}
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat |= _flat(value, f"{name}.")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    flat |= _flat(item, f"{name}[{item.get('id', index)}].")
        else:
            flat[name] = value
    return flat
