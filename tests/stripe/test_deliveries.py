"""Events in any order, twice, late, old or thin, beside the poller: the end state is Stripe's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_cli.app import App
from billing_cli.services import stripe_events, stripe_inbox
from billing_cli.services.stripe_access import opened
from tests.command_line import Invoke
from tests.stripe.books import difference, here
from tests.stripe.test_by_hand import charged_again, debited
from tests.stripe.world import FREE, KEY, MAX, PRO, SECRET, World
from tests.stripe_server import StripeServer, webhooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from random import Random

    from tests.databases import Copies

# What follows from what is there, and not from what came when.
COMPARED: Final = (
    "invoices there",
    "settled",
    "payments",
    "allocations",
    "refunds",
    "notes",
    "subscriptions",
    "credits",
    "linked",
)
WAYS: Final = ("webhook", "old", "thin")


@dataclass
class Deployment:
    """One that hears of what happens on an account in its own way."""

    world: World
    config: str

    @property
    def app(self) -> App:
        """What commands work with, at the moment that it is on the account."""
        now = datetime.fromtimestamp(self.world.server.clock, UTC).isoformat()
        return App(config=self.config, database=self.world.invoke.database, at=now)

    def hear(self, event: dict[str, Any], way: str) -> None:
        """Receive an event with its signature."""
        told = {"old": webhooks.old_shape, "thin": thin}.get(way, dict)(event)
        body, signature = webhooks.signed(told, SECRET, self.world.server.clock)
        stripe_events.receive(self.app, body, signature)

    def poll(self) -> None:
        """Ask for what happened."""
        with opened(self.app, lambda _: True) as account:
            stripe_events.poll(account)

    def work(self) -> None:
        """Work off what waits."""
        with opened(self.app, lambda _: True) as account:
            worked = stripe_inbox.work(account)
        assert worked.failures == []


@dataclass
class Stage:
    """An account and a database before anything happens, to start from again and again."""

    copies: Copies
    server: StripeServer
    before: bytes
    url: str
    folder: Path

    def deployment(self, url: str) -> Deployment:
        """A deployment on a copy of the database."""
        world = World(Invoke(self.folder, url), self.server)
        configure(world)
        config = self.folder / "with-secrets.json"
        known = json.loads((world.invoke.work / "billing.json").read_text("utf-8"))
        config.touch(0o600)
        secrets = {"stripeSecretKey": KEY, "stripeWebhookSecret": SECRET}
        config.write_text(json.dumps(known | secrets), "utf-8")
        return Deployment(world, str(config))


def configure(world: World) -> None:
    world.configure(billingMode="hybrid", subscriptionPlans=[FREE, PRO, MAX])


@pytest.fixture(name="stage", scope="module")
def _stage(copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    if not copies.are_sqlite:
        pytest.skip("what comes in is the same; test_sync.py brings it into both databases")
    folder = tmp_path_factory.mktemp("stage")
    with StripeServer() as server, copies.fresh() as url:
        server.engine.collects_at_once = False
        world = World(Invoke(folder, url), server)
        configure(world)
        world.bill(ann=10, bob=20, cid=30)
        world.sync()
        yield Stage(copies, server, server.save(), url, folder)


def happenings(world: World) -> list[Callable[[], object]]:
    """What happens on the account, in this order."""
    server = world.server
    ann, bob, cid = (world.theirs(user)["id"] for user in ("ann", "bob", "cid"))
    customer = world.customer("ann")

    def subscribe() -> None:
        (price,) = [one for one in server.objects("prices") if one["unit_amount"] == 3000]
        server.complete_checkout(world.checkout(customer, price["id"]))

    def upgrade() -> None:
        (found,) = server.objects("subscriptions", customer=customer)
        (price,) = [one for one in server.objects("prices") if one["unit_amount"] == 9000]
        item = found["items"]["data"][0]["id"]
        server.update_subscription(found["id"], items=[{"id": item, "price": price["id"]}])

    def leave() -> None:
        (found,) = server.objects("subscriptions", customer=customer)
        server.cancel_subscription(found["id"])

    def later(step: Callable[[], object], seconds: int) -> Callable[[], object]:
        def happen() -> None:
            server.clock += seconds
            step()

        return happen

    return [
        lambda: server.decline_invoice(ann, "insufficient_funds"),
        later(lambda: server.pay_invoice(ann), 60),
        later(lambda: server.pay_invoice(bob), 60),
        later(subscribe, 60),
        later(lambda: server.refund(ann, 400), 60),
        later(upgrade, 3600),
        later(lambda: server.open_dispute(bob), 60),
        later(lambda: server.close_dispute(server.objects("disputes")[0]["id"], "lost"), 60),
        later(leave, 3600),
        later(lambda: server.void_invoice(cid), 60),
        later(lambda: debited(world, "cid"), 60),
        later(lambda: charged_again(world, "cid"), 60),
    ]


def thin(event: dict[str, Any]) -> dict[str, Any]:
    """An event that only names what it is about."""
    about = event["data"]["object"]
    moment = datetime.fromtimestamp(event["created"], UTC).isoformat().replace("+00:00", "Z")
    return {
        "id": event["id"],
        "object": "v2.core.event",
        "type": f"v1.{event['type']}",
        "created": moment,
        "livemode": event["livemode"],
        "related_object": {"id": about["id"], "type": about["object"], "url": "/v1/"},
    }


def books(url: str) -> dict[str, Any]:
    found = here(url)
    return {name: found[name] for name in COMPARED}


@settings(max_examples=6)
@given(random=st.randoms(use_true_random=False))
def test_any_interleaving_ends_as_stripe_stands(stage: Stage, random: Random) -> None:
    with stage.copies.of(stage.url) as url, stage.copies.of(stage.url) as other:
        stage.server.restore(stage.before)
        one, clean = stage.deployment(url), stage.deployment(other)
        known = len(stage.server.events)
        for happen in happenings(one.world):
            happen()
            for event in random.sample(stage.server.events[known:], k=random.randint(0, 3)):
                # Some twice, and some again that came long ago.
                for _ in range(random.randint(1, 2)):
                    one.hear(event, random.choice(WAYS))
            if random.random() < 1 / 3:
                one.poll()
            if random.random() < 1 / 3:
                one.work()
        rest = stage.server.events[known:]
        random.shuffle(rest)
        for event in rest:
            one.hear(event, random.choice(("webhook", "old")))
        one.work()
        for event in stage.server.events[known:]:
            clean.hear(event, "webhook")
        clean.work()
        assert difference(books(url), books(other)) == []
