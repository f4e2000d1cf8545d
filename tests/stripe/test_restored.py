"""A backup that was put back, with settings that have changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.stripe.test_corners import A_WEEK_LATER, charged, restored, with_cards

if TYPE_CHECKING:
    from tests.stripe.world import World


def test_what_was_sent_with_another_prefix_is_not_sent_again(sqlite_world: World) -> None:
    world = sqlite_world
    with_cards(world, ann=10)
    world("db", "backup", "unsent.db").ok()
    world.sync()
    world.server.collect()
    world.at(A_WEEK_LATER)
    world.server.forget_keys()
    again = restored(world, "unsent.db")
    again.configure(invoicePrefix="ACME")
    again.sync()
    again.server.collect()
    again.sync()
    assert charged(again) == [1000]
    assert again.ours("ann")["status"] == "paid"
    assert again.theirs("ann")["number"] == again.ours("ann")["invoice_number"]
    assert again.sync() == []
    again.check()
