"""How things stand, and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.stripe.world import KEY, SECRET, World

if TYPE_CHECKING:
    from tests.command_line import Result

RESTRICTED = "rk_test_51restrictedKEY"
READS = (
    *("charge", "checkout_session", "credit_note", "customer", "dispute", "event", "invoice"),
    *("payment_intent", "payment_method", "plan", "product", "setup_intent"),
    "subscription",
)


def status(world: World, **environ: str) -> tuple[Result, dict[str, Any]]:
    found = world("stripe", "status", "-o", "json", **environ)
    return found, found.json()


def test_all_is_well_and_then_it_is_not(world: World) -> None:
    """What is shown before the first sync, after it, and when something has failed."""
    result, shown = status(world)
    assert (result.exit_code, result.stderr) == (0, "")
    assert shown == {
        "enabled": True,
        "key": "test",
        "key_from": "environment STRIPE_SECRET_KEY",
        "restricted": False,
        "api_version": "2026-10-28.endive",
        "account": "acct_1StandIn",
        "account_name": shown["account_name"],
        "permissions_lacking": [],
        "webhook_secret": "set",
        "database_account": None,
        "database_mode": None,
        "live_confirmed_at": None,
        "last_sync": None,
        "events_read_until": None,
        "events_read_seconds_ago": None,
        "events_pending": 0,
        "events_failed": 0,
        "requests_unanswered": 0,
        "held_up": [],
    }
    world.bill(ann=5)
    world.sync()
    world.at("2025-02-01T01:00:00Z")
    _, shown = status(world)
    assert (shown["database_account"], shown["database_mode"]) == ("acct_1StandIn", "test")
    assert shown["last_sync"] == shown["events_read_until"] == "2025-02-01T00:00:00Z"
    assert shown["events_read_seconds_ago"] == 3600
    # An invoice that Stripe refuses, and an event that cannot be worked off.
    world.server.pay_invoice(world.theirs("ann")["id"])
    world.server.restrict(KEY, *(f"rak_{one}_write" for one in READS if one != "invoice"))
    world("stripe", "sync", "--only", "events")
    result, shown = status(world)
    assert result.exit_code == 7
    assert shown["events_failed"] > 0
    assert shown["permissions_lacking"] == [
        "invoice_payments (rak_invoice_read)",
        "invoices (rak_invoice_read)",
    ]
    for words in ("the key may not read: invoice_payments", "events list --state failed"):
        assert words in result.stderr
    for text in (result.stdout, result.stderr):
        assert KEY not in text
        assert SECRET not in text
    world.check()


def test_a_restricted_key_says_what_it_lacks(sqlite_world: World) -> None:
    """Every list and every object is tried; an account that may not be asked for is no fault."""
    world = sqlite_world
    world("user", "add", "ann").ok()
    world.sync()
    every = [f"rak_{one}_read" for one in READS]
    world.server.restrict(RESTRICTED, *every)
    result, shown = status(world, STRIPE_SECRET_KEY=RESTRICTED)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.startswith("permissions to write cannot be tried: ")
    table = world("stripe", "status", STRIPE_SECRET_KEY=RESTRICTED).ok().stdout
    assert "\nPermissions lacking:     -\n" in table
    assert (shown["restricted"], shown["account"]) == (True, "unknown")
    for one in every:
        rest = [other for other in every if other != one]
        world.server.restrict(RESTRICTED, *rest)
        result, shown = status(world, STRIPE_SECRET_KEY=RESTRICTED)
        assert result.exit_code == 7
        assert shown["permissions_lacking"]
        assert all(one in lacking for lacking in shown["permissions_lacking"])
        assert one in result.stderr


def test_what_is_missing_is_said_after_what_is_known(sqlite_world: World) -> None:
    world = sqlite_world
    world("user", "add", "ann").ok()
    world.sync()
    result, shown = status(world, STRIPE_SECRET_KEY="", STRIPE_WEBHOOK_SECRET="")
    assert (result.exit_code, shown["key"], shown["webhook_secret"]) == (8, "none", "not set")
    assert shown["database_account"] == "acct_1StandIn"
    world.server.fault("503", times=0)
    result, shown = status(world)
    assert (result.exit_code, shown["key"], shown["account"]) == (6, "test", None)
    world.server.clear_faults()
    world.server.revoke(KEY)
    result, shown = status(world)
    assert (result.exit_code, "does not accept the key" in result.stderr) == (8, True)
    assert KEY not in result.stderr
    # Another account, which the books know nothing of yet, and then do.
    result, shown = status(world, STRIPE_SECRET_KEY="sk_live_51abcDEFghi")
    assert (result.exit_code, shown["key"]) == (0, "live")
    world.configure(stripeEnabled=False)
    assert status(world)[0].exit_code == 8


def test_a_database_of_another_account(sqlite_world: World) -> None:
    world = sqlite_world
    world.bill(ann=5)
    world.sync()
    world.server.pay_invoice(world.theirs("ann")["id"])
    world.sync()
    result, _ = status(world, STRIPE_SECRET_KEY="sk_live_51abcDEFghi")
    assert result.exit_code == 7
    assert "the database belongs to test payments of acct_1StandIn" in result.stderr


def test_an_invoice_that_is_held_up_says_why(sqlite_world: World) -> None:
    """Stripe takes a dinar in steps of ten fils."""
    world = sqlite_world
    rates = {"cpu_per_core_hour": "0.001", "memory_per_gb_hour": 0}
    world.configure(currency="KWD", computeRates=rates)
    world.bill(ann=5)
    assert world("stripe", "sync").exit_code == 7
    result, shown = status(world)
    (held,) = shown["held_up"]
    assert (held["user_id"], held["invoice"]) == ("ann", "INV-2025-000001")
    assert "cannot be charged by Stripe" in held["problem"]
    assert (result.exit_code, "1 invoice is held up" in result.stderr) == (7, True)
    table = world("stripe", "status").stdout
    assert "Key:                     test\n" in table
    assert "\nHeld up\n" in table
