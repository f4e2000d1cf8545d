"""Drafts on Stripe of invoices of ours, which anybody can delete in the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stripe.test_corners import A_WEEK_LATER, dashboard

if TYPE_CHECKING:
    from tests.stripe.world import World


@pytest.mark.parametrize("later", ["2025-02-01T01:00:00Z", A_WEEK_LATER])
@pytest.mark.parametrize("operation", ["add_lines", "finalize"])
def test_one_that_is_deleted_there_is_made_again_and_stops_no_other(
    sqlite_world: World, later: str, operation: str
) -> None:
    """Whether the key of the request without an answer is still good or not."""
    world = sqlite_world
    world.bill(ann=10, bob=20)
    world.server.fault("drop", "before", match=f"POST /v1/invoices/*/{operation}", times=9)
    assert world("stripe", "sync").exit_code == 7
    world.server.clear_faults()
    draft = world.theirs("ann")["id"]
    assert world.theirs("ann")["status"] == "draft"
    dashboard(world).write("invoice.delete", draft, {}, "by hand")
    world.at(later)
    done = world.sync()
    assert [row["outcome"] for row in done if row["kind"] == "invoice"] == ["done", "done"]
    assert [world.theirs(user)["status"] for user in ("ann", "bob")] == ["open", "open"]
    assert world.theirs("ann")["number"] == world.ours("ann")["invoice_number"]
    assert world.sync() == []


def test_what_is_final_is_not_sent_again_though_stripe_does_not_have_it(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    world.bill(ann=10)
    world.sync()
    final = world.theirs("ann")["id"]
    world.server.decline_invoice(final)
    world.server.engine.state["invoices"].remove(final)
    world.sync()
    assert world.server.objects("invoices") == []
    reasons = {row["reason"] for row in world.rows("stripe", "events", "list")}
    assert "it is deleted" in reasons
