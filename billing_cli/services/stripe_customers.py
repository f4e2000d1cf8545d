"""Customers: each user is one on Stripe, found again by what its metadata says."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from billing_cli.gateway import stripe_parameters as parameters
from billing_cli.gateway.stripe_errors import StripeRefusalError
from billing_cli.gateway.stripe_parameters import Profile
from billing_cli.pricing.stripe_objects import Customer, read_customer
from billing_cli.services.stripe_requests import Answer, Sender, Wish
from billing_cli.services.stripe_run import Change, Run
from billing_cli.store import stripe_links
from billing_cli.store.stripe_links import CUSTOMER, Link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from billing_cli.services.stripe_access import Account
    from billing_cli.store.stripe_links import LinkedUser
    from billing_cli.store.unit_of_work import Transaction

_PAGE = 200


def digest_of(wanted: Mapping[str, Any]) -> str:
    """Return what tells parameters from others."""
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]


def sync(run: Run, only: Sequence[int] | None = None) -> None:
    """Have every user, or those with some keys, be a customer with what is known of them now."""
    known: dict[str, Customer] | None = None
    last = ""
    while True:
        with run.account.uow.reading() as tx:
            users = stripe_links.users_after(tx, last, _PAGE, only)
        if not users:
            return
        last = users[-1].user_id
        if known is None and any(user.customer is None for user in users):
            known = _by_user(run.account)
        _page(run, users, known or {})
        run.advance(len(users))


def _by_user(account: Account) -> dict[str, Customer]:
    """Return the customers on Stripe that say which user they are: the oldest of each."""
    found: dict[str, Customer] = {}
    for raw in account.gateway.all("customers"):
        customer = read_customer(raw)
        user = customer.metadata.get("billing_user")
        if user is not None:
            # Newest first: what comes last is the oldest.
            found[user] = customer
    return found


def _page(run: Run, users: Sequence[LinkedUser], known: Mapping[str, Customer]) -> None:
    wishes: list[Wish] = []
    by_target: dict[str, LinkedUser] = {}
    adopted: list[Link] = []
    for user in users:
        profile = Profile(*user[1:6])
        customer, digest = user.customer, user.digest
        if customer is None:
            about = parameters.metadata(user=user.user_id)["billing_user"]
            found = known.get(about)
            if found is not None:
                customer, digest = found.id, ""
                adopted.append(_link(user, found.id, "", found.default_payment_method))
        if customer is None:
            wanted = parameters.customer(profile, update=False)
            wish = Wish(_target(user), "customer.create", dict(wanted))
        else:
            if digest == digest_of(parameters.customer(profile, update=False)):
                continue
            wanted = parameters.customer(profile, update=True)
            wish = Wish(_target(user), "customer.update", dict(wanted), customer)
        wishes.append(wish)
        by_target[wish.target] = user
    if run.dry:
        for wish in wishes:
            run.tell(_change(wish, by_target[wish.target]))
        return
    if adopted:
        with run.account.uow.batch() as tx:
            stripe_links.put(tx, adopted)

    def record(tx: Transaction, answer: Answer) -> None:
        _record(tx, by_target[answer.wish.target], answer)

    for answer in run.sender.send(wishes, record):
        run.tell(_change(answer.wish, by_target[answer.wish.target]), answer.problem)


def _target(user: LinkedUser) -> str:
    return f"customer/{user.user_key}"


def _link(user: LinkedUser, customer: str, digest: str, method: str | None) -> Link:
    return Link(CUSTOMER, str(user.user_key), customer, digest, method)


def _record(tx: Transaction, user: LinkedUser, answer: Answer) -> None:
    if answer.result is None:
        if answer.wish.object_id and "resource_missing" in (answer.problem or ""):
            # Deleted there: the next run makes another.
            stripe_links.drop(tx, CUSTOMER, answer.wish.object_id)
        return
    customer = read_customer(answer.result)
    current = stripe_links.user(tx, user.user_key)
    method = customer.default_payment_method or (
        current.method if current.customer == customer.id else None
    )
    digest = "" if answer.sent is None else digest_of(_said(answer.sent))
    stripe_links.put(tx, [_link(user, customer.id, digest, method)])


def _said(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an update or a create says, without what it leaves empty."""
    return {key: value for key, value in sent.items() if value}


def _change(wish: Wish, user: LinkedUser) -> Change:
    action = wish.operation.partition(".")[2]
    return Change("customer", action, "stripe", user.user_id, user.name or user.user_id)


def seen(tx: Transaction, customer: Customer, method: str | None) -> str | None:
    """Keep how a customer stands on Stripe; return why it is none of ours, if it is not."""
    if stripe_links.user_of(tx, customer.id) is None:
        return "it is none of our users"
    if customer.deleted:
        stripe_links.drop(tx, CUSTOMER, customer.id)
    else:
        stripe_links.set_detail(tx, CUSTOMER, customer.id, method)
    return None


def make_default(account: Account, customer: str, method: str) -> None:
    """Have a customer's payment method be the one that invoices are paid with.

    Raises :class:`StripeRefusalError` where Stripe says no.
    """
    wanted = {"invoice_settings": {"default_payment_method": method}}
    wish = Wish(f"customer-method/{customer}/{method}", "customer.update", wanted, customer)

    def record(tx: Transaction, answer: Answer) -> None:
        if answer.result is not None:
            stripe_links.set_detail(tx, CUSTOMER, customer, method)

    (answer,) = Sender(account).send([wish], record)
    if answer.problem is not None:
        raise StripeRefusalError(answer.problem, "", 0)
