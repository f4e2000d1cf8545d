"""Migrations: what an older schema holds is carried over, and the result is what the tables say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from alembic import command

from billing_cli.pricing.instants import parse_instant
from billing_cli.store.engine import open_engine
from billing_cli.store.schema import HEAD, alembic_config, differences, upgrade

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.command_line import Invoke

FEB: Final = "2025-02-01T06:00:00Z"
SENT: Final = parse_instant(FEB)[0]
START, END = (parse_instant(f"2025-0{month}-01T00:00:00Z")[0] for month in (1, 2))
DOCUMENT: Final = (
    '{"billingMode": "usage", "computeRates": {"cpu_per_core_hour": "0.05", '
    '"memory_per_gb_hour": "0.01", "storage_per_gb_month": "0.1"}, "currency": "USD", '
    '"heartbeatTimeoutMinutes": null, "invoiceDay": 1, "subscriptionPlans": [], "taxes": [], '
    '"timezone": "UTC"}'
)
# An invoice of 1.00 that was sent, as schema 0001 holds it.
ROWS: Final[dict[str, dict[str, Any]]] = {
    "billing_users": {"user_key": 1, "user_id": "john"},
    "billing_settings_versions": {"id": 1, "recorded_at": START},
    "billing_counters": {"name": "INV-2025", "value": 1},
    "billing_closed_periods": {"period_start": START, "period_end": END, "closed_at": SENT},
    "billing_invoices": {
        "id": 1, "user_key": 1, "user_id": "john", "invoice_number": "INV-2025-000001",
        "kind": "regular", "period": "2025-01", "period_start": START, "period_end": END,
        "currency": "USD", "subtotal": 100, "tax": 0, "credits": 0, "total": 100,
        "status": "sent", "created_at": SENT, "sent_at": SENT, "due_date": SENT + 1_209_600,
        "written_off": 0,
    },
    "billing_invoice_lines": {
        "invoice_id": 1, "position": 1, "user_key": 1, "kind": "usage", "description": "CPU",
        "resource_type": "cpu", "quantity": "20.00", "unit_price": "0.05",
        "parts": "[[0,72000000]]", "unit_start": START, "unit_end": END, "amount": 100,
    },
    "billing_credits": {
        "id": 1, "user_key": 1, "user_id": "john", "amount": 50, "voided": 0, "currency": "USD",
        "reason": "Carried from INV-2024-000009", "created_at": START,
    },
}  # fmt: skip


@pytest.fixture(name="older")
def _older(empty_database_url: str) -> str:
    """A database of schema 0001 with an invoice in it."""
    engine = open_engine(empty_database_url)
    with engine.connect() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for table, row in ROWS.items():
            values = row | ({"document": DOCUMENT} if table.endswith("versions") else {})
            names = ", ".join(values)
            marks = ", ".join(f"'{v}'" if isinstance(v, str) else str(v) for v in values.values())
            connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})")
        connection.commit()
    engine.dispose()
    return empty_database_url


def test_an_older_database_is_carried_over(older: str, invoke_on: Callable[[str], Invoke]) -> None:
    run = invoke_on(older)
    refused = run("invoice", "list", at=FEB)
    assert (refused.exit_code, "billing db upgrade" in refused.stderr) == (8, True)
    assert run("db", "upgrade").ok().stderr == f"the schema is now {HEAD}, was 0001\n"
    run("db", "check").ok()
    shown = run("invoice", "show", "1", "-o", "json").ok().json()
    assert [shown["total"], shown["amount_paid"], shown["amount_due"]] == ["1.00", "0.00", "1.00"]
    paid = run("invoice", "pay", "1", at="2025-02-02T00:00:00Z")
    assert paid.ok().exit_code == 0
    assert run("invoice", "show", "1", "-o", "json").json()["status"] == "paid"
    # What was billed is known: nothing is left to bill, and nothing comes back.
    assert run("invoice", "generate", "--period", "2025-01", at=FEB).ok().stdout == ""


def test_both_ways_lead_to_the_same_tables(older: str) -> None:
    engine = open_engine(older)
    upgrade(engine)
    assert differences(engine) == []
    engine.dispose()


def test_rejected_lines_are_told_apart(empty_database_url: str) -> None:
    """By their reasons, for the headers of CSV rows were not kept before."""
    reasons = {
        "not JSON: expecting value at character 1": "event",
        "another event with this id but other content is stored already": "event",
        "the header has 5 cells, the row 4": "part",
        "there is no header: the first row has to name the columns": "part",
    }
    engine = open_engine(empty_database_url)
    with engine.connect() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        for number, reason in enumerate(reasons, 1):
            connection.exec_driver_sql(
                "INSERT INTO billing_rejected_lines "
                "(id, file, line, reason, raw, digest, partial, rejected_at) VALUES "
                f"({number}, 'x', {number}, '{reason}', 'x', 'x', 0, {START})"
            )
        connection.commit()
    upgrade(engine)
    with engine.connect() as connection:
        query = "SELECT reason, kind, header FROM billing_rejected_lines ORDER BY id"
        rows = connection.exec_driver_sql(query).all()
    assert [tuple(row) for row in rows] == [(*pair, None) for pair in reasons.items()]
    assert not differences(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("source", "index"),
    [
        ("source_invoice", "billing_credits_source"),
        ("source_payment", "billing_credits_payment"),
        ("source_note", "billing_credits_note"),
    ],
)
def test_what_granted_a_credit_leads_to_it(database_url: str, source: str, index: str) -> None:
    engine = open_engine(database_url)
    explain = "EXPLAIN QUERY PLAN"
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            # There is too little in the table for an index to be worth it.
            connection.exec_driver_sql("SET enable_seqscan = off")
            explain = "EXPLAIN"
        query = f"{explain} SELECT id FROM billing_credits WHERE {source} = 7"
        plan = str(connection.exec_driver_sql(query).all())
    assert index in plan
    engine.dispose()
