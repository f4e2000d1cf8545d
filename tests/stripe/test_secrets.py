"""No command ever shows a secret, whatever goes wrong, and the database holds none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from typer.main import get_command

from billing_cli.commands.stripe_events import cli
from tests.stripe.world import FREE, PRO, World, seconds
from tests.stripe_server.webhooks import signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# No part of one that is long enough to be worth anything may be seen either.
KEY: Final = "sk_test_51HushHushHUSHhush0123456789abcdefQuiet"
SECRET: Final = "whsec_HushHushWEBHOOKhush9876543210"
PARTS: Final = (KEY[8:20], KEY[-12:], SECRET[6:18], SECRET[-12:])
COMMANDS: Final = {
    "sync": (),
    "sync --dry-run": (),
    "status": (),
    "reconcile": (),
    "checkout": ("--user", "ann", "--plan", "pro"),
    "setup": ("--user", "ann"),
    "portal": ("--user", "ann"),
    "payment-methods list": ("--user", "ann"),
    "payment-methods default": ("--user", "ann", "pm_1"),
    "payment-methods detach": ("--user", "ann", "pm_1"),
    "webhook": (),
    "events list": (),
    "events show": ("evt_1",),
    "events retry": (),
}


def leaves(command: Any, path: str = "") -> Iterator[str]:
    """The commands of a tree, as they are typed."""
    if not hasattr(command, "commands"):
        yield path.strip()
        return
    for name, inner in command.commands.items():
        yield from leaves(inner, f"{path} {name}")


def test_every_command_is_tried() -> None:
    """The receiver's tests look at what it says."""
    tried = {name.removesuffix(" --dry-run") for name in COMMANDS}
    assert tried | {"listen"} == set(leaves(get_command(cli)))


@pytest.mark.parametrize("trouble", ["none", "401", "403", "html"])
def test_no_secret_is_shown_or_kept(sqlite_world: World, trouble: str, tmp_path: Path) -> None:
    world = sqlite_world
    secrets = {"STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET}
    world.configure(billingMode="hybrid", subscriptionPlans=[FREE, PRO])
    world.bill(ann=5)
    said = [world("stripe", "sync", **secrets).ok().stdout]
    world.server.pay_invoice(world.theirs("ann")["id"])
    event = world.server.events[-1]
    event["data"]["object"]["client_secret"] = f"pi_1_secret_{KEY[-12:]}"
    event["data"]["object"]["description"] = f"paid with {KEY} and {SECRET}"
    if trouble == "401":
        world.server.revoke(KEY)
    elif trouble == "403":
        world.server.restrict(KEY)
    elif trouble == "html":
        world.server.fault(trouble, times=0)
    body, header = signed(event, SECRET, seconds(world.now))
    _, wrong = signed(event, "whsec_another", seconds(world.now))
    for name, words in COMMANDS.items():
        tries = [(*words, "-o", "json")]
        if name == "webhook":
            tries = [("--signature", wrong), ("--signature", header)]
        for given in tries:
            result = world("stripe", *name.split(), *given, stdin=body, **secrets)
            said += [result.stdout, result.stderr]
    for words in (("config", "show"), ("config", "validate"), ("db", "check")):
        result = world(*words, **secrets)
        said += [result.stdout, result.stderr]
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("billing.db*"))
    for part in PARTS:
        assert part not in "".join(said)
        assert part.encode() not in kept
