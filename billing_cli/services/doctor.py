"""What ``billing doctor`` does: one check after the other, whatever is wrong.

A check is a function of :class:`~.doctor_place.Place` that returns a
:class:`~.doctor_place.Finding`. To add one, write it and put a line into :data:`CHECKS`, and into
the table of docs/doctor.md. Whatever a check raises becomes its finding: what is diagnosed must
not stop the diagnosis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.errors import BillingError, IncompleteError
from billing_cli.services import doctor_database as database
from billing_cli.services import doctor_parts as parts
from billing_cli.services import doctor_setup as setup
from billing_cli.services import doctor_work as work
from billing_cli.services.doctor_place import FAILED, SKIPPED, Finding, Need, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from billing_cli.app import App


class Check(NamedTuple):
    """A check: its name, what it cannot do without, and how to look."""

    name: str
    need: Need
    look: Callable[[Place], Finding]


CHECKS: Final = (
    Check("configuration", Need.NOTHING, setup.configuration),
    Check("secrets", Need.SETTINGS, setup.secrets),
    Check("files", Need.SETTINGS, setup.files),
    Check("clock", Need.NOTHING, setup.clock),
    Check("timezone", Need.SETTINGS, setup.timezone),
    Check("database", Need.SETTINGS, database.database),
    Check("space", Need.DATABASE, database.space),
    Check("schema", Need.DATABASE, database.schema),
    Check("integrity", Need.SCHEMA, database.integrity),
    Check("totals", Need.SCHEMA, database.totals),
    Check("settings", Need.SCHEMA, work.settings),
    Check("events", Need.SCHEMA, work.events),
    Check("rejected", Need.SCHEMA, work.rejected),
    Check("anomalies", Need.SCHEMA, work.anomalies),
    Check("sessions", Need.SCHEMA, work.sessions),
    Check("metering", Need.SCHEMA, work.metering),
    Check("quotas", Need.SCHEMA, work.quotas),
    Check("invoices", Need.SCHEMA, work.invoices),
    Check("overdue", Need.SCHEMA, work.overdue),
    Check("payments", Need.SCHEMA, work.payments),
    Check("jobs", Need.SCHEMA, parts.jobs),
    Check("notifications", Need.SCHEMA, parts.notifications),
    Check("stripe", Need.SETTINGS, parts.stripe_keys),
    Check("stripe work", Need.SCHEMA, parts.stripe_work),
)


def examine(app: App) -> Iterator[dict[str, str | None]]:
    """Yield a row for each check, in order: name, state, what was found, what to do."""
    place = Place(app)
    for check in CHECKS:
        found = _look(check, place)
        yield {
            "check": check.name,
            "state": found.state,
            "found": " ".join(found.found.split()),
            "advice": found.advice,
        }


def _look(check: Check, place: Place) -> Finding:
    try:
        missing = place.missing(check.need)
        return Finding(SKIPPED, missing) if missing else check.look(place)
    except BillingError as error:
        return Finding(FAILED, error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - a check that breaks is a finding like any other
        # Not its text, which may hold what nobody should see.
        return Finding(
            FAILED, f"the check broke off with {type(error).__name__}", "please report this bug"
        )


def require_healthy(rows: list[dict[str, str | None]]) -> None:
    """Raise :class:`IncompleteError` when a check failed; warnings alone are no failure."""
    failed = [str(row["check"]) for row in rows if row["state"] == FAILED]
    if failed:
        noun = "check" if len(failed) == 1 else "checks"
        raise IncompleteError(
            f"{len(failed)} {noun} failed: {', '.join(failed)}",
            "the rows say what to do; docs/doctor.md explains each check",
        )
