"""Both sides listed and compared, a page at a time: nothing is changed on either."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from billing_cli.errors import IncompleteError
from billing_cli.pricing import stripe_comparison as compare
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.stripe_comparison import (
    Difference,
    OurCustomer,
    OurInvoice,
    OurPayment,
    OurRefund,
    OurSubscription,
)
from billing_cli.pricing.stripe_fields import reference
from billing_cli.pricing.stripe_objects import (
    Invoice,
    Subscription,
    read_customer,
    read_invoice,
    read_payment_intent,
    read_refund,
    read_subscription,
)
from billing_cli.services.stripe_access import opened
from billing_cli.store import stripe_comparison as store
from billing_cli.store import stripe_links
from billing_cli.store.stripe_links import PRICE, PRODUCT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from billing_cli.app import App
    from billing_cli.services.stripe_access import Account
    from billing_cli.store.stripe_comparison import InvoiceRow, Missing, PaymentRow
    from billing_cli.store.unit_of_work import Transaction

    Json = dict[str, Any]

# Payment intents that belong to what is compared, where not all do.
_WANTED = "wanted"


@dataclass(slots=True)
class Comparison:
    """A comparison under way: how many differences there were that nothing explains."""

    account: Account
    advance: Callable[[int], None]
    period: str | None = None
    since: int = 0
    unexplained: int = 0

    @property
    def narrowed(self) -> dict[str, Any]:
        """What lists are narrowed by: nothing of a period is older than the period."""
        return {"created": {"gte": self.since}} if self.since else {}


@contextmanager
def comparing(app: App, period: str | None, advance: Callable[[int], None]) -> Iterator[Comparison]:
    """Give a comparison of all, or of a period's invoices and what was paid for them.

    ``advance`` is told how many objects were compared.
    """
    with opened(app, lambda _question: False, rehearse=True) as account:
        since = 0
        if period is not None:
            since = account.history.calendar.named(period).start
        with account.uow.reading() as tx:
            store.begin(tx)
        yield Comparison(account, advance, period, since)


def rows(found: Comparison) -> Iterator[dict[str, object]]:
    """Yield what differs, as it is shown."""
    for part in _ALL if found.period is None else (_invoices, _payments):
        for difference in part(found):
            found.unexplained += difference.known is None
            yield asdict(difference)


def require_same(found: Comparison) -> None:
    """Raise :class:`IncompleteError` where there was a difference that nothing explains."""
    if found.unexplained:
        count = found.unexplained
        raise IncompleteError(
            f"{count} {'difference' if count == 1 else 'differences'} that nothing explains",
            "billing stripe sync brings both sides together; what it cannot, it says",
        )


def _pages(
    found: Comparison, kind: str, what: str, narrowed: Mapping[str, Any]
) -> Iterator[list[Json]]:
    """Yield the pages of a list, and remember what was on them."""
    for page in found.account.gateway.pages(what, **found.narrowed, **narrowed):
        with found.account.uow.reading() as tx:
            store.shown(tx, kind, [str(one["id"]) for one in page])
        yield page
        found.advance(len(page))


def _owners(tx: Transaction, page: Iterable[Json]) -> dict[str, str]:
    """Return the users of ours that objects on a page belong to, by customer."""
    customers = {reference(one.get("customer")) for one in page}
    return store.users_of(tx, sorted(one for one in customers if one is not None))


def _missing(
    found: Comparison,
    kind: str,
    find: Callable[[Transaction], Iterator[Missing]],
) -> Iterator[Difference]:
    with found.account.uow.reading() as tx:
        for row in find(tx):
            here = format_minor(row.amount, row.currency) if row.currency else row.id
            there = row.problem or (row.stripe_id and f"{row.stripe_id} is gone")
            yield Difference(kind, row.user_id, row.id, compare.MISSING_THERE, here, there)


def _customers(found: Comparison) -> Iterator[Difference]:
    for page in _pages(found, compare.CUSTOMER, "customers", {}):
        read = [read_customer(one) for one in page]
        said = {one.metadata.get("billing_user") for one in read}
        with found.account.uow.reading() as tx:
            ours = store.users_of(tx, [one.id for one in read])
            claimed = store.customers_of(tx, sorted(one for one in said if one is not None))
        for one in read:
            user = one.metadata.get("billing_user")
            yield from compare.customers(
                OurCustomer(ours[one.id], one.id) if one.id in ours else None,
                OurCustomer(user, claimed[user]) if user in claimed else None,
                one,
            )
    yield from _missing(found, compare.CUSTOMER, store.missing_customers)


def _subscriptions(found: Comparison) -> Iterator[Difference]:
    account = found.account
    for page in _pages(found, compare.SUBSCRIPTION, "subscriptions", {"status": "all"}):
        read = [read_subscription(one) for one in page]
        with account.uow.reading() as tx:
            owners = _owners(tx, page)
            ours = store.subscriptions(tx, [one.id for one in read], account.now)
            plans = _plans(tx, read)
        for one in read:
            user, row = owners.get(one.customer or ""), ours.get(one.id)
            if user is None and row is None:
                continue
            known = row and OurSubscription(row.user_id, row.plan_id, row.end)
            plan = next((plans[key] for key in _sold(one) if key in plans), None)
            yield from compare.subscriptions(
                known or None, user or (row.user_id if row else ""), one, plan, account.now
            )
    yield from _missing(found, compare.SUBSCRIPTION, store.missing_subscriptions)


def _sold(found: Subscription) -> list[str]:
    """Return the prices of a subscription, and then its products."""
    items = found.items
    return [key for key in (*(i.price for i in items), *(i.product for i in items)) if key]


def _plans(tx: Transaction, found: Sequence[Subscription]) -> dict[str, str]:
    """Return the plans that prices and products stand for."""
    keys = sorted({key for one in found for key in _sold(one)})
    return {
        stripe_id: link.local_id.partition("/")[0]
        for kind in (PRICE, PRODUCT)
        for stripe_id, link in stripe_links.by_stripe_ids(tx, kind, keys).items()
    }


def _invoices(found: Comparison) -> Iterator[Difference]:
    expand = {} if found.period is None else {"expand": ["data.payments"]}
    for page in _pages(found, compare.INVOICE, "invoices", expand):
        read = [read_invoice(one) for one in page]
        with found.account.uow.reading() as tx:
            owners = _owners(tx, page)
            ours = store.invoices(tx, [one.id for one in read])
            if found.period is not None:
                read = [one for one in read if _period(one, ours.get(one.id)) == found.period]
                paid = {payment.payment_intent for one in read for payment in one.payments}
                store.shown(tx, _WANTED, sorted(intent for intent in paid if intent))
        for one in read:
            user, row = owners.get(one.customer or ""), ours.get(one.id)
            if user is not None or row is not None:
                yield from compare.invoices(_our_invoice(row), user or "", one)
    yield from _missing(found, compare.INVOICE, lambda tx: store.missing_invoices(tx, found.period))


def _period(invoice: Invoice, row: InvoiceRow | None) -> str | None:
    return invoice.metadata.get("billing_period") if row is None else row.period


def _our_invoice(row: InvoiceRow | None) -> OurInvoice | None:
    if row is None:
        return None
    return OurInvoice(
        row.user_id,
        row.number,
        row.currency,
        row.status,
        row.total,
        row.due,
        row.is_copy,
        row.went_back,
    )


def _payments(found: Comparison) -> Iterator[Difference]:
    for page in _pages(found, compare.PAYMENT, "payment_intents", {}):
        read = [read_payment_intent(one) for one in page]
        ids = [one.id for one in read]
        with found.account.uow.reading() as tx:
            owners = _owners(tx, page)
            ours = store.payments(tx, ids)
            wanted = set(ids) if found.period is None else store.is_shown(tx, _WANTED, ids)
        for one in read:
            user, row = owners.get(one.customer or ""), ours.get(one.id)
            is_meant = one.id in wanted or (row is not None and row.period == found.period)
            if is_meant and (user is not None or row is not None):
                yield from compare.payments(_our_payment(row), user, one)
    yield from _missing(found, compare.PAYMENT, lambda tx: store.missing_payments(tx, found.period))


def _our_payment(row: PaymentRow | None) -> OurPayment | None:
    if row is None:
        return None
    return OurPayment(row.user_id, row.currency, row.amount, row.status, row.reason)


def _refunds(found: Comparison) -> Iterator[Difference]:
    for page in _pages(found, compare.REFUND, "refunds", {}):
        read = [read_refund(one) for one in page]
        intents = sorted({one.payment_intent for one in read if one.payment_intent})
        with found.account.uow.reading() as tx:
            payments = store.payments(tx, intents)
            ours = store.refunds(tx, [one.id for one in read])
        for one in read:
            payment = _our_payment(payments.get(one.payment_intent or ""))
            if payment is not None:
                known = OurRefund(ours[one.id]) if one.id in ours else None
                yield from compare.refunds(known, payment, one)
    yield from _missing(found, compare.REFUND, store.missing_refunds)


_ALL = (_customers, _subscriptions, _invoices, _payments, _refunds)
