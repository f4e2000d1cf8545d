"""Plans: each is a product on Stripe, and each amount that it has ever cost a price."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.gateway import stripe_parameters as parameters
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.stripe_amounts import to_stripe
from billing_cli.pricing.stripe_objects import Subscription, read_product, read_subscription
from billing_cli.services.stripe_customers import digest_of
from billing_cli.services.stripe_requests import Answer, Wish
from billing_cli.services.stripe_run import Change, Run
from billing_cli.store import stripe_links, subscriptions
from billing_cli.store.stripe_links import PRICE, PRODUCT, Link

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from billing_cli.pricing.plans import Plan
    from billing_cli.store.unit_of_work import Transaction

CURRENT, PAST = "current", "past"


class Cost(NamedTuple):
    """What a plan costs on Stripe, in Stripe's integer."""

    plan: Plan
    currency: str
    amount: int

    @property
    def local_id(self) -> str:
        """How a price is called here; it never changes, so another amount is another price."""
        return f"{self.plan.id}/{self.plan.interval}/{self.currency}/{self.amount}"


def sync(run: Run) -> None:
    """Have each plan be a product with the price that it has now; earlier ones are retired."""
    terms = run.account.history.at(run.account.now)
    plans = [terms.plans[key] for key in sorted(terms.plans)]
    with run.account.uow.reading() as tx:
        products = stripe_links.of_kind(tx, PRODUCT)
        prices = stripe_links.of_kind(tx, PRICE)
    _products(run, plans, products)
    costs = []
    for plan in plans:
        try:
            costs.append(Cost(plan, terms.currency, to_stripe(plan.fee, terms.currency)))
        except ValueError as error:
            run.tell(_change("price", "create", plan.id, None), str(error))
    with run.account.uow.reading() as tx:
        products = stripe_links.of_kind(tx, PRODUCT)
    _prices(run, costs, products, prices)
    _retire(run, {cost.local_id for cost in costs}, prices)


def _change(kind: str, action: str, name: str, amount: str | None) -> Change:
    return Change(kind, action, "stripe", None, name, amount)


def _products(run: Run, plans: Sequence[Plan], known: dict[str, Link]) -> None:
    is_new = any(plan.id not in known for plan in plans)
    ids = _by_plan(run) if is_new else {}
    ids |= {plan_id: link.stripe_id for plan_id, link in known.items()}
    wishes: list[Wish] = []
    for plan in plans:
        wanted = dict(parameters.product(plan.id, plan.name))
        link = known.get(plan.id)
        if link is None or link.digest != digest_of(wanted):
            there = ids.get(plan.id, "")
            operation = "product.update" if there else "product.create"
            wishes.append(Wish(f"product/{plan.id}", operation, wanted, there))
    if run.dry:
        for wish in wishes:
            run.tell(_change("product", _verb(wish), _name(wish), None))
        return

    def record(tx: Transaction, answer: Answer) -> None:
        if answer.result is not None:
            digest = "" if answer.sent is None else digest_of(answer.sent)
            link = Link(PRODUCT, _name(answer.wish), str(answer.result["id"]), digest)
            stripe_links.put(tx, [link])

    for answer in run.sender.send(wishes, record, _same(PRODUCT, wishes)):
        change = _change("product", _verb(answer.wish), _name(answer.wish), None)
        run.tell(change, answer.problem)


def _by_plan(run: Run) -> dict[str, str]:
    """Return the products on Stripe that say which plan they are."""
    found = {}
    for raw in run.account.gateway.all("products"):
        product = read_product(raw)
        if "billing_plan" in product.metadata and product.active:
            found[product.metadata["billing_plan"]] = product.id
    return found


def _same(kind: str, wishes: Sequence[Wish]) -> Callable[[Transaction], set[str]]:
    """Return what tells which wishes are about what is linked still as it was."""

    def still(tx: Transaction) -> set[str]:
        known = stripe_links.of_kind(tx, kind)
        return {
            wish.target
            for wish in wishes
            if (_name(wish) in known) is bool(wish.object_id)
            or (_name(wish) not in known and wish.operation == "product.update")
        }

    return still


def _verb(wish: Wish) -> str:
    return wish.operation.partition(".")[2]


def _name(wish: Wish) -> str:
    return wish.target.partition("/")[2]


def _prices(
    run: Run, costs: Sequence[Cost], products: dict[str, Link], known: dict[str, Link]
) -> None:
    wishes, by_target = [], {}
    for cost in costs:
        link = known.get(cost.local_id)
        product = products.get(cost.plan.id)
        if (link is not None and link.detail == CURRENT) or (product is None and not run.dry):
            continue
        target = f"price/{cost.local_id}"
        by_target[target] = cost
        if link is not None:
            # It was retired, and is wanted again.
            wishes.append(Wish(target, "price.update", {"active": True}, link.stripe_id))
            continue
        wanted = parameters.price(
            cost.plan.id,
            "" if product is None else product.stripe_id,
            cost.amount,
            cost.currency,
            cost.plan.interval,
        )
        wishes.append(Wish(target, "price.create", dict(wanted)))

    def told(wish: Wish) -> Change:
        cost = by_target[wish.target]
        amount = format_minor(cost.plan.fee, cost.currency)
        return _change("price", _verb(wish), f"{cost.plan.id} by the {cost.plan.interval}", amount)

    if run.dry:
        for wish in wishes:
            run.tell(told(wish))
        return

    def record(tx: Transaction, answer: Answer) -> None:
        if answer.result is not None:
            local = by_target[answer.wish.target].local_id
            stripe_links.put(tx, [Link(PRICE, local, str(answer.result["id"]), "", CURRENT)])

    for answer in run.sender.send(wishes, record, _same(PRICE, wishes)):
        run.tell(told(answer.wish), answer.problem)


def _retire(run: Run, wanted: set[str], known: dict[str, Link]) -> None:
    """Have prices that no plan has any more be offered to nobody; who has one keeps it."""
    wishes = [
        Wish(f"price/{local}", "price.update", {"active": False}, link.stripe_id)
        for local, link in known.items()
        if local not in wanted and link.detail == CURRENT
    ]
    if run.dry:
        for wish in wishes:
            run.tell(_change("price", "retire", _name(wish), None))
        return

    def record(tx: Transaction, answer: Answer) -> None:
        if answer.result is not None:
            stripe_links.set_detail(tx, PRICE, answer.wish.object_id, PAST)

    for answer in run.sender.send(wishes, record, _same(PRICE, wishes)):
        run.tell(_change("price", "retire", _name(answer.wish), None), answer.problem)


def follow_prices(run: Run) -> None:
    """Have subscriptions on Stripe cost from their next term on what their plan costs now."""
    with run.account.uow.reading() as tx:
        prices = stripe_links.of_kind(tx, PRICE)
        ours = subscriptions.stripe_ids(tx)
    by_id = {link.stripe_id: link for link in prices.values()}
    current = {
        local.partition("/")[0]: link.stripe_id
        for local, link in prices.items()
        if link.detail == CURRENT
    }
    if all(link.detail == CURRENT for link in prices.values()):
        return
    wishes, names = [], {}
    for raw in run.account.gateway.all("subscriptions", status="all"):
        found = read_subscription(raw)
        change = _repriced(found, by_id, current)
        if found.id in ours and change is not None:
            wishes.append(change)
            names[change.target] = ours[found.id]
    if run.dry:
        for wish in wishes:
            run.tell(Change("subscription", "update", "stripe", names[wish.target], wish.object_id))
        return
    targets = {wish.target for wish in wishes}
    for answer in run.sender.send(wishes, lambda _tx, _answer: None, lambda _tx: targets):
        wish = answer.wish
        told = Change("subscription", "update", "stripe", names[wish.target], wish.object_id)
        run.tell(told, answer.problem)


def _repriced(found: Subscription, by_id: dict[str, Link], current: dict[str, str]) -> Wish | None:
    """Return the wish that a subscription has its plan's present price, if it has not."""
    if found.status in {"canceled", "incomplete", "incomplete_expired"}:
        return None
    for item in found.items:
        link = by_id.get(item.price or "")
        price = None if link is None else current.get(link.local_id.partition("/")[0])
        if price is not None and price != item.price:
            wanted = parameters.other_price(item.id, price)
            target = f"subscription/{found.id}/{price}"
            return Wish(target, "subscription.update", dict(wanted), found.id)
    return None
