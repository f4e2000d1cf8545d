"""Every type of event there is, as real commands tell it: by schema, in words, and by mail."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import pytest

from billing_cli.pricing.instants import parse_instant
from billing_cli.pricing.notices import TYPES
from billing_cli.store import outbox, users
from billing_cli.store.engine import open_engine
from billing_cli.store.outbox import Notice
from billing_cli.store.unit_of_work import UnitOfWork
from tests.commands.support import session, take_in
from tests.commands.test_sinks import MAIL_SECRET, deliver, mail
from tests.servers import MailServer, ca_file, mail_server
from tests.told import require_fit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command_line import Invoke

PLANS: Final[list[dict[str, object]]] = [
    {"id": "free", "name": "Free", "price": 0, "interval": "month", "cpu_limit": 1},
    {"id": "pro", "name": "Pro", "price": "10", "interval": "month", "cpu_limit": 4},
    {"id": "max", "name": "Max", "price": "20", "interval": "month", "cpu_limit": 8},
]

INVOICE: Final = """\
Invoice INV-2025-000002
Hello Ann Lee,

this is your invoice INV-2025-000002 for 2025-02.

Total: 20.00 USD
Amount due: 20.00 USD
Please pay by 2025-03-16, and name INV-2025-000002.
"""
WARNING: Final = """\
You are near your limit of memory
Hello Ann Lee,

your use of memory is 3.50 GB, which is 87.50 % of your limit, since 2025-01-05 01:00 CET. \
Your limit is 4.00 GB.
"""


def january(day: int, hour: int = 0) -> str:
    return f"2025-01-{day:02}T{hour:02}:00:00Z"


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


def configure(run: Invoke, server: MailServer, timezone: str) -> None:
    run.configure(
        billingMode="hybrid",
        subscriptionPlans=PLANS,
        autoSuspendOnOverage=True,
        gracePeriodDays=3,
        timezone=timezone,
        notifications={"sinks": [mail(server)]},
    )


def live(run: Invoke, server: MailServer) -> None:
    """Do all that is ever told of."""
    ca_file(run.work)
    configure(run, server, "Europe/Berlin")
    run("events", "deliver", at=january(1), environ=MAIL_SECRET).ok()
    person = ("--name", "Ann Lee", "--email", "ann@example.com", "--address", "1 Way\nTown")
    run("user", "add", "ann", *person, "--plan", "pro", at=january(1)).ok()
    plan = ("subscription", "change", "--user", "ann", "--plan", "max")
    run(*plan, at=january(2)).ok()
    run("subscription", "cancel", "--user", "ann", at=january(3)).ok()
    run("subscription", "resume", "--user", "ann", at=january(4)).ok()
    run("user", "edit", "ann", "--cpu-limit", "2", "--memory-limit", "4", at=january(4)).ok()
    resources = {"cpu": "3", "memory": "3584Mi"}
    take_in(run, *session(january(5), january(9), "s1", "ann", resources=resources), at=january(9))
    run("quota", "check", at=january(9)).ok()
    run("quota", "resume", "ann", "--reason", "will use less", at=january(10)).ok()
    credit = ("credits", "add", "--user", "ann", "--amount", "1", "--reason", "hello")
    run(*credit, "--expires", "2026-01-01", at=january(11)).ok()
    run("invoice", "generate", "--finalize", at="2025-02-02T00:00:00Z").ok()
    run("invoice", "mark-overdue", at="2025-02-20T00:00:00Z").ok()
    failed = ("payment", "record", "--user", "ann", "--amount", "5", "--failed", "no funds")
    run(*failed, at="2025-02-21T00:00:00Z").ok()
    run("invoice", "pay", "INV-2025-000001", at="2025-02-22T00:00:00Z").ok()
    run("payment", "refund", "2", "--reason", "a gift", at="2025-02-23T00:00:00Z").ok()
    run("invoice", "generate", "--finalize", at="2025-03-02T00:00:00Z").ok()
    run("invoice", "void", "INV-2025-000002", "--reason", "wrong", at="2025-03-03T00:00:00Z").ok()


def tell_of_stripe(run: Invoke) -> None:
    """Tell of what only Stripe makes happen; that it is told so is shown beside the stand-in."""
    moment = parse_instant("2025-03-04T00:00:00Z")[0]
    about = {"payment_id": 1, "user_id": "ann", "amount": "5.00", "currency": "USD"}
    with UnitOfWork(open_engine(run.database)) as uow, uow.batch() as tx:
        key = users.key_of(tx, "ann")
        found = [
            Notice(kind, kind, key, "ann", moment, {**about, **more})
            for kind, more in (
                ("billing.payment.disputed", {"reason": "fraudulent", "status": "needs_response"}),
                ("billing.refund.failed", {"status": "failed"}),
            )
        ]
        outbox.tell(tx, found, moment)


def test_every_type_is_told_as_its_schema_says_and_can_be_mailed(
    sqlite_invoke: Invoke, server: MailServer
) -> None:
    run = sqlite_invoke
    live(run, server)
    tell_of_stripe(run)
    told = run("events", "replay", "--since", "2000-01-01T00:00:00Z", "-o", "jsonl").ok()
    events = [json.loads(line) for line in told.stdout.splitlines()]
    assert {event["type"] for event in events} == set(TYPES)
    for event in events:
        require_fit(event)
    # What is not applied yet is not in force, and mails say the same days as the documents.
    configure(run, server, "America/New_York")
    deliver(run, 10_000_000, MAIL_SECRET)
    assert len(server.mails) == len(events)
    types = {event["id"]: event["type"] for event in events}
    texts: dict[str, str] = {}
    for message in server.mails:
        plain = message.get_body(("plain",))
        assert plain is not None
        text = plain.get_content().replace("\r\n", "\n")
        kind = types[message["Message-ID"].split(".")[0].lstrip("<")]
        texts[kind] = f"{message['Subject']}\n{text}"
        assert re.match(r"Hello Ann Lee,\n\n\S", text), text
        assert not re.search(r"None|Undefined|[{}]|\n\n\n| \n|\s[.,]", text), text
        assert text.endswith("\n")
    assert sorted(texts) == sorted(TYPES)
    assert texts["billing.invoice.created"] == INVOICE
    assert texts["billing.quota.warning"] == WARNING
