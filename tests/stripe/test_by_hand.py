"""Payments that somebody takes by hand in the dashboard, for no invoice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.stripe.test_corners import dashboard

if TYPE_CHECKING:
    from tests.stripe.world import World


def debited(world: World, user: str) -> str:
    """A debit of 9.00 from a user's bank that comes back at once; return its intent."""
    customer = world.customer(user)
    method = world.server.attach_method(customer, "pm_usBankAccount_success", default=False)["id"]
    made = dashboard(world)._client.v1.payment_intents.create(  # noqa: SLF001 - as the dashboard does
        {
            "amount": 900,
            "currency": "usd",
            "customer": customer,
            "payment_method": method,
            "confirm": True,
            "off_session": True,
        }
    )
    world.server.fail_payment(made.id)
    return str(made.id)


def charged_again(world: World, user: str) -> None:
    """The same payment, from the user's card."""
    customer = world.customer(user)
    (found,) = world.server.objects("payment_intents", customer=customer, amount=900)
    method = world.server.attach_method(customer, default=False)["id"]
    dashboard(world)._client.v1.payment_intents.confirm(  # noqa: SLF001 - as the dashboard does
        found["id"], {"payment_method": method}
    )


def test_one_that_was_refused_first_waits_for_somebody_to_say_whose_it_is(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    world.bill(ann=10)
    world.sync()
    debited(world, "ann")
    world.sync()
    (payment,) = world.rows("payment", "list")
    assert (payment["user_id"], payment["status"]) == ("ann", "failed")
    charged_again(world, "ann")
    world.sync()
    (payment,) = world.rows("payment", "list")
    assert (payment["user_id"], payment["status"]) == (None, "unmatched")
    assert payment["reason"] == "not for an invoice that is known here"
    assert world.show("payment", "show", str(payment["id"]))["failure_code"] is None
    assert world.rows("credits", "list") == []
    world("payment", "match", str(payment["id"]), "--user", "ann").ok()
    assert world.ours("ann")["amount_due"] == "1.00"
    world.check()
