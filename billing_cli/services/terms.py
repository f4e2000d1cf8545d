"""The settings that decide money: what is in force, what the file wants, and recording it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.errors import ConflictError
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.slots import HOUR
from billing_cli.pricing.terms import Terms, TermsHistory
from billing_cli.services import overage as overages
from billing_cli.store import overage, quotas, sessions, state, terms, usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from billing_cli.settings import Settings
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork


class Difference(NamedTuple):
    """A money setting (dotted key) that the file wants otherwise than it is recorded."""

    key: str
    in_force: object
    wanted: object


class InForce(NamedTuple):
    """The history to work by, and where the file differs from what it will come to."""

    history: TermsHistory
    differences: list[Difference]


def read(tx: Transaction, settings: Settings) -> InForce:
    """Return what is in force; where nothing is recorded yet, what the file says."""
    recorded = terms.versions(tx)
    wanted = settings.money_document()
    if not recorded:
        return InForce(TermsHistory([(None, Terms.from_document(wanted))]), [])
    return InForce(_history(recorded), compare(recorded[-1].document, wanted))


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
        return read(tx, settings)


def compare(in_force: Mapping[str, object], wanted: Mapping[str, object]) -> list[Difference]:
    """Return the settings in which two documents differ, in dotted keys."""
    left, right = _flat(in_force), _flat(wanted)
    return [
        Difference(key, left.get(key), right.get(key))
        for key in dict.fromkeys([*left, *right])
        if left.get(key) != right.get(key)
    ]


class Applied(NamedTuple):
    """What ``config apply`` did or would do."""

    differences: list[Difference]
    effective_from: int | None
    remetered_from: int | None


def apply(uow: UnitOfWork, settings: Settings, now: int, since: int | None) -> Applied:
    """Record the file's money settings as in force from an instant (default: now).

    Records behind that instant stay; those beyond it are deleted in the same batch, to be made
    again by the next ``meter run``. Raises :class:`ConflictError` for an instant before the end
    of the last finalized period, or for another currency.
    """
    wanted = settings.money_document()
    with uow.batch() as tx:
        recorded = terms.versions(tx)
        if not recorded:
            terms.add_version(tx, None, now, wanted)
            return Applied(compare({}, wanted), None, None)
        differences = compare(recorded[-1].document, wanted)
        if not differences:
            return Applied([], None, None)
        effective = now if since is None else since
        _refuse_rewriting(tx, effective, differences)
        old = _history(recorded)
        terms.add_version(tx, effective, now, wanted)
        quotas.mark_everyone(tx, effective)
        new = _history(terms.versions(tx))
        return Applied(differences, effective, _remeter(tx, old, new, effective))


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
