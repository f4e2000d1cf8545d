"""A deployment with Stripe: the command line, the stand-in, and what they have to do with it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from billing_cli.gateway import stripe_parameters as parameters
from billing_cli.gateway.stripe_client import StripeGateway

if TYPE_CHECKING:
    from tests.command_line import Invoke, Result
    from tests.stripe_server import StripeServer

KEY: Final = "sk_test_51abcDEFghiJKLmno"
SECRET: Final = "whsec_5ecretSECRETs3cret"
JANUARY: Final = "2025-01-01T00:00:00Z"
FEBRUARY: Final = "2025-02-01T00:00:00Z"
MARCH: Final = "2025-03-01T00:00:00Z"
PRO: Final = {"id": "pro", "name": "Pro", "price": "30.00", "interval": "month", "cpu_limit": 8}
FREE: Final = {"id": "free", "name": "Free", "price": 0, "interval": "month", "cpu_limit": 2}
MAX: Final = {"id": "max", "name": "Max", "price": "90.00", "interval": "month"}


def seconds(instant: str) -> int:
    """Epoch seconds of an instant in UTC."""
    return int(datetime.fromisoformat(instant).replace(tzinfo=UTC).timestamp())


def session(user: str, start: str, end: str | None, cpu: str = "1") -> list[dict[str, Any]]:
    """The events of a session without memory to speak of: a core costs 0.05 an hour."""
    size = {"cpu": cpu, "memory": "1Mi"}
    name = f"{user}-{start}"
    data = {"id": name, "user": user, "state": "running", "resources": size}
    found = [{"event": "session.created", "timestamp": start, "data": data}]
    if end is not None:
        found.append(
            {"event": "session.terminated", "timestamp": end, "data": {"id": name, "user": user}}
        )
    return found


@dataclass
class World:
    """A deployment at one moment, which stands still until it is moved."""

    invoke: Invoke
    server: StripeServer
    now: str = FEBRUARY

    def __post_init__(self) -> None:
        """Let the stand-in's clock be ours, and tell the program where it is."""
        self.configure()
        self.at(self.now)

    def configure(self, **more: object) -> None:
        """Write the config file."""
        values: dict[str, object] = {
            "stripeEnabled": True,
            "stripeApiBase": self.server.url,
            "stripeRateLimit": 0,
            "stripeSuccessUrl": "https://example.com/done",
            "computeRates": {"cpu_per_core_hour": "1", "memory_per_gb_hour": 0},
        }
        self.invoke.configure(**(values | more))

    def at(self, now: str) -> None:
        """Move the clocks of both sides."""
        self.now = now
        self.server.clock = seconds(now)

    def __call__(self, *words: str, stdin: str | bytes = b"", **environ: str) -> Result:
        """Run a command now."""
        secrets = {"STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET}
        return self.invoke(*words, at=self.now, stdin=stdin, environ=secrets | environ)

    def rows(self, *words: str) -> list[dict[str, Any]]:
        """Run a command that lists something."""
        found: list[dict[str, Any]] = self(*words, "-o", "json").ok().json()
        return found

    def show(self, *words: str) -> dict[str, Any]:
        """Run a command that shows something."""
        found: dict[str, Any] = self(*words, "-o", "json").ok().json()
        return found

    def use(self, **hours: int) -> None:
        """Have users use so many core-hours of January, each with an address of their own."""
        events = [
            one
            for user, count in hours.items()
            for one in session(
                user, JANUARY, f"2025-01-{1 + count // 24:02}T{count % 24:02}:00:00Z"
            )
        ]
        self("meter", "ingest", "-", stdin="\n".join(map(json.dumps, events))).ok()
        for user in hours:
            self("user", "edit", user, "--email", f"{user}@example.com").ok()

    def bill(self, **hours: int) -> None:
        """Have users billed for so many core-hours of January, at 1.00 each."""
        self.use(**hours)
        self("invoice", "generate", "--finalize").ok()

    def sync(self, *words: str) -> list[dict[str, Any]]:
        """Bring both sides together, and return what was done."""
        return self.rows("stripe", "sync", *words)

    def checkout(self, customer: str, price: str) -> str:
        """Make a page on which a customer subscribes, as the command does; return its id."""
        gateway = StripeGateway(
            KEY, base=self.server.url, rate=0, timeout=10, monotonic=time.monotonic
        )
        wanted = parameters.checkout(customer, price, "https://example.com/", None, {})
        made = gateway.write("checkout.create", "", wanted, f"{customer}/{price}/{self.now}")
        return str(made["id"])

    def customer(self, user: str) -> str:
        """The id of a user's customer on Stripe."""
        return str(self.server.find("customers", billing_user=user)["id"])

    def theirs(self, user: str) -> dict[str, Any]:
        """The only invoice of a user that is on Stripe."""
        (found,) = self.server.objects("invoices", customer=self.customer(user))
        return dict(found)

    def ours(self, user: str) -> dict[str, Any]:
        """The only invoice of a user here."""
        (found,) = self.rows("invoice", "list", "--user", user)
        return self.show("invoice", "show", str(found["id"]))

    def check(self) -> None:
        """Let the database's own checks pass."""
        self("db", "check").ok()
