"""How users pay on Stripe: their cards and bank accounts there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from billing_cli.errors import ConflictError, NotFoundError
from billing_cli.gateway.stripe_errors import StripeRefusalError
from billing_cli.pricing.stripe_objects import read_customer, read_payment_method
from billing_cli.services import stripe_customers, stripe_inbox
from billing_cli.services.stripe_access import opened
from billing_cli.services.stripe_checkout import asked
from billing_cli.services.stripe_requests import Sender, Wish, require_known
from billing_cli.store import stripe_links, stripe_requests, users
from billing_cli.store.stripe_links import CUSTOMER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_cli.app import App
    from billing_cli.services.stripe_access import Account, Confirm

_DETACH = "payment_method.detach"


def listing(app: App, user_id: str) -> list[dict[str, object]] | None:
    """Return how a user can pay, the newest first; None for one who is no customer yet."""
    with opened(app, lambda _question: False, rehearse=True) as account:
        customer = _customer(account, user_id)
        return None if customer is None else _rows(account, customer)


def make_default(app: App, user_id: str, method: str, confirm: Confirm) -> list[dict[str, object]]:
    """Have invoices be paid with one of a user's payment methods; return all of them."""
    with _own(app, user_id, method, confirm) as (account, customer):
        _require_of(account, user_id, customer, method)
        stripe_customers.make_default(account, customer, method)
        return _rows(account, customer)


def detach(app: App, user_id: str, method: str, confirm: Confirm) -> list[dict[str, object]]:
    """Have a payment method be the user's no more, for good; return those that are left."""
    with _own(app, user_id, method, confirm) as (account, customer):
        wish = Wish(f"payment-method/{method}", _DETACH, {}, method)
        with account.uow.reading() as tx:
            last = stripe_requests.last_of(tx, [wish.target]).get((wish.target, _DETACH))
        if last is None or last.finished_at is not None:
            # Else it may be detached already, and nobody was told.
            _require_of(account, user_id, customer, method)
        (answer,) = asked(Sender(account), [wish])
        require_known(answer)
        if answer.problem is not None:
            raise ConflictError(f"Stripe says no: {answer.problem}")
        # What is paid with from now on is another, or nothing.
        stripe_inbox.refresh(account, "customer", customer)
        return _rows(account, customer)


@contextmanager
def _own(app: App, user_id: str, method: str, confirm: Confirm) -> Iterator[tuple[Account, str]]:
    with opened(app, confirm) as account:
        customer = _customer(account, user_id)
        if customer is None:
            raise _unknown(user_id, method)
        yield account, customer


def _customer(account: Account, user_id: str) -> str | None:
    with account.uow.reading() as tx:
        return stripe_links.user(tx, users.key_of(tx, user_id)).customer


def _require_of(account: Account, user_id: str, customer: str, method: str) -> None:
    """Raise :class:`NotFoundError` for what is not the customer's."""
    try:
        found = read_payment_method(account.gateway.read("payment_method", method))
    except StripeRefusalError as error:
        if not error.is_missing:
            raise
        raise _unknown(user_id, method) from error
    if found.customer != customer:
        raise _unknown(user_id, method)


def _unknown(user_id: str, method: str) -> NotFoundError:
    return NotFoundError(
        f"user {user_id!r} has no payment method {method!r}",
        f"billing stripe payment-methods list --user {user_id} shows them",
    )


def _rows(account: Account, customer: str) -> list[dict[str, object]]:
    gateway = account.gateway
    with account.uow.reading() as tx:
        link = stripe_links.by_stripe_ids(tx, CUSTOMER, [customer]).get(customer)
    chosen = read_customer(gateway.read("customer", customer)).default_payment_method
    if chosen is None and link is not None:
        # Nobody has chosen: invoices are paid with the newest.
        chosen = link.detail
    return [
        {
            "id": found.id,
            "type": found.type,
            "brand": found.brand,
            "last4": found.last4,
            "expires": found.expires,
            "default": found.id == chosen,
        }
        for found in map(read_payment_method, gateway.all("customer_methods", customer))
    ]
