"""The values of Stripe's that shells complete: what is known here of events, users and cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.stripe.test_webhook import last, post
from tests.stripe.world import FREE, PRO
from tests.test_completions import ask

if TYPE_CHECKING:
    from tests.stripe.world import World


def test_what_is_known_here_completes(world: World) -> None:
    world.configure(billingMode="hybrid", subscriptionPlans=[FREE, PRO])
    world.bill(ann=5, bob=6)
    world.sync()
    cards = {
        user: world.server.attach_method(world.customer(user))["id"] for user in ("ann", "bob")
    }
    world.sync()
    world.server.pay_invoice(world.theirs("ann")["id"])
    paid = last(world, "invoice.paid")
    world.server.fault("html", match="GET /v1/invoices/*", times=0)
    assert post(world, paid).exit_code == 7
    rows = world.rows("stripe", "events", "list")
    ids = sorted(row["id"] for row in rows)
    failed = sorted(row["id"] for row in rows if row["state"] == "failed")
    run = world.invoke
    for line, expected in {
        "billing stripe events show ": ids[:50],
        f"billing stripe events show {paid['id']}": [paid["id"]],
        "billing stripe events retry ": failed,
        "billing stripe events list --state d": ["done"],
        "billing stripe events list --type invoice.p": ["invoice.paid", "invoice.payment_failed"],
        "billing stripe checkout --user a": ["ann"],
        "billing stripe checkout --plan p": ["pro"],
        "billing stripe payment-methods list -u b": ["bob"],
        "billing stripe payment-methods detach --user bob ": [cards["bob"]],
        "billing stripe payment-methods default ": sorted(cards.values()),
        "billing stripe payment-methods default pm_none": [],
    }.items():
        assert ask(run, line) == expected, line
