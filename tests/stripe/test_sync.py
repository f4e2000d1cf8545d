"""Bringing both sides together: what goes out, what comes in, and that neither happens twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pypdf import PdfReader

from tests.stripe.world import PRO

if TYPE_CHECKING:
    from tests.stripe.world import World


def test_what_is_ours_is_there_too(world: World) -> None:
    vat = {"id": "vat", "name": "VAT", "percent": 20, "default": True}
    world.configure(subscriptionPlans=[PRO], taxes=[vat])
    world.use(ann=10, bob=5)
    world("credits", "add", "--user", "ann", "--amount", "2.00", "--reason", "Sorry").ok()
    world("invoice", "generate", "--finalize").ok()
    before = len(world.server.requests)
    planned = world.sync("--dry-run")
    assert {(row["kind"], row["action"], row["outcome"]) for row in planned} == {
        ("customer", "create", "planned"),
        ("product", "create", "planned"),
        ("price", "create", "planned"),
        ("invoice", "create", "planned"),
    }
    assert all(request.method == "GET" for request in world.server.requests[before:])
    done = world.sync()
    assert [row for row in done if row["outcome"] != "done"] == []
    theirs = world.theirs("ann")
    assert theirs["number"] == world.ours("ann")["invoice_number"]
    assert (theirs["status"], theirs["total"]) == ("open", 1000)
    assert theirs["collection_method"] == "send_invoice"
    lines = world.server.get("invoices", theirs["id"])["lines"]["data"]
    assert sorted(line["amount"] for line in lines if line["amount"]) == [-200, 200, 1000]
    price = world.server.objects("prices")[0]
    assert (price["unit_amount"], price["recurring"]["interval"]) == (3000, "month")

    requests = len(world.server.requests)
    assert world.sync() == []
    assert all(request.method == "GET" for request in world.server.requests[requests:])
    world.check()


def test_a_card_that_is_there_is_charged_and_the_payment_comes_in(world: World) -> None:
    world.bill(ann=10)
    world.sync("--only", "customers")
    world.server.attach_method(world.customer("ann"))
    world.sync()
    assert world.theirs("ann")["collection_method"] == "charge_automatically"
    world.server.collect()
    world.sync()
    assert world.ours("ann")["status"] == "paid"
    (payment,) = world.rows("payment", "list")
    shown = world.show("payment", "show", str(payment["id"]))
    assert (shown["amount"], shown["method"], shown["status"]) == ("10.00", "card", "succeeded")
    assert shown["stripe_payment_intent_id"].startswith("pi_")
    assert world.sync() == []
    world.check()


def test_a_card_that_is_declined_is_told_of_and_pays_later(world: World) -> None:
    world.bill(ann=10)
    world.sync()
    invoice = world.theirs("ann")["id"]
    world.server.decline_invoice(invoice, "insufficient_funds")
    world.sync()
    (payment,) = world.rows("payment", "list")
    shown = world.show("payment", "show", str(payment["id"]))
    assert (shown["status"], shown["failure_code"]) == ("failed", "insufficient_funds")
    assert world.ours("ann")["amount_due"] == "10.00"
    world.server.pay_invoice(invoice)
    world.sync()
    (paid,) = world.rows("payment", "list")
    assert (paid["id"], paid["status"]) == (payment["id"], "succeeded")
    assert world.ours("ann")["status"] == "paid"
    kinds = [row["type"] for row in world.rows("events", "list")]
    assert kinds.count("billing.payment.failed") == 1
    assert kinds.count("billing.invoice.paid") == 1
    world.check()


def test_what_is_paid_elsewhere_is_never_collected(world: World) -> None:
    world.bill(ann=10, bob=20, cid=30)
    world.sync("--only", "customers")
    for user in ("ann", "bob", "cid"):
        world.server.attach_method(world.customer(user))
    world.server.engine.collects_at_once = False
    # Before Stripe has it, in whole and in part; and after.
    world("invoice", "pay", str(world.ours("ann")["id"]), "--method", "bank").ok()
    world("invoice", "pay", str(world.ours("bob")["id"]), "--amount", "5", "--method", "bank").ok()
    world.sync()
    assert (world.theirs("ann")["status"], world.theirs("bob")["amount_remaining"]) == (
        "paid",
        1500,
    )
    world("invoice", "pay", str(world.ours("cid")["id"]), "--method", "bank").ok()
    world.sync()
    world.server.collect()
    world.sync()
    charged = [
        intent for intent in world.server.objects("payment_intents") if intent["latest_charge"]
    ]
    assert [intent["amount_received"] for intent in charged] == [1500]
    assert [world.ours(user)["status"] for user in ("ann", "bob", "cid")] == ["paid"] * 3
    amounts = sorted(row["amount"] for row in world.rows("payment", "list"))
    assert amounts == ["10.00", "15.00", "30.00", "5.00"]
    assert world.sync() == []
    world.check()


def test_voids_go_both_ways(world: World) -> None:
    world.bill(ann=10, bob=20)
    world.sync()
    world("invoice", "void", str(world.ours("ann")["id"]), "--reason", "Wrong").ok()
    world.server.void_invoice(world.theirs("bob")["id"])
    world.sync()
    assert world.theirs("ann")["status"] == "void"
    assert world.ours("bob")["status"] == "void"
    assert world.sync() == []
    world.check()


def paid_by_card(world: World, **hours: int) -> None:
    world.bill(**hours)
    world.sync("--only", "customers")
    for user in hours:
        world.server.attach_method(world.customer(user))
    world.sync()
    world.server.collect()
    world.sync()


def refunds(world: World) -> list[dict[str, Any]]:
    return [dict(one) for one in world.server.objects("refunds")]


def test_refunds_go_both_ways_each_once(world: World) -> None:
    paid_by_card(world, ann=10, bob=20)
    (payment,) = world.rows("payment", "list", "--user", "ann")
    world("payment", "refund", str(payment["id"]), "--amount", "4", "--reason", "Slow").ok()
    world.server.refund(world.theirs("bob")["id"], 500)
    world.sync()
    assert sorted(one["amount"] for one in refunds(world)) == [400, 500]
    (bob,) = world.rows("payment", "list", "--user", "bob")
    assert bob["refunded"] == "5.00"
    assert [world.ours(user)["status"] for user in ("ann", "bob")] == ["paid", "paid"]
    notes = sorted(note["total"] for note in world.server.objects("credit_notes"))
    assert notes == [400, 500]
    assert world.sync() == []
    assert len(refunds(world)) == 2
    world.check()


def test_a_lost_dispute_and_a_returned_debit_are_owed_again(world: World) -> None:
    paid_by_card(world, ann=10, bob=20)
    dispute = world.server.open_dispute(world.theirs("ann")["id"])
    world.sync()
    assert world.ours("ann")["status"] == "paid"
    world.server.close_dispute(dispute["id"], "lost")
    world.server.return_debit(world.theirs("bob")["id"])
    world.sync()
    assert [world.ours(user)["amount_due"] for user in ("ann", "bob")] == ["10.00", "20.00"]
    kinds = [row["type"] for row in world.rows("events", "list")]
    assert "billing.payment.disputed" in kinds
    assert world.sync() == []
    world("invoice", "pay", str(world.ours("ann")["id"]), "--method", "bank").ok()
    assert world.sync() == []
    world.check()


def test_an_invoice_that_somebody_marks_as_paid_there_is_paid_here(world: World) -> None:
    world.bill(ann=10)
    world.sync()
    world.server.mark_paid(world.theirs("ann")["id"])
    world.sync()
    assert world.ours("ann")["status"] == "paid"
    (payment,) = world.rows("payment", "list")
    assert (payment["method"], payment["amount"]) == ("out_of_band", "10.00")
    assert world.sync() == []
    world.check()


def test_a_customer_who_is_deleted_there_is_made_again(world: World) -> None:
    world.bill(ann=10)
    world("invoice", "void", str(world.ours("ann")["id"]), "--reason", "Later").ok()
    world.sync()
    world.server.delete_customer(world.customer("ann"))
    world("invoice", "generate", "--period", "2025-01", "--finalize").ok()
    world.sync()
    assert world.theirs("ann")["status"] == "open"


def test_a_total_that_stripe_cannot_carry_is_held_up_and_said(world: World) -> None:
    world.configure(currency="KWD", computeRates={"cpu_per_core_hour": "0.001"})
    world.bill(ann=5, bob=10)
    result = world("stripe", "sync", "-o", "json")
    assert result.exit_code == 7
    failed = [row for row in result.json() if row["outcome"] == "failed"]
    assert [(row["user_id"], row["kind"]) for row in failed] == [("ann", "invoice")]
    assert "0.010" in failed[0]["detail"]
    assert world.theirs("bob")["total"] == 10


def test_what_was_paid_in_part_and_is_void_here_is_collected_by_nobody(world: World) -> None:
    world.bill(ann=10)
    number = str(world.ours("ann")["id"])
    world("invoice", "pay", number, "--amount", "4", "--method", "bank").ok()
    world.sync()
    world("invoice", "void", number, "--reason", "Wrong").ok()
    world.sync()
    assert world.theirs("ann")["status"] == "uncollectible"
    assert world.sync() == []


def test_the_page_to_pay_on_is_in_the_invoice_and_its_document(sqlite_world: World) -> None:
    world = sqlite_world
    world.bill(ann=10)
    world.sync()
    page = world.theirs("ann")["hosted_invoice_url"]
    assert world.ours("ann")["payment_page"] == page
    world("invoice", "pdf", str(world.ours("ann")["id"]), "--out", "invoice.pdf").ok()
    text = "".join(PdfReader(world.invoke.work / "invoice.pdf").pages[0].extract_text().split())
    assert page.removeprefix("https://") in text
    world.server.pay_invoice(world.theirs("ann")["id"])
    world.sync()
    assert world.ours("ann")["payment_page"] is None


def test_nothing_is_sent_while_billing_is_switched_off(sqlite_world: World) -> None:
    sqlite_world.configure(enabled=False)
    found = sqlite_world("stripe", "sync").ok()
    assert found.stderr.startswith("billing is switched off")
    assert sqlite_world.server.requests == []


def test_what_is_older_than_a_moment_is_left_out(sqlite_world: World) -> None:
    world = sqlite_world
    world.bill(ann=10)
    for since in ("2025-02-02", "2025-02-01T00:00:01Z"):
        assert world.sync("--only", "invoices", "--since", since) == []
    assert world("stripe", "sync", "--since", "yesterday").exit_code == 2
    world.sync("--since", "2025-02-01")
    assert world.theirs("ann")["status"] == "open"
