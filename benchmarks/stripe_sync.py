"""`stripe sync` of invoices, with a stand-in for Stripe that answers at once, and no rate limit."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.databases import unit_of_work
from benchmarks.invoicing import generate, metered_users
from benchmarks.measuring import Measurement, median, timed
from benchmarks.metering import settings, terms_history
from billing_cli.gateway.stripe_client import StripeGateway
from billing_cli.services import stripe_customers, stripe_invoices
from billing_cli.services.stripe_access import TEST, Account
from billing_cli.services.stripe_run import Change, Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.databases import Databases

BAR: Final = 100
_PROJECT: Final = Path(__file__).parent.parent
_NOW: Final = 1_738_368_000


def measure(databases: Databases, kind: str, users: int, repeats: int) -> Measurement:
    """Send everyone's invoice: three requests each, in a process beside the stand-in's."""
    billed = metered_users(databases, kind, users)
    generate(billed)
    times = []
    for _ in range(repeats):
        url = databases.copy(billed)
        databases.settle(url)
        with stand_in() as address:
            send(url, address, customers=True)
            seconds, sent = timed(partial(send, url, address, customers=False))
        times.append(seconds)
        databases.drop(url)
        if sent != users:
            raise AssertionError(f"{sent} invoices sent for {users} users")
    databases.drop(billed)
    return Measurement(
        name="stripe sync of invoices",
        database=kind,
        items=users,
        unit="invoices",
        seconds=median(times),
        repeats=repeats,
        bar=BAR,
    )


@contextmanager
def stand_in() -> Iterator[str]:
    """Run the tests' stand-in for Stripe in a process of its own, and give its address."""
    words = [sys.executable, "-m", "tests.stripe_server", "--fast", "--now", str(_NOW)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, encoding="utf-8", cwd=_PROJECT) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def send(url: str, address: str, *, customers: bool) -> int:
    """Send the users, or their invoices; return how many invoices went out."""
    sent: list[Change] = []
    gateway = StripeGateway(
        "sk_test_bench", base=address, rate=0, timeout=30, monotonic=time.monotonic
    )
    with unit_of_work(url) as uow:
        account = Account(uow, gateway, settings(url), terms_history(url), _NOW, TEST, "bench")
        run = Run(account, sent.append)
        if customers:
            stripe_customers.sync(run)
            return 0
        stripe_invoices.send(run)
    return len(sent)
