"""Stripe's own pages for a user: to subscribe to a plan, to leave a card, to look after both.

Nobody can subscribe twice: an older page is closed before another is made, and then it is looked
whether there is a subscription already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from billing_cli.errors import ConflictError, NotConfiguredError, UsageError
from billing_cli.gateway import stripe_parameters as parameters
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.stripe_amounts import to_stripe
from billing_cli.pricing.stripe_objects import (
    CheckoutSession,
    read_checkout_session,
    read_subscription,
)
from billing_cli.pricing.timelines import FOREVER
from billing_cli.services import stripe_customers, stripe_events, stripe_inbox, stripe_plans
from billing_cli.services.stripe_access import opened
from billing_cli.services.stripe_requests import Wish, require_known
from billing_cli.services.stripe_run import FAILED, Change, Run
from billing_cli.services.subscription_action import require_plan, require_plans
from billing_cli.settings.values import is_web_address
from billing_cli.store import stripe_links, stripe_requests, subscriptions, users
from billing_cli.store.stripe_links import PRICE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from billing_cli.app import App
    from billing_cli.pricing.plans import Plan
    from billing_cli.services.stripe_access import Account, Confirm
    from billing_cli.services.stripe_requests import Answer, Sender
    from billing_cli.store.stripe_links import LinkedUser

_SUBSCRIBING = "subscription"
# In any other state a subscription is one, or may still become one.
_OVER = {"canceled", "incomplete_expired"}


class Urls(NamedTuple):
    """Where a page leads who is done, and who turns back; None is what the settings say."""

    success: str | None = None
    cancel: str | None = None


class Page(NamedTuple):
    """A page that was made, what it is, and until when it is open, where that is known."""

    id: str
    url: str | None
    purpose: str
    expires_at: int | None = None

    def row(self) -> dict[str, object]:
        """Return the page as it is shown."""
        until = instant_text(self.expires_at)
        return {"url": self.url, "purpose": self.purpose, "id": self.id, "expires_at": until}


def checkout(app: App, user_id: str, plan_id: str, urls: Urls, confirm: Confirm) -> Page:
    """Make a page on which a user subscribes to a plan, and close the one made before.

    Raises :class:`ConflictError` where the user has a subscription that Stripe bills, or the plan
    cannot be paid for there.
    """
    urls = _urls(app, urls)
    with opened(app, confirm) as account:
        plan = _plan(account, plan_id)
        user_key = _user_key(account, user_id)
        _refuse_second(account, user_key, user_id)
        run, changes = _run(account)
        user = _customer(run, changes, user_key)
        price = _price(run, changes, plan)
        about = parameters.metadata(user=user_id, plan=plan_id)
        wanted = parameters.checkout(
            _stripe_id(user), price, urls.success or "", urls.cancel, about
        )
        wish = Wish(f"checkout/{user_key}", "checkout.create", dict(wanted))
        _finish_earlier(run, wish)
        _close(run, _open_pages(account, user))
        _refuse_subscribed(account, user)
        made = read_checkout_session(_sent(run, wish))
        _close_rivals(run, user, made)
        purpose = f"{user_id} subscribes to the plan {plan_id}"
        return Page(made.id, made.url, purpose, made.expires_at)


def setup(app: App, user_id: str, urls: Urls, confirm: Confirm) -> Page:
    """Make a page on which a user leaves a card or a bank account to pay with later."""
    urls = _urls(app, urls)
    with opened(app, confirm) as account:
        user_key = _user_key(account, user_id)
        run, changes = _run(account)
        user = _customer(run, changes, user_key)
        currency = account.history.at(account.now).currency
        about = parameters.metadata(user=user_id)
        wanted = parameters.setup(
            _stripe_id(user), currency, urls.success or "", urls.cancel, about
        )
        wish = Wish(f"setup/{user_key}", "checkout.create", dict(wanted))
        _finish_earlier(run, wish)
        made = read_checkout_session(_sent(run, wish))
        purpose = f"{user_id} leaves a card or a bank account to pay with"
        return Page(made.id, made.url, purpose, made.expires_at)


def portal(app: App, user_id: str, return_url: str | None, confirm: Confirm) -> Page:
    """Make a link to Stripe's page for a user: subscriptions, payment methods and invoices."""
    _check_url(return_url, "--return-url")
    with opened(app, confirm) as account:
        user_key = _user_key(account, user_id)
        run, changes = _run(account)
        user = _customer(run, changes, user_key)
        leads_to = return_url or account.settings.values.stripe_success_url
        wanted = parameters.portal(_stripe_id(user), leads_to)
        wish = Wish(f"portal/{user_key}", "portal.create", dict(wanted))
        _finish_earlier(run, wish)
        made = _sent(run, wish)
        purpose = f"{user_id} looks after subscriptions, payment methods and invoices"
        return Page(str(made["id"]), str(made["url"]), purpose)


def _urls(app: App, urls: Urls) -> Urls:
    values = app.settings.values
    _check_url(urls.success, "--success-url")
    _check_url(urls.cancel, "--cancel-url")
    success = urls.success or values.stripe_success_url
    if success is None:
        raise NotConfiguredError(
            "nothing says where Stripe's page leads who is done",
            "set stripeSuccessUrl in the config file, or give --success-url",
        )
    return Urls(success, urls.cancel or values.stripe_cancel_url)


def _check_url(text: str | None, option: str) -> None:
    if text is not None and not is_web_address(text):
        raise UsageError(
            f"{option}: {text!r} is not an address",
            "write it with https://, or with http:// for this machine itself",
        )


def _run(account: Account) -> tuple[Run, list[Change]]:
    # What somebody does on a page before the first sync is told by an event, and by nothing else.
    stripe_events.note_beginning(account)
    changes: list[Change] = []
    return Run(account, changes.append), changes


def _user_key(account: Account, user_id: str) -> int:
    with account.uow.reading() as tx:
        return users.key_of(tx, user_id)


def _plan(account: Account, plan_id: str) -> Plan:
    require_plans(account.history, account.now)
    plan = require_plan(account.history, plan_id, account.now)
    if not plan.fee:
        raise ConflictError(
            f"the plan {plan_id!r} costs nothing: there is nothing to pay on Stripe",
            "billing subscription create begins a subscription to it",
        )
    return plan


def _refuse_second(account: Account, user_key: int, user_id: str) -> None:
    """Refuse, by what is known here, a second subscription of a user that Stripe bills."""
    with account.uow.reading() as tx:
        found = list(subscriptions.listed(tx, account.now, users=[user_key]))
    for one in found:
        end = max((phase.end for phase in one.phases), default=0)
        if one.row.stripe_subscription_id is not None and end > account.now:
            ends = "" if end >= FOREVER else f", which ends at {format_instant(end)}"
            raise _has_one(f"user {user_id!r}", f"{one.row.stripe_subscription_id}{ends}")


def _refuse_subscribed(account: Account, user: LinkedUser) -> None:
    """Refuse it by what Stripe says: what was just paid for may not be known here yet."""
    listed = account.gateway.all("subscriptions", customer=_stripe_id(user), status="all")
    for found in map(read_subscription, listed):
        if found.status not in _OVER:
            raise _has_one(f"user {user.user_id!r}", f"{found.id}, which is {found.status}")


def _has_one(who: str, what: str) -> ConflictError:
    return ConflictError(
        f"{who} has a subscription that Stripe bills: {what}",
        "billing stripe portal gives a link where it can be changed or cancelled",
    )


def _customer(run: Run, changes: list[Change], user_key: int) -> LinkedUser:
    """Return the user, who is a customer on Stripe after this."""
    account = run.account
    stripe_customers.sync(run, only=[user_key])
    user = _linked(account, user_key)
    if user.customer is not None and account.gateway.read("customer", user.customer).get("deleted"):
        # Nobody has told yet: it is forgotten, and made again.
        stripe_inbox.refresh(account, "customer", user.customer)
        stripe_customers.sync(run, only=[user_key])
        user = _linked(account, user_key)
    if user.customer is None:
        raise _not_there(f"user {user.user_id!r}", changes)
    return user


def _linked(account: Account, user_key: int) -> LinkedUser:
    with account.uow.reading() as tx:
        return stripe_links.user(tx, user_key)


def _stripe_id(user: LinkedUser) -> str:
    if user.customer is None:
        raise LookupError(user.user_id)
    return user.customer


def _price(run: Run, changes: list[Change], plan: Plan) -> str:
    """Return the price of a plan on Stripe, which is there after this."""
    account = run.account
    currency = account.history.at(account.now).currency
    try:
        cost = stripe_plans.Cost(plan, currency, to_stripe(plan.fee, currency))
    except ValueError as error:
        raise ConflictError(f"the plan {plan.id!r} cannot be paid for there: {error}") from error
    stripe_plans.sync(run)
    with account.uow.reading() as tx:
        link = stripe_links.by_local_ids(tx, PRICE, [cost.local_id]).get(cost.local_id)
    if link is None or link.detail != stripe_plans.CURRENT:
        raise _not_there(f"the price of the plan {plan.id!r}", changes)
    return link.stripe_id


def _not_there(what: str, changes: list[Change]) -> ConflictError:
    reason = next((one.detail for one in changes if one.outcome == FAILED), None)
    return ConflictError(
        f"{what} could not be made on Stripe{': ' + reason if reason else ''}",
        "billing stripe sync --only customers, or plans, tries again",
    )


def _finish_earlier(run: Run, wish: Wish) -> None:
    """Have answered what an earlier command may have sent: its page is not the one wanted now."""
    with run.account.uow.reading() as tx:
        last = stripe_requests.last_of(tx, [wish.target]).get((wish.target, wish.operation))
    if last is not None and last.finished_at is None:
        require_known(*asked(run.sender, [wish]))


def _sent(run: Run, wish: Wish) -> Mapping[str, Any]:
    (answer,) = asked(run.sender, [wish])
    require_known(answer)
    if answer.result is None:
        hint = "the log in Stripe's dashboard shows the request"
        if wish.operation == "portal.create":
            hint = "save the portal's settings once, at Settings > Billing > Customer portal"
        raise ConflictError(f"Stripe says no: {answer.problem}", hint)
    if answer.sent != wish.parameters:
        raise ConflictError(
            "another page was made for the same user at the same moment", "run it again"
        )
    return answer.result


def asked(sender: Sender, wishes: Sequence[Wish]) -> list[Answer]:
    """Send wishes of which nothing is kept here: what comes of them is what matters."""
    wanted = {wish.target for wish in wishes}
    return sender.send(wishes, lambda _tx, _answer: None, lambda _tx: wanted)


def _open_pages(account: Account, user: LinkedUser) -> list[CheckoutSession]:
    """Return the pages on which a user can subscribe now, the newest first."""
    listed = account.gateway.all("checkout_sessions", customer=_stripe_id(user), status="open")
    return [page for page in map(read_checkout_session, listed) if page.mode == _SUBSCRIBING]


def _close(run: Run, pages: list[CheckoutSession]) -> None:
    """Have nobody subscribe on some pages any more; on one that is used somebody has."""
    wishes = [Wish(f"checkout-session/{page.id}", "checkout.expire", {}, page.id) for page in pages]
    for answer in asked(run.sender, wishes):
        require_known(answer)


def _close_rivals(run: Run, user: LinkedUser, made: CheckoutSession) -> None:
    """Leave one page open where two commands made one each at the same moment: the newest."""
    pages = _open_pages(run.account, user)
    _close(run, pages[1:])
    if pages and pages[0].id != made.id:
        raise ConflictError(
            "another page was made for the same user at the same moment",
            "use that one, or run it again",
        )
