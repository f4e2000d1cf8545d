"""How things stand with Stripe: the key, the account, what waits, and what is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from billing_cli.errors import (
    BillingError,
    IncompleteError,
    NotConfiguredError,
    UnavailableError,
)
from billing_cli.gateway.stripe_errors import StripeRefusalError
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.stripe_objects import read_account
from billing_cli.services.stripe_access import LIVE, TEST, UNKNOWN, answered
from billing_cli.store import stripe_events as events
from billing_cli.store import stripe_invoices as invoices
from billing_cli.store import stripe_links as links
from billing_cli.store import stripe_requests as requests
from billing_cli.store import stripe_state as state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_cli.app import App
    from billing_cli.gateway.stripe_client import StripeGateway
    from billing_cli.store.unit_of_work import Transaction

# What is read at one time or another, by a list or, where there is none, by an id of nothing.
_LISTS = (
    "charges",
    "checkout_sessions",
    "credit_notes",
    "customers",
    "disputes",
    "events",
    "invoice_payments",
    "invoices",
    "payment_intents",
    "prices",
    "products",
    "refunds",
    "subscriptions",
)
_SINGLE = {"payment_method": "pm_none", "setup_intent": "seti_none"}
# Stripe names what would let the request through.
_PERMISSION = re.compile(r"\brak_[a-z0-9_]+")


@dataclass(slots=True)
class Status:
    """How things stand: ``values`` is what is shown, the rest how it ends.

    ``missing`` is what has to be configured, ``silent`` why Stripe could not be asked, ``wrong``
    what somebody should look at.
    """

    values: dict[str, object]
    missing: BillingError | None = None
    silent: BillingError | None = None
    wrong: list[str] = field(default_factory=list)


def look(app: App) -> Status:
    """Gather what is known here, and what Stripe says about the key where there is one."""
    values = app.settings.values
    status = Status(
        {
            "enabled": values.stripe_enabled,
            "key": "none",
            "key_from": None,
            "restricted": None,
            "api_version": None,
            "account": None,
            "account_name": None,
            "permissions_lacking": [],
            "webhook_secret": "set" if values.stripe_webhook_secret else "not set",
        }
    )
    _ask(app, status)
    _look_here(app, status)
    return status


def require_sound(status: Status) -> None:
    """Raise what a status amounts to: something missing, Stripe silent, or something wrong."""
    for error in (status.missing, status.silent):
        if error is not None:
            raise error
    if status.wrong:
        raise IncompleteError("\n".join(["Stripe needs attention:", *status.wrong]))


def _ask(app: App, status: Status) -> None:
    key = app.settings.values.stripe_secret_key
    if key is not None:
        # The kind of a key is at its beginning, which is no secret.
        kind = key.get_secret_value()[:8]
        status.values["key"] = LIVE if kind[3:8] == "live_" else TEST
        status.values["restricted"] = kind.startswith("rk_")
        status.values["key_from"] = app.settings.sources.get("stripeSecretKey")
    try:
        gateway = app.stripe
        from billing_cli.gateway.stripe_client import API_VERSION

        status.values["api_version"] = API_VERSION
        with answered():
            _ask_account(gateway, status)
            lacking = list(_lacking(gateway, _some_customer(app)))
    except NotConfiguredError as error:
        status.missing = error
    except UnavailableError as error:
        status.silent = error
    except BillingError as error:
        status.wrong.append(error.message)
    else:
        status.values["permissions_lacking"] = lacking
        if lacking:
            status.wrong.append(f"the key may not read: {', '.join(lacking)}")


def _ask_account(gateway: StripeGateway, status: Status) -> None:
    try:
        account = read_account(gateway.read("account"))
    except StripeRefusalError as error:
        if not error.is_forbidden:
            raise
        # Nothing but the name of the account needs this.
        status.values["account"] = UNKNOWN
    else:
        status.values["account"] = account.id
        status.values["account_name"] = account.name


def _some_customer(app: App) -> str | None:
    with app.unit_of_work() as uow, uow.reading() as tx:
        return links.any_of_kind(tx, links.CUSTOMER)


def _lacking(gateway: StripeGateway, customer: str | None) -> Iterator[str]:
    """Yield what the key may not read; what it may not write, only writing would tell."""
    for what in _LISTS:
        found = _refused(gateway, what, "", limit=1)
        if found is not None:
            yield found
    for what, object_id in _SINGLE.items():
        found = _refused(gateway, what, object_id)
        if found is not None:
            yield found
    if customer is not None:
        found = _refused(gateway, "customer_methods", customer, limit=1)
        if found is not None:
            yield found


def _refused(gateway: StripeGateway, what: str, object_id: str, **narrowed: int) -> str | None:
    try:
        gateway.read(what, object_id, **narrowed)
    except StripeRefusalError as error:
        if error.is_forbidden:
            named = _PERMISSION.search(str(error))
            return what if named is None else f"{what} ({named[0]})"
        if not error.is_missing:
            raise
    return None


def _look_here(app: App, status: Status) -> None:
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        _look_at_binding(tx, status)
        counts = events.counts(tx)
        held = [
            {"user_id": user, "invoice": number, "problem": problem}
            for user, number, problem in invoices.problems(tx)
        ]
        read_until = state.get(tx, state.EVENTS_SINCE)
        status.values |= {
            "last_sync": state.get(tx, state.LAST_SYNC),
            "events_read_until": None if read_until is None else format_instant(int(read_until)),
            "events_read_seconds_ago": None if read_until is None else now - int(read_until),
            "events_pending": counts[events.PENDING],
            "events_failed": counts[events.FAILED],
            "requests_unanswered": requests.count_open(tx),
            "held_up": held,
        }
    if counts[events.FAILED]:
        count = counts[events.FAILED]
        verb = "event has" if count == 1 else "events have"
        status.wrong.append(f"{count} {verb} failed: billing stripe events list --state failed")
    if held:
        what = "invoice is" if len(held) == 1 else "invoices are"
        status.wrong.append(f"{len(held)} {what} held up: the table says why")


def _look_at_binding(tx: Transaction, status: Status) -> None:
    account, mode = state.get(tx, state.ACCOUNT), state.get(tx, state.MODE)
    status.values |= {
        "database_account": account,
        "database_mode": mode,
        "live_confirmed_at": state.get(tx, state.LIVE_CONFIRMED),
    }
    found = status.values["account"]
    if account is None or found is None:
        return
    is_other = account != found and UNKNOWN not in {account, found}
    if (is_other or mode != status.values["key"]) and state.is_used(tx):
        status.wrong.append(
            f"the database belongs to {mode} payments of {account}, "
            f"the key is for {status.values['key']} payments of {found}"
        )
