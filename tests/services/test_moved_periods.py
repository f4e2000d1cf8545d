"""A change of time zone moves a period's end: its draft moves along, nothing is billed apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from billing_cli.pricing.instants import parse_instant
from tests.services.world import World, webhook

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="world")
def _world(database_url: str, tmp_path: Path) -> World:
    return World(database_url, tmp_path, {"timezone": "America/New_York"})


def _at(text: str) -> int:
    return parse_instant(text)[0]


def test_a_draft_follows_its_period(world: World) -> None:
    sizes = {"cpu": "1", "memory": "1Gi", "storage": "100Gi"}
    start = _at("2025-03-05T00:00:00Z")
    world.ingest([webhook("session.created", start, "s", "ann", resources=sizes)], start)
    world.generate(_at("2025-03-20T00:00:00Z"), "2025-03", finalize=False)
    world.configure(timezone="Asia/Kolkata")
    world.apply(_at("2025-03-20T00:00:00Z"))
    world.generate(_at("2025-05-20T00:00:00Z"))
    found = world.rows("SELECT period, status FROM billing_invoices ORDER BY period_start")
    assert found == [("2025-03", "sent")]
    (billed,) = world.rows(
        "SELECT SUM(quantity), MAX(end_time) FROM billing_usage_records "
        "WHERE resource_type = 'cpu' AND start_time < (SELECT period_end FROM billing_invoices)"
    )
    (line,) = world.rows("SELECT parts FROM billing_invoice_lines WHERE resource_type = 'cpu'")
    assert line[0] == f"[[0,{billed[0]}]]"
    storage = world.rows(
        "SELECT month_seconds, CAST(SUM(quantity) AS BIGINT) FROM billing_usage_records "
        "WHERE resource_type = 'storage' "
        "AND start_time < (SELECT period_end FROM billing_invoices) "
        "GROUP BY month_seconds ORDER BY month_seconds"
    )
    ((parts,),) = world.rows(
        "SELECT parts FROM billing_invoice_lines WHERE resource_type = 'storage'"
    )
    assert parts == "[" + ",".join(f"[{month},{base}]" for month, base in storage) + "]"
