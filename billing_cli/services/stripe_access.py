"""The account of Stripe that a database belongs to, checked before anything is asked of it."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError, NotConfiguredError, UnavailableError, UsageError
from billing_cli.gateway.stripe_errors import StripeRefusalError, StripeSilenceError
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.stripe_objects import read_account
from billing_cli.services import terms
from billing_cli.store import stripe_state as state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from billing_cli.app import App
    from billing_cli.gateway.stripe_client import StripeGateway
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.settings import Settings
    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

    Confirm = Callable[[str], bool]

LIVE, TEST = "live", "test"
# What stands for the account where the key may not ask for it.
UNKNOWN = "unknown"


@dataclass(slots=True)
class Account:
    """What every exchange with Stripe needs."""

    uow: UnitOfWork
    gateway: StripeGateway
    settings: Settings
    history: TermsHistory
    now: int
    mode: str
    installation: str


@contextmanager
def opened(app: App, confirm: Confirm, *, rehearse: bool = False) -> Iterator[Account]:
    """Give the account, once it is sure that the database belongs to it.

    The first account and mode stay. ``confirm`` is asked before a live key is used with a database
    for the first time; with ``rehearse`` nothing is kept, and nobody is asked.

    Raises :class:`ConflictError` for another account, or another mode of which something is in the
    books, and :class:`UsageError` where a live key is not confirmed.
    """
    now = app.clock.now()
    gateway = app.stripe
    with app.unit_of_work() as uow, answered():
        history = terms.establish(uow, app.settings, now).history
        found = _account_id(gateway)
        mode = LIVE if gateway.is_live else TEST
        with uow.reading() as tx:
            is_known = _is_known(tx, found, mode)
        if not is_known and not rehearse:
            if mode == LIVE and not confirm(f"Use live payments of account {found}?"):
                raise UsageError(
                    "live payments were not confirmed",
                    "give --yes once, or begin with a test key: sk_test_... or rk_test_...",
                )
            with uow.batch() as tx:
                _take(tx, found, mode, now)
        with uow.reading() as tx:
            installation = state.get(tx, state.INSTALLATION) or "new"
        yield Account(uow, gateway, app.settings, history, now, mode, installation)


@contextmanager
def answered() -> Iterator[None]:
    """Turn what can come back from Stripe in the place of an answer into errors of a command."""
    try:
        yield
    except StripeSilenceError as error:
        raise UnavailableError(
            str(error), "run it again: what was done is not done twice"
        ) from error
    except StripeRefusalError as error:
        if error.is_forbidden:
            raise ConflictError(
                f"the key may not do this: {error}",
                "docs/stripe.md lists the permissions that a restricted key needs",
            ) from error
        raise ConflictError(f"Stripe says no: {error}") from error


def require_signing_secret(app: App) -> str:
    """Return what signs the events that Stripe delivers; NotConfiguredError if there is nothing."""
    secret = app.settings.values.stripe_webhook_secret
    if secret is None:
        raise NotConfiguredError(
            "there is no signing secret of the webhook",
            "set STRIPE_WEBHOOK_SECRET to the secret that Stripe shows for the endpoint: whsec_...",
        )
    return secret.get_secret_value()


def _account_id(gateway: StripeGateway) -> str:
    try:
        return read_account(gateway.read("account")).id
    except StripeRefusalError as error:
        if error.is_forbidden:
            return UNKNOWN
        raise


def _is_known(tx: Transaction, found: str, mode: str) -> bool:
    """Tell whether the database belongs to an account and mode; ConflictError for others."""
    account, known_mode = state.get(tx, state.ACCOUNT), state.get(tx, state.MODE)
    if account is None or known_mode is None:
        return False
    if (account == found or UNKNOWN in {account, found}) and mode == known_mode:
        return True
    if not state.is_used(tx):
        return False
    raise ConflictError(
        f"this database has {known_mode} payments of account {account} in its books, "
        f"the key is for {mode} payments of {found}",
        "use the key of before, or another database; try things out with a copy of the database",
    )


def _take(tx: Transaction, found: str, mode: str, now: int) -> None:
    if _is_known(tx, found, mode):
        return
    state.forget_all(tx)
    state.put(tx, state.ACCOUNT, found)
    state.put(tx, state.MODE, mode)
    state.put(tx, state.INSTALLATION, secrets.token_hex(4))
    if mode == LIVE:
        state.put(tx, state.LIVE_CONFIRMED, format_instant(now))
