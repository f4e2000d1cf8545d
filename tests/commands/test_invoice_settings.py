"""``billing invoice``: what taxes, currencies, zones and invoice days make of the same usage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from billing_cli.pricing.instants import format_instant, parse_instant
from tests.commands.support import event, lines_of, made, session, take_in, totals

if TYPE_CHECKING:
    from tests.command_line import Invoke

FEB = "2025-02-01T06:00:00Z"
MARCH = "2025-03-01T06:00:00Z"
DAY = session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z")
SHORTER = event("terminated", "2025-01-10T10:00:00Z")
"""The day was ten hours: 0.98 too much was billed."""


def test_tax_terms_and_prefix_come_from_the_settings(invoke: Invoke) -> None:
    invoke.configure(
        taxes=[{"id": "vat", "name": "VAT", "percent": "8.875", "default": True}],
        paymentTermsDays=30,
        invoicePrefix="ACME",
    )
    take_in(invoke, *DAY, at=FEB)
    made(invoke, "--finalize")
    shown = invoke("invoice", "show", "ACME-2025-000001", "-o", "json").ok().json()
    keys = ("subtotal", "tax", "total", "tax_name", "tax_percent", "sent_at", "due_date")
    assert [shown[key] for key in keys] == [
        "1.68",
        "0.15",
        "1.83",
        "VAT",
        "8.875",
        FEB,
        "2025-03-03T06:00:00Z",
    ]
    # What was billed too much comes back with its tax.
    take_in(invoke, SHORTER, at=MARCH)
    made(invoke, "--finalize", at=MARCH)
    assert lines_of(invoke, "2")[-1] == ("Carried to credit", None, None, "1.07")


@pytest.mark.parametrize(
    ("currency", "rates", "total"),
    [
        ("JPY", {"cpu_per_core_hour": 7, "memory_per_gb_hour": "1.51"}, "240"),
        ("KWD", {"cpu_per_core_hour": "0.0151", "memory_per_gb_hour": "0.003"}, "0.506"),
    ],
)
def test_amounts_have_the_digits_of_their_currency(
    invoke: Invoke, currency: str, rates: dict[str, object], total: str
) -> None:
    """Each line is rounded once: 168 + 72.48 yen, and 0.3624 + 0.144 dinars."""
    invoke.configure(currency=currency, computeRates=rates)
    take_in(invoke, *DAY, at=FEB)
    assert made(invoke, "--finalize") == [total]
    (row,) = invoke("invoice", "list", "-o", "json").json()
    assert row["currency"] == currency


def test_the_number_has_the_local_year(invoke: Invoke) -> None:
    invoke.configure(timezone="America/New_York")
    lines = [
        *session("2024-11-10T00:00:00Z", "2024-11-11T00:00:00Z"),
        *session("2024-12-10T00:00:00Z", "2024-12-11T00:00:00Z", "s2"),
    ]
    take_in(invoke, *lines, at="2025-01-01T04:59:59Z")
    made(invoke, "--period", "2024-11", "--finalize", at="2025-01-01T04:59:59Z")
    made(invoke, "--finalize", at="2025-01-01T05:00:00Z")
    assert totals(invoke) == [
        ("2024-11", "INV-2024-000001", "1.68", "sent"),
        ("2024-12", "INV-2025-000001", "1.68", "sent"),
    ]


ZONES = [
    ("America/New_York", 1, "2025-03", "2025-03-01T05:00:00Z", "2025-04-01T04:00:00Z", 743),
    ("America/New_York", 15, "2025-10", "2025-10-15T04:00:00Z", "2025-11-15T05:00:00Z", 745),
    ("Europe/London", 1, "2025-10", "2025-09-30T23:00:00Z", "2025-11-01T00:00:00Z", 745),
    ("Europe/London", 15, "2025-03", "2025-03-15T00:00:00Z", "2025-04-14T23:00:00Z", 743),
    ("Asia/Kolkata", 1, "2024-02", "2024-01-31T18:30:00Z", "2024-02-29T18:30:00Z", 696),
    ("Asia/Kolkata", 15, "2025-01", "2025-01-14T18:30:00Z", "2025-02-14T18:30:00Z", 744),
    # The clocks of Havana go back at one to midnight, and forward from midnight to one.
    ("America/Havana", 1, "2025-11", "2025-11-01T04:00:00Z", "2025-12-01T05:00:00Z", 721),
    ("America/Havana", 15, "2025-02", "2025-02-15T05:00:00Z", "2025-03-15T04:00:00Z", 671),
    # A Sunday the first with a midnight that happens twice: the earlier one counts.
    ("America/Havana", 1, "2020-11", "2020-11-01T04:00:00Z", "2020-12-01T05:00:00Z", 721),
]


@pytest.mark.parametrize(("zone", "day", "period", "start", "end", "hours"), ZONES)
def test_periods_are_of_local_months(
    sqlite_invoke: Invoke, zone: str, day: int, period: str, start: str, end: str, hours: int
) -> None:
    sqlite_invoke.configure(timezone=zone, invoiceDay=day)
    now = "2026-06-01T00:00:00Z"
    before, after = (
        format_instant(parse_instant(text)[0] + days * 86_400)
        for text, days in ((start, -35), (end, 35))
    )
    lines = session(before, after, resources={"cpu": "1", "memory": "0"})
    take_in(sqlite_invoke, *lines, at=now)
    made = sqlite_invoke("invoice", "generate", "--period", period, "-o", "json", at=now).ok()
    (row,) = made.json()
    assert (row["period_start"], row["period_end"]) == (start, end)
    assert lines_of(sqlite_invoke, "1")[0][1] == f"{hours}.00"
