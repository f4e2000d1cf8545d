"""Customers: each user is one on Stripe, found again by what its metadata says."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from billing_cli.gateway import stripe_parameters as parameters
from billing_cli.gateway.stripe_parameters import Profile
from billing_cli.pricing.stripe_events import read_event
from billing_cli.pricing.stripe_objects import Customer, read_customer
from billing_cli.services.stripe_requests import Answer, Sender, Wish, require_known
from billing_cli.services.stripe_run import Change, Run
from billing_cli.store import stripe_events, stripe_links
from billing_cli.store.stripe_links import CUSTOMER, Link

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

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
    by_target = {_target(user): user for user in users}
    adopted = [
        _link(user, there.id, "", there.default_payment_method)
        for user, there in _found(users, known)
    ]
    ids = {link.local_id: link.stripe_id for link in adopted}
    wishes = [
        wish
        for user in users
        if (wish := _wish(user, user.customer or ids.get(str(user.user_key)))) is not None
    ]
    if run.dry:
        for wish in wishes:
            run.tell(_change(wish, by_target[wish.target]))
        return
    if adopted:
        with run.account.uow.batch() as tx:
            stripe_links.put(tx, adopted)
            _reopen(tx, {link.stripe_id for link in adopted})

    def record(tx: Transaction, answer: Answer) -> None:
        _record(tx, by_target[answer.wish.target], answer)

    def still(tx: Transaction) -> set[str]:
        keys = [str(user.user_key) for user in users]
        now_known = stripe_links.by_local_ids(tx, CUSTOMER, keys)
        return {
            wish.target
            for wish in wishes
            if _customer_in(now_known, by_target[wish.target]) == wish.object_id
        }

    for answer in run.sender.send(wishes, record, still):
        run.tell(_change(answer.wish, by_target[answer.wish.target]), answer.problem)


def _reopen(tx: Transaction, customers: Container[str]) -> None:
    """Have worked off what came about customers before they were known to be users."""
    waiting = [
        event
        for event, payload in stripe_events.of_strangers(tx, stripe_links.NOT_OURS)
        # A thin event does not say whose it is.
        if (about := read_event(json.loads(payload)).customer) is None or about in customers
    ]
    stripe_events.reopen(tx, waiting)


def _customer_in(known: Mapping[str, Link], user: LinkedUser) -> str:
    link = known.get(str(user.user_key))
    return "" if link is None else link.stripe_id


def _found(
    users: Sequence[LinkedUser], known: Mapping[str, Customer]
) -> Iterator[tuple[LinkedUser, Customer]]:
    """Yield the users who are on Stripe already, though nothing here says so."""
    for user in users:
        about = parameters.metadata(user=user.user_id)["billing_user"]
        if user.customer is None and about in known:
            yield user, known[about]


def _wish(user: LinkedUser, customer: str | None) -> Wish | None:
    """Return what is to be sent of a user, None where Stripe knows it."""
    profile = Profile(*user[1:6])
    wanted = parameters.customer(profile, update=customer is not None)
    if customer is None:
        return Wish(_target(user), "customer.create", dict(wanted))
    if user.digest == digest_of(parameters.customer(profile, update=False)):
        return None
    return Wish(_target(user), "customer.update", dict(wanted), customer)


def _target(user: LinkedUser) -> str:
    return f"customer/{user.user_key}"


def _link(user: LinkedUser, customer: str, digest: str, method: str | None) -> Link:
    return Link(CUSTOMER, str(user.user_key), customer, digest, method)


def _record(tx: Transaction, user: LinkedUser, answer: Answer) -> None:
    if answer.result is None:
        if answer.wish.object_id and answer.refusal is not None and answer.refusal.is_missing:
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


def look_through(account: Account) -> None:
    """Keep how all customers that are ours stand on Stripe, as the list of them says."""
    for page in account.gateway.pages("customers"):
        found = [read_customer(one) for one in page]
        with account.uow.batch() as tx:
            known = stripe_links.by_stripe_ids(tx, CUSTOMER, [one.id for one in found])
            for customer in found:
                if customer.id in known and customer.default_payment_method is not None:
                    seen(tx, customer, customer.default_payment_method)


def make_default(account: Account, customer: str, method: str) -> None:
    """Have a customer's payment method be the one that invoices are paid with.

    Raises :class:`StripeRefusalError` where Stripe says no, and :class:`UnavailableError` where it
    says nothing.
    """
    wanted = {"invoice_settings": {"default_payment_method": method}}
    wish = Wish(f"customer-method/{customer}/{method}", "customer.update", wanted, customer)

    def record(tx: Transaction, answer: Answer) -> None:
        if answer.result is not None:
            stripe_links.set_detail(tx, CUSTOMER, customer, method)

    (answer,) = Sender(account).send([wish], record, lambda _: {wish.target})
    require_known(answer)
    if answer.refusal is not None:
        raise answer.refusal
