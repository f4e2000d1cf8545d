"""The doctor's checks of parts that an installation may do without: jobs, notifications, Stripe.

No network is used: how things stand is read from the database alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from billing_cli.services import job_status, sinks
from billing_cli.services.doctor_place import FAILED, OK, SKIPPED, WARNING, Finding, counted
from billing_cli.store import stripe_events, stripe_invoices

if TYPE_CHECKING:
    from billing_cli.services.doctor_place import Place

_MODES: Final = {"live": "live payments", "test": "test payments"}
_KINDS: Final = ("sk", "rk")
_SHOWN: Final = 3


def jobs(place: Place) -> Finding:
    """Look whether a job is late, or failed the last time."""
    if not place.settings.values.enabled:
        return Finding(SKIPPED, "billing is switched off")
    status = job_status.status(place.app)
    said = [f"late: {', '.join(status.late)}"] if status.late else []
    said += [f"failed: {', '.join(status.failed)}"] if status.failed else []
    if said:
        return Finding(
            FAILED,
            "; ".join(said),
            "billing job status says more; billing job run --due runs what is due",
        )
    return Finding(OK, f"{counted(len(status.rows), 'job is', 'jobs are')} on time")


def notifications(place: Place) -> Finding:
    """Look for events that could not be delivered."""
    found = sinks.overview(place.app)
    if not found:
        return Finding(OK, "no sinks are configured: events are kept, and told to nobody")
    dead = [f"{sink['sink']} ({sink['dead']:,})" for sink in found if sink["dead"]]
    stopped = [str(sink["sink"]) for sink in found if sink["status"] == "stopped"]
    said = [f"given up: {', '.join(dead)}"] if dead else []
    said += [f"stopped: {', '.join(stopped)}"] if stopped else []
    if said:
        return Finding(
            FAILED,
            "; ".join(said),
            "billing events deliveries list says why; deliveries retry sends them again",
        )
    waiting = sum(int(str(sink["backlog"])) for sink in found)
    return Finding(OK, f"{counted(len(found), 'sink', 'sinks')}, {waiting:,} events waiting")


def stripe_keys(place: Place) -> Finding:
    """Look whether Stripe's keys are there, and for which kind of payments. Asks nobody."""
    values = place.settings.values
    if not values.stripe_enabled:
        return Finding(SKIPPED, "payments do not go through Stripe")
    if values.stripe_secret_key is None:
        return Finding(
            FAILED,
            "stripeEnabled is true, and there is no key",
            "set STRIPE_SECRET_KEY, or name a file with stripeSecretKeyFile",
        )
    # What kind of key it is stands at its beginning, which is no secret.
    kind, _, rest = values.stripe_secret_key.get_secret_value().partition("_")
    mode = _MODES.get(rest.partition("_")[0])
    if kind not in _KINDS or mode is None:
        return Finding(
            FAILED,
            "the secret key does not look like one of Stripe's",
            "it begins with sk_live_, sk_test_, rk_live_ or rk_test_",
        )
    said = f"a {'restricted' if kind == 'rk' else 'secret'} key for {mode}"
    if values.stripe_webhook_secret is None:
        return Finding(
            WARNING, f"{said}, no webhook secret", "set STRIPE_WEBHOOK_SECRET to receive events"
        )
    return Finding(OK, f"{said}, and a webhook secret")


def stripe_work(place: Place) -> Finding:
    """Look for events of Stripe's that failed, and invoices that are held up."""
    with place.reading() as tx:
        failed = stripe_events.counts(tx)[stripe_events.FAILED]
        held = stripe_invoices.problems(tx)
    said = [f"{counted(failed, 'event', 'events')} failed"] if failed else []
    if held:
        names = ", ".join(str(row[1]) for row in held[:_SHOWN])
        said.append(f"{counted(len(held), 'invoice is', 'invoices are')} held up: {names}")
    if said:
        return Finding(FAILED, "; ".join(said), "billing stripe status says why")
    return Finding(OK, "no event failed, no invoice is held up")
