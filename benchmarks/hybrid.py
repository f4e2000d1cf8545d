"""`invoice generate --finalize` in the mode `hybrid`: fees, overage and credits for everyone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.databases import unit_of_work
from benchmarks.events import START, Sizes, created, terminated
from benchmarks.ingest import ingest
from benchmarks.invoicing import PERIOD, finalizing
from benchmarks.measuring import Measurement
from billing_cli.pricing.slots import HOUR
from billing_cli.pricing.subscriptions import Phase
from billing_cli.pricing.terms import Terms, TermsHistory
from billing_cli.pricing.timelines import FOREVER
from billing_cli.services import records
from billing_cli.services.generation import Generation
from billing_cli.settings import Settings
from billing_cli.settings.model import ConfigValues
from billing_cli.store import credits, subscriptions

if TYPE_CHECKING:
    from benchmarks.databases import Databases
    from billing_cli.store.unit_of_work import Transaction

NAME: Final = "invoice generate --finalize, hybrid"
BAR: Final = 2_000
LINES_EACH: Final = 5
"""The fees of two plans, and overage on three resources."""

_CHANGE: Final = START + 15 * 24 * HOUR + 4_321
_NOW: Final = START + 40 * 24 * HOUR
_PLANS: Final = [
    {"id": "small", "name": "Small", "price": "9.99", "interval": "month"}
    | {"cpu_limit": 1, "memory_limit": 2, "storage_limit": 10},
    {"id": "large", "name": "Large", "price": "29.99", "interval": "month"}
    | {"cpu_limit": 8, "memory_limit": 16, "storage_limit": 100},
]
_CREDITS: Final = (("Service credit for downtime", 300), ("Welcome", 250))


def measure(databases: Databases, kind: str, users: int, repeats: int) -> Measurement:
    """Bill users who each changed their plan, each time in a copy of the same database."""
    metered = metered_holders(databases, kind, users)
    return Measurement(
        name=NAME,
        database=kind,
        items=users,
        unit="invoices",
        seconds=finalizing(databases, metered, users, repeats, generate),
        repeats=repeats,
        bar=BAR,
    )


def metered_holders(databases: Databases, kind: str, users: int) -> str:
    """Make a database of users with a plan change, overage and two credits, all metered."""
    url = databases.fresh(kind)
    path = databases.folder / "holders.jsonl"
    with path.open("w", encoding="ascii") as file:
        for number in range(users):
            user = f"user-{number * 7919 % users:05d}"
            start = START + number % 300 * HOUR
            for session in (f"{user}-a", f"{user}-b"):
                file.write(created(session, user, start, Sizes("1500m", "3Gi", "20Gi")))
                file.write(terminated(session, user, start + 10 * HOUR + number % 3_600))
    ingest(url, path)
    path.unlink()
    with unit_of_work(url) as uow:
        with uow.batch() as tx:
            _subscribe(tx)
        records.run(uow, _history(url), START + 31 * 24 * HOUR, _NOW)
    databases.settle(url)
    return url


def generate(url: str) -> int:
    """Bill and finalize the period, and return how many invoices there are."""
    with unit_of_work(url) as uow:
        run = Generation(uow, _settings(url), _history(url), _NOW, finalize=True)
        return len(run.generate(PERIOD, None).ids)


def _subscribe(tx: Transaction) -> None:
    people = tx.rows("SELECT user_key, user_id FROM billing_users ORDER BY user_key")
    numbers = subscriptions.add(
        tx,
        [
            subscriptions.NewSubscription(key, name, "operator", START, START, FOREVER, "small")
            for key, name in people
        ],
    )
    for number, (key, _) in zip(numbers, people, strict=True):
        phases = [
            Phase(key, number, START, _CHANGE, "small", first=True),
            Phase(key, number, _CHANGE, FOREVER, "large", first=False),
        ]
        subscriptions.replace_phases(tx, number, phases)
    credits.grant(
        tx,
        [
            credits.Grant(key, name, amount, "USD", reason, START)
            for key, name in people
            for reason, amount in _CREDITS
        ],
    )


def _settings(url: str) -> Settings:
    values = ConfigValues.model_validate({"billingMode": "hybrid", "subscriptionPlans": _PLANS})
    return Settings(values, config_path=None, database_url=url, sources={})


def _history(url: str) -> TermsHistory:
    return TermsHistory([(None, Terms.from_document(_settings(url).money_document()))])
